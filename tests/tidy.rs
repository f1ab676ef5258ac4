//! The rules of the house, held by reading the source. Each broken one is reported with file and line.

use std::{
    fs,
    ops::Range,
    path::{Path, PathBuf},
    process::Command,
};

#[path = "tidy/options.rs"]
mod options;
#[path = "tidy/order.rs"]
mod order;

/// The floors from the ground up. A file may name those below its own floor and its own.
const FLOORS: [&[&str]; 10] = [
    &["panics", "error", "time"],
    &["encoding"],
    &["schema"],
    &["storage"],
    &["transaction"],
    &["reactive"],
    &["functions"],
    &["scheduler"],
    &["config", "builder", "health", "database", "lib"],
    &["agent_manager"],
];
/// The floor of what is public: what no module of the root holds is re-exported by it.
const ROOF: usize = FLOORS.len() - 2;
const RUST: [&str; 4] = ["src", "tests", "examples", "benches"];
const MAX_FILE_LINES: usize = 450;
const MAX_FUNCTION_LINES: usize = 70;

/// One source file.
struct Source {
    path: PathBuf,
    text: String,
    /// The same lines, with those that are comments or unit tests left empty.
    code: String,
}

impl Source {
    fn read(path: &Path) -> Self {
        let text = fs::read_to_string(path).unwrap();
        let lines: Vec<&str> = text.lines().collect();
        let mut code = lines.clone();
        code.iter_mut().filter(|line| line.trim_start().starts_with("//")).for_each(|line| *line = "");
        for at in (0..lines.len()).filter(|at| lines[*at].trim() == "#[cfg(test)]") {
            let item = (at..lines.len()).find(|at| !lines[*at].trim_start().starts_with("#[")).unwrap_or(at);
            code[at..=end_of_item(&lines, item)].fill("");
        }
        let code = code.join("\n");
        Self { path: path.strip_prefix(root()).unwrap().to_owned(), text, code }
    }

    fn code(&self) -> impl Iterator<Item = (usize, &str)> {
        (1..).zip(self.code.lines())
    }

    fn lines(&self) -> impl Iterator<Item = (usize, &str)> {
        (1..).zip(self.text.lines())
    }

    fn at(&self, line: usize, what: &str) -> String {
        format!("{}:{line}: {what}", self.path.display())
    }

    fn line_of(&self, position: usize) -> usize {
        self.code[..position].matches('\n').count() + 1
    }

    /// The modules from the crate's root to this file's own; `src/lib.rs` is `lib`.
    fn modules(&self) -> Vec<String> {
        let path = self.path.strip_prefix("src").unwrap().with_extension("");
        let modules = path.iter().map(|part| part.to_string_lossy().into_owned());
        modules.filter(|module| module != "mod").collect()
    }

    /// Items that begin with one of `starts` and have a body, as ranges of line positions.
    fn bodies<'a>(&'a self, starts: &'a [&str]) -> impl Iterator<Item = Range<usize>> + 'a {
        let lines: Vec<&str> = self.text.lines().collect();
        let begins = |line: &str| starts.iter().any(|start| without_visibility(line).starts_with(start));
        let found = (0..lines.len()).filter(move |at| begins(lines[*at])).collect::<Vec<_>>();
        found.into_iter().map(|at| at..end_of_item(&self.text.lines().collect::<Vec<_>>(), at) + 1)
    }

    fn is_unit_test(&self) -> bool {
        let is_domain = self.path == Path::new("src/agent_manager/tests.rs");
        !is_domain
            && (self.path.components().any(|part| part.as_os_str() == "tests") || self.path.ends_with("tests.rs"))
    }
}

/// The last line of the item that begins at a line. rustfmt indents what closes it as its beginning.
fn end_of_item(lines: &[&str], at: usize) -> usize {
    let line = lines[at];
    if line.ends_with([';', '}', ',']) {
        return at;
    }
    let indent = &line[..line.len() - line.trim_start().len()];
    let ends = |line: &&str| {
        let rest = line.strip_prefix(indent).unwrap_or_default();
        rest.starts_with('}') || (rest.ends_with(';') && !rest.starts_with(' '))
    };
    lines[at + 1..].iter().position(ends).map_or(at, |length| at + 1 + length)
}

fn without_visibility(line: &str) -> &str {
    let line = line.trim_start();
    let Some(rest) = line.strip_prefix("pub") else { return line };
    let rest = rest.strip_prefix('(').and_then(|rest| rest.split_once(')')).map_or(rest, |(_, rest)| rest);
    rest.trim_start()
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn files(folder: &str, ending: &str) -> Vec<Source> {
    let mut waiting = vec![root().join(folder)];
    let mut found = Vec::new();
    while let Some(folder) = waiting.pop() {
        for entry in fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() && !path.ends_with("target") {
                waiting.push(path);
            } else if path.extension().is_some_and(|found| found == ending) {
                found.push(Source::read(&path));
            }
        }
    }
    found.sort_by(|a, b| a.path.cmp(&b.path));
    assert!(!found.is_empty(), "{folder} has no {ending} files");
    found
}

/// The source of the library, without files of unit tests.
fn library() -> Vec<Source> {
    files("src", "rs").into_iter().filter(|source| !source.is_unit_test()).collect()
}

/// Everything in Rust: the library, its tests, examples and benches.
fn everything() -> impl Iterator<Item = Source> {
    RUST.into_iter().flat_map(|folder| files(folder, "rs"))
}

fn none(found: Vec<String>) {
    assert!(found.is_empty(), "\n{}\n", found.join("\n"));
}

/// The first identifier of `text`.
fn identifier(text: &str) -> &str {
    let end = text.find(|letter: char| !letter.is_alphanumeric() && letter != '_');
    &text[..end.unwrap_or(text.len())]
}

/// What `crate::` paths in `code` name first, also within braces, with its position. Not those of macros, which are
/// written down in the host's crate.
fn names_in_crate(code: &str) -> Vec<(usize, &str)> {
    const CRATE: &str = "crate::";
    let mut found = Vec::new();
    for (at, _) in code.match_indices(CRATE).filter(|(at, _)| !code[..*at].ends_with('$')) {
        let start = at + CRATE.len();
        if !code[start..].starts_with('{') {
            found.push((start, identifier(&code[start..])));
            continue;
        }
        let mut depth = 0;
        for (offset, letter) in code[start..].char_indices() {
            match letter {
                '{' => depth += 1,
                '}' => depth -= 1,
                _ => {}
            }
            if depth == 0 {
                break;
            }
            if depth == 1 && (letter == '{' || letter == ',') {
                let rest = &code[start + offset + 1..];
                let name = rest.trim_start();
                found.push((start + offset + 1 + rest.len() - name.len(), identifier(name)));
            }
        }
    }
    found.retain(|(_, name)| !name.is_empty());
    found
}

#[test]
fn only_the_base_names_redb() {
    let owners = [("redb", ["src/storage/base"].as_slice())];
    let mut found = Vec::new();
    for source in files("src", "rs") {
        for (name, owners) in owners {
            if owners.iter().any(|owner| source.path.starts_with(owner)) {
                continue;
            }
            let names = [format!("{name}::"), format!("use {name}"), format!("extern crate {name}")];
            let foreign = source.lines().filter(|(_, text)| !text.trim_start().starts_with("//"));
            let foreign = foreign.filter(|(_, text)| names.iter().any(|name| text.contains(name)));
            found.extend(foreign.map(|(line, _)| source.at(line, &format!("{name} belongs to {owners:?}"))));
        }
    }
    none(found);
}

#[test]
fn nothing_names_the_serializer_that_stored_rows_earlier() {
    // In pieces, so that this file does not hold what it looks for.
    let name = ["bin", "code"].concat();
    let others = ["README.md", "Cargo.toml", "docs/architecture.md", "docs/format.md"].map(|file| root().join(file));
    let sources = ["src", "tests", "examples"].into_iter().flat_map(|folder| files(folder, "rs"));
    let mut found = Vec::new();
    for source in sources.chain(others.map(|path| Source::read(&path))) {
        let named = source.lines().filter(|(_, text)| text.to_lowercase().contains(&name));
        found.extend(named.map(|(line, _)| source.at(line, &format!("names {name}"))));
    }
    none(found);
}

#[test]
fn no_file_names_a_floor_above_its_own() {
    // What is no module of the root's is re-exported by it, and so belongs to the roof.
    let floor_of = |module: &str| FLOORS.iter().position(|floor| floor.contains(&module)).unwrap_or(ROOF);
    let mut found = Vec::new();
    for source in library() {
        let own = &source.modules()[0];
        assert!(FLOORS.iter().any(|floor| floor.contains(&own.as_str())), "{own} has no floor");
        for (position, name) in names_in_crate(&source.code) {
            if floor_of(name) > floor_of(own) {
                let line = source.line_of(position);
                found.push(source.at(line, &format!("names {name}, which is on a floor above {own}")));
            }
        }
    }
    none(found);
}

#[test]
fn the_agent_manager_uses_what_is_public_and_nothing_else() {
    let private = |name: &str| FLOORS[..=ROOF].iter().any(|floor| floor.contains(&name));
    // What is public within the crate alone, by name.
    let mut hidden: Vec<String> = Vec::new();
    let mut shown: Vec<String> = Vec::new();
    for source in library().iter().filter(|source| !source.path.starts_with("src/agent_manager")) {
        for (_, line) in source.code() {
            let line = line.trim_start();
            let internal = ["pub(crate) fn ", "pub(super) fn "].iter().find_map(|start| line.strip_prefix(start));
            hidden.extend(internal.map(|rest| identifier(rest).to_owned()));
            let public = ["pub fn ", "pub const fn ", "fn "].iter().find_map(|start| line.strip_prefix(start));
            shown.extend(public.map(|rest| identifier(rest).to_owned()));
        }
    }
    // Those that others have as well.
    shown.extend(["contains", "contains_key", "decode", "position", "split"].map(str::to_owned));
    hidden.retain(|name| !shown.contains(name));
    let mut found = Vec::new();
    for source in library().iter().filter(|source| source.path.starts_with("src/agent_manager")) {
        for (position, name) in names_in_crate(&source.code) {
            if private(name) {
                found.push(source.at(source.line_of(position), &format!("names {name}, which is not public")));
            }
        }
        for (line, text) in source.code() {
            let called = text.split('.').skip(1).map(identifier);
            let called = called.filter(|name| hidden.iter().any(|hidden| hidden == name));
            let own = |name: &str| source.text.contains(&format!("fn {name}"));
            let called = called.filter(|name| !own(name) && text.contains(&format!(".{name}(")));
            found.extend(called.map(|name| source.at(line, &format!("calls {name}, which is not public"))));
        }
    }
    none(found);
}

#[test]
fn no_path_reaches_the_root_through_super() {
    const SUPER: &str = "super::";
    let mut found = Vec::new();
    for source in library() {
        let inner: Vec<_> = source.bodies(&["mod "]).filter(|body| body.len() > 1).collect();
        let chains = source.code.match_indices(SUPER).filter(|(at, _)| !source.code[..*at].ends_with(SUPER));
        for (at, _) in chains {
            let line = source.line_of(at);
            let depth = source.modules().len() + inner.iter().filter(|body| body.contains(&(line - 1))).count();
            let steps = source.code[at..].split(SUPER).take_while(|part| part.is_empty()).count();
            if steps >= depth {
                found.push(source.at(line, "reaches the crate's root through `super`; write `crate`"));
            }
        }
    }
    none(found);
}

#[test]
fn nothing_in_the_library_is_unsafe_unwrapped_or_allowed_as_a_whole() {
    let never = [".unwrap()", "unsafe {", "unsafe fn", "unsafe impl", "unsafe trait", "unsafe extern", "#![allow"];
    let mut found = Vec::new();
    for source in library() {
        let named = |text: &str| never.iter().find(|word| text.contains(*word)).copied();
        found.extend(source.code().filter_map(|(line, text)| Some(source.at(line, named(text)?))));
    }
    none(found);
}

#[test]
fn nothing_is_unfinished() {
    // In pieces, so that this file does not hold what it looks for.
    let never = [["TO", "DO"], ["FIX", "ME"], ["to", "do!("], ["unimpl", "emented!("], ["db", "g!("]];
    let never = never.map(|word| word.concat());
    let mut found = Vec::new();
    for source in everything() {
        let named = |text: &str| never.iter().find(|word| text.contains(*word));
        found.extend(source.lines().filter_map(|(line, text)| Some(source.at(line, named(text)?))));
    }
    none(found);
}

#[test]
fn nothing_sleeps() {
    let sleep = ["thread::", "sleep"].concat();
    let mut found = Vec::new();
    // The peers are other people's, and have their own ways to be waited for.
    for source in everything().filter(|source| !source.path.starts_with("benches/peers")) {
        let lines = source.lines().filter(|(_, text)| text.contains(&sleep));
        found.extend(lines.map(|(line, _)| source.at(line, "sleeps; wait for the event")));
    }
    none(found);
}

#[test]
fn files_and_functions_are_short() {
    let functions = ["fn ", "const fn ", "async fn ", "extern \"C\" fn "];
    let mut found = Vec::new();
    for source in everything() {
        let size = source.text.lines().count();
        if size > MAX_FILE_LINES {
            found.push(source.at(size, &format!("the file has more than {MAX_FILE_LINES} lines")));
        }
        let long = source.bodies(&functions).filter(|body| body.len() > MAX_FUNCTION_LINES);
        found.extend(long.map(|body| source.at(body.start + 1, &format!("the function has {} lines", body.len()))));
    }
    none(found);
}

#[test]
fn every_file_says_what_it_is() {
    let silent = library().into_iter().filter(|source| !source.text.starts_with("//!"));
    none(silent.map(|source| source.at(1, "does not begin with `//!`")).collect());
}

#[test]
fn every_public_item_is_documented() {
    // rustc sees to what can be reached from outside. This sees also to what is public within the crate.
    let items = ["fn ", "const ", "struct ", "enum ", "trait ", "type ", "static ", "macro_rules! "];
    let mut found = Vec::new();
    for source in library() {
        let macros: Vec<_> = source.bodies(&["macro_rules! "]).collect();
        let lines: Vec<&str> = source.text.lines().collect();
        for (line, text) in source.code() {
            let is_item = text
                .trim_start()
                .strip_prefix("pub ")
                .is_some_and(|rest| items.iter().any(|item| rest.starts_with(item)) || rest.starts_with("unsafe "));
            let is_in_macro = macros.iter().any(|body| body.contains(&(line - 1)));
            let above = lines[..line - 1].iter().rev().map(|line| line.trim());
            // An attribute of several lines ends in none of these.
            let mut above = above.take_while(|line| !line.is_empty() && !line.ends_with(['{', '}', ';']));
            if is_item && !is_in_macro && !above.any(|line| line.starts_with("///")) {
                found.push(source.at(line, "has no documentation"));
            }
        }
    }
    none(found);
    let root = fs::read_to_string(root().join("src/lib.rs")).unwrap();
    assert!(root.contains("#![deny(missing_docs)]"));
}

#[test]
fn the_documents_are_complete() {
    let architecture = fs::read_to_string(root().join("docs/architecture.md")).unwrap();
    let readme = fs::read_to_string(root().join("README.md")).unwrap();
    let mut found = Vec::new();
    for source in library().into_iter().filter(|source| !source.path.ends_with("mod.rs")) {
        // As the code map has it: within its floor, alone or by its folder.
        let parts: Vec<_> = source.path.iter().skip(1).map(|part| part.to_string_lossy()).collect();
        let file = if parts.len() == 1 { parts[0].to_string() } else { parts[1..].join("/") };
        let folder = file.rsplit_once('/').map(|(folder, _)| format!("`{folder}/`"));
        let is_named = architecture.contains(&format!("`{file}`"));
        if !is_named && !folder.is_some_and(|folder| architecture.contains(&folder)) {
            found.push(source.at(1, "is not in the code map of docs/architecture.md"));
        }
    }
    let config = Source::read(&root().join("src/config.rs"));
    for (line, text) in config.code() {
        let option = text.strip_prefix("    pub ").and_then(|field| field.split_once(':'));
        if option.is_some_and(|(option, _)| !readme.contains(&format!("| `{option}` |"))) {
            found.push(config.at(line, "is not among the options of README.md"));
        }
    }
    none(found);
}

#[test]
fn the_project_speaks_of_itself_alone() {
    // In pieces, so that this file does not hold what it looks for.
    let needles = [["/wo", "rk/"], ["/ro", "ot/"], ["\"/t", "mp"], ["/ho", "me/"], ["crates", ".io"]];
    let needles = needles.map(|needle| needle.concat());
    let others = [
        "README.md",
        "CHANGELOG.md",
        "CONTRIBUTING.md",
        "Cargo.toml",
        "rustfmt.toml",
        ".ci/run",
        "benches/instructions/Cargo.toml",
        "benches/overlay/Cargo.toml",
        "benches/peers/Cargo.toml",
    ];
    // The published package leaves some out.
    let others = others.into_iter().map(|file| root().join(file)).filter(|path| path.exists());
    let others = others.map(|path| Source::read(&path));
    let mut found = Vec::new();
    for source in everything().chain(files("docs", "md")).chain(others) {
        for (line, text) in source.lines() {
            let named = needles.iter().find(|needle| text.contains(*needle));
            found.extend(named.map(|needle| source.at(line, &format!("names {needle}"))));
        }
    }
    none(found);
}

#[test]
fn the_lock_file_is_not_committed() {
    let tracked = Command::new("git").args(["ls-files", "*Cargo.lock"]).current_dir(root()).output();
    // A copy without its history has nothing to check.
    let tracked = tracked.map(|output| String::from_utf8_lossy(&output.stdout).into_owned()).unwrap_or_default();
    assert_eq!(tracked, "");
}

//! The rules of the house, held by reading the source.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

/// The floors from the ground up. A file may name those below its own floor and its own.
const FLOORS: [&[&str]; 7] = [
    &["error", "time"],
    &["encoding"],
    &["schema"],
    &["storage"],
    &["transaction"],
    &["reactive"],
    &["config", "database", "lib"],
];
const MAX_FILE_LINES: usize = 450;
const MAX_FUNCTION_LINES: usize = 70;

/// A source file, without its tests.
struct Source {
    path: PathBuf,
    text: String,
}

impl Source {
    /// Every line with its number, up to the unit tests.
    fn lines(&self) -> impl Iterator<Item = (usize, &str)> {
        let is_tests = |line: &str| line.trim() == "#[cfg(test)]";
        (1..).zip(self.text.lines()).take_while(move |(_, line)| !is_tests(line))
    }

    /// Lines of code: neither comments nor docs.
    fn code(&self) -> impl Iterator<Item = (usize, &str)> {
        self.lines().filter(|(_, line)| !line.trim_start().starts_with("//"))
    }

    fn at(&self, line: usize, what: &str) -> String {
        format!("{}:{line}: {what}", self.path.display())
    }

    /// The floor's name: the first folder or file under `src`.
    fn module(&self) -> String {
        let mut parts = self.path.components().skip_while(|part| part.as_os_str() != "src").skip(1);
        let name = parts.next().map(|part| part.as_os_str().to_string_lossy().into_owned()).unwrap_or_default();
        name.trim_end_matches(".rs").to_owned()
    }

    fn is(&self, path: &str) -> bool {
        self.path.ends_with(path)
    }
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
            if path.is_dir() && !path.ends_with("target") && !path.ends_with("peers") {
                waiting.push(path);
            } else if path.extension().is_some_and(|found| found == ending) {
                let text = fs::read_to_string(&path).unwrap();
                found.push(Source { path: path.strip_prefix(root()).unwrap().to_owned(), text });
            }
        }
    }
    found.sort_by(|a, b| a.path.cmp(&b.path));
    assert!(!found.is_empty(), "{folder} has no {ending} files");
    found
}

fn is_unit_test(source: &Source) -> bool {
    source.path.components().any(|part| part.as_os_str() == "tests") || source.is("tests.rs")
}

/// The source of the library, without files of unit tests.
fn library() -> Vec<Source> {
    files("src", "rs").into_iter().filter(|source| !is_unit_test(source)).collect()
}

fn none(found: Vec<String>) {
    assert!(found.is_empty(), "\n{}\n", found.join("\n"));
}

#[test]
fn only_the_base_names_redb_and_only_rows_name_bincode() {
    let owners = [
        ("redb::", ["src/storage/base.rs", "src/storage/base/backend.rs"].as_slice()),
        ("bincode::", ["src/encoding/row.rs"].as_slice()),
    ];
    let mut found = Vec::new();
    for source in library() {
        for (line, text) in source.code() {
            let is_owned = |owners: &[&str]| owners.iter().any(|owner| source.is(owner));
            let foreign = owners.iter().find(|(name, owners)| text.contains(name) && !is_owned(owners));
            found.extend(foreign.map(|(name, owners)| source.at(line, &format!("{name} belongs to {owners:?}"))));
        }
    }
    none(found);
}

#[test]
fn no_file_names_a_floor_above_its_own() {
    let floor_of = |module: &str| FLOORS.iter().position(|floor| floor.contains(&module));
    let mut found = Vec::new();
    for source in library().into_iter().filter(|source| !source.is("src/lib.rs")) {
        let own = floor_of(&source.module()).unwrap_or_else(|| panic!("{} has no floor", source.path.display()));
        // A `use crate::{ … }` goes over several lines; its names stand at the beginning of one.
        let mut is_in_use = false;
        for (line, text) in source.code() {
            let is_first = text.contains("crate::{");
            for (floor, name) in
                FLOORS.iter().enumerate().flat_map(|(at, names)| names.iter().map(move |name| (at, name)))
            {
                let is_named = text.contains(&format!("crate::{name}::"))
                    || (is_in_use && text.starts_with(&format!("    {name}::")))
                    || (is_first && text.contains(&format!("{{{name}::")));
                if is_named && floor > own {
                    found.push(source.at(line, &format!("names the floor of {name}, above its own")));
                }
            }
            is_in_use = (is_in_use || is_first) && !text.contains("};");
        }
    }
    none(found);
}

#[test]
fn nothing_is_unsafe_unwrapped_unfinished_or_asleep() {
    let todo = ["TO", "DO"].concat();
    let never =
        [".unwrap()", "unsafe {", "unsafe fn", "todo!(", "unimplemented!(", "dbg!(", "FIXME", &todo, "#![allow"];
    let mut found = Vec::new();
    for source in library() {
        let named = |text: &str| never.iter().find(|word| text.contains(*word)).copied();
        found.extend(source.code().filter_map(|(line, text)| Some(source.at(line, named(text)?))));
    }
    let sleep = ["thread::", "sleep"].concat();
    for source in ["src", "tests", "examples", "benches"].into_iter().flat_map(|folder| files(folder, "rs")) {
        let lines = (1..).zip(source.text.lines()).filter(|(_, text)| text.contains(&sleep));
        found.extend(lines.map(|(line, _)| source.at(line, "sleeps; wait for the event")));
    }
    none(found);
}

#[test]
fn files_and_functions_are_short() {
    let mut found = Vec::new();
    for source in files("src", "rs").iter().chain(&files("examples", "rs")) {
        let lines: Vec<&str> = source.text.lines().collect();
        if lines.len() > MAX_FILE_LINES {
            found.push(source.at(lines.len(), "the file is too long"));
        }
        for (at, text) in lines.iter().enumerate() {
            let trimmed = text.trim_start();
            let is_function = ["fn ", "pub fn ", "pub(crate) fn ", "pub(super) fn ", "const fn ", "pub const fn "]
                .iter()
                .any(|start| trimmed.starts_with(start));
            if !is_function || text.trim_end().ends_with(';') {
                continue;
            }
            // rustfmt puts the closing brace where the function began.
            let end = format!("{}}}", &text[..text.len() - trimmed.len()]);
            let length = lines[at..].iter().position(|line| *line == end).map_or(1, |length| length + 1);
            if length > MAX_FUNCTION_LINES {
                found.push(source.at(at + 1, &format!("the function has {length} lines")));
            }
        }
    }
    none(found);
}

#[test]
fn every_folder_says_what_lives_in_it_and_every_file_what_it_is() {
    let undocumented = library().into_iter().filter(|source| !source.text.starts_with("//!"));
    none(undocumented.map(|source| source.at(1, "the file does not say what it is")).collect());
}

#[test]
fn every_public_item_is_documented() {
    // rustc sees to it for the library; this sees to what is public within macros and examples of the API as well.
    let text = fs::read_to_string(root().join("src/lib.rs")).unwrap();
    assert!(text.contains("#![deny(missing_docs)]"));
}

#[test]
fn the_project_speaks_of_itself_alone() {
    // In pieces, so that this file does not hold what it looks for.
    let needles = [["/wo", "rk/"].concat(), ["/ro", "ot/"].concat(), ["crates", ".io"].concat()];
    let mut found = Vec::new();
    let rust = ["src", "tests", "examples", "benches"].into_iter().flat_map(|folder| files(folder, "rs"));
    for source in rust.chain(files("docs", "md")) {
        for (line, text) in (1..).zip(source.text.lines()) {
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

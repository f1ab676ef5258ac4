//! Inside a floor files form an order: each stands on those that are listed before it, so none stand in a circle. The
//! list is the folder's `mod.rs`, or the file that has the folder's name; this goes for folders within folders too.

use std::collections::HashMap;

use super::*;

/// The folder whose files a file lists.
fn folder_of(list: &Source) -> PathBuf {
    match list.path.ends_with("mod.rs") {
        true => list.path.with_file_name(""),
        false => list.path.with_extension(""),
    }
}

/// The files of a folder, in the order in which they are listed. Files below one of them are a part of it.
fn listed(list: &Source) -> Vec<&str> {
    let modules = list.code().filter_map(|(_, line)| without_visibility(line).strip_prefix("mod ")?.strip_suffix(';'));
    modules.collect()
}

/// The names that follow `text`: one, or those at the top of what is in braces. With their positions.
fn names_after(code: &str, start: usize) -> Vec<(usize, &str)> {
    if !code[start..].starts_with('{') {
        return vec![(start, identifier(&code[start..]))];
    }
    let (mut found, mut depth) = (Vec::new(), 0);
    for (offset, letter) in code[start..].char_indices() {
        depth += i32::from(letter == '{') - i32::from(letter == '}');
        if depth == 0 {
            break;
        }
        if depth == 1 && (letter == '{' || letter == ',') {
            let at = start + offset + 1;
            found.push((at, identifier(code[at..].trim_start())));
        }
    }
    // After the last comma there is none.
    found.retain(|(_, name)| !name.is_empty());
    found
}

/// Which file each name belongs to that the list passes on.
fn owners<'a>(list: &'a Source, files: &[&'a str]) -> HashMap<&'a str, &'a str> {
    let mut owners = HashMap::new();
    for file in files {
        let path = format!("{file}::");
        let starts = list.code.match_indices(path.as_str());
        for (at, _) in starts.filter(|(at, _)| !list.code[..*at].ends_with(|letter: char| letter.is_alphanumeric())) {
            owners.extend(names_after(&list.code, at + path.len()).into_iter().map(|(_, name)| (name, *file)));
        }
    }
    owners.extend(files.iter().map(|file| (*file, *file)));
    owners
}

/// What a file names of a folder that it lies in: through `super`, or through the folder's path. With the positions.
fn names_of_folder<'a>(source: &'a Source, folder: &[String]) -> Vec<(usize, &'a str)> {
    let mut found = Vec::new();
    let depth = source.modules().len() - folder.len();
    for start in ["super::".repeat(depth), format!("crate::{}::", folder.join("::"))] {
        let paths = source.code.match_indices(start.as_str());
        let own =
            paths.filter(|(at, _)| !source.code[..*at].ends_with("super::") && !source.code[..*at].ends_with('$'));
        for (at, _) in own {
            found.extend(names_after(&source.code, at + start.len()));
        }
    }
    found
}

/// Every place in the folder of a list where a file names one that is listed after it.
fn against_the_order(list: &Source, sources: &[Source]) -> Vec<String> {
    let (within, folder) = (folder_of(list), list.modules());
    let files = listed(list);
    let owners = owners(list, &files);
    let place = |file: &str| files.iter().position(|listed| *listed == file);
    let mut found = Vec::new();
    for source in sources.iter().filter(|source| source.path.starts_with(&within)) {
        let modules = source.modules();
        let Some(own) = modules.get(folder.len()).and_then(|own| place(own)) else { continue };
        for (position, name) in names_of_folder(source, &folder) {
            let Some(file) = owners.get(name) else { continue };
            if place(file) > Some(own) {
                let what = format!("names {name} of {file}.rs, which {} lists after it", list.path.display());
                found.push(source.at(source.line_of(position), &what));
            }
        }
    }
    found
}

#[test]
fn inside_a_floor_each_file_stands_on_those_that_are_listed_before_it() {
    let sources = library();
    let is_on_a_floor = |list: &&Source| {
        FLOORS[..ROOF]
            .iter()
            .flat_map(|floor| floor.iter())
            .any(|floor| list.modules().first().is_some_and(|own| own == floor))
    };
    let lists: Vec<_> = sources.iter().filter(is_on_a_floor).filter(|source| !listed(source).is_empty()).collect();
    // Folders within folders are among them.
    assert!(lists.iter().any(|list| list.modules().len() > 1), "{:?}", lists.len());
    none(lists.into_iter().flat_map(|list| against_the_order(list, &sources)).collect());
}

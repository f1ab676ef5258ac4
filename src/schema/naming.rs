//! Names, while the host's crate is being compiled: camelCase for JSON, and what may be a table's name.

/// Whether `name` is a letter followed by letters, digits and `_`: what an id's text can begin with.
pub const fn is_table_name(name: &str) -> bool {
    let bytes = name.as_bytes();
    if bytes.is_empty() || !bytes[0].is_ascii_alphabetic() {
        return false;
    }
    let mut at = 1;
    while at < bytes.len() {
        if !bytes[at].is_ascii_alphanumeric() && bytes[at] != b'_' {
            return false;
        }
        at += 1;
    }
    true
}

/// The name of an identifier, without the `r#` that `stringify!` keeps.
pub const fn plain_name(identifier: &'static str) -> &'static str {
    match identifier.as_bytes() {
        [b'r', b'#', ..] => identifier.split_at(2).1,
        _ => identifier,
    }
}

/// Whether a field's visibility, as it was written, is none or `pub`.
pub const fn is_public(visibility: &str) -> bool {
    matches!(visibility.as_bytes(), b"" | b"pub")
}

/// A doc comment without the space that begins it and the line end that ends it.
pub const fn trim_doc(text: &'static str) -> &'static str {
    text.trim_ascii()
}

/// The next byte of `name` in camelCase and where to go on, or `None` at its end.
const fn next_camel(name: &[u8], from: usize) -> Option<(u8, usize)> {
    let mut at = from;
    while at < name.len() && name[at] == b'_' {
        at += 1;
    }
    if at == name.len() {
        return None;
    }
    let byte = name[at];
    let camel = if from == 0 {
        byte.to_ascii_lowercase()
    } else if at > from {
        byte.to_ascii_uppercase()
    } else {
        byte
    };
    Some((camel, at + 1))
}

/// How many bytes `name` has in camelCase.
pub const fn camel_case_len(name: &str) -> usize {
    let mut len = 0;
    let mut from = 0;
    while let Some((_, next)) = next_camel(name.as_bytes(), from) {
        len += 1;
        from = next;
    }
    len
}

/// `name` in camelCase, as `serde(rename_all = "camelCase")` writes it; `N` is [`camel_case_len`].
pub const fn camel_case<const N: usize>(name: &str) -> [u8; N] {
    let mut camel = [0; N];
    let mut len = 0;
    let mut from = 0;
    while let Some((byte, next)) = next_camel(name.as_bytes(), from) {
        camel[len] = byte;
        len += 1;
        from = next;
    }
    camel
}

/// `name` in camelCase, where it is known only when the program runs.
pub(crate) fn json_name_of(name: &str) -> String {
    let mut camel = Vec::with_capacity(name.len());
    let mut from = 0;
    while let Some((byte, next)) = next_camel(name.as_bytes(), from) {
        camel.push(byte);
        from = next;
    }
    String::from_utf8(camel).unwrap_or_else(|_| name.to_owned())
}

/// What [`camel_case`] wrote, as text.
pub const fn camel_case_text(camel: &'static [u8]) -> &'static str {
    match std::str::from_utf8(camel) {
        Ok(text) => text,
        Err(_) => panic!("only ASCII bytes of an identifier were changed or left out"),
    }
}

/// Whether no other of `identifiers` has the same camelCase name. (That none is declared twice, the compiler sees.)
pub const fn has_own_json_name(identifiers: &[&'static str], identifier: &'static str) -> bool {
    let mut at = 0;
    while at < identifiers.len() {
        let other = identifiers[at];
        if !same_bytes(other.as_bytes(), identifier.as_bytes()) && same_camel(plain_name(other), plain_name(identifier))
        {
            return false;
        }
        at += 1;
    }
    true
}

/// Whether `text` occurs once in `texts`.
pub const fn occurs_once(texts: &[&str], text: &str) -> bool {
    let mut count = 0;
    let mut at = 0;
    while at < texts.len() {
        if same_bytes(texts[at].as_bytes(), text.as_bytes()) {
            count += 1;
        }
        at += 1;
    }
    count == 1
}

const fn same_camel(left: &str, right: &str) -> bool {
    let (mut left_from, mut right_from) = (0, 0);
    loop {
        match (next_camel(left.as_bytes(), left_from), next_camel(right.as_bytes(), right_from)) {
            (None, None) => return true,
            (Some((left_byte, left_next)), Some((right_byte, right_next))) if left_byte == right_byte => {
                (left_from, right_from) = (left_next, right_next);
            }
            (Some(_), Some(_) | None) | (None, Some(_)) => return false,
        }
    }
}

const fn same_bytes(left: &[u8], right: &[u8]) -> bool {
    if left.len() != right.len() {
        return false;
    }
    let mut at = 0;
    while at < left.len() {
        if left[at] != right[at] {
            return false;
        }
        at += 1;
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    fn camel(name: &str) -> String {
        let len = camel_case_len(name);
        String::from_utf8(camel_case::<32>(name)[..len].to_vec()).expect("identifiers are text")
    }

    #[test]
    fn names_are_in_camel_case_as_serde_writes_it() {
        let names =
            ["title", "project_id", "a_b_c", "dueAt", "Due_at", "x2_y3", "_id", "trailing_", "a__b", "größe_in_m"];
        let expected = ["title", "projectId", "aBC", "dueAt", "dueAt", "x2Y3", "id", "trailing", "aB", "größeInM"];
        assert_eq!(names.map(camel), expected);
        assert_eq!(names.map(json_name_of), expected);
    }

    #[test]
    fn fields_that_only_differ_in_underscores_share_a_json_name() {
        assert!(!has_own_json_name(&["a_b", "c", "aB"], "a_b"));
        assert!(has_own_json_name(&["a_b", "c", "ab"], "a_b"));
        assert!(!has_own_json_name(&["r#type", "_type"], "r#type"));
    }

    #[test]
    fn a_table_name_is_a_letter_followed_by_letters_digits_and_underscores() {
        assert!(["a", "Tasks2", "old_tasks_"].into_iter().all(is_table_name));
        assert!(!["", "2a", "_a", "a-b", "ä", "a b"].into_iter().any(is_table_name));
    }
}

//! Misuse of `schema!` and of typed keys is a compile error at the user's line, with a message that says what to do.

#[test]
fn misuse_is_reported_where_it_stands() {
    trybuild::TestCases::new().compile_fail("tests/compile_fail/*.rs");
}

//! Fields that refer to a row of a table, and what an index may say about its deletion.

/// The type of a field that refers to a row: what an index with `on delete` begins with.
#[diagnostic::on_unimplemented(
    message = "`on delete` needs an index whose first field refers to a row",
    label = "the field has type `{Self}`, which is neither `Id<…>` nor `Option<Id<…>>`"
)]
pub trait ReferenceField {
    /// Name of the table that it refers to.
    fn target() -> &'static str;

    /// The number of the id that it holds, if any.
    fn referenced(&self) -> Option<u64>;
}

/// The type of a field that refers to a row or to none: what an index with `on delete set null` begins with.
#[diagnostic::on_unimplemented(
    message = "`on delete set null` needs a field that can be null",
    label = "the field has type `{Self}`; declare it as `Option<…>`, or write `cascade` or `restrict`"
)]
pub trait NullableReference {
    /// Makes it refer to none.
    fn clear(&mut self);
}

/// Clears the reference, for the macro.
pub fn clear_reference<R: NullableReference>(reference: &mut R) {
    reference.clear();
}

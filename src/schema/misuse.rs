//! The compile errors of [`schema!`](crate::schema!) that the compiler would not find, or not say well, on its own.
//!
//! A declarative macro cannot point at a token with a message of its own. A trait bound can: each rule is a trait that
//! holds for `true` only, and the macro demands it of the token's type, with the rule's outcome. They are spelled out
//! here, for the compiler shows the user the line of the bound.

/// Whether a rule holds, as a type.
#[derive(Debug)]
pub struct Outcome<const HOLDS: bool>;

macro_rules! hold_for_true {
    ($($rule:ident)+) => { $(impl<T> $rule<true> for T {})+ };
}

hold_for_true! {
    TableName OwnTableName VariantText VariantCount PublicField OwnFieldName OwnJsonName SingleConversion
    IndexName OwnIndexName KindOfIndex PartCount MultiAlone MultiReference Deletion
}

/// A table's name is what its ids begin with.
#[diagnostic::on_unimplemented(
    message = "a table's name is a letter followed by letters, digits and `_`",
    label = "rename the table"
)]
pub trait TableName<const HOLDS: bool> {}

/// Points at the second argument.
pub fn demand_table_name<const HOLDS: bool, T: TableName<HOLDS>>(_: Outcome<HOLDS>, _: T) {}

/// Names of tables differ.
#[diagnostic::on_unimplemented(message = "two tables have this name", label = "rename one of the tables")]
pub trait OwnTableName<const HOLDS: bool> {}

/// Points at the second argument.
pub fn demand_own_table_name<const HOLDS: bool, T: OwnTableName<HOLDS>>(_: Outcome<HOLDS>, _: T) {}

/// Texts of variants differ.
#[diagnostic::on_unimplemented(message = "two variants have this text", label = "change one of the texts")]
pub trait VariantText<const HOLDS: bool> {}

/// Points at the second argument.
pub fn demand_variant_text<const HOLDS: bool, T: VariantText<HOLDS>>(_: Outcome<HOLDS>, _: T) {}

/// A variant is one byte in keys.
#[diagnostic::on_unimplemented(message = "an enum has at most 256 variants", label = "this one has more")]
pub trait VariantCount<const HOLDS: bool> {}

/// Points at the second argument.
pub fn demand_variant_count<const HOLDS: bool, T: VariantCount<HOLDS>>(_: Outcome<HOLDS>, _: T) {}

/// Fields have no visibility of their own.
#[diagnostic::on_unimplemented(
    message = "the fields of a table are always `pub`",
    label = "remove the visibility before this field"
)]
pub trait PublicField<const HOLDS: bool> {}

/// Points at the type.
pub fn demand_public_field<const HOLDS: bool, T: PublicField<HOLDS>>() {}

/// Names of fields differ.
#[diagnostic::on_unimplemented(message = "two fields have this name", label = "rename this field or the other")]
pub trait OwnFieldName<const HOLDS: bool> {}

/// Points at the type.
pub fn demand_own_field_name<const HOLDS: bool, T: OwnFieldName<HOLDS>>() {}

/// Names of fields differ in JSON as well.
#[diagnostic::on_unimplemented(
    message = "two fields have the same name in JSON, where names are camelCase",
    label = "rename this field or the other"
)]
pub trait OwnJsonName<const HOLDS: bool> {}

/// Points at the type.
pub fn demand_own_json_name<const HOLDS: bool, T: OwnJsonName<HOLDS>>() {}

/// A field has one conversion.
#[diagnostic::on_unimplemented(
    message = "the field has two conversions",
    label = "write one `convert` for it: rows have one stored type"
)]
pub trait SingleConversion<const HOLDS: bool> {}

/// Points at the second argument.
pub fn demand_single_conversion<const HOLDS: bool, T: SingleConversion<HOLDS>>(_: Outcome<HOLDS>, _: T) {}

/// No index is declared as `by_id`.
#[diagnostic::on_unimplemented(
    message = "`by_id` is reserved: every table has an index of that name, over its ids",
    label = "choose another name"
)]
pub trait IndexName<const HOLDS: bool> {}

/// Points at the second argument.
pub fn demand_index_name<const HOLDS: bool, T: IndexName<HOLDS>>(_: Outcome<HOLDS>, _: T) {}

/// Names of indexes differ.
#[diagnostic::on_unimplemented(message = "two indexes have this name", label = "rename one of the indexes")]
pub trait OwnIndexName<const HOLDS: bool> {}

/// Points at the second argument.
pub fn demand_own_index_name<const HOLDS: bool, T: OwnIndexName<HOLDS>>(_: Outcome<HOLDS>, _: T) {}

/// An index has a kind.
#[diagnostic::on_unimplemented(
    message = "an index is declared as `index`, `unique` or `multi`",
    label = "the word before this name is none of them"
)]
pub trait KindOfIndex<const HOLDS: bool> {}

/// Points at the second argument.
pub fn demand_index_kind<const HOLDS: bool, T: KindOfIndex<HOLDS>>(_: Outcome<HOLDS>, _: T) {}

/// A key has as many parts as typed prefixes are made for.
#[diagnostic::on_unimplemented(message = "an index has at most 6 fields", label = "this is the seventh")]
pub trait PartCount<const HOLDS: bool> {}

/// Points at the second argument.
pub fn demand_part_count<const HOLDS: bool, T: PartCount<HOLDS>>(_: Outcome<HOLDS>, _: T) {}

/// A `multi` index has a key of one part.
#[diagnostic::on_unimplemented(
    message = "a `multi` index is over one field",
    label = "remove this field, or declare an `index`"
)]
pub trait MultiAlone<const HOLDS: bool> {}

/// Points at the second argument.
pub fn demand_multi_alone<const HOLDS: bool, T: MultiAlone<HOLDS>>(_: Outcome<HOLDS>, _: T) {}

/// A `multi` index refers to nothing.
#[diagnostic::on_unimplemented(
    message = "a `multi` index cannot say `on delete`",
    label = "references are declared on an `index` or `unique`"
)]
pub trait MultiReference<const HOLDS: bool> {}

/// Points at the second argument.
pub fn demand_multi_reference<const HOLDS: bool, T: MultiReference<HOLDS>>(_: Outcome<HOLDS>, _: T) {}

/// What deletion does is one of three.
#[diagnostic::on_unimplemented(
    message = "after `on delete` comes `cascade`, `restrict` or `set null`",
    label = "this index says something else"
)]
pub trait Deletion<const HOLDS: bool> {}

/// Points at the second argument.
pub fn demand_deletion<const HOLDS: bool, T: Deletion<HOLDS>>(_: Outcome<HOLDS>, _: T) {}

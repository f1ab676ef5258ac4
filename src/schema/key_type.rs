//! Which types of fields can be indexed, and how they are described to the catalog.

use crate::{encoding::KeyPart, time::Timestamp};

/// The type of a field that can be a part of an index's key.
///
/// Its description is kept with every stored index: when it changes, the bytes of the keys do too, and the index is
/// rebuilt.
#[diagnostic::on_unimplemented(
    message = "a field of type `{Self}` cannot be part of an index key",
    label = "the field has type `{Self}`, which has no order-preserving key",
    note = "key parts are integers, `bool`, floats, `char`, `String`, `Vec<u8>`, `Timestamp`, `Id<…>`, enums of `schema!`",
    note = "and `Option` and tuples of these; an index over the elements of a `Vec` is a `multi`"
)]
pub trait KeyType: KeyPart {
    /// The type, spelled the same wherever and under whatever alias it is declared.
    fn describe() -> String;
}

macro_rules! named_key_types {
    ($($type:ty)+) => { $(
        impl KeyType for $type {
            fn describe() -> String {
                stringify!($type).to_owned()
            }
        }
    )+ };
}

named_key_types! {
    u8 u16 u32 u64 u128 i8 i16 i32 i64 i128 f32 f64 bool char String Timestamp
}

impl KeyType for Vec<u8> {
    fn describe() -> String {
        "Vec<u8>".to_owned()
    }
}

impl<T: KeyType> KeyType for Option<T> {
    fn describe() -> String {
        format!("Option<{}>", T::describe())
    }
}

macro_rules! tuple_key_types {
    ($(($($part:ident)+))+) => { $(
        impl<$($part: KeyType),+> KeyType for ($($part,)+) {
            fn describe() -> String {
                format!("({})", [$($part::describe()),+].join(","))
            }
        }
    )+ };
}

tuple_key_types! {
    (A) (A B) (A B C) (A B C D) (A B C D E) (A B C D E F)
}

/// The type of a field that a `multi` index can be over: a `Vec` of key parts.
#[diagnostic::on_unimplemented(
    message = "a `multi` index is over a field of type `Vec<…>`",
    label = "the field has type `{Self}`, which has no elements to index",
    note = "an `index` is over the field's value as a whole"
)]
pub trait MultiField {
    /// What it has an entry for.
    type Element: KeyType;

    /// The values to index, in any order and possibly repeated.
    fn elements(&self) -> &[Self::Element];
}

impl<K: KeyType> MultiField for Vec<K> {
    type Element = K;

    fn elements(&self) -> &[K] {
        self
    }
}

/// Stands for the type of a field that does not exist, which is reported elsewhere.
#[derive(Debug)]
pub enum UnknownField {}

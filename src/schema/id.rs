//! [`Id`]: which row, of which table.

use std::{
    cmp::Ordering,
    fmt,
    hash::{Hash, Hasher},
    marker::PhantomData,
    str::FromStr,
};

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use super::{
    id_text::{id_text, parse_id},
    key_type::KeyType,
    reference::{NullableReference, ReferenceField},
    table::Table,
};
use crate::{
    encoding::{DecodeError, Describer, KeyPart, KeyWriter, StoredReader, StoredWriter, Type, Typed},
    error::IdError,
};

/// The id of a row of table `T`: eight bytes, `Copy`, never given to another row of the table.
///
/// As text it is the table's name, `_`, the number and a check symbol: `tasks_4km`. It is short and URL-safe, each id
/// has exactly one text, and parsing refuses an id of another table, every single mistyped symbol and every two
/// symbols in each other's place. JSON and other readable formats carry the text, binary ones the number.
///
/// Ids order as they were given out.
pub struct Id<T> {
    number: u64,
    table: PhantomData<fn() -> T>,
}

impl<T> Id<T> {
    /// The id with this number, whether or not such a row exists.
    #[doc(hidden)]
    pub const fn from_raw(number: u64) -> Self {
        Self { number, table: PhantomData }
    }

    /// The number alone. Ids of different tables may have the same one.
    pub const fn as_u64(self) -> u64 {
        self.number
    }
}

impl<T: Table> fmt::Display for Id<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&id_text(T::DEFINITION.name, self.number))
    }
}

impl<T: Table> fmt::Debug for Id<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl<T: Table> FromStr for Id<T> {
    type Err = IdError;

    fn from_str(text: &str) -> Result<Self, IdError> {
        parse_id(T::DEFINITION.name, text).map(Self::from_raw)
    }
}

impl<T> Clone for Id<T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T> Copy for Id<T> {}

impl<T> PartialEq for Id<T> {
    fn eq(&self, other: &Self) -> bool {
        self.number == other.number
    }
}

impl<T> Eq for Id<T> {}

impl<T> PartialOrd for Id<T> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl<T> Ord for Id<T> {
    fn cmp(&self, other: &Self) -> Ordering {
        self.number.cmp(&other.number)
    }
}

impl<T> Hash for Id<T> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.number.hash(state);
    }
}

impl<T> KeyPart for Id<T> {
    fn encode_key(&self, key: &mut KeyWriter) {
        key.id(self.number);
    }
}

impl<T: Table> Typed for Id<T> {
    fn describe(_: &mut Describer) -> Type {
        Type::Id(T::DEFINITION.name.to_owned())
    }

    fn encode(&self, stored: &mut StoredWriter) {
        stored.number(self.number);
    }

    fn decode(stored: &mut StoredReader<'_>) -> Result<Self, DecodeError> {
        stored.number().map(Self::from_raw)
    }

    fn is_same(&self, other: &Self) -> bool {
        self == other
    }
}

impl<T: Table> Serialize for Id<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if serializer.is_human_readable() {
            serializer.serialize_str(&id_text(T::DEFINITION.name, self.number))
        } else {
            serializer.serialize_u64(self.number)
        }
    }
}

impl<'de, T: Table> Deserialize<'de> for Id<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        if deserializer.is_human_readable() {
            deserializer.deserialize_str(IdText(PhantomData))
        } else {
            u64::deserialize(deserializer).map(Self::from_raw)
        }
    }
}

/// Reads an id's text.
struct IdText<T>(PhantomData<fn() -> T>);

impl<T: Table> de::Visitor<'_> for IdText<T> {
    type Value = Id<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "an id of table {:?}", T::DEFINITION.name)
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Id<T>, E> {
        text.parse().map_err(E::custom)
    }
}

impl<T: Table> KeyType for Id<T> {
    fn describe() -> String {
        format!("Id<{}>", T::DEFINITION.name)
    }
}

impl<P: Table> ReferenceField for Id<P> {
    fn target() -> &'static str {
        P::DEFINITION.name
    }

    fn referenced(&self) -> Option<u64> {
        Some(self.as_u64())
    }
}

impl<P: Table> ReferenceField for Option<Id<P>> {
    fn target() -> &'static str {
        P::DEFINITION.name
    }

    fn referenced(&self) -> Option<u64> {
        self.map(Id::as_u64)
    }
}

impl<P: Table> NullableReference for Option<Id<P>> {
    fn clear(&mut self) {
        *self = None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    crate::schema! {
        pub table Task in "tasks" { title: String }
        pub table Project in "old_projects" { name: String }
    }

    /// Small and large ids, and some of every size between.
    fn sample() -> impl Iterator<Item = u64> {
        let mixed = (0..300u64).map(|seed| seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> (seed % 64));
        (0..100).chain(mixed).chain([u64::MAX, u64::MAX - 1, 31u64, 31u64 - 1, 31u64.pow(12), 31u64.pow(12) - 1])
    }

    #[test]
    fn an_id_reads_back_from_its_text_and_every_text_is_one_id() {
        for number in sample() {
            let text = Id::<Task>::from_raw(number).to_string();
            assert_eq!(text.parse(), Ok(Id::<Task>::from_raw(number)), "{text}");
            let text = Id::<Project>::from_raw(number).to_string();
            assert!(text.starts_with("old_projects_"));
            assert_eq!(text.parse(), Ok(Id::<Project>::from_raw(number)), "{text}");
        }
    }

    #[test]
    fn the_text_of_an_id_never_changes() {
        let texts = [0, 1, 31, 143, 1_000_000, u64::MAX].map(|number| Id::<Task>::from_raw(number).to_string());
        let written = ["tasks_0r", "tasks_1s", "tasks_10t", "tasks_4km", "tasks_12hj22", "tasks_qd075jb45m86f3"];
        assert_eq!(texts, written);
    }

    #[test]
    fn every_single_mistyped_symbol_is_refused() {
        for number in sample() {
            let text = Id::<Task>::from_raw(number).to_string();
            for at in 0..text.len() {
                for wrong in (b' '..=b'~').filter(|&wrong| wrong != text.as_bytes()[at]) {
                    let mut bytes = text.clone().into_bytes();
                    bytes[at] = wrong;
                    let mistyped = String::from_utf8(bytes).expect("ASCII");
                    assert!(mistyped.parse::<Id<Task>>().is_err(), "{text} mistyped as {mistyped}");
                }
            }
        }
    }

    #[test]
    fn every_swap_of_two_symbols_is_refused() {
        for number in sample() {
            let text = Id::<Task>::from_raw(number).to_string();
            for first in 0..text.len() {
                for second in first + 1..text.len() {
                    let mut bytes = text.clone().into_bytes();
                    bytes.swap(first, second);
                    let swapped = String::from_utf8(bytes).expect("ASCII");
                    assert!(swapped == text || swapped.parse::<Id<Task>>().is_err(), "{text} written as {swapped}");
                }
            }
        }
    }

    #[test]
    fn an_id_of_another_table_is_refused_by_its_name() {
        let text = Id::<Project>::from_raw(7).to_string();
        let expected = IdError::WrongTable { text: text.clone(), found: "old_projects".to_owned(), expected: "tasks" };
        assert_eq!(text.parse::<Id<Task>>(), Err(expected));
    }

    #[test]
    fn what_is_no_id_is_malformed() {
        let too_large = "tasks_yyyyyyyyyyyyy0";
        let with_leading_zero = Id::<Task>::from_raw(5).to_string().replace('_', "_0");
        let uppercase = id_text("tasks", u64::MAX).replace("tasks_", "").to_uppercase();
        let uppercase = format!("tasks_{uppercase}");
        for text in ["", "_", "tasks", "tasks_", "tasks_1", "tasks_é1", "7", too_large, &with_leading_zero, &uppercase]
        {
            let error = text.parse::<Id<Task>>().expect_err("not an id");
            assert!(matches!(error, IdError::Malformed { .. }), "{text}: {error}");
        }
    }

    #[test]
    fn an_id_is_text_where_people_read_and_a_number_elsewhere() {
        let id = Id::<Task>::from_raw(5);
        let json = serde_json::to_string(&id).expect("an id is a string");
        assert_eq!(json, format!("\"{id}\""));
        assert_eq!(serde_json::from_str::<Id<Task>>(&json).expect("it was just written"), id);
        assert!(serde_json::from_str::<Id<Project>>(&json).is_err());
        assert!(serde_json::from_str::<Id<Task>>("5").is_err());
        let bytes = crate::encoding::encode_value(&id).expect("an id is a number");
        assert_eq!(bytes, [5]);
        assert_eq!(crate::encoding::decode_value::<Id<Task>>(&bytes), Ok(id));
    }
}

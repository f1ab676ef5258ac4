//! Texts, lists, sets and maps.
//!
//! Sets and maps are stored in the order of the bytes of their elements, so that equal ones have equal bytes whatever
//! order they iterate in.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap, HashSet, VecDeque},
    hash::{BuildHasher, Hash},
};

use super::Typed;
use crate::encoding::{
    description::{Describer, Type},
    stored::{DecodeError, StoredReader, StoredWriter},
};

impl Typed for String {
    fn describe(_: &mut Describer) -> Type {
        Type::Text
    }

    #[inline]
    fn encode(&self, stored: &mut StoredWriter) {
        stored.counted(self.as_bytes());
    }

    #[inline]
    fn decode(stored: &mut StoredReader<'_>) -> Result<Self, DecodeError> {
        stored.text().map(str::to_owned)
    }

    fn is_same(&self, other: &Self) -> bool {
        self == other
    }
}

impl<T: Typed> Typed for Vec<T> {
    fn describe(describer: &mut Describer) -> Type {
        T::describe_list(describer)
    }

    fn encode(&self, stored: &mut StoredWriter) {
        stored.count(self.len());
        T::encode_all(self, stored);
    }

    fn decode(stored: &mut StoredReader<'_>) -> Result<Self, DecodeError> {
        let count = stored.count()?;
        T::decode_all(count, stored)
    }

    fn is_same(&self, other: &Self) -> bool {
        self.len() == other.len() && self.iter().zip(other).all(|(one, other)| one.is_same(other))
    }
}

impl<T: Typed> Typed for VecDeque<T> {
    fn describe(describer: &mut Describer) -> Type {
        T::describe_list(describer)
    }

    fn encode(&self, stored: &mut StoredWriter) {
        stored.count(self.len());
        self.iter().for_each(|value| value.encode(stored));
    }

    fn decode(stored: &mut StoredReader<'_>) -> Result<Self, DecodeError> {
        Vec::decode(stored).map(Self::from)
    }

    fn is_same(&self, other: &Self) -> bool {
        self.len() == other.len() && self.iter().zip(other).all(|(one, other)| one.is_same(other))
    }
}

/// Reads elements into a collection that has each once.
fn decode_each<'a, E>(
    stored: &mut StoredReader<'a>,
    decode: impl Fn(&mut StoredReader<'a>) -> Result<E, DecodeError>,
    mut insert: impl FnMut(E) -> bool,
) -> Result<(), DecodeError> {
    for _ in 0..stored.count()? {
        if !insert(decode(stored)?) {
            return Err(DecodeError::new("an element is there twice"));
        }
    }
    Ok(())
}

impl<T: Typed + Ord> Typed for BTreeSet<T> {
    fn describe(describer: &mut Describer) -> Type {
        Type::Set(Box::new(T::describe(describer)))
    }

    fn encode(&self, stored: &mut StoredWriter) {
        stored.sorted(self.iter(), |stored, value| value.encode(stored));
    }

    fn decode(stored: &mut StoredReader<'_>) -> Result<Self, DecodeError> {
        let mut set = Self::new();
        decode_each(stored, T::decode, |value| set.insert(value))?;
        Ok(set)
    }

    fn is_same(&self, other: &Self) -> bool {
        self.len() == other.len() && self.iter().zip(other).all(|(one, other)| one.is_same(other))
    }
}

impl<T, S> Typed for HashSet<T, S>
where
    T: Typed + Eq + Hash,
    S: BuildHasher + Default + Send + Sync + 'static,
{
    fn describe(describer: &mut Describer) -> Type {
        Type::Set(Box::new(T::describe(describer)))
    }

    fn encode(&self, stored: &mut StoredWriter) {
        stored.sorted(self.iter(), |stored, value| value.encode(stored));
    }

    fn decode(stored: &mut StoredReader<'_>) -> Result<Self, DecodeError> {
        let mut set = Self::default();
        decode_each(stored, T::decode, |value| set.insert(value))?;
        Ok(set)
    }

    fn is_same(&self, other: &Self) -> bool {
        let has = |value: &T| other.get(value).is_some_and(|other| value.is_same(other));
        self.len() == other.len() && self.iter().all(has)
    }
}

fn describe_map<K: Typed, V: Typed>(describer: &mut Describer) -> Type {
    Type::Map(Box::new(K::describe(describer)), Box::new(V::describe(describer)))
}

fn encode_map<'a, K: Typed, V: Typed>(
    entries: impl ExactSizeIterator<Item = (&'a K, &'a V)>,
    stored: &mut StoredWriter,
) {
    stored.sorted(entries, |stored, (key, value)| {
        key.encode(stored);
        value.encode(stored);
    });
}

impl<K: Typed + Ord, V: Typed> Typed for BTreeMap<K, V> {
    fn describe(describer: &mut Describer) -> Type {
        describe_map::<K, V>(describer)
    }

    fn encode(&self, stored: &mut StoredWriter) {
        encode_map(self.iter(), stored);
    }

    fn decode(stored: &mut StoredReader<'_>) -> Result<Self, DecodeError> {
        let mut map = Self::new();
        decode_each(stored, <(K, V)>::decode, |(key, value)| map.insert(key, value).is_none())?;
        Ok(map)
    }

    fn is_same(&self, other: &Self) -> bool {
        let are_same =
            |((key, value), (other_key, other)): ((&K, &V), (&K, &V))| key.is_same(other_key) && value.is_same(other);
        self.len() == other.len() && self.iter().zip(other).all(are_same)
    }
}

impl<K, V, S> Typed for HashMap<K, V, S>
where
    K: Typed + Eq + Hash,
    V: Typed,
    S: BuildHasher + Default + Send + Sync + 'static,
{
    fn describe(describer: &mut Describer) -> Type {
        describe_map::<K, V>(describer)
    }

    fn encode(&self, stored: &mut StoredWriter) {
        encode_map(self.iter(), stored);
    }

    fn decode(stored: &mut StoredReader<'_>) -> Result<Self, DecodeError> {
        let mut map = Self::default();
        decode_each(stored, <(K, V)>::decode, |(key, value)| map.insert(key, value).is_none())?;
        Ok(map)
    }

    fn is_same(&self, other: &Self) -> bool {
        let has = |(key, value): (&K, &V)| {
            other.get_key_value(key).is_some_and(|(other_key, other)| key.is_same(other_key) && value.is_same(other))
        };
        self.len() == other.len() && self.iter().all(has)
    }
}

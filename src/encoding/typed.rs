//! [`Typed`]: types that are known structurally.

mod collections;
mod numbers;
mod tuples;

use std::{
    any::TypeId,
    collections::HashMap,
    sync::{LazyLock, PoisonError, RwLock},
};

use super::{
    description::{Describer, Type},
    stored::{DecodeError, StoredReader, StoredWriter},
};

/// A type that a field, an argument or a result can have.
///
/// It says what it is made of, and has one stored form. From these follow what the database knows of its fields, the
/// JSON form and its errors, and when a value has changed: two values are the same if their stored forms are equal.
///
/// It is implemented for integers, floats, `bool`, `char`, `String`, `Option`, `Vec`, arrays, tuples, maps, sets,
/// `Box`, `Duration`, [`Timestamp`](crate::Timestamp), [`Id`](crate::Id), [`Doc`](crate::Doc), `serde_json::Value`, and
/// for what [`schema!`](crate::schema!) declares. A type of serde's is wrapped: [`Json<T>`](crate::Json).
///
/// Guarantee: what [`encode`](Self::encode) writes, [`decode`](Self::decode) reads back as the same value, bit by bit
/// also for floats.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be the type of a field, an argument or a result: its structure is not known",
    label = "declare the type with `schema! {{ pub struct … {{ … }} }}`, or wrap it: `Json<{Self}>`",
    note = "`schema!` makes structs and enums known to the database, and `Json<…>` stores any type of serde's by names"
)]
pub trait Typed: Sized + Send + Sync + 'static {
    /// What the type is made of. [`Type::of`] is cheaper.
    fn describe(describer: &mut Describer) -> Type;

    /// Appends the stored form.
    fn encode(&self, stored: &mut StoredWriter);

    /// Reads the stored form.
    ///
    /// # Errors
    ///
    /// Bytes that are no such value.
    fn decode(stored: &mut StoredReader<'_>) -> Result<Self, DecodeError>;

    /// Whether the stored forms are equal.
    fn is_same(&self, other: &Self) -> bool;

    /// What a list of such values is made of.
    #[doc(hidden)]
    fn describe_list(describer: &mut Describer) -> Type {
        Type::List(Box::new(Self::describe(describer)))
    }

    /// Appends values one behind the other.
    #[doc(hidden)]
    fn encode_all(values: &[Self], stored: &mut StoredWriter) {
        values.iter().for_each(|value| value.encode(stored));
    }

    /// Reads so many values one behind the other.
    #[doc(hidden)]
    fn decode_all(count: usize, stored: &mut StoredReader<'_>) -> Result<Vec<Self>, DecodeError> {
        let mut values = Vec::with_capacity(StoredReader::reserve::<Self>(count));
        for _ in 0..count {
            values.push(Self::decode(stored)?);
        }
        Ok(values)
    }
}

/// The types that were described so far. Each is kept for ever: a program has no more of them than it was written with.
static KNOWN: LazyLock<RwLock<HashMap<TypeId, &'static Type>>> = LazyLock::new(RwLock::default);

impl Type {
    /// What the type `T` is made of. Defaults of fields are computed the first time, once for the process.
    pub fn of<T: Typed>() -> &'static Self {
        let id = TypeId::of::<T>();
        if let Some(known) = KNOWN.read().unwrap_or_else(PoisonError::into_inner).get(&id) {
            return known;
        }
        // Without the lock: defaults are the host's code.
        let described = T::describe(&mut Describer::default());
        let mut known = KNOWN.write().unwrap_or_else(PoisonError::into_inner);
        known.entry(id).or_insert_with(|| Box::leak(Box::new(described)))
    }
}

/// What has a stored form: a value of a known type, or a text that is borrowed.
#[doc(hidden)]
pub trait Storable {
    /// Appends the stored form.
    fn store(&self, stored: &mut StoredWriter);
}

impl<V: Typed> Storable for V {
    fn store(&self, stored: &mut StoredWriter) {
        self.encode(stored);
    }
}

impl Storable for &str {
    fn store(&self, stored: &mut StoredWriter) {
        stored.counted(self.as_bytes());
    }
}

/// The stored form of one value.
#[doc(hidden)]
pub fn encode_value<V: Storable>(value: &V) -> Result<Vec<u8>, String> {
    let mut stored = StoredWriter::default();
    value.store(&mut stored);
    stored.finish()
}

/// The value with this stored form.
#[doc(hidden)]
pub fn decode_value<V: Typed>(bytes: &[u8]) -> Result<V, String> {
    decode(bytes).map_err(|error| error.to_string())
}

/// The same, with the error as it is.
#[inline]
pub(super) fn decode<V: Typed>(bytes: &[u8]) -> Result<V, DecodeError> {
    let mut stored = StoredReader::new(bytes);
    let value = V::decode(&mut stored)?;
    stored.end()?;
    Ok(value)
}

//! [`IndexVisitor`]: is shown the fields of an index.

use super::{
    key_type::{KeyType, MultiField},
    reference::ReferenceField,
};

/// Is shown what one index of table `T` is made of.
pub trait IndexVisitor<T> {
    /// The next field of the key.
    fn part<K: KeyType>(&mut self, field: fn(&T) -> &K);

    /// The field of a `multi` index.
    fn elements<V: MultiField>(&mut self, field: fn(&T) -> &V);

    /// The field that refers to a row; shown before the parts.
    fn reference<R: ReferenceField>(&mut self, field: fn(&T) -> &R);
}

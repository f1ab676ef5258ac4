//! [`ValueSet`]: the values of one range.

use std::collections::BTreeSet;

/// A set of values that is never empty, and allocates nothing for a single one.
///
/// Cost: O(log n) to change, for a range that everybody reads has as many values as there are readers.
pub(super) enum ValueSet<V> {
    /// The usual case.
    One(V),
    /// At least two.
    Many(BTreeSet<V>),
}

/// What came of removing a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Removal {
    /// It was not there.
    Absent,
    /// It is gone, and others are left.
    Removed,
    /// It was the only one. The set still holds it, and is to be dropped.
    Emptied,
}

impl<V: Copy + Ord> ValueSet<V> {
    /// Adds a value; false if it is there already.
    pub(super) fn insert(&mut self, value: V) -> bool {
        match self {
            Self::One(only) if *only == value => false,
            Self::One(only) => {
                *self = Self::Many(BTreeSet::from([*only, value]));
                true
            }
            Self::Many(values) => values.insert(value),
        }
    }

    /// Removes a value, unless it is the only one.
    pub(super) fn remove(&mut self, value: V) -> Removal {
        match self {
            Self::One(only) if *only == value => Removal::Emptied,
            Self::One(_) => Removal::Absent,
            Self::Many(values) => {
                if !values.remove(&value) {
                    return Removal::Absent;
                }
                if values.len() == 1
                    && let Some(&only) = values.first()
                {
                    *self = Self::One(only);
                }
                Removal::Removed
            }
        }
    }

    /// Calls `hit` with every value, in ascending order.
    pub(super) fn for_each(&self, hit: &mut dyn FnMut(V)) {
        match self {
            Self::One(only) => hit(*only),
            Self::Many(values) => values.iter().copied().for_each(hit),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn values(set: &ValueSet<u32>) -> Vec<u32> {
        let mut values = Vec::new();
        set.for_each(&mut |value| values.push(value));
        values
    }

    #[test]
    fn a_value_is_kept_once() {
        let mut set = ValueSet::One(2);
        assert!(!set.insert(2));
        assert!(set.insert(1));
        assert!(!set.insert(1));
        assert_eq!(values(&set), [1, 2]);
    }

    #[test]
    fn a_set_says_when_its_last_value_leaves() {
        let mut set = ValueSet::One(1);
        set.insert(2);
        assert_eq!(set.remove(3), Removal::Absent);
        assert_eq!(set.remove(1), Removal::Removed);
        assert_eq!(values(&set), [2]);
        assert_eq!(set.remove(1), Removal::Absent);
        assert_eq!(set.remove(2), Removal::Emptied);
    }
}

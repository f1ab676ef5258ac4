//! [`ValueSet`]: the values of one range.

use std::{collections::BTreeSet, ops::Bound};

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

    /// Calls `visit` with every value that is greater than `after`, in ascending order, as long as it returns true.
    /// Returns whether it always did.
    pub(super) fn each_after(&self, after: Option<V>, mut visit: impl FnMut(V) -> bool) -> bool {
        match (self, after) {
            (Self::One(only), Some(after)) if *only <= after => true,
            (Self::One(only), _) => visit(*only),
            (Self::Many(values), None) => values.iter().copied().all(visit),
            (Self::Many(values), Some(after)) => {
                values.range((Bound::Excluded(after), Bound::Unbounded)).copied().all(visit)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn values(set: &ValueSet<u32>) -> Vec<u32> {
        let mut values = Vec::new();
        set.each_after(None, |value| {
            values.push(value);
            true
        });
        values
    }

    #[test]
    fn a_visit_goes_on_after_the_value_at_which_it_stopped() {
        let mut set = ValueSet::One(1);
        assert!(set.each_after(Some(1), |_| false));
        assert!(!set.each_after(Some(0), |_| false));
        set.insert(4);
        set.insert(9);
        let mut last = None;
        while !set.each_after(last, |value| {
            last = Some(value);
            value == 9
        }) {}
        assert_eq!(last, Some(9));
        assert!(set.each_after(Some(9), |_| false));
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

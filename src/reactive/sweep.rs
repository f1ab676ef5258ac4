//! How far a sweep over ranges has come, and how much it may still do.

use std::ops::Range;

use super::value_set::ValueSet;
use crate::encoding::ByteRange;

/// Where a sweep over the ranges of an interval map goes on. It names what it came to by content, so the map may change
/// before the sweep goes on.
pub(crate) struct SweepPlace<V> {
    /// The first key of the group that is looked at.
    pub(super) group: usize,
    /// Which ranges of the group.
    pub(super) stage: Stage,
    /// The next key, where the stage goes by keys.
    pub(super) key: usize,
    /// The range to go on with, where the stage goes by ranges; those before it are done.
    pub(super) range: Option<ByteRange>,
    /// The value that was hit last in the range, point or prefix that was not completed.
    pub(super) value: Option<V>,
}

/// The kinds of ranges, in the order in which a sweep goes through them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stage {
    /// Ranges beyond one group, for all keys; then, for each group, the others.
    Wide,
    Points,
    /// Prefixes of at least this length.
    Prefixes {
        length: usize,
    },
    Ranges,
}

impl<V: Copy + Ord> SweepPlace<V> {
    /// Before everything.
    pub(crate) const fn start() -> Self {
        Self { group: 0, stage: Stage::Wide, key: 0, range: None, value: None }
    }

    pub(super) fn go_to(&mut self, stage: Stage, key: usize) {
        (self.stage, self.key, self.range, self.value) = (stage, key, None, None);
    }

    pub(super) fn go_on(&mut self, key: usize) {
        (self.key, self.value) = (key, None);
    }

    /// Hits the values that were not hit yet; false if the budget ended before.
    pub(super) fn emit(
        &mut self,
        values: &ValueSet<V>,
        keys: &Range<usize>,
        budget: &mut Budget,
        hit: &mut dyn FnMut(V, Range<usize>),
    ) -> bool {
        values.each_after(self.value, |value| {
            if !budget.take() {
                return false;
            }
            hit(value, keys.clone());
            self.value = Some(value);
            true
        })
    }
}

/// How many steps a sweep may take before it has to stop: a key looked up, a range looked at, a value hit.
#[derive(Debug)]
pub(crate) struct Budget(usize);

impl Budget {
    /// So many steps.
    pub(crate) const fn new(steps: usize) -> Self {
        Self(steps)
    }

    /// How many are left.
    #[cfg(test)]
    pub(crate) const fn left(&self) -> usize {
        self.0
    }

    /// Takes one step, if one is left.
    pub(super) fn take(&mut self) -> bool {
        let left = self.0.checked_sub(1);
        self.0 = left.unwrap_or_default();
        left.is_some()
    }
}

/// The position of the first key in `span` for which `is_inside` does not hold; it holds for all before.
pub(super) fn first_outside(keys: &[&[u8]], span: &Range<usize>, is_inside: impl Fn(&[u8]) -> bool) -> usize {
    span.start + keys[span.clone()].partition_point(|key| is_inside(key))
}

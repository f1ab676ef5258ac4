//! [`IntervalMap`]: which ranges contain a key.

use std::{
    collections::{BTreeMap, HashMap, hash_map::Entry},
    ops::Range,
};

use super::{
    range_tree::RangeTree,
    sweep::{Budget, Stage, SweepPlace, first_outside},
    value_set::{Removal, ValueSet},
};
use crate::encoding::ByteRange;

/// How many bytes at the beginning of a key say which group it belongs to.
const GROUP_BYTES: usize = 4;

/// Longer prefixes are kept with the ranges. Every length in use costs each key of the group a look-up of some 20 ns, so
/// this bounds what keys of all lengths make it cost: 0.7 µs, about as much as the tree takes among 100,000 ranges.
const MAX_HASHED_PREFIX_BYTES: usize = 36;

/// A map from ranges of byte strings to values that finds the values whose ranges contain some of many sorted keys.
///
/// It is a set of pairs: a value may be under many ranges, and a range have many values; inserting a pair that is there
/// changes nothing. An empty range contains nothing and is not kept.
///
/// Made for keys whose first four bytes name a group, such that most ranges lie within one. A sweep costs a search among
/// the groups for each group of the keys, a look-up for each key where the group has points, one for each prefix of the
/// keys in every length that prefixes have there, and O(log n) for the other ranges; plus O(log n) where ranges reach
/// beyond a group, and the hits. A value is hit once for each of its ranges, however many of the keys that contains.
/// Inserting and removing cost O(log n).
///
/// Keys are users' data, so the tables hash with the standard library's randomly keyed SipHash: nobody can prepare keys
/// that collide. It takes some 20 ns per look-up, FNV 13; in large tables memory takes ten times as long.
pub(crate) struct IntervalMap<V> {
    /// Without empty ones.
    groups: BTreeMap<u32, Group<V>>,
    /// Ranges that reach beyond one group or contain keys that are too short to have one.
    wide: RangeTree<V>,
    len: usize,
}

/// The ranges that contain only keys of one group.
struct Group<V> {
    points: Table<V>,
    /// A table per length that prefixes have, the shortest first; none is empty.
    prefixes: Vec<(usize, Table<V>)>,
    ranges: RangeTree<V>,
}

type Table<V> = HashMap<Box<[u8]>, ValueSet<V>>;

/// Where a range is kept. Follows from the range alone, so that removing looks where inserting put it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    Nowhere,
    Point(u32),
    Prefix(u32),
    Range(u32),
    Wide,
}

impl<V: Copy + Ord> IntervalMap<V> {
    /// An empty map; allocates nothing.
    pub(crate) const fn new() -> Self {
        Self { groups: BTreeMap::new(), wide: RangeTree::new(), len: 0 }
    }

    /// Puts `value` under `range`.
    pub(crate) fn insert(&mut self, range: ByteRange, value: V) {
        let is_new = match Place::of(&range) {
            Place::Nowhere => false,
            Place::Point(group) => insert_into(&mut self.group(group).points, range.into_start(), value),
            Place::Prefix(group) => {
                insert_into(self.group(group).prefixes_of_length(range.start().len()), range.into_start(), value)
            }
            Place::Range(group) => self.group(group).ranges.insert(range, value),
            Place::Wide => self.wide.insert(range, value),
        };
        self.len += usize::from(is_new);
    }

    /// Takes `value` from under `range`; false if it is not there.
    pub(crate) fn remove(&mut self, range: &ByteRange, value: V) -> bool {
        let place = Place::of(range);
        let is_removed = match place {
            Place::Nowhere => false,
            Place::Wide => self.wide.remove(range, value),
            Place::Point(number) | Place::Prefix(number) | Place::Range(number) => {
                let Some(group) = self.groups.get_mut(&number) else { return false };
                let is_removed = group.remove(place, range, value);
                if group.is_empty() {
                    self.groups.remove(&number);
                }
                is_removed
            }
        };
        self.len -= usize::from(is_removed);
        is_removed
    }

    /// Calls `hit` with every value under a range that contains some of `keys`, once for each such range, and with the
    /// positions of those keys. `keys` are sorted, each once. Starts at `place`; returns false if the budget ended
    /// before the sweep, and `place` is where it goes on.
    ///
    /// The map may be changed in between: what is there throughout is hit all the same. What was put in meanwhile may
    /// be hit or not.
    pub(crate) fn sweep(
        &self,
        keys: &[&[u8]],
        place: &mut SweepPlace<V>,
        budget: &mut Budget,
        hit: &mut dyn FnMut(V, Range<usize>),
    ) -> bool {
        if place.stage == Stage::Wide {
            if !self.wide.sweep(keys, 0..keys.len(), place, budget, hit) {
                return false;
            }
            place.go_to(Stage::Points, 0);
        }
        while let Some(first) = keys.get(place.group) {
            let Some(number) = group_of(first) else {
                // Keys without a group lie between groups, so each is passed by itself.
                place.group += 1;
                place.go_to(Stage::Points, place.group);
                continue;
            };
            let is_of_group = |key: &[u8]| group_of(key) == Some(number);
            let span = place.group..first_outside(keys, &(place.group..keys.len()), is_of_group);
            let group = self.groups.get(&number);
            if !budget.take() || !group.is_none_or(|group| group.sweep(keys, &span, place, budget, hit)) {
                return false;
            }
            place.go_to(Stage::Points, span.end);
            place.group = span.end;
        }
        true
    }

    /// How many pairs of a range and a value there are.
    #[cfg(test)]
    pub(crate) const fn len(&self) -> usize {
        self.len
    }

    /// Whether there are none.
    #[cfg(test)]
    pub(crate) const fn is_empty(&self) -> bool {
        self.len == 0
    }

    fn group(&mut self, number: u32) -> &mut Group<V> {
        self.groups.entry(number).or_insert_with(|| Group {
            points: Table::new(),
            prefixes: Vec::new(),
            ranges: RangeTree::new(),
        })
    }
}

impl<V: Copy + Ord> Group<V> {
    fn sweep(
        &self,
        keys: &[&[u8]],
        span: &Range<usize>,
        place: &mut SweepPlace<V>,
        budget: &mut Budget,
        hit: &mut dyn FnMut(V, Range<usize>),
    ) -> bool {
        if place.stage == Stage::Points {
            if !self.points.is_empty() && !sweep_points(&self.points, keys, span, place, budget, hit) {
                return false;
            }
            place.go_to(Stage::Prefixes { length: 0 }, span.start);
        }
        while let Stage::Prefixes { length } = place.stage {
            let next = self.prefixes.partition_point(|(other, _)| *other < length);
            let Some((length, table)) = self.prefixes.get(next) else {
                place.go_to(Stage::Ranges, span.start);
                break;
            };
            if place.stage != (Stage::Prefixes { length: *length }) {
                place.go_to(Stage::Prefixes { length: *length }, span.start);
            }
            if !sweep_prefixes(*length, table, keys, span, place, budget, hit) {
                return false;
            }
            place.go_to(Stage::Prefixes { length: length + 1 }, span.start);
        }
        self.ranges.sweep(keys, span.clone(), place, budget, hit)
    }

    fn remove(&mut self, place: Place, range: &ByteRange, value: V) -> bool {
        match place {
            Place::Point(_) => remove_from(&mut self.points, range.start(), value),
            Place::Prefix(_) => {
                let Ok(position) = self.position_of_length(range.start().len()) else { return false };
                let table = &mut self.prefixes[position].1;
                let is_removed = remove_from(table, range.start(), value);
                if table.is_empty() {
                    self.prefixes.remove(position);
                }
                is_removed
            }
            Place::Range(_) => self.ranges.remove(range, value),
            Place::Nowhere | Place::Wide => false,
        }
    }

    fn prefixes_of_length(&mut self, length: usize) -> &mut Table<V> {
        let position = self.position_of_length(length).unwrap_or_else(|position| {
            self.prefixes.insert(position, (length, Table::new()));
            position
        });
        &mut self.prefixes[position].1
    }

    fn position_of_length(&self, length: usize) -> Result<usize, usize> {
        self.prefixes.binary_search_by_key(&length, |(length, _)| *length)
    }

    fn is_empty(&self) -> bool {
        self.points.is_empty() && self.prefixes.is_empty() && self.ranges.is_empty()
    }
}

impl Place {
    fn of(range: &ByteRange) -> Self {
        if range.is_empty() {
            return Self::Nowhere;
        }
        let Some(group) = group_of(range.start()) else { return Self::Wide };
        if range.is_point() {
            return Self::Point(group);
        }
        if range.start().len() <= MAX_HASHED_PREFIX_BYTES && range.is_prefix() {
            return Self::Prefix(group);
        }
        if range.is_within_prefix(GROUP_BYTES) { Self::Range(group) } else { Self::Wide }
    }
}

fn group_of(key: &[u8]) -> Option<u32> {
    key.first_chunk::<GROUP_BYTES>().map(|group| u32::from_be_bytes(*group))
}

fn insert_into<V: Copy + Ord>(table: &mut Table<V>, key: Box<[u8]>, value: V) -> bool {
    match table.entry(key) {
        Entry::Occupied(mut values) => values.get_mut().insert(value),
        Entry::Vacant(vacant) => {
            vacant.insert(ValueSet::One(value));
            true
        }
    }
}

fn remove_from<V: Copy + Ord>(table: &mut Table<V>, key: &[u8], value: V) -> bool {
    let removal = table.get_mut(key).map_or(Removal::Absent, |values| values.remove(value));
    if removal == Removal::Emptied {
        table.remove(key);
    }
    removal != Removal::Absent
}

fn sweep_points<V: Copy + Ord>(
    table: &Table<V>,
    keys: &[&[u8]],
    span: &Range<usize>,
    place: &mut SweepPlace<V>,
    budget: &mut Budget,
    hit: &mut dyn FnMut(V, Range<usize>),
) -> bool {
    while place.key < span.end {
        let at = place.key;
        let values = table.get(keys[at]);
        if !budget.take() || !values.is_none_or(|values| place.emit(values, &(at..at + 1), budget, hit)) {
            return false;
        }
        place.go_on(at + 1);
    }
    true
}

fn sweep_prefixes<V: Copy + Ord>(
    length: usize,
    table: &Table<V>,
    keys: &[&[u8]],
    span: &Range<usize>,
    place: &mut SweepPlace<V>,
    budget: &mut Budget,
    hit: &mut dyn FnMut(V, Range<usize>),
) -> bool {
    while place.key < span.end {
        let at = place.key;
        if !budget.take() {
            return false;
        }
        let Some(prefix) = keys[at].get(..length) else {
            place.go_on(at + 1);
            continue;
        };
        // The keys with this prefix are neighbours: the table is asked once for all of them.
        let alike = at..first_outside(keys, &(at..span.end), |key| key.starts_with(prefix));
        if !table.get(prefix).is_none_or(|values| place.emit(values, &alike, budget, hit)) {
            return false;
        }
        place.go_on(alike.end);
    }
    true
}

#[cfg(test)]
mod tests;

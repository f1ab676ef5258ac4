//! [`IntervalMap`]: which ranges contain a key.

use std::collections::{BTreeMap, HashMap, hash_map::Entry};

use super::{
    byte_range::ByteRange,
    range_tree::RangeTree,
    value_set::{Removal, ValueSet},
};

/// How many bytes at the beginning of a key say which group it belongs to.
const GROUP_BYTES: usize = 4;

/// Longer prefixes are kept with the ranges. Every length in use costs each stab of the group a look-up of some 20 ns, so
/// this bounds what keys of all lengths make it cost: 0.7 µs, about as much as the tree takes among 100,000 ranges.
const MAX_HASHED_PREFIX_BYTES: usize = 36;

/// A map from ranges of byte strings to values that answers which values' ranges contain a key.
///
/// It is a set of pairs: a value may be under many ranges, and a range have many values; inserting a pair that is there
/// changes nothing. An empty range contains nothing and is not kept.
///
/// Made for keys whose first four bytes name a group, such that most ranges lie within one: a stab costs a search among
/// the groups, and in the key's own group one look-up for the points, one for every length that prefixes have there, and
/// O(log n) for the other ranges; plus O(log n) where ranges reach beyond a group, and the hits. Inserting and removing
/// cost O(log n).
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

    /// Calls `hit` with every value under a range that contains `key`, once per such range.
    pub(crate) fn stab(&self, key: &[u8], hit: &mut dyn FnMut(V)) {
        self.wide.stab(key, hit);
        if let Some(group) = group_of(key).and_then(|number| self.groups.get(&number)) {
            group.stab(key, hit);
        }
    }

    /// How many pairs of a range and a value there are.
    #[allow(dead_code, reason = "the map is generic; the engine asks only for ranges within a keyspace")]
    pub(crate) const fn len(&self) -> usize {
        self.len
    }

    /// Whether there are none.
    #[allow(dead_code, reason = "the map is generic; the engine asks only for ranges within a keyspace")]
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
    fn stab(&self, key: &[u8], hit: &mut dyn FnMut(V)) {
        if let Some(values) = self.points.get(key) {
            values.for_each(hit);
        }
        for (length, table) in &self.prefixes {
            let Some(prefix) = key.get(..*length) else { break };
            if let Some(values) = table.get(prefix) {
                values.for_each(hit);
            }
        }
        self.ranges.stab(key, hit);
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

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn map(pairs: &[(ByteRange, u32)]) -> IntervalMap<u32> {
        let mut map = IntervalMap::new();
        for (range, value) in pairs {
            map.insert(range.clone(), *value);
        }
        map
    }

    fn hits(map: &IntervalMap<u32>, key: &[u8]) -> Vec<u32> {
        let mut hits = Vec::new();
        map.stab(key, &mut |value| hits.push(value));
        hits.sort_unstable();
        hits
    }

    #[test]
    fn a_key_hits_the_points_prefixes_and_ranges_that_contain_it() {
        let map = map(&[
            (ByteRange::point(b"kkkkab"), 1),
            (ByteRange::prefix(b"kkkka"), 2),
            (ByteRange::between(b"kkkkaa", b"kkkkz"), 3),
            (ByteRange::prefix(b"kkkk"), 4),
            (ByteRange::between(b"a", b"z"), 5),
            (ByteRange::starting_at(b"kkkkaa"), 6),
            (ByteRange::point(b"kkkkac"), 7),
            (ByteRange::prefix(b"kkkkb"), 8),
            (ByteRange::between(b"kkkkb", b"kkkkz"), 9),
        ]);
        assert_eq!(hits(&map, b"kkkkab"), [1, 2, 3, 4, 5, 6]);
        assert_eq!(hits(&map, b"kkkk"), [4, 5]);
        assert_eq!(hits(&map, b"zzzz"), [6]);
        assert_eq!(map.len(), 9);
    }

    #[test]
    fn a_value_under_several_ranges_is_hit_once_for_each() {
        let map = map(&[(ByteRange::point(b"kkkka"), 1), (ByteRange::prefix(b"kkkk"), 1)]);
        assert_eq!(hits(&map, b"kkkka"), [1, 1]);
        assert_eq!(hits(&map, b"kkkkb"), [1]);
    }

    #[test]
    fn a_pair_is_kept_once() {
        let ranges = [ByteRange::point(b"kkkka"), ByteRange::prefix(b"kkkka"), ByteRange::between(b"kkkka", b"kkkkc")];
        for range in ranges {
            let mut map = map(&[(range.clone(), 1), (range.clone(), 1)]);
            assert_eq!((map.len(), hits(&map, b"kkkka")), (1, vec![1]));
            assert!(map.remove(&range, 1));
            assert!(map.is_empty() && !map.remove(&range, 1));
        }
    }

    #[test]
    fn an_empty_range_is_not_kept() {
        let empty = ByteRange::between(b"kkkkb", b"kkkka");
        let mut map = map(&[(empty.clone(), 1)]);
        assert!(map.is_empty() && !map.remove(&empty, 1));
    }

    #[test]
    fn a_group_that_nobody_reads_any_more_is_forgotten() {
        let ranges = [
            ByteRange::point(b"kkkka"),
            ByteRange::prefix(b"kkkka"),
            ByteRange::prefix(b"kkkkab"),
            ByteRange::between(b"kkkka", b"kkkkc"),
        ];
        let mut map = map(&ranges.clone().map(|range| (range, 1)));
        for range in &ranges {
            assert_eq!(map.groups.len(), 1);
            assert!(map.remove(range, 1));
        }
        assert!(map.groups.is_empty());
    }

    #[test]
    fn the_shape_of_a_range_decides_where_it_is_kept() {
        let group = u32::from_be_bytes(*b"kkkk");
        let long = [b'k'; MAX_HASHED_PREFIX_BYTES + 1];
        assert_eq!(Place::of(&ByteRange::point(b"kkkk")), Place::Point(group));
        assert_eq!(Place::of(&ByteRange::between(b"kkkka", b"kkkkb")), Place::Prefix(group));
        assert_eq!(Place::of(&ByteRange::prefix(&long[1..])), Place::Prefix(group));
        assert_eq!(Place::of(&ByteRange::prefix(&long)), Place::Range(group));
        assert_eq!(Place::of(&ByteRange::between(b"kkkkb", b"kkkl")), Place::Range(group));
        assert_eq!(Place::of(&ByteRange::between(b"kkkkb", b"kkkl\0")), Place::Wide);
        assert_eq!(Place::of(&ByteRange::starting_at(b"kkkkb")), Place::Wide);
        assert_eq!(Place::of(&ByteRange::point(b"kkk")), Place::Wide);
    }

    /// Mostly within two groups, with neighbours on both sides, and sometimes without a group at all.
    fn key() -> impl Strategy<Value = Vec<u8>> {
        let group = prop::sample::select(vec![&b"aaa\xff"[..], b"aaab", b"\xff\xff\xff\xff", b"aaa", b""]);
        let rest = prop::collection::vec(prop::sample::select(vec![0, b'a', b'b', 0xff]), 0..4);
        (group, rest).prop_map(|(group, rest)| [group, &rest].concat())
    }

    fn range() -> impl Strategy<Value = ByteRange> {
        prop_oneof![
            1 => key().prop_map(|key| ByteRange::point(&key)),
            1 => key().prop_map(|key| ByteRange::prefix(&key)),
            1 => key().prop_map(|key| ByteRange::starting_at(&key)),
            4 => (key(), key()).prop_map(|(one, other)| {
                ByteRange::between(one.as_slice().min(&other), one.as_slice().max(&other))
            }),
        ]
    }

    #[derive(Debug, Clone)]
    enum Step {
        Insert(ByteRange, u32),
        Remove(ByteRange, u32),
        /// Removes one of those that are there.
        RemoveAt(prop::sample::Index),
        Stab(Vec<u8>),
    }

    fn step() -> impl Strategy<Value = Step> {
        prop_oneof![
            4 => (range(), 0..4u32).prop_map(|(range, value)| Step::Insert(range, value)),
            1 => (range(), 0..4u32).prop_map(|(range, value)| Step::Remove(range, value)),
            3 => any::<prop::sample::Index>().prop_map(Step::RemoveAt),
            3 => key().prop_map(Step::Stab),
        ]
    }

    proptest! {
        #[test]
        fn it_answers_as_a_list_of_ranges_does(steps in prop::collection::vec(step(), 0..200)) {
            let mut map = IntervalMap::new();
            let mut list: Vec<(ByteRange, u32)> = Vec::new();
            for step in steps {
                match step {
                    Step::Insert(range, value) => {
                        map.insert(range.clone(), value);
                        if !range.is_empty() && !list.contains(&(range.clone(), value)) {
                            list.push((range, value));
                        }
                    }
                    Step::Remove(range, value) => {
                        let position = list.iter().position(|pair| *pair == (range.clone(), value));
                        prop_assert_eq!(map.remove(&range, value), position.is_some());
                        position.map(|position| list.swap_remove(position));
                    }
                    Step::RemoveAt(at) if !list.is_empty() => {
                        let (range, value) = list.swap_remove(at.index(list.len()));
                        prop_assert!(map.remove(&range, value));
                    }
                    Step::RemoveAt(_) => {}
                    Step::Stab(key) => {
                        let mut expected: Vec<_> =
                            list.iter().filter(|(range, _)| range.contains(&key)).map(|(_, value)| *value).collect();
                        expected.sort_unstable();
                        prop_assert_eq!(hits(&map, &key), expected);
                    }
                }
                prop_assert_eq!(map.len(), list.len());
            }
            for (range, value) in &list {
                prop_assert!(map.remove(range, *value));
            }
            prop_assert!(map.is_empty() && map.groups.is_empty() && map.wide.is_empty());
        }
    }
}

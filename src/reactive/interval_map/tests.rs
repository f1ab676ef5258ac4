//! Unit tests of the interval map.

use std::collections::BTreeSet;

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
    let hits = sweep(map, &[key], usize::MAX);
    hits.into_iter().map(|(value, _)| value).collect()
}

/// What a sweep in parts of so many steps hits: values with the positions of their keys, in order.
fn sweep(map: &IntervalMap<u32>, keys: &[&[u8]], steps: usize) -> Vec<(u32, Range<usize>)> {
    let (mut hits, mut place) = (Vec::new(), SweepPlace::start());
    while !map.sweep(keys, &mut place, &mut Budget::new(steps), &mut |value, keys| hits.push((value, keys))) {}
    hits.sort_unstable_by_key(|(value, keys)| (*value, keys.start, keys.end));
    hits
}

#[test]
fn a_sweep_of_many_keys_hits_each_value_of_a_range_once_and_looks_at_no_key_twice() {
    let keys: Vec<_> = (0..100_000u32).map(|at| [&b"kkkk"[..], &at.to_be_bytes()].concat()).collect();
    let keys: Vec<&[u8]> = keys.iter().map(Vec::as_slice).collect();
    let mut map = IntervalMap::new();
    for value in 0..1_000 {
        map.insert(ByteRange::prefix(b"kkkk"), value);
        map.insert(ByteRange::between(keys[value as usize], b"kkkkz"), value);
    }
    let (mut hits, mut budget) = (0, Budget::new(usize::MAX));
    assert!(map.sweep(&keys, &mut SweepPlace::start(), &mut budget, &mut |_, _| hits += 1));
    assert_eq!(hits, 2_000);
    let steps = usize::MAX - budget.left();
    assert!(steps < 4_000, "{steps} steps, for two ranges of each value");
}

#[test]
fn a_sweep_that_goes_on_where_a_range_was_removed_hits_all_that_is_left() {
    let key = &b"kkkkx"[..];
    let range = |at: u32| ByteRange::between(&[b"kkkk", &at.to_be_bytes()[..]].concat(), b"kkkky");
    let mut map = IntervalMap::new();
    for at in 0..5 {
        (0..10).for_each(|value| map.insert(range(at), value));
    }
    let (mut place, mut hits) = (SweepPlace::start(), Vec::new());
    let mut part = |map: &IntervalMap<u32>, steps| {
        let hit = &mut |value, _: Range<usize>| hits.push(value);
        (map.sweep(&[key], &mut place, &mut Budget::new(steps), hit), hits.len())
    };
    // It stops within the second range, which is gone when it goes on.
    let (is_over, first_hits) = part(&map, 18);
    assert!(!is_over && (11..20).contains(&first_hits), "{first_hits}");
    (0..10).for_each(|value| assert!(map.remove(&range(1), value)));
    let (is_over, all_hits) = part(&map, usize::MAX);
    assert!(is_over);
    assert_eq!(all_hits - first_hits, 30);
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
    /// Some keys, and how many steps a part of the sweep may take.
    Sweep(BTreeSet<Vec<u8>>, usize),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => (range(), 0..4u32).prop_map(|(range, value)| Step::Insert(range, value)),
        1 => (range(), 0..4u32).prop_map(|(range, value)| Step::Remove(range, value)),
        3 => any::<prop::sample::Index>().prop_map(Step::RemoveAt),
        3 => (prop::collection::btree_set(key(), 0..8), 3..20usize).prop_map(|(keys, steps)| Step::Sweep(keys, steps)),
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
                Step::Sweep(keys, steps) => {
                    let keys: Vec<&[u8]> = keys.iter().map(Vec::as_slice).collect();
                    let of_range = |range: &ByteRange| {
                        let inside: Vec<_> = (0..keys.len()).filter(|at| range.contains(keys[*at])).collect();
                        Some(*inside.first()?..*inside.last()? + 1)
                    };
                    let hit = list.iter().filter_map(|(range, value)| Some((*value, of_range(range)?)));
                    let mut expected: Vec<_> = hit.collect();
                    expected.sort_unstable_by_key(|(value, keys)| (*value, keys.start, keys.end));
                    prop_assert_eq!(sweep(&map, &keys, steps), expected);
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

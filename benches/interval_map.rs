//! What it costs to find, add and remove dependencies: stabbing, inserting and removing with 10 to 1,000,000 entries.
//!
//! Keys are shaped as the engine's: four bytes of keyspace, then encoded numbers. Each entry has a range of its own, and
//! keys come in random order, so that large maps pay for the memory that they touch.

use std::{
    hint::black_box,
    time::{Duration, Instant},
};

use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};
use encoding::ByteRange;
use reactive::{
    interval_map::IntervalMap,
    sweep::{Budget, SweepPlace},
};

#[allow(dead_code, reason = "a bench uses only a part of it")]
#[path = "../src/encoding"]
mod encoding {
    mod byte_range;
    pub(crate) use byte_range::ByteRange;
}

#[allow(dead_code, reason = "a bench uses only a part of them")]
#[path = "../src/reactive"]
mod reactive {
    pub(crate) mod interval_map;
    mod range_tree;
    pub(crate) mod sweep;
    mod value_set;
}

const SIZES: [u64; 4] = [10, 1_000, 100_000, 1_000_000];
const KEYSPACES: u64 = 8;
/// How many entries are added or removed between two looks at the clock, at most.
const BATCH: u64 = 100;

/// What live queries depend on.
#[derive(Debug, Clone, Copy)]
enum Shape {
    /// One document each.
    Points,
    /// Everything with one value of an index's first field.
    Prefixes,
    /// A part of an index, as a limit or a comparison leaves; each overlaps with one other.
    Ranges,
}

impl Shape {
    const ALL: [Self; 3] = [Self::Points, Self::Prefixes, Self::Ranges];

    const fn name(self) -> &'static str {
        match self {
            Self::Points => "points",
            Self::Prefixes => "prefixes",
            Self::Ranges => "ranges",
        }
    }

    fn range(self, number: u64) -> ByteRange {
        let position = position(number);
        match self {
            Self::Points => ByteRange::point(&key(number, position, &[])),
            Self::Prefixes => ByteRange::prefix(&key(number, position, &[])),
            Self::Ranges => ByteRange::between(&key(number, position, &[]), &key(number, position + 3, &[7])),
        }
    }

    /// A key that the entry's range contains.
    fn key_within(self, number: u64) -> Vec<u8> {
        match self {
            Self::Points => key(number, position(number), &[]),
            Self::Prefixes => key(number, position(number), &number.to_be_bytes()),
            Self::Ranges => key(number, position(number) + 1, &number.to_be_bytes()),
        }
    }

    /// A key near the entry that no range contains.
    fn key_beside(self, number: u64) -> Vec<u8> {
        match self {
            Self::Points => key(number, position(number) + 5, &[]),
            Self::Prefixes | Self::Ranges => key(number, position(number) + 5, &number.to_be_bytes()),
        }
    }
}

/// Where an entry starts in its keyspace: pairs next to each other, with room up to the next pair.
const fn position(number: u64) -> u64 {
    let number = number / KEYSPACES;
    number / 2 * 16 + number % 2
}

/// Four bytes of keyspace, eight of position, and more.
fn key(number: u64, position: u64, rest: &[u8]) -> Vec<u8> {
    let keyspace = u32::try_from(number % KEYSPACES).expect("a small number");
    [&keyspace.to_be_bytes()[..], &position.to_be_bytes(), rest].concat()
}

/// Every number below `count` once, in an order without order.
fn scattered(count: u64) -> Vec<u64> {
    let mut numbers: Vec<u64> = (0..count).collect();
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    for last in (1..numbers.len()).rev() {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let other = usize::try_from(state >> 33).expect("31 bits") % (last + 1);
        numbers.swap(last, other);
    }
    numbers
}

fn filled(shape: Shape, numbers: impl IntoIterator<Item = u64>) -> IntervalMap<u64> {
    let mut map = IntervalMap::new();
    for number in numbers {
        map.insert(shape.range(number), number);
    }
    map
}

fn hits(map: &IntervalMap<u64>, key: &[u8]) -> u64 {
    let mut hits = 0;
    let mut budget = Budget::new(usize::MAX);
    map.sweep(&[black_box(key)], &mut SweepPlace::start(), &mut budget, &mut |value, _| {
        black_box(value);
        hits += 1;
    });
    hits
}

fn stab(criterion: &mut Criterion) {
    for shape in Shape::ALL {
        for size in SIZES {
            let map = filled(shape, scattered(size));
            let keys_of = |key: fn(Shape, u64) -> Vec<u8>| -> Vec<_> {
                scattered(size).into_iter().map(|number| key(shape, number)).collect()
            };
            let within = keys_of(Shape::key_within);
            let beside = keys_of(Shape::key_beside);
            let elsewhere = keys_of(|_, number| [b"else", &number.to_be_bytes()[..]].concat());
            for (name, keys) in [("stab_hit", within), ("stab_miss", beside), ("stab_unread_keyspace", elsewhere)] {
                assert_eq!(keys.iter().all(|key| hits(&map, key) > 0), name == "stab_hit");
                let mut keys = keys.iter().cycle();
                let id = BenchmarkId::new(shape.name(), size);
                criterion.benchmark_group(name).bench_function(id, |bencher| {
                    bencher.iter(|| keys.next().map(|key| hits(&map, key)));
                });
            }
        }
    }
}

/// Adds a few entries and removes them again, over and over, and measures one of the two.
fn change(criterion: &mut Criterion) {
    for shape in Shape::ALL {
        for size in SIZES {
            let batch = size.min(BATCH);
            let numbers = scattered(size + batch);
            let (moving, resident) = numbers.split_at(usize::try_from(batch).expect("a small number"));
            let mut map = filled(shape, resident.iter().copied());
            let pairs: Vec<_> = moving.iter().map(|number| (shape.range(*number), *number)).collect();
            let mut measure = |iterations: u64| {
                let (mut inserting, mut removing) = (Duration::ZERO, Duration::ZERO);
                let rounds = iterations.div_ceil(batch);
                for _ in 0..rounds {
                    inserting += insert(&mut map, pairs.clone());
                    removing += remove(&mut map, &pairs);
                }
                // Criterion wants the time of `iterations`, and whole rounds are somewhat more.
                let share = iterations as f64 / (rounds * batch) as f64;
                (inserting.mul_f64(share), removing.mul_f64(share))
            };
            let id = || BenchmarkId::new(shape.name(), size);
            criterion.benchmark_group("insert").bench_function(id(), |bencher| bencher.iter_custom(|n| measure(n).0));
            criterion.benchmark_group("remove").bench_function(id(), |bencher| bencher.iter_custom(|n| measure(n).1));
        }
    }
}

fn insert(map: &mut IntervalMap<u64>, pairs: Vec<(ByteRange, u64)>) -> Duration {
    let begin = Instant::now();
    for (range, value) in pairs {
        map.insert(range, value);
    }
    begin.elapsed()
}

fn remove(map: &mut IntervalMap<u64>, pairs: &[(ByteRange, u64)]) -> Duration {
    let begin = Instant::now();
    for (range, value) in pairs {
        assert!(map.remove(range, *value));
    }
    begin.elapsed()
}

/// Short measurements: there are sixty, and they differ by orders of magnitude.
fn configuration() -> Criterion {
    Criterion::default()
        .sample_size(20)
        .warm_up_time(Duration::from_millis(300))
        .measurement_time(Duration::from_millis(1_000))
}

criterion_group! { name = interval_map; config = configuration(); targets = stab, change }
criterion_main!(interval_map);

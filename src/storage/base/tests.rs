//! The base on disks that crash, fail and are damaged.

use std::{collections::BTreeMap, io, sync::Arc};

use super::{BASE_FILE, Base, BaseSnapshot, Figures};
use crate::{
    encoding::{INDEX_KEYSPACE, Key},
    error::{OpenError, StorageError},
    storage::disk::{CrashKind, Disk, Operation, SimulatedDisk, SyncStage},
    storage::order::Order,
};

mod damage;
mod failures;
mod format;
mod layer;

type Content = BTreeMap<Vec<u8>, Vec<u8>>;

/// A system keyspace, rows and entries of one number, and rows of another.
const KEYSPACES: [u32; 4] = [1, 16, 17, 16 | INDEX_KEYSPACE];
const TORN_SEEDS: u64 = 3;

/// Without a cache, so that everything is read from the disk.
fn open(disk: &SimulatedDisk) -> Result<(Base, Figures), OpenError> {
    Base::open(disk, 0)
}

fn key(keyspace: u32, local: &[u8]) -> Vec<u8> {
    [&keyspace.to_be_bytes(), local].concat()
}

/// The changes of checkpoint `ts`: some new, some overwritten, some deleted, of sizes up to several pages.
fn changes(ts: u64) -> BTreeMap<Vec<u8>, Option<Vec<u8>>> {
    let mut changes = BTreeMap::new();
    let mut random = ts.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
    let mut draw = |below: u64| {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        random % below
    };
    for _ in 0..24 {
        let keyspace = KEYSPACES[draw(4) as usize];
        let local = draw(120).to_be_bytes();
        let size = if keyspace & INDEX_KEYSPACE != 0 { 0 } else { [20, 300, 9_000][draw(3) as usize] };
        let value = (draw(3) > 0).then(|| vec![ts as u8; size]);
        changes.insert(key(keyspace, &local), value);
    }
    changes
}

fn figures(ts: u64) -> Figures {
    Figures { ts, log_from: ts + 1, log_goes_on: true }
}

fn apply(base: &Base, ts: u64) -> Result<(), StorageError> {
    apply_all(base, &changes(ts), figures(ts))
}

fn apply_all(base: &Base, changes: &BTreeMap<Vec<u8>, Option<Vec<u8>>>, figures: Figures) -> Result<(), StorageError> {
    let keys: Vec<Key> = changes.keys().map(|key| Key::from_slice(key)).collect();
    let mut entries = keys.iter().zip(changes.values().map(Option::as_deref));
    base.apply(&mut entries, figures)
}

/// What the base holds after the first so many checkpoints.
fn expected(ts: u64) -> Content {
    let mut content = Content::new();
    for (key, value) in (1..=ts).flat_map(changes) {
        match value {
            Some(value) => content.insert(key, value),
            None => content.remove(&key),
        };
    }
    content
}

fn content(snapshot: &BaseSnapshot) -> Result<Content, StorageError> {
    let mut content = Content::new();
    for keyspace in KEYSPACES {
        let Some(mut range) = snapshot.range(keyspace, &[], None)? else { continue };
        while let Some(entry) = range.next(Order::Ascending)? {
            content.insert(key(keyspace, entry.key()), entry.value().to_vec());
        }
    }
    Ok(content)
}

/// A disk with the first so many checkpoints, and the open base on it.
fn written(ts: u64) -> (SimulatedDisk, Base) {
    let disk = SimulatedDisk::new(ts);
    let (base, _) = open(&disk).unwrap();
    (1..=ts).for_each(|ts| apply(&base, ts).unwrap());
    (disk, base)
}

/// As a process ends that is killed: nothing more is written.
fn kill(base: Base) {
    base.instances.abandon();
}

/// Opens what a crash left: it must hold one of these states, for good.
fn check_image(image: &SimulatedDisk, allowed: std::ops::RangeInclusive<u64>, what: &str) {
    let (base, found) = open(image).unwrap_or_else(|error| panic!("{what}: {error}"));
    assert!(allowed.contains(&found.ts), "{what}: {found:?}");
    assert_eq!(content(&base.snapshot().unwrap()).unwrap(), expected(found.ts), "{what}");
    // What it shows is durable before anything is done with it.
    let (again, found_again) = open(&image.crash(CrashKind::LoseUnsynced)).unwrap();
    assert_eq!((found_again, content(&again.snapshot().unwrap()).unwrap()), (found, expected(found.ts)), "{what}");
    // And it goes on from there.
    apply(&base, found.ts + 1).unwrap_or_else(|error| panic!("{what}: {error}"));
    assert_eq!(content(&base.snapshot().unwrap()).unwrap(), expected(found.ts + 1), "{what}");
    kill(base);
}

fn images(disk: &SimulatedDisk) -> impl Iterator<Item = (CrashKind, SimulatedDisk)> + '_ {
    let torn = (0..TORN_SEEDS).map(CrashKind::Torn);
    let kinds = [CrashKind::LoseUnsynced, CrashKind::KeepAll].into_iter().chain(torn);
    kinds.map(|kind| (kind, disk.crash(kind)))
}

#[test]
fn a_crash_at_any_sync_leaves_the_state_before_the_checkpoint_or_after_it() {
    const CHECKPOINTS: u64 = 3;
    for index in 0.. {
        let mut is_off = false;
        for stage in [SyncStage::Before, SyncStage::After] {
            let disk = SimulatedDisk::new(index);
            disk.crash_at(index, stage);
            let mut acknowledged = 0;
            let begun = match open(&disk) {
                Ok((base, _)) => {
                    let failed = (1..=CHECKPOINTS).find(|ts| apply(&base, *ts).is_err());
                    acknowledged = failed.map_or(CHECKPOINTS, |ts| ts - 1);
                    drop(base);
                    failed.unwrap_or(CHECKPOINTS)
                }
                Err(_) => 0,
            };
            is_off |= disk.is_off();
            for (kind, image) in images(&disk) {
                check_image(&image, acknowledged..=begun, &format!("{kind:?} at {stage:?} sync {index}"));
            }
        }
        if !is_off {
            assert!(index > 3 * CHECKPOINTS, "only {index} syncs");
            return;
        }
    }
}

#[test]
fn a_base_that_was_closed_is_the_same_when_it_is_opened() {
    let (disk, base) = written(4);
    let snapshot = base.snapshot().unwrap();
    base.close().unwrap();
    assert!(matches!(content(&snapshot), Err(StorageError::Closed)));
    assert!(matches!(base.snapshot().map(drop), Err(StorageError::Closed)));
    assert!(matches!(apply(&base, 5), Err(StorageError::Closed)));
    for (kind, image) in images(&disk) {
        check_image(&image, 4..=4, &format!("{kind:?}"));
    }
}

#[test]
fn keyspaces_that_differ_in_their_kind_alone_have_tables_of_their_own() {
    let disk = SimulatedDisk::new(1);
    let (base, _) = open(&disk).unwrap();
    let local = 7_u64.to_be_bytes();
    let rows = BTreeMap::from([(key(16, &local), Some(b"row".to_vec()))]);
    apply_all(&base, &rows, figures(1)).unwrap();
    let snapshot = base.snapshot().unwrap();
    assert!(snapshot.range(16 | INDEX_KEYSPACE, &[], None).unwrap().is_none());
    assert_eq!(snapshot.get(16 | INDEX_KEYSPACE, &local, <[u8]>::len).unwrap(), None);
    let entries = BTreeMap::from([(key(16 | INDEX_KEYSPACE, b"entry"), Some(Vec::new()))]);
    apply_all(&base, &entries, figures(2)).unwrap();
    let snapshot = base.snapshot().unwrap();
    assert_eq!(snapshot.get_row(16, 7, <[u8]>::to_vec).unwrap(), Some(b"row".to_vec()));
    assert_eq!(snapshot.get(16 | INDEX_KEYSPACE, b"entry", <[u8]>::len).unwrap(), Some(0));
    assert_eq!(snapshot.get(16 | INDEX_KEYSPACE, &local, <[u8]>::len).unwrap(), None);
}

#[test]
fn a_keyspace_that_was_emptied_leaves_no_table() {
    let (_disk, base) = written(3);
    let tables = || base.snapshot().unwrap().keyspaces();
    assert_eq!(tables(), KEYSPACES);
    let in_rows = |key: &Vec<u8>| key.starts_with(&16_u32.to_be_bytes());
    let rows = expected(3).into_keys().filter(in_rows).map(|key| (key, None));
    apply_all(&base, &rows.collect(), figures(4)).unwrap();
    assert_eq!(tables(), [1, 17, 16 | INDEX_KEYSPACE]);
    let nothing = BTreeMap::from([(key(99, &[0; 8]), None)]);
    apply_all(&base, &nothing, figures(5)).unwrap();
    assert_eq!(tables(), [1, 17, 16 | INDEX_KEYSPACE]);
}

#[test]
fn a_large_checkpoint_is_synced_in_parts() {
    let disk = SimulatedDisk::new(1);
    let (base, _) = Base::open(&disk, 64 << 20).unwrap();
    let counts: Arc<parking_lot::Mutex<Vec<u64>>> = Arc::default();
    let sink = Arc::clone(&counts);
    disk.observe_syncs(move |disk, _| sink.lock().push(disk.counters().written_bytes));
    let keys: Vec<Key> = (0..20_000_u64).map(|id| Key::from_slice(&key(16, &id.to_be_bytes()))).collect();
    let value = vec![7; 1_000];
    let mut entries = keys.iter().map(|key| (key, Some(value.as_slice())));
    base.apply(&mut entries, figures(1)).unwrap();
    let counts = counts.lock();
    let largest = counts.windows(2).map(|pair| pair[1] - pair[0]).max().unwrap();
    assert!(largest <= 9 << 20, "{largest} bytes were written between two syncs");
    assert!(counts.len() > 2 && *counts.last().unwrap() > 18 << 20);
}

#[test]
fn space_that_is_not_needed_any_more_is_given_back() {
    let (disk, base) = written(2);
    let size = || disk.read_file(BASE_FILE).unwrap().len();
    let many = (0..500_u64).map(|id| (key(17, &id.to_be_bytes()), Some(vec![1; 10_000])));
    apply_all(&base, &many.collect(), figures(3)).unwrap();
    let full = size();
    let none = (0..500_u64).map(|id| (key(17, &id.to_be_bytes()), None));
    apply_all(&base, &none.collect(), figures(4)).unwrap();
    base.close().unwrap();
    assert!(size() < full / 4, "{} of {full} bytes are left", size());
}

/// Fails the next operation of a kind.
fn fail(disk: &SimulatedDisk, operation: Operation, nth: u64) {
    disk.fail_next(operation, nth, io::ErrorKind::Other);
}

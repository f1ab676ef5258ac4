//! Each operation of the disk fails once, at each place.

use std::{
    panic,
    sync::atomic::{AtomicBool, Ordering},
};

use super::*;
use crate::storage::disk::{DiskFile, DiskLock, GuardedDisk};

const OPERATIONS: [Operation; 5] =
    [Operation::Read, Operation::Write, Operation::Sync, Operation::SetLen, Operation::Len];

fn is_transient<T>(result: &Result<T, StorageError>) -> bool {
    matches!(result, Err(StorageError::Io { .. }))
}

/// Lets ever later operations of a kind fail, until an attempt is over before one does.
fn each_place(operation: Operation, mut attempt: impl FnMut(u64) -> bool) {
    let mut nth = 1;
    while attempt(nth) {
        // Each sync, and of what there are many, ever fewer.
        nth += if operation == Operation::Sync { 1 } else { 1 + nth / 3 };
        assert!(nth < 100_000, "{operation:?} never passes");
    }
}

#[test]
fn a_checkpoint_that_failed_leaves_the_old_state_and_can_be_repeated() {
    for operation in OPERATIONS {
        each_place(operation, |nth| {
            let what = format!("{operation:?} {nth}");
            let (disk, base) = written(2);
            let snapshot = base.snapshot().unwrap();
            fail(&disk, operation, nth);
            let applied = apply(&base, 3);
            if applied.is_ok() {
                // It failed in what was done after the commit, or it did not fail.
                let has_failed = disk_has_failed(&disk, operation);
                assert_eq!(content(&base.snapshot().unwrap()).unwrap(), expected(3), "{what}");
                return has_failed;
            }
            assert!(is_transient(&applied), "{what}: {applied:?}");
            assert_eq!(content(&snapshot).unwrap(), expected(2), "{what}: the snapshot from before");
            assert_eq!(content(&base.snapshot().unwrap()).unwrap(), expected(2), "{what}: a new snapshot");
            for (kind, image) in images(&disk).take(4) {
                check_image(&image, 2..=2, &format!("{what}, then {kind:?}"));
            }
            apply(&base, 3).unwrap_or_else(|error| panic!("{what}: {error}"));
            assert_eq!(content(&base.snapshot().unwrap()).unwrap(), expected(3), "{what}");
            for (kind, image) in images(&disk).take(4) {
                check_image(&image, 3..=3, &format!("{what}, repeated, then {kind:?}"));
            }
            true
        });
    }
}

/// Whether the failure that was planned has happened: if not, it happens now.
fn disk_has_failed(disk: &SimulatedDisk, operation: Operation) -> bool {
    let file = disk.open(BASE_FILE).unwrap();
    let passes = (0..64).all(|_| match operation {
        Operation::Read => file.read_at(0, &mut [0]).is_ok(),
        Operation::Len => file.len().is_ok(),
        _ => true,
    });
    // Those that change something end with the first place past the last.
    passes && matches!(operation, Operation::Read | Operation::Len)
}

#[test]
fn a_checkpoint_that_failed_before_the_process_was_killed_is_there_for_good_or_not_at_all() {
    for operation in [Operation::Sync, Operation::Write] {
        each_place(operation, |nth| {
            let (disk, base) = written(2);
            fail(&disk, operation, nth);
            let has_failed = apply(&base, 3).is_err();
            kill(base);
            if !has_failed {
                return false;
            }
            // What the page cache shows need not be on the disk, and a sync does not bring it there.
            let (base, found) = open(&disk).unwrap();
            assert_eq!(content(&base.snapshot().unwrap()).unwrap(), expected(found.ts), "{operation:?} {nth}");
            for (kind, image) in images(&disk) {
                check_image(&image, found.ts..=found.ts, &format!("{operation:?} {nth}, then {kind:?}"));
            }
            apply(&base, found.ts + 1).unwrap();
            for (kind, image) in images(&disk) {
                check_image(&image, found.ts + 1..=found.ts + 1, &format!("{operation:?} {nth}, then {kind:?}"));
            }
            true
        });
    }
}

#[test]
fn an_open_that_failed_can_be_repeated() {
    for operation in OPERATIONS {
        each_place(operation, |nth| {
            let (disk, base) = written(3);
            kill(base);
            fail(&disk, operation, nth);
            let Err(error) = open(&disk).map(|(base, _)| kill(base)) else { return false };
            assert!(matches!(error, OpenError::Storage(StorageError::Io { .. })), "{operation:?} {nth}: {error}");
            for (kind, image) in images(&disk).take(4) {
                check_image(&image, 3..=3, &format!("{operation:?} {nth}, then {kind:?}"));
            }
            let (base, found) = open(&disk).unwrap();
            assert_eq!((found.ts, content(&base.snapshot().unwrap()).unwrap()), (3, expected(3)));
            true
        });
    }
}

#[test]
fn a_close_that_failed_loses_nothing() {
    for operation in OPERATIONS {
        each_place(operation, |nth| {
            let (disk, base) = written(3);
            fail(&disk, operation, nth);
            let closed = base.close();
            if closed.is_ok() {
                return false;
            }
            assert!(is_transient(&closed), "{operation:?} {nth}: {closed:?}");
            for (kind, image) in images(&disk).take(4) {
                check_image(&image, 3..=3, &format!("{operation:?} {nth}, then {kind:?}"));
            }
            true
        });
    }
}

#[test]
fn one_failed_read_fails_that_call_alone() {
    let (disk, base) = written(3);
    let snapshot = base.snapshot().unwrap();
    let expected = expected(3);
    each_place(Operation::Read, |nth| {
        let ranges = KEYSPACES.map(|keyspace| snapshot.range(keyspace, &[], None).unwrap().unwrap());
        let mut ranges: Vec<_> = KEYSPACES.into_iter().zip(ranges).map(|range| (range, false)).collect();
        let (mut found, mut failures) = (Content::new(), 0);
        fail(&disk, Operation::Read, nth);
        // In turns, so that all but one are held up by the failure of another.
        while ranges.iter().any(|(_, is_at_end)| !is_at_end) {
            for ((keyspace, range), is_at_end) in &mut ranges {
                match range.next(Order::Ascending) {
                    Ok(Some(entry)) => drop(found.insert(key(*keyspace, entry.key()), entry.value().to_vec())),
                    Ok(None) => *is_at_end = true,
                    Err(error) => {
                        assert!(is_transient(&Err::<(), _>(error)));
                        failures += 1;
                    }
                }
            }
        }
        assert_eq!(found, expected, "read {nth}");
        assert!(failures <= 1, "read {nth}: {failures} calls failed");
        failures == 1
    });
}

#[test]
fn a_range_goes_on_from_where_it_stood_also_backwards() {
    let (disk, base) = written(3);
    let snapshot = base.snapshot().unwrap();
    for order in [Order::Ascending, Order::Descending] {
        let mut range = snapshot.range(16, &[], None).unwrap().unwrap();
        let (mut found, mut calls, mut failures) = (Vec::new(), 0, 0);
        loop {
            // Every second call fails, if it reads anything.
            calls += 1;
            if calls % 2 == 0 {
                fail(&disk, Operation::Read, 1);
            }
            match range.next(order) {
                Ok(Some(entry)) => found.push(key(16, entry.key())),
                Ok(None) => break,
                Err(_) => failures += 1,
            }
            while disk.open(BASE_FILE).unwrap().read_at(0, &mut [0]).is_err() {}
        }
        while disk.open(BASE_FILE).unwrap().read_at(0, &mut [0]).is_err() {}
        found.sort();
        let rows: Vec<_> = expected(3).into_keys().filter(|key| key.starts_with(&16_u32.to_be_bytes())).collect();
        assert_eq!(found, rows, "{order:?}");
        assert!(failures > 0);
    }
}

#[test]
fn a_snapshot_older_than_the_checkpoint_ends_with_its_instance_and_says_so() {
    let (disk, base) = written(2);
    let old = base.snapshot().unwrap();
    apply(&base, 3).unwrap();
    assert_eq!(content(&old).unwrap(), expected(2));
    fail(&disk, Operation::Read, 1);
    assert!(base.snapshot().and_then(|snapshot| content(&snapshot)).is_err());
    let error = content(&old).unwrap_err();
    assert!(matches!(&error, StorageError::Io { .. }) && error.to_string().contains("begin a new"), "{error}");
    assert_eq!(content(&base.snapshot().unwrap()).unwrap(), expected(3));
}

#[test]
fn a_disk_that_stays_bad_answers_each_call_and_works_when_it_is_good_again() {
    let (disk, base) = written(2);
    let snapshot = base.snapshot().unwrap();
    for _ in 0..5 {
        for operation in OPERATIONS {
            (1..50).for_each(|_| fail(&disk, operation, 1));
        }
        assert!(is_transient(&content(&snapshot)) && is_transient(&base.snapshot().map(drop)));
        assert!(is_transient(&apply(&base, 3)));
    }
    let healed = disk.crash(CrashKind::KeepAll);
    check_image(&healed, 2..=2, "the disk is good again");
    // The failures that are left are used up.
    while content(&snapshot).is_err() {}
    while apply(&base, 3).is_err() {}
    assert_eq!(content(&base.snapshot().unwrap()).unwrap(), expected(3));
}

#[test]
fn a_full_disk_is_told_as_such_and_the_checkpoint_goes_on_when_there_is_room() {
    let (disk, base) = written(2);
    let snapshot = base.snapshot().unwrap();
    let used = disk.read_file(BASE_FILE).unwrap().len() as u64;
    let many = (0..300_u64).map(|id| (key(17, &id.to_be_bytes()), Some(vec![1; 10_000]))).collect();
    for room in (0..3_000_000).step_by(123_457) {
        disk.set_capacity(Some(used + room));
        let error = apply_all(&base, &many, figures(3)).unwrap_err();
        assert!(error.is_disk_full(), "{error}");
        assert_eq!(content(&snapshot).unwrap(), expected(2), "reads go on while the disk is full");
    }
    disk.set_capacity(None);
    apply_all(&base, &many, figures(3)).unwrap();
    assert_eq!(base.snapshot().unwrap().get_row(17, 299, <[u8]>::len).unwrap(), Some(10_000));
}

/// A disk of the host's own, which panics on demand.
#[derive(Clone)]
struct PanickingDisk(SimulatedDisk, Arc<AtomicBool>);
struct PanickingFile(Arc<dyn DiskFile>, Arc<AtomicBool>);

impl PanickingFile {
    fn check(&self) {
        assert!(!self.1.load(Ordering::SeqCst), "the host's disk has a fault");
    }
}

impl Disk for PanickingDisk {
    fn open(&self, name: &str) -> io::Result<Arc<dyn DiskFile>> {
        Ok(Arc::new(PanickingFile(self.0.open(name)?, Arc::clone(&self.1))))
    }
    fn create(&self, name: &str) -> io::Result<Arc<dyn DiskFile>> {
        Ok(Arc::new(PanickingFile(self.0.create(name)?, Arc::clone(&self.1))))
    }
    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        self.0.rename(from, to)
    }
    fn remove(&self, name: &str) -> io::Result<()> {
        self.0.remove(name)
    }
    fn list(&self) -> io::Result<Vec<String>> {
        self.0.list()
    }
    fn sync_directory(&self) -> io::Result<()> {
        self.0.sync_directory()
    }
    fn lock(&self, name: &str) -> io::Result<Box<dyn DiskLock>> {
        self.0.lock(name)
    }
    fn describe(&self) -> String {
        self.0.describe()
    }
}

impl DiskFile for PanickingFile {
    fn len(&self) -> io::Result<u64> {
        self.check();
        self.0.len()
    }
    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<()> {
        self.check();
        self.0.read_at(offset, buffer)
    }
    fn write_at(&self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        self.check();
        self.0.write_at(offset, bytes)
    }
    fn set_len(&self, size_bytes: u64) -> io::Result<()> {
        self.check();
        self.0.set_len(size_bytes)
    }
    fn sync(&self) -> io::Result<()> {
        self.check();
        self.0.sync()
    }
}

#[test]
fn a_disk_that_panics_is_an_error_of_the_disk_and_no_damage() {
    let panics = Arc::new(AtomicBool::new(false));
    let disk = GuardedDisk::new(Arc::new(PanickingDisk(SimulatedDisk::new(1), Arc::clone(&panics))));
    let (base, _) = Base::open(&disk, 0).unwrap();
    apply(&base, 1).unwrap();
    let snapshot = base.snapshot().unwrap();
    let quiet = panic::take_hook();
    panic::set_hook(Box::new(|_| {}));
    panics.store(true, Ordering::SeqCst);
    let (read, applied) = (content(&snapshot), apply(&base, 2));
    let opened = Base::open(&disk, 0).map(drop);
    panics.store(false, Ordering::SeqCst);
    panic::set_hook(quiet);
    assert!(is_transient(&read) && is_transient(&applied), "{read:?}, {applied:?}");
    assert!(matches!(opened, Err(OpenError::Storage(StorageError::Io { .. }))));
    assert_eq!(content(&snapshot).unwrap(), expected(1));
    apply(&base, 2).unwrap();
    assert_eq!(content(&base.snapshot().unwrap()).unwrap(), expected(2));
}

use std::collections::BTreeSet;

use super::*;
use crate::storage::disk::tests::{check_contract, kind};

const TORN_SEEDS: u64 = 200;

/// A disk with the file `a` of this content, all of it durable.
fn disk_with(content: &[u8]) -> (SimulatedDisk, Arc<dyn DiskFile>) {
    let disk = SimulatedDisk::new(1);
    let file = disk.create("a").unwrap();
    file.write_at(0, content).unwrap();
    file.sync().unwrap();
    disk.sync_directory().unwrap();
    (disk, file)
}

/// Every distinct content of `a` that a power cut leaves; `None` where the file is missing.
fn torn_contents(disk: &SimulatedDisk) -> BTreeSet<Option<Vec<u8>>> {
    (0..TORN_SEEDS).map(|seed| disk.crash(CrashKind::Torn(seed)).read_file("a").ok()).collect()
}

fn left(disk: &SimulatedDisk, kind: CrashKind) -> Vec<u8> {
    disk.crash(kind).read_file("a").unwrap()
}

#[test]
fn a_simulated_disk_keeps_the_contract() {
    check_contract(&SimulatedDisk::new(0));
}

#[test]
fn what_was_synced_survives_and_the_rest_may_not() {
    let (disk, file) = disk_with(b"old");
    file.write_at(0, b"new").unwrap();
    assert_eq!(left(&disk, CrashKind::LoseUnsynced), b"old");
    assert_eq!(left(&disk, CrashKind::KeepAll), b"new");
    assert_eq!(torn_contents(&disk), BTreeSet::from([Some(b"old".to_vec()), Some(b"new".to_vec())]));
    file.sync().unwrap();
    assert_eq!(torn_contents(&disk), BTreeSet::from([Some(b"new".to_vec())]));
}

#[test]
fn a_write_tears_at_sectors_and_nowhere_else() {
    let (disk, file) = disk_with(&[0; 1536]);
    file.write_at(256, &[1; 1024]).unwrap();
    let mut seen = BTreeSet::new();
    for content in torn_contents(&disk) {
        let content = content.unwrap();
        let sectors = [&content[256..512], &content[512..1024], &content[1024..1280]];
        assert!(sectors.iter().all(|sector| sector.iter().all(|byte| *byte == sector[0])));
        assert!(content[..256].iter().chain(&content[1280..]).all(|byte| *byte == 0));
        seen.insert(sectors.map(|sector| sector[0]));
    }
    assert_eq!(seen.len(), 8, "each of the three sectors is old or new, whatever the others are");
}

#[test]
fn a_later_write_may_survive_an_earlier_one() {
    let (disk, file) = disk_with(&[0; 1024]);
    file.write_at(0, &[1]).unwrap();
    file.write_at(512, &[2]).unwrap();
    let seen: BTreeSet<_> = torn_contents(&disk).into_iter().flatten().map(|bytes| (bytes[0], bytes[512])).collect();
    assert_eq!(seen, BTreeSet::from([(0, 0), (1, 0), (0, 2), (1, 2)]));
}

#[test]
fn a_size_may_arrive_without_its_bytes_and_they_read_as_zeros() {
    let (disk, file) = disk_with(b"");
    file.write_at(0, &[7; 1024]).unwrap();
    let seen = torn_contents(&disk);
    assert!(seen.contains(&Some(Vec::new())));
    assert!(seen.contains(&Some(vec![0; 1024])));
    assert!(seen.contains(&Some(vec![7; 512])));
    assert!(seen.contains(&Some(vec![7; 1024])));
}

#[test]
fn a_change_of_size_may_or_may_not_survive() {
    let (disk, file) = disk_with(b"abcd");
    file.set_len(2).unwrap();
    assert_eq!(torn_contents(&disk), BTreeSet::from([Some(b"ab".to_vec()), Some(b"abcd".to_vec())]));
    file.sync().unwrap();
    file.set_len(3).unwrap();
    assert_eq!(torn_contents(&disk), BTreeSet::from([Some(b"ab".to_vec()), Some(b"ab\0".to_vec())]));
}

#[test]
fn a_name_is_certain_only_when_the_directory_was_synced() {
    let disk = SimulatedDisk::new(3);
    let file = disk.create("a").unwrap();
    file.write_at(0, b"x").unwrap();
    file.sync().unwrap();
    assert_eq!(kind(disk.crash(CrashKind::LoseUnsynced).read_file("a")), io::ErrorKind::NotFound);
    assert_eq!(torn_contents(&disk), BTreeSet::from([None, Some(b"x".to_vec())]));
    disk.sync_directory().unwrap();
    assert_eq!(torn_contents(&disk), BTreeSet::from([Some(b"x".to_vec())]));

    disk.rename("a", "b").unwrap();
    let names = (0..TORN_SEEDS).map(|seed| disk.crash(CrashKind::Torn(seed)).list().unwrap());
    assert_eq!(names.collect::<BTreeSet<_>>(), BTreeSet::from([vec!["a".to_owned()], vec!["b".to_owned()]]));
}

#[test]
fn a_replaced_or_removed_file_may_come_back_whole() {
    let (disk, _file) = disk_with(b"first");
    let new = disk.create("new").unwrap();
    new.write_at(0, b"second").unwrap();
    new.sync().unwrap();
    disk.rename("new", "a").unwrap();
    assert_eq!(left(&disk, CrashKind::LoseUnsynced), b"first");
    assert_eq!(left(&disk, CrashKind::KeepAll), b"second");
    disk.sync_directory().unwrap();
    disk.remove("a").unwrap();
    drop(new);
    assert_eq!(torn_contents(&disk), BTreeSet::from([None, Some(b"second".to_vec())]));
}

#[test]
fn a_crash_image_stands_alone_and_its_locks_are_free() {
    let (disk, file) = disk_with(b"old");
    let _lock = disk.lock("lock").unwrap();
    let image = disk.crash(CrashKind::KeepAll);
    file.write_at(0, b"new").unwrap();
    image.lock("lock").unwrap();
    image.open("a").unwrap().write_at(0, b"own").unwrap();
    assert_eq!(disk.read_file("a").unwrap(), b"new");
    assert_eq!(image.read_file("a").unwrap(), b"own");
    assert_eq!(left(&image, CrashKind::LoseUnsynced), b"old");
}

#[test]
fn equal_seeds_leave_equal_images_and_others_do_not() {
    let images = |seed| {
        let disk = SimulatedDisk::new(seed);
        disk.create("a").unwrap().write_at(0, &[1; 64 * 512]).unwrap();
        disk.sync_directory().unwrap();
        (0..8).map(|torn| left(&disk, CrashKind::Torn(torn))).collect::<Vec<_>>()
    };
    assert!(images(5) == images(5));
    assert!(images(5) != images(6));
}

#[test]
fn the_power_goes_at_the_chosen_sync_and_stays_off() {
    for (stage, expected) in [(SyncStage::Before, b"old"), (SyncStage::After, b"new")] {
        let (disk, file) = disk_with(b"old");
        let syncs = disk.counters().syncs;
        disk.crash_at(syncs + 1, stage);
        file.sync().unwrap();
        file.write_at(0, b"new").unwrap();
        assert!(!disk.is_off());
        assert!(file.sync().is_err());
        assert!(disk.is_off());
        disk.crash_at(99, stage);
        for result in [file.sync(), file.write_at(0, b"x"), file.set_len(0), disk.remove("a"), disk.sync_directory()] {
            assert_eq!(result.unwrap_err().to_string(), "the power is off");
        }
        assert!(disk.list().is_err() && disk.open("a").is_err() && disk.lock("b").is_err() && file.len().is_err());
        let image = disk.crash(CrashKind::LoseUnsynced);
        assert_eq!(image.read_file("a").unwrap(), expected);
        assert_eq!(image.list().unwrap(), ["a"]);
    }
}

#[test]
fn every_sync_is_observed_before_and_after_it_takes_effect() {
    let (disk, file) = disk_with(b"0");
    let seen = Arc::new(Mutex::new(Vec::new()));
    let sink = Arc::clone(&seen);
    disk.observe_syncs(move |disk, point| {
        sink.lock().push((point.clone(), left(disk, CrashKind::LoseUnsynced)));
    });
    file.write_at(0, b"1").unwrap();
    file.sync().unwrap();
    disk.fail_next(Operation::Sync, 1, io::ErrorKind::Other);
    assert!(file.sync().is_err());
    disk.sync_directory().unwrap();
    let point = |index, file: Option<&str>, stage| SyncPoint { index, file: file.map(str::to_owned), stage };
    let expected = [
        (point(2, Some("a"), SyncStage::Before), b"0".to_vec()),
        (point(2, Some("a"), SyncStage::After), b"1".to_vec()),
        (point(4, None, SyncStage::Before), b"1".to_vec()),
        (point(4, None, SyncStage::After), b"1".to_vec()),
    ];
    assert_eq!(*seen.lock(), expected);
}

#[test]
fn the_chosen_operation_fails_once_and_its_neighbours_do_not() {
    let (disk, file) = disk_with(b"old");
    disk.fail_next(Operation::Write, 2, io::ErrorKind::TimedOut);
    disk.fail_next(Operation::Read, 1, io::ErrorKind::PermissionDenied);
    file.write_at(0, b"1").unwrap();
    assert_eq!(kind(file.write_at(0, b"2")), io::ErrorKind::TimedOut);
    file.write_at(1, b"3").unwrap();
    assert_eq!(kind(file.read_at(0, &mut [0])), io::ErrorKind::PermissionDenied);
    file.read_at(0, &mut [0]).unwrap();
    assert_eq!(disk.read_file("a").unwrap(), b"13d");
}

#[test]
fn a_torn_write_keeps_its_beginning() {
    let (disk, file) = disk_with(b"old");
    disk.tear_next_write(1, 2, io::ErrorKind::StorageFull);
    assert_eq!(kind(file.write_at(0, b"new")), io::ErrorKind::StorageFull);
    assert_eq!(disk.read_file("a").unwrap(), b"ned");
}

#[test]
fn no_later_sync_mends_a_failed_one() {
    let (disk, file) = disk_with(&[b'0'; 1024]);
    file.write_at(0, b"1").unwrap();
    disk.fail_next(Operation::Sync, 1, io::ErrorKind::Other);
    assert!(file.sync().is_err());
    file.write_at(512, b"2").unwrap();
    file.sync().unwrap();
    assert_eq!(disk.read_file("a").unwrap()[0], b'1');
    let seen: BTreeSet<_> = torn_contents(&disk).into_iter().flatten().map(|bytes| (bytes[0], bytes[512])).collect();
    assert_eq!(seen, BTreeSet::from([(b'0', b'2'), (b'1', b'2')]));
    assert_eq!(left(&disk, CrashKind::LoseUnsynced)[0], b'0');
    file.write_at(0, b"3").unwrap();
    file.sync().unwrap();
    assert_eq!(left(&disk, CrashKind::LoseUnsynced)[0], b'3', "what was written again is certain again");
}

#[test]
fn a_full_disk_takes_what_fits_and_removing_makes_room() {
    let (disk, file) = disk_with(b"1234");
    disk.set_capacity(Some(6));
    file.write_at(0, b"abcd").unwrap();
    assert_eq!(kind(file.write_at(2, b"CDEFGH")), io::ErrorKind::StorageFull);
    assert_eq!(disk.read_file("a").unwrap(), b"abCDEF");
    assert_eq!(kind(disk.create("b")), io::ErrorKind::StorageFull);
    assert_eq!(kind(file.set_len(7)), io::ErrorKind::StorageFull);
    disk.remove("a").unwrap();
    assert_eq!(kind(disk.create("b")), io::ErrorKind::StorageFull, "an open file keeps its room");
    drop(file);
    disk.create("b").unwrap().set_len(6).unwrap();
    disk.set_capacity(None);
    disk.open("b").unwrap().set_len(7).unwrap();
}

#[test]
fn damage_is_seen_at_once_and_after_a_crash() {
    let (disk, file) = disk_with(b"abcdef");
    file.write_at(3, b"X").unwrap();
    disk.flip_bit("a", 0, 1).unwrap();
    disk.zero("a", 1..3).unwrap();
    disk.truncate("a", 5).unwrap();
    assert_eq!(disk.read_file("a").unwrap(), b"c\0\0Xe");
    assert_eq!(left(&disk, CrashKind::LoseUnsynced), b"c\0\0de");
    assert_eq!(kind(disk.flip_bit("a", 5, 0)), io::ErrorKind::UnexpectedEof);
    assert_eq!(kind(disk.zero("a", 4..6)), io::ErrorKind::UnexpectedEof);
    assert_eq!(kind(disk.truncate("a", 6)), io::ErrorKind::UnexpectedEof);
    assert_eq!(kind(disk.flip_bit("b", 0, 0)), io::ErrorKind::NotFound);
}

#[test]
fn work_is_counted_for_each_file_and_for_the_disk() {
    let (disk, file) = disk_with(b"abc");
    let other = disk.create("b").unwrap();
    other.write_at(0, b"12345").unwrap();
    file.sync().unwrap();
    assert_eq!(disk.file_counters("a").unwrap(), Counters { syncs: 2, writes: 1, written_bytes: 3 });
    assert_eq!(disk.file_counters("b").unwrap(), Counters { syncs: 0, writes: 1, written_bytes: 5 });
    assert_eq!(disk.counters(), Counters { syncs: 3, writes: 2, written_bytes: 8 });
}

#[test]
fn files_without_name_and_handle_are_forgotten() {
    let disk = SimulatedDisk::new(0);
    for _ in 0..10 {
        drop(disk.create("a").unwrap());
        disk.remove("a").unwrap();
        disk.sync_directory().unwrap();
    }
    assert_eq!(disk.state.lock().file_count(), 0);
}

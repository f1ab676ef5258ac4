//! Every state that an open can find: the rows of the table in `docs/format.md`, one test each.

use std::io::ErrorKind;

use tropism::{
    Builder, Config, Db, OpenError, StorageError,
    disk::{CrashKind, Disk, Operation, SimulatedDisk},
    prelude::*,
};

schema! {
    pub table Row in "rows" { number: u64, text: String } with {
        unique by_number (number);
    }
}

const BASE: &str = "base.redb";

fn builder() -> Builder {
    let config = Config { checkpoint_bytes: 64 << 10, log_segment_bytes: 64 << 10, ..Config::default() };
    Db::builder().tables::<Row>().config(config).driven_by_hand()
}

fn open(disk: &SimulatedDisk) -> Result<Db, OpenError> {
    builder().open_on(disk.clone())
}

fn add(db: &Db, numbers: std::ops::Range<u64>) {
    for number in numbers {
        db.write(|tx| tx.insert(Row { number, text: "x".repeat(100) })).unwrap();
    }
}

fn numbers(db: &Db) -> Vec<u64> {
    db.read(|tx| tx.query(Row::by_id).collect()).unwrap().iter().map(|row| row.number).collect()
}

/// What a killed process leaves of a database with so many rows: everything that it wrote.
fn killed(rows: u64) -> SimulatedDisk {
    let disk = SimulatedDisk::new(1);
    add(&open(&disk).unwrap(), 0..rows);
    disk.crash(CrashKind::KeepAll)
}

/// The same as it was while the database was open, so that nothing of it has been closed.
fn killed_after(work: impl FnOnce(&Db)) -> SimulatedDisk {
    let disk = SimulatedDisk::new(1);
    let db = open(&disk).unwrap();
    work(&db);
    let image = disk.crash(CrashKind::KeepAll);
    drop(db);
    image
}

fn files(disk: &SimulatedDisk, prefix: &str) -> Vec<String> {
    disk.list().unwrap().into_iter().filter(|file| file.starts_with(prefix)).collect()
}

fn segments(disk: &SimulatedDisk) -> Vec<String> {
    files(disk, "log-0")
}

/// Where the frames of a segment begin, and where they end.
fn frames(disk: &SimulatedDisk, segment: &str) -> Vec<(u64, u64)> {
    let bytes = disk.read_file(segment).unwrap();
    let (mut found, mut at) = (Vec::new(), 512);
    while bytes.get(at..at + 4) == Some(b"FRM2".as_slice()) {
        let size = u64::from_le_bytes(bytes[at + 8..at + 16].try_into().unwrap()) as usize;
        found.push((at as u64, (at + 48 + size) as u64));
        at = (at + 48 + size).next_multiple_of(8);
    }
    found
}

fn write_file(disk: &SimulatedDisk, name: &str, bytes: &[u8]) {
    let file = disk.create(name).unwrap();
    file.write_at(0, bytes).unwrap();
    file.sync().unwrap();
    disk.sync_directory().unwrap();
}

fn assert_damage(opened: Result<Db, OpenError>, file: &str) {
    match opened.map(|db| numbers(&db)) {
        Err(OpenError::Storage(StorageError::Corrupt { file: found, .. })) => assert_eq!(found, file),
        other => panic!("damage of {file} was expected, and not {other:?}"),
    }
}

#[test]
fn an_empty_directory_becomes_a_database() {
    for overlooked in [&[][..], &["lost+found", ".DS_Store", "desktop.ini"]] {
        let disk = SimulatedDisk::new(1);
        overlooked.iter().for_each(|name| write_file(&disk, name, b""));
        let db = open(&disk).unwrap();
        add(&db, 0..1);
        assert_eq!(numbers(&db), [0]);
    }
}

#[test]
fn a_base_that_was_never_finished_is_made_anew() {
    let disk = SimulatedDisk::new(1);
    write_file(&disk, "base.new", b"half a base");
    add(&open(&disk).unwrap(), 0..1);
    assert_eq!(files(&disk, "base"), [BASE]);
}

#[test]
fn a_directory_with_other_files_is_refused() {
    let disk = SimulatedDisk::new(1);
    write_file(&disk, "thesis.tex", b"precious");
    let error = open(&disk).err().unwrap();
    assert!(matches!(&error, OpenError::NotADatabase { .. }), "{error}");
    assert!(error.to_string().contains("thesis.tex"), "{error}");
    assert!(files(&disk, "base").is_empty());
}

#[test]
fn a_log_without_its_base_is_damage() {
    let disk = killed(3);
    disk.remove(BASE).unwrap();
    assert_damage(open(&disk), BASE);
}

#[test]
fn after_a_clean_close_there_is_nothing_to_replay() {
    let disk = SimulatedDisk::new(1);
    let db = open(&disk).unwrap();
    add(&db, 0..3);
    db.close().unwrap();
    assert!(segments(&disk).is_empty());
    assert!(files(&disk, "log-spare").len() <= 1, "{:?}", files(&disk, "log"));
    let db = open(&disk).unwrap();
    assert_eq!(numbers(&db), [0, 1, 2]);
    add(&db, 3..4);
    assert_eq!(numbers(&open(&disk.crash(CrashKind::LoseUnsynced)).unwrap()), [0, 1, 2, 3]);
}

#[test]
fn commits_after_the_base_are_replayed() {
    let disk = killed_after(|db| {
        add(db, 0..3);
        db.checkpoint().unwrap();
        add(db, 3..5);
    });
    assert_eq!(numbers(&open(&disk).unwrap()), [0, 1, 2, 3, 4]);
}

#[test]
fn segments_that_the_base_does_not_need_are_removed() {
    let disk = killed_after(|db| add(db, 0..1_000));
    let old = segments(&disk)[0].clone();
    let number: u64 = old[4..].parse().unwrap();
    assert!(number > 0, "a checkpoint has dropped some");
    let earlier = format!("log-{:012}", number - 1);
    write_file(&disk, &earlier, b"whatever it holds");
    assert_eq!(numbers(&open(&disk).unwrap()).len(), 1_000);
    assert!(!segments(&disk).contains(&earlier));
}

#[test]
fn a_frame_that_is_readable_and_not_durable_is_made_durable() {
    let disk = SimulatedDisk::new(1);
    let db = open(&disk).unwrap();
    add(&db, 0..1);
    disk.fail_next(Operation::Sync, 1, ErrorKind::Other);
    db.write(|tx| tx.insert(Row { number: 1, text: "doubtful".into() })).unwrap_err();
    drop(db);
    let seen = {
        let db = open(&disk).unwrap();
        add(&db, 2..4);
        numbers(&db)
    };
    assert_eq!(seen, [0, 1, 2, 3]);
    for kind in std::iter::once(CrashKind::LoseUnsynced).chain((0..50).map(CrashKind::Torn)) {
        assert_eq!(numbers(&open(&disk.crash(kind)).unwrap()), seen, "{kind:?}");
    }
}

#[test]
fn a_torn_last_frame_is_cut() {
    let disk = killed(3);
    let segment = segments(&disk).pop().unwrap();
    let (start, end) = *frames(&disk, &segment).last().unwrap();
    disk.zero(&segment, start + 60..end).unwrap();
    let db = open(&disk).unwrap();
    assert_eq!(numbers(&db), [0, 1]);
    add(&db, 7..8);
    assert_eq!(numbers(&open(&disk.crash(CrashKind::LoseUnsynced)).unwrap()), [0, 1, 7]);
}

#[test]
fn a_last_segment_without_frames_is_given_up() {
    let disk = killed(1);
    let segment = segments(&disk).pop().unwrap();
    let found = frames(&disk, &segment);
    disk.zero(&segment, found[0].0..found.last().unwrap().1).unwrap();
    let db = open(&disk).unwrap();
    assert!(!segments(&disk).contains(&segment));
    add(&db, 5..6);
    assert_eq!(numbers(&open(&disk.crash(CrashKind::LoseUnsynced)).unwrap()), [5]);
}

#[test]
fn damage_before_what_the_base_holds_is_passed_over() {
    // The segment in which the log goes on begins with frames that the base has.
    let disk = killed_after(|db| {
        add(db, 0..20);
        db.checkpoint().unwrap();
        add(db, 20..25);
    });
    let segment = segments(&disk)[0].clone();
    let found = frames(&disk, &segment);
    assert!(found.len() > 20, "{}", found.len());
    disk.flip_bit(&segment, found[3].0 + 50, 1).unwrap();
    disk.zero(&segment, found[7].0..found[7].1).unwrap();
    assert_eq!(numbers(&open(&disk).unwrap()), (0..25).collect::<Vec<_>>());
}

#[test]
fn a_damaged_frame_with_a_later_one_behind_it_is_damage() {
    let disk = killed(6);
    let segment = segments(&disk).pop().unwrap();
    let frame = frames(&disk, &segment)[3];
    for offset in [frame.0, frame.0 + 8, frame.0 + 47, frame.0 + 48, frame.1 - 1] {
        let damaged = disk.crash(CrashKind::KeepAll);
        damaged.flip_bit(&segment, offset, 2).unwrap();
        match open(&damaged) {
            Err(OpenError::Storage(StorageError::Corrupt { file, offset: at, .. })) => {
                assert_eq!((file, at), (segment.clone(), frame.0));
            }
            other => panic!("{:?}", other.map(|db| numbers(&db))),
        }
    }
}

#[test]
fn a_missing_segment_is_damage() {
    let disk = killed_after(|db| {
        db.checkpoint().unwrap();
        add(db, 0..150);
    });
    let all = segments(&disk);
    for missing in &all {
        let damaged = disk.crash(CrashKind::KeepAll);
        damaged.remove(missing).unwrap();
        // The newest segments cannot be missed: nothing says that there were any.
        if Some(missing) != all.last() {
            assert!(open(&damaged).is_err(), "{missing}");
        }
    }
}

#[test]
fn a_segment_that_is_shorter_than_it_was_made_is_damage() {
    let disk = killed(20);
    let segment = segments(&disk).pop().unwrap();
    for size in [0, 20, 512, 600, 2_000, 10_000, 65_535] {
        let damaged = disk.crash(CrashKind::KeepAll);
        damaged.truncate(&segment, size).unwrap();
        assert_damage(open(&damaged), &segment);
    }
}

#[test]
fn a_damaged_segment_header_hides_no_commit() {
    let disk = killed(5);
    let segment = segments(&disk).pop().unwrap();
    for offset in (0..40).filter(|offset| !(8..12).contains(offset)) {
        let damaged = disk.crash(CrashKind::KeepAll);
        damaged.flip_bit(&segment, offset, 3).unwrap();
        assert_eq!(numbers(&open(&damaged).unwrap()), [0, 1, 2, 3, 4], "byte {offset}");
    }
}

#[test]
fn a_frame_in_the_place_of_another_is_damage() {
    let disk = killed(6);
    let segment = segments(&disk).pop().unwrap();
    let bytes = disk.read_file(&segment).unwrap();
    let (_, second, third) = (frames(&disk, &segment)[0], frames(&disk, &segment)[1], frames(&disk, &segment)[2]);
    // A copy of a frame in the place of the next one is no frame there.
    let copy = &bytes[second.0 as usize..second.1 as usize];
    let file = disk.open(&segment).unwrap();
    file.write_at(third.0, copy).unwrap();
    assert_damage(open(&disk), &segment);
}

#[test]
fn spares_of_an_unclean_end_are_removed() {
    let disk = killed(3);
    for spare in ["log-spare", "log-spare-0", "log-spare-17"] {
        if !files(&disk, "log-spare").iter().any(|file| file == spare) {
            write_file(&disk, spare, &[7; 100]);
        }
    }
    let db = open(&disk).unwrap();
    assert!(files(&disk, "log-spare").is_empty(), "{:?}", files(&disk, "log-spare"));
    assert_eq!(numbers(&db), [0, 1, 2]);
}

#[test]
fn a_name_that_is_almost_a_segment_is_overlooked() {
    let disk = killed(3);
    for name in ["log-+5", "log-5", "log-000000000099~", "log-0x0000000001"] {
        write_file(&disk, name, b"not ours");
    }
    let db = open(&disk).unwrap();
    add(&db, 3..4);
    drop(db);
    assert_eq!(numbers(&open(&disk).unwrap()), [0, 1, 2, 3]);
    assert_eq!(disk.read_file("log-+5").unwrap(), b"not ours");
}

#[test]
fn a_log_of_more_than_a_checkpoint_is_moved_into_the_base() {
    let disk = SimulatedDisk::new(1);
    let large = Config { checkpoint_bytes: 4 << 20, log_segment_bytes: 64 << 10, ..Config::default() };
    let db = Db::builder().tables::<Row>().config(large).driven_by_hand().open_on(disk.clone()).unwrap();
    let id = db.write(|tx| tx.insert(Row { number: 1, text: String::new() })).unwrap();
    // The overlay holds one row; the log holds it many times.
    for version in 0..40 {
        db.write(|tx| tx.patch(id, |row: &mut Row| row.text = format!("{version}").repeat(5_000))).unwrap();
    }
    let disk = disk.crash(CrashKind::KeepAll);
    assert!(segments(&disk).len() > 3);
    let db = open(&disk).unwrap();
    assert!(segments(&disk).len() <= 1, "{:?}", segments(&disk));
    assert_eq!(numbers(&db), [1]);
    assert_eq!(numbers(&open(&disk.crash(CrashKind::LoseUnsynced)).unwrap()), [1]);
}

#[test]
fn a_log_of_a_bit_more_than_a_small_checkpoint_is_moved_into_the_base() {
    const LOG_BYTES: usize = 100 << 10;
    let disk = SimulatedDisk::new(1);
    let db = with_log_of(1 << 20).open_on(disk.clone()).unwrap();
    let id = db.write(|tx| tx.insert(Row { number: 1, text: String::new() })).unwrap();
    for version in 0..LOG_BYTES / 5_000 {
        db.write(|tx| tx.patch(id, |row: &mut Row| row.text = five_kilobytes(version))).unwrap();
    }
    let disk = disk.crash(CrashKind::KeepAll);
    assert!(db.health().logged_bytes >= LOG_BYTES - 5_000);
    let db = open(&disk).unwrap();
    assert_eq!(db.health().logged_bytes, 0);
    assert_eq!(db.health().last_checkpoint.expect("one was made").ts, db.health().visible);
}

/// So much may gather before a checkpoint; segments are of 64 KiB.
fn with_log_of(checkpoint_bytes: usize) -> Builder {
    let config = Config { checkpoint_bytes, log_segment_bytes: 64 << 10, ..Config::default() };
    Db::builder().tables::<Row>().config(config).driven_by_hand()
}

fn five_kilobytes(version: usize) -> String {
    format!("{:05}", version).repeat(1_000)
}

/// One run of many: it overwrites a row `patches` times.
fn short_run(disk: &SimulatedDisk, checkpoint_bytes: usize, patches: usize) -> Db {
    let db = with_log_of(checkpoint_bytes).open_on(disk.clone()).unwrap();
    let id = db.read(|tx| tx.query(Row::by_number).eq(1).first()).unwrap().map(|row| row.id());
    let id = id.unwrap_or_else(|| db.write(|tx| tx.insert(Row { number: 1, text: String::new() })).unwrap());
    for version in 0..patches {
        db.write(|tx| tx.patch(id, |row: &mut Row| row.text = five_kilobytes(version))).unwrap();
    }
    db
}

#[test]
fn forty_short_runs_leave_no_longer_log_than_a_few() {
    /// An open that finds more in the log, and a drop that leaves more, see to it.
    const SHORT_LOG_BYTES: usize = 256 << 10;
    /// A run's own 100 kB, and the rest of a segment, come on top.
    const MOST_BYTES: usize = SHORT_LOG_BYTES + (192 << 10);
    let log_bytes = |disk: &SimulatedDisk| segments(disk).len() << 16;

    let mut killed = SimulatedDisk::new(1);
    for run in 0..40 {
        let db = short_run(&killed, SHORT_LOG_BYTES, 20);
        killed = killed.crash(CrashKind::KeepAll);
        drop(db);
        assert!(log_bytes(&killed) <= MOST_BYTES, "{} bytes after run {run}, killed", log_bytes(&killed));
    }
    // Dropped, also where one was killed with more in the log. The next checkpoint would come at 16 MiB.
    for patches_of_killed in [0, 80] {
        let disk = SimulatedDisk::new(1);
        let db = short_run(&disk, 16 << 20, patches_of_killed);
        let disk = disk.crash(CrashKind::KeepAll);
        drop(db);
        for run in 0..40 {
            drop(short_run(&disk, 16 << 20, 20));
            let is_bounded = log_bytes(&disk) <= MOST_BYTES;
            assert!(is_bounded, "{} bytes after run {run}, {patches_of_killed} before a kill", log_bytes(&disk));
        }
        let db = short_run(&disk, 16 << 20, 0);
        assert_eq!(db.read(|tx| tx.query(Row::by_number).first()).unwrap().unwrap().text, five_kilobytes(19));
    }
}

#[test]
fn the_lock_holds_when_its_file_is_removed() {
    let directory = tempfile::tempdir().unwrap();
    let db = builder().open(directory.path()).unwrap();
    std::fs::remove_file(directory.path().join("lock")).unwrap();
    let error = builder().open(directory.path()).err().unwrap();
    assert!(matches!(error, OpenError::AlreadyOpen { .. }), "{error}");
    db.close().unwrap();
    builder().open(directory.path()).unwrap();
}

#[test]
fn an_error_of_the_disk_at_open_is_not_damage() {
    let disk = killed(3);
    for operation in [Operation::Open, Operation::List, Operation::Len, Operation::Read, Operation::Lock] {
        for nth in 1.. {
            let disk = disk.crash(CrashKind::KeepAll);
            disk.fail_next(operation, nth, ErrorKind::Other);
            let Err(error) = open(&disk) else { break };
            let is_io = matches!(&error, OpenError::Storage(StorageError::Io { .. }));
            assert!(is_io, "{operation:?} {nth}: {error}");
            assert!(!error.to_string().contains("backup"), "{error}");
            assert_eq!(numbers(&open(&disk).unwrap()), [0, 1, 2], "{operation:?} {nth}");
        }
    }
}

#[test]
fn a_file_system_without_locks_and_a_path_without_permission_have_errors_of_their_own() {
    let disk = SimulatedDisk::new(1);
    disk.fail_next(Operation::Lock, 1, ErrorKind::Unsupported);
    let error = open(&disk).err().unwrap();
    assert!(matches!(&error, OpenError::Unsupported { what: "file locks", .. }), "{error}");
    disk.fail_next(Operation::Lock, 1, ErrorKind::PermissionDenied);
    let error = open(&disk).err().unwrap();
    assert!(matches!(&error, OpenError::NoPermission { .. }), "{error}");
    disk.fail_next(Operation::SyncDirectory, 1, ErrorKind::Unsupported);
    let error = open(&disk).err().unwrap();
    assert!(matches!(&error, OpenError::Unsupported { what: "syncs of directories", .. }), "{error}");
}

//! Bad input and faults: each a typed error or documented behaviour, and nothing lost.

use std::{fs, io, panic, sync::Arc, time::Duration};

use tropism::{
    Builder, Config, Db, Error, MAX_KEY_BYTES, MAX_ROW_BYTES, ManualClock, OpenError, StorageError, TransactionError,
    disk::{CrashKind, Disk, SimulatedDisk},
    prelude::*,
};

type Failure = Box<dyn std::error::Error>;

schema! {
    pub table Row in "rows" { number: u64, text: String } with {
        unique by_number (number);
    }
    pub table Note in "notes" { text: String } with {
        index by_text (text);
    }
}

fn builder() -> Builder {
    let config = Config { checkpoint_bytes: 64 << 10, log_segment_bytes: 64 << 10, ..Config::default() };
    Db::builder().tables::<(Row, Note)>().config(config).driven_by_hand()
}

fn row(number: u64) -> Row {
    Row { number, text: format!("row {number}") }
}

fn count(db: &Db) -> usize {
    db.read(|tx| tx.query(Row::by_number).count()).unwrap()
}

#[test]
fn a_path_that_is_a_file_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("file");
    fs::write(&path, "not a database").unwrap();
    let error = builder().open(&path).err().unwrap();
    assert!(matches!(&error, OpenError::NotADatabase { reason, .. } if reason.contains("file")), "{error}");
    assert_eq!(fs::read(&path).unwrap(), b"not a database");
}

#[test]
fn a_directory_with_other_files_is_refused_and_left_alone() {
    let directory = tempfile::tempdir().unwrap();
    fs::write(directory.path().join("thesis.tex"), "precious").unwrap();
    let error = builder().open(directory.path()).err().unwrap();
    assert!(matches!(&error, OpenError::NotADatabase { reason, .. } if reason.contains("thesis.tex")), "{error}");
    assert!(!directory.path().join("base.redb").exists());
}

#[test]
fn a_base_that_is_no_base_is_an_error() {
    for content in [vec![], b"hello".to_vec(), vec![0; 1 << 20]] {
        let directory = tempfile::tempdir().unwrap();
        fs::write(directory.path().join("base.redb"), content).unwrap();
        let error = builder().open(directory.path()).err().unwrap();
        assert!(
            matches!(&error, OpenError::Storage(StorageError::Corrupt { file, .. }) if file == "base.redb"),
            "{error}"
        );
    }
}

#[test]
fn a_directory_that_cannot_be_written_is_an_error() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("fixed");
    fs::create_dir(&path).unwrap();
    let mut permissions = fs::metadata(&path).unwrap().permissions();
    permissions.set_readonly(true);
    fs::set_permissions(&path, permissions).unwrap();
    if fs::write(path.join("probe"), "").is_ok() {
        eprintln!("SKIPPED: this user may write to a read-only directory");
        return;
    }
    let error = builder().open(&path).err().unwrap();
    assert!(matches!(error, OpenError::NoPermission { .. }), "{error}");
}

#[test]
fn a_full_disk_refuses_the_commit_and_takes_it_again_when_there_is_room() -> Result<(), Failure> {
    let disk = SimulatedDisk::new(4);
    let db = builder().open_on(disk.clone())?;
    db.write(|tx| tx.insert(row(0)))?;
    let used: usize = disk.list()?.iter().map(|file| disk.read_file(file).map_or(0, |bytes| bytes.len())).sum();
    disk.set_capacity(Some(used as u64 + 1_000));
    let mut written = 1;
    let refused = loop {
        let (number, text) = (written, "x".repeat(5_000));
        match db.write(|tx| tx.insert(Row { number, text })) {
            Ok(_) => written += 1,
            Err(error) => break error,
        }
        assert!(written < 1_000, "the disk is never full");
    };
    assert!(matches!(refused, Error::Storage(StorageError::DiskFull { .. })), "{refused}");
    assert_eq!(count(&db) as u64, written);
    disk.set_capacity(None);
    db.write(|tx| tx.insert(row(written)))?;
    let db = builder().open_on(disk.crash(CrashKind::LoseUnsynced))?;
    assert_eq!(count(&db) as u64, written + 1);
    Ok(())
}

#[test]
fn a_disk_that_is_full_from_the_start_is_an_error() {
    let disk = SimulatedDisk::new(4);
    disk.set_capacity(Some(10_000));
    assert!(matches!(builder().open_on(disk), Err(OpenError::Storage(_))));
}

/// A disk with rows in its base and more in its log.
fn written() -> Result<SimulatedDisk, Failure> {
    let disk = SimulatedDisk::new(6);
    let db = builder().open_on(disk.clone())?;
    (0..100).try_for_each(|number| db.write(|tx| tx.insert(row(number))).map(drop))?;
    db.checkpoint()?;
    (100..200).try_for_each(|number| db.write(|tx| tx.insert(row(number))).map(drop))?;
    Ok(disk.crash(CrashKind::LoseUnsynced))
}

/// Opens a damaged disk and reads everything: the first so many rows, or an error; never a panic.
fn rows_or_error(disk: &SimulatedDisk, what: &str) -> Option<u64> {
    let read = || -> Result<u64, Error> {
        let db = builder().open_on(disk.clone())?;
        let rows = db.read(|tx| tx.query(Row::by_id).collect())?;
        assert!(rows.iter().map(|row| row.number).eq(0..rows.len() as u64), "{what}: a row is missing in the middle");
        Ok(rows.len() as u64)
    };
    panic::catch_unwind(panic::AssertUnwindSafe(read)).unwrap_or_else(|_| panic!("{what}: it panicked")).ok()
}

#[test]
fn a_bit_flipped_in_the_log_is_an_error_or_cuts_the_last_commit() -> Result<(), Failure> {
    let disk = written()?;
    let segment = disk.list()?.into_iter().find(|file| file.starts_with("log-0")).unwrap();
    let end = disk.read_file(&segment)?.iter().rposition(|byte| *byte != 0).unwrap() as u64;
    for offset in (0..end).step_by(17) {
        let image = disk.crash(CrashKind::KeepAll);
        image.flip_bit(&segment, offset, (offset % 8) as u8)?;
        if let Some(rows) = rows_or_error(&image, &format!("byte {offset} of {segment}")) {
            assert!(rows >= 199, "byte {offset}: {rows} rows are left");
        }
    }
    Ok(())
}

#[test]
fn a_log_that_is_cut_or_zeroed_leaves_a_prefix_or_is_an_error() -> Result<(), Failure> {
    let disk = written()?;
    let segment = disk.list()?.into_iter().find(|file| file.starts_with("log-0")).unwrap();
    let size = disk.read_file(&segment)?.len() as u64;
    for offset in (0..size).step_by(997) {
        let cut = disk.crash(CrashKind::KeepAll);
        cut.truncate(&segment, offset)?;
        let zeroed = disk.crash(CrashKind::KeepAll);
        zeroed.zero(&segment, offset..size)?;
        for image in [cut, zeroed] {
            let rows = rows_or_error(&image, &format!("{segment} from byte {offset} on"));
            assert!(rows.is_none_or(|rows| (100..=200).contains(&rows)));
        }
    }
    Ok(())
}

#[test]
fn a_damaged_base_is_an_error_or_reads_as_it_was_and_never_panics() -> Result<(), Failure> {
    let disk = written()?;
    let size = disk.read_file("base.redb")?.len() as u64;
    let quiet = panic::take_hook();
    panic::set_hook(Box::new(|_| {}));
    let mut panicked = Vec::new();
    for offset in (0..size).step_by(1_511) {
        let image = disk.crash(CrashKind::KeepAll);
        image.flip_bit("base.redb", offset, (offset % 8) as u8)?;
        let read = || -> Result<usize, Error> {
            let db = builder().open_on(image.clone())?;
            Ok(db.read(|tx| tx.query(Row::by_id).collect())?.len())
        };
        if panic::catch_unwind(panic::AssertUnwindSafe(read)).is_err() {
            panicked.push(offset);
        }
    }
    panic::set_hook(quiet);
    assert!(panicked.is_empty(), "a bit flipped at any of {panicked:?} panics");
    Ok(())
}

#[test]
fn a_base_that_is_cut_off_is_an_error() -> Result<(), Failure> {
    let disk = written()?;
    let size = disk.read_file("base.redb")?.len() as u64;
    for kept in [100, 4_096, size / 2, size - 4_096] {
        let image = disk.crash(CrashKind::KeepAll);
        image.truncate("base.redb", kept)?;
        let opened = panic::catch_unwind(panic::AssertUnwindSafe(|| rows_or_error(&image, "base.redb")));
        assert!(opened.is_ok(), "with {kept} bytes of {size} it panics");
    }
    Ok(())
}

#[test]
fn a_newer_format_of_the_log_is_an_error_that_says_so() -> Result<(), Failure> {
    let disk = written()?;
    let segment = disk.list()?.into_iter().find(|file| file.starts_with("log-0")).unwrap();
    // The format is 2; the third bit makes it 6.
    disk.flip_bit(&segment, 8, 2)?;
    let error = builder().open_on(disk).err().unwrap();
    assert!(matches!(&error, OpenError::NewerFormat { file, found: 6, supported: 2 } if *file == segment), "{error}");
    Ok(())
}

#[test]
fn keys_and_rows_are_taken_up_to_their_limits_and_refused_past_them() -> Result<(), Failure> {
    let db = builder().open_on(SimulatedDisk::new(1))?;
    // Two bytes end a text, and eight are the id's.
    let longest = "k".repeat(MAX_KEY_BYTES - 10);
    let id = db.write(|tx| tx.insert(Note { text: longest.clone() }))?;
    let error = db.write(|tx| tx.insert(Note { text: longest.clone() + "k" })).unwrap_err();
    assert!(
        matches!(error, Error::Transaction(TransactionError::KeyTooLong { size_bytes, .. }) if size_bytes > MAX_KEY_BYTES)
    );
    assert_eq!(db.read(|tx| tx.query(Note::by_text).eq(&longest).unique())?.unwrap().id(), id);

    let largest = Row { number: 1, text: "x".repeat(MAX_ROW_BYTES - 100) };
    let id = db.write(|tx| tx.insert(largest.clone()))?;
    assert_eq!(*db.read(|tx| tx.get(id))?.unwrap(), largest);
    let error = db.write(|tx| tx.insert(Row { number: 2, text: "x".repeat(MAX_ROW_BYTES) })).unwrap_err();
    assert!(matches!(error, Error::Transaction(TransactionError::RowTooLarge { .. })), "{error}");
    db.checkpoint()?;
    assert_eq!(*db.read(|tx| tx.get(id))?.unwrap(), largest);
    Ok(())
}

#[test]
fn a_transaction_past_its_limit_is_refused_even_where_the_host_goes_on() -> Result<(), Failure> {
    let config = Config { overlay_limit_bytes: 1 << 20, checkpoint_bytes: 64 << 10, ..Config::default() };
    let db = builder().config(config).open_on(SimulatedDisk::new(1))?;
    let error = db.write(|tx| -> Result<(), Error> {
        for number in 0..100 {
            drop(tx.insert(Row { number, text: "x".repeat(20_000) }));
        }
        Ok(())
    });
    let error = error.unwrap_err();
    assert!(matches!(error, Error::Transaction(TransactionError::TransactionTooLarge { .. })), "{error}");
    assert_eq!(count(&db), 0);
    Ok(())
}

/// Each option, a bit below and a bit above its bounds, where it has them.
fn out_of_bounds() -> Vec<(&'static str, Config)> {
    const OVERLAY_LIMIT_BYTES: usize = 1 << 20;
    let milliseconds = Duration::from_millis;
    let hours = |hours: u64| Duration::from_secs(3_600 * hours);
    let default = Config::default;
    let small = || Config { overlay_limit_bytes: OVERLAY_LIMIT_BYTES, checkpoint_bytes: 64 << 10, ..default() };
    vec![
        ("flush_interval", Config { flush_interval: Duration::ZERO, ..default() }),
        ("flush_interval", Config { flush_interval: hours(1) + milliseconds(1), ..default() }),
        ("overlay_limit_bytes", Config { overlay_limit_bytes: OVERLAY_LIMIT_BYTES - 1, ..small() }),
        ("overlay_limit_bytes", Config { overlay_limit_bytes: (64 << 30) + 1, ..default() }),
        ("checkpoint_bytes", Config { checkpoint_bytes: (64 << 10) - 1, ..default() }),
        ("checkpoint_bytes", Config { checkpoint_bytes: OVERLAY_LIMIT_BYTES + 1, ..small() }),
        ("log_segment_bytes", Config { log_segment_bytes: (64 << 10) - 1, ..default() }),
        ("log_segment_bytes", Config { log_segment_bytes: (1 << 30) + 1, ..default() }),
        ("base_cache_bytes", Config { base_cache_bytes: (1 << 20) - 1, ..default() }),
        ("base_cache_bytes", Config { base_cache_bytes: (1 << 40) + 1, ..default() }),
        ("recent_bytes", Config { recent_bytes: 0, ..default() }),
        ("recent_bytes", Config { recent_bytes: (1 << 30) + 1, ..default() }),
        ("recent_calls", Config { recent_calls: 10_001, ..default() }),
        ("job_retention", Config { job_retention: hours(24 * 3_653) + milliseconds(1), ..default() }),
    ]
}

#[test]
fn options_out_of_bounds_are_refused_by_name() {
    let readme = include_str!("../README.md");
    for (name, config) in out_of_bounds() {
        let error = builder().config(config).in_memory().err().unwrap_or_else(|| panic!("{name} is taken"));
        let OpenError::Config { option, bounds, .. } = error else { panic!("{name}: {error}") };
        assert_eq!(option, name);
        let line = readme.lines().find(|line| line.starts_with(&format!("| `{name}` |"))).unwrap();
        assert!(line.ends_with(&format!("| {bounds} |")), "README.md does not say that `{name}` is {bounds}: {line}");
    }
}

#[test]
fn options_at_their_bounds_are_taken() {
    let milliseconds = Duration::from_millis;
    let smallest = Config {
        flush_interval: milliseconds(1),
        overlay_limit_bytes: 1 << 20,
        checkpoint_bytes: 64 << 10,
        log_segment_bytes: 64 << 10,
        base_cache_bytes: 1 << 20,
        recent_bytes: 1,
        recent_calls: 0,
        job_retention: Duration::ZERO,
        ..Config::default()
    };
    let largest = Config {
        flush_interval: milliseconds(3_600_000),
        overlay_limit_bytes: 64 << 30,
        checkpoint_bytes: 64 << 30,
        base_cache_bytes: 1 << 30,
        recent_bytes: 1 << 30,
        recent_calls: 10_000,
        job_retention: Duration::from_secs(3_653 * 86_400),
        ..Config::default()
    };
    for config in [smallest, largest] {
        let db = builder().config(config).in_memory().unwrap();
        db.write(|tx| tx.insert(row(1))).unwrap();
    }
}

#[test]
fn a_clock_that_jumps_changes_creation_times_and_no_order() -> Result<(), Failure> {
    let clock = Arc::new(ManualClock::new(Timestamp::from_millis(1_000)));
    let disk = SimulatedDisk::new(1);
    let open = || builder().clock(clock.clone()).open_on(disk.clone());
    let db = open()?;
    for (number, now) in [(0, 1_000), (1, -50), (2, i64::MAX), (3, i64::MIN), (4, 5)] {
        clock.set(Timestamp::from_millis(now));
        let id = db.write(|tx| tx.insert(row(number)))?;
        assert_eq!(db.read(|tx| tx.get(id))?.unwrap().created_at(), Timestamp::from_millis(now));
    }
    drop(db);
    let rows = open()?.read(|tx| tx.query(Row::by_id).collect())?;
    assert!(rows.iter().map(|row| row.number).eq(0..5));
    Ok(())
}

#[test]
fn errors_of_the_operating_system_keep_their_cause() {
    let disk = SimulatedDisk::new(1);
    disk.fail_next(tropism::disk::Operation::Create, 1, io::ErrorKind::PermissionDenied);
    let error = builder().open_on(disk).err().unwrap();
    let OpenError::Storage(StorageError::Io { source, .. }) = &error else { panic!("{error}") };
    assert_eq!(source.kind(), io::ErrorKind::PermissionDenied);
}

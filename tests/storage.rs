//! The behaviours of the storage, one by one.

use std::{
    env,
    process::{Command, Stdio},
    sync::Arc,
    thread,
    time::Duration,
};

use common::WatchedDisk;
use tropism::{
    Builder, Config, Db, Error, OpenError, StorageError,
    disk::{CrashKind, MemoryDisk, Operation, SimulatedDisk},
    prelude::*,
};

mod common;

type Failure = Box<dyn std::error::Error>;

schema! {
    pub table Row in "rows" { number: u64, text: String } with {
        unique by_number (number);
    }
}

fn row(number: u64) -> Row {
    Row { number, text: format!("row {number}") }
}

fn builder() -> Builder {
    Db::builder().tables::<(Row,)>()
}

fn small(durability: Durability) -> Config {
    Config { durability, checkpoint_bytes: 64 << 10, log_segment_bytes: 64 << 10, ..Config::default() }
}

fn count(db: &Db) -> usize {
    db.read(|tx| tx.query(Row::by_number).count()).unwrap()
}

fn segments(disk: &SimulatedDisk) -> Vec<String> {
    use tropism::disk::Disk;
    disk.list().unwrap().into_iter().filter(|file| file.starts_with("log-0")).collect()
}

#[test]
fn readers_and_subscribers_see_only_what_is_durable_and_a_writer_sees_the_newest() -> Result<(), Failure> {
    let disk = WatchedDisk::new("log-");
    let db = builder().open_on(disk.clone())?;
    db.write(|tx| tx.insert(row(1)))?;
    let live = db.watch(|tx| tx.query(Row::by_number).count())?;
    assert_eq!(*live.recv().unwrap().unwrap(), 1);
    disk.hold();
    thread::scope(|scope| {
        let first = scope.spawn(|| db.write(|tx| tx.insert(row(2))));
        disk.wait_for_sync();
        // The commit is made and not durable.
        assert_eq!(count(&db), 1);
        let second = scope.spawn(|| db.write(|tx| tx.query(Row::by_number).count()));
        assert!(live.try_recv().is_none());
        disk.release();
        assert_eq!(second.join().unwrap().unwrap(), 2);
        first.join().unwrap().unwrap();
    });
    assert_eq!(count(&db), 2);
    assert_eq!(*live.recv().unwrap().unwrap(), 2);
    Ok(())
}

#[test]
fn the_next_transaction_runs_while_the_group_before_it_is_being_synced() -> Result<(), Failure> {
    let disk = WatchedDisk::new("log-");
    let db = builder().open_on(disk.clone())?;
    db.write(|tx| tx.insert(row(0)))?;
    let before = disk.syncs();
    disk.hold();
    thread::scope(|scope| {
        scope.spawn(|| db.write(|tx| tx.insert(row(1))).unwrap());
        disk.wait_for_sync();
        let (ran, has_run) = crossbeam_channel::unbounded();
        for number in 2..10 {
            let (db, ran) = (&db, ran.clone());
            scope.spawn(move || {
                db.write(|tx| -> Result<(), Error> {
                    tx.insert(row(number))?;
                    ran.send(number).unwrap();
                    Ok(())
                })
                .unwrap();
            });
        }
        // All of them have run, while the first is still being synced.
        let mut numbers: Vec<u64> = (2..10).map(|_| has_run.recv().unwrap()).collect();
        numbers.sort_unstable();
        assert_eq!(numbers, (2..10).collect::<Vec<_>>());
        disk.release();
    });
    assert_eq!(count(&db), 10);
    // One sync for the first; those that waited share the next, but for the last to give up the writer's place.
    assert!(disk.syncs() - before <= 3, "{} syncs", disk.syncs() - before);
    Ok(())
}

#[test]
fn a_sync_that_fails_refuses_further_writes_until_the_database_is_opened_again() -> Result<(), Failure> {
    let disk = SimulatedDisk::new(5);
    let db = builder().driven_by_hand().open_on(disk.clone())?;
    db.write(|tx| tx.insert(row(1)))?;
    disk.fail_next(Operation::Sync, 1, std::io::ErrorKind::Other);
    let failed = db.write(|tx| tx.insert(row(2)));
    assert!(matches!(failed, Err(Error::Storage(StorageError::OutcomeUnknown { .. }))), "{failed:?}");
    let refused: Result<Id<Row>, Error> = db.write(|_| panic!("it must not run"));
    let refused = refused.unwrap_err();
    assert!(matches!(refused, Error::Storage(StorageError::Poisoned { .. })), "{refused}");
    assert!(refused.to_string().contains("reopen"), "{refused}");
    assert!(db.checkpoint().is_err());
    // Reads go on, and see nothing that is not durable.
    assert_eq!(count(&db), 1);
    drop(db);
    let db = builder().open_on(disk.crash(CrashKind::LoseUnsynced))?;
    assert_eq!(count(&db), 1);
    db.write(|tx| tx.insert(row(2)))?;
    Ok(())
}

/// A disk with 30 commits in its log and none in its base.
fn logged() -> Result<SimulatedDisk, Failure> {
    let disk = SimulatedDisk::new(9);
    let db = builder().driven_by_hand().open_on(disk.clone())?;
    (0..30).try_for_each(|number| db.write(|tx| tx.insert(row(number))).map(drop))?;
    Ok(disk.crash(CrashKind::LoseUnsynced))
}

#[test]
fn a_torn_tail_is_cut() -> Result<(), Failure> {
    let disk = logged()?;
    let [segment] = &*segments(&disk) else { panic!("one segment is enough") };
    let bytes = disk.read_file(segment)?;
    let end = bytes.iter().rposition(|byte| *byte != 0).unwrap() as u64;
    disk.flip_bit(segment, end - 3, 4)?;
    let db = builder().open_on(disk.clone())?;
    assert_eq!(count(&db), 29);
    db.write(|tx| tx.insert(row(100)))?;
    drop(db);
    assert_eq!(count(&builder().open_on(disk)?), 30);
    Ok(())
}

#[test]
fn a_damaged_frame_with_valid_ones_after_it_is_an_error_that_names_file_and_offset() -> Result<(), Failure> {
    let disk = logged()?;
    let [segment] = &*segments(&disk) else { panic!("one segment is enough") };
    disk.flip_bit(segment, 1_000, 0)?;
    let error = builder().open_on(disk.clone()).err().unwrap();
    let OpenError::Storage(StorageError::Corrupt { file, offset, .. }) = &error else { panic!("{error}") };
    assert_eq!(file, segment);
    assert!((512..=1_000).contains(offset), "{error}");
    // And nothing was changed: mended, it opens.
    disk.flip_bit(segment, 1_000, 0)?;
    assert_eq!(count(&builder().open_on(disk)?), 30);
    Ok(())
}

#[test]
fn a_gap_in_the_sequence_is_corruption() -> Result<(), Failure> {
    use tropism::disk::Disk;
    let disk = SimulatedDisk::new(2);
    let config = Config { log_segment_bytes: 64 << 10, ..Config::default() };
    let db = builder().config(config).driven_by_hand().open_on(disk.clone())?;
    let text = "x".repeat(10_000);
    (0..20).try_for_each(|number| db.write(|tx| tx.insert(Row { number, text: text.clone() })).map(drop))?;
    let image = disk.crash(CrashKind::LoseUnsynced);
    assert_eq!(segments(&image).len(), 4);
    for missing in 0..3 {
        let image = image.crash(CrashKind::KeepAll);
        image.remove(&segments(&image)[missing])?;
        let error = builder().open_on(image).err().unwrap();
        assert!(matches!(error, OpenError::Storage(StorageError::Corrupt { .. })), "without {missing}: {error}");
    }
    Ok(())
}

#[test]
fn memory_is_bounded_and_writers_wait_for_the_checkpoint() -> Result<(), Failure> {
    const ROW_BYTES: usize = 64 << 10;
    const ROWS: u64 = 100;
    let disk = WatchedDisk::new("base.");
    let config = Config { overlay_limit_bytes: 1 << 20, checkpoint_bytes: 256 << 10, ..small(Durability::Relaxed) };
    let db = builder().config(config).open_on(disk.clone())?;
    disk.hold();
    thread::scope(|scope| {
        let (written, is_written) = crossbeam_channel::unbounded();
        let db = &db;
        scope.spawn(move || {
            for number in 0..ROWS {
                db.write(|tx| tx.insert(Row { number, text: "x".repeat(ROW_BYTES) })).unwrap();
                written.send(()).unwrap();
            }
        });
        disk.wait_for_sync();
        // The checkpoint stands still, so the writer comes to stand still as well, however long one waits.
        let mut rows = 0;
        while is_written.recv_timeout(Duration::from_millis(300)).is_ok() {
            rows += 1;
        }
        assert!(rows * ROW_BYTES <= 3 << 19, "{rows} rows of {ROW_BYTES} bytes in a megabyte");
        disk.release();
        assert_eq!(is_written.iter().count() + rows, ROWS as usize);
    });
    assert_eq!(count(&db), ROWS as usize);
    Ok(())
}

#[test]
fn opening_after_a_crash_costs_the_length_of_the_log_and_not_of_the_database() -> Result<(), Failure> {
    let read_at_open = |rows: u64| -> Result<u64, Error> {
        let disk = WatchedDisk::new("base.");
        let db = builder().driven_by_hand().open_on(disk.clone())?;
        db.write(|tx| (0..rows).try_for_each(|number| tx.insert(row(number)).map(drop)))?;
        db.checkpoint()?;
        db.write(|tx| tx.insert(row(rows)))?;
        // Dropped, not closed: the log is not empty.
        drop(db);
        let before = disk.read_bytes();
        let db = builder().driven_by_hand().open_on(disk.clone())?;
        let read = disk.read_bytes() - before;
        assert_eq!(count(&db) as u64, rows + 1);
        Ok(read)
    };
    let (few, many) = (read_at_open(100)?, read_at_open(20_000)?);
    assert!(many < few + (200 << 10), "{few} bytes are read for 100 rows, and {many} for 20,000");
    Ok(())
}

#[test]
fn in_memory_the_same_code_runs_and_a_clone_of_the_disk_keeps_the_database() -> Result<(), Failure> {
    let disk = MemoryDisk::new();
    let db = builder().open_on(disk.clone())?;
    db.write(|tx| tx.insert(row(1)))?;
    db.close()?;
    assert_eq!(count(&builder().open_on(disk)?), 1);
    let db = builder().in_memory()?;
    db.write(|tx| tx.insert(row(1)))?;
    db.checkpoint()?;
    assert_eq!(count(&db), 1);
    Ok(())
}

#[test]
fn a_database_opened_twice_by_one_process_is_an_error() -> Result<(), Failure> {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("db");
    let db = builder().open(&path)?;
    let error = builder().open(&path).err().unwrap();
    assert!(matches!(&error, OpenError::AlreadyOpen { path: named } if named.contains("db")), "{error}");
    let clone = db.clone();
    drop(db);
    assert!(matches!(builder().open(&path), Err(OpenError::AlreadyOpen { .. })));
    clone.close()?;
    Ok(builder().open(&path)?.close()?)
}

/// Set for the process that a test starts: the directory of the database.
const CHILD: &str = "TROPISM_TEST_CHILD";

#[test]
fn a_database_held_by_another_process_is_an_error_and_a_kill_loses_nothing_acknowledged() -> Result<(), Failure> {
    if let Ok(path) = env::var(CHILD) {
        let db = builder().config(small(Durability::Durable)).open(path)?;
        for number in 0.. {
            db.write(|tx| tx.insert(row(number)))?;
            println!("acknowledged {number}");
        }
    }
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("db");
    let name = "a_database_held_by_another_process_is_an_error_and_a_kill_loses_nothing_acknowledged";
    let mut child = Command::new(env::current_exe().unwrap())
        .args(["--exact", name, "--nocapture"])
        .env(CHILD, &path)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let output = std::io::BufReader::new(child.stdout.take().unwrap());
    let mut lines = std::io::BufRead::lines(output).map_while(Result::ok);
    let acknowledged = |line: String| line.strip_prefix("acknowledged ")?.parse::<u64>().ok();
    let reached = lines.by_ref().filter_map(acknowledged).find(|number| *number >= 2_000);
    assert_eq!(reached, Some(2_000));
    assert!(matches!(builder().open(&path), Err(OpenError::AlreadyOpen { .. })));
    child.kill().unwrap();
    child.wait().unwrap();
    let last = lines.filter_map(acknowledged).last().unwrap_or(2_000);
    let db = builder().open(&path)?;
    let rows = db.read(|tx| tx.query(Row::by_id).collect())?;
    assert!(rows.iter().map(|row| row.number).eq(0..rows.len() as u64));
    assert!(rows.len() as u64 > last, "{} rows, and {last} was acknowledged", rows.len());
    Ok(())
}

#[test]
fn relaxed_commits_become_durable_by_themselves() -> Result<(), Failure> {
    let disk = WatchedDisk::new("log-");
    let config = Config { flush_interval: Duration::from_millis(1), ..small(Durability::Relaxed) };
    let db = builder().config(config).open_on(disk.clone())?;
    db.write(|tx| tx.insert(row(0)))?;
    db.flush()?;
    disk.hold();
    db.write(|tx| tx.insert(row(1)))?;
    // Visible at once, and the flush is on its way without anybody asking.
    assert_eq!(count(&db), 2);
    disk.wait_for_sync();
    disk.release();
    Ok(())
}

#[test]
fn overwriting_the_same_row_does_not_let_the_log_grow_without_bound() -> Result<(), Failure> {
    let disk = SimulatedDisk::new(8);
    let db = builder().config(small(Durability::Relaxed)).driven_by_hand().open_on(disk.clone())?;
    let id = db.write(|tx| tx.insert(row(0)))?;
    for number in 1..5_000 {
        db.write(|tx| tx.patch(id, |row: &mut Row| row.number = number))?;
        if number % 100 == 0 {
            db.flush()?;
        }
    }
    assert!(segments(&disk).len() <= 3, "{:?}", segments(&disk));
    Ok(())
}

#[test]
fn the_space_of_deleted_rows_is_used_again() -> Result<(), Failure> {
    let disk = SimulatedDisk::new(8);
    let db = builder().config(small(Durability::Durable)).driven_by_hand().open_on(disk.clone())?;
    let base_bytes = || disk.read_file("base.redb").map(|bytes| bytes.len());
    let mut first_bytes = None;
    for round in 0..20 {
        let insert = |tx: &mut WriteTx, number| tx.insert(Row { number, text: format!("{round:04}").repeat(500) });
        let ids = db.write(|tx| (0..200).map(|number| insert(tx, number)).collect::<Result<Vec<_>, _>>())?;
        db.checkpoint()?;
        db.write(|tx| ids.into_iter().try_for_each(|id| tx.delete(id)))?;
        db.checkpoint()?;
        let first_bytes = *first_bytes.get_or_insert(base_bytes()?);
        assert!(base_bytes()? < 3 * first_bytes, "{} bytes in round {round}, {first_bytes} at first", base_bytes()?);
    }
    assert_eq!(count(&db), 0);
    Ok(())
}

#[test]
fn a_handle_is_shared_by_threads() -> Result<(), Failure> {
    fn is_shared<T: Clone + Send + Sync + 'static>(_: &T) {}
    let db = Arc::new(builder().in_memory()?);
    is_shared(&*db);
    thread::scope(|scope| {
        for thread in 0..8 {
            let db = &db;
            scope.spawn(move || (0..50).for_each(|number| drop(db.write(|tx| tx.insert(row(thread * 50 + number))))));
        }
    });
    assert_eq!(count(&db), 400);
    Ok(())
}

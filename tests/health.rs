//! `db.health()`: what an operator asks first, as data.

use std::{io::ErrorKind, sync::mpsc, thread, time::Duration};

use common::WatchedDisk;
use tropism::{
    Config, Db, FaultKind, ManualScheduler, StorageError,
    disk::{Disk, Operation, SimulatedDisk},
    prelude::*,
};

mod common;

schema! {
    pub table Row in "rows" { text: String }
}

functions! {
    pub module Work;
    pub mutation Nothing in "work:nothing" {} -> () |_| { Ok(()) }
}

fn open(disk: &SimulatedDisk) -> Db {
    let config = Config { checkpoint_bytes: 64 << 10, log_segment_bytes: 64 << 10, ..Config::default() };
    Db::builder().tables::<Row>().config(config).driven_by_hand().open_on(disk.clone()).unwrap()
}

fn add(db: &Db, bytes: usize) -> Result<Id<Row>, tropism::Error> {
    db.write(|tx| tx.insert(Row { text: "x".repeat(bytes) }))
}

#[test]
fn a_database_that_is_well_says_so() {
    let disk = SimulatedDisk::new(1);
    let db = open(&disk);
    add(&db, 100).unwrap();
    let health = db.health();
    assert!(health.writes_refused.is_none() && health.checkpoint_failure.is_none());
    assert_eq!(
        (health.visible, health.durable),
        (db.read(|tx| Ok::<_, tropism::Error>(tx.ts())).unwrap(), health.visible)
    );
    assert!(health.log_bytes > 0 && health.overlay_bytes > 0 && health.overlay_bytes < health.overlay_limit_bytes);
    assert_eq!((health.live_queries.live_queries, health.live_queries.dirty), (0, 0));
    assert_eq!(health.scheduler.expect("it can be read").jobs_due, 0);
    db.checkpoint().unwrap();
    let health = db.health();
    assert_eq!(health.last_checkpoint.expect("one was made").ts, health.visible);
    assert_eq!(health.overlay_bytes, 0);
}

#[test]
fn writes_are_refused_while_the_disk_is_full_and_health_says_so() {
    let disk = SimulatedDisk::new(1);
    let db = open(&disk);
    add(&db, 100).unwrap();
    let used: usize = disk.list().unwrap().iter().map(|name| disk.read_file(name).map_or(0, |file| file.len())).sum();
    disk.set_capacity(Some(used as u64));
    // One segment is half empty still.
    let refused = (0..100).find_map(|_| add(&db, 10_000).err()).expect("the disk is full");
    assert!(matches!(refused, tropism::Error::Storage(StorageError::DiskFull { .. })), "{refused}");
    assert_eq!(db.health().writes_refused.expect("they are").kind(), FaultKind::Full);
    disk.set_capacity(None);
    add(&db, 10_000).unwrap();
    assert!(db.health().writes_refused.is_none());
}

#[test]
fn a_commit_that_is_not_durable_yet_tells_what_kind_of_fault_the_log_met() {
    for (fault, kind) in [(ErrorKind::StorageFull, FaultKind::Full), (ErrorKind::Other, FaultKind::Transient)] {
        let disk = SimulatedDisk::new(1);
        let db = open(&disk);
        add(&db, 100).unwrap();
        (0..3).for_each(|_| disk.fail_next(Operation::Write, 1, fault));
        let error = add(&db, 100).unwrap_err();
        let tropism::Error::Storage(error @ StorageError::NotDurable { .. }) = error else { panic!("{error}") };
        assert_eq!((error.kind(), db.health().writes_refused.map(|error| error.kind())), (kind, Some(kind)));
        add(&db, 100).unwrap();
    }
}

#[test]
fn writes_that_wait_for_checkpoints_that_fail_are_refused_and_health_says_so() {
    let disk = SimulatedDisk::new(1);
    let config = Config { checkpoint_bytes: 64 << 10, overlay_limit_bytes: 1 << 20, ..Config::default() };
    let db = Db::builder().tables::<Row>().config(config).driven_by_hand().open_on(disk.clone()).unwrap();
    let refused = (0..1_000).find_map(|_| {
        disk.heal();
        // The log is synced once for each commit, and the base by the checkpoint before it.
        disk.fail_next(Operation::SetLen, 1, ErrorKind::Other);
        disk.fail_next(Operation::Read, 1, ErrorKind::Other);
        add(&db, 10_000).err()
    });
    disk.heal();
    if let Some(refused) = refused {
        assert!(matches!(refused, tropism::Error::Storage(_)), "{refused}");
        assert!(db.health().writes_refused.is_some());
    }
    add(&db, 10_000).unwrap();
    assert!(db.health().writes_refused.is_none());
}

#[test]
fn a_failed_checkpoint_shows_until_one_goes_well() {
    let disk = SimulatedDisk::new(1);
    let db = open(&disk);
    add(&db, 100).unwrap();
    disk.fail_next(Operation::Sync, 1, ErrorKind::Other);
    db.checkpoint().unwrap_err();
    let health = db.health();
    assert!(health.is_checkpoint_pending);
    let failure = health.checkpoint_failure.expect("one failed");
    assert_eq!((failure.attempts, failure.error.kind()), (1, FaultKind::Transient));
    assert!(health.writes_refused.is_none(), "the log takes them");
    add(&db, 100).unwrap();
    db.checkpoint().unwrap();
    assert!(db.health().checkpoint_failure.is_none() && !db.health().is_checkpoint_pending);
}

#[test]
fn why_writes_are_refused_is_said_with_what_kind_of_fault_it_is() {
    let disk = SimulatedDisk::new(1);
    let db = open(&disk);
    add(&db, 100).unwrap();
    disk.fail_next(Operation::Sync, 1, ErrorKind::Other);
    add(&db, 100).unwrap_err();
    let refused = db.health().writes_refused.expect("a sync of the log failed");
    assert_eq!(refused.kind(), FaultKind::Stopped);
    assert!(db.health().to_string().contains("refused"));
}

#[test]
fn a_log_that_cannot_be_written_shows_until_it_can() {
    let disk = SimulatedDisk::new(1);
    let db = open(&disk);
    add(&db, 100).unwrap();
    (0..3).for_each(|_| disk.fail_next(Operation::Write, 1, ErrorKind::Other));
    let refused = add(&db, 100).unwrap_err();
    assert!(matches!(refused, tropism::Error::Storage(StorageError::NotDurable { .. })), "{refused}");
    let health = db.health();
    assert_eq!(health.writes_refused.expect("they are").kind(), FaultKind::Transient);
    assert!(health.overlay_bytes > 200, "what waits is counted");
    db.flush().unwrap();
    assert!(db.health().writes_refused.is_none());
}

#[test]
fn a_live_query_that_waits_to_be_evaluated_is_dirty() {
    let db = open(&SimulatedDisk::new(1));
    let _count = db.watch(|tx| tx.query(Row::by_id).count()).unwrap();
    let counts = || (db.health().live_queries.live_queries, db.health().live_queries.dirty);
    assert_eq!(counts(), (1, 0));
    add(&db, 100).unwrap();
    assert_eq!(counts(), (1, 1));
    db.reactor().unwrap().run();
    assert_eq!(counts(), (1, 0));
}

#[test]
fn a_checkpoint_says_how_long_it_took_and_how_much_it_moved() {
    let db = open(&SimulatedDisk::new(1));
    add(&db, 10_000).unwrap();
    db.checkpoint().unwrap();
    let last = db.health().last_checkpoint.expect("one was made");
    assert!(last.duration > Duration::ZERO && last.size_bytes >= 10_000, "{last:?}");
}

#[test]
fn jobs_that_are_due_and_the_oldest_of_them_are_counted() {
    let scheduler = ManualScheduler::new(Timestamp::EPOCH);
    let builder = Db::builder().module(Work).driven_by_hand();
    let db = builder.scheduler(scheduler.clone()).in_memory().unwrap();
    let jobs = || {
        let health = db.health().scheduler.expect("it can be read");
        (health.jobs_due, health.oldest_due_for.map(|duration| duration.as_secs()))
    };
    for seconds in [10, 30, 1_000] {
        db.write(|tx| tx.schedule().after(Duration::from_secs(seconds), Nothing {})).unwrap();
    }
    assert_eq!(jobs(), (0, None));
    scheduler.set_now(Timestamp::from_millis(60_000));
    assert_eq!(jobs(), (2, Some(50)));
    scheduler.run_due().unwrap();
    assert_eq!(jobs(), (0, None));
}

#[test]
fn health_answers_while_a_log_segment_is_being_made() {
    // Segments are made under this name.
    let disk = WatchedDisk::new("log-spare");
    let config = Config { log_segment_bytes: 64 << 10, ..Config::default() };
    let db = Db::builder().tables::<Row>().config(config).driven_by_hand().open_on(disk.clone()).unwrap();
    add(&db, 100).unwrap();
    let log_bytes = db.health().log_bytes;
    disk.hold();
    thread::scope(|scope| {
        let db = &db;
        let writing = scope.spawn(move || add(db, 100_000).map(drop));
        // It does not fit the segment at hand, so the next one is made and synced.
        disk.wait_for_sync();
        let (answer, answers) = mpsc::channel();
        let asking = scope.spawn(move || answer.send(db.health()).unwrap());
        let health = answers.recv_timeout(Duration::from_secs(20));
        disk.release();
        assert_eq!(health.expect("it waits for the segment").log_bytes, log_bytes);
        asking.join().unwrap();
        writing.join().unwrap().unwrap();
        assert!(db.health().log_bytes > log_bytes);
    });
}

#[test]
fn a_reader_that_stays_holds_back_the_oldest_snapshot() {
    let disk = SimulatedDisk::new(1);
    let db = open(&disk);
    add(&db, 100).unwrap();
    let (oldest, visible) = db
        .read(|tx| -> Result<_, tropism::Error> {
            let own = tx.ts();
            for _ in 0..3 {
                add(&db, 100)?;
                db.checkpoint()?;
            }
            assert!(db.health().oldest_snapshot <= own);
            Ok((db.health().oldest_snapshot, db.health().visible))
        })
        .unwrap();
    assert!(oldest < visible);
    assert_eq!(db.health().oldest_snapshot, db.health().visible, "nobody reads any more");
}

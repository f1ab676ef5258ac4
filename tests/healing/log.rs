//! A log that cannot be written for a while: what was committed waits for it, is not shown, and is not lost.

use super::*;

/// How often a write of the log is tried before its caller hears of the failure.
const ATTEMPTS: u64 = 3;

fn fail_writes(disk: &SimulatedDisk, attempts: u64) {
    (0..attempts).for_each(|_| disk.fail_next(Operation::Write, 1, ErrorKind::Other));
}

fn row(number: u64) -> Row {
    Row { number, text: format!("row {number}") }
}

fn is_not_durable<T: std::fmt::Debug>(written: &Result<T, Error>) -> bool {
    matches!(written, Err(Error::Storage(StorageError::NotDurable { .. })))
}

/// The rows in the order of their ids, which is that in which they were committed.
fn in_order(db: &Db) -> Vec<u64> {
    db.read(|tx| tx.query(Row::by_id).collect()).unwrap().iter().map(|row| row.number).collect()
}

#[test]
fn a_log_that_cannot_be_written_for_a_while_keeps_its_commits_and_writes_them_later() {
    let disk = SimulatedDisk::new(3);
    let db = builder().open_on(disk.clone()).unwrap();
    db.write(|tx| tx.insert(row(0))).unwrap();
    fail_writes(&disk, ATTEMPTS);
    let refused = db.write(|tx| tx.insert(row(1)));
    assert!(is_not_durable(&refused), "{refused:?}");
    assert!(disk.heal(), "it was tried {ATTEMPTS} times");
    assert_eq!(in_order(&db), [0], "it is not durable, so nobody sees it");
    let health = db.health();
    assert_eq!(health.writes_refused.expect("the log could not be written").kind(), FaultKind::Transient);
    assert!(health.durable == health.visible);

    db.write(|tx| tx.insert(row(2))).unwrap();
    assert_eq!(in_order(&db), [0, 1, 2]);
    assert!(db.health().writes_refused.is_none());
    let survivor = builder().open_on(disk.crash(CrashKind::LoseUnsynced)).unwrap();
    assert_eq!(in_order(&survivor), [0, 1, 2]);
}

#[test]
fn a_failed_write_of_the_log_is_tried_again_before_anybody_hears_of_it() {
    let disk = SimulatedDisk::new(3);
    let db = builder().open_on(disk.clone()).unwrap();
    db.write(|tx| tx.insert(row(0))).unwrap();
    fail_writes(&disk, ATTEMPTS - 1);
    db.write(|tx| tx.insert(row(1))).unwrap();
    assert!(disk.heal());
    assert_eq!(in_order(&builder().open_on(disk.crash(CrashKind::LoseUnsynced)).unwrap()), [0, 1]);
}

#[test]
fn a_write_torn_in_the_middle_is_written_whole_later() {
    let disk = SimulatedDisk::new(3);
    let db = builder().open_on(disk.clone()).unwrap();
    db.write(|tx| tx.insert(row(0))).unwrap();
    (0..ATTEMPTS).for_each(|attempt| disk.tear_next_write(1, 30 + 20 * attempt as usize, ErrorKind::StorageFull));
    let refused = db.write(|tx| tx.insert(row(1)));
    assert!(is_not_durable(&refused), "{refused:?}");
    // A kill now finds the whole frame or nothing of it.
    assert_eq!(in_order(&builder().open_on(disk.crash(CrashKind::KeepAll)).unwrap()), [0]);
    assert!(disk.heal());
    db.flush().unwrap();
    assert_eq!(in_order(&db), [0, 1]);
    assert_eq!(in_order(&builder().open_on(disk.crash(CrashKind::LoseUnsynced)).unwrap()), [0, 1]);
}

#[test]
fn a_write_that_meets_a_log_that_still_cannot_be_written_has_changed_nothing() {
    let disk = SimulatedDisk::new(3);
    let db = builder().open_on(disk.clone()).unwrap();
    db.write(|tx| tx.insert(row(0))).unwrap();
    fail_writes(&disk, 3 * ATTEMPTS);
    assert!(is_not_durable(&db.write(|tx| tx.insert(row(1)))));
    for _ in 0..2 {
        let mut has_run = false;
        let refused = db.write(|tx| {
            has_run = true;
            tx.insert(row(2))
        });
        assert!(is_not_durable(&refused), "{refused:?}");
        assert!(!has_run, "a transaction that cannot become durable is not begun");
    }
    assert!(disk.heal());
    db.flush().unwrap();
    assert_eq!(in_order(&db), [0, 1]);
}

#[test]
fn what_the_log_could_not_take_becomes_visible_by_itself() {
    let disk = SimulatedDisk::new(3);
    let db = Db::builder().tables::<Row>().open_on(disk.clone()).unwrap();
    db.write(|tx| tx.insert(row(0))).unwrap();
    let live = db.watch(|tx| tx.query(Row::by_id).count()).unwrap();
    fail_writes(&disk, ATTEMPTS);
    assert!(is_not_durable(&db.write(|tx| tx.insert(row(1)))));
    let seen = live.wait_for(std::time::Duration::from_secs(20), |count| *count == 2);
    assert!(seen.is_some(), "it stays at {:?}", live.current());
    assert_eq!(in_order(&builder().open_on(disk.crash(CrashKind::LoseUnsynced)).unwrap()), [0, 1]);
    assert!(db.health().writes_refused.is_none());
}

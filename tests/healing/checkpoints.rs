//! Checkpoints that fail are tried again, by whoever may.

use std::time::{Duration, Instant};

use super::*;

const LONG: Duration = Duration::from_secs(20);

/// With threads, a commit at hand that the next checkpoint moves.
fn with_a_commit(disk: &SimulatedDisk) -> Db {
    let db = Db::builder().tables::<Row>().open_on(disk.clone()).unwrap();
    db.write(|tx| tx.insert(Row { number: 0, text: "x".repeat(2_000) })).unwrap();
    db
}

fn wait_until_checkpoints_work(db: &Db) {
    let deadline = Instant::now() + LONG;
    while db.health().checkpoint_failure.is_some() || db.health().is_checkpoint_pending {
        assert!(Instant::now() < deadline, "{}", db.health());
        std::thread::yield_now();
    }
}

#[test]
fn a_checkpoint_that_failed_is_tried_again_by_itself() {
    let disk = SimulatedDisk::new(1);
    let db = with_a_commit(&disk);
    disk.fail_next(Operation::Sync, 1, ErrorKind::Other);
    db.checkpoint().unwrap_err();
    wait_until_checkpoints_work(&db);
    let health = db.health();
    assert_eq!(health.last_checkpoint.expect("it was tried again").ts, health.visible);
}

#[test]
fn a_checkpoint_that_failed_several_times_is_tried_again_by_itself() {
    let disk = SimulatedDisk::new(1);
    let db = with_a_commit(&disk);
    // Each attempt makes the base anew and syncs.
    (0..4).for_each(|_| disk.fail_next(Operation::Sync, 1, ErrorKind::Other));
    db.checkpoint().unwrap_err();
    wait_until_checkpoints_work(&db);
    assert!(disk.heal(), "it went on until one went well");
}

#[test]
fn a_checkpoint_that_a_commit_made_due_is_tried_again_by_itself() {
    let disk = SimulatedDisk::new(1);
    let config = Config { checkpoint_bytes: 64 << 10, ..Config::default() };
    let db = Db::builder().tables::<Row>().config(config).open_on(disk.clone()).unwrap();
    db.write(|tx| tx.insert(Row { number: 0, text: "x".repeat(2_000) })).unwrap();
    // The log is written and not made longer, so that this one is of the base.
    disk.fail_next(Operation::SetLen, 1, ErrorKind::Other);
    let live = db.watch(|tx| tx.query(Row::by_id).count()).unwrap();
    db.write(|tx| tx.insert(Row { number: 1, text: "x".repeat(100_000) })).unwrap();
    assert!(live.wait_for(LONG, |count| *count == 2).is_some());
    wait_until_checkpoints_work(&db);
    assert!(db.health().last_checkpoint.is_some());
}

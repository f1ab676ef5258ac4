//! Behaviours 2, 4 and 8: when a change is durable, whose sync makes it so, and what a failure leaves.

use std::{
    sync::mpsc,
    thread,
    time::{Duration, Instant},
};

use parking_lot::Mutex;
use tropism::disk::{CrashKind, Operation, SimulatedDisk, SyncPoint, SyncStage};

use super::*;

const LONG: Duration = Duration::from_secs(20);

fn opened_on(disk: &SimulatedDisk) -> Db {
    Db::builder().tables::<(Account, Entry)>().driven_by_hand().open_on(disk.clone()).unwrap()
}

/// What the newest state holds, durable or not: what a writer sees. It gives up its place without a commit.
fn owners_a_writer_sees(db: &Db) -> Vec<String> {
    struct Seen(Vec<String>);
    impl From<Error> for Seen {
        fn from(error: Error) -> Self {
            panic!("{error}")
        }
    }
    let seen = db.write(|tx| Err::<(), Seen>(Seen(balances(tx)?.into_iter().map(|(owner, _)| owner).collect())));
    seen.unwrap_err().0
}

/// Waits until so many accounts are committed, durable or not. A writer sees them all; its answer waits until they are
/// durable, so it is looked for within.
fn wait_for_owners<'scope>(scope: &'scope thread::Scope<'scope, '_>, db: &'scope Db, count: usize) {
    let deadline = Instant::now() + LONG;
    loop {
        let (sees, seen) = mpsc::channel();
        scope.spawn(move || {
            let looked = db.write(|tx| -> Result<(), Error> {
                sees.send(tx.query(Account::by_id).count()?).unwrap();
                Ok(())
            });
            drop(looked);
        });
        if seen.recv_timeout(LONG).unwrap() >= count {
            return;
        }
        assert!(Instant::now() < deadline, "they do not commit");
        thread::yield_now();
    }
}

/// A disk whose syncs stop until they are let go, once it is told to.
struct Gate {
    arrived: mpsc::Receiver<()>,
    release: mpsc::Sender<()>,
}

impl Gate {
    /// The next sync of a log segment stops before it takes effect, and only that one.
    fn before_next_log_sync(disk: &SimulatedDisk) -> Self {
        let (arrive, arrived) = mpsc::channel();
        let (release, released) = mpsc::channel::<()>();
        let place = Mutex::new(Some((arrive, released)));
        disk.observe_syncs(move |_, point: &SyncPoint| {
            let is_log = point.file.as_deref().is_some_and(|file| file.starts_with("log-"));
            if point.stage != SyncStage::Before || !is_log {
                return;
            }
            let taken = place.lock().take();
            if let Some((arrive, released)) = taken {
                arrive.send(()).unwrap();
                // A test that failed meanwhile lets go by dropping the other end, or by the time.
                let _ = released.recv_timeout(LONG);
            }
        });
        Self { arrived, release }
    }

    fn wait(&self) {
        self.arrived.recv_timeout(LONG).unwrap();
    }

    fn open(&self) {
        self.release.send(()).unwrap();
    }
}

// 2. When `write` returns `Ok`, the change is durable; or, relaxed, visible.

#[test]
fn a_write_that_returned_survives_the_loss_of_everything_unsynced() {
    let disk = SimulatedDisk::new(1);
    let db = opened_on(&disk);
    for number in 0..10 {
        db.write(|tx| tx.insert(account(&format!("owner {number}"), number))).unwrap();
        let survivor = opened_on(&disk.crash(CrashKind::LoseUnsynced));
        assert_eq!(survivor.read(balances).unwrap().len() as i64, number + 1);
    }
}

#[test]
fn a_write_does_not_return_before_the_sync_that_makes_it_durable() {
    let disk = SimulatedDisk::new(1);
    let db = opened_on(&disk);
    db.write(|tx| tx.insert(account("warm", 0))).unwrap();
    let gate = Gate::before_next_log_sync(&disk);
    thread::scope(|scope| {
        let (done, is_done) = mpsc::channel();
        let db = &db;
        scope.spawn(move || {
            db.write(|tx| tx.insert(account("ada", 1))).unwrap();
            done.send(()).unwrap();
        });
        gate.wait();
        // It stands before its sync: not told, not visible, not on the disk.
        assert!(is_done.try_recv().is_err());
        assert_eq!(db.read(balances).unwrap().len(), 1);
        assert_eq!(opened_on(&disk.crash(CrashKind::LoseUnsynced)).read(balances).unwrap().len(), 1);
        gate.open();
        is_done.recv_timeout(LONG).unwrap();
        assert_eq!(db.read(balances).unwrap().len(), 2);
    });
}

#[test]
fn a_relaxed_write_is_visible_at_once_and_durable_after_a_flush() {
    let disk = SimulatedDisk::new(1);
    let db = opened_on(&disk);
    db.write(|tx| tx.insert(account("warm", 0))).unwrap();
    let syncs = disk.counters().syncs;
    db.write_with(Durability::Relaxed, |tx| tx.insert(account("ada", 1))).unwrap();
    assert_eq!(db.read(balances).unwrap().len(), 2);
    assert_eq!(disk.counters().syncs, syncs, "a relaxed write syncs nothing");
    assert_eq!(opened_on(&disk.crash(CrashKind::LoseUnsynced)).read(balances).unwrap().len(), 1);
    db.flush().unwrap();
    assert_eq!(opened_on(&disk.crash(CrashKind::LoseUnsynced)).read(balances).unwrap().len(), 2);
}

#[test]
fn a_relaxed_database_flushes_by_itself_within_its_bound() {
    let disk = SimulatedDisk::new(1);
    let config =
        Config { durability: Durability::Relaxed, flush_interval: Duration::from_millis(1), ..Config::default() };
    let db = Db::builder().tables::<(Account, Entry)>().config(config).open_on(disk.clone()).unwrap();
    let (synced, was_synced) = mpsc::channel();
    disk.observe_syncs(move |disk, point| {
        let is_log = point.file.as_deref().is_some_and(|file| file.starts_with("log-"));
        if point.stage == SyncStage::After && is_log {
            drop(synced.send(disk.crash(CrashKind::LoseUnsynced)));
        }
    });
    db.write(|tx| tx.insert(account("ada", 1))).unwrap();
    // Making the segment may sync as well; some sync soon has the row, without any further call.
    let found = std::iter::from_fn(|| was_synced.recv_timeout(LONG).ok())
        .any(|image| opened_on(&image).read(balances).unwrap().len() == 1);
    assert!(found, "the row never became durable");
}

#[test]
fn a_panic_that_was_computed_from_another_commit_waits_until_that_is_durable() {
    let disk = SimulatedDisk::new(1);
    let db = opened_on(&disk);
    db.write(|tx| tx.insert(account("warm", 0))).unwrap();
    let gate = Gate::before_next_log_sync(&disk);
    thread::scope(|scope| {
        let (db, disk) = (&db, &disk);
        scope.spawn(|| db.write(|tx| tx.insert(account("ada", 1))).unwrap());
        gate.wait();
        let ((told, tells), (ran, has_run)) = (mpsc::channel(), mpsc::channel());
        scope.spawn(move || {
            let panic = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
                db.write(|tx| -> Result<(), Error> {
                    ran.send(()).unwrap();
                    panic!("there are {}", balances(tx)?.len())
                })
            }));
            let survivor = opened_on(&disk.crash(CrashKind::LoseUnsynced)).read(balances).unwrap().len();
            told.send((*panic.unwrap_err().downcast::<String>().unwrap(), survivor)).unwrap();
        });
        has_run.recv_timeout(LONG).unwrap();
        // It gives up its place, and its caller does not hear of it.
        db.write_with(Durability::Relaxed, |_| Ok::<_, Error>(())).unwrap();
        assert!(tells.recv_timeout(Duration::from_millis(200)).is_err());
        gate.open();
        assert_eq!(tells.recv_timeout(LONG).unwrap(), ("there are 2".to_owned(), 2));
    });
}

/// A call that fails; the account is the one that the commit before it has deleted.
type FailingCall = fn(&mut WriteTx, Id<Account>) -> Result<(), Refusal>;
type IsExpected = fn(&Refusal) -> bool;

#[derive(Debug)]
enum Refusal {
    Engine(Error),
    Host(usize),
}

impl From<Error> for Refusal {
    fn from(error: Error) -> Self {
        Self::Engine(error)
    }
}

/// Calls that fail because of what a commit before them has done, and whether an error is the one that they fail with.
const FAILING_CALLS: [(FailingCall, IsExpected); 3] = [
    (
        |tx, _| Ok(tx.insert(account("ada", 2)).map(drop)?),
        |error| matches!(error, Refusal::Engine(Error::Transaction(TransactionError::UniqueViolation { .. }))),
    ),
    (
        |tx, warm| Ok(tx.patch(warm, |row| row.balance = 1)?),
        |error| matches!(error, Refusal::Engine(Error::Transaction(TransactionError::NotFound { .. }))),
    ),
    (|tx, _| Err(Refusal::Host(balances(tx)?.len())), |error| matches!(error, Refusal::Host(1))),
];

fn replace_warm_by_ada(tx: &mut WriteTx, warm: Id<Account>) -> Result<(), Error> {
    tx.delete(warm)?;
    tx.insert(account("ada", 1)).map(drop)
}

#[test]
fn an_error_that_was_computed_from_another_commit_waits_until_that_is_durable() {
    for (call, is_expected) in FAILING_CALLS {
        let disk = SimulatedDisk::new(1);
        let db = opened_on(&disk);
        let warm = db.write(|tx| tx.insert(account("warm", 0))).unwrap();
        let gate = Gate::before_next_log_sync(&disk);
        thread::scope(|scope| {
            let (db, disk) = (&db, &disk);
            scope.spawn(move || db.write(|tx| replace_warm_by_ada(tx, warm)).unwrap());
            gate.wait();
            let ((told, tells), (ran, has_run)) = (mpsc::channel(), mpsc::channel());
            scope.spawn(move || {
                let refused = db.write(|tx| {
                    let refused = call(tx, warm);
                    ran.send(()).unwrap();
                    refused
                });
                let survivors = opened_on(&disk.crash(CrashKind::LoseUnsynced)).read(balances).unwrap();
                told.send((refused.unwrap_err(), survivors)).unwrap();
            });
            has_run.recv_timeout(LONG).unwrap();
            // It gives up its place, and its caller does not hear of it.
            wait_for_owners(scope, db, 1);
            assert!(tells.recv_timeout(Duration::from_millis(200)).is_err());
            gate.open();
            let (error, survivors) = tells.recv_timeout(LONG).unwrap();
            assert!(is_expected(&error), "{error:?}");
            assert_eq!(survivors, [("ada".to_owned(), 1)]);
        });
    }
}

#[test]
fn what_a_relaxed_call_has_seen_others_see() {
    let calls: [fn(&Db) -> usize; 4] = [
        |db| db.write_with(Durability::Relaxed, |tx| tx.query(Account::by_owner).count()).unwrap(),
        |db| {
            let refused = db.write_with(Durability::Relaxed, |tx| -> Result<(), Refusal> {
                Err(Refusal::Host(tx.query(Account::by_owner).count()?))
            });
            let Err(Refusal::Host(count)) = refused else { panic!("{refused:?}") };
            count
        },
        |db| {
            let panicked = catch_unwind(AssertUnwindSafe(|| {
                db.write_with(Durability::Relaxed, |tx| -> Result<(), Error> {
                    std::panic::panic_any(tx.query(Account::by_owner).count()?)
                })
            }));
            *panicked.unwrap_err().downcast::<usize>().unwrap()
        },
        // What it has seen and what it adds.
        |db| {
            let counted = db.write_with(Durability::Relaxed, |tx| {
                tx.insert(account("eve", 2))?;
                tx.query(Account::by_owner).count()
            });
            counted.unwrap()
        },
    ];
    for (call, expected) in calls.into_iter().zip([2, 2, 2, 3]) {
        let disk = SimulatedDisk::new(1);
        let db = opened_on(&disk);
        db.write(|tx| tx.insert(account("warm", 0))).unwrap();
        let gate = Gate::before_next_log_sync(&disk);
        thread::scope(|scope| {
            let db = &db;
            scope.spawn(|| db.write(|tx| tx.insert(account("ada", 1))).unwrap());
            gate.wait();
            assert_eq!(db.read(balances).unwrap().len(), 1, "a durable commit is not seen before it is durable");
            assert_eq!(call(db), expected);
            assert_eq!(db.read(balances).unwrap().len(), expected);
            gate.open();
        });
    }
}

// 4. Concurrent callers share one sync, and nobody waits for it while holding the writer's place.

#[test]
fn commits_made_while_a_group_is_being_synced_share_the_next_sync() {
    const CALLERS: usize = 12;
    let disk = SimulatedDisk::new(1);
    let db = opened_on(&disk);
    db.write(|tx| tx.insert(account("warm", 0))).unwrap();
    let gate = Gate::before_next_log_sync(&disk);
    let syncs = disk.counters().syncs;
    thread::scope(|scope| {
        let db = &db;
        scope.spawn(|| db.write(|tx| tx.insert(account("first", 0))).unwrap());
        gate.wait();
        for number in 0..CALLERS {
            scope.spawn(move || db.write(|tx| tx.insert(account(&format!("caller {number}"), 1))).unwrap());
        }
        // They commit while the first group's sync stands still.
        wait_for_owners(scope, db, CALLERS + 2);
        assert_eq!(db.read(balances).unwrap().len(), 1, "nothing of it is visible before it is durable");
        gate.open();
    });
    assert_eq!(disk.counters().syncs - syncs, 2, "one for the first, one for the {CALLERS} after it");
    let survivor = opened_on(&disk.crash(CrashKind::LoseUnsynced));
    assert_eq!(survivor.read(balances).unwrap().len(), CALLERS + 2);
}

#[test]
fn the_next_write_runs_on_the_newest_state_while_the_one_before_is_being_synced() {
    let disk = SimulatedDisk::new(1);
    let db = opened_on(&disk);
    let id = db.write(|tx| tx.insert(account("ada", 0))).unwrap();
    let gate = Gate::before_next_log_sync(&disk);
    thread::scope(|scope| {
        let (db, (ran, has_run)) = (&db, mpsc::channel());
        scope.spawn(move || db.write(|tx| tx.patch(id, |row| row.balance = 1)).unwrap());
        gate.wait();
        scope.spawn(move || {
            db.write(|tx| -> Result<(), Error> {
                ran.send(tx.get(id)?.unwrap().balance).unwrap();
                tx.patch(id, |row| row.balance += 1)
            })
            .unwrap();
        });
        assert_eq!(has_run.recv_timeout(LONG).unwrap(), 1, "the closure ran, and saw what is not durable yet");
        gate.open();
    });
    assert_eq!(db.read(|tx| tx.get(id)).unwrap().unwrap().balance, 2);
}

#[test]
fn what_fails_beside_others_of_a_group_takes_nothing_of_theirs() {
    let disk = SimulatedDisk::new(1);
    let db = opened_on(&disk);
    db.write(|tx| tx.insert(account("warm", 0))).unwrap();
    let gate = Gate::before_next_log_sync(&disk);
    thread::scope(|scope| {
        let db = &db;
        scope.spawn(|| db.write(|tx| tx.insert(account("first", 0))).unwrap());
        gate.wait();
        for number in 0..4 {
            scope.spawn(move || db.write(|tx| tx.insert(account(&format!("good {number}"), 1))).unwrap());
            let failing = move || {
                let result = db.write(|tx| -> Result<(), Error> {
                    tx.insert(account(&format!("bad {number}"), 1))?;
                    tx.insert(account("warm", 1)).map(drop)
                });
                assert!(matches!(result, Err(Error::Transaction(TransactionError::UniqueViolation { .. }))));
            };
            scope.spawn(failing);
        }
        wait_for_owners(scope, db, 6);
        gate.open();
    });
    let expected = ["first", "good 0", "good 1", "good 2", "good 3", "warm"].map(str::to_owned);
    for db in [opened_on(&disk.crash(CrashKind::LoseUnsynced)), db] {
        assert_eq!(owners_a_writer_sees(&db), expected);
    }
}

// 8. After a storage failure whose outcome is unknown, further writes are refused with an error that says to reopen.

#[test]
fn a_failed_sync_is_an_unknown_outcome_and_then_every_write_is_refused() {
    let disk = SimulatedDisk::new(1);
    let db = opened_on(&disk);
    db.write(|tx| tx.insert(account("ada", 1))).unwrap();
    disk.fail_next(Operation::Sync, 1, std::io::ErrorKind::Other);
    let unknown = db.write(|tx| tx.insert(account("bob", 2))).unwrap_err();
    assert!(matches!(unknown, Error::Storage(StorageError::OutcomeUnknown { .. })), "{unknown}");
    let mut has_run = false;
    let refused = db.write(|tx| {
        has_run = true;
        tx.insert(account("eve", 3))
    });
    let refused = refused.unwrap_err();
    assert!(matches!(refused, Error::Storage(StorageError::Poisoned { .. })), "{refused}");
    assert!(refused.to_string().contains("reopen"), "{refused}");
    assert!(!has_run, "a transaction that cannot commit is not begun");
    assert_eq!(db.read(balances).unwrap(), [("ada".to_owned(), 1)], "readers see what is durable");
    drop(db);
    let db = opened_on(&disk);
    assert_eq!(db.read(balances).unwrap()[0], ("ada".to_owned(), 1));
    db.write(|tx| tx.insert(account("eve", 3))).unwrap();
}

#[test]
fn every_waiter_of_a_group_whose_sync_fails_is_told() {
    let disk = SimulatedDisk::new(1);
    let db = opened_on(&disk);
    db.write(|tx| tx.insert(account("warm", 0))).unwrap();
    let gate = Gate::before_next_log_sync(&disk);
    let results = Mutex::new(Vec::new());
    thread::scope(|scope| {
        let (db, results) = (&db, &results);
        scope.spawn(|| db.write(|tx| tx.insert(account("first", 0))).unwrap());
        gate.wait();
        for number in 0..4 {
            scope.spawn(move || {
                let result = db.write(|tx| tx.insert(account(&format!("caller {number}"), 1)));
                results.lock().push(result.map(drop));
            });
        }
        wait_for_owners(scope, db, 6);
        // The first one's sync has been counted already; the one that fails is the group's.
        disk.fail_next(Operation::Sync, 1, std::io::ErrorKind::Other);
        gate.open();
    });
    let results = results.into_inner();
    assert_eq!(results.len(), 4);
    for result in results {
        assert!(matches!(result, Err(Error::Storage(StorageError::OutcomeUnknown { .. }))), "{result:?}");
    }
}

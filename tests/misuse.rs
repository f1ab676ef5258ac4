//! What would wait for itself, and what comes too late: errors that say so, never a hang.

use std::{
    cell::RefCell,
    sync::{Arc, mpsc},
    thread,
    time::Duration,
};

use tropism::{Error, StorageError, Subscription, TransactionError, disk::MemoryDisk, prelude::*};

schema! {
    pub table Task in "tasks" { title: String } with { index by_title (title); }
}

functions! {
    pub module Tasks;
    pub query CountTasks in "tasks:count" {} -> usize |tx| { tx.query(Task::by_title).count() }
    pub query CountPast in "tasks:countPast" {} -> usize |_| {
        OWN.with_borrow(|own| own.as_ref().map_or(Ok(0), |db| db.read(count)))
    }
}

thread_local! {
    /// What the function that reads past its transaction reads.
    static OWN: RefCell<Option<Db>> = const { RefCell::new(None) };
}

fn task(title: &str) -> Task {
    Task { title: title.into() }
}

fn open_on(disk: &MemoryDisk) -> Db {
    Db::builder().tables::<(Task,)>().open_on(disk.clone()).unwrap()
}

fn count(tx: &ReadTx) -> Result<usize, Error> {
    tx.query(Task::by_title).count()
}

/// Runs the body on another thread and fails, rather than hangs, if it does not end.
fn ends<R: Send + 'static>(body: impl FnOnce() -> R + Send + 'static) -> R {
    let (done, is_done) = mpsc::channel();
    let running = thread::spawn(move || drop(done.send(body())));
    match is_done.recv_timeout(Duration::from_secs(20)) {
        Ok(result) => result,
        Err(mpsc::RecvTimeoutError::Timeout) => panic!("it hangs"),
        Err(mpsc::RecvTimeoutError::Disconnected) => std::panic::resume_unwind(running.join().unwrap_err()),
    }
}

fn is_closed<R>(result: Result<R, Error>) -> bool {
    matches!(result, Err(Error::Storage(StorageError::Closed)))
}

fn is_nested<R>(result: Result<R, Error>) -> bool {
    matches!(result, Err(Error::Transaction(TransactionError::NestedWrite)))
}

#[test]
fn a_write_inside_a_write_is_refused_however_deep_and_by_whichever_handle() {
    ends(|| {
        let db = open_on(&MemoryDisk::new());
        let clone = db.clone();
        db.write(|tx| -> Result<(), Error> {
            assert!(is_nested(db.write(|tx| tx.insert(task("same")))));
            assert!(is_nested(clone.write_with(Durability::Relaxed, |tx| tx.insert(task("clone")))));
            tx.nested(|_| -> Result<(), Error> {
                assert!(is_nested(clone.write(|tx| tx.insert(task("nested")))));
                db.read(|_| -> Result<(), Error> {
                    assert!(is_nested(clone.write(|tx| tx.insert(task("in a read")))));
                    Ok(())
                })
            })
        })
        .unwrap();
        assert_eq!(db.read(count).unwrap(), 0);
        db.write(|tx| tx.insert(task("after"))).unwrap();
    });
}

#[test]
fn a_write_on_another_database_inside_a_write_is_fine() {
    ends(|| {
        let (one, other) = (open_on(&MemoryDisk::new()), open_on(&MemoryDisk::new()));
        one.write(|tx| {
            other.write(|tx| tx.insert(task("there")))?;
            assert!(is_nested(other.write(|_| one.write(|tx| tx.insert(task("round"))))));
            tx.insert(task("here"))
        })
        .unwrap();
        assert_eq!((one.read(count).unwrap(), other.read(count).unwrap()), (1, 1));
    });
}

#[test]
fn a_write_inside_a_read_is_fine_and_the_read_does_not_see_it() {
    ends(|| {
        let db = open_on(&MemoryDisk::new());
        db.read(|tx| -> Result<(), Error> {
            db.write(|tx| tx.insert(task("a")))?;
            assert_eq!(count(tx)?, 0);
            Ok(())
        })
        .unwrap();
        assert_eq!(db.read(count).unwrap(), 1);
    });
}

#[test]
fn a_live_query_that_writes_gets_an_error_and_delivers_it() {
    ends(|| {
        let db = open_on(&MemoryDisk::new());
        let clone = db.clone();
        let subscription = db.watch(move |_| clone.write(|tx| tx.insert(task("a")))).unwrap();
        match subscription.recv().unwrap().map_err(|error| (*error).clone()) {
            Err(Error::Transaction(TransactionError::WriteInQuery)) => {}
            other => panic!("{other:?}"),
        }
        assert_eq!(db.read(count).unwrap(), 0);
        drop(subscription);
        db.write(|tx| tx.insert(task("after"))).unwrap();
    });
}

fn reads_in_query<R>(result: &Result<R, Error>, expected: &str) -> bool {
    matches!(result, Err(Error::Transaction(TransactionError::ReadInQuery { call })) if *call == expected)
}

fn owned(value: Result<Arc<usize>, Arc<Error>>) -> Result<usize, Error> {
    value.map(|count| *count).map_err(|error| (*error).clone())
}

#[test]
fn a_query_that_reads_past_its_transaction_gets_an_error_and_delivers_it() {
    type Past = Box<dyn Fn(&Db, &Subscription<usize>) -> Result<usize, Error> + Send + Sync>;
    ends(|| {
        let db = Db::builder().tables::<Task>().module(Tasks).driven_by_hand().in_memory().unwrap();
        let ways: [(&str, Past); 9] = [
            ("Db::read", Box::new(|db, _| db.read(count))),
            ("Db::query", Box::new(|db, _| db.query(CountTasks {}).map(|count| *count))),
            ("Db::watch", Box::new(|db, _| db.watch(count).map(|_| 0))),
            ("Db::subscribe", Box::new(|db, _| db.subscribe(CountTasks {}).map(|_| 0))),
            ("Subscription::current", Box::new(|_, other| owned(other.current()))),
            ("Subscription::recv", Box::new(|_, other| owned(other.recv().unwrap()))),
            ("Subscription::try_recv", Box::new(|_, other| owned(other.try_recv().unwrap()))),
            ("Subscription::recv_timeout", Box::new(|_, other| owned(other.recv_timeout(Duration::ZERO).unwrap()))),
            ("Subscription::next", Box::new(|_, other| owned(other.into_iter().next().unwrap()))),
        ];
        for (call, past) in ways {
            let (own, other) = (db.clone(), db.watch(count).unwrap());
            let subscription = db.watch(move |tx| count(tx).and_then(|_| past(&own, &other))).unwrap();
            let first = owned(subscription.recv().unwrap());
            assert!(reads_in_query(&first, call), "{call}: {first:?}");
            // Also when the reactor evaluates it.
            db.write(|tx| tx.insert(task(call))).unwrap();
            db.reactor().unwrap().run();
            let again = owned(subscription.try_recv().unwrap());
            assert!(reads_in_query(&again, call), "{call}: {again:?}");
        }
        OWN.set(Some(db.clone()));
        assert!(reads_in_query(&db.query(CountPast {}), "Db::read"));
        assert!(reads_in_query(&owned(db.subscribe(CountPast {}).unwrap().recv().unwrap()), "Db::read"));
        assert!(reads_in_query(&db.read(|tx| tx.run_query(CountPast {})), "Db::read"));
        OWN.set(None);
    });
}

#[test]
fn a_query_may_read_another_database_and_a_read_or_write_may_read_its_own() {
    ends(|| {
        let (db, other) = (open_on(&MemoryDisk::new()), open_on(&MemoryDisk::new()));
        other.write(|tx| tx.insert(task("there"))).unwrap();
        let there = other.clone();
        let both = db.watch(move |tx| Ok::<_, Error>((count(tx)?, there.read(count)?))).unwrap();
        assert_eq!(*both.recv().unwrap().unwrap(), (0, 1));
        db.write(|tx| -> Result<(), Error> {
            tx.insert(task("here"))?;
            assert_eq!((db.read(count)?, other.read(count)?), (0, 1));
            Ok(())
        })
        .unwrap();
        let nested = db.read(|tx| Ok::<_, Error>((count(tx)?, db.read(count)?, *db.watch(count)?.current().unwrap())));
        assert_eq!(nested.unwrap(), (1, 1, 1));
    });
}

#[test]
fn waiting_for_a_value_inside_a_write_is_an_error_at_once() {
    ends(|| {
        let db = open_on(&MemoryDisk::new());
        let subscription = db.watch(count).unwrap();
        subscription.recv();
        let waits_in_write = |value: Option<Result<Arc<usize>, Arc<Error>>>| match value {
            Some(Err(error)) => matches!(&*error, Error::Transaction(TransactionError::WaitInWrite { .. })),
            _ => false,
        };
        db.write(|tx| {
            assert!(waits_in_write(subscription.recv()));
            assert!(waits_in_write(subscription.recv_timeout(Duration::from_secs(30))));
            assert!(waits_in_write((&subscription).into_iter().next()));
            assert!(subscription.try_recv().is_none());
            assert_eq!(*subscription.current().unwrap(), 0);
            tx.insert(task("a"))
        })
        .unwrap();
        assert_eq!(*subscription.recv().unwrap().unwrap(), 1);
    });
}

#[test]
fn waiting_for_another_databases_value_inside_a_write_is_fine() {
    ends(|| {
        let (db, other) = (open_on(&MemoryDisk::new()), open_on(&MemoryDisk::new()));
        let subscription = other.watch(count).unwrap();
        subscription.recv();
        db.write(|_| -> Result<(), Error> {
            other.write(|tx| tx.insert(task("a")))?;
            assert_eq!(*subscription.recv().unwrap().unwrap(), 1);
            Ok(())
        })
        .unwrap();
    });
}

#[test]
fn subscribing_inside_a_write_sees_what_is_committed_and_then_the_write() {
    ends(|| {
        let db = open_on(&MemoryDisk::new());
        let mut kept: Option<Subscription<usize>> = None;
        db.write(|tx| {
            tx.insert(task("a"))?;
            let subscription = db.watch(count)?;
            assert_eq!(*subscription.current().unwrap(), 0);
            kept = Some(subscription);
            tx.insert(task("b"))
        })
        .unwrap();
        let subscription = kept.unwrap();
        let last = (&subscription).into_iter().find(|value| matches!(value, Ok(count) if **count == 2));
        assert!(last.is_some());
    });
}

#[test]
fn closing_inside_a_write_is_refused_and_the_database_stays_open() {
    ends(|| {
        let db = open_on(&MemoryDisk::new());
        db.write(|tx| {
            let refused = db.clone().close();
            assert!(matches!(refused, Err(Error::Transaction(TransactionError::WaitInWrite { .. }))), "{refused:?}");
            tx.insert(task("a"))
        })
        .unwrap();
        assert_eq!(db.read(count).unwrap(), 1);
    });
}

#[test]
fn closing_inside_a_live_query_is_refused() {
    ends(|| {
        let db = open_on(&MemoryDisk::new());
        let clone = db.clone();
        let subscription = db
            .watch(move |tx| {
                assert!(matches!(clone.clone().close(), Err(Error::Transaction(TransactionError::WaitInWrite { .. }))));
                count(tx)
            })
            .unwrap();
        assert_eq!(*subscription.recv().unwrap().unwrap(), 0);
        db.write(|tx| tx.insert(task("a"))).unwrap();
        assert_eq!(*subscription.recv().unwrap().unwrap(), 1);
    });
}

#[test]
fn flushing_and_checkpointing_inside_a_write_concern_what_was_committed_before() {
    ends(|| {
        let disk = MemoryDisk::new();
        let db = open_on(&disk);
        db.write_with(Durability::Relaxed, |tx| tx.insert(task("a"))).unwrap();
        db.write(|tx| -> Result<(), Error> {
            tx.insert(task("b"))?;
            db.flush()?;
            db.checkpoint()?;
            assert_eq!(count(tx)?, 2);
            assert_eq!(db.read(count)?, 1);
            Ok(())
        })
        .unwrap();
        assert_eq!(db.read(count).unwrap(), 2);
        db.close().unwrap();
        assert_eq!(open_on(&disk).read(count).unwrap(), 2);
    });
}

#[test]
fn whatever_is_called_after_close_answers_closed() {
    ends(|| {
        let disk = MemoryDisk::new();
        let db = open_on(&disk);
        db.write(|tx| tx.insert(task("a"))).unwrap();
        let late = db.clone();
        db.close().unwrap();
        assert!(is_closed(late.write(|tx| tx.insert(task("b")))));
        assert!(is_closed(late.write_with(Durability::Relaxed, |tx| tx.insert(task("b")))));
        assert!(is_closed(late.read(count)));
        assert!(is_closed(late.watch(count).map(drop)));
        assert!(is_closed(late.flush()), "flush");
        assert!(is_closed(late.checkpoint()), "checkpoint");
        // Another handle has it now, which the late one must not disturb.
        let db = open_on(&disk);
        assert!(is_closed(late.checkpoint()), "checkpoint of a database that was opened again");
        assert!(late.clone().close().is_ok(), "closing twice is no error");
        drop(late);
        db.write(|tx| tx.insert(task("c"))).unwrap();
        db.close().unwrap();
        assert_eq!(open_on(&disk).read(count).unwrap(), 2);
    });
}

#[test]
fn a_subscription_hands_out_what_it_has_after_close_and_then_ends() {
    ends(|| {
        let db = open_on(&MemoryDisk::new());
        let unread = db.watch(count).unwrap();
        let read = db.watch(count).unwrap();
        read.recv();
        db.close().unwrap();
        assert_eq!(*unread.recv().unwrap().unwrap(), 0);
        assert!(unread.recv().is_none());
        assert!(read.recv_timeout(Duration::from_secs(30)).is_none());
        assert!((&read).into_iter().next().is_none());
        assert!(read.receiver().recv().is_err());
        assert!(read.try_recv().is_none());
        // The value at the end stays.
        assert_eq!(*read.current().unwrap(), 0);
    });
}

#[test]
fn closing_wakes_whoever_waits_for_a_value() {
    ends(|| {
        let db = open_on(&MemoryDisk::new());
        let subscription = db.watch(count).unwrap();
        subscription.recv();
        let waiting = thread::spawn(move || subscription.recv().is_none());
        db.close().unwrap();
        assert!(waiting.join().unwrap());
    });
}

#[test]
fn a_read_that_is_running_while_the_database_closes_ends_with_a_result_or_an_error() {
    ends(|| {
        let disk = MemoryDisk::new();
        let db = open_on(&disk);
        db.write(|tx| (0..100).try_for_each(|number| tx.insert(task(&number.to_string())).map(drop))).unwrap();
        db.checkpoint().unwrap();
        let read = db.read(|tx| {
            db.clone().close()?;
            count(tx)
        });
        match read {
            Ok(count) => assert_eq!(count, 100),
            Err(Error::Storage(StorageError::Closed)) => {}
            Err(other) => panic!("{other}"),
        }
    });
}

#[test]
fn concurrent_closes_and_writes_end_and_what_was_acknowledged_is_there() {
    ends(|| {
        for round in 0..20 {
            let disk = MemoryDisk::new();
            let db = open_on(&disk);
            let acknowledged: usize = thread::scope(|scope| {
                let writers: Vec<_> = (0..3)
                    .map(|_| {
                        let db = db.clone();
                        scope.spawn(move || {
                            let write = |number| db.write(|tx| tx.insert(task(&format!("{number}"))));
                            (0..).map(write).take_while(|result| result.is_ok()).count()
                        })
                    })
                    .collect();
                for _ in 0..2 {
                    let db = db.clone();
                    scope.spawn(move || {
                        while db.read(count).is_ok_and(|count| count < round) {
                            thread::yield_now();
                        }
                        db.close().unwrap();
                    });
                }
                writers.into_iter().map(|writer| writer.join().unwrap()).sum()
            });
            drop(db);
            assert_eq!(open_on(&disk).read(count).unwrap(), acknowledged);
        }
    });
}

#[test]
fn the_last_handle_may_go_in_a_query_or_a_callback() {
    ends(|| {
        let disk = MemoryDisk::new();
        let db = open_on(&disk);
        db.write(|tx| tx.insert(task("a"))).unwrap();
        let (dropped, is_dropped) = mpsc::channel();
        let mut held = Some(db.clone());
        let subscription = db.watch(count).unwrap();
        let (begun, has_begun) = mpsc::channel();
        let (go, may_go) = mpsc::channel::<()>();
        let handle = subscription.on_change(move |_| {
            begun.send(()).unwrap();
            let _ = may_go.recv();
            drop(held.take());
            let _ = dropped.send(());
        });
        has_begun.recv().unwrap();
        drop(db);
        drop(go);
        is_dropped.recv().unwrap();
        drop(handle);
        assert_eq!(open_on(&disk).read(count).unwrap(), 1);
    });
}

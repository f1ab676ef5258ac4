//! Behaviour 10, the callback: it gets what a subscriber would fetch, may write, may panic, and ends when it is dropped.

use parking_lot::Mutex;

use super::*;

/// What a callback was called with.
type Seen = Arc<Mutex<Vec<i32>>>;

fn top(tx: &ReadTx) -> Result<i32, Error> {
    Ok(tx.query(Task::by_rank).descending().first()?.map_or(-1, |task| task.rank))
}

fn record(seen: &Seen) -> impl FnMut(Result<Arc<i32>, Arc<Error>>) + Send + 'static {
    let seen = Arc::clone(seen);
    move |value| seen.lock().push(*value.unwrap())
}

#[test]
fn a_callback_gets_the_value_at_hand_and_every_new_one() {
    let (board, ids) = Board::ranked(1);
    let seen = Seen::default();
    let handle = board.db.watch(top).unwrap().on_change(record(&seen));
    board.reactor.run();
    assert_eq!(*seen.lock(), [0]);
    for rank in [4, 7] {
        board.patch(ids[0], |task| task.rank = rank);
        assert_eq!(board.ran().len(), 1);
    }
    board.patch(ids[0], |task| task.title = "renamed".into());
    assert_eq!(board.ran()[0].1, Unchanged);
    assert_eq!(*seen.lock(), [0, 4, 7]);
    drop(handle);
    board.patch(ids[0], |task| task.rank = 9);
    board.assert_quiet();
    assert_eq!(*seen.lock(), [0, 4, 7]);
}

#[test]
fn a_callback_dropped_before_its_turn_is_not_called() {
    let (board, _) = Board::ranked(1);
    let seen = Seen::default();
    drop(board.db.watch(top).unwrap().on_change(record(&seen)));
    board.reactor.run();
    assert!(seen.lock().is_empty());
}

#[test]
fn a_callback_that_panics_is_called_again_with_the_next_value_and_harms_no_other() {
    let (board, ids) = Board::ranked(1);
    let (seen, seen_beside) = (Seen::default(), Seen::default());
    let mut record_value = record(&seen);
    let _fragile = board.db.watch(top).unwrap().on_change(move |value| {
        assert_ne!(value.as_ref().map(|rank| **rank).unwrap(), 1, "this one is too much");
        record_value(value);
    });
    let _beside = board.db.watch(top).unwrap().on_change(record(&seen_beside));
    board.reactor.run();
    for rank in 1..=2 {
        board.patch(ids[0], |task| task.rank = rank);
        assert_eq!(board.ran().len(), 2);
    }
    assert_eq!(*seen.lock(), [0, 2]);
    assert_eq!(*seen_beside.lock(), [0, 1, 2]);
}

#[test]
fn a_callback_gets_errors_as_values() {
    let (board, ids) = Board::ranked(1);
    let seen: Arc<Mutex<Vec<bool>>> = Arc::default();
    let record = Arc::clone(&seen);
    let query = |tx: &ReadTx| match top(tx)? {
        1 => panic!("one"),
        2 => Err(tropism::TransactionError::NestedWrite.into()),
        rank => Ok::<_, Error>(rank),
    };
    let _handle = board.db.watch(query).unwrap().on_change(move |value| record.lock().push(value.is_ok()));
    board.reactor.run();
    for rank in 1..=3 {
        board.patch(ids[0], |task| task.rank = rank);
        assert_eq!(board.ran().len(), 1);
    }
    assert_eq!(*seen.lock(), [true, false, false, true]);
}

#[test]
fn a_callback_may_write_and_is_called_with_what_came_of_it() {
    let (board, ids) = Board::ranked(1);
    let seen = Seen::default();
    let (db, id, mut record_value) = (board.db.clone(), ids[0], record(&seen));
    let handle = board.db.watch(top).unwrap().on_change(move |value| {
        let rank = **value.as_ref().unwrap();
        record_value(value);
        if rank < 3 {
            db.write(|tx| tx.patch(id, |task| task.rank += 1)).unwrap();
        }
    });
    // Runs until nothing is left to do, what callbacks have written included.
    let ran = board.reactor.run();
    assert_eq!(*seen.lock(), [0, 1, 2, 3]);
    assert_eq!(ran.len(), 3);
    board.assert_quiet();
    drop(handle);
}

#[test]
fn a_callback_may_drop_itself_and_subscribe_anew() {
    let (board, ids) = Board::ranked(1);
    let seen = Seen::default();
    let own: Arc<Mutex<Vec<tropism::CallbackSubscription>>> = Arc::default();
    let (db, held, mut record_value, record_anew) =
        (board.db.clone(), Arc::clone(&own), record(&seen), Arc::clone(&seen));
    let handle = board.db.watch(top).unwrap().on_change(move |value| {
        record_value(value);
        let old = held.lock().pop();
        let anew = db.watch(|tx| Ok::<_, Error>(top(tx)? + 100)).unwrap().on_change(record(&record_anew));
        held.lock().push(anew);
        drop(old);
    });
    own.lock().push(handle);
    board.reactor.run();
    board.patch(ids[0], |task| task.rank = 5);
    board.reactor.run();
    assert_eq!(*seen.lock(), [0, 100, 105]);
    own.lock().clear();
}

#[test]
fn a_callback_hears_once_that_the_database_was_closed() {
    let db = Db::builder().tables::<Task>().in_memory().unwrap();
    let (arrived, arrivals) = crossbeam_channel::unbounded();
    let _handle = db.watch(top).unwrap().on_change(move |value| arrived.send(value).unwrap());
    assert_eq!(*arrivals.recv().unwrap().unwrap(), -1);
    db.close().unwrap();
    let end = arrivals.recv().unwrap().unwrap_err();
    assert!(matches!(&*end, Error::Query(tropism::QueryError::Ended)), "{end}");
    drop(_handle);
    assert!(arrivals.recv().is_err(), "nothing comes after the end");
}

#[test]
fn a_callback_that_is_being_called_when_the_database_closes_hears_of_the_end_afterwards() {
    let db = Db::builder().tables::<Task>().in_memory().unwrap();
    let ((arrived, arrivals), (release, released)) = (crossbeam_channel::unbounded(), crossbeam_channel::bounded(0));
    let _handle = db.watch(top).unwrap().on_change(move |value| {
        arrived.send(value.map(|_| ()).map_err(|error| error.to_string())).unwrap();
        // Ends as well when the test failed and dropped the other end.
        let _: Result<(), _> = released.recv();
    });
    // Subscribed later, so it ends later.
    let beside = db.watch(top).unwrap();
    assert!(beside.recv().unwrap().is_ok());
    arrivals.recv().unwrap().unwrap();
    let closing = std::thread::spawn(move || db.close());
    assert!(beside.recv().is_none(), "the subscriptions have ended");
    assert!(arrivals.try_recv().is_err(), "the callback is still being called with the value");
    drop(release);
    let end = arrivals.recv_timeout(std::time::Duration::from_secs(20)).unwrap().unwrap_err();
    assert_eq!(end, Error::from(tropism::QueryError::Ended).to_string());
    closing.join().unwrap().unwrap();
    drop(_handle);
    assert!(arrivals.recv().is_err(), "it hears of the end once");
}

#[test]
fn a_callback_may_close_the_database() {
    use tropism::disk::{CrashKind, SimulatedDisk};
    for is_driven_by_hand in [false, true] {
        let disk = SimulatedDisk::new(1);
        let open = |disk| {
            let builder = Db::builder().tables::<Task>();
            if is_driven_by_hand { builder.driven_by_hand() } else { builder }.open_on(disk).unwrap()
        };
        let db: Db = open(disk.clone());
        for rank in 0..5 {
            db.write(|tx| tx.insert(task(1, Column::Todo, &rank.to_string(), rank))).unwrap();
        }
        let (answer, answers) = crossbeam_channel::unbounded();
        let mut own = Some(db.clone());
        let handle = db.watch(top).unwrap().on_change(move |_| {
            if let Some(db) = own.take() {
                answer.send(db.close().map_err(|error| error.to_string())).unwrap();
            }
        });
        if let Some(reactor) = db.reactor() {
            reactor.run();
        }
        assert_eq!(answers.recv_timeout(std::time::Duration::from_secs(20)).unwrap(), Ok(()));
        // Both: the files are free, and everything was durable before.
        for disk in [disk.clone(), disk.crash(CrashKind::LoseUnsynced)] {
            assert_eq!(open(disk).read(|tx| tx.query(Task::by_rank).count()).unwrap(), 5);
        }
        drop((handle, db));
    }
}

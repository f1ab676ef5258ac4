//! Behaviours 8, 9, 10 and 12: what a subscriber gets, when it is slow, when its query fails, and when it ends.

use std::sync::atomic::AtomicI32;

use super::*;
use crossbeam_channel::select;
use tropism::{QueryError, TransactionError};

fn ranks(tx: &ReadTx) -> Result<i32, Error> {
    Ok(tx.query(Task::by_rank).collect()?.iter().map(|task| task.rank).sum())
}

// 8. A slow subscriber skips to the newest value; memory stays bounded.

#[test]
fn a_slow_subscriber_finds_only_the_newest_value() {
    let (board, ids) = Board::ranked(1);
    let subscription = board.db.watch(ranks).unwrap();
    for rank in 1..=5 {
        board.patch(ids[0], |task| task.rank = rank);
        board.assert_ran(&subscription, Delivered);
    }
    assert_eq!(*subscription.try_recv().unwrap().unwrap(), 5);
    assert!(subscription.try_recv().is_none());
}

#[test]
fn commits_between_two_evaluations_are_one_evaluation() {
    let (board, ids) = Board::ranked(1);
    let subscription = board.watch(ranks);
    for rank in 1..=5 {
        board.patch(ids[0], |task| task.rank = rank);
    }
    board.assert_ran(&subscription, Delivered);
    assert_eq!(*subscription.try_recv().unwrap().unwrap(), 5);
}

#[test]
fn a_subscriber_that_never_reads_keeps_one_value_alive() {
    let (board, ids) = Board::ranked(1);
    // Each result counts itself while it lives.
    #[derive(PartialEq)]
    struct Counted(i32, Count);
    struct Count(Arc<AtomicI32>);
    impl PartialEq for Count {
        fn eq(&self, _: &Self) -> bool {
            true
        }
    }
    impl Drop for Count {
        fn drop(&mut self) {
            self.0.fetch_sub(1, Ordering::Relaxed);
        }
    }
    let alive = Arc::new(AtomicI32::new(0));
    let counter = Arc::clone(&alive);
    let unread = board
        .db
        .watch(move |tx| {
            counter.fetch_add(1, Ordering::Relaxed);
            Ok::<_, Error>(Counted(ranks(tx)?, Count(Arc::clone(&counter))))
        })
        .unwrap();
    for rank in 1..=100 {
        board.patch(ids[0], |task| task.rank = rank);
        board.assert_ran(&unread, Delivered);
        assert_eq!(alive.load(Ordering::Relaxed), 1);
    }
    assert_eq!(unread.current().unwrap().0, 100);
    drop(unread);
    assert_eq!(alive.load(Ordering::Relaxed), 0);
}

#[test]
fn what_a_query_captured_is_freed_when_the_subscription_is_dropped() {
    let board = Board::new();
    let captured = Arc::new(());
    let held = Arc::clone(&captured);
    let subscription = board.watch(move |_| Ok(Arc::strong_count(&held) > 0));
    assert_eq!(Arc::strong_count(&captured), 2);
    drop(subscription);
    assert_eq!(Arc::strong_count(&captured), 1);
}

// 9. A query that fails delivers its error, stays subscribed and recovers. A panic likewise.

#[test]
fn an_error_is_delivered_and_the_next_relevant_commit_recovers() {
    let (board, ids) = Board::ranked(2);
    let only = board.db.watch(|tx| tx.query(Task::by_project_and_column).eq((1, Column::Todo)).unique()).unwrap();
    let error = only.try_recv().unwrap().unwrap_err();
    assert!(matches!(&*error, Error::Transaction(TransactionError::NotUnique { .. })), "{error}");
    board.patch(ids[1], |task| task.column = Column::Done);
    board.assert_ran(&only, Delivered);
    assert_eq!(only.try_recv().unwrap().unwrap().as_ref().as_ref().unwrap().id(), ids[0]);
    board.patch(ids[1], |task| task.column = Column::Todo);
    board.assert_ran(&only, Failed);
    assert!(only.try_recv().unwrap().is_err());
}

#[test]
fn the_same_value_is_delivered_again_after_an_error() {
    let (board, ids) = Board::ranked(1);
    let positive = board.watch(|tx| {
        let rank = ranks(tx)?;
        if rank < 0 { Err(TransactionError::NestedWrite.into()) } else { Ok(rank) }
    });
    board.patch(ids[0], |task| task.rank = -1);
    board.assert_ran(&positive, Failed);
    board.patch(ids[0], |task| task.rank = 0);
    board.assert_ran(&positive, Delivered);
    assert_eq!(*positive.try_recv().unwrap().unwrap(), 0);
}

#[test]
fn a_hosts_own_error_arrives_as_it_is() {
    #[derive(Debug, PartialEq)]
    enum Mine {
        Empty,
        Engine(String),
    }
    impl From<Error> for Mine {
        fn from(error: Error) -> Self {
            Self::Engine(error.to_string())
        }
    }
    let board = Board::new();
    let first: Subscription<String, Mine> = board
        .db
        .watch(|tx| tx.query(Task::by_rank).first()?.map(|task| task.title.clone()).ok_or(Mine::Empty))
        .unwrap();
    assert_eq!(*first.try_recv().unwrap().unwrap_err(), Mine::Empty);
    board.insert(task(1, Column::Todo, "a", 0));
    board.assert_ran(&first, Delivered);
    assert_eq!(*first.current().unwrap(), "a");
}

#[test]
fn a_panic_is_delivered_with_its_message_and_place_and_the_query_recovers() {
    let (board, ids) = Board::ranked(1);
    let line = line!() + 1;
    let fragile = board.watch(|tx| {
        let rank = ranks(tx)?;
        assert!(rank >= 0, "a rank of {rank}");
        Ok(rank)
    });
    let other = board.watch(ranks);
    board.patch(ids[0], |task| task.rank = -5);
    assert_eq!(board.ran(), [(fragile.live_query(), Failed), (other.live_query(), Delivered)]);
    let error = fragile.try_recv().unwrap().unwrap_err();
    let Error::Query(QueryError::Panicked { query, message }) = &*error else { panic!("{error}") };
    assert_eq!(message, "a rank of -5");
    assert!(query.contains("delivery.rs") && query.contains(&format!(":{line}:")), "{query}");
    board.patch(ids[0], |task| task.rank = 6);
    assert_eq!(board.ran(), [(fragile.live_query(), Delivered), (other.live_query(), Delivered)]);
    assert_eq!(*fragile.try_recv().unwrap().unwrap(), 6);
}

#[test]
fn a_query_that_panics_at_once_is_subscribed_all_the_same() {
    let board = Board::new();
    let fragile = board.db.watch(|tx| Ok::<_, Error>(tx.query(Task::by_rank).first()?.expect("a task").rank)).unwrap();
    assert!(fragile.try_recv().unwrap().is_err());
    board.insert(task(1, Column::Todo, "a", 4));
    board.assert_ran(&fragile, Delivered);
    assert_eq!(*fragile.current().unwrap(), 4);
}

#[test]
fn a_filter_that_panics_depends_on_the_row_that_made_it_panic() {
    let (board, ids) = Board::ranked(3);
    board.patch(ids[1], |task| task.title = "bad".into());
    let fragile = board
        .db
        .watch(|tx| {
            let good = |task: &Doc<Task>| {
                assert_ne!(task.title, "bad");
                true
            };
            Ok::<_, Error>(titles(&tx.query(Task::by_rank).filter(good).collect()?))
        })
        .unwrap();
    assert!(fragile.try_recv().unwrap().is_err());
    board.patch(ids[2], |task| task.title = "unread".into());
    board.assert_quiet();
    board.patch(ids[1], |task| task.title = "good".into());
    board.assert_ran(&fragile, Delivered);
    assert_eq!(*fragile.current().unwrap(), "0 good unread");
}

// 10. A blocking iterator, a channel to `select!` on, the current value; dropping it ends it.

#[test]
fn the_current_value_stays_to_be_fetched() {
    let (board, ids) = Board::ranked(1);
    let subscription = board.watch(ranks);
    board.patch(ids[0], |task| task.rank = 3);
    assert_eq!(*subscription.current().unwrap(), 0, "nothing was evaluated yet");
    board.assert_ran(&subscription, Delivered);
    assert_eq!(*subscription.current().unwrap(), 3);
    assert_eq!(*subscription.try_recv().unwrap().unwrap(), 3);
    assert_eq!(*subscription.current().unwrap(), 3);
}

#[test]
fn a_receiver_selects_beside_others() {
    let (board, ids) = Board::ranked(1);
    let (one, other) = (board.watch(ranks), board.watch(in_column(1, Column::Done)));
    board.patch(ids[0], |task| task.column = Column::Done);
    assert_eq!(board.ran(), [(one.live_query(), Unchanged), (other.live_query(), Delivered)]);
    select! {
        recv(one.receiver()) -> value => panic!("{:?}", value.map(drop)),
        recv(other.receiver()) -> value => assert_eq!(*value.unwrap().unwrap(), "0"),
    }
    select! {
        recv(one.receiver()) -> _ => panic!("it was not delivered"),
        recv(other.receiver()) -> _ => panic!("it was fetched"),
        default => {}
    }
    board.db.close().unwrap();
    select! {
        recv(one.receiver()) -> value => assert!(value.is_err()),
    }
}

#[test]
fn a_dropped_subscription_runs_no_more() {
    let (board, ids) = Board::ranked(1);
    let (dropped, kept) = (board.watch(ranks), board.watch(ranks));
    board.patch(ids[0], |task| task.rank = 1);
    // It is dirty already.
    drop(dropped);
    board.assert_ran(&kept, Delivered);
    board.patch(ids[0], |task| task.rank = 2);
    board.assert_ran(&kept, Delivered);
    drop(kept);
    board.patch(ids[0], |task| task.rank = 3);
    board.assert_quiet();
}

#[test]
fn a_subscription_dropped_by_its_own_query_ends_there() {
    let (board, ids) = Board::ranked(1);
    let own = Arc::new(parking_lot::Mutex::new(None::<Subscription<i32>>));
    let held = Arc::clone(&own);
    let subscription = board.watch(move |tx| {
        drop(held.lock().take());
        ranks(tx)
    });
    *own.lock() = Some(subscription);
    board.patch(ids[0], |task| task.rank = 1);
    assert_eq!(board.reactor.run().len(), 1);
    board.patch(ids[0], |task| task.rank = 2);
    board.assert_quiet();
}

#[test]
fn ten_thousand_subscriptions_dropped_at_once_leave_nothing_behind() {
    const COUNT: i32 = 10_000;
    let (board, ids) = Board::ranked(1);
    let captured = Arc::new(());
    let mut subscriptions: Vec<_> = (0..COUNT)
        .map(|rank| {
            let held = Arc::clone(&captured);
            board.watch(move |tx| {
                let _held = &held;
                tx.query(Task::by_rank).range(rank..).first()
            })
        })
        .collect();
    let kept = subscriptions.swap_remove(7);
    drop(subscriptions);
    assert_eq!(Arc::strong_count(&captured), 2);
    for rank in [5, 500, 9_999] {
        board.patch(ids[0], |task| task.rank = rank);
    }
    board.assert_ran(&kept, Delivered);
    drop(kept);
    board.patch(ids[0], |task| task.rank = 8);
    board.assert_quiet();
    assert_eq!(Arc::strong_count(&captured), 1);
}

// 12. It does not see time, randomness or the outside world.

#[test]
fn a_change_of_what_the_closure_captured_wakes_nobody_and_shows_with_the_next_relevant_commit() {
    let (board, ids) = Board::ranked(1);
    let outside = Arc::new(AtomicBool::new(false));
    let seen = Arc::clone(&outside);
    let subscription = board.watch(move |tx| Ok((ranks(tx)?, seen.load(Ordering::Relaxed))));
    outside.store(true, Ordering::Relaxed);
    board.insert(task(1, Column::Done, "a", 0));
    board.assert_ran(&subscription, Delivered);
    assert_eq!(*subscription.current().unwrap(), (0, true));
    outside.store(false, Ordering::Relaxed);
    board.assert_quiet();
    assert_eq!(*subscription.current().unwrap(), (0, true));
    board.patch(ids[0], |task| task.rank = 2);
    board.assert_ran(&subscription, Delivered);
    assert_eq!(*subscription.current().unwrap(), (2, false));
}

#[test]
fn time_that_passes_wakes_nobody() {
    let clock = Arc::new(tropism::ManualClock::new(Timestamp::from_millis(1_000)));
    let time: Arc<dyn tropism::Clock> = clock.clone();
    let builder = Db::builder().tables::<(Project, Task)>().driven_by_hand().clock(time);
    let db = builder.in_memory().unwrap();
    let reactor = db.reactor().unwrap();
    db.write(|tx| tx.insert(task(1, Column::Todo, "a", 0))).unwrap();
    let now = clock.clone();
    let recent = db
        .watch(move |tx| {
            let horizon = tropism::Clock::now(&*now).as_millis() - 500;
            tx.query(Task::by_rank).filter(move |task| task.created_at().as_millis() > horizon).count()
        })
        .unwrap();
    assert_eq!(*recent.current().unwrap(), 1);
    clock.set(Timestamp::from_millis(9_000));
    assert_eq!(reactor.run(), []);
    assert_eq!(*recent.current().unwrap(), 1, "the docs say so, and to take the horizon from a row");
}

//! The reactor on its own threads: the last value equals a fresh run, whatever happens beside.

use std::{
    sync::{Barrier, atomic::AtomicUsize, mpsc},
    thread,
    time::Duration,
};

use parking_lot::Mutex;

use super::*;

const LONG: Duration = Duration::from_secs(20);

fn db_with(config: Config) -> Db {
    Db::builder().tables::<(Project, Task)>().config(config).in_memory().unwrap()
}

fn db() -> Db {
    db_with(Config::default())
}

fn relaxed() -> Config {
    Config { durability: Durability::Relaxed, ..Config::default() }
}

fn all_ranks(tx: &ReadTx) -> Result<Vec<i32>, Error> {
    Ok(tx.query(Task::by_rank).collect()?.iter().map(|task| task.rank).collect())
}

/// Waits until the subscription has delivered this value, the last of all.
fn wait_for<T: PartialEq + Send + Sync + std::fmt::Debug + 'static>(subscription: &Subscription<T>, expected: &T) {
    while *subscription.current().unwrap() != *expected {
        let next = subscription.recv_timeout(LONG);
        let current = subscription.current();
        assert!(next.is_some(), "it stays at {current:?}; a fresh run gives {expected:?}");
    }
}

#[test]
fn nothing_is_missed_between_the_first_evaluation_and_the_registration() {
    // Many subscriptions are set up while writers write; each must end at what a fresh run gives. A small memory of
    // recent changes makes registrations meet its end as well.
    for (round, config) in (0..24).map(|round| {
        let base = if round % 2 == 0 { Config::default() } else { relaxed() };
        (round, Config { recent_bytes: [1, 8, 65_536][round % 3], ..base })
    }) {
        let db = db_with(config);
        let ids: Vec<_> = (0..4)
            .map(|at| db.write(|tx| tx.insert(task(1, Column::Todo, &at.to_string(), at * 100))).unwrap())
            .collect();
        let start = Barrier::new(3);
        let subscriptions = thread::scope(|scope| {
            for writer in 0..2 {
                let (db, ids, start) = (&db, &ids, &start);
                scope.spawn(move || {
                    start.wait();
                    for step in 0..40 {
                        let id = ids[(step + writer) % ids.len()];
                        db.write(|tx| tx.patch(id, |task| task.rank += 1 - 2 * (step as i32 % 3))).unwrap();
                    }
                });
            }
            start.wait();
            (0..30)
                .map(|at| {
                    let from = (at % 4) * 100 - 50;
                    let query = move |tx: &ReadTx| -> Result<Vec<i32>, Error> {
                        Ok(tx.query(Task::by_rank).range(from..).collect()?.iter().map(|task| task.rank).collect())
                    };
                    (db.watch(query).unwrap(), query)
                })
                .collect::<Vec<_>>()
        });
        for (subscription, query) in &subscriptions {
            let fresh = db.read(query).unwrap();
            wait_for(subscription, &fresh);
        }
        assert!(subscriptions.len() == 30, "round {round}");
    }
}

#[test]
fn values_come_in_commit_order_and_each_is_of_one_commit() {
    let db = db();
    let ids: [_; 2] = ["a", "b"].map(|title| db.write(|tx| tx.insert(task(1, Column::Todo, title, 0))).unwrap());
    let subscription = db
        .watch(move |tx| {
            let ranks = ids.map(|id| tx.get(id).map(|task| task.map_or(-1, |task| task.rank)));
            let [a, b] = ranks;
            Ok::<_, Error>((tx.ts().as_u64(), a?, b?))
        })
        .unwrap();
    thread::scope(|scope| {
        let db = &db;
        scope.spawn(move || {
            for rank in 1..=300 {
                // Both rows move together, always.
                db.write_with(Durability::Relaxed, |tx| {
                    ids.iter().try_for_each(|id| tx.patch(*id, |task| task.rank = rank))
                })
                .unwrap();
            }
        });
        let mut last = (0, -1);
        while last.1 < 300 {
            let value = subscription.recv_timeout(LONG).expect("values keep coming").unwrap();
            let (ts, a, b) = *value;
            assert_eq!(a, b, "two halves of a commit are seen together");
            assert!(ts > last.0 && a > last.1, "{value:?} after {last:?}");
            last = (ts, a);
        }
    });
}

#[test]
fn many_queries_agree_with_a_fresh_run_after_many_writers() {
    for config in [Config::default(), relaxed()] {
        let small = Config { checkpoint_bytes: 64 << 10, log_segment_bytes: 64 << 10, ..config };
        let db = db_with(small);
        let queries: Vec<_> = (0..12).map(|at| (at % 3, [Column::Todo, Column::Doing, Column::Done][at / 4])).collect();
        let subscriptions: Vec<_> =
            queries.iter().map(|(project, column)| db.watch(in_column(*project as u32, *column)).unwrap()).collect();
        let total = db.watch(all_ranks).unwrap();
        thread::scope(|scope| {
            for writer in 0..4 {
                let db = &db;
                scope.spawn(move || {
                    let mut own = Vec::new();
                    for step in 0..60u32 {
                        let title = format!("{writer} {step}");
                        db.write(|tx| -> Result<(), Error> {
                            own.push(tx.insert(task(step % 3, Column::Todo, &title, step as i32))?);
                            let at = (step as usize * 7) % own.len();
                            match step % 4 {
                                0 => tx.patch(own[at], |task| task.column = Column::Doing),
                                1 => tx.patch(own[at], |task| task.project = (task.project + 1) % 3),
                                2 => tx.delete(own.swap_remove(at)),
                                _ => Ok(()),
                            }
                        })
                        .unwrap();
                    }
                });
            }
        });
        for ((project, column), subscription) in queries.iter().zip(&subscriptions) {
            wait_for(subscription, &db.read(in_column(*project as u32, *column)).unwrap());
        }
        wait_for(&total, &db.read(all_ranks).unwrap());
    }
}

#[test]
fn a_blocking_iterator_yields_the_first_value_and_then_each_change_and_ends_with_the_database() {
    let db = db();
    let subscription = db.watch(|tx| tx.query(Task::by_rank).count()).unwrap();
    let (seen, sees) = mpsc::channel();
    thread::scope(|scope| {
        let subscription = &subscription;
        scope.spawn(move || {
            for value in subscription {
                seen.send(*value.unwrap()).unwrap();
            }
            drop(seen);
        });
        for count in 0..5 {
            assert_eq!(sees.recv_timeout(LONG).unwrap(), count);
            db.write(|tx| tx.insert(task(1, Column::Todo, &count.to_string(), 0))).unwrap();
        }
        assert_eq!(sees.recv_timeout(LONG).unwrap(), 5);
        db.close().unwrap();
        assert_eq!(sees.recv_timeout(LONG), Err(mpsc::RecvTimeoutError::Disconnected));
    });
}

#[test]
fn a_writer_does_not_wait_for_a_query_that_is_running() {
    let db = db();
    let (begun, has_begun) = mpsc::channel();
    let (go, may_go) = mpsc::channel::<()>();
    let may_go = Mutex::new(may_go);
    let is_slow = Arc::new(AtomicBool::new(false));
    let slow = Arc::clone(&is_slow);
    let subscription = db
        .watch(move |tx| {
            if slow.load(Ordering::Relaxed) {
                let _ = begun.send(());
                let _ = may_go.lock().recv_timeout(LONG);
            }
            tx.query(Task::by_rank).count()
        })
        .unwrap();
    is_slow.store(true, Ordering::Relaxed);
    db.write(|tx| tx.insert(task(1, Column::Todo, "first", 0))).unwrap();
    has_begun.recv_timeout(LONG).unwrap();
    is_slow.store(false, Ordering::Relaxed);
    // The reactor stands still; writers and new subscriptions do not.
    for number in 0..50 {
        db.write(|tx| tx.insert(task(1, Column::Todo, &number.to_string(), 0))).unwrap();
    }
    assert_eq!(*db.watch(|tx| tx.query(Task::by_rank).count()).unwrap().current().unwrap(), 51);
    drop(go);
    wait_for(&subscription, &51);
}

#[test]
fn a_writer_does_not_wait_for_a_callback_and_other_subscribers_neither() {
    let db = db();
    let (begun, has_begun) = mpsc::channel();
    let (go, may_go) = mpsc::channel::<()>();
    let (done, is_done) = mpsc::channel();
    let _handle = db.watch(|tx| tx.query(Task::by_rank).count()).unwrap().on_change(move |value| {
        let _ = begun.send(());
        let _ = may_go.recv_timeout(LONG);
        let _ = done.send(*value.unwrap());
    });
    has_begun.recv_timeout(LONG).unwrap();
    let beside = db.watch(|tx| tx.query(Task::by_rank).count()).unwrap();
    for number in 0..20 {
        db.write(|tx| tx.insert(task(1, Column::Todo, &number.to_string(), 0))).unwrap();
    }
    wait_for(&beside, &20);
    drop(go);
    // Called with the first value, and then, the others skipped, with the last.
    assert_eq!(is_done.recv_timeout(LONG), Ok(0));
    assert!(std::iter::from_fn(|| is_done.recv_timeout(LONG).ok()).any(|count| count == 20));
}

#[test]
fn subscriptions_come_and_go_beside_writers() {
    let db = db();
    let is_over = AtomicBool::new(false);
    thread::scope(|scope| {
        let (db, is_over) = (&db, &is_over);
        for _ in 0..2 {
            scope.spawn(move || {
                while !is_over.load(Ordering::Relaxed) {
                    let kept: Vec<_> = (0..20).map(|_| db.watch(all_ranks).unwrap()).collect();
                    let _ = kept[3].recv_timeout(LONG);
                    drop(kept);
                }
            });
        }
        for number in 0..150 {
            db.write(|tx| tx.insert(task(1, Column::Todo, &number.to_string(), number))).unwrap();
        }
        is_over.store(true, Ordering::Relaxed);
    });
    let last = db.watch(all_ranks).unwrap();
    assert_eq!(last.current().unwrap().len(), 150);
}

#[test]
fn subscribers_of_a_durable_database_never_see_what_is_not_durable() {
    use tropism::disk::{CrashKind, SimulatedDisk};
    let disk = SimulatedDisk::new(5);
    let open = |disk| Db::builder().tables::<(Project, Task)>().open_on(disk).unwrap();
    let db = open(disk.clone());
    let subscription = db.watch(all_ranks).unwrap();
    subscription.recv();
    thread::scope(|scope| {
        let db = &db;
        scope.spawn(move || {
            for rank in 0..20 {
                db.write(|tx| tx.insert(task(1, Column::Todo, &rank.to_string(), rank))).unwrap();
            }
        });
        let mut seen = 0;
        while seen < 20 {
            let ranks = subscription.recv_timeout(LONG).expect("values keep coming").unwrap();
            let survivors = open(disk.crash(CrashKind::LoseUnsynced)).read(all_ranks).unwrap();
            assert!(survivors.starts_with(&ranks), "{ranks:?} was shown, and {survivors:?} is durable");
            seen = ranks.len();
        }
    });
}

#[test]
fn a_subscriber_can_wait_for_the_value_that_it_wants() {
    let db = Db::builder().tables::<Task>().in_memory().unwrap();
    let count = db.watch(|tx| tx.query(Task::by_id).count()).unwrap();
    assert_eq!(count.wait_for(Duration::ZERO, |count| *count == 0).as_deref(), Some(&0), "it is there already");
    assert_eq!(count.wait_for(Duration::ZERO, |count| *count == 3), None, "the time is up");
    std::thread::scope(|scope| {
        scope.spawn(|| {
            for rank in 0..3 {
                db.write(|tx| tx.insert(task(1, Column::Todo, &rank.to_string(), rank))).unwrap();
            }
        });
        assert_eq!(count.wait_for(Duration::from_secs(60), |count| *count == 3).as_deref(), Some(&3));
    });
    db.close().unwrap();
    assert_eq!(count.wait_for(Duration::from_secs(60), |count| *count == 4), None, "the database is closed");
}

#[test]
fn a_callback_that_always_has_a_next_value_lets_others_have_their_turn() {
    /// If the other one is not called, the busy one ends all the same.
    const MOST_CALLS: usize = 200;
    let db = db();
    let id = db.write(|tx| tx.insert(task(1, Column::Todo, "busy", 0))).unwrap();
    let rank = move |tx: &ReadTx| Ok::<_, Error>(tx.get(id)?.map_or(-1, |task| task.rank));
    let names = |tx: &ReadTx| tx.query(Project::by_id).count();

    let busy_calls = Arc::new(AtomicUsize::new(0));
    let (called, calls) = mpsc::channel();
    let calls_so_far = Arc::clone(&busy_calls);
    let _beside = db.watch(names).unwrap().on_change(move |value| {
        called.send((*value.unwrap(), calls_so_far.load(Ordering::SeqCst))).unwrap();
    });
    assert_eq!(calls.recv_timeout(LONG).unwrap(), (0, 0));
    // These have a value after the callbacks of the same query have it.
    let busy = db.watch(rank).unwrap();
    let (busy_probe, beside_probe) = (db.watch(rank).unwrap(), db.watch(names).unwrap());
    beside_probe.recv();

    let (own, is_over) = (db.clone(), Arc::new(AtomicBool::new(false)));
    let (counted, ends) = (Arc::clone(&busy_calls), Arc::clone(&is_over));
    let (began, has_begun) = mpsc::channel();
    let handle = busy.on_change(move |_| {
        if ends.load(Ordering::SeqCst) || counted.fetch_add(1, Ordering::SeqCst) == MOST_CALLS {
            return;
        }
        let next = own.write(|tx| {
            tx.patch(id, |task| task.rank += 1)?;
            tx.get(id).map(|task| task.map_or(-1, |task| task.rank))
        });
        // Its next value is there before this call ends.
        let next = next.unwrap();
        assert!(busy_probe.wait_for(LONG, |rank| *rank >= next).is_some());
        let _ = began.send(());
    });
    has_begun.recv_timeout(LONG).unwrap();
    db.write(|tx| tx.insert(Project { name: "beside".into() })).unwrap();
    assert_eq!(*beside_probe.recv_timeout(LONG).unwrap().unwrap(), 1);
    let at_delivery = busy_calls.load(Ordering::SeqCst);
    let (names, at_call) = calls.recv_timeout(LONG).unwrap();
    assert_eq!(names, 1);
    assert!(
        at_call.saturating_sub(at_delivery) <= 3,
        "delivered at call {at_delivery} of the busy one, called at {at_call}"
    );
    is_over.store(true, Ordering::SeqCst);
    drop(handle);
}

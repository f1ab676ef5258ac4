//! Behaviour 8: whoever commits does a bounded part of the matching, and the reactor the rest.

use super::*;

fn all(tx: &ReadTx) -> Result<usize, Error> {
    tx.query(Task::by_rank).count()
}

#[test]
fn a_large_commit_is_matched_by_the_reactor_and_not_by_who_commits() {
    const ROWS: i32 = 1_000;
    let board = Board::new();
    let subscriptions: Vec<_> = (0..100).map(|_| board.watch(all)).collect();
    let insert = |tx: &mut WriteTx, rank: i32| tx.insert(task(1, Column::Todo, &rank.to_string(), rank));
    board.db.write(|tx| (0..ROWS).try_for_each(|rank| insert(tx, rank).map(drop))).unwrap();
    let health = board.db.health().live_queries;
    assert_eq!((health.unmatched_commits, health.dirty), (1, 0));
    assert!(health.unmatched_bytes > 0);
    assert_eq!(board.ran().len(), subscriptions.len(), "each once");
    for subscription in &subscriptions {
        assert_eq!(*subscription.current().unwrap(), ROWS as usize);
    }
    let health = board.db.health().live_queries;
    assert_eq!((health.unmatched_commits, health.unmatched_bytes, health.dirty), (0, 0, 0));
}

#[test]
fn who_commits_marks_a_bounded_number_of_very_many_queries_and_the_reactor_the_others() {
    const QUERIES: usize = 2_000;
    let board = Board::new();
    let subscriptions: Vec<_> = (0..QUERIES).map(|_| board.watch(all)).collect();
    board.insert(task(1, Column::Todo, "one", 1));
    let health = board.db.health().live_queries;
    assert_eq!(health.unmatched_commits, 1);
    assert!((1..=512).contains(&health.dirty), "{} were marked by who committed", health.dirty);
    assert_eq!(board.ran().len(), QUERIES, "each once");
    assert!(subscriptions.iter().all(|subscription| *subscription.current().unwrap() == 1));
}

#[test]
fn a_small_commit_that_concerns_few_is_matched_by_who_commits() {
    let board = Board::new();
    let subscription = board.watch(all);
    board.insert(task(1, Column::Todo, "one", 1));
    let health = board.db.health().live_queries;
    assert_eq!((health.unmatched_commits, health.dirty), (0, 1));
    board.assert_ran(&subscription, Delivered);
}

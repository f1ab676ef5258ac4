//! Which queries a commit has run again, and what their subscribers get.
//!
//! Behaviours 1 to 3 here: what concerns a query and what does not; `early_end.rs` has behaviour 4, `delivery.rs` and
//! `callbacks.rs` 8, 9, 10 and 12, `matching.rs` 8 where commits are large, and `threads.rs` all of them on the reactor's own threads.

mod callbacks;
mod delivery;
mod early_end;
mod matching;
mod threads;

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use tropism::{Error, Evaluation, Outcome, Reactor, Subscription, prelude::*};

schema! {
    pub enum Column { Todo = "todo", Doing = "doing", Done = "done" }

    pub table Project in "projects" { name: String }

    pub table Task in "tasks" { project: u32, column: Column, title: String, rank: i32, labels: Vec<String> } with {
        index by_project_and_column (project, column);
        index by_rank (rank);
        unique by_title (title);
        multi by_label (labels);
    }
}

fn task(project: u32, column: Column, title: &str, rank: i32) -> Task {
    Task { project, column, title: title.into(), rank, labels: Vec::new() }
}

/// A database whose reactor runs when the test says so.
struct Board {
    db: Db,
    reactor: Reactor,
}

impl Board {
    fn new() -> Self {
        let db = Db::builder().tables::<(Project, Task)>().driven_by_hand().in_memory().unwrap();
        let reactor = db.reactor().unwrap();
        Self { db, reactor }
    }

    /// With tasks of ranks 0, 10, 20, … titled "0", "10", "20", …
    fn ranked(count: i32) -> (Self, Vec<Id<Task>>) {
        let board = Self::new();
        let ids = (0..count).map(|at| board.insert(task(1, Column::Todo, &(at * 10).to_string(), at * 10))).collect();
        (board, ids)
    }

    fn insert(&self, task: Task) -> Id<Task> {
        self.db.write(|tx| tx.insert(task)).unwrap()
    }

    fn patch(&self, id: Id<Task>, change: impl FnOnce(&mut Task)) {
        self.db.write(|tx| tx.patch(id, change)).unwrap();
    }

    /// Subscribes, and takes the first value.
    #[track_caller]
    fn watch<T: PartialEq + Send + Sync + 'static>(
        &self,
        query: impl Fn(&ReadTx) -> Result<T, Error> + Send + Sync + 'static,
    ) -> Subscription<T> {
        let subscription = self.db.watch(query).unwrap();
        subscription.try_recv().expect("the first value is there at once").unwrap();
        subscription
    }

    /// Which queries ran again, and what came of it, in the order of subscription.
    fn ran(&self) -> Vec<(tropism::LiveQueryId, Outcome)> {
        let mut ran: Vec<_> = self.reactor.run().iter().map(|ran| (ran.live_query, ran.outcome)).collect();
        ran.sort_by_key(|(subscription, _)| *subscription);
        ran
    }

    /// Nothing ran again.
    #[track_caller]
    fn assert_quiet(&self) {
        assert_eq!(self.ran(), []);
    }

    /// Only this one ran again; its result was delivered or not.
    #[track_caller]
    fn assert_ran<T, E>(&self, subscription: &Subscription<T, E>, outcome: Outcome)
    where
        T: PartialEq + Send + Sync + 'static,
        E: From<Error> + Send + Sync + 'static,
    {
        assert_eq!(self.ran(), [(subscription.live_query(), outcome)]);
    }
}

use Outcome::{Delivered, Failed, Unchanged};

fn titles(tasks: &[Doc<Task>]) -> String {
    tasks.iter().map(|task| task.title.as_str()).collect::<Vec<_>>().join(" ")
}

/// The titles of a query's tasks, as a query.
fn in_column(project: u32, column: Column) -> impl Fn(&ReadTx) -> Result<String, Error> {
    move |tx| Ok(titles(&tx.query(Task::by_project_and_column).eq((project, column)).collect()?))
}

// 1. The first value comes first, then values in commit order; each is the result at exactly one commit.

#[test]
fn the_first_value_is_there_before_the_reactor_ran() {
    let (board, _) = Board::ranked(2);
    let subscription = board.db.watch(in_column(1, Column::Todo)).unwrap();
    assert_eq!(*subscription.current().unwrap(), "0 10");
    assert_eq!(*subscription.try_recv().unwrap().unwrap(), "0 10");
    assert!(subscription.try_recv().is_none());
    board.assert_quiet();
}

#[test]
fn each_commit_that_changes_the_result_delivers_it_in_order_and_says_at_which_commit() {
    let board = Board::new();
    let subscription = board.watch(in_column(1, Column::Todo));
    for (number, expected) in [(1, "a1"), (2, "a1 a2"), (3, "a1 a2 a3")] {
        board.insert(task(1, Column::Todo, &format!("a{number}"), 0));
        let ts = board.db.read(|tx| Ok::<_, Error>(tx.ts())).unwrap();
        let ran = board.reactor.run();
        assert_eq!(ran, [Evaluation { live_query: subscription.live_query(), ts, outcome: Delivered }]);
        assert_eq!(*subscription.try_recv().unwrap().unwrap(), expected);
    }
}

#[test]
fn a_value_is_the_result_at_one_commit_however_many_reads_make_it() {
    let board = Board::new();
    let other = board.db.clone();
    let subscription = board.watch(move |tx| {
        let before = tx.query(Task::by_rank).count()?;
        // Somebody commits between two reads of the query.
        let title = before.to_string();
        std::thread::scope(|scope| {
            scope.spawn(|| other.write(|tx| tx.insert(task(1, Column::Todo, &title, 0))).unwrap());
        });
        Ok((before, tx.query(Task::by_id).collect()?.len(), tx.query(Task::by_title).count()?))
    });
    assert_eq!(*subscription.current().unwrap(), (0, 0, 0));
    for count in 1..4 {
        assert_eq!(board.reactor.step().unwrap().outcome, Delivered);
        assert_eq!(*subscription.try_recv().unwrap().unwrap(), (count, count, count));
    }
}

#[test]
fn several_dirty_queries_run_once_each_the_longest_waiting_first() {
    let board = Board::new();
    let todo = board.watch(in_column(1, Column::Todo));
    let done = board.watch(in_column(1, Column::Done));
    board.insert(task(1, Column::Done, "d", 0));
    let id = board.insert(task(1, Column::Todo, "t", 0));
    board.patch(id, |task| task.column = Column::Done);
    let ran: Vec<_> = board.reactor.run().iter().map(|ran| (ran.live_query, ran.outcome)).collect();
    assert_eq!(ran, [(done.live_query(), Delivered), (todo.live_query(), Unchanged)]);
    board.assert_quiet();
}

// 2. No committed change that alters the result is missed.

#[test]
fn a_row_that_moves_between_ranges_wakes_both() {
    let board = Board::new();
    let id = board.insert(task(1, Column::Todo, "a", 0));
    let todo = board.watch(in_column(1, Column::Todo));
    let doing = board.watch(in_column(1, Column::Doing));
    let done = board.watch(in_column(1, Column::Done));
    board.patch(id, |task| task.column = Column::Doing);
    assert_eq!(board.ran(), [(todo.live_query(), Delivered), (doing.live_query(), Delivered)]);
    assert_eq!(*todo.current().unwrap(), "");
    assert_eq!(*doing.current().unwrap(), "a");
    assert_eq!(*done.current().unwrap(), "");
}

#[test]
fn a_delete_wakes_whoever_read_the_row_by_id_by_index_or_counted_it() {
    let board = Board::new();
    let id = board.insert(task(1, Column::Todo, "a", 0));
    let by_id = board.watch(move |tx| tx.get(id));
    let by_index = board.watch(in_column(1, Column::Todo));
    let count = board.watch(|tx| tx.query(Task::by_rank).count());
    let by_table = board.watch(|tx| tx.query(Task::by_id).collect());
    board.db.write(|tx| tx.delete(id)).unwrap();
    let all = [by_id.live_query(), by_index.live_query(), count.live_query(), by_table.live_query()]
        .map(|id| (id, Delivered));
    assert_eq!(board.ran(), all);
    assert_eq!(*by_id.current().unwrap(), None);
    assert_eq!(*count.current().unwrap(), 0);
}

#[test]
fn a_row_that_is_not_there_yet_wakes_whoever_looked_for_it() {
    let board = Board::new();
    let missing = board.watch(|tx| tx.query(Task::by_title).eq("late").unique());
    let none = board.watch(|tx| Ok(tx.query(Task::by_rank).range(5..).first()?.is_none()));
    board.insert(task(1, Column::Todo, "late", 7));
    assert_eq!(board.ran(), [(missing.live_query(), Delivered), (none.live_query(), Delivered)]);
    assert_eq!(missing.current().unwrap().as_ref().as_ref().unwrap().rank, 7);
}

#[test]
fn an_id_that_is_not_there_any_more_and_comes_back_within_a_rollback_wakes_nobody() {
    let board = Board::new();
    let id = board.insert(task(1, Column::Todo, "a", 0));
    let _by_id = board.watch(move |tx| tx.get(id));
    board
        .db
        .write(|tx| -> Result<(), Error> {
            let rolled_back: Result<(), Error> = tx.nested(|tx| {
                tx.delete(id)?;
                Err(tropism::TransactionError::NestedWrite.into())
            });
            assert!(rolled_back.is_err());
            tx.insert(task(2, Column::Done, "b", 1)).map(drop)
        })
        .unwrap();
    board.assert_quiet();
}

#[test]
fn a_field_outside_the_index_wakes_who_reads_rows_through_it() {
    let board = Board::new();
    let id = board.insert(task(1, Column::Todo, "a", 0));
    let ranks = board.watch(|tx| {
        let tasks = tx.query(Task::by_project_and_column).eq(1).collect()?;
        Ok(tasks.iter().map(|task| task.rank).sum::<i32>())
    });
    board.patch(id, |task| task.rank = 5);
    board.assert_ran(&ranks, Delivered);
    assert_eq!(*ranks.current().unwrap(), 5);
}

#[test]
fn an_element_added_to_a_row_wakes_the_query_of_that_element_only() {
    let board = Board::new();
    let id = board.insert(Task { labels: vec!["old".into()], ..task(1, Column::Todo, "a", 0) });
    let labelled = |label: &'static str| move |tx: &ReadTx| tx.query(Task::by_label).eq(label).count();
    let new = board.watch(labelled("new"));
    let _other = board.watch(labelled("other"));
    board.patch(id, |task| task.labels.push("new".into()));
    board.assert_ran(&new, Delivered);
    board.patch(id, |task| task.labels = vec!["other".into(), "new".into()]);
    assert_eq!(board.ran().len(), 2, "the row behind `new` changed, and `other` gained it");
}

#[test]
fn what_the_query_reads_next_depends_on_what_it_read_first() {
    let board = Board::new();
    let pointer = board.db.write(|tx| tx.insert(Project { name: "a".into() })).unwrap();
    for title in ["a", "b"] {
        board.insert(task(1, Column::Todo, title, 0));
    }
    let rank_of = |title: &str| {
        let title = title.to_owned();
        board.db.read(|tx| tx.query(Task::by_title).eq(title).unique()).unwrap().unwrap().id()
    };
    let (a, b) = (rank_of("a"), rank_of("b"));
    let pointed_at = board.watch(move |tx| {
        let title = tx.get(pointer)?.map(|project| project.name.clone()).unwrap_or_default();
        Ok(tx.query(Task::by_title).eq(title).unique()?.map(|task| task.rank))
    });
    board.patch(b, |task| task.rank = 7);
    board.assert_quiet();
    board.db.write(|tx| tx.patch(pointer, |project| project.name = "b".into())).unwrap();
    board.assert_ran(&pointed_at, Delivered);
    // Now it depends on b, and on a no more.
    board.patch(a, |task| task.rank = 3);
    board.assert_quiet();
    board.patch(b, |task| task.rank = 8);
    board.assert_ran(&pointed_at, Delivered);
    assert_eq!(*pointed_at.current().unwrap(), Some(8));
}

#[test]
fn a_commit_into_what_a_running_query_reads_for_the_first_time_is_not_missed() {
    let (board, ids) = Board::ranked(2);
    let pointer = board.db.write(|tx| tx.insert(Project { name: "0".into() })).unwrap();
    let (db, interferes) = (board.db.clone(), Arc::new(AtomicBool::new(false)));
    let is_time = Arc::clone(&interferes);
    let pointed_at = board.watch(move |tx| {
        let title = tx.get(pointer)?.map(|project| project.name.clone()).unwrap_or_default();
        let rank = tx.query(Task::by_title).eq(title).unique()?.map(|task| task.rank);
        if is_time.swap(false, Ordering::Relaxed) {
            // Somebody commits while the query runs, to what it has never read before.
            std::thread::scope(|scope| {
                scope.spawn(|| db.write(|tx| tx.patch(ids[1], |task| task.rank = 99)).unwrap());
            });
        }
        Ok(rank)
    });
    board.db.write(|tx| tx.patch(pointer, |project| project.name = "10".into())).unwrap();
    interferes.store(true, Ordering::Relaxed);
    assert_eq!(board.ran(), [(pointed_at.live_query(), Delivered), (pointed_at.live_query(), Delivered)]);
    assert_eq!(*pointed_at.current().unwrap(), Some(99));
}

// 3. A commit outside the read set costs nothing; one inside it that leaves the result equal is not delivered.

#[test]
fn a_commit_outside_the_range_wakes_nobody() {
    let board = Board::new();
    let _todo = board.watch(in_column(1, Column::Todo));
    let _ranks = board.watch(|tx| tx.query(Task::by_rank).range(10..20).collect());
    let _both_ends = board.watch(|tx| tx.query(Task::by_rank).range(10..20).descending().collect());
    let id = board.insert(task(2, Column::Todo, "other project", 20));
    board.insert(task(1, Column::Done, "other column", 9));
    board.patch(id, |task| task.rank = 99);
    board.db.write(|tx| tx.insert(Project { name: "other table".into() })).unwrap();
    board.db.write(|tx| tx.delete(id)).unwrap();
    board.assert_quiet();
}

#[test]
fn a_commit_inside_the_range_that_leaves_the_result_equal_is_not_delivered() {
    let (board, ids) = Board::ranked(3);
    let titles_only = board.watch(in_column(1, Column::Todo));
    board.patch(ids[0], |task| task.rank = 77);
    board.assert_ran(&titles_only, Unchanged);
    assert!(titles_only.try_recv().is_none());
}

#[test]
fn a_write_that_changes_nothing_wakes_nobody() {
    let (board, ids) = Board::ranked(3);
    let _all = board.watch(|tx| tx.query(Task::by_rank).collect());
    board.patch(ids[0], |task| task.rank = 0);
    board.db.write(|_| Ok::<_, Error>(())).unwrap();
    let failed: Result<(), Error> = board.db.write(|tx| {
        tx.delete(ids[0])?;
        Err(tropism::TransactionError::NestedWrite.into())
    });
    assert!(failed.is_err());
    board.assert_quiet();
}

#[test]
fn a_count_does_not_wake_for_a_row_that_keeps_its_key() {
    let (board, ids) = Board::ranked(3);
    let count = board.watch(|tx| tx.query(Task::by_rank).range(0..=10).count());
    board.patch(ids[0], |task| task.title = "renamed".into());
    board.assert_quiet();
    // Its key changes, within the range and then out of it.
    board.patch(ids[0], |task| task.rank = 5);
    board.assert_ran(&count, Unchanged);
    board.patch(ids[0], |task| task.rank = 50);
    board.assert_ran(&count, Delivered);
    assert_eq!(*count.current().unwrap(), 1);
}

#[test]
fn a_count_with_a_filter_reads_rows_and_wakes_for_them() {
    let (board, ids) = Board::ranked(3);
    let long = board.watch(|tx| tx.query(Task::by_rank).filter(|task| task.title.len() > 3).count());
    board.patch(ids[0], |task| task.title = "renamed".into());
    board.assert_ran(&long, Delivered);
    assert_eq!(*long.current().unwrap(), 1);
}

#[test]
fn a_query_that_reads_nothing_never_runs_again() {
    use std::ops::Bound::Excluded;
    let (board, ids) = Board::ranked(1);
    let _constant = board.watch(|_| Ok(42));
    let _crossed = board.watch(|tx| tx.query(Task::by_rank).range((Excluded(3), Excluded(3))).collect());
    let _none_taken = board.watch(|tx| tx.query(Task::by_rank).take(0).collect());
    let _not_run = board.watch(|tx| tx.query(Task::by_rank).iter().map(|_| 0));
    board.patch(ids[0], |task| task.rank = 5);
    board.insert(task(1, Column::Todo, "new", 5));
    board.assert_quiet();
}

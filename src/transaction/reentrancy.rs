//! Refuses what would wait for itself, and what would read past a query's transaction.
//!
//! What a thread is in the middle of is known per thread, because a transaction runs on its caller's thread. A closure
//! that starts another thread and waits for its write deadlocks all the same; that cannot be seen from here, and
//! `Db::write` says so. Neither can a query be kept from reading on another thread.

use std::{
    cell::{Cell, RefCell},
    marker::PhantomData,
};

use crate::error::TransactionError;

thread_local! {
    /// What this thread is in the middle of, innermost last.
    static RUNNING: RefCell<Vec<Running>> = const { RefCell::new(Vec::new()) };
    /// The number of the next entry of `RUNNING`.
    static NEXT_ENTRY: Cell<u64> = const { Cell::new(0) };
}

struct Running {
    entry: u64,
    database: usize,
    activity: Activity,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Activity {
    Write,
    Query,
    Action,
    Close,
}

/// Marks the thread as being in the middle of something, until it is dropped.
///
/// Marks may be dropped in any order. Once a thread has destroyed its thread-local values, nothing is marked: a `Db`
/// that such a value held can still be dropped then.
pub(crate) struct Reentrancy {
    /// `None` where the thread is ending.
    entry: Option<u64>,
    _not_send: PhantomData<*const ()>,
}

impl Reentrancy {
    /// Enters a write on `database`, any number that tells databases apart.
    pub(crate) fn enter_write(database: usize) -> Result<Self, TransactionError> {
        if is_inside(database, &[Activity::Write]) {
            return Err(TransactionError::NestedWrite);
        }
        if is_inside(database, &[Activity::Query]) {
            return Err(TransactionError::WriteInQuery);
        }
        Ok(Self::enter(database, Activity::Write))
    }

    /// Enters the evaluation of a live query or of a query function of `database`.
    pub(crate) fn enter_query(database: usize) -> Self {
        Self::enter(database, Activity::Query)
    }

    /// Enters an action of `database`.
    pub(crate) fn enter_action(database: usize) -> Self {
        Self::enter(database, Activity::Action)
    }

    /// Enters the closing of `database`, which waits for commits.
    pub(crate) fn enter_close(database: usize, call: &'static str) -> Result<Self, TransactionError> {
        Self::check_may_wait(database, call)?;
        Ok(Self::enter(database, Activity::Close))
    }

    /// Refuses a call that waits for commits where the thread itself holds them up.
    pub(crate) fn check_may_wait(database: usize, call: &'static str) -> Result<(), TransactionError> {
        if is_inside(database, &[Activity::Write, Activity::Query, Activity::Close]) {
            return Err(TransactionError::WaitInWrite { call });
        }
        Ok(())
    }

    /// Refuses a read that a query would make past its own transaction, and so not depend on.
    pub(crate) fn check_may_read(database: usize, call: &'static str) -> Result<(), TransactionError> {
        if Self::is_in_query(database) { Err(TransactionError::ReadInQuery { call }) } else { Ok(()) }
    }

    /// Whether the thread evaluates a query of `database`.
    pub(crate) fn is_in_query(database: usize) -> bool {
        is_inside(database, &[Activity::Query])
    }

    /// Whether the thread runs an action of `database`.
    pub(crate) fn is_in_action(database: usize) -> bool {
        is_inside(database, &[Activity::Action])
    }

    fn enter(database: usize, activity: Activity) -> Self {
        let entry = NEXT_ENTRY.try_with(|next| next.replace(next.get() + 1)).ok();
        let entry = entry.filter(|entry| {
            let running = Running { entry: *entry, database, activity };
            RUNNING.try_with(|all| all.borrow_mut().push(running)).is_ok()
        });
        Self { entry, _not_send: PhantomData }
    }
}

impl Drop for Reentrancy {
    fn drop(&mut self) {
        let Some(entry) = self.entry else { return };
        // Where the list is gone, there is nothing to take out.
        let _ = RUNNING.try_with(|all| all.borrow_mut().retain(|running| running.entry != entry));
    }
}

fn is_inside(database: usize, activities: &[Activity]) -> bool {
    let is_one = |running: &Running| running.database == database && activities.contains(&running.activity);
    RUNNING.try_with(|all| all.borrow().iter().any(is_one)).unwrap_or(false)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn marks_that_are_dropped_out_of_order_leave_the_others() {
        let query = Reentrancy::enter_query(1);
        let write = Reentrancy::enter_write(2).unwrap();
        drop(query);
        assert!(!Reentrancy::is_in_query(1));
        assert!(matches!(Reentrancy::enter_write(2), Err(TransactionError::NestedWrite)));
        drop(write);
        drop(Reentrancy::enter_write(2).unwrap());
    }

    #[test]
    fn a_thread_that_is_ending_has_nothing_running_and_does_not_panic() {
        thread_local! {
            static LAST: RefCell<Option<AsksAtTheEnd>> = const { RefCell::new(None) };
        }
        struct AsksAtTheEnd(std::sync::mpsc::Sender<bool>);
        impl Drop for AsksAtTheEnd {
            fn drop(&mut self) {
                let is_allowed = Reentrancy::enter_write(1).is_ok() && Reentrancy::check_may_wait(1, "close").is_ok();
                let _ = self.0.send(is_allowed);
            }
        }
        // Which of the thread's values is destroyed first is not specified, so both are used first once.
        for is_used_before in [true, false] {
            let (answer, answers) = std::sync::mpsc::channel();
            let thread = std::thread::spawn(move || {
                if is_used_before {
                    drop(Reentrancy::enter_write(1));
                }
                LAST.with_borrow_mut(|last| *last = Some(AsksAtTheEnd(answer)));
                drop(Reentrancy::enter_write(1));
            });
            thread.join().unwrap();
            assert_eq!(answers.recv(), Ok(true));
        }
    }
}

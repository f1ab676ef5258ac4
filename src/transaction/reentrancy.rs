//! Refuses what would wait for itself: a write inside a write, a write inside a live query, a wait inside a write.
//!
//! Per thread, for a transaction runs on its caller's thread. A closure that starts another thread and waits for its
//! write deadlocks all the same; that cannot be seen from here, and `Db::write` says so.

use std::cell::RefCell;

use crate::error::TransactionError;

thread_local! {
    /// What this thread is in the middle of, innermost last.
    static RUNNING: RefCell<Vec<(usize, Activity)>> = const { RefCell::new(Vec::new()) };
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Activity {
    Write,
    Query,
}

/// Marks the thread as being in the middle of something, until it is dropped.
pub(crate) struct Reentrancy {
    _not_send: std::marker::PhantomData<*const ()>,
}

impl Reentrancy {
    /// Enters a write on `database`, any number that tells databases apart.
    pub(crate) fn enter_write(database: usize) -> Result<Self, TransactionError> {
        RUNNING.with_borrow(|running| {
            if running.contains(&(database, Activity::Write)) {
                return Err(TransactionError::NestedWrite);
            }
            if running.contains(&(database, Activity::Query)) {
                return Err(TransactionError::WriteInQuery);
            }
            Ok(())
        })?;
        Ok(Self::enter(database, Activity::Write))
    }

    /// Enters the evaluation of a live query of `database`.
    pub(crate) fn enter_query(database: usize) -> Self {
        Self::enter(database, Activity::Query)
    }

    /// Refuses a call that waits for commits where the thread itself holds them up.
    pub(crate) fn check_may_wait(database: usize, call: &'static str) -> Result<(), TransactionError> {
        let is_inside = RUNNING.with_borrow(|running| running.iter().any(|(inside, _)| *inside == database));
        if is_inside { Err(TransactionError::WaitInWrite { call }) } else { Ok(()) }
    }

    /// Whether the thread is in the middle of a live query of `database`.
    pub(crate) fn is_in_query(database: usize) -> bool {
        RUNNING.with_borrow(|running| running.contains(&(database, Activity::Query)))
    }

    fn enter(database: usize, activity: Activity) -> Self {
        RUNNING.with_borrow_mut(|running| running.push((database, activity)));
        Self { _not_send: std::marker::PhantomData }
    }
}

impl Drop for Reentrancy {
    fn drop(&mut self) {
        RUNNING.with_borrow_mut(|running| running.pop());
    }
}

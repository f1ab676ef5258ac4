//! Runs one live query, and cuts off where the result is equal.

use std::{
    any::Any,
    fmt,
    panic::{AssertUnwindSafe, Location, catch_unwind},
    sync::Arc,
};

use parking_lot::{Mutex, RwLock, RwLockReadGuard, RwLockWriteGuard};

use super::{
    deliver::{Inlet, Outlet, Value, channel},
    reactor::Outcome,
};
use crate::{
    error::{Error, QueryError, StorageError},
    transaction::{Pipeline, ReadSet, ReadTx},
};

/// A live query, whatever its type.
pub(super) trait LiveQuery: Send + Sync {
    /// Runs it on what is visible now and delivers the result if it is not equal to the last one.
    ///
    /// # Errors
    ///
    /// `Closed`; a query's own errors are delivered.
    fn evaluate(&self, pipeline: &Pipeline) -> Result<Evaluated, StorageError>;

    /// What it is called in logs.
    fn label(&self) -> Label;
}

/// What a live query is called: the name of its function, or where it was subscribed.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Label {
    Function(&'static str),
    Place(&'static Location<'static>),
}

impl fmt::Display for Label {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Function(name) => f.write_str(name),
            Self::Place(location) => fmt::Display::fmt(location, f),
        }
    }
}

/// What an evaluation read, and what came of it.
pub(super) struct Evaluated {
    pub(super) ts: u64,
    pub(super) reads: ReadSet,
    pub(super) outcome: Outcome,
}

/// The closure of a live query.
pub(crate) type Body<T, E> = Box<dyn Fn(&ReadTx) -> Result<T, E> + Send + Sync>;

/// The newest value of a live query; locked, by whoever evaluates it.
pub(super) type Last<'a, T, E> = RwLockWriteGuard<'a, Option<Value<T, E>>>;

/// A closure with the values it produced, and those to whom they go.
///
/// `last` is guarded by its lock, held from before an evaluation takes its snapshot until its value is delivered, so
/// that values go out in the order of commits whoever evaluates. `outlets` has a lock of its own, taken under it.
pub(super) struct WatchedQuery<T, E> {
    id: u64,
    body: Body<T, E>,
    label: Label,
    last: RwLock<Option<Value<T, E>>>,
    outlets: Mutex<Outlets<T, E>>,
}

/// The subscribers of one live query.
struct Outlets<T, E> {
    open: Vec<(u64, Arc<Outlet<T, E>>)>,
    next_id: u64,
    /// Whether the last one has left; nobody joins any more then.
    is_ended: bool,
}

impl<T, E> WatchedQuery<T, E> {
    pub(super) fn new(id: u64, body: Body<T, E>, label: Label) -> Self {
        let outlets = Outlets { open: Vec::new(), next_id: 0, is_ended: false };
        Self { id, body, label, last: RwLock::new(None), outlets: Mutex::new(outlets) }
    }

    /// Which live query of the database it is.
    pub(super) fn id(&self) -> u64 {
        self.id
    }

    /// Waits until nobody evaluates, and keeps others from it.
    pub(super) fn lock(&self) -> Last<'_, T, E> {
        self.last.write()
    }

    /// The same, unless somebody evaluates at this moment.
    pub(super) fn try_read(&self) -> Option<RwLockReadGuard<'_, Option<Value<T, E>>>> {
        self.last.try_read()
    }

    /// Takes in a subscriber, who finds the newest value there; `None` if the last one has left.
    pub(super) fn join(&self, last: &Last<'_, T, E>) -> Option<(u64, Inlet<T, E>)> {
        let (outlet, inlet) = channel();
        if let Some(value) = &**last {
            outlet.deliver(value.clone());
        }
        let mut outlets = self.outlets.lock();
        if outlets.is_ended {
            return None;
        }
        let id = outlets.next_id;
        outlets.next_id += 1;
        outlets.open.push((id, Arc::new(outlet)));
        Some((id, inlet))
    }

    /// Lets a subscriber go; says whether it was the last.
    pub(super) fn leave(&self, subscriber: u64) -> bool {
        let mut outlets = self.outlets.lock();
        let at = outlets.open.iter().position(|(id, _)| *id == subscriber);
        let gone = at.map(|at| outlets.open.swap_remove(at));
        outlets.is_ended |= outlets.open.is_empty();
        let is_ended = outlets.is_ended;
        drop(outlets);
        // The host's destructors may run in this.
        drop(gone);
        is_ended
    }

    fn deliver(&self, value: &Value<T, E>) {
        // A copy, for what is delivered pushes out older values, whose destructors are the host's.
        let open = self.outlets.lock().open.clone();
        tracing::trace!(target: "tropism", query = %self.label, subscribers = open.len(), "deliver");
        open.iter().for_each(|(_, outlet)| outlet.deliver(value.clone()));
    }
}

impl<T, E> WatchedQuery<T, E>
where
    T: PartialEq,
    E: From<Error>,
{
    /// Evaluates it under the lock that the caller has taken.
    pub(super) fn evaluate_locked(
        &self,
        last: &mut Last<'_, T, E>,
        pipeline: &Pipeline,
    ) -> Result<Evaluated, StorageError> {
        let _evaluate = tracing::trace_span!(target: "tropism", "evaluate", query = %self.label).entered();
        // The closure and the comparison are the host's. What a panic leaves behind in them is the host's to guard.
        let run = |tx: &ReadTx| {
            catch_unwind(AssertUnwindSafe(|| {
                let value = (self.body)(tx)?;
                let is_equal = matches!(&**last, Some(Ok(last)) if **last == value);
                Ok((value, is_equal))
            }))
        };
        let (result, ts, reads) = pipeline.read_tracked(run)?;
        let result: Result<(T, bool), E> = result.unwrap_or_else(|panic| {
            let query = self.label.to_string();
            Err(Error::from(QueryError::Panicked { query, message: message_of(&*panic) }).into())
        });
        let (value, outcome) = match result {
            Ok((_, true)) => return Ok(Evaluated { ts, reads, outcome: Outcome::Unchanged }),
            Ok((value, false)) => (Ok(Arc::new(value)), Outcome::Delivered),
            Err(error) => (Err(Arc::new(error)), Outcome::Failed),
        };
        **last = Some(value.clone());
        self.deliver(&value);
        Ok(Evaluated { ts, reads, outcome })
    }
}

impl<T, E> LiveQuery for WatchedQuery<T, E>
where
    T: PartialEq + Send + Sync,
    E: From<Error> + Send + Sync,
{
    fn evaluate(&self, pipeline: &Pipeline) -> Result<Evaluated, StorageError> {
        self.evaluate_locked(&mut self.lock(), pipeline)
    }

    fn label(&self) -> Label {
        self.label
    }
}

/// What a panic said.
pub(crate) fn message_of(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
    text.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap_or_else(|| "no message".to_owned())
}

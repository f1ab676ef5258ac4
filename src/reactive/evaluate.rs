//! Runs one live query, and cuts off where the result is equal.

use std::{
    any::Any,
    panic::{AssertUnwindSafe, Location, catch_unwind},
    sync::Arc,
};

use parking_lot::Mutex;

use super::{
    deliver::{Outlet, Value},
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

    /// Where it was subscribed.
    fn location(&self) -> &'static Location<'static>;
}

/// What an evaluation read, and what came of it.
pub(super) struct Evaluated {
    pub(super) ts: u64,
    pub(super) reads: ReadSet,
    pub(super) outcome: Outcome,
}

/// A closure with the values it produced.
///
/// `last` is guarded by its lock, held while an evaluation compares and delivers; only the reactor evaluates once the
/// query is registered, so nobody waits for it.
pub(super) struct WatchedQuery<F, T, E> {
    body: F,
    location: &'static Location<'static>,
    outlet: Outlet<T, E>,
    last: Mutex<Option<Value<T, E>>>,
}

impl<F, T, E> WatchedQuery<F, T, E> {
    pub(super) fn new(body: F, location: &'static Location<'static>, outlet: Outlet<T, E>) -> Self {
        Self { body, location, outlet, last: Mutex::new(None) }
    }
}

impl<F, T, E> LiveQuery for WatchedQuery<F, T, E>
where
    F: Fn(&ReadTx) -> Result<T, E> + Send + Sync,
    T: PartialEq + Send + Sync,
    E: From<Error> + Send + Sync,
{
    fn evaluate(&self, pipeline: &Pipeline) -> Result<Evaluated, StorageError> {
        let mut last = self.last.lock();
        // The closure and the comparison are the host's. What a panic leaves behind in them is the host's to guard.
        let run = |tx: &ReadTx| {
            catch_unwind(AssertUnwindSafe(|| {
                let value = (self.body)(tx)?;
                let is_equal = matches!(&*last, Some(Ok(last)) if **last == value);
                Ok((value, is_equal))
            }))
        };
        let (result, ts, reads) = pipeline.read_tracked(run)?;
        let result: Result<(T, bool), E> = result.unwrap_or_else(|panic| {
            let query = self.location.to_string();
            Err(Error::from(QueryError::Panicked { query, message: message_of(&*panic) }).into())
        });
        let (value, outcome) = match result {
            Ok((_, true)) => return Ok(Evaluated { ts, reads, outcome: Outcome::Unchanged }),
            Ok((value, false)) => (Ok(Arc::new(value)), Outcome::Delivered),
            Err(error) => (Err(Arc::new(error)), Outcome::Failed),
        };
        *last = Some(value.clone());
        self.outlet.deliver(value);
        Ok(Evaluated { ts, reads, outcome })
    }

    fn location(&self) -> &'static Location<'static> {
        self.location
    }
}

/// What a panic said.
pub(super) fn message_of(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
    text.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap_or_else(|| "no message".to_owned())
}

//! [`WatchedQuery`]: a live query with its values and those who get them; cuts off where the result is equal.

use std::{
    any::Any,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
};

use parking_lot::{Mutex, RwLock, RwLockReadGuard, RwLockWriteGuard};

use super::{
    deliver::{Value, ValueReceiver, ValueSender, channel},
    live_query::{Evaluated, Label, LiveQuery, Outcome},
};
use crate::{
    error::{Error, QueryError, StorageError},
    panics::{contained, dispose, message_of},
    transaction::{Pipeline, ReadSet, ReadTx},
};

/// The closure of a live query.
pub(crate) type Body<T, E> = Box<dyn Fn(&ReadTx) -> Result<T, E> + Send + Sync>;

/// Whether two results are the same, so that the later one is not delivered.
pub(crate) type IsSame<T> = fn(&T, &T) -> bool;

/// The newest value of a live query; locked, by whoever evaluates it.
pub(super) type Last<'a, T, E> = RwLockWriteGuard<'a, Option<Value<T, E>>>;

/// A closure with the values it produced, and those to whom they go.
///
/// `last` is guarded by its lock, held from before an evaluation takes its snapshot until its value is delivered, so
/// that values go out in the order of commits whoever evaluates, and each only after what it was computed from is
/// registered. `subscribers` has a lock of its own, taken under it.
pub(super) struct WatchedQuery<T, E> {
    id: u64,
    body: Body<T, E>,
    is_same: IsSame<T>,
    label: Label,
    last: RwLock<Option<Value<T, E>>>,
    subscribers: Mutex<Subscribers<T, E>>,
}

/// The subscribers of one live query.
struct Subscribers<T, E> {
    open: Vec<(u64, Arc<ValueSender<T, E>>)>,
    next_id: u64,
    /// Whether the last one has left; nobody joins any more then.
    is_ended: bool,
}

/// What an evaluation has no use for any more. Dropping it runs the host's destructors, so it is dropped when the last
/// value is unlocked; one that panics is logged.
#[must_use]
pub(super) struct Displaced<T, E> {
    values: Vec<Value<T, E>>,
    unchanged: Option<T>,
    senders: Vec<(u64, Arc<ValueSender<T, E>>)>,
}

impl<T, E> WatchedQuery<T, E> {
    pub(super) fn new(id: u64, body: Body<T, E>, is_same: IsSame<T>, label: Label) -> Self {
        let subscribers = Subscribers { open: Vec::new(), next_id: 0, is_ended: false };
        Self { id, body, is_same, label, last: RwLock::new(None), subscribers: Mutex::new(subscribers) }
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
    pub(super) fn join(&self, last: &Last<'_, T, E>) -> Option<(u64, ValueReceiver<T, E>)> {
        let (sender, receiver) = channel();
        if let Some(value) = &**last {
            // It is the first value, and displaces none.
            sender.deliver(value.clone(), &mut Vec::new());
        }
        let mut subscribers = self.subscribers.lock();
        if subscribers.is_ended {
            return None;
        }
        let id = subscribers.next_id;
        subscribers.next_id += 1;
        subscribers.open.push((id, Arc::new(sender)));
        Some((id, receiver))
    }

    /// Lets a subscriber go; says whether it was the last.
    pub(super) fn leave(&self, subscriber: u64) -> bool {
        let mut subscribers = self.subscribers.lock();
        let at = subscribers.open.iter().position(|(id, _)| *id == subscriber);
        let gone = at.map(|at| subscribers.open.swap_remove(at));
        subscribers.is_ended |= subscribers.open.is_empty();
        let is_ended = subscribers.is_ended;
        drop(subscribers);
        contained("the destructor of a value", || drop(gone));
        is_ended
    }

    fn deliver(&self, value: &Value<T, E>, displaced: &mut Displaced<T, E>) {
        // A copy: a subscriber that comes or goes does not wait for the delivery.
        displaced.senders = self.subscribers.lock().open.clone();
        let subscribers = displaced.senders.len();
        tracing::trace!(target: "tropism", query = %self.label, subscribers, "deliver");
        displaced.senders.iter().for_each(|(_, sender)| sender.deliver(value.clone(), &mut displaced.values));
    }
}

impl<T, E> WatchedQuery<T, E>
where
    E: From<Error>,
{
    /// Evaluates it under the lock that the caller has taken. The caller drops what is displaced after the lock.
    ///
    /// What it read is registered whatever panics, so that no commit is missed. A panic of the closure, of a filter or
    /// of the comparison is delivered.
    pub(super) fn evaluate_locked(
        &self,
        last: &mut Last<'_, T, E>,
        pipeline: &Pipeline,
        register: &mut dyn FnMut(u64, ReadSet),
    ) -> Result<(Evaluated, Displaced<T, E>), StorageError> {
        let _evaluate = tracing::trace_span!(target: "tropism", "evaluate", query = %self.label).entered();
        let run = |tx: &ReadTx| {
            catch_unwind(AssertUnwindSafe(|| {
                let value = (self.body)(tx)?;
                let is_equal = matches!(&**last, Some(Ok(last)) if (self.is_same)(last, &value));
                Ok((value, is_equal))
            }))
        };
        let (result, ts, reads) = pipeline.read_tracked(run)?;
        register(ts, reads);
        let mut displaced = Displaced { values: Vec::new(), unchanged: None, senders: Vec::new() };
        let (value, outcome) = match result {
            Ok(Ok((value, true))) => {
                displaced.unchanged = Some(value);
                return Ok((Evaluated { ts, outcome: Outcome::Unchanged }, displaced));
            }
            Ok(Ok((value, false))) => (Some(Ok(Arc::new(value))), Outcome::Delivered),
            Ok(Err(error)) => (Some(Err(Arc::new(error))), Outcome::Failed),
            Err(panic) => (self.panicked(panic).map(|error| Err(Arc::new(error))), Outcome::Failed),
        };
        // Where even the conversion of the error panics, there is nothing that could be delivered.
        if let Some(value) = value {
            displaced.values.extend(last.replace(value.clone()));
            self.deliver(&value, &mut displaced);
        }
        Ok((Evaluated { ts, outcome }, displaced))
    }

    fn panicked(&self, panic: Box<dyn Any + Send>) -> Option<E> {
        let (query, message) = (self.label.to_string(), message_of(&*panic));
        dispose(panic);
        contained("the conversion of an error", || Error::from(QueryError::Panicked { query, message }).into())
    }
}

impl<T, E> LiveQuery for WatchedQuery<T, E>
where
    T: Send + Sync,
    E: From<Error> + Send + Sync,
{
    fn evaluate(&self, pipeline: &Pipeline, register: &mut dyn FnMut(u64, ReadSet)) -> Result<Evaluated, StorageError> {
        let mut last = self.lock();
        let (evaluated, displaced) = self.evaluate_locked(&mut last, pipeline, register)?;
        drop(last);
        drop(displaced);
        Ok(evaluated)
    }

    fn label(&self) -> Label {
        self.label
    }
}

impl<T, E> Drop for Displaced<T, E> {
    fn drop(&mut self) {
        const WHAT: &str = "the destructor of a value";
        for value in self.values.drain(..) {
            contained(WHAT, || drop(value));
        }
        for sender in self.senders.drain(..) {
            contained(WHAT, || drop(sender));
        }
        contained(WHAT, || drop(self.unchanged.take()));
    }
}

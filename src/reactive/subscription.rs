//! [`Subscription`]: the values of a live query, as they come.

use std::{
    panic::{AssertUnwindSafe, Location, catch_unwind},
    sync::{
        Arc, Weak,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use crossbeam_channel::Receiver;

use super::{
    deliver::{Inlet, Value, channel},
    evaluate::{LiveQuery, WatchedQuery, message_of},
    reactor::ReactorCore,
};
use crate::{
    error::{Error, QueryError, StorageError},
    transaction::{ReadTx, Reentrancy},
};

/// Tells subscriptions of one database apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SubscriptionId(u64);

impl SubscriptionId {
    pub(super) const fn new(id: u64) -> Self {
        Self(id)
    }
}

/// A live query: its value now, and a new one for every commit that changes it. Dropping it ends it.
///
/// - The first value is there at once. Each value is the result at exactly one commit, in commit order.
/// - Values are conflated: one that was not fetched when the next arrives is skipped. The last one is never skipped.
/// - A failing query delivers its error and stays subscribed; so does one that panics.
/// - It sees the database and nothing else: not the time, randomness or what the closure captured. A query over "the
///   last hour" must get the hour from a row or be subscribed anew.
///
/// Use it as an iterator (`for value in &subscription`), with [`receiver`](Self::receiver) in `select!`, by
/// [`current`](Self::current), or hand it a callback with [`on_change`](Self::on_change).
pub struct Subscription<T, E = Error> {
    id: u64,
    inlet: Inlet<T, E>,
    core: Weak<ReactorCore>,
    database: usize,
}

impl<T, E> Subscription<T, E>
where
    T: PartialEq + Send + Sync + 'static,
    E: From<Error> + Send + Sync + 'static,
{
    /// Evaluates the query on the caller's thread and registers it, without a gap in between.
    pub(crate) fn watch<F>(
        core: &Arc<ReactorCore>,
        body: F,
        location: &'static Location<'static>,
    ) -> Result<Self, StorageError>
    where
        F: Fn(&ReadTx) -> Result<T, E> + Send + Sync + 'static,
    {
        let setting_up = core.registry.set_up().ok_or(StorageError::Closed)?;
        let id = setting_up.id();
        let (outlet, inlet) = channel();
        let query = Arc::new(WatchedQuery::new(body, location, outlet));
        let evaluated = query.evaluate(&core.pipeline)?;
        setting_up.add(query, evaluated.ts, evaluated.reads);
        Ok(Self { id, inlet, core: Arc::downgrade(core), database: core.pipeline.identity() })
    }

    /// Waits for the next value; `None` when the database is closed.
    ///
    /// Inside a `write` on the same database it answers an error at once instead of waiting for ever.
    pub fn recv(&self) -> Option<Value<T, E>> {
        if let Some(refused) = self.refuse_wait("Subscription::recv") {
            return Some(refused);
        }
        self.inlet.receiver.recv().ok()
    }

    /// Waits for the next value, so long and no longer; `None` when none came or the database is closed.
    pub fn recv_timeout(&self, timeout: Duration) -> Option<Value<T, E>> {
        if let Some(refused) = self.refuse_wait("Subscription::recv_timeout") {
            return Some(refused);
        }
        self.inlet.receiver.recv_timeout(timeout).ok()
    }

    /// The next value if it is there.
    pub fn try_recv(&self) -> Option<Value<T, E>> {
        self.inlet.receiver.try_recv().ok()
    }

    /// The newest value, fetched or not; it stays to be fetched.
    pub fn current(&self) -> Value<T, E> {
        self.inlet.shared.current().unwrap_or_else(|| Err(Arc::new(Error::from(QueryError::Ended).into())))
    }

    /// The channel itself, for `crossbeam_channel::select!`. It is disconnected when the database is closed.
    pub fn receiver(&self) -> &Receiver<Value<T, E>> {
        &self.inlet.receiver
    }

    /// Which subscription this is, as an [`Evaluation`](super::Evaluation) names it.
    pub fn id(&self) -> SubscriptionId {
        SubscriptionId(self.id)
    }

    /// Calls `callback` with the value at hand and with every new one, until the returned handle is dropped.
    ///
    /// Callbacks of a database run on one thread of their own, one at a time: a slow one holds up the others, skips to
    /// the newest value itself, and never holds up a writer. One that panics is reported as a `tracing` error and
    /// called again with the next value. It may write. One that holds a clone of the `Db` keeps the database open.
    pub fn on_change(self, callback: impl FnMut(Value<T, E>) + Send + 'static) -> CallbackSubscription {
        let core = self.core.clone();
        let shared = Arc::clone(&self.inlet.shared);
        let receiver = self.inlet.receiver.clone();
        let is_waiting = Arc::new(AtomicBool::new(false));
        let was_called = Arc::clone(&is_waiting);
        let callback = parking_lot::Mutex::new(callback);
        let is_ended = Arc::new(AtomicBool::new(false));
        let ended = Arc::clone(&is_ended);
        let call: Arc<dyn Fn() + Send + Sync> = Arc::new(move || {
            was_called.store(false, Ordering::Release);
            // A callback that drives the reactor by hand comes here within itself; the call that runs goes on for it.
            let Some(mut callback) = callback.try_lock() else { return };
            while !ended.load(Ordering::Acquire)
                && let Ok(value) = receiver.try_recv()
            {
                let called = catch_unwind(AssertUnwindSafe(|| callback(value)));
                if let Err(panic) = called {
                    tracing::error!(target: "tropism", message = message_of(&*panic), "a callback panicked");
                }
            }
        });
        shared.set_notify(Box::new(move || {
            if !is_waiting.swap(true, Ordering::AcqRel)
                && let Some(core) = core.upgrade()
            {
                core.call_back(Arc::clone(&call));
            }
        }));
        CallbackSubscription { is_ended, _subscription: Box::new(self) }
    }

    fn refuse_wait(&self, call: &'static str) -> Option<Value<T, E>> {
        let refused = Reentrancy::check_may_wait(self.database, call).err()?;
        Some(Err(Arc::new(Error::from(refused).into())))
    }
}

impl<T, E> Drop for Subscription<T, E> {
    fn drop(&mut self) {
        if let Some(core) = self.core.upgrade() {
            core.registry.remove(self.id);
        }
    }
}

/// A subscription whose values go to a callback. Dropping it ends it; the callback is not called any more after that,
/// but for a call that is running.
#[must_use = "dropping it ends the subscription"]
pub struct CallbackSubscription {
    is_ended: Arc<AtomicBool>,
    _subscription: Box<dyn Send>,
}

impl Drop for CallbackSubscription {
    fn drop(&mut self) {
        self.is_ended.store(true, Ordering::Release);
    }
}

/// The values of a subscription, one after the other, waiting for each; ends when the database is closed, and after the
/// error that it answers where it must not wait.
pub struct Iter<'a, T, E> {
    subscription: &'a Subscription<T, E>,
    is_refused: bool,
}

impl<T, E> Iterator for Iter<'_, T, E>
where
    T: PartialEq + Send + Sync + 'static,
    E: From<Error> + Send + Sync + 'static,
{
    type Item = Value<T, E>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.is_refused {
            return None;
        }
        let refused = self.subscription.refuse_wait("Subscription::next");
        self.is_refused = refused.is_some();
        refused.or_else(|| self.subscription.recv())
    }
}

impl<'a, T, E> IntoIterator for &'a Subscription<T, E>
where
    T: PartialEq + Send + Sync + 'static,
    E: From<Error> + Send + Sync + 'static,
{
    type Item = Value<T, E>;
    type IntoIter = Iter<'a, T, E>;

    fn into_iter(self) -> Self::IntoIter {
        Iter { subscription: self, is_refused: false }
    }
}

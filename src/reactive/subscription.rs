//! [`Subscription`]: the values of a live query, as they come.

use std::{
    fmt,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{
        Arc, Weak,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use crossbeam_channel::{Receiver, TryRecvError};

use super::{
    deliver::{Inlet, Value},
    evaluate::{Body, Label, Last, LiveQuery, WatchedQuery, message_of},
    reactor::ReactorCore,
    registry::SettingUp,
    shared::{Found, Identity},
};
use crate::{
    error::{Error, QueryError, StorageError},
    transaction::Reentrancy,
};

/// Tells the live queries of one database apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LiveQueryId(u64);

impl LiveQueryId {
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
#[must_use = "dropping it ends the subscription"]
pub struct Subscription<T, E = Error> {
    live_query: u64,
    inlet: Inlet<T, E>,
    core: Weak<ReactorCore>,
    database: usize,
    /// Takes the subscriber out of the live query.
    leave: Box<dyn Fn() + Send + Sync>,
}

impl<T, E> Subscription<T, E>
where
    T: PartialEq + Send + Sync + 'static,
    E: From<Error> + Send + Sync + 'static,
{
    /// Evaluates the query on the caller's thread and registers it, without a gap in between.
    pub(crate) fn watch(core: &Arc<ReactorCore>, body: Body<T, E>, label: Label) -> Result<Self, StorageError> {
        let setting_up = core.registry.set_up().ok_or(StorageError::Closed)?;
        let query = Arc::new(WatchedQuery::new(setting_up.id(), body, label));
        Self::begin(core, setting_up, &query, query.lock(), None)
    }

    /// Joins the live query with this identity, or begins it.
    pub(crate) fn share(
        core: &Arc<ReactorCore>,
        body: Body<T, E>,
        label: Label,
        identity: Identity,
    ) -> Result<Self, StorageError> {
        // Within a query, another may be waiting for this one; it is not shared then.
        if Reentrancy::is_in_query(core.pipeline.identity()) {
            return Self::watch(core, body, label);
        }
        let setting_up = core.registry.set_up().ok_or(StorageError::Closed)?;
        let query = Arc::new(WatchedQuery::new(setting_up.id(), body, label));
        let identity = Arc::new(identity);
        loop {
            // Locked before others can find it: they wait for its first value.
            let last = query.lock();
            match core.shared.find_or_insert(&identity, &query) {
                Found::Taken => return Self::begin(core, setting_up, &query, last, None),
                Found::New => return Self::begin(core, setting_up, &query, last, Some(identity)),
                Found::Live(live) => {
                    drop(last);
                    if let Some(joined) = Self::join(core, &live, &identity)? {
                        return Ok(joined);
                    }
                    core.shared.remove(&identity, &live);
                }
            }
        }
    }

    fn begin(
        core: &Arc<ReactorCore>,
        setting_up: SettingUp<'_>,
        query: &Arc<WatchedQuery<T, E>>,
        mut last: Last<'_, T, E>,
        identity: Option<Arc<Identity>>,
    ) -> Result<Self, StorageError> {
        let evaluated = query.evaluate_locked(&mut last, &core.pipeline)?;
        let joined = query.join(&last).ok_or(StorageError::Closed)?;
        setting_up.add(Arc::clone(query) as Arc<dyn LiveQuery>, evaluated.ts, evaluated.reads);
        drop(last);
        Ok(Self::new(core, query, joined, identity))
    }

    /// `None` if the last subscriber has just left it.
    fn join(
        core: &Arc<ReactorCore>,
        query: &Arc<WatchedQuery<T, E>>,
        identity: &Arc<Identity>,
    ) -> Result<Option<Self>, StorageError> {
        let mut last = query.lock();
        if last.is_none() || !core.registry.is_fresh(query.id(), core.pipeline.store().visible_ts()) {
            let _under_way = core.registry.begin();
            let evaluated = query.evaluate_locked(&mut last, &core.pipeline)?;
            core.registry.evaluated(query.id(), evaluated.ts, evaluated.reads);
        }
        let joined = query.join(&last);
        drop(last);
        Ok(joined.map(|joined| Self::new(core, query, joined, Some(Arc::clone(identity)))))
    }

    fn new(
        core: &Arc<ReactorCore>,
        query: &Arc<WatchedQuery<T, E>>,
        (subscriber, inlet): (u64, Inlet<T, E>),
        identity: Option<Arc<Identity>>,
    ) -> Self {
        let live_query = query.id();
        let (weak_core, weak_query) = (Arc::downgrade(core), Arc::downgrade(query));
        let leave = move || {
            let Some(query) = weak_query.upgrade() else { return };
            if !query.leave(subscriber) {
                return;
            }
            let Some(core) = weak_core.upgrade() else { return };
            if let Some(identity) = &identity {
                core.shared.remove(identity, &query);
            }
            core.registry.remove(query.id());
        };
        let (core, database) = (Arc::downgrade(core), core.pipeline.identity());
        Self { live_query, inlet, core, database, leave: Box::new(leave) }
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

    /// Waits for a value that is `wanted`, the newest one included, so long and no longer. Errors that arrive meanwhile
    /// are passed over. `None` when the time is up, and when the database is closed.
    pub fn wait_for(&self, timeout: Duration, mut wanted: impl FnMut(&T) -> bool) -> Option<Arc<T>> {
        if let Ok(value) = self.current()
            && wanted(&value)
        {
            return Some(value);
        }
        let deadline = Instant::now().checked_add(timeout);
        loop {
            let left = deadline.map_or(timeout, |deadline| deadline.saturating_duration_since(Instant::now()));
            match self.recv_timeout(left)? {
                Ok(value) if wanted(&value) => return Some(value),
                Ok(_) => {}
                Err(_) if self.refuse_wait("Subscription::wait_for").is_some() => return None,
                Err(_) => {}
            }
        }
    }

    /// The newest value, fetched or not; it stays to be fetched.
    pub fn current(&self) -> Value<T, E> {
        self.inlet.shared.current().unwrap_or_else(|| Err(Arc::new(Error::from(QueryError::Ended).into())))
    }

    /// The channel itself, for `crossbeam_channel::select!`. It is disconnected when the database is closed.
    pub fn receiver(&self) -> &Receiver<Value<T, E>> {
        &self.inlet.receiver
    }

    /// Which live query this is, as an [`Evaluation`](super::Evaluation) names it. Subscriptions to the same function
    /// with the same arguments share one.
    pub fn live_query(&self) -> LiveQueryId {
        LiveQueryId(self.live_query)
    }

    /// Calls `callback` with the value at hand and with every new one, until the returned handle is dropped.
    ///
    /// When the database is closed, it is called once more, with the error [`Ended`](QueryError::Ended).
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
            while !ended.load(Ordering::Acquire) {
                let value = match receiver.try_recv() {
                    Ok(value) => value,
                    Err(TryRecvError::Empty) => return,
                    Err(TryRecvError::Disconnected) => {
                        ended.store(true, Ordering::Release);
                        Err(Arc::new(Error::from(QueryError::Ended).into()))
                    }
                };
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
        (self.leave)();
    }
}

impl<T, E> fmt::Debug for Subscription<T, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Subscription").field("live_query", &self.live_query).finish_non_exhaustive()
    }
}

/// A subscription whose values go to a callback. Dropping it ends it; the callback is not called any more after that,
/// but for a call that is running.
#[must_use = "dropping it ends the subscription"]
pub struct CallbackSubscription {
    is_ended: Arc<AtomicBool>,
    _subscription: Box<dyn Send + Sync>,
}

impl Drop for CallbackSubscription {
    fn drop(&mut self) {
        self.is_ended.store(true, Ordering::Release);
    }
}

impl fmt::Debug for CallbackSubscription {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CallbackSubscription").field("is_ended", &self.is_ended).finish_non_exhaustive()
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

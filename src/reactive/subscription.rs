//! [`Subscription`]: the values of a live query, as they come.

use std::{
    fmt,
    sync::{Arc, Weak},
    time::{Duration, Instant},
};

use crossbeam_channel::Receiver;

use super::{
    callback_subscription::CallbackSubscription,
    deliver::{Value, ValueReceiver},
    live_query::{Label, LiveQuery, LiveQueryId},
    reactor::ReactorCore,
    shared::{Found, Identity},
    watched_query::{Body, IsSame, Last, WatchedQuery},
};
use crate::{
    error::{Error, QueryError, StorageError},
    panics::contained,
    transaction::Reentrancy,
};

/// A live query: its value now, and a new one for every commit that changes it. Dropping it ends it.
///
/// - The first value is there at once. Each value is the result at exactly one commit, in commit order.
/// - Values are conflated: one that was not fetched when the next arrives is skipped. The last one is never skipped.
/// - A failing query delivers its error and stays subscribed; so does one that panics.
/// - It sees the database and nothing else: not the time, randomness or what the closure captured. A query over "the
///   last hour" must get the hour from a row or be subscribed anew.
/// - It sees the database through its transaction. Inside a query, reading through the `Db` or through a subscription of
///   the same database is an error, because the query would not depend on what it read there. (A closure can read on
///   another thread, or through the channel of a subscription; nothing notices then that it does not depend on that.)
/// - It depends on 4,096 ranges of keys at most. One that reads more single rows or ranges depends on larger ranges
///   around them, and is evaluated for some commits that do not concern it.
///
/// Use it as an iterator (`for value in &subscription`), with [`receiver`](Self::receiver) in `select!`, by
/// [`current`](Self::current), or hand it a callback with [`on_change`](Self::on_change).
#[must_use = "dropping it ends the subscription"]
pub struct Subscription<T, E = Error> {
    live_query: u64,
    values: ValueReceiver<T, E>,
    core: Weak<ReactorCore>,
    database: usize,
    /// Takes the subscriber out of the live query.
    leave: Box<dyn Fn() + Send + Sync>,
}

impl<T, E> Subscription<T, E>
where
    T: Send + Sync + 'static,
    E: From<Error> + Send + Sync + 'static,
{
    /// Evaluates the query on the caller's thread and registers it, without a gap in between.
    pub(crate) fn watch(
        core: &Arc<ReactorCore>,
        body: Body<T, E>,
        is_same: IsSame<T>,
        label: Label,
    ) -> Result<Self, Error> {
        Reentrancy::check_may_read(core.pipeline.identity(), "Db::watch")?;
        let id = core.registry.new_id().ok_or(StorageError::Closed)?;
        let query = Arc::new(WatchedQuery::new(id, body, is_same, label));
        Ok(Self::begin(core, &query, query.lock(), None)?)
    }

    /// Joins the live query with this identity, or begins it.
    pub(crate) fn share(
        core: &Arc<ReactorCore>,
        body: Body<T, E>,
        is_same: IsSame<T>,
        label: Label,
        identity: Identity,
    ) -> Result<Self, Error> {
        // Within a query, another may also be waiting for this one.
        Reentrancy::check_may_read(core.pipeline.identity(), "Db::subscribe")?;
        let id = core.registry.new_id().ok_or(StorageError::Closed)?;
        let query = Arc::new(WatchedQuery::new(id, body, is_same, label));
        let identity = Arc::new(identity);
        loop {
            // Locked before others can find it: they wait for its first value.
            let last = query.lock();
            match core.shared.find_or_insert(&identity, &query) {
                Found::Taken => return Ok(Self::begin(core, &query, last, None)?),
                Found::New => return Ok(Self::begin(core, &query, last, Some(identity))?),
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
        query: &Arc<WatchedQuery<T, E>>,
        mut last: Last<'_, T, E>,
        identity: Option<Arc<Identity>>,
    ) -> Result<Self, StorageError> {
        let _under_way = core.registry.begin();
        let (_, displaced) = query.evaluate_locked(&mut last, &core.pipeline, &mut |ts, reads| {
            core.registry.add(query.id(), Arc::clone(query) as Arc<dyn LiveQuery>, ts, reads);
        })?;
        let joined = query.join(&last).ok_or(StorageError::Closed)?;
        drop(last);
        drop(displaced);
        Ok(Self::new(core, query, joined, identity))
    }

    /// `None` if the last subscriber has just left it, or if it could not be begun.
    fn join(
        core: &Arc<ReactorCore>,
        query: &Arc<WatchedQuery<T, E>>,
        identity: &Arc<Identity>,
    ) -> Result<Option<Self>, StorageError> {
        let mut last = query.lock();
        if !core.registry.has(query.id()) {
            return Ok(None);
        }
        let mut displaced = None;
        if last.is_none() || !core.registry.is_fresh(query.id(), core.pipeline.store().visible_ts()) {
            let _under_way = core.registry.begin();
            let mut register = |ts, reads| core.registry.evaluated(query.id(), ts, reads);
            displaced = Some(query.evaluate_locked(&mut last, &core.pipeline, &mut register)?);
        }
        let joined = query.join(&last);
        drop(last);
        drop(displaced);
        Ok(joined.map(|joined| Self::new(core, query, joined, Some(Arc::clone(identity)))))
    }

    fn new(
        core: &Arc<ReactorCore>,
        query: &Arc<WatchedQuery<T, E>>,
        (subscriber, values): (u64, ValueReceiver<T, E>),
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
            contained("the destructor of a query", || drop(query));
        };
        let (core, database) = (Arc::downgrade(core), core.pipeline.identity());
        Self { live_query, values, core, database, leave: Box::new(leave) }
    }

    /// Waits for the next value; `None` when the database is closed.
    ///
    /// Inside a `write` or a query of the same database it returns an error at once instead of waiting for ever.
    pub fn recv(&self) -> Option<Value<T, E>> {
        if let Some(refused) = self.refuse_wait("Subscription::recv") {
            return Some(refused);
        }
        self.values.receiver.recv().ok()
    }

    /// Waits up to `timeout` for the next value; `None` when none came or the database is closed.
    pub fn recv_timeout(&self, timeout: Duration) -> Option<Value<T, E>> {
        if let Some(refused) = self.refuse_wait("Subscription::recv_timeout") {
            return Some(refused);
        }
        self.values.receiver.recv_timeout(timeout).ok()
    }

    /// The next value if it is there. Inside a query of the same database, an error.
    pub fn try_recv(&self) -> Option<Value<T, E>> {
        if let Some(refused) = self.refuse_read("Subscription::try_recv") {
            return Some(refused);
        }
        self.values.receiver.try_recv().ok()
    }

    /// Waits up to `timeout` for a value that is `wanted`, the newest one included. Errors that arrive meanwhile are
    /// passed over. `None` when the time is up, and when the database is closed.
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

    /// The newest value, fetched or not; it stays to be fetched. Inside a query of the same database, an error.
    pub fn current(&self) -> Value<T, E> {
        if let Some(refused) = self.refuse_read("Subscription::current") {
            return refused;
        }
        self.values.newest.current().unwrap_or_else(|| Err(Arc::new(Error::from(QueryError::Ended).into())))
    }

    /// The channel itself, for `crossbeam_channel::select!`. It is disconnected when the database is closed.
    pub fn receiver(&self) -> &Receiver<Value<T, E>> {
        &self.values.receiver
    }

    /// Which live query this is, as an [`Evaluation`](super::Evaluation) names it. Subscriptions to the same function
    /// with the same arguments share one.
    pub fn live_query(&self) -> LiveQueryId {
        LiveQueryId::new(self.live_query)
    }

    /// Calls `callback` with the value at hand and with every new one, until the returned handle is dropped.
    ///
    /// When the database is closed, it is called once more, with the error [`Ended`](QueryError::Ended).
    ///
    /// Callbacks of a database run on one thread of their own, one at a time, each with one value in its turn: a slow one
    /// delays the others by one call, skips to the newest value itself, and never holds up a writer. One that panics is
    /// reported as a `tracing` error and called again with the next value. It may write, and it may close the database.
    /// One that holds a clone of the `Db` keeps the database open.
    pub fn on_change(self, callback: impl FnMut(Value<T, E>) + Send + 'static) -> CallbackSubscription {
        let core = self.core.clone();
        let push = move |callback| {
            if let Some(core) = core.upgrade() {
                core.call_back(callback);
            }
        };
        let values = ValueReceiver { receiver: self.values.receiver.clone(), newest: Arc::clone(&self.values.newest) };
        let ended = || Err(Arc::new(Error::from(QueryError::Ended).into()));
        CallbackSubscription::begin(values, Box::new(callback), ended, push, Box::new(self))
    }

    fn refuse_read(&self, call: &'static str) -> Option<Value<T, E>> {
        let refused = Reentrancy::check_may_read(self.database, call).err()?;
        Some(Err(Arc::new(Error::from(refused).into())))
    }

    fn refuse_wait(&self, call: &'static str) -> Option<Value<T, E>> {
        if let Some(refused) = self.refuse_read(call) {
            return Some(refused);
        }
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

/// The values of a subscription, one after the other, waiting for each; ends when the database is closed, and after the
/// error that it answers where it must not wait.
pub struct Iter<'a, T, E> {
    subscription: &'a Subscription<T, E>,
    is_refused: bool,
}

impl<T, E> Iterator for Iter<'_, T, E>
where
    T: Send + Sync + 'static,
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
    T: Send + Sync + 'static,
    E: From<Error> + Send + Sync + 'static,
{
    type Item = Value<T, E>;
    type IntoIter = Iter<'a, T, E>;

    fn into_iter(self) -> Self::IntoIter {
        Iter { subscription: self, is_refused: false }
    }
}

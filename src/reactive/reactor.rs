//! Matches what was committed and evaluates what is dirty, one query after the other, each once on the newest snapshot.

use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use super::{
    callbacks::{Callback, CallbackQueue},
    live_query::{Evaluation, LiveQueryHealth, LiveQueryId},
    registry::{Dirty, Registry},
    shared::{Identity, SharedQueries},
    threads::Threads,
    watched_query::WatchedQuery,
};
use crate::{
    error::StorageError,
    panics::contained,
    time::Ts,
    transaction::{Pipeline, ReadSet, Reentrancy},
};

/// How long the end of the database waits for a query or a callback that is running.
const STOP_LIMIT: Duration = Duration::from_secs(10);

/// The reactive part of one database.
///
/// Threads: the reactor matches and evaluates, the callback thread calls back, so that a slow callback holds up other
/// callbacks and nothing else. In a reactor driven by hand there are none, and a step does both.
pub(crate) struct ReactorCore {
    pub(crate) registry: Arc<Registry>,
    pub(super) pipeline: Arc<Pipeline>,
    /// Those of the live queries that others can join.
    pub(super) shared: SharedQueries,
    slow_query: Duration,
    callbacks: CallbackQueue,
    is_driven_by_hand: bool,
    /// The one that evaluates and the one that calls back; none where both are done by hand.
    threads: Threads,
    /// Whether the subscriptions have been ended.
    has_closed: AtomicBool,
}

/// A reactor that is driven by hand: nothing is evaluated and no callback is called but by its methods, so what runs
/// when is the test's to decide. From [`Db::reactor`](crate::Db::reactor).
#[derive(Clone)]
pub struct Reactor(Arc<ReactorCore>);

impl fmt::Debug for Reactor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reactor").finish_non_exhaustive()
    }
}

impl Reactor {
    pub(crate) fn new(core: Arc<ReactorCore>) -> Self {
        Self(core)
    }

    /// Evaluates the live query that has been dirty for the longest and calls the callbacks that it concerns; `None`
    /// if none is dirty.
    ///
    /// Inside a query of the same database it does nothing and returns `None`: the query might wait for itself.
    pub fn step(&self) -> Option<Evaluation> {
        if Reentrancy::is_in_query(self.0.pipeline.identity()) {
            return None;
        }
        // Where nothing is dirty, a callback that waits may make it so by writing.
        let evaluation = self.evaluate_next().or_else(|| {
            self.0.run_callbacks_by_hand();
            self.evaluate_next()
        });
        self.0.run_callbacks_by_hand();
        evaluation
    }

    fn evaluate_next(&self) -> Option<Evaluation> {
        let registry = &self.0.registry;
        while let Some(unmatched) = registry.take_unmatched() {
            registry.match_waiting(unmatched);
        }
        registry.take_dirty().and_then(|dirty| self.0.evaluate(dirty))
    }

    /// Steps until none is dirty, and says what ran, in order.
    pub fn run(&self) -> Vec<Evaluation> {
        std::iter::from_fn(|| self.step()).collect()
    }
}

impl ReactorCore {
    pub(crate) fn new(
        registry: Arc<Registry>,
        pipeline: Arc<Pipeline>,
        slow_query: Duration,
        is_driven_by_hand: bool,
    ) -> Result<Arc<Self>, StorageError> {
        let (shared, callbacks, threads) = (SharedQueries::default(), CallbackQueue::default(), Threads::default());
        let has_closed = AtomicBool::new(false);
        let core = Self { registry, pipeline, shared, slow_query, callbacks, is_driven_by_hand, threads, has_closed };
        let core = Arc::new(core);
        if is_driven_by_hand {
            return Ok(core);
        }
        let (evaluating, calling_back) = (Arc::clone(&core), Arc::clone(&core));
        core.threads.spawn("tropism-reactor", move || evaluating.serve_queries())?;
        let started = core.threads.spawn("tropism-callbacks", move || calling_back.serve_callbacks());
        started.inspect_err(|_| core.close())?;
        Ok(core)
    }

    pub(crate) fn is_driven_by_hand(&self) -> bool {
        self.is_driven_by_hand
    }

    /// Ends every subscription. Both threads end with what they are at.
    pub(crate) fn close(&self) {
        self.registry.close();
        // Subscriptions that ended here have their callbacks hear of it.
        if !self.has_closed.swap(true, Ordering::AcqRel) {
            self.callbacks.end_source();
        }
    }

    /// Waits for both threads to end, after `close`; not where this runs on one of them, and not for ever.
    pub(crate) fn wait_until_ended(&self) {
        if !self.threads.wait(STOP_LIMIT) {
            tracing::warn!(target: "tropism", "a query or a callback is still running; the database closes without it");
        }
    }

    /// How much there is to do.
    pub(crate) fn health(&self) -> LiveQueryHealth {
        LiveQueryHealth { callbacks_waiting: self.callbacks.len(), ..self.registry.health() }
    }

    /// The result of a live query with this identity, if there is one and no visible commit has touched it since.
    pub(crate) fn fresh_result<T, E>(&self, identity: &Identity) -> Option<Arc<T>>
    where
        T: Send + Sync + 'static,
        E: Send + Sync + 'static,
    {
        // Taken first: what becomes visible later, the caller need not see.
        let visible_ts = self.pipeline.store().visible_ts();
        let query: Arc<WatchedQuery<T, E>> = self.shared.find(identity)?;
        // Held until the registry has answered: a value from before an evaluation is not what is fresh after it.
        let last = query.try_read()?;
        let is_fresh = self.registry.is_fresh(query.id(), visible_ts);
        last.as_ref().filter(|_| is_fresh)?.as_ref().ok().cloned()
    }

    /// Has a callback called soon.
    pub(super) fn call_back(&self, callback: Callback) {
        self.callbacks.push(callback);
    }

    fn serve_queries(&self) {
        while let Some(work) = self.registry.wait_for_work() {
            contained("the reactor", || {
                if let Some(unmatched) = work.unmatched {
                    self.registry.match_waiting(unmatched);
                }
                work.dirty.map(|dirty| self.evaluate(dirty))
            });
        }
        // Only now: a query that was being evaluated has its callbacks hear of the end when it is let go.
        self.callbacks.end_source();
    }

    fn serve_callbacks(&self) {
        while let Some(callback) = self.callbacks.wait() {
            // The destructor of a callback that has ended runs here too.
            contained("a callback", move || callback());
        }
    }

    /// Calls those that wait, and those that come meanwhile.
    fn run_callbacks_by_hand(&self) {
        while self.is_driven_by_hand
            && let Some(callback) = self.callbacks.take()
        {
            contained("a callback", move || callback());
        }
    }

    /// `None` when the database was closed in the meantime.
    fn evaluate(&self, dirty: Dirty<'_>) -> Option<Evaluation> {
        let started = Instant::now();
        let (id, label) = (dirty.id, dirty.query.label());
        let mut register = |ts, reads: ReadSet| {
            let elapsed = started.elapsed();
            tracing::trace!(target: "tropism", query = %label, ts, ?elapsed, "evaluated");
            if elapsed >= self.slow_query {
                let reads = describe(&reads);
                tracing::warn!(target: "tropism", query = %label, ?elapsed, %reads, "a live query is slow");
            }
            self.registry.evaluated(id, ts, reads);
        };
        let evaluated =
            contained("an evaluation outside of its query", || dirty.query.evaluate(&self.pipeline, &mut register));
        // The last subscriber may have left meanwhile, and then the query ends here.
        contained("the destructor of a query", || drop(dirty));
        let evaluated = evaluated?.ok()?;
        let (live_query, ts) = (LiveQueryId::new(id), Ts::from_u64(evaluated.ts));
        Some(Evaluation { live_query, ts, outcome: evaluated.outcome })
    }
}

/// The first ranges of a read set, for a log.
fn describe(reads: &ReadSet) -> String {
    const SHOWN: usize = 8;
    let mut text: Vec<String> = reads.iter().take(SHOWN).map(|(range, on)| format!("{on:?} {range:?}")).collect();
    if reads.iter().len() > SHOWN {
        text.push(format!("and {} more", reads.iter().len() - SHOWN));
    }
    text.join(", ")
}

//! Evaluates what is dirty, one query after the other, each once on the newest snapshot.

use std::{
    fmt,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
    thread::JoinHandle,
    time::{Duration, Instant},
};

use crossbeam_channel::{Receiver, Sender, unbounded};
use parking_lot::Mutex;

use super::{
    registry::{Dirty, Registry},
    shared::SharedQueries,
    subscription::LiveQueryId,
};
use crate::{
    error::StorageError,
    time::Ts,
    transaction::{Pipeline, ReadSet},
};

/// What runs callbacks, one at a time.
pub(super) type Callback = Arc<dyn Fn() + Send + Sync>;

/// The reactive part of one database.
///
/// Threads: the reactor evaluates, the callback thread calls back, so that a slow callback holds up other callbacks
/// and nothing else. In a reactor driven by hand there are none, and a step does both.
pub(crate) struct ReactorCore {
    pub(crate) registry: Arc<Registry>,
    pub(super) pipeline: Arc<Pipeline>,
    /// Those of the live queries that others can join.
    pub(super) shared: SharedQueries,
    slow_query: Duration,
    /// Callbacks that have something to fetch; each waits here at most once. Taken out by `close`.
    callbacks: Mutex<Option<Sender<Callback>>>,
    /// The other end, where steps are taken by hand.
    by_hand: Option<Receiver<Callback>>,
    /// The one that evaluates, then the one that calls back; none where both are done by hand.
    threads: Mutex<Vec<JoinHandle<()>>>,
}

/// One evaluation of a live query.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Evaluation {
    /// Which live query it was.
    pub live_query: LiveQueryId,
    /// The commit at which it was evaluated.
    pub ts: Ts,
    /// What came of it.
    pub outcome: Outcome,
}

/// What came of an evaluation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// The result differs from the last one and was delivered.
    Delivered,
    /// The result is equal to the last one; nothing was delivered.
    Unchanged,
    /// The query failed or panicked; its error was delivered.
    Failed,
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
    pub fn step(&self) -> Option<Evaluation> {
        // Where nothing is dirty, a callback that waits may make it so by writing.
        let evaluation = self.evaluate_next().or_else(|| {
            self.0.run_callbacks_by_hand();
            self.evaluate_next()
        });
        self.0.run_callbacks_by_hand();
        evaluation
    }

    fn evaluate_next(&self) -> Option<Evaluation> {
        self.0.registry.take_dirty().and_then(|dirty| self.0.evaluate(&dirty))
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
        let (sender, receiver) = unbounded::<Callback>();
        let by_hand = is_driven_by_hand.then(|| receiver.clone());
        let callbacks = Mutex::new(Some(sender));
        let (shared, threads) = (SharedQueries::default(), Mutex::default());
        let core = Arc::new(Self { registry, pipeline, shared, slow_query, callbacks, by_hand, threads });
        if is_driven_by_hand {
            return Ok(core);
        }
        let evaluating = Arc::clone(&core);
        let evaluate = spawn("tropism-reactor", move || {
            while let Some(dirty) = evaluating.registry.wait_dirty() {
                evaluating.evaluate(&dirty);
            }
        })?;
        core.threads.lock().push(evaluate);
        let call_back = spawn("tropism-callbacks", move || receiver.iter().for_each(|callback| callback()));
        let call_back = call_back.inspect_err(|_| core.close())?;
        core.threads.lock().push(call_back);
        Ok(core)
    }

    pub(crate) fn is_driven_by_hand(&self) -> bool {
        self.by_hand.is_some()
    }

    /// Ends every subscription and both threads.
    pub(crate) fn close(&self) {
        self.registry.close();
        let mut evaluating = std::mem::take(&mut *self.threads.lock());
        let calling_back = evaluating.split_off(evaluating.len().min(1));
        join_others(evaluating);
        // Only now: a query that was being evaluated has its callbacks hear of the end when it is let go.
        self.callbacks.lock().take();
        join_others(calling_back);
    }

    /// Has a callback called soon.
    pub(super) fn call_back(&self, callback: Callback) {
        if let Some(sender) = &*self.callbacks.lock() {
            // The receiver lives as long as the sender does.
            drop(sender.send(callback));
        }
    }

    fn run_callbacks_by_hand(&self) {
        if let Some(receiver) = &self.by_hand {
            receiver.try_iter().for_each(|callback| callback());
        }
    }

    /// `None` when the database was closed in the meantime.
    fn evaluate(&self, dirty: &Dirty<'_>) -> Option<Evaluation> {
        let started = Instant::now();
        // The query's own panics are delivered; what is left are those of destructors and conversions of the host's.
        let evaluated = catch_unwind(AssertUnwindSafe(|| dirty.query.evaluate(&self.pipeline)));
        let Ok(evaluated) = evaluated else {
            tracing::error!(target: "tropism", query = %dirty.query.label(), "an evaluation panicked outside of its query");
            return None;
        };
        let evaluated = evaluated.ok()?;
        let elapsed = started.elapsed();
        let label = dirty.query.label();
        tracing::trace!(target: "tropism", query = %label, ts = evaluated.ts, ?elapsed, "evaluated");
        if elapsed >= self.slow_query {
            let reads = describe(&evaluated.reads);
            tracing::warn!(target: "tropism", query = %label, ?elapsed, %reads, "a live query is slow");
        }
        self.registry.evaluated(dirty.id, evaluated.ts, evaluated.reads);
        Some(Evaluation {
            live_query: LiveQueryId::new(dirty.id),
            ts: Ts::from_u64(evaluated.ts),
            outcome: evaluated.outcome,
        })
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

/// Waits for threads to end. A handle may be dropped in a callback or a query; that thread ends by itself.
fn join_others(threads: Vec<JoinHandle<()>>) {
    let current = std::thread::current().id();
    for thread in threads.into_iter().filter(|thread| thread.thread().id() != current) {
        if thread.join().is_err() {
            tracing::error!(target: "tropism", "a reactor thread panicked");
        }
    }
}

fn spawn(name: &str, work: impl FnOnce() + Send + 'static) -> Result<JoinHandle<()>, StorageError> {
    let thread = std::thread::Builder::new().name(name.to_owned());
    thread.spawn(work).map_err(|error| StorageError::io("start", name, error))
}

//! Every call, counted and timed.

use std::{
    collections::{HashMap, VecDeque},
    sync::Arc,
    time::{Duration, Instant},
};

use hdrhistogram::Histogram;
use parking_lot::{Mutex, RwLock};

use super::description::FunctionKind;
use crate::time::{Clock, Timestamp};

/// Percentiles are exact to this many digits.
const DIGITS: u8 = 2;

/// What the functions of a database have done since it was opened, as data.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Stats {
    /// Every function that was called, by name.
    pub functions: Vec<FunctionStats>,
}

/// What one function has done since the database was opened.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct FunctionStats {
    /// Its name.
    pub name: &'static str,
    /// What it is.
    pub kind: FunctionKind,
    /// How often it was called: by the host, by other functions, by the scheduler, and, a query, by the reactor. Cache
    /// hits are not among them.
    pub calls: u64,
    /// How many of them failed or panicked.
    pub errors: u64,
    /// How often a query was answered from a live query instead of being run.
    pub cache_hits: u64,
    /// Rows read, by it and what it called in the same transaction.
    pub documents_read: u64,
    /// Rows inserted, changed and deleted, by it and what it called in the same transaction, rolled back or not.
    pub documents_written: u64,
    /// How long it took, until its changes were durable where it waits for that.
    pub time: TimeStats,
    /// Its last calls, oldest first; [`Config::recent_calls`](crate::Config::recent_calls) says how many.
    pub recent: Vec<RecentCall>,
}

/// How long calls took.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct TimeStats {
    /// All of them together.
    pub total: Duration,
    /// Half of them took at most this long; as the others, to two digits.
    pub p50: Duration,
    /// Nine in ten took at most this long.
    pub p90: Duration,
    /// Ninety-nine in a hundred took at most this long.
    pub p99: Duration,
    /// The longest.
    pub max: Duration,
}

/// One call.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct RecentCall {
    /// When it ended, by the clock of the database.
    pub at: Timestamp,
    /// How long it took.
    pub elapsed: Duration,
    /// Rows read.
    pub documents_read: u64,
    /// Rows written.
    pub documents_written: u64,
    /// What it failed with.
    pub error: Option<String>,
}

/// The figures of every function of a database.
///
/// `functions` is read-locked for each call and write-locked for the first of each function; the figures of one
/// function have a lock of their own, held to add a call or to copy them.
pub(crate) struct Recorder {
    functions: RwLock<HashMap<&'static str, Arc<Mutex<Figures>>>>,
    recent_limit: usize,
    clock: Arc<dyn Clock>,
}

#[derive(Debug)]
struct Figures {
    kind: FunctionKind,
    calls: u64,
    errors: u64,
    cache_hits: u64,
    documents_read: u64,
    documents_written: u64,
    total: Duration,
    /// In microseconds; `None` if it could not be made, which its fixed bounds rule out.
    times: Option<Histogram<u64>>,
    recent: VecDeque<RecentCall>,
}

impl Recorder {
    pub(super) fn new(recent_limit: usize, clock: Arc<dyn Clock>) -> Self {
        Self { functions: RwLock::default(), recent_limit, clock }
    }

    pub(super) fn cache_hit(&self, name: &'static str, kind: FunctionKind) {
        self.figures(name, kind).lock().cache_hits += 1;
    }

    pub(super) fn snapshot(&self) -> Stats {
        let figures: Vec<_> =
            self.functions.read().iter().map(|(name, figures)| (*name, Arc::clone(figures))).collect();
        let mut functions: Vec<_> = figures.iter().map(|(name, figures)| figures.lock().snapshot(name)).collect();
        functions.sort_by_key(|function| function.name);
        Stats { functions }
    }

    fn add(&self, name: &'static str, kind: FunctionKind, call: RecentCall) {
        let figures = self.figures(name, kind);
        let mut figures = figures.lock();
        figures.calls += 1;
        figures.errors += u64::from(call.error.is_some());
        figures.documents_read += call.documents_read;
        figures.documents_written += call.documents_written;
        figures.total += call.elapsed;
        if let Some(times) = &mut figures.times {
            times.saturating_record(u64::try_from(call.elapsed.as_micros()).unwrap_or(u64::MAX));
        }
        figures.recent.push_back(call);
        if figures.recent.len() > self.recent_limit {
            figures.recent.pop_front();
        }
    }

    fn figures(&self, name: &'static str, kind: FunctionKind) -> Arc<Mutex<Figures>> {
        if let Some(figures) = self.functions.read().get(name) {
            return Arc::clone(figures);
        }
        Arc::clone(self.functions.write().entry(name).or_insert_with(|| Arc::new(Mutex::new(Figures::new(kind)))))
    }
}

impl Figures {
    fn new(kind: FunctionKind) -> Self {
        // A microsecond to a day.
        let times = Histogram::new_with_bounds(1, 86_400_000_000, DIGITS).ok();
        Self {
            kind,
            calls: 0,
            errors: 0,
            cache_hits: 0,
            documents_read: 0,
            documents_written: 0,
            total: Duration::ZERO,
            times,
            recent: VecDeque::new(),
        }
    }

    fn snapshot(&self, name: &'static str) -> FunctionStats {
        let time = self.times.as_ref().map_or_else(TimeStats::default, |times| TimeStats {
            total: self.total,
            p50: Duration::from_micros(times.value_at_quantile(0.5)),
            p90: Duration::from_micros(times.value_at_quantile(0.9)),
            p99: Duration::from_micros(times.value_at_quantile(0.99)),
            max: Duration::from_micros(times.max()),
        });
        FunctionStats {
            name,
            kind: self.kind,
            calls: self.calls,
            errors: self.errors,
            cache_hits: self.cache_hits,
            documents_read: self.documents_read,
            documents_written: self.documents_written,
            time,
            recent: self.recent.iter().cloned().collect(),
        }
    }
}

/// A call under way. Dropped without an end, it has panicked.
pub(super) struct Measuring<'a> {
    recorder: Option<&'a Recorder>,
    name: &'static str,
    kind: FunctionKind,
    started: Instant,
    pub(super) documents_read: u64,
    pub(super) documents_written: u64,
    error: Option<String>,
}

impl<'a> Measuring<'a> {
    pub(super) fn start(recorder: Option<&'a Recorder>, name: &'static str, kind: FunctionKind) -> Self {
        let error = Some("panicked".to_owned());
        Self { recorder, name, kind, started: Instant::now(), documents_read: 0, documents_written: 0, error }
    }

    /// Takes note of what came of the call, and hands it on.
    pub(super) fn end<R, E: std::fmt::Display>(mut self, result: Result<R, E>) -> Result<R, E> {
        self.error = result.as_ref().err().map(E::to_string);
        result
    }
}

impl Drop for Measuring<'_> {
    fn drop(&mut self) {
        let Some(recorder) = self.recorder else { return };
        let call = RecentCall {
            at: recorder.clock.now(),
            elapsed: self.started.elapsed(),
            documents_read: self.documents_read,
            documents_written: self.documents_written,
            error: self.error.take(),
        };
        tracing::debug!(
            target: "tropism",
            function = self.name,
            kind = self.kind.as_str(),
            elapsed = ?call.elapsed,
            documents_read = call.documents_read,
            documents_written = call.documents_written,
            error = call.error.as_deref(),
            "called"
        );
        recorder.add(self.name, self.kind, call);
    }
}

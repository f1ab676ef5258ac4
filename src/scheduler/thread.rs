//! [`ThreadScheduler`]: due work on a bounded number of threads.

use std::{
    fmt,
    sync::Arc,
    thread::{JoinHandle, ThreadId},
    time::{Duration, Instant},
};

use parking_lot::{Condvar, Mutex};

use super::{
    due::{DueWork, RunKind},
    interface::Scheduler,
};
use crate::{
    error::{Error, StorageError},
    panics::guarded,
};

/// Nobody rests longer than this: the clock of the machine may be set meanwhile.
const LONGEST_REST: Duration = Duration::from_secs(60);
/// How long to rest after a storage failure.
const REST_AFTER_FAILURE: Duration = Duration::from_secs(1);

/// The scheduler that a database has unless it is given another: one thread for mutations, and some for actions.
///
/// An action that hangs keeps its own thread busy and no other; mutations go on even if all actions hang. When the
/// database closes, what is running is waited for up to the stop limit; what is left then ends by itself or with the
/// process, and its job is where its rule puts it.
///
/// An action that closes the database does not wait for itself, nor for another one that closes it at the same time.
/// One that has a thread of its own close the database, and waits for that, cannot be told from one that is busy: it is
/// waited for as long as the limit says.
pub struct ThreadScheduler {
    workers: usize,
    stop_limit: Duration,
    shared: Arc<Shared>,
    threads: Mutex<Vec<JoinHandle<()>>>,
    /// From when the scheduler begins until it stops.
    work: Mutex<Option<DueWork>>,
}

/// What the threads share. One lock, never held while something runs.
#[derive(Default)]
struct Shared {
    state: Mutex<State>,
    /// Signalled when there may be work, and when the scheduler stops.
    work: Condvar,
    /// Signalled when a thread ends.
    ended: Condvar,
}

#[derive(Default)]
struct State {
    /// How often the scheduler was woken: a thread that has seen the newest may rest.
    wakes: u64,
    is_stopping: bool,
    running: Vec<ThreadId>,
}

impl Default for ThreadScheduler {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for ThreadScheduler {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ThreadScheduler")
            .field("workers", &self.workers)
            .field("stop_limit", &self.stop_limit)
            .finish_non_exhaustive()
    }
}

impl ThreadScheduler {
    /// Four threads for actions; ten seconds for what is running to end.
    pub fn new() -> Self {
        let (workers, stop_limit) = (4, Duration::from_secs(10));
        Self { workers, stop_limit, shared: Arc::default(), threads: Mutex::default(), work: Mutex::default() }
    }

    /// How many actions may run at a time, one at least.
    pub fn workers(self, workers: usize) -> Self {
        Self { workers: workers.max(1), ..self }
    }

    /// How long [`Db::close`](crate::Db::close) waits for what is running.
    pub fn stop_limit(self, stop_limit: Duration) -> Self {
        Self { stop_limit, ..self }
    }

    fn spawn(&self, name: &str, work: &DueWork, kind: RunKind) -> Result<(), Error> {
        let (shared, work) = (Arc::clone(&self.shared), work.clone());
        let body = move || shared.serve(&work, kind);
        let thread = std::thread::Builder::new().name(name.to_owned()).spawn(body);
        self.threads.lock().push(thread.map_err(|error| StorageError::io("start", name, error))?);
        Ok(())
    }
}

impl Scheduler for ThreadScheduler {
    fn start(&self, work: DueWork) -> Result<(), Error> {
        *self.work.lock() = Some(work.clone());
        let mutations = self.spawn("tropism-mutations", &work, RunKind::Mutations);
        let mut actions = 0..self.workers;
        let started =
            mutations.and_then(|()| actions.try_for_each(|_| self.spawn("tropism-action", &work, RunKind::Action)));
        started.inspect_err(|_| self.stop())
    }

    fn wake(&self) {
        self.shared.state.lock().wakes += 1;
        self.shared.work.notify_all();
        // Whoever waits in `stop` looks again at whom it waits for.
        self.shared.ended.notify_all();
    }

    fn stop(&self) {
        let own = std::thread::current().id();
        let work = self.work.lock().take();
        // A thread that waits in `Db::close` waits for this one.
        let is_waited_for =
            |thread: &ThreadId| *thread != own && !work.as_ref().is_some_and(|work| work.is_closing(*thread));
        let mut state = self.shared.state.lock();
        state.is_stopping = true;
        self.shared.work.notify_all();
        let deadline = Instant::now().checked_add(self.stop_limit);
        while state.running.iter().any(is_waited_for) {
            match deadline {
                None => self.shared.ended.wait(&mut state),
                Some(deadline) if self.shared.ended.wait_until(&mut state, deadline).timed_out() => break,
                Some(_) => {}
            }
        }
        let left = state.running.iter().filter(|thread| is_waited_for(thread)).count();
        let busy = state.running.clone();
        drop(state);
        if left > 0 {
            tracing::warn!(target: "tropism", left, "jobs are still running; the database closes without them");
        }
        let threads = std::mem::take(&mut *self.threads.lock());
        for thread in threads {
            // One that is busy is left to itself, and so is the one that this runs on.
            let id = thread.thread().id();
            if id != own && !busy.contains(&id) && thread.join().is_err() {
                tracing::error!(target: "tropism", "a scheduler thread panicked");
            }
        }
    }
}

impl Shared {
    /// Runs what is due until the scheduler stops.
    fn serve(&self, work: &DueWork, kind: RunKind) {
        let mut seen = 0;
        loop {
            // Whatever panics here (a function's panic is its job's) must not end the thread.
            let ran =
                guarded(|| self.run_one(work, kind).map(|has_run| (!has_run).then(|| rest_until_due(work, kind))));
            let has_failed = !matches!(ran, Ok(Ok(_)));
            let rest = match ran {
                Ok(Ok(rest)) => rest.unwrap_or_default(),
                Ok(Err(Error::Storage(StorageError::Closed))) => return,
                Ok(Err(error)) => {
                    tracing::error!(target: "tropism", %error, "a job could not be run");
                    REST_AFTER_FAILURE
                }
                Err(message) => {
                    tracing::error!(target: "tropism", message, "a job could not be run, for something panicked");
                    REST_AFTER_FAILURE
                }
            };
            let mut state = self.state.lock();
            // A run that has failed has woken its own thread as well, which is no news.
            let is_news = state.wakes != seen && !has_failed;
            if !state.is_stopping && !is_news && !rest.is_zero() {
                self.work.wait_for(&mut state, rest);
            }
            seen = state.wakes;
            if state.is_stopping {
                return;
            }
        }
    }

    /// Whether there was something to run.
    fn run_one(&self, work: &DueWork, kind: RunKind) -> Result<bool, Error> {
        let Some(run) = work.claim(kind)? else { return Ok(false) };
        let _running = {
            let mut state = self.state.lock();
            if state.is_stopping {
                return Ok(false);
            }
            state.running.push(std::thread::current().id());
            Running(self)
        };
        run.execute().map(|_| true)
    }
}

fn rest_until_due(work: &DueWork, kind: RunKind) -> Duration {
    match work.next_due(kind) {
        Ok(due_at) => due_at.map_or(LONGEST_REST, |due_at| work.until(due_at).min(LONGEST_REST)),
        Err(error) => {
            tracing::error!(target: "tropism", %error, "what is due could not be read");
            REST_AFTER_FAILURE
        }
    }
}

/// Says that the thread is running something, until it is dropped.
struct Running<'a>(&'a Shared);

impl Drop for Running<'_> {
    fn drop(&mut self) {
        let own = std::thread::current().id();
        self.0.state.lock().running.retain(|thread| *thread != own);
        self.0.ended.notify_all();
    }
}

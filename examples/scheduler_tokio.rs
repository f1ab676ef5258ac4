//! Due work on a tokio runtime: a [`Scheduler`] for a host that has one already, in a page.
//!
//! The engine decides what is due and that nothing is given out twice; a scheduler decides when to look, and where to
//! run. This one has two lanes, each a loop on the runtime: one for mutations, and one for actions, of which so many may
//! run at a time. A lane looks for work, has it run by `spawn_blocking`, for functions are blocking code, and rests
//! until something is due or until it is woken. However long an action takes, it holds up no mutation.
//!
//! ```text
//! cargo run --example scheduler_tokio
//! ```
//!
//! The program schedules a mutation, an action that fails once and is tried again, and an action that waits until a
//! cron has run three times beside it; it shows what becomes of the jobs, and ends when all of them have run.

use std::{
    collections::HashMap,
    convert::Infallible,
    error::Error as StdError,
    process::ExitCode,
    sync::Arc,
    time::{Duration, Instant},
};

use crossbeam_channel::{Receiver, RecvTimeoutError, Sender, bounded};
use parking_lot::Mutex;
use tokio::{
    runtime::Handle,
    sync::{Notify, OwnedSemaphorePermit, Semaphore},
    task::spawn_blocking,
    time::{sleep, timeout},
};
use tropism::{
    CronSchedule, DueWork, Error, Job, JobStatus, Module, Registration, Retry, Run, RunKind, Scheduler, prelude::*,
};

/// Nobody rests longer than this: the clock of the machine may be set meanwhile.
const LONGEST_REST: Duration = Duration::from_secs(60);
/// How long to rest after a storage failure.
const REST_AFTER_FAILURE: Duration = Duration::from_secs(1);

/// Runs due work on a tokio runtime, which needs its timer enabled and has to outlive the database.
struct TokioScheduler {
    runtime: Handle,
    mutations: Arc<Lane>,
    actions: Arc<Lane>,
    /// Disconnected when nothing runs any more.
    all_ended: Receiver<Infallible>,
    stop_limit: Duration,
}

/// One kind of work, and what its loop shares with the runs and with those who wake it.
struct Lane {
    kind: RunKind,
    /// Keeps one call for later, so that a wake between looking and resting is not lost.
    woken: Notify,
    /// One for each run that there is room for.
    slots: Arc<Semaphore>,
    /// Every run has a clone. Taken out when the scheduler stops, and then nothing more begins.
    running: Mutex<Option<Sender<Infallible>>>,
}

/// What a look at the work that is due has shown.
enum Seen {
    Due(Run),
    NothingFor(Duration),
}

impl TokioScheduler {
    fn new(runtime: Handle, actions_at_a_time: usize, stop_limit: Duration) -> Self {
        let (running, all_ended) = bounded(0);
        let lane = |kind, slots| {
            let (slots, running) = (Arc::new(Semaphore::new(slots)), Mutex::new(Some(running.clone())));
            Arc::new(Lane { kind, woken: Notify::new(), slots, running })
        };
        // There is no second run of mutations while one is out.
        let (mutations, actions) = (lane(RunKind::Mutations, 1), lane(RunKind::Action, actions_at_a_time.max(1)));
        Self { runtime, mutations, actions, all_ended, stop_limit }
    }

    fn lanes(&self) -> [&Arc<Lane>; 2] {
        [&self.mutations, &self.actions]
    }
}

impl Scheduler for TokioScheduler {
    fn start(&self, work: DueWork) -> Result<(), Error> {
        for lane in self.lanes() {
            self.runtime.spawn(Arc::clone(lane).serve(work.clone()));
        }
        Ok(())
    }

    fn wake(&self) {
        self.lanes().into_iter().for_each(|lane| lane.woken.notify_one());
    }

    /// May be called on a thread of the runtime, so it waits for the runs, which have threads of their own, and not for
    /// the loops.
    fn stop(&self) {
        for lane in self.lanes() {
            drop(lane.running.lock().take());
            lane.woken.notify_one();
        }
        if self.all_ended.recv_timeout(self.stop_limit) == Err(RecvTimeoutError::Timeout) {
            eprintln!("jobs are still running; the database closes without them");
        }
    }
}

impl Lane {
    /// Has run what is due, until the scheduler stops.
    async fn serve(self: Arc<Self>, work: DueWork) {
        while self.running.lock().is_some() {
            // Before the claim, for what is claimed should begin.
            let Ok(slot) = Arc::clone(&self.slots).acquire_owned().await else { return };
            let (looking, kind) = (work.clone(), self.kind);
            // It reads, and what it reads may be on the disk.
            match spawn_blocking(move || look(&looking, kind)).await {
                Ok(Ok(Seen::Due(run))) => {
                    // If it stopped meanwhile, the run is dropped, and so given back.
                    let Some(running) = self.running.lock().clone() else { return };
                    tokio::spawn(Arc::clone(&self).execute(run, slot, running));
                }
                Ok(Ok(Seen::NothingFor(rest))) => {
                    drop(slot);
                    // Woken or not, it looks again.
                    drop(timeout(rest, self.woken.notified()).await);
                }
                failed => self.report(failed.map(|seen| seen.map(drop))).await,
            }
        }
    }

    async fn execute(self: Arc<Self>, run: Run, slot: OwnedSemaphorePermit, running: Sender<Infallible>) {
        let ended = spawn_blocking(move || {
            let result = run.execute();
            drop(running);
            result
        });
        self.report(ended.await.map(|ran| ran.map(drop))).await;
        drop(slot);
        // A job that is to be tried again was not to be seen as long as this run had it, whatever woke the lane then.
        self.woken.notify_one();
    }

    /// After a failure it rests, or it would run into the next one at once. A closed database is none.
    async fn report(&self, result: Result<Result<(), Error>, tokio::task::JoinError>) {
        let problem = match result {
            Ok(Ok(()) | Err(Error::Storage(tropism::StorageError::Closed))) => return,
            Ok(Err(error)) => error.to_string(),
            Err(error) => error.to_string(),
        };
        eprintln!("a job could not be run: {problem}");
        sleep(REST_AFTER_FAILURE).await;
    }
}

fn look(work: &DueWork, kind: RunKind) -> Result<Seen, Error> {
    if let Some(run) = work.claim(kind)? {
        return Ok(Seen::Due(run));
    }
    let rest = work.next_due(kind)?.map_or(LONGEST_REST, |due_at| work.until(due_at));
    Ok(Seen::NothingFor(rest.min(LONGEST_REST)))
}

schema! {
    /// What functions leave behind.
    table Note in "notes" { text: String } with { index by_text (text); }
}

#[derive(Debug, thiserror::Error, serde::Serialize)]
enum OutsideError {
    #[error("nobody answers at attempt {attempt}")]
    NoAnswer { attempt: u32 },
    #[error(transparent)]
    Engine(#[from] Error),
}

const BEAT: &str = "beat";

functions! {
    module Functions;

    mutation AddNote in "notes:add" { text: String } -> Id<Note> |tx| { tx.insert(Note { text }) }

    query CountNotes in "notes:count" { text: String } -> usize |tx| { tx.query(Note::by_text).eq(text).count() }

    /// Asks somebody outside, who does not answer at first.
    action Ask in "outside:ask" {} -> Result<(), OutsideError> |context| {
        let attempt = context.attempt();
        if attempt == 1 {
            return Err(OutsideError::NoAnswer { attempt });
        }
        context.mutate(AddNote { text: format!("answered at attempt {attempt}") })?;
        Ok(())
    }

    /// Takes as long as the cron takes for so many runs, which it does not hold up.
    action AwaitBeats in "outside:awaitBeats" { count: usize } -> usize |context| {
        let beats = context.subscribe(CountNotes { text: BEAT.to_owned() })?;
        loop {
            match beats.recv_timeout(Duration::from_millis(100)) {
                Some(Ok(beats)) if *beats >= count => return Ok(*beats),
                // Nobody waits for it any more, and it need not be waited for.
                None if context.is_cancelled() => return Ok(0),
                Some(Ok(_)) | None => {}
                Some(Err(error)) => return Err((*error).clone()),
            }
        }
    }
}

struct Program;

impl Module for Program {
    fn register(&self, registration: &mut Registration) {
        let (schedule, beat) = (CronSchedule::every(Duration::from_millis(50)), AddNote { text: BEAT.to_owned() });
        registration.tables::<Note>().module(Functions).cron("beat", schedule, beat);
    }
}

/// How a job stands: its function, its status, and how many attempts have begun.
type Standing = (String, JobStatus, u32);

fn main() -> Result<ExitCode, Box<dyn StdError>> {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_time().build()?;
    let scheduler = TokioScheduler::new(runtime.handle().clone(), 2, Duration::from_millis(250));
    let db = Db::builder().module(Program).scheduler(scheduler).in_memory()?;
    let wanted = db.write(|tx| -> Result<_, Error> {
        let retry = Retry::attempts(3).first_wait(Duration::from_millis(100));
        Ok([
            tx.schedule().now(AddNote { text: "scheduled".to_owned() })?,
            tx.schedule().retrying(retry).now(Ask {})?,
            tx.schedule().now(AwaitBeats { count: 3 })?,
        ])
    })?;
    let have_run = show_until_ended(&db, &wanted)?;
    let notes = db.read(|tx| tx.query(Note::by_id).collect())?;
    db.close()?;
    let mut texts: Vec<&str> = notes.iter().map(|note| note.text.as_str()).collect();
    texts.sort_unstable();
    println!("notes: {}", texts.join(", "));
    if !have_run {
        eprintln!("not everything has run");
        return Ok(ExitCode::FAILURE);
    }
    Ok(ExitCode::SUCCESS)
}

/// Prints how jobs come on, until these have ended or it has taken too long. Says whether all have succeeded.
fn show_until_ended(db: &Db, wanted: &[Id<Job>]) -> Result<bool, Error> {
    let started = Instant::now();
    let deadline = started + Duration::from_millis(1_200);
    let jobs = db.watch(|tx| -> Result<HashMap<Id<Job>, Standing>, Error> {
        let jobs = tx.query(Job::by_id).collect()?;
        Ok(jobs.iter().map(|job| (job.id(), (job.function.clone(), job.status, job.attempts))).collect())
    })?;
    let mut shown: HashMap<Id<Job>, Standing> = HashMap::new();
    while let Some(standing) = jobs.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
        let standing = standing.map_err(|error| (*error).clone())?;
        let mut news: Vec<_> = standing.iter().filter(|(job, standing)| shown.get(job) != Some(standing)).collect();
        news.sort_by_key(|(job, _)| **job);
        for (job, (function, status, attempts)) in news {
            let millis = started.elapsed().as_millis();
            println!("{millis:>5} ms  {job:<20} {function:<20} {status:<10} attempts: {attempts}");
        }
        shown.clone_from(&standing);
        let ended = |job: &Id<Job>| standing.get(job).is_some_and(|(_, status, _)| *status == JobStatus::Succeeded);
        if wanted.iter().all(ended) {
            return Ok(true);
        }
    }
    Ok(false)
}

//! What a hostile host does.

use tropism::{Cron, DueWork, RunKind, Scheduler};

use super::*;

functions! {
    pub module Hostile;
    pub action Huge in "hostile:huge" { mebibytes: usize } -> String |_| { Ok("x".repeat(mebibytes << 20)) }
    pub mutation HugeError in "hostile:hugeError" { mebibytes: usize } -> Result<(), HugeFailure> |_| {
        Err(HugeFailure::Huge("x".repeat(mebibytes << 20)))
    }
    pub mutation Take in "hostile:take" { text: String } -> usize |_| { Ok(text.len()) }
    pub action TakeOutside in "hostile:takeOutside" { text: String } -> usize |_| { Ok(text.len()) }
    pub action Old in "hostile:old" {} -> () |_| { Ok(()) }
}

functions! {
    pub module Renamed;
    pub action New in "hostile:new" {} -> () |_| { Ok(()) }
}

#[derive(Debug, thiserror::Error, serde::Serialize)]
pub enum HugeFailure {
    #[error("{0}")]
    Huge(String),
    #[error(transparent)]
    Engine(#[from] Error),
}

pub(super) struct Hostiles;
impl Module for Hostiles {
    fn register(&self, registration: &mut Registration) {
        registration.tables::<Trace>().module(Work).module(Hostile);
    }
}

fn open() -> (Db, ManualScheduler) {
    let scheduler = ManualScheduler::new(Timestamp::EPOCH);
    let db = Db::builder().module(Hostiles).driven_by_hand().scheduler(scheduler.clone()).in_memory().unwrap();
    (db, scheduler)
}

fn status(db: &Db, id: Id<Job>) -> JobStatus {
    db.read(|tx| tx.get(id)).unwrap().unwrap().status
}

#[test]
fn an_action_whose_result_is_larger_than_a_row_has_failed() {
    let (db, scheduler) = open();
    let job = db.write(|tx| tx.schedule().now(Huge { mebibytes: 40 })).unwrap();
    let ran = scheduler.run_due();
    assert_eq!(status(&db, job), JobStatus::Failed, "{ran:?}");
}

#[test]
fn a_mutation_whose_error_is_larger_than_a_row_has_failed_and_the_next_one_runs() {
    let (db, scheduler) = open();
    let job = db.write(|tx| tx.schedule().now(HugeError { mebibytes: 40 })).unwrap();
    let next = db.write(|tx| tx.schedule().now(AddTrace { text: "next".into() })).unwrap();
    let ran = scheduler.run_due().map_err(|error| error.to_string().len());
    assert_eq!((status(&db, job), status(&db, next)), (JobStatus::Failed, JobStatus::Succeeded), "{ran:?}");
}

/// The longest text that a job's arguments may be.
const LONGEST: usize = tropism::MAX_JOB_ARGUMENTS_BYTES - r#"{"text":""}"#.len();

#[test]
fn arguments_over_the_limit_are_refused_when_they_are_scheduled() {
    let (db, _) = open();
    let refused = db.write(|tx| tx.schedule().now(Take { text: "x".repeat(LONGEST + 1) })).unwrap_err();
    assert!(matches!(refused, Error::Schedule(ScheduleError::ArgumentsTooLarge { .. })), "{refused}");
}

#[test]
fn a_mutation_whose_arguments_fill_a_row_is_run_and_the_next_one_runs() {
    let (db, scheduler) = open();
    let job = db.write(|tx| tx.schedule().now(Take { text: "x".repeat(LONGEST) })).unwrap();
    let next = db.write(|tx| tx.schedule().now(AddTrace { text: "next".into() })).unwrap();
    let ran = scheduler.run_due().map_err(|error| error.to_string());
    assert_eq!(status(&db, next), JobStatus::Succeeded, "{ran:?} {:?}", status(&db, job));
}

#[test]
fn an_action_whose_arguments_fill_a_row_is_run_and_the_next_one_runs() {
    let (db, scheduler) = open();
    let job = db.write(|tx| tx.schedule().now(TakeOutside { text: "x".repeat(LONGEST) })).unwrap();
    let next = db.write(|tx| tx.schedule().now(Huge { mebibytes: 0 })).unwrap();
    let ran = scheduler.run_due().map_err(|error| error.to_string());
    assert_eq!(status(&db, next), JobStatus::Succeeded, "{ran:?} {:?}", status(&db, job));
}

#[test]
fn a_cron_with_a_long_history_can_be_given_up() {
    let disk = MemoryDisk::default();
    let scheduler = ManualScheduler::new(Timestamp::EPOCH);
    let config = Config { overlay_limit_bytes: 1 << 20, checkpoint_bytes: 1 << 20, ..Config::default() };
    let host =
        Host { crons: vec![("often", Some(CronSchedule::every(Duration::from_secs(1))), "tick")], ..Host::default() };
    let bench = Bench::on(disk.clone(), host, config.clone(), scheduler);
    bench.advance(Duration::from_secs(4_000));
    bench.db.close().unwrap();
    let builder = Db::builder().module(Host::default()).config(config).driven_by_hand();
    let opened = builder.scheduler(ManualScheduler::new(Timestamp::EPOCH)).open_on(disk);
    if let Err(error) = opened {
        panic!("{error}");
    }
}

#[test]
fn a_cancelled_job_of_the_far_future_is_forgotten_after_the_retention() {
    let config = Config { job_retention: HOUR, ..Config::default() };
    let bench = Bench::with(Host::default(), config);
    let job = bench.add(1000 * DAY, "never");
    bench.db.write(|tx| tx.schedule().cancel(job)).unwrap();
    bench.advance(3 * HOUR);
    bench.add(Duration::ZERO, "anything");
    bench.advance(3 * HOUR);
    assert!(bench.db.read(|tx| tx.get(job)).unwrap().is_none(), "kept for as long as it would have waited");
}

#[test]
fn without_retention_a_cancelled_job_goes_too() {
    let config = Config { job_retention: Duration::ZERO, ..Config::default() };
    let bench = Bench::with(Host::default(), config);
    let job = bench.add(HOUR, "never");
    bench.db.write(|tx| tx.schedule().cancel(job)).unwrap();
    bench.advance(DAY);
    bench.add(Duration::ZERO, "anything");
    bench.advance(DAY);
    assert!(bench.db.read(|tx| tx.get(job)).unwrap().is_none());
}

/// What a host may do when it is woken.
type Wake = Box<dyn Fn() + Send + Sync>;

/// Gives the work to the test.
#[derive(Clone, Default)]
pub(super) struct Mine {
    pub(super) work: Arc<Mutex<Option<DueWork>>>,
    wake: Arc<Mutex<Option<Wake>>>,
    pub(super) clock: Arc<tropism::ManualClock>,
}

impl Scheduler for Mine {
    fn start(&self, work: DueWork) -> Result<(), Error> {
        *self.work.lock() = Some(work);
        Ok(())
    }
    fn wake(&self) {
        if let Some(wake) = &*self.wake.lock() {
            wake();
        }
    }
    fn stop(&self) {}
    fn clock(&self) -> Option<Arc<dyn tropism::Clock>> {
        Some(self.clock.clone())
    }
}

struct WithCron<A>(bool, std::marker::PhantomData<A>);
impl Module for WithCron<()> {
    fn register(&self, registration: &mut Registration) {
        if self.0 {
            registration.module(Hostile).cron("clean", CronSchedule::every(HOUR), Old {});
        } else {
            registration.module(Renamed).cron("clean", CronSchedule::every(HOUR), New {});
        }
    }
}

#[test]
fn a_cron_whose_function_was_renamed_while_a_run_waited_goes_on() {
    let disk = MemoryDisk::default();
    let mine = Mine::default();
    let builder = Db::builder().module(WithCron(true, std::marker::PhantomData)).driven_by_hand();
    let db = builder.scheduler(mine.clone()).open_on(disk.clone()).unwrap();
    mine.clock.set(at(HOUR));
    let work = mine.work.lock().take().unwrap();
    // The cron fires, and the process ends before the action is run.
    work.claim(RunKind::Mutations).unwrap().unwrap().execute().unwrap();
    assert!(work.next_due(RunKind::Action).unwrap().is_some());
    drop(work);
    db.close().unwrap();

    let scheduler = ManualScheduler::new(at(HOUR));
    let builder = Db::builder().module(WithCron(false, std::marker::PhantomData)).driven_by_hand();
    let db = builder.scheduler(scheduler.clone()).open_on(disk).unwrap();
    let ran = scheduler.advance(DAY).unwrap();
    let cron = db.read(|tx| tx.query(Cron::by_name).eq("clean").unique()).unwrap().unwrap();
    assert!(ran.iter().filter(|ran| ran.status == JobStatus::Succeeded).count() >= 24, "{ran:?} {cron:?}");
}

#[test]
fn a_cron_lives_through_a_clock_that_was_wrong_for_a_while() {
    let disk = MemoryDisk::default();
    let host = Host { crons: vec![("hourly", None, "tick")], ..Host::default() };
    let scheduler = ManualScheduler::new(Timestamp::EPOCH);
    let bench = Bench::on(disk.clone(), host.clone(), Config::default(), scheduler);
    // The clock of the machine is wrong by ten years, and is put right.
    bench.scheduler.set_now(at(3650 * DAY));
    bench.scheduler.run_due().unwrap();
    bench.scheduler.set_now(at(HOUR));
    bench.db.close().unwrap();
    let bench = Bench::on(disk, host, Config::default(), ManualScheduler::new(at(HOUR)));
    assert_eq!(bench.advance(DAY).len(), 24);
}

#[test]
fn a_scheduler_that_panics_when_it_is_woken_does_no_harm_to_the_database() {
    let mine = Mine::default();
    let db = Db::builder().module(Hostiles).scheduler(mine.clone()).in_memory().unwrap();
    let traces = db.watch(|tx| tx.query(Trace::by_id).count()).unwrap();
    assert_eq!(*traces.recv().unwrap().unwrap(), 0);
    *mine.wake.lock() = Some(Box::new(|| panic!("on purpose")));
    let written = db.write(|tx| {
        tx.insert(Trace { text: "one".into() })?;
        tx.schedule().now(AddTrace { text: "two".into() })
    });
    assert!(written.is_ok(), "{written:?}");
    assert_eq!(*traces.recv_timeout(Duration::from_secs(2)).expect("a value").unwrap(), 1);
    db.write(|tx| tx.insert(Trace { text: "three".into() })).unwrap();
    *mine.wake.lock() = None;
}

#[test]
fn cancelled_and_again_in_the_past_and_clock_backwards() {
    let bench = Bench::new();
    bench.scheduler.set_now(at(10 * DAY));
    let jobs: Vec<_> = (0..50).map(|n| bench.add(Duration::from_millis(n), &n.to_string())).collect();
    bench.scheduler.advance(Duration::from_millis(25)).unwrap();
    bench.db.write(|tx| tx.schedule().cancel(jobs[40])).unwrap();
    bench.scheduler.set_now(at(DAY));
    assert!(bench.scheduler.run_due().unwrap().is_empty());
    bench.db.write(|tx| tx.schedule().again(jobs[40])).unwrap();
    bench.db.write(|tx| tx.schedule().at(Timestamp::from_millis(i64::MIN), AddTrace { text: "first".into() })).unwrap();
    let ran = bench.scheduler.run_due().unwrap();
    assert_eq!(ran.len(), 2);
    assert_eq!(bench.traces()[26..], ["first".to_owned(), "40".to_owned()]);
    bench.scheduler.set_now(at(11 * DAY));
    assert_eq!(bench.scheduler.run_due().unwrap().len(), 23);
}

#[test]
fn a_float_survives_being_scheduled() {
    let bench = Bench::new();
    let mut bits = 0x1234_5678_9abc_def1u64;
    let mut lost = 0;
    for _ in 0..2_000 {
        bits ^= bits << 13;
        bits ^= bits >> 7;
        bits ^= bits << 17;
        let value = f64::from_bits(bits);
        if !value.is_finite() {
            continue;
        }
        let job = bench.db.write(|tx| tx.schedule().now(Measure { value })).unwrap();
        let stored: Measure = serde_json::from_str(&bench.job(job).arguments).unwrap();
        lost += usize::from(stored.value != value);
    }
    assert_eq!(lost, 0);
}

#[test]
fn a_run_that_is_dropped_by_a_panic_gives_its_claim_back() {
    let mine = Mine::default();
    let db = Db::builder().module(Hostiles).driven_by_hand().scheduler(mine.clone()).in_memory().unwrap();
    let work = mine.work.lock().take().unwrap();
    db.write(|tx| tx.schedule().now(AddTrace { text: "one".into() })).unwrap();
    db.write(|tx| tx.schedule().now(Huge { mebibytes: 0 })).unwrap();
    for kind in [RunKind::Mutations, RunKind::Action] {
        let panicked = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            let _run = work.claim(kind).unwrap().unwrap();
            assert!(work.claim(kind).unwrap().is_none(), "it is out");
            std::panic::panic_any("on purpose");
        }));
        assert!(panicked.is_err());
        assert_eq!(work.claim(kind).unwrap().unwrap().execute().unwrap().len(), 1);
    }
}

#[test]
fn nothing_begins_after_the_scheduler_was_stopped() {
    let mine = Mine::default();
    let db = Db::builder().module(Hostiles).driven_by_hand().scheduler(mine.clone()).in_memory().unwrap();
    let work = mine.work.lock().take().unwrap();
    db.write(|tx| tx.schedule().now(Huge { mebibytes: 0 })).unwrap();
    let run = work.claim(RunKind::Action).unwrap().unwrap();
    db.close().unwrap();
    assert_eq!(run.execute().unwrap(), []);
    assert!(!matches!(work.claim(RunKind::Mutations), Ok(Some(_))));
}

/// A scheduler that panics where it is told to.
struct Panics(&'static str);

impl Scheduler for Panics {
    fn start(&self, _: DueWork) -> Result<(), Error> {
        assert_ne!(self.0, "start", "on purpose");
        Ok(())
    }
    fn wake(&self) {
        assert_ne!(self.0, "wake", "on purpose");
    }
    fn stop(&self) {
        assert_ne!(self.0, "start", "one that has not begun is not stopped");
        assert_ne!(self.0, "stop", "on purpose");
    }
}

#[test]
fn a_scheduler_that_panics_when_it_begins_is_why_the_database_does_not_open() {
    let disk = MemoryDisk::default();
    let opened = Db::builder().module(Hostiles).scheduler(Panics("start")).open_on(disk.clone());
    let error = opened.err().unwrap().to_string();
    assert!(error.contains("panicked") && error.contains("on purpose"), "{error}");
    Db::builder().module(Hostiles).open_on(disk).unwrap();
}

#[test]
fn a_scheduler_that_panics_when_it_is_stopped_does_not_keep_the_database_from_closing() {
    let disk = MemoryDisk::default();
    for when in ["stop", "wake"] {
        let db = Db::builder().module(Hostiles).scheduler(Panics(when)).open_on(disk.clone()).unwrap();
        db.write(|tx| tx.schedule().now(AddTrace { text: "one".into() })).unwrap();
        db.close().unwrap();
    }
}

#[test]
fn a_clock_that_panics_ends_nothing() {
    struct Broken(Arc<AtomicUsize>);
    impl tropism::Clock for Broken {
        fn now(&self) -> Timestamp {
            assert_eq!(self.0.load(Ordering::SeqCst), 0, "on purpose");
            at(HOUR)
        }
    }
    let broken = Arc::new(AtomicUsize::new(0));
    let builder = Db::builder().module(Hostiles).clock(Arc::new(Broken(Arc::clone(&broken))));
    let db = builder.in_memory().unwrap();
    broken.store(1, Ordering::SeqCst);
    let job = db.write(|tx| tx.schedule().now(Explode { text: "x".into() })).unwrap();
    let status = db.watch(move |tx| Ok::<_, Error>(tx.existing(job)?.status)).unwrap();
    let failed = (&status).into_iter().any(|status| matches!(status.as_deref(), Ok(JobStatus::Failed)));
    assert!(failed && db.now() == at(HOUR), "time stands still, and work goes on");
    db.close().unwrap();
}

#[test]
fn a_resource_that_panics_when_it_is_dropped_does_not_make_the_close_panic() {
    struct Bomb;
    impl Drop for Bomb {
        fn drop(&mut self) {
            assert!(std::thread::panicking(), "on purpose");
        }
    }
    struct WithBomb;
    impl Module for WithBomb {
        fn register(&self, registration: &mut Registration) {
            registration.resource(Bomb);
        }
    }
    let db = Db::builder().module(WithBomb).in_memory().unwrap();
    db.close().unwrap();
}

#[test]
fn an_error_that_panics_when_it_is_shown_is_its_jobs_alone() {
    #[derive(Debug)]
    pub struct Unspeakable;
    impl std::fmt::Display for Unspeakable {
        fn fmt(&self, _: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            panic!("on purpose")
        }
    }
    impl std::error::Error for Unspeakable {}
    impl serde::Serialize for Unspeakable {
        fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
            serializer.serialize_unit()
        }
    }
    impl From<Error> for Unspeakable {
        fn from(_: Error) -> Self {
            Self
        }
    }
    functions! {
        pub module Mute;
        pub mutation Silent in "mute:silent" {} -> Result<(), Unspeakable> |_| { Err(Unspeakable) }
        pub action Still in "mute:still" {} -> Result<(), Unspeakable> |_| { Err(Unspeakable) }
    }
    let scheduler = ManualScheduler::new(Timestamp::EPOCH);
    let builder = Db::builder().module(Hostiles).module(Mute).driven_by_hand();
    let db = builder.scheduler(scheduler.clone()).in_memory().unwrap();
    let silent = db.write(|tx| tx.schedule().now(Silent {})).unwrap();
    let still = db.write(|tx| tx.schedule().now(Still {})).unwrap();
    let next = db.write(|tx| tx.schedule().now(AddTrace { text: "next".into() })).unwrap();
    scheduler.run_due().unwrap();
    let statuses = [silent, still, next].map(|job| status(&db, job));
    assert_eq!(statuses, [JobStatus::Failed, JobStatus::Failed, JobStatus::Succeeded]);
}

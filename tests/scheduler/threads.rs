//! The scheduler that runs on threads.

use crossbeam_channel::{Receiver, Sender, bounded, unbounded};

use super::*;

/// How long a test waits for what must come.
const PATIENCE: Duration = Duration::from_secs(60);

/// Lets an action hang until the test lets go.
#[derive(Clone)]
pub struct Gate {
    arrived: Sender<String>,
    go_on: Receiver<()>,
}

functions! {
    pub module Waiting;

    pub action Wait in "waiting:wait" { text: String } -> () |context| {
        if let Some(gate) = context.resource::<Gate>() {
            gate.arrived.send(text).ok();
            gate.go_on.recv().ok();
        }
        Ok(())
    }
}

struct Gated {
    db: Db,
    arrived: Receiver<String>,
    go_on: Sender<()>,
}

struct GatedModule(Gate);

impl Module for GatedModule {
    fn register(&self, registration: &mut Registration) {
        registration.module(Host::default()).module(Waiting).resource(self.0.clone());
    }
}

fn gated(scheduler: ThreadScheduler, disk: impl tropism::disk::Disk) -> Gated {
    let (arrived, arrivals) = unbounded();
    let (go_on, gate) = bounded(0);
    let module = GatedModule(Gate { arrived, go_on: gate });
    let db = Db::builder().module(module).scheduler(scheduler).open_on(disk).unwrap();
    Gated { db, arrived: arrivals, go_on }
}

fn wait_for(db: &Db, job: Id<Job>, wanted: JobStatus) {
    let status = db.watch(move |tx| Ok::<_, Error>(tx.get(job)?.map(|job| job.status))).unwrap();
    while let Some(value) = status.recv_timeout(PATIENCE) {
        if *value.unwrap() == Some(wanted) {
            return;
        }
    }
    panic!("{job} never was {wanted}");
}

#[test]
fn the_default_scheduler_runs_what_is_due_without_being_asked() {
    let db = Db::builder().module(Host::default()).in_memory().unwrap();
    let job = db.write(|tx| tx.schedule().now(AddTrace { text: "now".into() })).unwrap();
    wait_for(&db, job, JobStatus::Succeeded);
    let job = db.write(|tx| tx.schedule().after(Duration::from_millis(30), Tell { text: "soon".into() })).unwrap();
    wait_for(&db, job, JobStatus::Succeeded);
    assert_eq!(traces(&db), ["now", "soon"]);
}

#[test]
fn a_job_that_is_due_earlier_than_what_was_known_is_not_late() {
    let db = Db::builder().module(Host::default()).in_memory().unwrap();
    db.write(|tx| tx.schedule().after(DAY, AddTrace { text: "tomorrow".into() })).unwrap();
    let job = db.write(|tx| tx.schedule().after(Duration::from_millis(5), AddTrace { text: "now".into() })).unwrap();
    wait_for(&db, job, JobStatus::Succeeded);
}

#[test]
fn what_waited_when_the_database_was_closed_runs_when_it_is_opened() {
    let disk = MemoryDisk::default();
    let db = Db::builder().module(Host::default()).driven_by_hand().open_on(disk.clone()).unwrap();
    let job = db.write(|tx| tx.schedule().now(AddTrace { text: "one".into() })).unwrap();
    db.close().unwrap();
    let db = Db::builder().module(Host::default()).open_on(disk).unwrap();
    wait_for(&db, job, JobStatus::Succeeded);
}

#[test]
fn a_stuck_action_does_not_stop_the_rest() {
    let gated = gated(ThreadScheduler::new().workers(2), MemoryDisk::default());
    let db = &gated.db;
    let stuck = db.write(|tx| tx.schedule().now(Wait { text: "stuck".into() })).unwrap();
    gated.arrived.recv_timeout(PATIENCE).unwrap();
    let action = db.write(|tx| tx.schedule().now(Tell { text: "action".into() })).unwrap();
    wait_for(db, action, JobStatus::Succeeded);
    let second = db.write(|tx| tx.schedule().now(Wait { text: "stuck too".into() })).unwrap();
    gated.arrived.recv_timeout(PATIENCE).unwrap();
    let mutation = db.write(|tx| tx.schedule().now(AddTrace { text: "mutation".into() })).unwrap();
    wait_for(db, mutation, JobStatus::Succeeded);
    assert_eq!(db.read(|tx| tx.get(stuck)).unwrap().unwrap().status, JobStatus::Running);
    gated.go_on.send(()).unwrap();
    gated.go_on.send(()).unwrap();
    wait_for(db, stuck, JobStatus::Succeeded);
    wait_for(db, second, JobStatus::Succeeded);
}

#[test]
fn no_more_actions_run_at_a_time_than_there_are_workers() {
    let gated = gated(ThreadScheduler::new().workers(2), MemoryDisk::default());
    let db = &gated.db;
    let jobs: Vec<_> =
        (0..5).map(|n| db.write(|tx| tx.schedule().now(Wait { text: n.to_string() })).unwrap()).collect();
    for _ in 0..2 {
        gated.arrived.recv_timeout(PATIENCE).unwrap();
    }
    let running = db.read(|tx| tx.query(Job::by_queue).eq(JobStatus::Running).count()).unwrap();
    assert_eq!((running, gated.arrived.len()), (2, 0));
    for _ in 0..5 {
        gated.go_on.send(()).unwrap();
    }
    jobs.iter().for_each(|job| wait_for(db, *job, JobStatus::Succeeded));
}

#[test]
fn closing_waits_for_what_is_running() {
    let disk = MemoryDisk::default();
    let gated = gated(ThreadScheduler::new().stop_limit(PATIENCE), disk.clone());
    let job = gated.db.write(|tx| tx.schedule().now(Wait { text: "x".into() })).unwrap();
    gated.arrived.recv_timeout(PATIENCE).unwrap();
    let db = gated.db.clone();
    let closing = std::thread::spawn(move || db.close());
    gated.go_on.send(()).unwrap();
    closing.join().unwrap().unwrap();
    drop(gated);
    let db = Db::builder().module(Host::default()).module(Waiting).driven_by_hand().open_on(disk).unwrap();
    assert_eq!(db.read(|tx| tx.get(job)).unwrap().unwrap().status, JobStatus::Succeeded);
}

#[test]
fn closing_waits_no_longer_than_the_limit_and_the_job_is_where_its_rule_puts_it() {
    let disk = MemoryDisk::default();
    let gated = gated(ThreadScheduler::new().stop_limit(Duration::from_millis(20)), disk.clone());
    let schedule = |retry: Option<Retry>| {
        let schedule = |tx: &mut WriteTx| match retry {
            Some(retry) => tx.schedule().retrying(retry).now(Wait { text: "x".into() }),
            None => tx.schedule().now(Wait { text: "x".into() }),
        };
        let job = gated.db.write(schedule).unwrap();
        gated.arrived.recv_timeout(PATIENCE).unwrap();
        job
    };
    let (once, again) = (schedule(None), schedule(Some(Retry::attempts(2))));
    gated.db.clone().close().unwrap();
    let db = Db::builder().module(Host::default()).module(Waiting).driven_by_hand().open_on(disk).unwrap();
    let job = |id| db.read(|tx| tx.get(id)).unwrap().unwrap();
    assert_eq!((job(once).status, job(once).error_code.as_deref()), (JobStatus::Failed, Some("interrupted")));
    assert_eq!((job(again).status, job(again).attempts), (JobStatus::Queued, 1));
}

#[test]
fn a_database_can_be_closed_from_within_an_action() {
    #[derive(Clone)]
    struct Closing(Arc<Mutex<Option<Db>>>, Sender<Result<(), Error>>);
    functions! {
        pub module Suicidal;
        pub action CloseIt in "closing:close" {} -> () |context| {
            let Some(closing) = context.resource::<Closing>() else { return Ok(()) };
            let db = closing.0.lock().take();
            closing.1.send(db.map_or(Ok(()), Db::close)).ok();
            Ok(())
        }
    }
    struct WithHandle(Closing);
    impl Module for WithHandle {
        fn register(&self, registration: &mut Registration) {
            registration.module(Suicidal).resource(self.0.clone());
        }
    }
    let (closed, closings) = unbounded();
    let closing = Closing(Arc::default(), closed);
    let db = Db::builder().module(WithHandle(closing.clone())).in_memory().unwrap();
    *closing.0.lock() = Some(db.clone());
    db.write(|tx| tx.schedule().now(CloseIt {})).unwrap();
    closings.recv_timeout(PATIENCE).unwrap().unwrap();
    assert!(db.read(|tx| Ok::<_, Error>(tx.ts())).is_err());
}

#[test]
fn many_jobs_from_many_threads_run_once_each() {
    let db = Db::builder().module(Host::default()).in_memory().unwrap();
    std::thread::scope(|scope| {
        for thread in 0..4 {
            let db = &db;
            scope.spawn(move || {
                for number in 0..250 {
                    let text = format!("{thread}-{number}");
                    db.write(|tx| tx.schedule().now(AddTrace { text })).unwrap();
                }
            });
        }
    });
    let open = db.watch(|tx| tx.query(Job::by_queue).eq(JobStatus::Queued).count()).unwrap();
    while let Some(value) = open.recv_timeout(PATIENCE) {
        if *value.unwrap() == 0 {
            break;
        }
    }
    let mut traces = traces(&db);
    traces.sort();
    traces.dedup();
    assert_eq!(traces.len(), 1_000);
    assert_eq!(db.read(|tx| tx.query(Trace::by_id).count()).unwrap(), 1_000);
}

#[test]
fn two_actions_that_close_the_database_wait_for_none_of_each_other() {
    #[derive(Clone)]
    struct Closing(Arc<Mutex<Option<Db>>>, Sender<Result<(), Error>>, Arc<std::sync::Barrier>);
    functions! {
        pub module Together;
        pub action CloseTogether in "together:close" {} -> () |context| {
            let Some(closing) = context.resource::<Closing>() else { return Ok(()) };
            let db = closing.0.lock().clone();
            closing.2.wait();
            closing.1.send(db.map_or(Ok(()), Db::close)).ok();
            Ok(())
        }
    }
    struct WithHandle(Closing);
    impl Module for WithHandle {
        fn register(&self, registration: &mut Registration) {
            registration.module(Together).resource(self.0.clone());
        }
    }
    let (closed, closings) = unbounded();
    let closing = Closing(Arc::default(), closed, Arc::new(std::sync::Barrier::new(2)));
    // Whoever waits for the other one waits for the whole limit, which is longer than the test does.
    let scheduler = ThreadScheduler::new().workers(2).stop_limit(10 * PATIENCE);
    let db = Db::builder().module(WithHandle(closing.clone())).scheduler(scheduler).in_memory().unwrap();
    *closing.0.lock() = Some(db.clone());
    for _ in 0..2 {
        db.write(|tx| tx.schedule().now(CloseTogether {})).unwrap();
    }
    for _ in 0..2 {
        closings.recv_timeout(PATIENCE).expect("neither waits for the other").unwrap();
    }
    closing.0.lock().take();
}

#[test]
fn an_outcome_that_could_not_be_written_is_written_by_the_threads_when_there_is_room_again() {
    use tropism::disk::{Disk, SimulatedDisk};
    functions! {
        pub module Lavish;
        pub action Spend in "lavish:spend" {} -> String |context| {
            if let Some(disk) = context.resource::<SimulatedDisk>() {
                let sizes = disk.list().unwrap().into_iter().map(|name| disk.read_file(&name).map_or(0, |file| file.len()));
                disk.set_capacity(Some(sizes.sum::<usize>() as u64));
            }
            Ok("x".repeat(1 << 20))
        }
    }
    struct Lavishes(SimulatedDisk);
    impl Module for Lavishes {
        fn register(&self, registration: &mut Registration) {
            registration.module(Lavish).resource(self.0.clone());
        }
    }
    let disk = SimulatedDisk::new(9);
    let config = Config { log_segment_bytes: 64 << 10, ..Config::default() };
    let db = Db::builder().module(Lavishes(disk.clone())).config(config).open_on(disk.clone()).unwrap();
    let job = db.write(|tx| tx.schedule().retrying(Retry::attempts(3)).now(Spend {})).unwrap();
    wait_for(&db, job, JobStatus::Running);
    let calls =
        || db.stats().functions.iter().find(|stats| stats.name == "lavish:spend").map_or(0, |stats| stats.calls);
    while calls() == 0 {
        std::thread::yield_now();
    }
    disk.set_capacity(None);
    wait_for(&db, job, JobStatus::Succeeded);
    assert_eq!(calls(), 1);
}

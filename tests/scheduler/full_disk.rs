//! The disk is full, or fails, when something is to be written: it is written when there is room again, nothing runs
//! twice, and nothing else is held up.

use std::io::ErrorKind;

use tropism::{
    CronSchedule, DueWork, RunKind, Scheduler,
    disk::{Disk, Operation, SimulatedDisk},
};

use super::*;

schema! {
    /// Rows of any size.
    pub table Blob in "blobs" { text: String }
}

functions! {
    pub module Filling;

    /// Is told, and leaves no room for what it answers.
    pub action Fill in "filling:fill" { text: String, kib: usize } -> String |context| {
        if let (Some(disk), Some(outside)) = (context.resource::<SimulatedDisk>(), context.resource::<Outside>()) {
            outside.seen.lock().push(text);
            fill(disk);
        }
        Ok("x".repeat(kib << 10))
    }

    pub action Hear in "filling:hear" { text: String } -> usize |context| {
        if let Some(outside) = context.resource::<Outside>() {
            outside.seen.lock().push(String::new());
        }
        Ok(text.len())
    }

    pub mutation Large in "filling:large" { kib: usize } -> () |tx| {
        tx.insert(Blob { text: "x".repeat(kib << 10) }).map(drop)
    }
}

struct Filled(Host, SimulatedDisk);

impl Module for Filled {
    fn register(&self, registration: &mut Registration) {
        registration.tables::<Blob>().module(self.0.clone()).module(Filling).resource(self.1.clone());
    }
}

/// No file can grow any more.
fn fill(disk: &SimulatedDisk) {
    let sizes = disk.list().unwrap().into_iter().map(|name| disk.read_file(&name).map_or(0, |file| file.len() as u64));
    disk.set_capacity(Some(sizes.sum()));
}

fn config() -> Config {
    Config { log_segment_bytes: 64 << 10, ..Config::default() }
}

fn open(disk: &SimulatedDisk, host: &Host, now: Timestamp) -> Bench {
    let scheduler = ManualScheduler::new(now);
    let builder = Db::builder().module(Filled(host.clone(), disk.clone())).config(config()).driven_by_hand();
    let db = builder.scheduler(scheduler.clone()).open_on(disk.clone()).unwrap();
    Bench { db, scheduler, host: host.clone() }
}

fn start() -> (Bench, SimulatedDisk) {
    let disk = SimulatedDisk::new(5);
    (open(&disk, &Host::default(), Timestamp::EPOCH), disk)
}

/// An action that has ended with a result that there was no room for.
fn with_an_unwritten_outcome() -> (Bench, SimulatedDisk, Id<Job>) {
    let (bench, disk) = start();
    let retry = Retry::attempts(5);
    let job = bench.db.write(|tx| tx.schedule().retrying(retry).now(Fill { text: "paid".into(), kib: 512 })).unwrap();
    assert!(bench.scheduler.run_due().unwrap().is_empty(), "there was no room to write down what became of it");
    assert_eq!((bench.job(job).status, bench.seen().len()), (JobStatus::Running, 1));
    (bench, disk, job)
}

#[test]
fn how_an_action_ended_is_written_when_there_is_room_again_and_it_does_not_run_again() {
    let (bench, disk, job) = with_an_unwritten_outcome();
    let due = bench.scheduler.next_due().unwrap();
    assert!(due > Some(bench.scheduler.now()) && due < Some(at(MINUTE)), "it is due work again: {due:?}");
    assert!(bench.scheduler.advance(10 * MINUTE).unwrap().is_empty());
    disk.set_capacity(None);
    let ran = bench.scheduler.advance(MINUTE).unwrap();
    assert_eq!(ran.iter().map(|ran| (ran.job, ran.status)).collect::<Vec<_>>(), [(job, JobStatus::Succeeded)]);
    assert_eq!((bench.job(job).attempts, bench.job(job).finished_at), (1, Some(Timestamp::EPOCH)));
    bench.advance(DAY);
    assert_eq!(bench.seen(), ["paid"]);
}

#[test]
fn an_outcome_that_waits_is_tried_after_pauses_that_grow() {
    let (bench, _disk, _) = with_an_unwritten_outcome();
    let mut pauses = Vec::new();
    for _ in 0..12 {
        let due = bench.scheduler.next_due().unwrap().unwrap();
        pauses.push(due.as_millis() - bench.scheduler.now().as_millis());
        bench.scheduler.set_now(due);
        bench.scheduler.run_due().unwrap();
    }
    assert!(pauses.is_sorted() && pauses[0] <= 1_000, "{pauses:?}");
    assert!((10_000..=60_000).contains(&pauses[11]) && pauses[11] == pauses[10], "{pauses:?}");
}

#[test]
fn an_outcome_that_waits_is_written_at_the_close_if_there_is_room() {
    let (bench, disk, job) = with_an_unwritten_outcome();
    disk.set_capacity(None);
    let host = bench.host.clone();
    bench.db.close().unwrap();
    let bench = open(&disk, &host, at(HOUR));
    assert_eq!(bench.job(job).status, JobStatus::Succeeded);
}

#[test]
fn only_the_end_of_the_process_loses_an_outcome_and_the_rule_for_interrupted_jobs_holds_then() {
    let (bench, disk, job) = with_an_unwritten_outcome();
    let image = disk.crash(tropism::disk::CrashKind::LoseUnsynced);
    image.set_capacity(None);
    let again = open(&image, &bench.host, at(HOUR));
    let job = again.job(job);
    assert_eq!((job.status, job.error_code.as_deref()), (JobStatus::Queued, Some("interrupted")));
}

#[test]
fn an_action_that_was_cancelled_while_its_outcome_waited_stays_cancelled_and_can_run_again() {
    let (bench, disk, job) = with_an_unwritten_outcome();
    disk.set_capacity(None);
    bench.db.write(|tx| tx.schedule().cancel(job)).unwrap();
    bench.db.write(|tx| tx.schedule().again(job)).unwrap();
    bench.scheduler.run_due().unwrap();
    assert_eq!(bench.seen().len(), 1, "the outcome goes before the job runs again");
    bench.advance(HOUR);
    disk.set_capacity(None);
    bench.advance(HOUR);
    assert_eq!((bench.job(job).status, bench.seen().len()), (JobStatus::Succeeded, 2));
}

#[test]
fn a_cron_goes_on_when_the_outcome_of_its_action_has_been_written() {
    struct WithCron(Filled);
    impl Module for WithCron {
        fn register(&self, registration: &mut Registration) {
            let fill = Fill { text: "cron".into(), kib: 512 };
            registration.module(Filled(self.0.0.clone(), self.0.1.clone())).cron(
                "fill",
                CronSchedule::every(HOUR),
                fill,
            );
        }
    }
    let (disk, host, scheduler) = (SimulatedDisk::new(5), Host::default(), ManualScheduler::new(Timestamp::EPOCH));
    let builder = Db::builder().module(WithCron(Filled(host.clone(), disk.clone()))).config(config());
    let db = builder.driven_by_hand().scheduler(scheduler.clone()).open_on(disk.clone()).unwrap();
    scheduler.advance(HOUR).unwrap();
    disk.set_capacity(None);
    scheduler.advance(HOUR).unwrap();
    assert_eq!(host.outside.seen.lock().len(), 2, "the second run was not left out");
    drop(db);
}

#[test]
fn an_action_that_cannot_be_marked_as_running_does_not_run() {
    let (bench, disk) = start();
    // The mark does not fit beside arguments of this size.
    let text = "x".repeat(300 << 10);
    let job = bench.db.write(|tx| tx.schedule().now(Hear { text })).unwrap();
    fill(&disk);
    assert!(bench.scheduler.advance(HOUR).unwrap().is_empty());
    assert_eq!((bench.seen().len(), bench.job(job).status, bench.job(job).attempts), (0, JobStatus::Queued, 0));
    disk.set_capacity(None);
    bench.advance(MINUTE);
    assert_eq!((bench.seen().len(), bench.job(job).status), (1, JobStatus::Succeeded));
}

#[test]
fn a_mutation_that_there_is_no_room_for_waits_and_holds_up_nothing_behind_it() {
    let (bench, disk) = start();
    let large: Vec<_> = (0..3).map(|_| bench.db.write(|tx| tx.schedule().now(Large { kib: 512 })).unwrap()).collect();
    let small = bench.add(Duration::ZERO, "small");
    fill(&disk);
    let ran = bench.scheduler.run_due().unwrap();
    assert_eq!(ran.iter().map(|ran| ran.job).collect::<Vec<_>>(), [small]);
    let later = bench.add(MINUTE, "later");
    bench.advance(2 * MINUTE);
    assert_eq!(bench.job(later).status, JobStatus::Succeeded);
    assert!(large.iter().all(|job| bench.job(*job).status == JobStatus::Queued));
    disk.set_capacity(None);
    let ran = bench.scheduler.advance(MINUTE).unwrap();
    assert_eq!(ran.iter().map(|ran| ran.job).collect::<Vec<_>>(), large, "once each, in order");
}

#[test]
fn more_jobs_than_may_be_paused_run_in_order_when_there_is_room_again() {
    let (bench, disk) = start();
    let count = 1_500;
    bench
        .db
        .write(|tx| -> Result<(), Error> {
            for number in 0..count {
                tx.schedule().after(Duration::from_millis(number), AddTrace { text: format!("{number:04}") })?;
            }
            Ok(())
        })
        .unwrap();
    fill(&disk);
    bench.scheduler.set_now(at(MINUTE));
    let before = bench.scheduler.run_due().unwrap().len();
    assert!(before < 1_000, "{before} fitted into what was left of the log");
    bench.advance(10 * MINUTE);
    disk.set_capacity(None);
    bench.advance(2 * MINUTE);
    let traces = bench.traces();
    assert!(traces.len() == count as usize && traces.is_sorted(), "{}", traces.len());
}

#[test]
fn a_cron_and_the_forgetting_of_jobs_go_on_when_there_is_room_again() {
    let (disk, scheduler) = (SimulatedDisk::new(5), ManualScheduler::new(Timestamp::EPOCH));
    let host = Host { crons: vec![("hourly", None, "tick")], ..Host::default() };
    let config = Config { job_retention: 2 * HOUR, ..config() };
    let bench = Bench::on(disk.clone(), host, config, scheduler);
    bench.advance(HOUR);
    fill(&disk);
    // What is left of the log's segment is soon used up.
    for size_bytes in [1_000, 0] {
        while bench.db.write(|tx| tx.insert(Trace { text: "x".repeat(size_bytes) })).is_ok() {}
    }
    let before = bench.traces().iter().filter(|text| *text == "tick").count();
    bench.scheduler.advance(10 * HOUR).unwrap();
    disk.set_capacity(None);
    bench.scheduler.advance(5 * HOUR).unwrap();
    let runs = bench.traces().iter().filter(|text| *text == "tick").count() - before;
    assert!((5..=7).contains(&runs), "what was missed is one run: {runs}");
    let kept = bench.db.read(|tx| tx.query(Job::by_id).count()).unwrap();
    assert!(kept <= 3, "{kept} finished jobs are kept");
}

#[test]
fn a_write_that_fails_once_delays_no_job_for_long_and_repeats_none() {
    let (bench, disk) = start();
    let retry = Retry::attempts(3);
    let actions: Vec<_> = (0..20).map(|n| bench.tell(Some(retry), &format!("{n} {}", "x".repeat(3_000)))).collect();
    let mutations: Vec<_> =
        (0..20).map(|_| bench.db.write(|tx| tx.schedule().now(Large { kib: 9 })).unwrap()).collect();
    for nth in 0..4 {
        disk.fail_next(Operation::Create, nth, ErrorKind::StorageFull);
    }
    bench.advance(10 * MINUTE);
    for job in actions.iter().chain(&mutations) {
        assert_eq!((bench.job(*job).status, bench.job(*job).attempts), (JobStatus::Succeeded, 1));
    }
    assert_eq!(bench.seen().len(), 20);
}

#[test]
fn health_tells_what_waits_and_what_failed() {
    #[derive(Clone, Default)]
    struct Mine(Arc<Mutex<Option<DueWork>>>, Arc<tropism::ManualClock>);
    impl Scheduler for Mine {
        fn start(&self, work: DueWork) -> Result<(), Error> {
            *self.0.lock() = Some(work);
            Ok(())
        }
        fn wake(&self) {}
        fn stop(&self) {}
        fn clock(&self) -> Option<Arc<dyn tropism::Clock>> {
            Some(self.1.clone())
        }
    }
    let (disk, mine) = (SimulatedDisk::new(5), Mine::default());
    let builder = Db::builder().module(Filled(Host::default(), disk.clone())).config(config()).driven_by_hand();
    let db = builder.scheduler(mine.clone()).open_on(disk.clone()).unwrap();
    let work = mine.0.lock().take().unwrap();
    let health = work.health().unwrap();
    assert_eq!((health.jobs_due, health.oldest_due_for, health.outcomes_waiting), (0, None, 0));
    db.write(|tx| tx.schedule().now(Fill { text: "x".into(), kib: 512 })).unwrap();
    db.write(|tx| tx.schedule().after(HOUR, AddTrace { text: "later".into() })).unwrap();
    mine.1.set(at(MINUTE));
    let health = work.health().unwrap();
    assert_eq!((health.jobs_due, health.oldest_due_for, health.last_failure), (1, Some(MINUTE), None));
    work.claim(RunKind::Action).unwrap().unwrap().execute().unwrap();
    let health = work.health().unwrap();
    assert_eq!((health.jobs_due, health.jobs_running, health.outcomes_waiting), (0, 1, 1));
    let failure = health.last_failure.unwrap();
    assert!(failure.at == at(MINUTE) && failure.message.contains("room"), "{failure:?}");
}

#[test]
fn an_action_whose_mark_does_not_become_durable_is_not_called_and_runs_when_the_log_can_be_written() {
    for retry in [None, Some(Retry::attempts(3))] {
        let (bench, disk) = start();
        let job = bench.tell(retry, "paid");
        (1..=40).for_each(|nth| disk.fail_next(Operation::Write, nth, ErrorKind::Other));
        assert!(bench.scheduler.run_due().unwrap().is_empty());
        assert!(bench.seen().is_empty());
        disk.heal();
        bench.scheduler.advance(MINUTE).unwrap();
        assert_eq!((bench.seen(), bench.traces()), (vec!["paid".to_owned()], vec!["paid".to_owned()]));
        assert_eq!((bench.job(job).status, bench.job(job).attempts), (JobStatus::Succeeded, 1));
    }
}

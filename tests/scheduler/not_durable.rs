//! The log cannot be written for a moment: what the scheduler has committed is applied and not durable yet. Nothing stays
//! where it was, runs twice, or is due for ever.

use std::io::ErrorKind;

use tropism::{
    Cron,
    disk::{Operation, SimulatedDisk},
};

use super::*;

functions! {
    pub module Breaking;

    /// Is told, and leaves a log that cannot be written when it ends.
    pub action Break in "breaking:break" { text: String } -> () |context| {
        if let (Some(disk), Some(outside)) = (context.resource::<SimulatedDisk>(), context.resource::<Outside>()) {
            outside.seen.lock().push(text);
            fail_log(disk);
        }
        Ok(())
    }
}

struct Breakable(Host, SimulatedDisk);

impl Module for Breakable {
    fn register(&self, registration: &mut Registration) {
        registration.module(self.0.clone()).module(Breaking).resource(self.1.clone());
    }
}

/// One commit cannot be made durable: each is tried three times.
fn fail_log(disk: &SimulatedDisk) {
    (0..3).for_each(|_| disk.fail_next(Operation::Write, 1, ErrorKind::Other));
}

fn start(host: Host) -> (Bench, SimulatedDisk) {
    let (disk, scheduler) = (SimulatedDisk::new(7), ManualScheduler::new(Timestamp::EPOCH));
    let builder = Db::builder().module(Breakable(host.clone(), disk.clone())).driven_by_hand();
    let db = builder.scheduler(scheduler.clone()).open_on(disk.clone()).unwrap();
    (Bench { db, scheduler, host }, disk)
}

#[test]
fn an_action_whose_mark_is_not_durable_in_time_does_not_begin_and_runs_when_it_can_be() {
    for failed_commits in 1..6 {
        let (bench, disk) = start(Host::default());
        let job = bench.tell(None, "told");
        (0..failed_commits).for_each(|_| fail_log(&disk));
        assert!(bench.scheduler.run_due().unwrap().is_empty());
        assert!(bench.seen().is_empty(), "it has not begun");
        bench.advance(MINUTE);
        let job = bench.job(job);
        assert_eq!((job.status, job.attempts), (JobStatus::Succeeded, 1), "after {failed_commits} commits that failed");
        assert_eq!(bench.seen(), ["told"]);
    }
}

#[test]
fn an_attempt_that_did_not_begin_does_not_count() {
    let (bench, disk) = start(Host::default());
    bench.host.outside.failures.store(1, Ordering::SeqCst);
    let job = bench.tell(Some(Retry::attempts(2).first_wait(HOUR).jitter_percent(0)), "told");
    bench.scheduler.run_due().unwrap();
    let first_start = bench.job(job).started_at;
    fail_log(&disk);
    bench.scheduler.set_now(at(HOUR));
    bench.scheduler.run_due().unwrap();
    // Taken back, and due at once.
    bench.scheduler.set_now(at(HOUR + Duration::from_millis(100)));
    bench.scheduler.step().unwrap();
    let job = bench.job(job);
    assert_eq!((job.status, job.attempts), (JobStatus::Succeeded, 2));
    assert!(job.started_at > first_start && bench.seen().len() == 2);
}

#[test]
fn an_action_that_cannot_run_is_marked_once_the_log_can_be_written() {
    let (bench, disk) = start(Host::default());
    let job = bench.tell(None, "told");
    bench.db.write(|tx| tx.patch(job, |job| job.function = "work:gone".into())).unwrap();
    fail_log(&disk);
    let ran = bench.scheduler.run_due().unwrap();
    assert_eq!(ran.iter().map(|ran| ran.status).collect::<Vec<_>>(), [JobStatus::Unrunnable]);
    bench.advance(MINUTE);
    assert_eq!(bench.job(job).status, JobStatus::Unrunnable);
}

#[test]
fn how_an_action_ended_becomes_durable_by_itself() {
    let (bench, _) = start(Host::default());
    let job = bench.db.write(|tx| tx.schedule().now(Break { text: "told".into() })).unwrap();
    assert_eq!(bench.scheduler.run_due().unwrap().len(), 1);
    let health = bench.db.health().scheduler.unwrap();
    assert!(health.outcomes_waiting == 1 && health.last_failure.is_some(), "{health:?}");
    assert!(bench.advance(MINUTE).is_empty(), "it is told of once");
    assert_eq!((bench.job(job).status, bench.seen().len()), (JobStatus::Succeeded, 1));
    assert_eq!(bench.db.health().scheduler.unwrap().outcomes_waiting, 0);
}

#[test]
fn mutations_that_are_not_durable_in_time_have_run_and_do_not_run_again() {
    let (bench, disk) = start(Host::default());
    let jobs = ["one", "two", "three"].map(|text| bench.add(Duration::ZERO, text));
    fail_log(&disk);
    let ran = bench.scheduler.run_due().unwrap();
    assert_eq!(ran.iter().map(|ran| ran.job).collect::<Vec<_>>(), jobs);
    bench.advance(MINUTE);
    assert_eq!(bench.traces(), ["one", "two", "three"]);
    assert!(jobs.iter().all(|job| bench.job(*job).status == JobStatus::Succeeded));
    assert_eq!(bench.scheduler.next_due().unwrap().filter(|due| *due <= bench.scheduler.now()), None);
}

#[test]
fn the_last_mutation_becomes_durable_by_itself() {
    let (bench, disk) = start(Host::default());
    let job = bench.add(Duration::ZERO, "one");
    fail_log(&disk);
    bench.scheduler.run_due().unwrap();
    assert!(bench.advance(MINUTE).is_empty());
    assert_eq!((bench.job(job).status, bench.traces().len()), (JobStatus::Succeeded, 1));
}

/// A database whose cron is due and could not be fired; `commits` that fail are the cron's own, or one of the host before.
fn with_a_paused_cron(commits: usize) -> (Bench, Id<Cron>) {
    let (bench, disk) = start(Host { crons: vec![("hourly", None, "tick")], ..Host::default() });
    (0..commits).for_each(|_| fail_log(&disk));
    bench.scheduler.set_now(at(HOUR));
    if commits > 1 {
        bench.db.write(|tx| tx.insert(Trace { text: "host".into() })).unwrap_err();
    }
    bench.scheduler.run_due().unwrap();
    assert!(bench.db.health().scheduler.unwrap().last_failure.unwrap().message.contains("Cron"));
    let cron = bench.db.read(|tx| tx.query(Cron::by_name).eq("hourly").unique()).unwrap().unwrap().id();
    (bench, cron)
}

fn ticks(bench: &Bench) -> usize {
    bench.traces().iter().filter(|text| *text == "tick").count()
}

#[test]
fn a_cron_whose_run_became_durable_by_another_commit_is_no_longer_due() {
    let (bench, _) = with_a_paused_cron(1);
    bench.db.write(|tx| tx.insert(Trace { text: "host".into() })).unwrap();
    bench.scheduler.advance(DAY).unwrap();
    assert_eq!(ticks(&bench), 25);
}

#[test]
fn a_cron_whose_run_is_not_durable_in_time_runs_once() {
    let (bench, _) = with_a_paused_cron(1);
    bench.scheduler.advance(DAY).unwrap();
    assert_eq!(ticks(&bench), 25);
}

#[test]
fn a_paused_cron_waits_for_its_time_when_the_clock_is_put_back() {
    let (bench, _) = with_a_paused_cron(2);
    bench.scheduler.set_now(at(HOUR / 2));
    bench.scheduler.advance(Duration::from_secs(1)).unwrap();
    assert_eq!((bench.scheduler.next_due().unwrap(), ticks(&bench)), (Some(at(HOUR)), 0));
    bench.scheduler.advance(HOUR).unwrap();
    assert_eq!(ticks(&bench), 1);
}

#[test]
fn a_paused_cron_that_the_host_deletes_or_puts_off_is_no_longer_due() {
    let (bench, cron) = with_a_paused_cron(2);
    bench.db.write(|tx| tx.delete(cron)).unwrap();
    assert!(bench.scheduler.advance(DAY).unwrap().is_empty());
    assert_eq!(bench.scheduler.next_due().unwrap(), None);

    let (bench, cron) = with_a_paused_cron(2);
    bench.db.write(|tx| tx.patch(cron, |cron| cron.next_run_at = at(DAY))).unwrap();
    assert!(bench.scheduler.advance(DAY - 2 * HOUR).unwrap().is_empty());
    assert_eq!(bench.scheduler.advance(2 * HOUR).unwrap().len(), 2);

    let (bench, cron) = with_a_paused_cron(2);
    bench.db.write(|tx| tx.patch(cron, |cron| cron.name = "nobody's".into())).unwrap();
    assert!(bench.scheduler.advance(DAY).unwrap().is_empty());
}

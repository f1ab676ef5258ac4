//! Functions that run again and again.

use tropism::{Cron, OpenError, RegistrationError};

use super::*;

fn host(crons: &[(&'static str, CronSchedule, &'static str)]) -> Host {
    let crons = crons.iter().map(|(name, schedule, text)| (*name, Some(schedule.clone()), *text)).collect();
    Host { crons, ..Host::default() }
}

fn cron(db: &Db, name: &str) -> Doc<Cron> {
    db.read(|tx| tx.query(Cron::by_name).eq(name).unique()).unwrap().unwrap()
}

/// Milliseconds of a UTC time.
fn utc(text: &str) -> Timestamp {
    let time: jiff::Timestamp = text.parse().unwrap();
    Timestamp::from_millis(time.as_millisecond())
}

#[test]
fn an_interval_runs_on_its_beat() {
    let bench = Bench::with(host(&[("hourly", CronSchedule::every(HOUR), "tick")]), Config::default());
    assert!(bench.advance(HOUR - Duration::from_millis(1)).is_empty());
    assert_eq!(bench.advance(Duration::from_millis(1)), ["work:add"]);
    assert_eq!(bench.advance(DAY).len(), 24);
    let cron = cron(&bench.db, "hourly");
    assert_eq!((cron.last_run_at, cron.next_run_at, cron.skipped), (Some(at(25 * HOUR)), at(26 * HOUR), 0));
}

#[test]
fn a_cron_has_a_history() {
    let bench = Bench::with(host(&[("hourly", CronSchedule::every(HOUR), "tick")]), Config::default());
    bench.scheduler.advance(3 * HOUR).unwrap();
    let id = cron(&bench.db, "hourly").id();
    let runs = bench.db.read(|tx| tx.query(Job::by_cron_and_status).eq(Some(id)).collect()).unwrap();
    let due: Vec<_> = runs.iter().map(|run| (run.due_at, run.status)).collect();
    assert_eq!(due, [1, 2, 3].map(|hour| (at(hour * HOUR), JobStatus::Succeeded)));
}

#[test]
fn runs_that_were_missed_while_the_process_was_down_are_one() {
    let disk = MemoryDisk::default();
    let host = host(&[("hourly", CronSchedule::every(HOUR), "tick")]);
    let bench = Bench::on(disk.clone(), host.clone(), Config::default(), ManualScheduler::new(Timestamp::EPOCH));
    bench.scheduler.advance(HOUR).unwrap();
    bench.db.close().unwrap();
    let later = ManualScheduler::new(at(10 * HOUR + MINUTE));
    let bench = Bench::on(disk, host, Config::default(), later);
    assert_eq!(bench.scheduler.run_due().unwrap().len(), 1);
    assert_eq!(bench.traces(), ["tick"; 2]);
    assert_eq!(cron(&bench.db, "hourly").next_run_at, at(11 * HOUR), "the beat is kept");
}

#[test]
fn a_cron_does_not_overlap_itself() {
    functions! {
        pub module Slow;
        /// Takes two and a half hours of the virtual clock.
        pub action Nap in "slow:nap" {} -> () |context| {
            if let Some(scheduler) = context.resource::<ManualScheduler>() {
                let end = Timestamp::from_millis(scheduler.now().as_millis() + 9_000_000);
                // What becomes due meanwhile runs meanwhile, as it would on other threads.
                scheduler.advance_to(end)?;
            }
            Ok(())
        }
    }
    struct Naps(ManualScheduler);
    impl Module for Naps {
        fn register(&self, registration: &mut Registration) {
            registration.module(Slow).resource(self.0.clone()).cron("nap", CronSchedule::every(HOUR), Nap {});
        }
    }
    let scheduler = ManualScheduler::new(Timestamp::EPOCH);
    let db = Db::builder().module(Naps(scheduler.clone())).scheduler(scheduler.clone()).in_memory().unwrap();
    scheduler.advance(HOUR).unwrap();
    let nap = cron(&db, "nap");
    assert_eq!((nap.last_run_at, nap.skipped), (Some(at(HOUR)), 2), "those at two and three o'clock were left out");
    let runs = db.read(|tx| tx.query(Job::by_cron_and_status).eq(Some(nap.id())).count()).unwrap();
    assert_eq!(runs, 1);
    db.close().unwrap();
}

#[test]
fn a_cron_that_is_no_longer_declared_is_forgotten_and_a_changed_one_begins_anew() {
    let disk = MemoryDisk::default();
    let first = host(&[("old", CronSchedule::every(HOUR), "old"), ("kept", CronSchedule::every(HOUR), "kept")]);
    let bench = Bench::on(disk.clone(), first, Config::default(), ManualScheduler::new(Timestamp::EPOCH));
    let before = cron(&bench.db, "kept").id();
    bench.db.close().unwrap();
    let second = host(&[("kept", CronSchedule::every(2 * HOUR), "new")]);
    let bench = Bench::on(disk.clone(), second, Config::default(), ManualScheduler::new(at(MINUTE)));
    let kept = cron(&bench.db, "kept");
    assert_eq!((kept.id(), kept.next_run_at), (before, at(2 * HOUR + MINUTE)));
    assert!(bench.db.read(|tx| tx.query(Cron::by_name).eq("old").first()).unwrap().is_none());
    bench.scheduler.advance(3 * HOUR).unwrap();
    assert_eq!(bench.traces(), ["new"]);
    bench.db.close().unwrap();
    let none = Bench::on(disk, Host::default(), Config::default(), ManualScheduler::new(at(DAY)));
    assert_eq!(none.db.read(|tx| tx.query(Cron::by_id).count()).unwrap(), 0);
}

#[test]
fn an_unchanged_cron_keeps_its_time_across_restarts() {
    let disk = MemoryDisk::default();
    let host = host(&[("hourly", CronSchedule::every(HOUR), "tick")]);
    for minute in [0, 20, 40, 59] {
        let scheduler = ManualScheduler::new(at(minute * MINUTE));
        let bench = Bench::on(disk.clone(), host.clone(), Config::default(), scheduler);
        bench.scheduler.run_due().unwrap();
        assert_eq!(cron(&bench.db, "hourly").next_run_at, at(HOUR), "opening it often puts nothing off");
        bench.db.close().unwrap();
    }
}

#[test]
fn an_expression_runs_at_its_times_in_its_zone_through_both_changes_of_the_clock() {
    let morning = CronSchedule::at("30 2 * * *", "Europe/Berlin");
    let run = |from: &str, until: &str| {
        let crons = host(&[("night", morning.clone(), "tick")]);
        let scheduler = ManualScheduler::new(utc(from));
        let bench = Bench::on(MemoryDisk::default(), crons, Config::default(), scheduler);
        bench.scheduler.advance_to(utc(until)).unwrap();
        let id = cron(&bench.db, "night").id();
        let runs = bench.db.read(|tx| tx.query(Job::by_cron_and_status).eq(Some(id)).collect()).unwrap();
        runs.iter().map(|run| run.due_at).collect::<Vec<_>>()
    };
    // On 29 March 2026 there is no 02:30 in Berlin: it runs an hour later on the clock, which is a day after the last.
    let spring = run("2026-03-28T00:00:00Z", "2026-03-31T00:00:00Z");
    assert_eq!(spring, [utc("2026-03-28T01:30:00Z"), utc("2026-03-29T01:30:00Z"), utc("2026-03-30T00:30:00Z")]);
    // On 25 October 2026 there are two: it runs at the first.
    let autumn = run("2026-10-24T00:00:00Z", "2026-10-27T00:00:00Z");
    assert_eq!(autumn, [utc("2026-10-24T00:30:00Z"), utc("2026-10-25T00:30:00Z"), utc("2026-10-26T01:30:00Z")]);
}

#[test]
fn a_schedule_that_cannot_be_kept_is_refused_when_the_database_opens() {
    let refused = |schedule: CronSchedule| {
        let opened = Db::builder().module(host(&[("bad", schedule, "x")])).in_memory();
        match opened.err() {
            Some(OpenError::Registration(RegistrationError::Schedule { cron, reason })) => {
                assert_eq!(cron, "bad");
                reason
            }
            other => panic!("{other:?}"),
        }
    };
    refused(CronSchedule::every(Duration::ZERO));
    assert!(refused(CronSchedule::at("61 * * * *", "UTC")).contains("61"));
    assert!(refused(CronSchedule::at("0 9 * * *", "Europe/Atlantis")).contains("Atlantis"));
    assert!(refused(CronSchedule::at("0 0 30 2 *", "UTC")).contains("never"));
}

#[test]
fn crons_with_one_name_or_a_function_that_is_not_registered_are_refused() {
    let twice = [("same", CronSchedule::every(HOUR), "a"), ("same", CronSchedule::every(DAY), "b")];
    let opened = Db::builder().module(host(&twice)).in_memory();
    assert!(matches!(opened.err(), Some(OpenError::Registration(RegistrationError::DuplicateCron { .. }))));

    struct Stray;
    impl Module for Stray {
        fn register(&self, registration: &mut Registration) {
            registration.cron("stray", CronSchedule::every(HOUR), AddTrace { text: "x".into() });
        }
    }
    let opened = Db::builder().module(Stray).in_memory();
    let refused = opened.err();
    assert!(matches!(refused, Some(OpenError::Registration(RegistrationError::UnknownCronFunction { .. }))));
}

//! Clocks that jump, forwards and back, at open and while running: nothing is lost, repeated or asleep for years.

use tropism::Cron;

use super::*;

const WEEK: Duration = Duration::from_secs(7 * 86_400);
const TEN_YEARS: Duration = Duration::from_secs(3_650 * 86_400);
/// By how much a clock is ahead: seconds to decades.
const JUMPS: [Duration; 6] = [Duration::from_secs(5), MINUTE, HOUR, DAY, Duration::from_secs(40 * 86_400), TEN_YEARS];

fn bench(crons: Vec<(&'static str, Option<CronSchedule>, &'static str)>) -> Bench {
    Bench::with(Host { crons, ..Host::default() }, Config::default())
}

fn count(bench: &Bench, text: &str) -> usize {
    bench.traces().iter().filter(|trace| *trace == text).count()
}

#[test]
fn a_job_for_now_runs_at_once_when_a_clock_that_was_ahead_is_put_right() {
    for jump in JUMPS {
        let bench = bench(Vec::new());
        bench.scheduler.set_now(at(WEEK + jump));
        let job = bench.add(Duration::ZERO, "now");
        bench.scheduler.set_now(at(WEEK));
        assert!(bench.scheduler.next_due().unwrap() <= Some(at(WEEK)), "ahead by {jump:?}");
        bench.scheduler.run_due().unwrap();
        assert_eq!(bench.job(job).status, JobStatus::Succeeded, "ahead by {jump:?}");
    }
}

#[test]
fn a_job_after_a_wait_waits_that_long_from_the_correction_on() {
    for jump in JUMPS {
        let bench = bench(Vec::new());
        bench.scheduler.set_now(at(WEEK + jump));
        let job = bench.add(HOUR, "after");
        bench.scheduler.set_now(at(WEEK));
        bench.scheduler.run_due().unwrap();
        assert_eq!(bench.job(job).due_at, at(WEEK + HOUR), "ahead by {jump:?}");
        bench.advance(HOUR);
        assert_eq!(bench.traces(), ["after"], "ahead by {jump:?}");
    }
}

#[test]
fn a_job_for_a_point_in_time_keeps_it_whatever_the_clock_does() {
    let bench = bench(Vec::new());
    bench.scheduler.set_now(at(TEN_YEARS));
    let job = bench.db.write(|tx| tx.schedule().at(at(2 * TEN_YEARS), AddTrace { text: "then".into() })).unwrap();
    bench.scheduler.set_now(at(DAY));
    bench.advance(WEEK);
    assert_eq!((bench.job(job).status, bench.job(job).due_at), (JobStatus::Queued, at(2 * TEN_YEARS)));
    bench.scheduler.set_now(at(2 * TEN_YEARS));
    bench.scheduler.run_due().unwrap();
    assert_eq!(bench.traces(), ["then"]);
}

#[test]
fn a_retry_waits_from_the_correction_on() {
    let bench = bench(Vec::new());
    bench.scheduler.set_now(at(TEN_YEARS));
    bench.host.outside.failures.store(1, Ordering::SeqCst);
    let job = bench.tell(Some(Retry::attempts(3).first_wait(MINUTE).jitter_percent(0)), "again");
    bench.scheduler.run_due().unwrap();
    assert_eq!(bench.job(job).due_at, at(TEN_YEARS + MINUTE));
    bench.scheduler.set_now(at(DAY));
    bench.advance(MINUTE);
    assert_eq!((bench.job(job).status, bench.seen().len()), (JobStatus::Succeeded, 2));
}

#[test]
fn what_was_set_while_the_clock_was_ahead_is_put_right_when_the_database_is_opened() {
    let disk = MemoryDisk::default();
    let host = Host { crons: vec![("hourly", None, "tick")], ..Host::default() };
    let bench = Bench::on(disk.clone(), host.clone(), Config::default(), ManualScheduler::new(at(TEN_YEARS)));
    let (now, after) = (bench.add(Duration::ZERO, "now"), bench.add(HOUR, "after"));
    bench.db.close().unwrap();
    let bench = Bench::on(disk, host, Config::default(), ManualScheduler::new(at(DAY)));
    assert_eq!((bench.job(now).due_at, bench.job(after).due_at), (at(DAY), at(DAY + HOUR)));
    bench.advance(DAY);
    assert_eq!((count(&bench, "now"), count(&bench, "after"), count(&bench, "tick")), (1, 1, 24));
}

#[test]
fn many_jobs_are_put_right_in_parts_and_run_in_the_order_in_which_they_were_scheduled() {
    let bench = bench(Vec::new());
    bench.scheduler.set_now(at(TEN_YEARS));
    bench
        .db
        .write(|tx| -> Result<(), Error> {
            for number in 0..700 {
                tx.schedule().now(AddTrace { text: format!("{number:03}") })?;
            }
            Ok(())
        })
        .unwrap();
    bench.scheduler.set_now(at(DAY));
    bench.scheduler.run_due().unwrap();
    let traces = bench.traces();
    assert!(traces.len() == 700 && traces.is_sorted(), "{}", traces.len());
}

#[test]
fn a_cron_goes_on_at_its_next_time_when_a_clock_that_was_ahead_is_put_right() {
    for jump in JUMPS.into_iter().filter(|jump| *jump > HOUR) {
        let bench = bench(vec![("hourly", None, "tick")]);
        bench.scheduler.set_now(at(jump));
        bench.scheduler.run_due().unwrap();
        bench.advance(3 * HOUR);
        bench.scheduler.set_now(at(Duration::ZERO));
        let before = count(&bench, "tick");
        bench.advance(10 * HOUR);
        let runs = count(&bench, "tick") - before;
        assert!((9..=10).contains(&runs), "{runs} runs in ten hours after it was ahead by {jump:?}");
        let cron = bench.db.read(|tx| tx.query(Cron::by_name).eq("hourly").unique()).unwrap().unwrap();
        assert_eq!(cron.next_run_at, at(11 * HOUR), "on its beat");
    }
}

#[test]
fn a_clock_that_goes_back_an_hour_runs_no_cron_twice_for_the_same_time() {
    for schedule in [None, Some(CronSchedule::every(MINUTE)), Some(CronSchedule::at("*/10 * * * *", "UTC"))] {
        let bench = bench(vec![("cron", schedule.clone(), "tick")]);
        bench.advance(5 * HOUR);
        for _ in 0..3 {
            bench.scheduler.set_now(at(4 * HOUR));
            bench.advance(90 * MINUTE / 2);
        }
        bench.scheduler.set_now(at(4 * HOUR));
        bench.advance(4 * HOUR);
        let runs = bench.db.read(|tx| tx.query(Job::by_id).collect()).unwrap();
        let mut times: Vec<_> = runs.iter().map(|run| run.due_at).collect();
        times.sort();
        let all = times.len();
        times.dedup();
        assert_eq!((times.len(), times.last()), (all, Some(&at(8 * HOUR))), "{schedule:?}");
        let minutes = match schedule.is_none() {
            true => 60,
            false => (times[1].as_millis() - times[0].as_millis()) / 60_000,
        };
        assert_eq!(all as i64, 8 * 60 / minutes, "none is left out: {schedule:?}");
    }
}

#[test]
fn a_run_of_a_cron_that_waits_when_the_clock_is_put_right_runs_and_holds_up_no_further_one() {
    let bench = bench(vec![("hourly", None, "tick")]);
    bench.advance(HOUR);
    // The cron fires twice at a time that never comes, and the job waits.
    bench.scheduler.set_now(at(TEN_YEARS));
    bench.scheduler.step().unwrap();
    bench.scheduler.set_now(at(TEN_YEARS + HOUR));
    bench.scheduler.set_now(at(2 * HOUR));
    bench.advance(DAY);
    assert!(count(&bench, "tick") >= 24, "{}", count(&bench, "tick"));
    let open = bench.db.read(|tx| tx.query(Job::by_queue).eq(JobStatus::Queued).count()).unwrap();
    assert_eq!(open, 0);
}

#[test]
fn finished_jobs_are_not_forgotten_early_when_the_clock_is_ahead_for_a_moment() {
    let bench = bench(Vec::new());
    let job = bench.add(Duration::ZERO, "one");
    bench.scheduler.run_due().unwrap();
    bench.scheduler.set_now(at(TEN_YEARS));
    bench.scheduler.run_due().unwrap();
    bench.advance(MINUTE);
    bench.scheduler.set_now(at(HOUR));
    bench.advance(DAY);
    assert_eq!(bench.job(job).status, JobStatus::Succeeded);
    bench.advance(2 * WEEK);
    assert!(bench.db.read(|tx| tx.get(job)).unwrap().is_none(), "and they are forgotten in time");
}

#[test]
fn a_job_that_finished_while_the_clock_was_ahead_is_kept_for_its_time_from_the_correction_on() {
    let bench = bench(Vec::new());
    bench.scheduler.set_now(at(TEN_YEARS));
    let job = bench.add(Duration::ZERO, "one");
    bench.scheduler.run_due().unwrap();
    bench.scheduler.set_now(at(DAY));
    bench.scheduler.run_due().unwrap();
    assert_eq!(bench.job(job).finished_at, Some(at(DAY)));
    bench.advance(6 * DAY);
    assert_eq!(bench.job(job).status, JobStatus::Succeeded);
    bench.advance(2 * DAY);
    assert!(bench.db.read(|tx| tx.get(job)).unwrap().is_none());
}

#[test]
fn finished_jobs_are_forgotten_although_the_process_is_suspended_again_and_again() {
    let bench = bench(Vec::new());
    let job = bench.add(Duration::ZERO, "one");
    bench.scheduler.run_due().unwrap();
    for day in 1..12 {
        bench.scheduler.set_now(at(day * DAY));
        bench.scheduler.run_due().unwrap();
    }
    assert!(bench.db.read(|tx| tx.get(job)).unwrap().is_none());
}

#[test]
fn a_clock_that_trembles_puts_nothing_off() {
    let bench = bench(vec![("often", Some(CronSchedule::every(MINUTE)), "tick")]);
    let mut now = Duration::ZERO;
    while now < HOUR {
        now += Duration::from_secs(7);
        bench.scheduler.set_now(at(now));
        bench.add(Duration::ZERO, "now");
        bench.scheduler.run_due().unwrap();
        now -= Duration::from_secs(2);
        bench.scheduler.set_now(at(now));
        bench.scheduler.run_due().unwrap();
    }
    assert_eq!((count(&bench, "tick"), count(&bench, "now")), (60, 720));
}

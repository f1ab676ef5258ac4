//! Mutations run exactly once, when they are due, in order.

use tropism::JobKind;

use super::*;

#[test]
fn a_job_runs_when_it_is_due_and_not_before() {
    let bench = Bench::new();
    let job = bench.add(HOUR, "later");
    assert_eq!((bench.job(job).status, bench.job(job).due_at), (JobStatus::Queued, at(HOUR)));
    assert!(bench.advance(HOUR - Duration::from_millis(1)).is_empty());
    assert_eq!(bench.advance(Duration::from_millis(1)), ["work:add"]);
    assert_eq!(bench.traces(), ["later"]);
    assert!(bench.advance(DAY).is_empty(), "it runs once");
    assert_eq!(bench.traces(), ["later"]);
}

#[test]
fn now_is_due_at_once_and_a_time_that_has_passed_too() {
    let bench = Bench::new();
    bench.scheduler.advance(DAY).unwrap();
    bench.db.write(|tx| tx.schedule().now(AddTrace { text: "now".into() })).unwrap();
    bench.db.write(|tx| tx.schedule().at(at(HOUR), AddTrace { text: "an hour ago".into() })).unwrap();
    assert_eq!(bench.scheduler.run_due().unwrap().len(), 2);
    assert_eq!(bench.traces(), ["an hour ago", "now"]);
}

#[test]
fn a_job_of_a_transaction_that_rolls_back_never_existed() {
    let bench = Bench::new();
    let refused: Result<(), Error> = bench.db.write(|tx| {
        tx.schedule().now(AddTrace { text: "never".into() })?;
        Err(ScheduleError::NotStarted.into())
    });
    assert!(refused.is_err());
    assert!(bench.scheduler.advance(DAY).unwrap().is_empty());
    assert_eq!(bench.db.read(|tx| tx.query(Job::by_id).count()).unwrap(), 0);
}

#[test]
fn its_effects_and_its_new_status_are_one_commit() {
    let bench = Bench::new();
    let job = bench.add(Duration::ZERO, "one");
    let seen = bench.db.watch(move |tx| -> Result<_, Error> {
        let status = tx.get(job)?.map(|job| job.status);
        Ok((status, tx.query(Trace::by_id).count()?))
    });
    let seen = seen.unwrap();
    assert_eq!(*seen.recv().unwrap().unwrap(), (Some(JobStatus::Queued), 0));
    bench.scheduler.run_due().unwrap();
    bench.db.reactor().unwrap().run();
    assert_eq!(*seen.recv().unwrap().unwrap(), (Some(JobStatus::Succeeded), 1));
    assert!(seen.try_recv().is_none(), "there was nothing in between");
}

#[test]
fn a_job_keeps_its_result_and_its_times() {
    let bench = Bench::new();
    let id = bench.add(HOUR, "one");
    bench.scheduler.advance(DAY).unwrap();
    let job = bench.job(id);
    assert_eq!((job.kind, job.status, job.attempts), (JobKind::Mutation, JobStatus::Succeeded, 1));
    assert_eq!((job.started_at, job.finished_at), (Some(at(HOUR)), Some(at(HOUR))));
    let trace = bench.db.read(|tx| tx.query(Trace::by_id).first()).unwrap().unwrap();
    assert_eq!(job.result_json().unwrap(), serde_json::json!(trace.id()));
}

#[test]
fn a_failure_rolls_back_and_keeps_its_error_and_data() {
    let bench = Bench::new();
    let failed = bench.db.write(|tx| tx.schedule().now(Fail { text: "never".into() })).unwrap();
    let panicked = bench.db.write(|tx| tx.schedule().now(Explode { text: "never".into() })).unwrap();
    bench.scheduler.run_due().unwrap();
    assert!(bench.traces().is_empty());
    let job = bench.job(failed);
    assert_eq!((job.status, job.error_code.as_deref()), (JobStatus::Failed, Some("application")));
    assert_eq!(job.error.as_deref(), Some("attempt 1 failed"));
    assert_eq!(job.error_json().unwrap(), serde_json::json!({ "failed": { "attempt": 1 } }));
    let job = bench.job(panicked);
    assert_eq!((job.status, job.error_code.as_deref()), (JobStatus::Failed, Some("panicked")));
    assert!(job.error.as_ref().unwrap().contains("on purpose"), "{:?}", job.error);
}

#[test]
fn what_cannot_be_committed_is_a_failure_and_not_tried_for_ever() {
    let config = Config { overlay_limit_bytes: 1 << 20, checkpoint_bytes: 1 << 19, ..Config::default() };
    let bench = Bench::with(Host::default(), config);
    let job = bench.db.write(|tx| tx.schedule().now(TooMuch {})).unwrap();
    bench.add(Duration::ZERO, "next");
    bench.scheduler.run_due().unwrap();
    assert_eq!(bench.job(job).status, JobStatus::Failed);
    assert_eq!(bench.traces(), ["next"]);
}

#[test]
fn a_mutation_with_a_retry_policy_is_tried_again() {
    let bench = Bench::new();
    let retry = Retry::attempts(3).first_wait(MINUTE).jitter_percent(0);
    let job = bench.db.write(|tx| tx.schedule().retrying(retry).now(Fail { text: "x".into() })).unwrap();
    let ran = bench.scheduler.advance(DAY).unwrap();
    let statuses: Vec<_> = ran.iter().map(|ran| ran.status).collect();
    assert_eq!(statuses, [JobStatus::Queued, JobStatus::Queued, JobStatus::Failed]);
    assert_eq!(bench.job(job).finished_at, Some(at(3 * MINUTE)), "one minute, and then two");
}

#[test]
fn thousands_of_due_jobs_run_in_the_order_in_which_they_are_due() {
    let bench = Bench::new();
    let count: u64 = 3_000;
    bench
        .db
        .write(|tx| -> Result<(), Error> {
            for number in 0..count {
                // A permutation of 0..count.
                let due = number * 2_741 % count;
                tx.schedule().after(Duration::from_millis(due), AddTrace { text: format!("{due:05}") })?;
            }
            Ok(())
        })
        .unwrap();
    bench.scheduler.set_now(at(HOUR));
    assert_eq!(bench.scheduler.run_due().unwrap().len(), count as usize);
    let traces = bench.traces();
    assert_eq!(traces.len(), count as usize);
    assert!(traces.is_sorted());
}

#[test]
fn jobs_that_are_due_at_the_same_time_run_as_they_were_scheduled() {
    let bench = Bench::new();
    for text in ["b", "a", "c"] {
        bench.add(HOUR, text);
    }
    bench.scheduler.advance(DAY).unwrap();
    assert_eq!(bench.traces(), ["b", "a", "c"]);
}

#[test]
fn a_job_can_schedule_itself() {
    let bench = Bench::new();
    bench.db.write(|tx| tx.schedule().now(Again { left: 5 })).unwrap();
    assert_eq!(bench.scheduler.advance(2 * MINUTE).unwrap().len(), 3);
    assert_eq!(bench.scheduler.advance(DAY).unwrap().len(), 2);
    assert_eq!(bench.traces(), ["5", "4", "3", "2", "1"]);
}

#[test]
fn a_cancelled_job_does_not_run() {
    let bench = Bench::new();
    let job = bench.add(HOUR, "never");
    assert!(bench.db.write(|tx| tx.schedule().cancel(job)).unwrap());
    assert!(bench.scheduler.advance(DAY).unwrap().is_empty());
    assert_eq!((bench.job(job).status, bench.traces().len()), (JobStatus::Cancelled, 0));
    assert!(!bench.db.write(|tx| tx.schedule().cancel(job)).unwrap(), "there was nothing to cancel any more");
}

#[test]
fn a_job_that_has_run_cannot_be_cancelled_and_can_be_run_again() {
    let bench = Bench::new();
    let job = bench.add(Duration::ZERO, "one");
    assert!(!bench.db.write(|tx| tx.schedule().again(job)).unwrap(), "it waits already");
    bench.scheduler.run_due().unwrap();
    assert!(!bench.db.write(|tx| tx.schedule().cancel(job)).unwrap());
    assert_eq!(bench.job(job).status, JobStatus::Succeeded);
    assert!(bench.db.write(|tx| tx.schedule().again(job)).unwrap());
    bench.scheduler.run_due().unwrap();
    assert_eq!(bench.traces(), ["one", "one"]);
}

#[test]
fn what_is_not_registered_or_does_not_survive_as_json_is_refused_when_scheduled() {
    functions! { pub mutation Stray in "work:stray" {} -> () |_| { Ok(()) } }
    let bench = Bench::new();
    let error = bench.db.write(|tx| tx.schedule().now(Stray {})).unwrap_err();
    assert!(matches!(error, Error::Schedule(ScheduleError::NotRegistered { function: "work:stray" })), "{error}");
    let error = bench.db.write(|tx| tx.schedule().now(Measure { value: f64::NAN })).unwrap_err();
    assert!(matches!(error, Error::Schedule(ScheduleError::Arguments { .. })), "{error}");
    bench.db.write(|tx| tx.schedule().now(Measure { value: 0.1 })).unwrap();
}

#[test]
fn finished_jobs_are_kept_for_a_time_and_then_forgotten() {
    let bench = Bench::with(Host::default(), Config { job_retention: DAY, ..Config::default() });
    let early = bench.add(Duration::ZERO, "early");
    let late = bench.add(12 * HOUR, "late");
    bench.scheduler.advance(DAY).unwrap();
    assert_eq!(bench.job(early).status, JobStatus::Succeeded, "a day is the least");
    bench.scheduler.advance(DAY / 8).unwrap();
    assert!(bench.db.read(|tx| tx.get(early)).unwrap().is_none());
    assert_eq!(bench.job(late).status, JobStatus::Succeeded);
    bench.scheduler.advance(DAY).unwrap();
    assert_eq!(bench.db.read(|tx| tx.query(Job::by_id).count()).unwrap(), 0);
    assert_eq!(bench.scheduler.next_due().unwrap(), None, "nothing is left to do");
}

#[test]
fn without_retention_a_job_goes_in_the_commit_of_its_effects() {
    let bench = Bench::with(Host::default(), Config { job_retention: Duration::ZERO, ..Config::default() });
    bench.add(Duration::ZERO, "one");
    bench.tell(None, "two");
    bench.scheduler.run_due().unwrap();
    assert_eq!(bench.traces(), ["one", "two"]);
    assert_eq!(bench.db.read(|tx| tx.query(Job::by_id).count()).unwrap(), 0);
}

#[test]
fn a_job_whose_function_is_gone_or_whose_arguments_no_longer_read_is_kept_and_says_which() {
    mod before {
        use super::*;
        functions! {
            pub module Old;
            pub mutation Gone in "old:gone" {} -> () |_| { Ok(()) }
            pub mutation Changed in "old:changed" { count: u32 } -> () |_| { Ok(()) }
            pub action GoneAction in "old:goneAction" {} -> () |_| { Ok(()) }
        }
    }
    mod after {
        use super::*;
        functions! {
            pub module New;
            pub mutation Changed in "old:changed" { count: String } -> () |_| { Ok(()) }
        }
    }
    let disk = MemoryDisk::default();
    let clock = || ManualScheduler::new(Timestamp::EPOCH);
    let open = |module: &dyn Fn(tropism::Builder) -> tropism::Builder, scheduler: &ManualScheduler| {
        let builder = module(Db::builder().driven_by_hand().module(Host::default()));
        builder.scheduler(scheduler.clone()).open_on(disk.clone()).unwrap()
    };
    let scheduler = clock();
    let db = open(&|builder| builder.module(before::Old), &scheduler);
    let [gone, changed, action] = db
        .write(|tx| -> Result<_, Error> {
            Ok([
                tx.schedule().after(DAY, before::Gone {})?,
                tx.schedule().after(DAY, before::Changed { count: 7 })?,
                tx.schedule().after(DAY, before::GoneAction {})?,
            ])
        })
        .unwrap();
    db.close().unwrap();

    let scheduler = clock();
    let db = open(&|builder| builder.module(after::New), &scheduler);
    scheduler.advance(100 * DAY).unwrap();
    let job = |db: &Db, id| db.read(|tx| tx.get(id)).unwrap().unwrap();
    for (id, word, text) in [
        (gone, "unknown_function", "old:gone"),
        (changed, "arguments", "count"),
        (action, "unknown_function", "old:goneAction"),
    ] {
        let job = job(&db, id);
        assert_eq!((job.status, job.error_code.as_deref()), (JobStatus::Unrunnable, Some(word)));
        assert!(job.error.as_ref().unwrap().contains(text), "{:?}", job.error);
        assert!(!job.arguments.is_empty());
    }
    db.close().unwrap();

    let scheduler = clock();
    let db = open(&|builder| builder.module(before::Old), &scheduler);
    scheduler.advance(2 * DAY).unwrap();
    for id in [gone, changed, action] {
        assert_eq!(job(&db, id).status, JobStatus::Succeeded, "the functions are back");
    }
}

#[test]
fn a_job_that_schedules_itself_without_a_wait_leaves_room_between_its_runs() {
    let bench = Bench::with(Host::default(), Config { job_retention: Duration::ZERO, ..Config::default() });
    bench.db.write(|tx| tx.schedule().now(Forever {})).unwrap();
    for _ in 0..50 {
        let ran: Option<Ran> = bench.scheduler.step().unwrap();
        assert_eq!(ran.unwrap().status, JobStatus::Succeeded);
    }
}

#[test]
fn a_scheduler_without_a_database_says_so() {
    let scheduler = ManualScheduler::new(Timestamp::EPOCH);
    assert!(matches!(scheduler.run_due(), Err(Error::Schedule(ScheduleError::NotStarted))));
    let db = Db::builder().module(Host::default()).scheduler(scheduler.clone()).in_memory().unwrap();
    scheduler.run_due().unwrap();
    db.close().unwrap();
    assert!(matches!(scheduler.run_due(), Err(Error::Schedule(ScheduleError::NotStarted))));
}

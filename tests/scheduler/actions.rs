//! Actions run at most once, or at least once.

use super::*;

fn three() -> Retry {
    Retry::attempts(3).first_wait(MINUTE).jitter_percent(0)
}

#[test]
fn an_action_runs_and_what_it_calls_is_committed_on_its_own() {
    let bench = Bench::new();
    let job = bench.tell(None, "hello");
    bench.scheduler.run_due().unwrap();
    assert_eq!((bench.seen(), bench.traces()), (vec!["hello".to_owned()], vec!["hello".to_owned()]));
    assert_eq!((bench.job(job).status, bench.job(job).result_json()), (JobStatus::Succeeded, Some(1.into())));
}

#[test]
fn an_action_without_a_retry_policy_is_not_tried_again() {
    let bench = Bench::new();
    bench.host.outside.failures.store(1, Ordering::SeqCst);
    let job = bench.tell(None, "once");
    bench.scheduler.advance(DAY).unwrap();
    assert_eq!(bench.seen(), ["once"]);
    let job = bench.job(job);
    assert_eq!((job.status, job.error.as_deref()), (JobStatus::Failed, Some("attempt 1 failed")));
    assert_eq!(job.error_json().unwrap(), serde_json::json!({ "failed": { "attempt": 1 } }));
}

#[test]
fn an_action_with_one_is_tried_again_after_waits_that_double() {
    let bench = Bench::new();
    bench.host.outside.failures.store(2, Ordering::SeqCst);
    let id = bench.tell(Some(three()), "again");
    bench.scheduler.run_due().unwrap();
    let job = bench.job(id);
    assert_eq!((job.status, job.due_at, job.attempts), (JobStatus::Queued, at(MINUTE), 1));
    assert_eq!(job.error.as_deref(), Some("attempt 1 failed"), "the error is there meanwhile");
    assert_eq!(bench.scheduler.advance(MINUTE).unwrap().len(), 1);
    assert_eq!(bench.job(id).due_at, at(3 * MINUTE));
    bench.scheduler.advance(2 * MINUTE).unwrap();
    let job = bench.job(id);
    assert_eq!((job.status, job.result_json(), job.error.as_deref()), (JobStatus::Succeeded, Some(3.into()), None));
    assert_eq!(bench.seen(), ["again"; 3]);
}

#[test]
fn the_last_attempt_that_fails_is_the_end() {
    let bench = Bench::new();
    bench.host.outside.failures.store(9, Ordering::SeqCst);
    let id = bench.tell(Some(three()), "again");
    bench.scheduler.advance(DAY).unwrap();
    assert_eq!((bench.job(id).status, bench.job(id).attempts, bench.seen().len()), (JobStatus::Failed, 3, 3));
}

#[test]
fn an_action_can_say_when_to_come_back_and_that_it_gives_up() {
    let bench = Bench::new();
    let pick = |gives_up| bench.db.write(|tx| tx.schedule().retrying(three()).now(Picky { gives_up })).unwrap();
    let (waits, gives_up) = (pick(false), pick(true));
    bench.scheduler.run_due().unwrap();
    assert_eq!((bench.job(waits).status, bench.job(waits).due_at), (JobStatus::Queued, at(HOUR)));
    assert_eq!((bench.job(gives_up).status, bench.job(gives_up).attempts), (JobStatus::Failed, 1));
}

#[test]
fn jitter_spreads_those_who_failed_together_and_is_the_same_in_every_run() {
    let due = || {
        let bench = Bench::new();
        bench.host.outside.failures.store(50, Ordering::SeqCst);
        let jobs: Vec<_> = (0..50).map(|_| bench.tell(Some(three().jitter_percent(50)), "x")).collect();
        bench.scheduler.run_due().unwrap();
        jobs.iter().map(|job| bench.job(*job).due_at).collect::<Vec<_>>()
    };
    let first = due();
    let (earliest, latest) = (*first.iter().min().unwrap(), *first.iter().max().unwrap());
    assert!(earliest >= at(MINUTE / 2) && latest <= at(MINUTE * 3 / 2));
    assert!(latest.as_millis() - earliest.as_millis() > 30_000);
    assert_eq!(first, due());
}

#[test]
fn an_action_that_panics_has_failed_and_the_others_run() {
    let bench = Bench::new();
    let job = bench.db.write(|tx| tx.schedule().now(Burst {})).unwrap();
    bench.tell(None, "after");
    bench.scheduler.run_due().unwrap();
    assert_eq!((bench.job(job).status, bench.job(job).error_code.as_deref()), (JobStatus::Failed, Some("panicked")));
    assert_eq!(bench.seen(), ["after"]);
}

#[test]
fn an_action_that_was_cancelled_while_it_ran_stays_cancelled() {
    functions! {
        pub module Slow;
        /// Cancels its own job, as somebody else might at this moment.
        pub action Cancelled in "slow:cancelled" {} -> bool |context| {
            let before = context.is_cancelled();
            context.mutate(CancelAll {})?;
            Ok(!before && context.is_cancelled())
        }
        pub internal mutation CancelAll in "slow:cancelAll" {} -> () |tx| {
            for job in tx.query(Job::by_id).collect()? {
                tx.schedule().cancel(job.id())?;
            }
            Ok(())
        }
    }
    let scheduler = ManualScheduler::new(Timestamp::EPOCH);
    let db = Db::builder().module(Slow).scheduler(scheduler.clone()).in_memory().unwrap();
    let job = db.write(|tx| tx.schedule().now(Cancelled {})).unwrap();
    assert!(scheduler.run_due().unwrap().is_empty(), "its end is not the job's any more");
    let job = db.read(|tx| tx.get(job)).unwrap().unwrap();
    assert_eq!((job.status, job.result.as_deref()), (JobStatus::Cancelled, None));
    let stats = db.stats();
    let ran = stats.functions.iter().find(|function| function.name == "slow:cancelled").unwrap();
    assert_eq!((ran.calls, ran.errors), (1, 0));
}

#[test]
fn the_status_of_a_job_can_be_subscribed_to() {
    let bench = Bench::new();
    bench.host.outside.failures.store(1, Ordering::SeqCst);
    let id = bench.tell(Some(three()), "x");
    let status = bench.db.watch(move |tx| Ok::<_, Error>(tx.get(id)?.map(|job| (job.status, job.attempts)))).unwrap();
    let mut seen = vec![status.recv().unwrap().unwrap().unwrap()];
    while bench.scheduler.next_due().unwrap().is_some_and(|due| due < at(DAY)) {
        bench.scheduler.set_now(bench.scheduler.next_due().unwrap().unwrap());
        bench.scheduler.step().unwrap();
        bench.db.reactor().unwrap().run();
        seen.extend(status.try_recv().map(|value| value.unwrap().unwrap()));
    }
    assert_eq!(seen, [(JobStatus::Queued, 0), (JobStatus::Queued, 1), (JobStatus::Succeeded, 2)]);
}

#[test]
fn an_error_of_the_engine_reaches_the_job() {
    functions! {
        pub module Broken;
        pub action Misses in "broken:misses" {} -> () |context| {
            context.mutate(Miss {}).map(drop)
        }
        pub internal mutation Miss in "broken:miss" {} -> () |tx| {
            let id = tx.insert(Trace { text: "x".into() })?;
            tx.delete(id)?;
            tx.delete(id)
        }
    }
    let scheduler = ManualScheduler::new(Timestamp::EPOCH);
    let builder = Db::builder().module(Host::default()).module(Broken);
    let db = builder.scheduler(scheduler.clone()).in_memory().unwrap();
    let job = db.write(|tx| tx.schedule().now(Misses {})).unwrap();
    scheduler.run_due().unwrap();
    let job = db.read(|tx| tx.get(job)).unwrap().unwrap();
    assert_eq!(job.error_code.as_deref(), Some("engine"));
    assert!(job.error.as_ref().unwrap().contains("does not exist"));
    let by_name = db.call("broken:misses", serde_json::json!({}), tropism::Caller::Client);
    assert!(matches!(by_name, Err(CallError::Engine(_))));
}

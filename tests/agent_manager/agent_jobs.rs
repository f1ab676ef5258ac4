//! Agents' jobs: claimed once, never going back, and ended for good.

use super::*;

fn add(office: &Office, task: Id<Task>, kind: &str) -> Id<AgentJob> {
    office.add("jobs:create", json!({ "taskId": task, "kind": kind }))
}

fn claim(office: &Office, kind: Option<&str>) -> Option<Id<AgentJob>> {
    serde_json::from_value(office.call("jobs:claim", json!({ "kind": kind, "user": "agent" }))).unwrap()
}

/// One job that waits.
fn one() -> (Office, Id<AgentJob>) {
    let office = Office::new();
    let (_, task) = office.one_task();
    let job = add(&office, task, "review");
    (office, job)
}

#[test]
fn a_job_waits_until_somebody_takes_it() {
    let (office, job) = one();
    let row = office.row(job);
    assert_eq!((row.status, row.progress, row.started_at), (AgentJobStatus::Queued, 0, None));
    let error = office.refusal("jobs:create", json!({ "taskId": row.task_id, "kind": "" }));
    assert_eq!(data(&error), &json!({ "kind": "empty", "field": "kind" }));
}

#[test]
fn a_job_is_claimed_once() {
    let (office, job) = one();
    office.scheduler.advance(MINUTE).unwrap();
    assert_eq!(claim(&office, None), Some(job));
    assert_eq!(claim(&office, None), None);
    let row = office.row(job);
    assert_eq!((row.status, row.started_at), (AgentJobStatus::Running, Some(after(MINUTE))));
}

#[test]
fn the_job_that_waits_longest_is_claimed_first() {
    let (office, first) = one();
    let task = office.row(first).task_id;
    let second = add(&office, task, "implement");
    let third = add(&office, task, "review");
    assert_eq!(claim(&office, Some("implement")), Some(second));
    assert_eq!(claim(&office, Some("nothing")), None);
    assert_eq!(claim(&office, None), Some(first));
    assert_eq!(claim(&office, Some("review")), Some(third));
}

#[test]
fn agents_that_claim_at_the_same_time_get_different_jobs() {
    let (office, first) = one();
    let task = office.row(first).task_id;
    for _ in 1..20 {
        add(&office, task, "review");
    }
    let claimed = parking_lot::Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                while let Some(job) = claim(&office, None) {
                    claimed.lock().push(job)
                }
            });
        }
    });
    let mut claimed = claimed.into_inner();
    claimed.sort();
    assert_eq!(claimed.len(), 20);
    claimed.dedup();
    assert_eq!(claimed.len(), 20);
}

#[test]
fn a_job_that_runs_is_not_started_again() {
    let (office, job) = one();
    office.call("jobs:start", json!({ "id": job }));
    let error = office.refusal("jobs:start", json!({ "id": job }));
    assert_eq!(data(&error), &json!({ "kind": "ended", "what": job, "status": "running" }));
}

#[test]
fn progress_never_goes_back() {
    let (office, job) = one();
    office.call("jobs:start", json!({ "id": job }));
    for (reported, expected) in [(40, 40), (10, 40), (41, 41), (100, 100), (0, 100)] {
        office.call("jobs:reportProgress", json!({ "id": job, "progress": reported }));
        assert_eq!(office.row(job).progress, expected);
    }
}

#[test]
fn progress_is_at_most_a_hundred() {
    let (office, job) = one();
    office.call("jobs:start", json!({ "id": job }));
    let error = office.refusal("jobs:reportProgress", json!({ "id": job, "progress": 101 }));
    let expected = json!({ "kind": "outOfBounds", "field": "progress", "given": "101", "bounds": "0 to 100" });
    assert_eq!(data(&error), &expected);
    for wrong in [json!(256), json!(-1), json!(1.5)] {
        let error = office.refusal("jobs:reportProgress", json!({ "id": job, "progress": wrong }));
        assert!(error.to_string().contains("progress"), "{error}");
    }
    assert_eq!(office.row(job).progress, 0);
}

#[test]
fn a_job_that_succeeds_is_at_a_hundred_and_says_what_came_of_it() {
    let (office, job) = one();
    office.call("jobs:start", json!({ "id": job }));
    office.scheduler.advance(MINUTE).unwrap();
    office.call("jobs:succeed", json!({ "id": job, "result": "fine" }));
    let row = office.row(job);
    assert_eq!((row.status, row.progress, row.result.as_deref()), (AgentJobStatus::Succeeded, 100, Some("fine")));
    assert_eq!((row.started_at, row.finished_at), (Some(START), Some(after(MINUTE))));
}

#[test]
fn a_job_that_fails_keeps_its_progress_and_says_why() {
    let (office, job) = one();
    office.call("jobs:start", json!({ "id": job }));
    office.call("jobs:reportProgress", json!({ "id": job, "progress": 30 }));
    office.call("jobs:fail", json!({ "id": job, "error": "no fuel" }));
    let row = office.row(job);
    assert_eq!((row.status, row.progress, row.error.as_deref()), (AgentJobStatus::Failed, 30, Some("no fuel")));
}

#[test]
fn a_job_is_cancelled_while_it_waits_and_while_it_runs() {
    let (office, waits) = one();
    let runs = add(&office, office.row(waits).task_id, "review");
    office.call("jobs:start", json!({ "id": runs }));
    for job in [waits, runs] {
        office.call("jobs:cancel", json!({ "id": job }));
        let row = office.row(job);
        assert_eq!((row.status, row.finished_at), (AgentJobStatus::Cancelled, Some(START)));
    }
    assert_eq!(claim(&office, None), None);
}

#[test]
fn what_has_ended_stays_as_it_ended() {
    for end in ["jobs:succeed", "jobs:fail", "jobs:cancel"] {
        let (office, job) = one();
        office.call("jobs:start", json!({ "id": job }));
        let with_error =
            |name| if name == "jobs:fail" { json!({ "id": job, "error": "x" }) } else { json!({ "id": job }) };
        office.call(end, with_error(end));
        let (row, len) = (office.row(job), office.history_len());
        office.scheduler.advance(MINUTE).unwrap();
        for again in ["jobs:start", "jobs:succeed", "jobs:fail", "jobs:cancel"] {
            let error = office.refusal(again, with_error(again));
            assert_eq!(data(&error)["status"], row.status.as_str(), "{end}, then {again}");
        }
        let error = office.refusal("jobs:reportProgress", json!({ "id": job, "progress": 99 }));
        assert_eq!(data(&error)["kind"], "ended");
        assert_eq!((office.row(job), office.history_len()), (row, len));
    }
}

#[test]
fn jobs_are_listed_by_task_and_by_status_and_got_alone() {
    let (office, first) = one();
    let second = add(&office, office.row(first).task_id, "implement");
    office.call("jobs:start", json!({ "id": second }));
    let task_id = office.row(first).task_id;
    let ids = |jobs: &[Doc<AgentJob>]| jobs.iter().map(Doc::id).collect::<Vec<_>>();
    assert_eq!(ids(&office.db.query(ListAgentJobs { task_id, limit: LISTED }).unwrap()), [first, second]);
    let running = ListAgentJobsByStatus { status: AgentJobStatus::Running, limit: LISTED };
    assert_eq!(ids(&office.db.query(running).unwrap()), [second]);
    assert_eq!(office.call("jobs:get", json!({ "id": first }))["kind"], "review");
}

#[test]
fn who_runs_a_job_sees_that_it_was_cancelled() {
    let (office, job) = one();
    office.call("jobs:start", json!({ "id": job }));
    let live = office.db.subscribe(GetAgentJob { id: job }).unwrap();
    let status = |job: &Option<Doc<AgentJob>>| job.as_ref().map(|job| job.status);
    assert_eq!(status(&live.recv().unwrap().unwrap()), Some(AgentJobStatus::Running));
    office.call("jobs:cancel", json!({ "id": job }));
    office.db.reactor().unwrap().run();
    assert_eq!(status(&live.try_recv().unwrap().unwrap()), Some(AgentJobStatus::Cancelled));
}

#[test]
fn a_job_that_was_deleted_is_not_there() {
    let (office, job) = one();
    office.call("jobs:delete", json!({ "id": job }));
    assert_eq!(office.call("jobs:get", json!({ "id": job })), Value::Null);
    let error = office.refusal("jobs:start", json!({ "id": job }));
    assert!(error.to_string().contains(&job.to_string()), "{error}");
}

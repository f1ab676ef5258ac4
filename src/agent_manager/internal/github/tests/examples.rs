//! Real payloads of GitHub: all of them parse, and the handled ones say what was read off by eye.

use super::super::{
    CheckEvent, CheckStatus, CommentAction, GithubEvent, ReviewState,
    check::{CheckConclusion, CheckKind},
    parse,
};
use crate::agent_manager::PullRequestState;
use serde_json::{Value, json};

const HEAD_SHA: &str = "ec26c3e57ca3a959ca5aad62de7213c562f8c821";
const HELLO_WORLD: &str = "Codertocat/Hello-World";

fn example(event_type: &str, index: usize) -> Option<Value> {
    Some(super::shared_data::json(&format!("events/{event_type}.json"))?[index].take())
}

fn check(event_type: &str, index: usize) -> Option<CheckEvent> {
    match parse(event_type, &example(event_type, index)?).unwrap() {
        GithubEvent::CheckRun(check)
        | GithubEvent::CheckSuite(check)
        | GithubEvent::Status(check)
        | GithubEvent::WorkflowRun(check)
        | GithubEvent::WorkflowJob(check) => Some(check),
        other => panic!("{other:?}"),
    }
}

#[test]
fn every_example_of_every_event_parses() {
    let Some(index) = super::shared_data::json("index.json") else { return };
    let names: Vec<String> = match &index {
        Value::Object(events) => events.keys().cloned().collect(),
        events => events.as_array().unwrap().iter().map(|event| event["event"].as_str().unwrap().to_owned()).collect(),
    };
    let mut count = 0;
    let mut handled = 0;
    for name in &names {
        let Some(examples) = super::shared_data::json(&format!("events/{name}.json")) else { continue };
        for (index, payload) in examples.as_array().unwrap().iter().enumerate() {
            let event = parse(name, payload).unwrap_or_else(|error| panic!("{name}[{index}]: {error}"));
            count += 1;
            handled += usize::from(!matches!(event, GithubEvent::Ignored { .. }));
        }
    }
    println!("{count} payloads of {} events, {handled} handled", names.len());
    assert!(count > 150, "{count}");
    // Every example of a handled event but the comments, all of which are on an issue; of a repository, its new names.
    assert_eq!(handled, 3 + 23 + 3 + 4 + 3 + 7 + 7 + 3 + 4 + 7 + 6 + 4);
}

#[test]
fn a_pull_request() {
    let Some(payload) = example("pull_request", 0) else { return };
    let GithubEvent::PullRequest(event) = parse("pull_request", &payload).unwrap() else { panic!() };
    let pull_request = event.pull_request;
    assert_eq!(event.action, "opened");
    assert_eq!((pull_request.repository.full_name.as_str(), pull_request.number), (HELLO_WORLD, 2));
    assert_eq!(pull_request.title, "Update the README with new information.");
    assert_eq!(pull_request.url, "https://github.com/Codertocat/Hello-World/pull/2");
    assert_eq!(pull_request.author.as_deref(), Some("Codertocat"));
    assert!(pull_request.body.unwrap().starts_with("This is a pretty simple change"));
    assert_eq!(pull_request.state, PullRequestState::Open);
    assert_eq!((pull_request.head_branch.as_str(), pull_request.base_branch.as_str()), ("changes", "master"));
    assert_eq!(pull_request.head_sha, HEAD_SHA);
    assert_eq!(
        (pull_request.additions, pull_request.deletions, pull_request.changed_files),
        (Some(1), Some(1), Some(1))
    );
    assert_eq!(pull_request.merged_at, None);
    assert_eq!(pull_request.updated_at, 1_557_933_633_000);
}

#[test]
fn the_states_of_a_pull_request() {
    let Some(mut payload) = example("pull_request", 3) else { return };
    let state = |payload: &Value| match parse("pull_request", payload).unwrap() {
        GithubEvent::PullRequest(event) => (event.pull_request.state, event.pull_request.merged_at),
        other => panic!("{other:?}"),
    };
    assert_eq!(state(&payload), (PullRequestState::Closed, None));
    payload["pull_request"]["merged_at"] = json!("2019-05-15T15:21:18Z");
    assert_eq!(state(&payload), (PullRequestState::Merged, Some(1_557_933_678_000)));
    payload["pull_request"]["merged_at"] = json!(1_557_933_678);
    assert_eq!(state(&payload), (PullRequestState::Merged, Some(1_557_933_678_000)));
    let Some(draft) = example("pull_request", 4) else { return };
    assert_eq!(state(&draft), (PullRequestState::Draft, None));
}

#[test]
fn reviews() {
    let Some(payload) = example("pull_request_review", 0) else { return };
    let GithubEvent::Review(review) = parse("pull_request_review", &payload).unwrap() else { panic!() };
    assert_eq!((review.review_id, review.state, review.body), (237_895_671, ReviewState::Commented, None));
    assert_eq!(review.author.as_deref(), Some("Codertocat"));
    assert_eq!((review.submitted_at, review.updated_at), (1_557_933_638_000, 1_557_933_638_000));
    // The shape of 2019 has neither `draft` nor the size of the change.
    let pull_request = review.pull_request;
    assert_eq!((pull_request.number, pull_request.state), (2, PullRequestState::Open));
    assert_eq!((pull_request.head_sha.as_str(), pull_request.additions), (HEAD_SHA, None));

    let Some(payload) = example("pull_request_review", 1) else { return };
    let GithubEvent::Review(review) = parse("pull_request_review", &payload).unwrap() else { panic!() };
    assert_eq!(review.state, ReviewState::Dismissed);
}

#[test]
fn a_dismissal_is_later_than_the_review_that_it_dismisses() {
    let Some(mut payload) = example("pull_request_review", 1) else { return };
    payload["pull_request"]["updated_at"] = json!("2019-05-16T00:00:00Z");
    let GithubEvent::Review(review) = parse("pull_request_review", &payload).unwrap() else { panic!() };
    assert_eq!((review.submitted_at, review.updated_at), (1_557_933_638_000, 1_557_964_800_000));
    payload["review"]["updated_at"] = json!("2019-05-15T20:00:00Z");
    payload["review"]["state"] = json!("CHANGES_REQUESTED");
    let GithubEvent::Review(review) = parse("pull_request_review", &payload).unwrap() else { panic!() };
    assert_eq!((review.state, review.updated_at), (ReviewState::ChangesRequested, 1_557_950_400_000));
}

#[test]
fn review_comments_and_threads() {
    let Some(payload) = example("pull_request_review_comment", 3) else { return };
    let GithubEvent::ReviewComment(event) = parse("pull_request_review_comment", &payload).unwrap() else { panic!() };
    assert_eq!((event.action, event.pull_request.number), (CommentAction::Edited, 2));
    assert_eq!(event.comment.source_id, "review_comment:284312630");
    assert_eq!(event.comment.body, "Maybe you should use more emoji on this line.");
    assert_eq!((event.comment.path.as_deref(), event.comment.line), (Some("README.md"), Some(265)));
    assert_eq!((event.comment.created_at, event.comment.updated_at), (1_557_933_637_000, 1_557_933_638_000));

    let Some(payload) = example("pull_request_review_comment", 0) else { return };
    let GithubEvent::ReviewComment(event) = parse("pull_request_review_comment", &payload).unwrap() else { panic!() };
    assert_eq!((event.action, event.comment.line), (CommentAction::Created, None));

    for (index, resolved, comment) in [(0, true, "review_comment:820867280"), (2, false, "review_comment:284312630")] {
        let Some(payload) = example("pull_request_review_thread", index) else { return };
        let GithubEvent::ReviewThread(event) = parse("pull_request_review_thread", &payload).unwrap() else { panic!() };
        assert_eq!((event.resolved, event.comment_source_ids), (resolved, vec![comment.to_owned()]));
        assert_eq!(event.updated_at, event.pull_request.updated_at);
        assert!(event.thread_id.starts_with("PRRT_"));
    }
}

#[test]
fn a_comment_counts_only_on_a_pull_request() {
    let Some(mut payload) = example("issue_comment", 4) else { return };
    assert!(matches!(parse("issue_comment", &payload).unwrap(), GithubEvent::Ignored { .. }));
    payload["issue"]["pull_request"] = Value::Null;
    assert!(matches!(parse("issue_comment", &payload).unwrap(), GithubEvent::Ignored { .. }));
    payload["issue"]["pull_request"] = json!({ "url": "https://api.github.com/", "merged_at": null });
    let GithubEvent::IssueComment(event) = parse("issue_comment", &payload).unwrap() else { panic!() };
    assert_eq!(event.action, CommentAction::Deleted);
    assert_eq!(event.comment.source_id, "issue_comment:492700400");
    assert_eq!((event.comment.path, event.comment.line), (None, None));
    assert_eq!(event.comment.updated_at, 1_557_933_622_000);
    assert_eq!((event.pull_request.repository.full_name.as_str(), event.pull_request.number), (HELLO_WORLD, 1));
    assert_eq!(event.pull_request.state, PullRequestState::Open);
    payload["issue"]["pull_request"]["merged_at"] = json!("2019-05-15T15:21:18Z");
    let GithubEvent::IssueComment(event) = parse("issue_comment", &payload).unwrap() else { panic!() };
    assert_eq!(event.pull_request.state, PullRequestState::Merged);
}

#[test]
fn check_runs_and_suites() {
    let Some(queued) = check("check_run", 0) else { return };
    assert_eq!((queued.kind, queued.id, queued.suite_id), (CheckKind::CheckRun, 128_620_228, Some(118_578_147)));
    assert_eq!((queued.repository.full_name.as_str(), queued.head_sha.as_str()), (HELLO_WORLD, HEAD_SHA));
    assert_eq!((queued.name.as_str(), queued.qualified_name().as_str()), ("Octocoders-linter", "Octocoders-linter"));
    assert_eq!((queued.status, queued.conclusion.as_ref()), (CheckStatus::Queued, None));
    assert_eq!(queued.pull_request_numbers, [2]);
    assert_eq!(queued.url.as_deref(), Some("https://github.com/Codertocat/Hello-World/runs/128620228"));
    assert_eq!((queued.started_at, queued.completed_at), (Some(1_557_933_672_000), None));
    // Both carry the same instant, so only how far the check has come tells them apart.
    let Some(completed) = check("check_run", 1) else { return };
    assert_eq!(completed.conclusion, Some(CheckConclusion::Failure));
    assert_eq!(completed.updated_at, queued.updated_at);
    assert!(completed.precedence() > queued.precedence());

    let Some(suite) = check("check_suite", 0) else { return };
    assert_eq!(suite.qualified_name(), "check_suite:octocoders-linter");
    assert_eq!((suite.status, suite.conclusion), (CheckStatus::Completed, Some(CheckConclusion::Success)));
    assert_eq!((suite.suite_id, suite.updated_at), (Some(118_578_147), Some(1_557_933_674_000)));
}

#[test]
fn commit_statuses() {
    let Some(status) = check("status", 0) else { return };
    assert_eq!(status.qualified_name(), "status:default");
    assert_eq!((status.id, status.head_sha.as_str()), (6_805_126_730, "6113728f27ae82c7b1a177c8d03f9e96e0adf246"));
    assert_eq!((status.status, status.conclusion), (CheckStatus::Completed, Some(CheckConclusion::Success)));
    assert_eq!(status.completed_at, Some(1_557_933_655_000));
    assert_eq!(status.url, None);
    let Some(mut payload) = example("status", 0) else { return };
    for (state, status, conclusion) in
        [("pending", CheckStatus::Queued, None), ("error", CheckStatus::Completed, Some(CheckConclusion::Failure))]
    {
        payload["state"] = json!(state);
        let GithubEvent::Status(check) = parse("status", &payload).unwrap() else { panic!() };
        assert_eq!((check.status, check.conclusion), (status, conclusion));
    }
}

#[test]
fn workflow_runs_and_jobs() {
    let Some(run) = check("workflow_run", 2) else { return };
    assert_eq!((run.id, run.run_attempt), (289_782_451, Some(1)));
    // Its own name is empty, and the pull request listed is one of another repository.
    assert_eq!(run.qualified_name(), "workflow_run:test");
    assert!(run.pull_request_numbers.is_empty());
    assert_eq!((run.status, run.conclusion), (CheckStatus::Completed, Some(CheckConclusion::Success)));
    assert_eq!((run.started_at, run.completed_at), (Some(1_601_915_629_000), Some(1_601_915_629_000)));

    let Some(job) = check("workflow_job", 1) else { return };
    assert_eq!(job.qualified_name(), "workflow_job:CodeQL / linters");
    assert_eq!((job.started_at, job.completed_at), (Some(1_628_159_698_000), Some(1_628_159_896_000)));
    let Some(old) = check("workflow_job", 0) else { return };
    assert_eq!((old.name.as_str(), old.status, old.run_attempt), ("Test workflow", CheckStatus::InProgress, None));
    let Some(waiting) = check("workflow_job", 6) else { return };
    assert_eq!(waiting.status, CheckStatus::Queued);
}

#[test]
fn an_older_run_or_attempt_does_not_come_after_a_newer_one() {
    let Some(first) = check("workflow_run", 1) else { return };
    let again = CheckEvent { run_attempt: Some(2), status: CheckStatus::Queued, ..first.clone() };
    let next = CheckEvent { id: first.id + 1, updated_at: None, status: CheckStatus::Queued, ..first.clone() };
    assert!(first.precedence() < again.precedence());
    assert!(again.precedence() < next.precedence());
}

#[test]
fn pushes() {
    let Some(payload) = example("push", 3) else { return };
    let GithubEvent::Push(push) = parse("push", &payload).unwrap() else { panic!() };
    assert_eq!((push.reference.as_str(), push.branch.as_deref()), ("refs/heads/master", Some("master")));
    assert_eq!((push.repository.full_name.as_str(), push.pusher.as_deref()), (HELLO_WORLD, Some("Codertocat")));
    assert_eq!(push.after_sha, "6113728f27ae82c7b1a177c8d03f9e96e0adf246");
    assert_eq!(push.before_sha, "0".repeat(40));
    assert_eq!((push.head_commit_at, push.pushed_at), (Some(1_557_933_565_000), Some(1_557_933_657_000)));
    let Some(mut payload) = example("push", 1) else { return };
    payload.as_object_mut().unwrap().remove("deleted");
    let GithubEvent::Push(push) = parse("push", &payload).unwrap() else { panic!() };
    assert_eq!((push.deleted, push.branch, push.head_commit_at), (true, None, None));
}

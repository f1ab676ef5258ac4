//! Words that GitHub did not have when this was written: they are stored, shown, asked for and carried through, and what
//! arrives with them is not lost.

use super::*;

/// A delivery whose payload is changed.
fn changed(delivery: Delivery, change: impl FnOnce(&mut Value)) -> Delivery {
    let mut payload = serde_json::from_str(&delivery.body).unwrap();
    change(&mut payload);
    Delivery { body: payload.to_string(), ..delivery }
}

fn with_state(state: &str, minute: u32) -> Delivery {
    changed(opened("superseded", "open", minute, "aaa"), |payload| payload["pull_request"]["state"] = json!(state))
}

fn with_status(id: u64, status: &str, conclusion: Option<&str>, minute: u32) -> Delivery {
    changed(check_run(id, "aaa", status, minute), |payload| payload["check_run"]["conclusion"] = json!(conclusion))
}

/// After all of them, in this order.
fn after(deliveries: &[&Delivery]) -> Desk {
    let desk = Desk::new();
    for delivery in deliveries {
        desk.send(delivery).unwrap();
        desk.process();
    }
    assert_eq!(desk.count(WebhookStatus::Processed), deliveries.len());
    desk
}

#[test]
fn a_state_of_a_pull_request_that_was_never_seen_loses_no_row_and_the_other_fields_say_where_it_stands() {
    let stands = |state: &str, change: fn(&mut Value)| {
        let is_new = changed(with_state(state, 2), |payload| change(&mut payload["pull_request"]));
        let (desk, task) = Desk::new().with_task();
        let event = desk.send(&is_new).unwrap().event.unwrap();
        desk.process();
        assert_eq!(desk.event(event).status, WebhookStatus::Processed);
        assert!(desk.event(event).payload.contains(state), "it is kept as it was received");
        let row = desk.board(REPOSITORY, 7).pull_request;
        assert_eq!((row.title.as_str(), row.task_id), ("Title at 2", Some(task)));
        row.state
    };
    let long = "x".repeat(5_000);
    for state in ["superseded", "", long.as_str()] {
        assert_eq!(stands(state, |_| {}), PullRequestState::Open);
        assert_eq!(stands(state, |row| row["draft"] = json!(true)), PullRequestState::Draft);
        assert_eq!(stands(state, |row| row["closed_at"] = json!("2024-01-01T10:02:00Z")), PullRequestState::Closed);
        assert_eq!(stands(state, |row| row["merged"] = json!(true)), PullRequestState::Merged);
    }
}

#[test]
fn a_status_of_a_check_that_was_never_seen_is_kept_until_it_is_another() {
    let is_open = opened("opened", "open", 1, "aaa");
    let dreaming = with_status(1, "dreaming", None, 2);
    let shown = |deliveries: &[&Delivery]| {
        let check = after(deliveries).board(REPOSITORY, 7).checks.remove(0);
        (check.status.to_string(), check.conclusion.clone())
    };
    assert_eq!(shown(&[&is_open, &dreaming]), ("dreaming".to_owned(), None));
    let completed = with_status(1, "completed", Some("woken"), 3);
    let woken = ("completed".to_owned(), Some("woken".to_owned()));
    assert_eq!(shown(&[&is_open, &dreaming, &completed]), woken);
    assert_eq!(shown(&[&completed, &dreaming, &is_open]), woken);
}

#[test]
fn a_state_of_a_commit_that_was_never_seen_is_kept() {
    let payload = json!({
        "id": 5, "sha": "aaa", "context": "ci", "state": "warning", "target_url": null,
        "updated_at": "2024-01-01T10:00:00Z", "repository": { "full_name": REPOSITORY, "id": 1 },
    });
    let desk = after(&[&opened("opened", "open", 1, "aaa"), &Delivery::new("x", "status", &payload)]);
    assert_eq!(desk.board(REPOSITORY, 7).checks[0].status, CheckStatus::Other("warning".to_owned()));
}

#[test]
fn a_review_that_says_what_was_never_seen_is_kept_and_hides_no_word_that_is_known() {
    let desk = Desk::new();
    let review_is = |delivery: &Delivery, expected: &str| {
        desk.send(delivery).unwrap();
        desk.process();
        assert_eq!(desk.board(REPOSITORY, 7).pull_request.review.as_str(), expected, "after {}", delivery.id);
    };
    review_is(&review("ada", "approved", 1), "approved");
    review_is(&review("bob", "deferred", 2), "deferred");
    review_is(&review("ada", "changes_requested", 3), "changes_requested");
    review_is(&review("ada", "deferred", 4), "changes_requested");
    review_is(&review("ada", "approved", 5), "deferred");
    review_is(&review("bob", "approved", 6), "approved");
    let row = desk.board(REPOSITORY, 7).pull_request;
    let said: Vec<_> = row.reviews.iter().map(|said| (said.0.as_str(), said.1.as_str())).collect();
    assert_eq!(said, [("ada", "approved"), ("ada", "deferred"), ("bob", "approved"), ("bob", "deferred")]);
}

#[test]
fn an_action_that_was_never_seen_brings_what_its_payload_holds() {
    let pinned = issue_comment("pinned", "Look here.", 2);
    let board = after(&[&pinned]).board(REPOSITORY, 7);
    assert_eq!(board.comments.iter().map(|comment| comment.body.as_str()).collect::<Vec<_>>(), ["Look here."]);

    let endorsed = changed(review("ada", "approved", 2), |payload| payload["action"] = json!("endorsed"));
    assert_eq!(after(&[&endorsed]).board(REPOSITORY, 7).pull_request.review, Review::Approved);

    let payload = json!({
        "action": "outdated", "thread": { "node_id": "T", "comments": [] },
        "pull_request": pull_request("open", 2, "aaa"), "repository": { "full_name": REPOSITORY, "id": 1 },
    });
    let thread = Delivery::new("x", "pull_request_review_thread", &payload);
    assert_eq!(after(&[&thread]).board(REPOSITORY, 7).pull_request.state, PullRequestState::Open);
}

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
fn a_state_of_a_pull_request_that_was_never_seen_is_kept_and_asked_for_by_name() {
    let (desk, task) = Desk::new().with_task();
    for delivery in [opened("opened", "open", 1, "aaa"), with_state("superseded", 2)] {
        desk.send(&delivery).unwrap();
    }
    desk.process();
    assert_eq!(desk.board(REPOSITORY, 7).pull_request.state, PullRequestState::from("superseded"));
    assert_eq!(desk.task(task).category, Category::Review, "nobody knows where it belongs now, so it stays");
    let listed = desk.call("pullRequests:listByState", json!({ "state": "superseded" }));
    assert_eq!((listed.as_array().unwrap().len(), &listed[0]["state"]), (1, &json!("superseded")));
    assert_eq!(desk.call("pullRequests:listByState", json!({ "state": "open" })), json!([]));

    desk.send(&opened("closed", "merged", 3, "aaa")).unwrap();
    desk.process();
    assert_eq!(desk.board(REPOSITORY, 7).pull_request.state, PullRequestState::Merged);
    assert_eq!(desk.task(task).category, Category::Done);
}

#[test]
fn a_state_that_was_never_seen_comes_out_the_same_in_any_order() {
    let is_open = opened("opened", "open", 1, "aaa");
    let is_superseded = with_state("superseded", 2);
    let same_second = Delivery { id: "same".into(), ..opened("edited", "open", 2, "aaa") };
    for order in [[&is_open, &is_superseded, &same_second], [&same_second, &is_superseded, &is_open]] {
        let state = after(&order).board(REPOSITORY, 7).pull_request.state.clone();
        assert_eq!(state.as_str(), "superseded", "it was open before, so the other is the later");
    }
    let later = opened("edited", "open", 3, "aaa");
    for order in [[&is_superseded, &later], [&later, &is_superseded]] {
        assert_eq!(after(&order).board(REPOSITORY, 7).pull_request.state, PullRequestState::Open);
    }
    let still = Delivery { id: "still".into(), ..with_state("superseded", 3) };
    assert_eq!(after(&[&is_superseded, &still]).board(REPOSITORY, 7).pull_request.state.as_str(), "superseded");
}

#[test]
fn a_state_too_long_to_be_a_word_is_refused_and_the_event_says_so() {
    let desk = Desk::new();
    let event = desk.send(&with_state(&"x".repeat(5_000), 1)).unwrap().event.unwrap();
    desk.process();
    let event = desk.event(event);
    assert_eq!(event.status, WebhookStatus::Failed);
    assert!(event.last_error.as_ref().unwrap().contains("$.pull_request.state"), "{:?}", event.last_error);
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

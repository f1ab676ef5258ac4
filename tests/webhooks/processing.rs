//! What events do.

use super::*;

#[test]
fn every_real_payload_ends_processed_or_ignored() {
    let Some(deliveries) = real_deliveries() else { return };
    let (desk, task) = Desk::new().with_task();
    for delivery in &deliveries {
        desk.send(delivery).unwrap();
    }
    assert_eq!(desk.count(WebhookStatus::Pending), deliveries.len());
    desk.process();
    let (processed, ignored) = (desk.count(WebhookStatus::Processed), desk.count(WebhookStatus::Ignored));
    assert_eq!(processed + ignored, deliveries.len());
    assert!(processed > 60 && ignored > 100, "{processed} processed, {ignored} ignored");

    // The last that was said of it, at 15:21:18, was said three times: draft, ready, closed.
    let board = desk.board(REPOSITORY, 2);
    let PullRequest { title, author, state, head_branch, base_branch, head_sha, additions, .. } = &*board.pull_request;
    assert_eq!((title.as_str(), author.as_str()), ("Update the README with new information.", "Codertocat"));
    assert_eq!((head_branch.as_str(), base_branch.as_str(), *additions), (BRANCH, "master", 1));
    assert_eq!((*state, head_sha.as_str()), (PullRequestState::Closed, "ec26c3e57ca3a959ca5aad62de7213c562f8c821"));
    assert_eq!(board.task.as_ref().map(Doc::id), Some(task));
    assert_eq!(desk.task(task).category, Category::InProgress, "closed unmerged");
    let comment = board.comments.iter().find(|comment| comment.source_id.ends_with("284312630")).unwrap();
    assert_eq!((comment.author.as_str(), comment.path.as_deref()), ("Codertocat", Some("README.md")));
    let linter = board.checks.iter().find(|check| check.name == "Octocoders-linter").unwrap();
    assert_eq!(linter.status, CheckStatus::Completed);
    assert!(board.checks.len() >= 2, "the suite is there as well");
}

#[test]
fn a_pull_request_moves_its_task_and_each_move_is_in_the_history() {
    let (desk, task) = Desk::new().with_task();
    let steps = [
        (opened("opened", "open", 1, "aaa"), Category::Review),
        (opened("converted_to_draft", "draft", 2, "aaa"), Category::InProgress),
        (opened("ready_for_review", "open", 3, "aaa"), Category::Review),
        (opened("closed", "closed", 4, "aaa"), Category::InProgress),
        (opened("reopened", "open", 5, "aaa"), Category::Review),
        (opened("closed", "merged", 6, "aaa"), Category::Done),
    ];
    for (delivery, column) in &steps {
        desk.send(delivery).unwrap();
        desk.process();
        assert_eq!(desk.task(task).category, *column, "after {}", delivery.id);
    }
    let history = desk.db.query(ListTaskHistory { task_id: task, limit: 100 }).unwrap();
    let moves: Vec<_> = history.iter().filter(|event| event.action == "task.moved").collect();
    assert_eq!(moves.len(), steps.len());
    assert!(moves.iter().all(|event| event.user == "github"));
    assert_eq!(desk.board(REPOSITORY, 7).pull_request.merged_at, Some(Timestamp::from_millis(1_704_103_560_000)));
}

#[test]
fn a_late_event_moves_nothing_backwards() {
    let (desk, task) = Desk::new().with_task();
    for delivery in [opened("closed", "merged", 6, "bbb"), opened("opened", "open", 1, "aaa")] {
        desk.send(&delivery).unwrap();
        desk.process();
    }
    assert_eq!(desk.task(task).category, Category::Done);
    let board = desk.board(REPOSITORY, 7);
    let row = &board.pull_request;
    assert_eq!((&row.state, row.head_sha.as_str()), (&PullRequestState::Merged, "bbb"));
}

#[test]
fn a_pull_request_finds_its_task_by_a_line_in_its_text() {
    let (desk, task) = Desk::new().with_task();
    let mut payload = json!({
        "action": "opened",
        "pull_request": pull_request("open", 1, "aaa"),
        "repository": { "full_name": "somebody/else", "id": 2 },
    });
    payload["pull_request"]["body"] = json!(format!("It does this and that.\n\n  task:{task}\n"));
    desk.send(&Delivery::new("x", "pull_request", &payload)).unwrap();
    desk.process();
    assert_eq!(desk.board("somebody/else", 7).pull_request.task_id, Some(task));
    assert_eq!(desk.task(task).category, Category::Review);
}

#[test]
fn a_pull_request_of_another_repository_on_the_same_branch_is_not_the_tasks() {
    let (desk, task) = Desk::new().with_task();
    let payload = json!({
        "action": "opened",
        "pull_request": pull_request("open", 1, "aaa"),
        "repository": { "full_name": "somebody/else", "id": 2 },
    });
    desk.send(&Delivery::new("x", "pull_request", &payload)).unwrap();
    desk.process();
    assert_eq!(desk.board("somebody/else", 7).pull_request.task_id, None);
    assert_eq!(desk.task(task).category, Category::Todo);
}

#[test]
fn a_task_that_is_given_a_branch_later_gets_the_pull_request_that_was_there() {
    let desk = Desk::new();
    desk.send(&opened("opened", "open", 1, "aaa")).unwrap();
    desk.process();
    let (desk, task) = desk.with_task();
    assert_eq!(desk.board(REPOSITORY, 7).pull_request.task_id, Some(task));
    assert_eq!(desk.task(task).category, Category::Review);
}

#[test]
fn each_reviewers_last_word_counts() {
    let desk = Desk::new();
    let review_is = |delivery: &Delivery, expected: Review| {
        desk.send(delivery).unwrap();
        desk.process();
        assert_eq!(desk.board(REPOSITORY, 7).pull_request.review, expected, "after {}", delivery.id);
    };
    review_is(&review("ada", "approved", 1), Review::Approved);
    review_is(&review("bob", "changes_requested", 2), Review::ChangesRequested);
    review_is(&review("bob", "commented", 3), Review::ChangesRequested);
    review_is(&review("ada", "changes_requested", 0), Review::ChangesRequested);
    review_is(&review("bob", "approved", 4), Review::Approved);
    review_is(&review("bob", "dismissed", 5), Review::Approved);
    review_is(&review("ada", "dismissed", 6), Review::Pending);
}

#[test]
fn checks_belong_to_the_pull_request_whose_newest_commit_they_are_of() {
    let desk = Desk::new();
    let names = |desk: &Desk| -> Vec<_> {
        desk.board(REPOSITORY, 7).checks.iter().map(|check| (check.head_sha.clone(), check.status.clone())).collect()
    };
    desk.send(&check_run(1, "aaa", "completed", 1)).unwrap();
    desk.send(&check_run(2, "bbb", "in_progress", 2)).unwrap();
    desk.send(&opened("opened", "open", 1, "aaa")).unwrap();
    desk.process();
    assert_eq!(names(&desk), [("aaa".to_owned(), CheckStatus::Completed)], "the check came first");
    desk.send(&opened("synchronize", "open", 3, "bbb")).unwrap();
    desk.process();
    assert_eq!(names(&desk), [("bbb".to_owned(), CheckStatus::InProgress)], "one of a name for each pull request");
}

#[test]
fn a_comment_that_was_taken_back_is_not_shown_even_if_it_arrives_later() {
    let desk = Desk::new();
    desk.send(&issue_comment("deleted", "hello", 1)).unwrap();
    desk.process();
    assert!(desk.board(REPOSITORY, 7).comments.is_empty());
    for minute in [0, 1, 2] {
        desk.send(&issue_comment("edited", "hello again", minute)).unwrap();
    }
    desk.process();
    assert!(desk.board(REPOSITORY, 7).comments.is_empty());
}

#[test]
fn an_event_that_no_handler_knows_is_ignored_and_says_why() {
    let desk = Desk::new();
    let event = desk.send(&Delivery::new("x", "sponsorship", &json!({}))).unwrap().event.unwrap();
    desk.process();
    assert_eq!(desk.event(event).status, WebhookStatus::Ignored);
    assert!(desk.event(event).last_error.as_ref().unwrap().contains("sponsorship"));
}

#[test]
fn a_failing_event_is_tried_three_times_more_then_it_is_dead_and_can_be_replayed() {
    let (desk, task) = Desk::new().with_task();
    let event = desk.send(&Delivery::new("x", "pull_request", &json!({ "action": "opened" }))).unwrap().event.unwrap();
    desk.process();
    let first = desk.event(event);
    assert_eq!((first.status, first.attempts), (WebhookStatus::Failed, 1));
    assert!(first.last_error.as_ref().unwrap().contains("pull_request"), "{:?}", first.last_error);
    let started = desk.scheduler.now();
    let mut waits = Vec::new();
    while desk.event(event).status != WebhookStatus::Dead {
        let before = desk.event(event).attempts;
        desk.scheduler.advance(Duration::from_secs(60)).unwrap();
        if desk.event(event).attempts > before {
            waits.push((desk.scheduler.now().as_millis() - started.as_millis()) / 60_000);
        }
        assert!(waits.len() <= 3);
    }
    assert_eq!(waits.len(), 3, "three retries");
    assert!(waits[1] - waits[0] > waits[0] && waits[2] - waits[1] > waits[1] - waits[0], "{waits:?} minutes");
    desk.scheduler.advance(Duration::from_secs(86_400)).unwrap();
    assert_eq!(desk.event(event).attempts, 4, "nothing more happens by itself");

    // What was wrong with it is mended, and somebody replays it.
    let good = opened("opened", "open", 1, "aaa");
    desk.db.write(|tx| tx.patch(event, |event: &mut WebhookEvent| event.payload = good.body.clone())).unwrap();
    desk.call("webhooks:replay", json!({ "id": event }));
    desk.process();
    assert_eq!(desk.event(event).status, WebhookStatus::Processed);
    assert_eq!(desk.task(task).category, Category::Review);
}

#[test]
fn processing_keeps_the_pace_that_the_host_sets() {
    let limits = Limits { processing_pace: Duration::from_secs(10), ..Limits::default() };
    let desk = Desk::with(MemoryDisk::default(), limits);
    for number in 0..5 {
        desk.send(&Delivery::new(number.to_string(), "ping", &json!({}))).unwrap();
    }
    for processed in 1..=5 {
        desk.process();
        assert_eq!(desk.count(WebhookStatus::Processed), processed);
        desk.scheduler.advance(Duration::from_secs(9)).unwrap();
        assert_eq!(desk.count(WebhookStatus::Processed), processed, "nothing before the ten seconds are over");
        desk.scheduler.advance(Duration::from_secs(1)).unwrap();
    }
}

#[test]
fn the_pace_holds_also_where_nothing_waits() {
    let pace = Duration::from_secs(10);
    let desk = Desk::with(MemoryDisk::default(), Limits { processing_pace: pace, ..Limits::default() });
    for (number, processed) in [(1, 1), (2, 1), (3, 2)] {
        desk.send(&Delivery::new(number.to_string(), "ping", &json!({}))).unwrap();
        desk.process();
        assert_eq!(desk.count(WebhookStatus::Processed), processed);
        desk.scheduler.advance(Duration::from_secs(5)).unwrap();
    }
    desk.scheduler.advance(Duration::from_secs(4)).unwrap();
    assert_eq!(desk.count(WebhookStatus::Processed), 2, "the third is due ten seconds after the second");
    desk.scheduler.advance(Duration::from_secs(1)).unwrap();
    assert_eq!(desk.count(WebhookStatus::Processed), 3);
}

#[test]
fn an_event_that_has_lost_its_job_is_taken_up_again() {
    let desk = Desk::new();
    let event = desk.send(&Delivery::new("x", "ping", &json!({}))).unwrap().event.unwrap();
    let job = desk.db.read(|tx| tx.query(tropism::Job::by_id).first()).unwrap().unwrap();
    desk.db.write(|tx| tx.schedule().cancel(job.id())).unwrap();
    desk.scheduler.advance(Duration::from_secs(1_200)).unwrap();
    assert_eq!(desk.event(event).status, WebhookStatus::Processed);
}

#[test]
fn a_push_is_in_the_history_of_the_task_on_its_branch() {
    let (desk, task) = Desk::new().with_task();
    let push = json!({
        "ref": format!("refs/heads/{BRANCH}"), "before": "aaa", "after": "bbb", "deleted": false,
        "repository": { "full_name": REPOSITORY, "id": 1 }, "pusher": { "name": "ada" },
    });
    desk.send(&Delivery::new("x", "push", &push)).unwrap();
    desk.process();
    let history = desk.db.query(ListTaskHistory { task_id: task, limit: 1 }).unwrap();
    assert_eq!((history[0].action.as_str(), history[0].user.as_str()), ("branch.pushed", "ada"));
}

#[test]
fn a_project_that_is_given_its_repository_later_gets_the_pull_requests_that_were_there() {
    let desk = Desk::new();
    let project = desk.call("projects:create", json!({ "name": "Hello" }));
    let task = json!({ "projectId": project, "title": "Readme", "branch": BRANCH });
    let task: Id<Task> = desk.call("tasks:create", task).as_str().unwrap().parse().unwrap();
    desk.send(&opened("opened", "open", 1, "aaa")).unwrap();
    desk.process();
    assert_eq!(desk.board(REPOSITORY, 7).pull_request.task_id, None);
    desk.call("projects:update", json!({ "id": project, "repository": REPOSITORY }));
    assert_eq!(desk.board(REPOSITORY, 7).pull_request.task_id, Some(task));
    assert_eq!(desk.task(task).category, Category::Review);
}

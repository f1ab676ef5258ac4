//! What repositories are called: in any case, and after they were renamed or transferred.

use proptest::{prelude::*, test_runner::Config as Cases};

use super::*;

/// An event of a pull request of a repository that is called so at a time.
fn event(id: u64, name: &str, number: u64, minute: u32) -> Delivery {
    let mut pull_request = pull_request("open", minute, &format!("sha-{id}-{number}"));
    pull_request["number"] = json!(number);
    let repository = json!({ "full_name": name, "id": id });
    let payload = json!({ "action": "labeled", "pull_request": pull_request, "repository": repository });
    Delivery::new(format!("{id}-{name}-{number}-{minute}"), "pull_request", &payload)
}

fn renamed(id: u64, from: &str, to: &str) -> Delivery {
    let payload = json!({
        "action": "renamed", "changes": { "repository": { "name": { "from": from } } },
        "repository": { "full_name": format!("o/{to}"), "id": id },
    });
    Delivery::new(format!("renamed-{id}-{from}-{to}"), "repository", &payload)
}

fn transferred(id: u64, from: &str, to: &str, kind: &str) -> Delivery {
    let payload = json!({
        "action": "transferred", "changes": { "owner": { "from": { kind: { "login": from } } } },
        "repository": { "full_name": format!("{to}/r"), "id": id },
    });
    Delivery::new(format!("transferred-{id}-{from}-{to}"), "repository", &payload)
}

/// A project of a repository, with a task on the branch of every pull request.
fn desk_with(repository: &str) -> (Desk, Value, Id<Task>) {
    let desk = Desk::new();
    let project = desk.call("projects:create", json!({ "name": "Hello", "repository": repository }));
    let task = json!({ "projectId": project, "title": "Readme", "branch": BRANCH, "category": "todo" });
    let task = desk.call("tasks:create", task).as_str().unwrap().parse().unwrap();
    (desk, project, task)
}

fn receive(desk: &Desk, deliveries: &[Delivery]) {
    for delivery in deliveries.iter() {
        desk.send(delivery).unwrap();
    }
    desk.process();
}

/// Every pull request: its repository, its number and whether it has the task.
fn rows(desk: &Desk) -> Vec<(String, u64, bool)> {
    let rows = desk.db.read(|tx| tx.query(PullRequest::by_repository_and_number).collect()).unwrap();
    rows.iter().map(|row| (row.repository.clone(), row.number, row.task_id.is_some())).collect()
}

fn row(name: &str, number: u64) -> (String, u64, bool) {
    (name.to_owned(), number, true)
}

#[test]
fn names_are_the_same_in_any_case_and_get_githubs_spelling() {
    let (desk, project, task) = desk_with("Octocat/hello-world");
    receive(&desk, &[event(1, "octocat/Hello-World", 7, 1)]);
    assert_eq!(desk.task(task).category, Category::Review);
    assert_eq!(desk.board("OCTOCAT/HELLO-WORLD", 7).pull_request.task_id, Some(task));
    assert_eq!(desk.call("projects:get", json!({ "id": project }))["repository"], "octocat/Hello-World");
    for name in ["octocat/hello-world", "Octocat/hello-world", "octocat/Hello-World"] {
        let found = desk.call("projects:listByRepository", json!({ "repository": name }));
        assert_eq!(found.as_array().unwrap().len(), 1, "{name}");
    }
    let second = desk.call("projects:create", json!({ "name": "Second", "repository": "OCTOCAT/hello-world" }));
    assert_eq!(desk.call("projects:get", json!({ "id": second }))["repository"], "octocat/Hello-World");
}

#[test]
fn a_renamed_repository_keeps_its_rows_with_and_without_word_of_it() {
    for word in [Some(renamed(1, "old", "new")), None] {
        let (desk, project, task) = desk_with("o/old");
        receive(&desk, &[event(1, "o/old", 7, 1), check_of(1, "o/old", 7)]);
        receive(&desk, word.as_slice());
        receive(&desk, &[event(1, "o/new", 8, 5)]);
        assert_eq!(rows(&desk), [row("o/new", 7), row("o/new", 8)]);
        assert_eq!(desk.call("projects:get", json!({ "id": project }))["repository"], "o/new");
        let board = desk.board("o/old", 7);
        assert_eq!((board.pull_request.repository.as_str(), board.pull_request.task_id), ("o/new", Some(task)));
        assert_eq!(board.checks.iter().map(|check| check.repository.as_str()).collect::<Vec<_>>(), ["o/new"]);
    }
}

/// A check of the newest commit of a pull request.
fn check_of(id: u64, name: &str, number: u64) -> Delivery {
    let mut delivery = check_run(1, &format!("sha-{id}-{number}"), "completed", 2);
    let mut payload: Value = serde_json::from_str(&delivery.body).unwrap();
    payload["repository"] = json!({ "full_name": name, "id": id });
    (delivery.id, delivery.body) = (format!("check-{id}-{name}-{number}"), payload.to_string());
    delivery
}

#[test]
fn a_project_that_was_named_before_the_rename_is_found_by_word_of_it_alone() {
    let (desk, project, _) = desk_with("o/Old");
    receive(&desk, &[renamed(1, "old", "new")]);
    assert_eq!(desk.call("projects:get", json!({ "id": project }))["repository"], "o/new");
    receive(&desk, &[event(1, "o/new", 7, 1)]);
    assert_eq!(rows(&desk), [row("o/new", 7)]);
}

#[test]
fn a_transferred_repository_keeps_its_rows() {
    for kind in ["user", "organization"] {
        let (desk, ..) = desk_with("ada/r");
        receive(&desk, &[event(1, "ada/r", 7, 1), transferred(1, "ada", "acme", kind)]);
        assert_eq!(rows(&desk), [row("acme/r", 7)]);
    }
}

#[test]
fn a_name_that_another_repository_has_now_is_its() {
    let (desk, project, _) = desk_with("o/r");
    receive(&desk, &[event(1, "o/r", 7, 1), event(2, "o/r", 7, 5)]);
    let found = rows(&desk);
    assert_eq!(found, [row("o/r", 7), row("o/r@1", 7)]);
    assert_eq!(desk.board("o/r", 7).pull_request.head_sha, "sha-2-7");
    assert_eq!(desk.call("projects:get", json!({ "id": project }))["repository"], "o/r", "it was made anew");
    receive(&desk, &[event(1, "o/elsewhere", 7, 6)]);
    assert_eq!(rows(&desk), [row("o/elsewhere", 7), row("o/r", 7)]);
}

#[test]
fn an_event_of_a_repository_that_concerns_nobody_is_ignored_whatever_is_in_it() {
    let desk = Desk::new();
    for (number, payload) in
        [json!([]), json!({}), json!({ "action": 1 }), json!({ "action": "edited" })].iter().enumerate()
    {
        let id = desk.send(&Delivery::new(number.to_string(), "repository", payload)).unwrap().event.unwrap();
        desk.process();
        assert_eq!(desk.event(id).status, WebhookStatus::Ignored, "{payload}");
    }
}

proptest! {
    #![proptest_config(Cases { cases: 40, ..Cases::default() })]

    #[test]
    fn every_order_of_a_repositorys_names_ends_the_same(
        story in Just(vec![
            event(1, "o/old", 7, 1), check_of(1, "o/old", 7), event(1, "o/Old", 8, 2), renamed(1, "Old", "new"),
            event(1, "o/new", 7, 5), check_of(1, "o/new", 9), event(1, "p/new", 9, 9), event(1, "o/old", 9, 1),
        ]).prop_shuffle(),
        batch in 1..9_usize,
    ) {
        let (desk, project, task) = desk_with("O/OLD");
        story.chunks(batch).for_each(|some| receive(&desk, some));
        prop_assert_eq!(rows(&desk), [row("p/new", 7), row("p/new", 8), row("p/new", 9)]);
        let project = desk.call("projects:get", json!({ "id": project }));
        prop_assert_eq!(&project["repository"], "p/new");
        prop_assert_eq!(desk.task(task).category, Category::Review);
        for number in [7, 9] {
            let checks = desk.board("o/old", number).checks;
            prop_assert_eq!(checks.iter().map(|check| check.repository.as_str()).collect::<Vec<_>>(), ["p/new"]);
        }
    }
}

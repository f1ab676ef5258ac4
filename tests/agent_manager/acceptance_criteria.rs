//! Acceptance criteria: their order, and whether they hold.

use super::*;

fn add(office: &Office, task: Id<Task>, text: &str) -> Id<AcceptanceCriterion> {
    office.add("acceptanceCriteria:create", json!({ "taskId": task, "text": text }))
}

fn listed(office: &Office, task: Id<Task>) -> Vec<(String, u32)> {
    let found = office.db.query(ListCriteria { task_id: task, limit: LISTED }).unwrap();
    found.iter().map(|criterion| (criterion.text.clone(), criterion.position)).collect()
}

fn numbered(texts: &[&str]) -> Vec<(String, u32)> {
    texts.iter().zip(0..).map(|(text, position)| ((*text).to_owned(), position)).collect()
}

#[test]
fn a_criterion_is_added_as_the_last_and_does_not_hold() {
    let office = Office::new();
    let (_, task) = office.one_task();
    let (a, _) = (add(&office, task, "a"), add(&office, task, "b"));
    assert_eq!(listed(&office, task), numbered(&["a", "b"]));
    assert!(!office.row(a).done);
}

#[test]
fn a_criterion_needs_a_text() {
    let office = Office::new();
    let (_, task) = office.one_task();
    let error = office.refusal("acceptanceCriteria:create", json!({ "taskId": task, "text": "" }));
    assert_eq!(data(&error), &json!({ "kind": "empty", "field": "text" }));
    let a = add(&office, task, "a");
    let error = office.refusal("acceptanceCriteria:update", json!({ "id": a, "text": " ", "done": true }));
    assert_eq!(data(&error)["kind"], "empty");
    assert!(!office.row(a).done);
}

#[test]
fn a_criterion_needs_a_task_that_is_there() {
    let office = Office::new();
    let (_, task) = office.one_task();
    office.call("tasks:delete", json!({ "id": task }));
    let error = office.refusal("acceptanceCriteria:create", json!({ "taskId": task, "text": "a" }));
    assert!(error.to_string().contains(&task.to_string()), "{error}");
}

#[test]
fn a_criterion_is_met_and_not_met_and_its_text_stays() {
    let office = Office::new();
    let (_, task) = office.one_task();
    let a = add(&office, task, "a");
    let len = office.history_len();
    for done in [true, false] {
        office.call("acceptanceCriteria:update", json!({ "id": a, "done": done }));
        assert_eq!((office.row(a).done, office.row(a).text.as_str()), (done, "a"));
    }
    assert_eq!(office.actions_since(len), ["criterion.met", "criterion.not_met"]);
}

#[test]
fn criteria_are_reordered_and_beyond_the_end_is_the_end() {
    let office = Office::new();
    let (_, task) = office.one_task();
    let [a, _, c] = ["a", "b", "c"].map(|text| add(&office, task, text));
    office.call("acceptanceCriteria:reorder", json!({ "id": c, "position": 0 }));
    assert_eq!(listed(&office, task), numbered(&["c", "a", "b"]));
    office.call("acceptanceCriteria:reorder", json!({ "id": a, "position": u32::MAX }));
    assert_eq!(listed(&office, task), numbered(&["c", "b", "a"]));
}

#[test]
fn a_deleted_criterion_leaves_no_gap() {
    let office = Office::new();
    let (_, task) = office.one_task();
    let [a, ..] = ["a", "b", "c"].map(|text| add(&office, task, text));
    office.call("acceptanceCriteria:delete", json!({ "id": a }));
    add(&office, task, "d");
    assert_eq!(listed(&office, task), numbered(&["b", "c", "d"]));
}

#[test]
fn a_criterion_that_is_not_there_cannot_be_changed() {
    let office = Office::new();
    let (_, task) = office.one_task();
    let a = add(&office, task, "a");
    office.call("acceptanceCriteria:delete", json!({ "id": a }));
    let len = office.history_len();
    for (name, arguments) in [
        ("acceptanceCriteria:update", json!({ "id": a, "done": true })),
        ("acceptanceCriteria:reorder", json!({ "id": a, "position": 0 })),
        ("acceptanceCriteria:delete", json!({ "id": a })),
    ] {
        let error = office.refusal(name, arguments);
        assert!(error.to_string().contains(&a.to_string()), "{name}: {error}");
    }
    assert_eq!(office.history_len(), len);
}

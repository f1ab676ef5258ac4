//! Tests that belong to tasks.

use super::*;

fn add(office: &Office, task: Id<Task>, name: &str) -> Id<Test> {
    office.add("tests:create", json!({ "taskId": task, "name": name }))
}

#[test]
fn a_test_is_a_pending_unit_test_unless_said_otherwise() {
    let office = Office::new();
    let (_, task) = office.one_task();
    let unit = office.row(add(&office, task, "flies"));
    assert_eq!((unit.kind, unit.status, unit.duration_ms), (TestKind::Unit, TestStatus::Pending, None));
    let e2e: Id<Test> = office.add("tests:create", json!({ "taskId": task, "name": "lands", "kind": "e2e" }));
    assert_eq!(office.row(e2e).kind, TestKind::EndToEnd);
}

#[test]
fn a_test_needs_a_name_and_a_task() {
    let office = Office::new();
    let (_, task) = office.one_task();
    let error = office.refusal("tests:create", json!({ "taskId": task, "name": "" }));
    assert_eq!(data(&error), &json!({ "kind": "empty", "field": "name" }));
    let test = add(&office, task, "flies");
    assert_eq!(data(&office.refusal("tests:update", json!({ "id": test, "name": " " })))["kind"], "empty");
    office.call("tasks:delete", json!({ "id": task }));
    let error = office.refusal("tests:create", json!({ "taskId": task, "name": "x" }));
    assert!(error.to_string().contains(&task.to_string()), "{error}");
}

#[test]
fn a_result_is_written_down_whole() {
    let office = Office::new();
    let (_, task) = office.one_task();
    let test = add(&office, task, "flies");
    let failed = json!({ "id": test, "status": "failed", "durationMs": 12, "output": "boom" });
    office.call("tests:recordResult", failed);
    let row = office.row(test);
    assert_eq!((row.status, row.duration_ms, row.output.as_deref()), (TestStatus::Failed, Some(12), Some("boom")));
    office.call("tests:recordResult", json!({ "id": test, "status": "running" }));
    let row = office.row(test);
    let nothing_of_before = (row.status, row.duration_ms, row.output.as_deref());
    assert_eq!(nothing_of_before, (TestStatus::Running, None, None));
}

#[test]
fn tests_are_listed_by_task_and_by_status() {
    let office = Office::new();
    let (project, task) = office.one_task();
    let other = office.task(project, "other");
    let (a, b, _) = (add(&office, task, "a"), add(&office, task, "b"), add(&office, other, "c"));
    office.call("tests:recordResult", json!({ "id": b, "status": "passed" }));
    let listed = |status| {
        let found = office.db.query(ListTests { task_id: task, status, limit: LISTED }).unwrap();
        found.iter().map(Doc::id).collect::<Vec<_>>()
    };
    assert_eq!(listed(None), [a, b]);
    assert_eq!(listed(Some(TestStatus::Passed)), [b]);
    assert_eq!(listed(Some(TestStatus::Failed)), []);
}

#[test]
fn a_test_is_renamed_and_keeps_its_result() {
    let office = Office::new();
    let (_, task) = office.one_task();
    let test = add(&office, task, "a");
    office.call("tests:recordResult", json!({ "id": test, "status": "passed" }));
    office.call("tests:update", json!({ "id": test, "name": "b", "kind": "integration" }));
    let row = office.row(test);
    assert_eq!((row.name.as_str(), row.kind, row.status), ("b", TestKind::Integration, TestStatus::Passed));
}

#[test]
fn a_test_that_is_not_there_cannot_be_changed() {
    let office = Office::new();
    let (_, task) = office.one_task();
    let test = add(&office, task, "a");
    office.call("tests:delete", json!({ "id": test }));
    let len = office.history_len();
    for (name, arguments) in [
        ("tests:recordResult", json!({ "id": test, "status": "passed" })),
        ("tests:update", json!({ "id": test, "name": "b" })),
        ("tests:delete", json!({ "id": test })),
    ] {
        let error = office.refusal(name, arguments);
        assert!(error.to_string().contains(&test.to_string()), "{name}: {error}");
    }
    assert_eq!(office.history_len(), len);
}

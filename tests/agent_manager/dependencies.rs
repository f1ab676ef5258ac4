//! Which task waits for which: cycles, what is ready, and lists.

use super::*;

/// A project with tasks of these titles.
fn tasks<const N: usize>(office: &Office, titles: [&str; N]) -> (Id<Project>, [Id<Task>; N]) {
    let project = office.project("Apollo");
    (project, titles.map(|title| office.task(project, title)))
}

fn add(office: &Office, task: Id<Task>, depends_on: Id<Task>) {
    office.call("dependencies:add", json!({ "taskId": task, "dependsOn": depends_on }));
}

fn refused(office: &Office, task: Id<Task>, depends_on: Id<Task>) -> CallError {
    office.refusal("dependencies:add", json!({ "taskId": task, "dependsOn": depends_on }))
}

fn ready(office: &Office, project: Id<Project>) -> Vec<String> {
    let ready = office.db.query(ListReadyTasks { project_id: project, limit: LISTED }).unwrap();
    titles(&ready).into_iter().map(str::to_owned).collect()
}

#[test]
fn a_task_does_not_wait_for_itself() {
    let office = Office::new();
    let (_, [a]) = tasks(&office, ["a"]);
    let error = refused(&office, a, a);
    assert_eq!(data(&error), &json!({ "kind": "dependencyCycle", "tasks": [a, a] }));
    assert_eq!(office.count(TaskDependency::by_id), 0);
}

#[test]
fn two_tasks_do_not_wait_for_each_other() {
    let office = Office::new();
    let (_, [a, b]) = tasks(&office, ["a", "b"]);
    add(&office, a, b);
    let error = refused(&office, b, a);
    assert_eq!(data(&error)["tasks"], json!([b, a, b]));
}

#[test]
fn a_cycle_is_named_from_the_task_that_would_close_it_and_the_shortest_is() {
    let office = Office::new();
    let (_, [a, b, c, d, e]) = tasks(&office, ["a", "b", "c", "d", "e"]);
    // Two ways from a to e: by b, c and d, and by d alone.
    for (task, needed) in [(a, b), (b, c), (c, d), (d, e), (a, d)] {
        add(&office, task, needed);
    }
    let error = refused(&office, e, a);
    assert_eq!(data(&error)["tasks"], json!([e, a, d, e]));
    let text = error.to_string();
    assert!([e, a, d].iter().all(|task| text.contains(&task.to_string())), "{text}");
    assert_eq!(office.count(TaskDependency::by_id), 5);
}

#[test]
fn a_cycle_through_two_projects_is_refused() {
    let office = Office::new();
    let (_, [a]) = tasks(&office, ["a"]);
    let (_, [b]) = tasks(&office, ["b"]);
    add(&office, a, b);
    assert_eq!(data(&refused(&office, b, a))["kind"], "dependencyCycle");
}

#[test]
fn a_diamond_is_no_cycle() {
    let office = Office::new();
    let (_, [top, left, right, bottom]) = tasks(&office, ["top", "left", "right", "bottom"]);
    for (task, needed) in [(top, left), (top, right), (left, bottom), (right, bottom), (top, bottom)] {
        add(&office, task, needed);
    }
    assert_eq!(office.count(TaskDependency::by_id), 5);
}

#[test]
fn what_closed_a_cycle_may_be_added_when_the_way_is_gone() {
    let office = Office::new();
    let (_, [a, b, c]) = tasks(&office, ["a", "b", "c"]);
    add(&office, a, b);
    add(&office, b, c);
    assert_eq!(refused(&office, c, a).code(), "application");
    office.call("tasks:delete", json!({ "id": b }));
    add(&office, c, a);
    assert_eq!(office.count(TaskDependency::by_id), 1);
}

#[test]
fn a_dependency_that_is_there_is_not_added_again() {
    let office = Office::new();
    let (_, [a, b]) = tasks(&office, ["a", "b"]);
    add(&office, a, b);
    let len = office.history_len();
    add(&office, a, b);
    assert_eq!((office.count(TaskDependency::by_id), office.history_len()), (1, len));
}

#[test]
fn a_dependency_is_removed_and_one_that_is_not_there_changes_nothing() {
    let office = Office::new();
    let (_, [a, b]) = tasks(&office, ["a", "b"]);
    add(&office, a, b);
    let pair = json!({ "taskId": a, "dependsOn": b });
    office.call("dependencies:remove", pair.clone());
    assert_eq!(office.count(TaskDependency::by_id), 0);
    let len = office.history_len();
    office.call("dependencies:remove", pair);
    assert_eq!(office.history_len(), len);
}

#[test]
fn neither_end_of_a_dependency_may_be_missing() {
    let office = Office::new();
    let (_, [a, b]) = tasks(&office, ["a", "b"]);
    office.call("tasks:delete", json!({ "id": b }));
    for (task, needed) in [(a, b), (b, a), (b, b)] {
        let error = refused(&office, task, needed);
        assert!(error.to_string().contains(&b.to_string()), "{error}");
    }
}

#[test]
fn dependencies_are_listed_in_both_directions() {
    let office = Office::new();
    let (_, [a, b, c]) = tasks(&office, ["a", "b", "c"]);
    add(&office, a, c);
    add(&office, a, b);
    add(&office, b, c);
    let listed = |name, task| {
        let found: Vec<Doc<Task>> = serde_json::from_value(office.call(name, json!({ "taskId": task }))).unwrap();
        let mut names: Vec<_> = found.iter().map(|task| task.title.clone()).collect();
        names.sort();
        names
    };
    assert_eq!(listed("dependencies:list", a), ["b", "c"]);
    assert_eq!(listed("dependencies:listDependents", c), ["a", "b"]);
    assert!(listed("dependencies:list", c).is_empty());
}

#[test]
fn a_task_is_ready_when_all_that_it_waits_for_is_done() {
    let office = Office::new();
    let (project, [a, b, c]) = tasks(&office, ["a", "b", "c"]);
    add(&office, a, b);
    add(&office, a, c);
    assert_eq!(ready(&office, project), ["b", "c"]);
    office.call("tasks:move", json!({ "id": b, "category": "done" }));
    assert_eq!(ready(&office, project), ["c"]);
    office.call("tasks:move", json!({ "id": c, "category": "review" }));
    assert!(ready(&office, project).is_empty(), "what is in review is not done");
    office.call("tasks:move", json!({ "id": c, "category": "done" }));
    assert_eq!(ready(&office, project), ["a"]);
}

#[test]
fn a_task_that_was_begun_is_not_ready_any_more() {
    let office = Office::new();
    let (project, [a, b]) = tasks(&office, ["a", "b"]);
    office.call("tasks:move", json!({ "id": a, "category": "in_progress" }));
    office.call("tasks:move", json!({ "id": b, "category": "todo" }));
    assert_eq!(ready(&office, project), ["b"]);
}

#[test]
fn a_task_that_waits_for_a_deleted_one_is_ready() {
    let office = Office::new();
    let (project, [a, b]) = tasks(&office, ["a", "b"]);
    add(&office, a, b);
    office.call("tasks:delete", json!({ "id": b }));
    assert_eq!(ready(&office, project), ["a"]);
}

#[test]
fn a_task_may_wait_for_one_of_another_project() {
    let office = Office::new();
    let (project, [a]) = tasks(&office, ["a"]);
    let (_, [b]) = tasks(&office, ["b"]);
    add(&office, a, b);
    assert!(ready(&office, project).is_empty());
    office.call("tasks:move", json!({ "id": b, "category": "done" }));
    assert_eq!(ready(&office, project), ["a"]);
}

#[test]
fn who_looks_at_the_ready_tasks_sees_one_become_ready() {
    let office = Office::new();
    let (project, [a, b]) = tasks(&office, ["a", "b"]);
    add(&office, a, b);
    let live = office.db.subscribe(ListReadyTasks { project_id: project, limit: LISTED }).unwrap();
    assert_eq!(titles(&live.recv().unwrap().unwrap()), ["b"]);
    office.call("tasks:move", json!({ "id": b, "category": "done" }));
    office.db.reactor().unwrap().run();
    assert_eq!(titles(&live.try_recv().unwrap().unwrap()), ["a"]);
}

#[test]
fn a_chain_of_five_hundred_is_walked() {
    let office = Office::new();
    let project = office.project("Apollo");
    let chain: Vec<_> = (0..500).map(|number| office.task(project, &number.to_string())).collect();
    for pair in chain.windows(2) {
        add(&office, pair[0], pair[1]);
    }
    let error = refused(&office, chain[499], chain[0]);
    assert_eq!(data(&error)["tasks"].as_array().unwrap().len(), 501);
}

//! Tasks: what they are given, and where they stand.

use super::*;

fn column(office: &Office, project: Id<Project>, category: Category) -> Vec<(String, u32)> {
    let found = office.db.query(ListTasksByCategory { project_id: project, category, limit: LISTED }).unwrap();
    found.iter().map(|task| (task.title.clone(), task.position)).collect()
}

fn three(office: &Office) -> (Id<Project>, [Id<Task>; 3]) {
    let project = office.project("Apollo");
    (project, ["a", "b", "c"].map(|title| office.task(project, title)))
}

fn numbered(titles: &[&str]) -> Vec<(String, u32)> {
    titles.iter().zip(0..).map(|(title, position)| ((*title).to_owned(), position)).collect()
}

#[test]
fn a_task_begins_in_the_backlog_with_medium_priority() {
    let office = Office::new();
    let (project, task) = office.one_task();
    assert_eq!(
        office.call("tasks:get", json!({ "id": task })),
        json!({
            "_id": task, "_creationTime": START, "projectId": project, "title": "Lift off", "description": "",
            "category": "backlog", "priority": "medium", "assignee": null, "branch": null, "position": 0,
        })
    );
}

#[test]
fn a_task_needs_a_title() {
    let office = Office::new();
    let project = office.project("Apollo");
    let error = office.refusal("tasks:create", json!({ "projectId": project, "title": "\t" }));
    assert_eq!(data(&error), &json!({ "kind": "empty", "field": "title" }));
    let task = office.task(project, "a");
    let error = office.refusal("tasks:update", json!({ "id": task, "title": "" }));
    assert_eq!(data(&error)["kind"], "empty");
}

#[test]
fn a_task_needs_a_project_that_is_there() {
    let office = Office::new();
    let project = office.project("Apollo");
    office.call("projects:delete", json!({ "id": project }));
    let error = office.refusal("tasks:create", json!({ "projectId": project, "title": "a" }));
    assert!(error.to_string().contains(&project.to_string()), "{error}");
    assert_eq!(office.count(Task::by_id), 0);
}

#[test]
fn a_task_is_created_at_the_end_of_the_column_that_is_named() {
    let office = Office::new();
    let project = office.project("Apollo");
    for (title, category) in [("a", "todo"), ("b", "done"), ("c", "todo")] {
        office.call("tasks:create", json!({ "projectId": project, "title": title, "category": category }));
    }
    assert_eq!(column(&office, project, Category::Todo), numbered(&["a", "c"]));
    assert_eq!(column(&office, project, Category::Done), numbered(&["b"]));
}

#[test]
fn what_an_update_does_not_name_stays() {
    let office = Office::new();
    let project = office.project("Apollo");
    let arguments = json!({
        "projectId": project, "title": "a", "description": "d", "priority": "high", "assignee": "ada", "branch": "x",
    });
    let id: Id<Task> = office.add("tasks:create", arguments);
    office.call("tasks:update", json!({ "id": id, "title": "b" }));
    let task = office.row(id);
    assert_eq!((task.title.as_str(), task.description.as_str(), task.priority), ("b", "d", Priority::High));
    assert_eq!((task.assignee.as_deref(), task.branch.as_deref()), (Some("ada"), Some("x")));
}

#[test]
fn an_empty_assignee_or_branch_is_none() {
    let office = Office::new();
    let project = office.project("Apollo");
    let arguments = json!({ "projectId": project, "title": "a", "assignee": "ada", "branch": "x" });
    let id: Id<Task> = office.add("tasks:create", arguments);
    office.call("tasks:update", json!({ "id": id, "assignee": "", "branch": "" }));
    let task = office.row(id);
    assert_eq!((task.assignee.as_deref(), task.branch.as_deref()), (None, None));
}

#[test]
fn an_empty_branch_at_the_creation_is_none() {
    let office = Office::new();
    let project = office.project("Apollo");
    let arguments = json!({ "projectId": project, "title": "a", "assignee": "", "branch": "" });
    let task = office.row(office.add::<Task>("tasks:create", arguments));
    assert_eq!((task.assignee.as_deref(), task.branch.as_deref()), (None, None));
}

#[test]
fn a_task_moves_to_the_end_of_another_column_unless_a_place_is_named() {
    let office = Office::new();
    let (project, [a, b, c]) = three(&office);
    office.call("tasks:move", json!({ "id": a, "category": "review" }));
    office.call("tasks:move", json!({ "id": c, "category": "review" }));
    office.call("tasks:move", json!({ "id": b, "category": "review", "position": 1 }));
    assert_eq!(column(&office, project, Category::Review), numbered(&["a", "b", "c"]));
    assert_eq!(column(&office, project, Category::Backlog), []);
}

#[test]
fn a_place_beyond_the_end_is_the_end() {
    let office = Office::new();
    let (project, [a, b, _]) = three(&office);
    office.call("tasks:reorder", json!({ "id": a, "position": u32::MAX }));
    assert_eq!(column(&office, project, Category::Backlog), numbered(&["b", "c", "a"]));
    office.call("tasks:move", json!({ "id": b, "category": "done", "position": 7 }));
    assert_eq!(column(&office, project, Category::Done), numbered(&["b"]));
}

#[test]
fn a_task_is_reordered_up_and_down() {
    let office = Office::new();
    let (project, [a, _, c]) = three(&office);
    office.call("tasks:reorder", json!({ "id": c, "position": 0 }));
    assert_eq!(column(&office, project, Category::Backlog), numbered(&["c", "a", "b"]));
    office.call("tasks:reorder", json!({ "id": c, "position": 1 }));
    assert_eq!(column(&office, project, Category::Backlog), numbered(&["a", "c", "b"]));
    office.call("tasks:reorder", json!({ "id": a, "position": 2 }));
    assert_eq!(column(&office, project, Category::Backlog), numbered(&["c", "b", "a"]));
}

#[test]
fn a_deleted_task_leaves_no_gap() {
    let office = Office::new();
    let (project, [a, b, _]) = three(&office);
    office.call("tasks:delete", json!({ "id": b }));
    assert_eq!(column(&office, project, Category::Backlog), numbered(&["a", "c"]));
    office.call("tasks:delete", json!({ "id": a }));
    office.task(project, "d");
    assert_eq!(column(&office, project, Category::Backlog), numbered(&["c", "d"]));
}

#[test]
fn the_columns_of_projects_do_not_meet() {
    let office = Office::new();
    let (project, [a, ..]) = three(&office);
    let other = office.project("Gemini");
    office.task(other, "x");
    office.task(other, "y");
    office.call("tasks:delete", json!({ "id": a }));
    assert_eq!(column(&office, other, Category::Backlog), numbered(&["x", "y"]));
    assert_eq!(column(&office, project, Category::Backlog), numbered(&["b", "c"]));
}

#[test]
fn a_project_lists_its_tasks_column_by_column_each_in_its_order() {
    let office = Office::new();
    let (project, [a, b, c]) = three(&office);
    office.call("tasks:move", json!({ "id": a, "category": "done" }));
    office.call("tasks:move", json!({ "id": b, "category": "in_progress" }));
    office.task(project, "d");
    office.call("tasks:reorder", json!({ "id": c, "position": 1 }));
    let listed = office.db.query(ListTasks { project_id: project, limit: LISTED }).unwrap();
    assert_eq!(titles(&listed), ["d", "c", "b", "a"]);
}

#[test]
fn tasks_are_listed_by_branch_in_any_project() {
    let office = Office::new();
    for name in ["A", "B"] {
        let project = office.project(name);
        office.call("tasks:create", json!({ "projectId": project, "title": name, "branch": "shared" }));
        office.task(project, "without");
    }
    let listed = office.db.query(ListTasksByBranch { branch: "shared".into(), limit: LISTED }).unwrap();
    assert_eq!(titles(&listed), ["A", "B"]);
}

#[test]
fn a_task_that_is_not_there_cannot_be_changed_moved_or_deleted() {
    let office = Office::new();
    let (_, task) = office.one_task();
    office.call("tasks:delete", json!({ "id": task }));
    let len = office.history_len();
    let calls = [
        ("tasks:update", json!({ "id": task, "title": "x" })),
        ("tasks:move", json!({ "id": task, "category": "done" })),
        ("tasks:reorder", json!({ "id": task, "position": 0 })),
        ("tasks:delete", json!({ "id": task })),
    ];
    for (name, arguments) in calls {
        let error = office.refusal(name, arguments);
        assert!(error.to_string().contains(&task.to_string()), "{name}: {error}");
    }
    assert_eq!(office.history_len(), len);
}

#[test]
fn a_column_that_there_is_not_is_refused_by_its_name() {
    let office = Office::new();
    let (_, task) = office.one_task();
    let error = office.refusal("tasks:move", json!({ "id": task, "category": "inProgress" }));
    assert!(error.to_string().contains("category") && error.to_string().contains("in_progress"), "{error}");
}

//! Projects, and what is left when one is deleted.

use super::*;

#[test]
fn a_project_has_what_it_was_given_and_is_active() {
    let office = Office::new();
    let arguments = json!({
        "name": "Apollo", "description": "To the moon", "specification": "# Moon", "repository": "nasa/apollo",
    });
    let id: Id<Project> = office.add("projects:create", arguments);
    let project = office.call("projects:get", json!({ "id": id }));
    assert_eq!(
        project,
        json!({
            "_id": id, "_creationTime": START, "name": "Apollo", "description": "To the moon",
            "specification": "# Moon", "repository": "nasa/apollo", "status": "active",
        })
    );
}

#[test]
fn a_project_that_is_not_there_is_null() {
    let office = Office::new();
    let id = office.project("Apollo");
    office.call("projects:delete", json!({ "id": id }));
    assert_eq!(office.call("projects:get", json!({ "id": id })), Value::Null);
}

#[test]
fn a_project_needs_a_name() {
    let office = Office::new();
    let error = office.refusal("projects:create", json!({ "name": " \n" }));
    assert_eq!(data(&error), &json!({ "kind": "empty", "field": "name" }));
    assert_eq!(office.count(Project::by_id), 0);
}

#[test]
fn a_project_keeps_its_name_when_it_is_given_an_empty_one() {
    let office = Office::new();
    let id = office.project("Apollo");
    let error = office.refusal("projects:update", json!({ "id": id, "name": "", "description": "new" }));
    assert_eq!(data(&error)["kind"], "empty");
    let project = office.row(id);
    assert_eq!((project.name.as_str(), project.description.as_str()), ("Apollo", ""));
}

#[test]
fn a_repository_is_an_owner_and_a_name() {
    let office = Office::new();
    for wrong in ["apollo", "/apollo", "nasa/", "nasa/apollo/x", "na sa/apollo", "nasa/apo\tllo", "nasa/apollo\n"] {
        let error = office.db.call("projects:create", json!({ "name": "A", "repository": wrong }), Caller::Client);
        let error = error.expect_err(wrong);
        assert_eq!(data(&error), &json!({ "kind": "repository", "given": wrong }));
    }
    assert_eq!(office.count(Project::by_id), 0);
}

#[test]
fn what_an_update_does_not_name_stays() {
    let office = Office::new();
    let arguments = json!({ "name": "Apollo", "description": "d", "specification": "s", "repository": "nasa/apollo" });
    let id: Id<Project> = office.add("projects:create", arguments);
    office.call("projects:update", json!({ "id": id, "status": "archived" }));
    let project = office.row(id);
    let texts = [&project.name, &project.description, &project.specification].map(String::as_str);
    assert_eq!(texts, ["Apollo", "d", "s"]);
    assert_eq!((project.repository.as_deref(), project.status), (Some("nasa/apollo"), ProjectStatus::Archived));
}

#[test]
fn an_empty_repository_takes_the_repository_away() {
    let office = Office::new();
    let id: Id<Project> = office.add("projects:create", json!({ "name": "A", "repository": "nasa/apollo" }));
    office.call("projects:update", json!({ "id": id, "repository": "" }));
    assert_eq!(office.row(id).repository, None);
    assert_eq!(office.call("projects:listByRepository", json!({ "repository": "nasa/apollo" })), json!([]));
}

#[test]
fn projects_are_listed_by_status_by_repository_and_all() {
    let office = Office::new();
    let first: Id<Project> = office.add("projects:create", json!({ "name": "A", "repository": "nasa/apollo" }));
    let second = office.project("B");
    office.call("projects:update", json!({ "id": second, "status": "archived" }));
    let listed = |name, arguments| -> Vec<Id<Project>> {
        let found = office.call(name, arguments);
        found.as_array().unwrap().iter().map(|row| serde_json::from_value(row["_id"].clone()).unwrap()).collect()
    };
    assert_eq!(listed("projects:list", json!({ "status": "active" })), [first]);
    assert_eq!(listed("projects:list", json!({ "status": "archived" })), [second]);
    assert_eq!(listed("projects:list", json!({})), [first, second]);
    assert_eq!(listed("projects:listByRepository", json!({ "repository": "nasa/apollo" })), [first]);
}

#[test]
fn a_project_that_is_not_there_cannot_be_changed_or_deleted() {
    let office = Office::new();
    let id = office.project("Apollo");
    office.call("projects:delete", json!({ "id": id }));
    let len = office.history_len();
    for name in ["projects:update", "projects:delete"] {
        let error = office.refusal(name, json!({ "id": id }));
        assert!(error.to_string().contains(&id.to_string()), "{error}");
    }
    assert_eq!(office.history_len(), len, "and nothing is written of it");
}

/// A project with everything that belongs to one, and another with a task that waits for the first's.
struct Full {
    office: Office,
    project: Id<Project>,
    task: Id<Task>,
    foreign: Id<Task>,
    pull_request: Id<PullRequest>,
}

impl Full {
    fn new() -> Self {
        let office = Office::new();
        let (project, task) = office.one_task();
        let second = office.task(project, "Land");
        let foreign = office.task(office.project("Gemini"), "Dock");
        for (waits, needed) in [(task, second), (foreign, task)] {
            office.call("dependencies:add", json!({ "taskId": waits, "dependsOn": needed }));
        }
        office.call("acceptanceCriteria:create", json!({ "taskId": task, "text": "It flies" }));
        office.call("tests:create", json!({ "taskId": task, "name": "flies" }));
        office.call("jobs:create", json!({ "taskId": task, "kind": "review" }));
        office.call("chat:send", json!({ "taskId": task, "text": "How high?" }));
        office.call("chat:send", json!({ "projectId": project, "text": "How far?" }));
        office.scheduler.run_due().unwrap();
        let pull_request = office.pull_request(1, Some(task));
        let issue = json!({ "pullRequestId": pull_request, "severity": "error", "message": "leaks" });
        office.call("prIssues:create", issue);
        Self { office, project, task, foreign, pull_request }
    }

    /// How many criteria, tests, dependencies, jobs and messages there are.
    fn children(&self) -> [usize; 5] {
        let office = &self.office;
        [
            office.count(AcceptanceCriterion::by_id),
            office.count(Test::by_id),
            office.count(TaskDependency::by_id),
            office.count(AgentJob::by_id),
            office.count(ChatMessage::by_id),
        ]
    }
}

#[test]
fn a_deleted_project_takes_its_tasks_and_messages_along_and_all_that_is_theirs() {
    let full = Full::new();
    assert_eq!(full.children(), [1, 1, 2, 1, 4]);
    full.office.call("projects:delete", json!({ "id": full.project }));
    assert_eq!(full.children(), [0; 5]);
    let left = full.office.all(Task::by_id);
    assert_eq!(left.iter().map(Doc::id).collect::<Vec<_>>(), [full.foreign]);
}

#[test]
fn the_pull_requests_of_a_deleted_project_stay_and_lose_the_link() {
    let full = Full::new();
    full.office.call("projects:delete", json!({ "id": full.project }));
    assert_eq!(full.office.row(full.pull_request).task_id, None);
    assert_eq!(full.office.count(PrIssue::by_id), 1);
}

#[test]
fn the_history_of_a_deleted_project_stays() {
    let full = Full::new();
    let before = full.office.actions_since(0);
    full.office.call("projects:delete", json!({ "id": full.project }));
    let events = full.office.all(HistoryEvent::by_id);
    assert_eq!(full.office.actions_since(0), [before, vec!["project.deleted".to_owned()]].concat());
    let of_it =
        events.iter().filter(|event| event.project_id == Some(full.project) || event.task_id == Some(full.task));
    assert_eq!(of_it.count(), 0, "what is gone is not referred to");
}

#[test]
fn a_deleted_task_takes_its_own_along_and_leaves_its_project() {
    let full = Full::new();
    full.office.call("tasks:delete", json!({ "id": full.task }));
    assert_eq!(full.children(), [0, 0, 0, 0, 2], "only the messages about the project are left");
    assert_eq!(full.office.row(full.pull_request).task_id, None);
    let ready = full.office.call("tasks:listReady", json!({ "projectId": full.project }));
    assert_eq!(ready.as_array().unwrap().len(), 1);
}

#[test]
fn the_history_of_a_deleted_task_stays_with_its_project() {
    let full = Full::new();
    let len = full.office.history_len();
    full.office.call("tasks:delete", json!({ "id": full.task }));
    assert_eq!(full.office.history_len(), len + 1);
    let events = full.office.call("history:listByProject", json!({ "projectId": full.project }));
    assert_eq!(events[0]["action"], "task.deleted");
    assert!(events[0]["details"].as_str().unwrap().contains(&full.task.to_string()));
    let of_task = events.as_array().unwrap().iter().filter(|event| event["action"] == "criterion.created");
    assert_eq!(of_task.count(), 1);
}

#[test]
fn a_pull_request_that_is_deleted_takes_comments_and_issues_along_and_leaves_the_task() {
    let full = Full::new();
    full.office.call("pullRequests:delete", json!({ "id": full.pull_request }));
    assert_eq!(full.office.count(PrIssue::by_id), 0);
    assert!(full.office.get(full.task).is_some());
}

#[test]
fn a_project_with_a_thousand_tasks_is_deleted_at_once() {
    let office = Office::new();
    let project = office.project("Apollo");
    let other = office.task(office.project("Gemini"), "Dock");
    let add = |tx: &mut WriteTx| -> Result<(), AgentError> {
        for title in 0..1_000 {
            let row = Task {
                project_id: project,
                title: title.to_string(),
                description: String::new(),
                category: Category::Todo,
                priority: Priority::Low,
                assignee: None,
                branch: None,
                position: title,
            };
            let task_id = tx.insert(row)?;
            tx.insert(TaskDependency { task_id, depends_on: other })?;
        }
        Ok(())
    };
    office.db.write(add).unwrap();
    office.call("projects:delete", json!({ "id": project }));
    assert_eq!((office.count(Task::by_id), office.count(TaskDependency::by_id)), (1, 0));
}

//! The audit trail: every significant mutation writes one event, with what it tells of, or neither.

use tropism::Mutation;

use super::{calls::Everything, *};

#[test]
fn every_significant_mutation_writes_exactly_one_event_that_says_who_did_what() {
    for position in 0..Everything::new().calls().len() {
        let everything = Everything::new();
        let call = everything.calls().swap_remove(position);
        let Some(action) = call.action else { continue };
        let office = &everything.office;
        let len = office.history_len();
        office.call(call.name, call.arguments);
        let events = office.all(HistoryEvent::by_id).split_off(len);
        let found: Vec<_> = events.iter().map(|event| (event.action.as_str(), event.user.as_str())).collect();
        assert_eq!(found, [(action, "ada")], "{}", call.name);
        assert_eq!(events[0].at, office.scheduler.now());
    }
}

/// What calls leave in the history that a person would look for there: the name of the call, and how many events.
fn events_of(names: &[&'static str]) -> Vec<(&'static str, usize)> {
    let of = |name: &&'static str| {
        let everything = Everything::new();
        let call = everything.calls().into_iter().find(|call| call.name == *name).unwrap();
        let len = everything.office.history_len();
        everything.office.call(call.name, call.arguments);
        (*name, everything.office.history_len() - len)
    };
    names.iter().map(of).collect()
}

#[test]
fn every_deletion_is_written_down() {
    let names = ["jobs:delete", "pullRequests:delete", "prIssues:delete", "webhooks:delete"];
    assert_eq!(events_of(&names), names.map(|name| (name, 1)));
}

#[test]
fn every_change_of_what_a_person_wrote_is_written_down() {
    let names = ["acceptanceCriteria:reorder", "tests:update", "prComments:resolve"];
    assert_eq!(events_of(&names), names.map(|name| (name, 1)));
}

#[test]
fn a_pull_request_that_loses_its_task_by_hand_is_written_down() {
    let office = Office::new();
    let (_, task) = office.one_task();
    let id = office.pull_request(1, Some(task));
    let len = office.history_len();
    office.call("pullRequests:link", json!({ "id": id, "taskId": null, "user": "ada" }));
    assert_eq!(office.row(id).task_id, None);
    assert_eq!(office.actions_since(len).len(), 1);
}

#[test]
fn a_query_and_a_report_write_nothing() {
    let names = ["tasks:get", "boards:project", "history:listRecent", "servers:recordMetrics", "jobs:reportProgress"];
    assert_eq!(events_of(&names), names.map(|name| (name, 0)));
}

#[test]
fn what_changes_nothing_writes_nothing() {
    let office = Office::new();
    let (_, task) = office.one_task();
    let len = office.history_len();
    office.call("tasks:move", json!({ "id": task, "category": "backlog", "position": 0 }));
    office.call("tasks:reorder", json!({ "id": task, "position": 9 }));
    office.call("jobs:claim", json!({}));
    assert_eq!(office.actions_since(len), Vec::<String>::new());
}

/// Runs a mutation in a transaction that fails afterwards.
fn roll_back<M: Mutation<Error = AgentError>>(office: &Office, mutation: &M) {
    let failed = office.db.write(|tx| -> Result<(), AgentError> {
        mutation.run(tx)?;
        Err(AgentError::MessageTarget)
    });
    assert!(matches!(failed, Err(AgentError::MessageTarget)));
}

#[test]
fn an_event_is_rolled_back_with_what_it_tells_of() {
    let office = Office::new();
    let (project, task) = office.one_task();
    let len = office.history_len();
    let user = "ada".to_owned();
    roll_back(&office, &MoveTask { id: task, category: Category::Done, position: None, user: user.clone() });
    roll_back(&office, &DeleteTask { id: task, user: user.clone() });
    roll_back(&office, &DeleteProject { id: project, user: user.clone() });
    roll_back(&office, &CreateAgentJob { task_id: task, kind: "review".into(), user });
    assert_eq!((office.history_len(), office.count(AgentJob::by_id)), (len, 0));
    assert_eq!(office.row(task).category, Category::Backlog);
}

#[test]
fn a_mutation_that_fails_writes_no_event() {
    let office = Office::new();
    let (_, task) = office.one_task();
    let len = office.history_len();
    office.refusal("dependencies:add", json!({ "taskId": task, "dependsOn": task }));
    office.refusal("tasks:update", json!({ "id": task, "title": "" }));
    office.refusal("jobs:create", json!({ "taskId": task, "kind": "" }));
    assert_eq!(office.history_len(), len);
}

#[test]
fn an_event_arrives_together_with_what_it_tells_of() {
    let office = Office::new();
    let (_, task) = office.one_task();
    let live = office
        .db
        .watch(move |tx| -> Result<_, tropism::Error> {
            let category = tx.get(task)?.map(|task| task.category);
            Ok((category, tx.query(HistoryEvent::by_task).eq(Some(task)).count()?))
        })
        .unwrap();
    assert_eq!(*live.recv().unwrap().unwrap(), (Some(Category::Backlog), 1));
    office.call("tasks:move", json!({ "id": task, "category": "done" }));
    assert_eq!(office.db.reactor().unwrap().run().len(), 1);
    assert_eq!(*live.try_recv().unwrap().unwrap(), (Some(Category::Done), 2));
}

#[test]
fn an_event_of_a_task_is_one_of_its_project_too() {
    let office = Office::new();
    let (project, task) = office.one_task();
    office.call("tasks:move", json!({ "id": task, "category": "done", "user": "ada" }));
    let event = office.call("history:listByTask", json!({ "taskId": task, "limit": 1 }))[0].clone();
    let found = [&event["action"], &event["user"], &event["projectId"], &event["details"]];
    assert_eq!(found, [&json!("task.moved"), &json!("ada"), &json!(project), &json!("backlog → done")]);
    let of_project = office.call("history:listByProject", json!({ "projectId": project }));
    let actions: Vec<_> =
        of_project.as_array().unwrap().iter().map(|event| event["action"].as_str().unwrap()).collect();
    assert_eq!(actions, ["task.moved", "task.created", "project.created"]);
}

#[test]
fn an_event_without_a_user_is_of_the_system() {
    let office = Office::new();
    office.project("Apollo");
    assert_eq!(office.all(HistoryEvent::by_id)[0].user, "system");
}

#[test]
fn the_recent_history_is_the_newest_first_and_as_long_as_asked_for() {
    let office = Office::new();
    for name in ["a", "b", "c"] {
        office.project(name);
        office.scheduler.advance(SECOND).unwrap();
    }
    let listed = office.db.query(ListRecentHistory { limit: 2 }).unwrap();
    let details: Vec<_> = listed.iter().map(|event| event.details.as_deref()).collect();
    assert_eq!(details, [Some("c"), Some("b")]);
    assert!(office.db.query(ListRecentHistory { limit: 0 }).unwrap().is_empty());
}

#[test]
fn the_history_between_two_times_has_the_first_and_not_the_last() {
    let office = Office::new();
    for name in ["a", "b", "c", "d"] {
        office.project(name);
        office.scheduler.advance(SECOND).unwrap();
    }
    let between = |from, until, limit| {
        let listed = office.db.query(ListHistoryBetween { from, until, limit }).unwrap();
        listed.iter().map(|event| event.details.clone().unwrap()).collect::<Vec<_>>()
    };
    assert_eq!(between(after(SECOND), after(3 * SECOND), 100), ["b", "c"]);
    assert_eq!(between(START, after(DAY), 3), ["a", "b", "c"]);
    assert!(between(after(DAY), START, 100).is_empty());
    assert!(between(START, START, 100).is_empty());
}

#[test]
fn who_looks_at_the_history_of_a_project_sees_each_event_come() {
    let office = Office::new();
    let (project_id, task) = office.one_task();
    let live = office.db.subscribe(ListProjectHistory { project_id, limit: 1 }).unwrap();
    assert_eq!(live.recv().unwrap().unwrap()[0].action, "task.created");
    office.call("tasks:delete", json!({ "id": task }));
    office.db.reactor().unwrap().run();
    assert_eq!(live.try_recv().unwrap().unwrap()[0].action, "task.deleted");
}

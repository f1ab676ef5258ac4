//! Lists have limits, missing rows are not found, and a sample of the future does not stay the latest.

use super::{calls::Everything, *};

const MINUTE: Duration = Duration::from_secs(60);

#[test]
fn every_list_has_a_limit() {
    let office = Office::new();
    let lists = office.db.functions().into_iter().filter(|function| function.output.starts_with("Vec<"));
    let mut names = Vec::new();
    for list in lists.filter(|list| list.visibility == tropism::Visibility::Public) {
        let arguments = list.arguments.expect("the macro describes them");
        let is_bounded = arguments.iter().any(|argument| argument.name == "limit" && argument.default.is_some())
            // A row for each of a few words, and for each of so many points.
            || ["webhooks:count", "servers:chartMetrics"].contains(&list.name);
        assert!(is_bounded, "{} has no limit", list.name);
        names.push(list.name);
    }
    assert!(names.len() >= 26, "{names:?}");
}

#[test]
fn a_list_ends_at_its_limit() {
    let office = Office::new();
    let project = office.project("Apollo");
    for number in 0..5 {
        let title = number.to_string();
        office.task(project, &title);
        office.call("chat:post", json!({ "projectId": project, "text": title }));
    }
    let call = |name: &str, limit: Value| {
        let rows = office.call(name, json!({ "projectId": project, "limit": limit }));
        let word = |row: &Value| row.get("title").or(row.get("text")).and_then(Value::as_str).unwrap().to_owned();
        rows.as_array().unwrap().iter().map(word).collect::<Vec<_>>().join(" ")
    };
    assert_eq!(call("tasks:listByProject", json!(2)), "0 1");
    assert_eq!(call("tasks:listReady", json!(2)), "0 1");
    assert_eq!(call("chat:listByProject", json!(2)), "3 4", "the last ones, oldest first");
    assert_eq!(call("tasks:listByProject", json!(0)), "");
    assert_eq!(
        call("tasks:listByProject", json!(u64::MAX)),
        "0 1 2 3 4",
        "more than there can be is what there can be"
    );
}

#[test]
fn a_board_has_a_limited_part_of_a_column_and_its_whole_count() {
    let office = Office::new();
    let project_id = office.project("Apollo");
    let count = LISTED + 3;
    let add = |tx: &mut WriteTx| (0..count).try_for_each(|position| tx.insert(task(project_id, position)).map(drop));
    office.db.write(add).unwrap();
    let board = office.db.query(ShowProjectBoard { project_id }).unwrap();
    let column = &board.as_ref().as_ref().unwrap().columns[0];
    assert_eq!((column.tasks.len(), column.count), (LISTED, count));
    let listed = office.db.query(ListTasks { project_id, limit: LISTED }).unwrap();
    assert_eq!(listed.len(), LISTED);
}

fn task(project_id: Id<Project>, position: usize) -> Task {
    Task {
        project_id,
        title: position.to_string(),
        description: String::new(),
        category: Category::Backlog,
        priority: Priority::Low,
        assignee: None,
        branch: None,
        position: u32::try_from(position).unwrap(),
    }
}

/// Ids that a mutation needs to exist, each missing in turn.
#[test]
fn a_missing_row_is_not_found() {
    let Everything { office, .. } = Everything::new();
    let there = office.project("there");
    let task = office.task(there, "there");
    let missing = |table: &str| match table {
        "projects" => no_id::<Project>(),
        "tasks" => no_id::<Task>(),
        "acceptanceCriteria" => no_id::<AcceptanceCriterion>(),
        "tests" => no_id::<Test>(),
        "agentJobs" => no_id::<AgentJob>(),
        "chatMessages" => no_id::<ChatMessage>(),
        "pullRequests" => no_id::<PullRequest>(),
        "prComments" => no_id::<PrComment>(),
        "prIssues" => no_id::<PrIssue>(),
        "servers" => no_id::<Server>(),
        "containers" => no_id::<Container>(),
        _ => no_id::<WebhookEvent>(),
    };
    for (name, arguments) in [
        ("projects:update", json!({ "id": missing("projects"), "name": "a" })),
        ("projects:delete", json!({ "id": missing("projects") })),
        ("tasks:create", json!({ "projectId": missing("projects"), "title": "a" })),
        ("tasks:update", json!({ "id": missing("tasks"), "title": "a" })),
        ("tasks:move", json!({ "id": missing("tasks"), "category": "done" })),
        ("tasks:delete", json!({ "id": missing("tasks") })),
        ("dependencies:add", json!({ "taskId": task, "dependsOn": missing("tasks") })),
        ("dependencies:remove", json!({ "taskId": task, "dependsOn": missing("tasks") })),
        ("acceptanceCriteria:create", json!({ "taskId": missing("tasks"), "text": "a" })),
        ("acceptanceCriteria:update", json!({ "id": missing("acceptanceCriteria"), "done": true })),
        ("acceptanceCriteria:delete", json!({ "id": missing("acceptanceCriteria") })),
        ("acceptanceCriteria:reorder", json!({ "id": missing("acceptanceCriteria"), "position": 0 })),
        ("tests:create", json!({ "taskId": missing("tasks"), "name": "a" })),
        ("tests:recordResult", json!({ "id": missing("tests"), "status": "passed" })),
        ("tests:delete", json!({ "id": missing("tests") })),
        ("jobs:create", json!({ "taskId": missing("tasks"), "kind": "a" })),
        ("jobs:start", json!({ "id": missing("agentJobs") })),
        ("jobs:reportProgress", json!({ "id": missing("agentJobs"), "progress": 1 })),
        ("jobs:succeed", json!({ "id": missing("agentJobs") })),
        ("jobs:fail", json!({ "id": missing("agentJobs"), "error": "a" })),
        ("jobs:cancel", json!({ "id": missing("agentJobs") })),
        ("jobs:delete", json!({ "id": missing("agentJobs") })),
        ("chat:send", json!({ "projectId": missing("projects"), "text": "a" })),
        ("chat:post", json!({ "taskId": missing("tasks"), "text": "a" })),
        ("chat:retry", json!({ "id": missing("chatMessages") })),
        ("chat:delete", json!({ "id": missing("chatMessages") })),
        ("pullRequests:link", json!({ "id": missing("pullRequests"), "taskId": task })),
        ("pullRequests:delete", json!({ "id": missing("pullRequests") })),
        ("prComments:resolve", json!({ "id": missing("prComments") })),
        ("prIssues:create", json!({ "pullRequestId": missing("pullRequests"), "severity": "info", "message": "a" })),
        ("prIssues:update", json!({ "id": missing("prIssues"), "status": "fixed" })),
        ("prIssues:delete", json!({ "id": missing("prIssues") })),
        ("servers:update", json!({ "id": missing("servers"), "name": "a" })),
        ("servers:delete", json!({ "id": missing("servers") })),
        ("servers:recordMetrics", sample(&json!(missing("servers")), &json!(null))),
        ("containers:create", json!({ "serverId": missing("servers"), "name": "a", "image": "a" })),
        ("containers:update", json!({ "id": missing("containers"), "image": "a" })),
        ("containers:delete", json!({ "id": missing("containers") })),
        ("webhooks:replay", json!({ "id": missing("webhookEvents") })),
        ("webhooks:delete", json!({ "id": missing("webhookEvents") })),
    ] {
        let error = office.refusal(name, arguments);
        assert_eq!(error.status(), 404, "{name}: {error}");
        assert!(error.to_string().contains("does not exist"), "{name}: {error}");
    }
    let id = office.pull_request(77, None);
    let error = office.refusal("pullRequests:link", json!({ "id": id, "taskId": missing("tasks") }));
    assert_eq!(error.status(), 404, "{error}");
    assert_eq!(office.refusal("tasks:update", json!({ "id": task, "title": "" })).status(), 422);
}

/// The id of a row that was never there.
fn no_id<T: Table>() -> String {
    Id::<T>::from_raw(9_999).to_string()
}

fn sample(server: &Value, at: &Value) -> Value {
    json!({ "serverId": server, "recordedAt": at, "cpuPercent": 1, "memoryBytes": 1, "memoryTotalBytes": 1 })
}

#[test]
fn a_sample_that_is_dated_in_the_future_does_not_stay_the_latest() {
    let office = Office::new();
    let server = json!(office.server("a"));
    let latest = |office: &Office| {
        let latest = office.db.query(ListLatestMetrics { limit: LISTED }).unwrap();
        latest[0].metrics.as_ref().map(|sample| (sample.id(), sample.recorded_at))
    };
    let far: Id<ServerMetrics> =
        office.add("servers:recordMetrics", sample(&server, &json!(Timestamp::from_millis(i64::MAX))));
    assert_eq!(latest(&office), Some((far, Timestamp::from_millis(i64::MAX))));
    let now = office.add("servers:recordMetrics", sample(&server, &json!(null)));
    assert_eq!(latest(&office), Some((now, START)));
    assert_eq!(office.row(far).recorded_at, START, "it is dated to when it came");

    office.add::<ServerMetrics>("servers:recordMetrics", sample(&server, &json!(after(90 * MINUTE))));
    office.scheduler.advance(MINUTE).unwrap();
    let next = office.add("servers:recordMetrics", sample(&server, &json!(after(MINUTE))));
    assert_eq!(latest(&office), Some((next, after(MINUTE))));
}

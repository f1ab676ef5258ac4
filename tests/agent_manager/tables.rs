//! The sixteen tables as AGENT_MANAGER.md has them: names, fields, indexes, references and the words of the enums.

use super::*;

/// Whether a table has an index of this name, kind and fields; what it has instead, if it has not.
fn check<T: Table>(name: &str, kind: &str, fields: &[&str]) {
    let found = T::DEFINITION.indexes.iter().find(|index| index.name == name);
    let found = found.unwrap_or_else(|| panic!("{} has no index {name}", T::DEFINITION.name));
    let found = (format!("{:?}", found.kind), found.fields);
    assert_eq!(found, (kind.to_owned(), fields), "{}.{name}", T::DEFINITION.name);
}

fn plain<T: Table>(indexes: &[(&str, &[&str])]) {
    indexes.iter().for_each(|(name, fields)| check::<T>(name, "Plain", fields));
}

fn unique<T: Table>(name: &str, fields: &[&str]) {
    check::<T>(name, "Unique", fields);
}

/// Of each reference: its field, the table it refers to, and what deleting the other end does.
fn references<T: Table>() -> Vec<(&'static str, &'static str, String)> {
    let references = T::DEFINITION.indexes.iter().filter_map(|index| {
        let reference = index.reference.as_ref()?;
        Some((index.fields[0], (reference.target)(), format!("{:?}", reference.on_delete)))
    });
    references.collect()
}

fn has_fields<T: Table>(names: &[&str]) {
    let fields: Vec<_> = T::DEFINITION.fields.iter().map(|field| field.name).collect();
    names.iter().for_each(|name| assert!(fields.contains(name), "{} has no {name}", T::DEFINITION.name));
}

fn words<T: serde::Serialize>(values: &[T]) -> Value {
    serde_json::to_value(values).unwrap()
}

#[test]
fn there_are_sixteen_tables_of_these_names() {
    let names = [
        Project::DEFINITION.name,
        Task::DEFINITION.name,
        TaskDependency::DEFINITION.name,
        AcceptanceCriterion::DEFINITION.name,
        Test::DEFINITION.name,
        ChatMessage::DEFINITION.name,
        HistoryEvent::DEFINITION.name,
        PullRequest::DEFINITION.name,
        PrComment::DEFINITION.name,
        PrIssue::DEFINITION.name,
        PrCheck::DEFINITION.name,
        Server::DEFINITION.name,
        Container::DEFINITION.name,
        ServerMetrics::DEFINITION.name,
        WebhookEvent::DEFINITION.name,
        AgentJob::DEFINITION.name,
    ];
    let expected = "projects tasks taskDependencies acceptanceCriteria tests chatMessages historyEvents pullRequests \
                    prComments prIssues prChecks servers containers serverMetrics webhookEvents agentJobs";
    assert_eq!(names.join(" "), expected);
}

#[test]
fn the_tables_of_projects_and_tasks_have_the_fields_that_they_should() {
    has_fields::<Project>(&["name", "description", "specification", "repository", "status"]);
    let task = ["project_id", "title", "description", "category", "priority", "assignee", "branch", "position"];
    has_fields::<Task>(&task);
    has_fields::<TaskDependency>(&["task_id", "depends_on"]);
    has_fields::<AcceptanceCriterion>(&["task_id", "text", "done", "position"]);
    has_fields::<Test>(&["task_id", "name", "kind", "status", "duration_ms", "output"]);
    has_fields::<ChatMessage>(&["project_id", "task_id", "author", "text", "status", "reply_to"]);
    has_fields::<HistoryEvent>(&["project_id", "task_id", "action", "user", "details"]);
    let job = ["task_id", "kind", "status", "progress", "result", "error", "started_at", "finished_at"];
    has_fields::<AgentJob>(&job);
}

#[test]
fn the_other_tables_have_the_fields_that_they_should() {
    let pull_request = [
        "task_id",
        "repository",
        "number",
        "title",
        "url",
        "author",
        "head_branch",
        "base_branch",
        "head_sha",
        "state",
        "review",
        "additions",
        "deletions",
        "changed_files",
        "merged_at",
    ];
    has_fields::<PullRequest>(&pull_request);
    has_fields::<PrComment>(&["pull_request_id", "source_id", "author", "body", "path", "line", "resolved"]);
    has_fields::<PrIssue>(&["pull_request_id", "severity", "message", "path", "line", "status"]);
    let check = ["pull_request_id", "name", "status", "conclusion", "url", "started_at", "completed_at"];
    has_fields::<PrCheck>(&check);
    has_fields::<Server>(&["name", "host", "region", "status", "last_seen_at"]);
    has_fields::<Container>(&["server_id", "name", "image", "status", "ports"]);
    let metrics = [
        "server_id",
        "recorded_at",
        "cpu_percent",
        "memory_bytes",
        "memory_total_bytes",
        "disk_bytes",
        "network_in_bytes",
        "network_out_bytes",
        "load_average",
    ];
    has_fields::<ServerMetrics>(&metrics);
    let webhook = [
        "source",
        "delivery_id",
        "event_type",
        "payload",
        "status",
        "attempts",
        "last_error",
        "received_at",
        "processed_at",
        "next_attempt_at",
    ];
    has_fields::<WebhookEvent>(&webhook);
}

#[test]
fn the_indexes_of_projects_and_tasks_have_the_names_that_they_should() {
    plain::<Project>(&[("by_repository", &["repository"]), ("by_status", &["status"])]);
    plain::<Task>(&[
        ("by_project", &["project_id"]),
        ("by_project_and_category", &["project_id", "category", "position"]),
        ("by_category", &["category"]),
        ("by_branch", &["branch"]),
    ]);
    plain::<TaskDependency>(&[("by_task", &["task_id"]), ("by_depends_on", &["depends_on"])]);
    unique::<TaskDependency>("by_task_and_depends_on", &["task_id", "depends_on"]);
    plain::<AcceptanceCriterion>(&[("by_task", &["task_id", "position"])]);
    plain::<Test>(&[("by_task", &["task_id"]), ("by_task_and_status", &["task_id", "status"])]);
    plain::<ChatMessage>(&[("by_project", &["project_id"]), ("by_task", &["task_id"])]);
    plain::<HistoryEvent>(&[
        ("by_project", &["project_id", "at"]),
        ("by_task", &["task_id", "at"]),
        ("by_time", &["at"]),
    ]);
    plain::<AgentJob>(&[("by_task", &["task_id"]), ("by_status", &["status"])]);
}

#[test]
fn the_indexes_of_the_other_tables_have_the_names_that_they_should() {
    plain::<PullRequest>(&[("by_task", &["task_id"]), ("by_state", &["state"]), ("by_head_sha", &["head_sha"])]);
    unique::<PullRequest>("by_repository_and_number", &["repository", "number"]);
    plain::<PrComment>(&[("by_pull_request", &["pull_request_id"])]);
    unique::<PrComment>("by_source_id", &["source_id"]);
    plain::<PrIssue>(&[
        ("by_pull_request", &["pull_request_id"]),
        ("by_pull_request_and_severity", &["pull_request_id", "severity"]),
    ]);
    plain::<PrCheck>(&[("by_pull_request", &["pull_request_id", "name"])]);
    plain::<Server>(&[("by_status", &["status"])]);
    unique::<Server>("by_name", &["name"]);
    plain::<Container>(&[("by_server", &["server_id"]), ("by_server_and_status", &["server_id", "status"])]);
    plain::<ServerMetrics>(&[("by_server_and_time", &["server_id", "recorded_at"]), ("by_time", &["recorded_at"])]);
    unique::<WebhookEvent>("by_source_and_delivery", &["source", "delivery_id"]);
    plain::<WebhookEvent>(&[
        ("by_status", &["status"]),
        ("by_status_and_next_attempt", &["status", "next_attempt_at"]),
    ]);
}

#[test]
fn deleting_a_parent_does_what_it_should_to_its_children() {
    let (cascade, set_null) = (|| "Cascade".to_owned(), || "SetNull".to_owned());
    assert_eq!(references::<Task>(), [("project_id", "projects", cascade())]);
    let both = [("task_id", "tasks", cascade()), ("depends_on", "tasks", cascade())];
    assert_eq!(references::<TaskDependency>(), both);
    let of_task = [("task_id", "tasks", cascade())];
    assert_eq!(references::<AcceptanceCriterion>(), of_task);
    assert_eq!(references::<Test>(), of_task);
    assert_eq!(references::<AgentJob>(), of_task);
    let messages = [
        ("project_id", "projects", cascade()),
        ("task_id", "tasks", cascade()),
        ("reply_to", "chatMessages", set_null()),
    ];
    assert_eq!(references::<ChatMessage>(), messages);
    let history = [("project_id", "projects", set_null()), ("task_id", "tasks", set_null())];
    assert_eq!(references::<HistoryEvent>(), history);
    assert_eq!(references::<PullRequest>(), [("task_id", "tasks", set_null())]);
    let of_pull_request = [("pull_request_id", "pullRequests", cascade())];
    assert_eq!(references::<PrComment>(), of_pull_request);
    assert_eq!(references::<PrIssue>(), of_pull_request);
    let of_server = [("server_id", "servers", cascade())];
    assert_eq!(references::<Container>(), of_server);
    assert_eq!(references::<ServerMetrics>(), of_server);
}

#[test]
fn a_commit_has_one_check_of_a_name_and_suite() {
    unique::<PrCheck>("by_commit_suite_and_name", &["repository", "head_sha", "suite", "name"]);
}

#[test]
fn the_enums_have_the_words_that_they_should() {
    let words = [
        words(ProjectStatus::ALL),
        words(Category::ALL),
        words(Priority::ALL),
        words(TestKind::ALL),
        words(TestStatus::ALL),
        words(ChatAuthor::ALL),
        words(ChatStatus::ALL),
        words(PullRequestState::ALL),
        words(Review::ALL),
        words(Severity::ALL),
        words(IssueStatus::ALL),
        words(CheckStatus::ALL),
        words(ServerStatus::ALL),
        words(ContainerStatus::ALL),
        words(WebhookSource::ALL),
        words(WebhookStatus::ALL),
        words(AgentJobStatus::ALL),
    ];
    let expected = [
        json!(["active", "archived"]),
        json!(["backlog", "todo", "in_progress", "review", "done"]),
        json!(["low", "medium", "high", "urgent"]),
        json!(["unit", "integration", "e2e"]),
        json!(["pending", "running", "passed", "failed", "skipped"]),
        json!(["user", "ai", "system"]),
        json!(["pending", "complete", "failed"]),
        json!(["draft", "open", "merged", "closed"]),
        json!(["pending", "approved", "changes_requested"]),
        json!(["info", "warning", "error", "critical"]),
        json!(["open", "fixed", "dismissed"]),
        json!(["queued", "in_progress", "completed"]),
        json!(["online", "degraded", "offline"]),
        json!(["running", "stopped", "restarting", "exited"]),
        json!(["github", "ci", "agent"]),
        json!(["pending", "processing", "processed", "ignored", "failed", "dead"]),
        json!(["queued", "running", "succeeded", "failed", "cancelled"]),
    ];
    assert_eq!(words, expected);
}

//! Boards: one subscription each, whose values follow.

use std::sync::Arc;

use tropism::{FunctionError, Subscription};

use super::*;

/// What a board may be.
trait Shown: Clone + PartialEq + Send + Sync + 'static {}
impl<T: Clone + PartialEq + Send + Sync + 'static> Shown for T {}

/// The newest value after the reactor has run; none if nothing came.
fn next<T: Shown, E: FunctionError>(office: &Office, live: &Subscription<Option<T>, E>) -> Option<T> {
    office.db.reactor().unwrap().run();
    let value: Arc<Option<T>> = live.try_recv()?.unwrap();
    value.as_ref().clone()
}

fn first<T: Shown, E: FunctionError>(live: &Subscription<Option<T>, E>) -> T {
    live.recv().unwrap().unwrap().as_ref().clone().unwrap()
}

/// What a project's board shows: the count of each column, and its titles.
fn shown(board: &ProjectBoard) -> Vec<(&'static str, usize, Vec<&str>)> {
    board.columns.iter().map(|column| (column.category.as_str(), column.count, titles(&column.tasks))).collect()
}

#[test]
fn a_projects_board_has_every_column_with_its_count_and_its_tasks_in_order() {
    let office = Office::new();
    let project = office.project("Apollo");
    let [a, b, _] = ["a", "b", "c"].map(|title| office.task(project, title));
    office.call("tasks:reorder", json!({ "id": b, "position": 0 }));
    office.call("tasks:move", json!({ "id": a, "category": "done" }));
    let board = office.db.query(ShowProjectBoard { project_id: project }).unwrap();
    let expected = [
        ("backlog", 2, vec!["b", "c"]),
        ("todo", 0, vec![]),
        ("in_progress", 0, vec![]),
        ("review", 0, vec![]),
        ("done", 1, vec!["a"]),
    ];
    assert_eq!(shown(board.as_ref().as_ref().unwrap()), expected);
}

#[test]
fn a_projects_board_follows_every_change_of_its_tasks() {
    let office = Office::new();
    let (project, task) = office.one_task();
    let live = office.db.subscribe(ShowProjectBoard { project_id: project }).unwrap();
    assert_eq!(shown(&first(&live))[0], ("backlog", 1, vec!["Lift off"]));
    office.task(project, "Land");
    assert_eq!(shown(&next(&office, &live).unwrap())[0], ("backlog", 2, vec!["Lift off", "Land"]));
    office.call("tasks:move", json!({ "id": task, "category": "review" }));
    let board = next(&office, &live).unwrap();
    assert_eq!(
        (&shown(&board)[0], &shown(&board)[3]),
        (&("backlog", 1, vec!["Land"]), &("review", 1, vec!["Lift off"]))
    );
    assert_eq!(board.columns[0].tasks[0].position, 0);
    office.call("tasks:update", json!({ "id": task, "title": "Launch" }));
    assert_eq!(shown(&next(&office, &live).unwrap())[3].2, ["Launch"]);
    office.call("projects:update", json!({ "id": project, "name": "Artemis" }));
    assert_eq!(next(&office, &live).unwrap().project.name, "Artemis");
    office.call("tasks:delete", json!({ "id": task }));
    assert_eq!(shown(&next(&office, &live).unwrap())[3].1, 0);
}

#[test]
fn a_projects_board_sleeps_while_other_things_change() {
    let office = Office::new();
    let (project, task) = office.one_task();
    let live = office.db.subscribe(ShowProjectBoard { project_id: project }).unwrap();
    first(&live);
    let other = office.project("Gemini");
    office.task(other, "Dock");
    office.call("acceptanceCriteria:create", json!({ "taskId": task, "text": "It flies" }));
    office.call("chat:post", json!({ "projectId": project, "text": "hello" }));
    assert!(office.db.reactor().unwrap().run().is_empty(), "nothing that it reads has changed");
}

#[test]
fn two_screens_of_one_board_are_one_live_query() {
    let office = Office::new();
    let (project, _) = office.one_task();
    let one = office.db.subscribe(ShowProjectBoard { project_id: project }).unwrap();
    let other = office.db.subscribe(ShowProjectBoard { project_id: project }).unwrap();
    let by_name = office.db.subscribe_by_name("boards:project", json!({ "projectId": project }), Caller::Client);
    assert_eq!((one.live_query(), one.live_query()), (other.live_query(), by_name.unwrap().live_query()));
}

#[test]
fn a_board_of_what_is_deleted_is_nothing() {
    let office = Office::new();
    let (project, task) = office.one_task();
    let (server, pull_request) = (office.server("a"), office.pull_request(1, Some(task)));
    let projects = office.db.subscribe(ShowProjectBoard { project_id: project }).unwrap();
    let servers = office.db.subscribe(ShowServerBoard { server_id: server }).unwrap();
    let pulls = office.db.subscribe(ShowPullRequestBoard { pull_request_id: pull_request }).unwrap();
    first(&projects);
    first(&servers);
    first(&pulls);
    office.call("projects:delete", json!({ "id": project }));
    office.call("servers:delete", json!({ "id": server }));
    office.call("pullRequests:delete", json!({ "id": pull_request }));
    office.db.reactor().unwrap().run();
    assert_eq!(*projects.current().unwrap(), None);
    assert_eq!(*servers.current().unwrap(), None);
    assert_eq!(*pulls.current().unwrap(), None);
}

fn comment(pull_request_id: Id<PullRequest>, source_id: &str) -> PrComment {
    PrComment {
        pull_request_id,
        source_id: source_id.to_owned(),
        author: "ada".into(),
        body: "Looks good".into(),
        path: None,
        line: None,
        resolved: false,
        deleted: false,
        reported: "reported".into(),
        settled: String::new(),
    }
}

fn check(pull_request_id: Id<PullRequest>, name: &str) -> PrCheck {
    PrCheck {
        pull_request_id: Some(pull_request_id),
        repository: "nasa/apollo".into(),
        head_sha: format!("{:040x}", 1),
        suite: None,
        name: name.to_owned(),
        status: CheckStatus::Queued,
        conclusion: None,
        url: None,
        started_at: None,
        completed_at: None,
        reported: String::new(),
    }
}

#[test]
fn a_pull_requests_board_has_its_task_comments_issues_and_checks() {
    let office = Office::new();
    let (_, task) = office.one_task();
    let id = office.pull_request(1, Some(task));
    let other = office.pull_request(2, None);
    let add = |tx: &mut WriteTx| -> Result<(), tropism::Error> {
        tx.insert(comment(id, "1"))?;
        tx.insert(comment(other, "2"))?;
        for name in ["test", "build"] {
            tx.insert(check(id, name))?;
        }
        Ok(())
    };
    office.db.write(add).unwrap();
    for (pull_request, message) in [(id, "leaks"), (other, "other")] {
        let issue = json!({ "pullRequestId": pull_request, "severity": "error", "message": message });
        office.call("prIssues:create", issue);
    }
    let board = office.db.query(ShowPullRequestBoard { pull_request_id: id }).unwrap();
    let board = board.as_ref().as_ref().unwrap();
    assert_eq!(board.task.as_ref().map(Doc::id), Some(task));
    assert_eq!(board.comments.iter().map(|row| row.source_id.as_str()).collect::<Vec<_>>(), ["1"]);
    assert_eq!(board.issues.iter().map(|row| row.message.as_str()).collect::<Vec<_>>(), ["leaks"]);
    assert_eq!(board.checks.iter().map(|row| row.name.as_str()).collect::<Vec<_>>(), ["build", "test"]);
}

#[test]
fn a_pull_requests_board_follows_what_belongs_to_it() {
    let office = Office::new();
    let (_, task) = office.one_task();
    let id = office.pull_request(1, None);
    let live = office.db.subscribe(ShowPullRequestBoard { pull_request_id: id }).unwrap();
    assert_eq!(first(&live).task, None);
    office.call("pullRequests:link", json!({ "id": id, "taskId": task }));
    assert_eq!(next(&office, &live).unwrap().task.unwrap().category, Category::Review);
    let issue = json!({ "pullRequestId": id, "severity": "warning", "message": "leaks" });
    let issue: Id<PrIssue> = office.add("prIssues:create", issue);
    assert_eq!(next(&office, &live).unwrap().issues.len(), 1);
    office.call("prIssues:update", json!({ "id": issue, "status": "fixed" }));
    assert_eq!(next(&office, &live).unwrap().issues[0].status, IssueStatus::Fixed);
    let said = office.db.write(|tx| tx.insert(comment(id, "1"))).unwrap();
    assert!(!next(&office, &live).unwrap().comments[0].resolved);
    office.call("prComments:resolve", json!({ "id": said }));
    assert!(next(&office, &live).unwrap().comments[0].resolved);
    office.call("tasks:delete", json!({ "id": task }));
    assert_eq!(next(&office, &live).unwrap().task, None);
}

fn report(office: &Office, server: Id<Server>, at: Timestamp) -> Id<ServerMetrics> {
    let sample = json!({
        "serverId": server, "recordedAt": at, "cpuPercent": 10, "memoryBytes": 1, "memoryTotalBytes": 1,
    });
    office.add("servers:recordMetrics", sample)
}

#[test]
fn a_servers_board_has_its_containers_its_latest_and_the_hour_up_to_that() {
    let office = Office::new();
    let (server, other) = (office.server("a"), office.server("b"));
    for server in [server, other] {
        office.call("containers:create", json!({ "serverId": server, "name": "web", "image": "nginx" }));
    }
    for minute in 0..=90 {
        report(&office, server, after(minute * MINUTE));
    }
    let latest = report(&office, server, after(90 * MINUTE));
    let board = office.db.query(ShowServerBoard { server_id: server }).unwrap();
    let board = board.as_ref().as_ref().unwrap();
    assert_eq!(board.containers.len(), 1);
    assert_eq!(board.latest.as_ref().map(Doc::id), Some(latest));
    assert_eq!(board.last_hour.len(), 60);
    assert_eq!(board.last_hour.iter().map(|point| point.samples).sum::<usize>(), 61, "two of the last minute");
    assert!(board.last_hour[0].at > after(30 * MINUTE), "what is an hour old is not of the last hour");
}

#[test]
fn a_servers_board_follows_containers_samples_and_its_status() {
    let office = Office::new();
    let server = office.server("a");
    let live = office.db.subscribe(ShowServerBoard { server_id: server }).unwrap();
    let board = first(&live);
    assert_eq!((board.latest, board.last_hour.len(), board.containers.len()), (None, 0, 0));
    report(&office, server, START);
    let board = next(&office, &live).unwrap();
    assert_eq!((board.server.status, board.last_hour.len()), (ServerStatus::Online, 1));
    office.call("containers:create", json!({ "serverId": server, "name": "web", "image": "nginx" }));
    assert_eq!(next(&office, &live).unwrap().containers.len(), 1);
    office.scheduler.advance(HOUR).unwrap();
    assert_eq!(next(&office, &live).unwrap().server.status, ServerStatus::Offline);
}

#[test]
fn boards_arrive_by_name_as_json_with_names_in_camel_case() {
    let office = Office::new();
    let (project, task) = office.one_task();
    let board = office.call("boards:project", json!({ "projectId": project }));
    assert_eq!((&board["project"]["_id"], &board["columns"][0]["count"]), (&json!(project), &json!(1)));
    assert_eq!(board["columns"][0]["tasks"][0]["projectId"], json!(project));
    let id = office.pull_request(1, Some(task));
    let board = office.call("boards:pullRequest", json!({ "pullRequestId": id }));
    assert_eq!((&board["pullRequest"]["headBranch"], &board["task"]["_id"]), (&json!("lift-off"), &json!(task)));
    let server = office.server("a");
    report(&office, server, START);
    let board = office.call("boards:server", json!({ "serverId": server }));
    assert_eq!((&board["lastHour"][0]["cpuPercent"], &board["latest"]["memoryTotalBytes"]), (&json!(10.0), &json!(1)));
}

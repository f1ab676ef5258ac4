//! One call of every public function, on a database that has one of everything.

use super::*;

/// One of everything.
pub struct Everything {
    pub office: Office,
    project: Id<Project>,
    task: Id<Task>,
    second: Id<Task>,
    criterion: Id<AcceptanceCriterion>,
    test: Id<Test>,
    job: Id<AgentJob>,
    question: Id<ChatMessage>,
    answer: Id<ChatMessage>,
    pull_request: Id<PullRequest>,
    comment: Id<PrComment>,
    issue: Id<PrIssue>,
    server: Id<Server>,
    container: Id<Container>,
    webhook: Id<WebhookEvent>,
}

/// A call that a client makes.
pub struct Call {
    pub name: &'static str,
    pub arguments: Value,
    /// The history event that it leaves.
    pub action: Option<&'static str>,
}

fn call(name: &'static str, arguments: Value) -> Call {
    Call { name, arguments, action: None }
}

fn recorded(name: &'static str, action: &'static str, mut arguments: Value) -> Call {
    arguments["user"] = json!("ada");
    Call { name, arguments, action: Some(action) }
}

impl Everything {
    pub fn new() -> Self {
        let office = Office::new();
        let project = office.project("Apollo");
        let task =
            office.add("tasks:create", json!({ "projectId": project, "title": "Lift off", "category": "review" }));
        let second = office.task(project, "Land");
        let third = office.task(project, "Return");
        office.call("dependencies:add", json!({ "taskId": second, "dependsOn": third }));
        let criterion = office.add("acceptanceCriteria:create", json!({ "taskId": task, "text": "It flies" }));
        office.call("acceptanceCriteria:create", json!({ "taskId": task, "text": "It lands" }));
        let test = office.add("tests:create", json!({ "taskId": task, "name": "flies" }));
        let job = office.add("jobs:create", json!({ "taskId": task, "kind": "review" }));
        let answer: Id<ChatMessage> = office.add("chat:send", json!({ "taskId": task, "text": "How far?" }));
        let question = office.row(answer).reply_to.unwrap();
        // Without a provider the answer fails.
        office.scheduler.run_due().unwrap();
        let pull_request = office.pull_request(1, Some(task));
        let server = office.server("a");
        let container = office.add("containers:create", json!({ "serverId": server, "name": "web", "image": "nginx" }));
        let sample = json!({ "serverId": server, "cpuPercent": 1, "memoryBytes": 1, "memoryTotalBytes": 1 });
        office.call("servers:recordMetrics", sample);
        let issue = json!({ "pullRequestId": pull_request, "severity": "error", "message": "leaks" });
        let issue = office.add("prIssues:create", issue);
        let comment = office.db.write(|tx| tx.insert(comment(pull_request))).unwrap();
        let webhook = office.db.write(|tx| tx.insert(webhook())).unwrap();
        Self {
            office,
            project,
            task,
            second,
            criterion,
            test,
            job,
            question,
            answer,
            pull_request,
            comment,
            issue,
            server,
            container,
            webhook,
        }
    }

    /// A call of every public function, each of which this database can take as its first.
    pub fn calls(&self) -> Vec<Call> {
        [self.of_projects(), self.of_tasks(), self.of_work(), self.of_pull_requests(), self.of_servers(), self.others()]
            .into_iter()
            .flatten()
            .collect()
    }

    fn of_projects(&self) -> Vec<Call> {
        let project = self.project;
        vec![
            call("projects:get", json!({ "id": project })),
            call("projects:list", json!({ "status": "active" })),
            call("projects:listByRepository", json!({ "repository": "nasa/apollo" })),
            recorded("projects:create", "project.created", json!({ "name": "Gemini" })),
            recorded("projects:update", "project.updated", json!({ "id": project, "name": "Gemini" })),
            recorded("projects:delete", "project.deleted", json!({ "id": project })),
            call("boards:project", json!({ "projectId": project })),
        ]
    }

    fn of_tasks(&self) -> Vec<Call> {
        let (project, task, second) = (self.project, self.task, self.second);
        let third = self.office.all(Task::by_id)[2].id();
        vec![
            call("tasks:get", json!({ "id": task })),
            call("tasks:listByProject", json!({ "projectId": project })),
            call("tasks:listByCategory", json!({ "projectId": project, "category": "review" })),
            call("tasks:listByBranch", json!({ "branch": "main" })),
            call("tasks:listReady", json!({ "projectId": project })),
            recorded("tasks:create", "task.created", json!({ "projectId": project, "title": "Dock" })),
            recorded("tasks:update", "task.updated", json!({ "id": task, "title": "Dock" })),
            recorded("tasks:move", "task.moved", json!({ "id": task, "category": "done" })),
            recorded("tasks:reorder", "task.reordered", json!({ "id": second, "position": 1 })),
            recorded("tasks:delete", "task.deleted", json!({ "id": task })),
            call("dependencies:list", json!({ "taskId": second })),
            call("dependencies:listDependents", json!({ "taskId": third })),
            recorded("dependencies:add", "task.dependency_added", json!({ "taskId": task, "dependsOn": second })),
            recorded("dependencies:remove", "task.dependency_removed", json!({ "taskId": second, "dependsOn": third })),
        ]
    }

    fn of_work(&self) -> Vec<Call> {
        let (task, criterion, test, job) = (self.task, self.criterion, self.test, self.job);
        vec![
            call("acceptanceCriteria:list", json!({ "taskId": task })),
            recorded("acceptanceCriteria:create", "criterion.created", json!({ "taskId": task, "text": "x" })),
            recorded("acceptanceCriteria:update", "criterion.met", json!({ "id": criterion, "done": true })),
            call("acceptanceCriteria:reorder", json!({ "id": criterion, "position": 1 })),
            recorded("acceptanceCriteria:delete", "criterion.deleted", json!({ "id": criterion })),
            call("tests:list", json!({ "taskId": task, "status": "pending" })),
            recorded("tests:create", "test.created", json!({ "taskId": task, "name": "x", "kind": "e2e" })),
            recorded("tests:recordResult", "test.result", json!({ "id": test, "status": "passed", "durationMs": 5 })),
            call("tests:update", json!({ "id": test, "name": "y" })),
            recorded("tests:delete", "test.deleted", json!({ "id": test })),
            call("jobs:get", json!({ "id": job })),
            call("jobs:listByTask", json!({ "taskId": task })),
            call("jobs:listByStatus", json!({ "status": "queued" })),
            recorded("jobs:create", "job.created", json!({ "taskId": task, "kind": "implement" })),
            recorded("jobs:claim", "job.started", json!({})),
            recorded("jobs:start", "job.started", json!({ "id": job })),
            call("jobs:reportProgress", json!({ "id": job, "progress": 7 })),
            recorded("jobs:succeed", "job.ended", json!({ "id": job })),
            recorded("jobs:fail", "job.ended", json!({ "id": job, "error": "no fuel" })),
            recorded("jobs:cancel", "job.ended", json!({ "id": job })),
            call("jobs:delete", json!({ "id": job })),
        ]
    }

    fn of_pull_requests(&self) -> Vec<Call> {
        let (task, id, issue) = (self.task, self.pull_request, self.issue);
        let found = json!({ "pullRequestId": id, "severity": "info", "message": "x", "path": "a.rs", "line": 1 });
        vec![
            call("pullRequests:get", json!({ "id": id })),
            call("pullRequests:find", json!({ "repository": "nasa/apollo", "number": 1 })),
            call("pullRequests:listByTask", json!({ "taskId": task })),
            call("pullRequests:listByState", json!({ "state": "open" })),
            recorded("pullRequests:link", "pull_request.linked", json!({ "id": id, "taskId": task })),
            call("pullRequests:delete", json!({ "id": id })),
            call("prComments:list", json!({ "pullRequestId": id })),
            call("prComments:resolve", json!({ "id": self.comment })),
            call("prIssues:list", json!({ "pullRequestId": id, "severity": "error" })),
            recorded("prIssues:create", "issue.found", found),
            recorded("prIssues:update", "issue.updated", json!({ "id": issue, "status": "fixed" })),
            call("prIssues:delete", json!({ "id": issue })),
            call("prChecks:list", json!({ "pullRequestId": id })),
            call("boards:pullRequest", json!({ "pullRequestId": id })),
        ]
    }

    fn of_servers(&self) -> Vec<Call> {
        let (id, container) = (self.server, self.container);
        let sample = json!({ "serverId": id, "cpuPercent": 1, "memoryBytes": 1, "memoryTotalBytes": 1 });
        let new = json!({ "serverId": id, "name": "db", "image": "postgres", "ports": ["5432:5432"] });
        vec![
            call("servers:get", json!({ "id": id })),
            call("servers:list", json!({ "status": "online" })),
            call("servers:listLatestMetrics", json!({})),
            call("servers:listMetrics", json!({ "serverId": id, "from": START, "until": after(DAY) })),
            call("servers:chartMetrics", json!({ "serverId": id, "from": START, "until": after(DAY), "points": 5 })),
            recorded("servers:create", "server.created", json!({ "name": "b", "host": "10.0.0.2" })),
            recorded("servers:update", "server.updated", json!({ "id": id, "region": "eu" })),
            recorded("servers:delete", "server.deleted", json!({ "id": id })),
            call("servers:recordMetrics", sample),
            call("containers:list", json!({ "serverId": id, "status": "running" })),
            recorded("containers:create", "container.created", new),
            recorded("containers:update", "container.updated", json!({ "id": container, "status": "stopped" })),
            recorded("containers:delete", "container.deleted", json!({ "id": container })),
            call("boards:server", json!({ "serverId": id })),
        ]
    }

    fn others(&self) -> Vec<Call> {
        let (project, task, webhook) = (self.project, self.task, self.webhook);
        vec![
            call("chat:listByProject", json!({ "projectId": project })),
            call("chat:listByTask", json!({ "taskId": task })),
            call("chat:send", json!({ "taskId": task, "text": "hello" })),
            call("chat:post", json!({ "projectId": project, "text": "hello", "author": "system" })),
            call("chat:retry", json!({ "id": self.answer })),
            call("chat:delete", json!({ "id": self.question })),
            call("history:listRecent", json!({ "limit": 3 })),
            call("history:listByProject", json!({ "projectId": project })),
            call("history:listByTask", json!({ "taskId": task })),
            call("history:listBetween", json!({ "from": START, "until": after(DAY) })),
            call("webhooks:get", json!({ "id": webhook })),
            call("webhooks:list", json!({ "status": "dead" })),
            call("webhooks:count", json!({})),
            recorded("webhooks:replay", "webhook.replayed", json!({ "id": webhook })),
            call("webhooks:delete", json!({ "id": webhook })),
        ]
    }
}

fn comment(pull_request_id: Id<PullRequest>) -> PrComment {
    PrComment {
        pull_request_id,
        source_id: "review_comment:1".into(),
        author: "ada".into(),
        body: "Looks good".into(),
        path: Some("a.rs".into()),
        line: Some(1),
        resolved: false,
        deleted: false,
        reported: "reported".into(),
        settled: String::new(),
    }
}

fn webhook() -> WebhookEvent {
    WebhookEvent {
        source: WebhookSource::Ci,
        delivery_id: "1".into(),
        event_type: "build".into(),
        payload: "{}".into(),
        status: WebhookStatus::Dead,
        attempts: 4,
        last_error: Some("x".into()),
        received_at: START,
        processed_at: None,
        next_attempt_at: None,
    }
}

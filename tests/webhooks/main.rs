//! Webhooks: what is taken in, what it does, in whatever order it arrives and whenever the process ends.

mod bodies;
mod crashes;
mod intake;
mod order;
mod processing;
mod repositories;
mod seconds;
mod shared_data;
mod signature;
mod words;

use std::time::Duration;

use serde_json::{Value, json};
use tropism::{
    ManualScheduler,
    agent_manager::*,
    disk::{Disk, MemoryDisk},
    prelude::*,
};

const SECRET: &str = "It's a Secret to Everybody";
const REPOSITORY: &str = "Codertocat/Hello-World";
/// The branch of the pull request that the real payloads tell of.
const BRANCH: &str = "changes";

/// One delivery.
#[derive(Debug, Clone)]
pub struct Delivery {
    id: String,
    event: String,
    body: String,
}

impl Delivery {
    fn new(id: impl Into<String>, event: &str, payload: &Value) -> Self {
        Self { id: id.into(), event: event.to_owned(), body: payload.to_string() }
    }
}

/// A database with the agent manager on a virtual clock.
struct Desk {
    db: Db,
    scheduler: ManualScheduler,
    intake: WebhookIntake,
}

impl Desk {
    fn new() -> Self {
        Self::with(MemoryDisk::default(), Limits::default())
    }

    fn with(disk: impl Disk, limits: Limits) -> Self {
        let scheduler = ManualScheduler::new(Timestamp::from_millis(1_700_000_000_000));
        let builder = Db::builder().module(AgentManager::new().limits(limits)).driven_by_hand();
        let db = builder.scheduler(scheduler.clone()).open_on(disk).unwrap();
        let intake = WebhookIntake::new().secret(WebhookSource::Github, SECRET);
        Self { db, scheduler, intake }
    }

    /// A project of the repository of the real payloads, with a task on the branch of their pull request.
    fn with_task(self) -> (Self, Id<Task>) {
        let project = json!({ "name": "Hello", "repository": REPOSITORY });
        let project = self.call("projects:create", project);
        let task = json!({ "projectId": project, "title": "Readme", "branch": BRANCH, "category": "todo" });
        let task = self.call("tasks:create", task);
        let task = task.as_str().unwrap().parse().unwrap();
        (self, task)
    }

    fn call(&self, name: &str, arguments: Value) -> Value {
        self.db.call(name, arguments, tropism::Caller::Client).unwrap()
    }

    fn send(&self, delivery: &Delivery) -> Result<Received, IntakeError> {
        let signature = sign_github(SECRET.as_bytes(), delivery.body.as_bytes());
        let headers = |name: &str| match name {
            "x-github-event" => Some(delivery.event.as_str()),
            "x-github-delivery" => Some(delivery.id.as_str()),
            "x-hub-signature-256" => Some(signature.as_str()),
            _ => None,
        };
        self.intake.receive(&self.db, WebhookSource::Github, headers, delivery.body.as_bytes())
    }

    fn process(&self) {
        self.scheduler.run_due().unwrap();
    }

    fn task(&self, id: Id<Task>) -> Doc<Task> {
        self.db.read(|tx| tx.get(id)).unwrap().unwrap()
    }

    fn event(&self, id: Id<WebhookEvent>) -> Doc<WebhookEvent> {
        self.db.read(|tx| tx.get(id)).unwrap().unwrap()
    }

    fn count(&self, status: WebhookStatus) -> usize {
        self.db.read(|tx| tx.query(WebhookEvent::by_status).eq(status).count()).unwrap()
    }

    fn board(&self, repository: &str, number: u64) -> PullRequestBoard {
        let found = self.db.query(FindPullRequest { repository: repository.to_owned(), number }).unwrap();
        let id = found.as_ref().as_ref().map(|found| found.id()).expect("it was reported");
        self.db.query(ShowPullRequestBoard { pull_request_id: id }).unwrap().as_ref().clone().unwrap()
    }
}

/// Every real payload, as a delivery of its own; none, said loudly, where they are not there.
fn real_deliveries() -> Option<Vec<Delivery>> {
    let index = shared_data::json("index.json")?;
    let names: Vec<String> = match &index {
        Value::Object(events) => events.keys().cloned().collect(),
        events => events.as_array().unwrap().iter().map(|event| event["event"].as_str().unwrap().to_owned()).collect(),
    };
    let mut deliveries = Vec::new();
    for name in names {
        let payloads = shared_data::json(&format!("events/{name}.json"))?;
        for (number, payload) in payloads.as_array().unwrap().iter().enumerate() {
            deliveries.push(Delivery::new(format!("{name}-{number}"), &name, payload));
        }
    }
    Some(deliveries)
}

/// What a pull request looks like in a payload.
fn pull_request(state: &str, minute: u32, sha: &str) -> Value {
    json!({
        "number": 7,
        "title": format!("Title at {minute}"),
        "html_url": "https://example.com/7",
        "user": { "login": "ada" },
        "body": null,
        "state": if state == "open" || state == "draft" { "open" } else { "closed" },
        "draft": state == "draft",
        "merged": state == "merged",
        "merged_at": if state == "merged" { json!(format!("2024-01-01T10:{minute:02}:00Z")) } else { Value::Null },
        "head": { "ref": BRANCH, "sha": sha },
        "base": { "ref": "main" },
        "additions": minute, "deletions": 1, "changed_files": 1,
        "updated_at": format!("2024-01-01T10:{minute:02}:00Z"),
    })
}

fn opened(action: &str, state: &str, minute: u32, sha: &str) -> Delivery {
    let payload = json!({
        "action": action,
        "pull_request": pull_request(state, minute, sha),
        "repository": { "full_name": REPOSITORY, "id": 1 },
    });
    Delivery::new(format!("{action}-{minute}"), "pull_request", &payload)
}

fn review(author: &str, word: &str, minute: u32) -> Delivery {
    let at = format!("2024-01-01T10:{minute:02}:30Z");
    let payload = json!({
        "action": if word == "dismissed" { "dismissed" } else { "submitted" },
        "review": { "id": minute, "user": { "login": author }, "state": word, "body": null, "submitted_at": at,
                    "updated_at": at },
        "pull_request": pull_request("open", 2, "aaa"),
        "repository": { "full_name": REPOSITORY, "id": 1 },
    });
    Delivery::new(format!("review-{author}-{word}-{minute}"), "pull_request_review", &payload)
}

fn check_run(id: u64, sha: &str, status: &str, minute: u32) -> Delivery {
    let at = format!("2024-01-01T10:{minute:02}:00Z");
    let is_completed = status == "completed";
    let payload = json!({
        "action": status,
        "check_run": {
            "id": id, "name": "build", "head_sha": sha, "status": status,
            "conclusion": if is_completed { json!("success") } else { Value::Null },
            "html_url": "https://example.com/checks", "started_at": at,
            "completed_at": if is_completed { json!(at) } else { Value::Null },
            "pull_requests": [],
        },
        "repository": { "full_name": REPOSITORY, "id": 1 },
    });
    Delivery::new(format!("check-{id}-{status}-{minute}"), "check_run", &payload)
}

fn issue_comment(action: &str, body: &str, minute: u32) -> Delivery {
    let at = format!("2024-01-01T10:{minute:02}:00Z");
    let payload = json!({
        "action": action,
        "issue": {
            "number": 7, "title": "Title", "html_url": "https://example.com/7", "user": { "login": "ada" },
            "state": "open", "body": null, "updated_at": at, "pull_request": { "url": "https://example.com/7" },
        },
        "comment": {
            "id": 99, "user": { "login": "bob" }, "body": body, "created_at": "2024-01-01T10:00:00Z",
            "updated_at": at,
        },
        "repository": { "full_name": REPOSITORY, "id": 1 },
    });
    Delivery::new(format!("comment-{action}-{minute}"), "issue_comment", &payload)
}

//! A stand-in for GitHub: it keeps pull requests, and sends a signed webhook for whatever happens to one.

use parking_lot::Mutex;
use serde_json::{Value, json};
use tropism::{
    agent_manager::{WebhookIntake, WebhookSource, sign_github},
    prelude::*,
};

use crate::{Failure, plan::REPOSITORY};

/// What GitHub and the host agree on when the webhook is set up.
const SECRET: &str = "It's a Secret to Everybody";

/// What a reviewer says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReviewState {
    Approved,
    ChangesRequested,
}

impl ReviewState {
    fn as_str(self) -> &'static str {
        match self {
            Self::Approved => "approved",
            Self::ChangesRequested => "changes_requested",
        }
    }
}

/// GitHub and, at the other end of the wire, the host's intake.
pub struct Github<'a> {
    db: &'a Db,
    intake: WebhookIntake,
    state: Mutex<State>,
}

/// What GitHub knows.
#[derive(Default)]
struct State {
    pull_requests: Vec<PullRequest>,
    /// What has happened so far, which is also its clock: something happens every second.
    happened: u32,
}

struct PullRequest {
    number: u64,
    title: String,
    author: String,
    branch: String,
    additions: u64,
    commits: u64,
    merged_at: Option<String>,
    comments: Vec<Value>,
}

impl<'a> Github<'a> {
    pub fn new(db: &'a Db) -> Self {
        let intake = WebhookIntake::new().secret(WebhookSource::Github, SECRET);
        Self { db, intake, state: Mutex::default() }
    }

    /// Opens a pull request; answers its number and its commit.
    pub fn open(&self, branch: &str, title: &str, author: &str) -> Result<(u64, String), Failure> {
        let number = {
            let pull_requests = &mut self.state.lock().pull_requests;
            let number = pull_requests.len() as u64 + 1;
            pull_requests.push(PullRequest {
                number,
                title: title.to_owned(),
                author: author.to_owned(),
                branch: branch.to_owned(),
                // The first one is the large one.
                additions: 320 / number,
                commits: 1,
                merged_at: None,
                comments: Vec::new(),
            });
            number
        };
        let commit = self.happens(number, "pull_request", |pull_request, now| {
            (pull_request.commit(), json!({ "action": "opened", "pull_request": pull_request.json(now) }))
        })?;
        Ok((number, commit))
    }

    /// Adds a commit, and answers it.
    pub fn push(&self, number: u64) -> Result<String, Failure> {
        self.happens(number, "pull_request", |pull_request, now| {
            pull_request.commits += 1;
            (pull_request.commit(), json!({ "action": "synchronize", "pull_request": pull_request.json(now) }))
        })
    }

    /// Runs a check of the newest commit: it begins, or it ends with a conclusion.
    pub fn check(&self, number: u64, conclusion: Option<&str>) -> Result<(), Failure> {
        self.happens(number, "check_run", |pull_request, now| {
            let check = json!({
                "id": 1_000 * number + pull_request.commits,
                "name": "tests",
                "head_sha": pull_request.commit(),
                "status": if conclusion.is_some() { "completed" } else { "in_progress" },
                "conclusion": conclusion,
                "started_at": now,
                "completed_at": conclusion.map(|_| now),
            });
            ((), json!({ "action": "completed", "check_run": check }))
        })
    }

    /// Says something of a line.
    pub fn comment(&self, number: u64, author: &str, text: &str, path: &str, line: u64) -> Result<(), Failure> {
        self.happens(number, "pull_request_review_comment", |pull_request, now| {
            let comment = json!({
                "id": 100 * number + pull_request.comments.len() as u64,
                "user": { "login": author },
                "body": text,
                "path": path,
                "line": line,
                "created_at": now,
                "updated_at": now,
            });
            pull_request.comments.push(comment.clone());
            ((), json!({ "action": "created", "comment": comment, "pull_request": pull_request.json(now) }))
        })
    }

    /// Settles everything that was said.
    pub fn resolve(&self, number: u64) -> Result<(), Failure> {
        self.happens(number, "pull_request_review_thread", |pull_request, now| {
            let thread = json!({ "node_id": format!("thread-{number}"), "comments": pull_request.comments });
            let pull_request = pull_request.json(now);
            ((), json!({ "action": "resolved", "thread": thread, "pull_request": pull_request, "updated_at": now }))
        })
    }

    /// Reviews the whole.
    pub fn review(&self, number: u64, author: &str, state: ReviewState) -> Result<(), Failure> {
        self.happens(number, "pull_request_review", |pull_request, now| {
            let review = json!({
                "id": 10 * number + pull_request.commits,
                "user": { "login": author },
                "state": state.as_str(),
                "submitted_at": now,
            });
            ((), json!({ "action": "submitted", "review": review, "pull_request": pull_request.json(now) }))
        })
    }

    /// Takes a pull request in.
    pub fn merge(&self, number: u64) -> Result<(), Failure> {
        self.happens(number, "pull_request", |pull_request, now| {
            pull_request.merged_at = Some(now.to_owned());
            ((), json!({ "action": "closed", "pull_request": pull_request.json(now) }))
        })
    }

    /// Has something happen to a pull request and sends the webhook that tells of it.
    fn happens<R>(
        &self,
        number: u64,
        event_type: &str,
        change: impl FnOnce(&mut PullRequest, &str) -> (R, Value),
    ) -> Result<R, Failure> {
        let (result, mut payload, delivery) = {
            let mut state = self.state.lock();
            state.happened += 1;
            let happened = state.happened;
            let now = format!("2026-03-02T09:{:02}:{:02}Z", happened / 60 % 60, happened % 60);
            let mut pull_requests = state.pull_requests.iter_mut();
            let pull_request = pull_requests.find(|pull_request| pull_request.number == number);
            let (result, payload) = change(pull_request.ok_or("there is no such pull request")?, &now);
            (result, payload, format!("delivery-{happened}"))
        };
        payload["repository"] = json!({ "id": 11, "full_name": REPOSITORY });
        self.send(event_type, &delivery, &payload)?;
        Ok(result)
    }

    /// What goes over the wire, and what a server at its other end does with it.
    fn send(&self, event_type: &str, delivery: &str, payload: &Value) -> Result<(), Failure> {
        let body = payload.to_string();
        let signature = sign_github(SECRET.as_bytes(), body.as_bytes());
        let headers = |name: &str| match name {
            "x-github-event" => Some(event_type),
            "x-github-delivery" => Some(delivery),
            "x-hub-signature-256" => Some(signature.as_str()),
            _ => None,
        };
        self.intake.receive(self.db, WebhookSource::Github, headers, body.as_bytes())?;
        Ok(())
    }
}

impl PullRequest {
    fn commit(&self) -> String {
        format!("{:020x}{:020x}", self.number, self.commits)
    }

    fn json(&self, now: &str) -> Value {
        json!({
            "number": self.number,
            "title": self.title,
            "html_url": format!("https://github.com/{REPOSITORY}/pull/{}", self.number),
            "user": { "login": self.author },
            "state": if self.merged_at.is_some() { "closed" } else { "open" },
            "merged": self.merged_at.is_some(),
            "merged_at": self.merged_at,
            "updated_at": now,
            "head": { "ref": self.branch, "sha": self.commit() },
            "base": { "ref": "main" },
            "additions": self.additions,
            "deletions": self.additions / 8,
            "changed_files": 1 + self.additions / 80,
        })
    }
}

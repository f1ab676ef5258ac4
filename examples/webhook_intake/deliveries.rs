//! What GitHub sends: payloads from a folder, or the example's own.

use std::{
    error::Error,
    fmt, fs,
    path::{Path, PathBuf},
};

use serde_json::{Value, json};

/// One request, but for its signature.
pub struct Delivery {
    /// The header `X-GitHub-Event`.
    pub event_type: String,
    /// The header `X-GitHub-Delivery`, which tells deliveries apart.
    pub id: String,
    pub body: Vec<u8>,
}

impl Delivery {
    fn new(event_type: &str, number: usize, payload: &Value) -> Self {
        // The bytes that are sent are the bytes that are signed, however they came about.
        Self {
            event_type: event_type.to_owned(),
            id: format!("{event_type}-{number}"),
            body: payload.to_string().into(),
        }
    }
}

impl fmt::Display for Delivery {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "delivery {}", self.id)
    }
}

/// The payloads of a folder: `<event>.json` is an array of payloads of that event.
pub fn of_folder(folder: &Path) -> Result<Vec<Delivery>, Box<dyn Error>> {
    let mut deliveries = Vec::new();
    for path in files(folder)? {
        let named = |problem: &dyn fmt::Display| format!("{}: {problem}", path.display());
        let event_type = path.file_stem().map(|stem| stem.to_string_lossy().into_owned()).unwrap_or_default();
        let text = fs::read(&path).map_err(|error| named(&error))?;
        let payloads: Vec<Value> =
            serde_json::from_slice(&text).map_err(|error| named(&format!("no array of payloads: {error}")))?;
        deliveries.extend((1..).zip(&payloads).map(|(number, payload)| Delivery::new(&event_type, number, payload)));
    }
    if deliveries.is_empty() {
        return Err(format!("{} has no payloads; they are in files <event>.json", folder.display()).into());
    }
    Ok(deliveries)
}

/// The JSON files of a folder, by name.
fn files(folder: &Path) -> Result<Vec<PathBuf>, Box<dyn Error>> {
    let named = |error: std::io::Error| format!("{}: {error}", folder.display());
    let entries = fs::read_dir(folder).map_err(named)?;
    let mut paths =
        entries.map(|entry| entry.map(|entry| entry.path())).collect::<Result<Vec<_>, _>>().map_err(named)?;
    paths.retain(|path| path.extension().is_some_and(|extension| extension == "json"));
    paths.sort();
    Ok(paths)
}

pub const REPOSITORY: &str = "apollo/lander";
pub const BRANCH: &str = "guidance-restart";
const SHA: &str = "5f1c0e3d9a7b4c2e8f60718293a4b5c6d7e8f901";

/// A pull request from its opening to its merge; beside it an event that no handler knows, and a delivery that comes
/// twice, as GitHub's sometimes do.
pub fn own() -> Vec<Delivery> {
    let story = [
        ("ping", json!({ "zen": "Keep it logically awesome.", "hook_id": 1, "repository": repository() })),
        ("pull_request", json!({ "action": "opened", "pull_request": pull_request(0), "repository": repository() })),
        ("check_run", check_run(5, "in_progress", None)),
        ("check_run", check_run(95, "completed", Some("success"))),
        ("pull_request_review_comment", comment(120)),
        ("pull_request_review", approval(180)),
        ("star", json!({ "action": "created", "starred_at": time(200), "repository": repository() })),
        ("pull_request", json!({ "action": "closed", "pull_request": merged(240), "repository": repository() })),
    ];
    let mut own: Vec<_> =
        (1..).zip(&story).map(|(number, (event, payload))| Delivery::new(event, number, payload)).collect();
    own.extend(story.first().map(|(event, payload)| Delivery::new(event, 1, payload)));
    own
}

/// A time of the story, in the form that GitHub writes.
fn time(second: u32) -> String {
    format!("2026-03-02T09:{:02}:{:02}Z", second / 60, second % 60)
}

fn repository() -> Value {
    json!({ "id": 11, "full_name": REPOSITORY, "name": "lander", "owner": { "login": "apollo" } })
}

fn pull_request(updated_at: u32) -> Value {
    json!({
        "number": 1,
        "title": "Restart the guidance after an overflow",
        "html_url": format!("https://github.com/{REPOSITORY}/pull/1"),
        "user": { "login": "ada" },
        "body": "Restarts in the order of priority, and keeps the landing going.",
        "state": "open",
        "draft": false,
        "merged_at": null,
        "updated_at": time(updated_at),
        "head": { "ref": BRANCH, "sha": SHA },
        "base": { "ref": "main" },
        "additions": 128,
        "deletions": 17,
        "changed_files": 4,
    })
}

fn merged(at: u32) -> Value {
    let mut pull_request = pull_request(at);
    pull_request["state"] = json!("closed");
    pull_request["merged"] = json!(true);
    pull_request["merged_at"] = json!(time(at));
    pull_request
}

fn check_run(at: u32, status: &str, conclusion: Option<&str>) -> Value {
    json!({
        "action": if conclusion.is_some() { "completed" } else { "created" },
        "check_run": {
            "id": 71,
            "name": "tests",
            "head_sha": SHA,
            "status": status,
            "conclusion": conclusion,
            "started_at": time(5),
            "completed_at": conclusion.map(|_| time(at)),
            "pull_requests": [],
        },
        "repository": repository(),
    })
}

fn comment(at: u32) -> Value {
    json!({
        "action": "created",
        "comment": {
            "id": 501,
            "user": { "login": "margaret" },
            "body": "Does this hold if the radar is left on?",
            "path": "src/executive.rs",
            "line": 42,
            "created_at": time(at),
            "updated_at": time(at),
        },
        "pull_request": pull_request(at),
        "repository": repository(),
    })
}

fn approval(at: u32) -> Value {
    json!({
        "action": "submitted",
        "review": {
            "id": 601,
            "user": { "login": "margaret" },
            "state": "approved",
            "body": "Go.",
            "submitted_at": time(at),
        },
        "pull_request": pull_request(at),
        "repository": repository(),
    })
}

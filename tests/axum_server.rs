//! The example `axum_server`, over a real socket: what it answers, and that a stream is a live query for as long as its
//! client is there and no longer.

#[path = "../examples/axum_server/live.rs"]
mod live;
#[path = "../examples/axum_server/problem.rs"]
mod problem;
#[path = "../examples/axum_server/routes.rs"]
mod routes;

use std::{
    collections::HashMap,
    io::{BufRead, BufReader, Read, Write},
    net::{Shutdown, SocketAddr, TcpStream},
    sync::Arc,
    time::Duration,
};

use routes::Server;
use serde_json::{Value, json};
use tokio::{net::TcpListener, runtime::Runtime, time::timeout};
use tropism::{
    ManualClock,
    agent_manager::{
        AgentManager, CountWebhooks, LISTED, ListProjects, Rate, WebhookCount, WebhookIntake, WebhookSource,
        WebhookStatus, sign_github, sign_standard,
    },
    prelude::*,
};

const LONG: Duration = Duration::from_secs(20);
const SECRET: &str = "It's a Secret to Everybody";
const AGENT_SECRET: &str = "whsec_QSBzZWNyZXQgb2YgYW4gYWdlbnQu";
const BODY_LIMIT: usize = 2_000;
const NOW_SECONDS: i64 = 1_700_000_000;

/// A server that runs, and its database.
struct Running {
    runtime: Runtime,
    address: SocketAddr,
    server: Server,
    db: Db,
    clock: Arc<ManualClock>,
}

fn start() -> Running {
    let rate = Rate { requests: 2, per: Duration::from_secs(60) };
    let intake = WebhookIntake::new()
        .secret(WebhookSource::Github, SECRET)
        .body_limit(WebhookSource::Github, BODY_LIMIT)
        .secret(WebhookSource::Agent, AGENT_SECRET)
        .rate(WebhookSource::Agent, rate);
    let clock = Arc::new(ManualClock::new(Timestamp::from_millis(NOW_SECONDS * 1_000)));
    let db = Db::builder().module(AgentManager::new()).clock(Arc::clone(&clock) as _).in_memory().unwrap();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0")).unwrap();
    let address = listener.local_addr().unwrap();
    let server = Server::new(db.clone(), intake);
    let router = server.router();
    runtime.spawn(async move { axum::serve(listener, router).await });
    Running { runtime, address, server, db, clock }
}

/// What a server answered.
#[derive(Debug)]
struct Answer {
    status: u16,
    headers: HashMap<String, String>,
    body: Value,
}

impl Answer {
    /// The body, of an answer with this status.
    #[track_caller]
    fn with(self, status: u16) -> Value {
        assert_eq!(self.status, status, "{self:?}");
        self.body
    }
}

impl Running {
    /// Sends a request, and reads the head of the answer: its status and headers.
    fn send(
        &self,
        line: &str,
        headers: &[(&str, &str)],
        body: &[u8],
    ) -> (BufReader<TcpStream>, u16, HashMap<String, String>) {
        let mut stream = TcpStream::connect(self.address).unwrap();
        stream.set_read_timeout(Some(LONG)).unwrap();
        let mut request = format!("{line} HTTP/1.1\r\nhost: {}\r\nconnection: close\r\n", self.address);
        request.push_str(&format!("content-length: {}\r\n", body.len()));
        headers.iter().for_each(|(name, value)| request.push_str(&format!("{name}: {value}\r\n")));
        request.push_str("\r\n");
        stream.write_all(&[request.as_bytes(), body].concat()).unwrap();
        let mut reader = BufReader::new(stream);
        let status = line_of(&mut reader).split(' ').nth(1).unwrap().parse().unwrap();
        let mut headers = HashMap::new();
        loop {
            let line = line_of(&mut reader);
            let Some((name, value)) = line.split_once(": ") else { break };
            headers.insert(name.to_owned(), value.to_owned());
        }
        (reader, status, headers)
    }

    fn request(&self, line: &str, headers: &[(&str, &str)], body: &[u8]) -> Answer {
        let (mut reader, status, headers) = self.send(line, headers, body);
        let mut body = Vec::new();
        reader.read_to_end(&mut body).unwrap();
        Answer { status, headers, body: serde_json::from_slice(&body).unwrap_or(Value::Null) }
    }

    fn get(&self, path: &str) -> Answer {
        self.request(&format!("GET {path}"), &[], b"")
    }

    /// Calls a function by its name.
    fn call(&self, name: &str, arguments: &Value) -> Answer {
        let line = format!("POST /api/{}", name.replace(':', "/"));
        self.request(&line, &[("content-type", "application/json")], arguments.to_string().as_bytes())
    }

    fn create_project(&self, name: &str) -> Value {
        self.call("projects:create", &json!({ "name": name, "repository": "nasa/apollo" })).with(200)
    }

    fn github(&self, event: &str, delivery: &str, body: &[u8]) -> Answer {
        self.signed_by(&sign_github(SECRET.as_bytes(), body), event, delivery, body)
    }

    fn signed_by(&self, signature: &str, event: &str, delivery: &str, body: &[u8]) -> Answer {
        let headers = [("x-github-event", event), ("x-github-delivery", delivery), ("x-hub-signature-256", signature)];
        self.request("POST /webhooks/github", &headers, body)
    }

    fn agent(&self, id: &str) -> Answer {
        let body = br#"{ "type": "job.mystery", "data": {} }"#;
        let now = self.db.now().as_millis() / 1_000;
        let signature = sign_standard(AGENT_SECRET, id, now, body).unwrap();
        let (now, signature) = (now.to_string(), signature.as_str());
        let headers = [("webhook-id", id), ("webhook-timestamp", now.as_str()), ("webhook-signature", signature)];
        self.request("POST /webhooks/agent", &headers, body)
    }

    fn stream(&self, path: &str) -> Events {
        let (reader, status, headers) = self.send(&format!("GET {path}"), &[("accept", "text/event-stream")], b"");
        assert_eq!(status, 200);
        assert_eq!(headers["content-type"], "text/event-stream");
        assert_eq!(headers["transfer-encoding"], "chunked");
        Events { reader, text: String::new() }
    }

    /// Waits until so many streams are open.
    #[track_caller]
    fn await_streams(&self, count: usize) {
        let mut open = self.server.streams().open();
        let reached =
            self.runtime.block_on(async { timeout(LONG, open.wait_for(|open| *open == count)).await.is_ok() });
        assert!(reached, "{} streams are open, not {count}", *open.borrow());
    }

    /// Waits until so many webhooks are in this state.
    fn await_webhooks(&self, status: WebhookStatus, count: usize) {
        await_count(&self.db.subscribe(CountWebhooks {}).unwrap(), status, count);
    }

    /// How often the function ran, and how often a live query answered in its place.
    fn runs_and_hits(&self, name: &str) -> (u64, u64) {
        let stats = self.db.stats();
        let of = stats.functions.iter().find(|function| function.name == name).unwrap();
        (of.calls, of.cache_hits)
    }
}

fn await_count(counts: &Subscription<Vec<WebhookCount>>, status: WebhookStatus, count: usize) {
    loop {
        let counts = counts.recv_timeout(LONG).expect("the webhooks are counted").unwrap();
        if counts.iter().any(|found| (found.status, found.count) == (status, count)) {
            return;
        }
    }
}

/// A line without its end.
fn line_of(reader: &mut impl BufRead) -> String {
    let mut line = String::new();
    reader.read_line(&mut line).unwrap();
    line.trim_end().to_owned()
}

/// The events of a stream.
struct Events {
    reader: BufReader<TcpStream>,
    /// What has come and is not an event yet.
    text: String,
}

impl Events {
    /// The next event, by its name and with its data; `None` when the stream has ended.
    fn next(&mut self) -> Option<(String, Value)> {
        loop {
            if let Some((event, rest)) = self.text.split_once("\n\n") {
                let field = |name: &str| event.lines().find_map(|line| line.strip_prefix(name)).map(str::to_owned);
                let (name, data) = (field("event: "), field("data: "));
                self.text = rest.to_owned();
                // Without data it is a comment.
                let Some(data) = data else { continue };
                return Some((name.unwrap_or("message".to_owned()), serde_json::from_str(&data).unwrap()));
            }
            let size = usize::from_str_radix(&line_of(&mut self.reader), 16).unwrap();
            let mut chunk = vec![0; size + 2];
            self.reader.read_exact(&mut chunk).unwrap();
            if size == 0 {
                return None;
            }
            self.text.push_str(std::str::from_utf8(&chunk[..size]).unwrap());
        }
    }

    /// The names in the first list of projects that has so many: lists in between may be skipped.
    fn projects(&mut self, count: usize) -> Vec<String> {
        loop {
            let (name, list) = self.next().expect("the stream is open");
            assert_eq!(name, "message");
            let list = list.as_array().unwrap().clone();
            if list.len() == count {
                return list.iter().map(|project| project["name"].as_str().unwrap().to_owned()).collect();
            }
        }
    }

    fn disconnect(self) {
        self.reader.get_ref().shutdown(Shutdown::Both).unwrap();
    }
}

fn pull_request(updated_at: &str) -> Vec<u8> {
    let body = json!({
        "action": "opened",
        "repository": { "full_name": "nasa/apollo" },
        "pull_request": {
            "number": 11, "title": "Lift off", "html_url": "https://example.com/nasa/apollo/pull/11",
            "user": { "login": "ada" }, "body": null, "state": "open", "draft": false, "merged": false,
            "merged_at": null, "updated_at": updated_at,
            "head": { "ref": "lift-off", "sha": "6dcb09b5b57875f334f61aebed695e2e4193db5e" },
            "base": { "ref": "main" },
        },
    });
    body.to_string().into_bytes()
}

#[test]
fn a_webhook_is_taken_in_once_and_shows_up() {
    let running = start();
    let event = running.github("ping", "delivery-1", br#"{ "zen": "Keep it logically awesome." }"#).with(200);
    assert!(event["event"].is_string(), "{event}");
    running.await_webhooks(WebhookStatus::Processed, 1);
    let stored = running.call("webhooks:get", &json!({ "id": event["event"] })).with(200);
    assert_eq!((&stored["eventType"], &stored["status"]), (&json!("ping"), &json!("processed")));

    let body = pull_request("2024-05-01T10:00:00Z");
    assert!(running.github("pull_request", "delivery-2", &body).with(200)["event"].is_string());
    let again = running.github("pull_request", "delivery-2", &body).with(200);
    assert_eq!(again, json!({ "event": null }));
    running.await_webhooks(WebhookStatus::Processed, 2);
    let found = running.call("pullRequests:find", &json!({ "repository": "nasa/apollo", "number": 11 })).with(200);
    assert_eq!((&found["title"], &found["state"]), (&json!("Lift off"), &json!("open")));
}

#[test]
fn webhooks_are_refused_with_the_status_that_says_why() {
    let running = start();
    let body = br#"{ "zen": "Speak like a human." }"#;
    let wrong = sign_github(b"guessed", body);
    let refused = running.signed_by(&wrong, "ping", "delivery-1", body).with(401);
    assert_eq!(refused["code"], "signature");
    let unsigned = [("x-github-event", "ping"), ("x-github-delivery", "delivery-1")];
    running.request("POST /webhooks/github", &unsigned, body).with(400);
    running.github("ping", "delivery-1", b"not JSON").with(400);
    running.github("ping", "delivery-1", &vec![b' '; BODY_LIMIT + 1]).with(413);
    running.request("POST /webhooks/ci", &[], body).with(404);
    let unknown = running.request("POST /webhooks/gitlab", &[], body).with(404);
    assert_eq!(unknown["code"], "unknown_source");
    running.get("/webhooks/github").with(405);
    let counts = running.db.query(CountWebhooks {}).unwrap();
    assert!(counts.iter().all(|found| found.count == 0), "{counts:?}");
}

#[test]
fn those_who_send_too_often_are_told_when_to_come_back() {
    let running = start();
    running.agent("message-1").with(200);
    running.agent("message-2").with(200);
    let refused = running.agent("message-3");
    assert_eq!(refused.headers.get("retry-after").map(String::as_str), Some("30"));
    refused.with(429);
    running.clock.set(Timestamp::from_millis((NOW_SECONDS + 30) * 1_000));
    running.agent("message-3").with(200);
    running.await_webhooks(WebhookStatus::Ignored, 3);
}

#[test]
fn functions_are_called_by_name() {
    let running = start();
    let project = running.create_project("Apollo");
    let arguments = json!({ "projectId": project, "title": "Lift off" });
    let task = running.call("tasks:create", &arguments).with(200);
    let found = running.call("tasks:get", &json!({ "id": task })).with(200);
    assert_eq!(found["title"], "Lift off");
    assert_eq!(running.call("tasks:get", &json!({ "id": task })).headers["content-type"], "application/json");

    let functions = running.get("/api/functions").with(200);
    let names: Vec<_> = functions.as_array().unwrap().iter().map(|function| &function["name"]).collect();
    assert!(names.contains(&&json!("tasks:create")) && !names.contains(&&json!("webhooks:process")), "{names:?}");

    let stats = running.get("/stats").with(200);
    let stats: Vec<_> = stats["functions"].as_array().unwrap().iter().filter(|of| of["name"] == "tasks:get").collect();
    assert_eq!((&stats[0]["calls"], &stats[0]["kind"], &stats[0]["errors"]), (&json!(2), &json!("query"), &json!(0)));
}

#[test]
fn calls_that_fail_say_why_as_json() {
    let running = start();
    let code = |answer: Answer, status| answer.with(status)["code"].as_str().unwrap().to_owned();
    assert_eq!(code(running.call("tasks:conjure", &json!({})), 404), "unknown_function");
    assert_eq!(code(running.call("webhooks:process", &json!({ "id": "webhookEvents_1" })), 403), "internal");
    let wrong = running.call("projects:create", &json!({ "name": 7 })).with(400);
    assert_eq!(wrong["code"], "arguments");
    assert!(wrong["message"].as_str().unwrap().contains("name"), "{wrong}");
    let failed = running.call("projects:create", &json!({ "name": "" })).with(422);
    assert_eq!((&failed["code"], &failed["data"]["kind"]), (&json!("application"), &json!("empty")));

    let json = [("content-type", "application/json")];
    assert_eq!(code(running.request("POST /api/projects/list", &json, b"{"), 400), "body");
    assert_eq!(code(running.request("POST /api/projects/list", &[], b"{}"), 415), "body");
    assert_eq!(code(running.request("POST /api/projects/list", &json, &vec![b' '; (1 << 20) + 1]), 413), "body");
    assert_eq!(code(running.get("/live/projects/list?arguments=nothing"), 400), "arguments");
    assert_eq!(code(running.get("/live/projects/create"), 400), "wrong_kind");
    assert_eq!(code(running.get("/live/projects/conjure"), 404), "unknown_function");
    assert_eq!(*running.server.streams().open().borrow(), 0);
}

#[test]
fn a_stream_is_a_live_query_until_its_client_goes_away() {
    let running = start();
    let mut events = running.stream("/live/projects/list?arguments=%7B%22status%22%3A%22active%22%7D");
    assert_eq!(events.projects(0), [""; 0]);
    running.create_project("Apollo");
    assert_eq!(events.projects(1), ["Apollo"]);
    running.create_project("Gemini");
    assert_eq!(events.projects(2), ["Apollo", "Gemini"]);

    // Live queries are evaluated one after the other. When this one has seen a later commit, that one has seen its own.
    let others = running.db.subscribe(CountWebhooks {}).unwrap();
    let pass = |count: usize| {
        running.github("ping", &format!("delivery-{count}"), b"{}").with(200);
        await_count(&others, WebhookStatus::Processed, count);
    };
    pass(1);

    // As long as the query is live, it answers calls too, and nothing runs.
    running.await_streams(1);
    let (runs, hits) = running.runs_and_hits("projects:list");
    running.call("projects:list", &json!({ "status": "active" })).with(200);
    assert_eq!(running.runs_and_hits("projects:list"), (runs, hits + 1));

    events.disconnect();
    running.await_streams(0);
    running.call("projects:list", &json!({ "status": "active" })).with(200);
    assert_eq!(running.runs_and_hits("projects:list"), (runs + 1, hits + 1));
    running.create_project("Mercury");
    pass(2);
    assert_eq!(running.runs_and_hits("projects:list"), (runs + 1, hits + 1));
}

#[test]
fn a_stream_delivers_what_its_query_fails_with() {
    let running = start();
    let server = running.call("servers:create", &json!({ "name": "Houston", "host": "houston.example" })).with(200);
    let arguments = format!(r#"{{"serverId":{server},"from":0,"until":1,"points":0}}"#);
    let arguments = arguments.replace('"', "%22").replace('{', "%7B").replace('}', "%7D");
    let mut events = running.stream(&format!("/live/servers/chartMetrics?arguments={arguments}"));
    let (name, error) = events.next().expect("the stream is open");
    assert_eq!((name.as_str(), &error["data"]["field"]), ("error", &json!("points")));
}

#[test]
fn streams_of_the_same_query_share_its_evaluations_and_end_with_the_server() {
    let running = start();
    let mut streams: Vec<_> = (0..5).map(|_| running.stream("/live/projects/list")).collect();
    streams.iter_mut().for_each(|events| assert_eq!(events.projects(0), [""; 0]));
    running.create_project("Apollo");
    streams.iter_mut().for_each(|events| assert_eq!(events.projects(1), ["Apollo"]));
    assert_eq!(running.runs_and_hits("projects:list").0, 2);
    assert_eq!(running.db.query(ListProjects { status: None, limit: LISTED }).unwrap().len(), 1);

    running.server.streams().close();
    streams.iter_mut().for_each(|events| assert_eq!(events.next(), None));
    running.await_streams(0);
    assert_eq!(running.stream("/live/projects/list").next(), None);
}

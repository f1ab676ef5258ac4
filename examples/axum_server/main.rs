//! The agent manager behind an HTTP server: webhooks come in, functions are called by name, and live queries go out as
//! server-sent events.
//!
//! ```text
//! GITHUB_WEBHOOK_SECRET=secret cargo run --example axum_server -- --database agents.tropism
//! ```
//!
//! | request | what it does |
//! |---|---|
//! | `POST /webhooks/{github, ci or agent}` | takes a signed webhook in |
//! | `POST /api/{module}/{function}` | calls a function with arguments in JSON |
//! | `GET /api/functions` | lists the functions that can be called |
//! | `GET /live/{module}/{function}?arguments={…}` | streams the values of a query, for an `EventSource` |
//! | `GET /stats` | what functions have done, and how long they took |
//!
//! The crate is no server and knows none: all that is axum's is here, and a host with another server does the same with
//! that. Nobody is asked who they are: whoever reaches the address may call every public function. It is this machine's
//! own unless `--listen` says otherwise.

mod live;
mod problem;
mod routes;

use std::{env, error::Error, future::pending, io, path::PathBuf, process::ExitCode, time::Duration};

use routes::Server;
use tokio::{net::TcpListener, runtime, signal::ctrl_c, time::timeout};
use tropism::{
    agent_manager::{AgentManager, Rate, WebhookIntake, WebhookSource},
    prelude::*,
};

/// Actions and writes that wait for the disk, at a time.
const BLOCKING_THREADS: usize = 64;
/// How long requests may go on when the server is told to end.
const SHUTDOWN_LIMIT: Duration = Duration::from_secs(10);
/// How often each source may send.
const RATE: Rate = Rate { requests: 600, per: Duration::from_secs(60) };

const SECRETS: [(WebhookSource, &str); 3] = [
    (WebhookSource::Github, "GITHUB_WEBHOOK_SECRET"),
    (WebhookSource::Ci, "CI_WEBHOOK_SECRET"),
    (WebhookSource::Agent, "AGENT_WEBHOOK_SECRET"),
];

const USAGE: &str = "\
The agent manager behind an HTTP server.

  --listen ADDRESS   where to listen (default 127.0.0.1:8080)
  --database DIR     keep the database there (default: in memory)

Webhooks are taken from those whose secret is in the environment: GITHUB_WEBHOOK_SECRET, and, as Standard Webhooks
have it (base64, with or without whsec_), CI_WEBHOOK_SECRET and AGENT_WEBHOOK_SECRET.
";

struct Arguments {
    listen: String,
    database: Option<PathBuf>,
}

fn main() -> Result<ExitCode, Box<dyn Error>> {
    let arguments = match arguments(env::args().skip(1)) {
        Ok(Some(arguments)) => arguments,
        Ok(None) => {
            print!("{USAGE}");
            return Ok(ExitCode::SUCCESS);
        }
        Err(problem) => {
            eprintln!("axum_server: {problem}\n\n{USAGE}");
            return Ok(ExitCode::FAILURE);
        }
    };
    let builder = Db::builder().module(AgentManager::new());
    let db = match &arguments.database {
        Some(directory) => builder.open(directory)?,
        None => builder.in_memory()?,
    };
    let runtime = runtime::Builder::new_multi_thread().max_blocking_threads(BLOCKING_THREADS).enable_all().build()?;
    let served = runtime.block_on(serve(Server::new(db.clone(), intake()), &arguments.listen));
    // What is still running then ends by itself, or with the process.
    runtime.shutdown_timeout(Duration::from_secs(1));
    db.close()?;
    Ok(served.map(|()| ExitCode::SUCCESS)?)
}

/// `None`: only the usage is wanted.
fn arguments(mut given: impl Iterator<Item = String>) -> Result<Option<Arguments>, String> {
    let mut arguments = Arguments { listen: "127.0.0.1:8080".to_owned(), database: None };
    while let Some(option) = given.next() {
        let mut value = || given.next().ok_or_else(|| format!("{option} needs a value"));
        match option.as_str() {
            "--listen" => arguments.listen = value()?,
            "--database" => arguments.database = Some(value()?.into()),
            "--help" | "-h" => return Ok(None),
            _ => return Err(format!("{option:?} is not an option")),
        }
    }
    Ok(Some(arguments))
}

/// Takes webhooks from those whose secret is known.
fn intake() -> WebhookIntake {
    let mut intake = WebhookIntake::new();
    for (source, variable) in SECRETS {
        // An empty secret is none: everybody knows it.
        if let Some(secret) = env::var(variable).ok().filter(|secret| !secret.is_empty()) {
            intake = intake.secret(source, secret).rate(source, RATE);
        }
    }
    intake
}

/// Serves until ctrl-c, and then what was asked before, so long and no longer.
async fn serve(server: Server, address: &str) -> io::Result<()> {
    let listener = TcpListener::bind(address).await?;
    print!("{}", how_to_try(&listener.local_addr()?.to_string()));
    let router = server.router();
    let streams = server.streams().clone();
    let interrupted = async move {
        if let Err(error) = ctrl_c().await {
            eprintln!("axum_server: ctrl-c is not to be heard here: {error}");
            pending::<()>().await;
        }
        server.streams().close();
    };
    let serving = axum::serve(listener, router).with_graceful_shutdown(interrupted);
    let too_late = async {
        streams.closing().await;
        drop(timeout(SHUTDOWN_LIMIT, pending::<()>()).await);
    };
    tokio::select! {
        served = serving => served,
        () = too_late => {
            eprintln!("axum_server: requests are still running; it ends without them");
            Ok(())
        }
    }
}

fn how_to_try(address: &str) -> String {
    format!(
        r#"Listening on {address}. Try, each in its own terminal:

  curl -N 'http://{address}/live/projects/list'
  curl 'http://{address}/api/projects/create' --json '{{ "name": "Apollo", "repository": "nasa/apollo" }}'
  curl 'http://{address}/api/functions'
  curl 'http://{address}/stats'

And, as GitHub does, with GITHUB_WEBHOOK_SECRET set here and there:

  body='{{ "zen": "Keep it logically awesome." }}'
  signature=$(printf %s "$body" | openssl dgst -sha256 -hmac "$GITHUB_WEBHOOK_SECRET" -r | cut -d' ' -f1)
  curl 'http://{address}/webhooks/github' --data-raw "$body" -H 'x-github-event: ping' \
    -H "x-github-delivery: $(date +%s)" -H "x-hub-signature-256: sha256=$signature"

Ctrl-c ends it.
"#
    )
}

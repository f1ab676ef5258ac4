//! [`Server`]: the routes in front of a database.
//!
//! The database is blocking code, so every call goes through `spawn_blocking`; how many run at a time is the runtime's
//! `max_blocking_threads`.

use std::{sync::Arc, time::Duration};

use axum::{
    Json, Router,
    body::Bytes,
    extract::{
        DefaultBodyLimit, Path, Query, State,
        rejection::{BytesRejection, JsonRejection, QueryRejection},
    },
    http::{HeaderMap, StatusCode},
    response::IntoResponse,
    routing::{get, post},
};
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::task::spawn_blocking;
use tropism::{
    Caller, FunctionStats, TimeStats, Visibility,
    agent_manager::{WebhookIntake, WebhookSource},
    prelude::*,
};

use crate::{live::Streams, problem::Problem};

/// No intake takes a larger body than a row, so none need be read to its end.
const WEBHOOK_BODY_BYTES: usize = tropism::MAX_ROW_BYTES;
/// For the arguments of a call.
const ARGUMENTS_BYTES: usize = 1 << 20;

/// What the routes share. Cheap to clone.
#[derive(Clone)]
pub struct Server {
    db: Db,
    intake: Arc<WebhookIntake>,
    streams: Streams,
}

impl Server {
    /// In front of a database that has the agent manager.
    pub fn new(db: Db, intake: WebhookIntake) -> Self {
        Self { db, intake: Arc::new(intake), streams: Streams::new() }
    }

    /// Its live queries.
    pub fn streams(&self) -> &Streams {
        &self.streams
    }

    /// Its routes.
    pub fn router(&self) -> Router {
        let webhooks = post(webhook).layer(DefaultBodyLimit::max(WEBHOOK_BODY_BYTES));
        Router::new()
            .route("/webhooks/{source}", webhooks)
            .route("/api/functions", get(functions))
            .route("/api/{module}/{function}", post(call).layer(DefaultBodyLimit::max(ARGUMENTS_BYTES)))
            .route("/live/{module}/{function}", get(live))
            .route("/stats", get(stats))
            .with_state(self.clone())
    }
}

/// Runs blocking code on a thread that may block.
async fn blocking<R, E>(work: impl FnOnce() -> Result<R, E> + Send + 'static) -> Result<R, Problem>
where
    R: Send + 'static,
    E: Send + 'static,
    Problem: From<E>,
{
    Ok(spawn_blocking(work).await??)
}

/// A webhook request: its headers, and its body byte for byte, for that is what is signed.
async fn webhook(
    State(server): State<Server>,
    Path(source): Path<String>,
    headers: HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Result<Json<Value>, Problem> {
    let unknown = |error| Problem::new(StatusCode::NOT_FOUND, "unknown_source", error);
    let source: WebhookSource = source.parse().map_err(unknown)?;
    let body = body?;
    let received = blocking(move || {
        let header = |name: &str| headers.get(name)?.to_str().ok();
        server.intake.receive(&server.db, source, header, &body)
    });
    Ok(Json(json!({ "event": received.await?.event })))
}

/// Calls a function by its name, as a client. The arguments must say that they are JSON (`content-type`): so no page in
/// a browser can send them here unasked.
async fn call(
    State(server): State<Server>,
    Path((module, function)): Path<(String, String)>,
    arguments: Result<Json<Value>, JsonRejection>,
) -> Result<Json<Value>, Problem> {
    let Json(arguments) = arguments?;
    let result = blocking(move || server.db.call(&format!("{module}:{function}"), arguments, Caller::Client));
    Ok(Json(result.await?))
}

#[derive(Deserialize)]
struct LiveQuery {
    /// As JSON; none are an empty object.
    arguments: Option<String>,
}

/// Subscribes to a query by its name, as a client.
async fn live(
    State(server): State<Server>,
    Path((module, function)): Path<(String, String)>,
    query: Result<Query<LiveQuery>, QueryRejection>,
) -> Result<impl IntoResponse, Problem> {
    let arguments = query?.0.arguments.unwrap_or_else(|| "{}".to_owned());
    let not_json = |error| Problem::new(StatusCode::BAD_REQUEST, "arguments", error);
    let arguments = serde_json::from_str(&arguments).map_err(not_json)?;
    let db = server.db;
    // The first evaluation is on the thread that subscribes.
    let subscribed = blocking(move || db.subscribe_by_name(&format!("{module}:{function}"), arguments, Caller::Client));
    Ok(server.streams.events(subscribed.await?))
}

/// The functions that clients may call.
async fn functions(State(server): State<Server>) -> Json<Value> {
    let mut functions = server.db.functions();
    functions.retain(|function| function.visibility == Visibility::Public);
    Json(json!(functions))
}

/// What functions have done, and how many live queries are streamed.
async fn stats(State(server): State<Server>) -> Json<Value> {
    let functions: Vec<Value> = server.db.stats().functions.iter().map(function_stats).collect();
    let streams = *server.streams.open().borrow();
    Json(json!({ "streams": streams, "functions": functions }))
}

fn function_stats(stats: &FunctionStats) -> Value {
    let TimeStats { total, p50, p90, p99, max } = stats.time;
    json!({
        "name": stats.name,
        "kind": stats.kind,
        "calls": stats.calls,
        "errors": stats.errors,
        "cacheHits": stats.cache_hits,
        "documentsRead": stats.documents_read,
        "documentsWritten": stats.documents_written,
        "microseconds": {
            "total": microseconds(total),
            "p50": microseconds(p50),
            "p90": microseconds(p90),
            "p99": microseconds(p99),
            "max": microseconds(max),
        },
    })
}

fn microseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}

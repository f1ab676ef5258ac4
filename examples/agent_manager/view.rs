//! All that is on the screen: what is subscribed to, and what it says at one moment.

use std::{fmt::Display, sync::Arc, time::Duration};

use crossbeam_channel::{Receiver, select};
use tropism::{
    Error, Query,
    agent_manager::{
        AgentError, ChatMessage, CountWebhooks, LISTED, LatestMetrics, ListLatestMetrics, ListProjectMessages,
        ProjectBoard, PullRequestBoard, ServerBoard, ShowProjectBoard, ShowServerBoard, WebhookCount,
    },
    prelude::*,
};

use crate::{
    Failure,
    plan::Plan,
    queries::{JobWithTitle, ShowJobs, ShowPullRequests},
};

/// A live query that is longer behind than this is stuck.
const LONGEST_DELAY: Duration = Duration::from_secs(10);

/// Every part of the screen, live.
pub struct Subscriptions {
    board: Subscription<Option<ProjectBoard>>,
    jobs: Subscription<Vec<JobWithTitle>>,
    pull_requests: Subscription<Vec<PullRequestBoard>>,
    chat: Subscription<Vec<Doc<ChatMessage>>>,
    latest: Subscription<Vec<LatestMetrics>>,
    servers: [Subscription<Option<ServerBoard>, AgentError>; 2],
    webhooks: Subscription<Vec<WebhookCount>>,
}

/// What the parts say.
#[derive(Clone, PartialEq)]
pub struct View {
    pub board: Arc<Option<ProjectBoard>>,
    pub jobs: Arc<Vec<JobWithTitle>>,
    pub pull_requests: Arc<Vec<PullRequestBoard>>,
    pub chat: Arc<Vec<Doc<ChatMessage>>>,
    pub latest: Arc<Vec<LatestMetrics>>,
    pub servers: [Arc<Option<ServerBoard>>; 2],
    pub webhooks: Arc<Vec<WebhookCount>>,
}

impl Subscriptions {
    pub fn new(db: &Db, plan: &Plan) -> Result<Self, Error> {
        let project_id = plan.project;
        let server = |server_id| db.subscribe(ShowServerBoard { server_id });
        let [first, second] = plan.servers;
        Ok(Self {
            board: db.subscribe(ShowProjectBoard { project_id })?,
            jobs: db.subscribe(ShowJobs { project_id })?,
            pull_requests: db.subscribe(ShowPullRequests { project_id })?,
            chat: db.subscribe(ListProjectMessages { project_id, limit: LISTED })?,
            latest: db.subscribe(ListLatestMetrics { limit: LISTED })?,
            servers: [server(first)?, server(second)?],
            webhooks: db.subscribe(CountWebhooks {})?,
        })
    }

    /// Waits until a part has something new; says whether one has, and not that it has ended or taken too long.
    pub fn wait(&self, ended: &Receiver<()>, limit: Duration) -> bool {
        let [first, second] = &self.servers;
        select! {
            recv(ended) -> _ => false,
            recv(self.board.receiver()) -> value => value.is_ok(),
            recv(self.jobs.receiver()) -> value => value.is_ok(),
            recv(self.pull_requests.receiver()) -> value => value.is_ok(),
            recv(self.chat.receiver()) -> value => value.is_ok(),
            recv(self.latest.receiver()) -> value => value.is_ok(),
            recv(first.receiver()) -> value => value.is_ok(),
            recv(second.receiver()) -> value => value.is_ok(),
            recv(self.webhooks.receiver()) -> value => value.is_ok(),
            default(limit) => false,
        }
    }

    /// What the parts say now. Each is as of one commit, and the parts may be of different ones.
    pub fn view(&self) -> Result<View, Failure> {
        let [first, second] = &self.servers;
        Ok(View {
            board: said(self.board.current())?,
            jobs: said(self.jobs.current())?,
            pull_requests: said(self.pull_requests.current())?,
            chat: said(self.chat.current())?,
            latest: said(self.latest.current())?,
            servers: [said(first.current())?, said(second.current())?],
            webhooks: said(self.webhooks.current())?,
        })
    }

    /// The last view, once nobody writes any more: what the parts say when every one has caught up.
    pub fn settled(&self, db: &Db, plan: &Plan) -> Result<View, Failure> {
        let never = crossbeam_channel::never();
        loop {
            let view = self.view()?;
            if view == View::read(db, plan)? {
                return Ok(view);
            }
            if !self.wait(&never, LONGEST_DELAY) {
                return Err(format!("a live query is still behind after {LONGEST_DELAY:?}").into());
            }
        }
    }
}

impl View {
    /// The same by reading, without subscribing.
    pub fn read(db: &Db, plan: &Plan) -> Result<Self, Failure> {
        let project_id = plan.project;
        let [first, second] = plan.servers;
        Ok(Self {
            board: fresh(db, ShowProjectBoard { project_id })?,
            jobs: fresh(db, ShowJobs { project_id })?,
            pull_requests: fresh(db, ShowPullRequests { project_id })?,
            chat: fresh(db, ListProjectMessages { project_id, limit: LISTED })?,
            latest: fresh(db, ListLatestMetrics { limit: LISTED })?,
            servers: [
                fresh(db, ShowServerBoard { server_id: first })?,
                fresh(db, ShowServerBoard { server_id: second })?,
            ],
            webhooks: fresh(db, CountWebhooks {})?,
        })
    }
}

fn said<T>(value: Result<T, Arc<impl Display>>) -> Result<T, Failure> {
    value.map_err(|error| error.to_string().into())
}

/// Run anew: `Db::query` would answer with the live query's own value, and here that is what is in question.
fn fresh<Q: Query>(db: &Db, query: Q) -> Result<Arc<Q::Output>, Q::Error> {
    db.read(|tx| tx.run_query(query)).map(Arc::new)
}

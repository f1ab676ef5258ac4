//! Machines and what they report, events that came in, and the work of agents.

use super::projects::Task;
use crate::{agent_manager::enums::*, prelude::*};

schema! {
    /// A machine.
    pub table Server in "servers" {
        /// Its name.
        name: String,
        /// Where it is reached.
        host: String,
        /// Where it stands.
        region: String,
        /// How it does.
        status: ServerStatus,
        /// When it was heard of last.
        last_seen_at: Option<Timestamp>,
        /// Whether somebody will look whether it still lives.
        is_watched: bool,
    } with {
        /// Those that do alike.
        index by_status (status);
        /// The one with this name.
        unique by_name (name);
    }

    /// A container on a server.
    pub table Container in "containers" {
        /// On which.
        server_id: Id<Server>,
        /// Its name.
        name: String,
        /// What it runs.
        image: String,
        /// How it does.
        status: ContainerStatus,
        /// `host:container`, as many as there are.
        ports: Vec<String>,
    } with {
        /// Those of a server.
        index by_server (server_id) on delete cascade;
        /// Those of a server that do alike.
        index by_server_and_status (server_id, status);
    }

    /// How a server did at one time.
    pub table ServerMetrics in "serverMetrics" {
        /// Which.
        server_id: Id<Server>,
        /// When.
        recorded_at: Timestamp,
        /// Of all its processors, 0 to 100.
        cpu_percent: f64,
        /// Memory in use.
        memory_bytes: u64,
        /// Memory there is.
        memory_total_bytes: u64,
        /// Disk in use.
        disk_bytes: u64,
        /// Received since it was started.
        network_in_bytes: u64,
        /// Sent since it was started.
        network_out_bytes: u64,
        /// Of the last minute.
        load_average: f64,
    } with {
        /// Of a server, oldest first.
        index by_server_and_time (server_id, recorded_at) on delete cascade;
        /// Of all, oldest first.
        index by_time (recorded_at);
    }

    /// A webhook event, as it was received.
    pub table WebhookEvent in "webhookEvents" {
        /// Who sent it.
        source: WebhookSource,
        /// Under which name: that of the delivery.
        delivery_id: String,
        /// What it is.
        event_type: String,
        /// As it was received.
        payload: String,
        /// What became of it.
        status: WebhookStatus,
        /// How often its processing failed.
        attempts: u32,
        /// With what, the last time; or why it was ignored.
        last_error: Option<String>,
        /// When it came.
        received_at: Timestamp,
        /// When it was processed or ignored.
        processed_at: Option<Timestamp>,
        /// When it is to be processed, or to be tried again.
        next_attempt_at: Option<Timestamp>,
    } with {
        /// Once for each delivery.
        unique by_source_and_delivery (source, delivery_id);
        /// Those of which the same became.
        index by_status (status);
        /// The same, by when they are to be tried.
        index by_status_and_next_attempt (status, next_attempt_at);
    }

    /// What an agent is to do for a task.
    pub table AgentJob in "agentJobs" {
        /// For which.
        task_id: Id<Task>,
        /// What: `review`, `implement`.
        kind: String,
        /// Where it stands.
        status: AgentJobStatus,
        /// How much of it is done, 0 to 100.
        progress: u8,
        /// What came of it.
        result: Option<String>,
        /// Why it was not to be done.
        error: Option<String>,
        /// When an agent began.
        started_at: Option<Timestamp>,
        /// When it ended.
        finished_at: Option<Timestamp>,
    } with {
        /// Those for a task.
        index by_task (task_id) on delete cascade;
        /// Those that stand alike.
        index by_status (status);
    }
}

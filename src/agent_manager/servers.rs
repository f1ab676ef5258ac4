//! Servers, and how they do.

use super::{
    enums::*,
    error::{AgentError, Result, not_empty},
    internal::{
        history::{Subject, record},
        metrics::{bring_back, watch},
    },
    lists::{LISTED, bounded},
    schema::*,
};
use crate::prelude::*;

schema! {
    /// How a server did in a stretch of time: averages of what was reported in it.
    pub struct MetricsPoint {
        /// When the stretch begins.
        at: Timestamp,
        /// How many samples it has.
        samples: usize,
        /// Of all its processors, 0 to 100.
        cpu_percent: f64,
        /// The highest in the stretch.
        cpu_percent_max: f64,
        /// Memory in use.
        memory_bytes: u64,
        /// Disk in use.
        disk_bytes: u64,
        /// Of the last minute.
        load_average: f64,
        /// Received since the server was started, at the end of the stretch.
        network_in_bytes: u64,
        /// Sent since the server was started, at the end of the stretch.
        network_out_bytes: u64,
    }

    /// A server with the last that it reported.
    pub struct LatestMetrics {
        /// Which.
        server: Doc<Server>,
        /// What, if it has ever reported.
        metrics: Option<Doc<ServerMetrics>>,
    }
}

/// Points in one chart.
const MOST_POINTS: u32 = 10_000;

functions! {
    /// The functions of servers.
    pub module ServerFunctions;

    /// One server, or nothing.
    pub query GetServer in "servers:get" { id: Id<Server> } -> Option<Doc<Server>> |tx| { tx.get(id) }

    /// All servers, or those that do alike.
    pub query ListServers in "servers:list" {
        status: Option<ServerStatus>,
        /// How many at most; 10,000 is the most there are.
        limit: usize = LISTED,
    } -> Vec<Doc<Server>> |tx| {
        match status {
            Some(status) => tx.query(Server::by_status).eq(status).take(bounded(limit)).collect(),
            None => tx.query(Server::by_name).take(bounded(limit)).collect(),
        }
    }

    /// Every server with the last that it reported.
    pub query ListLatestMetrics in "servers:listLatestMetrics" {
        /// How many at most; 10,000 is the most there are.
        limit: usize = LISTED,
    } -> Vec<LatestMetrics> |tx| {
        let mut latest = Vec::new();
        for server in tx.query(Server::by_name).take(bounded(limit)).collect()? {
            let metrics = tx.query(ServerMetrics::by_server_and_time).eq(server.id()).descending().first()?;
            latest.push(LatestMetrics { server, metrics });
        }
        Ok(latest)
    }

    /// What a server reported in a range of time, oldest first.
    pub query ListMetrics in "servers:listMetrics" {
        server_id: Id<Server>,
        from: Timestamp,
        until: Timestamp,
        /// How many at most; 10,000 is the most there are.
        limit: usize = LISTED,
    } -> Vec<Doc<ServerMetrics>> |tx| {
        if from > until {
            return Ok(Vec::new());
        }
        tx.query(ServerMetrics::by_server_and_time).eq(server_id).range(from..until).take(bounded(limit)).collect()
    }

    /// The same, as so many points at most: a chart.
    pub query ChartMetrics in "servers:chartMetrics" {
        server_id: Id<Server>,
        from: Timestamp,
        until: Timestamp,
        /// 1 to 10,000.
        points: u32 = 60,
    } -> Result<Vec<MetricsPoint>, AgentError> |tx| { chart(tx, server_id, from, until, points) }

    /// Adds a server, which is offline until it reports.
    pub mutation CreateServer in "servers:create" {
        name: String,
        host: String,
        region: String = String::new(),
        user: String = "system".to_owned(),
    } -> Result<Id<Server>, AgentError> |tx| {
        not_empty("name", &name)?;
        not_empty("host", &host)?;
        let (status, last_seen_at, is_watched) = (ServerStatus::Offline, None, false);
        let id = tx.insert(Server { name: name.clone(), host, region, status, last_seen_at, is_watched })?;
        record(tx, Subject::None, "server.created", &user, Some(name))?;
        Ok(id)
    }

    /// Changes what is given, and leaves the rest.
    pub mutation UpdateServer in "servers:update" {
        id: Id<Server>,
        name: Option<String>,
        host: Option<String>,
        region: Option<String>,
        status: Option<ServerStatus>,
        user: String = "system".to_owned(),
    } -> Result<(), AgentError> |tx| {
        if let Some(name) = &name {
            not_empty("name", name)?;
        }
        if let Some(host) = &host {
            not_empty("host", host)?;
        }
        let mut is_unwatched = false;
        tx.patch(id, |server: &mut Server| {
            server.name = name.unwrap_or_else(|| server.name.clone());
            server.host = host.unwrap_or_else(|| server.host.clone());
            server.region = region.unwrap_or_else(|| server.region.clone());
            server.status = status.unwrap_or(server.status);
            is_unwatched = server.status != ServerStatus::Offline && !server.is_watched;
        })?;
        if is_unwatched {
            watch(tx, id, tx.now())?;
        }
        record(tx, Subject::None, "server.updated", &user, Some(id.to_string()))
    }

    /// Deletes a server with its containers and metrics.
    pub mutation DeleteServer in "servers:delete" {
        id: Id<Server>,
        user: String = "system".to_owned(),
    } -> Result<(), AgentError> |tx| {
        let name = tx.get(id)?.map(|server| server.name.clone());
        tx.delete(id)?;
        record(tx, Subject::None, "server.deleted", &user, name)
    }

    /// Takes what a server reports. It is online again, if it was offline.
    pub mutation RecordMetrics in "servers:recordMetrics" {
        server_id: Id<Server>,
        /// When; now if it is not said. One that is ahead of the host's clock is the latest until one comes that is
        /// not.
        recorded_at: Option<Timestamp>,
        cpu_percent: f64,
        memory_bytes: u64,
        memory_total_bytes: u64,
        disk_bytes: u64 = 0,
        network_in_bytes: u64 = 0,
        network_out_bytes: u64 = 0,
        load_average: f64 = 0.0,
    } -> Result<Id<ServerMetrics>, AgentError> = record_metrics;
}

fn record_metrics(tx: &mut WriteTx, arguments: &RecordMetrics) -> Result<Id<ServerMetrics>> {
    let now = tx.now();
    for (field, value) in [("cpuPercent", arguments.cpu_percent), ("loadAverage", arguments.load_average)] {
        if !value.is_finite() || value < 0.0 {
            return Err(AgentError::OutOfBounds { field, given: value.to_string(), bounds: "a number from 0 on" });
        }
    }
    if arguments.cpu_percent > 100.0 {
        let given = arguments.cpu_percent.to_string();
        return Err(AgentError::OutOfBounds { field: "cpuPercent", given, bounds: "0 to 100" });
    }
    tx.existing(arguments.server_id)?;
    let recorded_at = arguments.recorded_at.unwrap_or(now);
    bring_back(tx, arguments.server_id, recorded_at)?;
    let metrics = tx.insert(ServerMetrics {
        server_id: arguments.server_id,
        recorded_at,
        cpu_percent: arguments.cpu_percent,
        memory_bytes: arguments.memory_bytes,
        memory_total_bytes: arguments.memory_total_bytes,
        disk_bytes: arguments.disk_bytes,
        network_in_bytes: arguments.network_in_bytes,
        network_out_bytes: arguments.network_out_bytes,
        load_average: arguments.load_average,
    })?;
    let mut is_watched = true;
    tx.patch(arguments.server_id, |server: &mut Server| {
        server.last_seen_at = Some(now);
        if server.status == ServerStatus::Offline {
            server.status = ServerStatus::Online;
        }
        is_watched = server.is_watched;
    })?;
    if !is_watched {
        watch(tx, arguments.server_id, now)?;
    }
    Ok(metrics)
}

/// Averages over equal stretches of a range of time; those without samples are left out.
pub(super) fn chart(
    tx: &ReadTx,
    server: Id<Server>,
    from: Timestamp,
    until: Timestamp,
    points: u32,
) -> Result<Vec<MetricsPoint>> {
    if !(1..=MOST_POINTS).contains(&points) {
        return Err(AgentError::OutOfBounds { field: "points", given: points.to_string(), bounds: "1 to 10,000" });
    }
    if from >= until {
        return Ok(Vec::new());
    }
    let length = i128::from(until.as_millis()) - i128::from(from.as_millis());
    let width = (length + i128::from(points) - 1) / i128::from(points);
    let mut chart: Vec<MetricsPoint> = Vec::new();
    let mut stretch: Vec<Doc<ServerMetrics>> = Vec::new();
    let mut current = None;
    for sample in tx.query(ServerMetrics::by_server_and_time).eq(server).range(from..until).iter()? {
        let sample = sample?;
        let position = (i128::from(sample.recorded_at.as_millis()) - i128::from(from.as_millis())) / width;
        if current.is_some_and(|current| current != position) {
            chart.extend(average(&stretch, start_of(from, current, width)));
            stretch.clear();
        }
        current = Some(position);
        stretch.push(sample);
    }
    chart.extend(average(&stretch, start_of(from, current, width)));
    Ok(chart)
}

fn start_of(from: Timestamp, position: Option<i128>, width: i128) -> Timestamp {
    let start = i128::from(from.as_millis()) + position.unwrap_or(0) * width;
    Timestamp::from_millis(i64::try_from(start).unwrap_or(i64::MAX))
}

fn average(samples: &[Doc<ServerMetrics>], at: Timestamp) -> Option<MetricsPoint> {
    let last = samples.last()?;
    // A running mean: the sum of great numbers would overflow.
    let mean = |of: fn(&ServerMetrics) -> f64| {
        samples.iter().zip(1..).fold(0.0, |mean, (sample, count)| mean + (of(sample) - mean) / f64::from(count))
    };
    let whole = |of: fn(&ServerMetrics) -> u64| {
        let sum: u128 = samples.iter().map(|sample| u128::from(of(sample))).sum();
        u64::try_from(sum / samples.len() as u128).unwrap_or(u64::MAX)
    };
    Some(MetricsPoint {
        at,
        samples: samples.len(),
        cpu_percent: mean(|sample| sample.cpu_percent),
        cpu_percent_max: samples.iter().map(|sample| sample.cpu_percent).fold(0.0, f64::max),
        memory_bytes: whole(|sample| sample.memory_bytes),
        disk_bytes: whole(|sample| sample.disk_bytes),
        load_average: mean(|sample| sample.load_average),
        network_in_bytes: last.network_in_bytes,
        network_out_bytes: last.network_out_bytes,
    })
}

//! What servers report: recorded cheaply, forgotten after a time; and servers that report no more.

use std::ops::Bound;

use super::history::before;
use crate::{
    agent_manager::{Limits, enums::*, schema::*},
    prelude::*,
};

/// How far the clocks of a server and of the host may be apart.
const CLOCK_SKEW_MILLIS: i64 = 30_000;
/// Samples that are deleted or dated in one transaction.
const BATCH: usize = 1_000;

functions! {
    /// The internal functions of metrics.
    pub(in crate::agent_manager) module InternalMetricsFunctions;

    /// Deletes samples that are older than the host wants to keep, a batch at a time.
    pub(in crate::agent_manager) mutation CleanUpMetrics in "metrics:cleanUp" {} -> usize |tx| {
        let limit = before(tx.now(), Limits::of(tx).metrics_retention);
        let old = tx.query(ServerMetrics::by_time).range(..limit).take(BATCH).collect()?;
        for sample in &old {
            tx.delete(sample.id())?;
        }
        if old.len() == BATCH {
            tx.schedule().now(CleanUpMetrics {})?;
        }
        Ok(old.len())
    }

    /// Looks whether a server has been heard of, and comes back when it may have fallen silent.
    pub(in crate::agent_manager) mutation WatchServer in "servers:watch" { id: Id<Server> } -> () |tx| {
        let Some(server) = tx.get(id)? else { return Ok(()) };
        let silence = Limits::of(tx).offline_after;
        let is_silent = server.last_seen_at.is_none_or(|seen| seen <= before(tx.now(), silence));
        if !is_silent {
            return watch(tx, id, server.last_seen_at.unwrap_or(tx.now()));
        }
        tx.patch(id, |server: &mut Server| (server.status, server.is_watched) = (ServerStatus::Offline, false))
    }
}

/// Dates samples of a server that are ahead of the host's clock to when they came, so that one that comes now is the
/// latest. A server's clock may have been fast, or the host's was set back.
///
/// A sample that is itself ahead says nothing of the others: its server may have a clock of its own.
pub(in crate::agent_manager) fn bring_back(
    tx: &mut WriteTx,
    server: Id<Server>,
    recorded_at: Timestamp,
) -> Result<(), crate::Error> {
    let now = tx.now();
    let ahead = Timestamp::from_millis(now.as_millis().saturating_add(CLOCK_SKEW_MILLIS));
    if recorded_at > ahead {
        return Ok(());
    }
    let came_late = recorded_at.as_millis().saturating_add(CLOCK_SKEW_MILLIS) < now.as_millis();
    let latest = if came_late { now } else { recorded_at.min(now) };
    let range = (Bound::Excluded(ahead), Bound::Unbounded);
    let samples = tx.query(ServerMetrics::by_server_and_time).eq(server).range(range).descending().take(BATCH);
    for sample in samples.collect()? {
        let came_at = sample.created_at().min(latest);
        tx.patch(sample.id(), |sample: &mut ServerMetrics| sample.recorded_at = came_at)?;
    }
    Ok(())
}

/// Has somebody look after a server when it may have fallen silent, of which was heard at a time.
pub(in crate::agent_manager) fn watch(
    tx: &mut WriteTx,
    id: Id<Server>,
    heard_at: Timestamp,
) -> Result<(), crate::Error> {
    let silence = Limits::of(tx).offline_after;
    let millis = i64::try_from(silence.as_millis()).unwrap_or(i64::MAX);
    let due_at = Timestamp::from_millis(heard_at.as_millis().saturating_add(millis));
    tx.schedule().at(due_at, WatchServer { id })?;
    tx.patch(id, |server: &mut Server| server.is_watched = true)
}

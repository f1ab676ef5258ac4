//! What servers report: recorded cheaply, forgotten after a time; and servers that report no more.

use std::ops::Bound;

use super::history::before;
use crate::{
    agent_manager::{Limits, enums::*, schema::*},
    prelude::*,
};

/// Samples that are deleted in one transaction.
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

/// Dates samples of a server to now that are dated later, as they are after the host's clock was set back.
pub(in crate::agent_manager) fn bring_back(
    tx: &mut WriteTx,
    server: Id<Server>,
    now: Timestamp,
) -> Result<(), crate::Error> {
    let later = (Bound::Excluded(now), Bound::Unbounded);
    let ahead =
        tx.query(ServerMetrics::by_server_and_time).eq(server).range(later).descending().take(BATCH).collect()?;
    // Oldest first, so that those of one time stay in their order.
    for sample in ahead.iter().rev() {
        tx.patch(sample.id(), |sample: &mut ServerMetrics| sample.recorded_at = now)?;
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

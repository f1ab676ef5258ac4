//! Two servers report an hour of how they do, a minute at a time.

use std::f64::consts::TAU;

use tropism::{
    agent_manager::{RecordMetrics, Server, ServerStatus, UpdateServer},
    prelude::*,
};

use crate::{Failure, pace::Pace, plan::Plan};

/// Samples of each server, one a minute.
pub const SAMPLES: u32 = 60;
const MINUTE_MILLIS: i64 = 60_000;
const MEMORY_BYTES: u64 = 64 << 30;
/// Above this a server is not well.
const TOO_BUSY_PERCENT: f64 = 90.0;

/// An hour that has passed already goes by in as many steps as it has minutes.
pub fn report(db: &Db, plan: &Plan, pace: &Pace) -> Result<(), Failure> {
    let this_minute = db.now().as_millis().div_euclid(MINUTE_MILLIS);
    let [first, second] = plan.servers;
    let mut reporters = [Reporter::new(first, 0.0), Reporter::new(second, 0.5)];
    for sample in 0..SAMPLES {
        if !pace.pause(200) {
            break;
        }
        let minute = this_minute - i64::from(SAMPLES - sample);
        for reporter in &mut reporters {
            reporter.report(db, sample, Timestamp::from_millis(minute * MINUTE_MILLIS))?;
        }
    }
    Ok(())
}

struct Reporter {
    server_id: Id<Server>,
    /// What of a turn it is ahead, so that no two servers do alike.
    ahead: f64,
    is_too_busy: bool,
}

impl Reporter {
    fn new(server_id: Id<Server>, ahead: f64) -> Self {
        Self { server_id, ahead, is_too_busy: false }
    }

    fn report(&mut self, db: &Db, sample: u32, recorded_at: Timestamp) -> Result<(), Failure> {
        let turns = f64::from(sample) / 20.0 + self.ahead;
        let cpu_percent = 55.0 + 30.0 * (turns * TAU).sin() + 10.0 * (turns * 3.7 * TAU).sin();
        db.mutate(RecordMetrics {
            server_id: self.server_id,
            recorded_at: Some(recorded_at),
            cpu_percent,
            memory_bytes: MEMORY_BYTES / 100 * (35 + u64::from(sample) / 3),
            memory_total_bytes: MEMORY_BYTES,
            disk_bytes: 0,
            network_in_bytes: u64::from(sample) << 20,
            network_out_bytes: u64::from(sample) << 22,
            load_average: cpu_percent / 12.5,
        })?;
        let is_too_busy = cpu_percent > TOO_BUSY_PERCENT;
        if is_too_busy != self.is_too_busy {
            self.is_too_busy = is_too_busy;
            let status = if is_too_busy { ServerStatus::Degraded } else { ServerStatus::Online };
            let (id, user) = (self.server_id, "monitor".to_owned());
            db.mutate(UpdateServer { id, name: None, host: None, region: None, status: Some(status), user })?;
        }
        Ok(())
    }
}

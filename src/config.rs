//! Every limit and default in one place.

use std::{fmt::Debug, ops::RangeInclusive, time::Duration};

use crate::{
    error::OpenError,
    storage::{BackgroundWork, Durability, StoreOptions},
};

/// The options of a database: what it waits for, how much memory it takes, how its files are cut.
///
/// The defaults suit an application on a workstation or a small server.
///
/// ```
/// use tropism::{Config, Durability};
///
/// let config = Config { durability: Durability::Relaxed, ..Config::default() };
/// assert_eq!(config.overlay_limit_bytes, 256 << 20);
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    /// When [`Db::write`](crate::Db::write) returns, unless a call says otherwise. On a relaxed database readers and
    /// subscribers see each commit at once; on a durable one they see only what is durable, or what a relaxed call has
    /// shown. Default: durable.
    pub durability: Durability,
    /// The longest that a relaxed commit stays undurable. Default 50 ms; 1 ms to 1 hour.
    pub flush_interval: Duration,
    /// How much memory committed changes may take before they are in the base. Writers are slowed down as it fills, and
    /// past it they wait for the checkpoint. More of it makes long loads faster, since each checkpoint rewrites much of
    /// an index whatever its own size. A single transaction may not commit more either. Default 256 MiB; 1 MiB to
    /// 64 GiB.
    pub overlay_limit_bytes: usize,
    /// A checkpoint begins when this much is waiting for it. Smaller ones make for a shorter log to replay and more
    /// writing. Default 16 MiB; 64 KiB to `overlay_limit_bytes`.
    pub checkpoint_bytes: usize,
    /// The size of a log segment, which is allocated whole. Default 4 MiB; 64 KiB to 1 GiB.
    pub log_segment_bytes: u64,
    /// The page cache of the base. It grows with use. Default 256 MiB; 1 MiB to 1 TiB.
    pub base_cache_bytes: usize,
    /// How much of recent commits is remembered while a live query is evaluated. If more is committed meanwhile, it is
    /// evaluated once more than it had to be. Default 4 MiB; 1 byte to 1 GiB.
    pub recent_bytes: usize,
    /// An evaluation of a live query that takes this long is reported as a `tracing` warning with what it read.
    /// Default 100 ms; no bounds.
    pub slow_query: Duration,
    /// How many recent calls of each function [`Db::stats`](crate::Db::stats) has. Default 64; 0 to 10,000.
    pub recent_calls: usize,
    /// How long a finished job is kept. Default 7 days; 0 to 10 years.
    pub job_retention: Duration,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            durability: Durability::Durable,
            flush_interval: Duration::from_millis(50),
            overlay_limit_bytes: 256 << 20,
            checkpoint_bytes: 16 << 20,
            log_segment_bytes: 4 << 20,
            base_cache_bytes: 256 << 20,
            recent_bytes: 4 << 20,
            slow_query: Duration::from_millis(100),
            recent_calls: 64,
            job_retention: Duration::from_secs(7 * 86_400),
        }
    }
}

impl Config {
    /// What of them the store needs.
    pub(crate) fn store_options(&self, background: BackgroundWork) -> StoreOptions {
        StoreOptions {
            durability: self.durability,
            flush_interval: self.flush_interval,
            overlay_limit_bytes: self.overlay_limit_bytes,
            checkpoint_bytes: self.checkpoint_bytes,
            segment_bytes: self.log_segment_bytes,
            base_cache_bytes: self.base_cache_bytes,
            background,
        }
    }

    /// Refuses what lies outside the bounds.
    pub(crate) fn check(&self) -> Result<(), OpenError> {
        const MINUTES: u64 = 60;
        let interval = Duration::from_millis(1)..=Duration::from_secs(60 * MINUTES);
        within("flush_interval", &self.flush_interval, &interval, "1 ms to 1 hour")?;
        within("overlay_limit_bytes", &self.overlay_limit_bytes, &(1 << 20..=64 << 30), "1 MiB to 64 GiB")?;
        let checkpoint = 64 << 10..=self.overlay_limit_bytes;
        within("checkpoint_bytes", &self.checkpoint_bytes, &checkpoint, "64 KiB to `overlay_limit_bytes`")?;
        within("log_segment_bytes", &self.log_segment_bytes, &(64 << 10..=1 << 30), "64 KiB to 1 GiB")?;
        within("base_cache_bytes", &self.base_cache_bytes, &(1 << 20..=1 << 40), "1 MiB to 1 TiB")?;
        within("recent_bytes", &self.recent_bytes, &(1..=1 << 30), "1 byte to 1 GiB")?;
        within("recent_calls", &self.recent_calls, &(0..=10_000), "0 to 10,000")?;
        let retention = Duration::ZERO..=Duration::from_secs(3_653 * 86_400);
        within("job_retention", &self.job_retention, &retention, "0 to 10 years")
    }
}

fn within<V: PartialOrd + Debug>(
    option: &'static str,
    given: &V,
    range: &RangeInclusive<V>,
    bounds: &'static str,
) -> Result<(), OpenError> {
    if range.contains(given) {
        return Ok(());
    }
    Err(OpenError::Config { option, given: format!("{given:?}"), bounds })
}

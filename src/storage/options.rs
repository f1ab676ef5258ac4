//! What a store needs to know, and the words of it that a host uses.

use std::time::Duration;

/// When `write` returns.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Durability {
    /// When the change is durable: it survives the loss of power.
    Durable,
    /// When the change is visible; it becomes durable within [`Config::flush_interval`](crate::Config::flush_interval).
    /// A process or machine that ends before loses the change and everything after it, and nothing before it.
    Relaxed,
}

/// Who does what is not done by a committing thread.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum BackgroundWork {
    /// Threads of the store: checkpoints, and the flushing of relaxed commits.
    Threads,
    /// Nobody: checkpoints run inside the commit that makes one due, and relaxed commits wait for a call of `flush`.
    /// Every run is the same, which tests want.
    ByHand,
}

/// What the store needs to know; bounds are checked by whoever makes it.
#[derive(Debug, Clone)]
pub(crate) struct StoreOptions {
    pub(crate) durability: Durability,
    pub(crate) flush_interval: Duration,
    pub(crate) overlay_limit_bytes: usize,
    pub(crate) checkpoint_bytes: usize,
    pub(crate) segment_bytes: u64,
    pub(crate) base_cache_bytes: usize,
    pub(crate) background: BackgroundWork,
}

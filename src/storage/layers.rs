//! [`Layers`]: what a snapshot reads through.

use std::sync::Arc;

use super::{base::BaseSnapshot, empty_ranges::SharedEmptyRanges, overlay::Overlay};

/// The layers under a transaction's own changes, the newest first. Replaced as a whole when a checkpoint begins and when
/// it ends.
pub(super) struct Layers {
    /// Takes the changes of new commits.
    pub(super) active: Arc<Overlay>,
    /// What a checkpoint is writing into the base.
    pub(super) frozen: Option<Arc<Overlay>>,
    pub(super) base: Arc<BaseSnapshot>,
    /// Where nothing is left but deletions.
    pub(super) empty: Arc<SharedEmptyRanges>,
    /// Every snapshot over these layers is of this commit or a later one.
    pub(super) since_ts: u64,
}

impl Layers {
    /// Memory that the changes outside of the base take.
    pub(super) fn memory_bytes(&self) -> usize {
        self.active.size_bytes() + self.frozen.as_ref().map_or(0, |frozen| frozen.size_bytes())
    }
}

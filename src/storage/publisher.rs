//! [`Publisher`]: the one place that decides what is visible, and tells observers of it.

use std::{
    collections::VecDeque,
    sync::{Arc, Weak},
};

use parking_lot::{Mutex, RwLock};

use super::{base::BaseSnapshot, layers::Layers, overlay::Overlay, record::Commit, snapshot::Snapshot};

/// A commit of this size takes a while to free.
const LARGE_COMMIT_BYTES: usize = 256 << 10;

/// Hears of every commit, in order, when readers can see it.
///
/// Called from the committing thread while the commit waits for it, so it does bounded work, does not block, and does
/// not call into the store.
pub(crate) trait CommitObserver: Send + Sync {
    /// This commit is visible now; the ones before it have been told.
    fn committed(&self, commit: &Arc<Commit>);
}

/// What readers see, and who is told.
///
/// | state | guard | held |
/// |---|---|---|
/// | the visible commit and the layers | `shown` | to read or swap a pointer and a number |
/// | whose turn it is to tell observers | `announcing` | while they are told of one group |
/// | commits that observers have not heard of | `unannounced` | to add or take one |
/// | observers | `observers` | while one commit is told; to add one |
pub(super) struct Publisher {
    shown: RwLock<Shown>,
    announcing: Mutex<()>,
    unannounced: Mutex<VecDeque<Arc<Commit>>>,
    observers: RwLock<Vec<Arc<dyn CommitObserver>>>,
}

struct Shown {
    /// The newest commit that readers see. Never goes back.
    ts: u64,
    layers: Arc<Layers>,
    /// Replaced layers that a snapshot may still hold, oldest first.
    /// With the oldest commit of a snapshot over them.
    earlier: Vec<(u64, Weak<Layers>)>,
}

impl Publisher {
    /// Everything that the layers hold is visible.
    pub(super) fn new(ts: u64, layers: Layers, observer: Arc<dyn CommitObserver>) -> Self {
        let shown = Shown { ts, layers: Arc::new(layers), earlier: Vec::new() };
        Self {
            shown: RwLock::new(shown),
            announcing: Mutex::default(),
            unannounced: Mutex::default(),
            observers: RwLock::new(vec![observer]),
        }
    }

    /// Adds an observer, which hears of every commit from now on, after those before it.
    pub(super) fn observe(&self, observer: Arc<dyn CommitObserver>) {
        self.observers.write().push(observer);
    }

    /// The newest state that readers may see.
    pub(super) fn snapshot(&self) -> Snapshot {
        let shown = self.shown.read();
        Snapshot { ts: shown.ts, layers: Arc::clone(&shown.layers) }
    }

    /// The layers at the moment: for the writer, who sees in them what is not visible yet.
    pub(super) fn layers(&self) -> Arc<Layers> {
        Arc::clone(&self.shown.read().layers)
    }

    /// The newest commit that readers see.
    pub(super) fn visible_ts(&self) -> u64 {
        self.shown.read().ts
    }

    /// Takes in a commit that has been applied and is to be shown later.
    pub(super) fn take(&self, commit: Arc<Commit>) {
        self.unannounced.lock().push_back(commit);
    }

    /// Shows every commit up to `ts`, and tells the observers of each, in order. On return all of them have been told,
    /// by this call or another.
    ///
    /// The answer is the large ones among them: freeing them takes a while, for which nobody need wait.
    pub(super) fn publish(&self, ts: u64) -> Vec<Arc<Commit>> {
        {
            let mut shown = self.shown.write();
            shown.ts = shown.ts.max(ts);
        }
        let mut large = Vec::new();
        let _announcing = self.announcing.lock();
        while let Some(commit) = self.next_unannounced(ts) {
            self.observers.read().iter().for_each(|observer| observer.committed(&commit));
            if commit.size_bytes() > LARGE_COMMIT_BYTES {
                large.push(commit);
            }
        }
        large
    }

    fn next_unannounced(&self, ts: u64) -> Option<Arc<Commit>> {
        let mut unannounced = self.unannounced.lock();
        let is_shown = unannounced.front().is_some_and(|commit| commit.ts <= ts);
        if is_shown { unannounced.pop_front() } else { None }
    }

    /// Puts a new overlay on top; the one there takes no more changes. Called with the committer's `head` locked.
    pub(super) fn freeze(&self) -> Arc<Overlay> {
        let mut shown = self.shown.write();
        let frozen = Arc::clone(&shown.layers.active);
        let layers = &shown.layers;
        let replacing = Layers {
            active: Arc::default(),
            frozen: Some(Arc::clone(&frozen)),
            base: Arc::clone(&layers.base),
            empty: Arc::clone(&layers.empty),
            since_ts: shown.ts,
        };
        shown.replace(replacing);
        frozen
    }

    /// Puts a new base under everything, which holds what was frozen. All of that is visible.
    pub(super) fn install(&self, base: Arc<BaseSnapshot>) {
        let mut shown = self.shown.write();
        let layers = &shown.layers;
        let replacing = Layers {
            active: Arc::clone(&layers.active),
            frozen: None,
            base,
            empty: Arc::clone(&layers.empty),
            since_ts: shown.ts,
        };
        let replaced = shown.replace(replacing);
        drop(shown);
        drop(replaced);
    }

    /// A commit that is not newer than any snapshot in use.
    pub(super) fn oldest_snapshot_ts(&self) -> u64 {
        let shown = self.shown.read();
        // Not upgraded: this call would become their last owner, under the lock.
        let in_use = shown.earlier.iter().filter(|(_, layers)| layers.strong_count() > 0);
        let earlier = in_use.map(|(since_ts, _)| *since_ts);
        let current = if Arc::strong_count(&shown.layers) > 1 { shown.layers.since_ts } else { shown.ts };
        earlier.chain([current]).min().unwrap_or(shown.ts)
    }
}

impl Shown {
    fn replace(&mut self, layers: Layers) -> Arc<Layers> {
        self.earlier.retain(|(_, earlier)| earlier.strong_count() > 0);
        let replaced = std::mem::replace(&mut self.layers, Arc::new(layers));
        self.earlier.push((replaced.since_ts, Arc::downgrade(&replaced)));
        replaced
    }
}

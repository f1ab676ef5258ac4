//! [`Publisher`]: the one place that decides what is visible, and tells observers of it.

use std::{collections::VecDeque, sync::Arc};

use parking_lot::{Mutex, RwLock};

use super::{base::BaseSnapshot, layers::Layers, overlay::Overlay, record::Commit, snapshot::Snapshot};

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
/// | commits that observers have not heard of | `unannounced` | while observers are told |
/// | observers | `observers` | the same; and to add one |
pub(super) struct Publisher {
    shown: RwLock<Shown>,
    unannounced: Mutex<VecDeque<Arc<Commit>>>,
    observers: RwLock<Vec<Arc<dyn CommitObserver>>>,
}

struct Shown {
    /// The newest commit that readers see. Never goes back.
    ts: u64,
    layers: Arc<Layers>,
    /// Replaced layers that a snapshot may still hold, oldest first.
    earlier: Vec<std::sync::Weak<Layers>>,
}

impl Publisher {
    /// Everything that the layers hold is visible.
    pub(super) fn new(ts: u64, layers: Layers, observer: Arc<dyn CommitObserver>) -> Self {
        let shown = Shown { ts, layers: Arc::new(layers), earlier: Vec::new() };
        Self { shown: RwLock::new(shown), unannounced: Mutex::default(), observers: RwLock::new(vec![observer]) }
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
    pub(super) fn publish(&self, ts: u64) {
        {
            let mut shown = self.shown.write();
            shown.ts = shown.ts.max(ts);
        }
        let mut unannounced = self.unannounced.lock();
        while unannounced.front().is_some_and(|commit| commit.ts <= ts) {
            if let Some(commit) = unannounced.pop_front() {
                self.observers.read().iter().for_each(|observer| observer.committed(&commit));
            }
        }
    }

    /// Puts a new overlay on top; the one there takes no more changes. For the writer alone.
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
        // Freeing what was frozen takes a while; readers need not wait for it.
        drop(replaced);
    }

    /// A commit that is not newer than any snapshot in use.
    pub(super) fn oldest_snapshot_ts(&self) -> u64 {
        let shown = self.shown.read();
        let earlier = shown.earlier.iter().filter_map(std::sync::Weak::upgrade).map(|layers| layers.since_ts);
        let current = if Arc::strong_count(&shown.layers) > 1 { shown.layers.since_ts } else { shown.ts };
        earlier.chain([current]).min().unwrap_or(shown.ts)
    }
}

impl Shown {
    fn replace(&mut self, layers: Layers) -> Arc<Layers> {
        self.earlier.retain(|earlier| earlier.strong_count() > 0);
        let replaced = std::mem::replace(&mut self.layers, Arc::new(layers));
        self.earlier.push(Arc::downgrade(&replaced));
        replaced
    }
}

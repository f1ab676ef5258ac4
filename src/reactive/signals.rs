//! Tells others than live queries of keys that are written.

use parking_lot::Mutex;

use crate::{
    encoding::{ByteRange, Key},
    storage::{Change, Commit},
};

/// Who wants to know of new keys at once. Locked to add, and to call; nothing else is locked meanwhile.
#[derive(Default)]
pub(super) struct Signals(Mutex<Vec<Signal>>);

/// Somebody who is told when a key in one of the ranges is written.
pub(super) struct Signal {
    pub(super) ranges: Vec<ByteRange>,
    pub(super) take_note: Box<dyn Fn(&Key) + Send + Sync>,
    pub(super) tell: Box<dyn Fn() + Send + Sync>,
}

impl Signals {
    pub(super) fn add(&self, signal: Signal) {
        self.0.lock().push(signal);
    }

    /// Forgets all of them.
    pub(super) fn clear(&self) {
        let signals = std::mem::take(&mut *self.0.lock());
        drop(signals);
    }

    /// Tells those whom a commit concerns.
    pub(super) fn tell(&self, commit: &Commit) {
        for signal in &*self.0.lock() {
            let concerns = |key: &Key| signal.ranges.iter().any(|range| range.contains(key));
            let written = commit.changes().filter(|(_, change)| matches!(change, Change::Put(_)));
            let mut is_concerned = false;
            for (key, _) in written.filter(|(key, _)| concerns(key)) {
                (signal.take_note)(key);
                is_concerned = true;
            }
            if is_concerned {
                (signal.tell)();
            }
        }
    }
}

//! [`CallbackQueue`]: callbacks that wait for their turn.

use std::{collections::VecDeque, sync::Arc};

use parking_lot::{Condvar, Mutex};

/// What calls back with one value.
pub(super) type Callback = Arc<dyn Fn() + Send + Sync>;

/// Callbacks that have something to fetch, the longest waiting first. Each is in it at most once, which its subscription
/// sees to, and fetches one value in its turn.
///
/// One lock guards it. No callback is called or dropped under it.
#[derive(Default)]
pub(super) struct CallbackQueue {
    waiting: Mutex<Waiting>,
    /// Signalled when a callback comes, and when the queue is closed.
    arrived: Condvar,
}

struct Waiting {
    callbacks: VecDeque<Callback>,
    /// Who may still add callbacks: the thread that evaluates, and whoever ends the subscriptions.
    sources: usize,
}

impl Default for Waiting {
    fn default() -> Self {
        Self { callbacks: VecDeque::new(), sources: 2 }
    }
}

impl CallbackQueue {
    /// Adds a callback, unless the queue is closed.
    pub(super) fn push(&self, callback: Callback) {
        let mut waiting = self.waiting.lock();
        if waiting.sources > 0 {
            waiting.callbacks.push_back(callback);
            drop(waiting);
            self.arrived.notify_one();
        }
    }

    /// The next callback, if one waits.
    pub(super) fn take(&self) -> Option<Callback> {
        self.waiting.lock().callbacks.pop_front()
    }

    /// The next callback, waiting for one; `None` when the queue is closed and empty.
    pub(super) fn wait(&self) -> Option<Callback> {
        let mut waiting = self.waiting.lock();
        loop {
            if let Some(callback) = waiting.callbacks.pop_front() {
                return Some(callback);
            }
            if waiting.sources == 0 {
                return None;
            }
            self.arrived.wait(&mut waiting);
        }
    }

    /// One of the two sources adds no more. Without any the queue is closed; those that wait have their turn.
    pub(super) fn end_source(&self) {
        let mut waiting = self.waiting.lock();
        waiting.sources = waiting.sources.saturating_sub(1);
        drop(waiting);
        self.arrived.notify_all();
    }

    /// How many wait.
    pub(super) fn len(&self) -> usize {
        self.waiting.lock().callbacks.len()
    }
}

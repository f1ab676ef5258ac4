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

#[derive(Default)]
struct Waiting {
    callbacks: VecDeque<Callback>,
    is_closed: bool,
}

impl CallbackQueue {
    /// Adds a callback, unless the queue is closed.
    pub(super) fn push(&self, callback: Callback) {
        let mut waiting = self.waiting.lock();
        if !waiting.is_closed {
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
            if waiting.is_closed {
                return None;
            }
            self.arrived.wait(&mut waiting);
        }
    }

    /// Takes no more. Those that wait have their turn.
    pub(super) fn close(&self) {
        self.waiting.lock().is_closed = true;
        self.arrived.notify_all();
    }

    /// How many wait.
    pub(super) fn len(&self) -> usize {
        self.waiting.lock().callbacks.len()
    }
}

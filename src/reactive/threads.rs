//! [`Threads`]: the threads of a reactor, and how their end is waited for.

use std::{
    sync::Arc,
    thread::{JoinHandle, ThreadId},
    time::{Duration, Instant},
};

use parking_lot::{Condvar, Mutex};

use crate::{error::StorageError, panics::contained};

/// Threads that were started together. One lock guards the list.
#[derive(Default)]
pub(super) struct Threads {
    running: Arc<Running>,
    handles: Mutex<Vec<JoinHandle<()>>>,
}

#[derive(Default)]
struct Running {
    threads: Mutex<Vec<ThreadId>>,
    /// Signalled when a thread ends.
    ended: Condvar,
}

impl Threads {
    /// Starts a thread.
    pub(super) fn spawn(&self, name: &str, work: impl FnOnce() + Send + 'static) -> Result<(), StorageError> {
        let running = Arc::clone(&self.running);
        // Locked until the thread is in the list, so that it cannot end before.
        let mut threads = self.running.threads.lock();
        let body = move || {
            contained("a reactor thread", work);
            let own = std::thread::current().id();
            running.threads.lock().retain(|thread| *thread != own);
            running.ended.notify_all();
        };
        let thread = std::thread::Builder::new().name(name.to_owned()).spawn(body);
        let thread = thread.map_err(|error| StorageError::io("start", name, error))?;
        threads.push(thread.thread().id());
        self.handles.lock().push(thread);
        Ok(())
    }

    /// Whether this runs on one of them.
    fn is_own(&self) -> bool {
        let own = std::thread::current().id();
        self.running.threads.lock().contains(&own)
    }

    /// Waits until all of them have ended, but no longer than `limit`; returns whether they have. Where this runs on one
    /// of them, it does not wait.
    pub(super) fn wait(&self, limit: Duration) -> bool {
        if self.is_own() {
            return true;
        }
        let deadline = Instant::now() + limit;
        let mut threads = self.running.threads.lock();
        while !threads.is_empty() {
            if self.running.ended.wait_until(&mut threads, deadline).timed_out() {
                return threads.is_empty();
            }
        }
        drop(threads);
        for handle in std::mem::take(&mut *self.handles.lock()) {
            drop(handle.join());
        }
        true
    }
}

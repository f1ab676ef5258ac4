//! [`CallbackSubscription`]: a subscription whose values go to a callback.

use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use crossbeam_channel::{Receiver, TryRecvError};
use parking_lot::{Mutex, MutexGuard};

use super::{
    callbacks::Callback,
    deliver::{Value, ValueReceiver},
};
use crate::panics::contained;

/// A subscription whose values go to a callback. Dropping it ends it; the callback is not called any more after that,
/// but for a call that is running.
#[must_use = "dropping it ends the subscription"]
pub struct CallbackSubscription {
    is_ended: Arc<AtomicBool>,
    _subscription: Box<dyn Send + Sync>,
}

/// A host's callback.
type HostCallback<T, E> = Box<dyn FnMut(Value<T, E>) + Send>;

/// A callback and what it is called with, in turns of one value each.
struct CallbackTurns<T, E> {
    /// The channel alone: what is notified holds this, so this must not hold what notifies.
    values: Receiver<Value<T, E>>,
    /// What it is called with at the end.
    ended: fn() -> Value<T, E>,
    /// Locked during a call.
    callback: Mutex<HostCallback<T, E>>,
    /// Whether it waits for its turn already.
    is_waiting: AtomicBool,
    /// Whether a turn came while it was being called.
    was_missed: AtomicBool,
    is_ended: Arc<AtomicBool>,
    /// Has it wait for its turn.
    push: Box<dyn Fn(Callback) + Send + Sync>,
}

impl CallbackSubscription {
    /// Has `callback` called with the value at hand, if there is one, and with each that comes. `push` has a callback
    /// wait for its turn.
    pub(super) fn begin<T, E>(
        values: ValueReceiver<T, E>,
        callback: HostCallback<T, E>,
        ended: fn() -> Value<T, E>,
        push: impl Fn(Callback) + Send + Sync + 'static,
        subscription: Box<dyn Send + Sync>,
    ) -> Self
    where
        T: Send + Sync + 'static,
        E: Send + Sync + 'static,
    {
        let is_ended = Arc::new(AtomicBool::new(false));
        let newest = Arc::clone(&values.newest);
        let turns = Arc::new(CallbackTurns {
            values: values.receiver,
            ended,
            callback: Mutex::new(callback),
            is_waiting: AtomicBool::new(false),
            was_missed: AtomicBool::new(false),
            is_ended: Arc::clone(&is_ended),
            push: Box::new(push),
        });
        newest.set_notify(Box::new(move || turns.wait_for_turn()));
        Self { is_ended, _subscription: subscription }
    }
}

impl<T: Send + Sync + 'static, E: Send + Sync + 'static> CallbackTurns<T, E> {
    fn wait_for_turn(self: &Arc<Self>) {
        if !self.is_waiting.swap(true, Ordering::AcqRel) {
            let turns = Arc::clone(self);
            (self.push)(Arc::new(move || turns.take_turn()));
        }
    }

    /// Calls the callback with one value. What comes meanwhile is for its next turn, after that of the others.
    fn take_turn(self: &Arc<Self>) {
        self.is_waiting.store(false, Ordering::Release);
        let Some(callback) = self.lock() else { return };
        self.call(callback);
        let has_more = self.was_missed.swap(false, Ordering::AcqRel) || !self.values.is_empty();
        if has_more && !self.is_ended.load(Ordering::Acquire) {
            self.wait_for_turn();
        }
    }

    /// `None` while it is being called: one that drives the reactor by hand comes here within itself. It has another turn
    /// after that.
    fn lock(&self) -> Option<MutexGuard<'_, HostCallback<T, E>>> {
        self.callback.try_lock().or_else(|| {
            self.was_missed.store(true, Ordering::Release);
            // The call may have ended just before the turn was said to be missed.
            self.callback.try_lock()
        })
    }

    fn call(&self, mut callback: MutexGuard<'_, HostCallback<T, E>>) {
        if self.is_ended.load(Ordering::Acquire) {
            return;
        }
        let value = match self.values.try_recv() {
            Ok(value) => Some(value),
            Err(TryRecvError::Empty) => return,
            Err(TryRecvError::Disconnected) => {
                self.is_ended.store(true, Ordering::Release);
                contained("the conversion of an error", self.ended)
            }
        };
        if let Some(value) = value {
            contained("a callback", || callback(value));
        }
    }
}

impl Drop for CallbackSubscription {
    fn drop(&mut self) {
        self.is_ended.store(true, Ordering::Release);
    }
}

impl fmt::Debug for CallbackSubscription {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CallbackSubscription").field("is_ended", &self.is_ended).finish_non_exhaustive()
    }
}

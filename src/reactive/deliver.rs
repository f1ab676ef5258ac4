//! The newest value into the subscriber's hands.
//!
//! The channel holds one value. Whoever delivers takes out what was not fetched yet, so a slow subscriber skips to the
//! newest value, and neither the writer nor the reactor ever waits for it.

use std::sync::{Arc, OnceLock};

use crossbeam_channel::{Receiver, Sender, TrySendError, bounded};
use parking_lot::Mutex;

/// One delivered value: the query's result or its error, shared.
pub(crate) type Value<T, E> = Result<Arc<T>, Arc<E>>;

/// Where the reactor puts values.
pub(super) struct ValueSender<T, E> {
    sender: Sender<Value<T, E>>,
    /// To take out what the subscriber has not fetched.
    unfetched: Receiver<Value<T, E>>,
    newest: Arc<NewestValue<T, E>>,
}

/// Where the subscriber finds them.
pub(super) struct ValueReceiver<T, E> {
    pub(super) receiver: Receiver<Value<T, E>>,
    pub(super) newest: Arc<NewestValue<T, E>>,
}

/// What both ends see.
pub(super) struct NewestValue<T, E> {
    /// The newest value, fetched or not.
    current: Mutex<Option<Value<T, E>>>,
    /// Called after each delivery, where the subscriber is a callback.
    notify: OnceLock<Box<dyn Fn() + Send + Sync>>,
}

/// An empty place for one value, from both ends.
pub(super) fn channel<T, E>() -> (ValueSender<T, E>, ValueReceiver<T, E>) {
    let (sender, receiver) = bounded(1);
    let newest = Arc::new(NewestValue { current: Mutex::new(None), notify: OnceLock::new() });
    let value_sender = ValueSender { sender, unfetched: receiver.clone(), newest: Arc::clone(&newest) };
    (value_sender, ValueReceiver { receiver, newest })
}

impl<T, E> ValueSender<T, E> {
    /// Puts the value in the place of any earlier one. What it displaces is added to `displaced`, for the caller to drop
    /// without a lock: that runs the destructors of the host.
    pub(super) fn deliver(&self, value: Value<T, E>, displaced: &mut Vec<Value<T, E>>) {
        let old = self.newest.current.lock().replace(value.clone());
        displaced.extend(old);
        let mut value = value;
        // There is one deliverer, so the place that was made free stays free: at most two rounds.
        while let Err(TrySendError::Full(refused)) = self.sender.try_send(value) {
            value = refused;
            displaced.extend(self.unfetched.try_recv());
        }
        if let Some(notify) = self.newest.notify.get() {
            notify();
        }
    }
}

impl<T, E> Drop for ValueSender<T, E> {
    /// Has a callback look once more, and find that there is nothing to come.
    fn drop(&mut self) {
        // Drop the sender first, so that the callback observes the disconnection.
        self.sender = bounded(0).0;
        if let Some(notify) = self.newest.notify.get() {
            notify();
        }
    }
}

impl<T, E> NewestValue<T, E> {
    pub(super) fn current(&self) -> Option<Value<T, E>> {
        self.current.lock().clone()
    }

    /// Sets what is called after each delivery, once; and calls it, for what has arrived before.
    pub(super) fn set_notify(&self, notify: Box<dyn Fn() + Send + Sync>) {
        if let Ok(()) = self.notify.set(notify)
            && let Some(notify) = self.notify.get()
        {
            notify();
        }
    }
}

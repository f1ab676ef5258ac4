//! [`Streams`]: live queries as server-sent events.

use std::{convert::Infallible, sync::Arc};

use axum::response::{
    Sse,
    sse::{Event, KeepAlive},
};
use futures_util::{
    StreamExt,
    stream::{Stream, unfold},
};
use serde_json::Value;
use tokio::sync::watch;
use tropism::{CallError, CallbackSubscription, JsonSubscription};

/// The streams that are open, and what ends them all. Cheap to clone; the clones are the same.
#[derive(Clone)]
pub struct Streams {
    open: Arc<watch::Sender<usize>>,
    is_closing: Arc<watch::Sender<bool>>,
}

/// A stream that is open, until it is dropped. Fields are dropped in this order, so that what is not counted any more
/// is not subscribed any more.
struct Open {
    _subscription: CallbackSubscription,
    _counted: Counted,
}

struct Counted(Arc<watch::Sender<usize>>);

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.send_modify(|open| *open -= 1);
    }
}

impl Streams {
    /// None are open.
    pub fn new() -> Self {
        Self { open: Arc::new(watch::Sender::new(0)), is_closing: Arc::new(watch::Sender::new(false)) }
    }

    /// How many are open: to look at, and to wait for.
    pub fn open(&self) -> watch::Receiver<usize> {
        self.open.subscribe()
    }

    /// Ends those that are open and those to come. A stream does not end by itself, so a server that waits for its
    /// connections would never shut down.
    pub fn close(&self) {
        self.is_closing.send_replace(true);
    }

    /// Waits until they are ended.
    pub async fn closing(&self) {
        // The sender is alive as long as this is.
        drop(self.is_closing.subscribe().wait_for(|is_closing| *is_closing).await);
    }

    /// The values of a subscription as events: the newest one whenever the client has taken the one before. A client
    /// costs a channel of one value and no thread: the database calls back for all of them on one.
    ///
    /// When the client goes away, the server drops the stream, and that ends the subscription. The comments that keep
    /// the connection alive have it find out where a client has gone without a word.
    pub fn events(&self, subscription: JsonSubscription) -> Sse<impl Stream<Item = Result<Event, Infallible>> + use<>> {
        let (sender, receiver) = watch::channel(None);
        let _subscription = subscription.on_change(move |value| {
            sender.send_replace(Some(Arc::new(value)));
        });
        self.open.send_modify(|open| *open += 1);
        let open = Open { _subscription, _counted: Counted(Arc::clone(&self.open)) };
        let events = unfold((receiver, open), |(mut receiver, open)| async move {
            receiver.changed().await.ok()?;
            // A clone, for as long as the value is borrowed the callbacks have to wait.
            let newest = receiver.borrow_and_update().clone()?;
            Some((Ok(event(&newest)), (receiver, open)))
        });
        let streams = self.clone();
        let events = events.take_until(async move { streams.closing().await });
        Sse::new(events).keep_alive(KeepAlive::default())
    }
}

/// A value is a message; a failure an event `error` with `code`, `message` and `data`, after which values may follow.
fn event(value: &Result<Value, CallError>) -> Event {
    let written = match value {
        Ok(value) => Event::default().json_data(value),
        Err(error) => Event::default().event("error").json_data(error),
    };
    // JSON can always be written as JSON.
    written.unwrap_or_default()
}

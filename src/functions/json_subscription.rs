//! [`JsonSubscription`]: a subscription by name, whose values are JSON.

use std::{fmt, sync::Arc, time::Duration};

use serde_json::Value as Json;

use super::{errors::CallError, function::Query, json};
use crate::reactive::{CallbackSubscription, LiveQueryId, Subscription, Value};

/// A subscription to a query that was named, not typed: for a network layer or a console. It behaves as a
/// [`Subscription`] does, and shares its live query with all who subscribe to the same.
#[must_use = "dropping it ends the subscription"]
pub struct JsonSubscription(Box<dyn Values>);

/// A value as it arrives.
type Arrived = Result<Json, CallError>;

/// A subscription without its type.
trait Values: Send + Sync {
    fn recv(&self) -> Option<Arrived>;
    fn recv_timeout(&self, timeout: Duration) -> Option<Arrived>;
    fn try_recv(&self) -> Option<Arrived>;
    fn live_query(&self) -> LiveQueryId;
    fn on_change(self: Box<Self>, callback: Box<dyn FnMut(Arrived) + Send>) -> CallbackSubscription;
}

impl JsonSubscription {
    pub(super) fn new<Q: Query>(subscription: Subscription<Q::Output, Q::Error>) -> Self {
        Self(Box::new(Named::<Q>(subscription)))
    }

    /// Waits for the next value; `None` when the database is closed.
    pub fn recv(&self) -> Option<Result<Json, CallError>> {
        self.0.recv()
    }

    /// Waits up to `timeout` for the next value; `None` when none came or the database is closed.
    pub fn recv_timeout(&self, timeout: Duration) -> Option<Result<Json, CallError>> {
        self.0.recv_timeout(timeout)
    }

    /// The next value if it is there.
    pub fn try_recv(&self) -> Option<Result<Json, CallError>> {
        self.0.try_recv()
    }

    /// Which live query this is.
    pub fn live_query(&self) -> LiveQueryId {
        self.0.live_query()
    }

    /// Calls `callback` with the value at hand and with every new one, until the returned handle is dropped; as
    /// [`Subscription::on_change`] does, the end included.
    pub fn on_change(self, callback: impl FnMut(Result<Json, CallError>) + Send + 'static) -> CallbackSubscription {
        self.0.on_change(Box::new(callback))
    }
}

impl fmt::Debug for JsonSubscription {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("JsonSubscription").field("live_query", &self.live_query()).finish_non_exhaustive()
    }
}

struct Named<Q: Query>(Subscription<Q::Output, Q::Error>);

fn to_json<Q: Query>(value: Value<Q::Output, Q::Error>) -> Arrived {
    value.map_err(CallError::of).and_then(|value: Arc<Q::Output>| json::to_json::<Q>(&value))
}

impl<Q: Query> Values for Named<Q> {
    fn recv(&self) -> Option<Arrived> {
        self.0.recv().map(to_json::<Q>)
    }

    fn recv_timeout(&self, timeout: Duration) -> Option<Arrived> {
        self.0.recv_timeout(timeout).map(to_json::<Q>)
    }

    fn try_recv(&self) -> Option<Arrived> {
        self.0.try_recv().map(to_json::<Q>)
    }

    fn live_query(&self) -> LiveQueryId {
        self.0.live_query()
    }

    fn on_change(self: Box<Self>, mut callback: Box<dyn FnMut(Arrived) + Send>) -> CallbackSubscription {
        self.0.on_change(move |value| callback(to_json::<Q>(value)))
    }
}

//! [`Action`], and [`ActionContext`]: what an action reaches the database through.

use std::{any::Any, cell::Cell, fmt, sync::Arc, time::Duration};

use super::{
    description::FunctionKind,
    engine::{Engine, span},
    function::{Function, Mutation, Query},
    stats::Measuring,
};
use crate::{error::Error, reactive::Subscription, time::Timestamp, transaction::Reentrancy};

/// A function that talks to the outside. It has no transaction; what it calls through its context has one each.
pub trait Action: Function {
    /// Runs it.
    ///
    /// # Errors
    ///
    /// Its own; the mutations that it called stay.
    fn run(&self, context: &ActionContext) -> Result<Self::Output, Self::Error>;
}

/// What an action reaches the database through: queries, mutations and other actions, each with a transaction of its
/// own, and what the host registered.
pub struct ActionContext {
    engine: Arc<Engine>,
    attempt: Attempt,
    retry_after: Cell<Option<Duration>>,
    gives_up: Cell<bool>,
}

/// Which of how many attempts of a job this is.
pub(crate) struct Attempt {
    pub(crate) number: u32,
    pub(crate) limit: u32,
    /// Whether the job was cancelled in the meantime.
    pub(crate) is_cancelled: Box<dyn Fn() -> bool + Send + Sync>,
}

impl Attempt {
    /// That of a call: there is no other.
    pub(crate) fn only() -> Self {
        Self { number: 1, limit: 1, is_cancelled: Box::new(|| false) }
    }
}

impl fmt::Debug for ActionContext {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ActionContext").field("attempt", &self.attempt.number).finish_non_exhaustive()
    }
}

impl ActionContext {
    pub(crate) fn new(engine: Arc<Engine>, attempt: Attempt) -> Self {
        Self { engine, attempt, retry_after: Cell::new(None), gives_up: Cell::new(false) }
    }

    /// Runs a query.
    ///
    /// # Errors
    ///
    /// Its own.
    pub fn query<Q: Query>(&self, query: Q) -> Result<Arc<Q::Output>, Q::Error> {
        self.engine.query(query)
    }

    /// Subscribes to a query.
    ///
    /// # Errors
    ///
    /// `Closed`.
    pub fn subscribe<Q: Query>(&self, query: Q) -> Result<Subscription<Q::Output, Q::Error>, Error> {
        self.engine.subscribe(query)
    }

    /// Runs a mutation and commits it.
    ///
    /// # Errors
    ///
    /// Its own.
    pub fn mutate<M: Mutation>(&self, mutation: M) -> Result<M::Output, M::Error> {
        self.engine.mutate(&mutation)
    }

    /// Runs another action, on this thread.
    ///
    /// # Errors
    ///
    /// Its own.
    pub fn act<A: Action>(&self, action: A) -> Result<A::Output, A::Error> {
        self.engine.run_action(&action, self)
    }

    /// What the host registered, by its type: see [`Registration::resource`](super::Registration::resource).
    pub fn resource<R: Any + Send + Sync>(&self) -> Option<&R> {
        self.engine.environment.resource()
    }

    /// The time now, by the clock of the database.
    pub fn now(&self) -> Timestamp {
        self.engine.pipeline.now()
    }

    /// Which attempt of its job this is, from 1; 1 if it is no job.
    pub fn attempt(&self) -> u32 {
        self.attempt.number
    }

    /// Whether this is the last attempt: if it fails, the job has failed.
    pub fn is_last_attempt(&self) -> bool {
        self.attempt.number >= self.attempt.limit
    }

    /// Whether its job was cancelled in the meantime. An action that takes long looks from time to time.
    pub fn is_cancelled(&self) -> bool {
        (self.attempt.is_cancelled)()
    }

    /// If this attempt fails and there is another, that one begins no sooner than after `wait`: for services that say
    /// when to come back.
    pub fn retry_after(&self, wait: Duration) {
        self.retry_after.set(Some(wait));
    }

    /// If this attempt fails, there is no other.
    pub fn give_up(&self) {
        self.gives_up.set(true);
    }

    pub(crate) fn wanted_wait(&self) -> Option<Duration> {
        self.retry_after.get()
    }

    pub(crate) fn gives_up(&self) -> bool {
        self.gives_up.get()
    }

    pub(super) fn engine(&self) -> &Arc<Engine> {
        &self.engine
    }
}

impl Engine {
    /// Runs an action that is no job.
    pub(crate) fn act<A: Action>(self: &Arc<Self>, action: &A) -> Result<A::Output, A::Error> {
        self.run_action(action, &ActionContext::new(Arc::clone(self), Attempt::only()))
    }

    pub(super) fn run_action<A: Action>(&self, action: &A, context: &ActionContext) -> Result<A::Output, A::Error> {
        let span = span::<A>(FunctionKind::Action);
        let _entered = span.enter();
        let _inside = Reentrancy::enter_action(self.pipeline.identity());
        let measuring = Measuring::start(Some(&self.environment.recorder), A::NAME, FunctionKind::Action);
        measuring.end(action.run(context))
    }
}

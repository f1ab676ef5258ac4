//! Runs functions: each in its transaction, measured, and a query once for all who ask the same.

use std::sync::Arc;

use super::{
    description::FunctionKind,
    environment::Environment,
    function::{Function, Mutation, Query},
    stats::Measuring,
};
use crate::{
    encoding::Typed,
    error::{Error, TransactionError},
    reactive::{Identity, Label, ReactorCore, Subscription},
    storage::Durability,
    transaction::{Pipeline, ReadTx, Reentrancy, WriteTx},
};

/// A database as functions know it.
pub(crate) struct Engine {
    pub(crate) pipeline: Arc<Pipeline>,
    pub(crate) reactor: Arc<ReactorCore>,
    pub(crate) environment: Arc<Environment>,
    pub(crate) durability: Durability,
}

impl Engine {
    /// The result of a query: that of a live query where there is an equal one, else of a run.
    pub(crate) fn query<Q: Query>(&self, query: Q) -> Result<Arc<Q::Output>, Q::Error> {
        let refused = |error: TransactionError| Q::Error::from(error.into());
        Reentrancy::check_may_read(self.pipeline.identity(), "Db::query").map_err(refused)?;
        let query = Arc::new(query);
        let identity = identity(&query);
        if let Some(identity) = identity
            && let Some(result) = self.reactor.fresh_result::<Q::Output, Q::Error>(&identity)
        {
            self.environment.recorder.cache_hit(Q::NAME, FunctionKind::Query);
            return Ok(result);
        }
        self.pipeline.read(|tx| tx.run_query_ref(&*query)).map(Arc::new)
    }

    pub(crate) fn subscribe<Q: Query>(&self, query: Q) -> Result<Subscription<Q::Output, Q::Error>, Error> {
        let query = Arc::new(query);
        let label = Label::Function(Q::NAME);
        let identity = identity(&query);
        let body = Box::new(move |tx: &ReadTx| tx.run_query_ref(&*query));
        match identity {
            Some(identity) => Subscription::share(&self.reactor, body, Q::Output::is_same, label, identity),
            None => Subscription::watch(&self.reactor, body, Q::Output::is_same, label),
        }
    }

    pub(crate) fn mutate<M: Mutation>(&self, mutation: &M) -> Result<M::Output, M::Error> {
        self.mutate_with::<M, _, _>(|tx| mutation.run(tx))
    }

    /// Runs a mutation and what is made of its result in one transaction.
    pub(super) fn mutate_with<M: Mutation, R, E: From<Error> + std::fmt::Display>(
        &self,
        run: impl FnOnce(&mut WriteTx) -> Result<R, E>,
    ) -> Result<R, E> {
        let span = span::<M>(FunctionKind::Mutation);
        let _entered = span.enter();
        let mut measuring = Measuring::start(Some(&self.environment.recorder), M::NAME, FunctionKind::Mutation);
        let result = self.pipeline.write(self.durability, |tx| {
            let result = run(tx);
            (measuring.documents_read, measuring.documents_written) = (tx.documents_read(), tx.documents_written());
            result
        });
        measuring.end(result)
    }
}

impl ReadTx {
    /// Runs a query as a part of this transaction. What it reads, this transaction depends on.
    ///
    /// # Errors
    ///
    /// Its own.
    pub fn run_query<Q: Query>(&self, query: Q) -> Result<Q::Output, Q::Error> {
        self.run_query_ref(&query)
    }

    fn run_query_ref<Q: Query>(&self, query: &Q) -> Result<Q::Output, Q::Error> {
        let span = span::<Q>(FunctionKind::Query);
        let _entered = span.enter();
        let recorder = self.companion::<Environment>().map(|environment| &environment.recorder);
        let mut measuring = Measuring::start(recorder, Q::NAME, FunctionKind::Query);
        let before = self.documents_read();
        let inside = Reentrancy::enter_query(self.database());
        let result = query.run(self);
        drop(inside);
        measuring.documents_read = self.documents_read() - before;
        measuring.end(result)
    }

    /// What the host registered for its functions, by its type: see [`Registration::resource`](super::Registration).
    pub fn resource<R: Send + Sync + 'static>(&self) -> Option<&R> {
        self.companion::<Environment>()?.resource()
    }
}

impl WriteTx {
    /// Runs a mutation as a part of this transaction. If it fails, what it did is rolled back, and nothing else.
    ///
    /// # Errors
    ///
    /// Its own.
    pub fn run_mutation<M: Mutation>(&mut self, mutation: M) -> Result<M::Output, M::Error> {
        let span = span::<M>(FunctionKind::Mutation);
        let _entered = span.enter();
        let environment = self.companion_handle::<Environment>();
        let recorder = environment.as_ref().map(|environment| &environment.recorder);
        let mut measuring = Measuring::start(recorder, M::NAME, FunctionKind::Mutation);
        let (read, written) = (self.documents_read(), self.documents_written());
        let result = self.nested(|tx| mutation.run(tx));
        measuring.documents_read = self.documents_read() - read;
        measuring.documents_written = self.documents_written() - written;
        measuring.end(result)
    }
}

/// `None` for arguments that are equal to no others: such a query is not shared.
fn identity<Q: Query>(query: &Arc<Q>) -> Option<Identity> {
    let (bytes, is_identity) = Q::arguments().identify(query)?;
    Some(if is_identity { Identity::of_bytes::<Q>(bytes) } else { Identity::new(Arc::clone(query), bytes) })
}

pub(super) fn span<F: Function>(kind: FunctionKind) -> tracing::Span {
    tracing::debug_span!(target: "tropism", "function", name = F::NAME, kind = kind.as_str())
}

//! [`Db`]: hands on to the floors, holds no logic.

mod closing;

use std::{fmt, panic::Location, sync::Arc};

use self::closing::Closing;
use crate::{
    error::{Error, OpenError},
    functions::{
        Action, CallError, Caller, Engine, FunctionDescription, Functions, JsonSubscription, Mutation, Query, Stats,
    },
    health::Health,
    panics::guarded,
    reactive::{Label, Reactor, Subscription},
    scheduler::{DueWork, Scheduler, SchedulerCore},
    schema::CatalogDescription,
    storage::Durability,
    time::Timestamp,
    transaction::{IndexBuild, IndexBuilder, ReadTx, Reentrancy, WriteTx},
};

/// An open database. Cheap to clone; every clone is the same database, for any thread.
///
/// When the last clone is dropped, what was committed is made durable and the files are released.
/// [`close`](Self::close) does the same and more, and reports errors.
#[derive(Clone)]
pub struct Db(Arc<Inner>);

struct Inner {
    engine: Arc<Engine>,
    functions: Arc<Functions>,
    work: Arc<SchedulerCore>,
    index_builder: Arc<IndexBuilder>,
    closing: Arc<Closing>,
}

impl Db {
    /// A database whose floors stand; has its scheduler begin.
    pub(crate) fn begin(
        engine: Arc<Engine>,
        functions: Arc<Functions>,
        work: Arc<SchedulerCore>,
        index_builder: Arc<IndexBuilder>,
        scheduler: Option<Arc<dyn Scheduler>>,
    ) -> Result<Self, OpenError> {
        let closing =
            Closing::new(Arc::clone(&engine), Arc::clone(&work), Arc::clone(&index_builder), scheduler.clone());
        let db = Self(Arc::new(Inner { engine, functions, work, index_builder, closing }));
        if let Some(scheduler) = &scheduler {
            start(&db.0.work, scheduler)?;
        }
        Ok(db)
    }
}

/// Has a scheduler begin.
fn start(core: &Arc<SchedulerCore>, scheduler: &Arc<dyn Scheduler>) -> Result<(), OpenError> {
    let work = DueWork::new(Arc::clone(core));
    let waking = Arc::clone(scheduler);
    let begin = move || work.on_new_work(move || waking.wake()).and_then(|()| scheduler.start(work));
    let started = guarded(begin)
        .map_err(|message| format!("it panicked: {message}"))
        .and_then(|started| started.map_err(|error| error.to_string()));
    started.map_err(|error| {
        // `start` failed, so `Scheduler::stop` must not be called.
        core.stop();
        OpenError::Scheduler { reason: error.into() }
    })
}

impl Db {
    /// Runs a closure on a snapshot of what is visible: what is durable, on a relaxed database what is committed.
    ///
    /// Any number of reads run beside each other and beside a writer; none waits. Starting one costs well under a
    /// microsecond.
    ///
    /// Inside another `read` it may see newer commits than that one. Inside a `write` it sees what was committed before,
    /// and not the changes of that transaction. Inside a query (the closure of a `watch`, or a query function) it is an
    /// error: the query would not depend on what it read so.
    ///
    /// # Errors
    ///
    /// `ReadInQuery` inside a query of the same database; `Closed`; what the closure answers.
    pub fn read<R, E: From<Error>>(&self, body: impl FnOnce(&ReadTx) -> Result<R, E>) -> Result<R, E> {
        self.0.engine.pipeline.read(body)
    }

    /// Runs a closure as a transaction: all of it happens, at once, or nothing.
    ///
    /// One at a time: the closure runs once, on the caller's thread, sees everything committed before it, and sees its
    /// own changes. When this returns `Ok`, the change is durable and visible (on a relaxed database: visible). When
    /// the closure answers `Err` or panics, nothing has happened; the error is returned when what it was computed from is
    /// durable.
    ///
    /// Keep it short, for other writers wait meanwhile, and do not wait in it for another thread that writes: that
    /// would wait for ever. A `write` in a `write` on the same thread is an error.
    ///
    /// # Errors
    ///
    /// What the closure answers; `NestedWrite` and `WriteInQuery`; `TransactionTooLarge`; `DiskFull`: nothing was kept;
    /// `NotDurable`: the commit is applied, and durable as soon as the log can be written; `OutcomeUnknown` when the sync
    /// of its group failed, and `Poisoned` for every write after that; what keeps a checkpoint from making room; `Closed`.
    pub fn write<R, E: From<Error>>(&self, body: impl FnOnce(&mut WriteTx) -> Result<R, E>) -> Result<R, E> {
        self.write_with(self.0.engine.durability, body)
    }

    /// Like [`write`](Self::write), with its own durability. On a durable database, a relaxed call shows readers its
    /// own commit and those before it at once, though they may not be durable yet.
    ///
    /// # Errors
    ///
    /// As for `write`.
    pub fn write_with<R, E: From<Error>>(
        &self,
        durability: Durability,
        body: impl FnOnce(&mut WriteTx) -> Result<R, E>,
    ) -> Result<R, E> {
        self.0.engine.pipeline.write(durability, body)
    }

    /// Subscribes to a query: any closure that reads. What it read is what it depends on, to the key range; a commit
    /// that changes any of that has it run again, and a result that differs is delivered.
    ///
    /// The closure runs once before this returns, on the caller's thread, and then on the reactor's; it should be quick
    /// and must not write. A closure that holds a clone of this `Db` keeps the database open until it is unsubscribed.
    ///
    /// # Errors
    ///
    /// `ReadInQuery` inside a query of the same database; `Closed`. The query's own errors are delivered, not returned.
    #[track_caller]
    pub fn watch<T, E, F>(&self, query: F) -> Result<Subscription<T, E>, Error>
    where
        F: Fn(&ReadTx) -> Result<T, E> + Send + Sync + 'static,
        T: PartialEq + Send + Sync + 'static,
        E: From<Error> + Send + Sync + 'static,
    {
        Subscription::watch(&self.0.engine.reactor, Box::new(query), T::eq, Label::Place(Location::caller()))
    }

    /// Runs a query on what is visible now. Where an equal query with equal arguments is live, and no visible commit has
    /// touched it since it was evaluated, its result is the answer, and nothing runs.
    ///
    /// # Errors
    ///
    /// `ReadInQuery` inside a query of the same database; `Closed`; the query's own.
    pub fn query<Q: Query>(&self, query: Q) -> Result<Arc<Q::Output>, Q::Error> {
        self.0.engine.query(query)
    }

    /// Runs a mutation as a transaction, as [`write`](Self::write) does.
    ///
    /// # Errors
    ///
    /// The mutation's own, and what `write` answers.
    pub fn mutate<M: Mutation>(&self, mutation: M) -> Result<M::Output, M::Error> {
        self.0.engine.mutate(&mutation)
    }

    /// Runs an action on the caller's thread. Not inside a `write`: a mutation that it calls would be refused.
    ///
    /// # Errors
    ///
    /// The action's own.
    pub fn act<A: Action>(&self, action: A) -> Result<A::Output, A::Error> {
        self.0.engine.act(&action)
    }

    /// Subscribes to a query, as [`watch`](Self::watch) does to a closure. Equal queries with equal arguments are one
    /// live query: however many subscribe, a commit has it evaluated once.
    ///
    /// # Errors
    ///
    /// `ReadInQuery` inside a query of the same database; `Closed`. The query's own errors are delivered, not returned.
    pub fn subscribe<Q: Query>(&self, query: Q) -> Result<Subscription<Q::Output, Q::Error>, Error> {
        self.0.engine.subscribe(query)
    }

    /// Runs the function of this name with arguments in JSON, an object: what a network layer or a console does. On the
    /// caller's thread; a function that panics, panics here.
    ///
    /// # Errors
    ///
    /// No such function; an internal one, called by a client; arguments that are not its own, with the field and what
    /// was expected; and what the function fails with, with its data.
    pub fn call(
        &self,
        name: &str,
        arguments: serde_json::Value,
        caller: Caller,
    ) -> Result<serde_json::Value, CallError> {
        self.0.functions.call(&self.0.engine, name, arguments, caller)
    }

    /// Subscribes to the query of this name with arguments in JSON.
    ///
    /// # Errors
    ///
    /// As for [`call`](Self::call), and for a function that is no query. The query's own errors are delivered.
    pub fn subscribe_by_name(
        &self,
        name: &str,
        arguments: serde_json::Value,
        caller: Caller,
    ) -> Result<JsonSubscription, CallError> {
        self.0.functions.subscribe_by_name(&self.0.engine, name, arguments, caller)
    }

    /// The time now, by the clock of the database.
    pub fn now(&self) -> Timestamp {
        self.0.engine.pipeline.now()
    }

    /// Lists the registered functions, in the order of their names: kind, visibility, and the types of the arguments and
    /// of the result.
    pub fn functions(&self) -> Vec<FunctionDescription> {
        self.0.functions.descriptions()
    }

    /// What functions have done since the database was opened: calls, errors, times, rows, cache hits, recent calls.
    pub fn stats(&self) -> Stats {
        self.0.functions.stats()
    }

    /// What the database says of itself: tables, fields with what their types are made of, indexes, layouts. Also of tables
    /// that the program has not declared, where it was opened [as it is stored](crate::Builder::as_stored).
    ///
    /// # Errors
    ///
    /// `Closed`, a storage failure, and `ReadInQuery` inside a query, which has [`ReadTx::catalog`].
    pub fn catalog(&self) -> Result<CatalogDescription, Error> {
        self.read(ReadTx::catalog)
    }

    /// Waits until every index is ready that is built
    /// [while the database is open](crate::Builder::build_indexes_while_running). What failed is tried again first. A database
    /// that is [driven by hand](crate::Builder::driven_by_hand) builds them now, on this thread.
    ///
    /// # Errors
    ///
    /// Why an index cannot be built, such as two rows with one key in a unique index: change one of them and call this
    /// again. `WaitInWrite` inside a transaction or a query; `Closed`; a storage failure.
    pub fn wait_for_indexes(&self) -> Result<(), Error> {
        Reentrancy::check_may_wait(self.0.engine.pipeline.identity(), "Db::wait_for_indexes")?;
        Ok(self.0.index_builder.wait()?)
    }

    /// The indexes that are being built while the database is open, and how far they are; none if all are ready.
    pub fn index_builds(&self) -> Vec<IndexBuild> {
        self.0.index_builder.builds()
    }

    /// How the database stands: whether it takes writes, and if not, why not; how full log and overlay are; the last
    /// checkpoint; live queries and jobs. Costs a few microseconds, and reads an index key for each due or running job,
    /// 3,000 at most.
    pub fn health(&self) -> Health {
        Health::of(&self.0.engine, &self.0.work)
    }

    /// Makes every commit durable that was made before the call.
    ///
    /// # Errors
    ///
    /// `NotDurable` if the log cannot be written at the moment: the commits become durable as soon as it can be.
    /// `OutcomeUnknown` after a failed sync of the log. `Closed`.
    pub fn flush(&self) -> Result<(), Error> {
        Ok(self.0.engine.pipeline.store().flush()?)
    }

    /// Moves every commit into the base and drops the log before it. Happens by itself; by hand it shortens the next
    /// open after a crash. Writers go on meanwhile.
    ///
    /// # Errors
    ///
    /// `Closed`; a storage failure. What was to be moved stays in memory and in the log, writes go on, and the checkpoint is
    /// tried again.
    pub fn checkpoint(&self) -> Result<(), Error> {
        Ok(self.0.engine.pipeline.store().run_checkpoint()?)
    }

    /// Ends the database for every clone: waits for the running transaction and for jobs that are running as long as the
    /// scheduler wants to, makes everything durable, moves it into the base, ends every subscription and releases the
    /// files. What is called on a clone afterwards answers `Closed`, and so does a read that is still running, once it
    /// needs the files.
    ///
    /// Any number of threads may close at once: each `Ok` means that all is durable and released. At last it waits for a
    /// query or a callback that is running, ten seconds at most. Inside a callback or an action it does not wait for
    /// that one, which goes on after it.
    ///
    /// # Errors
    ///
    /// A storage failure; what was durable stays so. `WaitInWrite` inside a transaction, a query, or a `close` of the same
    /// database on the same thread, as in the destructor of what a query captured.
    pub fn close(self) -> Result<(), Error> {
        self.0.closing.close(true, "Db::close")
    }

    /// The reactor of a database that is driven by hand, or `None`: see [`Builder::driven_by_hand`](crate::Builder::driven_by_hand).
    pub fn reactor(&self) -> Option<Reactor> {
        self.0.engine.reactor.is_driven_by_hand().then(|| Reactor::new(Arc::clone(&self.0.engine.reactor)))
    }
}

impl fmt::Debug for Db {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Db").finish_non_exhaustive()
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        Arc::clone(&self.closing).close_unattended();
    }
}

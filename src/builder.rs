//! [`Builder`]: puts the floors of a database together, one upon the other.

use std::{fmt, path::Path, sync::Arc};

use crate::{
    config::Config,
    database::Db,
    disk::{Disk, MemoryDisk, RealDisk},
    error::{OpenError, StorageError},
    functions::{Engine, Functions, Module, Registration},
    reactive::{ReactorCore, Registry},
    scheduler::{Cron, CronDefinition, Job, Scheduler, SchedulerCore, ThreadScheduler},
    schema::{Table, Tables},
    storage::{BackgroundWork, Store, holds_database},
    time::{Clock, GuardedClock, SystemClock},
    transaction::{BuildProgress, Companion, IndexBuilding, OnProgress, Pipeline, bring_up_to_date, open_as_stored},
};

/// Describes a database that is about to be opened, perhaps by another thread: opening it may take a while.
pub struct Builder {
    registration: Registration,
    dropped: Vec<String>,
    config: Config,
    clock: Option<Arc<dyn Clock>>,
    scheduler: Option<Arc<dyn Scheduler>>,
    on_progress: OnProgress,
    background: BackgroundWork,
    is_as_stored: bool,
    builds_while_running: bool,
}

impl Db {
    /// Returns a builder: it takes the tables, the options, and at last where the database is.
    pub fn builder() -> Builder {
        Builder::default()
    }
}

impl Default for Builder {
    fn default() -> Self {
        Self {
            registration: Registration::default(),
            dropped: Vec::new(),
            config: Config::default(),
            clock: None,
            scheduler: None,
            on_progress: Box::new(|_| {}),
            background: BackgroundWork::Threads,
            is_as_stored: false,
            builds_while_running: false,
        }
    }
}

impl Builder {
    /// Adds tables: a tuple of types from `schema!`. May be called several times.
    pub fn tables<T: Tables>(mut self) -> Self {
        self.registration.tables::<T>();
        self
    }

    /// Adds a module: its tables, functions and resources. May be called several times.
    pub fn module(mut self, module: impl Module) -> Self {
        self.registration.module(module);
        self
    }

    /// Gives up a stored table that is no longer declared: its rows and indexes are removed when the database opens.
    pub fn drop_table(mut self, name: impl Into<String>) -> Self {
        self.dropped.push(name.into());
        self
    }

    /// Sets the options.
    pub fn config(mut self, config: Config) -> Self {
        self.config = config;
        self
    }

    /// Sets where the time comes from: creation times, and what is due. By default from the scheduler if that has a
    /// clock of its own, else from the system.
    pub fn clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.clock = Some(clock);
        self
    }

    /// Sets when and where due work runs: by default a [`ThreadScheduler`], which starts its threads if there are
    /// functions to run, and nothing where the database is driven by hand.
    pub fn scheduler(mut self, scheduler: impl Scheduler) -> Self {
        self.scheduler = Some(Arc::new(scheduler));
        self
    }

    /// Is told, while the database opens or builds indexes, how far the building of an index or the rewriting of a table has come.
    pub fn on_progress(mut self, progress: impl FnMut(BuildProgress) + Send + 'static) -> Self {
        self.on_progress = Box::new(progress);
        self
    }

    /// Has new indexes built while the database is open, so that the opening need not wait for them. By default they are
    /// built before it is open.
    ///
    /// Until an index is ready, using it is an error that says how far it is:
    /// [`IndexNotReady`](crate::TransactionError::IndexNotReady). So is deleting a row that others may refer to through
    /// it. A live query that met the error runs again when the index is ready. Writes keep the index right meanwhile; a
    /// unique one refuses what is taken by a row that it has already. [`Db::wait_for_indexes`] waits,
    /// [`Db::index_builds`] and [`on_progress`](Self::on_progress) tell how far it is. The building gives way to
    /// writers, and goes on at the next opening if the database ends before. If that opening does not ask for this, it
    /// finishes what is left before the database is open.
    pub fn build_indexes_while_running(mut self) -> Self {
        self.builds_while_running = true;
        self
    }

    /// Starts no threads, but for a short one that frees a large overlay: live queries are evaluated by [`Reactor`](crate::Reactor)'s methods, checkpoints run inside the write that
    /// makes one due, and relaxed commits become durable with [`Db::flush`], a durable write, or at the end. For tests
    /// in which every run is the same.
    pub fn driven_by_hand(mut self) -> Self {
        self.background = BackgroundWork::ByHand;
        self
    }

    /// Opens the database as it is stored, to be read: for tools, exports and browsers of data, which do not know its
    /// tables. Nothing is declared, compared or refused; tables, functions and crons that were added to the builder
    /// are left out, and nothing that is scheduled runs. [`Db::catalog`] says what there is, and
    /// [`ReadTx::rows_of`](crate::ReadTx::rows_of) reads it. Writes answer
    /// [`ReadOnly`](crate::TransactionError::ReadOnly).
    ///
    /// The files are brought to a sound state as by any opening, and the database is in use meanwhile. A directory
    /// without a database is an error, and stays as it is.
    pub fn as_stored(mut self) -> Self {
        self.is_as_stored = true;
        self
    }

    /// Opens the database in the directory `path`, or makes one there.
    ///
    /// Costs milliseconds after a clean close, after a crash the length of the log, at most a few checkpoints' worth;
    /// and the building of indexes that are new.
    ///
    /// # Errors
    ///
    /// An option is out of bounds; the path is something else, is in use, cannot be read or written; a file is damaged or
    /// of a newer format; functions, resources or crons clash; the declared tables do not fit the stored ones. In
    /// all these cases the stored tables and rows stay as they were. If the scheduler does not begin, the tables have been
    /// brought up to date already.
    pub fn open(self, path: impl AsRef<Path>) -> Result<Db, OpenError> {
        self.config.check()?;
        let path = path.as_ref();
        if self.is_as_stored && !path.is_dir() {
            return Err(no_database(path.display().to_string()));
        }
        let disk = RealDisk::open_or_create(path).map_err(|error| cannot_open(path, error))?;
        self.open_on(disk)
    }

    /// Makes a database in memory, which lasts as long as its handles.
    ///
    /// # Errors
    ///
    /// The declared tables contradict each other; functions, resources or crons clash; an option is out of bounds; the
    /// scheduler does not begin.
    pub fn in_memory(self) -> Result<Db, OpenError> {
        self.open_on(MemoryDisk::default())
    }

    /// Opens the database on a disk of the host's own.
    ///
    /// # Errors
    ///
    /// As for [`open`](Self::open).
    pub fn open_on(mut self, disk: impl Disk) -> Result<Db, OpenError> {
        let _open = tracing::debug_span!(target: "tropism", "open", disk = disk.describe()).entered();
        self.config.check()?;
        if self.is_as_stored {
            if !holds_database(&disk)? {
                return Err(no_database(disk.describe()));
            }
            (self.registration, self.scheduler) = (Registration::default(), None);
        }
        let options = self.config.store_options(self.background);
        let scheduler = self.scheduler.or_else(|| {
            let is_wanted = self.background == BackgroundWork::Threads && !self.registration.entries.is_empty();
            is_wanted.then(|| Arc::new(ThreadScheduler::new()) as Arc<dyn Scheduler>)
        });
        let own_clock = || scheduler.as_ref().and_then(|scheduler| scheduler.clock());
        let clock = self.clock.or_else(own_clock).unwrap_or_else(|| Arc::new(SystemClock));
        let clock: Arc<dyn Clock> = Arc::new(GuardedClock::new(clock));
        let Registration { mut tables, entries, resources, others } = self.registration;
        tables.extend(<(Job, Cron)>::tables());
        let crons = others.into_iter().filter_map(|other| other.downcast::<CronDefinition>().ok()).map(|cron| *cron);
        let functions = Functions::new(entries, resources, self.config.recent_calls, Arc::clone(&clock))?;
        let functions = Arc::new(functions);
        let registry = Arc::new(Registry::new(self.config.recent_bytes));
        let observer = Arc::clone(&registry);
        let store = Store::open(Arc::new(disk), options, clock, observer)?;
        let own_tables = [Job::DEFINITION.name, Cron::DEFINITION.name];
        let building = match self.builds_while_running {
            true => IndexBuilding::WhileRunning { except: &own_tables },
            false => IndexBuilding::AtOpen,
        };
        let tables = match self.is_as_stored {
            true => open_as_stored(&store),
            false => bring_up_to_date(&store, tables, &self.dropped, building, &mut *self.on_progress),
        };
        let tables = tables.inspect_err(|_| {
            // The refusal is what matters; closing early has nothing to lose.
            drop(store.close(false));
        })?;
        let environment = Arc::clone(functions.environment());
        let pipeline = Pipeline::new(store, tables, Arc::clone(&environment) as Companion);
        let pipeline = Arc::new(if self.is_as_stored { pipeline.read_only() } else { pipeline });
        let index_builder = pipeline.index_builder(self.on_progress).map_err(OpenError::from).and_then(|builder| {
            if !self.builds_while_running {
                builder.build_all()?;
            }
            Ok(builder)
        });
        let index_builder = index_builder.inspect_err(|_| drop(pipeline.store().close(false)))?;
        let is_driven_by_hand = self.background == BackgroundWork::ByHand;
        let reactor = ReactorCore::new(registry, Arc::clone(&pipeline), self.config.slow_query, is_driven_by_hand);
        let reactor = reactor.inspect_err(|_| drop(pipeline.store().close(false)))?;
        let engine = Arc::new(Engine { pipeline, reactor, environment, durability: self.config.durability });
        let (of_engine, of_functions) = (Arc::clone(&engine), Arc::clone(&functions));
        let work = match self.is_as_stored {
            true => Ok(SchedulerCore::idle(of_engine, of_functions)),
            false => SchedulerCore::open(of_engine, of_functions, crons.collect(), self.config.job_retention),
        };
        let work = work.inspect_err(|_| {
            engine.reactor.close();
            drop(engine.pipeline.store().close(false));
        })?;
        if self.background == BackgroundWork::Threads {
            index_builder.start().inspect_err(|_| {
                engine.reactor.close();
                drop(engine.pipeline.store().close(false));
            })?;
        }
        Db::begin(engine, functions, Arc::new(work), index_builder, scheduler)
    }
}

impl fmt::Debug for Builder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Builder").field("config", &self.config).finish_non_exhaustive()
    }
}

fn no_database(path: String) -> OpenError {
    OpenError::NotADatabase { path, reason: "there is none, and opening it as it is stored makes none".to_owned() }
}

fn cannot_open(path: &Path, error: std::io::Error) -> OpenError {
    let path = path.display().to_string();
    match error.kind() {
        std::io::ErrorKind::NotADirectory | std::io::ErrorKind::AlreadyExists => {
            OpenError::NotADatabase { path, reason: "it is a file, and a database is a directory".to_owned() }
        }
        std::io::ErrorKind::PermissionDenied | std::io::ErrorKind::ReadOnlyFilesystem => {
            OpenError::NoPermission { path, source: Arc::new(error) }
        }
        _ => StorageError::io("open", &path, error).into(),
    }
}

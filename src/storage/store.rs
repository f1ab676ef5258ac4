//! The store: opened, shared, closed.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    thread::JoinHandle,
    time::Duration,
};

use parking_lot::{Condvar, Mutex, RwLock};

use super::{
    base::{BASE_FILE, BASE_FILE_NEW, Base},
    checkpoint::CheckpointState,
    commit::{Head, Writer},
    disk::{Disk, DiskLock},
    group::Durable,
    log::Log,
    overlay::Overlay,
    record::Commit,
    snapshot::Snapshot,
};
use crate::{
    error::{OpenError, StorageError},
    time::Clock,
};

const LOCK_FILE: &str = "lock";

/// When `write` returns.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Durability {
    /// When the change is durable: it survives the loss of power.
    Durable,
    /// When the change is visible; it becomes durable within [`Config::flush_interval`](crate::Config::flush_interval).
    /// Losing the process or the power before loses it, and everything after it, and nothing before it.
    Relaxed,
}

/// Hears of every commit, in order, when readers can see it.
///
/// Called from the committing thread while the commit waits for it, so it must be quick, must not block, and must not
/// call into the store.
pub(crate) trait CommitObserver: Send + Sync {
    /// This commit is visible now; the ones before it have been told.
    fn committed(&self, commit: &Arc<Commit>);
}

/// Who does what is not done by a committing thread.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Background {
    /// Threads of the store: checkpoints, and the flushing of relaxed commits.
    Threads,
    /// Nobody: checkpoints run inside the commit that makes one due, and relaxed commits wait for a call of `flush`.
    /// Every run is the same, which tests want.
    Manual,
}

/// What the store needs to know; bounds are checked by whoever makes it.
#[derive(Debug, Clone)]
pub(crate) struct StoreOptions {
    pub(crate) durability: Durability,
    pub(crate) flush_interval: Duration,
    pub(crate) overlay_limit_bytes: usize,
    pub(crate) checkpoint_bytes: usize,
    pub(crate) segment_bytes: u64,
    pub(crate) base_cache_bytes: usize,
    pub(crate) background: Background,
}

/// One opened database, below tables and transactions.
///
/// State and its guards, in the order in which locks are taken when several are held:
///
/// | state | guard | held |
/// |---|---|---|
/// | a checkpoint | `checkpoint_turn` | from its beginning to its end |
/// | the right to change anything, the log's current segment | `writer` | for a whole write transaction |
/// | whose turn it is to sync, what is durable, why writes are refused | `durable` | briefly; never during a sync |
/// | the newest state, the group that waits for the next sync | `head` | while a commit is applied |
/// | what readers see | `visible` | to swap or clone a pointer |
/// | commits that observers have not heard of | `unannounced` | while observers are told |
/// | what the background threads shall do | `checkpoint` | briefly |
pub(crate) struct Store {
    pub(super) options: StoreOptions,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) base: Base,
    pub(super) log: Log,
    pub(super) writer: Mutex<Writer>,
    pub(super) durable: Mutex<Durable>,
    /// Signalled when a group is durable, by the parity of the group's number.
    pub(super) group_done: [Condvar; 2],
    /// Signalled when it is nobody's turn to sync.
    pub(super) turn: Condvar,
    pub(super) head: Mutex<Head>,
    pub(super) visible: RwLock<Arc<Snapshot>>,
    /// The commit up to which readers see; ahead of `visible` where snapshots are made on demand.
    pub(super) visible_ts: AtomicU64,
    pub(super) unannounced: Mutex<std::collections::VecDeque<Arc<Commit>>>,
    /// Told of each commit in this order.
    pub(super) observers: RwLock<Vec<Arc<dyn CommitObserver>>>,
    /// Held by whoever runs a checkpoint, from end to end.
    pub(super) checkpoint_turn: Mutex<()>,
    pub(super) checkpoint: Mutex<CheckpointState>,
    /// Signalled when the checkpoint thread has something to do.
    pub(super) work: Condvar,
    /// Signalled when relaxed commits wait to be flushed.
    pub(super) flush_work: Condvar,
    pub(super) is_flush_wanted: AtomicBool,
    /// Signalled when a checkpoint has ended, well or not.
    pub(super) checkpointed: Condvar,
    pub(super) is_closed: AtomicBool,
    /// Whether `durable` says why writes are refused.
    pub(super) is_poisoned: AtomicBool,
    threads: Mutex<Vec<JoinHandle<()>>>,
    /// Held as long as the store lives; taken out by `close`.
    lock: Mutex<Option<Box<dyn DiskLock>>>,
}

impl Store {
    /// Opens the database on `disk`, or makes one: takes the lock, opens the base, replays the log after it.
    ///
    /// Costs the log's length, not the database's.
    pub(crate) fn open(
        disk: Arc<dyn Disk>,
        options: StoreOptions,
        clock: Arc<dyn Clock>,
        observer: Arc<dyn CommitObserver>,
    ) -> Result<Arc<Self>, OpenError> {
        let lock = take_lock(&*disk)?;
        check_is_ours(&*disk)?;
        let (base, figures) = Base::open(&*disk, options.base_cache_bytes)?;
        let mut overlay = Overlay::default();
        let mut ts = figures.ts;
        let replayed = Log::open(Arc::clone(&disk), options.segment_bytes, figures, &mut |commit| {
            ts = commit.ts;
            overlay.apply(&commit);
        })?;
        let log_from = replayed.current.as_ref().map_or(figures.log_from, |segment| segment.number);
        let log_goes_on = replayed.current.is_some();
        let base_snapshot = Arc::new(base.snapshot()?);
        let snapshot = Snapshot { ts, overlay: overlay.clone(), frozen: None, base: Arc::clone(&base_snapshot) };
        tracing::debug!(target: "tropism", ts, base_ts = figures.ts, overlay_bytes = overlay.size_bytes(), "opened");
        let store = Arc::new(Self {
            writer: Mutex::new(Writer::new(replayed.current)),
            turn: Condvar::new(),
            checkpoint_turn: Mutex::new(()),
            is_flush_wanted: AtomicBool::new(false),
            flush_work: Condvar::new(),
            durable: Mutex::new(Durable::new(ts)),
            group_done: [Condvar::new(), Condvar::new()],
            head: Mutex::new(Head::new(ts, overlay, base_snapshot, log_from, log_goes_on)),
            visible: RwLock::new(Arc::new(snapshot)),
            visible_ts: AtomicU64::new(ts),
            unannounced: Mutex::default(),
            observers: RwLock::new(vec![observer]),
            checkpoint: Mutex::default(),
            work: Condvar::new(),
            checkpointed: Condvar::new(),
            is_closed: AtomicBool::new(false),
            is_poisoned: AtomicBool::new(false),
            threads: Mutex::default(),
            lock: Mutex::new(Some(lock)),
            options,
            clock,
            base,
            log: replayed.log,
        });
        store.start_threads()?;
        Ok(store)
    }

    fn start_threads(self: &Arc<Self>) -> Result<(), StorageError> {
        if self.options.background == Background::Manual {
            return Ok(());
        }
        let spawn = |name: &str, work: fn(&Self)| {
            let store = Arc::downgrade(self);
            std::thread::Builder::new()
                .name(name.to_owned())
                .spawn(move || {
                    // Held for the thread's life: `close` ends the thread before the last handle can go.
                    if let Some(store) = store.upgrade() {
                        work(&store);
                    }
                })
                .map_err(|error| StorageError::io("start", name, error))
        };
        let mut threads = self.threads.lock();
        threads.push(spawn("tropism-checkpoint", Self::run_checkpoints)?);
        threads.push(spawn("tropism-flush", Self::run_flushes)?);
        Ok(())
    }

    /// The newest state that readers may see.
    ///
    /// # Errors
    ///
    /// `Closed`.
    pub(crate) fn snapshot(&self) -> Result<Arc<Snapshot>, StorageError> {
        if self.is_closed.load(Ordering::Acquire) {
            return Err(StorageError::Closed);
        }
        let visible = Arc::clone(&self.visible.read());
        if visible.ts >= self.visible_ts.load(Ordering::Acquire) {
            return Ok(visible);
        }
        Ok(self.snapshot_of_head())
    }

    /// Ends the store: makes every commit durable and, if `with_checkpoint`, moves everything into the base, so that
    /// the next open replays nothing. Waits for the transaction that is running. Further writes answer `Closed`.
    pub(crate) fn close(&self, with_checkpoint: bool) -> Result<(), StorageError> {
        let ended = {
            let _place = self.writer.lock();
            if self.is_closed.swap(true, Ordering::AcqRel) {
                return Ok(());
            }
            self.flush_committed()
        };
        self.wake_all();
        let current = std::thread::current().id();
        for thread in self.threads.lock().drain(..).filter(|thread| thread.thread().id() != current) {
            if thread.join().is_err() {
                tracing::error!(target: "tropism", "a background thread panicked");
            }
        }
        let ended = match (ended, with_checkpoint && !self.is_poisoned.load(Ordering::Acquire)) {
            (Ok(()), true) => self.final_checkpoint(),
            (ended, _) => ended,
        };
        // Also after a failure: the files must be free before the lock is.
        let closed = self.base.close();
        self.lock.lock().take();
        ended.and(closed)
    }

    /// Adds an observer, which hears of every commit from now on, after those before it.
    pub(crate) fn observe(&self, observer: Arc<dyn CommitObserver>) {
        self.observers.write().push(observer);
    }

    /// The newest commit that readers see.
    pub(crate) fn visible_ts(&self) -> u64 {
        self.visible_ts.load(Ordering::Acquire)
    }

    /// Where the time comes from.
    pub(crate) fn clock(&self) -> &dyn Clock {
        &*self.clock
    }

    /// How large one transaction's changes may be: they have to fit the overlay.
    pub(crate) fn transaction_limit_bytes(&self) -> usize {
        self.options.overlay_limit_bytes
    }
}

fn take_lock(disk: &dyn Disk) -> Result<Box<dyn DiskLock>, OpenError> {
    disk.lock(LOCK_FILE).map_err(|error| match error.kind() {
        std::io::ErrorKind::WouldBlock => OpenError::AlreadyOpen { path: disk.describe() },
        _ => StorageError::io("lock", LOCK_FILE, error).into(),
    })
}

/// Refuses a directory that holds files but no database: something else lives there.
fn check_is_ours(disk: &dyn Disk) -> Result<(), OpenError> {
    let files = disk.list().map_err(|error| StorageError::io("list", &disk.describe(), error))?;
    if files.iter().any(|file| file == BASE_FILE) {
        return Ok(());
    }
    if let Some(segment) = files.iter().find(|file| file.starts_with("log-")) {
        let reason = format!("there is a log ({segment}) but no base");
        return Err(StorageError::Corrupt { file: BASE_FILE.to_owned(), offset: 0, reason }.into());
    }
    match files.iter().find(|file| *file != LOCK_FILE && *file != BASE_FILE_NEW) {
        Some(file) => Err(OpenError::NotADatabase {
            path: disk.describe(),
            reason: format!("it holds {file:?}, and no {BASE_FILE}"),
        }),
        None => Ok(()),
    }
}

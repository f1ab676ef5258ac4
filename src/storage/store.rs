//! [`Store`]: opens, wires and closes the parts.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use parking_lot::{Condvar, Mutex};

use super::{
    background::Background,
    base::{BASE_FILE, BASE_FILE_NEW, Base},
    checkpointer::{CheckpointFailure, CheckpointReport, Checkpointer},
    committer::{Applied, Committer, Parts, WriteLock},
    disk::{Disk, DiskLock, GuardedDisk},
    empty_ranges::SharedEmptyRanges,
    group_commit::GroupCommit,
    layers::Layers,
    log::{Log, segment_number},
    options::{BackgroundWork, Durability, StoreOptions},
    overlay::Overlay,
    publisher::{CommitObserver, Publisher},
    snapshot::Snapshot,
};
use crate::{
    error::{OpenError, StorageError},
    panics::guarded,
    time::Clock,
};

const LOCK_FILE: &str = "lock";
/// An open that finds this much in the log has it moved into the base soon; and a drop that leaves as much does it.
const SHORT_LOG_BYTES: usize = 256 << 10;

/// One opened database, below tables and transactions: the commit log, the overlay, the base, and what moves commits
/// through them.
///
/// | part | what it does |
/// |---|---|
/// | `committer` | lets one transaction at a time commit |
/// | `group` | makes commits durable, many with one sync |
/// | `publisher` | decides what is visible, and tells observers |
/// | `checkpointer` | moves the overlay into the base |
/// | `background` | the threads for what no caller waits for |
///
/// Locks, in the order in which they are taken when several are held: the committer's `writer`; the committer's `head`;
/// the checkpointer's `turn`; the group's `turn`; the log's files; the publisher's `announcing`; and then, each briefly
/// and with none of the others of this line, the checkpointer's `state`, the publisher's `shown`, `unannounced` and
/// `observers`, the group's `queue`, the overlay's entries, the empty ranges.
pub(crate) struct Store {
    options: StoreOptions,
    clock: Arc<dyn Clock>,
    log: Arc<Log>,
    group: Arc<GroupCommit>,
    publisher: Arc<Publisher>,
    checkpointer: Arc<Checkpointer>,
    background: Arc<Background>,
    committer: Committer,
    is_closed: AtomicBool,
    closing: Mutex<Closing>,
    /// Signalled when the store has closed.
    has_closed: Condvar,
    /// Held as long as the store lives; taken out when it closes.
    lock: Mutex<Option<Box<dyn DiskLock>>>,
}

/// How far the closing has come. The first caller closes, and the others wait for its answer.
enum Closing {
    Open,
    UnderWay,
    Closed(Result<(), StorageError>),
}

/// What an operator asks of the storage.
#[derive(Debug, Clone)]
pub(crate) struct StoreHealth {
    pub(crate) trouble: Option<StorageError>,
    pub(crate) visible_ts: u64,
    pub(crate) durable_ts: u64,
    pub(crate) oldest_snapshot_ts: u64,
    pub(crate) log_bytes: u64,
    pub(crate) logged_bytes: usize,
    pub(crate) checkpoint_bytes: usize,
    pub(crate) memory_bytes: usize,
    pub(crate) overlay_limit_bytes: usize,
    pub(crate) is_checkpoint_pending: bool,
    pub(crate) last_checkpoint: Option<CheckpointReport>,
    pub(crate) checkpoint_failure: Option<CheckpointFailure>,
}

impl Store {
    /// Opens the database on `disk`, or makes one: takes the lock, opens the base, replays the log after it.
    ///
    /// Costs the log's length, not the database's. What was replayed is durable on return.
    pub(crate) fn open(
        disk: Arc<dyn Disk>,
        options: StoreOptions,
        clock: Arc<dyn Clock>,
        observer: Arc<dyn CommitObserver>,
    ) -> Result<Arc<Self>, OpenError> {
        let disk: Arc<dyn Disk> = Arc::new(GuardedDisk::new(disk));
        Self::open_guarded(Arc::clone(&disk), options, clock, observer).map_err(|error| explained(&*disk, error))
    }

    fn open_guarded(
        disk: Arc<dyn Disk>,
        options: StoreOptions,
        clock: Arc<dyn Clock>,
        observer: Arc<dyn CommitObserver>,
    ) -> Result<Arc<Self>, OpenError> {
        let lock = take_lock(&*disk)?;
        check_is_ours(&*disk)?;
        let (base, figures) = Base::open(&*disk, options.base_cache_bytes)?;
        let overlay = Overlay::default();
        let mut ts = figures.ts;
        let spares_kept = spares_kept(&options);
        let replayed = Log::open(disk, options.segment_bytes, spares_kept, figures, &mut |commit| {
            ts = commit.ts;
            overlay.replay(&commit);
        })?;
        let empty = Arc::new(SharedEmptyRanges::new(ts));
        let base_snapshot = Arc::new(base.snapshot()?);
        let layers = Layers { active: Arc::new(overlay), frozen: None, base: base_snapshot, empty, since_ts: ts };
        let (base_ts, replayed_bytes) = (figures.ts, replayed.replayed_bytes);
        tracing::debug!(target: "tropism", ts, base_ts, replayed_bytes, "opened");
        let log = Arc::new(replayed.log);
        let publisher = Arc::new(Publisher::new(ts, layers, observer));
        let group = Arc::new(GroupCommit::new(ts, Arc::clone(&publisher)));
        let checkpointer =
            Checkpointer::new(base, Arc::clone(&log), Arc::clone(&group), Arc::clone(&publisher), Arc::clone(&clock));
        let checkpointer = Arc::new(checkpointer);
        let background =
            Background::new(Arc::clone(&checkpointer), Arc::clone(&group), Arc::clone(&log), options.flush_interval);
        let background = Arc::new(background);
        let parts = Parts {
            clock: Arc::clone(&clock),
            log: Arc::clone(&log),
            group: Arc::clone(&group),
            publisher: Arc::clone(&publisher),
            checkpointer: Arc::clone(&checkpointer),
            background: Arc::clone(&background),
        };
        let committer = Committer::new(options.clone(), parts, ts, replayed.current, replayed_bytes);
        let store = Arc::new(Self {
            options,
            clock,
            log,
            group,
            publisher,
            checkpointer,
            background,
            committer,
            is_closed: AtomicBool::new(false),
            closing: Mutex::new(Closing::Open),
            has_closed: Condvar::new(),
            lock: Mutex::new(Some(lock)),
        });
        store.begin_work(replayed_bytes)?;
        Ok(store)
    }

    /// Sees to a long log, and starts the threads.
    fn begin_work(&self, replayed_bytes: u64) -> Result<(), StorageError> {
        let checkpoint_bytes = self.options.checkpoint_bytes as u64;
        if replayed_bytes >= (SHORT_LOG_BYTES as u64).min(checkpoint_bytes) {
            self.committer.freeze()?;
        }
        // More than a checkpoint's worth is not left to a thread, which may never get to it where processes are short.
        if replayed_bytes >= checkpoint_bytes
            && let Err(error) = self.checkpointer.write()
        {
            tracing::warn!(target: "tropism", %error, "the long log that an open found could not be moved into the base");
        }
        if self.options.background == BackgroundWork::Threads {
            self.background.start().inspect_err(|_| self.background.stop())?;
            self.background.want_checkpoint();
        }
        Ok(())
    }

    /// Adds an observer, which hears of every commit from now on, after those before it.
    pub(crate) fn observe(&self, observer: Arc<dyn CommitObserver>) {
        self.publisher.observe(observer);
    }

    /// The newest state that readers may see.
    ///
    /// # Errors
    ///
    /// `Closed`.
    pub(crate) fn snapshot(&self) -> Result<Snapshot, StorageError> {
        match self.is_closed.load(Ordering::Acquire) {
            true => Err(StorageError::Closed),
            false => Ok(self.publisher.snapshot()),
        }
    }

    /// Waits for the write lock, and for a checkpoint where the overlay is over its limit.
    ///
    /// # Errors
    ///
    /// Those of [`Committer::begin`].
    pub(crate) fn begin(&self) -> Result<WriteLock<'_>, StorageError> {
        self.committer.begin()
    }

    /// Waits until a commit is durable, and those before it.
    ///
    /// # Errors
    ///
    /// `OutcomeUnknown` after a failed sync. `NotDurable` if the log could not be written: the commit becomes durable
    /// as soon as it can.
    pub(crate) fn wait_durable(&self, applied: Applied) -> Result<(), StorageError> {
        self.group.wait_durable(applied.ts).inspect_err(|_| self.background.want_flush(false))
    }

    /// Shows readers everything up to a commit, durable or not.
    ///
    /// # Errors
    ///
    /// Those of [`wait_durable`](Self::wait_durable), where something in it may not be shown earlier.
    pub(crate) fn show(&self, applied: Applied) -> Result<(), StorageError> {
        if self.committer.show(applied.ts) {
            return Ok(());
        }
        self.wait_durable(applied)
    }

    /// Whether readers see each commit at once.
    pub(crate) fn is_relaxed(&self) -> bool {
        self.options.durability == Durability::Relaxed
    }

    /// The newest commit that is durable.
    pub(crate) fn durable_ts(&self) -> u64 {
        self.group.durable_ts()
    }

    /// Makes everything durable that was committed before the call.
    ///
    /// # Errors
    ///
    /// `Closed`; and those of [`wait_durable`](Self::wait_durable).
    pub(crate) fn flush(&self) -> Result<(), StorageError> {
        if self.is_closed.load(Ordering::Acquire) {
            return Err(StorageError::Closed);
        }
        self.group.flush().inspect_err(|_| self.background.want_flush(false))
    }

    /// Moves everything that is committed into the base and drops the log before it. Writers go on meanwhile.
    ///
    /// # Errors
    ///
    /// `Closed`. After any other failure nothing is lost, and it is tried again by itself.
    pub(crate) fn run_checkpoint(&self) -> Result<(), StorageError> {
        if self.is_closed.load(Ordering::Acquire) {
            return Err(StorageError::Closed);
        }
        let written = self.checkpointer.write().and_then(|()| {
            self.committer.freeze()?;
            self.checkpointer.write()
        });
        written.inspect_err(|_| self.background.want_checkpoint())
    }

    /// Ends the store: makes every commit durable and, if `with_checkpoint`, moves everything into the base, so that
    /// the next open replays nothing. Waits for the transaction that is running. Further writes answer `Closed`.
    ///
    /// A second call waits for the first one, and has the same answer.
    pub(crate) fn close(&self, with_checkpoint: bool) -> Result<(), StorageError> {
        {
            let mut closing = self.closing.lock();
            loop {
                match &*closing {
                    Closing::Open => break,
                    Closing::UnderWay => self.has_closed.wait(&mut closing),
                    Closing::Closed(result) => return result.clone(),
                }
            }
            *closing = Closing::UnderWay;
        }
        // Whoever waits for this one hears of its end, whatever it is.
        let result = guarded(|| self.close_parts(with_checkpoint)).unwrap_or_else(|message| {
            Err(StorageError::Base { reason: format!("closing panicked: {message}").into() })
        });
        *self.closing.lock() = Closing::Closed(result.clone());
        self.has_closed.notify_all();
        result
    }

    fn close_parts(&self, with_checkpoint: bool) -> Result<(), StorageError> {
        self.is_closed.store(true, Ordering::Release);
        self.committer.close();
        let flushed = self.group.flush();
        self.background.stop();
        // What an open has frozen, because the log was long, counts as well: no thread may have come to it.
        let is_log_long = self.committer.logged_bytes() >= SHORT_LOG_BYTES || self.checkpointer.is_pending();
        let with_checkpoint = with_checkpoint || is_log_long;
        let ended = match with_checkpoint {
            true => flushed.and_then(|()| self.last_checkpoint()),
            false => flushed,
        };
        // Also after a failure: the files must be free before the lock is.
        let closed = self.checkpointer.close_base();
        self.lock.lock().take();
        ended.and(closed)
    }

    /// The base takes everything, and the log goes.
    fn last_checkpoint(&self) -> Result<(), StorageError> {
        self.checkpointer.write()?;
        self.committer.freeze_last();
        self.checkpointer.write()?;
        if let Err(error) = self.log.remove_spares() {
            tracing::warn!(target: "tropism", %error, "spare log segments could not be removed");
        }
        Ok(())
    }

    /// The newest commit that readers see.
    pub(crate) fn visible_ts(&self) -> u64 {
        self.publisher.visible_ts()
    }

    /// Where the time comes from.
    pub(crate) fn clock(&self) -> &dyn Clock {
        &*self.clock
    }

    /// How large one transaction's changes may be: they have to fit the overlay.
    pub(crate) fn transaction_limit_bytes(&self) -> usize {
        self.options.overlay_limit_bytes
    }

    /// What an operator asks first.
    pub(crate) fn health(&self) -> StoreHealth {
        let (last_checkpoint, checkpoint_failure) = self.checkpointer.reports();
        let memory_bytes = self.publisher.layers().memory_bytes() + self.group.waiting_bytes();
        let is_over = memory_bytes > self.options.overlay_limit_bytes;
        // Over the limit a writer is told why checkpoints make no room.
        let no_room = checkpoint_failure.as_ref().filter(|_| is_over).map(|failure| failure.error.clone());
        StoreHealth {
            trouble: match self.is_closed.load(Ordering::Acquire) {
                true => Some(StorageError::Closed),
                false => self.group.trouble().or(no_room).or_else(|| self.committer.log_failure()),
            },
            visible_ts: self.publisher.visible_ts(),
            durable_ts: self.group.durable_ts(),
            oldest_snapshot_ts: self.publisher.oldest_snapshot_ts(),
            log_bytes: self.log.size_bytes(),
            logged_bytes: self.committer.logged_bytes(),
            checkpoint_bytes: self.options.checkpoint_bytes,
            overlay_limit_bytes: self.options.overlay_limit_bytes,
            memory_bytes,
            is_checkpoint_pending: self.checkpointer.is_pending(),
            last_checkpoint,
            checkpoint_failure,
        }
    }
}

/// Gives what a file system lacks an error of its own.
fn explained(disk: &dyn Disk, error: OpenError) -> OpenError {
    match &error {
        OpenError::Storage(StorageError::Io { operation: "sync", file, source })
            if source.kind() == std::io::ErrorKind::Unsupported && *file == disk.describe() =>
        {
            OpenError::Unsupported { path: file.clone(), what: "syncs of directories" }
        }
        _ => error,
    }
}

/// As many segments as two checkpoints fill.
fn spares_kept(options: &StoreOptions) -> usize {
    const MOST: u64 = 16;
    let segments = (options.checkpoint_bytes as u64 * 2).div_ceil(options.segment_bytes);
    segments.clamp(1, MOST) as usize
}

fn take_lock(disk: &dyn Disk) -> Result<Box<dyn DiskLock>, OpenError> {
    disk.lock(LOCK_FILE).map_err(|error| match error.kind() {
        std::io::ErrorKind::WouldBlock => OpenError::AlreadyOpen { path: disk.describe() },
        std::io::ErrorKind::Unsupported => OpenError::Unsupported { path: disk.describe(), what: "file locks" },
        std::io::ErrorKind::PermissionDenied | std::io::ErrorKind::ReadOnlyFilesystem => {
            OpenError::NoPermission { path: disk.describe(), source: Arc::new(error) }
        }
        _ => StorageError::io("lock", LOCK_FILE, error).into(),
    })
}

/// Whether there is a database on the disk, sound or not.
pub(crate) fn holds_database(disk: &dyn Disk) -> Result<bool, StorageError> {
    let files = disk.list().map_err(|error| StorageError::io("list", &disk.describe(), error))?;
    Ok(files.iter().any(|file| file == BASE_FILE || segment_number(file).is_some()))
}

/// Refuses a directory that holds files but no database: something else lives there.
fn check_is_ours(disk: &dyn Disk) -> Result<(), OpenError> {
    let files = disk.list().map_err(|error| StorageError::io("list", &disk.describe(), error))?;
    if files.iter().any(|file| file == BASE_FILE) {
        return Ok(());
    }
    if let Some(segment) = files.iter().find(|file| segment_number(file).is_some()) {
        let reason = format!("there is a log ({segment}) but no base");
        return Err(StorageError::Corrupt { file: BASE_FILE.to_owned(), offset: 0, reason }.into());
    }
    let is_foreign = |file: &&String| *file != LOCK_FILE && *file != BASE_FILE_NEW && !is_overlooked(file);
    match files.iter().find(is_foreign) {
        Some(file) => Err(OpenError::NotADatabase {
            path: disk.describe(),
            reason: format!("it holds {file:?}, and no {BASE_FILE}"),
        }),
        None => Ok(()),
    }
}

/// Names that file systems and desktops put into directories.
fn is_overlooked(file: &str) -> bool {
    const NAMES: [&str; 6] =
        ["lost+found", "System Volume Information", "$RECYCLE.BIN", "desktop.ini", "Thumbs.db", "@eaDir"];
    file.starts_with('.') || NAMES.iter().any(|name| name.eq_ignore_ascii_case(file))
}

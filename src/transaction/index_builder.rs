//! [`IndexBuilder`]: builds indexes while the database is open.
//!
//! An index that is being built is in the catalog, so every write keeps its entries right. The builder adds those of the
//! rows that nobody writes, one batch after the other. A batch is a transaction of its own: it holds the write lock for
//! as long as some hundred rows take, and lets writers go first that wait for it. How far it is, is stored in the same
//! commit; so an opening goes on where the last one stopped, however that ended. The last batch makes the index ready,
//! in the catalog.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
    thread::JoinHandle,
    time::Duration,
};

use parking_lot::{Condvar, Mutex};

use super::{
    index_entries::NewIndexes,
    index_readiness::{IndexReadiness, index_progress_key},
    opening::{BuildProgress, BuildWork},
    tables::{OpenTable, OpenTables, catalog_key},
};
use crate::{
    encoding::INDEX_KEYSPACE,
    error::{Error, OpenError, StorageError},
    schema::catalog::{Catalog, IndexState},
    storage::{Change, Changes, Durability, Order, Snapshot, Store},
};

/// The most rows of one batch.
const BATCH_ROWS: usize = 256;
/// The most bytes that one batch reads and writes, unless one row has more.
const BATCH_BYTES: usize = 64 << 10;
/// How long to wait after a fault that may pass.
const PAUSE: Duration = Duration::from_millis(500);

/// Is told how far the building has come.
pub(crate) type OnProgress = Box<dyn FnMut(BuildProgress) + Send>;

/// An index that is being built while the database is open: see [`Db::index_builds`](crate::Db::index_builds).
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct IndexBuild {
    /// The table.
    pub table: String,
    /// The index.
    pub index: String,
    /// How many ids have been looked at: at least as many as rows have.
    pub rows_done: u64,
    /// How many ids there were when the database was opened.
    pub rows_at_most: u64,
    /// Why the building has stopped, if it has: rows that have one key in a unique index, for example.
    /// [`Db::wait_for_indexes`](crate::Db::wait_for_indexes) goes on with it.
    pub failure: Option<Error>,
}

/// Builds what is not ready, on a thread or on that of the caller.
///
/// | state | guard | held |
/// |---|---|---|
/// | what is left to build, what failed | `work` | briefly |
/// | the host's callback | `on_progress` | while it is called; by the builder alone |
pub(crate) struct IndexBuilder {
    store: Arc<Store>,
    tables: Arc<OpenTables>,
    work: Mutex<Work>,
    /// Signalled when something is done, has failed or is to be tried again.
    changed: Condvar,
    on_progress: Mutex<Option<OnProgress>>,
}

#[derive(Default)]
struct Work {
    left: Vec<Unready>,
    is_stopped: bool,
    thread: Option<JoinHandle<()>>,
}

/// An index that is left to build.
struct Unready {
    table: usize,
    index: usize,
    failure: Option<OpenError>,
}

impl IndexBuilder {
    /// For the indexes of these tables that are not ready.
    pub(super) fn new(
        store: Arc<Store>,
        tables: Arc<OpenTables>,
        on_progress: OnProgress,
    ) -> Result<Self, StorageError> {
        let snapshot = store.snapshot()?;
        let mut left = Vec::new();
        for (position, table) in tables.iter().enumerate() {
            for (index, readiness) in table.readiness.iter().enumerate().filter(|(_, readiness)| !readiness.is_ready())
            {
                let key = index_progress_key(table.index_keyspaces[index] & !INDEX_KEYSPACE);
                let stored = snapshot.get(&key, |value| value.first_chunk::<8>().map(|id| u64::from_le_bytes(*id)))?;
                let last_id = table.ids.next(&snapshot)?.map_or(u64::MAX, |next| next - 1);
                readiness.set_range(stored.flatten().unwrap_or(0), last_id);
                left.push(Unready { table: position, index, failure: None });
            }
        }
        let work = Mutex::new(Work { left, ..Work::default() });
        let on_progress = Mutex::new(Some(on_progress));
        Ok(Self { store, tables, work, changed: Condvar::new(), on_progress })
    }

    /// Starts the thread, if there is something to build.
    pub(crate) fn start(self: &Arc<Self>) -> Result<(), StorageError> {
        let mut work = self.work.lock();
        if work.left.is_empty() {
            return Ok(());
        }
        let builder = Arc::clone(self);
        let thread = std::thread::Builder::new().name("tropism-indexes".to_owned()).spawn(move || builder.run());
        work.thread = Some(thread.map_err(|error| StorageError::io("start", "tropism-indexes", error))?);
        Ok(())
    }

    /// Has the thread end after the batch at hand; whoever waits for indexes hears `Closed`.
    pub(crate) fn stop(&self) {
        self.work.lock().is_stopped = true;
        self.changed.notify_all();
    }

    /// Waits until the thread has ended.
    pub(crate) fn wait_until_ended(&self) {
        let Some(thread) = self.work.lock().thread.take() else { return };
        // A callback that closes the database runs on the thread itself.
        if thread.thread().id() != std::thread::current().id() && thread.join().is_err() {
            tracing::error!(target: "tropism", "the thread that builds indexes panicked");
        }
    }

    /// Waits until every index is ready; on a database without threads, builds them. What failed is tried again first.
    ///
    /// # Errors
    ///
    /// Why an index cannot be built; `Closed`.
    pub(crate) fn wait(&self) -> Result<(), OpenError> {
        let mut work = self.work.lock();
        for unready in &mut work.left {
            unready.failure = None;
        }
        self.changed.notify_all();
        if work.thread.is_none() {
            drop(work);
            return self.build_all();
        }
        loop {
            if work.left.is_empty() {
                return Ok(());
            }
            if work.is_stopped {
                return Err(StorageError::Closed.into());
            }
            if let Some(error) = work.failure() {
                return Err(error);
            }
            self.changed.wait(&mut work);
        }
    }

    /// Builds every index on this thread.
    ///
    /// # Errors
    ///
    /// Why an index cannot be built. Those before it are ready.
    pub(crate) fn build_all(&self) -> Result<(), OpenError> {
        while let Some((table, index)) = self.next() {
            self.step(table, index)?;
        }
        let work = self.work.lock();
        match work.failure() {
            Some(error) => Err(error),
            None if work.left.is_empty() => Ok(()),
            None => Err(StorageError::Closed.into()),
        }
    }

    /// What is left to build.
    pub(crate) fn builds(&self) -> Vec<IndexBuild> {
        let work = self.work.lock();
        let build = |unready: &Unready| {
            let (table, readiness) = self.at(unready.table, unready.index);
            let (rows_done, rows_at_most) = readiness.progress();
            IndexBuild {
                table: table.name().to_owned(),
                index: table.ops.definition.indexes[unready.index].name.to_owned(),
                rows_done,
                rows_at_most,
                failure: unready.failure.clone().map(Error::Open),
            }
        };
        work.left.iter().map(build).collect()
    }

    fn run(&self) {
        loop {
            while let Some((table, index)) = self.next() {
                if let Err(error) = self.step(table, index) {
                    tracing::error!(target: "tropism", %error, "an index cannot be built");
                }
            }
            let mut work = self.work.lock();
            if work.is_stopped || work.left.is_empty() {
                return;
            }
            match work.left.iter().any(|unready| unready.failure.as_ref().is_some_and(may_pass)) {
                false => self.changed.wait(&mut work),
                true => {
                    self.changed.wait_for(&mut work, PAUSE);
                    work.left.iter_mut().for_each(|unready| {
                        unready.failure.take_if(|failure| may_pass(failure));
                    });
                }
            }
        }
    }

    /// The first index that has not failed.
    fn next(&self) -> Option<(usize, usize)> {
        let work = self.work.lock();
        if work.is_stopped {
            return None;
        }
        let unready = work.left.iter().find(|unready| unready.failure.is_none())?;
        Some((unready.table, unready.index))
    }

    /// Builds a batch of one index, and takes note of how that went.
    fn step(&self, position: usize, index: usize) -> Result<(), OpenError> {
        let (table, readiness) = self.at(position, index);
        let built = self.build_batch(table, index, readiness);
        let mut work = self.work.lock();
        let is_this = |unready: &Unready| unready.table == position && unready.index == index;
        match &built {
            Ok(()) if readiness.is_ready() => work.left.retain(|unready| !is_this(unready)),
            Ok(()) => {}
            Err(error) => {
                let failed = work.left.iter_mut().filter(|unready| is_this(unready));
                failed.for_each(|unready| unready.failure = Some(error.clone()));
            }
        }
        drop(work);
        readiness.set_failure(built.as_ref().err().map(|error| error.to_string().into()));
        self.changed.notify_all();
        if built.is_ok() {
            self.report(table, index, readiness);
        }
        built
    }

    fn build_batch(&self, table: &OpenTable, index: usize, readiness: &IndexReadiness) -> Result<(), OpenError> {
        let mut lock = self.store.begin()?;
        lock.let_others_first();
        let snapshot = lock.snapshot();
        let mut is_new = vec![false; table.index_keyspaces.len()];
        is_new[index] = true;
        let keyspace_of =
            |target: &str| self.tables.iter().find(|table| table.name() == target).map(|table| table.keyspace);
        let indexes = NewIndexes { table, is_new: &is_new, keyspace_of: &keyspace_of };
        let (mut changes, next_id) = batch(&indexes, &snapshot, readiness)?;
        let keyspace = table.index_keyspaces[index] & !INDEX_KEYSPACE;
        match next_id {
            Some(next_id) => {
                changes.insert(index_progress_key(keyspace), Change::Put(next_id.to_le_bytes().as_slice().into()));
            }
            None => {
                changes.insert(index_progress_key(keyspace), Change::Delete);
                let catalog = catalog_with_ready(&snapshot, keyspace)?;
                changes.insert(catalog_key(), Change::Put(catalog.encode().into()));
            }
        }
        let note = |ts| match next_id {
            Some(next_id) => readiness.set_next_id(next_id),
            None => readiness.become_ready(ts),
        };
        let applied = lock.commit_noted(changes.into_vec(), Durability::Durable, note)?;
        Ok(self.store.wait_durable(applied)?)
    }

    fn report(&self, table: &OpenTable, index: usize, readiness: &IndexReadiness) {
        let mut on_progress = self.on_progress.lock();
        let Some(callback) = &mut *on_progress else { return };
        let (rows_done, rows_at_most) = readiness.progress();
        let progress = BuildProgress {
            table: table.name().to_owned(),
            work: BuildWork::BuildIndexes,
            indexes: vec![table.ops.definition.indexes[index].name.to_owned()],
            rows_done: if readiness.is_ready() { rows_at_most } else { rows_done },
            rows_at_most,
        };
        if catch_unwind(AssertUnwindSafe(|| callback(progress))).is_err() {
            tracing::error!(target: "tropism", "the callback for progress panicked, and is called no more");
            *on_progress = None;
        }
    }

    fn at(&self, table: usize, index: usize) -> (&OpenTable, &IndexReadiness) {
        let table = self.tables.at(table);
        (table, &table.readiness[index])
    }
}

impl Work {
    /// Why something cannot be built, if nothing else is left.
    fn failure(&self) -> Option<OpenError> {
        let failures = || self.left.iter().map(|unready| unready.failure.clone());
        if failures().any(|failure| failure.is_none()) {
            return None;
        }
        failures().flatten().next()
    }
}

/// The entries of the next rows, and the id to go on with; `None` if there are no more.
fn batch(
    indexes: &NewIndexes<'_>,
    snapshot: &Snapshot,
    readiness: &IndexReadiness,
) -> Result<(Changes, Option<u64>), OpenError> {
    let (start, end) = (indexes.table.row_key(readiness.next_id()), indexes.table.row_key(u64::MAX));
    let no_changes = Changes::new();
    let mut scan = snapshot.scan(&no_changes, &start, &end, Order::Ascending)?;
    let (mut changes, mut size_bytes) = (Changes::new(), 0);
    for _ in 0..BATCH_ROWS {
        if !scan.advance()? {
            return Ok((changes, None));
        }
        let id = scan.key().first_chunk::<8>().map_or(0, |id| u64::from_be_bytes(*id));
        // Whoever inserted a later row has added its entries.
        if id > readiness.last_id() {
            return Ok((changes, None));
        }
        size_bytes += scan.key().len() + scan.value().len();
        for key in indexes.entries_of(snapshot, &changes, id, scan.value())? {
            size_bytes += key.len();
            changes.insert(key, Change::Put(Default::default()));
        }
        if size_bytes >= BATCH_BYTES {
            return Ok((changes, Some(id + 1)));
        }
    }
    let last = scan.key().first_chunk::<8>().map_or(0, |id| u64::from_be_bytes(*id));
    Ok((changes, Some(last + 1)))
}

/// The catalog, in which the index with this keyspace is ready.
fn catalog_with_ready(snapshot: &Snapshot, keyspace: u32) -> Result<Catalog, OpenError> {
    let catalog = snapshot.get(&catalog_key(), Catalog::decode)?.transpose()?;
    let mut catalog = catalog.unwrap_or_default();
    let indexes = catalog.tables.iter_mut().flat_map(|table| &mut table.indexes);
    indexes.filter(|index| index.keyspace == keyspace).for_each(|index| index.state = IndexState::Ready);
    Ok(catalog)
}

/// Whether a failure may pass by itself.
fn may_pass(error: &OpenError) -> bool {
    use crate::error::FaultKind;
    matches!(error, OpenError::Storage(error) if matches!(error.kind(), FaultKind::Transient | FaultKind::Full))
}

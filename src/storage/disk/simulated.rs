//! A disk for tests: it forgets what was not synced, fails on demand, and can be damaged.
//!
//! - `faults.rs`: what can be made to go wrong, and what is told of it.
//! - `chance.rs`: seeded coins.
//! - `image.rs`: what a file holds, cheap to keep many versions of.
//! - `history.rs`: what of a file's content, or of the names, a power cut can take.
//! - `state.rs`: everything that the disk's mutex guards: files, names, failures, counters.

use std::{io, ops::Range, sync::Arc};

use parking_lot::Mutex;

use super::{Disk, DiskFile, DiskLock, check_name, memory::HeldLocks};
pub use faults::{Counters, CrashKind, Operation, SyncPoint, SyncStage};

use chance::Chance;
use history::ContentChange;
use image::Image;
use state::{Failure, State, SyncTarget};

mod faults;
mod chance;
mod image;
mod history;
mod state;

/// A disk in memory that behaves as badly as a real one may, and reproducibly so. Clones are the same disk.
///
/// It serves to test what an application has left after a power cut or a failing disk:
///
/// ```
/// use tropism::disk::{CrashKind, Disk, SimulatedDisk};
///
/// let disk = SimulatedDisk::new(7);
/// let file = disk.create("notes")?;
/// file.write_at(0, b"kept")?;
/// file.sync()?;
/// disk.sync_directory()?;
/// file.write_at(0, b"lost")?;
/// assert_eq!(disk.read_file("notes")?, b"lost");
/// assert_eq!(disk.crash(CrashKind::LoseUnsynced).read_file("notes")?, b"kept");
/// # Ok::<(), std::io::Error>(())
/// ```
///
/// Behavior:
///
/// 1. A write, a change of size and a change of a name are certain only after a sync that succeeded.
/// 2. After a failed sync what it was for stays uncertain for good, whatever later syncs answer. Reads still see it.
/// 3. A removed file keeps its room until its last handle is closed.
/// 4. The same seeds and the same operations give the same crash images.
///
/// One mutex guards everything but the locks, which have their own; the observer of syncs is called under neither.
#[derive(Clone)]
pub struct SimulatedDisk {
    state: Arc<Mutex<State>>,
    locks: HeldLocks,
    seed: u64,
}

/// Called at every sync, on the thread that syncs, before and after it takes effect.
pub type SyncObserver = dyn Fn(&SimulatedDisk, &SyncPoint) + Send + Sync;

impl SimulatedDisk {
    /// An empty disk. The seed takes part in deciding what [`CrashKind::Torn`] leaves.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self::with_state(State::new([], None), seed)
    }

    fn with_state(state: State, seed: u64) -> Self {
        Self { state: Arc::new(Mutex::new(state)), locks: HeldLocks::default(), seed }
    }

    /// The disk as a power cut at this moment would leave it: a new one, independent of this one, on which all is
    /// certain and no lock is held. It has this one's capacity, and none of its failures to come, counters or observer.
    ///
    /// The contents are shared until written, so that thousands of such images can be kept.
    #[must_use]
    pub fn crash(&self, kind: CrashKind) -> Self {
        let state = self.state.lock();
        let torn_seed = match kind {
            CrashKind::LoseUnsynced | CrashKind::KeepAll => 0,
            CrashKind::Torn(seed) => seed,
        };
        let mut chance = Chance::new([self.seed, torn_seed, state.counters.syncs]);
        let left = state.crash(kind, &mut chance);
        Self::with_state(State::new(left, state.capacity_bytes), chance.next())
    }

    /// Lets the power go at sync `index` (counted from 0, see [`SyncPoint`]), before it takes effect or after. That sync
    /// and every operation after it answer an error; [`crash`](Self::crash) then gives what is left.
    ///
    /// A test repeats its workload for 0, 1, 2, … until one ends with the power still [on](Self::is_off).
    pub fn crash_at(&self, index: u64, stage: SyncStage) {
        self.state.lock().cut_power_at(index, stage);
    }

    /// Whether the power has gone, as [`crash_at`](Self::crash_at) wanted it.
    #[must_use]
    pub fn is_off(&self) -> bool {
        self.state.lock().is_off()
    }

    /// Calls `observer` before and after every sync that succeeds, on the syncing thread and under no lock of the disk.
    ///
    /// It may use the disk; a sync that it makes is observed as well. Syncs of several threads are observed at once.
    pub fn observe_syncs(&self, observer: impl Fn(&Self, &SyncPoint) + Send + Sync + 'static) {
        let replaced = self.state.lock().observer.replace(Arc::new(observer));
        // Outside the lock: it may own a handle of this disk, whose drop takes the lock.
        drop(replaced);
    }

    /// Makes one operation fail: the very next of its kind for `nth` 1 (or 0), the one after that for 2. Several may wait.
    ///
    /// A failed write writes nothing. A failed sync leaves uncertain what it was for, whatever later syncs answer.
    pub fn fail_next(&self, operation: Operation, nth: u64, kind: io::ErrorKind) {
        self.plan_failure(operation, nth, kind, 0);
    }

    /// Makes one write fail, counted as in [`fail_next`](Self::fail_next), after it has written its first `kept_bytes`.
    pub fn tear_next_write(&self, nth: u64, kept_bytes: usize, kind: io::ErrorKind) {
        self.plan_failure(Operation::Write, nth, kind, kept_bytes);
    }

    /// Forgets the failures that have not happened. Returns whether all of them had.
    pub fn heal(&self) -> bool {
        let mut state = self.state.lock();
        let has_failed = state.failures.is_empty();
        state.failures.clear();
        has_failed
    }

    fn plan_failure(&self, operation: Operation, nth: u64, kind: io::ErrorKind, kept_bytes: usize) {
        let failure = Failure { operation, passes: nth.saturating_sub(1), kind, kept_bytes };
        self.state.lock().failures.push(failure);
    }

    /// Limits the sum of all file sizes; `None` lifts the limit. What would grow a file past it answers
    /// [`io::ErrorKind::StorageFull`]; a write then writes what fits.
    pub fn set_capacity(&self, capacity_bytes: Option<u64>) {
        self.state.lock().capacity_bytes = capacity_bytes;
    }

    /// What was done to the disk.
    #[must_use]
    pub fn counters(&self) -> Counters {
        self.state.lock().counters
    }

    /// What was done to a file.
    ///
    /// # Errors
    ///
    /// [`io::ErrorKind::NotFound`] if there is none of that name.
    pub fn file_counters(&self, name: &str) -> io::Result<Counters> {
        let state = self.state.lock();
        Ok(state.file(state.find(name)?).counters)
    }

    /// What a file holds. No operation: it never fails on demand, and works without power.
    ///
    /// # Errors
    ///
    /// [`io::ErrorKind::NotFound`] if there is none of that name.
    pub fn read_file(&self, name: &str) -> io::Result<Vec<u8>> {
        let state = self.state.lock();
        let content = state.file(state.find(name)?).content.current();
        let mut bytes = vec![0; content.size_bytes() as usize];
        content.read(0, &mut bytes)?;
        Ok(bytes)
    }

    /// Damages a file: turns over bit `bit % 8` of the byte at `offset`, for certain.
    ///
    /// # Errors
    ///
    /// [`io::ErrorKind::NotFound`] if there is none of that name, [`io::ErrorKind::UnexpectedEof`] if it ends before.
    pub fn flip_bit(&self, name: &str, offset: u64, bit: u8) -> io::Result<()> {
        let mut byte = [0];
        self.damage(name, |image| {
            image.read(offset, &mut byte)?;
            Ok(ContentChange::Write { offset, bytes: [byte[0] ^ (1 << (bit % 8))].into() })
        })
    }

    /// Damages a file: cuts it to `size_bytes`, for certain.
    ///
    /// # Errors
    ///
    /// [`io::ErrorKind::NotFound`] if there is none of that name, [`io::ErrorKind::UnexpectedEof`] if it ends before.
    pub fn truncate(&self, name: &str, size_bytes: u64) -> io::Result<()> {
        self.damage(name, |image| {
            check_reaches(image, size_bytes)?;
            Ok(ContentChange::Resize { size_bytes })
        })
    }

    /// Damages a file: overwrites the range with zeros, for certain.
    ///
    /// # Errors
    ///
    /// [`io::ErrorKind::NotFound`] if there is none of that name, [`io::ErrorKind::UnexpectedEof`] if it ends before.
    pub fn zero(&self, name: &str, range: Range<u64>) -> io::Result<()> {
        self.damage(name, |image| {
            check_reaches(image, range.end)?;
            let size_bytes = range.end.saturating_sub(range.start) as usize;
            Ok(ContentChange::Write { offset: range.start, bytes: vec![0; size_bytes].into() })
        })
    }

    fn damage(&self, name: &str, damage: impl FnOnce(&Image) -> io::Result<ContentChange>) -> io::Result<()> {
        let mut state = self.state.lock();
        let file = state.find(name)?;
        let change = damage(state.file(file).content.current())?;
        state.file_mut(file).content.change_durably(change);
        Ok(())
    }

    fn sync(&self, target: SyncTarget) -> io::Result<()> {
        let (mut point, observer) = {
            let mut state = self.state.lock();
            (state.begin_sync(target)?, state.observer.clone())
        };
        if let Some(observer) = &observer {
            observer(self, &point);
        }
        point.stage = SyncStage::After;
        self.state.lock().finish_sync(target, &point)?;
        if let Some(observer) = &observer {
            observer(self, &point);
        }
        Ok(())
    }

    fn handle(&self, state: &mut State, file: u64) -> Arc<dyn DiskFile> {
        state.open_handle(file);
        Arc::new(SimulatedFile { disk: self.clone(), file })
    }
}

fn check_reaches(image: &Image, offset: u64) -> io::Result<()> {
    if image.size_bytes() < offset { Err(io::ErrorKind::UnexpectedEof.into()) } else { Ok(()) }
}

impl Disk for SimulatedDisk {
    fn open(&self, name: &str) -> io::Result<Arc<dyn DiskFile>> {
        check_name(name)?;
        let mut state = self.state.lock();
        state.admit(Operation::Open)?;
        let file = state.find(name)?;
        Ok(self.handle(&mut state, file))
    }

    fn create(&self, name: &str) -> io::Result<Arc<dyn DiskFile>> {
        check_name(name)?;
        let mut state = self.state.lock();
        state.admit(Operation::Create)?;
        let file = state.create(name)?;
        Ok(self.handle(&mut state, file))
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        check_name(from)?;
        check_name(to)?;
        let mut state = self.state.lock();
        state.admit(Operation::Rename)?;
        state.rename(from, to)
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        check_name(name)?;
        let mut state = self.state.lock();
        state.admit(Operation::Remove)?;
        state.remove(name)
    }

    fn list(&self) -> io::Result<Vec<String>> {
        let mut state = self.state.lock();
        state.admit(Operation::List)?;
        Ok(state.names().cloned().collect())
    }

    fn sync_directory(&self) -> io::Result<()> {
        self.sync(SyncTarget::Directory)
    }

    fn lock(&self, name: &str) -> io::Result<Box<dyn DiskLock>> {
        self.state.lock().admit(Operation::Lock)?;
        self.locks.take(name)
    }

    fn describe(&self) -> String {
        "simulated disk".to_owned()
    }
}

struct SimulatedFile {
    disk: SimulatedDisk,
    file: u64,
}

impl DiskFile for SimulatedFile {
    fn len(&self) -> io::Result<u64> {
        let mut state = self.disk.state.lock();
        state.admit(Operation::Len)?;
        Ok(state.file(self.file).content.current().size_bytes())
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<()> {
        let mut state = self.disk.state.lock();
        state.admit(Operation::Read)?;
        state.file(self.file).content.current().read(offset, buffer)
    }

    fn write_at(&self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        self.disk.state.lock().write(self.file, offset, bytes)
    }

    fn set_len(&self, size_bytes: u64) -> io::Result<()> {
        let mut state = self.disk.state.lock();
        state.admit(Operation::SetLen)?;
        state.resize(self.file, size_bytes)
    }

    fn sync(&self) -> io::Result<()> {
        self.disk.sync(SyncTarget::File(self.file))
    }
}

impl Drop for SimulatedFile {
    fn drop(&mut self) {
        self.disk.state.lock().close_handle(self.file);
    }
}

#[cfg(test)]
mod tests;

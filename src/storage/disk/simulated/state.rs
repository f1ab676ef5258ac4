//! Everything that a simulated disk's mutex guards.

use std::{collections::BTreeMap, io, sync::Arc};

use super::{
    Counters, CrashKind, Operation, SyncObserver, SyncPoint, SyncStage,
    chance::Chance,
    history::{ContentChange, History, NameChange, Names},
    image::Image,
};

/// A file, with or without a name.
pub(super) struct FileState {
    /// The newest name that it had.
    name: String,
    pub(super) content: History<ContentChange>,
    handles: usize,
    pub(super) counters: Counters,
}

/// What a sync is for.
#[derive(Clone, Copy)]
pub(super) enum SyncTarget {
    File(u64),
    Directory,
}

/// An operation that is to fail.
pub(super) struct Failure {
    pub(super) operation: Operation,
    /// How many of its kind pass before it.
    pub(super) passes: u64,
    pub(super) kind: io::ErrorKind,
    /// How much of a write is done all the same.
    pub(super) kept_bytes: usize,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Power {
    On,
    /// Goes off at that sync.
    Until(u64, SyncStage),
    Off,
}

pub(super) struct State {
    names: History<NameChange>,
    /// By file number. A file stays while a power cut could still leave it a name, or a handle is open.
    files: BTreeMap<u64, FileState>,
    next_file: u64,
    pub(super) failures: Vec<Failure>,
    pub(super) capacity_bytes: Option<u64>,
    power: Power,
    pub(super) counters: Counters,
    pub(super) observer: Option<Arc<SyncObserver>>,
}

impl State {
    /// A disk on which all of this is durable.
    pub(super) fn new(contents: impl IntoIterator<Item = (String, Image)>, capacity_bytes: Option<u64>) -> Self {
        let mut names = Names::new();
        let mut files = BTreeMap::new();
        for (file, (name, image)) in (0..).zip(contents) {
            names.insert(name.clone(), file);
            files.insert(file, FileState::new(name, image));
        }
        Self {
            names: History::new(names),
            next_file: files.len() as u64,
            files,
            failures: Vec::new(),
            capacity_bytes,
            power: Power::On,
            counters: Counters::default(),
            observer: None,
        }
    }

    /// Refuses the operation if the power is off or it is this one's turn to fail.
    pub(super) fn admit(&mut self, operation: Operation) -> io::Result<()> {
        self.check_power()?;
        match self.take_failure(operation) {
            Some(failure) => Err(failure.error()),
            None => Ok(()),
        }
    }

    fn check_power(&self) -> io::Result<()> {
        match self.power {
            Power::On | Power::Until(..) => Ok(()),
            Power::Off => Err(power_is_off()),
        }
    }

    /// Counts the operation against every failure that waits for its kind.
    fn take_failure(&mut self, operation: Operation) -> Option<Failure> {
        let mut due = None;
        for (position, failure) in self.failures.iter_mut().enumerate() {
            if failure.operation != operation {
                continue;
            }
            match failure.passes.checked_sub(1) {
                Some(passes) => failure.passes = passes,
                None => due = due.or(Some(position)),
            }
        }
        due.map(|position| self.failures.remove(position))
    }

    pub(super) fn names(&self) -> impl Iterator<Item = &String> {
        self.names.current().keys()
    }

    /// The number of the file that has this name now.
    pub(super) fn find(&self, name: &str) -> io::Result<u64> {
        self.names.current().get(name).copied().ok_or_else(|| io::ErrorKind::NotFound.into())
    }

    pub(super) fn file(&self, file: u64) -> &FileState {
        self.files.get(&file).expect("a file stays while it has a name or a handle")
    }

    pub(super) fn file_mut(&mut self, file: u64) -> &mut FileState {
        self.files.get_mut(&file).expect("a file stays while it has a name or a handle")
    }

    pub(super) fn create(&mut self, name: &str) -> io::Result<u64> {
        if self.names.current().contains_key(name) {
            return Err(io::ErrorKind::AlreadyExists.into());
        }
        if self.room_bytes() == 0 {
            return Err(io::ErrorKind::StorageFull.into());
        }
        let file = self.next_file;
        self.next_file += 1;
        self.files.insert(file, FileState::new(name.to_owned(), Image::default()));
        self.names.change(NameChange::Named { name: name.to_owned(), file });
        Ok(file)
    }

    pub(super) fn rename(&mut self, from: &str, to: &str) -> io::Result<()> {
        let file = self.find(from)?;
        self.file_mut(file).name = to.to_owned();
        self.names.change(NameChange::Named { name: to.to_owned(), file });
        Ok(())
    }

    pub(super) fn remove(&mut self, name: &str) -> io::Result<()> {
        let file = self.find(name)?;
        self.names.change(NameChange::Removed { file });
        Ok(())
    }

    pub(super) fn open_handle(&mut self, file: u64) {
        self.file_mut(file).handles += 1;
    }

    pub(super) fn close_handle(&mut self, file: u64) {
        self.file_mut(file).handles -= 1;
    }

    pub(super) fn write(&mut self, file: u64, offset: u64, bytes: &[u8]) -> io::Result<()> {
        self.check_power()?;
        let fitting_bytes = self.fitting_bytes(file, offset, bytes.len())?;
        let (kept_bytes, outcome) = match self.take_failure(Operation::Write) {
            Some(failure) => (failure.kept_bytes.min(fitting_bytes), Err(failure.error())),
            None if fitting_bytes < bytes.len() => (fitting_bytes, Err(io::ErrorKind::StorageFull.into())),
            None => (bytes.len(), Ok(())),
        };
        self.counters.count_write(kept_bytes);
        let state = self.file_mut(file);
        state.counters.count_write(kept_bytes);
        if kept_bytes > 0 {
            state.content.change(ContentChange::Write { offset, bytes: bytes[..kept_bytes].into() });
        }
        outcome
    }

    pub(super) fn resize(&mut self, file: u64, size_bytes: u64) -> io::Result<()> {
        let growth_bytes = size_bytes.saturating_sub(self.file(file).content.current().size_bytes());
        if growth_bytes > self.room_bytes() {
            return Err(io::ErrorKind::StorageFull.into());
        }
        self.file_mut(file).content.change(ContentChange::Resize { size_bytes });
        Ok(())
    }

    /// How many of the bytes can be written before the disk is full.
    fn fitting_bytes(&self, file: u64, offset: u64, size_bytes: usize) -> io::Result<usize> {
        let end = offset.checked_add(size_bytes as u64).ok_or(io::ErrorKind::FileTooLarge)?;
        let possible_end = self.file(file).content.current().size_bytes().saturating_add(self.room_bytes());
        Ok(usize::try_from(end.min(possible_end).saturating_sub(offset)).unwrap_or(size_bytes))
    }

    fn room_bytes(&self) -> u64 {
        let Some(capacity_bytes) = self.capacity_bytes else { return u64::MAX };
        let used_bytes = self.files.iter().filter(|(file, _)| self.takes_room(**file));
        capacity_bytes.saturating_sub(used_bytes.map(|(_, state)| state.content.current().size_bytes()).sum())
    }

    /// As on a file system, a removed file gives its room back when its last handle is closed.
    fn takes_room(&self, file: u64) -> bool {
        self.file(file).handles > 0 || self.names.current().values().any(|named| *named == file)
    }

    /// Begins a sync: numbers it, and lets it fail if it must. Until [`finish_sync`](Self::finish_sync) nothing is durable.
    pub(super) fn begin_sync(&mut self, target: SyncTarget) -> io::Result<SyncPoint> {
        self.check_power()?;
        let index = self.counters.syncs;
        self.counters.syncs += 1;
        let (operation, file) = match target {
            SyncTarget::File(file) => {
                let state = self.file_mut(file);
                state.counters.syncs += 1;
                (Operation::Sync, Some(state.name.clone()))
            }
            SyncTarget::Directory => (Operation::SyncDirectory, None),
        };
        let point = SyncPoint { index, file, stage: SyncStage::Before };
        self.reach(&point)?;
        if let Some(failure) = self.take_failure(operation) {
            match target {
                SyncTarget::File(file) => self.file_mut(file).content.fail_sync(),
                SyncTarget::Directory => self.names.fail_sync(),
            }
            return Err(failure.error());
        }
        Ok(point)
    }

    /// Makes durable what the sync is for.
    pub(super) fn finish_sync(&mut self, target: SyncTarget, point: &SyncPoint) -> io::Result<()> {
        self.check_power()?;
        match target {
            SyncTarget::File(file) => self.file_mut(file).content.sync(),
            SyncTarget::Directory => {
                self.names.sync();
                self.forget_files();
            }
        }
        self.reach(point)
    }

    /// Plans to cut the power; what is off stays off.
    pub(super) fn cut_power_at(&mut self, index: u64, stage: SyncStage) {
        if self.power != Power::Off {
            self.power = Power::Until(index, stage);
        }
    }

    pub(super) fn is_off(&self) -> bool {
        self.power == Power::Off
    }

    /// Cuts the power if it is to go at this point.
    fn reach(&mut self, point: &SyncPoint) -> io::Result<()> {
        if self.power == Power::Until(point.index, point.stage) {
            self.power = Power::Off;
            return Err(power_is_off());
        }
        Ok(())
    }

    fn forget_files(&mut self) {
        if self.names.is_durable() {
            let names = self.names.current();
            self.files.retain(|file, state| state.handles > 0 || names.values().any(|named| named == file));
        }
    }

    #[cfg(test)]
    pub(super) fn file_count(&self) -> usize {
        self.files.len()
    }

    /// The files that a power cut now would leave.
    pub(super) fn crash(&self, kind: CrashKind, chance: &mut Chance) -> Vec<(String, Image)> {
        let names = self.names.crash(kind, chance);
        names.into_iter().map(|(name, file)| (name, self.file(file).content.crash(kind, chance))).collect()
    }
}

impl Counters {
    fn count_write(&mut self, written_bytes: usize) {
        self.writes += 1;
        self.written_bytes += written_bytes as u64;
    }
}

impl FileState {
    fn new(name: String, image: Image) -> Self {
        Self { name, content: History::new(image), handles: 0, counters: Counters::default() }
    }
}

impl Failure {
    fn error(&self) -> io::Error {
        io::Error::new(self.kind, "failed on demand")
    }
}

fn power_is_off() -> io::Error {
    io::Error::other("the power is off")
}

//! The commit log: what makes a commit durable, and what an open replays.
//!
//! The log is a row of preallocated segment files. Commits are appended in **frames**: one frame per group of commits,
//! one write and one sync per frame. A frame is only written when the one before it is durable, so after a crash at
//! most the last frame can be torn, and damage with a valid frame behind it is corruption, never a torn tail.
//!
//! Segments are made whole (or recycled) under another name, synced, and then renamed, so a file that is named as a
//! segment has a valid header. Whatever fails while a segment is made, the files it was made of are never used: they
//! are removed before the next one is made. `docs/format.md` describes every byte.

mod segment;
mod replay;

use std::{
    io,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use parking_lot::Mutex;

pub(super) use self::segment::{FRAME_ALIGNMENT, FRAME_HEADER_BYTES, Segment, segment_number};
use self::{
    replay::Replay,
    segment::{SEGMENT_HEADER_BYTES, segment_header, segment_name},
};
use super::{base::Figures, disk::Disk, record::Commit};
use crate::error::{OpenError, StorageError};

/// The spare segment that a clean close leaves, and what begins the names of others.
const SPARE: &str = "log-spare";

/// Makes, recycles and removes segments, and replays them.
pub(super) struct Log {
    disk: Arc<dyn Disk>,
    segment_bytes: u64,
    /// Used segments that are kept while the database is open.
    spares_kept: usize,
    files: Mutex<Files>,
    /// The size of the live segments. Written by the holder of `files`, and read by anybody.
    live_bytes: AtomicU64,
}

/// Which files there are. Held while one is made, so that two are never made at once.
struct Files {
    next_number: u64,
    next_spare: u64,
    /// Live segments' numbers and sizes, in order.
    live: Vec<(u64, u64)>,
    /// Files of the usual size that are durable as they are, by their names.
    spares: Vec<String>,
    /// Files that a failure left; to be removed.
    leftovers: Vec<String>,
}

/// What replaying the log found.
pub(super) struct Replayed {
    pub(super) log: Log,
    /// The segment to go on writing to, if there is one.
    pub(super) current: Option<Arc<Segment>>,
    /// Bytes of the commits that the base lacked.
    pub(super) replayed_bytes: u64,
}

impl Log {
    /// Reads every segment in order and hands each commit that the base lacks to `apply`. On return, everything that was
    /// handed over is durable.
    ///
    /// # Errors
    ///
    /// `Corrupt` where something that the base lacks is damaged or missing; `NewerFormat` for segments of a later
    /// release; `Io`.
    pub(super) fn open(
        disk: Arc<dyn Disk>,
        segment_bytes: u64,
        spares_kept: usize,
        base: Figures,
        apply: &mut dyn FnMut(Commit),
    ) -> Result<Replayed, OpenError> {
        let files = disk.list().map_err(|error| StorageError::io("list", &disk.describe(), error))?;
        let mut numbers: Vec<u64> = files.iter().filter_map(|file| segment_number(file)).collect();
        numbers.sort_unstable();
        let obsolete = numbers.partition_point(|number| *number < base.log_from);
        let needed = numbers.split_off(obsolete);
        let mut replay = Replay::new(&*disk, base.ts, apply);
        if base.log_goes_on && needed.first() != Some(&base.log_from) {
            replay.miss(base.log_from);
        }
        let mut live = Vec::new();
        let mut current = None;
        // Spares may be half made or not durable, and what the base has is not needed.
        let mut leftovers: Vec<String> = numbers.iter().map(|number| segment_name(*number)).collect();
        let mut spares: Vec<String> = files.iter().filter(|file| file.starts_with(SPARE)).cloned().collect();
        if needed.is_empty() && spares == [SPARE] && is_of_size(&*disk, SPARE, segment_bytes)? {
            // A clean close has left it, whole and durable.
        } else {
            leftovers.append(&mut spares);
        }
        for (at, &number) in needed.iter().enumerate() {
            let is_last = at + 1 == needed.len();
            let (segment, has_frames) = replay.read(number, is_last)?;
            if is_last && !has_frames {
                // Its name may not be durable, and nothing is lost with it.
                leftovers.push(segment_name(number));
                continue;
            }
            live.push((number, segment.size_bytes()));
            current = Some(segment);
        }
        let replayed_bytes = replay.finish(base.log_goes_on)?;
        let mut files = Files {
            next_number: needed.last().map_or(base.log_from, |last| last + 1),
            next_spare: 0,
            live,
            spares,
            leftovers,
        };
        remove_leftovers(&*disk, &mut files)?;
        if !needed.is_empty() {
            // The names may be readable and not durable.
            disk.sync_directory().map_err(|error| StorageError::io("sync", &disk.describe(), error))?;
        }
        let live_bytes = AtomicU64::new(files.live_bytes());
        let log = Self { disk, segment_bytes, spares_kept, files: Mutex::new(files), live_bytes };
        Ok(Replayed { log, current, replayed_bytes })
    }

    /// The next segment, with room for `needed_bytes` of frames. Takes a spare file when there is one; otherwise writes
    /// a new file full of zeros, so that later writes change no metadata and a sync is one disk write.
    pub(super) fn next_segment(&self, needed_bytes: u64) -> Result<Arc<Segment>, StorageError> {
        let mut files = self.files.lock();
        remove_leftovers(&*self.disk, &mut files)?;
        let size_bytes = self.segment_bytes.max(needed_bytes.saturating_add(SEGMENT_HEADER_BYTES));
        let spare = match files.spares.pop() {
            Some(spare) if size_bytes == self.segment_bytes => spare,
            kept => {
                files.spares.extend(kept);
                self.make_file(&mut files, size_bytes)?
            }
        };
        let number = files.next_number;
        files.next_number += 1;
        // If anything fails from here on, neither name is used.
        files.leftovers = vec![spare.clone(), segment_name(number)];
        let segment = self.turn_into_segment(&spare, number, size_bytes)?;
        files.leftovers.clear();
        files.live.push((number, size_bytes));
        self.live_bytes.store(files.live_bytes(), Ordering::Relaxed);
        Ok(segment)
    }

    fn turn_into_segment(&self, spare: &str, number: u64, size_bytes: u64) -> Result<Arc<Segment>, StorageError> {
        let name = segment_name(number);
        let file = self.disk.open(spare).map_err(|error| StorageError::io("open", spare, error))?;
        let header = segment_header(number, size_bytes);
        file.write_at(0, &header).map_err(|error| StorageError::io("write", spare, error))?;
        file.sync().map_err(|error| StorageError::io("sync", spare, error))?;
        self.disk.rename(spare, &name).map_err(|error| StorageError::io("rename", &name, error))?;
        self.disk.sync_directory().map_err(|error| StorageError::io("sync", &self.disk.describe(), error))?;
        Ok(Arc::new(Segment::new(number, file, size_bytes)))
    }

    /// Makes a spare segment ahead of need, if there is none.
    pub(super) fn prepare_spare(&self) -> Result<(), StorageError> {
        let mut files = self.files.lock();
        if files.spares.is_empty() {
            remove_leftovers(&*self.disk, &mut files)?;
            let spare = self.make_file(&mut files, self.segment_bytes)?;
            files.spares.push(spare);
        }
        Ok(())
    }

    /// Makes a file full of zeros, durable but for its name.
    fn make_file(&self, files: &mut Files, size_bytes: u64) -> Result<String, StorageError> {
        let name = format!("{SPARE}-{}", files.next_spare);
        files.next_spare += 1;
        files.leftovers.push(name.clone());
        let file = self.disk.create(&name).map_err(|error| StorageError::io("create", &name, error))?;
        file.allocate(size_bytes).map_err(|error| StorageError::io("write", &name, error))?;
        file.sync().map_err(|error| StorageError::io("sync", &name, error))?;
        files.leftovers.retain(|leftover| *leftover != name);
        Ok(name)
    }

    /// Drops every segment before `number`, whose commits are in the base. Some are kept as spares.
    pub(super) fn drop_before(&self, number: u64) -> Result<(), StorageError> {
        let mut files = self.files.lock();
        remove_leftovers(&*self.disk, &mut files)?;
        let has_some = files.live.first().is_some_and(|(oldest, _)| *oldest < number);
        while let Some(&(oldest, size_bytes)) = files.live.first().filter(|(oldest, _)| *oldest < number) {
            let name = segment_name(oldest);
            if files.spares.len() < self.spares_kept && size_bytes == self.segment_bytes {
                let spare = format!("{SPARE}-{}", files.next_spare);
                files.next_spare += 1;
                match self.disk.rename(&name, &spare) {
                    Ok(()) => files.spares.push(spare),
                    // An earlier attempt took effect, and answered an error all the same.
                    Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                    Err(error) => return Err(StorageError::io("rename", &name, error)),
                }
            } else {
                match self.disk.remove(&name) {
                    Err(error) if error.kind() != io::ErrorKind::NotFound => {
                        return Err(StorageError::io("remove", &name, error));
                    }
                    Ok(()) | Err(_) => {}
                }
            }
            files.live.remove(0);
            self.live_bytes.store(files.live_bytes(), Ordering::Relaxed);
        }
        if has_some {
            self.disk.sync_directory().map_err(|error| StorageError::io("sync", &self.disk.describe(), error))?;
        }
        Ok(())
    }

    /// Removes the spares but one, when the database has closed cleanly.
    pub(super) fn remove_spares(&self) -> Result<(), StorageError> {
        let mut files = self.files.lock();
        let kept = files.spares.pop();
        let mut spares = std::mem::take(&mut files.spares);
        files.leftovers.append(&mut spares);
        remove_leftovers(&*self.disk, &mut files)?;
        if let Some(spare) = kept.filter(|spare| spare != SPARE) {
            self.disk.rename(&spare, SPARE).map_err(|error| StorageError::io("rename", SPARE, error))?;
        }
        Ok(())
    }

    /// The number that the next new segment will have.
    pub(super) fn next_number(&self) -> u64 {
        self.files.lock().next_number
    }

    /// The size of the live segments. Does not wait while files are made.
    pub(super) fn size_bytes(&self) -> u64 {
        self.live_bytes.load(Ordering::Relaxed)
    }
}

impl Files {
    fn live_bytes(&self) -> u64 {
        self.live.iter().map(|(_, size_bytes)| size_bytes).sum()
    }
}

fn is_of_size(disk: &dyn Disk, name: &str, size_bytes: u64) -> Result<bool, StorageError> {
    let file = disk.open(name).map_err(|error| StorageError::io("open", name, error))?;
    Ok(file.len().map_err(|error| StorageError::io("read", name, error))? == size_bytes)
}

/// Removes what must not be used; what cannot be removed stays noted.
fn remove_leftovers(disk: &dyn Disk, files: &mut Files) -> Result<(), StorageError> {
    while let Some(name) = files.leftovers.pop() {
        match disk.remove(&name) {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => {
                let failed = StorageError::io("remove", &name, error);
                files.leftovers.push(name);
                return Err(failed);
            }
        }
    }
    Ok(())
}

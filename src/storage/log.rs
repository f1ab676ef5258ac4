//! The commit log: what makes a commit durable, and what an open replays.
//!
//! The log is a row of preallocated segment files. Commits are appended in **frames**: one frame per group of commits,
//! one write and one sync per frame. A frame is only written when the one before it is durable, so after a crash at
//! most the last frame can be torn, and damage with a valid frame behind it is corruption, never a torn tail.
//!
//! Segments are made (or recycled) whole under another name, synced, and then renamed, so a file named as a segment
//! always has a valid header. `docs/format.md` describes every byte.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use parking_lot::Mutex;
use xxhash_rust::xxh3::xxh3_64_with_seed;

use super::{
    base::Figures,
    disk::{Disk, DiskFile},
    record::Commit,
};
use crate::error::{OpenError, StorageError};

/// The newest format of log segments that this release reads and the one that it writes.
const LOG_FORMAT: u32 = 1;
const SEGMENT_MAGIC: [u8; 8] = *b"tropism\n";
const FRAME_MAGIC: u32 = 0x4652_4d31;
/// The segment's header fills a sector, so that no frame shares one with it.
const SEGMENT_HEADER_BYTES: u64 = 512;
pub(super) const FRAME_HEADER_BYTES: usize = 32;
/// Frames begin at multiples of this.
pub(super) const FRAME_ALIGNMENT: u64 = 8;
/// What the next segment is called while it is being made.
const SPARE_FILE: &str = "log-spare";
const ZEROS_PER_WRITE: usize = 1 << 20;

/// One segment file.
pub(super) struct Segment {
    pub(super) number: u64,
    name: String,
    file: Arc<dyn DiskFile>,
    pub(super) size_bytes: u64,
    /// Where the next frame goes. Written only by whoever holds the log's turn to sync.
    end: AtomicU64,
}

/// Makes, recycles and removes segments, and replays them.
pub(super) struct Log {
    disk: Arc<dyn Disk>,
    segment_bytes: u64,
    files: Mutex<Files>,
}

/// Which segment files there are. Held while one is made, so that two are never made at once.
struct Files {
    next_number: u64,
    /// Live segments' numbers and sizes, in order.
    live: Vec<(u64, u64)>,
    has_spare: bool,
}

/// What replaying the log found.
pub(super) struct Replayed {
    pub(super) log: Log,
    /// The segment to go on writing to, if there is one.
    pub(super) current: Option<Arc<Segment>>,
}

impl Log {
    /// Reads every segment in order and hands each commit that the base lacks to `replay`; cuts a torn tail.
    ///
    /// # Errors
    ///
    /// `Corrupt` where a frame is damaged and valid ones follow, where commits are missing from the sequence, or where
    /// a segment that the base counts on is gone; `NewerFormat` for segments of a later release.
    pub(super) fn open(
        disk: Arc<dyn Disk>,
        segment_bytes: u64,
        base: Figures,
        replay: &mut dyn FnMut(Commit),
    ) -> Result<Replayed, OpenError> {
        let (obsolete, numbers): (Vec<u64>, Vec<u64>) =
            segment_numbers(&*disk)?.into_iter().partition(|number| *number < base.log_from);
        if base.log_goes_on && !numbers.contains(&base.log_from) {
            return Err(corrupt(&segment_name(base.log_from), 0, "the segment is missing").into());
        }
        for number in obsolete {
            let name = segment_name(number);
            disk.remove(&name).map_err(|error| StorageError::io("remove", &name, error))?;
        }
        let mut reader = Reader { last_ts: None, base_ts: base.ts, replay };
        let mut live = Vec::new();
        let mut current = None;
        for (at, &number) in numbers.iter().enumerate() {
            let segment = Segment::open(&*disk, number)?;
            let is_last = at + 1 == numbers.len();
            reader.read(&segment, is_last)?;
            live.push((number, segment.size_bytes));
            current = Some(Arc::new(segment));
        }
        let files = disk.list().map_err(|error| StorageError::io("list", &disk.describe(), error))?;
        let next_number = numbers.last().map_or(base.log_from, |last| last + 1);
        let files = Files { next_number, live, has_spare: files.iter().any(|file| file == SPARE_FILE) };
        Ok(Replayed { log: Self { disk, segment_bytes, files: Mutex::new(files) }, current })
    }

    /// The next segment, with room for `needed_bytes` of frames. Takes the spare file when there is one; otherwise
    /// writes a new file full of zeros, so that later writes change no metadata and a sync is one disk write.
    pub(super) fn next_segment(&self, needed_bytes: u64) -> Result<Arc<Segment>, StorageError> {
        let mut files = self.files.lock();
        self.make_spare(&mut files, needed_bytes)?;
        let number = files.next_number;
        let name = segment_name(number);
        let file = self.disk.open(SPARE_FILE).map_err(|error| StorageError::io("open", SPARE_FILE, error))?;
        let size_bytes = file.len().map_err(|error| StorageError::io("read", SPARE_FILE, error))?;
        file.write_at(0, &segment_header(number)).map_err(|error| StorageError::io("write", SPARE_FILE, error))?;
        file.sync().map_err(|error| StorageError::io("sync", SPARE_FILE, error))?;
        self.disk.rename(SPARE_FILE, &name).map_err(|error| StorageError::io("rename", &name, error))?;
        files.has_spare = false;
        files.next_number += 1;
        files.live.push((number, size_bytes));
        self.disk.sync_directory().map_err(|error| StorageError::io("sync", &self.disk.describe(), error))?;
        Ok(Arc::new(Segment { number, name, file, size_bytes, end: AtomicU64::new(SEGMENT_HEADER_BYTES) }))
    }

    /// Makes a spare segment ahead of need.
    pub(super) fn prepare_spare(&self) -> Result<(), StorageError> {
        self.make_spare(&mut self.files.lock(), 0)
    }

    fn make_spare(&self, files: &mut Files, needed_bytes: u64) -> Result<(), StorageError> {
        let size_bytes = self.segment_bytes.max(needed_bytes + SEGMENT_HEADER_BYTES);
        if files.has_spare {
            let file = self.disk.open(SPARE_FILE).map_err(|error| StorageError::io("open", SPARE_FILE, error))?;
            if file.len().map_err(|error| StorageError::io("read", SPARE_FILE, error))? >= size_bytes {
                return Ok(());
            }
            drop(file);
            self.remove(SPARE_FILE)?;
            files.has_spare = false;
        }
        let file = self.disk.create(SPARE_FILE).map_err(|error| StorageError::io("create", SPARE_FILE, error))?;
        let filled = fill_with_zeros(&*file, size_bytes);
        drop(file);
        if let Err(error) = filled {
            // Half a spare is worth nothing, and its room may be what the disk is short of.
            self.remove(SPARE_FILE)?;
            return Err(error);
        }
        files.has_spare = true;
        Ok(())
    }

    /// Drops every segment before `number`: their commits are in the base. One is kept as the spare.
    pub(super) fn drop_before(&self, number: u64) -> Result<(), StorageError> {
        let mut files = self.files.lock();
        while let Some(&(oldest, size_bytes)) = files.live.first().filter(|(oldest, _)| *oldest < number) {
            let name = segment_name(oldest);
            if files.has_spare || size_bytes != self.segment_bytes {
                self.remove(&name)?;
            } else {
                self.disk.rename(&name, SPARE_FILE).map_err(|error| StorageError::io("rename", &name, error))?;
                files.has_spare = true;
            }
            files.live.remove(0);
        }
        self.disk.sync_directory().map_err(|error| StorageError::io("sync", &self.disk.describe(), error))
    }

    /// The number that the next new segment will have.
    pub(super) fn next_number(&self) -> u64 {
        self.files.lock().next_number
    }

    fn remove(&self, name: &str) -> Result<(), StorageError> {
        self.disk.remove(name).map_err(|error| StorageError::io("remove", name, error))
    }
}

fn fill_with_zeros(file: &dyn DiskFile, size_bytes: u64) -> Result<(), StorageError> {
    let zeros = vec![0; ZEROS_PER_WRITE.min(size_bytes as usize)];
    let mut offset = 0;
    while offset < size_bytes {
        let part = &zeros[..zeros.len().min((size_bytes - offset) as usize)];
        file.write_at(offset, part).map_err(|error| StorageError::io("write", SPARE_FILE, error))?;
        offset += part.len() as u64;
    }
    file.sync().map_err(|error| StorageError::io("sync", SPARE_FILE, error))
}

impl Segment {
    fn open(disk: &dyn Disk, number: u64) -> Result<Self, OpenError> {
        let name = segment_name(number);
        let file = disk.open(&name).map_err(|error| StorageError::io("open", &name, error))?;
        let size_bytes = file.len().map_err(|error| StorageError::io("read", &name, error))?;
        let mut header = [0; 32];
        if size_bytes < SEGMENT_HEADER_BYTES {
            return Err(corrupt(&name, 0, "the segment's header is cut off").into());
        }
        file.read_at(0, &mut header).map_err(|error| StorageError::io("read", &name, error))?;
        if header[..8] != SEGMENT_MAGIC {
            return Err(corrupt(&name, 0, "the segment's header is not one").into());
        }
        let format = u32::from_le_bytes([header[8], header[9], header[10], header[11]]);
        if format > LOG_FORMAT {
            return Err(OpenError::NewerFormat { file: name, found: format, supported: LOG_FORMAT });
        }
        if header != segment_header(number) {
            return Err(corrupt(&name, 8, "the segment's header is damaged").into());
        }
        Ok(Self { number, name, file, size_bytes, end: AtomicU64::new(SEGMENT_HEADER_BYTES) })
    }

    /// Bytes that frames can still take.
    pub(super) fn room_bytes(&self) -> u64 {
        self.size_bytes - self.end.load(Ordering::Relaxed)
    }

    /// Writes the frame and makes it durable. `frame` begins with [`FRAME_HEADER_BYTES`] left free for the header.
    ///
    /// Called only by whoever holds the log's turn to sync, so at most one frame is in flight.
    pub(super) fn append(&self, frame: &mut [u8], first_ts: u64, last_ts: u64) -> Result<(), StorageError> {
        let payload_bytes = (frame.len() - FRAME_HEADER_BYTES) as u32;
        frame[0..4].copy_from_slice(&FRAME_MAGIC.to_le_bytes());
        frame[4..8].copy_from_slice(&payload_bytes.to_le_bytes());
        frame[16..24].copy_from_slice(&first_ts.to_le_bytes());
        frame[24..32].copy_from_slice(&last_ts.to_le_bytes());
        let checksum = frame_checksum(self.number, frame);
        frame[8..16].copy_from_slice(&checksum.to_le_bytes());
        let offset = self.end.load(Ordering::Relaxed);
        self.file.write_at(offset, frame).map_err(|error| StorageError::io("write", &self.name, error))?;
        self.file.sync().map_err(|error| StorageError::io("sync", &self.name, error))?;
        self.end.store((offset + frame.len() as u64).next_multiple_of(FRAME_ALIGNMENT), Ordering::Relaxed);
        Ok(())
    }

    /// Overwrites the torn frame at `offset`, if one begins there, so that nothing of it is ever read again.
    fn cut(&self, offset: u64, bytes: &[u8]) -> Result<(), StorageError> {
        let torn = bytes.get(offset as usize..).unwrap_or_default();
        if !torn.starts_with(&FRAME_MAGIC.to_le_bytes()) {
            return Ok(());
        }
        let torn_bytes = torn[4..].first_chunk::<4>().map_or(0, |length| u32::from_le_bytes(*length) as usize);
        let size_bytes = (FRAME_HEADER_BYTES + torn_bytes).min(torn.len());
        tracing::warn!(file = %self.name, offset, size_bytes, "cut a torn tail off the log");
        let zeros = vec![0; size_bytes];
        self.file.write_at(offset, &zeros).map_err(|error| StorageError::io("write", &self.name, error))?;
        self.file.sync().map_err(|error| StorageError::io("sync", &self.name, error))
    }
}

/// Walks the frames of segments in order.
struct Reader<'a> {
    /// Last commit read from the log so far.
    last_ts: Option<u64>,
    base_ts: u64,
    replay: &'a mut dyn FnMut(Commit),
}

/// A frame whose header and checksum hold.
struct Frame<'a> {
    first_ts: u64,
    last_ts: u64,
    payload: &'a [u8],
}

impl Reader<'_> {
    fn read(&mut self, segment: &Segment, is_last: bool) -> Result<(), StorageError> {
        let mut bytes = vec![0; segment.size_bytes as usize];
        segment.file.read_at(0, &mut bytes).map_err(|error| StorageError::io("read", &segment.name, error))?;
        let mut offset = SEGMENT_HEADER_BYTES;
        while let Some(frame) = frame_at(segment.number, &bytes, offset) {
            self.replay(segment, offset, &frame)?;
            let end = offset + (FRAME_HEADER_BYTES + frame.payload.len()) as u64;
            offset = end.next_multiple_of(FRAME_ALIGNMENT).min(segment.size_bytes);
        }
        if let Some(next) = self.frame_after(segment.number, &bytes, offset) {
            let reason = format!("a frame is damaged, and a valid one follows at byte {next}");
            return Err(corrupt(&segment.name, offset, &reason));
        }
        if is_last {
            segment.cut(offset, &bytes)?;
        }
        segment.end.store(offset, Ordering::Relaxed);
        Ok(())
    }

    /// Where the next valid frame with later commits begins, past a place that holds none.
    fn frame_after(&self, number: u64, bytes: &[u8], offset: u64) -> Option<u64> {
        let expected = self.last_ts.map_or(0, |ts| ts + 1);
        let mut at = offset + FRAME_ALIGNMENT;
        while at + FRAME_HEADER_BYTES as u64 <= bytes.len() as u64 {
            if frame_at(number, bytes, at).is_some_and(|frame| frame.first_ts >= expected) {
                return Some(at);
            }
            at += FRAME_ALIGNMENT;
        }
        None
    }

    fn replay(&mut self, segment: &Segment, offset: u64, frame: &Frame<'_>) -> Result<(), StorageError> {
        let expected = self.last_ts.map(|ts| ts + 1);
        let has_gap = match expected {
            Some(expected) => frame.first_ts != expected,
            None => frame.first_ts > self.base_ts + 1,
        };
        if has_gap {
            let expected = expected.unwrap_or(self.base_ts + 1);
            let reason = format!("commit {expected} is missing; the next one in the log is {}", frame.first_ts);
            return Err(corrupt(&segment.name, offset, &reason));
        }
        let mut rest = frame.payload;
        let mut ts = frame.first_ts;
        while !rest.is_empty() {
            let (commit, after) = Commit::decode(rest).map_err(|reason| corrupt(&segment.name, offset, reason))?;
            if commit.ts != ts {
                return Err(corrupt(&segment.name, offset, "the frame's commits are not in sequence"));
            }
            if commit.ts > self.base_ts {
                (self.replay)(commit);
            }
            ts += 1;
            rest = after;
        }
        if ts != frame.last_ts + 1 {
            return Err(corrupt(&segment.name, offset, "the frame does not hold the commits that it names"));
        }
        self.last_ts = Some(frame.last_ts);
        Ok(())
    }
}

/// The frame at `offset`, if a whole and undamaged one of this segment stands there.
fn frame_at(number: u64, bytes: &[u8], offset: u64) -> Option<Frame<'_>> {
    let bytes = bytes.get(offset as usize..)?;
    let header = bytes.first_chunk::<FRAME_HEADER_BYTES>()?;
    let word = |at: usize| u32::from_le_bytes([header[at], header[at + 1], header[at + 2], header[at + 3]]);
    let long = |at: usize| u64::from(word(at)) | u64::from(word(at + 4)) << 32;
    if word(0) != FRAME_MAGIC {
        return None;
    }
    let frame = bytes.get(..FRAME_HEADER_BYTES + word(4) as usize)?;
    if frame_checksum(number, frame) != long(8) {
        return None;
    }
    Some(Frame { first_ts: long(16), last_ts: long(24), payload: &frame[FRAME_HEADER_BYTES..] })
}

/// Covers everything but itself. Seeded with the segment's number, so that what a recycled file held before is no frame.
fn frame_checksum(number: u64, frame: &[u8]) -> u64 {
    let head = xxh3_64_with_seed(&frame[..8], number);
    xxh3_64_with_seed(&frame[16..], head)
}

fn segment_header(number: u64) -> [u8; 32] {
    let mut header = [0; 32];
    header[..8].copy_from_slice(&SEGMENT_MAGIC);
    header[8..12].copy_from_slice(&LOG_FORMAT.to_le_bytes());
    header[16..24].copy_from_slice(&number.to_le_bytes());
    let checksum = xxh3_64_with_seed(&header[..24], 0);
    header[24..].copy_from_slice(&checksum.to_le_bytes());
    header
}

fn segment_name(number: u64) -> String {
    format!("log-{number:012}")
}

/// The segments on the disk, oldest first.
fn segment_numbers(disk: &dyn Disk) -> Result<Vec<u64>, StorageError> {
    let files = disk.list().map_err(|error| StorageError::io("list", &disk.describe(), error))?;
    let mut numbers: Vec<u64> = files.iter().filter_map(|file| file.strip_prefix("log-")?.parse().ok()).collect();
    numbers.sort_unstable();
    Ok(numbers)
}

fn corrupt(file: &str, offset: u64, reason: &str) -> StorageError {
    StorageError::Corrupt { file: file.to_owned(), offset, reason: reason.to_owned() }
}

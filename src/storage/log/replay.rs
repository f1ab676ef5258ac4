//! Reads the log when a database opens.
//!
//! Rules, of which `docs/format.md` has the table:
//! - A commit that the base lacks must be there, in sequence. Damage before it, among what the base holds, is passed over.
//! - A place where no frame stands ends a segment. With a valid frame of later commits behind it in the segment, it is
//!   damage. In the last segment it is where the log ends: a frame is written only when the one before it is durable, so
//!   what stands there was never acknowledged.
//! - A segment is written whole before it is used, so one that is shorter than it was made is damaged.
//! - The last frame may be readable and not durable: its process may have ended between write and sync, or its sync may
//!   have failed. It is written anew and synced before anybody sees it.

use std::sync::Arc;

use super::segment::{
    FRAME_ALIGNMENT, FRAME_HEADER_BYTES, Frame, LOG_FORMAT, SEGMENT_HEADER_BYTES, Segment, read_header, segment_name,
};
use crate::{
    error::{OpenError, StorageError},
    storage::{disk::Disk, record::Commit},
};

/// Reads segments in order and hands over the commits that the base lacks.
pub(super) struct Replay<'a> {
    disk: &'a dyn Disk,
    /// The commit that the base stands at.
    base_ts: u64,
    /// The last commit that was read.
    last_ts: Option<u64>,
    apply: &'a mut dyn FnMut(Commit),
    /// Something is missing. That is an error, unless a frame follows before which the base has everything.
    damage: Option<StorageError>,
    last_frame: Option<LastFrame>,
    /// Bytes of frames with commits that the base lacks.
    replayed_bytes: u64,
}

struct LastFrame {
    segment: Arc<Segment>,
    offset: u64,
    bytes: Vec<u8>,
}

impl<'a> Replay<'a> {
    pub(super) fn new(disk: &'a dyn Disk, base_ts: u64, apply: &'a mut dyn FnMut(Commit)) -> Self {
        Self { disk, base_ts, last_ts: None, apply, damage: None, last_frame: None, replayed_bytes: 0 }
    }

    /// Takes note that a segment is not there.
    pub(super) fn miss(&mut self, number: u64) {
        self.damage = Some(corrupt(&segment_name(number), 0, "the segment is missing"));
    }

    /// Reads one segment. The answer has whether it holds a frame.
    pub(super) fn read(&mut self, number: u64, is_last: bool) -> Result<(Arc<Segment>, bool), OpenError> {
        let name = segment_name(number);
        let (file, file_bytes) = Segment::open(self.disk, number)?;
        let mut bytes = Vec::new();
        let length = usize::try_from(file_bytes).map_err(|_| corrupt(&name, 0, "the segment is larger than memory"))?;
        bytes.resize(length, 0);
        file.read_at(0, &mut bytes).map_err(|error| StorageError::io("read", &name, error))?;
        let size_bytes = match read_header(number, &bytes) {
            Ok((format, _)) if format > LOG_FORMAT => {
                return Err(OpenError::NewerFormat { file: name, found: format, supported: LOG_FORMAT });
            }
            Ok((_, size_bytes)) => size_bytes,
            Err(reason) => {
                self.damage.get_or_insert_with(|| corrupt(&name, 0, reason));
                file_bytes
            }
        };
        let segment = Arc::new(Segment::new(number, file, size_bytes));
        let end = self.read_frames(&segment, &bytes)?;
        if file_bytes < size_bytes {
            let reason = format!("the segment was made with {size_bytes} bytes and has {file_bytes}");
            self.damage.get_or_insert_with(|| corrupt(&name, file_bytes, &reason));
        }
        if is_last && Frame::is_header(number, &bytes, end) {
            tracing::warn!(target: "tropism", file = %name, offset = end, "cut a frame that was not written whole");
            segment.overwrite(end, &[0; FRAME_HEADER_BYTES])?;
            segment.sync()?;
        }
        segment.set_end(end);
        Ok((segment, end > SEGMENT_HEADER_BYTES))
    }

    /// Reads frame by frame; the answer is where the next one goes.
    fn read_frames(&mut self, segment: &Arc<Segment>, bytes: &[u8]) -> Result<u64, StorageError> {
        let mut offset = SEGMENT_HEADER_BYTES;
        let mut last = None;
        loop {
            while let Some(frame) = Frame::at(segment.number, bytes, offset) {
                self.take(segment, offset, &frame)?;
                let end = offset + frame.size_bytes() as u64;
                last = Some((offset, end));
                offset = end.next_multiple_of(FRAME_ALIGNMENT).min(bytes.len() as u64);
            }
            let expected = self.last_ts.map_or(0, |ts| ts + 1);
            let Some(next) = Frame::after(segment.number, bytes, offset, expected) else { break };
            let reason = format!("a frame is damaged, and a valid one follows at byte {next}");
            self.damage.get_or_insert_with(|| corrupt(segment.name(), offset, &reason));
            offset = next;
        }
        if let Some((start, end)) = last {
            let (segment, bytes) = (Arc::clone(segment), bytes[start as usize..end as usize].to_vec());
            self.last_frame = Some(LastFrame { segment, offset: start, bytes });
        }
        Ok(offset)
    }

    fn take(&mut self, segment: &Segment, offset: u64, frame: &Frame<'_>) -> Result<(), StorageError> {
        // Up to here the base has everything.
        let has_base_all = frame.first_ts <= self.base_ts + 1;
        if let Some(damage) = self.damage.take() {
            if !has_base_all {
                return Err(damage);
            }
            tracing::warn!(target: "tropism", %damage, "damage of the log before what the base holds was passed over");
        } else if !has_base_all && self.last_ts.is_none_or(|last_ts| frame.first_ts > last_ts + 1) {
            let expected = self.last_ts.unwrap_or(self.base_ts).max(self.base_ts) + 1;
            let reason = format!("commit {expected} is missing; the next one in the log is {}", frame.first_ts);
            return Err(corrupt(segment.name(), offset, &reason));
        }
        if self.last_ts.is_some_and(|last_ts| frame.first_ts <= last_ts) {
            return Err(corrupt(segment.name(), offset, "the frames are not in sequence"));
        }
        let mut rest = frame.payload;
        let mut ts = frame.first_ts;
        while !rest.is_empty() {
            let (commit, after) = Commit::decode(rest).map_err(|reason| corrupt(segment.name(), offset, reason))?;
            if commit.ts != ts {
                return Err(corrupt(segment.name(), offset, "the frame's commits are not in sequence"));
            }
            if commit.ts > self.base_ts {
                self.replayed_bytes += (rest.len() - after.len()) as u64;
                (self.apply)(commit);
            }
            ts += 1;
            rest = after;
        }
        if ts != frame.last_ts + 1 {
            return Err(corrupt(segment.name(), offset, "the frame does not hold the commits that it names"));
        }
        self.last_ts = Some(frame.last_ts);
        Ok(())
    }

    /// Ends the reading: makes the last frame durable. The answer is how much was replayed, in bytes.
    pub(super) fn finish(self) -> Result<u64, StorageError> {
        if let Some(damage) = self.damage {
            return Err(damage);
        }
        if let Some(last) = self.last_frame {
            last.segment.overwrite(last.offset, &last.bytes)?;
            last.segment.sync()?;
        }
        Ok(self.replayed_bytes)
    }
}

fn corrupt(file: &str, offset: u64, reason: &str) -> StorageError {
    StorageError::Corrupt { file: file.to_owned(), offset, reason: reason.to_owned() }
}

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
    /// What stands behind the last frame of the last segment.
    tail: Option<Tail>,
    /// Bytes of frames with commits that the base lacks.
    replayed_bytes: u64,
}

/// A frame that does not hold what its header says.
struct Tail {
    name: String,
    offset: u64,
    /// The last commit in it, if its header is whole.
    last_ts: Option<u64>,
}

struct LastFrame {
    segment: Arc<Segment>,
    offset: u64,
    bytes: Vec<u8>,
}

impl<'a> Replay<'a> {
    pub(super) fn new(disk: &'a dyn Disk, base_ts: u64, apply: &'a mut dyn FnMut(Commit)) -> Self {
        Self { disk, base_ts, last_ts: None, apply, damage: None, last_frame: None, tail: None, replayed_bytes: 0 }
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
        let tail_ts = Frame::last_ts_at(number, &bytes, end);
        if self.tail.is_none() || end > SEGMENT_HEADER_BYTES {
            self.tail = Some(Tail { name: name.clone(), offset: end, last_ts: tail_ts });
        }
        if is_last && tail_ts.is_some_and(|last_ts| last_ts > self.base_ts) {
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
    ///
    /// `is_base_in_log`: the log goes on from a commit that the base has. Its frame was durable before the base took it,
    /// and may hold later commits.
    pub(super) fn finish(self, is_base_in_log: bool) -> Result<u64, StorageError> {
        if let Some(damage) = self.damage {
            return Err(damage);
        }
        if is_base_in_log
            && self.last_ts.is_none_or(|last_ts| last_ts < self.base_ts)
            && let Some(tail) = self.tail
        {
            let reason = format!("the frame of commit {}, which was durable, is damaged", self.base_ts);
            let damage = corrupt(&tail.name, tail.offset, &reason);
            if tail.last_ts.is_none_or(|last_ts| last_ts > self.base_ts) {
                return Err(damage);
            }
            tracing::warn!(target: "tropism", %damage, "damage of what the base holds was passed over");
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        encoding::Key,
        storage::{
            base::Figures,
            disk::SimulatedDisk,
            log::{Log, segment_header},
            record::Change,
        },
        time::Timestamp,
    };

    const SEGMENT_BYTES: u64 = 64 << 10;

    fn record(ts: u64) -> Vec<u8> {
        let key = Key::from_slice(&[&16_u32.to_be_bytes()[..], &ts.to_be_bytes()].concat());
        let mut record = Vec::new();
        Commit::new(ts, Timestamp::EPOCH, vec![(key, Change::Delete)]).encode(&mut record);
        record
    }

    /// Segment 5 with these frames: the first and the last commit that each names, and its content. The answer has where
    /// each frame begins.
    fn segment(frames: &[(u64, u64, Vec<u8>)]) -> (SimulatedDisk, Vec<u64>) {
        let disk = SimulatedDisk::new(1);
        let file = disk.create(&segment_name(5)).unwrap();
        file.set_len(SEGMENT_BYTES).unwrap();
        file.write_at(0, &segment_header(5, SEGMENT_BYTES)).unwrap();
        let segment = Segment::new(5, file, SEGMENT_BYTES);
        let mut places = Vec::new();
        for (first_ts, last_ts, content) in frames {
            places.push(SEGMENT_BYTES - segment.room_bytes());
            let mut frame = [vec![0; FRAME_HEADER_BYTES], content.clone()].concat();
            segment.write(&mut frame, *first_ts, *last_ts).unwrap();
            segment.sync().unwrap();
            segment.advance(frame.len());
        }
        (disk, places)
    }

    fn flip(disk: &SimulatedDisk, at: u64) {
        let file = disk.open(&segment_name(5)).unwrap();
        let mut byte = [0];
        file.read_at(at, &mut byte).unwrap();
        file.write_at(at, &[byte[0] ^ 1]).unwrap();
        file.sync().unwrap();
    }

    /// The commits that an open hands over, whose base stands at `ts`, in a commit of segment 5.
    fn replayed(disk: &SimulatedDisk, ts: u64) -> Result<Vec<u64>, OpenError> {
        let mut commits = Vec::new();
        let figures = Figures { ts, log_from: 5, log_goes_on: true };
        let apply = &mut |commit: Commit| commits.push(commit.ts);
        Log::open(Arc::new(disk.clone()), SEGMENT_BYTES, 1, figures, apply)?;
        Ok(commits)
    }

    fn is_damage(opened: Result<Vec<u64>, OpenError>, said: &str) -> bool {
        matches!(&opened, Err(OpenError::Storage(StorageError::Corrupt { reason, .. })) if reason.contains(said))
    }

    #[test]
    fn a_frame_that_does_not_hold_what_it_says_is_damage() {
        let good = (1, 1, record(1));
        let open = |frame: (u64, u64, Vec<u8>)| replayed(&segment(&[good.clone(), frame]).0, 1);
        assert_eq!(open((2, 3, [record(2), record(3)].concat())).unwrap(), [2, 3]);
        assert!(is_damage(open((2, 2, vec![7; 40])), "cut off"));
        assert!(is_damage(open((2, 2, record(3))), "not in sequence"));
        assert!(is_damage(open((2, 3, record(2))), "does not hold the commits"));
        assert!(is_damage(open((1, 1, record(1))), "not in sequence"));
        assert!(is_damage(open((4, 4, record(4))), "commit 2 is missing"));
    }

    #[test]
    fn a_damaged_frame_of_a_commit_that_the_base_holds_hides_no_later_one() {
        let frames = [(9, 9, record(9)), (10, 12, [record(10), record(11), record(12)].concat())];
        // The base stands at 11: the frame was durable, and 12 in it may have been promised to somebody.
        for within in [0, 20, FRAME_HEADER_BYTES as u64 + 5] {
            let (disk, places) = segment(&frames);
            assert_eq!(replayed(&disk, 11).unwrap(), [12]);
            flip(&disk, places[1] + within);
            assert!(is_damage(replayed(&disk, 11), "the frame of commit 11"), "a flip {within} bytes into the frame");
        }
    }

    #[test]
    fn a_damaged_frame_of_which_the_base_holds_everything_is_passed_over() {
        let (disk, places) = segment(&[(9, 9, record(9)), (10, 11, [record(10), record(11)].concat())]);
        flip(&disk, places[1] + FRAME_HEADER_BYTES as u64 + 5);
        for _ in 0..2 {
            assert_eq!(replayed(&disk, 11).unwrap(), [0; 0]);
        }
    }

    #[test]
    fn a_torn_frame_that_the_base_does_not_hold_is_cut() {
        let (disk, places) = segment(&[(9, 9, record(9)), (10, 10, record(10))]);
        flip(&disk, places[1] + FRAME_HEADER_BYTES as u64 + 5);
        for _ in 0..2 {
            assert_eq!(replayed(&disk, 9).unwrap(), [0; 0]);
        }
    }
}

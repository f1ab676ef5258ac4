//! [`Segment`]: one file of the log, its header and its frames.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use xxhash_rust::xxh3::xxh3_64_with_seed;

use crate::{
    error::StorageError,
    storage::disk::{Disk, DiskFile},
};

/// The newest format of log segments that this release reads, and the one that it writes.
pub(super) const LOG_FORMAT: u32 = 2;
const SEGMENT_MAGIC: [u8; 8] = *b"tropism\n";
const FRAME_MAGIC: [u8; 4] = *b"FRM2";
/// The segment's header fills a sector, so that no frame shares one with it.
pub(super) const SEGMENT_HEADER_BYTES: u64 = 512;
/// What of the segment's header is used.
pub(super) const USED_HEADER_BYTES: usize = 40;
/// The header of a frame.
pub(crate) const FRAME_HEADER_BYTES: usize = 48;
/// Frames begin at multiples of this.
pub(crate) const FRAME_ALIGNMENT: u64 = 8;

/// One segment file, open for appending.
pub(crate) struct Segment {
    pub(crate) number: u64,
    name: String,
    file: Arc<dyn DiskFile>,
    size_bytes: u64,
    /// Where the next frame goes. Written only by whoever has the turn to sync.
    end: AtomicU64,
}

impl Segment {
    /// A segment whose file has just been made, or is about to be read.
    pub(super) fn new(number: u64, file: Arc<dyn DiskFile>, size_bytes: u64) -> Self {
        let end = AtomicU64::new(SEGMENT_HEADER_BYTES);
        Self { number, name: segment_name(number), file, size_bytes, end }
    }

    /// Opens an existing file as a segment, without a look at its header; also returns the size of the file.
    pub(super) fn open(disk: &dyn Disk, number: u64) -> Result<(Arc<dyn DiskFile>, u64), StorageError> {
        let name = segment_name(number);
        let file = disk.open(&name).map_err(|error| StorageError::io("open", &name, error))?;
        let file_bytes = file.len().map_err(|error| StorageError::io("read", &name, error))?;
        Ok((file, file_bytes))
    }

    /// The name of the file.
    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// The size that the segment was made with.
    pub(crate) fn size_bytes(&self) -> u64 {
        self.size_bytes
    }

    /// Bytes that frames can still take.
    pub(crate) fn room_bytes(&self) -> u64 {
        self.size_bytes.saturating_sub(self.end.load(Ordering::Relaxed))
    }

    /// Goes on behind the last frame that was read.
    pub(super) fn set_end(&self, end: u64) {
        self.end.store(end, Ordering::Relaxed);
    }

    /// Writes a frame behind the last one. `frame` begins with [`FRAME_HEADER_BYTES`] for the header, which is filled in.
    /// The frame is durable after [`sync`](Self::sync), and the next one goes behind it after [`advance`](Self::advance);
    /// until then it may be written again.
    pub(crate) fn write(&self, frame: &mut [u8], first_ts: u64, last_ts: u64) -> Result<(), StorageError> {
        let offset = self.end.load(Ordering::Relaxed);
        seal(self.number, offset, frame, first_ts, last_ts);
        self.overwrite(offset, frame)
    }

    /// Makes every earlier write durable.
    pub(crate) fn sync(&self) -> Result<(), StorageError> {
        self.file.sync().map_err(|error| StorageError::io("sync", &self.name, error))
    }

    /// Goes on behind a frame of this size, which is durable now.
    pub(crate) fn advance(&self, frame_bytes: usize) {
        let end = self.end.load(Ordering::Relaxed) + frame_bytes as u64;
        self.end.store(end.next_multiple_of(FRAME_ALIGNMENT), Ordering::Relaxed);
    }

    pub(super) fn overwrite(&self, offset: u64, bytes: &[u8]) -> Result<(), StorageError> {
        self.file.write_at(offset, bytes).map_err(|error| StorageError::io("write", &self.name, error))
    }
}

/// A frame whose header and content hold.
pub(super) struct Frame<'a> {
    pub(super) first_ts: u64,
    pub(super) last_ts: u64,
    pub(super) payload: &'a [u8],
}

impl<'a> Frame<'a> {
    /// The frame at `offset` of a segment's bytes, if a whole and undamaged one of this segment stands there.
    pub(super) fn at(number: u64, bytes: &'a [u8], offset: u64) -> Option<Self> {
        let header = header_at(number, bytes, offset)?;
        let bytes = bytes.get(usize::try_from(offset).ok()?..)?;
        let payload_bytes = usize::try_from(long(header, 8)).ok()?;
        let payload = bytes[FRAME_HEADER_BYTES..].get(..payload_bytes)?;
        let is_whole = xxh3_64_with_seed(payload, number) == long(header, 16);
        is_whole.then(|| Self { first_ts: long(header, 24), last_ts: long(header, 32), payload })
    }

    /// The last commit that a header at `offset` names, whether or not the frame is whole.
    pub(super) fn last_ts_at(number: u64, bytes: &[u8], offset: u64) -> Option<u64> {
        header_at(number, bytes, offset).map(|header| long(header, 32))
    }

    /// The size of the frame with its header.
    pub(super) fn size_bytes(&self) -> usize {
        FRAME_HEADER_BYTES + self.payload.len()
    }

    /// Where the first frame after `offset` is whose first commit is `expected` or a later one.
    pub(super) fn after(number: u64, bytes: &'a [u8], offset: u64, expected: u64) -> Option<u64> {
        let from = usize::try_from(offset + FRAME_ALIGNMENT).ok()?;
        let places = bytes.get(from..)?.chunks_exact(FRAME_ALIGNMENT as usize).enumerate();
        let looks_like_one = places.filter(|(_, place)| place.starts_with(&FRAME_MAGIC));
        let mut offsets = looks_like_one.map(|(at, _)| (from + at * FRAME_ALIGNMENT as usize) as u64);
        offsets.find(|at| Self::at(number, bytes, *at).is_some_and(|frame| frame.first_ts >= expected))
    }
}

/// The header at `offset`, if it is one. It has a checksum of its own, so that content which looks like headers is not
/// read as their frames.
fn header_at(number: u64, bytes: &[u8], offset: u64) -> Option<&[u8; FRAME_HEADER_BYTES]> {
    let header = bytes.get(usize::try_from(offset).ok()?..)?.first_chunk::<FRAME_HEADER_BYTES>()?;
    let is_header = header[..4] == FRAME_MAGIC && long(header, 40) == header_checksum(number, offset, &header[..40]);
    is_header.then_some(header)
}

/// Fills in the header of a frame that goes to `offset`.
fn seal(number: u64, offset: u64, frame: &mut [u8], first_ts: u64, last_ts: u64) {
    let payload_bytes = (frame.len() - FRAME_HEADER_BYTES) as u64;
    let payload_checksum = xxh3_64_with_seed(&frame[FRAME_HEADER_BYTES..], number);
    frame[..4].copy_from_slice(&FRAME_MAGIC);
    frame[4..8].fill(0);
    frame[8..16].copy_from_slice(&payload_bytes.to_le_bytes());
    frame[16..24].copy_from_slice(&payload_checksum.to_le_bytes());
    frame[24..32].copy_from_slice(&first_ts.to_le_bytes());
    frame[32..40].copy_from_slice(&last_ts.to_le_bytes());
    let checksum = header_checksum(number, offset, &frame[..40]);
    frame[40..48].copy_from_slice(&checksum.to_le_bytes());
}

/// Seeded with the segment and the place: neither what a recycled file held before nor a copy elsewhere is a frame.
fn header_checksum(number: u64, offset: u64, header: &[u8]) -> u64 {
    xxh3_64_with_seed(header, xxh3_64_with_seed(&offset.to_le_bytes(), number))
}

/// The header of a segment of this size.
pub(super) fn segment_header(number: u64, size_bytes: u64) -> [u8; USED_HEADER_BYTES] {
    let mut header = [0; USED_HEADER_BYTES];
    header[..8].copy_from_slice(&SEGMENT_MAGIC);
    header[8..12].copy_from_slice(&LOG_FORMAT.to_le_bytes());
    header[16..24].copy_from_slice(&number.to_le_bytes());
    header[24..32].copy_from_slice(&size_bytes.to_le_bytes());
    let checksum = xxh3_64_with_seed(&header[..32], 0);
    header[32..].copy_from_slice(&checksum.to_le_bytes());
    header
}

/// What a segment's header says: its format and its size, or why it says nothing.
pub(super) fn read_header(number: u64, bytes: &[u8]) -> Result<(u32, u64), &'static str> {
    let header = bytes.first_chunk::<USED_HEADER_BYTES>().ok_or("the segment's header is cut off")?;
    if header[..8] != SEGMENT_MAGIC {
        return Err("it does not begin as a segment does");
    }
    let format = u32::from_le_bytes([header[8], header[9], header[10], header[11]]);
    let size_bytes = long(header, 24);
    if format <= LOG_FORMAT && *header != segment_header(number, size_bytes) {
        return Err("the segment's header is damaged");
    }
    Ok((format, size_bytes))
}

/// The name of a segment's file.
pub(super) fn segment_name(number: u64) -> String {
    format!("log-{number:012}")
}

/// The number of the segment that a file is, if it is one.
pub(crate) fn segment_number(file: &str) -> Option<u64> {
    let number = file.strip_prefix("log-")?.parse().ok()?;
    // Not so for `log-7` or `log-+00000000007`.
    (segment_name(number) == file).then_some(number)
}

fn long(bytes: &[u8], at: usize) -> u64 {
    bytes[at..].first_chunk().map_or(0, |long| u64::from_le_bytes(*long))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn segment_with(frames: &[(u64, &[u8])]) -> Vec<u8> {
        let mut bytes = vec![0; 512];
        for (ts, payload) in frames {
            let mut frame = [&[0; FRAME_HEADER_BYTES], *payload].concat();
            seal(3, bytes.len() as u64, &mut frame, *ts, *ts);
            bytes.extend(frame);
            bytes.resize(bytes.len().next_multiple_of(8), 0);
        }
        bytes
    }

    #[test]
    fn a_frame_reads_back_at_its_place_in_its_segment_and_nowhere_else() {
        let bytes = segment_with(&[(1, b"one"), (2, b"two")]);
        let frame = Frame::at(3, &bytes, 512).expect("it was just written");
        assert_eq!((frame.first_ts, frame.payload), (1, b"one".as_slice()));
        assert!(Frame::at(4, &bytes, 512).is_none(), "another segment");
        let moved = [&bytes[..8], &bytes[..]].concat();
        assert!(Frame::at(3, &moved, 520).is_none(), "another place");
        for at in 512..512 + frame.size_bytes() {
            let mut flipped = bytes.clone();
            flipped[at] ^= 1;
            assert!(Frame::at(3, &flipped, 512).is_none(), "byte {at}");
        }
    }

    #[test]
    fn content_that_looks_like_frame_headers_is_not_read_as_frames() {
        let header = [FRAME_MAGIC.as_slice(), &[0; 4], &(1u64 << 19).to_le_bytes(), &[7; 32]].concat();
        let content = header.repeat((1 << 20) / header.len());
        let bytes = segment_with(&[(1, &content)]);
        // Without a checksum in each header this would hash 512 KiB at each of 21,845 places.
        assert_eq!(Frame::after(3, &bytes, 512, 0), None);
    }

    #[test]
    fn only_the_exact_name_is_a_segment() {
        assert_eq!(segment_number("log-000000000005"), Some(5));
        assert_eq!(segment_number("log-1000000000000"), Some(1_000_000_000_000));
        for file in ["log-5", "log-+00000000005", "log-00000000000005", "log-spare-0", "log-", "log-000000000005~"] {
            assert_eq!(segment_number(file), None, "{file}");
        }
    }
}

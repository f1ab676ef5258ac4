//! [`Writer`]: what the holder of the write lock has of the log.

use std::sync::Arc;

use super::{
    background::Background,
    log::{FRAME_ALIGNMENT, FRAME_HEADER_BYTES, Log, Segment},
};
use crate::error::StorageError;

/// What only the holder of the write lock may touch.
pub(super) struct Writer {
    segment: Option<Arc<Segment>>,
    /// Room in the segment that is not promised to any commit yet.
    room_bytes: u64,
    /// The encoded commit.
    pub(super) record: Vec<u8>,
    /// Whether a checkpoint may be due, or room short: otherwise the next writer need not look.
    pub(super) is_pressed: bool,
    /// Whether the last commit found no room in the log.
    pub(super) has_log_failed: bool,
    pub(super) is_closed: bool,
}

impl Writer {
    /// Goes on in this segment, if there is one.
    pub(super) fn new(segment: Option<Arc<Segment>>) -> Self {
        let room_bytes = segment.as_ref().map_or(0, |segment| segment.room_bytes());
        Self { segment, room_bytes, record: Vec::new(), is_pressed: true, has_log_failed: false, is_closed: false }
    }

    /// Promises room in the log to the record at hand, so that nothing is applied that could not be written.
    pub(super) fn reserve(&mut self, log: &Log, background: &Background) -> Result<Arc<Segment>, StorageError> {
        // The record might become a frame of its own.
        let needed_bytes = (FRAME_HEADER_BYTES + self.record.len()) as u64 + FRAME_ALIGNMENT;
        if let Some(segment) = self.segment.as_ref().filter(|_| self.room_bytes >= needed_bytes) {
            let half_bytes = segment.size_bytes() / 2;
            let was_half_empty = self.room_bytes >= half_bytes;
            self.room_bytes -= needed_bytes;
            if was_half_empty && self.room_bytes < half_bytes {
                background.want_spare();
            }
            return Ok(Arc::clone(segment));
        }
        let segment = log.next_segment(needed_bytes).map_err(|error| match error.is_disk_full() {
            true => StorageError::DiskFull { reason: error.to_string().into() },
            false => error,
        })?;
        self.room_bytes = segment.room_bytes() - needed_bytes;
        Ok(Arc::clone(self.segment.insert(segment)))
    }

    /// Gives back the memory that one large commit needed.
    pub(super) fn shrink_record(&mut self) {
        const LARGEST_KEPT_BYTES: usize = 1 << 20;
        if self.record.capacity() > LARGEST_KEPT_BYTES {
            self.record = Vec::new();
        }
    }
}

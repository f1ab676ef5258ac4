//! The checksum blocks that are in use, in memory.

use std::collections::{HashMap, VecDeque};

use super::{
    blocks::{BLOCK_BYTES, CHECKSUM_BYTES, GROUP_BLOCKS, checksums_at},
    file::BaseFile,
};
use crate::error::StorageError;

/// Checksum blocks by their groups. Changed ones stay until they are written; of the others at most `capacity` are kept.
///
/// A checksum block is overwritten in place beside checksums that are in use. Those keep their bytes, and none crosses a
/// sector, so a write that is torn leaves them as they are. The checksums that it may spoil are those of blocks that
/// were being written, which nothing durable speaks of yet.
pub(super) struct Checksums {
    groups: HashMap<u64, Group>,
    /// Every group in `groups`, the one that came first in front.
    order: VecDeque<u64>,
    capacity: usize,
    changed: usize,
}

struct Group {
    bytes: Box<[u8]>,
    is_changed: bool,
    /// Whether it was used since it was last considered for leaving.
    is_recent: bool,
}

impl Checksums {
    pub(super) fn new(capacity: usize) -> Self {
        Self { groups: HashMap::new(), order: VecDeque::new(), capacity, changed: 0 }
    }

    /// The checksum of a data block; zero if it was never written.
    pub(super) fn get(&mut self, file: &BaseFile, number: u64) -> Result<u64, StorageError> {
        let group = self.group(file, number / GROUP_BLOCKS)?;
        let at = place(number);
        Ok(group.bytes[at..].first_chunk().map_or(0, |bytes| u64::from_le_bytes(*bytes)))
    }

    /// Notes the checksum of a data block. Durable after [`write_changed`](Self::write_changed) and a sync.
    pub(super) fn set(&mut self, file: &BaseFile, number: u64, checksum: u64) -> Result<(), StorageError> {
        let group = self.group(file, number / GROUP_BLOCKS)?;
        let at = place(number);
        group.bytes[at..at + CHECKSUM_BYTES].copy_from_slice(&checksum.to_le_bytes());
        if !std::mem::replace(&mut group.is_changed, true) {
            self.changed += 1;
        }
        // Writing them before their time does no harm.
        if self.changed > self.capacity { self.write_changed(file) } else { Ok(()) }
    }

    /// Writes the changed blocks, in the order of the file.
    pub(super) fn write_changed(&mut self, file: &BaseFile) -> Result<(), StorageError> {
        let mut changed: Vec<_> = self.groups.iter_mut().filter(|(_, group)| group.is_changed).collect();
        changed.sort_unstable_by_key(|(number, _)| **number);
        for (number, group) in changed {
            file.write(checksums_at(*number), &group.bytes)?;
            group.is_changed = false;
            self.changed -= 1;
        }
        Ok(())
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.groups.len()
    }

    fn group(&mut self, file: &BaseFile, number: u64) -> Result<&mut Group, StorageError> {
        if !self.groups.contains_key(&number) {
            let mut bytes = vec![0; BLOCK_BYTES].into_boxed_slice();
            file.read_to_end(checksums_at(number), &mut bytes)?;
            self.make_room();
            self.groups.insert(number, Group { bytes, is_changed: false, is_recent: false });
            self.order.push_back(number);
        }
        let group = self.groups.get_mut(&number).expect("it is there or was put there");
        group.is_recent = true;
        Ok(group)
    }

    fn make_room(&mut self) {
        // Each is looked at twice at most: once to be passed over, once to go.
        for _ in 0..2 * self.order.len() {
            if self.groups.len() < self.capacity + self.changed {
                return;
            }
            let Some(number) = self.order.pop_front() else { return };
            let stays = self
                .groups
                .get_mut(&number)
                .is_some_and(|group| std::mem::take(&mut group.is_recent) || group.is_changed);
            if stays {
                self.order.push_back(number);
            } else {
                self.groups.remove(&number);
            }
        }
    }
}

fn place(number: u64) -> usize {
    (number % GROUP_BLOCKS) as usize * CHECKSUM_BYTES
}

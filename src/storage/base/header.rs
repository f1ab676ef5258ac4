//! The header: the only part of the file that is overwritten while it is in use, so it has four copies.
//!
//! Two copies, a pair, are written by each sync that has a new header; the other pair keeps the header before. A crash
//! tears one pair at most, and damage to one copy leaves its twin. So at any time the newest whole copy is either the
//! header of the last sync or one whose sync was cut short; and redb's data was synced before each header that speaks
//! of it, so both are good.
//!
//! **What an open finds need not be durable**: the process may have ended between the write and the sync of a header.
//! So [`open`](HeaderCopies::open) writes the pair that it chose once more, the same bytes in the same place, and syncs.
//! A crash meanwhile can do no harm, for where the bytes were on disk they do not change, and where they were not the
//! other pair holds what was synced before.
//!
//! **After a sync that failed** the copies in the file may be newer than what is durable. The process that saw it fail
//! knows what is: [`restore`](HeaderCopies::restore) writes the header of the last good sync again, as the newest, into
//! the pair in doubt. Nothing of what the failed sync was for is then reached any more, and whatever takes its place is
//! written anew, so no block is relied on that a failed sync was for.

use xxhash_rust::xxh3::xxh3_64_with_seed;

use super::{
    blocks::{BLOCK_BYTES, HEADER_COPIES},
    failure::{BASE_FILE, damaged},
    file::BaseFile,
};
use crate::error::{OpenError, StorageError};

/// The newest layout of the file that this release reads and the one that it writes.
const FORMAT: u32 = 1;
const MAGIC: &[u8; 8] = b"tropbase";
/// How much of redb's first page is kept. redb uses 320 bytes of it.
pub(super) const PAGE_BYTES: usize = 512;

const FORMAT_AT: usize = 8;
const GENERATION_AT: usize = 16;
const REDB_BYTES_AT: usize = 24;
const PAGE_AT: usize = 32;
const CHECKSUM_AT: usize = BLOCK_BYTES - 8;

/// What the header says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Header {
    /// The size of redb's file.
    pub(super) redb_bytes: u64,
    /// The beginning of redb's first page.
    pub(super) page: [u8; PAGE_BYTES],
}

/// The header as the last good sync left it, and where its copies are.
pub(super) struct HeaderCopies {
    durable: Header,
    /// Which pair holds it, 0 or 1.
    pair: u64,
    /// The highest generation that any copy may have.
    generation: u64,
    /// Whether the other pair may be newer.
    is_other_newer: bool,
}

/// A header that was written and waits for its sync.
#[must_use]
pub(super) struct Unsynced(Header);

impl HeaderCopies {
    /// Makes the header of a new file. Durable with the next sync.
    pub(super) fn create(file: &BaseFile) -> Result<Self, StorageError> {
        let durable = Header { redb_bytes: 0, page: [0; PAGE_BYTES] };
        let copies = Self { durable, pair: 0, generation: 1, is_other_newer: false };
        copies.write_pair(file, copies.pair, &copies.durable)?;
        Ok(copies)
    }

    /// Finds the newest header and makes it durable.
    pub(super) fn open(file: &BaseFile) -> Result<Self, OpenError> {
        let mut newest: Option<(u64, u64, Header)> = None;
        for copy in 0..HEADER_COPIES {
            let mut bytes = [0; BLOCK_BYTES];
            file.read_to_end(copy * BLOCK_BYTES as u64, &mut bytes)?;
            let Some((generation, header)) = decode(copy, &bytes)? else { continue };
            if newest.as_ref().is_none_or(|(best, ..)| generation > *best) {
                newest = Some((generation, copy / 2, header));
            }
        }
        let Some((generation, pair, durable)) = newest else {
            return Err(damaged(0, "no copy of the header is whole").into());
        };
        let copies = Self { durable, pair, generation, is_other_newer: false };
        copies.write_pair(file, pair, &copies.durable)?;
        file.sync()?;
        Ok(copies)
    }

    /// Goes back to the header of the last good sync, and makes it durable as the newest.
    pub(super) fn restore(&mut self, file: &BaseFile) -> Result<(), StorageError> {
        if self.is_other_newer {
            let written = self.write(file, &self.durable.clone())?;
            file.sync()?;
            self.confirm(written);
        }
        Ok(())
    }

    /// The header of the last good sync.
    pub(super) fn durable(&self) -> &Header {
        &self.durable
    }

    /// Writes a new header over the older pair. It counts with [`confirm`](Self::confirm), after a sync.
    pub(super) fn write(&mut self, file: &BaseFile, header: &Header) -> Result<Unsynced, StorageError> {
        self.generation += 1;
        self.is_other_newer = true;
        self.write_pair(file, 1 - self.pair, header)?;
        Ok(Unsynced(header.clone()))
    }

    /// The sync after the write was good.
    pub(super) fn confirm(&mut self, written: Unsynced) {
        self.durable = written.0;
        self.pair = 1 - self.pair;
        self.is_other_newer = false;
    }

    fn write_pair(&self, file: &BaseFile, pair: u64, header: &Header) -> Result<(), StorageError> {
        (2 * pair..2 * pair + 2)
            .try_for_each(|copy| file.write(copy * BLOCK_BYTES as u64, &encode(copy, self.generation, header)))
    }
}

fn encode(copy: u64, generation: u64, header: &Header) -> [u8; BLOCK_BYTES] {
    let mut bytes = [0; BLOCK_BYTES];
    bytes[..FORMAT_AT].copy_from_slice(MAGIC);
    bytes[FORMAT_AT..FORMAT_AT + 4].copy_from_slice(&FORMAT.to_le_bytes());
    bytes[GENERATION_AT..GENERATION_AT + 8].copy_from_slice(&generation.to_le_bytes());
    bytes[REDB_BYTES_AT..REDB_BYTES_AT + 8].copy_from_slice(&header.redb_bytes.to_le_bytes());
    bytes[PAGE_AT..PAGE_AT + PAGE_BYTES].copy_from_slice(&header.page);
    let checksum = xxh3_64_with_seed(&bytes[..CHECKSUM_AT], copy);
    bytes[CHECKSUM_AT..].copy_from_slice(&checksum.to_le_bytes());
    bytes
}

/// The generation and the header of a copy; `None` if it is not whole.
fn decode(copy: u64, bytes: &[u8; BLOCK_BYTES]) -> Result<Option<(u64, Header)>, OpenError> {
    let number = |at: usize| bytes[at..].first_chunk().map_or(0, |bytes| u64::from_le_bytes(*bytes));
    if bytes[..FORMAT_AT] != *MAGIC || xxh3_64_with_seed(&bytes[..CHECKSUM_AT], copy) != number(CHECKSUM_AT) {
        return Ok(None);
    }
    let found = number(FORMAT_AT) as u32;
    if found > FORMAT {
        return Err(OpenError::NewerFormat { file: BASE_FILE.to_owned(), found, supported: FORMAT });
    }
    let mut page = [0; PAGE_BYTES];
    page.copy_from_slice(&bytes[PAGE_AT..PAGE_AT + PAGE_BYTES]);
    Ok(Some((number(GENERATION_AT), Header { redb_bytes: number(REDB_BYTES_AT), page })))
}

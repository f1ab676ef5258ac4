//! Where each block of redb's file lies in ours, and how it is sealed.
//!
//! ```text
//! │ header copies │ checksums │ data blocks        │ checksums │ data blocks        │ …
//! │ 4 blocks      │ 1 block   │ 512 blocks         │ 1 block   │ 512 blocks         │
//! ```
//!
//! Each block has 4 KiB. A data block is a page of redb's file, whose first page is kept apart in the header copies.
//! The checksum block of a group holds 8 bytes for each of its data blocks, so no checksum crosses a sector.

use xxhash_rust::xxh3::xxh3_64_with_seed;

/// The size of every block, and of redb's pages.
pub(super) const BLOCK_BYTES: usize = 4096;
/// Copies of the header, at the file's beginning.
pub(super) const HEADER_COPIES: u64 = 4;
/// Data blocks that share a checksum block.
pub(super) const GROUP_BLOCKS: u64 = 512;
/// The size of one checksum.
pub(super) const CHECKSUM_BYTES: usize = BLOCK_BYTES / GROUP_BLOCKS as usize;

const BLOCK: u64 = BLOCK_BYTES as u64;

/// Where the checksums of a group begin.
pub(super) fn checksums_at(group: u64) -> u64 {
    (HEADER_COPIES + group * (GROUP_BLOCKS + 1)) * BLOCK
}

/// Where a data block begins.
pub(super) fn block_at(number: u64) -> u64 {
    checksums_at(number / GROUP_BLOCKS) + (1 + number % GROUP_BLOCKS) * BLOCK
}

/// The size of the file that holds as many bytes of redb's.
pub(super) fn file_bytes(redb_bytes: u64) -> u64 {
    match redb_bytes.div_ceil(BLOCK).saturating_sub(1) {
        0 => HEADER_COPIES * BLOCK,
        blocks => block_at(blocks - 1) + BLOCK,
    }
}

/// The data blocks that a range of redb's file covers: the first one's number and how many. `None` if the range is not
/// made of whole data blocks.
pub(super) fn blocks_of(redb_offset: u64, size_bytes: usize) -> Option<(u64, usize)> {
    let is_whole = redb_offset.is_multiple_of(BLOCK) && size_bytes.is_multiple_of(BLOCK_BYTES);
    let number = (redb_offset / BLOCK).checked_sub(1)?;
    is_whole.then_some((number, size_bytes / BLOCK_BYTES))
}

/// Parts of a run of data blocks that lie behind each other in the file: the first one's number and how many.
pub(super) fn parts(first: u64, count: usize) -> impl Iterator<Item = (u64, usize)> {
    let end = first + count as u64;
    let mut at = first;
    std::iter::from_fn(move || {
        let start = at;
        at = end.min((start / GROUP_BLOCKS + 1) * GROUP_BLOCKS);
        (start < end).then_some((start, (at - start) as usize))
    })
}

/// The checksum of a data block. It depends on the block's number, so that a block in another's place is found out. Zero
/// is the checksum of a block that was never written. A cipher that authenticates would take this place.
pub(super) fn seal(number: u64, content: &[u8]) -> u64 {
    xxh3_64_with_seed(content, number).max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_two_blocks_share_a_place() {
        let mut taken: Vec<u64> = (0..HEADER_COPIES).map(|copy| copy * BLOCK).collect();
        taken.extend((0..3).map(checksums_at));
        taken.extend((0..3 * GROUP_BLOCKS).map(block_at));
        let count = taken.len() as u64;
        taken.sort_unstable();
        taken.dedup();
        assert_eq!(taken.len() as u64, count);
        assert_eq!(*taken.last().unwrap(), (count - 1) * BLOCK);
        assert_eq!(file_bytes((1 + 3 * GROUP_BLOCKS) * BLOCK), count * BLOCK);
    }

    #[test]
    fn a_run_of_blocks_is_split_where_a_group_ends() {
        let split = |first, count| parts(first, count).collect::<Vec<_>>();
        assert_eq!(split(0, 512), [(0, 512)]);
        assert_eq!(split(510, 4), [(510, 2), (512, 2)]);
        assert_eq!(split(510, 1026), [(510, 2), (512, 512), (1024, 512)]);
        assert_eq!(split(7, 0), []);
    }

    #[test]
    fn only_whole_data_blocks_have_a_number() {
        assert_eq!(blocks_of(0, BLOCK_BYTES), None);
        assert_eq!(blocks_of(BLOCK, 2 * BLOCK_BYTES), Some((0, 2)));
        assert_eq!(blocks_of(BLOCK + 1, BLOCK_BYTES), None);
        assert_eq!(blocks_of(BLOCK, 1), None);
    }
}

//! What was written is not what is read: always an error with file and place, or harmless.

use super::*;
use crate::storage::base::blocks::{BLOCK_BYTES, HEADER_COPIES};

/// The content, with the keyspaces that cannot be read left out, and the errors.
fn readable(disk: &SimulatedDisk) -> Result<(Content, Vec<StorageError>), OpenError> {
    let (base, _) = open(disk)?;
    let snapshot = base.snapshot()?;
    let (mut content, mut errors) = (Content::new(), Vec::new());
    for keyspace in KEYSPACES {
        let read = || -> Result<Content, StorageError> {
            let mut found = Content::new();
            let Some(mut range) = snapshot.range(keyspace, &[], None)? else { return Ok(found) };
            while let Some(entry) = range.next(Order::Ascending)? {
                found.insert(key(keyspace, entry.key()), entry.value().to_vec());
            }
            Ok(found)
        };
        match read() {
            Ok(found) => content.extend(found),
            Err(error) => errors.push(error),
        }
    }
    kill(base);
    Ok((content, errors))
}

fn check_error(error: &StorageError, place: Option<u64>, what: &str) {
    let StorageError::Corrupt { file, offset, .. } = error else { panic!("{what}: {error}") };
    assert_eq!(file, BASE_FILE);
    if let Some(place) = place {
        let is_here = *offset == place / BLOCK_BYTES as u64 * BLOCK_BYTES as u64;
        // A checksum that is damaged is told as damage to its block.
        let is_checksum = place < *offset && *offset - place < 514 * BLOCK_BYTES as u64;
        assert!(is_here || is_checksum, "{what}: it says byte {offset}");
    }
}

/// Whether everything was readable: then it is right, and else what was readable is.
fn check_damaged(disk: &SimulatedDisk, expected: &Content, place: Option<u64>, what: &str) -> bool {
    match readable(disk) {
        Ok((content, errors)) => {
            for (key, value) in &content {
                assert_eq!(expected.get(key), Some(value), "{what}");
            }
            errors.iter().for_each(|error| check_error(error, place, what));
            assert_eq!(errors.is_empty(), content.len() == expected.len(), "{what}: something is missing in silence");
            errors.is_empty()
        }
        Err(OpenError::Storage(error)) => {
            check_error(&error, place, what);
            false
        }
        Err(error) => panic!("{what}: {error}"),
    }
}

/// A base that was closed, and one that was not, with what they hold.
fn bases() -> [(SimulatedDisk, Content); 2] {
    let (closed, base) = written(3);
    base.close().unwrap();
    let (killed, base) = written(3);
    kill(base);
    [closed, killed].map(|disk| (disk.crash(CrashKind::LoseUnsynced), expected(3)))
}

#[test]
fn a_flipped_bit_is_an_error_or_changes_nothing() {
    for (disk, expected) in bases() {
        let size = disk.read_file(BASE_FILE).unwrap().len() as u64;
        let header = (0..HEADER_COPIES * BLOCK_BYTES as u64).step_by(61);
        let (mut same, mut errors) = (0, 0);
        for offset in header.chain((0..size).step_by(2_041)) {
            let image = disk.crash(CrashKind::KeepAll);
            image.flip_bit(BASE_FILE, offset, (offset % 8) as u8).unwrap();
            let is_same = check_damaged(&image, &expected, Some(offset), &format!("byte {offset}"));
            assert!(is_same || offset >= HEADER_COPIES * BLOCK_BYTES as u64, "byte {offset} of the header matters");
            *(if is_same { &mut same } else { &mut errors }) += 1;
        }
        assert!(errors > 20 && same > 20, "{errors} errors, {same} times the same");
    }
}

#[test]
fn a_file_that_was_cut_is_an_error() {
    for (disk, expected) in bases() {
        let size = disk.read_file(BASE_FILE).unwrap().len() as u64;
        let mut whole = 0;
        for kept in (0..size).step_by(5_777) {
            let image = disk.crash(CrashKind::KeepAll);
            image.truncate(BASE_FILE, kept).unwrap();
            whole += u64::from(check_damaged(&image, &expected, None, &format!("cut to {kept}")));
        }
        // What lies behind everything that is in use may go.
        assert!(whole < size / 5_777 / 2, "{whole} cuts go unnoticed");
    }
}

#[test]
fn a_part_that_was_zeroed_is_an_error() {
    for (disk, expected) in bases() {
        let size = disk.read_file(BASE_FILE).unwrap().len() as u64;
        for (start, length) in (0..size).step_by(29 * 512).flat_map(|start| [(start, 512), (start, 20_000)]) {
            let image = disk.crash(CrashKind::KeepAll);
            image.zero(BASE_FILE, start..(start + length).min(size)).unwrap();
            check_damaged(&image, &expected, None, &format!("{length} bytes zeroed from {start} on"));
        }
    }
}

#[test]
fn a_block_in_the_place_of_another_is_an_error() {
    let [(disk, expected), _] = bases();
    let bytes = disk.read_file(BASE_FILE).unwrap();
    let blocks: Vec<&[u8]> = bytes.chunks_exact(BLOCK_BYTES).collect();
    for (at, block) in blocks.iter().enumerate().skip(5) {
        let image = disk.crash(CrashKind::KeepAll);
        let other = blocks.iter().skip(5).position(|other| other != block).unwrap() + 5;
        image.open(BASE_FILE).unwrap().write_at((at * BLOCK_BYTES) as u64, blocks[other]).unwrap();
        check_damaged(&image, &expected, Some((at * BLOCK_BYTES) as u64), &format!("block {other} in place {at}"));
    }
}

#[test]
fn what_is_behind_the_end_is_cut_off() {
    let [(disk, expected), _] = bases();
    let size = disk.read_file(BASE_FILE).unwrap().len() as u64;
    disk.open(BASE_FILE).unwrap().write_at(size + 5_000, &[7; 100_000]).unwrap();
    assert!(check_damaged(&disk, &expected, None, "grown"));
    assert!(disk.read_file(BASE_FILE).unwrap().len() as u64 <= size);
}

#[test]
fn a_damaged_table_does_not_keep_others_from_being_read_or_written() {
    let [(disk, expected), _] = bases();
    let size = disk.read_file(BASE_FILE).unwrap().len() as u64;
    let mut partly = 0;
    for block in 5..size / BLOCK_BYTES as u64 {
        let image = disk.crash(CrashKind::KeepAll);
        image.flip_bit(BASE_FILE, block * BLOCK_BYTES as u64 + 100, 3).unwrap();
        let Ok((content, errors)) = readable(&image) else { continue };
        if errors.is_empty() {
            continue;
        }
        assert_eq!(errors.len(), 1, "block {block} belongs to one table");
        assert!(content.len() > expected.len() / 3);
        partly += 1;
        let (base, _) = open(&image).unwrap();
        let note = BTreeMap::from([(key(40, &[0; 8]), Some(b"written".to_vec()))]);
        apply_all(&base, &note, figures(4)).unwrap();
        assert_eq!(base.snapshot().unwrap().get_row(40, 0, <[u8]>::to_vec).unwrap().unwrap(), b"written");
    }
    assert!(partly > 10, "{partly}");
}

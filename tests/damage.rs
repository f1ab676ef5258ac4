//! Bits of the files of a database are turned over: what is read is what was written, or an error that names the file.

use std::panic::{AssertUnwindSafe, catch_unwind};

use tropism::{
    Builder, Config, Db, Error, OpenError, StorageError,
    disk::{CrashKind, SimulatedDisk},
    prelude::*,
};

const BASE: &str = "base.redb";
const BLOCK_BYTES: u64 = 4096;
/// The copies of the base's header.
const HEADER_BYTES: u64 = 4 * BLOCK_BYTES;
const ROWS: u64 = 60;

schema! {
    pub table Row in "rows" { number: u64, text: String } with {
        index by_number (number);
    }
    pub table Note in "notes" { number: u64, text: String } with {
        index by_number (number);
    }
}

fn builder() -> Builder {
    let config = Config { checkpoint_bytes: 64 << 10, log_segment_bytes: 64 << 10, ..Config::default() };
    Db::builder().tables::<(Row, Note)>().config(config).driven_by_hand()
}

fn text(number: u64) -> String {
    format!("text {number} ").repeat(20)
}

/// A database whose rows are all in the base, closed or not.
fn written(is_closed: bool) -> Result<SimulatedDisk, Error> {
    let disk = SimulatedDisk::new(3);
    let db = builder().open_on(disk.clone())?;
    for number in 0..ROWS {
        db.write(|tx| -> Result<(), Error> {
            tx.insert(Row { number, text: text(number) })?;
            tx.insert(Note { number, text: text(number) })?;
            Ok(())
        })?;
    }
    db.checkpoint()?;
    if is_closed {
        db.close()?;
        return Ok(disk.crash(CrashKind::LoseUnsynced));
    }
    Ok(disk.crash(CrashKind::LoseUnsynced))
}

fn check_error(error: &StorageError, what: &str) {
    assert!(matches!(error, StorageError::Corrupt { file, .. } if file == BASE), "{what}: {error}");
}

/// What became of four ways to read: `true` for each that gave what was written; the others gave an error.
fn outcome(disk: &SimulatedDisk, what: &str) -> [bool; 4] {
    let db = match builder().open_on(disk.clone()) {
        Ok(db) => db,
        Err(OpenError::Storage(error)) => {
            check_error(&error, what);
            return [false; 4];
        }
        Err(error) => panic!("{what}: {error}"),
    };
    let is_right = |read: Result<Vec<(u64, String)>, Error>| match read {
        Ok(found) => {
            assert!(found.into_iter().eq((0..ROWS).map(|number| (number, text(number)))), "{what}: other data");
            true
        }
        Err(Error::Storage(error)) => {
            check_error(&error, what);
            false
        }
        Err(error) => panic!("{what}: {error}"),
    };
    let rows = |rows: Vec<Doc<Row>>| rows.iter().map(|row| (row.number, row.text.clone())).collect();
    let notes = |notes: Vec<Doc<Note>>| notes.iter().map(|note| (note.number, note.text.clone())).collect();
    [
        is_right(db.read(|tx| Ok::<_, Error>(rows(tx.query(Row::by_id).collect()?)))),
        is_right(db.read(|tx| Ok::<_, Error>(rows(tx.query(Row::by_number).collect()?)))),
        is_right(db.read(|tx| Ok::<_, Error>(notes(tx.query(Note::by_id).collect()?)))),
        is_right(db.read(|tx| Ok::<_, Error>(notes(tx.query(Note::by_number).collect()?)))),
    ]
}

fn flip_everywhere(is_closed: bool) -> Result<(), Error> {
    let disk = written(is_closed)?;
    let size = disk.read_file(BASE).unwrap().len() as u64;
    let (mut same, mut none, mut some) = (0, 0, 0);
    for offset in (0..HEADER_BYTES).step_by(7).chain((HEADER_BYTES..size).step_by(61 * 7)) {
        let what = format!("byte {offset} of {size}");
        let image = disk.crash(CrashKind::KeepAll);
        image.flip_bit(BASE, offset, (offset % 8) as u8).unwrap();
        let found = catch_unwind(AssertUnwindSafe(|| outcome(&image, &what)));
        let found = found.unwrap_or_else(|_| panic!("{what}: see above"));
        assert!(found == [true; 4] || offset >= HEADER_BYTES, "{what}: a copy of the header is enough");
        match found.iter().filter(|is_right| **is_right).count() {
            4 => same += 1,
            0 => none += 1,
            _ => some += 1,
        }
    }
    assert!(same > 0 && some > 0, "the same {same}, some of it {some}, none {none}");
    Ok(())
}

#[test]
fn a_bit_flipped_in_a_closed_base_is_an_error_or_changes_nothing() -> Result<(), Error> {
    flip_everywhere(true)
}

#[test]
fn a_bit_flipped_in_a_base_after_a_crash_is_an_error_or_changes_nothing() -> Result<(), Error> {
    flip_everywhere(false)
}

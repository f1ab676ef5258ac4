//! A row under many elements of a multi index costs in proportion to them.

use std::cell::Cell;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use tropism::{Error, disk::SimulatedDisk, prelude::*};

thread_local! {
    static DECODED: Cell<usize> = const { Cell::new(0) };
}

/// Counts how often it is read from a stored row.
#[derive(Debug, Clone, PartialEq)]
pub struct Counted;

impl Serialize for Counted {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        0u8.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Counted {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        DECODED.set(DECODED.get() + 1);
        u8::deserialize(deserializer).map(|_| Self)
    }
}

schema! {
    pub table Document in "documents" { title: String, counted: Json<Counted>, words: Vec<u32> } with {
        multi by_word (words);
        index by_title (title);
    }
    pub table Plain in "plain" { title: String, words: Vec<u32> }
}

const WORDS: u32 = 3_000;

fn document(title: &str, words: impl IntoIterator<Item = u32>) -> Document {
    Document { title: title.into(), counted: Json(Counted), words: words.into_iter().collect() }
}

fn db_of(documents: impl IntoIterator<Item = Document>) -> Db {
    let db = Db::builder().tables::<Document>().driven_by_hand().in_memory().unwrap();
    db.write(|tx| documents.into_iter().try_for_each(|document| tx.insert(document).map(drop))).unwrap();
    db
}

/// How many rows are decoded while something is read.
fn decoded<R>(db: &Db, read: impl FnOnce(&ReadTx) -> Result<R, Error>) -> (R, usize) {
    let before = DECODED.get();
    let result = db.read(read).unwrap();
    (result, DECODED.get() - before)
}

#[test]
fn a_count_decodes_no_row_and_a_walk_decodes_each_once() {
    // Every word is in both, so entries of the two alternate.
    let db = db_of(["x", "y"].map(|title| document(title, 0..WORDS)));
    assert_eq!(decoded(&db, |tx| tx.query(Document::by_word).count()), (2, 0));
    assert_eq!(decoded(&db, |tx| tx.query(Document::by_word).range(7..90).descending().count()), (2, 0));
    let (rows, decoded_rows) = decoded(&db, |tx| tx.query(Document::by_word).collect());
    assert_eq!((rows.len(), decoded_rows), (2, 2));
    let (count, decoded_rows) = decoded(&db, |tx| tx.query(Document::by_word).filter(|row| row.title == "y").count());
    assert_eq!((count, decoded_rows), (1, 2));
}

#[test]
fn a_page_after_a_cursor_looks_at_each_row_a_bounded_number_of_times() {
    let db = db_of(["x", "y", "z"].map(|title| document(title, 0..WORDS)));
    let first = db.read(|tx| tx.query(Document::by_word).page(1, None)).unwrap();
    let (second, decoded_rows) = decoded(&db, |tx| tx.query(Document::by_word).page(2, first.next.as_ref()));
    assert_eq!(second.docs.iter().map(|row| row.title.as_str()).collect::<String>(), "yz");
    // To see that it is there for the first time, and to return it.
    assert!(decoded_rows <= 5, "{decoded_rows} rows were decoded");
}

#[test]
fn a_row_under_25_000_elements_is_inserted_changed_and_deleted() {
    // With a comparison of each key with each other, this test takes minutes.
    let db = db_of([document("x", 0..25_000)]);
    let id = db.read(|tx| tx.query(Document::by_title).first()).unwrap().unwrap().id();
    let count = |words| db.read(|tx| tx.query(Document::by_word).range(words).count()).unwrap();
    db.write(|tx| tx.patch(id, |row: &mut Document| row.title.push('y'))).unwrap();
    assert_eq!((count(0..1), count(24_999..25_000), count(25_000..30_000)), (1, 1, 0));
    db.write(|tx| tx.patch(id, |row: &mut Document| row.words.iter_mut().for_each(|word| *word += 1))).unwrap();
    assert_eq!((count(0..1), count(24_999..25_000), count(25_000..30_000)), (0, 1, 1));
    assert_eq!(count(0..30_000), 1);
    db.write(|tx| tx.delete(id)).unwrap();
    assert_eq!(count(0..30_000), 0);
}

#[test]
fn a_patch_that_leaves_the_elements_alone_logs_about_a_row() {
    let disk = SimulatedDisk::new(1);
    let db = Db::builder().tables::<(Document, Plain)>().driven_by_hand().open_on(disk.clone()).unwrap();
    // The same row twice, once without an index over its elements.
    let document = db.write(|tx| tx.insert(document("x", 0..2_000))).unwrap();
    let plain = db.write(|tx| tx.insert(Plain { title: "x".into(), words: (0..2_000).collect() })).unwrap();
    let written = |patch: &dyn Fn(&mut WriteTx) -> Result<(), Error>| {
        let before = disk.counters().written_bytes;
        db.write(patch).unwrap();
        disk.counters().written_bytes - before
    };
    let row_bytes = written(&|tx| tx.patch(plain, |row| row.title.push('y')));
    let document_bytes = written(&|tx| tx.patch(document, |row| row.title.push('y')));
    assert!(row_bytes > 2_000, "{row_bytes}");
    assert!(document_bytes < row_bytes * 3 / 2, "{document_bytes} bytes were written, and the row is of {row_bytes}");
}

#[test]
fn live_queries_over_elements_hear_of_a_row_that_keeps_them() {
    let db = db_of([document("x", 0..100), document("y", 200..300)]);
    let id = db.read(|tx| tx.query(Document::by_title).eq("x").unique()).unwrap().unwrap().id();
    let rows = db.watch(|tx| tx.query(Document::by_word).eq(50).collect()).unwrap();
    let others = db.watch(|tx| tx.query(Document::by_word).range(200..).collect()).unwrap();
    rows.recv();
    others.recv();
    let reactor = db.reactor().unwrap();
    db.write(|tx| tx.patch(id, |row: &mut Document| row.title = "z".into())).unwrap();
    assert_eq!(reactor.run().len(), 1);
    assert_eq!(rows.try_recv().unwrap().unwrap()[0].title, "z");
    // An entry that goes and comes back within a transaction is as good as one that stayed.
    db.write(|tx| -> Result<(), Error> {
        tx.patch(id, |row: &mut Document| row.words.clear())?;
        tx.patch(id, |row: &mut Document| row.words = (0..100).collect())?;
        tx.patch(id, |row: &mut Document| row.title = "w".into())
    })
    .unwrap();
    assert_eq!(reactor.run().len(), 1);
    assert_eq!(rows.try_recv().unwrap().unwrap()[0].title, "w");
    db.write(|tx| tx.patch(id, |row: &mut Document| row.words.clear())).unwrap();
    assert_eq!(reactor.run().len(), 1);
    assert!(rows.current().unwrap().is_empty());
}

//! New indexes that are built while the database is open.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
    mpsc,
};

use tropism::{
    BuildProgress, Builder, Error, OpenError, SchemaError, TransactionError,
    disk::{CrashKind, SimulatedDisk, SyncStage},
    prelude::*,
};

mod first {
    tropism::schema! {
        pub table Parent in "parents" { name: String }
        pub table Item in "items" { number: u32, parent: Option<tropism::Id<Parent>>, words: Vec<u32> }
    }
}

mod second {
    tropism::schema! {
        pub table Parent in "parents" { name: String }
        pub table Item in "items" { number: u32, parent: Option<tropism::Id<Parent>>, words: Vec<u32> } with {
            unique by_number (number);
            multi by_word (words);
            index by_parent (parent) on delete cascade;
        }
    }
}

use second::{Item, Parent};

const ROWS: u32 = 3_000;

fn builder() -> Builder {
    Db::builder().driven_by_hand().tables::<(Parent, Item)>().build_indexes_while_running()
}

fn item(number: u32) -> Item {
    Item { number, parent: None, words: vec![number % 10, 77] }
}

/// A parent, and rows that refer to it, with the numbers from 1 on.
fn written() -> SimulatedDisk {
    let disk = SimulatedDisk::new(1);
    let db = Db::builder().driven_by_hand().tables::<(first::Parent, first::Item)>().open_on(disk.clone()).unwrap();
    db.write(|tx| -> Result<(), Error> {
        let parent = tx.insert(first::Parent { name: "p".to_owned() })?;
        for number in 1..=ROWS {
            tx.insert(first::Item { number, parent: Some(parent), words: vec![number % 10, 77] })?;
        }
        Ok(())
    })
    .unwrap();
    db.close().unwrap();
    disk
}

fn is_not_ready<T>(result: Result<T, Error>) -> Option<(u64, u64)> {
    match result.err()? {
        Error::Transaction(TransactionError::IndexNotReady { rows_done, rows_at_most, .. }) => {
            Some((rows_done, rows_at_most))
        }
        other => panic!("another error: {other}"),
    }
}

/// Every index against the rows themselves.
fn check(db: &Db) {
    db.read(|tx| -> Result<(), Error> {
        let rows = tx.query(Item::by_id).collect()?;
        let mut numbers: Vec<u32> = rows.iter().map(|row| row.number).collect();
        numbers.sort_unstable();
        let by_number: Vec<u32> = tx.query(Item::by_number).collect()?.iter().map(|row| row.number).collect();
        assert_eq!(by_number, numbers);
        for word in (0..10).chain([77]) {
            let expected = rows.iter().filter(|row| row.words.contains(&word)).count();
            assert_eq!(tx.query(Item::by_word).eq(word).count()?, expected, "{word}");
        }
        let of_parent = rows.iter().filter(|row| row.parent.is_some()).count();
        assert_eq!(tx.query(Item::by_parent).eq(Some(Id::from_raw(1))).count()?, of_parent);
        assert_eq!(tx.query(Item::by_parent).count()?, rows.len());
        Ok(())
    })
    .unwrap();
}

#[test]
fn an_index_that_is_not_ready_is_an_error_that_says_how_far_it_is() {
    let db = builder().open_on(written()).unwrap();
    assert_eq!(is_not_ready(db.read(|tx| tx.query(Item::by_number).eq(5).first())), Some((0, u64::from(ROWS))));
    assert_eq!(is_not_ready(db.read(|tx| tx.query(Item::by_word).page(3, None))), Some((0, u64::from(ROWS))));
    let refused = db.write(|tx| tx.delete(Id::<Parent>::from_raw(1)));
    assert!(is_not_ready(refused).is_some());
    let catalog = db.catalog().unwrap();
    assert!(!catalog.table("items").unwrap().index("by_number").unwrap().is_ready);
    let builds = db.index_builds();
    let names: Vec<&str> = builds.iter().map(|build| build.index.as_str()).collect();
    assert_eq!(names, ["by_number", "by_word", "by_parent"]);
    db.wait_for_indexes().unwrap();
    assert!(db.index_builds().is_empty());
    assert!(db.catalog().unwrap().table("items").unwrap().indexes.iter().all(|index| index.is_ready));
    check(&db);
    db.write(|tx| tx.delete(Id::<Parent>::from_raw(1))).unwrap();
    assert_eq!(db.read(|tx| tx.query(Item::by_id).count()).unwrap(), 0);
}

#[test]
fn by_default_indexes_are_built_before_the_database_is_open() {
    let db = Db::builder().driven_by_hand().tables::<(Parent, Item)>().open_on(written()).unwrap();
    assert!(db.index_builds().is_empty());
    check(&db);
}

#[test]
fn writes_before_between_and_after_the_batches_keep_an_index_right() {
    let between = Arc::new(AtomicU64::new(0));
    let (sender, writer) = mpsc::channel::<Db>();
    let counted = Arc::clone(&between);
    let mut db = None;
    let progress = move |_: BuildProgress| {
        let db: &Db = db.get_or_insert_with(|| writer.recv().unwrap());
        let batch = u32::try_from(counted.fetch_add(1, Ordering::Relaxed)).unwrap();
        if batch >= 40 {
            return;
        }
        db.write(|tx| -> Result<(), Error> {
            let near = Id::from_raw(u64::from(batch) * 71 + 2);
            tx.patch(near, |row: &mut Item| row.number += 100_000)?;
            tx.patch(Id::from_raw(u64::from(ROWS - batch)), |row: &mut Item| row.words = vec![3, batch % 10])?;
            tx.delete(Id::<Item>::from_raw(u64::from(ROWS - 100 - batch)))?;
            tx.insert(item(200_000 + batch)).map(drop)
        })
        .unwrap();
    };
    let db = builder().on_progress(progress).open_on(written()).unwrap();
    sender.send(db.clone()).unwrap();
    db.write(|tx| -> Result<(), Error> {
        tx.patch(Id::from_raw(1), |row: &mut Item| row.number = 300_000)?;
        tx.delete(Id::<Item>::from_raw(4))?;
        tx.insert(item(300_001)).map(drop)
    })
    .unwrap();
    db.wait_for_indexes().unwrap();
    db.write(|tx| tx.delete(Id::<Item>::from_raw(6))).unwrap();
    assert!(between.load(Ordering::Relaxed) >= 3 * 11, "{between:?} batches");
    check(&db);
}

#[test]
fn a_building_that_is_killed_goes_on_at_the_next_open() {
    let written = written();
    let mut was_killed = 0;
    for sync in [3, 6, 11, 16] {
        let mut disk = written.crash(CrashKind::KeepAll);
        let mut reached = 0;
        for opening in 0.. {
            assert!(opening < 50, "the building never ends");
            disk.crash_at(if opening == 0 { sync + 6 } else { sync.max(12) }, SyncStage::Before);
            let built = builder().open_on(disk.clone()).map_err(Error::from).and_then(|db| {
                // What was done before is not done again.
                let done: u64 = db.index_builds().iter().map(|build| build.rows_done).sum();
                let missing = 3 - db.index_builds().len() as u64;
                let done = done + missing * u64::from(ROWS);
                assert!(done >= reached, "{done} after {reached}");
                reached = done;
                db.wait_for_indexes()?;
                db.close()
            });
            if !disk.is_off() {
                built.unwrap();
                break;
            }
            was_killed += 1;
            disk = disk.crash(CrashKind::LoseUnsynced);
        }
        assert!(reached > 0);
        disk = disk.crash(CrashKind::KeepAll);
        check(&builder().open_on(disk).unwrap());
    }
    assert!(was_killed > 0);
}

#[test]
fn an_opening_without_the_option_finishes_what_was_begun() {
    let disk = written();
    builder().open_on(disk.clone()).unwrap().close().unwrap();
    let db = Db::builder().driven_by_hand().tables::<(Parent, Item)>().open_on(disk).unwrap();
    assert!(db.index_builds().is_empty());
    check(&db);
}

#[test]
fn two_rows_with_one_unique_key_are_named_and_the_building_goes_on_when_one_is_changed() {
    let disk = written();
    let db = builder().open_on(disk.clone()).unwrap();
    db.write(|tx| tx.insert(item(1_000))).unwrap();
    let error = db.wait_for_indexes().unwrap_err();
    let (one, other) = (Id::<Item>::from_raw(1_000), Id::<Item>::from_raw(u64::from(ROWS) + 1));
    let Error::Open(OpenError::Schema(SchemaError::DuplicateKey { index, first, second, .. })) = &error else {
        panic!("another error: {error}");
    };
    assert_eq!((index.as_str(), first, second), ("by_number", &one.to_string(), &other.to_string()));
    let refused = db.read(|tx| tx.query(Item::by_number).count()).unwrap_err();
    assert!(refused.to_string().contains(&one.to_string()), "{refused}");
    let builds = db.index_builds();
    assert!(builds[0].failure.is_some() && builds[0].index == "by_number", "{builds:?}");
    let taken = db.write(|tx| tx.insert(item(2))).unwrap_err();
    assert!(matches!(taken, Error::Transaction(TransactionError::UniqueViolation { .. })), "{taken}");
    db.write(|tx| tx.patch(one, |row| row.number = 5_000)).unwrap();
    db.wait_for_indexes().unwrap();
    check(&db);
}

#[test]
fn a_live_query_that_met_an_index_in_building_runs_again_when_it_is_ready() {
    let db = builder().open_on(written()).unwrap();
    let reactor = db.reactor().unwrap();
    let count = db.watch(|tx| tx.query(Item::by_word).eq(77).count()).unwrap();
    assert!(count.try_recv().unwrap().is_err());
    db.wait_for_indexes().unwrap();
    while reactor.step().is_some() {}
    assert_eq!(*count.try_recv().unwrap().unwrap(), ROWS as usize);
}

#[test]
fn a_thread_builds_while_others_write() {
    let reports = Arc::new(AtomicU64::new(0));
    let counted = Arc::clone(&reports);
    let db = Db::builder()
        .tables::<(Parent, Item)>()
        .build_indexes_while_running()
        .on_progress(move |_| assert!(counted.fetch_add(1, Ordering::Relaxed) < u64::MAX))
        .open_on(written())
        .unwrap();
    for number in 0..50 {
        db.write(|tx| tx.insert(item(400_000 + number))).unwrap();
    }
    db.wait_for_indexes().unwrap();
    assert!(reports.load(Ordering::Relaxed) >= 3 * 11);
    check(&db);
    db.close().unwrap();
}

#[test]
fn a_database_is_closed_in_the_middle_of_a_building() {
    let disk = written();
    let builder = Db::builder().tables::<(Parent, Item)>().build_indexes_while_running();
    builder.open_on(disk.clone()).unwrap().close().unwrap();
    let db = Db::builder().tables::<(Parent, Item)>().build_indexes_while_running().open_on(disk).unwrap();
    db.wait_for_indexes().unwrap();
    check(&db);
}

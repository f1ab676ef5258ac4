//! Openings that are killed again and again: each takes up what the one before it left, and nothing stays behind. And
//! databases that no opening takes up.

use std::sync::Arc;

use parking_lot::Mutex;

use super::{
    BuildProgress, BuildWork,
    stored::{is_used, stored_catalog},
};
use crate::{
    Builder, Config, Db, Error, OpenError, SchemaError,
    disk::{CrashKind, SimulatedDisk, SyncStage},
    encoding::INDEX_KEYSPACE,
    schema::catalog::Catalog,
    storage::{BackgroundWork, Change, Changes, Commit, CommitObserver, Durability, Store},
    time::SystemClock,
    transaction::tables::catalog_key,
};

mod first {
    crate::schema! {
        pub table Gone in "gone" { number: u32 } with { index by_number (number); }
        pub table Item in "items" { number: u32, size: u64, words: Vec<u32> } with {
            index by_size (size);
            multi by_word (words);
        }
    }
}

mod second {
    crate::schema! {
        pub table Item in "items" { number: String, size: u64, words: Vec<u32> } with {
            unique by_number (number);
            convert number: u32 => |old| old.to_string();
        }
    }
}

const ROWS: u32 = 3_000;

fn config() -> Config {
    Config { checkpoint_bytes: 64 << 10, log_segment_bytes: 64 << 10, ..Config::default() }
}

fn builder() -> Builder {
    Db::builder().config(config()).driven_by_hand()
}

fn written() -> Result<SimulatedDisk, Error> {
    let disk = SimulatedDisk::new(5);
    let db = builder().tables::<(first::Gone, first::Item)>().open_on(disk.clone())?;
    for start in (0..ROWS).step_by(500) {
        db.write(|tx| -> Result<(), Error> {
            for number in start..start + 500 {
                tx.insert(first::Gone { number })?;
                tx.insert(first::Item { number, size: 7, words: vec![number, number + 1] })?;
            }
            Ok(())
        })?;
    }
    db.close()?;
    Ok(disk)
}

struct Nobody;

impl CommitObserver for Nobody {
    fn committed(&self, _: &Arc<Commit>) {}
}

fn store_on(disk: SimulatedDisk) -> Arc<Store> {
    let config = config();
    let options = config.store_options(BackgroundWork::ByHand);
    Store::open(Arc::new(disk), options, Arc::new(SystemClock), Arc::new(Nobody)).unwrap()
}

/// Every keyspace of the catalog, as keys have it.
fn keyspaces(catalog: &Catalog) -> Vec<u32> {
    let indexes = catalog.tables.iter().flat_map(|table| &table.indexes).map(|index| index.keyspace | INDEX_KEYSPACE);
    catalog.tables.iter().map(|table| table.keyspace).chain(indexes).collect()
}

/// Every keyspace that holds something and is not in the catalog any more. `before`: the catalog before the evolution,
/// which gives new keyspaces to indexes alone.
fn left_behind(disk: SimulatedDisk, before: &Catalog) -> Vec<u32> {
    let store = store_on(disk);
    let catalog = stored_catalog(&store).unwrap();
    assert_eq!(catalog.dropping, []);
    let known = keyspaces(&catalog);
    let new = (before.next_keyspace..catalog.next_keyspace).map(|keyspace| keyspace | INDEX_KEYSPACE);
    let snapshot = store.snapshot().unwrap();
    let is_left = |keyspace: &u32| !known.contains(keyspace) && is_used(&snapshot, *keyspace).unwrap();
    keyspaces(before).into_iter().chain(new).filter(is_left).collect()
}

/// Opens with the second schema, and cuts the power at each opening's sync of this number, until one gets through.
/// Returns how many openings that took and how many entries they removed.
fn open_killed_at(mut disk: SimulatedDisk, sync: u64) -> (SimulatedDisk, u64, u64) {
    let removed = Arc::new(Mutex::new(0));
    for openings in 1.. {
        assert!(openings < 1_000, "the openings never end");
        disk = disk.crash(CrashKind::KeepAll);
        disk.crash_at(sync, SyncStage::Before);
        let (reports, last) = (Arc::clone(&removed), Mutex::new(0));
        let count = move |progress: BuildProgress| {
            if matches!(progress.work, BuildWork::RemoveIndex { .. } | BuildWork::RemoveRows) {
                let mut last = last.lock();
                let before = if progress.rows_done > *last { *last } else { 0 };
                *reports.lock() += progress.rows_done - before;
                *last = progress.rows_done;
            }
        };
        let builder = builder().tables::<(second::Item,)>().drop_table("gone").on_progress(count);
        let closed = builder.open_on(disk.clone()).map_err(Error::from).and_then(|db| db.close());
        if !disk.is_off() {
            closed.unwrap();
            let removed = *removed.lock();
            return (disk.crash(CrashKind::KeepAll), openings, removed);
        }
        disk = disk.crash(CrashKind::Torn(openings));
    }
    unreachable!("the loop ends by returning");
}

#[test]
fn an_evolution_that_is_killed_again_and_again_ends_and_leaves_nothing_behind() {
    let written = written().unwrap();
    let before = stored_catalog(&store_on(written.crash(CrashKind::KeepAll))).unwrap();
    // Rows and index of the dropped table, and two indexes, one of which has two entries for a row.
    let garbage = u64::from(ROWS) * 5;
    let (_, openings, removed) = open_killed_at(written.crash(CrashKind::KeepAll), u64::MAX);
    assert_eq!((openings, removed), (1, garbage));
    let mut was_killed = 0;
    for sync in [20, 25, 31, 38, 50] {
        let (disk, openings, removed) = open_killed_at(written.crash(CrashKind::KeepAll), sync);
        was_killed += openings - 1;
        // Each opening may repeat a batch or two, and an index whose building was cut short is garbage, too.
        assert!(removed <= garbage + openings * (u64::from(ROWS) + 2_000), "{removed} in {openings} openings");
        let db = builder().tables::<(second::Item,)>().open_on(disk.clone()).unwrap();
        assert_eq!(db.read(|tx| tx.query(second::Item::by_number).count()).unwrap(), ROWS as usize);
        let found = db.read(|tx| tx.query(second::Item::by_number).eq("2999").unique()).unwrap().unwrap();
        assert_eq!((found.size, found.words.as_slice()), (7, &[2_999, 3_000][..]));
        db.close().unwrap();
        assert_eq!(left_behind(disk, &before), Vec::<u32>::new());
    }
    assert!(was_killed > 0, "no opening was cut short");
}

#[test]
fn a_database_of_an_earlier_development_format_is_refused_as_such() {
    for version in [1, 2] {
        let disk = SimulatedDisk::new(1);
        let store = store_on(disk.clone());
        let earlier = Changes::from([(catalog_key(), Change::Put(Arc::from([version, 0, 0, 0])))]);
        store.begin().unwrap().commit(earlier.into_vec(), Durability::Relaxed).unwrap();
        store.flush().unwrap();
        drop(store);
        let opened = builder().tables::<second::Item>().open_on(disk.crash(CrashKind::KeepAll));
        let Err(OpenError::Schema(error)) = opened else { panic!("it is of another format") };
        assert!(matches!(error, SchemaError::EarlierFormat { found, .. } if found == version));
        assert!(error.to_string().contains("before the first release"), "{error}");
    }
}

//! Ids are never given twice, whatever is deleted, dropped, reopened, rolled back or lost in a crash; and they stay dense
//! where nothing of that happens.

use tropism::{
    Builder, Config, Durability, Error,
    disk::{CrashKind, MemoryDisk, SimulatedDisk},
    prelude::*,
};

schema! {
    pub table Item in "items" { name: String }
    pub table Other in "others" { name: String }
}

fn builder(durability: Durability) -> Builder {
    Db::builder().config(Config { durability, ..Config::default() }).driven_by_hand()
}

fn opened(disk: &SimulatedDisk, durability: Durability) -> Db {
    builder(durability).tables::<(Item, Other)>().open_on(disk.clone()).unwrap()
}

fn insert(db: &Db) -> u64 {
    db.write(|tx| tx.insert(Item { name: String::new() })).unwrap().as_u64()
}

/// What a power cut leaves where nothing survives that was not synced.
fn after_power_cut(disk: &SimulatedDisk) -> SimulatedDisk {
    disk.crash(CrashKind::LoseUnsynced)
}

#[test]
fn a_table_that_was_emptied_and_dropped_and_is_declared_again_gives_new_ids() {
    let disk = MemoryDisk::new();
    let with = || Db::builder().tables::<(Item, Other)>().open_on(disk.clone()).unwrap();
    let db = with();
    assert_eq!([insert(&db), insert(&db)], [1, 2]);
    db.write(|tx| -> Result<(), Error> {
        for item in tx.query(Item::by_id).collect()? {
            tx.delete(item.id())?;
        }
        Ok(())
    })
    .unwrap();
    db.close().unwrap();
    Db::builder().tables::<Other>().open_on(disk.clone()).unwrap().close().unwrap();
    let db = with();
    assert_eq!(insert(&db), 3);
    db.close().unwrap();
    Db::builder().tables::<Other>().drop_table("items").open_on(disk.clone()).unwrap().close().unwrap();
    assert_eq!(insert(&with()), 4);
}

#[test]
fn an_id_of_a_relaxed_commit_that_was_seen_is_not_given_again_after_a_power_cut() {
    let disk = SimulatedDisk::new(1);
    let db = opened(&disk, Durability::Relaxed);
    let mut seen = Vec::new();
    for _ in 0..1_000 {
        insert(&db);
        seen.push(db.read(|tx| tx.query(Item::by_id).descending().first()).unwrap().unwrap().id().as_u64());
        if ![0, 1, 5, 64, 200, 999].contains(&(seen.len() - 1)) {
            continue;
        }
        let db = opened(&after_power_cut(&disk), Durability::Relaxed);
        let next = insert(&db);
        assert!(!seen.contains(&next), "{next} was given again after {} ids", seen.len());
        assert!(next < 2_500, "{next} is far away after {} ids", seen.len());
    }
}

#[test]
fn a_relaxed_call_on_a_durable_database_shows_no_id_that_a_power_cut_gives_out_again() {
    let disk = SimulatedDisk::new(2);
    let db = opened(&disk, Durability::Durable);
    assert_eq!(insert(&db), 1);
    for _ in 0..10 {
        let id = db.write_with(Durability::Relaxed, |tx| tx.insert(Item { name: String::new() })).unwrap();
        assert!(db.read(|tx| tx.get(id)).unwrap().is_some(), "it is not shown");
        let reopened = opened(&after_power_cut(&disk), Durability::Durable);
        assert!(insert(&reopened) > id.as_u64());
    }
}

#[test]
fn relaxed_inserts_seldom_wait_for_the_disk() {
    let disk = SimulatedDisk::new(3);
    let db = opened(&disk, Durability::Relaxed);
    let before = disk.counters().syncs;
    for _ in 0..20 {
        (0..500).for_each(|_| assert!(insert(&db) > 0));
        db.flush().unwrap();
    }
    let syncs = disk.counters().syncs - before;
    assert!(syncs < 20 + 10, "{syncs} syncs for 20 flushes");
}

#[test]
fn a_crash_of_a_durable_database_leaves_out_few_ids() {
    let mut disk = SimulatedDisk::new(4);
    let mut last = 0;
    for _ in 0..5 {
        let db = opened(&disk, Durability::Durable);
        let ids: Vec<u64> = (0..3).map(|_| insert(&db)).collect();
        assert!(last < ids[0] && ids[0] <= last + 33, "{ids:?} after {last}");
        assert_eq!(ids[1..], [ids[0] + 1, ids[0] + 2]);
        last = ids[2];
        disk = after_power_cut(&disk);
    }
}

#[test]
fn ids_stay_dense_over_clean_closes() {
    for durability in [Durability::Durable, Durability::Relaxed] {
        let mut disk = SimulatedDisk::new(5);
        for expected in 1..=5 {
            let db = opened(&disk, durability);
            assert_eq!(insert(&db), expected);
            db.close().unwrap();
            disk = after_power_cut(&disk);
        }
    }
}

#[test]
fn a_transaction_that_fails_as_a_whole_gives_back_its_ids_and_a_nested_part_does_not() {
    let disk = SimulatedDisk::new(6);
    let db = opened(&disk, Durability::Durable);
    let failed = db.write(|tx| -> Result<(), Error> {
        tx.insert(Item { name: String::new() })?;
        tx.delete(Id::<Item>::from_raw(u64::MAX))
    });
    assert!(failed.is_err());
    assert_eq!(insert(&db), 1);
    let nested = db.write(|tx| -> Result<_, Error> {
        let rolled_back = tx.nested(|tx| -> Result<(), _> { Err(tx.insert(Item { name: String::new() })) });
        Ok((rolled_back.unwrap_err()?, tx.insert(Item { name: String::new() })?))
    });
    let (rolled_back, kept) = nested.unwrap();
    assert_eq!((rolled_back.as_u64(), kept.as_u64()), (2, 3));
    db.close().unwrap();
    assert_eq!(insert(&opened(&disk, Durability::Durable)), 4);
}

#[test]
fn an_insert_that_is_refused_takes_no_id() {
    let db = Db::builder().tables::<(Item, Other)>().in_memory().unwrap();
    let too_large = db.write(|tx| tx.insert(Item { name: "x".repeat(33 << 20) }));
    assert!(too_large.is_err());
    assert_eq!(insert(&db), 1);
}

//! Rows whose very fields cannot be read: written past the tables, as damage would.

use std::sync::Arc;

use crate::{
    Config, Db, Error, Id,
    disk::MemoryDisk,
    encoding::KeyWriter,
    schema::catalog::Catalog,
    storage::{BackgroundWork, Change, Commit, CommitObserver, Durability, Store},
    time::SystemClock,
};

crate::schema! {
    pub table Parent in "parents" { name: String }
    pub table Child in "children" { parent: Option<Id<Parent>>, name: String } with {
        index by_parent (parent) on delete set null;
        index by_name (name);
    }
    pub table Other in "others" { parent: Id<Parent>, name: String } with {
        index by_parent (parent) on delete cascade;
        index by_name (name);
    }
}

struct Nobody;

impl CommitObserver for Nobody {
    fn committed(&self, _: &Arc<Commit>) {}
}

fn opened(disk: &MemoryDisk) -> Db {
    Db::builder().tables::<(Parent, Child, Other)>().open_on(disk.clone()).unwrap()
}

/// A parent with two rows of each table, of which the first has these bytes.
fn damaged(row: &[u8]) -> Db {
    let disk = MemoryDisk::new();
    let db = opened(&disk);
    db.write(|tx| -> Result<(), Error> {
        let parent = tx.insert(Parent { name: "p".to_owned() })?;
        for name in ["a", "b"] {
            tx.insert(Child { parent: Some(parent), name: name.to_owned() })?;
            tx.insert(Other { parent, name: name.to_owned() })?;
        }
        Ok(())
    })
    .unwrap();
    db.close().unwrap();
    let config = Config::default();
    let options = config.store_options(BackgroundWork::ByHand);
    let store = Store::open(Arc::new(disk.clone()), options, Arc::new(SystemClock), Arc::new(Nobody)).unwrap();
    let catalog =
        store.snapshot().unwrap().get(&KeyWriter::new(0).finish(), Catalog::decode).unwrap().unwrap().unwrap();
    let changes = ["children", "others"].map(|table| {
        let mut key = KeyWriter::new(catalog.table(table).unwrap().keyspace);
        key.id(1);
        (key.finish(), Change::Put(row.into()))
    });
    store.begin().unwrap().commit(changes.to_vec(), Durability::Durable).unwrap();
    store.close(true).unwrap();
    opened(&disk)
}

/// A row without an end, without a header, of an unknown layout, and with fields that are none.
const DAMAGED: [&[u8]; 4] =
    [&[0, 1, 2, 3, 4, 5, 6, 7, 8, 1], &[], &[9; 20], &[0, 1, 2, 3, 4, 5, 6, 7, 8, 1, 7, 1, 200]];

#[test]
fn a_row_of_which_nothing_can_be_read_is_deleted_with_its_index_entries() {
    for row in DAMAGED {
        let db = damaged(row);
        db.write(|tx| -> Result<(), Error> {
            tx.delete(Id::<Child>::from_raw(1))?;
            tx.delete(Id::<Other>::from_raw(1))
        })
        .unwrap();
        let count = |tx: &crate::ReadTx| -> Result<_, Error> {
            Ok([tx.query(Child::by_name).collect()?.len(), tx.query(Child::by_parent).collect()?.len()])
        };
        assert_eq!(db.read(count).unwrap(), [1, 1]);
        assert_eq!(db.read(|tx| tx.query(Other::by_parent).eq(Id::from_raw(1)).collect()).unwrap().len(), 1);
    }
}

#[test]
fn the_parent_of_a_row_of_which_nothing_can_be_read_is_deleted() {
    for row in DAMAGED {
        let db = damaged(row);
        db.write(|tx| tx.delete(Id::<Parent>::from_raw(1))).unwrap();
        assert_eq!(db.read(|tx| tx.query(Other::by_id).count()).unwrap(), 0);
        let unreadable = db.read(|tx| tx.unreadable::<Child>()).unwrap();
        assert_eq!(unreadable.iter().map(|row| row.id.as_u64()).collect::<Vec<_>>(), [1]);
        let by_parent = db.read(|tx| tx.query(Child::by_parent).eq(Some(Id::from_raw(1))).count()).unwrap();
        assert_eq!(by_parent, 0);
    }
}

#[test]
fn a_row_of_which_nothing_can_be_read_is_replaced() {
    for row in DAMAGED {
        let db = damaged(row);
        let id = Id::<Child>::from_raw(1);
        db.write(|tx| tx.replace(id, Child { parent: None, name: "c".to_owned() })).unwrap();
        let found = db.read(|tx| tx.query(Child::by_name).collect()).unwrap();
        assert_eq!(found.iter().map(|child| child.name.as_str()).collect::<Vec<_>>(), ["b", "c"]);
    }
}

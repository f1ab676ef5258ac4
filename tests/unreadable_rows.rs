//! A row that does not decode can be found, deleted and replaced, and is in nobody's way.

use tropism::{Error, RowError, TransactionError, disk::MemoryDisk, prelude::*};

/// The program that wrote the rows.
mod first {
    use super::*;

    #[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
    pub struct Extra {
        pub size: Option<u32>,
    }

    schema! {
        pub table Parent in "parents" { name: String }
        pub table Cascaded in "cascaded" { parent: Id<Parent>, labels: Vec<String>, extra: Json<Extra> } with {
            index by_parent (parent) on delete cascade;
            multi by_label (labels);
        }
        pub table Nulled in "nulled" { parent: Option<Id<Parent>>, number: u32, extra: Json<Extra> } with {
            index by_parent (parent) on delete set null;
            unique by_number (number);
        }
        pub table Restricted in "restricted" { parent: Id<Parent>, extra: Json<Extra> } with {
            index by_parent (parent) on delete restrict;
        }
    }
}

/// A later one, whose type takes less than the first one's.
mod second {
    use super::*;

    #[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
    pub struct Extra {
        pub size: u32,
    }

    schema! {
        pub table Parent in "parents" { name: String }
        pub table Cascaded in "cascaded" { parent: Id<Parent>, labels: Vec<String>, extra: Json<Extra> } with {
            index by_parent (parent) on delete cascade;
            multi by_label (labels);
        }
        pub table Nulled in "nulled" { parent: Option<Id<Parent>>, number: u32, extra: Json<Extra> } with {
            index by_parent (parent) on delete set null;
            unique by_number (number);
        }
        pub table Restricted in "restricted" { parent: Id<Parent>, extra: Json<Extra> } with {
            index by_parent (parent) on delete restrict;
        }
    }
}

/// The same with another index and another type of a field.
mod third {
    use super::{second::Extra, *};

    schema! {
        pub table Parent in "parents" { name: String }
        pub table Cascaded in "cascaded" { parent: Id<Parent>, labels: Vec<String>, extra: Json<Extra> } with {
            index by_parent (parent) on delete cascade;
            multi by_label (labels);
            index by_labels_of_parent (parent) on delete cascade;
        }
        pub table Nulled in "nulled" { parent: Option<Id<Parent>>, number: String, extra: Json<Extra> } with {
            index by_parent (parent) on delete set null;
            unique by_number (number);
            convert number: u32 => |old| old.to_string();
        }
        pub table Restricted in "restricted" { parent: Id<Parent>, extra: Json<Extra> } with {
            index by_parent (parent) on delete restrict;
        }
    }
}

use second::{Cascaded, Nulled, Parent, Restricted};

/// Two parents; ten rows of each table refer to the first, of which the third and the last do not decode.
fn written() -> MemoryDisk {
    let disk = MemoryDisk::new();
    let db = Db::builder()
        .tables::<(first::Parent, first::Cascaded, first::Nulled, first::Restricted)>()
        .open_on(disk.clone())
        .unwrap();
    db.write(|tx| -> Result<(), Error> {
        let parent = tx.insert(first::Parent { name: "first".to_owned() })?;
        let other = tx.insert(first::Parent { name: "second".to_owned() })?;
        for number in 1..=10u32 {
            let extra = Json(first::Extra { size: (number != 3 && number != 10).then_some(number) });
            let labels = vec![format!("label {number}"), "common".to_owned()];
            tx.insert(first::Cascaded { parent, labels, extra: extra.clone() })?;
            tx.insert(first::Nulled { parent: Some(parent), number, extra: extra.clone() })?;
            tx.insert(first::Restricted { parent: other, extra })?;
        }
        Ok(())
    })
    .unwrap();
    db.close().unwrap();
    disk
}

fn opened() -> Db {
    Db::builder().tables::<(Parent, Cascaded, Nulled, Restricted)>().open_on(written()).unwrap()
}

fn unreadable<T: tropism::Table>(db: &Db) -> Vec<u64> {
    let rows = db.read(|tx| tx.unreadable::<T>()).unwrap();
    rows.into_iter().map(|row| row.id.as_u64()).collect()
}

#[test]
fn rows_that_do_not_decode_are_found_with_their_ids_and_reasons() {
    let db = opened();
    let rows = db.read(|tx| tx.unreadable::<Cascaded>()).unwrap();
    let ids: Vec<u64> = rows.iter().map(|row| row.id.as_u64()).collect();
    assert_eq!(ids, [3, 10]);
    for row in rows {
        let text = row.error.to_string();
        assert!(text.contains(&row.id.to_string()) && text.contains("extra"), "{text}");
    }
    assert_eq!(unreadable::<Parent>(&db), [0u64; 0]);
}

#[test]
fn a_walk_goes_on_after_a_row_that_does_not_decode() {
    let db = opened();
    for index in 0..2 {
        let (read, errors) = db
            .read(|tx| -> Result<_, Error> {
                let rows = match index {
                    0 => tx.query(Cascaded::by_id).iter()?,
                    _ => tx.query(Cascaded::by_label).descending().iter()?,
                };
                let (read, errors): (Vec<_>, Vec<_>) = rows.partition(Result::is_ok);
                Ok((read.len(), errors.into_iter().filter_map(Result::err).collect::<Vec<_>>()))
            })
            .unwrap();
        assert_eq!(read, 8);
        assert!(errors.iter().all(|error| matches!(error, Error::Row(RowError::Decode { .. }))) && errors.len() == 2);
    }
}

#[test]
fn a_query_names_the_row_that_does_not_decode_or_passes_over_it() {
    let db = opened();
    let error = db.read(|tx| tx.query(Cascaded::by_id).collect()).unwrap_err();
    assert!(error.to_string().contains(&Id::<Cascaded>::from_raw(3).to_string()), "{error}");
    let read = db.read(|tx| tx.query(Cascaded::by_id).skip_unreadable().collect()).unwrap();
    assert_eq!(read.iter().map(|doc| doc.extra.size).collect::<Vec<_>>(), [1, 2, 4, 5, 6, 7, 8, 9]);
    let parent = Id::from_raw(1);
    let last = db.read(|tx| tx.query(Cascaded::by_parent).eq(parent).descending().skip_unreadable().first()).unwrap();
    assert_eq!(last.unwrap().id().as_u64(), 9);
    let counts = db
        .read(|tx| -> Result<_, Error> {
            let all = tx.query(Nulled::by_number).count()?;
            let multi = tx.query(Cascaded::by_label).count()?;
            Ok((all, multi, tx.query(Nulled::by_number).skip_unreadable().count()?))
        })
        .unwrap();
    assert_eq!(counts, (10, 10, 8));
}

#[test]
fn pages_pass_over_rows_that_do_not_decode() {
    let db = opened();
    let mut ids = Vec::new();
    let mut cursor = None;
    loop {
        let query = |tx: &ReadTx| tx.query(Cascaded::by_label).skip_unreadable().page(3, cursor.as_ref());
        let page = db.read(query).unwrap();
        ids.extend(page.docs.iter().map(|doc| doc.id().as_u64()));
        cursor = page.next;
        if cursor.is_none() {
            break;
        }
    }
    ids.sort_unstable();
    assert_eq!(ids, [1, 2, 4, 5, 6, 7, 8, 9]);
}

#[test]
fn a_row_that_does_not_decode_is_deleted_with_its_index_entries() {
    let db = opened();
    for number in [3, 10] {
        db.write(|tx| tx.delete(Id::<Cascaded>::from_raw(number))).unwrap();
        db.write(|tx| tx.delete(Id::<Nulled>::from_raw(number))).unwrap();
    }
    assert_eq!((unreadable::<Cascaded>(&db), unreadable::<Nulled>(&db)), (vec![], vec![]));
    let counts = db
        .read(|tx| -> Result<_, Error> {
            let labels = tx.query(Cascaded::by_label).eq("label 3").count()?;
            let common = tx.query(Cascaded::by_label).eq("common").collect()?.len();
            Ok((labels, common, tx.query(Cascaded::by_parent).count()?, tx.query(Nulled::by_number).collect()?.len()))
        })
        .unwrap();
    assert_eq!(counts, (0, 8, 8, 8));
    // The unique key is free again.
    let extra = Json(second::Extra { size: 1 });
    db.write(|tx| tx.insert(Nulled { parent: None, number: 3, extra })).unwrap();
}

#[test]
fn the_parent_of_rows_that_do_not_decode_can_be_deleted() {
    let db = opened();
    db.write(|tx| tx.delete(Id::<Parent>::from_raw(1))).unwrap();
    assert_eq!((unreadable::<Cascaded>(&db), unreadable::<Nulled>(&db)), (vec![], vec![3, 10]));
    let counts = db
        .read(|tx| -> Result<_, Error> {
            let cascaded = tx.query(Cascaded::by_label).count()?;
            let nulled = tx.query(Nulled::by_parent).eq(None::<Id<Parent>>).count()?;
            Ok((cascaded, nulled, tx.query(Nulled::by_parent).count()?))
        })
        .unwrap();
    assert_eq!(counts, (0, 10, 10));
    let refused = db.write(|tx| tx.delete(Id::<Parent>::from_raw(2))).unwrap_err();
    assert!(matches!(refused, Error::Transaction(TransactionError::Restricted { .. })), "{refused}");
}

#[test]
fn a_row_that_does_not_decode_is_mended_by_replacing_it() {
    let db = opened();
    let id = Id::<Nulled>::from_raw(3);
    let value = |number| Nulled { parent: None, number, extra: Json(second::Extra { size: 33 }) };
    let taken = db.write(|tx| tx.replace(id, value(4))).unwrap_err();
    assert!(matches!(taken, Error::Transaction(TransactionError::UniqueViolation { .. })), "{taken}");
    db.write(|tx| tx.replace(id, value(33))).unwrap();
    let (doc, neighbour, by_old_key) = db
        .read(|tx| -> Result<_, Error> {
            let by_old_key = tx.query(Nulled::by_number).eq(3).first()?;
            Ok((tx.existing(id)?, tx.existing(Id::<Nulled>::from_raw(4))?, by_old_key))
        })
        .unwrap();
    assert_eq!((doc.number, doc.created_at(), by_old_key), (33, neighbour.created_at(), None));
    assert_eq!(unreadable::<Nulled>(&db), [10]);
    let patched = db.write(|tx| tx.patch(Id::<Nulled>::from_raw(10), |row| row.number = 7)).unwrap_err();
    assert!(matches!(patched, Error::Row(RowError::Decode { .. })), "{patched}");
}

#[test]
fn indexes_and_conversions_are_made_for_rows_that_do_not_decode() {
    let builder = Db::builder().tables::<(third::Parent, third::Cascaded, third::Nulled, third::Restricted)>();
    let db = builder.open_on(written()).unwrap();
    let (entries, numbers) = db
        .read(|tx| -> Result<_, Error> {
            let entries = tx.query(third::Cascaded::by_labels_of_parent).eq(Id::from_raw(1)).count()?;
            Ok((entries, tx.query(third::Nulled::by_number).eq("10").count()?))
        })
        .unwrap();
    assert_eq!((entries, numbers), (10, 1));
    db.write(|tx| tx.delete(Id::<third::Parent>::from_raw(1))).unwrap();
    assert_eq!(db.read(|tx| tx.query(third::Cascaded::by_id).count()).unwrap(), 0);
}

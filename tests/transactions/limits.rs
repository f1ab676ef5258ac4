//! 5. Limits count what would be committed, not what was tried.

use tropism::{Error, TransactionError, prelude::*};

use super::{Account, Entry, account, balances};

const LIMIT_BYTES: usize = 1 << 20;

fn limited() -> Db {
    let config = Config { overlay_limit_bytes: LIMIT_BYTES, checkpoint_bytes: 64 << 10, ..Config::default() };
    Db::builder().tables::<(Account, Entry)>().config(config).driven_by_hand().in_memory().unwrap()
}

fn size_refused(result: Result<(), Error>) -> usize {
    match result {
        Err(Error::Transaction(error @ TransactionError::TransactionTooLarge { size_bytes, limit_bytes })) => {
            assert!(error.to_string().contains("`Config::overlay_limit_bytes`"), "{error}");
            assert!(limit_bytes == LIMIT_BYTES && size_bytes > limit_bytes, "{error}");
            size_bytes
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_row_that_changes_again_and_again_counts_once_also_in_a_nested_part() {
    let db = limited();
    let ada = db.write(|tx| tx.insert(account("ada", 0))).unwrap();
    let patch = |tx: &mut WriteTx| (0..10_000).try_for_each(|_| tx.patch(ada, |row| row.balance += 1));
    db.write(patch).unwrap();
    db.write(|tx| tx.nested(patch)).unwrap();
    db.write(|tx| (0..10_000).try_for_each(|_| tx.nested(|tx| tx.patch(ada, |row| row.balance += 1)))).unwrap();
    assert_eq!(db.read(balances).unwrap(), [("ada".to_owned(), 30_000)]);
}

#[test]
fn a_row_that_is_inserted_and_deleted_counts_nothing() {
    let db = limited();
    let mut given = Vec::new();
    db.write(|tx| {
        (0..40_000).try_for_each(|number| {
            let id = tx.insert(account(&number.to_string(), number))?;
            given.push(id);
            tx.patch(id, |row| row.balance += 1)?;
            tx.delete(id)
        })
    })
    .unwrap();
    assert_eq!(db.read(balances).unwrap(), []);
    // The ids are gone all the same.
    let next = db.write(|tx| tx.insert(account("ada", 0))).unwrap();
    assert!(!given.contains(&next));
}

#[test]
fn a_deleted_row_that_was_there_before_is_gone_after_it_was_changed_too() {
    let db = limited();
    let ada = db.write(|tx| tx.insert(account("ada", 1))).unwrap();
    for by_nested in [false, true] {
        db.write(|tx| -> Result<(), Error> {
            let id = tx.query(Account::by_id).first()?.unwrap().id();
            tx.patch(id, |row| row.balance = 7)?;
            if by_nested {
                tx.nested(|tx| tx.delete(id))?
            } else {
                tx.delete(id)?
            }
            assert!(tx.get(id)?.is_none());
            tx.insert(account("ada", 2)).map(drop)
        })
        .unwrap();
        assert_eq!(db.read(balances).unwrap(), [("ada".to_owned(), 2)]);
        assert_eq!(db.read(|tx| tx.query(Account::by_balance).eq(7).count()).unwrap(), 0);
    }
    assert!(db.read(|tx| tx.get(ada)).unwrap().is_none());
}

#[test]
fn what_a_nested_part_undid_does_not_count() {
    let db = limited();
    let large = "x".repeat(3_000);
    db.write(|tx| {
        (0..1_000).try_for_each(|number| {
            let undone = tx.nested(|tx| {
                tx.insert(account(&format!("{large}{number}"), 0))?;
                Err::<(), Error>(TransactionError::NotFound { id: String::new() }.into())
            });
            assert!(undone.is_err());
            Ok::<(), Error>(())
        })
    })
    .unwrap();
    assert_eq!(db.read(balances).unwrap(), []);
}

#[test]
fn a_change_past_the_limit_names_the_option_and_changes_nothing() {
    let db = limited();
    let fill = |tx: &mut WriteTx| (0..).try_for_each(|number| tx.insert(account(&"x".repeat(3_000), number)).map(drop));
    let fill_names = |tx: &mut WriteTx| {
        (0..).try_for_each(|n| tx.insert(account(&format!("{n}{}", "x".repeat(3_000)), n)).map(drop))
    };
    assert!(matches!(db.write(fill), Err(Error::Transaction(TransactionError::UniqueViolation { .. }))));
    let size_bytes = size_refused(db.write(fill_names));
    assert!(size_bytes < LIMIT_BYTES + 10_000, "{size_bytes}");
    // Within a part that is rolled back it is forgotten, and the rest is committed.
    db.write(|tx| {
        tx.insert(account("ada", 1))?;
        size_refused(tx.nested(fill_names));
        tx.insert(account("bob", 2)).map(drop)
    })
    .unwrap();
    assert_eq!(db.read(balances).unwrap(), [("ada".to_owned(), 1), ("bob".to_owned(), 2)]);
    assert_eq!(db.read(|tx| tx.query(Account::by_balance).count()).unwrap(), 2);
}

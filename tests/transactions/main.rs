//! The behaviours of transactions. Limits are in `limits.rs`. Those that need a disk to be seen, 2, 4 and 8, are in `durability.rs`.

mod durability;
mod limits;

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Barrier,
    thread,
};

use parking_lot::Mutex;
use tropism::{Error, StorageError, TransactionError, prelude::*};

schema! {
    pub table Account in "accounts" { owner: String, balance: i64 } with {
        unique by_owner (owner);
        index by_balance (balance);
    }
    pub table Entry in "entries" { account: Id<Account>, amount: i64 } with {
        index by_account (account) on delete restrict;
    }
}

fn in_memory() -> Db {
    Db::builder().tables::<(Account, Entry)>().driven_by_hand().in_memory().unwrap()
}

fn account(owner: &str, balance: i64) -> Account {
    Account { owner: owner.into(), balance }
}

fn balances(tx: &ReadTx) -> Result<Vec<(String, i64)>, Error> {
    let rows = tx.query(Account::by_owner).collect()?;
    Ok(rows.iter().map(|row| (row.owner.clone(), row.balance)).collect())
}

/// The state before, to compare with what a failed transaction leaves: rows, index entries and the next id.
fn trace(db: &Db) -> (Vec<(String, i64)>, usize, usize, u64) {
    db.read(|tx| -> Result<_, Error> {
        let by_balance = tx.query(Account::by_balance).count()?;
        Ok((balances(tx)?, by_balance, tx.query(Entry::by_account).count()?, tx.ts().as_u64()))
    })
    .unwrap()
}

// 1. A write transaction sees everything committed before it and its own writes; execution is strictly serializable.

#[test]
fn a_write_sees_what_was_committed_before_and_its_own_changes() {
    let db = in_memory();
    let ada = db.write(|tx| tx.insert(account("ada", 1))).unwrap();
    db.write(|tx| -> Result<(), Error> {
        assert_eq!(tx.get(ada)?.unwrap().balance, 1);
        tx.patch(ada, |row| row.balance = 9)?;
        let bob = tx.insert(account("bob", 5))?;
        assert_eq!(tx.get(ada)?.unwrap().balance, 9);
        assert_eq!(tx.query(Account::by_balance).eq(1).count()?, 0);
        assert_eq!(tx.query(Account::by_balance).eq(9).unique()?.unwrap().id(), ada);
        tx.replace(bob, account("bobby", 6))?;
        assert_eq!(balances(tx)?, [("ada".to_owned(), 9), ("bobby".to_owned(), 6)]);
        tx.delete(bob)?;
        assert_eq!(tx.get(bob)?, None);
        assert_eq!(tx.query(Account::by_owner).count()?, 1);
        Ok(())
    })
    .unwrap();
    assert_eq!(db.read(balances).unwrap(), [("ada".to_owned(), 9)]);
}

#[test]
fn concurrent_increments_are_all_counted_and_seen_by_whoever_writes_next() {
    const THREADS: i64 = 8;
    const ROUNDS: i64 = 100;
    let db = Db::builder().tables::<(Account, Entry)>().in_memory().unwrap();
    let id = db.write(|tx| tx.insert(account("shared", 0))).unwrap();
    let seen = Mutex::new(Vec::new());
    thread::scope(|scope| {
        for _ in 0..THREADS {
            scope.spawn(|| {
                for _ in 0..ROUNDS {
                    // Two rows would show a lost update as well as a skewed one.
                    let before = db
                        .write(|tx| -> Result<i64, Error> {
                            let before = tx.get(id)?.unwrap().balance;
                            assert_eq!(tx.query(Entry::by_account).eq(id).count()? as i64, before);
                            tx.insert(Entry { account: id, amount: before })?;
                            tx.patch(id, |row| row.balance += 1)?;
                            Ok(before)
                        })
                        .unwrap();
                    // What this thread was told is done, it finds.
                    assert!(db.read(|tx| tx.get(id)).unwrap().unwrap().balance > before);
                    seen.lock().push(before);
                }
            });
        }
    });
    let mut seen = seen.into_inner();
    seen.sort_unstable();
    assert_eq!(seen, (0..THREADS * ROUNDS).collect::<Vec<_>>());
}

#[test]
fn two_transactions_that_each_read_what_the_other_writes_do_not_both_succeed() {
    // Each may take from one account only while the sum stays positive: the classic write skew.
    for _ in 0..50 {
        let db = Db::builder().tables::<(Account, Entry)>().in_memory().unwrap();
        let ids = db.write(|tx| -> Result<_, Error> { Ok([tx.insert(account("a", 1))?, tx.insert(account("b", 1))?]) });
        let ids = ids.unwrap();
        let start = Barrier::new(2);
        thread::scope(|scope| {
            for id in ids {
                let (db, start) = (&db, &start);
                scope.spawn(move || {
                    start.wait();
                    db.write(|tx| -> Result<(), Error> {
                        let sum: i64 = balances(tx)?.iter().map(|(_, balance)| balance).sum();
                        if sum >= 2 { tx.patch(id, |row| row.balance -= 2) } else { Ok(()) }
                    })
                    .unwrap();
                });
            }
        });
        let sum: i64 = db.read(balances).unwrap().iter().map(|(_, balance)| balance).sum();
        assert_eq!(sum, 0, "exactly one of the two may take");
    }
}

#[test]
fn a_read_sees_one_commit_whatever_is_written_meanwhile() {
    let db = in_memory();
    let ada = db.write(|tx| tx.insert(account("ada", 1))).unwrap();
    db.read(|tx| -> Result<(), Error> {
        assert_eq!(tx.get(ada)?.unwrap().balance, 1);
        db.write(|tx| tx.patch(ada, |row| row.balance = 2))?;
        db.write(|tx| tx.insert(account("bob", 3)))?;
        db.checkpoint()?;
        assert_eq!(tx.get(ada)?.unwrap().balance, 1);
        assert_eq!(balances(tx)?, [("ada".to_owned(), 1)]);
        Ok(())
    })
    .unwrap();
    assert_eq!(db.read(balances).unwrap().len(), 2);
}

// 3. `Err` or a panic leaves no trace.

#[test]
fn an_error_leaves_no_trace() {
    #[derive(Debug, PartialEq)]
    enum HostError {
        Mine,
        Engine(String),
    }
    impl From<Error> for HostError {
        fn from(error: Error) -> Self {
            Self::Engine(error.to_string())
        }
    }
    let db = in_memory();
    let ada = db.write(|tx| tx.insert(account("ada", 1))).unwrap();
    let before = trace(&db);
    let result = db.write(|tx| {
        let bob = tx.insert(account("bob", 2))?;
        tx.insert(Entry { account: bob, amount: 5 })?;
        tx.patch(ada, |row| row.balance = 100)?;
        Err::<(), _>(HostError::Mine)
    });
    assert_eq!(result, Err(HostError::Mine));
    assert_eq!(trace(&db), before);
    // Its ids were never given out.
    let bob = db.write(|tx| tx.insert(account("bob", 2))).unwrap();
    assert_eq!(bob.as_u64(), ada.as_u64() + 1);
}

#[test]
fn a_panic_leaves_no_trace_and_the_next_write_goes_on() {
    let db = in_memory();
    let ada = db.write(|tx| tx.insert(account("ada", 1))).unwrap();
    let before = trace(&db);
    let panicked = catch_unwind(AssertUnwindSafe(|| {
        db.write(|tx| -> Result<(), Error> {
            tx.delete(ada)?;
            tx.insert(account("bob", 2))?;
            panic!("in the middle")
        })
    }));
    assert!(panicked.is_err());
    assert_eq!(trace(&db), before);
    db.write(|tx| tx.patch(ada, |row| row.balance = 7)).unwrap();
    assert_eq!(db.read(balances).unwrap(), [("ada".to_owned(), 7)]);
}

// 5. A private buffer; `nested` rolls back only itself; a closure runs once, on the caller's thread.

#[test]
fn nobody_sees_a_transaction_before_it_commits() {
    let db = in_memory();
    db.write(|tx| -> Result<(), Error> {
        tx.insert(account("ada", 1))?;
        assert_eq!(db.read(balances)?, []);
        Ok(())
    })
    .unwrap();
    assert_eq!(db.read(balances).unwrap().len(), 1);
}

#[test]
fn a_nested_part_that_fails_rolls_back_only_itself() {
    let db = in_memory();
    db.write(|tx| -> Result<(), Error> {
        let ada = tx.insert(account("ada", 1))?;
        let bob = tx.insert(account("bob", 2))?;
        let failed: Result<(), &str> = tx.nested(|tx| {
            tx.patch(ada, |row| row.balance = 50).unwrap();
            tx.delete(bob).unwrap();
            let eve = tx.insert(account("eve", 3)).unwrap();
            tx.nested(|tx| tx.patch(eve, |row| row.balance = 4)).unwrap();
            assert_eq!(balances(tx).unwrap(), [("ada".to_owned(), 50), ("eve".to_owned(), 4)]);
            Err("no")
        });
        assert_eq!(failed, Err("no"));
        assert_eq!(balances(tx)?, [("ada".to_owned(), 1), ("bob".to_owned(), 2)]);
        tx.nested(|tx| tx.patch(bob, |row| row.balance = 8))?;
        tx.insert(account("zoe", 9)).map(drop)
    })
    .unwrap();
    let expected = [("ada", 1), ("bob", 8), ("zoe", 9)].map(|(owner, balance)| (owner.to_owned(), balance));
    assert_eq!(db.read(balances).unwrap(), expected);
    let by_balance = db.read(|tx| tx.query(Account::by_balance).collect()).unwrap();
    assert_eq!(by_balance.iter().map(|row| row.balance).collect::<Vec<_>>(), [1, 8, 9]);
}

#[test]
fn an_outer_failure_takes_a_nested_success_with_it() {
    let db = in_memory();
    let result = db.write(|tx| -> Result<(), Error> {
        tx.nested(|tx| -> Result<(), Error> {
            let failed = tx.nested(|tx| -> Result<(), Error> {
                tx.nested(|tx| tx.insert(account("innermost", 1)))?;
                Err(TransactionError::NestedWrite.into())
            });
            assert!(failed.is_err());
            assert_eq!(balances(tx)?, []);
            tx.insert(account("inner", 1)).map(drop)
        })?;
        assert_eq!(balances(tx)?.len(), 1);
        Err(TransactionError::NestedWrite.into())
    });
    assert!(result.is_err());
    assert_eq!(db.read(balances).unwrap(), []);
}

#[test]
fn a_panic_caught_around_a_nested_part_rolls_back_only_that_part() {
    let db = in_memory();
    db.write(|tx| -> Result<(), Error> {
        let ada = tx.insert(account("ada", 1))?;
        let panicked = catch_unwind(AssertUnwindSafe(|| {
            tx.nested(|tx| -> Result<(), Error> {
                tx.patch(ada, |row| row.balance = 2)?;
                panic!("in the nested part")
            })
        }));
        assert!(panicked.is_err());
        assert_eq!(balances(tx)?, [("ada".to_owned(), 1)]);
        Ok(())
    })
    .unwrap();
    assert_eq!(db.read(balances).unwrap(), [("ada".to_owned(), 1)]);
}

#[test]
fn a_closure_runs_once_on_its_callers_thread_and_may_borrow_and_move() {
    let db = in_memory();
    let owner = String::from("ada");
    let (moved, mut runs) = (vec![1, 2, 3], 0);
    let caller = thread::current().id();
    let sum = db
        .write(|tx| -> Result<i64, Error> {
            assert_eq!(thread::current().id(), caller);
            runs += 1;
            let sum = moved.into_iter().sum();
            tx.insert(account(&owner, sum))?;
            Ok(sum)
        })
        .unwrap();
    assert_eq!((sum, runs), (6, 1));
}

#[test]
fn a_patch_that_changes_nothing_commits_nothing() {
    let db = in_memory();
    let ada = db.write(|tx| tx.insert(account("ada", 1))).unwrap();
    let before = trace(&db);
    db.write(|tx| tx.patch(ada, |row| row.balance = 1)).unwrap();
    assert_eq!(trace(&db), before);
}

// 6. A write inside a write: see `misuse.rs`, with every other misuse that would hang.

#[test]
fn a_write_inside_a_write_is_an_error_and_the_outer_one_goes_on() {
    let db = in_memory();
    db.write(|tx| -> Result<(), Error> {
        let inner = db.write(|tx| tx.insert(account("inner", 1)));
        assert!(matches!(inner, Err(Error::Transaction(TransactionError::NestedWrite))));
        tx.insert(account("outer", 1)).map(drop)
    })
    .unwrap();
    assert_eq!(db.read(balances).unwrap(), [("outer".to_owned(), 1)]);
}

// 7. A unique index that would be violated is an error naming table, index and the id that holds the key.

#[test]
fn a_violated_unique_index_names_table_index_and_holder() {
    let db = in_memory();
    let ada = db.write(|tx| tx.insert(account("ada", 1))).unwrap();
    let bob = db.write(|tx| tx.insert(account("bob", 2))).unwrap();
    let before = trace(&db);
    type Attempt<'a> = &'a dyn Fn(&mut WriteTx) -> Result<(), Error>;
    let insert: Attempt<'_> = &|tx| tx.insert(account("ada", 3)).map(drop);
    let patch: Attempt<'_> = &|tx| tx.patch(bob, |row| row.owner = "ada".into());
    let replace: Attempt<'_> = &|tx| tx.replace(bob, account("ada", 2));
    for attempt in [insert, patch, replace] {
        match db.write(attempt) {
            Err(Error::Transaction(TransactionError::UniqueViolation { table, index, holder })) => {
                assert_eq!((table, index, holder), ("accounts", "by_owner", ada.to_string()));
            }
            other => panic!("{other:?}"),
        }
        assert_eq!(trace(&db), before);
    }
}

#[test]
fn a_unique_key_is_free_again_once_its_holder_gave_it_up_in_the_same_transaction() {
    let db = in_memory();
    let ada = db.write(|tx| tx.insert(account("ada", 1))).unwrap();
    db.write(|tx| -> Result<(), Error> {
        tx.patch(ada, |row| row.balance = 2)?;
        tx.patch(ada, |row| row.owner = "ada lovelace".into())?;
        let second = tx.insert(account("ada", 5))?;
        tx.delete(second)?;
        tx.insert(account("ada", 6)).map(drop)
    })
    .unwrap();
    let expected = [("ada".to_owned(), 6), ("ada lovelace".to_owned(), 2)];
    assert_eq!(db.read(balances).unwrap(), expected);
}

#[test]
fn a_violation_that_is_caught_leaves_the_rest_of_the_transaction() {
    let db = in_memory();
    db.write(|tx| -> Result<(), Error> {
        tx.insert(account("ada", 1))?;
        assert!(tx.insert(account("ada", 2)).is_err());
        tx.insert(account("bob", 3)).map(drop)
    })
    .unwrap();
    assert_eq!(db.read(balances).unwrap(), [("ada".to_owned(), 1), ("bob".to_owned(), 3)]);
    assert_eq!(db.read(|tx| tx.query(Account::by_balance).count()).unwrap(), 2);
}

//! What taking the first row of a queue costs, counted in the entries that are looked at.

use crate::{Db, Durability, Error, Id, ReadTx, WriteTx, storage::steps};

crate::schema! {
    pub table Item in "items" { lane: u32, number: u32 } with {
        index by_number (lane, number);
    }
}

const ROWS: u32 = 10_000;
/// Of so many takes at either end the most expensive one is looked at: some note an empty range, and some do not.
const LOOKED_AT: usize = 100;

type Next = fn(&ReadTx) -> Result<Option<Id<Item>>, Error>;

/// The ends from which rows are taken.
const ENDS: [(&str, Next); 4] = [
    ("first", |tx| Ok(tx.query(Item::by_id).first()?.map(|item| item.id()))),
    ("last", |tx| Ok(tx.query(Item::by_id).descending().first()?.map(|item| item.id()))),
    ("first over an index", |tx| Ok(tx.query(Item::by_number).eq(7).first()?.map(|item| item.id()))),
    ("last over an index", |tx| Ok(tx.query(Item::by_number).eq(7).descending().first()?.map(|item| item.id()))),
];

/// A database with rows in its base or in its overlay.
fn with_rows(is_checkpointed: bool) -> Db {
    let db = Db::builder().tables::<Item>().driven_by_hand().in_memory().unwrap();
    db.write(|tx| (0..ROWS).try_for_each(|number| tx.insert(Item { lane: 7, number }).map(drop))).unwrap();
    if is_checkpointed {
        db.checkpoint().unwrap();
    }
    db
}

fn take(tx: &mut WriteTx, next: Next) -> Result<u64, Error> {
    let (id, steps) = steps::of(|| next(tx));
    tx.delete(id?.expect("a row is left"))?;
    Ok(steps)
}

#[track_caller]
fn assert_even(steps: &[u64], what: &str) {
    let worst = |steps: &[u64]| steps.iter().copied().max().unwrap_or_default();
    let (first, last) = (worst(&steps[..LOOKED_AT]), worst(&steps[steps.len() - LOOKED_AT..]));
    assert!(first > 0, "{what}: nothing is counted");
    assert!(last <= 4 * first, "{what}: the last takes look at {last} entries, and the first at {first}");
}

#[test]
fn the_ten_thousandth_row_of_a_queue_costs_as_many_steps_as_the_first() {
    for is_checkpointed in [false, true] {
        for (end, next) in ENDS {
            let db = with_rows(is_checkpointed);
            let steps = (0..ROWS).map(|_| db.write_with(Durability::Relaxed, |tx| take(tx, next)));
            let steps: Vec<u64> = steps.collect::<Result<_, _>>().unwrap();
            assert_even(&steps, &format!("{end}, checkpointed: {is_checkpointed}"));
            assert_eq!(db.read(|tx| tx.query(Item::by_number).count()).unwrap(), 0);
        }
    }
}

#[test]
fn within_one_transaction_it_costs_as_many_steps_as_the_first_too() {
    for is_checkpointed in [false, true] {
        for (end, next) in [ENDS[0], ENDS[3]] {
            let db = with_rows(is_checkpointed);
            let steps = db.write(|tx| (0..ROWS).map(|_| take(tx, next)).collect::<Result<Vec<u64>, _>>()).unwrap();
            assert_even(&steps, &format!("{end}, one transaction, checkpointed: {is_checkpointed}"));
        }
    }
}

#[test]
fn a_checkpoint_in_the_middle_of_a_queue_changes_nothing() {
    for (end, next) in [ENDS[1], ENDS[2]] {
        let db = with_rows(true);
        let mut steps = Vec::new();
        for taken in 0..ROWS {
            if taken == ROWS / 2 {
                db.checkpoint().unwrap();
            }
            steps.push(db.write_with(Durability::Relaxed, |tx| take(tx, next)).unwrap());
        }
        assert_even(&steps, end);
    }
}

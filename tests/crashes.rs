//! The power goes at every sync of a run: what was acknowledged is there, whole, and nothing is half there.

use std::sync::{
    Arc, Mutex,
    atomic::{AtomicU64, Ordering},
};

use tropism::{
    Builder, Config, Db, Error,
    disk::{CrashKind, SimulatedDisk},
    prelude::*,
};

schema! {
    pub table Account in "accounts" { name: String, balance: i64 } with {
        unique by_name (name);
        index by_balance (balance);
    }
    pub table Transfer in "transfers" { number: u64, note: String } with {
        unique by_number (number);
    }
}

const ACCOUNTS: i64 = 8;
const START: i64 = 1_000;

fn builder() -> Builder {
    let config = Config { checkpoint_bytes: 64 << 10, log_segment_bytes: 64 << 10, ..Config::default() };
    Db::builder().tables::<(Account, Transfer)>().config(config).driven_by_hand()
}

/// Moves money about: each transfer changes two accounts and adds a row, so that a half one would show.
fn transfer(db: &Db, number: u64, durability: Durability) -> Result<(), Error> {
    db.write_with(durability, |tx| {
        if number == 0 {
            for account in 0..ACCOUNTS {
                tx.insert(Account { name: format!("account {account}"), balance: START })?;
            }
        }
        let name = |number: u64| format!("account {}", number % ACCOUNTS as u64);
        let from = tx.query(Account::by_name).eq(name(number)).unique()?.expect("it was made first").id();
        let to = tx.query(Account::by_name).eq(name(number * 3 + 1)).unique()?.expect("it was made first").id();
        tx.patch(from, |account: &mut Account| account.balance -= number as i64)?;
        tx.patch(to, |account: &mut Account| account.balance += number as i64)?;
        tx.insert(Transfer { number, note: "x".repeat(number as usize % 3_000) })?;
        Ok(())
    })
}

/// How many transfers the database holds; panics unless it is exactly the first so many.
fn transfers(db: &Db) -> Result<u64, Error> {
    db.read(|tx| {
        let transfers = tx.query(Transfer::by_id).collect()?;
        assert!(
            transfers.iter().map(|transfer| transfer.number).eq(0..transfers.len() as u64),
            "a transfer is missing"
        );
        assert_eq!(tx.query(Transfer::by_number).collect()?, transfers, "an index differs from its table");
        let accounts = tx.query(Account::by_name).collect()?;
        let mut balances = vec![START; ACCOUNTS as usize];
        for number in 0..transfers.len() as u64 {
            balances[(number % ACCOUNTS as u64) as usize] -= number as i64;
            balances[((number * 3 + 1) % ACCOUNTS as u64) as usize] += number as i64;
        }
        if !transfers.is_empty() {
            assert!(accounts.iter().map(|account| account.balance).eq(balances), "a transfer is there by half");
        }
        let mut sorted = accounts.clone();
        sorted.sort_by_key(|account| (account.balance, account.id()));
        assert_eq!(tx.query(Account::by_balance).collect()?, sorted, "an index differs from its table");
        Ok(transfers.len() as u64)
    })
}

/// A disk as a crash left it, and how many transfers were acknowledged and begun by then.
struct Image {
    disk: SimulatedDisk,
    what: String,
    acknowledged: u64,
    begun: u64,
}

/// Runs `count` transfers and keeps what a crash would leave at every sync.
fn images(count: u64, durability: impl Fn(u64) -> Durability) -> Result<Vec<Image>, Error> {
    let disk = SimulatedDisk::new(11);
    let (acknowledged, begun) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicU64::new(0)));
    let images: Arc<Mutex<Vec<Image>>> = Arc::default();
    let db = builder().open_on(disk.clone())?;
    let (kept, acks, begins) = (Arc::clone(&images), Arc::clone(&acknowledged), Arc::clone(&begun));
    disk.observe_syncs(move |disk, point| {
        let keep = |kind: CrashKind| {
            let (acknowledged, begun) = (acks.load(Ordering::SeqCst), begins.load(Ordering::SeqCst));
            let what = format!("{kind:?} at {point:?}");
            kept.lock().unwrap().push(Image { disk: disk.crash(kind), what, acknowledged, begun });
        };
        keep(CrashKind::LoseUnsynced);
        keep(CrashKind::Torn(point.index));
        keep(CrashKind::Torn(point.index + 1_000));
    });
    for number in 0..count {
        begun.store(number + 1, Ordering::SeqCst);
        transfer(&db, number, durability(number))?;
        if durability(number) == Durability::Durable {
            acknowledged.store(number + 1, Ordering::SeqCst);
        }
        if number % 50 == 49 {
            db.checkpoint()?;
        }
    }
    db.close()?;
    disk.observe_syncs(|_, _| {});
    Ok(std::mem::take(&mut images.lock().unwrap()))
}

fn check(images: Vec<Image>) -> Result<(), Error> {
    assert!(images.len() > 300, "only {} images", images.len());
    for Image { disk, what, acknowledged, begun } in images {
        let db = builder().open_on(disk.clone()).unwrap_or_else(|error| panic!("{what}: {error}"));
        let found = transfers(&db)?;
        assert!((acknowledged..=begun).contains(&found), "{what}: {found} of {acknowledged} to {begun}");
        // It goes on from there, and once more through a crash.
        transfer(&db, found, Durability::Durable)?;
        let again = builder().open_on(disk.crash(CrashKind::LoseUnsynced))?;
        assert_eq!(transfers(&again)?, found + 1, "{what}");
    }
    Ok(())
}

#[test]
fn a_crash_at_any_sync_keeps_every_acknowledged_commit_and_no_half_one() -> Result<(), Error> {
    check(images(130, |_| Durability::Durable)?)
}

#[test]
fn a_crash_of_a_relaxed_database_leaves_a_prefix_of_its_commits() -> Result<(), Error> {
    check(images(400, |number| if number % 7 == 6 { Durability::Durable } else { Durability::Relaxed })?)
}

#[test]
fn a_drop_without_close_loses_nothing() -> Result<(), Error> {
    let disk = SimulatedDisk::new(1);
    let db = builder().open_on(disk.clone())?;
    (0..20).try_for_each(|number| transfer(&db, number, Durability::Relaxed))?;
    drop(db);
    assert_eq!(transfers(&builder().open_on(disk.crash(CrashKind::LoseUnsynced))?)?, 20);
    Ok(())
}

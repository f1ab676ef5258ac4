//! Closes beside each other and beside checkpoints that fail, and what a failed one leaves.

use std::sync::Barrier;

use super::*;

/// A disk with rows in its base and in its log, and how many.
fn with_rows() -> (SimulatedDisk, u64) {
    let mut run = Run::new();
    run.add(5);
    (run.disk.crash(CrashKind::KeepAll), run.next)
}

fn rows(disk: SimulatedDisk) -> Result<u64, Error> {
    let rows = builder().open_on(disk)?.read(|tx| tx.query(Row::by_id).collect())?;
    assert!(rows.iter().all(|row| row.text.len() == 2_000));
    assert!(rows.iter().map(|row| row.number).eq(0..rows.len() as u64));
    Ok(rows.len() as u64)
}

#[test]
fn two_closes_beside_a_failing_checkpoint_say_the_same_and_lose_nothing() {
    let mut failed = 0;
    for operation in [Operation::Read, Operation::Write, Operation::Sync] {
        let mut nth = 1;
        loop {
            let what = format!("{operation:?} {nth}");
            let (disk, count) = with_rows();
            let db = Db::builder().tables::<Row>().open_on(disk.clone()).unwrap();
            disk.fail_next(operation, nth, ErrorKind::Other);
            let start = Barrier::new(3);
            let (one, other) = std::thread::scope(|scope| {
                let close = || {
                    let (db, start) = (db.clone(), &start);
                    scope.spawn(move || {
                        start.wait();
                        db.close().map_err(|error| error.to_string())
                    })
                };
                let (one, other) = (close(), close());
                start.wait();
                drop(db.checkpoint());
                (one.join().unwrap(), other.join().unwrap())
            });
            let has_failed = disk.heal();
            assert_eq!(one, other, "{what}");
            failed += usize::from(one.is_err());
            let crashed = rows(disk.crash(CrashKind::LoseUnsynced)).unwrap_or_else(|error| panic!("{what}: {error}"));
            assert_eq!(crashed, count, "{what}, closed with {one:?}");
            // The files are free, whatever the answer was.
            assert_eq!(rows(disk).unwrap_or_else(|error| panic!("{what}: {error}")), count, "{what}");
            if !has_failed {
                break;
            }
            // Each of the first ones, and ever fewer of the later.
            nth += 1 + nth / 8;
        }
    }
    assert!(failed > 0, "no close met a fault");
}

#[test]
fn a_database_in_a_thread_local_is_closed_when_its_thread_ends() {
    thread_local! {
        static OWN: std::cell::RefCell<Option<Db>> = const { std::cell::RefCell::new(None) };
    }
    for is_driven_by_hand in [false, true] {
        let disk = SimulatedDisk::new(1);
        let own_disk = disk.clone();
        let thread = std::thread::spawn(move || {
            let builder = Db::builder().tables::<Row>();
            let builder = if is_driven_by_hand { builder.driven_by_hand() } else { builder };
            let db = builder.open_on(own_disk).unwrap();
            let insert = |tx: &mut WriteTx| tx.insert(Row { number: 0, text: "x".repeat(2_000) });
            db.write_with(Durability::Relaxed, insert).unwrap();
            OWN.set(Some(db));
        });
        thread.join().unwrap();
        assert_eq!(rows(disk.crash(CrashKind::LoseUnsynced)).unwrap(), 1, "it is durable");
        assert_eq!(rows(disk).unwrap(), 1, "the files are free");
    }
}

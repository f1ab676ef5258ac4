//! Tables used as queues, at random and for long, against a naive model. Rows are taken from either end, of the table and
//! of indexes, within transactions, nested parts and rollbacks, with checkpoints and crashes in between: scans jump over
//! what was deleted and over nothing else.
//!
//! A failing seed prints itself: `TROPISM_SEED=… cargo test --test queries queues` runs just that.

use std::{
    collections::BTreeMap,
    env,
    ops::{Bound, RangeBounds},
};

use parking_lot::Mutex;
use tropism::{
    Config,
    disk::{CrashKind, SimulatedDisk, SyncStage},
};

use super::*;

schema! {
    pub table Item in "items" { lane: u8, rank: u8, words: Vec<u8>, filler: String } with {
        index by_rank (lane, rank);
        multi by_word (words);
    }
    /// Lies beside the other in the order of keys, and is emptied as well.
    pub table Neighbour in "neighbours" { rank: u8 } with {
        index by_neighbour_rank (rank);
    }
}

const SEEDS: u64 = 8;
const STEPS: usize = 60;
const LANES: u64 = 3;
const RANKS: u64 = 24;

type Model = BTreeMap<Id<Item>, Item>;

#[test]
fn rows_taken_from_any_end_are_gone_and_no_other() {
    if let Ok(seed) = env::var("TROPISM_SEED") {
        return Fuzz::new(seed.parse().expect("a seed is a number")).run(STEPS);
    }
    for seed in 0..SEEDS {
        let ran = std::panic::catch_unwind(|| Fuzz::new(seed).run(STEPS));
        assert!(ran.is_ok(), "fails with TROPISM_SEED={seed}");
    }
}

struct Fuzz {
    random: Random,
    disk: SimulatedDisk,
    db: Db,
    model: Model,
    /// The states that a crash may leave.
    possible: Vec<Model>,
}

/// What a scan goes over.
#[derive(Debug, Clone, Copy)]
enum Over {
    Ids,
    Ranks(Bound<u8>, Bound<u8>),
    Lane(u8, Bound<u8>, Bound<u8>),
    Words(Bound<u8>, Bound<u8>),
}

#[derive(Debug, Clone, Copy)]
struct Asked {
    over: Over,
    is_descending: bool,
    limit: usize,
}

fn open(disk: &SimulatedDisk) -> Db {
    let config = Config { durability: Durability::Relaxed, checkpoint_bytes: 256 << 10, ..Config::default() };
    Db::builder().tables::<(Item, Neighbour)>().config(config).driven_by_hand().open_on(disk.clone()).unwrap()
}

impl Fuzz {
    fn new(seed: u64) -> Self {
        let disk = SimulatedDisk::new(seed);
        let db = open(&disk);
        Self { random: Random(seed), disk, db, model: Model::new(), possible: vec![Model::new()] }
    }

    fn run(mut self, steps: usize) {
        for step in 0..steps {
            match self.random.below(20) {
                0 => self.crash(),
                1 => self.db.checkpoint().unwrap(),
                2 => self.during_checkpoint(),
                3 => self.beside_an_older_snapshot(),
                _ => self.transaction(),
            }
            let Self { random, db, model, .. } = &mut self;
            db.read(|tx| check(tx, random, model, 12)).unwrap_or_else(|error| panic!("step {step}: {error}"));
        }
    }

    fn crash(&mut self) {
        let kind = if self.random.below(2) == 0 { CrashKind::LoseUnsynced } else { CrashKind::KeepAll };
        self.disk = self.disk.crash(kind);
        self.db = open(&self.disk);
        let found: Model = self.db.read(rows).unwrap();
        assert!(self.possible.contains(&found), "{kind:?} left a state that never was");
        (self.model, self.possible) = (found.clone(), vec![found]);
    }

    /// The frozen overlay is a layer of its own meanwhile.
    fn during_checkpoint(&mut self) {
        // So that there is something to write.
        self.transaction();
        self.db.write(|tx| tx.insert(Neighbour { rank: 0 })).unwrap();
        let (arrive, arrived) = crossbeam_channel::bounded(1);
        let (release, released) = crossbeam_channel::bounded::<()>(0);
        let gate = Mutex::new(Some((arrive, released)));
        self.disk.observe_syncs(move |_, point| {
            let taken = (point.file.as_deref() == Some("base.redb") && point.stage == SyncStage::Before)
                .then(|| gate.lock().take())
                .flatten();
            if let Some((arrive, released)) = taken {
                arrive.send(()).unwrap();
                // Ends as well when the test failed and dropped the other end.
                let _ = released.recv();
            }
        });
        let db = self.db.clone();
        std::thread::scope(|scope| {
            let checkpoint = scope.spawn(move || db.checkpoint());
            arrived.recv().unwrap();
            for _ in 0..3 {
                self.transaction();
                let Self { random, db, model, .. } = self;
                db.read(|tx| check(tx, random, model, 12)).unwrap();
            }
            drop(release);
            checkpoint.join().unwrap().unwrap();
        });
        self.disk.observe_syncs(|_, _| {});
    }

    fn beside_an_older_snapshot(&mut self) {
        let (db, older) = (self.db.clone(), self.model.clone());
        db.read(|tx| {
            for _ in 0..3 {
                self.transaction();
                check(tx, &mut self.random, &older, 6)?;
            }
            Ok::<_, Error>(())
        })
        .unwrap();
    }

    fn transaction(&mut self) {
        let Self { random, db, model, .. } = self;
        let (committed, mut changed) = (model.clone(), model.clone());
        let (fails, durability) = (random.below(4) == 0, random.durability());
        let done = db.write_with(durability, |tx| -> Result<(), Error> {
            let parts = 1 + random.below(4);
            for _ in 0..parts {
                part(tx, random, &mut changed, 2)?;
                if random.below(4) == 0 {
                    // Sees the state before the transaction, and notes what is empty there.
                    db.read(|tx| check(tx, random, &committed, 3))?;
                }
            }
            if fails { Err(TransactionError::NestedWrite.into()) } else { Ok(()) }
        });
        assert_eq!(done.is_err(), fails, "{done:?}");
        if fails {
            return;
        }
        self.model = changed.clone();
        if durability == Durability::Durable {
            self.possible.clear();
        }
        self.possible.push(changed);
    }
}

/// Some changes, each looked at, with parts within that are kept or rolled back.
fn part(tx: &mut WriteTx, random: &mut Random, model: &mut Model, depth: usize) -> Result<(), Error> {
    match random.below(if depth > 0 { 6 } else { 4 }) {
        0 | 1 => {
            for _ in 0..random.below(30) {
                let item = random.item();
                model.insert(tx.insert(item.clone())?, item);
            }
        }
        2 | 3 => {
            let (asked, count) = (random.asked(), random.below(30));
            for _ in 0..count {
                let Some(first) = asked.run(tx, 1)?.first().copied() else { break };
                assert_eq!(asked.answer(model).first(), Some(&first), "{asked:?}");
                if random.below(6) == 0 {
                    // Comes back, perhaps among what was taken already.
                    let item = random.item();
                    tx.replace(first, item.clone())?;
                    model.insert(first, item);
                } else {
                    tx.delete(first)?;
                    model.remove(&first);
                }
            }
            let left = asked.run(tx, usize::MAX)?;
            assert_eq!(left, asked.answer(model), "{asked:?}");
        }
        _ => {
            let mut inner = model.clone();
            let is_kept = random.below(2) == 0;
            let done = tx.nested(|tx| {
                part(tx, random, &mut inner, depth - 1)?;
                part(tx, random, &mut inner, depth - 1)?;
                if is_kept { Ok(()) } else { Err(Error::from(TransactionError::NestedWrite)) }
            });
            assert_eq!(done.is_ok(), is_kept, "{done:?}");
            if is_kept {
                *model = inner;
            }
        }
    }
    empty_the_neighbour(tx, random)?;
    check(tx, random, model, 3)
}

/// Empty ranges of two keyspaces may touch.
fn empty_the_neighbour(tx: &mut WriteTx, random: &mut Random) -> Result<(), Error> {
    for _ in 0..random.below(6) {
        tx.insert(Neighbour { rank: random.below(RANKS) as u8 })?;
    }
    if random.below(2) == 0 {
        while let Some(first) = tx.query(Neighbour::by_neighbour_rank).first()? {
            tx.delete(first.id())?;
        }
        assert_eq!(tx.query(Neighbour::by_id).count()?, 0);
    }
    Ok(())
}

fn check(tx: &ReadTx, random: &mut Random, model: &Model, times: usize) -> Result<(), Error> {
    for _ in 0..times {
        let asked = random.asked();
        let expected: Vec<_> = asked.answer(model).into_iter().take(asked.limit).collect();
        assert_eq!(asked.run(tx, asked.limit)?, expected, "{asked:?}");
    }
    Ok(())
}

fn rows(tx: &ReadTx) -> Result<Model, Error> {
    tx.query(Item::by_id).iter()?.map(|doc| doc.map(|doc| (doc.id(), doc.into_inner()))).collect()
}

impl Asked {
    fn run(&self, tx: &ReadTx, limit: usize) -> Result<Vec<Id<Item>>, Error> {
        match self.over {
            Over::Ids => self.ids(tx.query(Item::by_id), limit),
            Over::Ranks(from, to) => self.ids(tx.query(Item::by_rank).range((from, to)), limit),
            Over::Lane(lane, from, to) => self.ids(tx.query(Item::by_rank).eq(lane).range((from, to)), limit),
            Over::Words(from, to) => self.ids(tx.query(Item::by_word).range((from, to)), limit),
        }
    }

    fn ids<K, R>(&self, query: tropism::IndexQuery<'_, Item, K, R>, limit: usize) -> Result<Vec<Id<Item>>, Error> {
        let query = if self.is_descending { query.descending() } else { query };
        Ok(query.take(limit).collect()?.iter().map(Doc::id).collect())
    }

    fn answer(&self, model: &Model) -> Vec<Id<Item>> {
        let mut found: Vec<(u8, u8, Id<Item>)> = Vec::new();
        for (id, item) in model {
            match self.over {
                Over::Ids => found.push((0, 0, *id)),
                Over::Ranks(from, to) if (from, to).contains(&item.lane) => found.push((item.lane, item.rank, *id)),
                Over::Lane(lane, from, to) if item.lane == lane && (from, to).contains(&item.rank) => {
                    found.push((lane, item.rank, *id));
                }
                Over::Words(from, to) => {
                    found.extend(item.words.iter().filter(|word| (from, to).contains(*word)).map(|w| (*w, 0, *id)));
                }
                Over::Ranks(..) | Over::Lane(..) => {}
            }
        }
        found.sort();
        if self.is_descending {
            found.reverse();
        }
        let mut ids: Vec<Id<Item>> = Vec::new();
        for (_, _, id) in found {
            if !ids.contains(&id) {
                ids.push(id);
            }
        }
        ids
    }
}

/// Seeded numbers (splitmix64).
struct Random(u64);

impl Random {
    fn below(&mut self, end: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % end
    }

    fn durability(&mut self) -> Durability {
        if self.below(4) == 0 { Durability::Durable } else { Durability::Relaxed }
    }

    fn item(&mut self) -> Item {
        let words = (0..self.below(4)).map(|_| self.below(RANKS) as u8).collect();
        let (lane, rank) = (self.below(LANES) as u8, self.below(RANKS) as u8);
        Item { lane, rank, words, filler: "x".repeat(self.below(40) as usize) }
    }

    /// One end of a range, mostly open.
    fn bound(&mut self) -> Bound<u8> {
        match self.below(4) {
            0 => Bound::Included(self.below(RANKS) as u8),
            1 => Bound::Excluded(self.below(RANKS) as u8),
            _ => Bound::Unbounded,
        }
    }

    fn asked(&mut self) -> Asked {
        let over = match self.below(5) {
            0 => Over::Ids,
            1 => Over::Ranks(self.bound(), self.bound()),
            2 | 3 => Over::Lane(self.below(LANES) as u8, self.bound(), self.bound()),
            _ => Over::Words(self.bound(), self.bound()),
        };
        let limit = if self.below(2) == 0 { usize::MAX } else { 1 + self.below(3) as usize };
        Asked { over, is_descending: self.below(2) == 0, limit }
    }
}

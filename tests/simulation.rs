//! A seeded simulator: random operations against a naive model, with crashes, and every live query compared with a
//! fresh run after every commit.
//!
//! A failing seed prints itself and the fewest steps that fail: `TROPISM_SEED=… TROPISM_STEPS=… cargo test --test
//! simulation` runs just that.

use std::{collections::BTreeMap, env, panic};

use tropism::{
    Builder, Config, Db, Error, Subscription,
    disk::{CrashKind, SimulatedDisk},
    prelude::*,
};

schema! {
    pub enum Stage { New = "new", Busy = "busy", Done = "done" }
    pub table Task in "tasks" { name: u16, stage: Stage, size: i32, labels: Vec<String>, text: String } with {
        unique by_name (name);
        index by_stage_and_size (stage, size);
        multi by_label (labels);
    }
}

const SEEDS: u64 = 16;
const STEPS: usize = 250;

type Model = BTreeMap<Id<Task>, Task>;

#[test]
fn random_operations_agree_with_a_model_through_crashes() {
    if let Ok(seed) = env::var("TROPISM_SEED") {
        let steps = env::var("TROPISM_STEPS").ok().and_then(|steps| steps.parse().ok()).unwrap_or(STEPS);
        return Simulation::new(seed.parse().expect("a seed is a number")).run(steps);
    }
    for seed in 0..SEEDS {
        if !holds(seed, STEPS) {
            let fewest = (1..STEPS).find(|steps| !holds(seed, *steps)).unwrap_or(STEPS);
            panic!("fails with TROPISM_SEED={seed} TROPISM_STEPS={fewest}");
        }
    }
}

fn holds(seed: u64, steps: usize) -> bool {
    panic::catch_unwind(|| Simulation::new(seed).run(steps)).is_ok()
}

struct Simulation {
    random: u64,
    disk: SimulatedDisk,
    db: Db,
    live: Live,
    model: Model,
    /// The states that a crash may leave: the last durable one, and those after it.
    possible: Vec<Model>,
}

/// Live queries, and what they must show.
struct Live {
    all: Subscription<Vec<Doc<Task>>>,
    busy: Subscription<Vec<Doc<Task>>>,
    red: Subscription<usize>,
    largest: Subscription<Option<Doc<Task>>>,
}

fn busy(tx: &ReadTx) -> Result<Vec<Doc<Task>>, Error> {
    tx.query(Task::by_stage_and_size).eq(Stage::Busy).range(-5..40).descending().collect()
}

fn red(tx: &ReadTx) -> Result<usize, Error> {
    tx.query(Task::by_label).eq("red").count()
}

fn largest(tx: &ReadTx) -> Result<Option<Doc<Task>>, Error> {
    tx.query(Task::by_stage_and_size).eq(Stage::New).descending().first()
}

impl Live {
    fn watch(db: &Db) -> Result<Self, Error> {
        Ok(Self {
            all: db.watch(|tx| tx.query(Task::by_id).collect())?,
            busy: db.watch(busy)?,
            red: db.watch(red)?,
            largest: db.watch(largest)?,
        })
    }

    fn check(&self, db: &Db) -> Result<(), Error> {
        assert_eq!(*value(&self.all), db.read(|tx| tx.query(Task::by_id).collect())?);
        assert_eq!(*value(&self.busy), db.read(busy)?);
        assert_eq!(*value(&self.red), db.read(red)?);
        assert_eq!(*value(&self.largest), db.read(largest)?);
        Ok(())
    }
}

fn value<T: PartialEq + Send + Sync + 'static>(live: &Subscription<T>) -> std::sync::Arc<T> {
    live.current().unwrap_or_else(|error| panic!("{error}"))
}

fn builder() -> Builder {
    let config = Config { checkpoint_bytes: 64 << 10, log_segment_bytes: 64 << 10, ..Config::default() };
    Db::builder().tables::<(Task,)>().config(config).driven_by_hand()
}

impl Simulation {
    fn new(seed: u64) -> Self {
        let disk = SimulatedDisk::new(seed);
        let db = builder().open_on(disk.clone()).expect("an empty disk opens");
        let live = Live::watch(&db).expect("the database is open");
        Self { random: seed, disk, db, live, model: Model::new(), possible: vec![Model::new()] }
    }

    fn run(mut self, steps: usize) {
        for step in 0..steps {
            self.step().unwrap_or_else(|error| panic!("step {step}: {error}"));
            self.check().unwrap_or_else(|error| panic!("step {step}: {error}"));
        }
    }

    fn step(&mut self) -> Result<(), Error> {
        match self.below(100) {
            0..3 => self.crash(),
            3..5 => self.reopen(),
            5..9 => self.db.checkpoint(),
            9..12 => {
                self.db.flush()?;
                self.possible = vec![self.model.clone()];
                Ok(())
            }
            _ => self.transaction(),
        }
    }

    fn transaction(&mut self) -> Result<(), Error> {
        let durability = if self.below(3) == 0 { Durability::Durable } else { Durability::Relaxed };
        let (operations, fails) = (1 + self.below(5), self.below(10) == 0);
        let mut model = self.model.clone();
        let db = self.db.clone();
        let committed = db.write_with(durability, |tx| -> Result<bool, Error> {
            for _ in 0..operations {
                self.operation(tx, &mut model)?;
            }
            if fails {
                // Any error rolls back; this one is at hand.
                return tx.patch(Id::from_raw(u64::MAX - 1), |_: &mut Task| {}).map(|()| false);
            }
            Ok(true)
        });
        assert_eq!(committed.is_ok(), !fails);
        if !fails {
            self.model = model.clone();
            self.possible.push(model);
        }
        if durability == Durability::Durable && !fails {
            self.possible = vec![self.model.clone()];
        }
        Ok(())
    }

    fn operation(&mut self, tx: &mut WriteTx, model: &mut Model) -> Result<(), Error> {
        let task = self.task();
        let name_is_taken = |model: &Model, but: Option<Id<Task>>| {
            model.iter().any(|(id, other)| other.name == task.name && Some(*id) != but)
        };
        let some_id = self.some_id(model);
        match (self.below(10), some_id) {
            (0..4, _) | (_, None) => {
                let inserted = tx.insert(task.clone());
                assert_eq!(inserted.is_err(), name_is_taken(model, None));
                if let Ok(id) = inserted {
                    assert!(model.insert(id, task).is_none(), "an id was given twice");
                }
            }
            (4..6, Some(id)) => {
                let replaced = tx.replace(id, task.clone());
                assert_eq!(replaced.is_err(), name_is_taken(model, Some(id)));
                if replaced.is_ok() {
                    model.insert(id, task);
                }
            }
            (6..8, Some(id)) => {
                tx.patch(id, |row: &mut Task| row.size = task.size)?;
                model.entry(id).and_modify(|row| row.size = task.size);
            }
            (8, Some(id)) => {
                tx.delete(id)?;
                model.remove(&id);
            }
            (_, Some(id)) => {
                let undone: Result<(), Error> = tx.nested(|tx| {
                    tx.delete(id)?;
                    tx.insert(task.clone()).map(drop).or(Ok::<_, Error>(()))?;
                    tx.delete(id)
                });
                assert!(undone.is_err(), "a row was deleted twice");
            }
        }
        Ok(())
    }

    fn crash(&mut self) -> Result<(), Error> {
        let kind = match self.below(3) {
            0 => CrashKind::LoseUnsynced,
            1 => CrashKind::KeepAll,
            _ => CrashKind::Torn(self.below(1 << 40)),
        };
        self.disk = self.disk.crash(kind);
        self.open()?;
        let found: Model = self.db.read(rows)?;
        assert!(self.possible.contains(&found), "{kind:?} left a state that never was");
        self.model = found.clone();
        self.possible = vec![found];
        Ok(())
    }

    fn reopen(&mut self) -> Result<(), Error> {
        if self.below(2) == 0 {
            self.db.clone().close()?;
        }
        // What lets go of the database last makes it durable.
        let elsewhere = SimulatedDisk::new(0);
        self.db = builder().open_on(elsewhere)?;
        self.open()?;
        self.possible = vec![self.model.clone()];
        Ok(())
    }

    fn open(&mut self) -> Result<(), Error> {
        self.db = builder().open_on(self.disk.clone())?;
        self.live = Live::watch(&self.db)?;
        Ok(())
    }

    fn check(&self) -> Result<(), Error> {
        self.db.reactor().expect("it is driven by hand").run();
        self.live.check(&self.db)?;
        self.db.read(|tx| {
            assert_eq!(rows(tx)?, self.model);
            let sorted = |key: fn(&Task) -> (Stage, i32)| {
                let mut rows: Vec<_> = self.model.iter().map(|(id, task)| (key(task), *id)).collect();
                rows.sort();
                rows.into_iter().map(|(_, id)| id).collect::<Vec<_>>()
            };
            let ids = |docs: Vec<Doc<Task>>| docs.into_iter().map(|doc| doc.id()).collect::<Vec<_>>();
            let by_stage = ids(tx.query(Task::by_stage_and_size).collect()?);
            assert_eq!(by_stage, sorted(|task| (task.stage, task.size)));
            assert_eq!(tx.query(Task::by_name).count()?, self.model.len());
            for (id, task) in &self.model {
                assert_eq!(tx.query(Task::by_name).eq(task.name).unique()?.map(|doc| doc.id()), Some(*id));
            }
            let red = self.model.values().filter(|task| task.labels.iter().any(|label| label == "red")).count();
            assert_eq!(tx.query(Task::by_label).eq("red").collect()?.len(), red);
            let labelled = self.model.values().filter(|task| !task.labels.is_empty()).count();
            assert_eq!(tx.query(Task::by_label).collect()?.len(), labelled);
            Ok(())
        })
    }

    fn task(&mut self) -> Task {
        let labels = (0..self.below(3)).map(|_| ["red", "green", "blue"][self.below(3) as usize].to_owned()).collect();
        Task {
            name: self.below(200) as u16,
            stage: Stage::ALL[self.below(3) as usize],
            size: self.below(100) as i32 - 50,
            labels,
            text: "x".repeat(self.below(1_500) as usize),
        }
    }

    fn some_id(&mut self, model: &Model) -> Option<Id<Task>> {
        let at = self.below(model.len().max(1) as u64) as usize;
        model.keys().nth(at).copied()
    }

    /// A number below `end` (splitmix64).
    fn below(&mut self, end: u64) -> u64 {
        self.random = self.random.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.random ^ (self.random >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % end
    }
}

fn rows(tx: &ReadTx) -> Result<Model, Error> {
    tx.query(Task::by_id).iter()?.map(|doc| doc.map(|doc| (doc.id(), doc.into_inner()))).collect()
}

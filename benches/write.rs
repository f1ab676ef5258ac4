//! What a write costs: durable and relaxed, alone and in groups, small and large, and the parts of one durable commit.

use std::{
    hint::black_box,
    time::{Duration, Instant},
};

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use rows::{Category, Numbers, Task, filled, task};
use timed_disk::{Spans, TimedDisk, Watch};
use tropism::{Error, prelude::*};

mod rows;
mod timed_disk;

const TASKS: u64 = 100_000;

fn durable(criterion: &mut Criterion) {
    let (_directory, db) = filled(Durability::Durable, 1_000).expect("the temporary directory is writable");
    let mut group = criterion.benchmark_group("durable");
    let mut number = 0;
    group.bench_function("insert", |bencher| {
        bencher.iter(|| {
            number += 1;
            db.write(|tx| tx.insert(task(number)))
        });
    });
    for threads in [8, 64] {
        group.throughput(Throughput::Elements(1));
        group.bench_function(format!("insert from {threads} threads"), |bencher| {
            bencher.iter_custom(|count| {
                let started = Instant::now();
                std::thread::scope(|scope| {
                    for thread in 0..threads {
                        let db = &db;
                        let own = count / threads + u64::from(thread < count % threads);
                        scope.spawn(move || {
                            for number in 0..own {
                                black_box(db.write(|tx| tx.insert(task(number))).is_ok());
                            }
                        });
                    }
                });
                started.elapsed()
            });
        });
    }
    group.throughput(Throughput::Elements(1_000));
    group.bench_function("insert 1,000 in one transaction", |bencher| {
        bencher.iter(|| {
            db.write(|tx| -> Result<(), Error> { (0..1_000).try_for_each(|number| tx.insert(task(number)).map(drop)) })
        });
    });
}

fn relaxed(criterion: &mut Criterion) {
    let (_directory, db) = filled(Durability::Relaxed, TASKS).expect("the temporary directory is writable");
    let ids: Vec<Id<Task>> = db
        .read(|tx| tx.query(Task::by_id).iter()?.map(|task| task.map(|task| task.id())).collect::<Result<_, Error>>())
        .expect("the rows were just written");
    let mut numbers = Numbers::new();
    let mut group = criterion.benchmark_group("relaxed");
    group.bench_function("update of an indexed field", |bencher| {
        bencher.iter(|| {
            let id = ids[numbers.below(TASKS) as usize];
            let category = Category::ALL[numbers.below(5) as usize];
            db.write(|tx| tx.patch(id, |task: &mut Task| task.category = category))
        });
    });
    group.bench_function("insert", |bencher| {
        bencher.iter(|| db.write(|tx| tx.insert(task(numbers.below(TASKS)))));
    });
}

/// When one durable commit, alone on its database, went from one stage to the next.
#[derive(Debug, Clone, Copy)]
struct Commit {
    began: Instant,
    /// The closure was through: row and keys are in the transaction's buffer.
    encoded: Instant,
    spans: Spans,
    returned: Instant,
}

impl Commit {
    fn new(db: &Db, watch: &Watch, task: Task) -> Self {
        let began = Instant::now();
        let mut encoded = began;
        let written = db.write(|tx| {
            let id = tx.insert(task);
            encoded = Instant::now();
            id
        });
        let returned = Instant::now();
        black_box(written.expect("the disk is sound"));
        Self { began, encoded, spans: watch.last(), returned }
    }

    fn time(self) -> Duration {
        self.returned - self.began
    }

    /// Each stage with its time. One ends where the next begins, so together they are the whole commit.
    fn stages(self) -> [(&'static str, Duration); 5] {
        let write = self.spans.write.expect("the committing thread writes the log");
        let sync = self.spans.sync.expect("the committing thread syncs the log");
        [
            ("encode", self.encoded - self.began),
            ("overlay", write.0 - self.encoded),
            ("log write", sync.0 - write.0),
            ("sync", sync.1 - sync.0),
            ("publish", self.returned - sync.1),
        ]
    }
}

/// One durable commit in parts, as its closure and its disk see them: `encode` up to the end of the closure, `overlay`
/// from there to the write of the log (the record, and what is applied before it is written), `log write`, `sync`, and
/// `publish` from the end of the sync to the return.
fn stages(criterion: &mut Criterion) {
    let directory = tempfile::tempdir().expect("the temporary directory is writable");
    let (disk, watch) = TimedDisk::new(directory.path()).expect("the temporary directory is writable");
    let db = Db::builder().tables::<(Task,)>().open_on(disk).expect("the schema is sound");
    let mut group = criterion.benchmark_group("one durable commit");
    let mut number = 0;
    let mut commit = || {
        number += 1;
        Commit::new(&db, &watch, task(number))
    };
    for (stage, (name, _)) in commit().stages().into_iter().enumerate() {
        group.bench_function(name, |bencher| {
            bencher.iter_custom(|count| (0..count).map(|_| commit().stages()[stage].1).sum());
        });
    }
    group.bench_function("in all", |bencher| {
        bencher.iter_custom(|count| (0..count).map(|_| commit().time()).sum());
    });
}

criterion_group! { name = benches; config = Criterion::default().sample_size(20); targets = durable, relaxed, stages }
criterion_main!(benches);

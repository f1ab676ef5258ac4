//! What a read costs: points and ranges, with a new transaction each time or one for all, from the base and from the
//! overlay.

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use rows::{Category, Numbers, TASKS_PER_PROJECT, Task, filled};
use tropism::{Error, prelude::*};

mod rows;

const TASKS: u64 = 100_000;

fn reads(criterion: &mut Criterion) {
    let (_directory, db) = filled(Durability::Relaxed, TASKS).expect("the temporary directory is writable");
    measure(criterion, "base", &db);
    db.write(|tx| -> Result<(), Error> {
        for task in tx.query(Task::by_id).collect()? {
            tx.patch(task.id(), |task: &mut Task| task.priority += 1)?;
        }
        Ok(())
    })
    .expect("the rows fit one transaction");
    measure(criterion, "overlay", &db);
}

fn measure(criterion: &mut Criterion, whence: &str, db: &Db) {
    let ids: Vec<Id<Task>> = db
        .read(|tx| tx.query(Task::by_id).iter()?.map(|task| task.map(|task| task.id())).collect::<Result<_, Error>>())
        .expect("the rows are there");
    let mut numbers = Numbers::new();
    let mut group = criterion.benchmark_group(whence);
    group.bench_function("get, fresh", |bencher| {
        bencher.iter(|| {
            let id = ids[numbers.below(TASKS) as usize];
            db.read(|tx| tx.get(id))
        });
    });
    group.bench_function("get, reused", |bencher| {
        db.read(|tx| -> Result<(), Error> {
            bencher.iter(|| tx.get(ids[numbers.below(TASKS) as usize]));
            Ok(())
        })
        .expect("nothing in it fails");
    });
    let projects = TASKS / TASKS_PER_PROJECT;
    group.throughput(Throughput::Elements(TASKS_PER_PROJECT));
    group.bench_function("range of 100", |bencher| {
        bencher.iter(|| {
            let project = numbers.below(projects);
            db.read(|tx| tx.query(Task::by_project).eq(project).collect())
        });
    });
    group.throughput(Throughput::Elements(TASKS_PER_PROJECT / 5));
    group.bench_function("range of 20", |bencher| {
        bencher.iter(|| {
            let project = numbers.below(projects);
            db.read(|tx| tx.query(Task::by_project_and_category).eq((project, Category::Todo)).collect())
        });
    });
    group.bench_function("count of 20", |bencher| {
        bencher.iter(|| {
            let project = numbers.below(projects);
            db.read(|tx| tx.query(Task::by_project_and_category).eq((project, Category::Todo)).count())
        });
    });
}

criterion_group! { name = benches; config = Criterion::default().sample_size(30); targets = reads }
criterion_main!(benches);

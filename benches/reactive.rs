//! What live queries cost: a commit that concerns none or one of many, and the way from a commit to a new value.

use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};
use rows::{Task, filled, task};
use tropism::{Subscription, prelude::*};

mod rows;

fn commit_beside_live_queries(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("a relaxed insert beside live queries that it does not concern");
    for queries in [0, 10, 1_000, 10_000] {
        let (_directory, db) = filled(Durability::Relaxed, 1_000).expect("the temporary directory is writable");
        let subscriptions = watch_projects(&db, queries);
        group.bench_with_input(BenchmarkId::from_parameter(queries), &queries, |bencher, _| {
            bencher.iter(|| db.write(|tx| tx.insert(task(u64::MAX))));
        });
        drop(subscriptions);
    }
}

fn subscribe_and_drop(criterion: &mut Criterion) {
    let (_directory, db) = filled(Durability::Relaxed, 1_000).expect("the temporary directory is writable");
    criterion.bench_function("subscribe to 100 rows and drop", |bencher| {
        bencher.iter(|| db.watch(|tx| tx.query(Task::by_project).eq(3).collect()).is_ok());
    });
}

fn commit_to_value(criterion: &mut Criterion) {
    let (_directory, db) = filled(Durability::Relaxed, 1_000).expect("the temporary directory is writable");
    let first = db.read(|tx| tx.query(Task::by_project).eq(3).first()).ok().flatten().expect("the rows are there");
    let tasks = db.watch(|tx| tx.query(Task::by_project).eq(3).collect()).expect("the database is open");
    drop(tasks.recv());
    criterion.bench_function("from a commit to the new 100 rows", |bencher| {
        bencher.iter(|| {
            let written = db.write(|tx| tx.patch(first.id(), |task: &mut Task| task.priority ^= 1));
            (written, tasks.recv())
        });
    });
}

/// One live query for each of the first projects.
fn watch_projects(db: &Db, count: u64) -> Vec<Subscription<Vec<Doc<Task>>>> {
    let watch = |project| db.watch(move |tx| tx.query(Task::by_project).eq(project).collect());
    (0..count).map(|project| watch(project).expect("the database is open")).collect()
}

criterion_group! {
    name = benches;
    config = Criterion::default().sample_size(30);
    targets = commit_beside_live_queries, subscribe_and_drop, commit_to_value
}
criterion_main!(benches);

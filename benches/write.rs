//! What a write costs: durable and relaxed, alone and in groups, small and large.

use std::{hint::black_box, time::Instant};

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use rows::{Category, Numbers, Task, filled, task};
use tropism::{Error, prelude::*};

mod rows;

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

criterion_group! { name = benches; config = Criterion::default().sample_size(20); targets = durable, relaxed }
criterion_main!(benches);

//! What scheduled work costs: writing a job down, running it, and being told of it.

use std::{
    hint::black_box,
    time::{Duration, Instant},
};

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use tropism::{Error, Job, JobStatus, ManualScheduler, prelude::*};

schema! {
    pub table Note in "notes" { text: String }
}

functions! {
    pub module Notes;

    pub mutation AddNote in "notes:add" { text: String } -> () |tx| { tx.insert(Note { text }).map(drop) }

    pub action Nothing in "notes:nothing" {} -> () |_| { Ok(()) }
}

const JOBS: u32 = 1_000;

fn note() -> AddNote {
    AddNote { text: "a note that was scheduled".to_owned() }
}

fn schedule_many(db: &Db) -> Result<Option<Id<Job>>, Error> {
    db.write(|tx| {
        let mut last = None;
        for _ in 0..JOBS {
            last = Some(tx.schedule().now(note())?);
        }
        Ok(last)
    })
}

/// Waits until a job has ended.
fn wait_for(db: &Db, job: Id<Job>) -> Result<(), Error> {
    let status = db.watch(move |tx| Ok::<_, Error>(tx.get(job)?.map(|job| job.status)))?;
    for status in &status {
        if matches!(status.as_deref(), Ok(Some(JobStatus::Succeeded)) | Err(_)) {
            break;
        }
    }
    Ok(())
}

fn scheduling(criterion: &mut Criterion) {
    let scheduler = ManualScheduler::new(Timestamp::EPOCH);
    let config = Config { durability: Durability::Relaxed, ..Config::default() };
    let builder = Db::builder().tables::<Note>().module(Notes).config(config);
    let db = builder.scheduler(scheduler.clone()).in_memory().expect("the schema is sound");
    let mut group = criterion.benchmark_group("in memory");
    group.bench_function("schedule a mutation", |bencher| {
        bencher.iter(|| db.write(|tx| tx.schedule().after(Duration::from_secs(3_600), note())));
    });
    group.throughput(Throughput::Elements(u64::from(JOBS)));
    group.bench_function("run 1,000 mutations that are due", |bencher| {
        bencher.iter_custom(|count| {
            let mut elapsed = Duration::ZERO;
            for _ in 0..count {
                black_box(schedule_many(&db).is_ok());
                let started = Instant::now();
                black_box(scheduler.run_due().is_ok());
                elapsed += started.elapsed();
            }
            elapsed
        });
    });
    group.finish();
}

fn on_threads(criterion: &mut Criterion) {
    let directory = tempfile::tempdir().expect("the temporary directory is writable");
    let db = Db::builder().tables::<Note>().module(Notes).open(directory.path().join("db")).expect("it is new");
    let mut group = criterion.benchmark_group("durable, on threads");
    group.sample_size(20);
    group.bench_function("a mutation from scheduling to done", |bencher| {
        bencher.iter(|| db.write(|tx| tx.schedule().now(note())).and_then(|job| wait_for(&db, job)));
    });
    group.bench_function("an action from scheduling to done", |bencher| {
        bencher.iter(|| db.write(|tx| tx.schedule().now(Nothing {})).and_then(|job| wait_for(&db, job)));
    });
    group.throughput(Throughput::Elements(u64::from(JOBS)));
    group.bench_function("1,000 mutations scheduled at once, and done", |bencher| {
        bencher.iter(|| schedule_many(&db).and_then(|last| last.map_or(Ok(()), |last| wait_for(&db, last))));
    });
    group.finish();
}

criterion_group!(benches, scheduling, on_threads);
criterion_main!(benches);

//! What the scheduler reads and writes at a time is bounded by bytes.

use tropism::{Clock, DueWork, RunKind};

use super::{
    common::WatchedDisk,
    hostile::{Hostiles, Mine, Take},
    *,
};

fn open(mine: &Mine, disk: &WatchedDisk, retention: Duration) -> (Db, DueWork) {
    let config = Config { base_cache_bytes: 1 << 20, job_retention: retention, ..Config::default() };
    let builder = Db::builder().module(Hostiles).config(config).driven_by_hand().scheduler(mine.clone());
    let db = builder.open_on(disk.clone()).unwrap();
    let work = mine.work.lock().take().unwrap();
    (db, work)
}

/// Jobs whose text has half a mebibyte.
fn with_twenty_large_jobs(mine: &Mine, change: impl Fn(&mut Job)) -> (Db, DueWork) {
    let (db, work) = open(mine, &WatchedDisk::new("base"), HOUR);
    for _ in 0..20 {
        let job = db.write(|tx| tx.schedule().after(HOUR, Take { text: "x".into() })).unwrap();
        db.write(|tx| tx.patch(job, &change)).unwrap();
    }
    (db, work)
}

/// By how much each run lowers a count, until there is nothing left to do by `until`.
fn steps(mine: &Mine, work: &DueWork, until: Timestamp, count: impl Fn() -> usize) -> Vec<usize> {
    let mut steps = Vec::new();
    while let Some(due) = work.next_due(RunKind::Mutations).unwrap().filter(|due| *due <= until) {
        mine.clock.set(due.max(mine.clock.now()));
        let before = count();
        work.claim(RunKind::Mutations).unwrap().unwrap().execute().unwrap();
        steps.extend(Some(before - count()).filter(|step| *step > 0));
    }
    steps
}

#[test]
fn jobs_are_forgotten_by_bytes() {
    let mine = Mine::default();
    let (db, work) = with_twenty_large_jobs(&mine, |job| {
        (job.status, job.result) = (JobStatus::Succeeded, Some("x".repeat(512 << 10)));
    });
    mine.clock.set(at(HOUR));
    let count = || db.read(|tx| tx.query(Job::by_queue).count()).unwrap();
    // A run that succeeds is what has the others looked at.
    db.write(|tx| tx.schedule().now(Take { text: "x".into() })).unwrap();
    let steps = steps(&mine, &work, at(3 * HOUR), count);
    assert!(steps.iter().all(|step| *step <= 4) && count() == 0, "{steps:?} at a time, {} are left", count());
}

#[test]
fn times_are_put_right_by_bytes() {
    let mine = Mine::default();
    mine.clock.set(at(10 * DAY));
    let (db, work) =
        with_twenty_large_jobs(&mine, |job| job.arguments = format!(r#"{{"text":"{}"}}"#, "x".repeat(512 << 10)));
    mine.clock.set(at(DAY));
    let ahead = || db.read(|tx| tx.query(Job::by_status_and_since).eq(JobStatus::Queued).range(at(2 * DAY)..).count());
    let steps = steps(&mine, &work, at(DAY), || ahead().unwrap());
    assert!(steps.iter().all(|step| *step <= 2) && steps.iter().sum::<usize>() == 20, "{steps:?} at a time");
}

#[test]
fn a_look_at_what_is_due_reads_no_rows() {
    let (mine, disk) = (Mine::default(), WatchedDisk::new("base"));
    let (db, work) = open(&mine, &disk, HOUR);
    let text_bytes = 4 << 20;
    for _ in 0..5 {
        db.write(|tx| tx.schedule().now(Take { text: "x".repeat(text_bytes) })).unwrap();
    }
    db.checkpoint().unwrap();
    let before = disk.read_bytes();
    for _ in 0..100 {
        assert!(work.next_due(RunKind::Mutations).unwrap().is_some());
    }
    let read_bytes = disk.read_bytes() - before;
    assert!(read_bytes < text_bytes as u64, "{read_bytes} bytes were read");
    assert_eq!(work.claim(RunKind::Mutations).unwrap().unwrap().execute().unwrap().len(), 5);
    assert!(disk.read_bytes() - before >= 5 * text_bytes as u64, "the rows are read when they run");
}

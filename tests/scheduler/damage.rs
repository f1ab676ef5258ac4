//! One row is damaged: it is left as it is, the database opens, and everything else goes on.

use tropism::{Cron, disk::SimulatedDisk};

use super::*;

functions! {
    pub module Taking;
    pub mutation Take in "taking:take" { text: String } -> usize |_| { Ok(text.len()) }
}

/// What the row that is damaged has in its text.
const MARK: &str = "this one is damaged";
const RETENTION: Duration = DAY;

/// A text that takes pages of its own.
fn large(text: &str) -> String {
    format!("{text} {}", "x".repeat(20_000))
}

/// Crons beside the one that is to be damaged.
const WHOLE: [&str; 2] = ["first", "last"];

/// Declares the crons, or does not.
#[derive(Clone)]
struct WithCrons {
    host: Host,
    is_declared: bool,
}

impl Module for WithCrons {
    fn register(&self, registration: &mut Registration) {
        registration.module(self.host.clone()).module(Taking);
        if self.is_declared {
            let hourly = || CronSchedule::every(HOUR);
            for (name, text) in [("first", "first"), ("damaged", MARK), ("last", "last")] {
                registration.cron(name, hourly(), Take { text: large(text) });
            }
        }
    }
}

fn open(disk: &SimulatedDisk, now: Timestamp, are_crons_declared: bool) -> Bench {
    let (host, scheduler) = (Host::default(), ManualScheduler::new(now));
    let config = Config { job_retention: RETENTION, ..Config::default() };
    let module = WithCrons { host: host.clone(), is_declared: are_crons_declared };
    let builder = Db::builder().module(module).config(config).driven_by_hand().scheduler(scheduler.clone());
    let db = builder.open_on(disk.clone()).unwrap_or_else(|error| panic!("{error}"));
    Bench { db, scheduler, host }
}

/// Jobs that `change` has had its way with, and one among them that is damaged; and a database that has not read them.
fn with_a_damaged_job(now: Timestamp, change: impl Fn(&mut Job)) -> (SimulatedDisk, Id<Job>, Vec<Id<Job>>) {
    let disk = SimulatedDisk::new(11);
    let bench = open(&disk, now, false);
    let take = |text: &str| bench.db.write(|tx| tx.schedule().after(HOUR, Take { text: large(text) })).unwrap();
    let jobs = ["first", MARK, "third", "fourth"].map(take);
    jobs.iter().for_each(|job| bench.db.write(|tx| tx.patch(*job, &change)).unwrap());
    bench.db.close().unwrap();
    damage(&disk);
    (disk, jobs[1], vec![jobs[0], jobs[2], jobs[3]])
}

/// Turns over a bit wherever the marked text is in the base.
fn damage(disk: &SimulatedDisk) {
    let base = disk.read_file("base.redb").unwrap();
    let found = base.windows(MARK.len()).enumerate().filter(|(_, bytes)| *bytes == MARK.as_bytes());
    let places: Vec<usize> = found.map(|(place, _)| place).collect();
    assert!(!places.is_empty(), "it is in the base");
    places.into_iter().for_each(|place| disk.flip_bit("base.redb", place as u64, 0).unwrap());
}

fn statuses(bench: &Bench, jobs: &[Id<Job>]) -> Vec<JobStatus> {
    jobs.iter().map(|job| bench.job(*job).status).collect()
}

fn is_damaged(bench: &Bench, job: Id<Job>) -> bool {
    bench.db.read(|tx| tx.get(job)).is_err_and(|error| error.to_string().contains("damaged"))
}

#[test]
fn a_damaged_job_that_was_interrupted_keeps_no_database_from_opening() {
    for (status, becomes) in [(JobStatus::Running, JobStatus::Failed), (JobStatus::Unrunnable, JobStatus::Queued)] {
        let (disk, damaged, others) = with_a_damaged_job(Timestamp::EPOCH, |job| {
            (job.status, job.kind, job.attempts) = (status, tropism::JobKind::Action, 1);
        });
        let bench = open(&disk, Timestamp::EPOCH, false);
        assert!(is_damaged(&bench, damaged));
        assert_eq!(statuses(&bench, &others), [becomes; 3]);
        let failure = bench.db.health().scheduler.unwrap().last_failure.unwrap();
        assert!(failure.message.contains(&damaged.to_string()), "{failure:?}");
        bench.add(Duration::ZERO, "next");
        assert!(bench.advance(MINUTE).contains(&"work:add".to_owned()));
    }
}

#[test]
fn a_damaged_job_keeps_no_other_from_being_put_right_when_the_clock_was_ahead() {
    let (disk, damaged, others) = with_a_damaged_job(at(10 * DAY), |_| ());
    // At the open, and while it is open.
    let image = disk.crash(tropism::disk::CrashKind::KeepAll);
    let opened_with = [(disk, at(DAY)), (image, at(10 * DAY))];
    for (disk, now) in opened_with {
        let bench = open(&disk, now, false);
        bench.scheduler.set_now(at(DAY));
        bench.scheduler.run_due().unwrap();
        assert!(is_damaged(&bench, damaged));
        assert!(others.iter().all(|job| bench.job(*job).due_at == at(DAY + HOUR)), "opened at {now:?}");
        assert_eq!(bench.advance(2 * HOUR).len(), 3);
    }
}

#[test]
fn a_damaged_job_keeps_no_other_from_being_forgotten() {
    let (disk, damaged, _) = with_a_damaged_job(Timestamp::EPOCH, |job| job.status = JobStatus::Succeeded);
    let bench = open(&disk, Timestamp::EPOCH, false);
    bench.advance(2 * RETENTION);
    let left = bench.db.read(|tx| tx.query(Job::by_queue).count()).unwrap();
    assert!(left == 1 && is_damaged(&bench, damaged), "{left} jobs are left");
    assert_eq!(bench.scheduler.next_due().unwrap(), None, "nothing is left to do");
    let later = bench.add(Duration::ZERO, "later");
    bench.advance(2 * RETENTION);
    assert_eq!(bench.db.read(|tx| tx.get(later)).unwrap().map(|job| job.status), None, "it is forgotten too");
}

#[test]
fn a_damaged_cron_is_paused_alone() {
    let disk = SimulatedDisk::new(11);
    open(&disk, Timestamp::EPOCH, true).db.close().unwrap();
    damage(&disk);
    let bench = open(&disk, Timestamp::EPOCH, true);
    let job = bench.add(2 * HOUR, "job");
    bench.scheduler.advance(5 * HOUR).unwrap();
    for name in WHOLE {
        let cron = bench.db.read(|tx| tx.query(Cron::by_name).eq(name).unique()).unwrap().unwrap();
        let runs = bench.db.read(|tx| tx.query(Job::by_cron_and_status).eq(Some(cron.id())).count()).unwrap();
        assert_eq!((runs, cron.skipped), (5, 0), "of cron {name}");
    }
    assert_eq!(bench.job(job).status, JobStatus::Succeeded);
    let failure = bench.db.health().scheduler.unwrap().last_failure.unwrap();
    assert!(failure.message.contains("Cron") && failure.message.contains("damaged"), "{failure:?}");
    // A clock that is put back looks at all of them.
    bench.scheduler.set_now(at(HOUR));
    bench.scheduler.advance(2 * HOUR).unwrap();
}

#[test]
fn a_damaged_cron_that_is_no_longer_declared_keeps_no_other_from_being_given_up() {
    let disk = SimulatedDisk::new(11);
    open(&disk, Timestamp::EPOCH, true).db.close().unwrap();
    damage(&disk);
    let bench = open(&disk, Timestamp::EPOCH, false);
    assert_eq!(bench.db.read(|tx| tx.query(Cron::by_next_run_at).count()).unwrap(), 1);
    bench.add(HOUR, "job");
    assert_eq!(bench.advance(HOUR), ["work:add"]);
}

#[test]
fn a_cron_with_a_damaged_run_is_kept_and_lets_go_of_the_others() {
    let disk = SimulatedDisk::new(11);
    let bench = open(&disk, Timestamp::EPOCH, true);
    bench.advance(3 * HOUR);
    let cron = bench.db.read(|tx| tx.query(Cron::by_name).eq("last").unique()).unwrap().unwrap().id();
    let runs = bench.db.read(|tx| tx.query(Job::by_cron_and_status).eq(Some(cron)).collect()).unwrap();
    let text = serde_json::to_string(&Take { text: large(MARK) }).unwrap();
    bench.db.write(|tx| tx.patch(runs[1].id(), |job| job.arguments = text.clone())).unwrap();
    bench.db.close().unwrap();
    damage(&disk);
    let bench = open(&disk, at(3 * HOUR), false);
    let of_cron = bench.db.read(|tx| tx.query(Job::by_cron_and_status).eq(Some(cron)).count()).unwrap();
    assert_eq!(of_cron, 1, "of {} runs", runs.len());
    assert!(bench.db.read(|tx| tx.get(cron)).unwrap().is_some());
    assert_eq!(bench.job(runs[0].id()).cron_id, None);
}

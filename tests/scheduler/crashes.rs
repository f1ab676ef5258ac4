//! The power goes at every sync while jobs are scheduled and run: afterwards each has run as its rule says, as the data
//! that it wrote and what the outside has seen prove.

use tropism::disk::{CrashKind, SimulatedDisk};

use super::*;

/// A disk as a crash left it, and what the outside knew by then.
struct Image {
    disk: SimulatedDisk,
    what: String,
    /// Texts whose scheduling was acknowledged.
    scheduled: Vec<String>,
    /// Texts of jobs that the scheduler said had succeeded.
    succeeded: Vec<Id<Job>>,
    seen: Vec<String>,
}

const ROUNDS: usize = 6;

fn config() -> Config {
    Config { checkpoint_bytes: 64 << 10, log_segment_bytes: 64 << 10, ..Config::default() }
}

fn retry() -> Retry {
    Retry::attempts(20).first_wait(MINUTE).longest_wait(MINUTE)
}

/// Schedules mutations, actions of both kinds and a cron, runs them, and keeps what a crash would leave at every sync.
fn images() -> Vec<Image> {
    let host = Host { crons: vec![("hourly", None, "cron")], ..Host::default() };
    let disk = SimulatedDisk::new(7);
    let scheduled: Arc<Mutex<Vec<String>>> = Arc::default();
    let succeeded: Arc<Mutex<Vec<Id<Job>>>> = Arc::default();
    let images: Arc<Mutex<Vec<Image>>> = Arc::default();
    let scheduler = ManualScheduler::new(Timestamp::EPOCH);
    let bench = Bench::on(disk.clone(), host.clone(), config(), scheduler);
    let (kept, acknowledged, ended) = (Arc::clone(&images), Arc::clone(&scheduled), Arc::clone(&succeeded));
    let seen = Arc::clone(&host.outside.seen);
    disk.observe_syncs(move |disk, point| {
        for kind in [CrashKind::LoseUnsynced, CrashKind::Torn(point.index)] {
            kept.lock().push(Image {
                disk: disk.crash(kind),
                what: format!("{kind:?} at {point:?}"),
                scheduled: acknowledged.lock().clone(),
                succeeded: ended.lock().clone(),
                seen: seen.lock().clone(),
            });
        }
    });
    for round in 0..ROUNDS {
        host.outside.failures.store(round % 3, Ordering::SeqCst);
        for kind in ["mutation", "once", "again"] {
            let text = format!("{kind} {round}");
            match kind {
                "mutation" => drop(bench.add(MINUTE * (round as u32 % 2), &text)),
                "once" => drop(bench.tell(None, &text)),
                _ => drop(bench.tell(Some(retry()), &text)),
            }
            scheduled.lock().push(text);
        }
        for _ in 0..40 {
            let ran = bench.scheduler.step().unwrap();
            let Some(ran) = ran else { break };
            if ran.status == JobStatus::Succeeded {
                succeeded.lock().push(ran.job);
            }
        }
        bench.scheduler.set_now(at(HOUR / 2 * (round as u32 + 1)));
    }
    bench.db.close().unwrap();
    std::mem::take(&mut *images.lock())
}

fn count(texts: &[String], text: &str) -> usize {
    texts.iter().filter(|other| *other == text).count()
}

#[test]
fn after_a_crash_at_any_sync_each_job_has_run_as_its_rule_says() {
    let images = images();
    assert!(images.len() > 60, "{} crashes", images.len());
    let (mut interrupted, mut repeated) = (0, 0);
    for image in images {
        let Image { disk, what, scheduled, succeeded, seen } = image;
        let outside = Outside::default();
        let host = Host { crons: vec![("hourly", None, "cron")], outside: outside.clone() };
        let scheduler = ManualScheduler::new(at(4 * HOUR));
        let bench = Bench::on(disk, host, config(), scheduler);
        for job in succeeded {
            assert_eq!(bench.job(job).status, JobStatus::Succeeded, "{what}: it was said to have succeeded");
        }
        bench.scheduler.advance(2 * HOUR).unwrap();
        let (traces, seen) = (bench.traces(), [seen, bench.seen()].concat());
        let jobs = bench.db.read(|tx| tx.query(Job::by_id).collect()).unwrap();
        for text in &scheduled {
            let job = jobs.iter().find(|job| job.arguments.contains(&format!("\"{text}\"")));
            let job = job.unwrap_or_else(|| panic!("{what}: {text:?} was scheduled and is gone"));
            let (told, written) = (count(&seen, text), count(&traces, text));
            match text.split(' ').next() {
                Some("mutation") => assert_eq!((job.status, written), (JobStatus::Succeeded, 1), "{what}: {text}"),
                Some("once") => {
                    assert!(told <= 1 && written <= 1, "{what}: {text} was told {told} times");
                    assert!(job.is_finished(), "{what}: {text} is {}", job.status);
                    let is_interrupted = job.error_code.as_deref() == Some("interrupted");
                    assert!(is_interrupted || told == 1, "{what}: {text} has never run");
                    interrupted += usize::from(is_interrupted);
                }
                _ => {
                    assert!(told >= 1, "{what}: {text} has never run");
                    assert_eq!(job.status, JobStatus::Succeeded, "{what}: {text}: {:?}", job.error);
                    assert!(written >= 1 && written <= told, "{what}: {text}");
                    repeated += usize::from(written > 1);
                }
            }
        }
        let crons = count(&traces, "cron");
        assert!((3..=6).contains(&crons), "{what}: the cron ran {crons} times");
    }
    assert!(interrupted > 0 && repeated > 0, "the crashes hit actions under way: {interrupted}, {repeated}");
}

//! What is forgotten, when, and in which portions.

use tropism::Cron;

use super::*;

fn sample(server_id: Id<Server>, recorded_at: Timestamp) -> ServerMetrics {
    ServerMetrics {
        server_id,
        recorded_at,
        cpu_percent: 1.0,
        memory_bytes: 1,
        memory_total_bytes: 1,
        disk_bytes: 1,
        network_in_bytes: 1,
        network_out_bytes: 1,
        load_average: 1.0,
    }
}

fn event(at: Timestamp) -> HistoryEvent {
    let (action, user) = ("test.event".to_owned(), "ada".to_owned());
    HistoryEvent { project_id: None, task_id: None, action, user, details: None, at }
}

/// A time so long before the start.
fn before(duration: Duration) -> Timestamp {
    Timestamp::from_millis(START.as_millis() - i64::try_from(duration.as_millis()).unwrap())
}

fn add<T: Table>(office: &Office, rows: impl IntoIterator<Item = T>) {
    let rows: Vec<T> = rows.into_iter().collect();
    office.db.write(|tx| rows.iter().try_for_each(|row| tx.insert(row.clone()).map(drop))).unwrap();
}

#[test]
fn there_are_three_crons_that_run_as_often_as_they_should() {
    let office = Office::new();
    let crons = office.all(Cron::by_name);
    let found: Vec<_> = crons.iter().map(|cron| cron.name.as_str()).collect();
    assert_eq!(found, ["cleanup_old_history", "cleanup_old_metrics", "retry_failed_webhooks"]);
    let next: Vec<_> = crons.iter().map(|cron| cron.next_run_at).collect();
    assert_eq!(next, [after(24 * HOUR), after(6 * HOUR), after(5 * MINUTE)]);
    let ran = office.scheduler.advance(2 * DAY).unwrap();
    let runs = |function: &str| ran.iter().filter(|ran| ran.function == function).count();
    assert_eq!(["history:cleanUp", "metrics:cleanUp", "webhooks:retryFailed"].map(runs), [2, 8, 576]);
}

#[test]
fn samples_older_than_seven_days_are_deleted_every_six_hours_and_no_others() {
    let office = Office::new();
    let server = office.server("a");
    // The first run looks back from six hours after the start.
    let limit = 7 * DAY - 6 * HOUR;
    let millisecond = Duration::from_millis(1);
    let times = [before(20 * DAY), before(limit + millisecond), before(limit), before(limit - millisecond), START];
    add(&office, times.map(|at| sample(server, at)));
    office.scheduler.advance(6 * HOUR - millisecond).unwrap();
    assert_eq!(office.count(ServerMetrics::by_id), 5);
    office.scheduler.advance(millisecond).unwrap();
    let left: Vec<_> = office.all(ServerMetrics::by_time).iter().map(|sample| sample.recorded_at).collect();
    assert_eq!(left, times[2..]);
    office.scheduler.advance(8 * DAY).unwrap();
    assert_eq!(office.count(ServerMetrics::by_id), 0);
}

#[test]
fn events_older_than_thirty_days_are_deleted_every_day_and_no_others() {
    let office = Office::new();
    let limit = 30 * DAY - DAY;
    let millisecond = Duration::from_millis(1);
    let times = [before(90 * DAY), before(limit + millisecond), before(limit), before(limit - millisecond), START];
    add(&office, times.map(event));
    office.scheduler.advance(DAY - millisecond).unwrap();
    assert_eq!(office.history_len(), 5);
    office.scheduler.advance(millisecond).unwrap();
    let left: Vec<_> = office.all(HistoryEvent::by_time).iter().map(|event| event.at).collect();
    assert_eq!(left, times[2..]);
}

#[test]
fn many_samples_are_deleted_in_portions_one_after_the_other_at_once() {
    let office = Office::new();
    let server = office.server("a");
    add(&office, (0..2_500).map(|_| sample(server, before(8 * DAY))));
    assert_eq!(office.runs_of("metrics:cleanUp", 6 * HOUR), 3);
    assert_eq!(office.count(ServerMetrics::by_id), 0);
}

#[test]
fn many_events_are_deleted_in_portions_one_after_the_other_at_once() {
    let office = Office::new();
    add(&office, (0..1_200).map(|_| event(before(31 * DAY))));
    assert_eq!(office.runs_of("history:cleanUp", DAY), 3);
    assert_eq!(office.history_len(), 0);
}

#[test]
fn a_full_portion_that_is_the_last_one_ends_it() {
    let office = Office::new();
    add(&office, (0..500).map(|_| event(before(31 * DAY))));
    assert_eq!(office.runs_of("history:cleanUp", DAY), 2);
    assert_eq!(office.history_len(), 0);
}

#[test]
fn no_portion_is_one_transaction_with_the_next() {
    let office = Office::new();
    add(&office, (0..1_200).map(|_| event(before(31 * DAY))));
    office.scheduler.set_now(after(DAY));
    let mut left = Vec::new();
    while let Some(ran) = office.scheduler.step().unwrap() {
        if ran.function == "history:cleanUp" {
            left.push(office.history_len());
        }
    }
    assert_eq!(left, [700, 200, 0]);
}

#[test]
fn portions_go_on_after_the_database_was_closed() {
    let disk = MemoryDisk::default();
    let office = Office::on(disk.clone(), AgentManager::new(), START);
    add(&office, (0..1_200).map(|_| event(before(31 * DAY))));
    office.scheduler.set_now(after(DAY));
    while office.history_len() == 1_200 {
        office.scheduler.step().unwrap();
    }
    assert_eq!(office.history_len(), 700);
    office.db.close().unwrap();
    let office = Office::on(disk, AgentManager::new(), after(DAY));
    office.scheduler.run_due().unwrap();
    assert_eq!(office.history_len(), 0);
}

#[test]
fn the_host_says_how_long_things_are_kept() {
    let limits = Limits { history_retention: HOUR, metrics_retention: 2 * HOUR, ..Limits::default() };
    let office = Office::with(AgentManager::new().limits(limits));
    let server = office.server("a");
    add(&office, [sample(server, START), sample(server, after(5 * HOUR))]);
    office.scheduler.advance(6 * HOUR).unwrap();
    assert_eq!(office.count(ServerMetrics::by_id), 1);
    office.scheduler.advance(18 * HOUR).unwrap();
    assert_eq!(office.history_len(), 0);
}

#[test]
fn what_is_kept_for_ever_is_kept_and_nothing_overflows() {
    let limits = Limits { history_retention: Duration::MAX, metrics_retention: Duration::MAX, ..Limits::default() };
    let office = Office::with(AgentManager::new().limits(limits));
    let server = office.server("a");
    add(&office, [sample(server, Timestamp::EPOCH)]);
    add(&office, [event(Timestamp::EPOCH)]);
    office.scheduler.advance(2 * DAY).unwrap();
    assert_eq!((office.count(ServerMetrics::by_id), office.history_len()), (1, 2));
}

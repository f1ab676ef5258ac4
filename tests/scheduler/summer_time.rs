//! Crons in the nights in which the clocks of a zone change: intervals evenly, named hours once.

use super::*;

const MILLIS_OF_HOUR: i64 = 3_600_000;

/// Milliseconds of a UTC time.
fn utc(text: &str) -> i64 {
    text.parse::<jiff::Timestamp>().unwrap().as_millisecond()
}

/// When a cron is due between two UTC times, found by running it.
fn times(expression: &str, zone: &str, from: &str, until: &str) -> Vec<i64> {
    let schedule = CronSchedule::at(expression, zone);
    let host = Host { crons: vec![("cron", Some(schedule), "tick")], ..Host::default() };
    let scheduler = ManualScheduler::new(Timestamp::from_millis(utc(from)));
    let bench = Bench::on(MemoryDisk::default(), host, Config::default(), scheduler);
    bench.scheduler.advance_to(Timestamp::from_millis(utc(until))).unwrap();
    let runs = bench.db.read(|tx| tx.query(Job::by_id).collect()).unwrap();
    runs.iter().map(|run| run.due_at.as_millis()).collect()
}

/// The nights of a zone: around a gap, and around a repetition, as UTC times of three days each.
const NIGHTS: [(&str, [(&str, &str); 2]); 6] = [
    (
        "Europe/Berlin",
        [("2026-03-28T12:00:00Z", "2026-03-31T12:00:00Z"), ("2026-10-24T12:00:00Z", "2026-10-27T12:00:00Z")],
    ),
    // Gaps and repetitions at midnight.
    (
        "America/Sao_Paulo",
        [("2018-11-03T12:00:00Z", "2018-11-06T12:00:00Z"), ("2018-02-17T12:00:00Z", "2018-02-20T12:00:00Z")],
    ),
    (
        "Asia/Beirut",
        [("2022-03-26T12:00:00Z", "2022-03-29T12:00:00Z"), ("2022-10-29T12:00:00Z", "2022-11-01T12:00:00Z")],
    ),
    (
        "Africa/Cairo",
        [("2024-04-25T12:00:00Z", "2024-04-28T12:00:00Z"), ("2024-10-31T12:00:00Z", "2024-11-03T12:00:00Z")],
    ),
    // Half an hour.
    (
        "Australia/Lord_Howe",
        [("2025-10-04T02:00:00Z", "2025-10-07T02:00:00Z"), ("2025-04-05T02:00:00Z", "2025-04-08T02:00:00Z")],
    ),
    (
        "America/New_York",
        [("2026-03-07T12:00:00Z", "2026-03-10T12:00:00Z"), ("2026-10-31T12:00:00Z", "2026-11-03T12:00:00Z")],
    ),
];

#[test]
fn a_named_hour_runs_once_each_night_in_every_zone() {
    for (zone, nights) in NIGHTS {
        for (from, until) in nights {
            for hour in ["30 23", "0 0", "15 0", "30 0", "0 1", "30 1", "15 2", "30 2", "0 3"] {
                let runs = times(&format!("{hour} * * *"), zone, from, until);
                assert_eq!(runs.len(), 3, "{hour} in {zone} from {from}: {runs:?}");
                let gaps: Vec<i64> = runs.windows(2).map(|pair| pair[1] - pair[0]).collect();
                let day = 22 * MILLIS_OF_HOUR..=26 * MILLIS_OF_HOUR;
                assert!(gaps.iter().all(|gap| day.contains(gap)), "{hour} in {zone} from {from}: {gaps:?}");
            }
        }
    }
}

#[test]
fn a_rhythm_goes_on_evenly_through_every_night() {
    for (zone, nights) in NIGHTS {
        for (from, until) in nights {
            for minutes in [10, 15, 30] {
                let runs = times(&format!("*/{minutes} * * * *"), zone, from, until);
                let gaps: Vec<i64> = runs.windows(2).map(|pair| (pair[1] - pair[0]) / 60_000).collect();
                assert!(gaps.iter().all(|gap| *gap == minutes), "every {minutes} in {zone} from {from}: {gaps:?}");
                assert_eq!(runs.len() as i64, 3 * 24 * 60 / minutes);
            }
        }
    }
}

#[test]
fn a_list_of_hours_runs_as_often_as_it_has_hours_on_every_day() {
    for (zone, nights) in NIGHTS {
        for (from, until) in nights {
            let runs = times("30 0,2,17 * * *", zone, from, until);
            assert_eq!(runs.len(), 9, "{zone} from {from}: {runs:?}");
        }
    }
}

#[test]
fn a_day_that_a_zone_leaves_out_costs_no_run_and_makes_none_denser() {
    // Samoa had no 30 December 2011, and Kwajalein no 21 August 1993 (in UTC-12 until then).
    for (zone, from, until) in [
        ("Pacific/Apia", "2011-12-28T22:00:00Z", "2012-01-02T22:00:00Z"),
        ("Pacific/Kwajalein", "1993-08-18T22:00:00Z", "1993-08-23T22:00:00Z"),
    ] {
        for hour in ["0 0", "30 9", "30 23"] {
            let runs = times(&format!("{hour} * * *"), zone, from, until);
            let gaps: Vec<i64> = runs.windows(2).map(|pair| (pair[1] - pair[0]) / MILLIS_OF_HOUR).collect();
            assert!(gaps.iter().all(|gap| *gap == 24), "{hour} in {zone}: {gaps:?}");
            assert_eq!(runs.len(), 5, "{hour} in {zone}");
        }
        let runs = times("0 */6 * * *", zone, from, until);
        assert!(runs.windows(2).all(|pair| pair[1] - pair[0] == 6 * MILLIS_OF_HOUR), "{zone}: {runs:?}");
    }
}

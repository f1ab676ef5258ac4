//! Metrics: recorded, latest, listed and charted, against a naive average.

use proptest::prelude::*;

use super::*;

/// A sample at a time, with one number for all that is measured.
fn record(office: &Office, server: Id<Server>, at: Timestamp, value: u64) -> Id<ServerMetrics> {
    let arguments = json!({
        "serverId": server, "recordedAt": at, "cpuPercent": value as f64, "memoryBytes": value * 10,
        "memoryTotalBytes": 1_000_000, "diskBytes": value * 100, "networkInBytes": value, "networkOutBytes": value * 2,
        "loadAverage": value as f64 / 4.0,
    });
    office.add("servers:recordMetrics", arguments)
}

fn chart(office: &Office, server: Id<Server>, from: i64, until: i64, points: u32) -> Vec<MetricsPoint> {
    let (from, until) = (Timestamp::from_millis(from), Timestamp::from_millis(until));
    office.db.query(ChartMetrics { server_id: server, from, until, points }).unwrap().to_vec()
}

#[test]
fn a_sample_is_of_now_unless_it_says_when_it_was_taken() {
    let office = Office::new();
    let server = office.server("a");
    office.scheduler.advance(SECOND).unwrap();
    let now = json!({ "serverId": server, "cpuPercent": 1, "memoryBytes": 2, "memoryTotalBytes": 3 });
    let sample = office.row(office.add::<ServerMetrics>("servers:recordMetrics", now));
    assert_eq!((sample.recorded_at, sample.disk_bytes, sample.load_average), (after(SECOND), 0, 0.0));
    let sample = office.row(record(&office, server, START, 7));
    assert_eq!(sample.recorded_at, START);
    assert_eq!(office.row(server).last_seen_at, Some(after(SECOND)), "it was heard of now");
}

#[test]
fn the_latest_of_each_server_is_by_when_it_was_taken_and_not_by_when_it_came() {
    let office = Office::new();
    let (b, a, silent) = (office.server("b"), office.server("a"), office.server("c"));
    let newest = record(&office, a, after(HOUR), 1);
    record(&office, a, after(MINUTE), 2);
    let of_b = record(&office, b, after(MINUTE), 3);
    let latest = office.db.query(ListLatestMetrics { limit: LISTED }).unwrap();
    let found: Vec<_> = latest.iter().map(|one| (one.server.id(), one.metrics.as_ref().map(Doc::id))).collect();
    assert_eq!(found, [(a, Some(newest)), (b, Some(of_b)), (silent, None)]);
}

#[test]
fn who_looks_at_the_latest_sees_every_report() {
    let office = Office::new();
    let server = office.server("a");
    let live = office.db.subscribe(ListLatestMetrics { limit: LISTED }).unwrap();
    assert_eq!(live.recv().unwrap().unwrap()[0].metrics, None);
    let sample = record(&office, server, START, 1);
    office.db.reactor().unwrap().run();
    let seen = live.try_recv().unwrap().unwrap();
    assert_eq!(seen[0].metrics.as_ref().map(Doc::id), Some(sample));
}

#[test]
fn a_range_has_its_beginning_and_not_its_end() {
    let office = Office::new();
    let (server, other) = (office.server("a"), office.server("b"));
    let samples: Vec<_> = (0..4).map(|second| record(&office, server, after(second * SECOND), 1)).collect();
    record(&office, other, after(SECOND), 1);
    let listed = |from, until| {
        let found = office.db.query(ListMetrics { server_id: server, from, until, limit: LISTED }).unwrap();
        found.iter().map(Doc::id).collect::<Vec<_>>()
    };
    assert_eq!(listed(after(SECOND), after(3 * SECOND)), samples[1..3]);
    assert_eq!(listed(after(SECOND), after(SECOND)), []);
    assert_eq!(listed(after(3 * SECOND), START), []);
}

#[test]
fn a_number_that_is_none_or_negative_is_refused() {
    let office = Office::new();
    let server = office.server("a");
    let mut sample = RecordMetrics {
        server_id: server,
        recorded_at: None,
        cpu_percent: 1.0,
        memory_bytes: 1,
        memory_total_bytes: 1,
        disk_bytes: 0,
        network_in_bytes: 0,
        network_out_bytes: 0,
        load_average: 1.0,
    };
    for wrong in [f64::NAN, f64::INFINITY, -0.5] {
        for field in ["cpuPercent", "loadAverage"] {
            (sample.cpu_percent, sample.load_average) = if field == "cpuPercent" { (wrong, 1.0) } else { (1.0, wrong) };
            let error = office.db.mutate(sample.clone()).unwrap_err();
            assert!(matches!(&error, AgentError::OutOfBounds { field: named, .. } if *named == field), "{error}");
        }
    }
    assert_eq!((office.count(ServerMetrics::by_id), office.row(server).last_seen_at), (0, None));
}

#[test]
fn more_than_all_processors_are_refused() {
    let office = Office::new();
    let server = office.server("a");
    let sample = json!({ "serverId": server, "cpuPercent": 100.5, "memoryBytes": 1, "memoryTotalBytes": 1 });
    let error = office.refusal("servers:recordMetrics", sample);
    assert_eq!(data(&error)["field"], "cpuPercent");
}

#[test]
fn a_server_that_is_not_there_reports_nothing() {
    let office = Office::new();
    let server = office.server("a");
    office.call("servers:delete", json!({ "id": server }));
    let sample = json!({ "serverId": server, "cpuPercent": 1, "memoryBytes": 1, "memoryTotalBytes": 1 });
    let error = office.refusal("servers:recordMetrics", sample);
    assert!(error.to_string().contains(&server.to_string()), "{error}");
    assert_eq!(office.count(ServerMetrics::by_id), 0);
}

#[test]
fn recording_writes_no_history() {
    let office = Office::new();
    let server = office.server("a");
    let len = office.history_len();
    record(&office, server, START, 1);
    assert_eq!(office.history_len(), len);
}

#[test]
fn a_deleted_server_takes_its_containers_and_samples_along() {
    let office = Office::new();
    let (server, other) = (office.server("a"), office.server("b"));
    for server in [server, other] {
        record(&office, server, START, 1);
        office.call("containers:create", json!({ "serverId": server, "name": "web", "image": "nginx" }));
    }
    office.call("servers:delete", json!({ "id": server }));
    assert_eq!((office.count(ServerMetrics::by_id), office.count(Container::by_id)), (1, 1));
    office.scheduler.advance(DAY).unwrap();
}

#[test]
fn a_chart_has_averages_and_leaves_out_stretches_without_samples() {
    let office = Office::new();
    let server = office.server("a");
    for (second, value) in [(0, 10), (5, 20), (25, 40)] {
        record(&office, server, Timestamp::from_millis(second * 1_000), value);
    }
    let points = chart(&office, server, 0, 30_000, 3);
    let found: Vec<_> =
        points.iter().map(|p| (p.at.as_millis(), p.samples, p.cpu_percent, p.cpu_percent_max)).collect();
    assert_eq!(found, [(0, 2, 15.0, 20.0), (20_000, 1, 40.0, 40.0)]);
    assert_eq!((points[0].memory_bytes, points[0].disk_bytes, points[0].load_average), (150, 1_500, 3.75));
    assert_eq!((points[0].network_in_bytes, points[0].network_out_bytes), (20, 40), "at the end of the stretch");
}

#[test]
fn a_chart_of_no_time_is_empty() {
    let office = Office::new();
    let server = office.server("a");
    record(&office, server, START, 1);
    let start = START.as_millis();
    assert_eq!(chart(&office, server, start, start, 10), []);
    assert_eq!(chart(&office, server, start + 1, start, 10), []);
    assert_eq!(chart(&office, server, start, start + 1, 10).len(), 1);
}

#[test]
fn a_chart_has_from_one_to_ten_thousand_points() {
    let office = Office::new();
    let server = office.server("a");
    for (points, is_allowed) in [(0, false), (1, true), (10_000, true), (10_001, false), (u32::MAX, false)] {
        let arguments = json!({ "serverId": server, "from": 0, "until": 1_000, "points": points });
        let result = office.db.call("servers:chartMetrics", arguments, Caller::Client);
        assert_eq!(result.is_ok(), is_allowed, "{points}");
        if let Err(error) = result {
            assert_eq!((&data(&error)["kind"], &data(&error)["field"]), (&json!("outOfBounds"), &json!("points")));
        }
    }
}

#[test]
fn a_chart_of_all_time_does_not_overflow() {
    let office = Office::new();
    let server = office.server("a");
    for at in [i64::MIN, 0, i64::MAX - 1] {
        record(&office, server, Timestamp::from_millis(at), 50);
    }
    let points = chart(&office, server, i64::MIN, i64::MAX, 2);
    assert_eq!(points.iter().map(|point| point.samples).sum::<usize>(), 3);
    assert_eq!(chart(&office, server, i64::MIN, i64::MAX, 10_000).len(), 3);
}

#[test]
fn the_greatest_numbers_are_averaged() {
    let office = Office::new();
    let server = office.server("a");
    for _ in 0..3 {
        let sample = json!({
            "serverId": server, "cpuPercent": 100, "memoryBytes": u64::MAX, "memoryTotalBytes": u64::MAX,
            "diskBytes": u64::MAX, "loadAverage": 1e308,
        });
        office.call("servers:recordMetrics", sample);
    }
    let start = START.as_millis();
    let point = &chart(&office, server, start, start + 1, 1)[0];
    assert_eq!((point.memory_bytes, point.disk_bytes), (u64::MAX, u64::MAX));
    assert!(point.load_average.is_finite(), "{}", point.load_average);
}

/// The same as a chart, bucket by bucket and sample by sample: when a stretch begins, samples, mean and greatest.
fn naive(samples: &[(i64, u64)], from: i64, until: i64, points: u32) -> Vec<(i64, usize, f64, f64)> {
    let width = (until - from + i64::from(points) - 1) / i64::from(points);
    let starts = (0..i64::from(points)).map(|number| from + number * width);
    let stretch = |start: i64| {
        let end = until.min(start + width);
        let values: Vec<_> =
            samples.iter().filter(|(at, _)| (start..end).contains(at)).map(|(_, value)| *value).collect();
        let greatest = *values.iter().max()?;
        let mean = values.iter().sum::<u64>() as f64 / values.len() as f64;
        Some((start, values.len(), mean, greatest as f64))
    };
    starts.filter_map(stretch).collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_chart_is_what_a_naive_one_is(
        samples in proptest::collection::vec((0..5_000_i64, 0..=100_u64), 0..40),
        from in 0..4_000_i64,
        length in 1..5_000_i64,
        points in 1..70_u32,
    ) {
        let office = Office::new();
        let (server, other) = (office.server("a"), office.server("b"));
        for (at, value) in &samples {
            record(&office, server, Timestamp::from_millis(*at), *value);
        }
        record(&office, other, Timestamp::from_millis(from), 77);
        let found = chart(&office, server, from, from + length, points);
        prop_assert!(found.len() <= points as usize);
        let expected = naive(&samples, from, from + length, points);
        let places: Vec<_> = found.iter().map(|point| (point.at.as_millis(), point.samples)).collect();
        prop_assert_eq!(places, expected.iter().map(|one| (one.0, one.1)).collect::<Vec<_>>());
        for (point, (_, _, mean, greatest)) in found.iter().zip(&expected) {
            prop_assert!((point.cpu_percent - mean).abs() < 1e-9 && point.cpu_percent_max == *greatest);
            prop_assert_eq!(point.memory_bytes, (mean * 10.0 + 1e-6) as u64);
        }
    }
}

//! Servers: what they are, that fall silent, and that are heard of again.

use super::*;

fn report(office: &Office, server: Id<Server>) {
    let sample = json!({ "serverId": server, "cpuPercent": 1, "memoryBytes": 1, "memoryTotalBytes": 1 });
    office.call("servers:recordMetrics", sample);
}

fn status(office: &Office, server: Id<Server>) -> ServerStatus {
    office.row(server).status
}

#[test]
fn a_server_is_offline_until_it_reports() {
    let office = Office::new();
    let server = office.server("a");
    assert_eq!((status(&office, server), office.row(server).last_seen_at), (ServerStatus::Offline, None));
    report(&office, server);
    assert_eq!((status(&office, server), office.row(server).last_seen_at), (ServerStatus::Online, Some(START)));
}

#[test]
fn a_server_that_falls_silent_is_offline_after_two_minutes() {
    let office = Office::new();
    let server = office.server("a");
    report(&office, server);
    office.scheduler.advance(2 * MINUTE - Duration::from_millis(1)).unwrap();
    assert_eq!(status(&office, server), ServerStatus::Online);
    office.scheduler.advance(Duration::from_millis(1)).unwrap();
    assert_eq!(status(&office, server), ServerStatus::Offline);
}

#[test]
fn a_server_that_reports_in_time_stays_online() {
    let office = Office::new();
    let server = office.server("a");
    for _ in 0..20 {
        report(&office, server);
        office.scheduler.advance(2 * MINUTE - SECOND).unwrap();
        assert_eq!(status(&office, server), ServerStatus::Online);
    }
    office.scheduler.advance(SECOND).unwrap();
    assert_eq!(status(&office, server), ServerStatus::Offline);
}

#[test]
fn a_server_that_is_heard_of_again_is_online_and_falls_silent_again() {
    let office = Office::new();
    let server = office.server("a");
    for _ in 0..3 {
        report(&office, server);
        assert_eq!(status(&office, server), ServerStatus::Online);
        office.scheduler.advance(HOUR).unwrap();
        assert_eq!(status(&office, server), ServerStatus::Offline);
    }
}

#[test]
fn a_degraded_server_stays_degraded_while_it_reports_and_is_offline_when_it_is_silent() {
    let office = Office::new();
    let server = office.server("a");
    report(&office, server);
    office.call("servers:update", json!({ "id": server, "status": "degraded" }));
    report(&office, server);
    assert_eq!(status(&office, server), ServerStatus::Degraded);
    office.scheduler.advance(HOUR).unwrap();
    assert_eq!(status(&office, server), ServerStatus::Offline);
}

#[test]
fn a_server_that_was_called_online_by_hand_and_never_reports_is_offline_by_itself() {
    let office = Office::new();
    let server = office.server("a");
    office.call("servers:update", json!({ "id": server, "status": "online" }));
    office.scheduler.advance(HOUR).unwrap();
    assert_eq!(status(&office, server), ServerStatus::Offline);
}

#[test]
fn a_server_that_fell_silent_and_was_called_online_by_hand_is_offline_by_itself() {
    let office = Office::new();
    let server = office.server("a");
    report(&office, server);
    office.scheduler.advance(HOUR).unwrap();
    office.call("servers:update", json!({ "id": server, "status": "degraded" }));
    assert_eq!(status(&office, server), ServerStatus::Degraded);
    office.scheduler.advance(HOUR).unwrap();
    assert_eq!(status(&office, server), ServerStatus::Offline);
}

#[test]
fn servers_are_watched_each_by_itself() {
    let office = Office::new();
    let (a, b) = (office.server("a"), office.server("b"));
    report(&office, a);
    report(&office, b);
    office.scheduler.advance(MINUTE).unwrap();
    report(&office, b);
    office.scheduler.advance(MINUTE).unwrap();
    assert_eq!((status(&office, a), status(&office, b)), (ServerStatus::Offline, ServerStatus::Online));
    let online = office.db.query(ListServers { status: Some(ServerStatus::Online), limit: LISTED }).unwrap();
    assert_eq!(online.iter().map(Doc::id).collect::<Vec<_>>(), [b]);
}

#[test]
fn a_server_that_reports_often_is_watched_by_one() {
    let office = Office::new();
    let server = office.server("a");
    for _ in 0..50 {
        report(&office, server);
    }
    assert_eq!(office.runs_of("servers:watch", 2 * MINUTE), 1);
    assert_eq!(office.runs_of("servers:watch", HOUR), 0, "nobody watches a server that is offline");
}

#[test]
fn the_host_says_how_long_a_silence_may_be() {
    let limits = Limits { offline_after: 10 * SECOND, ..Limits::default() };
    let office = Office::with(AgentManager::new().limits(limits));
    let server = office.server("a");
    report(&office, server);
    office.scheduler.advance(10 * SECOND - Duration::from_millis(1)).unwrap();
    assert_eq!(status(&office, server), ServerStatus::Online);
    office.scheduler.advance(Duration::from_millis(1)).unwrap();
    assert_eq!(status(&office, server), ServerStatus::Offline);
}

#[test]
fn a_server_that_fell_silent_while_the_database_was_closed_is_offline_when_it_is_opened() {
    let disk = MemoryDisk::default();
    let office = Office::on(disk.clone(), AgentManager::new(), START);
    let server = office.server("a");
    report(&office, server);
    office.db.close().unwrap();
    let office = Office::on(disk, AgentManager::new(), after(HOUR));
    office.scheduler.run_due().unwrap();
    assert_eq!(status(&office, server), ServerStatus::Offline);
}

#[test]
fn two_servers_do_not_have_one_name() {
    let office = Office::new();
    let (_, b) = (office.server("a"), office.server("b"));
    let len = office.history_len();
    let error = office.refusal("servers:create", json!({ "name": "a", "host": "h" }));
    assert!(error.to_string().contains("by_name"), "{error}");
    office.refusal("servers:update", json!({ "id": b, "name": "a" }));
    assert_eq!((office.count(Server::by_id), office.history_len()), (2, len));
}

#[test]
fn an_update_of_a_server_is_checked_as_its_creation_is() {
    let office = Office::new();
    for field in ["name", "host"] {
        let mut arguments = json!({ "name": "x", "host": "x" });
        arguments[field] = json!("");
        assert_eq!(data(&office.refusal("servers:create", arguments))["field"], field);
    }
    let server = office.server("a");
    for field in ["name", "host"] {
        let update = office.db.call("servers:update", json!({ "id": server, field: "" }), Caller::Client);
        let error = update.expect_err(field);
        assert_eq!(data(&error)["field"], field);
    }
}

#[test]
fn an_update_of_a_container_is_checked_as_its_creation_is() {
    let office = Office::new();
    let server = office.server("a");
    for field in ["name", "image"] {
        let mut arguments = json!({ "serverId": server, "name": "x", "image": "x" });
        arguments[field] = json!(" ");
        assert_eq!(data(&office.refusal("containers:create", arguments))["field"], field);
    }
    let arguments = json!({ "serverId": server, "name": "web", "image": "nginx" });
    let container: Id<Container> = office.add("containers:create", arguments);
    let update = office.db.call("containers:update", json!({ "id": container, "image": " " }), Caller::Client);
    assert_eq!(data(&update.expect_err("an image without a name"))["field"], "image");
}

#[test]
fn containers_run_on_a_server_and_are_listed_by_what_they_do() {
    let office = Office::new();
    let server = office.server("a");
    let add = |name: &str| -> Id<Container> {
        let arguments = json!({ "serverId": server, "name": name, "image": "nginx", "ports": ["80:80"] });
        office.add("containers:create", arguments)
    };
    let (web, worker) = (add("web"), add("worker"));
    office.call("containers:update", json!({ "id": worker, "status": "exited" }));
    let listed = |status| {
        let found = office.db.query(ListContainers { server_id: server, status, limit: LISTED }).unwrap();
        found.iter().map(Doc::id).collect::<Vec<_>>()
    };
    assert_eq!(listed(None), [web, worker]);
    assert_eq!(listed(Some(ContainerStatus::Exited)), [worker]);
    assert_eq!(
        (office.row(worker).image.as_str(), office.row(worker).ports.as_slice()),
        ("nginx", ["80:80".to_owned()].as_slice())
    );
    office.call("containers:delete", json!({ "id": web }));
    assert_eq!(listed(None), [worker]);
}

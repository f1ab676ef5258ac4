//! What is taken in, and what is refused with which status.

use super::*;

fn delivery() -> Delivery {
    Delivery::new("one", "ping", &json!({ "zen": "Keep it logically awesome." }))
}

/// Headers that can be left out or changed one by one.
fn receive(desk: &Desk, changed: &[(&str, Option<&str>)], body: &[u8]) -> Result<Received, IntakeError> {
    let delivery = delivery();
    let signature = sign_github(SECRET.as_bytes(), body);
    let headers = |name: &str| {
        if let Some((_, value)) = changed.iter().find(|(header, _)| *header == name) {
            return *value;
        }
        match name {
            "x-github-event" => Some("ping"),
            "x-github-delivery" => Some(delivery.id.as_str()),
            "x-hub-signature-256" => Some(signature.as_str()),
            _ => None,
        }
    };
    desk.intake.receive(&desk.db, WebhookSource::Github, headers, body)
}

fn nothing_is_stored(desk: &Desk) {
    assert_eq!(desk.db.read(|tx| tx.query(WebhookEvent::by_id).count()).unwrap(), 0);
    assert_eq!(desk.db.read(|tx| tx.query(tropism::Job::by_id).count()).unwrap(), 0);
}

#[test]
fn a_signed_request_is_stored_and_scheduled_and_the_same_one_again_is_answered_and_not_stored() {
    let desk = Desk::new();
    let first = desk.send(&delivery()).unwrap().event.unwrap();
    let event = desk.event(first);
    assert_eq!((event.status, event.payload.as_str()), (WebhookStatus::Pending, delivery().body.as_str()));
    assert_eq!(desk.send(&delivery()).unwrap(), Received { event: None });
    assert_eq!(desk.scheduler.run_due().unwrap().len(), 1, "it is processed once");
    assert_eq!(desk.event(first).status, WebhookStatus::Processed);
    assert_eq!(desk.send(&delivery()).unwrap(), Received { event: None }, "a replay much later neither");
}

#[test]
fn a_wrong_signature_is_401() {
    let desk = Desk::new();
    let body = delivery().body;
    let forged = sign_github(b"another secret", body.as_bytes());
    for signature in [forged.as_str(), "sha256=00", "sha1=00", "x"] {
        let error = receive(&desk, &[("x-hub-signature-256", Some(signature))], body.as_bytes()).unwrap_err();
        assert_eq!(error.status(), 401, "{error}");
        assert!(!error.to_string().contains(SECRET));
    }
    let signature = sign_github(SECRET.as_bytes(), body.as_bytes());
    let changed = receive(&desk, &[("x-hub-signature-256", Some(&signature))], b"{}").unwrap_err();
    assert_eq!(changed.status(), 401);
    nothing_is_stored(&desk);
}

#[test]
fn a_missing_header_is_400_and_named() {
    let desk = Desk::new();
    for header in ["x-github-event", "x-github-delivery", "x-hub-signature-256"] {
        for value in [None, Some("")] {
            let error = receive(&desk, &[(header, value)], delivery().body.as_bytes()).unwrap_err();
            assert_eq!(error.status(), 400);
            assert!(error.to_string().contains(header), "{error}");
        }
    }
    nothing_is_stored(&desk);
}

#[test]
fn a_header_too_long_for_a_key_is_400_and_not_something_to_send_again() {
    let desk = Desk::new();
    let long = "x".repeat(5_000);
    for header in ["x-github-event", "x-github-delivery"] {
        let error = receive(&desk, &[(header, Some(&long))], delivery().body.as_bytes()).unwrap_err();
        assert_eq!(error.status(), 400, "{error}");
        assert!(error.to_string().contains(header), "{error}");
    }
    nothing_is_stored(&desk);
}

#[test]
fn a_body_that_is_not_json_is_400() {
    let desk = Desk::new();
    for body in [b"".as_slice(), b"{", b"{} {}", b"\xff\xfe", &b"[".repeat(100_000)] {
        let error = receive(&desk, &[], body).unwrap_err();
        assert_eq!(error.status(), 400, "{error}");
    }
    nothing_is_stored(&desk);
}

#[test]
fn a_body_over_the_limit_is_413_before_it_is_looked_at() {
    let mut desk = Desk::new();
    desk.intake = WebhookIntake::new().secret(WebhookSource::Github, SECRET).body_limit(WebhookSource::Github, 1_000);
    let error = receive(&desk, &[("x-hub-signature-256", Some("x"))], &[b' '; 1_001]).unwrap_err();
    assert!(matches!(error, IntakeError::TooLarge { size_bytes: 1_001, limit_bytes: 1_000 }));
    assert_eq!(error.status(), 413);
    let body = json!({ "x": "y".repeat(992 - 8) }).to_string();
    assert_eq!(body.len(), 992);
    receive(&desk, &[], body.as_bytes()).unwrap();
}

#[test]
fn github_may_send_25_megabytes_and_no_more() {
    let desk = Desk::new();
    let mut body = vec![b' '; 25 << 20];
    body[0] = b'{';
    body[1] = b'}';
    let event = receive(&desk, &[], &body).unwrap().event.unwrap();
    assert_eq!(desk.event(event).payload.len(), 25 << 20);
    body.push(b' ');
    assert_eq!(receive(&desk, &[], &body).unwrap_err().status(), 413);
}

#[test]
fn a_source_without_a_secret_is_404_and_with_two_secrets_either_is_good() {
    let mut desk = Desk::new();
    desk.intake = WebhookIntake::new();
    assert_eq!(receive(&desk, &[], b"{}").unwrap_err().status(), 404);
    desk.intake = WebhookIntake::new().secret(WebhookSource::Github, "new").secret(WebhookSource::Github, SECRET);
    receive(&desk, &[], b"{}").unwrap();
    assert!(!format!("{:?}", desk.intake).contains(SECRET));
}

#[test]
fn past_the_hosts_rate_the_answer_is_429_with_a_time_to_wait() {
    let mut desk = Desk::new();
    let rate = Rate { requests: 3, per: Duration::from_secs(60) };
    desk.intake = WebhookIntake::new().secret(WebhookSource::Github, SECRET).rate(WebhookSource::Github, rate);
    let send = |number: u32| desk.send(&Delivery { id: number.to_string(), ..delivery() });
    for number in 0..3 {
        send(number).unwrap();
    }
    let error = send(3).unwrap_err();
    assert_eq!((error.status(), error.retry_after()), (429, Some(Duration::from_secs(20))));
    assert_eq!(desk.db.read(|tx| tx.query(WebhookEvent::by_id).count()).unwrap(), 3);
    desk.scheduler.advance(Duration::from_secs(20)).unwrap();
    send(3).unwrap();
    assert_eq!(send(4).unwrap_err().status(), 429);
    let forged = receive(&desk, &[("x-hub-signature-256", Some("x"))], b"{}").unwrap_err();
    assert_eq!(forged.status(), 401, "a forged request takes no room");
}

#[test]
fn ci_and_agents_sign_by_standard_webhooks_within_five_minutes() {
    const KEY: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
    let mut desk = Desk::new();
    desk.intake = WebhookIntake::new().secret(WebhookSource::Agent, KEY);
    let now = desk.db.now().as_millis() / 1_000;
    let body = br#"{ "type": "job.started", "data": {} }"#;
    let send = |id: &str, at: i64, body: &[u8]| {
        let (sent_at, signature) = (at.to_string(), sign_standard(KEY, id, at, body).unwrap());
        let headers = |name: &str| match name {
            "webhook-id" => Some(id),
            "webhook-timestamp" => Some(sent_at.as_str()),
            "webhook-signature" => Some(signature.as_str()),
            _ => None,
        };
        desk.intake.receive(&desk.db, WebhookSource::Agent, headers, body)
    };
    let event = send("msg_1", now, body).unwrap().event.unwrap();
    assert_eq!(desk.event(event).event_type, "job.started");
    assert_eq!(send("msg_1", now, body).unwrap().event, None, "a replay within the five minutes is stored once");
    for at in [now - 301, now + 301] {
        assert_eq!(send("msg_2", at, body).unwrap_err().status(), 401);
    }
    send("msg_2", now - 300, body).unwrap();
    let unsigned = desk.intake.receive(&desk.db, WebhookSource::Agent, |_| None, body).unwrap_err();
    assert_eq!(unsigned.status(), 400);
}

#[test]
fn a_closed_database_is_503() {
    let desk = Desk::new();
    desk.db.clone().close().unwrap();
    assert_eq!(receive(&desk, &[], b"{}").unwrap_err().status(), 503);
}

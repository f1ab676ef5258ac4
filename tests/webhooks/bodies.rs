//! What is accepted can be processed, what cannot is refused; forms, secrets, deliveries that come again.

use proptest::{prelude::*, test_runner::Config as Cases};

use super::*;

const KEY: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

/// Sends a body as a source does that signs by Standard Webhooks.
fn send_standard(
    desk: &Desk,
    source: WebhookSource,
    key: &str,
    id: &str,
    body: &[u8],
) -> Result<Received, IntakeError> {
    let at = desk.db.now().as_millis() / 1_000;
    let (sent_at, signature) = (at.to_string(), sign_standard(key, id, at, body).unwrap());
    let headers = |name: &str| match name {
        "webhook-id" => Some(id),
        "webhook-timestamp" => Some(sent_at.as_str()),
        "webhook-signature" => Some(signature.as_str()),
        _ => None,
    };
    desk.intake.receive(&desk.db, source, headers, body)
}

fn send_github(
    desk: &Desk,
    event: &str,
    id: &str,
    content_type: Option<&str>,
    body: &[u8],
) -> Result<Received, IntakeError> {
    let signature = sign_github(SECRET.as_bytes(), body);
    let headers = |name: &str| match name {
        "content-type" => content_type,
        "x-github-event" => Some(event),
        "x-github-delivery" => Some(id),
        "x-hub-signature-256" => Some(signature.as_str()),
        _ => None,
    };
    desk.intake.receive(&desk.db, WebhookSource::Github, headers, body)
}

fn desk() -> Desk {
    let mut desk = Desk::new();
    desk.intake = WebhookIntake::new().secret(WebhookSource::Github, SECRET).secret(WebhookSource::Agent, KEY);
    desk
}

fn in_form(json: &str) -> String {
    let encoded: String = json.bytes().map(|byte| format!("%{byte:02X}")).collect();
    format!("payload={encoded}")
}

/// Bodies that no JSON reader can make a value of.
fn unprocessable() -> Vec<Vec<u8>> {
    let deep = format!(r#"{{"data":{}{}}}"#, "[".repeat(200), "]".repeat(200));
    let texts = [
        r#"{"note":"cut \ud83d"}"#,
        r#"{"note":"\udc00 first"}"#,
        r#"{"cut \ud83d":1}"#,
        r#"{"value":1e999}"#,
        r#"{"value":-1e999}"#,
        r#"{"value":01}"#,
        r#"{"value":NaN}"#,
        r#"{} {}"#,
        r#"{},"#,
        "{}\u{0}",
        "{\"a\":\"\u{0}\"}",
        "\u{feff}{}",
        &deep,
    ];
    let mut bodies: Vec<_> = texts.iter().map(|text| text.as_bytes().to_vec()).collect();
    bodies.push(b"{\"a\":\"\xff\"}".to_vec());
    bodies.push(b"{\"a\":\"\xed\xa0\xbd\"}".to_vec());
    bodies
}

#[test]
fn json_that_could_not_be_processed_is_400_and_not_stored() {
    let desk = desk();
    for (number, body) in unprocessable().iter().enumerate() {
        let id = number.to_string();
        let shown = String::from_utf8_lossy(body);
        let refused = send_standard(&desk, WebhookSource::Agent, KEY, &id, body).unwrap_err();
        assert_eq!((refused.status(), refused.code()), (400, "not_json"), "{shown}");
        for event in ["pull_request", "star"] {
            assert_eq!(send_github(&desk, event, &id, None, body).unwrap_err().status(), 400, "{shown}");
            let form = in_form_bytes(body);
            assert_eq!(send_github(&desk, event, &id, None, &form).unwrap_err().status(), 400, "{shown}");
        }
    }
    assert_eq!(desk.db.read(|tx| tx.query(WebhookEvent::by_id).count()).unwrap(), 0);
}

fn in_form_bytes(body: &[u8]) -> Vec<u8> {
    let encoded: String = body.iter().map(|byte| format!("%{byte:02x}")).collect();
    format!("payload={encoded}").into_bytes()
}

#[test]
fn unusual_json_is_accepted_and_processed() {
    let desk = desk();
    for (number, body) in [
        r#"{"type":"job.note","note":"\ud83d\ude00 \u0000"}"#,
        r#"{"type":"job.note","value":123456789012345678901234567890.5e-400}"#,
        r#"{"type":"job.note","type":"job.other"}"#,
        r#" {"a":[[[[]]]]} "#,
        "[]",
        "null",
        "1e308",
        "\"text\"",
    ]
    .iter()
    .enumerate()
    {
        let event = send_standard(&desk, WebhookSource::Agent, KEY, &number.to_string(), body.as_bytes()).unwrap();
        desk.process();
        assert_eq!(desk.event(event.event.unwrap()).status, WebhookStatus::Ignored, "{body}");
    }
}

#[test]
fn an_event_that_nobody_handles_is_ignored_whatever_is_in_it() {
    let desk = desk();
    let stored = |source, event_type: &str, payload: &str| WebhookEvent {
        source,
        delivery_id: format!("{event_type}-{payload}"),
        event_type: event_type.to_owned(),
        payload: payload.to_owned(),
        status: WebhookStatus::Dead,
        attempts: 4,
        last_error: None,
        received_at: desk.db.now(),
        processed_at: None,
        next_attempt_at: None,
    };
    for payload in ["not json", "", r#"{"a":"\ud83d"}"#, "1e999", "[]"] {
        for (source, event_type) in
            [(WebhookSource::Github, "star"), (WebhookSource::Ci, "test.other"), (WebhookSource::Agent, "")]
        {
            let id = desk.db.write(|tx| tx.insert(stored(source, event_type, payload))).unwrap();
            desk.call("webhooks:replay", json!({ "id": id }));
            desk.process();
            assert_eq!(desk.event(id).status, WebhookStatus::Ignored, "{event_type:?} {payload:?}");
        }
    }
}

proptest! {
    #![proptest_config(Cases { cases: 200, ..Cases::default() })]

    #[test]
    fn what_is_accepted_is_never_unreadable(body in prop::collection::vec(prop::sample::select(&b"{}[]\"\\:,.-+eEudD80159 abn\x00\xf0\x9f"[..]), 0..24)) {
        let desk = desk();
        for body in [body.clone(), [b"{\"type\":\"job.note\",\"x\":".as_slice(), &body, b"}"].concat()] {
            if let Ok(received) = send_standard(&desk, WebhookSource::Agent, KEY, &body.len().to_string(), &body) {
                desk.process();
                if let Some(event) = received.event {
                    prop_assert_eq!(desk.event(event).status, WebhookStatus::Ignored);
                }
            } else {
                prop_assert!(serde_json::from_slice::<Value>(&body).is_err());
            }
        }
    }
}

#[test]
fn githubs_forms_are_read_as_its_json_is() {
    let (mut desk, task) = Desk::new().with_task();
    desk.intake = WebhookIntake::new().secret(WebhookSource::Github, SECRET);
    let json = opened("opened", "open", 1, "aaa + b").body;
    let types =
        [None, Some("application/x-www-form-urlencoded"), Some("application/x-www-form-urlencoded; charset=utf-8")];
    for (number, content_type) in types.into_iter().enumerate() {
        let form = in_form(&json);
        let event = send_github(&desk, "pull_request", &number.to_string(), content_type, form.as_bytes()).unwrap();
        desk.process();
        let event = desk.event(event.event.unwrap());
        assert_eq!((event.status, event.payload.as_str()), (WebhookStatus::Processed, json.as_str()));
    }
    assert_eq!(desk.task(task).category, Category::Review);
    assert_eq!(desk.board(REPOSITORY, 7).pull_request.head_sha, "aaa + b");
    let plus = b"payload=%7B%22zen%22%3A+%22a%2Bb%22%7D&more=1";
    let event = send_github(&desk, "ping", "plus", None, plus).unwrap().event.unwrap();
    assert_eq!(desk.event(event).payload, r#"{"zen": "a+b"}"#);
    let json_as_form = send_github(&desk, "ping", "json", types[1], b" {}").unwrap();
    assert!(json_as_form.event.is_some(), "the content type is wrong, and the body says what it is");
}

#[test]
fn a_form_that_cannot_be_read_is_400_and_names_the_setting() {
    let desk = desk();
    let form = Some("application/x-www-form-urlencoded");
    for body in [b"payload=%7".as_slice(), b"payload=%zz", b"payload=%ff", b"other=1", b"", b"payload"] {
        let error = send_github(&desk, "ping", "1", form, body).unwrap_err();
        assert_eq!(error.status(), 400);
        assert!(error.to_string().contains("application/json"), "{error}");
    }
    assert_eq!(send_github(&desk, "ping", "1", form, b"payload=").unwrap_err().status(), 400);
    let of_agent = send_standard(&desk, WebhookSource::Agent, KEY, "1", b"payload=%7B%7D").unwrap_err();
    assert_eq!(of_agent.status(), 400, "only GitHub sends forms");
}

#[test]
fn a_secret_that_cannot_be_used_is_told_when_the_intake_is_built() {
    for bad in ["", "whsec_", "not base64!", "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw\n"] {
        for source in [WebhookSource::Ci, WebhookSource::Agent] {
            let error = WebhookIntake::new().secret(source, KEY).secret(source, bad).checked().unwrap_err();
            assert_eq!(error.source_name, source);
            assert!(!error.to_string().contains("MfKQ"), "{error}");
        }
    }
    let error = WebhookIntake::new().secret(WebhookSource::Github, "").checked().unwrap_err();
    assert_eq!(error.fault, SignatureError::EmptySecret);
    WebhookIntake::new().secret(WebhookSource::Github, "any text").secret(WebhookSource::Ci, KEY).checked().unwrap();
}

#[test]
fn a_rotation_with_one_bad_secret_still_answers_rightly() {
    const OTHER: &str = "whsec_c2VjcmV0MQ==";
    for secrets in [[KEY, "not base64!"], ["not base64!", KEY]] {
        let mut desk = desk();
        desk.intake =
            secrets.iter().fold(WebhookIntake::new(), |intake, secret| intake.secret(WebhookSource::Agent, *secret));
        send_standard(&desk, WebhookSource::Agent, KEY, "1", b"{}").unwrap();
        let forged = send_standard(&desk, WebhookSource::Agent, OTHER, "2", b"{}").unwrap_err();
        assert_eq!(forged.status(), 401, "{forged}");
    }
    let mut desk = desk();
    desk.intake = WebhookIntake::new().secret(WebhookSource::Agent, "not base64!");
    assert_eq!(send_standard(&desk, WebhookSource::Agent, KEY, "1", b"{}").unwrap_err().status(), 500);
    desk.intake = WebhookIntake::new().secret(WebhookSource::Github, "").secret(WebhookSource::Github, SECRET);
    let forged = desk.intake.receive(
        &desk.db,
        WebhookSource::Github,
        |name| match name {
            "x-hub-signature-256" => Some("sha256=0000000000000000000000000000000000000000000000000000000000000000"),
            _ => Some("x"),
        },
        b"{}",
    );
    assert_eq!(forged.unwrap_err().status(), 401);
}

#[test]
fn a_redelivery_of_a_dead_event_is_processed_anew() {
    let (desk, task) = Desk::new().with_task();
    let broken = Delivery::new("one", "pull_request", &json!({ "action": "opened" }));
    let event = desk.send(&broken).unwrap().event.unwrap();
    desk.process();
    assert_eq!(desk.event(event).status, WebhookStatus::Failed);
    assert_eq!(desk.send(&broken).unwrap().event, None, "it will be tried again as it is");
    desk.scheduler.advance(Duration::from_secs(7 * 3_600)).unwrap();
    assert_eq!(desk.event(event).status, WebhookStatus::Dead);

    assert_eq!(desk.send(&broken).unwrap().event, Some(event));
    assert_eq!((desk.event(event).status, desk.event(event).attempts), (WebhookStatus::Pending, 0));
    desk.scheduler.advance(Duration::from_secs(7 * 3_600)).unwrap();
    assert_eq!((desk.event(event).status, desk.event(event).attempts), (WebhookStatus::Dead, 4));

    let mended = Delivery { id: "one".into(), ..opened("opened", "open", 1, "aaa") };
    assert_eq!(desk.send(&mended).unwrap().event, Some(event), "with what came now");
    desk.process();
    assert_eq!(desk.event(event).status, WebhookStatus::Processed);
    assert_eq!(desk.task(task).category, Category::Review);
    assert_eq!(desk.send(&mended).unwrap().event, None);
    assert_eq!(desk.db.read(|tx| tx.query(WebhookEvent::by_id).count()).unwrap(), 1);
}

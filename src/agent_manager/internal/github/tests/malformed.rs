//! Payloads that are not what they were delivered as: every error names the path, and nothing panics.

use super::super::{CheckStatus, GithubEvent, HANDLED, PayloadError, ReviewState, parse};
use serde_json::{Value, json};

/// The handled events whose payload is read whatever its action. Of a repository only a few actions are.
fn looked_at() -> impl Iterator<Item = &'static str> {
    HANDLED.into_iter().filter(|event_type| !["ping", "repository"].contains(event_type))
}

fn pull_request() -> Value {
    json!({
        "action": "opened",
        "repository": { "full_name": "owner/name" },
        "pull_request": {
            "number": 7, "title": "Title", "html_url": "https://github.com/owner/name/pull/7", "user": null,
            "state": "open", "updated_at": "2024-01-01T00:00:00Z",
            "head": { "ref": "change", "sha": "abc" }, "base": { "ref": "main" },
        },
    })
}

fn path_and_error(event_type: &str, payload: &Value) -> (String, PayloadError) {
    let error = parse(event_type, payload).unwrap_err();
    let path = match &error {
        PayloadError::Missing { path, .. }
        | PayloadError::WrongType { path, .. }
        | PayloadError::InvalidValue { path, .. } => path.clone(),
    };
    assert!(error.to_string().contains(&path), "{error}");
    (path, error)
}

#[test]
fn the_least_payload_suffices() {
    let GithubEvent::PullRequest(event) = parse("pull_request", &pull_request()).unwrap() else { panic!() };
    assert_eq!((event.pull_request.author, event.pull_request.additions), (None, None));
}

#[test]
fn missing_fields_are_named() {
    for (parent, field) in [
        ("", "action"),
        ("", "repository"),
        ("", "pull_request"),
        ("/repository", "full_name"),
        ("/pull_request", "number"),
        ("/pull_request", "updated_at"),
        ("/pull_request/head", "sha"),
        ("/pull_request/base", "ref"),
    ] {
        let mut payload = pull_request();
        payload.pointer_mut(parent).unwrap().as_object_mut().unwrap().remove(field);
        let (path, error) = path_and_error("pull_request", &payload);
        assert_eq!(path, format!("${}.{field}", parent.replace('/', ".")));
        assert!(matches!(error, PayloadError::Missing { .. }), "{error:?}");
    }
}

#[test]
fn wrong_types_are_named() {
    for (pointer, value, found) in [
        ("/repository", Value::Null, "null"),
        ("/repository", json!("owner/name"), "a string"),
        ("/pull_request/number", json!("7"), "a string"),
        ("/pull_request/number", json!(-7), "a negative number"),
        ("/pull_request/number", json!(7.5), "a fractional number"),
        ("/pull_request/title", json!(["Title"]), "an array"),
        ("/pull_request/user", json!(1), "a whole number"),
        ("/pull_request/updated_at", json!(true), "a boolean"),
        ("/pull_request/head/ref", json!({}), "an object"),
    ] {
        let mut payload = pull_request();
        *payload.pointer_mut(pointer).unwrap() = value;
        let (path, error) = path_and_error("pull_request", &payload);
        assert_eq!(path, format!("${}", pointer.replace('/', ".")));
        assert!(matches!(error, PayloadError::WrongType { found: name, .. } if name == found), "{error:?}");
    }
    for payload in [Value::Null, json!([]), json!("{}"), json!(1)] {
        for event_type in looked_at() {
            assert_eq!(path_and_error(event_type, &payload).0, "$");
        }
    }
}

#[test]
fn meaningless_values_are_named() {
    let long = "x".repeat(1_000);
    for (pointer, value) in [
        ("/repository/full_name", json!("name")),
        ("/repository/full_name", json!("owner/")),
        ("/repository/full_name", json!("a/b/c")),
        ("/pull_request/updated_at", json!(long)),
        ("/pull_request/updated_at", json!("yesterday")),
        ("/pull_request/updated_at", json!("2024-02-30T00:00:00Z")),
        ("/pull_request/updated_at", json!(i64::MAX)),
        ("/pull_request/updated_at", json!(1.5)),
    ] {
        let mut payload = pull_request();
        *payload.pointer_mut(pointer).unwrap() = value;
        let (path, error) = path_and_error("pull_request", &payload);
        assert_eq!(path, format!("${}", pointer.replace('/', ".")));
        assert!(matches!(error, PayloadError::InvalidValue { .. }), "{error:?}");
        assert!(error.to_string().len() < 400, "{error}");
    }
}

#[test]
fn elements_of_arrays_are_named_by_index() {
    let mut payload = json!({
        "repository": { "full_name": "owner/name", "id": 1 },
        "check_run": { "id": 1, "name": "build", "head_sha": "abc", "status": "queued",
            "pull_requests": [{ "number": 1 }, { "number": 2, "base": { "repo": { "id": 2 } } }, { "number": 3 }] },
    });
    let GithubEvent::CheckRun(check) = parse("check_run", &payload).unwrap() else { panic!() };
    assert_eq!(check.pull_request_numbers, [1, 3]);
    payload["check_run"]["pull_requests"][2] = json!({});
    assert_eq!(path_and_error("check_run", &payload).0, "$.check_run.pull_requests[2].number");
    payload["check_run"]["pull_requests"][1] = json!(2);
    assert_eq!(path_and_error("check_run", &payload).0, "$.check_run.pull_requests[1]");
    payload["check_run"]["pull_requests"] = Value::Null;
}

#[test]
fn words_that_did_not_exist_when_this_was_written_lose_no_event() {
    let mut payload = json!({
        "repository": { "full_name": "owner/name", "id": 1 },
        "check_run": { "id": 1, "name": "build", "head_sha": "abc", "status": "dreaming", "conclusion": null },
    });
    let status = |payload: &Value| match parse("check_run", payload).unwrap() {
        GithubEvent::CheckRun(check) => (check.status, check.unknown_status),
        other => panic!("{other:?}"),
    };
    let dreaming = || Some("dreaming".to_owned());
    assert_eq!(status(&payload), (CheckStatus::Queued, dreaming()));
    payload["check_run"]["conclusion"] = json!("woken");
    assert_eq!(status(&payload), (CheckStatus::Completed, dreaming()));
    let mut payload = pull_request();
    payload["action"] = json!("submitted");
    payload["review"] = json!({
        "id": 1, "state": "enchanted", "user": { "login": "ada" }, "submitted_at": "2024-01-01T00:00:00Z",
    });
    let GithubEvent::Review(review) = parse("pull_request_review", &payload).unwrap() else { panic!() };
    assert_eq!(review.state, ReviewState::Other("enchanted".to_owned()));
}

#[test]
fn what_no_handler_knows_is_ignored() {
    let ignored = |event_type: &str, payload: &Value| {
        let event = parse(event_type, payload).unwrap();
        assert!(matches!(&event, GithubEvent::Ignored { reason } if reason.len() < 200), "{event:?}");
    };
    ignored("star", &Value::Null);
    ignored(&"x".repeat(1_000), &Value::Null);
    ignored("pull_request_review", &json!({ "action": "x".repeat(1_000) }));
    ignored("pull_request_review_comment", &json!({ "action": "pinned" }));
    ignored("pull_request_review_thread", &json!({ "action": "outdated" }));
    ignored("issue_comment", &json!({ "action": "pinned", "issue": { "pull_request": {} } }));
    let mut pending = pull_request();
    pending["action"] = json!("edited");
    pending["review"] = json!({ "id": 1, "state": "pending" });
    ignored("pull_request_review", &pending);
}

/// Puts something else in the place of every value of the payload, one at a time.
fn for_each_mutation(value: &Value, root: &Value, pointer: &str, check: &mut impl FnMut(&str, &Value)) {
    for replacement in [Value::Null, json!(-1), json!(""), json!([[]]), json!({}), json!(u64::MAX), json!(1e300)] {
        let mut mutated = root.clone();
        *mutated.pointer_mut(pointer).unwrap() = replacement;
        check(pointer, &mutated);
    }
    // Enough to meet every field that is read, without the many that are not.
    if pointer.matches('/').count() >= 3 {
        return;
    }
    match value {
        Value::Object(fields) => {
            for (name, field) in fields.iter().filter(|(name, _)| !name.ends_with("_url") || *name == "html_url") {
                for_each_mutation(field, root, &format!("{pointer}/{name}"), check);
            }
        }
        Value::Array(values) => {
            for (index, value) in values.iter().enumerate() {
                for_each_mutation(value, root, &format!("{pointer}/{index}"), check);
            }
        }
        _ => {}
    }
}

#[test]
fn no_mutation_of_a_real_payload_panics_and_errors_name_what_was_mutated() {
    let mut failures = 0;
    for event_type in looked_at() {
        let Some(examples) = super::shared_data::json(&format!("events/{event_type}.json")) else { return };
        let mut payload = examples[0].clone();
        if event_type == "issue_comment" {
            payload["issue"]["pull_request"] = json!({ "merged_at": null });
        }
        for_each_mutation(&payload, &payload, "", &mut |pointer, mutated| {
            let Err(error) = parse(event_type, mutated) else { return };
            failures += 1;
            let message = error.to_string();
            let last = pointer.rsplit('/').find(|part| part.parse::<usize>().is_err()).unwrap();
            assert!(message.starts_with("`$") && message.contains(last), "{event_type} {pointer}: {message}");
        });
    }
    println!("{failures} mutations refused");
    assert!(failures > 300, "{failures}");
}

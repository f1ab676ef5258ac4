//! Whatever the order of arrival, everything stands in the end as the payloads say.

use std::collections::BTreeMap;

use proptest::{prelude::*, test_runner::Config as Cases};

use super::*;

/// The repository, the commit, the suite and the name of a check.
type CheckKey = (String, String, Option<u64>, String);

/// Everything that webhooks write, without what depends on the order of arrival: ids and creation times.
#[derive(Debug, PartialEq)]
pub struct Standing {
    repositories: BTreeMap<Option<u64>, Value>,
    pull_requests: BTreeMap<(String, u64), Value>,
    comments: BTreeMap<String, (u64, Value)>,
    checks: BTreeMap<CheckKey, (Option<u64>, Value)>,
    column: Category,
}

pub fn standing(desk: &Desk, task: Id<Task>) -> Standing {
    let without_ids = |value: Value| match value {
        Value::Object(mut fields) => {
            for field in ["_id", "_creationTime", "pullRequestId"] {
                fields.remove(field);
            }
            Value::Object(fields)
        }
        other => other,
    };
    desk.db
        .read(|tx| -> Result<_, tropism::Error> {
            let rows = tx.query(PullRequest::by_id).collect()?;
            let number = |id: Id<PullRequest>| rows.iter().find(|row| row.id() == id).map(|row| row.number);
            let to_json = |value: &dyn erased::Json| without_ids(value.json());
            Ok(Standing {
                repositories: (tx.query(Repository::by_id).collect()?.iter())
                    .map(|row| (row.source_id, to_json(row)))
                    .collect(),
                pull_requests: rows.iter().map(|row| ((row.repository.clone(), row.number), to_json(row))).collect(),
                comments: (tx.query(PrComment::by_id).collect()?.iter())
                    .map(|row| (row.source_id.clone(), (number(row.pull_request_id).unwrap_or(0), to_json(row))))
                    .collect(),
                checks: (tx.query(PrCheck::by_id).collect()?.iter())
                    .map(|row| {
                        let key = (row.repository.clone(), row.head_sha.clone(), row.suite, row.name.clone());
                        (key, (row.pull_request_id.and_then(number), to_json(row)))
                    })
                    .collect(),
                column: tx.get(task)?.expect("nobody deletes it").category,
            })
        })
        .unwrap()
}

/// Where two differ, one line for each row: whole standings of the real payloads are too long to be read.
fn differences(one: &Standing, other: &Standing) -> Vec<String> {
    let rows = |standing: &Standing| -> BTreeMap<String, Value> {
        let repositories = standing.repositories.iter().map(|(id, row)| (format!("{id:?}"), row.clone()));
        let requests = standing.pull_requests.iter().map(|(key, row)| (format!("{key:?}"), row.clone()));
        let comments = standing.comments.iter().map(|(key, row)| (key.clone(), json!([row.0, row.1])));
        let checks = standing.checks.iter().map(|(key, row)| (format!("{key:?}"), json!([row.0, row.1])));
        let column = ("column".to_owned(), json!(standing.column));
        repositories.chain(requests).chain(comments).chain(checks).chain([column]).collect()
    };
    let (one, other) = (rows(one), rows(other));
    let keys = one.keys().chain(other.keys()).filter(|key| one.get(*key) != other.get(*key));
    keys.map(|key| format!("{key}: {:?} and {:?}", one.get(key), other.get(key))).collect()
}

/// Values of any type as JSON.
mod erased {
    use serde_json::Value;

    pub trait Json {
        fn json(&self) -> Value;
    }

    impl<T: serde::Serialize> Json for T {
        fn json(&self) -> Value {
            serde_json::to_value(self).unwrap()
        }
    }
}

/// Everything that can happen to a pull request in an hour.
fn story() -> Vec<Delivery> {
    vec![
        opened("opened", "open", 1, "aaa"),
        check_run(1, "aaa", "queued", 1),
        check_run(1, "aaa", "in_progress", 2),
        check_run(1, "aaa", "completed", 3),
        review("ada", "changes_requested", 4),
        issue_comment("created", "why?", 5),
        issue_comment("edited", "why, really?", 6),
        opened("converted_to_draft", "draft", 7, "aaa"),
        opened("synchronize", "draft", 8, "bbb"),
        check_run(2, "bbb", "queued", 8),
        check_run(2, "bbb", "completed", 9),
        opened("ready_for_review", "open", 10, "bbb"),
        review("ada", "approved", 11),
        review("bob", "approved", 12),
        review("bob", "dismissed", 13),
        issue_comment("deleted", "why, really?", 6),
        opened("closed", "closed", 14, "bbb"),
        opened("reopened", "open", 15, "bbb"),
        opened("closed", "merged", 16, "ccc"),
        check_run(3, "ccc", "completed", 16),
    ]
}

fn after(deliveries: &[Delivery], batch: usize) -> Standing {
    let (desk, task) = Desk::new().with_task();
    for some in deliveries.chunks(batch) {
        for delivery in some {
            desk.send(delivery).unwrap();
        }
        desk.process();
    }
    assert_eq!(desk.count(WebhookStatus::Failed), 0);
    standing(&desk, task)
}

#[test]
fn in_its_own_order_the_story_ends_as_it_says() {
    let standing = after(&story(), 1);
    let row = &standing.pull_requests[&(REPOSITORY.to_owned(), 7)];
    assert_eq!((&row["state"], &row["review"], &row["headSha"]), (&json!("merged"), &json!("approved"), &json!("ccc")));
    assert_eq!((&row["title"], &row["additions"]), (&json!("Title at 16"), &json!(16)));
    assert_eq!(standing.column, Category::Done);
    let owners: Vec<_> = standing.checks.iter().map(|((_, sha, ..), (owner, _))| (sha.as_str(), *owner)).collect();
    assert_eq!(owners, [("aaa", None), ("bbb", None), ("ccc", Some(7))]);
    assert!(standing.comments.values().all(|(owner, row)| *owner == 7 && row["deleted"] == json!(true)));
}

proptest! {
    #![proptest_config(Cases { cases: 40, ..Cases::default() })]

    #[test]
    fn every_order_of_the_story_ends_the_same(shuffled in Just(story()).prop_shuffle(), batch in 1..6usize) {
        prop_assert_eq!(after(&shuffled, batch), after(&story(), 1));
    }

    #[test]
    fn deliveries_that_come_twice_change_nothing(
        first in Just(story()).prop_shuffle(),
        second in Just(story()).prop_shuffle(),
    ) {
        prop_assert_eq!(after(&[first, second].concat(), 7), after(&story(), 1));
    }
}

#[test]
fn every_order_of_the_real_payloads_ends_the_same() {
    let Some(deliveries) = real_deliveries() else { return };
    let handled = ["pull_request", "check_", "status", "workflow_", "push", "issue_comment"];
    let handled = |delivery: &Delivery| handled.iter().any(|name| delivery.event.starts_with(name));
    let deliveries: Vec<_> = deliveries.into_iter().filter(handled).collect();
    let expected = after(&deliveries, deliveries.len());
    let strategy = Just(deliveries).prop_shuffle();
    let mut runner = proptest::test_runner::TestRunner::new(Cases { cases: 12, ..Cases::default() });
    runner
        .run(&strategy, |shuffled| {
            let differences = differences(&after(&shuffled, 10), &expected);
            prop_assert!(differences.is_empty(), "{}", differences.join("\n"));
            Ok(())
        })
        .unwrap();
}

//! Several events of one second: what their actions say decides, in whatever order and however often they arrive.

use proptest::{prelude::*, test_runner::Config as Cases};

use super::{order::standing, *};

/// A pull request as GitHub has it.
#[derive(Debug, Clone)]
struct Real {
    state: &'static str,
    /// Whether it is a draft, also while it is closed.
    is_draft: bool,
    title: String,
    base: String,
    sha: String,
    second: u32,
    sent: Vec<Delivery>,
}

impl Real {
    fn new(state: &'static str) -> Self {
        let (title, base, sha) = ("Title 0".to_owned(), "main".to_owned(), "sha-0".to_owned());
        let is_draft = state == "draft";
        let mut real = Self { state, is_draft, title, base, sha, second: 0, sent: Vec::new() };
        real.send("opened", json!({}));
        real
    }

    fn send(&mut self, action: &str, more: Value) {
        let second = self.second;
        let mut payload = json!({
            "action": action, "repository": { "full_name": REPOSITORY, "id": 1 },
            "pull_request": {
                "number": 7, "title": self.title, "html_url": "https://example.com/7", "user": { "login": "ada" },
                "body": null, "state": if self.state == "closed" { "closed" } else { "open" },
                "draft": self.is_draft, "merged": false, "merged_at": null,
                "head": { "ref": BRANCH, "sha": self.sha }, "base": { "ref": self.base },
                "additions": self.sent.len(), "deletions": 1, "changed_files": 1,
                "updated_at": format!("2024-01-01T10:{:02}:{:02}Z", second / 60, second % 60),
            },
        });
        payload.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        self.sent.push(Delivery::new(format!("real-{}", self.sent.len()), "pull_request", &payload));
    }

    /// Has something happen that can; `number` makes its values new.
    fn happens(&mut self, what: u8, number: usize) {
        match (what, self.state) {
            (0, "closed") => self.becomes("reopened", if self.is_draft { "draft" } else { "open" }),
            (0, _) => self.becomes("closed", "closed"),
            (1, "draft") => self.becomes("ready_for_review", "open"),
            (1, "open") => self.becomes("converted_to_draft", "draft"),
            (2, "open" | "draft") => {
                let before = std::mem::replace(&mut self.sha, format!("sha-{number}"));
                self.send("synchronize", json!({ "before": before, "after": self.sha }));
            }
            (3, _) => {
                let before = std::mem::replace(&mut self.title, format!("Title {number}"));
                self.send("edited", json!({ "changes": { "title": { "from": before } } }));
            }
            (4, _) => {
                let before = std::mem::replace(&mut self.base, format!("base-{number}"));
                self.send("edited", json!({ "changes": { "base": { "ref": { "from": before } } } }));
            }
            _ => self.send("labeled", json!({})),
        }
    }

    fn becomes(&mut self, action: &str, state: &'static str) {
        self.state = state;
        self.is_draft = if state == "closed" { self.is_draft } else { state == "draft" };
        self.send(action, json!({}));
    }
}

/// Lets happen what a script says: how many seconds pass before each thing, and which it is. In one second a pull request
/// is not closed or made a draft more than twice, nor in two that follow each other.
fn real(begins_as_draft: bool, script: &[(u32, u8)]) -> Real {
    let mut real = Real::new(if begins_as_draft { "draft" } else { "open" });
    let mut last_toggles = [0_u32; 2];
    let mut toggles = [0; 2];
    for (number, (passed, what)) in (1..).zip(script) {
        real.second += passed * 10;
        let toggle = usize::from(*what);
        if toggle < 2 {
            if last_toggles[toggle] != real.second {
                (last_toggles[toggle], toggles[toggle]) = (real.second, 0);
            }
            toggles[toggle] += 1;
            if toggles[toggle] > 2 {
                continue;
            }
        }
        real.happens(*what, number);
    }
    real
}

fn after(deliveries: &[Delivery]) -> (super::order::Standing, Doc<PullRequest>) {
    let (desk, task) = Desk::new().with_task();
    for some in deliveries.chunks(3) {
        for delivery in some.iter() {
            desk.send(delivery).unwrap();
        }
        desk.process();
    }
    assert_eq!(desk.count(WebhookStatus::Failed), 0);
    (standing(&desk, task), desk.board(REPOSITORY, 7).pull_request)
}

/// The same, of payloads of pull requests.
fn stands(deliveries: &[Delivery]) -> (PullRequestState, String) {
    let (_, row) = after(deliveries);
    (row.state, row.head_sha.clone())
}

proptest! {
    #![proptest_config(Cases { cases: 60, ..Cases::default() })]

    #[test]
    fn every_order_and_repetition_ends_as_it_was(
        (real, arrives) in (any::<bool>(), prop::collection::vec((0..2_u32, 0..6_u8), 1..14)).prop_flat_map(|(draft, script)| {
            let real = real(draft, &script);
            // A repetition has another delivery, as it has where two webhooks are set up for one address.
            let again = real.sent.iter().map(|delivery| Delivery { id: format!("again-{}", delivery.id), ..delivery.clone() });
            let arrives: Vec<_> = real.sent.iter().cloned().chain(again).collect();
            (Just(real), Just(arrives).prop_shuffle())
        }),
    ) {
        let (standing, row) = after(&arrives);
        let is = (row.state.as_str(), row.title.as_str(), row.base_branch.as_str(), row.head_sha.as_str());
        prop_assert_eq!(is, (real.state, real.title.as_str(), real.base.as_str(), real.sha.as_str()));
        prop_assert_eq!(standing, after(&real.sent).0);
    }
}

/// Two events of one second after one that opened it, or after none.
fn pair(first: (&str, &str), second: (&str, &str)) -> [Delivery; 2] {
    [opened(first.0, first.1, 5, "aaa"), Delivery { id: "second".into(), ..opened(second.0, second.1, 5, "aaa") }]
}

#[test]
fn reopened_can_only_follow_closed() {
    let [closed, reopened] = pair(("closed", "closed"), ("reopened", "open"));
    for order in [[&closed, &reopened], [&reopened, &closed]] {
        let order = order.map(Clone::clone);
        assert_eq!(stands(&order).0, PullRequestState::Open, "nothing is known of what was before");
        let open = [&[opened("opened", "open", 1, "aaa")], &order[..]].concat();
        assert_eq!(stands(&open).0, PullRequestState::Open);
        let was_closed = Delivery { id: "before".into(), ..opened("closed", "closed", 3, "aaa") };
        let late = [&order[..], &[was_closed, opened("opened", "open", 1, "aaa")]].concat();
        assert_eq!(stands(&late).0, PullRequestState::Closed, "it was closed before, so it was reopened first");
    }
}

#[test]
fn ready_for_review_can_only_follow_a_draft() {
    let [drafted, ready] = pair(("converted_to_draft", "draft"), ("ready_for_review", "open"));
    for order in [[&drafted, &ready], [&ready, &drafted]] {
        let order = order.map(Clone::clone);
        assert_eq!(stands(&order).0, PullRequestState::Open);
        let was_draft = [&order[..], &[opened("opened", "draft", 1, "aaa")]].concat();
        assert_eq!(stands(&was_draft).0, PullRequestState::Draft);
    }
    let [opened, ready] = pair(("opened", "draft"), ("ready_for_review", "open"));
    assert_eq!(stands(&[ready.clone(), opened.clone()]).0, PullRequestState::Open);
    assert_eq!(stands(&[opened, ready]).0, PullRequestState::Open);
}

#[test]
fn a_push_says_the_newest_commit_whatever_else_happened_in_its_second() {
    for number in 0..20 {
        let old = Delivery { id: "edited".into(), ..opened("edited", "open", 5, &format!("a{number}")) };
        let new = opened("synchronize", "open", 5, &format!("b{number}"));
        for order in [[old.clone(), new.clone()], [new, old]] {
            assert_eq!(stands(&order).1, format!("b{number}"));
        }
    }
}

#[test]
fn of_two_edits_of_a_comment_in_one_second_the_one_that_follows_the_other_counts() {
    let edited = |from: &str, to: &str| {
        let mut delivery = issue_comment("edited", to, 5);
        let mut payload: Value = serde_json::from_str(&delivery.body).unwrap();
        payload["changes"] = json!({ "body": { "from": from } });
        (delivery.id, delivery.body) = (format!("{from}-{to}"), payload.to_string());
        delivery
    };
    let created = issue_comment("created", "one", 5);
    let story = [created, edited("one", "zwei"), edited("zwei", "three")];
    for order in [[0, 1, 2], [0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0]] {
        let desk = Desk::new();
        for place in order.iter() {
            desk.send(&story[*place]).unwrap();
        }
        desk.process();
        assert_eq!(desk.board(REPOSITORY, 7).comments[0].body, "three", "{order:?}");
    }
}

#[test]
fn a_review_that_was_dismissed_late_does_not_dismiss_the_one_after_it() {
    let mut dismissed: Value = serde_json::from_str(&review("ada", "dismissed", 1).body).unwrap();
    dismissed["review"]["updated_at"] = json!("2024-01-01T10:09:00Z");
    let dismissed = Delivery::new("dismissed", "pull_request_review", &dismissed);
    let approved = review("ada", "approved", 2);
    for order in [[&dismissed, &approved], [&approved, &dismissed]] {
        let desk = Desk::new();
        for delivery in order.iter() {
            desk.send(delivery).unwrap();
        }
        desk.process();
        assert_eq!(desk.board(REPOSITORY, 7).pull_request.review, Review::Approved);
    }
}

#[test]
fn checks_of_one_name_in_two_suites_are_two_and_a_run_again_in_one_replaces() {
    let run = |id: u64, suite: u64, conclusion: &str, minute: u32| {
        let mut delivery = check_run(id, "aaa", "completed", minute);
        let mut payload: Value = serde_json::from_str(&delivery.body).unwrap();
        payload["check_run"]["check_suite"] = json!({ "id": suite });
        payload["check_run"]["conclusion"] = json!(conclusion);
        delivery.body = payload.to_string();
        delivery
    };
    let runs = [run(10, 1, "failure", 2), run(20, 2, "success", 2), run(30, 1, "success", 3)];
    let shown = |runs: &[&Delivery]| {
        let desk = Desk::new();
        desk.send(&opened("opened", "open", 1, "aaa")).unwrap();
        for run in runs.iter() {
            desk.send(run).unwrap();
        }
        desk.process();
        let checks = desk.board(REPOSITORY, 7).checks;
        let mut shown: Vec<_> = checks.iter().map(|check| (check.suite, check.conclusion.clone().unwrap())).collect();
        shown.sort();
        shown
    };
    let [failure, success] = ["failure", "success"].map(str::to_owned);
    let two = [(Some(1), failure), (Some(2), success.clone())];
    assert_eq!(shown(&[&runs[0], &runs[1]]), two);
    assert_eq!(shown(&[&runs[1], &runs[0]]), two);
    let replaced = [(Some(1), success.clone()), (Some(2), success)];
    assert_eq!(shown(&[&runs[0], &runs[1], &runs[2]]), replaced);
    assert_eq!(shown(&[&runs[2], &runs[1], &runs[0]]), replaced);
}

//! A day of a software team, made from a seed: the same seed, the same day.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::history::{Change, Fields};

const PEOPLE: [&str; 5] = ["ada", "grace", "linus", "barbara", "edsger"];
const KINDS: [&str; 4] = ["task", "bug", "feature", "chore"];
const LABELS: [&str; 6] = ["storage", "network", "ui", "docs", "flaky", "urgent"];
const VERBS: [&str; 6] = ["Fix", "Add", "Speed up", "Document", "Test", "Remove"];
const REMARKS: [&str; 4] = ["Looks good.", "Can't reproduce.", "Who knows this code?", "Nearly there."];
const THINGS: [&str; 8] = [
    "the login form",
    "retries",
    "the importer",
    "checksums",
    "the sidebar",
    "old flags",
    "the cache",
    "error messages",
];
/// The day begins at nine, at this many seconds after the epoch.
const NINE_O_CLOCK: u64 = 1_760_000_400;
const SECONDS_PER_CHANGE: u64 = 10;

/// The first changes of the day, and every task as it stands in the evening.
pub fn generate(seed: u64, changes: usize) -> (Vec<Change>, Vec<Fields>) {
    let mut day = Day { random: seed, tasks: BTreeMap::new(), next: 1, now: NINE_O_CLOCK };
    let changes = (0..changes).map(|_| day.change()).collect();
    (changes, day.tasks.into_values().collect())
}

struct Day {
    random: u64,
    /// A naive model of the board: what the database must agree with in the end.
    tasks: BTreeMap<String, Fields>,
    next: usize,
    now: u64,
}

impl Day {
    fn change(&mut self) -> Change {
        self.now += SECONDS_PER_CHANGE;
        match self.below(100) {
            _ if self.tasks.len() < 20 => self.insert(),
            0..25 => self.insert(),
            25..29 => self.delete(),
            _ => self.patch(),
        }
    }

    fn insert(&mut self) -> Change {
        let id = format!("day-{}", self.next);
        self.next += 1;
        let mut doc = Fields::new();
        doc.insert("id".to_owned(), json!(id));
        doc.insert("title".to_owned(), json!(self.title()));
        doc.insert("status".to_owned(), json!("open"));
        doc.insert("issue_type".to_owned(), json!(self.one_of(&KINDS)));
        doc.insert("priority".to_owned(), json!(self.below(5)));
        doc.insert("created_at".to_owned(), json!(self.now));
        doc.insert("updated_at".to_owned(), json!(self.now));
        if self.below(3) == 0 {
            doc.insert("labels".to_owned(), json!([self.one_of(&LABELS)]));
        }
        if self.below(4) == 0
            && let Some(other) = self.some_task()
        {
            doc.insert("dependencies".to_owned(), json!([self.dependency(&id, &other)]));
        }
        self.tasks.insert(id.clone(), doc.clone());
        Change::Insert { id, doc }
    }

    fn patch(&mut self) -> Change {
        let id = self.some_task().unwrap_or_default();
        let mut set = Fields::new();
        let mut unset = Vec::new();
        match self.below(9) {
            0 => drop(set.insert("title".to_owned(), json!(self.title()))),
            1 => drop(set.insert("priority".to_owned(), json!(self.below(5)))),
            2 | 3 => {
                set.insert("status".to_owned(), json!("closed"));
                set.insert("closed_at".to_owned(), json!(self.now));
            }
            4 => {
                set.insert("status".to_owned(), json!("open"));
                unset.extend(["closed_at", "assignee"].map(str::to_owned));
            }
            5 => drop(set.insert("comments".to_owned(), self.comments(&id))),
            6 => drop(set.insert("status".to_owned(), json!(self.one_of(&["blocked", "deferred"])))),
            7 => drop(set.insert("labels".to_owned(), json!([self.one_of(&LABELS), self.one_of(&LABELS)]))),
            _ => {
                set.insert("status".to_owned(), json!("in_progress"));
                set.insert("assignee".to_owned(), json!(self.one_of(&PEOPLE)));
            }
        }
        set.insert("updated_at".to_owned(), json!(self.now));
        let task = self.tasks.entry(id.clone()).or_default();
        unset.iter().for_each(|name| drop(task.remove(name)));
        task.extend(set.clone());
        Change::Patch { id, set, unset }
    }

    fn delete(&mut self) -> Change {
        let id = self.some_task().unwrap_or_default();
        self.tasks.remove(&id);
        Change::Delete { id }
    }

    fn title(&mut self) -> String {
        format!("{} {}", self.one_of(&VERBS), self.one_of(&THINGS))
    }

    /// The task's comments and one more.
    fn comments(&mut self, id: &str) -> Value {
        let earlier = self.tasks.get(id).and_then(|task| task.get("comments")).and_then(Value::as_array);
        let mut comments = earlier.cloned().unwrap_or_default();
        comments.push(json!({"id": self.now, "issue_id": id, "author": self.one_of(&PEOPLE),
            "text": self.one_of(&REMARKS), "created_at": self.now.to_string()}));
        json!(comments)
    }

    fn dependency(&mut self, id: &str, other: &str) -> Value {
        json!({"issue_id": id, "depends_on_id": other, "type": "blocks",
            "created_at": self.now.to_string(), "created_by": self.one_of(&PEOPLE)})
    }

    fn some_task(&mut self) -> Option<String> {
        let at = self.below(self.tasks.len().max(1) as u64) as usize;
        self.tasks.keys().nth(at).cloned()
    }

    fn one_of<'a>(&mut self, words: &[&'a str]) -> &'a str {
        words[self.below(words.len() as u64) as usize]
    }

    /// A number below `end` (splitmix64).
    fn below(&mut self, end: u64) -> u64 {
        self.random = self.random.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.random ^ (self.random >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % end
    }
}

//! The parts of the example `live_board`: what it plays ends as told, and what it cannot play does not stop it.

#[path = "../examples/live_board/board.rs"]
mod board;
#[path = "../examples/live_board/check.rs"]
mod check;
#[path = "../examples/live_board/day.rs"]
mod day;
#[path = "../examples/live_board/history.rs"]
mod history;
#[path = "../examples/live_board/play.rs"]
mod play;
#[path = "../examples/live_board/schema.rs"]
mod schema;

use std::{io::Write, path::Path};

use board::Board;
use flate2::{Compression, write::GzEncoder};
use history::{Change, Fields, Malformed};
use schema::{Comment, Dependency, Label, Status, Task};
use serde_json::json;
use tropism::{Outcome, prelude::*};

fn in_memory() -> Db {
    Db::builder().tables::<schema::Tables>().in_memory().unwrap()
}

fn on_disk(path: &Path) -> Db {
    let config = Config { durability: Durability::Relaxed, ..Config::default() };
    Db::builder().tables::<schema::Tables>().config(config).open(path).unwrap()
}

fn numbered(changes: Vec<Change>) -> Vec<(usize, Change)> {
    (1..).zip(changes).collect()
}

fn play(db: &Db, changes: &[(usize, Change)]) -> Vec<Malformed> {
    play::play_all(db, changes, |_| {}).unwrap()
}

fn play_lines(db: &Db, lines: &[serde_json::Value]) -> Vec<usize> {
    let changes = lines.iter().map(|line| serde_json::from_value(line.clone()).unwrap()).collect();
    play(db, &numbered(changes)).into_iter().map(|malformed| malformed.line).collect()
}

fn fields(value: serde_json::Value) -> Fields {
    serde_json::from_value(value).unwrap()
}

fn written(folder: &tempfile::TempDir, name: &str, bytes: &[u8]) -> std::path::PathBuf {
    let path = folder.path().join(name);
    std::fs::write(&path, bytes).unwrap();
    path
}

/// A task with everything that hangs on one, and fields that the board has never heard of.
fn whole_task() -> Fields {
    fields(json!({
        "id": "bd-1", "title": "Lift off", "description": "To the moon.", "status": "in_progress",
        "issue_type": "feature", "priority": 0, "assignee": "ada", "created_at": 1_760_000_000,
        "updated_at": 1_760_000_001, "closed_at": 1_760_000_002, "labels": ["rocket", "moon"],
        "dependencies": [{"issue_id": "bd-1", "depends_on_id": "bd-2", "type": "blocks", "weight": 1.5}],
        "comments": [{"id": 7, "author": "grace", "text": "Go.", "reactions": ["+1"]}],
        "wisp": true, "estimate": {"hours": 3}
    }))
}

#[test]
fn a_generated_day_ends_equal_after_closing_and_reopening() {
    let folder = tempfile::tempdir().unwrap();
    let (changes, expected) = day::generate(7, 600);
    let db = on_disk(folder.path());
    let live = Board::watch(&db, "ada").unwrap();
    assert_eq!(play(&db, &numbered(changes)), []);
    assert_eq!(check::live_queries(&db, &live).unwrap(), [""; 0]);
    db.close().unwrap();

    let db = on_disk(folder.path());
    assert!(expected.len() > 100);
    assert_eq!(check::tasks(&db, &expected).unwrap(), [""; 0]);
    assert_eq!(check::indexes(&db).unwrap(), [""; 0]);
}

#[test]
fn the_same_seed_is_the_same_day() {
    assert!(day::generate(3, 200) == day::generate(3, 200));
    assert!(day::generate(3, 200) != day::generate(4, 200));
}

#[test]
fn a_task_that_is_missing_surplus_or_different_is_told() {
    let db = in_memory();
    let doc = |id: &str| json!({"op": "insert", "id": id, "doc": {"id": id, "title": "Lift off", "status": "open"}});
    assert_eq!(play_lines(&db, &[doc("bd-1"), doc("bd-2")]), [0; 0]);
    let expected = [
        fields(json!({"id": "bd-2", "title": "Land", "status": "open"})),
        fields(json!({"id": "bd-3", "title": "Lift off", "status": "open"})),
    ];
    let told = check::tasks(&db, &expected).unwrap();
    assert_eq!(told.len(), 3);
    assert!(told[0].contains("bd-3") && told[0].contains("missing"), "{told:?}");
    assert!(told[1].contains("bd-1") && told[1].contains("too much"), "{told:?}");
    assert!(told[2].contains("bd-2") && told[2].contains("title") && told[2].contains("Land"), "{told:?}");
}

#[test]
fn a_live_query_that_is_not_fresh_is_told() {
    let (db, other) = (in_memory(), in_memory());
    let live = Board::watch(&other, "ada").unwrap();
    drop(other);
    play_lines(&db, &[json!({"op": "insert", "id": "bd-1", "doc": whole_task()})]);
    let told = check::live_queries(&db, &live).unwrap();
    assert_eq!(told.len(), 3, "{told:?}");
}

#[test]
fn a_live_query_says_at_which_commit_it_was_seen() {
    let db = in_memory();
    let live = Board::watch(&db, "ada").unwrap();
    play_lines(&db, &[json!({"op": "insert", "id": "bd-1", "doc": whole_task()})]);
    assert_eq!(check::live_queries(&db, &live).unwrap(), [""; 0]);
    let inserted = db.read(|tx| Ok::<_, tropism::Error>(tx.ts())).unwrap();
    assert_eq!(live.recent.current().unwrap().at, inserted);
    // Nothing is ready that is in progress, before or after: the query has nothing new to say.
    assert!(live.ready.current().unwrap().at < inserted);
}

#[test]
fn a_commit_that_leaves_a_list_equal_is_nothing_new_to_show() {
    let db = Db::builder().tables::<schema::Tables>().driven_by_hand().in_memory().unwrap();
    let reactor = db.reactor().unwrap();
    let live = Board::watch(&db, "ada").unwrap();
    let waiting = fields(json!({"id": "a", "title": "x", "status": "open",
        "dependencies": [{"depends_on_id": "b", "type": "blocks"}]}));
    play_lines(&db, &[json!({"op": "insert", "id": "b", "doc": {"id": "b", "title": "x", "status": "open"}})]);
    reactor.run();
    play_lines(&db, &[json!({"op": "insert", "id": "a", "doc": waiting})]);
    let evaluations = reactor.run();
    let ready = evaluations.iter().find(|evaluation| evaluation.live_query == live.ready.live_query()).unwrap();
    assert_eq!(ready.outcome, Outcome::Unchanged);
}

#[test]
fn a_line_that_is_no_change_is_counted_and_does_not_stop_the_history() {
    let folder = tempfile::tempdir().unwrap();
    let lines: [&[u8]; 7] = [
        br#"{"t":1,"op":"insert","id":"bd-1","doc":{"id":"bd-1","title":"Lift off","status":"open"}}"#,
        b"{\"op\":",
        b"\xff\xfe",
        b"",
        br#"{"op":"explode","id":"bd-1"}"#,
        br#"{"op":"patch","id":"bd-1","set":{"status":["on fire"]}}"#,
        br#"{"op":"patch","id":"bd-1","set":{"title":"Land"}}"#,
    ];
    let read = history::read(&written(&folder, "changes.jsonl", &lines.join(&b'\n'))).unwrap();
    assert_eq!(read.malformed.iter().map(|malformed| malformed.line).collect::<Vec<_>>(), [2, 3, 5]);

    let db = in_memory();
    let refused = play(&db, &read.changes);
    assert_eq!(refused.iter().map(|malformed| malformed.line).collect::<Vec<_>>(), [6]);
    assert!(refused[0].to_string().contains("on fire"), "{}", refused[0]);
    let expected = fields(json!({"id": "bd-1", "title": "Land", "status": "open"}));
    assert_eq!(check::tasks(&db, &[expected]).unwrap(), [""; 0]);
}

#[test]
fn words_and_numbers_that_were_never_seen_lose_nothing_and_are_shown() {
    let db = in_memory();
    let live = Board::watch(&db, "ada").unwrap();
    let task = |id: &str, status: &str| {
        fields(json!({"id": id, "title": "x", "status": status, "issue_type": "ritual", "priority": 300,
            "dependencies": [{"depends_on_id": "bd-9", "type": "haunts"}]}))
    };
    let tasks = [task("bd-1", "on fire"), task("bd-2", "on fire"), task("bd-3", "Closed"), task("bd-4", "")];
    let lines = tasks.iter().map(|task| json!({"op": "insert", "id": task["id"], "doc": task}));
    assert_eq!(play_lines(&db, &lines.collect::<Vec<_>>()), [0; 0]);
    assert_eq!(check::tasks(&db, &tasks).unwrap(), [""; 0]);
    assert_eq!(check::indexes(&db).unwrap(), [""; 0]);
    assert_eq!(check::live_queries(&db, &live).unwrap(), [""; 0]);

    let columns = db.read(board::columns).unwrap();
    let counts: Vec<_> = columns.iter().map(|(status, count)| (status.as_str(), *count)).collect();
    assert_eq!(counts[Status::ALL.len()..], [("", 1), ("Closed", 1), ("on fire", 2)]);
    assert!(counts[..Status::ALL.len()].iter().all(|(_, count)| *count == 0), "{counts:?}");
    assert_eq!(db.read(|tx| tx.query(Task::by_status_and_priority).eq(Status::from("on fire")).count()).unwrap(), 2);

    play_lines(&db, &[json!({"op": "patch", "id": "bd-1", "set": {"status": "closed"}})]);
    let columns = db.read(board::columns).unwrap();
    assert!(columns.contains(&(Status::Closed, 1)) && columns.contains(&(Status::from("on fire"), 1)), "{columns:?}");
}

#[test]
fn a_change_that_is_refused_changes_nothing() {
    let db = in_memory();
    let insert = json!({"op": "insert", "id": "bd-1", "doc": whole_task()});
    let patch = json!({"op": "patch", "id": "bd-1", "set": {"labels": [], "comments": [], "title": 5}});
    assert_eq!(play_lines(&db, &[insert, patch]), [2]);
    assert_eq!(check::tasks(&db, &[whole_task()]).unwrap(), [""; 0]);
}

#[test]
fn a_packed_history_reads_like_a_plain_one() {
    let folder = tempfile::tempdir().unwrap();
    let text = b"{\"op\":\"gap\"}\n{\"op\":\"delete\",\"id\":\"bd-1\"}\n";
    let mut packed = GzEncoder::new(Vec::new(), Compression::default());
    packed.write_all(text).unwrap();
    let packed = history::read(&written(&folder, "packed", &packed.finish().unwrap())).unwrap();
    let plain = history::read(&written(&folder, "plain", text)).unwrap();
    assert_eq!(packed.changes, plain.changes);
    assert_eq!(plain.changes, [(1, Change::Gap), (2, Change::Delete { id: "bd-1".to_owned() })]);
}

#[test]
fn a_damaged_line_of_the_expected_state_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let path = written(&folder, "expected.jsonl", b"{\"id\":\"bd-1\"}\n\n{\"id\":\n");
    let error = history::read_expected(&path).unwrap_err();
    assert!(error.to_string().contains("line 3"), "{error}");
}

#[test]
fn a_task_comes_back_as_it_was_told_with_the_fields_that_the_board_does_not_know() {
    let db = in_memory();
    assert_eq!(play_lines(&db, &[json!({"op": "insert", "id": "bd-1", "doc": whole_task()})]), [0; 0]);
    let told = db.read(|tx| {
        let task = tx.query(Task::by_key).eq("bd-1").unique()?.expect("it was inserted");
        play::told(tx, &task)
    });
    assert_eq!(told.unwrap(), whole_task());
}

#[test]
fn a_patch_can_take_every_optional_field_away() {
    let db = in_memory();
    let (kept, gone): (Vec<String>, Vec<String>) =
        whole_task().keys().cloned().partition(|field| ["id", "title", "status"].contains(&field.as_str()));
    assert_eq!((kept.len(), gone.len()), (3, 12));
    let insert = json!({"op": "insert", "id": "bd-1", "doc": whole_task()});
    assert_eq!(play_lines(&db, &[insert, json!({"op": "patch", "id": "bd-1", "unset": gone})]), [0; 0]);
    let expected = fields(json!({"id": "bd-1", "title": "Lift off", "status": "in_progress"}));
    assert_eq!(check::tasks(&db, &[expected]).unwrap(), [""; 0]);
}

#[test]
fn what_hangs_on_a_task_goes_with_it() {
    let db = in_memory();
    let count = || {
        db.read(|tx| -> Result<_, tropism::Error> {
            let (labels, dependencies) = (tx.query(Label::by_id).count()?, tx.query(Dependency::by_id).count()?);
            Ok((labels, dependencies, tx.query(Comment::by_id).count()?))
        })
    };
    play_lines(&db, &[json!({"op": "insert", "id": "bd-1", "doc": whole_task()})]);
    assert_eq!(count().unwrap(), (2, 1, 1));
    play_lines(&db, &[json!({"op": "delete", "id": "bd-1"})]);
    assert_eq!(count().unwrap(), (0, 0, 0));
}

#[test]
fn an_unknown_task_is_refused_before_a_gap_and_tolerated_after_it() {
    let db = in_memory();
    let patch = json!({"op": "patch", "id": "bd-9", "set": {"title": "Land"}});
    let delete = json!({"op": "delete", "id": "bd-9"});
    let lines = [patch.clone(), delete.clone(), json!({"op": "gap"}), patch, delete];
    assert_eq!(play_lines(&db, &lines), [1, 2]);
    assert_eq!(check::tasks(&db, &[]).unwrap(), [""; 0]);
}

#[test]
fn a_day_that_was_cut_short_can_be_played_again_from_the_beginning() {
    let db = in_memory();
    let (changes, expected) = day::generate(5, 300);
    let changes = numbered(changes);
    play(&db, &changes[..200]);
    assert_eq!(play(&db, &changes), []);
    assert_eq!(check::tasks(&db, &expected).unwrap(), [""; 0]);
}

#[test]
fn a_task_is_ready_once_all_that_it_waits_for_is_closed_or_gone() {
    let db = in_memory();
    let insert = |id: &str, on: &[&str]| {
        let dependencies: Vec<_> = on.iter().map(|on| json!({"depends_on_id": on, "type": "blocks"})).collect();
        json!({"op": "insert", "id": id,
            "doc": {"id": id, "title": "x", "status": "open", "dependencies": dependencies}})
    };
    let ready = || {
        let tasks = db.read(board::ready).unwrap();
        tasks.iter().map(|task| task.key.clone()).collect::<Vec<_>>()
    };
    play_lines(&db, &[insert("a", &[]), insert("b", &[]), insert("c", &["a", "b", "never told of"])]);
    assert_eq!(ready(), ["a", "b"]);
    play_lines(&db, &[json!({"op": "patch", "id": "a", "set": {"status": "closed"}})]);
    assert_eq!(ready(), ["b"]);
    play_lines(&db, &[json!({"op": "delete", "id": "b"})]);
    assert_eq!(ready(), ["c"]);
}

//! Calls, counted and timed.

use super::*;

fn stats(db: &Db, name: &str) -> tropism::FunctionStats {
    db.stats().functions.into_iter().find(|function| function.name == name).unwrap()
}

#[test]
fn every_call_is_counted_with_the_documents_that_it_read_and_wrote() {
    let (db, project) = board();
    db.mutate(task(project, "one")).unwrap();
    db.mutate(task(project, "two")).unwrap();
    db.query(CountTodo { project_id: project }).unwrap();

    let added = stats(&db, "tasks:add");
    assert_eq!((added.calls, added.errors, added.documents_written), (2, 0, 2));
    assert!(added.time.max >= added.time.p50 && added.time.total >= added.time.p50);
    let counted = stats(&db, "tasks:countTodo");
    assert_eq!((counted.calls, counted.documents_read, counted.documents_written), (1, 2, 0));
    let listed = stats(&db, "tasks:listByProject");
    assert_eq!((listed.calls, listed.documents_read), (1, 2), "what a function calls is counted as well");
}

#[test]
fn errors_are_counted_and_kept_among_the_recent_calls() {
    let (db, project) = board();
    db.mutate(AddTask { limit: 0, ..task(project, "one") }).unwrap_err();
    db.mutate(task(project, "two")).unwrap();
    let added = stats(&db, "tasks:add");
    assert_eq!((added.calls, added.errors), (2, 1));
    let errors: Vec<_> = added.recent.iter().map(|call| call.error.as_deref()).collect();
    assert_eq!(errors, [Some("the column takes at most 0 tasks"), None]);
}

#[test]
fn recent_calls_are_bounded() {
    let config = Config { recent_calls: 3, ..Config::default() };
    let db = Db::builder().tables::<(Project, Task, Event)>().module(Board).config(config).in_memory().unwrap();
    for number in 0..10 {
        db.mutate(Record { text: number.to_string() }).unwrap();
    }
    let recorded = stats(&db, "events:record");
    assert_eq!((recorded.calls, recorded.recent.len()), (10, 3));
}

#[test]
fn evaluations_of_a_live_query_are_calls_of_its_function() {
    let (db, project) = board();
    let _live = db.subscribe(ListByProject { project_id: project }).unwrap();
    db.mutate(task(project, "one")).unwrap();
    db.reactor().unwrap().run();
    let listed = stats(&db, "tasks:listByProject");
    assert_eq!((listed.calls, listed.documents_read), (2, 1));
}

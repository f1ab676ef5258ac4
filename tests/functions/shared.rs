//! Identical queries are one live query.

use std::sync::Barrier;

use tropism::{LiveQueryId, Outcome};

use super::*;

fn ran(db: &Db) -> Vec<(LiveQueryId, Outcome)> {
    db.reactor().unwrap().run().iter().map(|ran| (ran.live_query, ran.outcome)).collect()
}

fn cache_hits(db: &Db, name: &str) -> u64 {
    db.stats().functions.iter().find(|function| function.name == name).map_or(0, |function| function.cache_hits)
}

fn calls(db: &Db, name: &str) -> u64 {
    db.stats().functions.iter().find(|function| function.name == name).map_or(0, |function| function.calls)
}

#[test]
fn a_thousand_subscribers_to_one_query_cost_one_evaluation_per_commit() {
    let (db, project) = board();
    let subscribers: Vec<_> =
        (0..1_000).map(|_| db.subscribe(ListByProject { project_id: project }).unwrap()).collect();
    assert_eq!(calls(&db, "tasks:listByProject"), 1, "the others joined");
    let live = subscribers[0].live_query();
    assert!(subscribers.iter().all(|subscriber| subscriber.live_query() == live));
    assert!(subscribers.iter().all(|subscriber| subscriber.recv().unwrap().unwrap().is_empty()));

    db.mutate(task(project, "one")).unwrap();
    assert_eq!(ran(&db), [(live, Outcome::Delivered)], "one commit, one evaluation");
    assert_eq!(calls(&db, "tasks:listByProject"), 2);
    assert!(subscribers.iter().all(|subscriber| subscriber.recv().unwrap().unwrap().len() == 1));
}

#[test]
fn other_arguments_are_another_live_query() {
    let (db, project) = board();
    let other = db.mutate(AddProject { name: "Gemini".into() }).unwrap();
    let one = db.subscribe(ListByProject { project_id: project }).unwrap();
    let two = db.subscribe(ListByProject { project_id: other }).unwrap();
    assert_ne!(one.live_query(), two.live_query());
    db.mutate(task(other, "one")).unwrap();
    assert_eq!(ran(&db), [(two.live_query(), Outcome::Delivered)]);
}

#[test]
fn a_query_is_answered_from_a_live_one_while_nothing_has_touched_it() {
    let (db, project) = board();
    let query = || db.query(ListByProject { project_id: project }).unwrap();
    query();
    assert_eq!(cache_hits(&db, "tasks:listByProject"), 0, "nobody was subscribed");
    let live = db.subscribe(ListByProject { project_id: project }).unwrap();
    assert!(query().is_empty());
    assert_eq!(cache_hits(&db, "tasks:listByProject"), 1);

    db.mutate(Record { text: "elsewhere".into() }).unwrap();
    query();
    assert_eq!(cache_hits(&db, "tasks:listByProject"), 2, "another table does not touch it");

    db.mutate(task(project, "one")).unwrap();
    assert_eq!(query().len(), 1, "a write is seen by the query after it, evaluated or not");
    assert_eq!(cache_hits(&db, "tasks:listByProject"), 2);

    ran(&db);
    assert_eq!(query().len(), 1);
    assert_eq!(cache_hits(&db, "tasks:listByProject"), 3);

    drop(live);
    query();
    assert_eq!(cache_hits(&db, "tasks:listByProject"), 3, "the live query has ended");
}

#[test]
fn who_joins_a_touched_live_query_sees_the_newest_state_first() {
    let (db, project) = board();
    let early = db.subscribe(ListByProject { project_id: project }).unwrap();
    db.mutate(task(project, "one")).unwrap();
    let late = db.subscribe(ListByProject { project_id: project }).unwrap();
    assert_eq!(early.live_query(), late.live_query());
    assert_eq!(late.recv().unwrap().unwrap().len(), 1);
    assert_eq!(early.recv().unwrap().unwrap().len(), 1, "and so do those who were there");
    ran(&db);
    assert!(late.try_recv().is_none() && early.try_recv().is_none());
}

#[test]
fn a_live_query_ends_with_its_last_subscriber_and_begins_anew() {
    let (db, project) = board();
    let one = db.subscribe(ListByProject { project_id: project }).unwrap();
    let two = db.subscribe(ListByProject { project_id: project }).unwrap();
    let live = one.live_query();
    drop(one);
    db.mutate(task(project, "one")).unwrap();
    assert_eq!(ran(&db), [(live, Outcome::Delivered)]);
    drop(two);
    db.mutate(task(project, "two")).unwrap();
    assert_eq!(ran(&db), []);
    let three = db.subscribe(ListByProject { project_id: project }).unwrap();
    assert_ne!(three.live_query(), live);
    assert_eq!(three.recv().unwrap().unwrap().len(), 2);
}

#[test]
fn a_failing_query_delivers_its_typed_error_to_all_and_is_not_a_cached_result() {
    let (db, project) = board();
    let subscribers = [(); 2].map(|()| db.subscribe(FewTodo { project_id: project }).unwrap());
    db.mutate(task(project, "one")).unwrap();
    db.mutate(task(project, "two")).unwrap();
    ran(&db);
    for subscriber in &subscribers {
        let error = subscriber.recv().unwrap().unwrap_err();
        assert!(matches!(&*error, BoardError::ColumnFull { limit: 1 }));
    }
    let hits = cache_hits(&db, "tasks:fewTodo");
    assert!(db.query(FewTodo { project_id: project }).is_err());
    assert_eq!(cache_hits(&db, "tasks:fewTodo"), hits);
}

#[test]
fn many_threads_that_subscribe_at_once_share_one_evaluation() {
    let db = Db::builder().tables::<(Project, Task, Event)>().module(Board).in_memory().unwrap();
    let project = db.mutate(AddProject { name: "Apollo".into() }).unwrap();
    let barrier = Barrier::new(8);
    let subscribers: Vec<_> = std::thread::scope(|scope| {
        let subscribe = || {
            barrier.wait();
            db.subscribe(ListByProject { project_id: project }).unwrap()
        };
        let threads: Vec<_> = (0..8).map(|_| scope.spawn(subscribe)).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    assert_eq!(calls(&db, "tasks:listByProject"), 1);
    db.mutate(task(project, "one")).unwrap();
    for subscriber in &subscribers {
        let mut values = subscriber.into_iter();
        assert!(values.any(|value| value.unwrap().len() == 1));
    }
}

#[test]
fn writers_and_subscribers_that_come_and_go_never_see_an_old_value_last() {
    let db = Db::builder().tables::<(Project, Task, Event)>().module(Board).in_memory().unwrap();
    let project = db.mutate(AddProject { name: "Apollo".into() }).unwrap();
    std::thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(|| {
                for round in 0..60 {
                    let written =
                        db.mutate(AddTask { limit: usize::MAX, ..task(project, &round.to_string()) }).unwrap();
                    let has = |tasks: &[Doc<Task>]| tasks.iter().any(|task| task.id() == written);
                    assert!(has(&db.query(ListByProject { project_id: project }).unwrap()), "a query reads own writes");
                    let live = db.subscribe(ListByProject { project_id: project }).unwrap();
                    assert!(has(&live.recv().unwrap().unwrap()), "a first value shows own writes");
                }
            });
        }
    });
}

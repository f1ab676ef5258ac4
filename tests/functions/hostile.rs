//! What a hostile host does.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};

use crossbeam_channel::{RecvTimeoutError, Sender};

use super::*;

functions! {
    pub module Hostile;
    pub query CountEvents in "hostile:countEvents" {} -> usize |tx| { tx.query(Event::by_id).count() }
    pub query LastEvent in "hostile:last" {} -> u64 |tx| {
        Ok(tx.query(Event::by_id).descending().first()?.map_or(0, |event| event.id().as_u64()))
    }
    pub mutation Unwritable in "hostile:unwritable" {} -> std::collections::HashMap<(u8, u8), u8> |tx| {
        tx.insert(Event { text: "unwritable".into() })?;
        Ok([((1, 2), 3)].into())
    }
}

#[test]
fn a_query_after_ones_own_write_is_never_older() {
    let db = Db::builder().tables::<(Project, Task, Event)>().module(Board).module(Hostile).in_memory().unwrap();
    let stop = AtomicBool::new(false);
    let stale = AtomicUsize::new(0);
    let _live = db.subscribe(LastEvent {}).unwrap();
    std::thread::scope(|scope| {
        let writers: Vec<_> = (0..6)
            .map(|_| {
                scope.spawn(|| {
                    for _ in 0..500 {
                        let id = db.mutate(Record { text: "x".into() }).unwrap().as_u64();
                        let older = (0..3).filter(|_| *db.query(LastEvent {}).unwrap() < id).count();
                        stale.fetch_add(older, Ordering::Relaxed);
                    }
                })
            })
            .collect();
        for _ in 0..2 {
            scope.spawn(|| {
                while !stop.load(Ordering::Relaxed) {
                    drop(db.subscribe(LastEvent {}));
                }
            });
        }
        writers.into_iter().for_each(|writer| writer.join().unwrap());
        stop.store(true, Ordering::Relaxed);
    });
    assert_eq!(stale.into_inner(), 0);
}

static INSIDE: AtomicBool = AtomicBool::new(false);
static HELD: AtomicBool = AtomicBool::new(false);

functions! {
    pub module Gated;
    /// How many events there are, which is the last id. Waits on the thread of this name, having read.
    pub query SlowLast in "gated:last" {} -> u64 |tx| {
        let last = tx.query(Event::by_id).count()? as u64;
        if std::thread::current().name() == Some("joiner") {
            INSIDE.store(true, Ordering::SeqCst);
            while HELD.load(Ordering::SeqCst) {
                std::thread::yield_now();
            }
        }
        Ok(last)
    }
}

#[test]
fn who_joins_a_live_query_does_not_hide_what_the_reactor_was_about_to_see() {
    let builder = Db::builder().tables::<(Project, Task, Event)>().module(Board).module(Gated);
    let db = builder.driven_by_hand().in_memory().unwrap();
    let reactor = db.reactor().unwrap();
    let _live = db.subscribe(SlowLast {}).unwrap();
    let record = || db.mutate(Record { text: "x".into() }).unwrap().as_u64();
    let mut stale = 0;
    for _ in 0..50 {
        record();
        INSIDE.store(false, Ordering::SeqCst);
        HELD.store(true, Ordering::SeqCst);
        std::thread::scope(|scope| {
            let join = || drop(db.subscribe(SlowLast {}).unwrap());
            std::thread::Builder::new().name("joiner".into()).spawn_scoped(scope, join).unwrap();
            while !INSIDE.load(Ordering::SeqCst) {
                std::thread::yield_now();
            }
            let id = record();
            scope.spawn(|| reactor.step());
            // Until that waits for the joiner.
            (0..1_000).for_each(|_| std::thread::yield_now());
            HELD.store(false, Ordering::SeqCst);
            stale += (0..500).filter(|_| *db.query(SlowLast {}).unwrap() < id).count();
        });
        reactor.run();
    }
    assert_eq!(stale, 0);
}

#[test]
fn a_mutation_by_name_whose_answer_cannot_be_written_leaves_nothing() {
    let db = Db::builder().tables::<(Project, Task, Event)>().module(Board).module(Hostile).in_memory().unwrap();
    let answer = db.call("hostile:unwritable", serde_json::json!({}), Caller::Host);
    assert!(answer.is_err());
    assert!(texts(&db).is_empty(), "the caller hears of a failure, and the change is there");
}

/// Where a job finds the last handle.
struct Handle(std::sync::Mutex<Option<Db>>);

functions! {
    pub module Dropping;
    pub mutation DropDb in "dropping:db" {} -> () |tx| {
        let handle = tx.resource::<Arc<Handle>>().and_then(|handle| handle.0.lock().unwrap().take());
        drop(handle);
        Ok(())
    }
}

#[test]
fn the_last_handle_may_be_dropped_within_a_scheduled_mutation() {
    struct Host(Arc<Handle>, Sender<()>);
    impl Module for Host {
        fn register(&self, registration: &mut Registration) {
            registration.module(Dropping).resource(Arc::clone(&self.0)).resource(self.1.clone());
        }
    }
    let handle = Arc::new(Handle(std::sync::Mutex::new(None)));
    let directory = tempfile::tempdir().unwrap();
    let (alive, ended) = crossbeam_channel::bounded(0);
    let db = Db::builder().module(Host(Arc::clone(&handle), alive)).open(directory.path()).unwrap();
    *handle.0.lock().unwrap() = Some(db.clone());
    db.write(|tx| tx.schedule().after(Duration::from_millis(200), DropDb {})).unwrap();
    drop(db);
    // The sender is among what the database holds, and goes with it.
    assert_eq!(ended.recv_timeout(Duration::from_secs(60)), Err(RecvTimeoutError::Disconnected));
    let (alive, _) = crossbeam_channel::bounded(0);
    Db::builder().module(Host(handle, alive)).open(directory.path()).unwrap();
}

type Name = String;

functions! {
    pub module Hygienic;
    pub query Hygiene in "hygiene:query" {
        r#type: String, result: u8, self_: Option<Option<u8>>, fields: Vec<(u8, Option<String>)>, serializer: u8,
        deserializer: u8, ok: bool, name: Name, arguments: u8, function: u8, visitor: i128 = -5,
    } -> Result<Vec<(u8, Option<std::collections::BTreeMap<String, Vec<u8>>>)>, BoardError> |tx| {
        let _ = (tx.query(Event::by_id).count()?, r#type, self_, fields, serializer, deserializer, ok, name);
        let _ = (arguments, function);
        Ok(vec![(result, None); usize::try_from(visitor.abs()).unwrap_or(0)])
    }
    /// An argument has the name of the transaction.
    pub mutation Shadow in "hygiene:shadow" { tx: String } -> usize = shadow;
    mutation Private in "hygiene:private" { größe: u128 } -> u128 |_tx| { Ok(größe) }
    pub(crate) action Wide in "hygiene:größe" { f: f64 } -> f64 |_| { Ok(f) }
}

fn shadow(transaction: &mut WriteTx, arguments: &Shadow) -> Result<usize, Error> {
    Ok(transaction.query(Event::by_id).count()? + arguments.tx.len())
}

#[test]
fn arguments_may_have_any_name_and_numbers_any_size() {
    let db = Db::builder().tables::<(Project, Task, Event)>().module(Hygienic).in_memory().unwrap();
    let call = |name: &str, arguments: &str| {
        let answer = db.call(name, serde_json::from_str(arguments).unwrap(), Caller::Host);
        answer.map(|value| value.to_string()).map_err(|error| error.to_string())
    };
    let whole = r#"{"type":"a","result":1,"fields":[],"serializer":1,"deserializer":1,"ok":true,"name":"","arguments":1,
        "function":1}"#;
    assert_eq!(call("hygiene:query", whole).unwrap(), "[[1,null],[1,null],[1,null],[1,null],[1,null]]");
    assert_eq!(call("hygiene:shadow", r#"{"tx":"abc"}"#).unwrap(), "3");
    assert_eq!(call("hygiene:private", r#"{"größe":18446744073709551615}"#).unwrap(), "18446744073709551615");
    assert!(call("hygiene:private", r#"{"größe":-1}"#).unwrap_err().contains("größe"));
    assert_eq!(call("hygiene:größe", r#"{"f":1e308}"#).unwrap(), "1e+308");
    assert!(call("hygiene:größe", r#"{"f":null}"#).is_err());
    assert!(call("hygiene:größe", "[1.0]").is_err());
    assert_eq!(db.mutate(Private { größe: u128::MAX }).unwrap(), u128::MAX);
}

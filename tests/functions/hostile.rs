//! What a hostile host does.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

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
    let stop = Arc::new(AtomicBool::new(false));
    let done = Arc::new(AtomicUsize::new(0));
    let _live = db.subscribe(LastEvent {}).unwrap();
    let stale = Arc::new(AtomicUsize::new(0));
    std::thread::scope(|scope| {
        for _ in 0..6 {
            scope.spawn(|| {
                while !stop.load(Ordering::Relaxed) {
                    let id = db.mutate(Record { text: "x".into() }).unwrap().as_u64();
                    for _ in 0..3 {
                        if *db.query(LastEvent {}).unwrap() < id {
                            stale.fetch_add(1, Ordering::Relaxed);
                        }
                    }
                    done.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
        for _ in 0..3 {
            scope.spawn(|| {
                while !stop.load(Ordering::Relaxed) {
                    drop(db.subscribe(CountTodo { project_id: Id::from_raw(1) }));
                }
            });
        }
        std::thread::sleep(Duration::from_secs(2));
        stop.store(true, Ordering::Relaxed);
    });
    let (done, stale) = (done.load(Ordering::Relaxed), stale.load(Ordering::Relaxed));
    assert_eq!(stale, 0, "of {done}");
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
    for _ in 0..200 {
        record();
        (INSIDE.store(false, Ordering::SeqCst), HELD.store(true, Ordering::SeqCst));
        std::thread::scope(|scope| {
            let join = || drop(db.subscribe(SlowLast {}).unwrap());
            std::thread::Builder::new().name("joiner".into()).spawn_scoped(scope, join).unwrap();
            while !INSIDE.load(Ordering::SeqCst) {
                std::thread::yield_now();
            }
            let id = record();
            scope.spawn(|| reactor.step());
            // Until that waits for the joiner.
            std::thread::sleep(Duration::from_millis(3));
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
    struct Host(Arc<Handle>);
    impl Module for Host {
        fn register(&self, registration: &mut Registration) {
            registration.module(Dropping).resource(Arc::clone(&self.0));
        }
    }
    let handle = Arc::new(Handle(std::sync::Mutex::new(None)));
    let dir = tempfile::tempdir().unwrap();
    let db = Db::builder().module(Host(Arc::clone(&handle))).open(dir.path()).unwrap();
    *handle.0.lock().unwrap() = Some(db.clone());
    db.write(|tx| tx.schedule().after(Duration::from_millis(200), DropDb {})).unwrap();
    drop(db);
    let until = Instant::now() + Duration::from_secs(15);
    loop {
        std::thread::sleep(Duration::from_millis(300));
        match Db::builder().module(Host(Arc::clone(&handle))).open(dir.path()) {
            Ok(_) => break,
            Err(error) => assert!(Instant::now() < until, "{error}"),
        }
    }
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
fn hygiene() {
    let db = Db::builder().tables::<(Project, Task, Event)>().module(Hygienic).in_memory().unwrap();
    let call = |name: &str, arguments: &str| {
        let answer = db.call(name, serde_json::from_str(arguments).unwrap(), Caller::Host);
        answer.map(|value| value.to_string()).unwrap_or_else(|error| error.to_string())
    };
    println!("{:#?}", db.functions());
    println!("{}", call("hygiene:query", r#"{"type":"a","result":1,"fields":[],"s":1,"S":1,"serializer":1,"deserializer":1,"ok":true,"name":"","arguments":1,"function":1}"#));
    println!("{}", call("hygiene:query", r#"{"type":"a","result":1,"fields":[],"S":1,"serializer":1,"deserializer":1,"ok":true,"name":"","arguments":1,"function":1}"#));
    println!("{}", call("hygiene:query", r#"{"type":"a","result":1,"fields":[],"s":1,"serializer":1,"deserializer":1,"ok":true,"name":"","arguments":1,"function":1, "self":null}"#));
    println!("{}", call("hygiene:shadow", r#"{"tx":"abc"}"#));
    println!("{}", call("hygiene:private", r#"{"größe":18446744073709551615}"#));
    println!("{}", call("hygiene:private", r#"{"größe":18446744073709551616}"#));
    println!("{}", call("hygiene:private", r#"{"größe":-1}"#));
    println!("{}", call("hygiene:größe", r#"{"f":1e999}"#.replace("1e999", "1e308").as_str()));
    println!("{}", call("hygiene:größe", r#"{"f":null}"#));
    println!("{}", call("hygiene:größe", r#"[1.0]"#));
    println!("{}", call("hygiene:größe", r#"{"f":1,"f":2.5}"#));
    let wide = db.mutate(Private { größe: u128::MAX }).unwrap();
    assert_eq!(wide, u128::MAX);
    let job = db.write(|tx| tx.schedule().now(Private { größe: u128::MAX })).unwrap();
    let until = Instant::now() + Duration::from_secs(5);
    while Instant::now() < until && !db.read(|tx| tx.get(job)).unwrap().unwrap().is_finished() {
        std::thread::sleep(Duration::from_millis(20));
    }
    println!("{:?}", db.read(|tx| tx.get(job)).unwrap().unwrap());
}

//! What the engine says of itself through `tracing`: a span or an event for open, commit, evaluate, deliver and job runs.

use std::{
    io::ErrorKind,
    sync::{Arc, Mutex},
};

use tracing::{
    Event, Metadata, Subscriber,
    field::{Field, Visit},
    span::{Attributes, Id as SpanId, Record},
};
use tropism::{
    Error, ManualScheduler,
    disk::{Operation, SimulatedDisk},
    prelude::*,
};

schema! {
    pub table Note in "notes" { text: String }
}

functions! {
    pub module Notes;
    pub query CountNotes in "notes:count" {} -> usize |tx| { tx.query(Note::by_id).count() }
    pub mutation AddNote in "notes:add" { text: String } -> Id<Note> |tx| { tx.insert(Note { text }) }
}

/// Collects the names of spans and the messages of events, with their fields.
#[derive(Clone, Default)]
struct Collected(Arc<Mutex<Vec<String>>>);

struct Fields(String);

impl Visit for Fields {
    fn record_debug(&mut self, field: &Field, value: &dyn std::fmt::Debug) {
        self.0.push_str(&format!(" {}={value:?}", field.name()));
    }
}

impl Subscriber for Collected {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.target() == "tropism"
    }

    fn new_span(&self, attributes: &Attributes<'_>) -> SpanId {
        let mut fields = Fields(format!("span {}", attributes.metadata().name()));
        attributes.record(&mut fields);
        let mut collected = self.0.lock().unwrap();
        collected.push(fields.0);
        SpanId::from_u64(collected.len() as u64)
    }

    fn event(&self, event: &Event<'_>) {
        let mut fields = Fields("event".to_owned());
        event.record(&mut fields);
        self.0.lock().unwrap().push(fields.0);
    }

    fn record(&self, _: &SpanId, _: &Record<'_>) {}
    fn record_follows_from(&self, _: &SpanId, _: &SpanId) {}
    fn enter(&self, _: &SpanId) {}
    fn exit(&self, _: &SpanId) {}
}

#[test]
fn open_commit_evaluate_deliver_and_job_runs_have_spans_and_events() {
    let collected = Collected::default();
    tracing::subscriber::with_default(collected.clone(), || -> Result<(), Error> {
        let scheduler = ManualScheduler::new(Timestamp::EPOCH);
        let builder = Db::builder().tables::<Note>().module(Notes).driven_by_hand();
        let db = builder.scheduler(scheduler.clone()).in_memory()?;
        let count = db.subscribe(CountNotes {})?;
        let secret = "what a note says is nobody else's business";
        db.write(|tx| tx.schedule().now(AddNote { text: secret.into() }))?;
        scheduler.run_due()?;
        db.reactor().expect("it is driven by hand").run();
        assert_eq!(count.current().ok().as_deref(), Some(&1));
        db.close()
    })
    .unwrap();
    let collected = collected.0.lock().unwrap();
    for expected in [
        "span open",
        "span commit",
        "event message=committed",
        "span evaluate query=notes:count",
        "event message=deliver query=notes:count",
        "span job",
        "span function name=\"notes:add\" kind=\"mutation\"",
        "event message=called function=\"notes:add\"",
    ] {
        assert!(collected.iter().any(|line| line.starts_with(expected)), "{expected:?} is not in {collected:#?}");
    }
    assert!(!collected.iter().any(|line| line.contains("nobody else")), "rows are not for logs");
}

#[test]
fn faults_of_the_disk_and_their_end_are_told() {
    let collected = Collected::default();
    tracing::subscriber::with_default(collected.clone(), || -> Result<(), Error> {
        let disk = SimulatedDisk::new(1);
        let db = Db::builder().tables::<Note>().driven_by_hand().open_on(disk.clone())?;
        let add = || db.write(|tx| tx.insert(Note { text: "a".into() }));
        add()?;
        disk.fail_next(Operation::Sync, 1, ErrorKind::Other);
        db.checkpoint().unwrap_err();
        db.checkpoint()?;
        add()?;
        (0..3).for_each(|_| disk.fail_next(Operation::Write, 1, ErrorKind::Other));
        add().unwrap_err();
        db.flush()?;
        disk.fail_next(Operation::Sync, 1, ErrorKind::Other);
        add().unwrap_err();
        Ok(())
    })
    .unwrap();
    let collected = collected.0.lock().unwrap();
    let mut lines = collected.iter();
    // In this order.
    for expected in [
        "event message=a checkpoint failed",
        "event message=checkpoints work again",
        "event message=the log could not be written",
        "event message=the log can be written again",
        "event message=the database takes no more writes",
    ] {
        assert!(lines.any(|line| line.starts_with(expected)), "{expected:?} is not in its place in {collected:#?}");
    }
}

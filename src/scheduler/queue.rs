//! [`Queue`]: what waits, looked at from where the last look ended.
//!
//! A queue that is eaten from its front leaves deleted keys there until a checkpoint has cleared them away, and a scan
//! from its beginning would step over all of them each time. So the queue remembers its *floor*: a key before which
//! nothing waits. A commit that puts a job before it lowers it.

use parking_lot::Mutex;

use super::tables::{Job, JobKind, JobStatus};
use crate::{encoding::Key, error::Error, functions::Engine, schema::Doc, time::Timestamp};

/// The jobs of one kind that wait, in the order in which they are due.
pub(super) struct Queue {
    kind: JobKind,
    /// Held during a look, so that there is one at a time; taken before `floor`.
    look: Mutex<()>,
    floor: Mutex<Floor>,
}

/// Before which key nothing waits.
#[derive(Default)]
struct Floor {
    /// None for the beginning.
    key: Option<Vec<u8>>,
    /// The lowest key that was put since the look under way began: its snapshot may not have it.
    put_meanwhile: Option<Vec<u8>>,
}

impl Queue {
    pub(super) fn new(kind: JobKind) -> Self {
        Self { kind, look: Mutex::default(), floor: Mutex::default() }
    }

    /// Hears of a key that a visible commit has put among what waits.
    pub(super) fn take_note(&self, key: &Key) {
        let mut floor = self.floor.lock();
        if floor.key.as_ref().is_some_and(|floor| **key < **floor) {
            floor.key = Some(key.to_vec());
        }
        if floor.put_meanwhile.as_ref().is_none_or(|lowest| **key < **lowest) {
            floor.put_meanwhile = Some(key.to_vec());
        }
    }

    /// The first job that is wanted.
    pub(super) fn first(&self, engine: &Engine, wants: impl Fn(&Doc<Job>) -> bool) -> Result<Option<Doc<Job>>, Error> {
        let mut found = None;
        self.walk(engine, |job| {
            found = Some(job).filter(|job| wants(job));
            found.is_none()
        })?;
        Ok(found)
    }

    /// The jobs that are due, so many at most.
    pub(super) fn due(&self, engine: &Engine, now: Timestamp, limit: usize) -> Result<Vec<Doc<Job>>, Error> {
        let mut due = Vec::new();
        self.walk(engine, |job| {
            if job.due_at > now {
                return false;
            }
            due.push(job);
            due.len() < limit
        })?;
        due.truncate(limit);
        Ok(due)
    }

    /// Walks what waits, as long as the visitor wants more, and raises the floor to the first that was there.
    fn walk(&self, engine: &Engine, mut wants: impl FnMut(Doc<Job>) -> bool) -> Result<(), Error> {
        let _look = self.look.lock();
        // Cleared before the snapshot is taken: what is put later is either in the snapshot or heard of after this.
        let from = {
            let mut floor = self.floor.lock();
            floor.put_meanwhile = None;
            floor.key.clone()
        };
        let mut first = None;
        engine.pipeline.read(|tx| {
            let queue = tx.query(Job::by_queue).eq((JobStatus::Queued, self.kind));
            queue.walk_from(from.as_deref(), |job, key| {
                first.get_or_insert_with(|| key.to_vec());
                wants(job)
            })
        })?;
        let mut floor = self.floor.lock();
        // A look that found nothing does not know how far it came; it costs as much again, and no more.
        if let Some(first) = first {
            let lowest = floor.put_meanwhile.clone().filter(|put| *put < first).unwrap_or(first);
            floor.key = Some(lowest);
        }
        Ok(())
    }
}

//! [`Waking`]: hears of commits, and wakes the scheduler when one of them concerns it.

use std::sync::{
    Arc,
    atomic::{AtomicBool, AtomicI64, Ordering},
};

use parking_lot::Mutex;

use super::{
    queue::last_timestamp,
    tables::{Cron, Job, JobStatus},
};
use crate::{
    encoding::ByteRange,
    error::Error,
    panics::guarded,
    storage::{Change, Commit, CommitObserver},
    time::Timestamp,
    transaction::ReadTx,
};

/// A commit of more changes is not looked through: it wakes the scheduler, which finds out what there is.
const CHANGES_LOOKED_AT: usize = 256;

/// The scheduler's wake-up, and what commits have told since the last look.
///
/// A commit costs at most [`CHANGES_LOOKED_AT`] comparisons and a call of the host's `wake`, which is made while no lock
/// of this floor is held.
pub(super) struct Waking {
    /// `None` where nothing is scheduled.
    ranges: Option<Ranges>,
    /// Set by `begin`, taken by `end`. The closure holds the scheduler, which holds this.
    wake: Mutex<Option<Arc<dyn Fn() + Send + Sync>>>,
    /// The newest `since` that a commit has written, in milliseconds; `i64::MIN` for none.
    newest_since: AtomicI64,
    has_finished: AtomicBool,
}

/// The keys that concern the scheduler.
struct Ranges {
    queued: ByteRange,
    cancelled: ByteRange,
    since: ByteRange,
    crons: ByteRange,
}

impl Waking {
    pub(super) fn new(tx: &ReadTx) -> Result<Self, Error> {
        let ranges = Ranges {
            queued: tx.query(Job::by_queue).eq(JobStatus::Queued).key_range()?,
            cancelled: tx.query(Job::by_queue).eq(JobStatus::Cancelled).key_range()?,
            since: tx.query(Job::by_status_and_since).key_range()?,
            crons: tx.query(Cron::by_next_run_at).key_range()?,
        };
        Ok(Self { ranges: Some(ranges), ..Self::idle() })
    }

    /// Hears of commits and wakes nobody.
    pub(super) fn idle() -> Self {
        let newest_since = AtomicI64::new(i64::MIN);
        Self { ranges: None, wake: Mutex::default(), newest_since, has_finished: AtomicBool::new(false) }
    }

    /// Has `wake` called from now on.
    pub(super) fn begin(&self, wake: Arc<dyn Fn() + Send + Sync>) {
        *self.wake.lock() = Some(wake);
    }

    /// Calls nobody any more.
    pub(super) fn end(&self) {
        let wake = self.wake.lock().take();
        // The scheduler may go with it, whose destructor is the host's.
        if let Err(message) = guarded(|| drop(wake)) {
            tracing::error!(target: "tropism", message, "the scheduler panicked when it was dropped");
        }
    }

    /// Has the scheduler look again.
    pub(super) fn wake(&self) {
        let wake = self.wake.lock().clone();
        let woken = guarded(|| {
            if let Some(wake) = wake {
                wake();
            }
        });
        if let Err(message) = woken {
            // The commit that it was called in must not suffer from it.
            tracing::error!(target: "tropism", message, "the scheduler panicked when it was woken");
        }
    }

    /// The newest `since` of jobs that was written since this was last asked for.
    pub(super) fn take_newest_since(&self) -> Timestamp {
        Timestamp::from_millis(self.newest_since.swap(i64::MIN, Ordering::AcqRel))
    }

    /// Whether jobs may have finished, outside of runs, since this was last asked for.
    pub(super) fn take_has_finished(&self) -> bool {
        self.has_finished.swap(false, Ordering::AcqRel)
    }
}

impl CommitObserver for Waking {
    fn committed(&self, commit: &Arc<Commit>) {
        let Some(ranges) = &self.ranges else { return };
        if commit.len() > CHANGES_LOOKED_AT {
            self.newest_since.store(i64::MAX, Ordering::Release);
            self.has_finished.store(true, Ordering::Release);
            self.wake();
            return;
        }
        let mut is_concerned = false;
        for (key, _) in commit.changes().filter(|(_, change)| matches!(change, Change::Put(_))) {
            if ranges.since.contains(key) {
                self.newest_since.fetch_max(last_timestamp(key).as_millis(), Ordering::AcqRel);
            }
            if ranges.cancelled.contains(key) {
                self.has_finished.store(true, Ordering::Release);
                is_concerned = true;
            }
            is_concerned |= ranges.queued.contains(key) || ranges.crons.contains(key);
        }
        if is_concerned {
            self.wake();
        }
    }
}

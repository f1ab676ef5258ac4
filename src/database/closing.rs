//! How a database ends: decided by one, waited for by all who close it.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
    thread::{self, ThreadId},
};

use parking_lot::{Condvar, Mutex};

use crate::{
    error::Error,
    functions::Engine,
    scheduler::{Scheduler, SchedulerCore},
    transaction::{IndexBuilder, Reentrancy},
};

/// Closes the floors of a database, from the top down.
///
/// Any number of threads may close at once. Each goes through the same steps, and each step is done once and waited for
/// by the others, with no lock held meanwhile: work is given out no more, subscriptions end, the store makes everything
/// durable and releases the files. So whoever hears `Ok` hears the same. Only then are the threads of the reactor waited
/// for.
///
/// Nobody waits for itself: a thread that runs an action does not wait for the scheduler that another thread stops, nor
/// for queries and callbacks; one that runs a query or a callback does not wait for those either.
pub(crate) struct Closing {
    engine: Arc<Engine>,
    work: Arc<SchedulerCore>,
    index_builder: Arc<IndexBuilder>,
    scheduler: Option<Arc<dyn Scheduler>>,
    /// How far the end of the scheduler has come.
    scheduler_end: Mutex<SchedulerEnd>,
    /// Signalled when the scheduler has stopped.
    scheduler_stopped: Condvar,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum SchedulerEnd {
    NotBegun,
    /// This thread stops it.
    StoppedBy(ThreadId),
    Stopped,
}

impl Closing {
    pub(crate) fn new(
        engine: Arc<Engine>,
        work: Arc<SchedulerCore>,
        index_builder: Arc<IndexBuilder>,
        scheduler: Option<Arc<dyn Scheduler>>,
    ) -> Arc<Self> {
        let (scheduler_end, scheduler_stopped) = (Mutex::new(SchedulerEnd::NotBegun), Condvar::new());
        Arc::new(Self { engine, work, index_builder, scheduler, scheduler_end, scheduler_stopped })
    }

    /// Closes the database; `with_checkpoint` moves everything into the base.
    ///
    /// # Errors
    ///
    /// `WaitInWrite` where the thread is in the middle of a transaction, a query or a close; a storage failure.
    pub(crate) fn close(&self, with_checkpoint: bool, call: &'static str) -> Result<(), Error> {
        let database = self.engine.pipeline.identity();
        let is_in_action = Reentrancy::is_in_action(database);
        let inside = Reentrancy::enter_close(database, call)?;
        // Another thread that closes may be waiting for an action that this runs in, and need not.
        let _waiting = self.work.closing();
        self.wake_scheduler();
        self.stop_scheduler(is_in_action);
        self.work.finish();
        self.engine.reactor.close();
        self.index_builder.stop();
        if let Err(error) = self.engine.pipeline.finish_ids(with_checkpoint) {
            tracing::debug!(target: "tropism", %error, "the next ids could not be stored; some are left out");
        }
        let closed = self.engine.pipeline.store().close(with_checkpoint);
        self.index_builder.wait_until_ended();
        if !is_in_action {
            self.engine.reactor.wait_until_ended();
        }
        drop(inside);
        Ok(closed?)
    }

    /// Closes the database when its last handle is gone. Errors are logged. Inside a transaction or a query of its own
    /// it would wait for itself; another thread closes it then.
    pub(crate) fn close_unattended(self: Arc<Self>) {
        const CALL: &str = "drop";
        if Reentrancy::check_may_wait(self.engine.pipeline.identity(), CALL).is_ok() {
            self.close_and_log(CALL);
            return;
        }
        let closer = thread::Builder::new().name("tropism-close".to_owned());
        if let Err(error) = closer.spawn(move || self.close_and_log(CALL)) {
            tracing::error!(target: "tropism", %error, "the database was dropped and could not be closed");
        }
    }

    fn close_and_log(&self, call: &'static str) {
        // A panic here would be one in a destructor; while a thread ends it would end the process.
        match catch_unwind(AssertUnwindSafe(|| self.close(false, call))) {
            Ok(Ok(())) => {}
            Ok(Err(error)) => {
                tracing::error!(target: "tropism", %error, "the database was dropped and could not be made durable");
            }
            Err(_) => tracing::error!(target: "tropism", "closing a database that was dropped panicked"),
        }
    }

    /// Has the scheduler look again at which threads it waits for.
    fn wake_scheduler(&self) {
        let woken = catch_unwind(AssertUnwindSafe(|| self.scheduler.iter().for_each(|scheduler| scheduler.wake())));
        if woken.is_err() {
            tracing::error!(target: "tropism", "the scheduler panicked when it was woken");
        }
    }

    /// Has due work given out no more, and waits for what is running as long as the scheduler wants to.
    fn stop_scheduler(&self, is_in_action: bool) {
        let own = thread::current().id();
        {
            let mut end = self.scheduler_end.lock();
            match *end {
                SchedulerEnd::NotBegun => *end = SchedulerEnd::StoppedBy(own),
                // Whoever stops it may be waiting for this very action.
                SchedulerEnd::StoppedBy(thread) if is_in_action || thread == own => return,
                SchedulerEnd::StoppedBy(_) => {
                    self.scheduler_stopped.wait_while(&mut end, |end| *end != SchedulerEnd::Stopped);
                    return;
                }
                SchedulerEnd::Stopped => return,
            }
        }
        if self.work.stop()
            && let Some(scheduler) = &self.scheduler
            && catch_unwind(AssertUnwindSafe(|| scheduler.stop())).is_err()
        {
            tracing::error!(target: "tropism", "the scheduler panicked when it was stopped");
        }
        *self.scheduler_end.lock() = SchedulerEnd::Stopped;
        self.scheduler_stopped.notify_all();
    }
}

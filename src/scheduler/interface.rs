//! [`Scheduler`]: when and where due work runs.

use std::sync::Arc;

use super::due::DueWork;
use crate::{error::Error, time::Clock};

/// When and where due work runs. The engine decides *what* is due, and that nothing is given out twice.
///
/// A scheduler asks [`DueWork::next_due`] how long it may rest, takes a [`Run`](super::Run) with [`DueWork::claim`], and
/// executes it wherever it likes: on a thread of its own, on a runtime, in a test. Mutations and actions are asked for
/// apart, so that an action that hangs holds up no mutation. The example `scheduler_tokio` is one for tokio, in a page.
pub trait Scheduler: Send + Sync + 'static {
    /// Begins. Called once, when the database is open.
    ///
    /// # Errors
    ///
    /// Whatever keeps it from beginning. It leaves nothing running then, is not stopped, and the database is not opened.
    fn start(&self, work: DueWork) -> Result<(), Error>;

    /// Something may be due earlier than was known. Called within a commit, on any thread: it notes that and returns at
    /// once. No lock of the scheduler's work is held meanwhile. A panic is logged and ends nothing.
    fn wake(&self);

    /// Ends. Called once, before the database closes; afterwards nothing can be claimed. What is running may be waited
    /// for, but not on the thread that this is called on, which may run an action that closes the database. A run that
    /// ends later changes nothing any more; its job is where its rule puts it when the database is opened again.
    fn stop(&self);

    /// The clock that the database goes by, where the scheduler has one of its own.
    fn clock(&self) -> Option<Arc<dyn Clock>> {
        None
    }
}

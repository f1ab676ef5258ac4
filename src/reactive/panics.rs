//! Keeps a panic of the host's code from ending more than it hit.

use std::{
    any::Any,
    panic::{AssertUnwindSafe, catch_unwind},
};

/// Runs the host's code. A panic is logged with what it was that panicked, and goes no further; `None` then.
///
/// What a panic leaves behind in what the closure captured is the host's to guard.
pub(super) fn contained<R>(what: &'static str, run: impl FnOnce() -> R) -> Option<R> {
    match catch_unwind(AssertUnwindSafe(run)) {
        Ok(result) => Some(result),
        Err(panic) => {
            // A subscriber of `tracing` is the host's as well.
            let log = || tracing::error!(target: "tropism", message = message_of(&*panic), "{what} panicked");
            let _ = catch_unwind(AssertUnwindSafe(log)).map_err(dispose);
            dispose(panic);
            None
        }
    }
}

/// What a panic said.
pub(crate) fn message_of(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
    text.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap_or_else(|| "no message".to_owned())
}

/// Drops what a panic carried, whose destructor may panic in turn.
pub(super) fn dispose(panic: Box<dyn Any + Send>) {
    if let Err(second) = catch_unwind(AssertUnwindSafe(|| drop(panic))) {
        std::mem::forget(second);
    }
}

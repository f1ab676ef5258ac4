//! Keeps a panic of the host's code from ending more than it hit.

use std::{
    any::Any,
    mem,
    panic::{AssertUnwindSafe, catch_unwind},
};

/// Runs the host's code, and answers with the message of its panic if it panics.
///
/// What a panic leaves behind in what the closure captured is the host's to guard.
pub(crate) fn guarded<R>(body: impl FnOnce() -> R) -> Result<R, String> {
    catch_unwind(AssertUnwindSafe(body)).map_err(|panic| {
        let message = message_of(&*panic);
        dispose(panic);
        message
    })
}

/// Runs the host's code. A panic is logged with what it was that panicked, and goes no further; `None` then.
pub(crate) fn contained<R>(what: &'static str, body: impl FnOnce() -> R) -> Option<R> {
    match guarded(body) {
        Ok(result) => Some(result),
        Err(message) => {
            // A subscriber of `tracing` is the host's as well.
            let _ = guarded(|| tracing::error!(target: "tropism", message, "{what} panicked"));
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
pub(crate) fn dispose(panic: Box<dyn Any + Send>) {
    if let Err(second) = catch_unwind(AssertUnwindSafe(|| drop(panic))) {
        // Whatever this one does when it is dropped, it has had its turn.
        mem::forget(second);
    }
}

#[cfg(test)]
mod tests {
    use std::panic::panic_any;

    use super::*;

    struct PanicsWhenDropped;

    impl Drop for PanicsWhenDropped {
        fn drop(&mut self) {
            panic!("dropped");
        }
    }

    #[test]
    fn a_panic_is_its_message() {
        assert_eq!(guarded(|| 1), Ok(1));
        assert_eq!(guarded(|| -> i32 { panic!("on purpose") }), Err("on purpose".to_owned()));
    }

    #[test]
    fn a_payload_that_panics_when_it_is_dropped_ends_nothing() {
        assert_eq!(guarded(|| -> i32 { panic_any(PanicsWhenDropped) }), Err("no message".to_owned()));
    }
}

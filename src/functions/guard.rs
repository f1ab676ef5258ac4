//! [`guarded`]: runs what is the host's, so that its panic ends nothing else.

use std::{
    mem,
    panic::{AssertUnwindSafe, catch_unwind},
};

use crate::reactive::message_of;

/// Runs `body`, and answers with the message of its panic if it panics. A panic's payload may panic as well when it is
/// dropped; that ends nothing either.
pub(crate) fn guarded<R>(body: impl FnOnce() -> R) -> Result<R, String> {
    catch_unwind(AssertUnwindSafe(body)).map_err(|panic| {
        let message = message_of(&*panic);
        if let Err(second) = catch_unwind(AssertUnwindSafe(|| drop(panic))) {
            // Whatever this one does when it is dropped, it has had its turn.
            mem::forget(second);
        }
        message
    })
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

//! Counts, for tests, the entries that this thread looks at.

use std::cell::Cell;

thread_local! {
    static LOOKED_AT: Cell<u64> = const { Cell::new(0) };
}

/// Counts one entry.
pub(super) fn count() {
    LOOKED_AT.set(LOOKED_AT.get() + 1);
}

/// How many entries this thread looks at while `work` is done.
pub(crate) fn of<R>(work: impl FnOnce() -> R) -> (R, u64) {
    let before = LOOKED_AT.get();
    let result = work();
    (result, LOOKED_AT.get() - before)
}

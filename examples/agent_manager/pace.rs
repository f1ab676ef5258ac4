//! How the story is paced, and how its people wait for something to come true.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use crossbeam_channel::{Receiver, RecvTimeoutError, TryRecvError};
use tropism::{Error, prelude::*};

use crate::Failure;

/// Nothing in the story takes longer than this; what does is an error and not a screen that stands still.
const LONGEST_WAIT: Duration = Duration::from_secs(20);

/// How long a pause is: as long as it says for somebody who watches, nothing for a log.
#[derive(Clone)]
pub struct Pace {
    is_watched: bool,
    /// Disconnected when the story has ended.
    ended: Receiver<()>,
}

impl Pace {
    pub fn new(is_watched: bool, ended: Receiver<()>) -> Self {
        Self { is_watched, ended }
    }

    /// Lets time pass; says whether the story goes on.
    pub fn pause(&self, millis: u64) -> bool {
        if self.is_watched {
            self.ended.recv_timeout(Duration::from_millis(millis)) == Err(RecvTimeoutError::Timeout)
        } else {
            self.ended.try_recv() == Err(TryRecvError::Empty)
        }
    }

    /// Disconnected when the story has ended.
    pub fn ended(&self) -> &Receiver<()> {
        &self.ended
    }
}

/// Waits until a live query answers what is waited for, and hands that over.
pub fn wait_until<T, E>(
    subscription: &Subscription<T, E>,
    what: &str,
    has_come: impl Fn(&T) -> bool,
) -> Result<Arc<T>, Failure>
where
    T: PartialEq + Send + Sync + 'static,
    E: From<Error> + std::error::Error + Send + Sync + 'static,
{
    let deadline = Instant::now() + LONGEST_WAIT;
    loop {
        let left = deadline.saturating_duration_since(Instant::now());
        match subscription.recv_timeout(left) {
            Some(Ok(value)) if has_come(&value) => return Ok(value),
            Some(Ok(_)) => {}
            Some(Err(error)) => return Err(format!("{what} cannot be waited for: {error}").into()),
            None => return Err(format!("{what} did not come within {LONGEST_WAIT:?}").into()),
        }
    }
}

//! The values that a key had, each with the commit that gave it.

use std::num::NonZeroU64;

use super::Value;

/// Almost every key has one version; it takes 24 bytes then.
#[derive(Clone)]
pub enum Versions {
    /// One version.
    One(NonZeroU64, Value),
    /// The oldest first.
    #[expect(clippy::box_collection, reason = "a vector in place would make every entry larger")]
    Many(Box<Vec<(NonZeroU64, Value)>>),
}

/// Commits are numbered from one.
pub fn stamp(ts: u64) -> NonZeroU64 {
    NonZeroU64::new(ts).expect("commits are numbered from one")
}

impl Versions {
    /// The first version.
    pub fn new(ts: NonZeroU64, value: Value) -> Self {
        Self::One(ts, value)
    }

    /// Adds the newest version.
    pub fn push(&mut self, ts: NonZeroU64, value: Value) {
        match self {
            Self::One(first_ts, first) => {
                *self = Self::Many(Box::new(vec![(*first_ts, first.take()), (ts, value)]));
            }
            Self::Many(versions) => versions.push((ts, value)),
        }
    }

    /// The version that a snapshot of this commit sees. Looks at the newest first, else halves.
    pub fn at(&self, ts: u64) -> Option<(u64, &Value)> {
        match self {
            Self::One(own, value) => (own.get() <= ts).then_some((own.get(), value)),
            Self::Many(versions) => {
                let newest = versions.last().filter(|(own, _)| own.get() <= ts);
                let found = newest.or_else(|| {
                    let seen = versions.partition_point(|(own, _)| own.get() <= ts);
                    seen.checked_sub(1).map(|at| &versions[at])
                });
                found.map(|(own, value)| (own.get(), value))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_version_takes_24_bytes() {
        assert_eq!(size_of::<Versions>(), 24);
    }
}

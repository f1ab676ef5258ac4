//! [`DamagedJobs`]: jobs whose rows cannot be read, which upkeep leaves as they are.

use std::collections::BTreeSet;

use super::tables::Job;
use crate::{
    error::{Error, RowError, StorageError},
    schema::Id,
};

/// How many damaged jobs are remembered. Past it, damage ends the work that meets it.
const REMEMBERED_LIMIT: usize = 1 << 16;

/// Jobs that upkeep passes over until the database is opened again: their rows are damaged or missing.
#[derive(Debug, Default)]
pub(super) struct DamagedJobs(BTreeSet<Id<Job>>);

impl DamagedJobs {
    pub(super) fn contains(&self, job: Id<Job>) -> bool {
        self.0.contains(&job)
    }

    /// Takes note of a job. Returns `false` if no more can be remembered.
    pub(super) fn note(&mut self, job: Id<Job>) -> bool {
        let has_room = self.0.len() < REMEMBERED_LIMIT;
        if has_room {
            self.0.insert(job);
        }
        has_room
    }
}

/// Whether an error says that what is stored is damaged. Trying again does not help; others may be whole.
pub(super) fn is_damage(error: &Error) -> bool {
    matches!(error, Error::Storage(StorageError::Corrupt { .. }) | Error::Row(RowError::Decode { .. }))
}

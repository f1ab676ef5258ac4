//! Finds and changes many jobs, a part at a time, each on its own: a damaged row is left as it is, and those behind it go
//! on.

use super::{
    core::{SchedulerCore, SchedulerFailure},
    damaged::is_damage,
    tables::Job,
};
use crate::{
    error::{Error, TransactionError},
    schema::{Doc, Id},
    transaction::{IndexQuery, WriteTx},
};

impl SchedulerCore {
    /// Adds the first jobs of a query that are not known to be damaged, until there are `limit`. Reads no rows.
    pub(super) fn find_intact<K, R>(
        &self,
        jobs: IndexQuery<'_, Job, K, R>,
        limit: usize,
        found: &mut Vec<Id<Job>>,
    ) -> Result<(), Error> {
        if found.len() >= limit {
            return Ok(());
        }
        jobs.walk_keys(|_, job| {
            if !self.state().damaged.contains(job) {
                found.push(job);
            }
            found.len() < limit
        })
    }

    /// Changes jobs in one transaction, the first at least, and no more once their texts have more than `limit_bytes`.
    /// Returns how many it has dealt with: changed, or found to be damaged or gone.
    pub(super) fn change_jobs(
        &self,
        jobs: &[Id<Job>],
        limit_bytes: usize,
        mut change: impl FnMut(&mut WriteTx, &Doc<Job>) -> Result<(), Error>,
    ) -> Result<usize, Error> {
        if jobs.is_empty() {
            return Ok(0);
        }
        let (mut damaged, mut gone) = (Vec::new(), Vec::new());
        let changed = self.engine.pipeline.write(self.engine.durability, |tx| -> Result<usize, Error> {
            let (mut done, mut size_bytes) = (0, 0);
            for id in jobs {
                if size_bytes > limit_bytes {
                    break;
                }
                let changed = tx.nested(|tx| match tx.get(*id)? {
                    Some(job) => change(tx, &job).map(|()| Some(job.text_bytes())),
                    None => Ok(None),
                });
                match changed {
                    Ok(Some(text_bytes)) => size_bytes += text_bytes,
                    // Ids are not given twice, so nothing is lost by passing it over from now on.
                    Ok(None) => gone.push(*id),
                    Err(error) if is_damage(&error) => damaged.push((*id, error)),
                    Err(error) => return Err(error),
                }
                done += 1;
            }
            Ok(done)
        });
        for (job, error) in damaged {
            self.leave_damaged(job, error)?;
        }
        let is_all_gone = gone.len() == *changed.as_ref().unwrap_or(&0);
        for job in gone {
            if !self.state().damaged.note(job) && is_all_gone {
                // Whoever goes on until nothing is left would not get any further.
                return Err(TransactionError::NotFound { id: job.to_string() }.into());
            }
        }
        changed
    }

    /// Takes note of a job that is damaged, for upkeep to pass it over. If there are too many, its damage is an error.
    fn leave_damaged(&self, job: Id<Job>, error: Error) -> Result<(), Error> {
        let now = self.now();
        let mut state = self.state();
        if !state.damaged.note(job) {
            return Err(error);
        }
        let message = format!("{job} is damaged and is left as it is: {error}");
        state.note_failure(SchedulerFailure { at: now, message });
        drop(state);
        tracing::error!(target: "tropism", %job, %error, "a job is damaged and is left as it is");
        Ok(())
    }
}

//! Opens the scheduled work of a database.

use std::{collections::HashMap, sync::Arc, time::Duration};

use super::{core::SchedulerCore, crons::CronDefinition};
use crate::{
    error::{Error, OpenError, RegistrationError},
    functions::{Engine, Functions},
};

impl SchedulerCore {
    /// Checks the declared crons, brings the stored ones to them, puts jobs that were interrupted where they belong, and
    /// puts times right that were set while the clock was ahead.
    pub(crate) fn open(
        engine: Arc<Engine>,
        functions: Arc<Functions>,
        declared: Vec<CronDefinition>,
        retention: Duration,
    ) -> Result<Self, OpenError> {
        let mut plans = HashMap::new();
        for cron in &declared {
            let (name, plan) = cron.plan(functions.environment())?;
            if plans.insert(name.clone(), plan).is_some() {
                return Err(RegistrationError::DuplicateCron { name }.into());
            }
        }
        let as_open_error = |error| match error {
            Error::Open(error) => error,
            Error::Storage(error) => error.into(),
            Error::Row(error) => error.into(),
            other => OpenError::Scheduler { reason: other.to_string().into() },
        };
        let core = Self::new(engine, functions, retention, plans).map_err(as_open_error)?;
        let opened = core.bring_crons_up_to_date(&declared).and_then(|()| core.recover());
        opened.and_then(|()| core.correct_all()).map_err(as_open_error)?;
        Ok(core)
    }
}

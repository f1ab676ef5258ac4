//! What the base knows of itself, in a table of its own.

use redb::{ReadTransaction, TableDefinition, WriteTransaction};

use super::failure::{BASE_FILE, Failure, damaged, failed};
use crate::error::{OpenError, StorageError};

/// The newest format of redb's tables that this release reads and the one that it writes.
const BASE_FORMAT: u64 = 1;

const FIGURES: TableDefinition<'static, &'static str, u64> = TableDefinition::new("tropism");
const FORMAT: &str = "format";
const TS: &str = "ts";
const LOG_FROM: &str = "log_from";
const LOG_GOES_ON: &str = "log_goes_on";

/// What the base knows of itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::storage) struct Figures {
    /// The commit that the base stands at: everything up to it is in, nothing after it.
    pub(in crate::storage) ts: u64,
    /// The first log segment that may hold commits after `ts`; earlier ones are obsolete.
    pub(in crate::storage) log_from: u64,
    /// Whether that segment existed at the checkpoint, and so must exist now. Not so after a clean close.
    pub(in crate::storage) log_goes_on: bool,
}

/// The figures of a base of a known format, or the number of a later one.
pub(super) enum Found {
    Figures(Figures),
    NewerFormat(u64),
}

impl Found {
    pub(super) fn figures(self) -> Result<Figures, OpenError> {
        match self {
            Self::Figures(figures) => Ok(figures),
            Self::NewerFormat(format) => Err(OpenError::NewerFormat {
                file: BASE_FILE.to_owned(),
                found: u32::try_from(format).unwrap_or(u32::MAX),
                supported: BASE_FORMAT as u32,
            }),
        }
    }
}

/// Reads the figures.
pub(super) fn read_figures(read: &ReadTransaction) -> Result<Found, Failure> {
    let table = read.open_table(FIGURES).map_err(|error| match failed(error) {
        Failure::Here(StorageError::Base { reason }) => damaged(0, &reason).into(),
        failure => failure,
    })?;
    let figure = |name: &str, what: &str| -> Result<u64, Failure> {
        let found = table.get(name).map_err(failed)?.map(|value| value.value());
        found.ok_or_else(|| damaged(0, what).into())
    };
    let format = figure(FORMAT, "it has no format number")?;
    if format > BASE_FORMAT {
        return Ok(Found::NewerFormat(format));
    }
    Ok(Found::Figures(Figures {
        ts: figure(TS, "it has no timestamp")?,
        log_from: figure(LOG_FROM, "it does not say where the log goes on")?,
        log_goes_on: figure(LOG_GOES_ON, "it does not say whether the log goes on")? == 1,
    }))
}

/// Writes the figures.
pub(super) fn write_figures(transaction: &WriteTransaction, figures: Figures) -> Result<(), Failure> {
    let mut table = transaction.open_table(FIGURES).map_err(failed)?;
    table.insert(FORMAT, BASE_FORMAT).map_err(failed)?;
    table.insert(TS, figures.ts).map_err(failed)?;
    table.insert(LOG_FROM, figures.log_from).map_err(failed)?;
    table.insert(LOG_GOES_ON, u64::from(figures.log_goes_on)).map_err(failed)?;
    Ok(())
}

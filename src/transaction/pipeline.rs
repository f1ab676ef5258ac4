//! Runs closures as transactions and commits them.

use std::{
    panic::{AssertUnwindSafe, catch_unwind, resume_unwind},
    sync::Arc,
};

use super::{
    ReadSet, ReadTx, Reentrancy, WriteTx,
    id_sequence::Showing,
    index_builder::{IndexBuilder, OnProgress},
    tables::{Companion, OpenTables},
};
use crate::{
    error::{Error, StorageError, TransactionError},
    storage::{Applied, Changes, Durability, Store},
    time::Timestamp,
};

/// A store with its tables: where transactions come from.
pub(crate) struct Pipeline {
    store: Arc<Store>,
    tables: Arc<OpenTables>,
    /// Whether writes are refused.
    is_read_only: bool,
}

impl Pipeline {
    /// `companion` is carried by every transaction, for the floors above.
    pub(crate) fn new(store: Arc<Store>, tables: OpenTables, companion: Companion) -> Self {
        Self { store, tables: Arc::new(tables.with_companion(companion)), is_read_only: false }
    }

    /// The same, but that writes are refused.
    pub(crate) fn read_only(self) -> Self {
        Self { is_read_only: true, ..self }
    }

    /// What builds the indexes that are not ready.
    pub(crate) fn index_builder(&self, on_progress: OnProgress) -> Result<Arc<IndexBuilder>, StorageError> {
        IndexBuilder::new(Arc::clone(&self.store), Arc::clone(&self.tables), on_progress).map(Arc::new)
    }

    /// The time now, by the clock of the database.
    pub(crate) fn now(&self) -> Timestamp {
        self.store.clock().now()
    }

    pub(crate) fn store(&self) -> &Store {
        &self.store
    }

    /// A number that tells this database from others of the process; its transactions have the same.
    pub(crate) fn identity(&self) -> usize {
        self.tables.identity()
    }

    /// Runs a closure on what is visible now.
    ///
    /// # Errors
    ///
    /// `ReadInQuery` inside a query of this database; `Closed`; what the closure answers.
    pub(crate) fn read<R, E: From<Error>>(&self, body: impl FnOnce(&ReadTx) -> Result<R, E>) -> Result<R, E> {
        Reentrancy::check_may_read(self.identity(), "Db::read").map_err(|error| E::from(error.into()))?;
        let snapshot = self.store.snapshot().map_err(|error| E::from(error.into()))?;
        body(&ReadTx::new(Arc::clone(&self.tables), snapshot))
    }

    /// Runs a closure on what is visible now and says at which commit that was and what it read.
    pub(crate) fn read_tracked<R>(&self, body: impl FnOnce(&ReadTx) -> R) -> Result<(R, u64, ReadSet), StorageError> {
        let _inside = Reentrancy::enter_query(self.identity());
        let tx = ReadTx::tracked(Arc::clone(&self.tables), self.store.snapshot()?);
        let result = body(&tx);
        let ts = tx.snapshot.ts;
        Ok((result, ts, tx.into_reads()))
    }

    /// Runs a closure once, on the newest state, and commits what it did.
    pub(crate) fn write<R, E: From<Error>>(
        &self,
        durability: Durability,
        body: impl FnOnce(&mut WriteTx) -> Result<R, E>,
    ) -> Result<R, E> {
        let (result, applied) = self.commit(durability, body)?;
        if durability == Durability::Durable {
            self.wait_durable(applied).map_err(|error| E::from(error.into()))?;
        }
        Ok(result)
    }

    /// Waits until a commit is durable, and those before it.
    pub(crate) fn wait_durable(&self, applied: Applied) -> Result<(), StorageError> {
        self.store.wait_durable(applied)
    }

    /// Runs a closure once, on the newest state, and commits what it did, without waiting until that is durable.
    ///
    /// An error or a panic of the closure was computed from what others have committed. It does not leave before that is
    /// as good as what the call itself asks for: durable, or visible.
    pub(crate) fn commit<R, E: From<Error>>(
        &self,
        durability: Durability,
        body: impl FnOnce(&mut WriteTx) -> Result<R, E>,
    ) -> Result<(R, Applied), E> {
        let from_engine = |error: Error| E::from(error);
        let inside = Reentrancy::enter_write(self.identity()).map_err(|error| from_engine(error.into()))?;
        if self.is_read_only {
            return Err(from_engine(TransactionError::ReadOnly.into()));
        }
        let mut lock = self.store.begin().map_err(|error| from_engine(error.into()))?;
        let read = ReadTx::new(Arc::clone(&self.tables), lock.snapshot());
        let seen = Applied { ts: read.snapshot.ts, is_shown: false };
        let is_early = durability == Durability::Relaxed || self.store.is_relaxed();
        let mut tx = WriteTx::new(read, self.store.clock().now(), self.store.transaction_limit_bytes());
        let ran = match catch_unwind(AssertUnwindSafe(|| body(&mut tx))) {
            Ok(ran) => ran.and_then(|result| {
                let showing = Showing { is_early, durable_ts: self.store.durable_ts() };
                Ok((result, tx.into_changes(showing).map_err(from_engine)?))
            }),
            Err(panic) => {
                self.take_back_ids();
                drop((tx, lock, inside));
                if let Err(error) = self.settle(durability, seen) {
                    tracing::error!(target: "tropism", %error, "what a transaction that panicked has read is not durable");
                }
                resume_unwind(panic);
            }
        };
        let (result, written) = match ran {
            Ok(ran) => ran,
            Err(error) => {
                self.take_back_ids();
                drop(lock);
                drop(inside);
                self.settle(durability, seen).map_err(|error| from_engine(error.into()))?;
                return Err(error);
            }
        };
        let span =
            tracing::trace_span!(target: "tropism", "commit", changes = written.changes.len(), ?durability).entered();
        if written.must_be_durable {
            lock.show_when_durable();
        }
        let noted = |ts| written.first_ids.iter().for_each(|(table, _)| self.tables.at(*table).ids.committed(ts));
        let applied =
            lock.commit_noted(written.changes, durability, noted).map_err(|error| from_engine(error.into()))?;
        tracing::trace!(target: "tropism", ts = applied.ts, "committed");
        drop(span);
        drop(inside);
        if is_early && !applied.is_shown {
            self.wait_durable(applied).map_err(|error| from_engine(error.into()))?;
        }
        Ok((result, applied))
    }

    /// After a transaction that failed as a whole, while the write lock is held.
    fn take_back_ids(&self) {
        self.tables.iter().for_each(|table| table.ids.take_back());
    }

    /// Makes what a call has seen durable, or visible.
    fn settle(&self, durability: Durability, seen: Applied) -> Result<(), StorageError> {
        match durability {
            Durability::Durable => self.store.wait_durable(seen),
            Durability::Relaxed => self.store.show(seen),
        }
    }

    /// Stores which ids come next, so that the next opening goes on there: for the end of the database. Where all that
    /// there is to give back are small ranges, only if `is_thorough`.
    pub(crate) fn finish_ids(&self, is_thorough: bool) -> Result<(), StorageError> {
        let lock = self.store.begin()?;
        let mut changes = Changes::new();
        for (key, change) in self.tables.iter().flat_map(|table| table.ids.finish(is_thorough)) {
            changes.insert(key, change);
        }
        let noted = |ts| self.tables.iter().for_each(|table| table.ids.committed(ts));
        lock.commit_noted(changes.into_vec(), Durability::Durable, noted).map(drop)
    }
}

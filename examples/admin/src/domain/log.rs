//! The log that handlers append to, and what it asks of a database.

use std::error::Error as StdError;
use std::fmt;
use std::pin::Pin;
use std::sync::Arc;

use event_core::prelude::*;
use serde::Serialize;

use super::AuditEntry;

/// A handle to the log; a clone is the same log.
#[derive(Clone)]
pub struct AuditLog {
    repository: Arc<dyn AuditRepository>,
    opened_at: RowId,
}

impl AuditLog {
    /// Opens the log that `repository` keeps.
    ///
    /// # Errors
    ///
    /// [`AuditError`] when the repository does not answer.
    pub async fn open(repository: impl AuditRepository + 'static) -> Result<Self, AuditError> {
        let opened_at = repository.latest().await?;
        Ok(AuditLog { repository: Arc::new(repository), opened_at })
    }

    /// Appends the entry for `event`; one that is there already stays as it is. The result is
    /// what a handler returns.
    ///
    /// # Errors
    ///
    /// A failure of the repository asks for a retry; data that cannot be written as JSON never
    /// will be, and goes to the dead letters.
    pub async fn append<T: Contract + Serialize>(
        &self,
        event: &Event<T>,
        raw: &RawEvent,
        entity_name: &str,
        description: String,
    ) -> event_core::Result {
        let entry = AuditEntry::new(event, raw, entity_name, description)
            .map_err(|error| Error::from(error).dead_letter())?;
        self.repository.append(entry).await?;
        Ok(())
    }

    /// The entries that were appended since the log was opened, oldest first.
    ///
    /// # Errors
    ///
    /// [`AuditError`] when the repository does not answer.
    pub async fn added(&self) -> Result<Vec<AuditEntry>, AuditError> {
        self.repository.after(self.opened_at).await
    }
}

impl fmt::Debug for AuditLog {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AuditLog").field("opened_at", &self.opened_at).finish_non_exhaustive()
    }
}

/// The answer of a repository.
pub type RepositoryFuture<'a, T> = Pin<Box<dyn Future<Output = Result<T, AuditError>> + Send + 'a>>;

/// Where the entries lie.
pub trait AuditRepository: Send + Sync {
    /// Appends `entry` unless there is one with its `dedupe_key`.
    fn append(&self, entry: AuditEntry) -> RepositoryFuture<'_, Appended>;

    /// The row that was appended last.
    fn latest(&self) -> RepositoryFuture<'_, RowId>;

    /// The entries behind `row`, oldest first.
    fn after(&self, row: RowId) -> RepositoryFuture<'_, Vec<AuditEntry>>;
}

/// What appending did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Appended {
    /// There is a new row.
    New,
    /// The event had its row.
    Known,
}

/// The place of a row in the log; 0 is before the first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct RowId(pub i64);

/// Why the log cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AuditError {
    /// The settings name no database that this service knows.
    #[error("{0}")]
    Settings(String),
    /// The database failed.
    #[error("cannot {action} the audit log")]
    Database {
        /// What was tried.
        action: &'static str,
        /// What the database says.
        #[source]
        source: Box<dyn StdError + Send + Sync>,
    },
}

impl AuditError {
    /// Turns a database's error into ours.
    pub fn database<E>(action: &'static str) -> impl FnOnce(E) -> Self
    where
        E: Into<Box<dyn StdError + Send + Sync>>,
    {
        move |source| AuditError::Database { action, source: source.into() }
    }
}

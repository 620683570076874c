//! The audit log in a file of its own: nothing to install.

use std::path::Path;

use sqlx::sqlite::{
    SqliteConnectOptions, SqliteJournalMode, SqlitePool, SqlitePoolOptions, SqliteSynchronous,
};

use super::row;
use crate::domain::{Appended, AuditEntry, AuditError, AuditRepository, RepositoryFuture, RowId};

const MIGRATIONS: &[(&str, &str)] =
    &[("audit log", include_str!("../../migrations/sqlite/0001_audit_log.sql"))];

/// The log in SQLite.
#[derive(Clone, Debug)]
pub struct SqliteRepository {
    pool: SqlitePool,
}

impl SqliteRepository {
    /// Opens `file`, and makes it when it is not there.
    ///
    /// # Errors
    ///
    /// [`AuditError::Database`] when it cannot be opened or is no database of ours.
    pub async fn open(file: &Path) -> Result<Self, AuditError> {
        let options = SqliteConnectOptions::new()
            .filename(file)
            .create_if_missing(true)
            // A row must survive a power cut: its offset is committed right after it.
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(SqliteSynchronous::Full);
        Self::with(options).await
    }

    /// A log that lives as long as this value.
    ///
    /// # Errors
    ///
    /// [`AuditError::Database`] when SQLite has no memory for it.
    pub async fn in_memory() -> Result<Self, AuditError> {
        Self::with(SqliteConnectOptions::new().in_memory(true)).await
    }

    async fn with(options: SqliteConnectOptions) -> Result<Self, AuditError> {
        // SQLite has one writer at a time; a database in memory belongs to its connection.
        let pool = SqlitePoolOptions::new()
            .max_connections(1)
            .idle_timeout(None)
            .max_lifetime(None)
            .connect_with(options)
            .await
            .map_err(AuditError::database("open"))?;
        row::migrator(MIGRATIONS).run(&pool).await.map_err(AuditError::database("migrate"))?;
        Ok(SqliteRepository { pool })
    }
}

impl AuditRepository for SqliteRepository {
    fn append(&self, entry: AuditEntry) -> RepositoryFuture<'_, Appended> {
        Box::pin(async move {
            let inserted = sqlx::query(
                "INSERT INTO audit_log (action, user_id, description, entity_name, new_value,
                     occurred_at, event_id, source, dedupe_key)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)
                 ON CONFLICT (dedupe_key) DO NOTHING",
            )
            .bind(entry.action)
            .bind(entry.user_id)
            .bind(entry.description)
            .bind(entry.entity_name)
            .bind(entry.new_value)
            .bind(format!("{:.6}", entry.occurred_at))
            .bind(entry.event_id)
            .bind(entry.source)
            .bind(entry.dedupe_key)
            .execute(&self.pool)
            .await
            .map_err(AuditError::database("append to"))?;
            Ok(row::appended(inserted.rows_affected()))
        })
    }

    fn latest(&self) -> RepositoryFuture<'_, RowId> {
        Box::pin(row::latest(&self.pool))
    }

    fn after(&self, row: RowId) -> RepositoryFuture<'_, Vec<AuditEntry>> {
        Box::pin(async move {
            let rows: Vec<row::Row> = sqlx::query_as(
                "SELECT action, user_id, description, entity_name, new_value, occurred_at,
                     event_id, source, dedupe_key
                 FROM audit_log WHERE id > ?1 ORDER BY id",
            )
            .bind(row.0)
            .fetch_all(&self.pool)
            .await
            .map_err(AuditError::database("read"))?;
            rows.into_iter().map(row::entry).collect()
        })
    }
}

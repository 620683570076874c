//! The audit log in PostgreSQL, which several instances of the service can share.

use sqlx::postgres::{PgPool, PgPoolOptions};

use super::row;
use crate::domain::{Appended, AuditEntry, AuditError, AuditRepository, RepositoryFuture, RowId};

const MIGRATIONS: &[(&str, &str)] =
    &[("audit log", include_str!("../../migrations/postgres/0001_audit_log.sql"))];

/// The log in PostgreSQL.
#[derive(Clone, Debug)]
pub struct PostgresRepository {
    pool: PgPool,
}

impl PostgresRepository {
    /// Connects to the database of `url`.
    ///
    /// # Errors
    ///
    /// [`AuditError::Database`] when it does not answer or refuses us.
    pub async fn connect(url: &str) -> Result<Self, AuditError> {
        let pool = PgPoolOptions::new()
            .max_connections(8)
            .connect(url)
            .await
            .map_err(AuditError::database("open"))?;
        row::migrator(MIGRATIONS).run(&pool).await.map_err(AuditError::database("migrate"))?;
        Ok(PostgresRepository { pool })
    }
}

impl AuditRepository for PostgresRepository {
    fn append(&self, entry: AuditEntry) -> RepositoryFuture<'_, Appended> {
        Box::pin(async move {
            let inserted = sqlx::query(
                "INSERT INTO audit_log (action, user_id, description, entity_name, new_value,
                     occurred_at, event_id, source, dedupe_key)
                 VALUES ($1, $2, $3, $4, $5::json, $6::timestamptz, $7, $8, $9)
                 ON CONFLICT (dedupe_key) DO NOTHING",
            )
            .bind(entry.action)
            .bind(entry.user_id.map(storable))
            .bind(storable(entry.description))
            .bind(entry.entity_name)
            .bind(entry.new_value)
            .bind(entry.occurred_at.to_string())
            .bind(entry.event_id.map(storable))
            .bind(entry.source)
            .bind(escaped(&entry.dedupe_key))
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
                r#"SELECT action, user_id, description, entity_name, new_value::text,
                     to_char(occurred_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'),
                     event_id, source, dedupe_key
                 FROM audit_log WHERE id > $1 ORDER BY id"#,
            )
            .bind(row.0)
            .fetch_all(&self.pool)
            .await
            .map_err(AuditError::database("read"))?;
            rows.into_iter().map(row::entry).collect()
        })
    }
}

// A key in the form of the database: other than by `storable`, two different ones stay different.
fn escaped(key: &str) -> String {
    key.replace('\\', r"\\").replace('\0', r"\0")
}

// PostgreSQL has no place for the character NUL in a text, and an event may hold one.
fn storable(text: String) -> String {
    if text.contains('\0') { text.replace('\0', "\u{fffd}") } else { text }
}

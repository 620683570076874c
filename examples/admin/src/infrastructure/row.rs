//! What both databases share: the columns as text, and the questions they answer alike.

use sqlx::migrate::{Migration, MigrationType, Migrator};
use sqlx::{Database, Executor, FromRow, IntoArguments, SqlSafeStr, SqlStr};

use crate::domain::{Appended, AuditEntry, AuditError, RowId};

/// The columns of a row in the order in which they are selected.
pub(super) type Row =
    (String, Option<String>, String, String, String, String, Option<String>, String, String);

/// Reads a row back.
pub(super) fn entry(row: Row) -> Result<AuditEntry, AuditError> {
    let (
        action,
        user_id,
        description,
        entity_name,
        new_value,
        occurred_at,
        event_id,
        source,
        dedupe_key,
    ) = row;
    Ok(AuditEntry {
        action,
        user_id,
        description,
        entity_name,
        new_value,
        occurred_at: occurred_at.parse().map_err(AuditError::database("read"))?,
        event_id,
        source,
        dedupe_key,
    })
}

/// What an insert that skips a known key has done, by the number of its rows.
pub(super) fn appended(rows: u64) -> Appended {
    if rows == 0 { Appended::Known } else { Appended::New }
}

/// The newest row; 0 when there is none.
pub(super) async fn latest<'e, D, E>(database: E) -> Result<RowId, AuditError>
where
    D: Database,
    D::Arguments: IntoArguments<D>,
    E: Executor<'e, Database = D>,
    (i64,): for<'r> FromRow<'r, D::Row>,
{
    let id = sqlx::query_scalar("SELECT coalesce(max(id), 0) FROM audit_log")
        .fetch_one(database)
        .await
        .map_err(AuditError::database("read"))?;
    Ok(RowId(id))
}

/// Migrations that are part of the binary, numbered from 1 on.
pub(super) fn migrator(scripts: &[(&'static str, &'static str)]) -> Migrator {
    let migration = |(version, (name, sql)): (i64, &(&'static str, &'static str))| {
        let sql: SqlStr = sql.into_sql_str();
        Migration::new(version, (*name).into(), MigrationType::Simple, sql, false)
    };
    Migrator::with_migrations((1..).zip(scripts).map(migration).collect())
}

//! What both databases share: the columns as text.

use sqlx::migrate::{Migration, MigrationType, Migrator};
use sqlx::{SqlSafeStr, SqlStr};

use crate::domain::{AuditEntry, AuditError};

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

/// Migrations that are part of the binary, numbered from 1 on.
pub(super) fn migrator(scripts: &[(&'static str, &'static str)]) -> Migrator {
    let migration = |(version, (name, sql)): (i64, &(&'static str, &'static str))| {
        let sql: SqlStr = sql.into_sql_str();
        Migration::new(version, (*name).into(), MigrationType::Simple, sql, false)
    };
    Migrator::with_migrations((1..).zip(scripts).map(migration).collect())
}

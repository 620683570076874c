//! Where the rows lie, and how they are shown.

mod postgres;
mod row;
mod sqlite;
pub mod table;

use std::env;
use std::path::Path;

pub use postgres::PostgresRepository;
pub use sqlite::SqliteRepository;

use crate::domain::{AuditError, AuditLog};

/// Opens the log that the environment names: PostgreSQL when `DATABASE_URL` says so, else the
/// SQLite file `ADMIN_DATABASE` (default `admin.db` in the working directory), which is made when
/// it is not there.
///
/// # Errors
///
/// [`AuditError::Settings`] for the URL of another database, [`AuditError::Database`] when it
/// cannot be opened.
pub async fn connect() -> Result<AuditLog, AuditError> {
    match env::var("DATABASE_URL") {
        Ok(url) if url.starts_with("postgres:") || url.starts_with("postgresql:") => {
            AuditLog::open(PostgresRepository::connect(&url).await?).await
        }
        // The URL may hold a password: it is not repeated.
        Ok(_) => Err(AuditError::Settings(
            "DATABASE_URL does not start with `postgres://`; unset it to use SQLite".to_owned(),
        )),
        Err(_) => {
            let file = env::var_os("ADMIN_DATABASE").unwrap_or_else(|| "admin.db".into());
            AuditLog::open(SqliteRepository::open(Path::new(&file)).await?).await
        }
    }
}

//! The claims of each role, in SQLite.

use event_core::Result;
use sqlx::sqlite::{SqliteConnectOptions, SqlitePool, SqlitePoolOptions};

const TABLE: &str = "CREATE TABLE IF NOT EXISTS claims (
    role_id INTEGER NOT NULL,
    claim_id INTEGER NOT NULL,
    PRIMARY KEY (role_id, claim_id)
)";

/// The claims of each role.
#[derive(Clone, Debug)]
pub(crate) struct Claims {
    pool: SqlitePool,
}

impl Claims {
    /// Opens the file that `ROLES_DATABASE` names, `roles.db` unless set.
    pub(crate) async fn from_env() -> Result<Self> {
        let file = std::env::var("ROLES_DATABASE").unwrap_or_else(|_| "roles.db".to_owned());
        Self::with(SqliteConnectOptions::new().filename(file).create_if_missing(true)).await
    }

    #[cfg(test)]
    pub(crate) async fn in_memory() -> Result<Self> {
        Self::with(SqliteConnectOptions::new().in_memory(true)).await
    }

    async fn with(options: SqliteConnectOptions) -> Result<Self> {
        // SQLite has one writer at a time; a database in memory belongs to its connection.
        let pool = SqlitePoolOptions::new().max_connections(1).connect_with(options).await?;
        sqlx::query(TABLE).execute(&pool).await?;
        Ok(Claims { pool })
    }

    /// Attaches a claim; one that is attached already stays.
    pub(crate) async fn add(&self, role_id: i64, claim_id: i64) -> Result {
        let insert = sqlx::query("INSERT OR IGNORE INTO claims (role_id, claim_id) VALUES (?, ?)");
        insert.bind(role_id).bind(claim_id).execute(&self.pool).await?;
        Ok(())
    }

    /// Takes a claim from a role.
    pub(crate) async fn remove(&self, role_id: i64, claim_id: i64) -> Result {
        let delete = sqlx::query("DELETE FROM claims WHERE role_id = ? AND claim_id = ?");
        delete.bind(role_id).bind(claim_id).execute(&self.pool).await?;
        Ok(())
    }

    /// The claims of a role, by number.
    pub(crate) async fn of(&self, role_id: i64) -> Result<Vec<i64>> {
        let select = "SELECT claim_id FROM claims WHERE role_id = ? ORDER BY claim_id";
        Ok(sqlx::query_scalar(select).bind(role_id).fetch_all(&self.pool).await?)
    }
}

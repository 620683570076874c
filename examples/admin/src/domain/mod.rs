//! What an audit log is, without a word about where it lies.

mod entry;
mod log;

pub use entry::AuditEntry;
pub use log::{Appended, AuditError, AuditLog, AuditRepository, RepositoryFuture, RowId};

//! Why a handler did not run.

use super::Error;
use crate::event::EnvelopeError;

/// Why a record cannot become the arguments of its handler: it goes to the dead letters at once,
/// unless it is [`Rejection::Failed`].
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Rejection {
    /// The record cannot be decoded.
    #[error(transparent)]
    Undecodable(#[from] EnvelopeError),
    /// A state is missing; start-up refuses this before any record arrives.
    #[error("no state of type {type_name} was provided")]
    MissingState {
        /// The type.
        type_name: &'static str,
    },
    /// The record has not got what an argument is made from: `Option` takes that as `None`.
    #[error("the record has no {what}")]
    Absent {
        /// What is not there, such as `key`.
        what: &'static str,
    },
    /// An argument could not be made this time, for a reason that is not the record's, such as a
    /// database that does not answer. It counts as a failure of the handler: the record is retried.
    #[error("{0}")]
    Failed(Error),
    /// An argument of the user's own refuses the record.
    #[error("{message}")]
    Refused {
        /// A stable code in lower snake case.
        code: &'static str,
        /// What is wrong.
        message: String,
    },
}

impl Rejection {
    /// A stable code for headers, metrics and filters.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Rejection::Undecodable(error) => error.code(),
            Rejection::MissingState { .. } => "missing_state",
            Rejection::Absent { what: "key" } => "key_missing",
            Rejection::Absent { what: "value" } => "value_missing",
            Rejection::Absent { .. } => "absent",
            Rejection::Failed(_) => "argument_failed",
            Rejection::Refused { code, .. } => code,
        }
    }
}

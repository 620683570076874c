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
    /// database that does not answer. It counts as a failure of the handler: the record is tried
    /// again.
    #[error("{0}")]
    Failed(Error),
    /// An argument of the user's own refuses the record.
    #[error("{code}: {message}")]
    Refused {
        /// A stable code in lower snake case.
        code: &'static str,
        /// What is wrong.
        message: String,
    },
}

impl Rejection {
    /// The same rejection once more, for another record that it holds for.
    pub(crate) fn again(&self) -> Self {
        match self {
            Rejection::Undecodable(error) => Rejection::Undecodable(error.clone()),
            Rejection::MissingState { type_name } => Rejection::MissingState { type_name },
            Rejection::Absent { what } => Rejection::Absent { what },
            Rejection::Failed(error) => Rejection::Failed(error.again()),
            Rejection::Refused { code, message } => {
                Rejection::Refused { code, message: message.clone() }
            }
        }
    }

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

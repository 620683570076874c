//! From the result of `main` to an exit code.

use std::error::Error as StdError;
use std::process::ExitCode;

use crate::outcome::Error;
use crate::registry::StartupReport;

/// An error that ends the process with a code of its own.
#[derive(Debug, thiserror::Error)]
#[error("{message}")]
pub struct ExitStatus {
    /// The exit code.
    pub code: u8,
    /// What is printed to standard error.
    pub message: String,
}

/// Prints what went wrong and chooses the exit code: 0 for success, 2 for a service that cannot
/// start, what an [`ExitStatus`] says, and 1 for everything else, such as records that were still in
/// hand when the time to drain was over. A second signal never comes here, see
/// [`signals`](super::signals): the process ends at once with 130 or 143.
pub fn exit(result: Result<(), Error>) -> ExitCode {
    let Err(error) = result else { return ExitCode::SUCCESS };
    let cause: &(dyn StdError + 'static) = error.as_std();
    let code = if cause.is::<StartupReport>() {
        StartupReport::EXIT_CODE
    } else if let Some(status) = cause.downcast_ref::<ExitStatus>() {
        status.code
    } else {
        1
    };
    eprintln!("{error:?}");
    ExitCode::from(code)
}

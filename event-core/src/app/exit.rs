//! From the result of `main` to an exit code.

use std::error::Error as StdError;
use std::fmt;
use std::io::Write;
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
/// flight when the time to drain was over. A second signal never comes here, see
/// [`signals`](super::signals): the process ends at once with 130 or 143.
///
/// Clients of Kafka that are still being closed are waited for, a second at most: the exit handlers of the
/// C library must not run beside them.
pub fn exit(result: Result<(), Error>) -> ExitCode {
    end(exit_code(result))
}

/// The same without the end.
pub(crate) fn exit_code(result: Result<(), Error>) -> u8 {
    let Err(error) = result else { return 0 };
    print_error(format_args!("{error:?}"));
    code_of(&error)
}

/// The code for an error.
pub(super) fn code_of(error: &Error) -> u8 {
    let cause: &(dyn StdError + 'static) = error.as_std();
    if cause.is::<StartupReport>() {
        StartupReport::EXIT_CODE
    } else if let Some(status) = cause.downcast_ref::<ExitStatus>() {
        status.code
    } else {
        1
    }
}

/// Prints a line to standard error. One that cannot be written is lost, and `eprintln!` would panic.
pub(crate) fn print_error(text: fmt::Arguments<'_>) {
    let _ = std::io::stderr().write_fmt(format_args!("{text}\n"));
}

/// How long the end waits for the clients that are being closed.
#[cfg(feature = "kafka")]
const CLOSING: std::time::Duration = std::time::Duration::from_secs(1);

/// Waits for what must be gone before the process ends, so that `main` can return the code.
pub(crate) fn end(code: u8) -> ExitCode {
    // What was written without a line's end.
    let _ = std::io::stdout().flush();
    #[cfg(feature = "kafka")]
    crate::broker::kafka::wait_or_leave(CLOSING, code);
    ExitCode::from(code)
}

/// Ends the process at once.
pub(crate) fn end_at_once(code: i32) -> ! {
    #[cfg(feature = "kafka")]
    crate::broker::kafka::leave(code);
    #[cfg(not(feature = "kafka"))]
    std::process::exit(code)
}

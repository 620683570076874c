//! Standard output of the commands.
//!
//! What cannot be written ends the command: nobody reads any more, or a disk is full, and what is printed
//! by then must not be taken for all of it. Standard error is different: what cannot be said there is lost.
//!
//! `cli::output` is the only way to standard output. What cannot be written there ends the command: a pipe that
//! nobody reads any more without an error, found by the next line or, where a command waits, by watching the pipe;
//! anything else, such as a full disk, with exit code 1. Standard error never fails a command.

use std::fmt::Arguments;
use std::io::{self, ErrorKind, Write};
use std::sync::OnceLock;

use tokio::sync::Notify;

use crate::app::{ExitStatus, on_own_thread, print_error};
use crate::outcome::Error;

/// Why standard output takes no more, once it does not.
static FAILURE: OnceLock<(ErrorKind, String)> = OnceLock::new();
static FAILED: Notify = Notify::const_new();

/// Prints a line.
pub(super) fn line(text: Arguments<'_>) {
    if FAILURE.get().is_none() {
        note(io::stdout().write_fmt(format_args!("{text}\n")));
    }
}

/// Notes that something could not be printed.
pub(super) fn note(printed: io::Result<()>) {
    if let Err(error) = printed {
        let _ = FAILURE.set((error.kind(), error.to_string()));
        FAILED.notify_waiters();
    }
}

/// Whether somebody reads what is printed.
pub(super) fn is_read() -> bool {
    FAILURE.get().is_none()
}

/// Completes when nothing can be printed any more, also while nothing is.
pub(super) async fn failed() {
    // A runtime of its own has what a pipe is watched with, whatever the user's has.
    let watch = async || {
        if reader_gone().await {
            note(Err(ErrorKind::BrokenPipe.into()));
        }
    };
    // Without it, the next printed line shows it.
    let _ = on_own_thread("event-core-output", watch);
    let failed = FAILED.notified();
    let mut failed = std::pin::pin!(failed);
    failed.as_mut().enable();
    if is_read() {
        failed.await;
    }
}

/// A number of things, each called `one`.
pub(super) fn counted(number: u64, one: &str) -> String {
    format!("{number} {one}{}", if number == 1 { "" } else { "s" })
}

/// Waits until the other end of a pipe is closed; `false` for what is no pipe.
#[cfg(unix)]
async fn reader_gone() -> bool {
    use std::os::fd::AsFd;

    use tokio::io::Interest;
    use tokio::net::unix::pipe::Sender;

    // Nothing is sent here, and standard output stays as it is: a pipe that blocks.
    let output = io::stdout().as_fd().try_clone_to_owned();
    let Ok(output) = output.and_then(Sender::from_owned_fd_unchecked) else { return false };
    matches!(output.ready(Interest::ERROR).await, Ok(ready) if ready.is_error())
}

#[cfg(not(unix))]
async fn reader_gone() -> bool {
    false
}

/// The end of a command: what it ended with, or why not all of it was printed. That nobody reads is no
/// failure, as `tail | head` is none.
pub(super) fn finish(ended: Result<(), Error>) -> Result<(), Error> {
    note(io::stdout().flush());
    let Some((kind, reason)) = FAILURE.get() else { return ended };
    if *kind == ErrorKind::BrokenPipe {
        // What the user's code printed at the end of `dev` fails alike.
        return ended.or_else(|error| match error.as_std().downcast_ref::<io::Error>() {
            Some(printed) if printed.kind() == ErrorKind::BrokenPipe => Ok(()),
            _ => Err(error),
        });
    }
    let message = format!("standard output cannot be written: {reason}");
    match ended {
        Ok(()) => Err(ExitStatus { code: 1, message }.into()),
        Err(error) => {
            print_error(format_args!("{message}"));
            Err(error)
        }
    }
}

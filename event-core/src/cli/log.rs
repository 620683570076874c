//! Where `tracing` goes.

use std::io::IsTerminal;

use tracing_subscriber::EnvFilter;

use super::known::usage;
use crate::app::{ExitStatus, has_wrong_level};

/// Writes to standard error what `EVENT_LOG` lets through (the syntax of `RUST_LOG`). A program that
/// has set up `tracing` itself keeps its own.
///
/// # Errors
///
/// What is no filter at all. Words that are no levels are found with the other settings.
pub(super) fn init(default: &str) -> Result<(), ExitStatus> {
    let given = std::env::var("EVENT_LOG").unwrap_or_default();
    let filter = match given.trim() {
        "" => EnvFilter::new(default),
        given => EnvFilter::try_new(given).or_else(|error| match has_wrong_level(given) {
            // Reported with the settings.
            true => Ok(EnvFilter::new(default)),
            false => Err(usage(format!("the variable EVENT_LOG is no filter of the log: {error}"))),
        })?,
    };
    let subscriber = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_ansi(std::io::stderr().is_terminal())
        .with_writer(std::io::stderr);
    let _ = subscriber.try_init();
    Ok(())
}

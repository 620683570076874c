//! Where `tracing` goes.

use std::io::IsTerminal;

use tracing_subscriber::EnvFilter;

/// Writes to standard error what `EVENT_LOG` lets through (the syntax of `RUST_LOG`). A program that
/// has set up `tracing` itself keeps its own.
pub(super) fn init(default: &str) {
    let filter = EnvFilter::try_from_env("EVENT_LOG").unwrap_or_else(|_| EnvFilter::new(default));
    let subscriber = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_ansi(std::io::stderr().is_terminal())
        .with_writer(std::io::stderr);
    let _ = subscriber.try_init();
}

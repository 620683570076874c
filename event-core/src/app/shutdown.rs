//! The signals that end a service.

use tokio::sync::mpsc;
use tracing::{info, warn};

/// Completes on the first SIGTERM or ctrl-c. A second one ends the process at once, with the code
/// that shells use for it (128 plus the signal's number).
pub async fn signals() {
    let (send, mut received) = mpsc::unbounded_channel();
    for (code, signal) in [(130, Signal::Interrupt), (143, Signal::Terminate)] {
        let send = send.clone();
        tokio::spawn(async move {
            while signal.next().await {
                if send.send(code).is_err() {
                    return;
                }
            }
        });
    }
    drop(send);
    if received.recv().await.is_none() {
        // No signal can be heard here, so none ends the service.
        warn!(target: "event_core", "signals cannot be received; the service ends only by itself");
        std::future::pending::<()>().await;
    }
    info!(target: "event_core", "shutting down; a second signal ends the process at once");
    tokio::spawn(async move {
        if let Some(code) = received.recv().await {
            std::process::exit(code);
        }
    });
}

#[derive(Clone, Copy)]
enum Signal {
    Interrupt,
    Terminate,
}

impl Signal {
    /// Waits for the signal; false when it can never come.
    async fn next(self) -> bool {
        match self {
            Signal::Interrupt => tokio::signal::ctrl_c().await.is_ok(),
            Signal::Terminate => terminate().await,
        }
    }
}

#[cfg(unix)]
async fn terminate() -> bool {
    use tokio::signal::unix::{SignalKind, signal};
    match signal(SignalKind::terminate()) {
        Ok(mut terminate) => terminate.recv().await.is_some(),
        Err(_) => false,
    }
}

#[cfg(not(unix))]
async fn terminate() -> bool {
    false
}

//! The signals that end a service.

use std::io;

use tokio::sync::oneshot;
use tracing::{info, warn};

use super::exit::end_at_once;
use super::thread::on_own_thread;

/// Completes on the first SIGTERM or ctrl-c. A second one ends the process at once, with the code
/// that shells use for it (128 plus the signal's number). They are received on a thread of their own,
/// whatever blocks the others.
pub async fn signals() {
    let (mut signal, signalled) = oneshot::channel();
    let hear = async move || {
        let Ok(mut signals) = Signals::listen() else { return };
        tokio::select! {
            _ = signals.next() => {}
            // Whoever asked does something else by now.
            () = signal.closed() => return,
        }
        let _ = signal.send(());
        end_at_once(signals.next().await);
    };
    if on_own_thread("event-core-signals", hear).is_err() || signalled.await.is_err() {
        // No signal can be received here, so none stops the service.
        warn!(target: "event_core", "signals cannot be received; the service ends only by itself");
        std::future::pending::<()>().await;
    }
    info!(target: "event_core", "shutting down; a second signal stops the process at once");
}

/// What listens from the beginning on, so that none is missed between two.
#[cfg(unix)]
struct Signals {
    interrupt: tokio::signal::unix::Signal,
    terminate: tokio::signal::unix::Signal,
}

#[cfg(unix)]
impl Signals {
    fn listen() -> io::Result<Self> {
        use tokio::signal::unix::{SignalKind, signal};
        let interrupt = signal(SignalKind::interrupt())?;
        Ok(Signals { interrupt, terminate: signal(SignalKind::terminate())? })
    }

    /// Waits for the next one, and gives its exit code.
    async fn next(&mut self) -> i32 {
        tokio::select! {
            Some(()) = self.interrupt.recv() => 130,
            Some(()) = self.terminate.recv() => 143,
            else => std::future::pending().await,
        }
    }
}

#[cfg(not(unix))]
struct Signals;

#[cfg(not(unix))]
impl Signals {
    fn listen() -> io::Result<Self> {
        Ok(Signals)
    }

    async fn next(&mut self) -> i32 {
        match tokio::signal::ctrl_c().await {
            Ok(()) => 130,
            Err(_) => std::future::pending().await,
        }
    }
}

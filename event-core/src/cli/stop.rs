//! What ends a command early: ctrl-c, or that nobody reads what it prints.

use tokio::sync::watch;

use super::output;
use crate::app::signals;
use crate::delivery::Shutdown;

/// Completes at the first ctrl-c or SIGTERM, after which the second ends the process at once, or when
/// standard output takes no more.
pub(super) async fn stopped() {
    tokio::select! {
        () = signals() => {}
        () = output::failed() => {}
    }
}

/// The same for a command that ends between two records.
pub(super) fn on_signal() -> Shutdown {
    let (sender, receiver) = watch::channel(false);
    tokio::spawn(async move {
        stopped().await;
        sender.send_replace(true);
    });
    Shutdown::new(receiver)
}

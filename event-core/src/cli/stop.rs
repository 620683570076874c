//! Ctrl-c for a command that ends between two records.

use tokio::sync::watch;

use crate::app::signals;
use crate::delivery::Shutdown;

/// Requested at the first ctrl-c or SIGTERM; the second ends the process at once.
pub(super) fn on_signal() -> Shutdown {
    let (tell, told) = watch::channel(false);
    tokio::spawn(async move {
        signals().await;
        tell.send_replace(true);
    });
    Shutdown::new(told)
}

//! How a handler learns that it is time to end.

use tokio::sync::watch;

/// Signals to a long-running handler that the service stops or that its partition goes to another
/// member. A handler that ends early must fail or be run again: what it returns is taken as usual.
///
/// ```
/// use event_core::prelude::*;
///
/// #[event_handler(topic = "report_events", event = "REPORT_REQUESTED")]
/// async fn write_report(Json(pages): Json<u32>, shutdown: Shutdown) -> Result {
///     for page in 0..pages {
///         if shutdown.is_requested() {
///             return Err(Error::msg(format!("stopped before page {page}")));
///         }
///     }
///     Ok(())
/// }
/// ```
#[derive(Clone, Debug)]
pub struct Shutdown(watch::Receiver<bool>);

impl Shutdown {
    pub(crate) fn new(stopped: watch::Receiver<bool>) -> Self {
        Shutdown(stopped)
    }

    /// One that never comes, for calling a handler in a unit test.
    #[must_use]
    pub fn never() -> Self {
        // Without a sender the value stays as it is.
        Shutdown(watch::channel(false).1)
    }

    /// Whether it is time to end.
    #[must_use]
    pub fn is_requested(&self) -> bool {
        *self.0.borrow()
    }

    /// Waits until it is time to end.
    pub async fn requested(&self) {
        if self.0.clone().wait_for(|stopped| *stopped).await.is_err() {
            std::future::pending::<()>().await;
        }
    }
}

//! How many calls of handlers run at once in a process.

use std::sync::Arc;

use tokio::sync::{Semaphore, SemaphorePermit};

use super::DeliveryPolicy;

/// How many calls of handlers run at once: the consumer groups of a process share one. Cloning shares
/// it.
#[derive(Clone, Debug)]
pub struct Concurrency(Arc<Semaphore>);

impl Concurrency {
    /// As many as [`max_concurrency`](DeliveryPolicy::max_concurrency) says.
    #[must_use]
    pub fn of(policy: &DeliveryPolicy) -> Self {
        let calls = policy.max_concurrency.clamp(1, Semaphore::MAX_PERMITS);
        Concurrency(Arc::new(Semaphore::new(calls)))
    }

    /// Waits until one more call may run; whoever waits first is first, whatever its group.
    pub(super) async fn permit(&self) -> Option<SemaphorePermit<'_>> {
        permit(&self.0).await
    }
}

pub(super) async fn permit(calls: &Semaphore) -> Option<SemaphorePermit<'_>> {
    // It is never closed.
    calls.acquire().await.ok()
}

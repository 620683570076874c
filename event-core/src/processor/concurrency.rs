//! How many calls of handlers run at once in a process.

use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::DeliveryPolicy;

/// How many calls of handlers run at once: the consumer groups of a process share one. Cloning shares
/// it.
#[derive(Clone, Debug)]
pub struct Concurrency(Arc<Semaphore>);

/// What a call of a handler needs: one of the handler's own calls, and one of the process.
#[derive(Debug)]
pub(super) struct Permits {
    _own: OwnedSemaphorePermit,
    _of_process: OwnedSemaphorePermit,
}

impl Concurrency {
    /// As many as [`max_concurrency`](DeliveryPolicy::max_concurrency) says.
    #[must_use]
    pub fn of(policy: &DeliveryPolicy) -> Self {
        let calls = policy.max_concurrency.clamp(1, Semaphore::MAX_PERMITS);
        Concurrency(Arc::new(Semaphore::new(calls)))
    }

    /// One more call of a handler, of which `own` may run at once, when it may run now.
    pub(super) fn try_permits(&self, own: &Arc<Semaphore>) -> Option<Permits> {
        Some(Permits {
            _own: Arc::clone(own).try_acquire_owned().ok()?,
            _of_process: Arc::clone(&self.0).try_acquire_owned().ok()?,
        })
    }

    /// Waits until one more call may run; whoever waits first is first, whatever its group. The handler's
    /// own limit comes first: whoever waits there takes nothing from the others.
    pub(super) fn permits(
        &self,
        own: &Arc<Semaphore>,
    ) -> impl Future<Output = Option<Permits>> + Send + 'static + use<> {
        let (own, of_process) = (Arc::clone(own), Arc::clone(&self.0));
        async move {
            // They are never closed.
            Some(Permits {
                _own: own.acquire_owned().await.ok()?,
                _of_process: of_process.acquire_owned().await.ok()?,
            })
        }
    }
}

//! Handlers that block their thread.

use tokio::task::{JoinHandle, spawn_blocking};

/// Runs a handler that blocks its thread, away from the threads that others wait on.
///
/// Once begun, nothing can cancel it. When nobody waits for it any more before that, it is taken
/// back: its record is delivered again, or has failed for good.
pub async fn blocking<T: Send + 'static>(work: Box<dyn FnOnce() -> T + Send>) -> T {
    let mut work = TakenBack(spawn_blocking(work));
    match (&mut work.0).await {
        Ok(done) => done,
        Err(error) => match error.try_into_panic() {
            Ok(panic) => std::panic::resume_unwind(panic),
            // The runtime is being shut down, and nobody waits for this any more.
            Err(_) => std::future::pending().await,
        },
    }
}

struct TakenBack<T>(JoinHandle<T>);

impl<T> Drop for TakenBack<T> {
    fn drop(&mut self) {
        // What has begun or ended takes no notice.
        self.0.abort();
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::channel;

    use futures_util::FutureExt;

    use super::*;

    #[test]
    fn work_that_nobody_waits_for_is_taken_back_before_it_begins() {
        let mut runtime = tokio::runtime::Builder::new_current_thread();
        let runtime = runtime.max_blocking_threads(1).build().unwrap();
        runtime.block_on(async {
            let (begun, begins) = channel();
            let (go_on, waits) = channel();
            let first: Box<dyn FnOnce() + Send> = Box::new({
                let begun = begun.clone();
                move || {
                    begun.send("first").unwrap();
                    waits.recv().unwrap();
                    begun.send("first goes on").unwrap();
                }
            });
            let mut first = Box::pin(blocking(first));
            assert!((&mut first).now_or_never().is_none());
            assert_eq!(begins.recv().unwrap(), "first");
            let mut second = Box::pin(blocking(Box::new({
                let begun = begun.clone();
                move || begun.send("second").unwrap()
            })));
            assert!((&mut second).now_or_never().is_none());
            drop((first, second));
            go_on.send(()).unwrap();
            blocking(Box::new(move || begun.send("third").unwrap())).await;
            assert_eq!(begins.try_iter().collect::<Vec<_>>(), ["first goes on", "third"]);
        });
    }
}

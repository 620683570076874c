//! Threads of our own, each with a small runtime.
//!
//! Handlers are written by others, and one that blocks takes its thread with it. What must go on
//! all the same (commits, rebalances, health, signals, the end of a drain) therefore runs where no
//! handler does.
//!
//! # What runs where
//!
//! Lanes, and handlers with them, run on the runtime of the service's `main`. A handler that blocks takes a thread
//! of it, and handlers can block all of them; so the rest runs apart, on a thread with a small runtime of its own
//! (`app::thread`): the processors with their timers, commits and rebalances, health and its port, and what ends
//! the service. Signals have another. A processor is given the runtime of its lanes. Records do not pass through
//! it: a batch goes from the consumer thread to the lane, in a queue that the thread opens with the assignment and
//! that the processor gives to the lane (a consumer without such queues, as the one in memory, has its batches
//! handed on by the processor). On a runtime with one thread, such as a test's whose clock is paused, everything
//! stays together. When the time to drain is over all lanes are cut off at once and have one moment together.

use std::any::Any;
use std::io;
use std::panic::AssertUnwindSafe;

use futures_util::FutureExt;
use tokio::runtime::{Builder, Handle, RuntimeFlavor};
use tokio::sync::oneshot;
use tracing::dispatcher;
use tracing::subscriber::NoSubscriber;
use tracing::{Instrument, Span};

use crate::outcome::Error;
use crate::processor::{ProcessorError, panic_message};

/// Runs `work` on a thread that is called `name`. Its log goes where the caller's goes.
pub(crate) fn on_own_thread<F: Future<Output = ()>>(
    name: &str,
    work: impl FnOnce() -> F + Send + 'static,
) -> io::Result<()> {
    let runtime = Builder::new_current_thread().enable_all().build()?;
    let log = dispatcher::get_default(Clone::clone);
    let span = Span::current();
    let run = move || {
        let run = || runtime.block_on(async { work().instrument(span).await });
        // The one for all threads may be set later, and holds here too.
        match log.is::<NoSubscriber>() {
            true => run(),
            false => dispatcher::with_default(&log, run),
        }
        // Dropping it would wait for blocking threads without a limit.
        runtime.shutdown_background();
    };
    std::thread::Builder::new().name(name.to_owned()).spawn(run).map(drop)
}

/// Waits for `work`, which runs on a thread of its own where the caller's runtime has several. A
/// runtime with one thread has nowhere else to run handlers, and a test's clock stands still there:
/// the work stays on it.
///
/// When this is dropped, so is the work.
pub(super) async fn apart<F: Future<Output = Result<(), Error>>>(
    work: impl FnOnce() -> F + Send + 'static,
) -> Result<(), Error> {
    if Handle::current().runtime_flavor() == RuntimeFlavor::CurrentThread {
        return work().await;
    }
    let (mut send, ended) = oneshot::channel();
    let run = async move || {
        let work = AssertUnwindSafe(async { work().await }).catch_unwind();
        let ended = tokio::select! {
            ended = work => ended.unwrap_or_else(|panic| Err(panicked(panic.as_ref()).into())),
            () = send.closed() => return,
        };
        let _ = send.send(ended);
    };
    on_own_thread("event-core", run).map_err(ProcessorError::Thread)?;
    // It goes away without a word only with the whole process.
    ended.await.unwrap_or_else(|_| Err(panicked(&"without a message").into()))
}

fn panicked(panic: &(dyn Any + Send)) -> ProcessorError {
    ProcessorError::Panicked(panic_message(panic).to_owned())
}

#[cfg(test)]
mod tests;

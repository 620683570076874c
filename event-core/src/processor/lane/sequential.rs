//! One record after the other.

use std::future::poll_fn;
use std::pin::pin;
use std::sync::Arc;

use tokio::sync::{mpsc, watch};
use tokio::task::coop::consume_budget;

use super::{Ended, Ending, Incoming, Progress, ended};
use crate::processor::engine::Engine;
use crate::processor::settle::{NotSettled, Settler};

pub(super) async fn run(
    mut incoming: mpsc::UnboundedReceiver<Incoming>,
    settler: Settler,
    progress: Arc<Progress>,
    mut stopped: watch::Receiver<bool>,
    ending: Arc<Ending>,
) -> Ended {
    let slot = settler.engine.watch.slot(&settler.partition);
    loop {
        let next = tokio::select! {
            biased;
            _ = stopped.wait_for(|stop| *stop) => return Ok(()),
            next = incoming.recv() => next,
        };
        let batch = match next {
            None => return Ok(()),
            Some(Incoming::Records(batch)) => batch,
            Some(Incoming::Passed(next)) => {
                progress.passed(next);
                continue;
            }
        };
        let mut settled = 0;
        let mut result = Ok(());
        for record in batch.iter() {
            // The only change is the one to `true`, and looking for it takes no lock.
            if stopped.has_changed().unwrap_or(true) {
                result = Err(NotSettled::Stopped);
                break;
            }
            ending.note_in_hand(true);
            let settles = settler.settle(record, &slot);
            result = counted_before(&settler.engine, &mut settled, settles).await;
            if result.is_err() {
                break;
            }
            progress.settled(record.offset);
            ending.note_in_hand(false);
            settled += 1;
            // A handler that never waits would keep the thread from all else, timers and signals
            // among it, for as long as there are records.
            counted_before(&settler.engine, &mut settled, consume_budget()).await;
        }
        ending.note_in_hand(false);
        settler.engine.count_settled(settled);
        if let Err(left) = result {
            return ended(left);
        }
    }
}

/// Runs `future`; what is `settled` is counted before it waits, and not one by one, because all lanes
/// count in one place.
async fn counted_before<T>(
    engine: &Engine,
    settled: &mut u64,
    future: impl Future<Output = T>,
) -> T {
    let mut future = pin!(future);
    poll_fn(|context| {
        let polled = future.as_mut().poll(context);
        if polled.is_pending() && *settled > 0 {
            engine.count_settled(std::mem::take(settled));
        }
        polled
    })
    .await
}

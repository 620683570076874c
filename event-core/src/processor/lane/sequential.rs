//! One record after the other.

use std::future::poll_fn;
use std::pin::pin;
use std::sync::Arc;

use tokio::sync::{mpsc, watch};

use super::{Ended, Ending, Progress, ended};
use crate::delivery::RecordBatch;
use crate::processor::settle::{NotSettled, Settler};

pub(super) async fn run(
    mut incoming: mpsc::UnboundedReceiver<RecordBatch>,
    settler: Settler,
    progress: Arc<Progress>,
    mut stopped: watch::Receiver<bool>,
    ending: Arc<Ending>,
) -> Ended {
    let slot = settler.engine.watch.slot(&settler.partition);
    loop {
        let batch = tokio::select! {
            biased;
            _ = stopped.wait_for(|stop| *stop) => return Ok(()),
            batch = incoming.recv() => batch,
        };
        let Some(batch) = batch else { return Ok(()) };
        ending.note_in_hand(true);
        let mut settled = 0;
        let mut result = Ok(());
        for record in batch.iter() {
            // The only change is the one to `true`, and looking for it takes no lock.
            if stopped.has_changed().unwrap_or(true) {
                result = Err(NotSettled::Stopped);
                break;
            }
            let mut settling = pin!(settler.settle(record, &slot));
            let settles = poll_fn(|context| {
                let polled = settling.as_mut().poll(context);
                // A batch may take its time: what is settled is counted before a wait, and not one by
                // one, because all lanes count in one place.
                if polled.is_pending() && settled > 0 {
                    settler.engine.count_settled(std::mem::take(&mut settled));
                }
                polled
            });
            result = settles.await;
            if result.is_err() {
                break;
            }
            progress.settled(record.offset);
            settled += 1;
        }
        ending.note_in_hand(false);
        settler.engine.count_settled(settled);
        if let Err(left) = result {
            return ended(left);
        }
    }
}

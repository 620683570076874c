//! One record after the other.

use std::sync::Arc;

use tokio::sync::{mpsc, watch};

use super::{Ended, Progress, ended};
use crate::delivery::RecordBatch;
use crate::processor::settle::Settler;

pub(super) async fn run(
    mut incoming: mpsc::UnboundedReceiver<RecordBatch>,
    settler: Settler,
    progress: Arc<Progress>,
    mut stopped: watch::Receiver<bool>,
) -> Ended {
    let slot = settler.engine.watch.slot(&settler.partition);
    loop {
        let batch = tokio::select! {
            biased;
            _ = stopped.wait_for(|stop| *stop) => return Ok(()),
            batch = incoming.recv() => batch,
        };
        let Some(batch) = batch else { return Ok(()) };
        let mut settled = 0;
        for record in batch.iter() {
            // The only change is the one to `true`, and looking for it takes no lock.
            if stopped.has_changed().unwrap_or(true) {
                return Ok(());
            }
            if let Err(left) = settler.settle(record, &slot).await {
                return ended(left);
            }
            progress.settled(record.offset);
            settled += 1;
        }
        settler.engine.count_settled(settled);
    }
}

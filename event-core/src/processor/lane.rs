//! Settles the records of one partition, one after the other.
//!
//! A lane is one task that takes whole batches and loops over their records, so that nothing is
//! spawned and no channel is crossed for a record. How far it has come is one number that it
//! alone writes: the next offset, everything before which is settled.

use std::ops::ControlFlow;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use futures_util::FutureExt;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;

use super::EventProcessor;
use super::settle::{NotSettled, Settler};
use crate::broker::BrokerError;
use crate::delivery::{NextOffset, Offset, RecordBatch, TopicPartition};

// How long an aborted lane may take to notice.
const ABORT_GRACE: Duration = Duration::from_millis(100);

// No offset is settled yet. Kafka's offsets are never negative.
const NOTHING: i64 = -1;

/// Why a lane ended by itself.
pub(super) enum LaneFailure {
    /// Dead letters cannot be written with this producer any more.
    Producer(BrokerError),
    /// The engine itself failed, perhaps in a listener.
    Panicked,
}

/// The processor's end of a lane.
pub(super) struct Lane {
    batches: mpsc::UnboundedSender<RecordBatch>,
    progress: Arc<Progress>,
    stop: watch::Sender<bool>,
    task: JoinHandle<Result<(), BrokerError>>,
}

#[derive(Debug)]
struct Progress(AtomicI64);

impl Progress {
    fn settled(&self, offset: Offset) {
        self.0.store(offset.next().0, Ordering::Release);
    }
}

impl Lane {
    pub(super) fn spawn(engine: Arc<EventProcessor>, partition: TopicPartition) -> Self {
        // Unbounded in number only: the consumer stops fetching when the bytes handed over reach
        // its limit.
        let (batches, incoming) = mpsc::unbounded_channel();
        let (stop, stopped) = watch::channel(false);
        let progress = Arc::new(Progress(AtomicI64::new(NOTHING)));
        let settler = Settler::new(engine, partition, stopped.clone());
        let task = tokio::spawn(run(incoming, settler, Arc::clone(&progress), stopped));
        Lane { batches, progress, stop, task }
    }

    pub(super) fn push(&self, batch: RecordBatch) {
        // A lane that has ended takes nothing more; what it leaves is not settled and so is
        // delivered again.
        let _ = self.batches.send(batch);
    }

    /// Where to go on: everything before it is settled.
    pub(super) fn settled(&self) -> Option<NextOffset> {
        match self.progress.0.load(Ordering::Acquire) {
            NOTHING => None,
            next => Some(NextOffset(next)),
        }
    }

    /// Asks the lane to finish the record in hand and take no other.
    pub(super) fn stop(&self) {
        self.stop.send_replace(true);
    }

    /// Why the lane ended although nobody told it to; `None` while it goes on.
    pub(super) fn failure(&mut self) -> Option<LaneFailure> {
        if !self.task.is_finished() {
            return None;
        }
        match (&mut self.task).now_or_never()? {
            Ok(Err(error)) => Some(LaneFailure::Producer(error)),
            Ok(Ok(())) | Err(_) => Some(LaneFailure::Panicked),
        }
    }

    /// Waits for the lane to end.
    pub(super) async fn ended(&mut self) {
        if !self.task.is_finished() {
            let _ = (&mut self.task).await;
        }
    }

    /// Cancels the handler where it waits. One that blocks its thread never waits, so this gives it
    /// a moment and no more: what is settled is known without it, and nothing else is committed.
    pub(super) async fn abort(&mut self) {
        self.task.abort();
        let _ = tokio::time::timeout(ABORT_GRACE, self.ended()).await;
    }
}

impl Drop for Lane {
    // A processor that is dropped rather than shut down leaves no task behind.
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn run(
    mut incoming: mpsc::UnboundedReceiver<RecordBatch>,
    settler: Settler,
    progress: Arc<Progress>,
    mut stopped: watch::Receiver<bool>,
) -> Result<(), BrokerError> {
    loop {
        let batch = tokio::select! {
            biased;
            _ = stopped.wait_for(|stop| *stop) => return Ok(()),
            batch = incoming.recv() => batch,
        };
        let Some(batch) = batch else { return Ok(()) };
        for record in batch.iter() {
            // The only change is the one to `true`, and looking for it takes no lock.
            if stopped.has_changed().unwrap_or(true) {
                return Ok(());
            }
            match settler.settle(record).await {
                ControlFlow::Continue(()) => progress.settled(record.offset),
                ControlFlow::Break(NotSettled::Stopped) => return Ok(()),
                ControlFlow::Break(NotSettled::Failed(error)) => return Err(error),
            }
        }
    }
}

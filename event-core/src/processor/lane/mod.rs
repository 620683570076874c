//! Settles the records of one partition.
//!
//! A lane is one task that takes whole batches. How far it has come is written by it alone. When
//! every handler of the topic keeps the order of the partition it is a loop over records
//! ([`sequential`]): nothing is spawned and no channel is crossed for a record. Otherwise it runs records
//! of one partition concurrently where ordering allows ([`concurrent`]).
//!
//! # Two lanes
//!
//! Where every handler of a topic keeps the order of the partition and takes one record, the lane is a loop:
//! nothing is spawned, no channel is crossed and no clock is read for a record, and how far it has come is one
//! number. Every hundred records or so it gives up its thread, because a handler that never waits does not.
//! Otherwise, as long as nothing is in flight, records that keep the order of the partition go straight to their
//! handler (`concurrent::straight`): one alone, or with those that follow for the same handler of batches, over
//! records that nobody handles and over the ends of what was fetched. Such a run is called when it is full, when
//! something else is next or when its `wait` is over, and what is handled is settled as a range, of which scheduler
//! and tracker learn one number. Whatever else comes of it (the handler waits, a record fails, the gate is shut,
//! nothing follows so that the batch has to wait), the records of the run are taken in like all others, and one set
//! of rules holds. For those the lane keeps a `scheduler`, which is plain data: it knows what may run, and is
//! tested without a runtime. Each key has a queue there, as has the partition, and each handler a line of what may
//! start; two keys whose 64-bit hashes are equal count as one. Whatever number of records wait, it looks at a few
//! of them to find the next. In a turn the lane takes up to 128 records in and starts as many. It polls each call
//! once itself: most handlers are done then, and nothing is spawned. A call that is pending goes on as a task, with
//! the loop of its handler; the next record gets another loop. Where a handler waits nearly always, or a poll of it
//! takes over 100 µs (every 16th is timed) and it does not keep the order of the partition, its calls are tasks
//! from the beginning, so that handlers which compute have all cores. Permits are taken for calls in a row, and
//! where there is none the lane waits for one, not its records; the gate is asked before each call, and whether to
//! stop. A task has one record or one batch, and what is settled is noted as it ends, so a panic, a time limit or
//! the end of an assignment takes nothing of others with it; the notes need no lock, and the tracker is updated once
//! a turn, or when somebody reads it. A record that fails leaves its call: what its outcome asks for is done without
//! a permit, and a delayed record keeps its place in the queue and takes no place of another; every turn of the
//! lane looks for those that are due. A batch of which little is left, or of which nothing runs although handlers
//! have room, is dropped after what waits is copied out, each record once at most: so a key that is stuck holds its
//! own records and no others, until they are the share of the partition. When the time to drain is over such a lane
//! cancels its tasks itself, so that what has ended by then counts.

mod concurrent;
mod progress;
mod sequential;

pub(super) use sequential::Direct;

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use futures_util::FutureExt;
use tokio::sync::{Notify, mpsc, watch};
use tokio::task::JoinHandle;

use super::engine::{Engine, Source};
use super::settle::{NotSettled, Settler};
use super::tracker::Tracker;
use crate::broker::{BrokerError, PartitionEvent as Incoming, PartitionQueue};
use crate::delivery::{NextOffset, Offset, RecordBatch, SettledAbove, TopicPartition};
use progress::Progress;

// How long an aborted lane may take to notice.
const ABORT_GRACE: Duration = Duration::from_millis(100);

/// Why a lane ended by itself.
#[derive(Debug)]
pub(super) enum LaneFailure {
    /// Dead letters cannot be written with this producer any more.
    Producer(BrokerError),
    /// An event that nobody handles, and that the service is to stop before.
    UnknownEvent(Offset, String),
    /// The engine itself failed, perhaps in a listener.
    Panicked,
}

/// How a lane ended: without a failure when it was stopped.
type Ended = Result<(), LaneFailure>;

/// The processor's end of a lane.
pub(super) struct Lane {
    incoming: mpsc::UnboundedSender<Incoming>,
    progress: Arc<Progress>,
    stop: watch::Sender<bool>,
    ending: Arc<Ending>,
    task: JoinHandle<()>,
}

/// Reports to the processor's loop why a lane failed. It is reported at once, although what the lane has
/// in flight may take its time: all partitions are then given the same time to end.
#[derive(Clone, Debug)]
pub(super) struct Failures(mpsc::UnboundedSender<(TopicPartition, LaneFailure)>);

impl Failures {
    pub(super) fn new() -> (Self, mpsc::UnboundedReceiver<(TopicPartition, LaneFailure)>) {
        let (failures, reported) = mpsc::unbounded_channel();
        (Failures(failures), reported)
    }

    fn report(&self, partition: &TopicPartition, failure: LaneFailure) {
        // Nobody listens to a processor that has ended.
        let _ = self.0.send((partition.clone(), failure));
    }
}

/// What a lane and its owner exchange at the end.
#[derive(Debug, Default)]
struct Ending {
    /// Has a lane with tasks cancel those that have not ended.
    cut: Notify,
    /// Whether the lane has records in flight; after the end, whether it had to leave some.
    has_in_flight: AtomicBool,
}

impl Ending {
    fn note_in_flight(&self, has_in_flight: bool) {
        self.has_in_flight.store(has_in_flight, Ordering::Release);
    }
}

impl Lane {
    /// Starts a lane, which reads `queue` where the partition has one; what `remembered` has is settled
    /// already.
    pub(super) fn spawn(
        engine: Arc<Engine>,
        partition: TopicPartition,
        queue: Option<PartitionQueue>,
        next: Option<NextOffset>,
        remembered: SettledAbove,
        failures: Failures,
    ) -> Self {
        // Unbounded in number only: the consumer stops fetching when the bytes handed over reach
        // its limit.
        let queue = queue.map(|PartitionQueue { sender, events }| (sender, events));
        let (sender, incoming) = queue.unwrap_or_else(mpsc::unbounded_channel);
        let (stop, stopped) = watch::channel(false);
        let source = engine.source(&partition.topic);
        // What is remembered may be of an earlier version of the service, whose handlers kept less order.
        // Such a lane goes on as it began; once all of that is passed, the next one remembers nothing.
        let is_sequential = match &source {
            Source::Origin(routes) => routes.is_sequential() && remembered.is_empty(),
            Source::Derived { .. } => false,
        };
        let settler = Settler::new(engine, partition.clone(), source, stopped.clone());
        let progress = Arc::new(match is_sequential {
            true => Progress::sequential(),
            false => Progress::tracked(Tracker::new(next, remembered)),
        });
        let reported = Arc::clone(&progress);
        let ending = Arc::<Ending>::default();
        let ends = Arc::clone(&ending);
        let task = tokio::spawn(async move {
            let run = async {
                if is_sequential {
                    sequential::run(incoming, settler, reported, stopped, ends).await
                } else {
                    let failed = |failure| failures.report(&partition, failure);
                    concurrent::run(incoming, settler, reported, stopped, ends, failed).await
                }
            };
            let ended = AssertUnwindSafe(run).catch_unwind().await;
            if let Err(failure) = ended.unwrap_or(Err(LaneFailure::Panicked)) {
                failures.report(&partition, failure);
            }
        });
        Lane { incoming: sender, progress, stop, ending, task }
    }

    pub(super) fn push(&self, batch: RecordBatch) {
        // A lane that has ended takes nothing more; what it leaves is not settled and so is
        // delivered again.
        let _ = self.incoming.send(Incoming::Records(batch));
    }

    /// No record comes between what was pushed and `next`.
    pub(super) fn pass(&self, next: NextOffset) {
        let _ = self.incoming.send(Incoming::Passed(next));
    }

    /// Where to go on, everything before it being settled, and what to note with it: what is settled
    /// beyond, in at most `max_metadata_bytes`.
    pub(super) fn settled(&self, max_metadata_bytes: usize) -> Option<(NextOffset, String)> {
        self.progress.next(max_metadata_bytes)
    }

    /// Asks the lane to finish what is in flight and take nothing else.
    pub(super) fn stop(&self) {
        self.stop.send_replace(true);
    }

    /// Waits for the lane to end.
    pub(super) async fn ended(&mut self) {
        if !self.task.is_finished() {
            let _ = (&mut self.task).await;
        }
    }

    /// Whether it has records in flight, or had to leave some when it was aborted.
    pub(super) fn has_in_flight(&self) -> bool {
        self.ending.has_in_flight.load(Ordering::Acquire)
    }

    /// Cancels handlers where they wait. One that blocks its thread never waits, so this gives it
    /// a moment and no more: what is settled is known without it, and nothing else is committed.
    pub(super) async fn abort(&mut self) {
        match &*self.progress {
            Progress::Sequential(_) => self.task.abort(),
            // It writes down what has ended by then, and ends itself.
            Progress::Tracked(_) => self.ending.cut.notify_one(),
        }
        if tokio::time::timeout(ABORT_GRACE, self.ended()).await.is_err() {
            self.task.abort();
        }
    }
}

impl Drop for Lane {
    // A processor that is dropped rather than shut down leaves no task behind.
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// What a record that is left means for its lane.
fn ended(left: NotSettled) -> Ended {
    match left {
        NotSettled::Stopped => Ok(()),
        NotSettled::Producer(error) => Err(LaneFailure::Producer(error)),
        NotSettled::UnknownEvent(offset, name) => Err(LaneFailure::UnknownEvent(offset, name)),
    }
}

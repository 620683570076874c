//! Settles the records of one partition.
//!
//! A lane is one task that takes whole batches. How far it has come is written by it alone. When
//! every handler of the topic keeps the order of the partition it is a loop over records
//! ([`sequential`]): nothing is spawned and no channel is crossed for a record. Otherwise it runs
//! side by side what may run side by side ([`concurrent`]).

mod call;
mod concurrent;
mod sequential;

pub(super) use sequential::Direct;

use std::panic::AssertUnwindSafe;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures_util::FutureExt;
use tokio::sync::{Notify, mpsc, watch};
use tokio::task::JoinHandle;

use super::engine::{Engine, Source};
use super::settle::{NotSettled, Settler};
use super::tracker::Tracker;
use crate::broker::BrokerError;
use crate::delivery::{NextOffset, Offset, RecordBatch, SettledAbove, TopicPartition};

// How long an aborted lane may take to notice.
const ABORT_GRACE: Duration = Duration::from_millis(100);

// No offset is settled yet. Kafka's offsets are never negative.
const NOTHING: i64 = -1;

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

/// How a lane ended: without a failure when it was told to.
type Ended = Result<(), LaneFailure>;

/// What comes to a lane, in the order of the partition.
#[derive(Debug)]
enum Incoming {
    Records(RecordBatch),
    /// No record comes before this offset.
    Passed(NextOffset),
}

/// The processor's end of a lane.
pub(super) struct Lane {
    incoming: mpsc::UnboundedSender<Incoming>,
    progress: Arc<Progress>,
    stop: watch::Sender<bool>,
    ending: Arc<Ending>,
    task: JoinHandle<()>,
}

/// Tells the processor's loop why a lane does not go on. It is told at once, although what the lane has
/// in hand may take its time: all partitions are then given the same time to end.
#[derive(Clone, Debug)]
pub(super) struct Failures(mpsc::UnboundedSender<(TopicPartition, LaneFailure)>);

impl Failures {
    pub(super) fn new() -> (Self, mpsc::UnboundedReceiver<(TopicPartition, LaneFailure)>) {
        let (failures, told) = mpsc::unbounded_channel();
        (Failures(failures), told)
    }

    fn tell(&self, partition: &TopicPartition, failure: LaneFailure) {
        // Nobody listens to a processor that has ended.
        let _ = self.0.send((partition.clone(), failure));
    }
}

/// What a lane and its owner have to tell each other at the end.
#[derive(Debug, Default)]
struct Ending {
    /// Tells a lane with tasks to cancel those that have not ended.
    cut: Notify,
    /// Whether the lane has records in hand; after the end, whether it had to leave some.
    has_in_hand: AtomicBool,
}

impl Ending {
    fn note_in_hand(&self, has_in_hand: bool) {
        self.has_in_hand.store(has_in_hand, Ordering::Release);
    }
}

/// How far a lane has come.
#[derive(Debug)]
enum Progress {
    /// The next offset, everything before which is settled.
    Sequential(AtomicI64),
    /// What is settled, in whatever order.
    Tracked(Box<Mutex<Tracker>>),
}

impl Progress {
    fn settled(&self, offset: Offset) {
        if let Progress::Sequential(next) = self {
            next.store(offset.next().0, Ordering::Release);
        }
    }

    /// No record comes before `next`, and all that came are known here.
    fn passed(&self, passed: NextOffset) {
        if let Progress::Sequential(next) = self {
            next.store(passed.0, Ordering::Release);
        }
        self.track(|tracker| tracker.pass(passed));
    }

    fn track<T>(&self, change: impl FnOnce(&mut Tracker) -> T) -> Option<T> {
        match self {
            Progress::Sequential(_) => None,
            // Every change of a tracker is a whole one.
            Progress::Tracked(tracker) => {
                Some(change(&mut tracker.lock().unwrap_or_else(PoisonError::into_inner)))
            }
        }
    }
}

impl Lane {
    /// Starts a lane; what `remembered` has is settled already.
    pub(super) fn spawn(
        engine: Arc<Engine>,
        partition: TopicPartition,
        next: Option<NextOffset>,
        remembered: SettledAbove,
        failures: Failures,
    ) -> Self {
        // Unbounded in number only: the consumer stops fetching when the bytes handed over reach
        // its limit.
        let (sender, incoming) = mpsc::unbounded_channel();
        let (stop, stopped) = watch::channel(false);
        let source = engine.source(&partition.topic);
        // What is remembered may be of an earlier version of the service, whose handlers kept less order.
        // Such a lane goes on as it began; once all of that is passed, the next one remembers nothing.
        let is_sequential = match &source {
            Source::Origin(routes) => routes.is_sequential() && remembered.is_empty(),
            Source::Returning { .. } => false,
        };
        let settler = Settler::new(engine, partition.clone(), source, stopped.clone());
        let progress = Arc::new(match is_sequential {
            true => Progress::Sequential(AtomicI64::new(NOTHING)),
            false => Progress::Tracked(Box::new(Mutex::new(Tracker::new(next, remembered)))),
        });
        let told = Arc::clone(&progress);
        let ending = Arc::<Ending>::default();
        let ends = Arc::clone(&ending);
        let task = tokio::spawn(async move {
            let run = async {
                if is_sequential {
                    sequential::run(incoming, settler, told, stopped, ends).await
                } else {
                    let failed = |failure| failures.tell(&partition, failure);
                    concurrent::run(incoming, settler, told, stopped, ends, failed).await
                }
            };
            let ended = AssertUnwindSafe(run).catch_unwind().await;
            if let Err(failure) = ended.unwrap_or(Err(LaneFailure::Panicked)) {
                failures.tell(&partition, failure);
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
        match &*self.progress {
            Progress::Sequential(next) => match next.load(Ordering::Acquire) {
                NOTHING => None,
                next => Some((NextOffset(next), String::new())),
            },
            Progress::Tracked(_) => self.progress.track(|tracker| {
                let above = tracker.settled_above();
                let next = match tracker.next() {
                    Some(next) => next,
                    // Nothing before the first record was delivered to us, so this takes back nothing.
                    None if !above.is_empty() => tracker.first()?,
                    None => return None,
                };
                Some((next, above.encode(next, max_metadata_bytes)))
            })?,
        }
    }

    /// Asks the lane to finish what is in hand and take nothing else.
    pub(super) fn stop(&self) {
        self.stop.send_replace(true);
    }

    /// Waits for the lane to end.
    pub(super) async fn ended(&mut self) {
        if !self.task.is_finished() {
            let _ = (&mut self.task).await;
        }
    }

    /// Whether it has records in hand, or had to leave some when it was aborted.
    pub(super) fn has_in_hand(&self) -> bool {
        self.ending.has_in_hand.load(Ordering::Acquire)
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

//! Takes batches from a consumer, has every record settled, and commits what is.
//!
//! Invariants: of the records of a partition those are settled one after the other whose handlers ask
//! for it (see [`Order`](crate::handler::Order)), and partitions go on side by side; an offset is
//! committed only when every record before it is settled (handled, dead-lettered and acknowledged,
//! moved to a retry topic and acknowledged, or skipped by policy); what belongs to a revoked
//! assignment commits nothing in another.

mod attempt;
mod breaker;
mod clock;
mod concurrency;
mod control;
mod dead_letter;
mod engine;
mod gate;
mod loops;
mod lane;
mod lanes;
mod sibling_groups;
mod policy;
mod retry_headers;
mod settle;
mod sync;
mod tracker;
mod watch;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::time::{Instant, MissedTickBehavior, interval};

pub(crate) use attempt::panic_message;
pub use clock::Clock;
pub use concurrency::Concurrency;
pub use control::{Control, Paused};
pub use dead_letter::header as dead_letter_header;
pub use policy::{DeliveryPolicy, UnknownEvents};
pub(crate) use policy::{UNKNOWN_EVENT, unknown_event};
pub use retry_headers::header as retry_header;
pub use sibling_groups::SiblingGroups;

use crate::broker::{BrokerError, Consumer, ConsumerEvent, Producer, Progress};
use crate::delivery::{Offset, TopicPartition};
use crate::event::GroupName;
use crate::observe::{Health, InFlightAttempt, Observation, Observers};
use crate::router::EventRouter;
use crate::state::StateMap;
use engine::Engine;
use lane::LaneFailure;
use lanes::Lanes;

// How many partitions an error names.
const MAX_SHOWN_PARTITIONS: usize = 10;
// What the last commit and leaving the group may take, however long the lanes took.
const LEAVE_TIMEOUT: Duration = Duration::from_secs(3);

/// Who the service is, for the provenance of its dead letters.
#[derive(Clone, Debug)]
pub struct ServiceIdentity {
    /// The service's name.
    pub name: String,
    /// The service's version.
    pub version: String,
    /// The consumer group.
    pub group: GroupName,
}

/// What all lanes share.
pub struct EventProcessor {
    /// Finds the handler.
    pub router: EventRouter,
    /// What the other consumer groups of the process handle.
    pub sibling_groups: SiblingGroups,
    /// What handlers share.
    pub state: Arc<StateMap>,
    /// How to deliver.
    pub policy: DeliveryPolicy,
    /// Who we are.
    pub identity: ServiceIdentity,
    /// Where dead letters are written.
    pub producer: Arc<dyn Producer>,
    /// Who listens.
    pub observers: Observers,
    /// What keeps a partition from going on.
    pub health: Health,
    /// Pauses and resumes handlers.
    pub control: Control,
    /// What time it is.
    pub clock: Clock,
    /// Where lanes run, and handlers with them. [`run`](EventProcessor::run) may be called on another
    /// runtime, and then goes on although handlers block every thread of this one.
    pub runtime: Handle,
    /// How many calls run at once, also of the other groups of the process.
    pub concurrency: Concurrency,
}

/// Why a processor ended other than by a shutdown that left nothing open.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ProcessorError {
    /// The consumer is of no more use.
    #[error("the consumer of the group cannot go on")]
    Consumer(#[source] BrokerError),
    /// Where the group is to go on is not in the log any more, and the service is asked to stop then.
    #[error(transparent)]
    LostPosition(BrokerError),
    /// The group does not let the service in, until a person changes something.
    #[error("the group cannot be joined")]
    Refused(#[source] BrokerError),
    /// The last commit was not acknowledged: what it covers may be delivered again. It names what is not known to be
    /// committed.
    #[error(
        "the last commit was not acknowledged; what was settled since the one before is delivered again{}",
        not_committed(.0)
    )]
    LastCommit(Vec<Progress>, #[source] BrokerError),
    /// Dead letters cannot be written any more; the record is delivered again after a restart.
    #[error("the producer failed for good while partition {0} had a dead letter to write")]
    Producer(TopicPartition, #[source] BrokerError),
    /// The engine itself failed on a partition, perhaps in a listener; its records are delivered
    /// again after a restart.
    #[error("the engine failed on partition {0}; see the log for the panic")]
    LaneEnded(TopicPartition),
    /// An event arrived that nobody handles, and the service is asked to stop before such a one.
    #[error(
        "event `{name}` at {partition}@{offset} has no handler, and `unknown_events` is `stop`; it will be delivered again: add a handler, or set `skip` or `dead_letter`"
    )]
    UnknownEvent {
        /// The partition.
        partition: TopicPartition,
        /// The record.
        offset: Offset,
        /// The event's name.
        name: String,
    },
    /// Records were still in flight at the deadline.
    #[error(
        "{partitions} partition{} still had records in flight after {waited:?}; they will be delivered again{}",
        if *partitions == 1 { "" } else { "s" },
        listed(in_flight)
    )]
    DrainDeadline {
        /// How many partitions.
        partitions: usize,
        /// How long they had to end.
        waited: Duration,
        /// What handlers had in flight and what was being written, the oldest first.
        in_flight: Vec<InFlightAttempt>,
    },
    /// The thread that watches handlers could not be started.
    #[error("the thread that watches handlers could not be started")]
    Watch(#[source] std::io::Error),
    /// The thread that the engine runs on could not be started.
    #[error("the thread of the engine could not be started")]
    Thread(#[source] std::io::Error),
    /// The engine itself failed, perhaps in a listener or in the future that ends the service. What
    /// is not committed is delivered again after a restart.
    #[error("the engine panicked: {0}")]
    Panicked(String),
}

fn not_committed(progress: &[Progress]) -> String {
    let (shown, rest) = progress.split_at(progress.len().min(MAX_SHOWN_PARTITIONS));
    let each = shown.iter().map(|one| format!("\n  {} up to {}", one.partition, one.next));
    let more = (!rest.is_empty()).then(|| format!("\n  and {} more", rest.len()));
    each.chain(more).collect()
}

fn listed(in_flight: &[InFlightAttempt]) -> String {
    in_flight.iter().map(|hand| format!("\n  {hand}")).collect()
}

impl ProcessorError {
    fn of_lane(partition: TopicPartition, failure: LaneFailure) -> Self {
        match failure {
            LaneFailure::Producer(error) => ProcessorError::Producer(partition, error),
            LaneFailure::UnknownEvent(offset, name) => {
                ProcessorError::UnknownEvent { partition, offset, name }
            }
            LaneFailure::Panicked => ProcessorError::LaneEnded(partition),
        }
    }
}

impl EventProcessor {
    /// Delivers records until `shutdown` completes; then drains, commits and leaves the group.
    ///
    /// # Errors
    ///
    /// [`ProcessorError`]; in every case nothing that is not settled was committed.
    pub async fn run<C: Consumer>(
        self,
        consumer: C,
        shutdown: impl Future<Output = ()> + Send,
    ) -> Result<(), ProcessorError> {
        let shutdown = async {
            shutdown.await;
            None
        };
        self.run_until(consumer, shutdown).await
    }

    /// The same, but `shutdown` may say until when to drain, in place of the policy's `drain_timeout` from
    /// then on.
    pub(crate) async fn run_until<C: Consumer>(
        self,
        mut consumer: C,
        shutdown: impl Future<Output = Option<Instant>> + Send,
    ) -> Result<(), ProcessorError> {
        let mut pauses = self.control.watch();
        let engine = Arc::new(Engine::new(self));
        engine.watch_handlers().map_err(ProcessorError::Watch)?;
        engine.pause(&pauses.borrow_and_update().clone());
        let mut lanes = Lanes::new(Arc::clone(&engine));
        let mut commits = interval(engine.policy.commit_interval);
        commits.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut shutdown = std::pin::pin!(shutdown);
        let mut reported = None;
        // Redrive topics that were read; one that was never there may be missing.
        let mut redrives_read = BTreeSet::new();
        let failure = loop {
            tokio::select! {
                biased;
                deadline = &mut shutdown => {
                    reported = deadline;
                    break None;
                }
                // Before the consumer, which may have something at every turn.
                Some((partition, failure)) = lanes.failure() => {
                    break Some(ProcessorError::of_lane(partition, failure));
                }
                _ = commits.tick() => {
                    if let Some(progress) = lanes.uncommitted() {
                        consumer.commit(&progress);
                    }
                }
                () = engine.commit_due.notified() => {
                    if let Some(progress) = lanes.uncommitted() {
                        consumer.commit(&progress);
                    }
                }
                Ok(()) = pauses.changed() => engine.pause(&pauses.borrow_and_update().clone()),
                event = consumer.next() => match event {
                    ConsumerEvent::Records(batch) => lanes.deliver(batch),
                    ConsumerEvent::Passed { partition, epoch, next } => {
                        lanes.pass(&partition, epoch, next);
                    }
                    ConsumerEvent::Assigned { partitions, epoch } => {
                        let topics = partitions.iter().map(|one| &one.partition.topic);
                        let redrives = topics.filter(|topic| engine.is_redrive(topic.as_str()));
                        redrives_read.extend(redrives.cloned());
                        lanes.open(&mut consumer, partitions, epoch);
                    }
                    ConsumerEvent::Revoked(revocation) => lanes.give_up(revocation),
                    ConsumerEvent::OffsetReset(reset) => {
                        engine.observers.notify(&Observation::OffsetReset(&reset));
                    }
                    ConsumerEvent::Committed(progress) => lanes.acknowledged(progress),
                    ConsumerEvent::CommitFailed(error) => lanes.commit_again(&error),
                    ConsumerEvent::FetchPaused(partitions) => {
                        engine.observers.notify(&Observation::FetchPaused(&partitions));
                    }
                    ConsumerEvent::FetchResumed(partitions) => {
                        engine.observers.notify(&Observation::FetchResumed(&partitions));
                    }
                    // It is read as soon as somebody makes it. That it is gone is reported once, and from then on by
                    // who looks whether it is back.
                    ConsumerEvent::FetchFailed { topic, error: error @ BrokerError::UnknownTopic(_), .. }
                        if engine.is_redrive(topic.as_str()) =>
                    {
                        if redrives_read.remove(&topic) {
                            let (topic, partitions, error) = (&topic, &[][..], &error);
                            let failed = Observation::FetchFailed { topic, partitions, error };
                            engine.observers.notify(&failed);
                        }
                    }
                    ConsumerEvent::FetchFailed { topic, partitions, error } => {
                        let (topic, partitions, error) = (&topic, &partitions[..], &error);
                        let failed = Observation::FetchFailed { topic, partitions, error };
                        engine.observers.notify(&failed);
                    }
                    ConsumerEvent::Error(BrokerError::UnknownTopic(topic))
                    | ConsumerEvent::JoinFailed(BrokerError::UnknownTopic(topic))
                        if engine.is_redrive(&topic) => {}
                    ConsumerEvent::Error(error @ BrokerError::LostPosition { .. }) => {
                        break Some(ProcessorError::LostPosition(error));
                    }
                    ConsumerEvent::Error(error) if error.is_fatal() => {
                        break Some(ProcessorError::Consumer(error));
                    }
                    // What the broker does not let us do is a mistake in the set-up of the service, and
                    // the client would repeat it for ever.
                    ConsumerEvent::JoinFailed(error) if error.is_fatal() || !error.is_retriable() => {
                        break Some(ProcessorError::Refused(error));
                    }
                    ConsumerEvent::Error(error) | ConsumerEvent::JoinFailed(error) => {
                        engine.observers.notify(&Observation::BrokerError(&error));
                    }
                },
            }
        };
        // What is settled is safe before the drain begins, however it ends.
        if let Some(progress) = lanes.uncommitted() {
            consumer.commit(&progress);
        }
        let deadline = reported.unwrap_or_else(|| Instant::now() + engine.policy.drain_timeout);
        let left_before = engine.left();
        let drained = lanes.drain(deadline).await;
        let left = deadline.saturating_duration_since(Instant::now()).max(LEAVE_TIMEOUT);
        let closed = consumer.close(drained.progress, left).await;
        let closed = closed.map(|progress| engine.committed(&progress));
        let records = engine.left() - left_before;
        if records > 0 {
            engine.observers.notify(&Observation::LeftWaiting { records });
        }
        let of_lane = |(partition, failure)| ProcessorError::of_lane(partition, failure);
        match failure.or_else(|| drained.failure.map(of_lane)) {
            Some(error) => Err(error),
            None if drained.abandoned > 0 => Err(ProcessorError::DrainDeadline {
                partitions: drained.abandoned,
                waited: engine.policy.drain_timeout,
                in_flight: drained.in_flight,
            }),
            None => {
                closed.map_err(|error| ProcessorError::LastCommit(drained.unacknowledged, error))
            }
        }
    }
}

#[cfg(all(test, feature = "testing"))]
mod tests;

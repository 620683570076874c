//! The ports of the engine, as a program plays them.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use event_core::broker::{
    Acknowledged, BrokerError, Consumer, ConsumerEvent, OutgoingRecord, PortFuture, Producer,
    Progress,
};
use event_core::delivery::{Epoch, Offset, RecordBatch, RecordSource, TopicPartition};
use event_core::event::Envelope;
use event_core::event::{GroupName, TopicName};
use event_core::extract::{Argument, FromDelivery};
use event_core::handler::{
    BatchFuture, DeliveryOptions, HandlerFuture, HandlerRegistration, Order,
};
use event_core::macro_support::{Named, called_batch_handler, called_handler};
use event_core::observe::{Health, Observation, Observer, Observers};
use event_core::outcome::{Backoff, IntoOutcomes, Jitter};
use event_core::processor::{
    Clock, Concurrency, Control, DeliveryPolicy, EventProcessor, ProcessorError, ServiceIdentity,
    SiblingGroups,
};
use event_core::router::EventRouter;
use event_core::state::StateMap;
use event_core::{Delivery, Error, Outcome};
use tokio::sync::{Notify, oneshot};
use tokio::task::JoinHandle;

use super::facts::{ATTEMPTS, BACKOFF, COMMIT_INTERVAL, CommitFault, DRAIN, Facts, TIMEOUT};
use super::lane::Fact;
use crate::script::Act;

/// The topic of the model.
pub(super) const TOPIC: &str = "model_events";

// With an argument that every record must be an event for: such records take the shortest way.
const ARGUMENTS: &[Argument<'static>] = &[<Envelope<'static> as FromDelivery>::ARGUMENT];

static BY_PARTITION: HandlerRegistration =
    called_handler("hold", Named::Event(TOPIC, "STEP"), ARGUMENTS, hold).at(
        module_path!(),
        file!(),
        line!(),
    );
static BY_KEY: HandlerRegistration =
    BY_PARTITION.options(DeliveryOptions::new().order(Order::Key).concurrency(4));
static WITHOUT_ORDER: HandlerRegistration =
    BY_PARTITION.options(DeliveryOptions::new().order(Order::None).concurrency(4));

static BATCHES_BY_PARTITION: HandlerRegistration =
    called_batch_handler("hold", Named::Event(TOPIC, "STEP"), &[], hold_together)
        .at(module_path!(), file!(), line!())
        .options(SEVERAL);
static BATCHES_BY_KEY: HandlerRegistration =
    BATCHES_BY_PARTITION.options(SEVERAL.order(Order::Key).concurrency(4));
static BATCHES_WITHOUT_ORDER: HandlerRegistration =
    BATCHES_BY_PARTITION.options(SEVERAL.order(Order::None).concurrency(4));
// What is there is a batch.
const SEVERAL: DeliveryOptions =
    DeliveryOptions::new().batch_max(3).batch_wait_ms(0).timeout_ms(TIMEOUT.as_millis() as u64);

/// What the ports share. Cloning shares it.
#[derive(Clone)]
pub(super) struct Shared(Arc<Mutex<Facts>>);

impl Shared {
    /// Shares the facts.
    #[must_use]
    pub(super) fn new(facts: Facts) -> Self {
        Shared(Arc::new(Mutex::new(facts)))
    }

    /// The facts.
    pub(super) fn facts(&self) -> MutexGuard<'_, Facts> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// An attempt, from its beginning to its end or to where it is cancelled.
struct Attempt {
    shared: Shared,
    hand: u64,
    act: Option<Act>,
}

impl Drop for Attempt {
    fn drop(&mut self) {
        self.shared.facts().end(self.hand, self.act);
    }
}

fn hold<'a>(delivery: &'a Delivery<'a>) -> HandlerFuture<'a> {
    Box::pin(async move {
        let Some(shared) = delivery.state.get::<Shared>().cloned() else {
            return Ok(Outcome::Failed(Error::msg("no model")));
        };
        let record = delivery.record;
        let key = record.key.map(Bytes::copy_from_slice);
        let begun =
            shared.facts().begin(delivery.partition, &[(record.offset.0, delivery.attempt, key)]);
        let (hand, ended) = begun;
        let mut attempt = Attempt { shared, hand, act: None };
        // One that the program forgets ends when it is cancelled.
        let Ok(act) = ended.await else { return std::future::pending().await };
        attempt.act = Some(act);
        drop(attempt);
        Ok(outcome(act))
    })
}

fn hold_together<'a>(deliveries: &'a [Delivery<'a>]) -> BatchFuture<'a> {
    Box::pin(async move {
        let shared = deliveries.first().and_then(|one| Some((one, one.state.get::<Shared>()?)));
        let Some((first, shared)) = shared.map(|(one, shared)| (one, shared.clone())) else {
            return Vec::new();
        };
        let records: Vec<_> = deliveries
            .iter()
            .map(|delivery| {
                let record = delivery.record;
                (record.offset.0, delivery.attempt, record.key.map(Bytes::copy_from_slice))
            })
            .collect();
        let (hand, ended) = shared.facts().begin(first.partition, &records);
        let mut attempt = Attempt { shared, hand, act: None };
        let Ok(act) = ended.await else { return std::future::pending().await };
        attempt.act = Some(act);
        drop(attempt);
        let all = match outcome(act) {
            Outcome::Failed(error) => Err(error),
            Outcome::Skipped => return deliveries.iter().map(|_| Ok(Outcome::Skipped)).collect(),
            _ => Ok(()),
        };
        let deliveries: Vec<_> = deliveries.iter().collect();
        IntoOutcomes::into_outcomes(all, &deliveries).into_iter().map(Ok).collect()
    })
}

fn outcome(act: Act) -> Outcome {
    match act {
        Act::Succeed => Outcome::Handled,
        Act::Fail | Act::RetryAfter(_) => Outcome::Failed(Error::msg("asked to fail")),
        Act::Refuse => Outcome::Failed(Error::msg("asked to refuse").dead_letter()),
        Act::Unavailable => Outcome::Failed(Error::msg("asked to be down").unavailable()),
        Act::Skip | Act::SkipByError => Outcome::Skipped,
        Act::Panic => std::panic::resume_unwind(Box::new("asked to panic")),
    }
}

/// One run of the engine.
pub(super) struct Engine {
    events: Arc<Events>,
    shutdown: oneshot::Sender<()>,
    task: JoinHandle<Result<(), ProcessorError>>,
}

#[derive(Default)]
struct Events {
    queue: Mutex<VecDeque<ConsumerEvent>>,
    more: Notify,
}

impl Engine {
    /// Starts it.
    #[must_use]
    pub(super) fn start(shared: &Shared) -> Self {
        let facts = shared.facts();
        let registration = match (facts.order, facts.in_batches) {
            (Order::Partition, false) => &BY_PARTITION,
            (Order::Key, false) => &BY_KEY,
            (Order::None, false) => &WITHOUT_ORDER,
            (Order::Partition, true) => &BATCHES_BY_PARTITION,
            (Order::Key, true) => &BATCHES_BY_KEY,
            (Order::None, true) => &BATCHES_WITHOUT_ORDER,
        };
        drop(facts);
        let mut state = StateMap::new();
        state.insert(shared.clone());
        let group = GroupName::parse("model").unwrap_or_else(|error| panic!("{error}"));
        let policy = DeliveryPolicy {
            attempts: ATTEMPTS,
            backoff: Backoff { first: BACKOFF, longest: BACKOFF * 8, jitter: Jitter::None },
            commit_interval: COMMIT_INTERVAL,
            drain_timeout: DRAIN,
            ..DeliveryPolicy::default()
        };
        let processor = EventProcessor {
            router: EventRouter::new(&[registration]),
            sibling_groups: SiblingGroups::default(),
            state: Arc::new(state),
            concurrency: Concurrency::of(&policy),
            policy,
            identity: ServiceIdentity { name: "model".into(), version: "1".into(), group },
            producer: Arc::new(Scripted(shared.clone())),
            observers: Observers::from_iter([Arc::new(Watcher(shared.clone())) as _]),
            health: Health::default(),
            control: Control::default(),
            clock: Clock::of_tokio(),
            runtime: tokio::runtime::Handle::current(),
        };
        let events = Arc::<Events>::default();
        let consumer = ScriptedConsumer { shared: shared.clone(), events: Arc::clone(&events) };
        let (shutdown, emitted) = oneshot::channel();
        let until = async {
            let _ = emitted.await;
        };
        let task = tokio::spawn(processor.run(consumer, until));
        Engine { events, shutdown, task }
    }

    /// Lets the consumer report something.
    pub(super) fn emit(&self, event: ConsumerEvent) {
        self.events.push(event);
    }

    /// Whether it ended by itself.
    #[must_use]
    pub(super) fn is_over(&self) -> bool {
        self.task.is_finished()
    }

    /// Ends it as a crash does.
    pub(super) async fn crash(self) {
        self.task.abort();
        let _ = self.task.await;
    }

    /// Stops it; `meanwhile` is done while it drains.
    pub(super) async fn stop(
        self,
        meanwhile: impl Future<Output = ()>,
    ) -> Result<(), ProcessorError> {
        let _ = self.shutdown.send(());
        meanwhile.await;
        match self.task.await {
            Ok(ended) => ended,
            Err(error) => panic!("the engine panicked: {error}"),
        }
    }
}

impl Events {
    fn push(&self, event: ConsumerEvent) {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner).push_back(event);
        self.more.notify_one();
    }
}

struct ScriptedConsumer {
    shared: Shared,
    events: Arc<Events>,
}

impl Consumer for ScriptedConsumer {
    async fn next(&mut self) -> ConsumerEvent {
        loop {
            let event =
                self.events.queue.lock().unwrap_or_else(PoisonError::into_inner).pop_front();
            match event {
                Some(event) => {
                    if let ConsumerEvent::Revoked(revocation) = &event
                        && revocation.lost
                    {
                        self.shared.facts().lost(&revocation.partitions);
                    }
                    return event;
                }
                None => self.events.more.notified().await,
            }
        }
    }

    fn commit(&mut self, progress: &[Progress]) {
        let facts = &mut *self.shared.facts();
        let fails = facts.failing_commits.pop();
        if fails != Some(CommitFault::Before) {
            facts.commit(progress);
        }
        if fails.is_some() {
            self.events.push(ConsumerEvent::CommitFailed(BrokerError::Other("asked to".into())));
        }
    }

    async fn close(
        self,
        progress: Vec<Progress>,
        _: Duration,
    ) -> Result<Vec<Progress>, BrokerError> {
        self.shared.facts().close(&progress);
        Ok(progress)
    }
}

struct Scripted(Shared);

impl Producer for Scripted {
    fn send(
        &self,
        record: OutgoingRecord,
    ) -> PortFuture<'static, Result<Acknowledged, BrokerError>> {
        let header = |name| record.headers.get_text(name).unwrap_or_default();
        let number = |name| header(name).parse::<i64>().unwrap_or(-1);
        let partition = i32::try_from(number("dlq.partition")).unwrap_or(-1);
        let origin = (header("dlq.topic"), partition, number("dlq.offset"));
        let taken = self.0.facts().letter(origin, record.value.as_ref());
        let answer = if taken {
            let partition = TopicPartition { topic: record.topic, partition: 0 };
            Ok(Acknowledged { partition, offset: Offset(0) })
        } else {
            Err(BrokerError::Other("asked to refuse".into()))
        };
        Box::pin(std::future::ready(answer))
    }

    fn flush(&self, _: Duration) -> PortFuture<'_, Result<(), BrokerError>> {
        Box::pin(std::future::ready(Ok(())))
    }
}

struct Watcher(Shared);

impl Observer for Watcher {
    fn observe(&self, observation: &Observation<'_>) {
        match observation {
            Observation::Handled { partition, offset, .. }
            | Observation::Skipped { partition, offset, .. } => {
                self.0.facts().settled(partition, offset.0, false);
            }
            Observation::DeadLettered { partition, offset, .. } => {
                self.0.facts().settled(partition, offset.0, true);
            }
            _ => {}
        }
    }
}

/// A batch of these records.
#[must_use]
pub(super) fn batch(partition: &TopicPartition, epoch: u64, records: Vec<Fact>) -> RecordBatch {
    RecordBatch::new(Arc::new(partition.clone()), Epoch(epoch), Box::new(Records(records)))
}

struct Records(Vec<Fact>);

impl RecordSource for Records {
    fn len(&self) -> usize {
        self.0.len()
    }

    fn stamp(&self, index: usize) -> (Offset, i64) {
        (Offset(self.0[index].offset), 0)
    }

    fn key(&self, index: usize) -> Option<&[u8]> {
        self.0[index].key.as_deref()
    }

    fn value(&self, index: usize) -> Option<&[u8]> {
        self.0[index].value.as_deref()
    }

    fn header_count(&self, _: usize) -> usize {
        0
    }

    fn header(&self, _: usize, _: usize) -> (&[u8], Option<&[u8]>) {
        (&[], None)
    }

    fn size_bytes(&self) -> usize {
        self.0.len()
    }
}

/// The partitions of the model.
#[must_use]
pub(super) fn partitions(count: i32) -> Vec<TopicPartition> {
    let topic = TopicName::parse(TOPIC).unwrap_or_else(|error| panic!("{error}"));
    (0..count).map(|partition| TopicPartition { topic: topic.clone(), partition }).collect()
}

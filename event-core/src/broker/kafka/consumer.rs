//! The consumer port: a handle on the consumer threads.

use std::sync::Arc;
use std::sync::mpsc::{self, Sender};
use std::time::Duration;

use futures_util::future::join_all;
use rdkafka::config::FromClientConfigAndContext;
use rdkafka::consumer::{BaseConsumer, Consumer as _};
use rdkafka::error::KafkaError;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::sync::oneshot;
use tokio::time::Instant;

use super::budget::Budget;
use super::errors::{self, LastError};
use super::leveling::{self, Leveling};
use super::poll_loop::PollLoop;
use super::positions;
use super::queues::Queues;
use super::rebalance::{EmittedErrors, GroupContext, log_reset};
use super::renewal;
use super::{KafkaBroker, KafkaSettings, settings};
use crate::broker::{
    BrokerError, Consumer, ConsumerEvent, Heartbeat, OffsetReset, PartitionQueue, Progress,
    Subscription,
};
use crate::delivery::{Epoch, TopicPartition};
use crate::event::TopicName;

/// An instance of a consumer group on Kafka: a member of the group for each set of topics.
///
/// Kafka's cooperative assignment, and that of the brokers, level out how many partitions a member
/// has, whatever topics they are of: one member for all topics would get all of one topic and none of
/// another. A member that subscribes to one topic gets a share of that.
///
/// Dropped without [`close`](Consumer::close) it leaves the group without committing.
pub struct KafkaConsumer {
    events: UnboundedReceiver<ConsumerEvent>,
    members: Vec<Member>,
    /// Where each partition has a queue of its own.
    queues: Option<Arc<Queues>>,
    client_id: String,
    /// Where instances are distinguished, and their members are free to leave and join again.
    leveling: Option<Leveling>,
    ended: bool,
}

/// The handle on the thread of one member.
struct Member {
    topics: Vec<TopicName>,
    commands: Sender<Command>,
    heartbeat: Arc<Heartbeat>,
    last_error: Arc<LastError>,
}

/// What the handle asks of the consumer thread.
pub(super) enum Command {
    Commit(Vec<Progress>),
    /// Gives all partitions back, and joins the group again a moment later.
    Rejoin,
    Release {
        number: u64,
        progress: Vec<Progress>,
    },
    Close(Close),
    Abandon,
}

/// A last commit and the departure.
pub(super) struct Close {
    pub(super) progress: Vec<Progress>,
    pub(super) deadline: std::time::Instant,
    pub(super) committed: oneshot::Sender<Result<Vec<Progress>, BrokerError>>,
    pub(super) left: oneshot::Sender<()>,
}

impl KafkaConsumer {
    pub(super) fn join(
        broker: &KafkaBroker,
        subscription: &Subscription,
    ) -> Result<KafkaConsumer, BrokerError> {
        let (event_sender, events) = unbounded_channel();
        let mut instance = Instance::new(&broker.settings, subscription);
        let mut consumer = KafkaConsumer {
            events,
            members: Vec::new(),
            queues: instance.queues.clone(),
            client_id: instance.client_id.clone(),
            leveling: None,
            ended: false,
        };
        let ahead_bytes = subscription.max_in_flight_bytes / settings::AHEAD;
        let budget = Budget::new(subscription.max_in_flight_bytes - ahead_bytes);
        let mut sets = subscription.topics.clone();
        sets.extend(
            (!subscription.retry_topics.is_empty()).then(|| subscription.retry_topics.clone()),
        );
        if !broker.settings.shares_by_total() {
            sets = vec![sets.concat()];
        }
        instance.ahead_bytes = ahead_bytes / sets.len().max(1);
        let levels = sets.len() > 1
            && subscription.topics.len() > 1
            && subscription.group_instance_id.is_none();
        if levels && broker.embedded.is_none() {
            let (group, client_id) = (subscription.group.clone(), instance.client_id.clone());
            let topics = subscription.topics.clone();
            consumer.leveling = Some(Leveling::new(broker.clone(), group, client_id, topics));
        }
        for topics in &sets {
            let id = instance.group_instance_id(topics, sets.len() == 1);
            let member = instance.join(topics, id.as_deref(), event_sender.clone(), &budget)?;
            consumer.members.push(member);
        }
        Ok(consumer)
    }

    /// What of `progress` belongs to each member.
    fn by_member(&self, progress: &[Progress]) -> impl Iterator<Item = (&Member, Vec<Progress>)> {
        self.members.iter().map(|member| {
            let is_of = |done: &&Progress| member.topics.contains(&done.partition.topic);
            (member, progress.iter().filter(is_of).cloned().collect())
        })
    }
}

/// What the members of one consumer have in common.
struct Instance<'a> {
    settings: &'a KafkaSettings,
    subscription: &'a Subscription,
    /// Distinguishes the members of this instance from those of others: brokers and tools show it.
    client_id: String,
    /// How much each may fetch ahead.
    ahead_bytes: usize,
    queues: Option<Arc<Queues>>,
    emitted: Arc<EmittedErrors>,
}

impl<'a> Instance<'a> {
    fn new(settings: &'a KafkaSettings, subscription: &'a Subscription) -> Self {
        let service = settings.client_id.as_str();
        let client_id = match &subscription.group_instance_id {
            Some(id) if service.is_empty() => id.clone(),
            Some(id) => format!("{service}-{id}"),
            None => {
                // Of the random end of an id whose beginning is the time.
                let name = &uuid::Uuid::now_v7().simple().to_string()[24..];
                leveling::client_id(service, &subscription.topics, name)
            }
        };
        let queues = subscription.by_partition.then(Arc::default);
        Instance {
            settings,
            subscription,
            client_id,
            ahead_bytes: 0,
            queues,
            emitted: Arc::default(),
        }
    }

    fn join(
        &self,
        topics: &[TopicName],
        instance_id: Option<&str>,
        events: UnboundedSender<ConsumerEvent>,
        budget: &Arc<Budget>,
    ) -> Result<Member, BrokerError> {
        let Subscription { group, drain_timeout, wants_metadata, .. } = self.subscription;
        let (commands, receiver) = mpsc::channel();
        let mut context = GroupContext::new(
            self.settings.brokers.clone(),
            events,
            (commands.clone(), receiver),
            *drain_timeout,
            Arc::clone(budget),
            *wants_metadata,
        );
        context.heartbeat = Arc::new(Heartbeat::of(topics));
        context.last_error.set_settings(self.settings);
        context.last_error.set_group(group);
        context.out_of_range = self.subscription.out_of_range;
        context.is_static = instance_id.is_some();
        context.emitted = Arc::clone(&self.emitted);
        context.queues = self.queues.clone();
        let client_id = self.client_id.as_str();
        let mut config =
            self.settings.consumer(group.as_str(), client_id, instance_id, self.ahead_bytes);
        positions::configure(&mut config, self.subscription.out_of_range);
        let (subscribed, settings) = (topics.to_vec(), self.settings.clone());
        let make = move |context| {
            let consumer = BaseConsumer::from_config_and_context(&config, context)
                .map_err(|error| errors::of_creation(&error))?;
            let names: Vec<&str> = subscribed.iter().map(|topic| topic.as_str()).collect();
            consumer.subscribe(&names).map_err(|error| match error {
                KafkaError::Subscription(reason) => BrokerError::Settings(reason),
                other => errors::of_creation(&other),
            })?;
            PollLoop::new(consumer, settings.clone())
        };
        let (heartbeat, last_error) =
            (Arc::clone(&context.heartbeat), Arc::clone(&context.last_error));
        let poll_loop = make(context)?;
        std::thread::Builder::new()
            .name(format!("kafka-{group}"))
            .spawn(move || renewal::run(poll_loop, make))
            .map_err(|error| BrokerError::Fatal(format!("no consumer thread: {error}")))?;
        Ok(Member { topics: topics.to_vec(), commands, heartbeat, last_error })
    }

    /// The `group.instance.id` of the member for these topics: each member needs one of its own.
    fn group_instance_id(&self, topics: &[TopicName], is_alone: bool) -> Option<String> {
        let id = self.subscription.group_instance_id.as_deref()?;
        Some(match topics.first() {
            Some(first) if !is_alone => format!("{id}.{first}"),
            _ => id.to_owned(),
        })
    }
}

impl Consumer for KafkaConsumer {
    async fn next(&mut self) -> ConsumerEvent {
        if self.ended {
            return std::future::pending().await;
        }
        let event = loop {
            let Some(leveling) = &mut self.leveling else { break self.events.recv().await };
            tokio::select! {
                biased;
                event = self.events.recv() => {
                    if let Some(ConsumerEvent::Assigned { .. } | ConsumerEvent::Revoked(_)) = event {
                        leveling.changed();
                    }
                    break event;
                }
                set = leveling.next() => {
                    // The sets of `leveling` are those of the first members.
                    let _ = self.members[set].commands.send(Command::Rejoin);
                }
            }
        };
        event.unwrap_or_else(|| {
            self.ended = true;
            ConsumerEvent::Error(thread_ended())
        })
    }

    fn commit(&mut self, progress: &[Progress]) {
        for (member, progress) in self.by_member(progress) {
            if !progress.is_empty() {
                // A thread that is gone has said so through `next`.
                let _ = member.commands.send(Command::Commit(progress));
            }
        }
    }

    fn queue(&mut self, partition: &TopicPartition, epoch: Epoch) -> Option<PartitionQueue> {
        self.queues.as_ref()?.take(partition, epoch)
    }

    fn heartbeats(&self) -> Vec<Arc<Heartbeat>> {
        self.members.iter().map(|member| Arc::clone(&member.heartbeat)).collect()
    }

    fn client_id(&self) -> Option<&str> {
        Some(&self.client_id)
    }

    async fn close(
        mut self,
        progress: Vec<Progress>,
        timeout: Duration,
    ) -> Result<Vec<Progress>, BrokerError> {
        let deadline = Instant::now() + timeout;
        let closing: Vec<_> = self
            .by_member(&progress)
            .map(|(member, progress)| member.close(progress, deadline))
            .collect();
        // A revocation that nobody looked at yet is dropped, and so released.
        self.events.close();
        while let Ok(event) = self.events.try_recv() {
            let member = |reset: &OffsetReset| {
                self.members.iter().find(|one| one.topics.contains(&reset.partition.topic))
            };
            if let ConsumerEvent::OffsetReset(reset) = &event
                && let Some(member) = member(reset)
            {
                log_reset(&member.last_error.group(), reset);
            }
        }
        // Each member waits for its own commit only, and the group for none of them.
        let closed = join_all(closing).await;
        closed.into_iter().try_fold(Vec::new(), |mut all, one| {
            all.extend(one?);
            Ok(all)
        })
    }
}

impl Member {
    /// Asks the thread to commit and to leave the group; waits for both until `deadline`.
    fn close(
        &self,
        progress: Vec<Progress>,
        deadline: Instant,
    ) -> impl Future<Output = Result<Vec<Progress>, BrokerError>> + Send + use<> {
        let (committed, answer) = oneshot::channel();
        let (left, departure) = oneshot::channel();
        let close = Close { progress, deadline: deadline.into_std(), committed, left };
        let sent = self.commands.send(Command::Close(close)).map_err(|_| thread_ended());
        let last_error = Arc::clone(&self.last_error);
        async move {
            sent?;
            let committed = match tokio::time::timeout_at(deadline, answer).await {
                Ok(Ok(committed)) => committed,
                Ok(Err(_)) => Err(thread_ended()),
                Err(_) => Err(BrokerError::TimedOut {
                    what: "the last commit".to_owned(),
                    last_error: last_error.reason(),
                }),
            };
            // What is committed is safe: a departure that takes longer goes on by itself, and at
            // worst the group waits for the session to time out.
            let _ = tokio::time::timeout_at(deadline, departure).await;
            committed
        }
    }
}

fn thread_ended() -> BrokerError {
    BrokerError::Fatal("the consumer thread ended".to_owned())
}

impl Drop for KafkaConsumer {
    fn drop(&mut self) {
        for member in &self.members {
            let _ = member.commands.send(Command::Abandon);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::broker::kafka::EmbeddedBroker;
    use crate::broker::{Broker, OutgoingRecord, PartitionEvent};
    use crate::event::{GroupName, Headers};

    fn join(embedded: &EmbeddedBroker) -> Result<KafkaConsumer, BrokerError> {
        embedded.broker().subscribe(subscription("heartbeat")?)
    }

    fn subscription(group: &str) -> Result<Subscription, BrokerError> {
        Ok(Subscription {
            group: GroupName::parse(group).map_err(|e| BrokerError::Other(e.to_string()))?,
            topics: vec![vec![TopicName::from_static("role_events")]],
            retry_topics: Vec::new(),
            max_in_flight_bytes: 1 << 20,
            drain_timeout: Duration::from_secs(1),
            group_instance_id: None,
            wants_metadata: false,
            out_of_range: Default::default(),
            by_partition: false,
        })
    }

    #[tokio::test]
    async fn an_idle_thread_beats() -> Result<(), BrokerError> {
        let embedded = EmbeddedBroker::start()?;
        embedded.create_topic("role_events", 1)?;
        let consumer = join(&embedded)?;
        let heartbeat =
            consumer.heartbeats().pop().ok_or(BrokerError::Fatal("no heartbeat".into()))?;
        let began = std::time::Instant::now();
        let mut beats = 0;
        let mut last = heartbeat.silent_for();
        while beats < 10 {
            assert!(began.elapsed() < Duration::from_secs(10), "{beats} beats, {last:?}");
            std::thread::yield_now();
            let now = heartbeat.silent_for();
            beats += u32::from(now < last);
            last = now;
        }
        Ok(())
    }

    /// For hours, perhaps: a dead letter that cannot be written holds its partition.
    #[tokio::test]
    async fn a_thread_that_is_paused_for_long_seldom_wakes() -> Result<(), BrokerError> {
        let embedded = EmbeddedBroker::start()?;
        embedded.create_topic("role_events", 1)?;
        let producer = embedded.broker().producer()?;
        for _ in 0..20 {
            let value = Some(bytes::Bytes::from(vec![0; 100 << 10]));
            let topic = TopicName::from_static("role_events");
            let (key, headers) = (None, Headers::new());
            let (partition, timestamp_ms) = (None, None);
            let record = OutgoingRecord { topic, partition, key, value, headers, timestamp_ms };
            producer.send(record).await?;
        }
        let mut consumer = join(&embedded)?;
        let mut retained = Vec::new();
        let soon = Duration::from_millis(500);
        loop {
            match tokio::time::timeout(soon, consumer.next()).await {
                Ok(ConsumerEvent::Records(batch)) => retained.push(batch),
                Err(_) if !retained.is_empty() => break,
                _ => {}
            }
        }
        let heartbeat =
            consumer.heartbeats().pop().ok_or(BrokerError::Fatal("no heartbeat".into()))?;
        let began = std::time::Instant::now();
        let (mut beats, mut last) = (0, heartbeat.silent_for());
        while began.elapsed() < Duration::from_secs(1) {
            std::thread::yield_now();
            let now = heartbeat.silent_for();
            beats += u32::from(now < last);
            last = now;
        }
        assert!(beats < 100, "{beats} times a second");
        Ok(())
    }

    /// A batch crosses one thread, and a thousand records that lie there are a few batches.
    #[tokio::test]
    async fn the_records_of_a_partition_come_by_its_queue_and_wake_nobody_else()
    -> Result<(), BrokerError> {
        const RECORDS: usize = 1000;
        let embedded = EmbeddedBroker::start()?;
        embedded.create_topic("role_events", 1)?;
        let producer = embedded.broker().producer()?;
        let send = |number: usize| {
            let value = Some(bytes::Bytes::from(number.to_string()));
            let topic = TopicName::from_static("role_events");
            let (key, headers) = (None, Headers::new());
            let (partition, timestamp_ms) = (None, None);
            producer.send(OutgoingRecord { topic, partition, key, value, headers, timestamp_ms })
        };
        for acknowledged in join_all((0..RECORDS).map(send)).await {
            acknowledged?;
        }
        let mut consumer = embedded
            .broker()
            .subscribe(Subscription { by_partition: true, ..subscription("queues")? })?;
        let mut queue = loop {
            let ConsumerEvent::Assigned { partitions, epoch } = consumer.next().await else {
                continue;
            };
            if let Some(assigned) = partitions.first() {
                assert!(consumer.queue(&assigned.partition, Epoch(epoch.0 + 1)).is_none());
                break consumer.queue(&assigned.partition, epoch).unwrap();
            }
        };
        let (mut seen, mut batches) = (0, 0);
        while seen < RECORDS {
            let within = Duration::from_secs(20);
            let event = tokio::time::timeout(within, queue.events.recv()).await;
            let Ok(Some(PartitionEvent::Records(batch))) = event else {
                panic!("{event:?} after {seen} records");
            };
            for record in batch.iter() {
                assert_eq!(record.offset.0, seen as i64);
                seen += 1;
            }
            batches += 1;
        }
        assert!(batches <= 20, "{batches} batches");
        // One that comes alone is handed over at once.
        send(RECORDS).await?;
        assert!(
            matches!(queue.events.recv().await, Some(PartitionEvent::Records(batch)) if batch.len() == 1)
        );
        while let Ok(event) = consumer.events.try_recv() {
            assert!(
                !matches!(event, ConsumerEvent::Records(_) | ConsumerEvent::Passed { .. }),
                "{event:?}"
            );
        }
        Ok(())
    }

    #[tokio::test]
    async fn a_poll_thread_that_drains_keeps_its_heartbeat() -> Result<(), BrokerError> {
        let embedded = EmbeddedBroker::start()?;
        embedded.create_topic("role_events", 2)?;
        let mut first = join(&embedded)?;
        while !matches!(first.next().await, ConsumerEvent::Assigned { .. }) {}
        let second = join(&embedded)?;
        let revocation = loop {
            if let ConsumerEvent::Revoked(revocation) = first.next().await {
                break revocation;
            }
        };
        let heartbeat =
            first.heartbeats().pop().ok_or(BrokerError::Fatal("no heartbeat".into()))?;
        let began = std::time::Instant::now();
        // The wait is announced before it begins.
        while heartbeat.silent_for() > Duration::ZERO {
            assert!(began.elapsed() < Duration::from_secs(5));
        }
        while began.elapsed() < Duration::from_millis(200) {
            assert_eq!(heartbeat.silent_for(), Duration::ZERO);
            std::thread::yield_now();
        }
        revocation.release(Vec::new());
        drop(second);
        Ok(())
    }
}

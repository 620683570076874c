//! The consumer port: a handle on the consumer thread.

use std::sync::Arc;
use std::sync::mpsc::{self, Sender};
use std::time::Duration;

use rdkafka::config::FromClientConfigAndContext;
use rdkafka::consumer::{BaseConsumer, Consumer as _};
use rdkafka::error::KafkaError;
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};
use tokio::sync::oneshot;
use tokio::time::Instant;

use super::KafkaSettings;
use super::budget::Budget;
use super::poll_loop::PollLoop;
use super::positions;
use super::rebalance::GroupContext;
use super::trouble;
use crate::broker::{BrokerError, Consumer, ConsumerEvent, Progress, Pulse, Subscription};

/// A member of a consumer group on Kafka.
///
/// Dropped without [`close`](Consumer::close) it leaves the group without committing.
pub struct KafkaConsumer {
    events: UnboundedReceiver<ConsumerEvent>,
    commands: Sender<Command>,
    pulse: Arc<Pulse>,
    ended: bool,
}

/// What the handle asks of the consumer thread.
pub(super) enum Command {
    Commit(Vec<Progress>),
    Release { number: u64, progress: Vec<Progress> },
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
        settings: &KafkaSettings,
        subscription: &Subscription,
    ) -> Result<KafkaConsumer, BrokerError> {
        let (event_sender, events) = unbounded_channel();
        let (commands, receiver) = mpsc::channel();
        let mut context = GroupContext::new(
            settings.brokers.clone(),
            event_sender,
            (commands.clone(), receiver),
            subscription.drain_deadline,
            Budget::new(subscription.max_in_flight_bytes),
            subscription.wants_metadata,
        );
        context.out_of_range = subscription.out_of_range;
        let instance_id = subscription.group_instance_id.as_deref();
        let mut config = settings.consumer(subscription.group.as_str(), instance_id);
        positions::configure(&mut config, subscription.out_of_range);
        let consumer = BaseConsumer::from_config_and_context(&config, context)
            .map_err(|error| trouble::of_creation(&error))?;
        let topics: Vec<&str> = subscription.topics.iter().map(|topic| topic.as_str()).collect();
        consumer.subscribe(&topics).map_err(|error| match error {
            KafkaError::Subscription(reason) => BrokerError::Settings(reason),
            other => trouble::of_creation(&other),
        })?;
        let pulse = Arc::clone(&consumer.context().pulse);
        let poll_loop = PollLoop::new(consumer, settings.clone())?;
        std::thread::Builder::new()
            .name(format!("kafka-{}", subscription.group))
            .spawn(move || poll_loop.run())
            .map_err(|error| BrokerError::Fatal(format!("no consumer thread: {error}")))?;
        Ok(KafkaConsumer { events, commands, pulse, ended: false })
    }
}

impl Consumer for KafkaConsumer {
    async fn next(&mut self) -> ConsumerEvent {
        if self.ended {
            return std::future::pending().await;
        }
        match self.events.recv().await {
            Some(event) => event,
            None => {
                self.ended = true;
                let reason = "the consumer thread ended".to_owned();
                ConsumerEvent::Trouble(BrokerError::Fatal(reason))
            }
        }
    }

    fn commit(&mut self, progress: &[Progress]) {
        // A thread that is gone has said so through `next`.
        let _ = self.commands.send(Command::Commit(progress.to_vec()));
    }

    fn pulse(&self) -> Option<Arc<Pulse>> {
        Some(Arc::clone(&self.pulse))
    }

    async fn close(
        mut self,
        progress: Vec<Progress>,
        deadline: Duration,
    ) -> Result<Vec<Progress>, BrokerError> {
        let deadline = Instant::now() + deadline;
        let (committed, answer) = oneshot::channel();
        let (left, departure) = oneshot::channel();
        let close = Close { progress, deadline: deadline.into_std(), committed, left };
        if self.commands.send(Command::Close(close)).is_err() {
            return Err(BrokerError::Fatal("the consumer thread ended".to_owned()));
        }
        // A revocation that nobody looked at yet is dropped, and so released.
        self.events.close();
        while self.events.try_recv().is_ok() {}
        let committed = match tokio::time::timeout_at(deadline, answer).await {
            Ok(Ok(committed)) => committed,
            Ok(Err(_)) => Err(BrokerError::Fatal("the consumer thread ended".to_owned())),
            Err(_) => Err(BrokerError::TimedOut {
                what: "the last commit".to_owned(),
                last_heard: "no answer".to_owned(),
            }),
        };
        // What is committed is safe: a departure that takes longer goes on by itself, and at
        // worst the group waits for the session to time out.
        let _ = tokio::time::timeout_at(deadline, departure).await;
        committed
    }
}

impl Drop for KafkaConsumer {
    fn drop(&mut self) {
        let _ = self.commands.send(Command::Abandon);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::broker::kafka::EmbeddedBroker;
    use crate::broker::{Broker, OutgoingRecord};
    use crate::event::{GroupName, Headers, TopicName};

    fn join(embedded: &EmbeddedBroker) -> Result<KafkaConsumer, BrokerError> {
        embedded.broker().subscribe(Subscription {
            group: GroupName::parse("pulse").map_err(|e| BrokerError::Other(e.to_string()))?,
            topics: vec![TopicName::from_static("role_events")],
            max_in_flight_bytes: 1 << 20,
            drain_deadline: Duration::from_secs(1),
            group_instance_id: None,
            wants_metadata: false,
            out_of_range: Default::default(),
        })
    }

    #[tokio::test]
    async fn an_idle_thread_beats() -> Result<(), BrokerError> {
        let embedded = EmbeddedBroker::start()?;
        embedded.create_topic("role_events", 1)?;
        let consumer = join(&embedded)?;
        let pulse = consumer.pulse().ok_or(BrokerError::Fatal("no pulse".into()))?;
        let began = std::time::Instant::now();
        let mut beats = 0;
        let mut last = pulse.silent_for();
        while beats < 10 {
            assert!(began.elapsed() < Duration::from_secs(10), "{beats} beats, {last:?}");
            std::thread::yield_now();
            let now = pulse.silent_for();
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
        let mut held = Vec::new();
        let soon = Duration::from_millis(500);
        loop {
            match tokio::time::timeout(soon, consumer.next()).await {
                Ok(ConsumerEvent::Records(batch)) => held.push(batch),
                Err(_) if !held.is_empty() => break,
                _ => {}
            }
        }
        let pulse = consumer.pulse().ok_or(BrokerError::Fatal("no pulse".into()))?;
        let began = std::time::Instant::now();
        let (mut beats, mut last) = (0, pulse.silent_for());
        while began.elapsed() < Duration::from_secs(1) {
            std::thread::yield_now();
            let now = pulse.silent_for();
            beats += u32::from(now < last);
            last = now;
        }
        assert!(beats < 100, "{beats} times a second");
        Ok(())
    }

    #[tokio::test]
    async fn a_thread_that_waits_for_the_records_in_hand_is_not_silent() -> Result<(), BrokerError>
    {
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
        let pulse = first.pulse().ok_or(BrokerError::Fatal("no pulse".into()))?;
        let began = std::time::Instant::now();
        // It is told before it waits.
        while pulse.silent_for() > Duration::ZERO {
            assert!(began.elapsed() < Duration::from_secs(5));
        }
        while began.elapsed() < Duration::from_millis(200) {
            assert_eq!(pulse.silent_for(), Duration::ZERO);
            std::thread::yield_now();
        }
        revocation.release(Vec::new());
        drop(second);
        Ok(())
    }
}

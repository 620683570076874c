//! The end of a client is no error: whatever way it goes, nothing of it is in the log as one.

#![cfg(feature = "kafka")]
#![expect(clippy::unwrap_used, reason = "a test")]

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use event_core::broker::kafka::{EmbeddedBroker, KafkaBroker};
use event_core::broker::{
    Broker, BrokerError, Consumer, ConsumerEvent, ReadRequest, Reader, Subscription,
};
use event_core::delivery::{NextOffset, TopicPartition};
use event_core::event::{GroupName, TopicName};

/// Several times: with the fault it was about every second end.
const ENDS: usize = 6;
const SOON: Duration = Duration::from_secs(10);
const TOPIC: TopicName = TopicName::from_static("role_events");

/// What rdkafka logs as an error; it uses the `log` crate.
struct Errors(Mutex<Vec<String>>);

static ERRORS: Errors = Errors(Mutex::new(Vec::new()));

impl log::Log for Errors {
    fn enabled(&self, metadata: &log::Metadata<'_>) -> bool {
        metadata.level() == log::Level::Error
    }

    fn log(&self, record: &log::Record<'_>) {
        if self.enabled(record.metadata()) {
            let mut errors = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            errors.push(format!("{}: {}", record.target(), record.args()));
        }
    }

    fn flush(&self) {}
}

fn group() -> GroupName {
    GroupName::parse("ends").unwrap()
}

async fn member(broker: &KafkaBroker) -> Result<impl Consumer + use<>, BrokerError> {
    let mut consumer = broker.subscribe(Subscription {
        group: group(),
        topics: vec![vec![TOPIC]],
        retry_topics: Vec::new(),
        out_of_range: Default::default(),
        by_partition: false,
        max_in_flight_bytes: 1 << 20,
        drain_timeout: Duration::from_secs(1),
        group_instance_id: None,
        wants_metadata: false,
    })?;
    while !matches!(consumer.next().await, ConsumerEvent::Assigned { .. }) {}
    Ok(consumer)
}

#[tokio::test]
async fn no_end_of_a_client_is_logged_as_an_error() -> Result<(), BrokerError> {
    log::set_logger(&ERRORS).unwrap();
    log::set_max_level(log::LevelFilter::Error);
    let embedded =
        EmbeddedBroker::start_with_session(Duration::from_secs(6), Duration::from_millis(100))?;
    embedded.create_topic("role_events", 1)?;
    let broker = embedded.broker();
    let partition = TopicPartition { topic: TOPIC, partition: 0 };
    for _ in 0..ENDS {
        member(&broker).await?.close(Vec::new(), SOON).await?;
    }
    // Its departure is waited for by the next member.
    drop(member(&broker).await?);
    member(&broker).await?.close(Vec::new(), SOON).await?;
    broker.committed(&group(), std::slice::from_ref(&partition), SOON).await?;
    broker.topics(&[TOPIC], SOON).await?;
    let request = ReadRequest { partitions: vec![(partition, NextOffset(0), None)], follow: false };
    assert!(broker.read(request)?.next().await.is_none());
    // What goes away on a thread of its own has gone once another has come and gone.
    member(&broker).await?.close(Vec::new(), SOON).await?;
    let errors = ERRORS.0.lock().unwrap_or_else(PoisonError::into_inner);
    assert!(errors.is_empty(), "{errors:#?}");
    Ok(())
}

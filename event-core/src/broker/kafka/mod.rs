//! Kafka through librdkafka, the only production broker.
//!
//! Nothing outside this folder names rdkafka. One thread owns each consumer and one each
//! producer; what crosses to them is batches, commands and futures.
//!
//! # Defaults
//!
//! Any [librdkafka property](https://github.com/confluentinc/librdkafka/blob/v2.12.1/CONFIGURATION.md)
//! can be set, except those that [`refused_property`] names. These differ from librdkafka's own
//! defaults:
//!
//! | Property | Here | Why |
//! |---|---|---|
//! | `reconnect.backoff.max.ms` | 1000 | a restarted broker is found in a second, not in ten |
//! | `socket.timeout.ms` | 10000 | a frozen leader stalls its partitions for this long |
//! | `allow.auto.create.topics` | false | a misspelt topic is an error, not a topic; also for the producer |
//! | `statistics.interval.ms` | 0 | statistics cost throughput |
//! | `auto.offset.reset` | earliest | what was written before the first start is not skipped |
//! | `enable.auto.commit`, `enable.auto.offset.store` | false | only settled records are committed |
//! | `fetch.queue.backoff.ms` | 1 | the default costs a consumer that catches up a factor of six |
//! | `check.crcs` | true | a damaged record is an error |
//! | `topic.metadata.refresh.interval.ms` | 3000 (consumer) | a topic made anew is noticed, not a silent stall |
//! | `partition.assignment.strategy` | cooperative-sticky | the group goes on while it changes; not with `group.protocol=consumer`, where the broker assigns |
//! | `acks`, `enable.idempotence` | all, true | acknowledged means written, once and in order |
//! | `linger.ms` | 2 | batches fill under load |
//! | `message.timeout.ms` | 30000 | a record is acknowledged or given up within this |
//! | `topic.metadata.propagation.max.ms` | 5000 | a missing topic is told after this, not after 30 s |
//! | `message.max.bytes` | 10485760 | the topic decides what is too large |
//! | `partitioner` | murmur2_random | a key has the same partition as with Java's and most Python clients |

mod assignment;
mod batch;
mod budget;
mod commits;
mod consumer;
mod embedded;
mod metadata;
mod poll_loop;
mod producer;
mod raw;
mod reader;
mod rebalance;
mod settings;
mod trouble;

use std::sync::Arc;
use std::time::Duration;

use super::{
    Broker, BrokerError, Committed, CreatedTopic, NewTopic, Producer, ReadRequest, Subscription,
    TopicStatus, Watermarks,
};
use crate::delivery::{NextOffset, TopicPartition};
use crate::event::{GroupName, TopicName};

pub use consumer::KafkaConsumer;
pub use embedded::{EmbeddedBroker, Fault, Request};
pub use reader::KafkaReader;
pub use settings::{KafkaSettings, KafkaSettingsProblem, needs_tls, refused_property};

/// A Kafka cluster.
#[derive(Clone, Debug)]
pub struct KafkaBroker {
    settings: KafkaSettings,
}

impl KafkaBroker {
    /// Takes the settings of a cluster. It is reached only when something is asked of it.
    ///
    /// # Errors
    ///
    /// [`BrokerError::Settings`] with all of [`KafkaSettings::problems`].
    pub fn connect(settings: KafkaSettings) -> Result<KafkaBroker, BrokerError> {
        let problems = settings.problems();
        if problems.is_empty() {
            Ok(KafkaBroker { settings })
        } else {
            let problems: Vec<_> = problems.iter().map(ToString::to_string).collect();
            Err(BrokerError::Settings(problems.join("; ")))
        }
    }
}

impl Broker for KafkaBroker {
    type Consumer = KafkaConsumer;
    type Reader = KafkaReader;

    async fn topics(
        &self,
        names: &[TopicName],
        deadline: Duration,
    ) -> Result<Vec<TopicStatus>, BrokerError> {
        let (settings, names) = (self.settings.clone(), names.to_vec());
        tokio::task::spawn_blocking(move || metadata::topics(&settings, &names, deadline))
            .await
            .unwrap_or_else(|error| Err(BrokerError::Other(error.to_string())))
    }

    async fn create_topics(
        &self,
        _topics: &[NewTopic],
        _deadline: Duration,
    ) -> Result<Vec<CreatedTopic>, BrokerError> {
        Err(BrokerError::Other("not built yet".to_owned()))
    }

    async fn watermarks(
        &self,
        _partitions: &[TopicPartition],
        _deadline: Duration,
    ) -> Result<Vec<Watermarks>, BrokerError> {
        Err(BrokerError::Other("not built yet".to_owned()))
    }

    async fn offsets_at(
        &self,
        _partitions: &[TopicPartition],
        _timestamp_ms: i64,
        _deadline: Duration,
    ) -> Result<Vec<(TopicPartition, NextOffset)>, BrokerError> {
        Err(BrokerError::Other("not built yet".to_owned()))
    }

    async fn committed(
        &self,
        _group: &GroupName,
        _partitions: &[TopicPartition],
        _deadline: Duration,
    ) -> Result<Vec<Committed>, BrokerError> {
        Err(BrokerError::Other("not built yet".to_owned()))
    }

    async fn reset(
        &self,
        _group: &GroupName,
        _offsets: &[(TopicPartition, NextOffset)],
        _deadline: Duration,
    ) -> Result<(), BrokerError> {
        Err(BrokerError::Other("not built yet".to_owned()))
    }

    fn read(&self, _request: ReadRequest) -> Result<KafkaReader, BrokerError> {
        Err(BrokerError::Other("not built yet".to_owned()))
    }

    fn subscribe(&self, subscription: Subscription) -> Result<KafkaConsumer, BrokerError> {
        KafkaConsumer::join(&self.settings, &subscription)
    }

    fn producer(&self) -> Result<Arc<dyn Producer>, BrokerError> {
        Ok(Arc::new(producer::KafkaProducer::start(&self.settings)?))
    }
}

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
//! | `auto.offset.reset` | earliest | the setting `out_of_range` says; a group without an offset begins at the earliest record in any case |
//! | `enable.auto.commit`, `enable.auto.offset.store` | false | only settled records are committed |
//! | `fetch.queue.backoff.ms` | 1 | the default costs a consumer that catches up a factor of six |
//! | `enable.partition.eof` | false | `rd_kafka_consume_batch_queue` counts the end as a record (librdkafka 2.12.1), and after a pause the next one is skipped |
//! | `check.crcs` | true | a damaged record is an error |
//! | `topic.metadata.refresh.interval.ms` | 3000 (consumer) | a recreated topic is noticed, not a silent stall |
//! | `partition.assignment.strategy` | cooperative-sticky | the group goes on while it changes (classic protocol) |
//! | `heartbeat.interval.ms` | 1000 | a change of the group takes a heartbeat or two (classic protocol) |
//! | `session.timeout.ms` | 15000 | the partitions of an instance that crashed are taken over after this, in place of 45 s (classic protocol) |
//! | `fetch.wait.max.ms` | 100 | a partition that is assigned or goes on waits for the answer for the others, half a second by default |
//! | `queued.max.messages.kbytes` | a quarter of `max_in_flight_bytes`, shared by the members of an instance (4096 each at least) | what is fetched ahead is bounded by instance, not by topic |
//! | `queued.min.messages` | 30000 | librdkafka takes some 400 bytes for a record beside its own |
//! | `fetch.max.bytes` | 8388608 or what is fetched ahead if that is less; librdkafka's where `message.max.bytes` is set | an answer of a broker is in memory as a whole |
//! | `acks`, `enable.idempotence` | all, true | acknowledged means written, once and in order |
//! | `linger.ms` | 0 | a record sent alone goes at once; under load requests fill while others are under way |
//! | `message.timeout.ms` | 30000 | a record is acknowledged or given up within this |
//! | `topic.metadata.propagation.max.ms` | 5000 | a missing topic is an error after this, not after 30 s |
//! | `message.max.bytes` | 10485760 | the topic decides what is too large |
//! | `partitioner` | murmur2_random | a key has the same partition as with Java's and most Python clients |
//!
//! A client that asks or reads outside of a group follows the same settings, with these of its own:
//!
//! | Property | There | Why |
//! |---|---|---|
//! | `group.protocol` | classic | with `consumer` a client is a member by its id alone, and one that is none is refused |
//! | `group.id` | event-core-reader (reading) | librdkafka reads nothing without one; no broker keeps anything for it, and no right to it is needed |
//! | `enable.partition.eof` | true (reading) | the end is found also where the last offsets hold no record |
//! | `queued.max.messages.kbytes` | 8192 (reading) | whoever looks at records is slower than the broker |
//!
//! # Errors that a person can fix
//!
//! What a right is missing for, what a connection fails of and which topic is not there is said by
//! errors of their own. Of Kafka's and librdkafka's other errors these have a remedy:
//!
#![doc = include_str!("remedies.md")]

mod admin_client;
mod assignment;
mod batch;
mod begin_at_end;
mod budget;
mod commits;
mod committed;
mod connection;
mod consumer;
mod creation;
mod embedded;
mod hold;
mod inspection;
mod join_watch;
mod leader_epochs;
mod leveling;
mod missing_topics;
mod open_batches;
mod open_clients;
mod poll_loop;
mod positions;
mod producer;
mod queues;
mod raw;
mod reader;
mod rebalance;
mod remedies;
mod renewal;
mod settings;
mod standstill;
mod topic_ids;
mod errors;

use std::sync::{Arc, Weak};
use std::time::Duration;

use super::{
    Broker, BrokerError, Committed, CreatedTopic, GroupMember, NewTopic, Producer, ReadRequest,
    Subscription, TopicStatus, Watermarks,
};
use crate::delivery::{NextOffset, TopicPartition};
use crate::event::{GroupName, TopicName};
use admin_client::AdminClient;

pub(crate) use open_clients::{leave, wait_or_leave};

pub use consumer::KafkaConsumer;
pub use embedded::{EmbeddedBroker, Fault, Request};
pub use reader::KafkaReader;
pub(crate) use settings::properties::property_like;
pub use settings::{KafkaSettings, KafkaSettingsProblem, needs_tls, refused_property};

/// A Kafka cluster.
#[derive(Clone, Debug)]
pub struct KafkaBroker {
    settings: KafkaSettings,
    /// The embedded broker cannot do everything that Kafka can.
    embedded: Option<Weak<embedded::Jobs>>,
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
            Ok(KafkaBroker { settings, embedded: None })
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
        timeout: Duration,
    ) -> Result<Vec<TopicStatus>, BrokerError> {
        let names = names.to_vec();
        admin_client::ask(&self.settings, None, timeout, move |admin| admin.topics(&names)).await
    }

    async fn create_topics(
        &self,
        topics: &[NewTopic],
        timeout: Duration,
    ) -> Result<Vec<CreatedTopic>, BrokerError> {
        if let Some(embedded) = &self.embedded {
            return embedded::create_topics(embedded, topics);
        }
        let topics = topics.to_vec();
        let create = move |admin: &AdminClient| creation::create_topics(admin, &topics);
        admin_client::ask(&self.settings, None, timeout, create).await
    }

    async fn watermarks(
        &self,
        partitions: &[TopicPartition],
        timeout: Duration,
    ) -> Result<Vec<Result<Watermarks, BrokerError>>, BrokerError> {
        let partitions = partitions.to_vec();
        let watermarks = move |admin: &AdminClient| inspection::watermarks(admin, &partitions);
        admin_client::ask(&self.settings, None, timeout, watermarks).await
    }

    async fn offsets_at(
        &self,
        partitions: &[TopicPartition],
        timestamp_ms: i64,
        timeout: Duration,
    ) -> Result<Vec<(TopicPartition, NextOffset)>, BrokerError> {
        if self.embedded.is_some() {
            let watermarks = self.watermarks(partitions, timeout).await?;
            let watermarks = watermarks.into_iter().collect::<Result<_, _>>()?;
            return embedded::offsets_at(self, watermarks, timestamp_ms).await;
        }
        let partitions = partitions.to_vec();
        let offsets =
            move |admin: &AdminClient| inspection::offsets_at(admin, &partitions, timestamp_ms);
        admin_client::ask(&self.settings, None, timeout, offsets).await
    }

    async fn committed(
        &self,
        group: &GroupName,
        partitions: &[TopicPartition],
        timeout: Duration,
    ) -> Result<Vec<Committed>, BrokerError> {
        let partitions = partitions.to_vec();
        let committed = move |admin: &AdminClient| inspection::committed(admin, &partitions);
        admin_client::ask(&self.settings, Some(group), timeout, committed).await
    }

    async fn members(
        &self,
        group: &GroupName,
        timeout: Duration,
    ) -> Result<Option<Vec<GroupMember>>, BrokerError> {
        if self.embedded.is_some() {
            return Ok(None);
        }
        let named = group.clone();
        let members = move |admin: &AdminClient| inspection::members(admin, &named);
        admin_client::ask(&self.settings, Some(group), timeout, members).await
    }

    async fn reset(
        &self,
        group: &GroupName,
        offsets: &[(TopicPartition, NextOffset)],
        timeout: Duration,
    ) -> Result<(), BrokerError> {
        let (named, set) = (group.clone(), offsets.to_vec());
        let reset = move |admin: &AdminClient| inspection::reset(admin, &named, &set);
        let reset = admin_client::ask(&self.settings, Some(group), timeout, reset).await;
        match reset {
            Err(BrokerError::GroupActive(_)) if self.embedded.is_some() => {
                embedded::reset(self, group, offsets, timeout).await
            }
            reset => reset,
        }
    }

    fn read(&self, request: ReadRequest) -> Result<KafkaReader, BrokerError> {
        KafkaReader::start(&self.settings, request)
    }

    fn subscribe(&self, subscription: Subscription) -> Result<KafkaConsumer, BrokerError> {
        KafkaConsumer::join(self, &subscription)
    }

    fn producer(&self) -> Result<Arc<dyn Producer>, BrokerError> {
        Ok(Arc::new(producer::KafkaProducer::start(&self.settings)?))
    }
}

//! A Kafka inside the process, for development, examples and tests.

use std::sync::mpsc::{self, Sender};
use std::sync::{Arc, Weak};
use std::time::Duration;

use rdkafka::ClientConfig;
use rdkafka::mocking::MockCluster;
use rdkafka::producer::{BaseProducer, DefaultProducerContext, Producer};
use rdkafka::types::{RDKafkaApiKey, RDKafkaErrorCode, RDKafkaRespErr};

use super::{KafkaBroker, KafkaSettings, raw};
use crate::broker::{
    Broker, BrokerError, Consumer, ConsumerEvent, CreatedTopic, NewTopic, Progress, ReadRequest,
    Reader, Subscription, Watermarks,
};
use crate::delivery::{NextOffset, TopicPartition};
use crate::event::{GroupName, TopicName};

/// A member that is alone joins in milliseconds here.
const JOIN_TIMEOUT: Duration = Duration::from_secs(2);

type Cluster<'c> = MockCluster<'c, DefaultProducerContext>;
type Job = Box<dyn FnOnce(&Cluster<'_>) + Send>;

// The mock cluster's own times.
const SESSION_TIMEOUT: Duration = Duration::from_secs(30);
const HEARTBEAT_INTERVAL: Duration = Duration::from_secs(3);

/// librdkafka's mock cluster: one broker on a loopback port.
///
/// It is volatile: everything is gone when it is dropped, and a partition that holds more than
/// 5 MiB drops its oldest records. It has no admin API and no isolation of transactions.
/// The clients rdkafka, confluent-kafka, aiokafka, kafkajs and kafka-python 2 reach it;
/// Apache's Java client and kafka-python 3 (without `api_version=(2, 0)`) do not.
pub struct EmbeddedBroker {
    address: String,
    jobs: Arc<Jobs>,
}

/// A way to the thread of the mock cluster. The way that a [`KafkaBroker`] has is a weak one, so
/// that the cluster goes with its [`EmbeddedBroker`].
#[derive(Debug)]
pub(super) struct Jobs(Sender<Job>);

impl EmbeddedBroker {
    /// Starts one.
    ///
    /// # Errors
    ///
    /// [`BrokerError::Fatal`] when no port could be opened.
    pub fn start() -> Result<EmbeddedBroker, BrokerError> {
        EmbeddedBroker::start_with_session(SESSION_TIMEOUT, HEARTBEAT_INTERVAL)
    }

    /// Starts one where a member of a group that says nothing for `session_timeout` is dead (30 s
    /// with [`EmbeddedBroker::start`]), and members send a heartbeat every
    /// `heartbeat_interval` (3 s). Both hold for `group.protocol=consumer`; with the classic protocol
    /// the members choose.
    ///
    /// # Errors
    ///
    /// [`BrokerError::Fatal`] when no port could be opened.
    pub fn start_with_session(
        session_timeout: Duration,
        heartbeat_interval: Duration,
    ) -> Result<EmbeddedBroker, BrokerError> {
        let (jobs, work) = mpsc::channel::<Job>();
        let (started, start) = mpsc::channel();
        // The cluster is a raw pointer: it stays on one thread, which ends when the last sender
        // of jobs is dropped.
        std::thread::Builder::new()
            .name("embedded-broker".to_owned())
            .spawn(move || {
                // A client that brings its own cluster, because that can be reached.
                let owner: Result<BaseProducer, _> =
                    ClientConfig::new().set("test.mock.num.brokers", "1").create();
                let owner = match owner {
                    Ok(owner) => owner,
                    Err(error) => {
                        let _ = started.send(Err(BrokerError::Fatal(error.to_string())));
                        return;
                    }
                };
                let Some(cluster) = owner.client().mock_cluster() else {
                    let _ = started.send(Err(gone()));
                    return;
                };
                raw::set_session(owner.client(), session_timeout, heartbeat_interval);
                let _ = started.send(Ok(cluster.bootstrap_servers()));
                while let Ok(job) = work.recv() {
                    job(&cluster);
                }
            })
            .map_err(|error| BrokerError::Fatal(error.to_string()))?;
        let address = start.recv().unwrap_or_else(|_| Err(gone()))?;
        Ok(EmbeddedBroker { address, jobs: Arc::new(Jobs(jobs)) })
    }

    /// The address for other clients, `127.0.0.1:port`.
    #[must_use]
    pub fn address(&self) -> &str {
        &self.address
    }

    /// A way to this broker, with the settings that make it quick.
    #[must_use]
    pub fn broker(&self) -> KafkaBroker {
        // The mock cluster takes three seconds for a classic join, milliseconds for a new one;
        // the two waits are for a network that is not there.
        let properties =
            [("group.protocol", "consumer"), ("fetch.wait.max.ms", "10"), ("linger.ms", "0")];
        KafkaBroker {
            settings: KafkaSettings {
                brokers: self.address.clone(),
                client_id: "embedded".to_owned(),
                properties: properties
                    .into_iter()
                    .map(|(name, value)| (name.to_owned(), value.into()))
                    .collect(),
            },
            embedded: Some(Arc::downgrade(&self.jobs)),
        }
    }

    /// Makes a topic. One that exists keeps its partitions.
    ///
    /// # Errors
    ///
    /// [`BrokerError`] when the name or the number of partitions is refused.
    pub fn create_topic(&self, topic: &str, partitions: i32) -> Result<(), BrokerError> {
        self.jobs.create_topic(topic, partitions).map(drop)
    }

    /// Closes all connections and accepts none until [`EmbeddedBroker::bring_up`].
    ///
    /// # Errors
    ///
    /// [`BrokerError`] when the cluster is gone.
    pub fn take_down(&self) -> Result<(), BrokerError> {
        self.ask(|cluster| cluster.broker_down(-1))?.map_err(|error| other(&error))
    }

    /// Accepts connections again.
    ///
    /// # Errors
    ///
    /// [`BrokerError`] when the cluster is gone.
    pub fn bring_up(&self) -> Result<(), BrokerError> {
        self.ask(|cluster| cluster.broker_up(-1))?.map_err(|error| other(&error))
    }

    /// Answers the next `times` requests of one kind with `fault`.
    ///
    /// # Errors
    ///
    /// [`BrokerError`] when the cluster is gone.
    pub fn fail_next(
        &self,
        request: Request,
        fault: Fault,
        times: usize,
    ) -> Result<(), BrokerError> {
        let faults = vec![fault.code(); times];
        self.ask(move |cluster| cluster.request_errors(request.key(), &faults))
    }

    /// Ends what is left of [`EmbeddedBroker::fail_next`] for one kind of request.
    ///
    /// # Errors
    ///
    /// [`BrokerError`] when the cluster is gone.
    pub fn stop_failing(&self, request: Request) -> Result<(), BrokerError> {
        self.ask(move |cluster| cluster.clear_request_errors(request.key()))
    }

    /// Makes a topic unusable for clients that have not used it yet (they get an error when they
    /// ask where it is), or usable again with `None`.
    ///
    /// # Errors
    ///
    /// [`BrokerError`] when the cluster is gone.
    pub fn set_topic_fault(&self, topic: &str, fault: Option<Fault>) -> Result<(), BrokerError> {
        let topic = topic.to_owned();
        let code = fault.map_or(RDKafkaRespErr::RD_KAFKA_RESP_ERR_NO_ERROR, Fault::code);
        self.ask(move |cluster| cluster.topic_error(&topic, code))?.map_err(|error| other(&error))
    }

    /// Takes the leader of a partition away, so that nobody can read or write it, or gives it one again.
    ///
    /// # Errors
    ///
    /// [`BrokerError`] when the cluster is gone, or has no such partition.
    pub fn set_leader(
        &self,
        topic: &str,
        partition: i32,
        has_leader: bool,
    ) -> Result<(), BrokerError> {
        let (topic, leader) = (topic.to_owned(), has_leader.then_some(1));
        self.ask(move |cluster| cluster.partition_leader(&topic, partition, leader))?
            .map_err(|error| other(&error))
    }

    fn ask<T: Send + 'static>(
        &self,
        question: impl FnOnce(&Cluster<'_>) -> T + Send + 'static,
    ) -> Result<T, BrokerError> {
        self.jobs.ask(question)
    }
}

impl Jobs {
    /// Makes a topic; `false` if it was there.
    fn create_topic(&self, topic: &str, partitions: i32) -> Result<bool, BrokerError> {
        let name = topic.to_owned();
        let made = self.ask(move |cluster| cluster.create_topic(&name, partitions, 1))?;
        match made.map_err(|error| error.rdkafka_error_code()) {
            Ok(()) => Ok(true),
            Err(Some(RDKafkaErrorCode::TopicAlreadyExists)) => Ok(false),
            Err(Some(code)) => Err(BrokerError::Other(format!("topic `{topic}`: {code}"))),
            Err(None) => Err(BrokerError::Other(format!("topic `{topic}` cannot be created"))),
        }
    }

    fn ask<T: Send + 'static>(
        &self,
        question: impl FnOnce(&Cluster<'_>) -> T + Send + 'static,
    ) -> Result<T, BrokerError> {
        let (reply, answer) = mpsc::channel();
        let job: Job = Box::new(move |cluster: &Cluster<'_>| {
            // The one who asked waits.
            let _ = reply.send(question(cluster));
        });
        self.0.send(job).map_err(|_| gone())?;
        answer.recv().map_err(|_| gone())
    }
}

/// Makes topics where there is no admin API.
pub(super) fn create_topics(
    jobs: &Weak<Jobs>,
    topics: &[NewTopic],
) -> Result<Vec<CreatedTopic>, BrokerError> {
    let jobs = jobs.upgrade().ok_or_else(gone)?;
    let create = |NewTopic { topic, partitions, .. }: &NewTopic| {
        // As on Kafka, one is the default.
        let partitions = if *partitions == -1 { 1 } else { *partitions };
        let created = if partitions > 0 {
            jobs.create_topic(topic.as_str(), partitions)
        } else {
            Err(BrokerError::Other(format!(
                "topic `{topic}` cannot be created: it needs at least one partition"
            )))
        };
        (topic.clone(), created)
    };
    Ok(topics.iter().map(create).collect())
}

/// Where the first record as late as `timestamp_ms` lies: the mock cluster cannot search by time,
/// but it holds little enough to read it all.
pub(super) async fn offsets_at(
    broker: &KafkaBroker,
    ends: Vec<Watermarks>,
    timestamp_ms: i64,
) -> Result<Vec<(TopicPartition, NextOffset)>, BrokerError> {
    let partitions =
        ends.iter().map(|one| (one.partition.clone(), one.low, Some(one.end))).collect();
    let mut reader = broker.read(ReadRequest { partitions, follow: false })?;
    let mut found: Vec<_> = ends.into_iter().map(|one| (one.partition, one.end)).collect();
    while let Some(batch) = reader.next().await {
        let batch = batch?;
        let first = batch.iter().find(|record| record.timestamp_ms >= timestamp_ms);
        let of_batch = found.iter_mut().find(|(partition, _)| *partition == **batch.partition());
        if let (Some(first), Some((_, offset))) = (first, of_batch) {
            *offset = (*offset).min(NextOffset(first.offset.0));
        }
    }
    Ok(found)
}

/// Sets the offsets of a group: once it had members, the mock cluster takes commits only of
/// members. One that is alone in it is given every partition.
pub(super) async fn reset(
    broker: &KafkaBroker,
    group: &GroupName,
    offsets: &[(TopicPartition, NextOffset)],
    timeout: Duration,
) -> Result<(), BrokerError> {
    let active = || BrokerError::GroupActive(group.to_string());
    let mut topics: Vec<TopicName> = offsets.iter().map(|(at, _)| at.topic.clone()).collect();
    topics.sort_unstable();
    topics.dedup();
    let there = broker.topics(&topics, timeout).await?;
    let all: i32 =
        there.iter().map(|topic| topic.partitions.as_ref().map_or(0, |count| *count)).sum();
    let mut member = broker.subscribe(Subscription {
        group: group.clone(),
        topics: vec![topics],
        retry_topics: Vec::new(),
        max_in_flight_bytes: 1 << 20,
        drain_timeout: Duration::ZERO,
        group_instance_id: None,
        wants_metadata: false,
        out_of_range: Default::default(),
        by_partition: false,
    })?;
    let joining = async {
        loop {
            if let ConsumerEvent::Assigned { partitions, epoch } = member.next().await
                && !partitions.is_empty()
            {
                break (partitions.len(), epoch);
            }
        }
    };
    let joined = tokio::time::timeout(timeout.min(JOIN_TIMEOUT), joining).await;
    let (count, epoch) = joined.map_err(|_| active())?;
    if usize::try_from(all) != Ok(count) {
        member.close(Vec::new(), timeout).await?;
        return Err(active());
    }
    let progress = offsets.iter().map(|(partition, next)| Progress {
        partition: partition.clone(),
        epoch,
        next: *next,
        metadata: String::new(),
    });
    member.close(progress.collect(), timeout).await.map(drop)
}

fn gone() -> BrokerError {
    BrokerError::Fatal("the embedded broker ended".to_owned())
}

fn other(error: &rdkafka::error::KafkaError) -> BrokerError {
    BrokerError::Other(error.to_string())
}

/// A kind of request that can be made to fail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Request {
    /// Writing records, to any topic.
    Produce,
    /// Reading records.
    Fetch,
    /// Committing offsets.
    OffsetCommit,
    /// Requests for committed offsets.
    OffsetFetch,
    /// Requests for topics.
    Metadata,
}

impl Request {
    fn key(self) -> RDKafkaApiKey {
        match self {
            Request::Produce => RDKafkaApiKey::Produce,
            Request::Fetch => RDKafkaApiKey::Fetch,
            Request::OffsetCommit => RDKafkaApiKey::OffsetCommit,
            Request::OffsetFetch => RDKafkaApiKey::OffsetFetch,
            Request::Metadata => RDKafkaApiKey::Metadata,
        }
    }
}

/// What a request is answered with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Fault {
    /// The topic does not exist.
    UnknownTopic,
    /// The topic may not be used.
    TopicUnauthorised,
    /// The group may not be used.
    GroupUnauthorised,
    /// The record is too large.
    TooLarge,
    /// The member is no longer one.
    UnknownMember,
    /// The group is changing.
    RebalanceInProgress,
    /// The member does not know the group's last generation yet.
    StaleMember,
    /// The group's coordinator was only just chosen, and still reads the group.
    CoordinatorLoading,
    /// The connection is closed instead of an answer.
    Disconnect,
}

impl Fault {
    fn code(self) -> RDKafkaRespErr {
        match self {
            Fault::UnknownTopic => RDKafkaRespErr::RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART,
            Fault::CoordinatorLoading => {
                RDKafkaRespErr::RD_KAFKA_RESP_ERR_COORDINATOR_LOAD_IN_PROGRESS
            }
            Fault::TopicUnauthorised => {
                RDKafkaRespErr::RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED
            }
            Fault::GroupUnauthorised => {
                RDKafkaRespErr::RD_KAFKA_RESP_ERR_GROUP_AUTHORIZATION_FAILED
            }
            Fault::TooLarge => RDKafkaRespErr::RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE,
            Fault::UnknownMember => RDKafkaRespErr::RD_KAFKA_RESP_ERR_UNKNOWN_MEMBER_ID,
            Fault::StaleMember => RDKafkaRespErr::RD_KAFKA_RESP_ERR_STALE_MEMBER_EPOCH,
            Fault::RebalanceInProgress => RDKafkaRespErr::RD_KAFKA_RESP_ERR_REBALANCE_IN_PROGRESS,
            Fault::Disconnect => RDKafkaRespErr::RD_KAFKA_RESP_ERR__TRANSPORT,
        }
    }
}

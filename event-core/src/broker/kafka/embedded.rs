//! A Kafka inside the process, for development, examples and tests.

use std::sync::mpsc::{self, Sender};

use rdkafka::mocking::MockCluster;
use rdkafka::producer::DefaultProducerContext;
use rdkafka::types::{RDKafkaApiKey, RDKafkaErrorCode, RDKafkaRespErr};

use super::{KafkaBroker, KafkaSettings};
use crate::broker::BrokerError;

type Cluster = MockCluster<'static, DefaultProducerContext>;
type Job = Box<dyn FnOnce(&Cluster) + Send>;

/// librdkafka's mock cluster: one broker on a loopback port.
///
/// It is volatile: everything is gone when it is dropped, and a partition that holds more than
/// 5 MiB drops its oldest records. It has no admin API and no isolation of transactions.
/// The clients rdkafka, confluent-kafka, aiokafka, kafkajs and kafka-python 2 reach it;
/// Apache's Java client and kafka-python 3 (without `api_version=(2, 0)`) do not.
pub struct EmbeddedBroker {
    address: String,
    jobs: Sender<Job>,
}

impl EmbeddedBroker {
    /// Starts one.
    ///
    /// # Errors
    ///
    /// [`BrokerError::Fatal`] when no port could be opened.
    pub fn start() -> Result<EmbeddedBroker, BrokerError> {
        let (jobs, work) = mpsc::channel::<Job>();
        let (started, start) = mpsc::channel();
        // The cluster is a raw pointer: it stays on one thread, which ends when the last sender
        // of jobs is dropped.
        std::thread::Builder::new()
            .name("embedded-broker".to_owned())
            .spawn(move || match Cluster::new(1) {
                Ok(cluster) => {
                    let _ = started.send(Ok(cluster.bootstrap_servers()));
                    while let Ok(job) = work.recv() {
                        job(&cluster);
                    }
                }
                Err(error) => {
                    let _ = started.send(Err(BrokerError::Fatal(error.to_string())));
                }
            })
            .map_err(|error| BrokerError::Fatal(error.to_string()))?;
        let address = start.recv().unwrap_or_else(|_| Err(gone()))?;
        Ok(EmbeddedBroker { address, jobs })
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
        }
    }

    /// Makes a topic. One that exists keeps its partitions.
    ///
    /// # Errors
    ///
    /// [`BrokerError`] when the name or the number of partitions is refused.
    pub fn create_topic(&self, topic: &str, partitions: i32) -> Result<(), BrokerError> {
        let name = topic.to_owned();
        let made = self.ask(move |cluster| cluster.create_topic(&name, partitions, 1))?;
        match made.map_err(|error| error.rdkafka_error_code()) {
            Ok(()) | Err(Some(RDKafkaErrorCode::TopicAlreadyExists)) => Ok(()),
            Err(Some(code)) => Err(BrokerError::Other(format!("topic `{topic}`: {code}"))),
            Err(None) => Err(BrokerError::Other(format!("topic `{topic}` cannot be made"))),
        }
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

    /// Makes a topic unusable for clients that have not used it yet (they are told so when they
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

    fn ask<T: Send + 'static>(
        &self,
        question: impl FnOnce(&Cluster) -> T + Send + 'static,
    ) -> Result<T, BrokerError> {
        let (reply, answer) = mpsc::channel();
        let job: Job = Box::new(move |cluster| {
            // The one who asked waits.
            let _ = reply.send(question(cluster));
        });
        self.jobs.send(job).map_err(|_| gone())?;
        answer.recv().map_err(|_| gone())
    }
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
    /// Asking for topics.
    Metadata,
}

impl Request {
    fn key(self) -> RDKafkaApiKey {
        match self {
            Request::Produce => RDKafkaApiKey::Produce,
            Request::Fetch => RDKafkaApiKey::Fetch,
            Request::OffsetCommit => RDKafkaApiKey::OffsetCommit,
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
    /// The connection is closed instead of an answer.
    Disconnect,
}

impl Fault {
    fn code(self) -> RDKafkaRespErr {
        match self {
            Fault::UnknownTopic => RDKafkaRespErr::RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART,
            Fault::TopicUnauthorised => {
                RDKafkaRespErr::RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED
            }
            Fault::GroupUnauthorised => {
                RDKafkaRespErr::RD_KAFKA_RESP_ERR_GROUP_AUTHORIZATION_FAILED
            }
            Fault::TooLarge => RDKafkaRespErr::RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE,
            Fault::UnknownMember => RDKafkaRespErr::RD_KAFKA_RESP_ERR_UNKNOWN_MEMBER_ID,
            Fault::RebalanceInProgress => RDKafkaRespErr::RD_KAFKA_RESP_ERR_REBALANCE_IN_PROGRESS,
            Fault::Disconnect => RDKafkaRespErr::RD_KAFKA_RESP_ERR__TRANSPORT,
        }
    }
}

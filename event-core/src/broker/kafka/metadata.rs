//! Asks the cluster for topics by their names.

use std::sync::Arc;
use std::time::{Duration, Instant};

use rdkafka::client::ClientContext;
use rdkafka::config::{FromClientConfigAndContext, RDKafkaLogLevel};
use rdkafka::consumer::{BaseConsumer, Consumer, ConsumerContext};
use rdkafka::error::KafkaError;
use rdkafka::metadata::Metadata;
use rdkafka::types::RDKafkaErrorCode as Code;

use super::KafkaSettings;
use super::trouble::{self, Heard};
use crate::broker::{BrokerError, TopicStatus};
use crate::event::TopicName;

/// The first attempt; each further one takes twice as long.
const FIRST_ATTEMPT: Duration = Duration::from_millis(250);
/// Between two attempts.
const PAUSE: Duration = Duration::from_millis(10);

/// What the cluster says about each of `names`. Blocks.
///
/// Asked for one by one: a list of all topics leaves out those that we may not see, and takes the
/// more time the more others there are.
pub(super) fn topics(
    settings: &KafkaSettings,
    names: &[TopicName],
    deadline: Duration,
) -> Result<Vec<TopicStatus>, BrokerError> {
    let until = Instant::now() + deadline;
    let heard = Arc::new(Heard::default());
    let context = AskingContext { heard: Arc::clone(&heard) };
    let client = BaseConsumer::from_config_and_context(&settings.client(), context)
        .map_err(|error| trouble::of_creation(&error))?;
    let asking = Asking { client, heard, address: &settings.brokers, until };
    names.iter().map(|topic| asking.about(topic)).collect()
}

struct Asking<'a> {
    client: BaseConsumer<AskingContext>,
    heard: Arc<Heard>,
    address: &'a str,
    until: Instant,
}

impl Asking<'_> {
    fn about(&self, topic: &TopicName) -> Result<TopicStatus, BrokerError> {
        let mut attempt = FIRST_ATTEMPT;
        loop {
            let left = self.until.saturating_duration_since(Instant::now());
            let answer = self.client.fetch_metadata(Some(topic.as_str()), attempt.min(left));
            // The call only says that it took too long; the reason waits in the queue of events.
            while self.client.poll(Duration::ZERO).is_some() {}
            let is_late = Instant::now() >= self.until;
            let failed = match answer {
                Ok(metadata) => match of_topic(&metadata, topic) {
                    // A topic that was made just now.
                    Err(Code::LeaderNotAvailable) if !is_late => Code::LeaderNotAvailable,
                    partitions => {
                        let partitions = partitions.map_err(|code| trouble::of_topic(code, topic));
                        return Ok(TopicStatus { topic: topic.clone(), partitions });
                    }
                },
                Err(error) => error.rdkafka_error_code().unwrap_or(Code::Unknown),
            };
            if let Some(refusal) = self.heard.refusal(self.address) {
                return Err(refusal);
            }
            if is_late {
                return Err(match failed {
                    Code::OperationTimedOut | Code::BrokerTransportFailure => {
                        BrokerError::Unreachable {
                            address: self.address.to_owned(),
                            last_heard: self.heard.reason(),
                        }
                    }
                    code => trouble::of_client(code, self.address, &self.heard),
                });
            }
            // Some failures are immediate.
            std::thread::sleep(PAUSE);
            attempt *= 2;
        }
    }
}

/// How many partitions the topic has, or the broker's word for what is wrong with it.
fn of_topic(metadata: &Metadata, topic: &TopicName) -> Result<i32, Code> {
    let found = metadata.topics().iter().find(|found| topic.as_str() == found.name());
    let found = found.ok_or(Code::UnknownTopicOrPartition)?;
    match found.error() {
        Some(error) => Err(error.into()),
        None => Ok(i32::try_from(found.partitions().len()).unwrap_or(i32::MAX)),
    }
}

struct AskingContext {
    heard: Arc<Heard>,
}

impl ClientContext for AskingContext {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        trouble::log(level, facility, message);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        if let Some(code) = error.rdkafka_error_code() {
            self.heard.note(code, reason);
        }
    }
}

impl ConsumerContext for AskingContext {}

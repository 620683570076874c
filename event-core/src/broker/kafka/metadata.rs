//! Asks the cluster for its topics.

use std::sync::Arc;
use std::time::{Duration, Instant};

use rdkafka::client::ClientContext;
use rdkafka::config::{FromClientConfigAndContext, RDKafkaLogLevel};
use rdkafka::consumer::{BaseConsumer, Consumer, ConsumerContext};
use rdkafka::error::KafkaError;
use rdkafka::types::RDKafkaErrorCode as Code;

use super::KafkaSettings;
use super::trouble::{self, Heard};
use crate::broker::BrokerError;

/// The first attempt; each further one takes twice as long.
const FIRST_ATTEMPT: Duration = Duration::from_millis(250);

/// The topics with their number of partitions. Blocks.
pub(super) fn topics(
    settings: &KafkaSettings,
    deadline: Duration,
) -> Result<Vec<(String, i32)>, BrokerError> {
    let until = Instant::now() + deadline;
    let heard = Arc::new(Heard::default());
    let context = AskingContext { heard: Arc::clone(&heard) };
    let client = BaseConsumer::from_config_and_context(&settings.client(), context)
        .map_err(|error| trouble::of_creation(&error))?;
    let mut attempt = FIRST_ATTEMPT;
    loop {
        let left = until.saturating_duration_since(Instant::now());
        let failed = match client.fetch_metadata(None, attempt.min(left)) {
            Ok(metadata) => {
                let mut topics: Vec<(String, i32)> = metadata
                    .topics()
                    .iter()
                    .map(|topic| {
                        let partitions = i32::try_from(topic.partitions().len());
                        (topic.name().to_owned(), partitions.unwrap_or(i32::MAX))
                    })
                    .collect();
                topics.sort_unstable();
                return Ok(topics);
            }
            Err(error) => error.rdkafka_error_code().unwrap_or(Code::Unknown),
        };
        // The call only says that it took too long; the reason waits in the queue of events.
        while client.poll(Duration::from_millis(1)).is_some() {}
        if let Some(refusal) = heard.refusal(&settings.brokers) {
            return Err(refusal);
        }
        if Instant::now() >= until {
            return Err(match failed {
                Code::OperationTimedOut | Code::BrokerTransportFailure => {
                    BrokerError::Unreachable {
                        address: settings.brokers.clone(),
                        last_heard: heard.reason(),
                    }
                }
                code => trouble::of_client(code, &settings.brokers, &heard),
            });
        }
        attempt *= 2;
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

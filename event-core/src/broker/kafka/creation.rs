//! Makes topics.

use rdkafka::admin::{AdminClient, AdminOptions, NewTopic as NativeTopic, TopicReplication};
use rdkafka::client::DefaultClientContext;
use rdkafka::config::FromClientConfigAndContext;
use rdkafka::types::RDKafkaErrorCode as Code;

use super::asking::Asking;
use super::trouble;
use crate::broker::{BrokerError, CreatedTopic, NewTopic};
use crate::event::TopicName;

/// Makes those of `topics` that are not there. Never to be called with the embedded broker: its
/// admin API ends the process.
pub(super) fn create_topics(
    asking: &Asking,
    topics: &[NewTopic],
) -> Result<Vec<CreatedTopic>, BrokerError> {
    // Asked first: it needs fewer rights, and it says why nobody answers, which the admin client
    // does not.
    let names: Vec<TopicName> = topics.iter().map(|new| new.topic.clone()).collect();
    let there = asking.topics(&names)?;
    let missing: Vec<&NewTopic> = topics
        .iter()
        .zip(&there)
        .filter(|(_, status)| matches!(status.partitions, Err(BrokerError::UnknownTopic(_))))
        .map(|(new, _)| new)
        .collect();
    let mut made = if missing.is_empty() { Vec::new() } else { create(asking, &missing)? };
    let answers = there.into_iter().map(|status| {
        let created = match made.iter().position(|(topic, _)| *topic == status.topic) {
            Some(index) => made.swap_remove(index).1,
            None => status.partitions.map(|_| false),
        };
        (status.topic, created)
    });
    Ok(answers.collect())
}

fn create(asking: &Asking, missing: &[&NewTopic]) -> Result<Vec<CreatedTopic>, BrokerError> {
    let admin =
        AdminClient::from_config_and_context(&asking.settings.client(), DefaultClientContext)
            .map_err(|error| trouble::of_creation(&error))?;
    let topics: Vec<NativeTopic<'_>> = missing
        .iter()
        .map(|new| {
            let replication = TopicReplication::Fixed(new.replication);
            NativeTopic::new(new.topic.as_str(), new.partitions, replication)
        })
        .collect();
    let left = asking.left();
    let options = AdminOptions::new().request_timeout(Some(left)).operation_timeout(Some(left));
    let answers = tokio::runtime::Builder::new_current_thread()
        .build()
        .map_err(|error| BrokerError::Other(error.to_string()))?
        .block_on(admin.create_topics(&topics, &options))
        .map_err(|error| asking.refused(error.rdkafka_error_code().unwrap_or(Code::Unknown)))?;
    let created = |(new, answer): (&&NewTopic, Result<String, (String, Code)>)| {
        let topic = new.topic.clone();
        let created = match answer {
            Ok(_) => Ok(true),
            // Somebody else was faster.
            Err((_, Code::TopicAlreadyExists)) => Ok(false),
            Err((_, Code::TopicAuthorizationFailed | Code::ClusterAuthorizationFailed)) => {
                Err(BrokerError::Unauthorised(format!(
                    "topic `{topic}` cannot be made: grant the service `CREATE` on it, or make it with Kafka's own tools"
                )))
            }
            Err((_, code @ (Code::OperationTimedOut | Code::RequestTimedOut))) => {
                Err(asking.refused(code))
            }
            Err((_, code)) => {
                Err(BrokerError::Other(format!("topic `{topic}` cannot be made: {code}")))
            }
        };
        (topic, created)
    };
    Ok(missing.iter().zip(answers).map(created).collect())
}

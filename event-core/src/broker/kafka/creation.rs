//! Makes topics.

use rdkafka::admin::{
    AdminClient as NativeAdminClient, AdminOptions, NewTopic as NativeTopic, TopicReplication,
};
use rdkafka::client::ClientContext;
use rdkafka::config::FromClientConfigAndContext;
use rdkafka::consumer::Consumer;
use rdkafka::error::KafkaError;
use rdkafka::types::RDKafkaErrorCode as Code;

use super::admin_client::AdminClient;
use super::open_clients::OpenClient;
use super::{errors, remedies};
use crate::broker::{BrokerError, CreatedTopic, NewTopic};
use crate::event::TopicName;

/// What the id of an embedded cluster begins with.
const EMBEDDED_CLUSTER: &str = "mockCluster";

/// Makes those of `topics` that are not there.
pub(super) fn create_topics(
    admin: &AdminClient,
    topics: &[NewTopic],
) -> Result<Vec<CreatedTopic>, BrokerError> {
    // Asked first: it needs fewer rights, and it says why nobody answers, which the admin client
    // does not.
    let names: Vec<TopicName> = topics.iter().map(|new| new.topic.clone()).collect();
    let there = admin.topics(&names)?;
    let missing: Vec<&NewTopic> = topics
        .iter()
        .zip(&there)
        .filter(|(_, status)| matches!(status.partitions, Err(BrokerError::UnknownTopic(_))))
        .map(|(new, _)| new)
        .collect();
    let mut made = if missing.is_empty() { Vec::new() } else { create(admin, &missing)? };
    let answers = there.into_iter().map(|status| {
        let created = match made.iter().position(|(topic, _)| *topic == status.topic) {
            Some(index) => made.swap_remove(index).1,
            None => status.partitions.map(|_| false),
        };
        (status.topic, created)
    });
    Ok(answers.collect())
}

/// The embedded broker of another process has no admin API: it never names a controller, so a client
/// would ask for one until its time is over.
fn check_admin_api(admin: &AdminClient) -> Result<(), BrokerError> {
    if is_embedded(admin) {
        return Err(BrokerError::Other(format!(
            "the broker at {} is an embedded one, where no topic can be made from outside: the process that it runs in has to make it, as `dev` does with the topics of its handlers and contracts",
            admin.address()
        )));
    }
    Ok(())
}

/// Whether the broker is an embedded one, perhaps of another process.
pub(super) fn is_embedded(admin: &AdminClient) -> bool {
    let cluster = admin.client.client().fetch_cluster_id(admin.left());
    cluster.is_some_and(|id| id.starts_with(EMBEDDED_CLUSTER))
}

/// It logs nothing: the client that asked first has logged every error.
struct CreatingContext {
    _open: OpenClient,
}

impl ClientContext for CreatingContext {}

fn code_of(error: &KafkaError) -> Code {
    match error {
        KafkaError::AdminOp(code) => *code,
        error => error.rdkafka_error_code().unwrap_or(Code::Unknown),
    }
}

fn create(admin: &AdminClient, missing: &[&NewTopic]) -> Result<Vec<CreatedTopic>, BrokerError> {
    check_admin_api(admin)?;
    let native = NativeAdminClient::from_config_and_context(
        &admin.settings.client(),
        CreatingContext { _open: OpenClient::new() },
    )
    .map_err(|error| errors::of_creation(&error))?;
    let topics: Vec<NativeTopic<'_>> = missing
        .iter()
        .map(|new| {
            let replication = TopicReplication::Fixed(new.replication);
            NativeTopic::new(new.topic.as_str(), new.partitions, replication)
        })
        .collect();
    let left = admin.left();
    let options = AdminOptions::new().request_timeout(Some(left)).operation_timeout(Some(left));
    let answers = tokio::runtime::Builder::new_current_thread()
        .build()
        .map_err(|error| BrokerError::Other(error.to_string()))?
        .block_on(native.create_topics(&topics, &options))
        .map_err(|error| admin.refused(code_of(&error)))?;
    let created = |(new, answer): (&&NewTopic, Result<String, (String, Code)>)| {
        let topic = new.topic.clone();
        let created = match answer {
            Ok(_) => Ok(true),
            // Somebody else was faster.
            Err((_, Code::TopicAlreadyExists)) => Ok(false),
            Err((_, Code::TopicAuthorizationFailed | Code::ClusterAuthorizationFailed)) => {
                Err(BrokerError::Unauthorised(format!(
                    "topic `{topic}` cannot be created: grant the service `CREATE` on it, or create it with Kafka's own tools"
                )))
            }
            Err((_, code @ (Code::OperationTimedOut | Code::RequestTimedOut))) => {
                Err(admin.refused(code))
            }
            Err((_, code)) => {
                Err(remedies::of_code(&format!("topic `{topic}` cannot be created"), code))
            }
        };
        (topic, created)
    };
    Ok(missing.iter().zip(answers).map(created).collect())
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use super::*;
    use crate::broker::Broker;
    use crate::broker::kafka::{EmbeddedBroker, KafkaBroker};

    #[tokio::test]
    async fn an_embedded_broker_of_another_process_differs_from_kafka() -> Result<(), BrokerError> {
        let embedded = EmbeddedBroker::start()?;
        embedded.create_topic("role_events", 1)?;
        let from_outside = KafkaBroker::connect(embedded.broker().settings)?;
        let new = |topic| NewTopic { topic, partitions: 1, replication: -1 };
        let timeout = Duration::from_secs(30);
        let there = [new(TopicName::from_static("role_events"))];
        let answers = from_outside.create_topics(&there, timeout).await?;
        assert_eq!(answers[0].1, Ok(false));

        let began = Instant::now();
        let missing = [new(TopicName::from_static("user_events"))];
        let error = from_outside.create_topics(&missing, timeout).await.unwrap_err().to_string();
        let address = embedded.address();
        assert!(
            error.starts_with(&format!("the broker at {address} is an embedded one")),
            "{error}"
        );
        assert!(began.elapsed() < timeout / 2, "{:?}", began.elapsed());
        // It goes on.
        embedded.create_topic("user_events", 1)
    }
}

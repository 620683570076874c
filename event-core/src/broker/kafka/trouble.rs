//! librdkafka's errors in the words of the one who has to mend them.
//!
//! The cause of a failure is usually said only to the error callback, while the call that waits
//! just times out. So every client keeps what it [`Heard`] last, and its errors say it.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use rdkafka::config::RDKafkaLogLevel;
use rdkafka::error::KafkaError;
use rdkafka::types::RDKafkaErrorCode as Code;

use super::commits::Refused;
use crate::broker::BrokerError;
use crate::delivery::{NextOffset, TopicPartition};
use crate::event::TopicName;

/// An unreachable or refusing broker is heard of about once a second: after this, it was another
/// trouble, which may be over.
const FRESH: Duration = Duration::from_secs(10);

/// What a client heard last from its brokers.
#[derive(Debug, Default)]
pub(super) struct Heard {
    last: Mutex<Option<Report>>,
}

#[derive(Debug)]
struct Report {
    at: Instant,
    code: Code,
    reason: String,
}

impl Heard {
    fn last(&self) -> MutexGuard<'_, Option<Report>> {
        self.last.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes note of an error. That all brokers are down says less than why one of them is.
    pub(super) fn note(&self, code: Code, reason: &str) {
        let mut last = self.last();
        let keep = code == Code::AllBrokersDown
            && last.as_ref().is_some_and(|report| report.at.elapsed() < FRESH);
        if !keep {
            *last = Some(Report { at: Instant::now(), code, reason: reason.to_owned() });
        }
    }

    /// The last reason, for people.
    pub(super) fn reason(&self) -> String {
        match &*self.last() {
            None => "nothing was heard from it".to_owned(),
            Some(report) if report.at.elapsed() < FRESH => report.reason.clone(),
            Some(report) => format!(
                "nothing was heard lately, {} s ago: {}",
                report.at.elapsed().as_secs(),
                report.reason
            ),
        }
    }

    /// The refusal that repeats at every new connection, if there is one.
    pub(super) fn refusal(&self, address: &str) -> Option<BrokerError> {
        let last = self.last();
        let report = last.as_ref()?;
        let repeats = is_refusal(report.code) && report.at.elapsed() < FRESH;
        repeats.then(|| BrokerError::Authentication {
            address: address.to_owned(),
            reason: report.reason.clone(),
        })
    }
}

fn is_refusal(code: Code) -> bool {
    matches!(
        code,
        Code::Authentication
            | Code::SSL
            | Code::SaslAuthenticationFailed
            | Code::UnsupportedSASLMechanism
            | Code::IllegalSASLState
    )
}

/// An error that a client met by itself, not in answer to a call.
pub(super) fn of_client(code: Code, address: &str, heard: &Heard) -> BrokerError {
    let reason = heard.reason();
    match code {
        code if is_refusal(code) => {
            BrokerError::Authentication { address: address.to_owned(), reason }
        }
        Code::AllBrokersDown
        | Code::BrokerTransportFailure
        | Code::Resolve
        | Code::OperationTimedOut
        | Code::RequestTimedOut
        | Code::NetworkException => heard.refusal(address).unwrap_or(BrokerError::Unreachable {
            address: address.to_owned(),
            last_heard: reason,
        }),
        Code::GroupAuthorizationFailed
        | Code::TopicAuthorizationFailed
        | Code::ClusterAuthorizationFailed
        | Code::TransactionalIdAuthorizationFailed => BrokerError::Unauthorised(reason),
        Code::UnknownTopicOrPartition | Code::UnknownTopic | Code::UnknownTopicId => {
            match topic_in(&reason) {
                Some(topic) => BrokerError::UnknownTopic(topic),
                None => BrokerError::Other(reason),
            }
        }
        Code::PollExceeded => BrokerError::Other(format!(
            "the group gave our partitions away, because nothing was polled for `max.poll.interval.ms`: {reason}"
        )),
        Code::Fatal => BrokerError::Fatal(reason),
        _ => BrokerError::Other(reason),
    }
}

/// Whether librdkafka could not read a record. It tells so once, and goes on with the next one.
pub(super) fn is_damage(code: Code) -> bool {
    matches!(
        code,
        Code::BadMessage
            | Code::BadCompression
            | Code::NotImplemented
            | Code::CriticalSystemResource
    )
}

/// Where a record lies.
#[derive(Clone, Copy, Debug)]
pub(super) struct Place<'a> {
    pub(super) topic: &'a str,
    pub(super) partition: i32,
    /// Negative when it is not known.
    pub(super) offset: i64,
}

/// A record that cannot be read, so that its partition cannot go on.
pub(super) fn of_damage(place: Option<Place<'_>>, code: Code, reason: &str) -> BrokerError {
    let place = match place {
        None => "a partition".to_owned(),
        Some(Place { topic, partition, offset }) if offset < 0 => {
            format!("partition {partition} of topic `{topic}`")
        }
        Some(Place { topic, partition, offset }) => {
            format!("partition {partition} of topic `{topic}` at offset {offset}")
        }
    };
    let reason = if reason.is_empty() { code.to_string() } else { reason.to_owned() };
    BrokerError::Fatal(format!(
        "a record cannot be read in {place}, and none after it was handed over: {reason}; check the broker's disk and let it restore the partition from a replica, or give the record up by moving the group past it with `kafka-consumer-groups --reset-offsets`"
    ))
}

/// A partition that cannot go on where it is to.
pub(super) fn of_lost_position(
    partition: &TopicPartition,
    from: Option<NextOffset>,
    reason: &str,
) -> BrokerError {
    let from = from.map(|from| format!(" {from}")).unwrap_or_default();
    BrokerError::Fatal(format!(
        "{partition} cannot go on at offset{from}, because it is not in the log any more, and `out_of_range` is `stop`: {reason}; see what is left with `lag`, set where the group goes on with `seek`, or set `out_of_range` to `earliest` or `latest`"
    ))
}

/// The topic in librdkafka's `Subscribed topic not available: NAME: ..`.
fn topic_in(reason: &str) -> Option<String> {
    let (_, rest) = reason.split_once("topic not available: ")?;
    let (topic, _) = rest.split_once(':')?;
    Some(topic.trim().to_owned())
}

/// A topic that was asked for.
pub(super) fn of_topic(code: Code, topic: &TopicName) -> BrokerError {
    match code {
        Code::UnknownTopicOrPartition | Code::UnknownTopic => {
            BrokerError::UnknownTopic(topic.to_string())
        }
        Code::TopicAuthorizationFailed => BrokerError::Unauthorised(format!(
            "topic `{topic}`: grant the service `DESCRIBE` on it, with `READ` to consume from it or `WRITE` to send to it"
        )),
        code => BrokerError::Other(format!("topic `{topic}` cannot be used: {code}")),
    }
}

/// A record that was not written.
pub(super) fn of_delivery(
    code: Code,
    topic: &TopicName,
    partition: Option<i32>,
    bytes: usize,
    address: &str,
    heard: &Heard,
) -> BrokerError {
    match code {
        Code::UnknownTopicOrPartition | Code::UnknownTopic => {
            BrokerError::UnknownTopic(topic.to_string())
        }
        Code::UnknownPartition => match partition {
            Some(partition) => {
                BrokerError::Other(format!("topic `{topic}` has no partition {partition}"))
            }
            None => BrokerError::UnknownTopic(topic.to_string()),
        },
        Code::MessageSizeTooLarge | Code::InvalidMessageSize | Code::MessageBatchTooLarge => {
            BrokerError::TooLarge {
                topic: topic.to_string(),
                bytes,
                reason: "over the topic's `max.message.bytes` or the client's `message.max.bytes`"
                    .to_owned(),
            }
        }
        Code::TopicAuthorizationFailed => {
            BrokerError::Unauthorised(format!("writing to topic `{topic}`"))
        }
        Code::MessageTimedOut => heard.refusal(address).unwrap_or(BrokerError::TimedOut {
            what: format!("a record for topic `{topic}`"),
            last_heard: heard.reason(),
        }),
        Code::PurgeQueue | Code::PurgeInflight => BrokerError::Other(format!(
            "the producer was closed before a record for topic `{topic}` was acknowledged"
        )),
        Code::Fatal | Code::Fenced | Code::InvalidProducerEpoch => {
            of_replacement(topic, &heard.reason())
        }
        code => BrokerError::Other(format!("a record for topic `{topic}` was refused: {code}")),
    }
}

/// A record that was under way when the producer failed for good.
pub(super) fn of_replacement(topic: &TopicName, reason: &str) -> BrokerError {
    BrokerError::Other(format!(
        "the producer failed for good and is made anew: {reason}; a record for topic `{topic}` may have been written all the same"
    ))
}

/// A commit that was refused.
pub(super) fn of_commit(refused: Refused, address: &str, heard: &Heard) -> BrokerError {
    let Refused { code, metadata_bytes: bytes } = refused;
    match code {
        Code::GroupAuthorizationFailed | Code::TopicAuthorizationFailed => {
            BrokerError::Unauthorised(format!("committing offsets: {code}"))
        }
        Code::BrokerTransportFailure | Code::WaitingForCoordinator | Code::AllBrokersDown => {
            heard.refusal(address).unwrap_or(BrokerError::Unreachable {
                address: address.to_owned(),
                last_heard: heard.reason(),
            })
        }
        Code::OffsetMetadataTooLarge => BrokerError::MetadataTooLarge { bytes },
        code => BrokerError::Other(format!("a commit was refused: {code}")),
    }
}

/// Whether a commit failed because the member is over: its partitions are lost, and to commit
/// them again would overwrite what their next owner commits. A generation that is over is another
/// matter: partitions that were kept through a rebalance are still ours, in the same epoch.
pub(super) fn is_member_over(code: Code) -> bool {
    matches!(
        code,
        Code::UnknownMemberId
            | Code::FencedMemberEpoch
            | Code::FencedInstanceId
            | Code::AssignmentLost
    )
}

/// Whether a commit was refused because the group is changing: once it has changed, what is still
/// ours can be committed.
pub(super) fn is_rebalance(code: Code) -> bool {
    matches!(code, Code::RebalanceInProgress | Code::IllegalGeneration)
}

/// Whether a commit was refused for a moment only: the coordinator moves, or the client is about to
/// hear of the group's last change.
pub(super) fn is_brief(code: Code) -> bool {
    matches!(
        code,
        Code::StaleMemberEpoch
            | Code::CoordinatorLoadInProgress
            | Code::CoordinatorNotAvailable
            | Code::NotCoordinator
            | Code::WaitingForCoordinator
            | Code::RequestTimedOut
            | Code::OperationTimedOut
            | Code::NetworkException
            | Code::BrokerTransportFailure
            | Code::AllBrokersDown
    )
}

/// Why a client could not be made. Never names a value: it may be a secret.
pub(super) fn of_creation(error: &KafkaError) -> BrokerError {
    BrokerError::Settings(match error {
        KafkaError::ClientConfig(_, _, name, _) => {
            format!("librdkafka does not accept the property `{name}` with its value")
        }
        KafkaError::ClientCreation(reason) => reason.clone(),
        other => match other.rdkafka_error_code() {
            Some(code) => code.to_string(),
            None => "librdkafka could not make the client".to_owned(),
        },
    })
}

/// Passes on what librdkafka logs. What it also tells as an error, and the settings that one kind
/// of client does not need, are for whoever looks for a fault.
pub(super) fn log(level: RDKafkaLogLevel, facility: &str, message: &str) {
    let told_elsewhere = matches!(facility, "FAIL" | "ERROR" | "CONFWARN");
    match level {
        RDKafkaLogLevel::Emerg
        | RDKafkaLogLevel::Alert
        | RDKafkaLogLevel::Critical
        | RDKafkaLogLevel::Error
            if !told_elsewhere =>
        {
            tracing::warn!(target: "librdkafka", facility, "{message}");
        }
        RDKafkaLogLevel::Warning | RDKafkaLogLevel::Notice if !told_elsewhere => {
            tracing::info!(target: "librdkafka", facility, "{message}");
        }
        _ => tracing::debug!(target: "librdkafka", facility, "{message}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_cause_is_not_hidden_by_all_brokers_down() {
        let heard = Heard::default();
        heard.note(Code::BrokerTransportFailure, "Connection refused");
        heard.note(Code::AllBrokersDown, "1/1 brokers are down");
        assert_eq!(heard.reason(), "Connection refused");
    }

    #[test]
    fn damage_ends_the_service_and_says_where_and_what_to_do() {
        for code in [Code::BadMessage, Code::BadCompression, Code::NotImplemented] {
            assert!(is_damage(code), "{code}");
        }
        // librdkafka repeats these itself, from the same offset.
        for code in [Code::BrokerTransportFailure, Code::InvalidMessage, Code::PartitionEOF] {
            assert!(!is_damage(code), "{code}");
        }
        let place = Place { topic: "role_events", partition: 3, offset: 17 };
        let error = of_damage(Some(place), Code::BadCompression, "");
        assert!(error.is_fatal());
        let text = error.to_string();
        for part in ["`role_events`", "partition 3", "offset 17", "--reset-offsets"] {
            assert!(text.contains(part), "{text}");
        }
        let unknown = of_damage(Some(Place { offset: -1001, ..place }), Code::BadMessage, "CRC");
        assert!(!unknown.to_string().contains("-1001"), "{unknown}");
    }

    #[test]
    fn a_missing_topic_is_named() {
        let heard = Heard::default();
        heard.note(
            Code::UnknownTopicOrPartition,
            "Subscribed topic not available: role_events: Broker: Unknown topic or partition",
        );
        assert_eq!(
            of_client(Code::UnknownTopicOrPartition, "a:1", &heard),
            BrokerError::UnknownTopic("role_events".to_owned())
        );
    }

    #[test]
    fn a_refused_value_is_not_repeated() {
        let mut config = rdkafka::ClientConfig::new();
        config.set("sasl.pasword", "hunter2");
        let error = config.create_native_config().err().map(|error| of_creation(&error));
        let text = error.map(|error| error.to_string()).unwrap_or_default();
        assert!(text.contains("sasl.pasword") && !text.contains("hunter2"), "{text}");
    }
}

//! librdkafka's errors, with what to do about each.
//!
//! The cause of a failure is usually said only to the error callback, while the call that waits
//! just times out. So every client keeps its [`LastError`], and its timeouts carry it.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use rdkafka::config::RDKafkaLogLevel;
use rdkafka::error::KafkaError;
use rdkafka::types::{RDKafkaConfRes as ConfRes, RDKafkaErrorCode as Code};

use super::commits::Refused;
use super::connection::{self, Cause};
use super::{KafkaSettings, raw, remedies};
use crate::broker::BrokerError;
use crate::delivery::{NextOffset, TopicPartition};
use crate::event::{GroupName, TopicName};

/// An unreachable or refusing broker is reported about once a second: an older
/// error may be over.
const FRESH: Duration = Duration::from_secs(10);
/// How long it may take to find out why a certificate is refused.
const CERTIFICATE_TIMEOUT: Duration = Duration::from_millis(1500);

/// The last error of a client's brokers.
#[derive(Debug, Default)]
pub(super) struct LastError {
    last: Mutex<Option<Report>>,
    settings: OnceLock<KafkaSettings>,
    /// The group that the client is a member of or asks about.
    group: OnceLock<GroupName>,
    /// A broker answered once, so that the settings are right.
    answered: AtomicBool,
    /// When a broker did not answer a request last, though the connection was made.
    timed_out: Mutex<Option<Instant>>,
    /// A broker named the others, or refused us the group, so that it answered, though the client has nothing from it yet.
    named_others: AtomicBool,
}

#[derive(Debug)]
struct Report {
    at: Instant,
    code: Code,
    reason: String,
    cause: Option<Cause>,
}

impl Report {
    fn is_fresh(&self) -> bool {
        self.at.elapsed() < FRESH
    }

    /// Whether a broker answered that the group is not ours to use. librdkafka asks for its coordinator again
    /// until the call is over, and the call only says that it took too long.
    fn is_denied(&self) -> bool {
        self.code == Code::GroupAuthorizationFailed
    }
}

impl LastError {
    /// Of a client with these settings.
    pub(super) fn of(settings: &KafkaSettings) -> LastError {
        let last_error = LastError::default();
        last_error.set_settings(settings);
        last_error
    }

    /// The settings of the client, to say which of them is wrong.
    pub(super) fn set_settings(&self, settings: &KafkaSettings) {
        let _ = self.settings.set(settings.clone());
    }

    /// The group that the client is a member of or asks about.
    pub(super) fn set_group(&self, group: &GroupName) {
        let _ = self.group.set(group.clone());
    }

    fn has_group(&self) -> bool {
        self.group.get().is_some()
    }

    /// The group, for people.
    pub(super) fn group(&self) -> String {
        self.group.get().map_or("the group".to_owned(), |group| format!("group `{group}`"))
    }

    /// Whether a broker answered: for a member, whether it has joined its group.
    pub(super) fn has_answer(&self) -> bool {
        self.answered.load(Ordering::Relaxed)
    }

    pub(super) fn settings(&self) -> &KafkaSettings {
        self.settings.get_or_init(KafkaSettings::default)
    }

    fn last(&self) -> MutexGuard<'_, Option<Report>> {
        self.last.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A broker answered: a connection that is closed later says nothing about the settings.
    pub(super) fn note_answer(&self) {
        self.answered.store(true, Ordering::Relaxed);
    }

    /// Takes note of what librdkafka logs under `facility`: what was not answered in time is reported there alone.
    pub(super) fn note_log(&self, facility: &str, message: &str) {
        if facility == "FAIL" && connection::is_timeout(message) {
            let (_thread, text) = message.split_once("]: ").unwrap_or(("", message));
            self.note(Code::BrokerTransportFailure, text);
        }
        if facility == "REQTMOUT" && message.contains(" in flight (after ") {
            *self.timed_out.lock().unwrap_or_else(PoisonError::into_inner) = Some(Instant::now());
        }
    }

    fn has_timed_out(&self) -> bool {
        let timed_out = self.timed_out.lock().unwrap_or_else(PoisonError::into_inner);
        timed_out.is_some_and(|at| at.elapsed() < FRESH)
    }

    /// Takes note of an error. That all brokers are down says less than why one of them is, and any
    /// other error less than a refusal.
    pub(super) fn note(&self, code: Code, reason: &str) {
        let cause = match Cause::of(code, reason, self.settings()) {
            // Why a connection went is not always said: the log says before that requests were not answered.
            Some(Cause::Closed) if self.has_timed_out() => Some(Cause::Silent),
            cause => cause,
        };
        if matches!(cause, Some(Cause::Advertised { .. })) || code == Code::GroupAuthorizationFailed
        {
            self.named_others.store(true, Ordering::Relaxed);
        }
        let is_known =
            || [&self.answered, &self.named_others].map(|one| one.load(Ordering::Relaxed));
        let cause = cause.filter(|cause| *cause != Cause::Closed || !is_known().contains(&true));
        let mut last = self.last();
        // What the client says until it reaches one of the others, also of the connection by which it
        // learned of them.
        if let Some(report) = last.as_mut()
            && cause.is_none()
            && matches!(report.cause, Some(Cause::Advertised { .. }))
            && !self.has_answer()
        {
            report.at = Instant::now();
            return;
        }
        let keep = last.as_mut().filter(|report| report.is_fresh()).is_some_and(|report| {
            // The code of the certificate's error stays known.
            let is_same = matches!(
                (&report.cause, &cause),
                (Some(Cause::Certificate(_)), Some(Cause::Certificate(None)))
            );
            if is_same {
                report.at = Instant::now();
            }
            let says_less = cause.is_none()
                && code != Code::GroupAuthorizationFailed
                && (report.cause.as_ref().is_some_and(Cause::is_final) || report.is_denied());
            is_same || says_less || code == Code::AllBrokersDown
        });
        if !keep {
            // librdkafka counts an address of `brokers` and the broker behind it as two.
            let reason = match code {
                Code::AllBrokersDown => "none of the brokers can be reached",
                _ => reason,
            };
            *last = Some(Report { at: Instant::now(), code, reason: reason.to_owned(), cause });
        }
    }

    /// The last reason, for people.
    pub(super) fn reason(&self) -> String {
        match &*self.last() {
            None => "it never answered".to_owned(),
            Some(report) if report.is_fresh() => match &report.cause {
                Some(cause) => cause.error(self.endpoint(report), self.settings()).to_string(),
                None => report.reason.clone(),
            },
            Some(report) => {
                format!("last error {} s ago: {}", report.at.elapsed().as_secs(), report.reason)
            }
        }
    }

    /// Who a report is of.
    fn endpoint<'a>(&'a self, report: &'a Report) -> &'a str {
        connection::endpoint(&report.reason).unwrap_or(&self.settings().brokers)
    }

    /// The refusal that repeats at every new connection, if there is one.
    pub(super) fn refusal(&self) -> Option<BrokerError> {
        self.look_at_certificate();
        let last = self.last();
        let report = last.as_ref().filter(|report| report.is_fresh())?;
        let cause = report.cause.as_ref().filter(|cause| cause.is_final())?;
        Some(cause.error(self.endpoint(report), self.settings()))
    }

    /// The right to the group that is missing, when a broker answered so.
    pub(super) fn denied(&self) -> Option<BrokerError> {
        let last = self.last();
        let report = last.as_ref().filter(|report| report.is_fresh())?;
        // A client without a group looks for the coordinator of the one in its settings as well.
        (self.has_group() && report.is_denied()).then(|| of_group(&self.group()))
    }

    /// Whether a broker that the cluster names is not reached under its address.
    pub(super) fn is_misadvertised(&self) -> bool {
        let last = self.last();
        let report = last.as_ref().filter(|report| report.is_fresh());
        report.is_some_and(|report| matches!(report.cause, Some(Cause::Advertised { .. })))
    }

    /// The error for a broker that did not answer.
    pub(super) fn unreachable(&self, address: &str) -> BrokerError {
        if let Some(refusal) = self.refusal().or_else(|| self.denied()) {
            return refusal;
        }
        let cause = {
            let last = self.last();
            let report = last.as_ref().filter(|report| report.is_fresh());
            report.and_then(|report| {
                Some(report.cause.as_ref()?.error(self.endpoint(report), self.settings()))
            })
        };
        cause.unwrap_or_else(|| BrokerError::Unreachable {
            address: address.to_owned(),
            last_error: self.reason(),
        })
    }

    /// Finds out why a certificate is refused, once for each report: librdkafka does not say.
    fn look_at_certificate(&self) {
        let endpoint = match &*self.last() {
            Some(report) if report.is_fresh() && report.cause == Some(Cause::Certificate(None)) => {
                self.endpoint(report).to_owned()
            }
            _ => return,
        };
        let mut config = self.settings().client();
        config.set("bootstrap.servers", &endpoint);
        let error = raw::certificate_error(&config, CERTIFICATE_TIMEOUT);
        if let Some(report) = &mut *self.last()
            && report.cause == Some(Cause::Certificate(None))
        {
            report.cause = Some(Cause::Certificate(error.or(Some(0))));
        }
    }
}

/// An error that a client met by itself, not in answer to a call; of `topic`, where that is known.
pub(super) fn of_client(
    code: Code,
    topic: Option<&str>,
    address: &str,
    last_error: &LastError,
) -> BrokerError {
    let reason = last_error.reason();
    match code {
        Code::Authentication
        | Code::SSL
        | Code::SaslAuthenticationFailed
        | Code::UnsupportedSASLMechanism
        | Code::IllegalSASLState
        | Code::AllBrokersDown
        | Code::BrokerTransportFailure
        | Code::Resolve
        | Code::OperationTimedOut
        | Code::RequestTimedOut
        | Code::NetworkException => last_error.unreachable(address),
        Code::GroupAuthorizationFailed
        | Code::TopicAuthorizationFailed
        | Code::ClusterAuthorizationFailed
        | Code::TransactionalIdAuthorizationFailed => unauthorised(code, last_error, topic),
        Code::UnknownTopicOrPartition | Code::UnknownTopic | Code::UnknownTopicId => {
            match topic.map(str::to_owned).or_else(|| topic_in(&reason)) {
                Some(topic) => BrokerError::UnknownTopic(topic),
                None => BrokerError::Other(reason),
            }
        }
        Code::Fatal => BrokerError::Fatal(reason),
        code => match remedies::Remedy::of(code) {
            Some(_) => remedies::of_code(&last_error.group(), code),
            None => BrokerError::Other(reason),
        },
    }
}

/// An error after which the client is of no more use.
pub(super) fn of_fatal(code: Code, reason: &str, last_error: &LastError) -> BrokerError {
    match code {
        Code::GroupAuthorizationFailed | Code::TopicAuthorizationFailed => {
            unauthorised(code, last_error, None)
        }
        code => BrokerError::Fatal(match remedies::Remedy::of(code) {
            Some(remedy) => format!("{}: {}", last_error.group(), remedy.text()),
            None => reason.to_owned(),
        }),
    }
}

/// A right that is missing: on what, and which.
pub(super) fn unauthorised(code: Code, last_error: &LastError, topic: Option<&str>) -> BrokerError {
    if code == Code::GroupAuthorizationFailed {
        return of_group(&last_error.group());
    }
    let reason = last_error.reason();
    let topic = topic.map(str::to_owned).or_else(|| topic_in(&reason));
    BrokerError::Unauthorised(match (code, topic) {
        (Code::TopicAuthorizationFailed, Some(topic)) => {
            format!("topic `{topic}`: grant the service `READ` on it, to consume from it")
        }
        (Code::TopicAuthorizationFailed, None) => {
            "a topic: grant the service `READ` on those that it consumes and `WRITE` on those that it sends to".to_owned()
        }
        (Code::TransactionalIdAuthorizationFailed, _) => {
            "the transactional id: grant the service `WRITE` and `DESCRIBE` on it".to_owned()
        }
        (code, _) => format!("the cluster refuses it ({code}): grant the service `CREATE` and `IDEMPOTENT_WRITE` on the cluster"),
    })
}

/// A group that the service may not use; `group` with its name.
fn of_group(group: &str) -> BrokerError {
    BrokerError::Unauthorised(format!("{group}: grant the service `READ` and `DESCRIBE` on it"))
}

/// Whether nothing is fetched of a topic, or of a partition, until somebody changes something.
pub(super) fn keeps_from_fetching(code: Code) -> bool {
    matches!(
        code,
        Code::TopicAuthorizationFailed
            | Code::UnknownTopicOrPartition
            | Code::UnknownTopic
            | Code::UnknownTopicId
            | Code::UnknownPartition
    )
}

/// Whether librdkafka could not read a record. It reports the error once, and goes on with the next record.
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
pub(super) struct RecordLocation<'a> {
    pub(super) topic: &'a str,
    pub(super) partition: i32,
    /// Negative when it is not known.
    pub(super) offset: i64,
}

/// A record that cannot be read, so that its partition cannot go on.
pub(super) fn of_damage(
    place: Option<RecordLocation<'_>>,
    code: Code,
    reason: &str,
) -> BrokerError {
    let place = match place {
        None => "a partition".to_owned(),
        Some(RecordLocation { topic, partition, offset }) if offset < 0 => {
            format!("partition {partition} of topic `{topic}`")
        }
        Some(RecordLocation { topic, partition, offset }) => {
            format!("partition {partition} of topic `{topic}` at offset {offset}")
        }
    };
    let reason = if reason.is_empty() { code.to_string() } else { reason.to_owned() };
    BrokerError::Fatal(format!(
        "a record cannot be read in {place}, and none after it was handed over: {reason}; check the broker's disk and let it restore the partition from a replica, or give the record up by moving the group past it with `kafka-consumer-groups --reset-offsets`"
    ))
}

/// A partition that has stood before an open transaction for so long: where it is, and where its log ends.
pub(super) fn of_open_transaction(
    partition: &TopicPartition,
    (next, end, waited): (NextOffset, NextOffset, Duration),
) -> BrokerError {
    let TopicPartition { topic, .. } = partition;
    BrokerError::Fixable {
        reason: format!(
            "{partition} waits at offset {next} for a transaction that has been open for {} s or more: up to {} records wait with it",
            waited.as_secs(),
            end.0 - next.0
        ),
        remedy: format!(
            "nothing while its producer goes on; else find it (`kafka-transactions.sh find-hanging --topic {topic}`) and abort it"
        ),
    }
}

/// A partition in which `group` cannot go on where it is to; `log` is what it holds, where that is known.
pub(super) fn of_lost_position(
    group: &str,
    partition: &TopicPartition,
    from: Option<NextOffset>,
    log: Option<(i64, i64)>,
    reason: &str,
) -> BrokerError {
    let from = from.map_or_else(|| "where it is to".to_owned(), |from| format!("at offset {from}"));
    let log = log.map_or_else(
        || "the log does not hold it any more".to_owned(),
        |(low, end)| format!("the log holds {low} (earliest) to {end} (end)"),
    );
    BrokerError::LostPosition {
        reason: format!(
            "{group} cannot go on in {partition} {from}: {log}, and `out_of_range` is `stop` ({reason})"
        ),
        remedy: format!(
            "stop all instances, set where the group goes on with `seek --topic {} --partition {} --to ..`, and start them again; or set `out_of_range` to `earliest` or `latest`",
            partition.topic, partition.partition
        ),
    }
}

/// The topic in librdkafka's `Subscribed topic not available: NAME: ..`.
pub(super) fn topic_in(reason: &str) -> Option<String> {
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
        code => remedies::of_code(&format!("topic `{topic}` cannot be used"), code),
    }
}

/// A record that was not written.
pub(super) fn of_delivery(
    code: Code,
    topic: &TopicName,
    partition: Option<i32>,
    bytes: usize,
    last_error: &LastError,
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
                reason: "raise `max.message.bytes` of the topic and `message.max.bytes` under `[kafka]`, or send less"
                    .to_owned(),
            }
        }
        Code::TopicAuthorizationFailed => {
            BrokerError::Unauthorised(format!(
                "topic `{topic}`: grant the service `WRITE` on it, to send to it"
            ))
        }
        Code::ClusterAuthorizationFailed => BrokerError::Unauthorised(format!(
            "topic `{topic}`: the producer is idempotent, which brokers before Kafka 2.8 allow only with `IDEMPOTENT_WRITE` on the cluster"
        )),
        Code::MessageTimedOut => last_error.refusal().unwrap_or_else(|| BrokerError::TimedOut {
            what: format!("a record for topic `{topic}`"),
            last_error: last_error.reason(),
        }),
        Code::PurgeQueue | Code::PurgeInflight => BrokerError::Other(format!(
            "the producer was closed before a record for topic `{topic}` was acknowledged"
        )),
        Code::Fatal | Code::Fenced | Code::InvalidProducerEpoch => {
            of_replacement(topic, &last_error.reason())
        }
        code => remedies::of_code(&format!("a record for topic `{topic}` was refused"), code),
    }
}

/// Why a producer failed for good, with the remedy where there is one.
pub(super) fn of_failed_producer(code: Code, reason: String) -> String {
    match code {
        Code::ClusterAuthorizationFailed => format!(
            "{reason}; grant the service `IDEMPOTENT_WRITE` on the cluster, which brokers before Kafka 2.8 ask for"
        ),
        code => remedies::Remedy::of(code)
            .map_or(reason.clone(), |remedy| format!("{reason}: {}", remedy.text())),
    }
}

/// A record that was under way when the producer failed for good.
pub(super) fn of_replacement(topic: &TopicName, reason: &str) -> BrokerError {
    BrokerError::Other(format!(
        "the producer failed for good and is recreated: {reason}; a record for topic `{topic}` may have been written all the same"
    ))
}

/// A commit that was refused.
pub(super) fn of_commit(refused: Refused, address: &str, last_error: &LastError) -> BrokerError {
    let Refused { code, metadata_bytes: bytes } = refused;
    match code {
        Code::GroupAuthorizationFailed | Code::TopicAuthorizationFailed => {
            BrokerError::Unauthorised(format!(
                "offsets cannot be committed ({code}): grant the service `READ` on the group and the topics"
            ))
        }
        Code::BrokerTransportFailure | Code::WaitingForCoordinator | Code::AllBrokersDown => {
            last_error.unreachable(address)
        }
        Code::OffsetMetadataTooLarge => BrokerError::MetadataTooLarge { bytes },
        code if is_rebalance(code) => BrokerError::Rebalancing(code.to_string()),
        code => remedies::of_code("a commit was refused", code),
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
        KafkaError::ClientConfig(ConfRes::RD_KAFKA_CONF_UNKNOWN, _, name, _) => {
            format!("librdkafka has no property `{name}`")
        }
        // Only the limits of what it says: the rest may repeat the value.
        KafkaError::ClientConfig(_, said, name, _) => {
            let limits = said.split_once("outside allowed range ").map(|(_, limits)| limits.trim());
            let limits = limits.and_then(|limits| limits.split_once(".."));
            let limits = limits.map(|(least, most)| format!(", it must be from {least} to {most}"));
            let limits = limits.unwrap_or_default();
            format!("librdkafka does not accept the property `{name}` with its value{limits}")
        }
        KafkaError::ClientCreation(reason) => reason.clone(),
        other => match other.rdkafka_error_code() {
            Some(code) => code.to_string(),
            None => "librdkafka could not make the client".to_owned(),
        },
    })
}

/// Passes on what librdkafka logs. What it also reports as an error, and the settings that one kind
/// of client does not need, are for whoever looks for a fault.
pub(super) fn log(level: RDKafkaLogLevel, facility: &str, message: &str) {
    let logged_elsewhere =
        matches!(facility, "FAIL" | "FATAL" | "ERROR" | "CONFWARN" | "COMMITFAIL");
    match level {
        RDKafkaLogLevel::Emerg
        | RDKafkaLogLevel::Alert
        | RDKafkaLogLevel::Critical
        | RDKafkaLogLevel::Error
            if !logged_elsewhere =>
        {
            tracing::warn!(target: "librdkafka", facility, "{message}");
        }
        RDKafkaLogLevel::Warning | RDKafkaLogLevel::Notice if !logged_elsewhere => {
            tracing::info!(target: "librdkafka", facility, "{message}");
        }
        _ => tracing::debug!(target: "librdkafka", facility, "{message}"),
    }
}

#[cfg(test)]
mod tests;

//! Questions to a cluster, and small changes of it, from outside of a group.
//!
//! librdkafka's calls for them block, and a client with a group may take long to go away. So each
//! question has a client and a thread of its own: on one of tokio's, the end of the runtime would
//! wait for it.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rdkafka::ClientConfig;
use rdkafka::client::ClientContext;
use rdkafka::config::{FromClientConfigAndContext, RDKafkaLogLevel};
use rdkafka::consumer::{BaseConsumer, Consumer, ConsumerContext};
use rdkafka::error::{KafkaError, KafkaResult};
use rdkafka::message::BorrowedMessage;
use rdkafka::metadata::Metadata;
use rdkafka::types::RDKafkaErrorCode as Code;
use tokio::sync::oneshot;

use super::KafkaSettings;
use super::errors::{self, LastError};
use super::open_clients::OpenClient;
use super::raw::EventQueue;
use super::remedies;
use crate::broker::{BrokerError, TopicStatus};
use crate::delivery::TopicPartition;
use crate::event::{GroupName, TopicName};

/// The first attempt; each further one takes twice as long.
const FIRST_ATTEMPT: Duration = Duration::from_millis(250);
/// How many events are served before anything else is looked at.
pub(super) const EVENTS_AT_ONCE: usize = 1000;
/// Between two attempts, at first; each further pause is twice as long, up to the longest.
const PAUSE: Duration = Duration::from_millis(10);
const LONGEST_PAUSE: Duration = Duration::from_millis(320);
/// How long the leader of a partition is waited for that has none: a broker may only be restarting.
const ELECTION: Duration = Duration::from_secs(2);

/// Runs `question`, which blocks, with a client of its own; a client that asks for offsets of a
/// group needs to name it.
pub(super) async fn ask<T: Send + 'static>(
    settings: &KafkaSettings,
    group: Option<&GroupName>,
    timeout: Duration,
    question: impl FnOnce(&AdminClient) -> Result<T, BrokerError> + Send + 'static,
) -> Result<T, BrokerError> {
    let config = match group {
        Some(group) => settings.outside(group.as_str()),
        None => {
            let mut config = settings.client();
            // The end of a log lies behind a transaction that is open, whose records wait with all behind them.
            config.set("isolation.level", "read_uncommitted");
            config
        }
    };
    let settings = settings.clone();
    let group = group.cloned();
    let (answer, answered) = oneshot::channel();
    std::thread::Builder::new()
        .name("kafka-admin".to_owned())
        .spawn(move || match AdminClient::new(&config, settings, timeout) {
            Ok(admin) => {
                if let Some(group) = &group {
                    admin.last_error.set_group(group);
                }
                // Whoever asked may have lost interest. The client goes after the answer.
                let _ = answer.send(question(&admin));
            }
            Err(error) => drop(answer.send(Err(error))),
        })
        .map_err(|error| BrokerError::Other(format!("no thread to ask the broker: {error}")))?;
    let panicked = || Err(BrokerError::Other("asking the broker panicked".to_owned()));
    answered.await.unwrap_or_else(|_| panicked())
}

/// A client that asks.
pub(super) struct AdminClient {
    pub(super) client: Arc<BaseConsumer<AdminClientContext>>,
    pub(super) last_error: Arc<LastError>,
    pub(super) settings: KafkaSettings,
    events: EventQueue,
    until: Instant,
}

impl AdminClient {
    pub(super) fn new(
        config: &ClientConfig,
        settings: KafkaSettings,
        timeout: Duration,
    ) -> Result<AdminClient, BrokerError> {
        let until = Instant::now() + timeout;
        let last_error = Arc::new(LastError::of(&settings));
        let context =
            AdminClientContext { last_error: Arc::clone(&last_error), _open: OpenClient::new() };
        let client = BaseConsumer::from_config_and_context(config, context)
            .map_err(|error| errors::of_creation(&error))?;
        let client = Arc::new(client);
        let events = EventQueue::new(&client)
            .ok_or_else(|| BrokerError::Fatal("the client has no queue".to_owned()))?;
        Ok(AdminClient { client, last_error, settings, events, until })
    }

    /// How much time is left.
    pub(super) fn left(&self) -> Duration {
        self.until.saturating_duration_since(Instant::now())
    }

    /// The address that is asked.
    pub(super) fn address(&self) -> &str {
        &self.settings.brokers
    }

    /// Serves errors and log lines: a call only says that it took too long, the reason waits here.
    pub(super) fn listen(&self) {
        while self.poll().is_some() {}
    }

    #[cfg(test)]
    pub(super) fn waiting_events(&self) -> usize {
        self.events.len()
    }

    /// Serves log lines and the like until there is something to look at, or nothing waits.
    pub(super) fn poll(&self) -> Option<KafkaResult<BorrowedMessage<'_>>> {
        for _ in 0..EVENTS_AT_ONCE {
            match self.client.poll(Duration::ZERO) {
                None if self.events.len() > 0 => {}
                polled => return polled,
            }
        }
        None
    }

    /// What the cluster says about each of `names`.
    ///
    /// Asked for one by one: a list of all topics leaves out those that we may not see, and takes
    /// the more time the more others there are.
    pub(super) fn topics(&self, names: &[TopicName]) -> Result<Vec<TopicStatus>, BrokerError> {
        names.iter().map(|topic| self.topic(topic)).collect()
    }

    fn topic(&self, topic: &TopicName) -> Result<TopicStatus, BrokerError> {
        let (partitions, without_leader) = match self.leaders_of(topic)? {
            Ok(leaders) => {
                let count = i32::try_from(leaders.len()).unwrap_or(i32::MAX);
                let without_leader = (0..count).zip(&leaders).filter(|(_, leader)| **leader < 0);
                (Ok(count), without_leader.map(|(partition, _)| partition).collect())
            }
            Err(error) => (Err(error), Vec::new()),
        };
        Ok(TopicStatus { topic: topic.clone(), partitions, without_leader })
    }

    /// The leader of each partition of a topic, or what is wrong with it.
    fn leaders_of(&self, topic: &TopicName) -> Result<Result<Vec<i32>, BrokerError>, BrokerError> {
        // What one topic lacks takes no other's time away.
        let until = Instant::now() + self.left() / 2;
        loop {
            let metadata = self.repeat(|time| {
                let metadata = self.client.fetch_metadata(Some(topic.as_str()), time);
                metadata.map_err(of_metadata)
            })?;
            match leaders_in(&metadata, topic) {
                // A topic that was made just now.
                Err(Code::LeaderNotAvailable) if Instant::now() < until => {
                    std::thread::sleep(PAUSE);
                }
                leaders => return Ok(leaders.map_err(|code| errors::of_topic(code, topic))),
            }
        }
    }

    /// The leader of each of `partitions`, or why it is not known. Where there is none just now, one is waited
    /// for a little.
    pub(super) fn leaders(
        &self,
        partitions: &[TopicPartition],
    ) -> Result<Vec<Result<i32, BrokerError>>, BrokerError> {
        let until = Instant::now() + ELECTION.min(self.left() / 4);
        let mut known = BTreeMap::new();
        for TopicPartition { topic, .. } in partitions {
            if known.contains_key(topic) {
                continue;
            }
            let asked = |of: &Vec<i32>| {
                partitions.iter().filter(|one| one.topic == *topic).any(|one| {
                    let index = usize::try_from(one.partition).unwrap_or(usize::MAX);
                    of.get(index).is_some_and(|leader| *leader < 0)
                })
            };
            let leaders = loop {
                let leaders = self.leaders_of(topic)?;
                if !leaders.as_ref().is_ok_and(asked) || Instant::now() >= until {
                    break leaders;
                }
                std::thread::sleep(LONGEST_PAUSE);
            };
            known.insert(topic, leaders);
        }
        let leader = |TopicPartition { topic, partition }: &TopicPartition| {
            let leaders = match known.get(topic) {
                Some(Err(error)) => return Err(error.clone()),
                Some(Ok(leaders)) => &leaders[..],
                None => &[],
            };
            let index = usize::try_from(*partition).unwrap_or(usize::MAX);
            match leaders.get(index) {
                Some(leader) if *leader < 0 => Err(BrokerError::no_leader(topic, &[*partition])),
                Some(leader) => Ok(*leader),
                None => Err(no_partition(topic, *partition)),
            }
        };
        Ok(partitions.iter().map(leader).collect())
    }

    /// Whether all `partitions` are there.
    pub(super) fn check(&self, partitions: &[TopicPartition]) -> Result<(), BrokerError> {
        let mut known = BTreeMap::new();
        for TopicPartition { topic, partition } in partitions {
            if !known.contains_key(topic) {
                known.insert(topic, self.topic(topic)?.partitions?);
            }
            if known.get(topic).is_some_and(|count| !(0..*count).contains(partition)) {
                return Err(no_partition(topic, *partition));
            }
        }
        Ok(())
    }

    /// Calls `attempt` with the time it may take until it succeeds, within the deadline. Some
    /// clients need a second attempt: the first may be one to a broker that is gone.
    pub(super) fn repeat<T>(
        &self,
        attempt: impl FnMut(Duration) -> Result<T, KafkaError>,
    ) -> Result<T, BrokerError> {
        self.repeat_until(self.until, attempt)
    }

    /// The same until another time.
    pub(super) fn repeat_until<T>(
        &self,
        until: Instant,
        mut attempt: impl FnMut(Duration) -> Result<T, KafkaError>,
    ) -> Result<T, BrokerError> {
        let (mut time, mut pause) = (FIRST_ATTEMPT, PAUSE);
        let left = || until.saturating_duration_since(Instant::now());
        // What a broker answered last: the last attempt may only have had too little time.
        let mut answered = None;
        loop {
            let answer = attempt(time.min(left()));
            self.listen();
            let code = match answer {
                Ok(answer) => {
                    self.last_error.note_answer();
                    return Ok(answer);
                }
                Err(error) => error.rdkafka_error_code().unwrap_or(Code::Unknown),
            };
            if let Some(refusal) = self.refusal() {
                return Err(refusal);
            }
            if !is_silence(code) {
                answered = Some(code);
            }
            if left().is_zero() || is_final(code) {
                return Err(self.refused(answered.unwrap_or(code)));
            }
            // Some failures are immediate.
            std::thread::sleep(pause.min(left()));
            pause = pause.saturating_mul(2).min(LONGEST_PAUSE);
            time = time.saturating_mul(2);
        }
    }

    /// What does not change by waiting longer.
    pub(super) fn refusal(&self) -> Option<BrokerError> {
        self.last_error.refusal().or_else(|| self.last_error.denied())
    }

    /// The error for what was refused, or was not answered in time.
    pub(super) fn refused(&self, code: Code) -> BrokerError {
        match code {
            Code::GroupAuthorizationFailed
            | Code::TopicAuthorizationFailed
            | Code::ClusterAuthorizationFailed => {
                errors::unauthorised(code, &self.last_error, None)
            }
            code if is_silence(code) => self.last_error.unreachable(self.address()),
            code => remedies::of_code("the broker refused a question", code),
        }
    }
}

fn no_partition(topic: &TopicName, partition: i32) -> BrokerError {
    BrokerError::Other(format!("topic `{topic}` has no partition {partition}"))
}

/// Whether there was no answer.
fn is_silence(code: Code) -> bool {
    matches!(
        code,
        Code::OperationTimedOut
            | Code::RequestTimedOut
            | Code::BrokerTransportFailure
            | Code::AllBrokersDown
            | Code::Resolve
            | Code::NetworkException
            | Code::WaitingForCoordinator
    )
}

/// What topics there are is answered by each broker, whatever its version, and not by a controller.
fn of_metadata(error: KafkaError) -> KafkaError {
    match error.rdkafka_error_code() {
        Some(Code::UnsupportedFeature | Code::UnsupportedVersion) => {
            KafkaError::MetadataFetch(Code::BrokerNotAvailable)
        }
        _ => error,
    }
}

/// What does not change by asking again.
fn is_final(code: Code) -> bool {
    matches!(
        code,
        Code::GroupAuthorizationFailed
            | Code::TopicAuthorizationFailed
            | Code::ClusterAuthorizationFailed
            | Code::InvalidArgument
            | Code::InvalidGroupId
    )
}

/// The leader of each partition of the topic, negative where there is none, or the broker's word for what is
/// wrong with it.
fn leaders_in(metadata: &Metadata, topic: &TopicName) -> Result<Vec<i32>, Code> {
    let found = metadata.topics().iter().find(|found| topic.as_str() == found.name());
    let found = found.ok_or(Code::UnknownTopicOrPartition)?;
    if let Some(error) = found.error() {
        return Err(error.into());
    }
    let mut leaders: Vec<_> =
        found.partitions().iter().map(|one| (one.id(), one.leader())).collect();
    leaders.sort_unstable();
    Ok(leaders.into_iter().map(|(_, leader)| leader).collect())
}

pub(super) struct AdminClientContext {
    last_error: Arc<LastError>,
    _open: OpenClient,
}

impl ClientContext for AdminClientContext {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        self.last_error.note_log(facility, message);
        errors::log(level, facility, message);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        if let Some(code) = error.rdkafka_error_code() {
            self.last_error.note(code, reason);
        }
    }
}

impl ConsumerContext for AdminClientContext {}

#[cfg(test)]
mod tests {
    use super::*;

    /// Nobody listens there.
    fn admin(timeout: Duration) -> AdminClient {
        let settings = KafkaSettings { brokers: "127.0.0.1:1".into(), ..Default::default() };
        AdminClient::new(&settings.client(), settings, timeout).unwrap()
    }

    #[test]
    fn a_controller_in_place_of_a_broker_is_told_as_that() {
        let admin = admin(Duration::from_millis(300));
        let mut attempts = 0;
        let error = admin.repeat(|time| -> Result<(), _> {
            attempts += 1;
            // As long as there is time for an answer.
            let code = match time > Duration::from_millis(1) {
                true => Code::UnsupportedFeature,
                false => Code::OperationTimedOut,
            };
            Err(of_metadata(KafkaError::MetadataFetch(code)))
        });
        let error = error.unwrap_err();
        assert!(error.remedy().unwrap_or_default().contains("a controller's address"), "{error}");
        assert!(error.reason().contains("BrokerNotAvailable"), "{error}");
        assert!(attempts < 10, "{attempts}");
    }

    #[test]
    fn a_group_that_is_not_ours_to_use_ends_a_question_at_once() {
        let admin = admin(Duration::from_secs(600));
        admin.last_error.set_group(&GroupName::parse("billing").unwrap());
        let error = admin.repeat(|_| -> Result<(), _> {
            admin.last_error.note(Code::GroupAuthorizationFailed, "FindCoordinator response error");
            Err(KafkaError::MetadataFetch(Code::WaitingForCoordinator))
        });
        let error = error.unwrap_err();
        assert!(
            matches!(&error, BrokerError::Unauthorised(what) if what.contains("`READ`")),
            "{error}"
        );
    }
}

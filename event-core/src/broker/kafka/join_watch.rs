//! Says that a member has not joined its group.
//!
//! librdkafka tries for ever, and often without a word: a broker that does not have the protocol of the
//! group, or a cluster without a quorum, leaves the service alive and idle.

use std::time::{Duration, Instant};

use rdkafka::consumer::{BaseConsumer, Consumer, ConsumerContext};

use super::KafkaSettings;
use crate::broker::BrokerError;

/// After this it is said for the first time; each further time comes after twice as long.
const FIRST: Duration = Duration::from_secs(15);
const LONGEST: Duration = Duration::from_secs(300);
/// How often it is looked whether the group has the member.
const LOOK: Duration = Duration::from_secs(1);

/// When it is said next.
#[derive(Debug)]
pub(super) struct JoinWatch {
    began: Instant,
    due: Duration,
    look: Duration,
}

impl JoinWatch {
    pub(super) fn new() -> JoinWatch {
        JoinWatch { began: Instant::now(), due: FIRST, look: LOOK }
    }

    /// For how long it has not joined, when that is to be said now.
    pub(super) fn due(&mut self) -> Option<Duration> {
        self.due_after(self.began.elapsed())
    }

    /// Whether it is to be looked now what the group says of the member.
    pub(super) fn is_to_look(&mut self) -> bool {
        let waited = self.began.elapsed();
        let is_due = waited >= self.look;
        if is_due {
            self.look = waited + LOOK;
        }
        is_due
    }

    fn due_after(&mut self, waited: Duration) -> Option<Duration> {
        if waited < self.due {
            return None;
        }
        self.due = waited + waited.min(LONGEST);
        Some(waited)
    }
}

/// The error of a member that has not joined: `last` is the last error, if there was one.
pub(super) fn not_joined<C: ConsumerContext>(
    group: &str,
    consumer: &BaseConsumer<C>,
    waited: Duration,
    last: Option<&BrokerError>,
    settings: &KafkaSettings,
) -> BrokerError {
    let subscription = consumer.subscription().ok();
    let topics: Vec<String> = subscription.map_or_else(Vec::new, |list| {
        list.elements().iter().map(|one| one.topic().to_owned()).collect()
    });
    let reason = last.map_or_else(|| of_silence(settings).to_owned(), ToString::to_string);
    words(group, &topics, waited, &reason)
}

fn words(group: &str, topics: &[String], waited: Duration, reason: &str) -> BrokerError {
    let topics: Vec<_> = topics.iter().map(|topic| format!("`{topic}`")).collect();
    BrokerError::NotJoined(format!(
        "{group} is not joined after {} s, so that {} is not read: {reason}",
        waited.as_secs(),
        topics.join(", ")
    ))
}

/// What a broker that says nothing may lack.
fn of_silence(settings: &KafkaSettings) -> &'static str {
    if settings.has_new_protocol() {
        "the broker said nothing; a broker before Kafka 4.0 does not have `group.protocol` = `consumer`: set it to `classic`, or leave it out; on a newer one check that the controllers have a quorum and that `__consumer_offsets` has leaders"
    } else {
        "the broker said nothing; check that the controllers have a quorum, that `__consumer_offsets` has leaders, and that no other member keeps the group from settling (`kafka-consumer-groups.sh --describe --members`)"
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_said_at_a_growing_interval() {
        let mut watch = JoinWatch::new();
        let said: Vec<u64> = (0..1500)
            .filter(|second| watch.due_after(Duration::from_secs(*second)).is_some())
            .collect();
        assert_eq!(said, [15, 30, 60, 120, 240, 480, 780, 1080, 1380]);
    }

    #[test]
    fn silence_has_a_remedy_for_each_protocol() {
        let mut settings = KafkaSettings::default();
        assert!(of_silence(&settings).contains("quorum"));
        settings.properties.push(("group.protocol".to_owned(), "consumer".into()));
        let text = of_silence(&settings);
        assert!(text.contains("Kafka 4.0") && text.contains("`classic`"), "{text}");
    }

    #[test]
    fn the_error_names_group_topics_time_and_reason() {
        let topics = ["role_events", "user_events"].map(str::to_owned);
        let error = words("group `billing`", &topics, Duration::from_millis(15_020), "no quorum");
        assert!(error.is_retriable());
        assert_eq!(
            error.to_string(),
            "group `billing` is not joined after 15 s, so that `role_events`, `user_events` is not read: no quorum"
        );
    }
}

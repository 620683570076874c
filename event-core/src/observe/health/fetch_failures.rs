//! The topics that the broker does not let the group fetch, and why.
//!
//! librdkafka reports such an error once, and retries in silence. So what is over is found out by
//! asking: the lag monitor looks at each failure every 15 s.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use tokio::time::Instant;

use crate::delivery::TopicPartition;
use crate::event::TopicName;

/// A failure that is over within this, such as the election of a leader, is none for health.
const GRACE: Duration = Duration::from_secs(10);
/// A failure that lasts is logged again after this, then after twice as long, and so on.
const LOGGED_AGAIN: Duration = Duration::from_secs(15);
/// The longest pause between two log lines of a failure.
const LOGGED_AT_LEAST: Duration = Duration::from_secs(300);

/// The failures of a group, by topic.
#[derive(Debug, Default)]
pub(super) struct FetchFailures(BTreeMap<TopicName, Failure>);

#[derive(Debug)]
struct Failure {
    /// Which partitions fail; empty for the topic as a whole.
    partitions: BTreeSet<i32>,
    error: String,
    /// The topic does not exist.
    is_missing: bool,
    since: Instant,
    log_due: Instant,
    log_pause: Duration,
}

/// A topic that cannot be fetched.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct FetchFailure {
    pub(super) topic: TopicName,
    pub(super) partitions: Vec<i32>,
    pub(super) error: String,
    /// The topic does not exist.
    pub(super) is_missing: bool,
    pub(super) since: Duration,
}

impl FetchFailures {
    /// Takes note of a failure of these partitions; none for the topic as a whole.
    pub(super) fn failed(
        &mut self,
        topic: &TopicName,
        partitions: &[i32],
        error: String,
        is_missing: bool,
    ) {
        let now = Instant::now();
        let failure = self.0.entry(topic.clone()).or_insert_with(|| Failure {
            partitions: BTreeSet::new(),
            error: String::new(),
            is_missing,
            since: now,
            log_due: now + LOGGED_AGAIN,
            log_pause: LOGGED_AGAIN,
        });
        (failure.error, failure.is_missing) = (error, is_missing);
        match partitions {
            [] => failure.partitions.clear(),
            partitions => failure.partitions.extend(partitions),
        }
    }

    /// The topics are fetched anew, or fetched again: what still fails is reported again.
    pub(super) fn forget<'t>(&mut self, topics: impl Iterator<Item = &'t TopicName>) {
        for topic in topics {
            self.0.remove(topic);
        }
    }

    /// The partitions are another member's to fetch. A topic that fails as a whole loses its partitions
    /// because of that, and goes on failing.
    pub(super) fn revoked(&mut self, partitions: &[TopicPartition]) {
        self.0.retain(|topic, failure| {
            let had = !failure.partitions.is_empty();
            for one in partitions.iter().filter(|one| one.topic == *topic) {
                failure.partitions.remove(&one.partition);
            }
            !had || !failure.partitions.is_empty()
        });
    }

    /// Whether all these partitions of the topic fail.
    pub(super) fn has(&self, topic: &TopicName, partitions: &[i32]) -> bool {
        let failing = self.0.get(topic).map(|failure| &failure.partitions);
        partitions
            .iter()
            .all(|one| failing.is_some_and(|failing| failing.is_empty() || failing.contains(one)))
    }

    /// The topics that fail, with a partition to look at.
    pub(super) fn topics(&self) -> Vec<TopicPartition> {
        let look = |(topic, failure): (&TopicName, &Failure)| TopicPartition {
            topic: topic.clone(),
            partition: failure.partitions.first().copied().unwrap_or(0),
        };
        self.0.iter().map(look).collect()
    }

    /// Whether a failure that goes on is to be logged once more, counted as logged from then on.
    pub(super) fn take_log_due(&mut self, topic: &TopicName) -> bool {
        let now = Instant::now();
        let Some(failure) = self.0.get_mut(topic).filter(|failure| failure.log_due <= now) else {
            return false;
        };
        failure.log_pause = (failure.log_pause * 2).min(LOGGED_AT_LEAST);
        failure.log_due = now + failure.log_pause;
        true
    }

    /// What has failed for longer than a moment.
    pub(super) fn lasting(&self) -> impl Iterator<Item = FetchFailure> {
        let lasting = self.0.iter().filter(|(_, failure)| failure.since.elapsed() >= GRACE);
        lasting.map(|(topic, failure)| FetchFailure {
            topic: topic.clone(),
            partitions: failure.partitions.iter().copied().collect(),
            error: failure.error.clone(),
            is_missing: failure.is_missing,
            since: failure.since.elapsed(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn partition(number: i32) -> TopicPartition {
        TopicPartition { topic: TopicName::from_static("role_events"), partition: number }
    }

    fn failing(failures: &FetchFailures) -> Vec<(String, Vec<i32>)> {
        failures.lasting().map(|one| (one.topic.to_string(), one.partitions)).collect()
    }

    #[tokio::test(start_paused = true)]
    async fn a_failure_counts_after_a_moment_and_until_it_is_over() {
        let mut failures = FetchFailures::default();
        let topic = partition(0).topic;
        failures.failed(&topic, &[2], "not authorised".to_owned(), false);
        failures.failed(&topic, &[0], "not authorised".to_owned(), false);
        assert_eq!(failing(&failures), []);
        tokio::time::advance(GRACE).await;
        assert_eq!(failing(&failures), [("role_events".to_owned(), vec![0, 2])]);
        assert!(failures.has(&topic, &[0, 2]) && !failures.has(&topic, &[0, 1]));
        failures.revoked(&[partition(0)]);
        assert_eq!(failures.topics(), [partition(2)]);
        failures.revoked(&[partition(2)]);
        assert_eq!(failures.topics(), []);
    }

    #[tokio::test(start_paused = true)]
    async fn a_topic_that_is_gone_fails_until_it_is_assigned_again() {
        let mut failures = FetchFailures::default();
        let topic = partition(0).topic;
        failures.failed(&topic, &[], "does not exist".to_owned(), true);
        failures.revoked(&[partition(0)]);
        tokio::time::advance(GRACE).await;
        assert_eq!(failing(&failures), [("role_events".to_owned(), vec![])]);
        failures.forget([&topic].into_iter());
        assert_eq!(failing(&failures), []);
    }

    #[tokio::test(start_paused = true)]
    async fn a_failure_that_lasts_is_logged_less_and_less() {
        let mut failures = FetchFailures::default();
        let topic = partition(0).topic;
        failures.failed(&topic, &[], "does not exist".to_owned(), true);
        let mut logged = Vec::new();
        for second in 1..=900 {
            tokio::time::advance(Duration::from_secs(1)).await;
            if failures.take_log_due(&topic) {
                logged.push(second);
            }
        }
        assert_eq!(logged, [15, 45, 105, 225, 465, 765]);
    }
}

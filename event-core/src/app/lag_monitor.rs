//! Finds out for health what only the broker knows: what waits in the partitions of the service, and which
//! of them cannot be fetched.
//!
//! # How health is known
//!
//! `observe::Health` has the rules in one table. Nothing of it is on the way of a record. What is in the way of a
//! partition or a handler is raised by the engine when it happens. Each group has a listener of its own, which
//! takes note of assignments, commits and whatever else is rare; that records are settled is read once a second
//! from the counter that commits are decided by. The thread that finds handlers which block (`processor/watch.rs`,
//! one for all groups) also reports what has been in flight for too long, a few times a second. The consumer thread
//! writes the time at each of its turns (`broker::Heartbeat`), and says beforehand for how long a revocation may keep
//! it waiting. Only the broker knows what waits: it is asked every 15 seconds for the ends of the partitions that
//! are ours while somebody looks at health, and once a minute otherwise, because a question is a connection of its
//! own (`app::lag_monitor`). A topic that the broker does not let the group fetch is reported by librdkafka once, and
//! then no more: the monitor looks every 15 seconds whether that is over, and asks about each topic when the ends
//! are not answered. A lag is no proof that a record waits, since the mark of a transaction takes an offset too, so
//! before a group or a partition is called stuck the record that it should go on with is read: of a group that goes
//! on, one partition at a question. `admin` only puts into words what `Health` and `Control` say.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, MissedTickBehavior, interval, timeout};

use super::topic_sets::outgrown;
use crate::broker::{Broker, BrokerError, ReadRequest, Reader, TopicStatus};
use crate::delivery::{NextOffset, TopicPartition};
use crate::event::{GroupName, TopicName};
use crate::observe::{GroupHealth, Health, Observation, Observers, Suspect};

/// How often it is looked whether something was settled.
const LOOK: Duration = Duration::from_secs(1);
/// How often the broker is asked while somebody looks at health. Each question is a connection of its own.
const ASK: Duration = Duration::from_secs(15);
/// The same after a question that was not answered, or left something out.
const ASK_SOON: Duration = Duration::from_secs(5);
/// How often it is asked while nobody looks: whether every topic can be fetched.
const ASK_SELDOM: Duration = Duration::from_secs(60);
/// How long an answer may take.
const TIMEOUT: Duration = Duration::from_secs(5);
/// A partition that may not be read says so sooner than this.
const REFUSED_WITHIN: Duration = Duration::from_secs(2);

/// Asks the broker for health until it is dropped.
pub(super) struct LagMonitor<'b, B> {
    pub(super) broker: &'b B,
    pub(super) health: &'b Health,
    /// The topics that each group has handlers for.
    pub(super) topics: &'b BTreeMap<GroupName, Vec<TopicName>>,
    /// Those of them that share a member of the group because each had one partition.
    pub(super) single: &'b BTreeMap<GroupName, Vec<TopicName>>,
    /// Who listens to what happens in each group.
    pub(super) observers: &'b BTreeMap<GroupName, Observers>,
}

impl<B: Broker> LagMonitor<'_, B> {
    pub(super) async fn run(&self) {
        let mut looks = interval(LOOK);
        looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut asked = (Instant::now(), Duration::ZERO);
        let mut failures_looked_at = Instant::now();
        let mut had_new = false;
        let mut outgrown = BTreeSet::new();
        loop {
            looks.tick().await;
            self.health.sample();
            self.tell_outgrown(&mut outgrown);
            if failures_looked_at.elapsed() >= ASK {
                self.look_at_failures().await;
                failures_looked_at = Instant::now();
            }
            let is_looked_at = self.health.is_looked_at();
            let has_new = || self.health.watched().iter().any(|group| group.has_new());
            // Partitions that came since are asked about at once.
            let (at, pause) = asked;
            let pause = if is_looked_at { pause } else { ASK_SELDOM };
            if at.elapsed() >= pause || is_looked_at && !had_new && has_new() {
                let answered = self.ask().await.is_ok();
                had_new = has_new();
                asked = (Instant::now(), if answered && !had_new { ASK } else { ASK_SOON });
            }
        }
    }

    /// Says once of each topic that it got more partitions than its place in the group is for.
    fn tell_outgrown(&self, reported: &mut BTreeSet<(GroupName, TopicName)>) {
        for group in self.health.watched() {
            let Some(single) = self.single.get(group.group()).filter(|single| !single.is_empty())
            else {
                continue;
            };
            for topic in outgrown(single, &group.assigned()) {
                if reported.insert((group.group().clone(), topic.clone())) {
                    let others = single.iter().filter(|other| *other != topic);
                    let with: Vec<_> = others.map(TopicName::as_str).collect();
                    tracing::warn!(
                        target: "event_core",
                        group = %group.group(), %topic, with = with.join(" "),
                        "the topic had one partition when this process started and has more now; until a restart it shares a member of the group with other topics, so that instances may get unequal shares of it: restart the instances, one after another"
                    );
                }
            }
        }
    }

    async fn ask(&self) -> Result<(), BrokerError> {
        let (ends, failed) = match self.ends().await {
            Ok(answered) => answered,
            Err(error) => {
                self.health.answered(Err(&error));
                self.find_failures().await;
                return Err(error);
            }
        };
        // Of a topic that is deleted a member with the new protocol only loses the partitions.
        let lacks = |group: &Arc<GroupHealth>| !self.without_partitions(group).is_empty();
        if !failed.is_empty() || self.health.watched().iter().any(lacks) {
            self.find_failures().await;
        }
        // What has no leader or may not be read is reported as that.
        let is_reported = |partition: &TopicPartition| {
            let mut groups = self.health.watched().into_iter();
            groups.any(|group| group.is_failing(&partition.topic, &[partition.partition]))
        };
        match failed.iter().find(|(partition, _)| !is_reported(partition)) {
            Some((_, error)) => self.health.answered_partly(&ends, error),
            None => self.health.answered(Ok(&ends)),
        }
        for group in self.health.watched() {
            if let Some(partition) = group.doubt() {
                let answer = self.broker.committed(group.group(), &[partition], TIMEOUT).await;
                group.note_coordinator(answer.is_ok());
            }
            // The first commit gives the committed offset; until then the broker is asked for it.
            let unknown = group.unknown();
            if !unknown.is_empty() {
                for one in self.broker.committed(group.group(), &unknown, TIMEOUT).await? {
                    group.note_committed(&one.partition, one.next);
                }
            }
            for suspect in group.suspects() {
                self.look_for_record(&group, &suspect).await;
            }
        }
        failed.into_iter().next().map_or(Ok(()), |(_, error)| Err(error))
    }

    /// What partitions hold, and of which of them that is not known, and why.
    async fn ends(&self) -> Result<(Ends, Failed), BrokerError> {
        let partitions = self.health.partitions();
        if partitions.is_empty() {
            let topics: Vec<_> = self.topics.values().flatten().cloned().collect();
            self.broker.topics(&topics, TIMEOUT).await?;
            return Ok((Vec::new(), Vec::new()));
        }
        let (mut ends, mut failed) = (Vec::new(), Vec::new());
        let answers = self.broker.watermarks(&partitions, TIMEOUT).await?;
        for (partition, answer) in partitions.into_iter().zip(answers) {
            match answer {
                Ok(one) => ends.push((partition, one.low, one.end)),
                Err(error) => failed.push((partition, error)),
            }
        }
        match failed.first() {
            Some((_, error)) if ends.is_empty() => Err(error.clone()),
            _ => Ok((ends, failed)),
        }
    }

    /// Reads the record that a partition should go on with.
    async fn look_for_record(&self, group: &GroupHealth, suspect: &Suspect) {
        let Suspect { partition, from, to } = suspect.clone();
        let request =
            ReadRequest { partitions: vec![(partition.clone(), from, Some(to))], follow: false };
        let Ok(mut reader) = self.broker.read(request) else { return };
        match timeout(TIMEOUT, reader.next()).await {
            Ok(None) => group.note_looked(suspect, false),
            Ok(Some(Ok(_))) => group.note_looked(suspect, true),
            // What the broker does not let us read, the group cannot fetch.
            Ok(Some(Err(error))) if is_refused(&error) => {
                self.fetch_failed(group, &partition.topic, &[partition.partition], &error);
            }
            // Next time.
            Ok(Some(Err(_))) | Err(_) => {}
        }
    }

    /// Finds the topics of which the broker says nothing, and the partitions without a leader.
    async fn find_failures(&self) {
        for group in self.health.watched() {
            let mut topics: Vec<_> = group.assigned().into_iter().map(|one| one.topic).collect();
            topics.dedup();
            topics.extend(self.without_partitions(&group));
            // Those that are known to fail are looked at again by themselves.
            let known = group.fetch_failures();
            let is_known = |topic: &TopicName| known.iter().any(|one| one.topic == *topic);
            let Ok(found) = self.broker.topics(&topics, TIMEOUT).await else { return };
            for TopicStatus { topic, partitions, without_leader } in found {
                match partitions {
                    Err(error) if is_refused(&error) && !is_known(&topic) => {
                        self.fetch_failed(&group, &topic, &[], &error);
                    }
                    _ => self.without_leader(&group, &topic, &without_leader),
                }
            }
        }
    }

    /// The topics of a group of which it has no partition here; of redrive topics, which may be missing, those
    /// of which it had one.
    fn without_partitions(&self, group: &GroupHealth) -> Vec<TopicName> {
        let assigned = group.assigned();
        let topics = self.topics.get(group.group()).into_iter().flatten();
        let topics = topics.filter(|topic| assigned.iter().all(|one| one.topic != **topic));
        topics.cloned().chain(group.redrives_without_partitions()).collect()
    }

    fn without_leader(&self, group: &GroupHealth, topic: &TopicName, partitions: &[i32]) {
        let ours = group.assigned_of(topic, partitions);
        // One that is known is reported again by the check whether it is over.
        if !group.is_failing(topic, &ours) {
            self.fetch_failed(group, topic, &ours, &BrokerError::no_leader(topic, &ours));
        }
    }

    /// Looks whether the topics that could not be fetched can be fetched by now.
    async fn look_at_failures(&self) {
        for group in self.health.watched() {
            for partition in group.fetch_failures() {
                let topic = &partition.topic;
                match self.is_fetched(&group, &partition).await {
                    Ok(true) => self.notify(&group, &Observation::FetchRecovered { topic }),
                    Ok(false) => {}
                    Err(error) if group.take_log_due(topic) => {
                        self.fetch_failed(&group, topic, &[partition.partition], &error);
                    }
                    Err(_) => {}
                }
            }
        }
    }

    /// Whether the broker lets us read the partition; `false` when it does not answer.
    async fn is_fetched(
        &self,
        group: &GroupHealth,
        partition: &TopicPartition,
    ) -> Result<bool, BrokerError> {
        let topics = [partition.topic.clone()];
        let Ok(mut found) = self.broker.topics(&topics, TIMEOUT).await else { return Ok(false) };
        let Some(status) = found.pop() else { return Ok(false) };
        match status.partitions {
            Err(error) if is_refused(&error) => return Err(error),
            Err(_) => return Ok(false),
            Ok(_) if status.without_leader.contains(&partition.partition) => {
                let ours = group.assigned_of(&partition.topic, &status.without_leader);
                return Err(BrokerError::no_leader(&partition.topic, &ours));
            }
            Ok(_) => {}
        }
        let at = std::slice::from_ref(partition);
        let Ok(watermarks) = self.broker.watermarks(at, TIMEOUT).await else { return Ok(false) };
        let Ok(ends) = watermarks.into_iter().collect::<Result<Vec<_>, _>>() else {
            return Ok(false);
        };
        let ends = ends.into_iter().map(|one| (one.partition, one.end, None));
        let request = ReadRequest { partitions: ends.collect(), follow: true };
        let Ok(mut reader) = self.broker.read(request) else { return Ok(false) };
        match timeout(REFUSED_WITHIN, reader.next()).await {
            Ok(Some(Err(error))) if is_refused(&error) => Err(error),
            Ok(Some(Err(_))) => Ok(false),
            Ok(_) | Err(_) => Ok(true),
        }
    }

    fn fetch_failed(
        &self,
        group: &GroupHealth,
        topic: &TopicName,
        partitions: &[i32],
        error: &BrokerError,
    ) {
        self.notify(group, &Observation::FetchFailed { topic, partitions, error });
    }

    fn notify(&self, group: &GroupHealth, observation: &Observation<'_>) {
        if let Some(observers) = self.observers.get(group.group()) {
            observers.notify(observation);
        }
    }
}

fn is_refused(error: &BrokerError) -> bool {
    matches!(error, BrokerError::Unauthorised(_) | BrokerError::UnknownTopic(_))
}

type Ends = Vec<(TopicPartition, NextOffset, NextOffset)>;
type Failed = Vec<(TopicPartition, BrokerError)>;

//! Partitions whose topic was deleted and recreated: what is committed of them is the beginning. And those of
//! another cluster, of which nothing is committed.

use std::sync::PoisonError;
use std::time::{Duration, Instant};

use super::GroupContext;
use crate::broker::kafka::topic_ids::{Changed, Changes, TopicIds};
use crate::broker::{ConsumerEvent, OffsetReset, Progress, ResetReason};
use crate::delivery::TopicPartition;

/// How long the ids are waited for before a last commit: a broker that is away is not worth more.
const ONCE_MORE: Duration = Duration::from_secs(1);

impl GroupContext {
    /// Looks whether topics were recreated, when it is due.
    pub(in super::super) fn look_at_ids(&self) {
        let acknowledged = self.acknowledged();
        self.note_changes(|ids| self.with_assignment(|ours| ids.look(ours, acknowledged)));
    }

    /// Looks once more before the last commit of `partitions`, or of all: what was reached in the log before is no
    /// position in the new one, and nobody finds that out later. Without an answer it is not known.
    ///
    /// Also when nothing is left to commit: what the broker has acknowledged since the last answer may be in the
    /// new log.
    pub(in super::super) fn look_before_commit(
        &self,
        partitions: Option<&[TopicPartition]>,
        progress: &[Progress],
        deadline: Instant,
    ) {
        let (acknowledged, has_to_commit) = {
            let commits = self.commits.lock().unwrap_or_else(PoisonError::into_inner);
            let Some(commits) = commits.as_ref() else { return };
            (commits.acknowledged(), commits.has_to_commit(partitions, progress))
        };
        let has_unchecked = {
            let ids = self.topic_ids.lock().unwrap_or_else(PoisonError::into_inner);
            ids.as_ref().is_some_and(|ids| ids.has_unchecked(acknowledged))
        };
        if !has_to_commit && !has_unchecked {
            return;
        }
        let topics = self.with_assignment(|ours| ours.topics());
        if !topics.is_empty() {
            let until = deadline.min(Instant::now() + ONCE_MORE);
            self.note_changes(|ids| ids.look_now(&topics, acknowledged, until));
        }
    }

    fn acknowledged(&self) -> u64 {
        let commits = self.commits.lock().unwrap_or_else(PoisonError::into_inner);
        commits.as_ref().map_or(0, |commits| commits.acknowledged())
    }

    fn note_changes(&self, look: impl FnOnce(&mut TopicIds) -> Changes) {
        let changes = {
            let mut ids = self.topic_ids.lock().unwrap_or_else(PoisonError::into_inner);
            ids.as_mut().map(look).unwrap_or_default()
        };
        self.apply(changes);
    }

    pub(super) fn apply(&self, changes: Changes) {
        if changes == Changes::default() {
            return;
        }
        let (group, is_ending) = (self.last_error.group(), self.is_ending());
        let goes_on = |how: &str| match is_ending {
            true => format!("{group} is left"),
            false => format!("{group} is joined again{how}"),
        };
        self.state().needs_client = true;
        if let Some((before, now)) = changes.clusters {
            self.change_assignment(|ours| ours.leave_cluster());
            // All members meet it.
            if self.emitted.is_due(format!("cluster {now}")) {
                tracing::warn!(
                    %before, %now,
                    "the addresses lead to another cluster than before, and no position of that one is committed: {}",
                    goes_on(", and goes on at the offsets that are committed now")
                );
            }
        }
        for Changed { topic, is_known } in changes.topics {
            if !is_known {
                tracing::warn!(%topic, "the topic has an id that it had not before: {}", goes_on(""));
                continue;
            }
            let begun = self.change_assignment(|ours| ours.make_anew(&topic));
            if !begun.is_empty() {
                tracing::warn!(
                    %topic,
                    "the topic was deleted and recreated, and its beginning is committed: {}",
                    goes_on("")
                );
            }
            for (reset, begins) in begun {
                if reset.from != reset.to {
                    let event = ConsumerEvent::OffsetReset(reset.clone());
                    if is_ending || self.events.send(event).is_err() {
                        log_reset(&group, &reset);
                    }
                }
                self.commit_soon(vec![begins]);
            }
        }
    }

    /// Whether a topic of the member, or its cluster, is not the one that its client knows.
    pub(in super::super) fn needs_client(&self) -> bool {
        self.state().needs_client
    }
}

/// Logs a reset that nobody takes from the consumer any more.
pub(in super::super) fn log_reset(group: &str, reset: &OffsetReset) {
    let (partition, from, to) = (&reset.partition, reset.from, reset.to);
    let records = reset.records();
    match reset.reason {
        ResetReason::OutOfRange => tracing::error!(
            %partition, %from, %to, records,
            "{group}: offset out of range as the service ends: records were removed before they were read"
        ),
        ResetReason::LogTruncated => tracing::error!(
            %partition, %from, %to, records,
            "{group}: the log was truncated or its topic recreated as the service ends: the partition goes on at the offset `to`"
        ),
    }
}

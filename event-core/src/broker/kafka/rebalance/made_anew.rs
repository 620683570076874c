//! Partitions whose topic was deleted and recreated: what is committed of them is the beginning.

use std::sync::PoisonError;
use std::time::{Duration, Instant};

use super::GroupContext;
use crate::broker::kafka::topic_ids::{Changed, Changes, TopicIds};
use crate::broker::{ConsumerEvent, Progress};
use crate::delivery::TopicPartition;

/// How long the ids are waited for before a last commit: a broker that is away is not worth more.
const ONCE_MORE: Duration = Duration::from_secs(1);

impl GroupContext {
    /// Looks whether topics were recreated, when it is due.
    pub(in super::super) fn look_at_ids(&self) {
        self.note_changes(|ids| self.with_assignment(|ours| ids.look(ours)));
    }

    /// Looks once more before the last commit of `partitions`, or of all: what was reached in the log before is no
    /// position in the new one, and nobody finds that out later. Without an answer it is not known.
    pub(in super::super) fn look_before_commit(
        &self,
        partitions: Option<&[TopicPartition]>,
        progress: &[Progress],
        deadline: Instant,
    ) {
        let has_to_commit = {
            let commits = self.commits.lock().unwrap_or_else(PoisonError::into_inner);
            commits.as_ref().is_some_and(|commits| commits.has_to_commit(partitions, progress))
        };
        if !has_to_commit {
            return;
        }
        let topics = self.with_assignment(|ours| ours.topics());
        if !topics.is_empty() {
            let until = deadline.min(Instant::now() + ONCE_MORE);
            self.note_changes(|ids| ids.look_now(&topics, until));
        }
    }

    fn note_changes(&self, look: impl FnOnce(&mut TopicIds) -> Changes) {
        let changes = {
            let mut ids = self.topic_ids.lock().unwrap_or_else(PoisonError::into_inner);
            ids.as_mut().map(look).unwrap_or_default()
        };
        let group = || self.last_error.group();
        if let Some((before, now)) = changes.clusters
            && self.emitted.is_due(format!("cluster {now}"))
        {
            tracing::warn!(
                %before, %now,
                "the addresses lead to another cluster than before: topics have other ids there, and {} goes on where it is", group()
            );
        }
        for Changed { topic, is_known } in changes.topics {
            self.state().is_made_anew = true;
            if !is_known {
                tracing::warn!(%topic, "the topic has an id that it had not before: {} is joined again", group());
                continue;
            }
            let begun = self.change_assignment(|ours| ours.make_anew(&topic));
            if !begun.is_empty() {
                tracing::warn!(%topic, "the topic was deleted and recreated: {} is joined again", group());
            }
            for (reset, begins) in begun {
                if reset.from != reset.to {
                    self.emit(ConsumerEvent::OffsetReset(reset));
                }
                self.commit_soon(vec![begins]);
            }
        }
    }

    /// Whether a topic of the member is not the one that its client knows.
    pub(in super::super) fn is_made_anew(&self) -> bool {
        self.state().is_made_anew
    }
}

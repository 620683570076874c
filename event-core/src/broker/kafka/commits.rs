//! Commits in order: one at a time, the newest progress next.
//!
//! librdkafka holds a commit back while the coordinator is away and sends it later. A second one
//! under way could be overtaken by the first, which would turn the offset back.

use std::sync::Arc;
use std::time::{Duration, Instant};

use rdkafka::TopicPartitionList;
use rdkafka::consumer::{BaseConsumer, ConsumerContext};
use rdkafka::types::RDKafkaErrorCode as Code;
use rustc_hash::FxHashMap;

use super::assignment::Assignment;
use super::raw::CommitQueue;
use crate::broker::Progress;
use crate::delivery::TopicPartition;

/// The commits of one consumer, which they keep alive.
pub(super) struct Commits {
    queue: CommitQueue,
    /// How long the longest metadata is of the commit that is under way.
    open: Option<usize>,
    waiting: FxHashMap<TopicPartition, Progress>,
}

/// What became of a commit that was waited for.
pub(super) enum Settled {
    /// The broker has it, or there was nothing to commit.
    Committed,
    /// The broker refused it.
    Refused(Refused),
    /// There was no answer in time.
    TimedOut,
}

/// A commit that the broker refused.
#[derive(Clone, Copy, Debug)]
pub(super) struct Refused {
    pub(super) code: Code,
    /// How long the longest metadata of the commit was.
    pub(super) metadata_bytes: usize,
}

impl Commits {
    pub(super) fn new<C: ConsumerContext + 'static>(
        consumer: &Arc<BaseConsumer<C>>,
    ) -> Option<Commits> {
        let queue = CommitQueue::new(consumer)?;
        Some(Commits { queue, open: None, waiting: FxHashMap::default() })
    }

    /// Takes progress in, to be sent by [`Commits::advance`].
    pub(super) fn add(&mut self, progress: Vec<Progress>) {
        for done in progress {
            self.waiting.insert(done.partition.clone(), done);
        }
    }

    /// Sends what waits once the commit before it is answered; says why one failed.
    pub(super) fn advance(&mut self, ours: &Assignment) -> Option<Refused> {
        let failed = match self.hear(Duration::ZERO) {
            Some(Err(refused)) => Some(refused),
            Some(Ok(())) | None => None,
        };
        if self.open.is_some() || self.waiting.is_empty() {
            return failed;
        }
        let waiting: Vec<Progress> = self.waiting.drain().map(|(_, done)| done).collect();
        let Some(offsets) = ours.committable(&waiting) else {
            return failed;
        };
        self.send(&offsets, &waiting).err().or(failed)
    }

    /// Commits `progress`, and what waits for the same `partitions` (`None`: for all), and waits
    /// for the answer. Also says why the commit before it failed, if it did.
    pub(super) fn settle(
        &mut self,
        ours: &Assignment,
        partitions: Option<&[TopicPartition]>,
        progress: Vec<Progress>,
        timeout: Duration,
    ) -> (Settled, Option<Refused>) {
        let deadline = Instant::now() + timeout;
        let left = || deadline.saturating_duration_since(Instant::now());
        self.add(progress);
        let (now, later) = self.waiting.drain().partition(|(partition, _)| {
            partitions.is_none_or(|partitions| partitions.contains(partition))
        });
        self.waiting = later;
        let now: FxHashMap<TopicPartition, Progress> = now;
        let now: Vec<Progress> = now.into_values().collect();
        let before = match self.open.is_some().then(|| self.hear(left())) {
            Some(None) => return (Settled::TimedOut, None),
            Some(Some(Err(refused))) => Some(refused),
            Some(Some(Ok(()))) | None => None,
        };
        let Some(offsets) = ours.committable(&now) else {
            return (Settled::Committed, before);
        };
        if let Err(refused) = self.send(&offsets, &now) {
            return (Settled::Refused(refused), before);
        }
        let settled = match self.hear(left()) {
            None => Settled::TimedOut,
            Some(Ok(())) => Settled::Committed,
            Some(Err(refused)) => Settled::Refused(refused),
        };
        (settled, before)
    }

    fn send(&mut self, offsets: &TopicPartitionList, of: &[Progress]) -> Result<(), Refused> {
        let metadata_bytes = of.iter().map(|done| done.metadata.len()).max().unwrap_or_default();
        self.queue.commit(offsets).map_err(|code| Refused { code, metadata_bytes })?;
        self.open = Some(metadata_bytes);
        Ok(())
    }

    fn hear(&mut self, timeout: Duration) -> Option<Result<(), Refused>> {
        let metadata_bytes = self.open?;
        let answer = self.queue.answer(timeout)?;
        self.open = None;
        Some(answer.map_err(|code| Refused { code, metadata_bytes }))
    }
}

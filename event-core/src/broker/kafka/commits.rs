//! Commits in order: one at a time, the newest progress next.
//!
//! librdkafka holds a commit back while the coordinator is away and sends it later. A second one
//! under way could be overtaken by the first, which would turn the offset back.

use std::sync::Arc;
use std::time::{Duration, Instant};

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
    /// The commit that is under way.
    open: Option<Vec<Progress>>,
    waiting: FxHashMap<TopicPartition, Progress>,
}

/// What became of a commit that was waited for.
pub(super) enum Settled {
    /// The broker has it. Empty when there was nothing to commit.
    Committed(Vec<Progress>),
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

/// What became of a commit.
pub(super) type Answer = Result<Vec<Progress>, Refused>;

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

    /// Sends what waits once the commit before it is answered; says what was answered.
    pub(super) fn advance(&mut self, ours: &Assignment) -> Vec<Answer> {
        let mut answers: Vec<Answer> = self.hear(Duration::ZERO).into_iter().collect();
        if self.open.is_none() && !self.waiting.is_empty() {
            let waiting = self.waiting.drain().map(|(_, done)| done).collect();
            answers.extend(self.send(ours, waiting).err().map(Err));
        }
        answers
    }

    /// Commits `progress`, and what waits for the same `partitions` (`None`: for all), and waits
    /// for the answer. Also says what became of the commit before it, if there was one.
    pub(super) fn settle(
        &mut self,
        ours: &Assignment,
        partitions: Option<&[TopicPartition]>,
        progress: Vec<Progress>,
        timeout: Duration,
    ) -> (Settled, Option<Answer>) {
        let deadline = Instant::now() + timeout;
        let left = || deadline.saturating_duration_since(Instant::now());
        self.add(progress);
        let (now, later) = self.waiting.drain().partition(|(partition, _)| {
            partitions.is_none_or(|partitions| partitions.contains(partition))
        });
        self.waiting = later;
        let now: FxHashMap<TopicPartition, Progress> = now;
        let before = match self.open.is_some().then(|| self.hear(left())) {
            Some(None) => return (Settled::TimedOut, None),
            Some(answer) => answer,
            None => None,
        };
        if let Err(refused) = self.send(ours, now.into_values().collect()) {
            return (Settled::Refused(refused), before);
        }
        if self.open.is_none() {
            return (Settled::Committed(Vec::new()), before);
        }
        let settled = match self.hear(left()) {
            None => Settled::TimedOut,
            Some(Ok(committed)) => Settled::Committed(committed),
            Some(Err(refused)) => Settled::Refused(refused),
        };
        (settled, before)
    }

    /// Sends what may be committed, if anything may.
    fn send(&mut self, ours: &Assignment, mut progress: Vec<Progress>) -> Result<(), Refused> {
        progress.retain(|done| ours.is_current(&done.partition, done.epoch));
        let Some(offsets) = ours.committable(&progress) else { return Ok(()) };
        match self.queue.commit(&offsets) {
            Ok(()) => {
                self.open = Some(progress);
                Ok(())
            }
            Err(code) => Err(Refused::new(code, &progress)),
        }
    }

    fn hear(&mut self, timeout: Duration) -> Option<Answer> {
        self.open.as_ref()?;
        let answer = self.queue.answer(timeout)?;
        let progress = self.open.take().unwrap_or_default();
        Some(match answer {
            Ok(()) => Ok(progress),
            Err(code) => Err(Refused::new(code, &progress)),
        })
    }
}

impl Refused {
    fn new(code: Code, progress: &[Progress]) -> Self {
        let metadata = progress.iter().map(|done| done.metadata.len());
        Refused { code, metadata_bytes: metadata.max().unwrap_or_default() }
    }
}

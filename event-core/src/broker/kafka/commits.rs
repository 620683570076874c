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
use super::trouble;
use crate::broker::Progress;
use crate::delivery::TopicPartition;

/// A failed commit is told after this, so that its repetition does not become a busy loop.
const FAILED_PAUSE: Duration = Duration::from_millis(200);

/// The commits of one consumer, which they keep alive.
pub(super) struct Commits {
    queue: CommitQueue,
    is_open: bool,
    waiting: FxHashMap<TopicPartition, Progress>,
    /// Why one failed, and when that is to be told.
    failure: Option<(Instant, Code)>,
}

/// What became of a commit that was waited for.
pub(super) enum Settled {
    /// The broker has it, or there was nothing to commit.
    Committed,
    /// The broker refused it.
    Refused(Code),
    /// There was no answer in time.
    TimedOut,
}

impl Commits {
    pub(super) fn new<C: ConsumerContext + 'static>(
        consumer: &Arc<BaseConsumer<C>>,
    ) -> Option<Commits> {
        let queue = CommitQueue::new(consumer)?;
        Some(Commits { queue, is_open: false, waiting: FxHashMap::default(), failure: None })
    }

    /// Takes progress in, to be sent by [`Commits::advance`].
    pub(super) fn add(&mut self, progress: Vec<Progress>) {
        for done in progress {
            self.waiting.insert(done.partition.clone(), done);
        }
    }

    /// Sends what waits once the commit before it is answered; says why one failed, a moment later.
    pub(super) fn advance(&mut self, ours: &Assignment) -> Option<Code> {
        if let Some(Err(code)) = self.hear(Duration::ZERO) {
            self.failed(code);
        }
        if !self.is_open && !self.waiting.is_empty() {
            let waiting: Vec<Progress> = self.waiting.drain().map(|(_, done)| done).collect();
            match ours.committable(&waiting).map(|offsets| self.queue.commit(&offsets)) {
                None => {}
                Some(Ok(())) => self.is_open = true,
                Some(Err(code)) => self.failed(code),
            }
        }
        let told = self.failure.take_if(|(due, _)| *due <= Instant::now());
        told.map(|(_, code)| code)
    }

    fn failed(&mut self, code: Code) {
        if trouble::is_member_over(code) {
            tracing::info!(%code, "a commit of a member that is over was dropped");
            return;
        }
        self.failure.get_or_insert((Instant::now() + FAILED_PAUSE, code));
    }

    /// Commits `progress`, and what waits for the same `partitions` (`None`: for all), and waits
    /// for the answer. Also says why the commit before it failed, if it did.
    pub(super) fn settle(
        &mut self,
        ours: &Assignment,
        partitions: Option<&[TopicPartition]>,
        progress: Vec<Progress>,
        timeout: Duration,
    ) -> (Settled, Option<Code>) {
        let deadline = Instant::now() + timeout;
        let left = || deadline.saturating_duration_since(Instant::now());
        self.add(progress);
        let (now, later) = self.waiting.drain().partition(|(partition, _)| {
            partitions.is_none_or(|partitions| partitions.contains(partition))
        });
        self.waiting = later;
        let now: FxHashMap<TopicPartition, Progress> = now;
        let now: Vec<Progress> = now.into_values().collect();
        let before = match self.is_open.then(|| self.hear(left())) {
            Some(None) => return (Settled::TimedOut, None),
            Some(Some(Err(code))) => Some(code),
            Some(Some(Ok(()))) | None => None,
        };
        let Some(offsets) = ours.committable(&now) else {
            return (Settled::Committed, before);
        };
        if let Err(code) = self.queue.commit(&offsets) {
            return (Settled::Refused(code), before);
        }
        self.is_open = true;
        let settled = match self.hear(left()) {
            None => Settled::TimedOut,
            Some(Ok(())) => Settled::Committed,
            Some(Err(code)) => Settled::Refused(code),
        };
        (settled, before)
    }

    fn hear(&mut self, timeout: Duration) -> Option<Result<(), Code>> {
        if !self.is_open {
            return None;
        }
        let answer = self.queue.answer(timeout)?;
        self.is_open = false;
        Some(answer)
    }
}

//! Commits in order: one at a time, the newest progress next.
//!
//! librdkafka holds a commit back while the coordinator is away and sends it later. A second one
//! under way could be overtaken by the first, which would turn the offset back.

use std::sync::{Arc, PoisonError};
use std::time::{Duration, Instant};

use rdkafka::consumer::{BaseConsumer, ConsumerContext};
use rdkafka::types::RDKafkaErrorCode as Code;
use rustc_hash::FxHashMap;

use super::assignment::Assignment;
use super::raw::CommitQueue;
use super::rebalance::GroupContext;
use super::trouble;
use crate::broker::{BrokerError, ConsumerEvent, Progress};
use crate::delivery::TopicPartition;

/// How long a commit that was refused for a while waits for its next try.
const COMMIT_PAUSE: Duration = Duration::from_millis(50);
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

    /// Whether something waits for one of these partitions.
    pub(super) fn waits_for(&self, partitions: &[TopicPartition]) -> bool {
        partitions.iter().any(|partition| self.waiting.contains_key(partition))
    }

    /// Commits `progress`, and what waits for the same `partitions` (`None`: for all), and waits
    /// for the answer. What is refused waits for another try. Also says why the commit before it failed, if it did.
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
        let answer = match self.queue.commit(&offsets) {
            Err(code) => Some(Err(code)),
            Ok(()) => {
                self.is_open = true;
                self.hear(left())
            }
        };
        let settled = match answer {
            None => Settled::TimedOut,
            Some(Ok(())) => Settled::Committed,
            Some(Err(code)) => {
                self.add(now);
                Settled::Refused(code)
            }
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

/// What happens between two tries of a commit that was refused for a while.
#[derive(Clone, Copy)]
pub(super) enum Repeat<'c> {
    /// Nothing of ours: inside a rebalance. The client follows its coordinator on a thread of its own,
    /// but a generation that is over stays so until the rebalance is answered.
    Alone,
    /// Rebalances are served, so that the group settles.
    Serving(&'c BaseConsumer<GroupContext>),
}

impl Repeat<'_> {
    fn helps(self, code: Code) -> bool {
        match self {
            Repeat::Alone => trouble::is_brief(code),
            Repeat::Serving(_) => trouble::is_brief(code) || trouble::is_rebalance(code),
        }
    }

    fn pause(self, pause: Duration) {
        match self {
            Repeat::Alone => std::thread::sleep(pause),
            Repeat::Serving(consumer) => {
                let until = Instant::now() + pause;
                while Instant::now() < until {
                    consumer.poll(Duration::from_millis(5));
                }
            }
        }
    }
}

impl GroupContext {
    /// Sends what is to be committed, and tells what failed.
    pub(super) fn advance_commits(&self) {
        let failed = {
            let mut commits = self.commits.lock().unwrap_or_else(PoisonError::into_inner);
            let commits = commits.as_mut();
            commits.and_then(|commits| self.with_assignment(|ours| commits.advance(ours)))
        };
        if let Some(code) = failed {
            let error = trouble::of_commit(code, &self.address, &self.heard);
            self.tell(ConsumerEvent::CommitFailed(error));
        }
    }

    /// Commits and waits for the answer, at most until `deadline`: for `partitions`, or for all. What is
    /// refused for a while only is tried again.
    pub(super) fn commit_until(
        &self,
        partitions: Option<&[TopicPartition]>,
        mut progress: Vec<Progress>,
        deadline: Instant,
        repeat: Repeat<'_>,
    ) -> Result<(), BrokerError> {
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            match self.try_commit(partitions, std::mem::take(&mut progress), left) {
                Settled::Committed => return Ok(()),
                Settled::Refused(code)
                    if repeat.helps(code) && Instant::now() + COMMIT_PAUSE < deadline =>
                {
                    tracing::info!(%code, "a commit is tried again");
                    repeat.pause(COMMIT_PAUSE);
                }
                Settled::Refused(code) => {
                    return Err(trouble::of_commit(code, &self.address, &self.heard));
                }
                Settled::TimedOut => {
                    let timed_out = || BrokerError::TimedOut {
                        what: "a commit".to_owned(),
                        last_heard: self.heard.reason(),
                    };
                    return Err(self.heard.refusal(&self.address).unwrap_or_else(timed_out));
                }
            }
        }
    }

    fn try_commit(
        &self,
        partitions: Option<&[TopicPartition]>,
        progress: Vec<Progress>,
        timeout: Duration,
    ) -> Settled {
        let mut commits = self.commits.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(commits) = commits.as_mut() else {
            return Settled::Committed;
        };
        let (settled, before) =
            self.with_assignment(|ours| commits.settle(ours, partitions, progress, timeout));
        if let Some(code) = before
            && !trouble::is_member_over(code)
        {
            let error = trouble::of_commit(code, &self.address, &self.heard);
            self.tell(ConsumerEvent::CommitFailed(error));
        }
        settled
    }
}

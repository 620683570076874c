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
use super::errors;
use super::raw::CommitQueue;
use super::rebalance::GroupContext;
use crate::broker::{BrokerError, ConsumerEvent, Progress};
use crate::delivery::TopicPartition;

/// How long a commit that was refused for a while waits for its next try.
const COMMIT_PAUSE: Duration = Duration::from_millis(50);
/// A failed commit is reported after this, so that its repetition does not become a busy loop.
const FAILED_PAUSE: Duration = Duration::from_millis(200);

/// The commits of one consumer, which they keep alive.
pub(super) struct Commits {
    queue: CommitQueue,
    /// The commit that is under way.
    open: Option<Vec<Progress>>,
    waiting: FxHashMap<TopicPartition, Progress>,
    /// What the broker has of each partition.
    committed: FxHashMap<TopicPartition, Progress>,
    /// How many commits it has acknowledged.
    acknowledged: u64,
    /// Why one failed, and when that is to be reported.
    failure: Option<(Instant, Refused)>,
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

/// The same with what was refused, for another try.
type Outcome<T = Vec<Progress>> = Result<T, (Refused, Vec<Progress>)>;

impl Commits {
    pub(super) fn new<C: ConsumerContext + 'static>(
        consumer: &Arc<BaseConsumer<C>>,
    ) -> Option<Commits> {
        let queue = CommitQueue::new(consumer)?;
        let (waiting, committed) = Default::default();
        Some(Commits { queue, open: None, waiting, committed, acknowledged: 0, failure: None })
    }

    /// Takes progress in, to be sent by [`Commits::advance`].
    pub(super) fn add(&mut self, progress: Vec<Progress>) {
        for done in progress {
            self.waiting.insert(done.partition.clone(), done);
        }
    }

    /// Sends what waits once the commit before it is answered; says what was answered, a failure a
    /// moment later.
    pub(super) fn advance(&mut self, ours: &Assignment) -> Vec<Answer> {
        let mut answers = Vec::new();
        match self.hear(Duration::ZERO) {
            Some(Ok(committed)) => answers.push(Ok(committed)),
            Some(Err((refused, _))) => self.failed(refused),
            None => {}
        }
        if self.open.is_none() && !self.waiting.is_empty() {
            let waiting = self.waiting.drain().map(|(_, done)| done).collect();
            if let Err((refused, _)) = self.send(ours, waiting) {
                self.failed(refused);
            }
        }
        let emitted = self.failure.take_if(|(due, _)| *due <= Instant::now());
        answers.extend(emitted.map(|(_, refused)| Err(refused)));
        answers
    }

    fn failed(&mut self, refused: Refused) {
        let code = refused.code;
        if errors::is_member_over(code) {
            tracing::info!(%code, "a commit of a member that is over was dropped");
            return;
        }
        self.failure.get_or_insert((Instant::now() + FAILED_PAUSE, refused));
    }

    /// Whether something waits for one of these partitions.
    pub(super) fn waits_for(&self, partitions: &[TopicPartition]) -> bool {
        partitions.iter().any(|partition| self.waiting.contains_key(partition))
    }

    /// Whether something of `partitions` (`None`: of all) is to be committed that the broker does not have.
    pub(super) fn has_to_commit(
        &self,
        partitions: Option<&[TopicPartition]>,
        progress: &[Progress],
    ) -> bool {
        let is_of = |done: &&Progress| {
            partitions.is_none_or(|partitions| partitions.contains(&done.partition))
        };
        let mut done = progress.iter().chain(self.waiting.values()).filter(is_of);
        self.open.is_some() || done.any(|done| self.committed.get(&done.partition) != Some(done))
    }

    /// How many commits the broker has acknowledged.
    pub(super) fn acknowledged(&self) -> u64 {
        self.acknowledged
    }

    /// Commits `progress`, and what waits for the same `partitions` (`None`: for all), and waits
    /// for the answer. What is refused waits for another try. Also says what became of the commit before
    /// it, if there was one.
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
            Some(Some(answer)) => Some(answer.map_err(|(refused, _)| refused)),
            None => None,
        };
        let sent = self.send(ours, now.into_values().collect());
        let answer = match sent {
            Ok(()) if self.open.is_none() => Some(Ok(Vec::new())),
            Ok(()) => self.hear(left()),
            Err(refused) => Some(Err(refused)),
        };
        let settled = match answer {
            None => Settled::TimedOut,
            Some(Ok(committed)) => Settled::Committed(committed),
            Some(Err((refused, progress))) => {
                self.add(progress);
                Settled::Refused(refused)
            }
        };
        (settled, before)
    }

    /// Sends what may be committed, if anything may.
    fn send(&mut self, ours: &Assignment, mut progress: Vec<Progress>) -> Outcome<()> {
        ours.current(&mut progress);
        // What the broker has already is not worth waiting for one that is away.
        progress.retain(|done| self.committed.get(&done.partition) != Some(done));
        let Some(offsets) = ours.committable(&progress) else { return Ok(()) };
        match self.queue.commit(&offsets) {
            Ok(()) => {
                // What it has is known again by its answer only.
                progress.iter().for_each(|done| drop(self.committed.remove(&done.partition)));
                self.open = Some(progress);
                Ok(())
            }
            Err(code) => Err((Refused::new(code, &progress), progress)),
        }
    }

    fn hear(&mut self, timeout: Duration) -> Option<Outcome> {
        self.open.as_ref()?;
        let answer = self.queue.answer(timeout)?;
        let progress = self.open.take().unwrap_or_default();
        Some(match answer {
            Ok(()) => {
                let committed = progress.iter().map(|done| (done.partition.clone(), done.clone()));
                self.committed.extend(committed);
                self.acknowledged += 1;
                Ok(progress)
            }
            Err(code) => Err((Refused::new(code, &progress), progress)),
        })
    }
}

impl Refused {
    fn new(code: Code, progress: &[Progress]) -> Self {
        let metadata = progress.iter().map(|done| done.metadata.len());
        Refused { code, metadata_bytes: metadata.max().unwrap_or_default() }
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
            Repeat::Alone => errors::is_brief(code),
            Repeat::Serving(_) => errors::is_brief(code) || errors::is_rebalance(code),
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
    /// Sends what is to be committed, and reports the answers.
    pub(super) fn advance_commits(&self) {
        let answers = {
            let mut commits = self.commits.lock().unwrap_or_else(PoisonError::into_inner);
            let commits = commits.as_mut();
            commits.map(|commits| self.with_assignment(|ours| commits.advance(ours)))
        };
        for answer in answers.unwrap_or_default() {
            self.emit_commit_result(answer);
        }
    }

    fn emit_commit_result(&self, answer: Answer) {
        match answer {
            Ok(committed) => self.emit_committed(committed),
            Err(refused) if errors::is_member_over(refused.code) => {}
            Err(refused) => {
                let error = errors::of_commit(refused, &self.address, &self.last_error);
                self.emit(ConsumerEvent::CommitFailed(error));
            }
        }
    }

    pub(super) fn emit_committed(&self, committed: Vec<Progress>) {
        if !committed.is_empty() {
            self.emit(ConsumerEvent::Committed(committed));
        }
    }

    /// Commits and waits for the answer, at most until `deadline`: for `partitions`, or for all. What is
    /// refused for a while only is retried.
    pub(super) fn commit_until(
        &self,
        partitions: Option<&[TopicPartition]>,
        mut progress: Vec<Progress>,
        deadline: Instant,
        repeat: Repeat<'_>,
    ) -> Result<Vec<Progress>, BrokerError> {
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            match self.try_commit(partitions, std::mem::take(&mut progress), left) {
                Settled::Committed(committed) => return Ok(committed),
                Settled::Refused(Refused { code, .. })
                    if repeat.helps(code) && Instant::now() + COMMIT_PAUSE < deadline =>
                {
                    tracing::info!(%code, "a commit is retried");
                    // Whoever waits may give up before the next try is answered.
                    self.last_error.note(code, &format!("a commit was refused: {code}"));
                    repeat.pause(COMMIT_PAUSE);
                }
                Settled::Refused(refused) => {
                    return Err(errors::of_commit(refused, &self.address, &self.last_error));
                }
                Settled::TimedOut => {
                    let timed_out = || BrokerError::TimedOut {
                        what: "a commit".to_owned(),
                        last_error: self.last_error.reason(),
                    };
                    return Err(self.last_error.refusal().unwrap_or_else(timed_out));
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
            return Settled::Committed(Vec::new());
        };
        let (settled, before) =
            self.with_assignment(|ours| commits.settle(ours, partitions, progress, timeout));
        if let Some(answer) = before {
            self.emit_commit_result(answer);
        }
        settled
    }
}

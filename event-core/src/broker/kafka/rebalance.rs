//! What happens when the group changes.
//!
//! rdkafka calls [`GroupContext::rebalance`] on the consumer thread, inside `poll`. On a
//! revocation it holds the group up until the records in hand are released, commits them, and
//! only then gives the partitions back, on every path: a member that never unassigns stalls its
//! whole group.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::{Duration, Instant};

use rdkafka::TopicPartitionList;
use rdkafka::client::ClientContext;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::consumer::{BaseConsumer, Consumer, ConsumerContext, RebalanceProtocol};
use rdkafka::error::KafkaError;
use rdkafka::types::RDKafkaRespErr;
use tokio::sync::mpsc::UnboundedSender;

use super::assignment::Assignment;
use super::budget::Budget;
use super::commits::{Commits, Settled};
use super::committed::{self, names};
use super::consumer::{Close, Command};
use super::raw::FetchQueue;
use super::trouble::{self, Heard};
use crate::broker::{BrokerError, ConsumerEvent, Progress, Pulse, Revocation};
use crate::delivery::TopicPartition;

/// The processor drains for the same time, but begins later: it has to hear of the revocation.
const DRAIN_MARGIN: Duration = Duration::from_secs(2);
/// How long a revocation waits for the answer to its commit, beyond the drain.
const COMMIT_DEADLINE: Duration = Duration::from_secs(5);

/// What the poll loop and the callbacks inside `poll` share. All of it runs on the consumer
/// thread, so the locks are never contended; none may be held across a `poll`.
pub(super) struct GroupContext {
    pub(super) address: String,
    pub(super) heard: Arc<Heard>,
    pub(super) events: UnboundedSender<ConsumerEvent>,
    pub(super) commands: Mutex<Receiver<Command>>,
    pub(super) sender: Sender<Command>,
    pub(super) drain_deadline: Duration,
    pub(super) budget: Arc<Budget>,
    pub(super) pulse: Arc<Pulse>,
    wants_metadata: bool,
    /// Where the messages of assigned partitions go. The poll loop owns it, because it keeps the
    /// client alive, and the client keeps this.
    pub(super) fetch_queue: Mutex<Weak<FetchQueue>>,
    /// Taken away by the poll loop at its end, because they keep the client alive.
    pub(super) commits: Mutex<Option<Commits>>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    assignment: Assignment,
    /// The consumer is being closed or abandoned: nobody listens any more.
    leaving: bool,
    /// A command that ended the wait of a revocation, for the poll loop.
    ending: Option<Ending>,
    revocations: u64,
    /// Records and errors of some partition come through `poll`.
    unforwarded: bool,
}

/// How a consumer ends.
pub(super) enum Ending {
    /// With a last commit.
    Close(Close),
    /// Without one.
    Abandon,
}

impl GroupContext {
    pub(super) fn new(
        address: String,
        events: UnboundedSender<ConsumerEvent>,
        (sender, commands): (Sender<Command>, Receiver<Command>),
        drain_deadline: Duration,
        budget: Arc<Budget>,
        wants_metadata: bool,
    ) -> Self {
        GroupContext {
            address,
            heard: Arc::default(),
            events,
            commands: Mutex::new(commands),
            sender,
            drain_deadline,
            budget,
            pulse: Arc::default(),
            wants_metadata,
            fetch_queue: Mutex::default(),
            commits: Mutex::default(),
            state: Mutex::default(),
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn with_assignment<T>(&self, read: impl FnOnce(&Assignment) -> T) -> T {
        read(&self.state().assignment)
    }

    pub(super) fn has_unforwarded(&self) -> bool {
        self.state().unforwarded
    }

    pub(super) fn take_ending(&self) -> Option<Ending> {
        self.state().ending.take()
    }

    pub(super) fn change_assignment<T>(&self, change: impl FnOnce(&mut Assignment) -> T) -> T {
        change(&mut self.state().assignment)
    }

    /// From now on nobody is told anything, and revocations wait for nobody.
    pub(super) fn leave(&self) {
        self.state().leaving = true;
    }

    /// Tells that the thread panicked; from then on it serves nobody.
    pub(super) fn fail(&self, panic: &(dyn Any + Send)) {
        let text = panic.downcast_ref::<&str>().copied();
        let text = text.or_else(|| panic.downcast_ref::<String>().map(String::as_str));
        let reason = format!("the consumer thread panicked: {}", text.unwrap_or("no reason given"));
        self.tell(ConsumerEvent::Trouble(BrokerError::Fatal(reason)));
        self.leave();
        // A close that comes now must not wait for an answer.
        *self.commands.lock().unwrap_or_else(PoisonError::into_inner) = channel().1;
    }

    pub(super) fn tell(&self, event: ConsumerEvent) {
        // Nobody listens once the consumer is dropped; its end is under way then.
        let _ = self.events.send(event);
    }

    pub(super) fn tell_committed(&self, committed: Vec<Progress>) {
        if !committed.is_empty() {
            self.tell(ConsumerEvent::Committed(committed));
        }
    }

    /// Commits and waits for the answer, at most for `timeout`: for `partitions`, or for all.
    pub(super) fn commit_now(
        &self,
        partitions: Option<&[TopicPartition]>,
        progress: Vec<Progress>,
        timeout: Duration,
    ) -> Result<Vec<Progress>, BrokerError> {
        let mut commits = self.commits.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(commits) = commits.as_mut() else {
            return Ok(Vec::new());
        };
        let (settled, before) = {
            let state = self.state();
            commits.settle(&state.assignment, partitions, progress, timeout)
        };
        match before {
            Some(Ok(committed)) => self.tell_committed(committed),
            Some(Err(refused)) if !trouble::is_member_over(refused.code) => {
                let error = trouble::of_commit(refused, &self.address, &self.heard);
                self.tell(ConsumerEvent::CommitFailed(error));
            }
            Some(Err(_)) | None => {}
        }
        match settled {
            Settled::Committed(committed) => Ok(committed),
            Settled::Refused(refused) => {
                Err(trouble::of_commit(refused, &self.address, &self.heard))
            }
            Settled::TimedOut => {
                Err(self.heard.refusal(&self.address).unwrap_or(BrokerError::TimedOut {
                    what: "a commit".to_owned(),
                    last_heard: self.heard.reason(),
                }))
            }
        }
    }

    /// Takes progress in, to be committed with the next one.
    pub(super) fn commit_soon(&self, progress: Vec<Progress>) {
        let mut commits = self.commits.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(commits) = commits.as_mut() {
            commits.add(progress);
        }
    }

    fn assign(&self, consumer: &BaseConsumer<Self>, list: &TopicPartitionList) {
        let partitions = names(list);
        // librdkafka goes on where this says, so that the offset and the metadata are of one commit.
        let wants_metadata = self.wants_metadata && !partitions.is_empty() && !self.state().leaving;
        let asked = wants_metadata.then(|| committed::ask(consumer, list, &self.heard));
        let (committed, trouble) = match asked {
            None => (None, None),
            Some(Ok(committed)) => (Some(committed), None),
            Some(Err(trouble)) => (None, Some(trouble)),
        };
        let epoch = self.change_assignment(|ours| {
            let epoch = ours.add(&partitions);
            self.budget.share_among(ours.len());
            epoch
        });
        let fetch_queue = self.fetch_queue.lock().unwrap_or_else(PoisonError::into_inner).upgrade();
        if let Some(queue) = fetch_queue {
            for partition in &partitions {
                if !queue.forward(partition.topic.as_str(), partition.partition) {
                    self.state().unforwarded = true;
                }
            }
        }
        let partitions = committed::with_committed(partitions, committed.as_ref());
        self.tell(ConsumerEvent::Assigned { partitions, epoch });
        if let Some(trouble) = trouble {
            self.tell(ConsumerEvent::Trouble(trouble));
        }
        let list = committed.as_ref().unwrap_or(list);
        let assigned = match consumer.rebalance_protocol() {
            RebalanceProtocol::Cooperative => consumer.incremental_assign(list),
            RebalanceProtocol::Eager | RebalanceProtocol::None => consumer.assign(list),
        };
        self.report(assigned, "taking partitions over");
        // The shares are smaller now, and of a partition that was ours before records may be
        // held still.
        self.pause_what_has_to(consumer);
    }

    /// Pauses the partitions that are above their share.
    pub(super) fn pause_what_has_to(&self, consumer: &BaseConsumer<Self>) {
        if let Some(list) = self.change_assignment(|ours| ours.take_pausing(&self.budget)) {
            self.report(consumer.pause(&list), "pausing");
            self.tell(ConsumerEvent::FetchPaused(names(&list)));
        }
    }

    fn revoke(&self, consumer: &BaseConsumer<Self>, list: &TopicPartitionList) {
        let partitions = names(list);
        let settled = catch_unwind(AssertUnwindSafe(|| self.settle(consumer, &partitions)));
        if settled.is_err() {
            tracing::error!("a revocation panicked; its partitions are given up uncommitted");
        }
        self.change_assignment(|ours| {
            ours.remove(&partitions);
            self.budget.share_among(ours.len());
        });
        let unassigned = match consumer.rebalance_protocol() {
            RebalanceProtocol::Cooperative => consumer.incremental_unassign(list),
            RebalanceProtocol::Eager | RebalanceProtocol::None => consumer.unassign(),
        };
        self.report(unassigned, "giving partitions up");
    }

    /// Tells of a revocation, waits for the release and commits it.
    fn settle(&self, consumer: &BaseConsumer<Self>, partitions: &[TopicPartition]) {
        if partitions.is_empty() || self.state().leaving {
            return;
        }
        let lost = consumer.assignment_lost();
        let number = {
            let mut state = self.state();
            state.revocations += 1;
            state.revocations
        };
        let release = Release { number, sender: Some(self.sender.clone()) };
        let revocation = Revocation::new(partitions.to_vec(), lost, move |progress| {
            release.send(progress);
        });
        self.tell(ConsumerEvent::Revoked(revocation));
        if lost {
            return;
        }
        // All of this is one poll.
        self.pulse.hold(self.drain_deadline + DRAIN_MARGIN + COMMIT_DEADLINE);
        let released = self.wait_for_release(number);
        let released: Vec<Progress> =
            released.into_iter().filter(|done| partitions.contains(&done.partition)).collect();
        match self.commit_now(Some(partitions), released, COMMIT_DEADLINE) {
            Ok(committed) => self.tell_committed(committed),
            Err(error) => self.tell(ConsumerEvent::CommitFailed(error)),
        }
    }

    /// Waits for the release of a revocation. What is committed meanwhile goes with it; a close brings its own
    /// progress, and a consumer that is dropped has none.
    fn wait_for_release(&self, number: u64) -> Vec<Progress> {
        let deadline = Instant::now() + self.drain_deadline + DRAIN_MARGIN;
        let commands = self.commands.lock().unwrap_or_else(PoisonError::into_inner);
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            match commands.recv_timeout(left) {
                Ok(Command::Release { number: released, progress }) if released == number => {
                    return progress;
                }
                Ok(Command::Release { .. }) => {}
                Ok(Command::Commit(progress)) => self.commit_soon(progress),
                Ok(Command::Close(close)) => {
                    let progress = close.progress.clone();
                    self.state().ending = Some(Ending::Close(close));
                    return progress;
                }
                Ok(Command::Abandon) => {
                    self.state().ending = Some(Ending::Abandon);
                    return Vec::new();
                }
                Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => {
                    tracing::warn!(
                        "records of revoked partitions were not released in time; the next owner repeats them"
                    );
                    return Vec::new();
                }
            }
        }
    }

    pub(super) fn report(&self, result: Result<(), KafkaError>, what: &str) {
        if let Err(error) = result {
            let reason = match &error {
                KafkaError::Subscription(reason) | KafkaError::PauseResume(reason) => {
                    reason.clone()
                }
                other => other.to_string(),
            };
            self.tell(ConsumerEvent::Trouble(BrokerError::Other(format!("{what}: {reason}"))));
        }
    }
}

impl ClientContext for GroupContext {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        trouble::log(level, facility, message);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        if let Some(code) = error.rdkafka_error_code() {
            self.heard.note(code, reason);
        }
    }
}

impl ConsumerContext for GroupContext {
    fn rebalance(
        &self,
        consumer: &BaseConsumer<Self>,
        what: RDKafkaRespErr,
        list: &mut TopicPartitionList,
    ) {
        match what {
            RDKafkaRespErr::RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS => self.assign(consumer, list),
            _ => self.revoke(consumer, list),
        }
    }
}

/// Releases a revocation, also when the revocation is dropped unheard.
struct Release {
    number: u64,
    sender: Option<Sender<Command>>,
}

impl Release {
    fn send(mut self, progress: Vec<Progress>) {
        if let Some(sender) = self.sender.take() {
            // The thread may have stopped waiting long ago.
            let _ = sender.send(Command::Release { number: self.number, progress });
        }
    }
}

impl Drop for Release {
    fn drop(&mut self) {
        if let Some(sender) = self.sender.take() {
            let _ = sender.send(Command::Release { number: self.number, progress: Vec::new() });
        }
    }
}

#[cfg(test)]
mod tests;

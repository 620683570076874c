//! What happens when the group changes.
//!
//! rdkafka calls [`GroupContext::rebalance`] on the consumer thread, inside `poll`. On a
//! revocation it holds the group up until the records in flight are released, commits them, and
//! only then gives the partitions back, on every path: a member that never unassigns stalls its
//! whole group.

mod recreated;

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
use rustc_hash::FxHashMap;
use tokio::sync::mpsc::UnboundedSender;

use super::assignment::Assignment;
use super::begin_at_end::begin_at_the_end;
use super::budget::Budget;
use super::commits::{Commits, Repeat};
use super::committed::{self, names};
use super::consumer::{Close, Command};
use super::errors::{self, LastError};
use super::open_clients::OpenClient;
use super::positions;
use super::queues::Queues;
use super::raw::FetchQueue;
use super::topic_ids::TopicIds;
use crate::broker::{
    BrokerError, ConsumerEvent, Heartbeat, OutOfRange, PartitionEvent, Progress, Revocation,
};
use crate::delivery::{Epoch, NextOffset, RecordBatch, TopicPartition};
pub(super) use recreated::log_reset;

/// The processor drains for the same time, but begins later: it has to hear of the revocation.
const DRAIN_MARGIN: Duration = Duration::from_secs(2);
/// The same error is reported again after this.
const REPEAT_AFTER: Duration = Duration::from_secs(10);
/// How often commits are looked after while a release is waited for.
const RELEASE_POLL: Duration = Duration::from_millis(20);
/// How long a revocation waits for the answer to its commit, beyond the drain.
const COMMIT_TIMEOUT: Duration = Duration::from_secs(5);

/// What the poll loop and the callbacks inside `poll` share. All of it runs on the consumer
/// thread, so the locks are never contended; none may be locked across a `poll`.
pub(super) struct GroupContext {
    pub(super) address: String,
    pub(super) last_error: Arc<LastError>,
    pub(super) events: UnboundedSender<ConsumerEvent>,
    pub(super) commands: Mutex<Receiver<Command>>,
    pub(super) sender: Sender<Command>,
    pub(super) drain_timeout: Duration,
    pub(super) budget: Arc<Budget>,
    pub(super) heartbeat: Arc<Heartbeat>,
    wants_metadata: bool,
    /// The errors that the members of one consumer emitted.
    pub(super) emitted: Arc<EmittedErrors>,
    pub(super) out_of_range: OutOfRange,
    /// Where each partition has a queue of its own.
    pub(super) queues: Option<Arc<Queues>>,
    /// The member keeps its name, and its partitions, when it is restarted.
    pub(super) is_static: bool,
    /// Where the messages of assigned partitions go. The poll loop owns it, because it keeps the
    /// client alive, and the client keeps this.
    pub(super) fetch_queue: Mutex<Weak<FetchQueue>>,
    /// Taken away by the poll loop at its end, because they keep the client alive.
    pub(super) commits: Mutex<Option<Commits>>,
    /// The same.
    pub(super) topic_ids: Mutex<Option<TopicIds>>,
    state: Mutex<State>,
    _open: OpenClient,
}

#[derive(Default)]
struct State {
    assignment: Assignment,
    /// There was an assignment, perhaps an empty one.
    has_joined: bool,
    /// The consumer is being closed or abandoned: nobody listens any more.
    leaving: bool,
    /// A command that ended the wait of a revocation, for the poll loop.
    ending: Option<Ending>,
    /// Why a revocation during the last commit committed nothing.
    uncommitted: Option<BrokerError>,
    /// A topic of the member, or the cluster, is not the one that its client knows.
    needs_client: bool,
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
        drain_timeout: Duration,
        budget: Arc<Budget>,
        wants_metadata: bool,
    ) -> Self {
        GroupContext {
            address,
            last_error: Arc::default(),
            events,
            commands: Mutex::new(commands),
            sender,
            drain_timeout,
            budget,
            heartbeat: Arc::default(),
            wants_metadata,
            emitted: Arc::default(),
            out_of_range: OutOfRange::default(),
            queues: None,
            is_static: false,
            fetch_queue: Mutex::default(),
            commits: Mutex::default(),
            topic_ids: Mutex::default(),
            state: Mutex::default(),
            _open: OpenClient::new(),
        }
    }

    /// For another consumer of the same member, which has no partition. This one takes no command any more.
    pub(super) fn successor(&self) -> GroupContext {
        let mut commands = self.commands.lock().unwrap_or_else(PoisonError::into_inner);
        let state = {
            let mut before = self.state();
            // The epochs go on: what is committed in an old one is of other partitions.
            let assignment = std::mem::take(&mut before.assignment);
            State { assignment, has_joined: before.has_joined, ..State::default() }
        };
        let successor = GroupContext {
            last_error: Arc::clone(&self.last_error),
            emitted: Arc::clone(&self.emitted),
            heartbeat: Arc::clone(&self.heartbeat),
            out_of_range: self.out_of_range,
            queues: self.queues.clone(),
            is_static: self.is_static,
            state: Mutex::new(state),
            ..GroupContext::new(
                self.address.clone(),
                self.events.clone(),
                (self.sender.clone(), std::mem::replace(&mut *commands, channel().1)),
                self.drain_timeout,
                Arc::clone(&self.budget),
                self.wants_metadata,
            )
        };
        drop(commands);
        self.leave();
        successor
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

    /// Whether the consumer is being closed or dropped, and nobody takes its events.
    fn is_ending(&self) -> bool {
        let state = self.state();
        state.leaving || state.ending.is_some() || self.events.is_closed()
    }

    /// From now on no event is emitted, and no revocation waits.
    pub(super) fn leave(&self) {
        self.state().leaving = true;
    }

    /// Emits that the thread panicked; from then on it serves nobody.
    pub(super) fn fail(&self, panic: &(dyn Any + Send)) {
        let text = panic.downcast_ref::<&str>().copied();
        let text = text.or_else(|| panic.downcast_ref::<String>().map(String::as_str));
        let reason = format!("the consumer thread panicked: {}", text.unwrap_or("no reason given"));
        self.emit(ConsumerEvent::Error(BrokerError::Fatal(reason)));
        self.leave();
        // A close that comes now must not wait for an answer.
        *self.commands.lock().unwrap_or_else(PoisonError::into_inner) = channel().1;
    }

    /// Whether there was an assignment.
    pub(super) fn has_joined(&self) -> bool {
        self.state().has_joined
    }

    /// Emits an error that the client met by itself.
    pub(super) fn emit_error(&self, error: BrokerError) {
        self.emit(match self.has_joined() {
            true => ConsumerEvent::Error(error),
            false => ConsumerEvent::JoinFailed(error),
        });
    }

    pub(super) fn emit(&self, event: ConsumerEvent) {
        // Nobody listens once the consumer is dropped; its end is under way then.
        let _ = self.events.send(event);
    }

    /// Hands records of one partition over.
    pub(super) fn hand_over(&self, batch: RecordBatch) {
        let queue = self.with_assignment(|ours| ours.queue(batch.partition(), batch.epoch()));
        match queue {
            // Nobody reads it once its lane has ended: what it leaves is delivered again.
            Some(queue) => drop(queue.send(PartitionEvent::Records(batch))),
            None => self.emit(ConsumerEvent::Records(batch)),
        }
    }

    /// Emits that no record of a partition comes before `next`, behind the records before it.
    pub(super) fn emit_passed(&self, partition: TopicPartition, epoch: Epoch, next: NextOffset) {
        match self.with_assignment(|ours| ours.queue(&partition, epoch)) {
            Some(queue) => drop(queue.send(PartitionEvent::Passed(next))),
            None => self.emit(ConsumerEvent::Passed { partition, epoch, next }),
        }
    }

    /// Takes progress in, to be committed with the next one.
    pub(super) fn commit_soon(&self, progress: Vec<Progress>) {
        let mut commits = self.commits.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(commits) = commits.as_mut() {
            commits.add(progress);
        }
    }

    /// The group took the member in and has no partition for it, of which the new protocol says nothing.
    pub(super) fn join_without_partitions(&self) {
        self.last_error.note_answer();
        let epoch = self.change_assignment(|ours| ours.add(&[]));
        self.state().has_joined = true;
        self.emit(ConsumerEvent::Assigned { partitions: Vec::new(), epoch });
    }

    fn assign(&self, consumer: &BaseConsumer<Self>, list: &TopicPartitionList) {
        let partitions = names(list);
        self.last_error.note_answer();
        // librdkafka goes on where this says, so that the offset and the metadata are of one commit.
        // librdkafka would begin where a position that is not in the log goes on, also without one.
        let has_to_know = self.wants_metadata || self.out_of_range != OutOfRange::Earliest;
        let has_to_know = has_to_know && !partitions.is_empty() && !self.state().leaving;
        let asked = has_to_know.then(|| committed::ask(consumer, list, &self.last_error));
        let (mut committed, error) = match asked {
            None => (None, None),
            Some(Ok(committed)) => (Some(committed), None),
            Some(Err(error)) if self.out_of_range == OutOfRange::Earliest => (None, Some(error)),
            Some(Err(error)) => (None, Some(BrokerError::Fatal(error.to_string()))),
        };
        let assigned = committed::with_committed(partitions.clone(), committed.as_ref());
        let leader_epochs = committed::leader_epochs(&partitions, committed.as_ref());
        let mut resets = Vec::new();
        if let Some(committed) = &mut committed
            && self.out_of_range == OutOfRange::Latest
        {
            let begun = begin_at_the_end(consumer, committed).map(|found| resets = found);
            self.report(begun, "looking for the ends of partitions");
        }
        let epoch = self.change_assignment(|ours| {
            let before = ours.len();
            let epoch = ours.add(&partitions);
            for (one, leader_epoch) in assigned.iter().zip(&leader_epochs) {
                ours.advance(&one.partition, one.next, *leader_epoch);
                if let Some(next) = one.next {
                    ours.note_leader_epoch(&one.partition, next.0 - 1, *leader_epoch);
                }
            }
            for reset in &mut resets {
                reset.epoch = epoch;
                ours.advance(&reset.partition, Some(reset.to), None);
                ours.note_leader_epoch(&reset.partition, reset.to.0 - 1, None);
            }
            for partition in &partitions {
                if let Some(queues) = &self.queues {
                    ours.set_queue(partition, queues.open(partition, epoch));
                }
            }
            self.budget.add_partitions(ours.len() - before);
            epoch
        });
        if let Some(committed) = &mut committed {
            self.report(committed::begin_at_the_earliest(committed), "taking partitions over");
        }
        let fetch_queue = self.fetch_queue.lock().unwrap_or_else(PoisonError::into_inner).upgrade();
        if let Some(queue) = fetch_queue {
            for partition in &partitions {
                if !queue.forward(partition.topic.as_str(), partition.partition) {
                    self.state().unforwarded = true;
                }
            }
        }
        self.state().has_joined = true;
        self.emit(ConsumerEvent::Assigned { partitions: assigned, epoch });
        for reset in resets {
            let (partition, to) = (reset.partition.clone(), reset.to);
            self.emit(ConsumerEvent::OffsetReset(reset));
            self.emit_passed(partition, epoch, to);
        }
        if let Some(error) = error {
            self.emit(ConsumerEvent::Error(error));
        }
        let list = committed.as_ref().unwrap_or(list);
        let assigned = match consumer.rebalance_protocol() {
            RebalanceProtocol::Cooperative => consumer.incremental_assign(list),
            RebalanceProtocol::Eager | RebalanceProtocol::None => consumer.assign(list),
        };
        self.report(assigned, "taking partitions over");
        if let Some(committed) = &committed {
            self.report(positions::validate(consumer, committed), "checking positions");
        }
        // The shares are smaller now, and of a partition that was ours before records may still
        // be in flight.
        self.pause_what_has_to(consumer);
    }

    /// Pauses the partitions that are above their share.
    pub(super) fn pause_what_has_to(&self, consumer: &BaseConsumer<Self>) {
        if let Some(list) = self.change_assignment(|ours| ours.take_pausing(&self.budget)) {
            self.report(consumer.pause(&list), "pausing");
            self.emit(ConsumerEvent::FetchPaused(names(&list)));
        }
        self.undo_moves(consumer);
    }

    /// Whoever goes on where an error message moved librdkafka to skips a record.
    fn undo_moves(&self, consumer: &BaseConsumer<Self>) {
        if let Err(error) = positions::undo_moves(consumer) {
            let reason = format!("partitions could not go back to what was read: {error}");
            self.emit(ConsumerEvent::Error(BrokerError::Fatal(reason)));
        }
    }

    fn revoke(&self, consumer: &BaseConsumer<Self>, list: &TopicPartitionList) {
        let partitions = names(list);
        let settled = catch_unwind(AssertUnwindSafe(|| self.settle(consumer, &partitions)));
        if settled.is_err() {
            tracing::error!("a revocation panicked; its partitions are given up uncommitted");
        }
        let paused = self.change_assignment(|ours| {
            let before = ours.len();
            let paused = ours.remove(&partitions);
            self.budget.remove_partitions(before - ours.len());
            paused
        });
        // They fetch nothing for that: librdkafka pauses all partitions itself until it is answered.
        if let Some(paused) = paused {
            self.report(consumer.resume(&paused), "resuming");
        }
        let unassigned = match consumer.rebalance_protocol() {
            RebalanceProtocol::Cooperative => consumer.incremental_unassign(list),
            RebalanceProtocol::Eager | RebalanceProtocol::None => consumer.unassign(),
        };
        self.report(unassigned, "giving partitions up");
        self.undo_moves(consumer);
    }

    /// Emits a revocation, waits for the release and commits it.
    fn settle(&self, consumer: &BaseConsumer<Self>, partitions: &[TopicPartition]) {
        if partitions.is_empty() {
            return;
        }
        let lost = consumer.assignment_lost();
        if self.state().leaving {
            self.settle_leaving(partitions, lost);
            return;
        }
        let number = {
            let mut state = self.state();
            state.revocations += 1;
            state.revocations
        };
        let release = Release { number, sender: Some(self.sender.clone()) };
        let revocation = Revocation::new(partitions.to_vec(), lost, move |progress| {
            release.send(progress);
        });
        self.emit(ConsumerEvent::Revoked(revocation));
        if lost {
            return;
        }
        // All of this is one poll.
        self.heartbeat.hold(self.drain_timeout + DRAIN_MARGIN + COMMIT_TIMEOUT);
        let released = self.wait_for_release(number);
        let released: Vec<Progress> =
            released.into_iter().filter(|done| partitions.contains(&done.partition)).collect();
        // The client follows its group on a thread of its own.
        let deadline = Instant::now() + COMMIT_TIMEOUT;
        self.look_before_commit(Some(partitions), &released, deadline);
        match self.commit_until(Some(partitions), released, deadline, Repeat::Alone) {
            Ok(committed) => self.emit_committed(committed),
            Err(error) => self.emit(ConsumerEvent::CommitFailed(error)),
        }
    }

    /// The last commit was refused, and before it could be retried its partitions have to go.
    fn settle_leaving(&self, partitions: &[TopicPartition], lost: bool) {
        let waits = {
            let commits = self.commits.lock().unwrap_or_else(PoisonError::into_inner);
            commits.as_ref().is_some_and(|commits| commits.waits_for(partitions))
        };
        if !waits {
            return;
        }
        let deadline = Instant::now() + COMMIT_TIMEOUT;
        let committed = if lost {
            Err(BrokerError::Other("partitions were lost before the last commit".to_owned()))
        } else {
            self.commit_until(Some(partitions), Vec::new(), deadline, Repeat::Alone)
        };
        if let Err(error) = committed {
            self.state().uncommitted = Some(error);
        }
    }

    /// Why partitions that went during the last commit were not committed.
    pub(super) fn take_uncommitted(&self) -> Option<BrokerError> {
        self.state().uncommitted.take()
    }

    /// Waits for the release of a revocation. A close brings its own progress, and a consumer that is
    /// dropped has none.
    ///
    /// Commits go on meanwhile, also of the partitions that are kept. Fetching does not: librdkafka
    /// pauses every partition from before a revocation event until that is answered, and drops
    /// what it had fetched ahead of it.
    fn wait_for_release(&self, number: u64) -> Vec<Progress> {
        let deadline = Instant::now() + self.drain_timeout + DRAIN_MARGIN;
        let commands = self.commands.lock().unwrap_or_else(PoisonError::into_inner);
        loop {
            self.advance_commits();
            let left = deadline.saturating_duration_since(Instant::now());
            match commands.recv_timeout(left.min(RELEASE_POLL)) {
                Err(RecvTimeoutError::Timeout) if left > RELEASE_POLL => {}
                Ok(Command::Release { number: released, progress }) if released == number => {
                    return progress;
                }
                Ok(Command::Release { .. } | Command::Rejoin) => {}
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
            self.emit(ConsumerEvent::Error(BrokerError::Other(format!("{what}: {reason}"))));
        }
    }
}

impl ClientContext for GroupContext {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        self.last_error.note_log(facility, message);
        errors::log(level, facility, message);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        if let Some(code) = error.rdkafka_error_code() {
            self.last_error.note(code, reason);
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

/// When each kind of error was last emitted, by any member of a consumer: all meet the same ones.
#[derive(Default)]
pub(super) struct EmittedErrors(Mutex<FxHashMap<String, Instant>>);

impl EmittedErrors {
    /// Whether an error is due; then it counts as emitted.
    pub(super) fn is_due(&self, kind: String) -> bool {
        let mut emitted = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        let is_due = emitted.get(&kind).is_none_or(|emitted| now - *emitted >= REPEAT_AFTER);
        if is_due {
            emitted.insert(kind, now);
        }
        is_due
    }
}

/// Releases a revocation, also when the revocation is dropped unreceived.
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

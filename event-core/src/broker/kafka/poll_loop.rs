//! The consumer thread: it owns the client, always polls, and never runs a handler.
//!
//! Only this thread polls, so rebalances happen here too. Records leave it in batches; what
//! comes back are commands. It polls also while paused, or the group would evict the member.

mod membership;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, PoisonError};
use std::time::{Duration, Instant};

use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::KafkaError;
use rdkafka::topic_partition_list::Offset;
use rdkafka::types::RDKafkaErrorCode as Code;
use tokio::sync::oneshot;

use super::admin_client::EVENTS_AT_ONCE;
use super::assignment::Assignment;
use super::commits::Commits;
use super::committed::names;
use super::consumer::Command;
use super::hold::{Hold, Take};
use super::join_watch::JoinWatch;
use super::missing_topics::MissingTopics;
use super::open_batches::{LostPosition, OpenBatches};
use super::positions::{self, Positions};
use super::raw::{EventQueue, FetchQueue, MessageView};
use super::rebalance::{Ending, GroupContext};
use super::topic_ids::TopicIds;
use super::{KafkaSettings, errors};
use crate::broker::{BrokerError, ConsumerEvent};
use crate::delivery::{NextOffset, TopicPartition};
use crate::event::TopicName;
use membership::Rejoining;

/// How long an idle poll may keep a command waiting.
const IDLE_POLL: Duration = Duration::from_millis(20);
/// The same at the beginning of a pause, when every wait is a wait for memory.
const PAUSED_POLL: Duration = Duration::from_millis(2);
/// How many times messages are taken before commands and events are looked at.
const FETCHES_PER_TURN: usize = 8;
/// How many messages are taken at once at most.
const FETCH: usize = 512;
/// How long leaders may take to say what the logs of lost positions hold, all together.
const ASK_LOGS: Duration = Duration::from_secs(2);
/// How many bytes of messages are taken to see what lies behind them.
const LITTLE: usize = 256 << 10;

/// Why a member needs another client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Renewal {
    /// The group has not released its name.
    NameUnreleased,
    /// A topic was deleted and recreated, or the cluster is another one.
    Outdated,
}

pub(super) struct PollLoop {
    fetch_queue: Arc<FetchQueue>,
    events: EventQueue,
    open: OpenBatches,
    hold: Hold,
    rejoining: Option<Rejoining>,
    join_watch: JoinWatch,
    /// The last error that was emitted.
    last_error: Option<BrokerError>,
    missing_topics: MissingTopics,
    /// Why the member needs another client, when it does.
    renewal: Option<Renewal>,
    positions: Positions,
    // The last one to let it go drops the client: rdkafka then polls until it is closed, which can
    // take for ever when the broker is gone. Only this thread waits for it.
    consumer: Arc<BaseConsumer<GroupContext>>,
}

impl PollLoop {
    pub(super) fn new(
        consumer: BaseConsumer<GroupContext>,
        settings: KafkaSettings,
    ) -> Result<PollLoop, BrokerError> {
        let consumer = Arc::new(consumer);
        let (Some(commits), Some(fetch_queue), Some(events), Some(topic_ids), Some(missing_topics)) = (
            Commits::new(&consumer),
            FetchQueue::new(&consumer),
            EventQueue::new(&consumer),
            TopicIds::new(&consumer),
            MissingTopics::new(&consumer),
        ) else {
            return Err(BrokerError::Fatal("the consumer's queues could not be made".to_owned()));
        };
        let fetch_queue = Arc::new(fetch_queue);
        let context = consumer.context();
        *context.fetch_queue.lock().unwrap_or_else(PoisonError::into_inner) =
            Arc::downgrade(&fetch_queue);
        *context.commits.lock().unwrap_or_else(PoisonError::into_inner) = Some(commits);
        *context.topic_ids.lock().unwrap_or_else(PoisonError::into_inner) = Some(topic_ids);
        Ok(PollLoop {
            fetch_queue,
            events,
            open: OpenBatches::default(),
            hold: Hold::default(),
            rejoining: None,
            join_watch: JoinWatch::new(),
            last_error: None,
            missing_topics,
            renewal: None,
            positions: Positions::new(settings),
            consumer,
        })
    }

    fn context(&self) -> &GroupContext {
        self.consumer.context()
    }

    /// Polls until the consumer is closed or dropped. Gives the context for another one where the member
    /// needs another client, and why.
    pub(super) fn run(mut self) -> Option<(GroupContext, Renewal)> {
        let left = catch_unwind(AssertUnwindSafe(|| self.serve())).unwrap_or_else(|panic| {
            // Emitted before the client is dropped: that can take for ever, and nobody would know why.
            self.context().fail(panic.as_ref());
            None
        });
        let again = self.renewal.take().map(|why| (self.context().successor(), why));
        // rdkafka closes the consumer and polls for what that takes. Closed by us before, it would log
        // that as an error.
        drop(self);
        if let Some(left) = left {
            let _ = left.send(());
        }
        again
    }

    /// Gives the sender that confirms that the group is left.
    fn serve(&mut self) -> Option<oneshot::Sender<()>> {
        let ending = loop {
            self.context().heartbeat.beat();
            if let Some(ending) = self.handle_command() {
                break ending;
            }
            self.context().advance_commits();
            self.rejoin();
            self.serve_events();
            self.resume();
            self.take_messages();
            self.watch_join();
            self.look_at_positions();
            self.leave_when_outdated();
            if self.renewal.is_some() {
                return None;
            }
        };
        self.context().leave();
        match ending {
            Ending::Close(close) => Some(self.close(close)),
            Ending::Abandon => None,
        }
    }

    fn handle_command(&mut self) -> Option<Ending> {
        loop {
            if let Some(ending) = self.context().take_ending() {
                return Some(ending);
            }
            let command = {
                let commands = &self.context().commands;
                commands.lock().unwrap_or_else(PoisonError::into_inner).try_recv().ok()?
            };
            match command {
                Command::Commit(progress) => self.context().commit_soon(progress),
                Command::Rejoin => self.leave_to_rejoin(),
                // Of a revocation that was not waited for any longer.
                Command::Release { .. } => {}
                Command::Close(close) => return Some(Ending::Close(close)),
                Command::Abandon => return Some(Ending::Abandon),
            }
        }
    }

    fn resume(&self) {
        let context = self.context();
        let resumed = context.change_assignment(|ours| {
            if ours.has_paused() { ours.take_resuming(&context.budget) } else { None }
        });
        if let Some(list) = resumed {
            context.report(self.consumer.resume(&list), "resuming");
            context.emit(ConsumerEvent::FetchResumed(names(&list)));
        }
    }

    /// Serves rebalances, errors and log lines. Messages come this way only when their partition
    /// could not be forwarded.
    fn serve_events(&mut self) {
        for _ in 0..EVENTS_AT_ONCE {
            let failed = match self.consumer.poll(Duration::ZERO) {
                // After a log line or a rebalance, too: so no open batch ever spans two epochs.
                None => {
                    self.hand_over_all();
                    if self.events.len() == 0 {
                        return;
                    }
                    None
                }
                Some(Ok(message)) => {
                    let context = self.consumer.context();
                    self.open.collect(context, &self.fetch_queue, MessageView::of(&message));
                    None
                }
                Some(Err(error)) => Some(error),
            };
            if let Some(error) = failed
                && let Some(code) = error.rdkafka_error_code()
            {
                if errors::is_damage(code) && self.context().has_unforwarded() {
                    self.stop_all(code);
                    continue;
                }
                let is_fatal = matches!(error, KafkaError::MessageConsumptionFatal(_));
                self.emit_client_error(code, None, is_fatal);
            }
        }
        self.hand_over_all();
    }

    /// Takes messages until there is none, or the lanes have enough, and hands over what was collected.
    /// When there is nothing to do this is where the thread waits.
    fn take_messages(&mut self) {
        let context = self.consumer.context();
        let enough = context.budget.turn_bytes();
        let log = |partition: &TopicPartition| {
            self.fetch_queue.log(partition.topic.as_str(), partition.partition)
        };
        let now = Instant::now();
        let need = context.change_assignment(|ours| ours.need(&context.budget, now, log));
        match self.hold.take(need, now) {
            Take::All => {}
            Take::Little => {
                self.fetch(Duration::ZERO, self.fetch_size(enough.min(LITTLE)));
                return self.hand_over_all();
            }
            Take::Nothing => {
                let in_flight = self.context().budget.in_flight();
                return std::thread::sleep(self.hold.poll(in_flight));
            }
        }
        let mut taken = self.fetch(Duration::ZERO, self.fetch_size(enough));
        if taken == 0 {
            let paused = self.context().with_assignment(Assignment::paused_since);
            let wait = paused.map_or(IDLE_POLL, |since| paused_poll(since.elapsed()));
            taken = self.fetch(wait, 1);
            if taken == 0 {
                return;
            }
        }
        for _ in 1..FETCHES_PER_TURN {
            let bytes = taken * self.open.expected.record_bytes().unwrap_or(0);
            let more = match bytes < enough {
                true => self.fetch(Duration::ZERO, self.fetch_size(enough - bytes)),
                false => 0,
            };
            if more == 0 {
                break;
            }
            taken += more;
        }
        self.hand_over_all();
    }

    /// How many messages are `bytes`, going by the size of the last ones, if the budget has room for them.
    fn fetch_size(&self, bytes: usize) -> usize {
        let room = self.context().budget.room().min(bytes);
        let room = room.saturating_sub(self.open.size_bytes());
        match self.open.expected.record_bytes() {
            Some(bytes) => (room / bytes).clamp(1, FETCH),
            None => 1,
        }
    }

    fn fetch(&mut self, timeout: Duration, max: usize) -> usize {
        let context = self.consumer.context();
        let (open, queue) = (&mut self.open, &self.fetch_queue);
        open.begin_fetch();
        let mut errors = Vec::new();
        let count = queue.fetch(timeout, max, |message| {
            let Some((code, reason)) = message.error() else {
                return open.collect(context, queue, message);
            };
            let (topic, partition) = (message.topic(), message.partition());
            let is_gone = matches!(
                code,
                Code::UnknownTopic | Code::UnknownTopicOrPartition | Code::UnknownPartition
            );
            let offset = message.offset();
            context.change_assignment(|ours| ours.note_error(topic, partition, offset, is_gone));
            match code {
                Code::AutoOffsetReset => open.lose(context, message, &reason),
                _ if errors::is_damage(code) => open.stop(context, message, code, &reason),
                _ => errors.push((code, reason, topic.to_owned(), partition)),
            }
        });
        let mut failing: Vec<(Code, TopicName, Vec<i32>)> = Vec::new();
        for (code, reason, topic, partition) in errors {
            self.context().last_error.note(code, &reason);
            match TopicName::foreign(&topic) {
                Ok(topic) if errors::keeps_from_fetching(code) => {
                    let before =
                        failing.iter_mut().find(|(of, name, _)| *of == code && *name == topic);
                    match before {
                        Some((.., partitions)) => partitions.push(partition),
                        None => failing.push((code, topic, vec![partition])),
                    }
                }
                _ => self.emit_client_error(code, Some(&topic), false),
            }
        }
        for (code, topic, partitions) in failing {
            self.emit_fetch_failed(code, topic, partitions);
        }
        self.report_lost();
        self.go_back();
        self.pause();
        count
    }

    /// Reports positions that are not in the log any more, with what the log holds.
    fn report_lost(&mut self) {
        // The service ends because of the first, and its commits and heartbeats wait for all.
        let deadline = Instant::now() + ASK_LOGS;
        for LostPosition { partition, from, reason } in std::mem::take(&mut self.open.lost) {
            let topic = partition.topic.as_str();
            let left = deadline.saturating_duration_since(Instant::now());
            let log = match left.is_zero() {
                true => None,
                false => self.consumer.fetch_watermarks(topic, partition.partition, left).ok(),
            };
            let context = self.consumer.context();
            let group = context.last_error.group();
            let error = errors::of_lost_position(&group, &partition, from, log, &reason);
            context.emit(ConsumerEvent::Error(error));
        }
    }

    /// Takes note of how far partitions were read beyond their last records.
    fn look_at_positions(&mut self) {
        let leaves_messages = self.hold.is_on();
        for passed in self.positions.passed(&self.consumer, &self.fetch_queue, leaves_messages) {
            let sought = passed.is_sought.then(|| (passed.partition.clone(), passed.to));
            self.open.pass(self.consumer.context(), &self.fetch_queue, passed);
            if let Some((partition, to)) = sought {
                let sought = positions::seek_one(&self.consumer, &partition, Offset::Offset(to.0));
                self.context().report(sought, "going to the end");
            }
        }
        self.go_back();
    }

    /// Lets partitions whose log was truncated go on where it differs from what was read.
    fn go_back(&mut self) {
        if self.open.cut_off.is_empty() {
            return;
        }
        self.open.hand_over_all(self.consumer.context());
        let mut cut_offs = std::mem::take(&mut self.open.cut_off);
        positions::ask_epochs(&self.consumer, &mut cut_offs);
        for cut_off in cut_offs {
            let (reset, to) = positions::after(&self.consumer, &self.fetch_queue, cut_off);
            let context = self.consumer.context();
            context.emit(ConsumerEvent::OffsetReset(reset.clone()));
            if let Some(next) = to.to_raw().map(NextOffset) {
                context.emit_passed(reset.partition.clone(), reset.epoch, next);
            }
            // librdkafka would go on at the old position after a pause, and that is not to be taken for read.
            if let Err(error) = positions::seek(&self.consumer, &reset, to) {
                let TopicPartition { topic, partition } = &reset.partition;
                context.change_assignment(|ours| ours.stop(topic.as_str(), *partition));
                self.open.has_to_pause = true;
                let reason =
                    format!("{topic}/{partition} could not go back to {}: {error}", reset.to);
                context.emit(ConsumerEvent::Error(BrokerError::Fatal(reason)));
            }
        }
    }

    fn hand_over_all(&mut self) {
        self.open.hand_over_all(self.consumer.context());
        self.pause();
    }

    fn pause(&mut self) {
        if std::mem::take(&mut self.open.has_to_pause) {
            // What goes back to what was read has to know all that was.
            self.open.hand_over_all(self.consumer.context());
            self.open.has_to_pause = false;
            self.context().pause_what_has_to(&self.consumer);
        }
    }

    /// This way nobody says which partition is damaged.
    fn stop_all(&mut self, code: Code) {
        self.open.hand_over_all(self.consumer.context());
        let context = self.consumer.context();
        context.change_assignment(Assignment::stop_all);
        self.open.has_to_pause = true;
        let reason = context.last_error.reason();
        context.emit(ConsumerEvent::Error(errors::of_damage(None, code, &reason)));
    }

    fn emit_fetch_failed(&self, code: Code, topic: TopicName, partitions: Vec<i32>) {
        let context = self.consumer.context();
        let name = Some(topic.as_str());
        let error = errors::of_client(code, name, &context.address, &context.last_error);
        context.emit(ConsumerEvent::FetchFailed { topic, partitions, error });
    }

    fn emit_client_error(&mut self, code: Code, topic: Option<&str>, is_fatal: bool) {
        // Every member meets it when another one joins, and it follows the group by itself.
        if errors::is_rebalance(code) && !is_fatal {
            tracing::debug!(target: "librdkafka", %code, "the group is changing");
            return;
        }
        let context = self.consumer.context();
        // A topic that the member subscribes to, and that is not to be had any more.
        let gone = errors::topic_in(&context.last_error.reason());
        if let Some(Ok(topic)) = gone.map(|topic| TopicName::foreign(&topic))
            && errors::keeps_from_fetching(code)
            && context.has_joined()
        {
            self.emit_fetch_failed(code, topic, Vec::new());
            return;
        }
        let error = if is_fatal {
            let (code, reason) = match self.consumer.client().fatal_error() {
                Some(fatal) => fatal,
                None => (code, context.last_error.reason()),
            };
            if code == Code::UnreleasedInstanceId && !context.has_joined() {
                self.renewal = Some(Renewal::NameUnreleased);
                return;
            }
            errors::of_fatal(code, &reason, &context.last_error)
        } else {
            errors::of_client(code, topic, &context.address, &context.last_error)
        };
        // Reasons carry times and counts, so that the text never repeats; these are the kinds
        // where each text is another error.
        let kind = match &error {
            BrokerError::UnknownTopic(topic) => topic.clone(),
            BrokerError::Unauthorised(what) => what.clone(),
            // Several codes for one cause, which has no times in its text.
            BrokerError::Fixable { reason, .. } => reason.clone(),
            _ => code.to_string(),
        };
        self.last_error = Some(error.clone());
        if is_fatal || context.emitted.is_due(kind) {
            context.emit_error(error);
        }
    }
}

/// How long to wait in a pause that has lasted so long. A partition goes on at half of its share, which
/// took it the pause to get to: half of that later it still has records in flight, and nobody waits.
fn paused_poll(lasted: Duration) -> Duration {
    (lasted / 2).clamp(PAUSED_POLL, IDLE_POLL)
}

impl Drop for PollLoop {
    fn drop(&mut self) {
        let GroupContext { commits, topic_ids, .. } = self.context();
        commits.lock().unwrap_or_else(PoisonError::into_inner).take();
        topic_ids.lock().unwrap_or_else(PoisonError::into_inner).take();
    }
}

#[cfg(test)]
mod tests;

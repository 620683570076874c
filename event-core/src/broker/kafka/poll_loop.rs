//! The consumer thread: it owns the client, always polls, and never runs a handler.
//!
//! Only this thread polls, so rebalances happen here too. Records leave it in batches; what
//! comes back are commands. It polls also while paused, or the group would evict the member.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, PoisonError};
use std::time::{Duration, Instant};

use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::KafkaError;
use rdkafka::types::RDKafkaErrorCode as Code;
use rustc_hash::FxHashMap;

use super::assignment::Assignment;
use super::batch::{Expected, OpenBatch};
use super::commits::{Commits, Repeat};
use super::consumer::{Close, Command};
use super::raw::{FetchQueue, MessageView};
use super::rebalance::{Ending, GroupContext};
use super::trouble;
use crate::broker::{BrokerError, ConsumerEvent};

/// How long an idle poll may keep a command waiting.
const IDLE_POLL: Duration = Duration::from_millis(20);
/// The same at the beginning of a pause, when every wait is a wait for memory.
const PAUSED_POLL: Duration = Duration::from_millis(2);
/// How many times messages are taken before commands and events are looked at.
const FETCHES_PER_TURN: usize = 8;
/// How many messages are taken at once at most.
const FETCH: usize = 512;
/// The same trouble is told again after this.
const TROUBLE_AGAIN: Duration = Duration::from_secs(10);

pub(super) struct PollLoop {
    fetch_queue: Arc<FetchQueue>,
    open: OpenBatches,
    told: FxHashMap<String, Instant>,
    // The last one to let it go drops the client: rdkafka then polls until it is closed, which can
    // take for ever when the broker is gone. Only this thread waits for it.
    consumer: Arc<BaseConsumer<GroupContext>>,
}

impl PollLoop {
    pub(super) fn new(consumer: BaseConsumer<GroupContext>) -> Result<PollLoop, BrokerError> {
        let consumer = Arc::new(consumer);
        let (Some(commits), Some(fetch_queue)) =
            (Commits::new(&consumer), FetchQueue::new(&consumer))
        else {
            return Err(BrokerError::Fatal("the consumer's queues could not be made".to_owned()));
        };
        let fetch_queue = Arc::new(fetch_queue);
        let context = consumer.context();
        *context.fetch_queue.lock().unwrap_or_else(PoisonError::into_inner) =
            Arc::downgrade(&fetch_queue);
        *context.commits.lock().unwrap_or_else(PoisonError::into_inner) = Some(commits);
        Ok(PollLoop {
            fetch_queue,
            open: OpenBatches::default(),
            told: FxHashMap::default(),
            consumer,
        })
    }

    fn context(&self) -> &GroupContext {
        self.consumer.context()
    }

    /// Polls until the consumer is closed or dropped.
    pub(super) fn run(mut self) {
        // Told before the client is dropped: that can take for ever, and nobody would know why.
        if let Err(panic) = catch_unwind(AssertUnwindSafe(|| self.serve())) {
            self.context().fail(panic.as_ref());
        }
    }

    fn serve(&mut self) {
        let ending = loop {
            self.context().pulse.beat();
            if let Some(ending) = self.obey() {
                break ending;
            }
            self.context().advance_commits();
            self.serve_events();
            self.resume();
            self.take_messages();
        };
        self.context().leave();
        if let Ending::Close(close) = ending {
            self.close(close);
        }
    }

    fn obey(&mut self) -> Option<Ending> {
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
        }
    }

    /// Serves rebalances, errors and log lines. Messages come this way only when their partition
    /// could not be forwarded.
    fn serve_events(&mut self) {
        loop {
            let troubled = match self.consumer.poll(Duration::ZERO) {
                // Also after a rebalance: so no open batch ever spans two epochs.
                None => break,
                Some(Ok(message)) => {
                    let context = self.consumer.context();
                    self.open.collect(context, MessageView::of(&message));
                    None
                }
                Some(Err(error)) => Some(error),
            };
            if let Some(error) = troubled
                && let Some(code) = error.rdkafka_error_code()
            {
                if trouble::is_damage(code) && self.context().has_unforwarded() {
                    self.stop_all(code);
                    continue;
                }
                self.tell_trouble(code, matches!(error, KafkaError::MessageConsumptionFatal(_)));
            }
        }
        self.hand_over_all();
    }

    /// Takes messages until there is none, and hands over what was collected. When there is
    /// nothing to do this is where the thread waits.
    fn take_messages(&mut self) {
        if self.fetch(Duration::ZERO, self.fetch_size()) == 0 {
            let paused = self.context().with_assignment(Assignment::paused_since);
            let wait = paused.map_or(IDLE_POLL, |since| paused_poll(since.elapsed()));
            if self.fetch(wait, 1) == 0 {
                return;
            }
        }
        for _ in 1..FETCHES_PER_TURN {
            if self.fetch(Duration::ZERO, self.fetch_size()) == 0 {
                break;
            }
        }
        self.hand_over_all();
    }

    /// How many messages the budget has room for, going by the size of the last ones.
    fn fetch_size(&self) -> usize {
        let open: usize = self.open.batches.iter().map(|(_, batch)| batch.size_bytes()).sum();
        let room = self.context().budget.room().saturating_sub(open);
        match self.open.expected.record_bytes() {
            Some(bytes) => (room / bytes).clamp(1, FETCH),
            None => 1,
        }
    }

    fn fetch(&mut self, timeout: Duration, max: usize) -> usize {
        let context = self.consumer.context();
        let open = &mut self.open;
        let mut troubles = Vec::new();
        let count = self.fetch_queue.fetch(timeout, max, |message| match message.error() {
            None => open.collect(context, message),
            Some((code, reason)) if trouble::is_damage(code) => {
                open.stop(context, message, code, &reason);
            }
            Some(trouble) => troubles.push(trouble),
        });
        for (code, reason) in troubles {
            self.context().heard.note(code, &reason);
            self.tell_trouble(code, false);
        }
        self.pause();
        count
    }

    fn hand_over_all(&mut self) {
        self.open.hand_over_all(self.consumer.context());
        self.pause();
    }

    fn pause(&mut self) {
        if std::mem::take(&mut self.open.has_to_pause) {
            self.context().pause_what_has_to(&self.consumer);
        }
    }

    /// This way nobody says which partition is damaged.
    fn stop_all(&mut self, code: Code) {
        self.open.hand_over_all(self.consumer.context());
        let context = self.consumer.context();
        context.change_assignment(Assignment::stop_all);
        self.open.has_to_pause = true;
        let reason = context.heard.reason();
        context.tell(ConsumerEvent::Trouble(trouble::of_damage(None, code, &reason)));
    }

    fn tell_trouble(&mut self, code: Code, is_fatal: bool) {
        let context = self.consumer.context();
        let trouble = if is_fatal {
            BrokerError::Fatal(context.heard.reason())
        } else {
            trouble::of_client(code, &context.address, &context.heard)
        };
        // Reasons carry times and counts, so that the text never repeats; these are the kinds
        // where each text is another trouble.
        let kind = match &trouble {
            BrokerError::UnknownTopic(topic) => topic.clone(),
            BrokerError::Unauthorised(what) => what.clone(),
            _ => code.to_string(),
        };
        let now = Instant::now();
        let again = self.told.get(&kind).is_none_or(|told| now - *told >= TROUBLE_AGAIN);
        if again {
            self.told.insert(kind, now);
            context.tell(ConsumerEvent::Trouble(trouble));
        }
    }

    fn close(&self, close: Close) {
        let context = self.context();
        let repeat = Repeat::Serving(&self.consumer);
        let committed = context.commit_until(None, close.progress, close.deadline, repeat);
        let committed = committed.and_then(|()| context.take_uncommitted().map_or(Ok(()), Err));
        // The caller stops listening at its deadline.
        let _ = close.committed.send(committed);
        self.depart(close.deadline);
        let _ = close.left.send(());
    }

    /// Leaves the group, polling for what that takes.
    fn depart(&self, deadline: Instant) {
        // By a close alone a member without partitions goes without a word when its group has begun to
        // change (librdkafka 2.12.1, classic protocol), and all wait for the end of its session.
        self.consumer.unsubscribe();
        if self.consumer.close_queue().is_err() {
            return;
        }
        while !self.consumer.closed() && Instant::now() < deadline {
            self.consumer.poll(Duration::from_millis(5));
        }
    }
}

/// How long to wait in a pause that has lasted so long. A partition goes on at half of its share, which
/// took it the pause to get to: half of that later it still has records in hand, and nobody waits.
fn paused_poll(lasted: Duration) -> Duration {
    (lasted / 2).clamp(PAUSED_POLL, IDLE_POLL)
}

impl Drop for PollLoop {
    fn drop(&mut self) {
        let commits = &self.context().commits;
        commits.lock().unwrap_or_else(PoisonError::into_inner).take();
    }
}

/// The batches that are being filled, one a partition.
#[derive(Default)]
struct OpenBatches {
    batches: Vec<(PartitionId, OpenBatch)>,
    expected: Expected,
    /// A partition that was handed over is above its share.
    has_to_pause: bool,
}

/// A partition as librdkafka names it: the address of its topic is the same for all messages of
/// one assignment, and an open batch never outlives its assignment.
type PartitionId = (usize, i32);

impl OpenBatches {
    /// Puts a message into the batch of its partition, and hands the batch over when it is full.
    fn collect(&mut self, context: &GroupContext, message: MessageView<'_>) {
        let id = (message.topic_id(), message.partition());
        // Messages come in runs of one partition: the last batch is usually the right one.
        let index = match self.batches.iter().rposition(|(partition, _)| *partition == id) {
            Some(index) => index,
            None => {
                let (topic, number) = (message.topic(), message.partition());
                // Fetched before a revocation, when it is nobody's: the next owner reads it.
                let Some(owned) = context.with_assignment(|ours| ours.open(topic, number)) else {
                    return;
                };
                let batch = OpenBatch::new(owned, context.budget.batch_bytes(), self.expected);
                self.batches.push((id, batch));
                self.batches.len() - 1
            }
        };
        let (_, batch) = &mut self.batches[index];
        batch.push(message);
        if batch.is_full() {
            let (_, batch) = self.batches.swap_remove(index);
            self.hand_over(context, batch);
        }
    }

    /// A record that cannot be read: what follows it in its partition is not handed over, because
    /// a commit of it would skip the damaged one.
    fn stop(&mut self, context: &GroupContext, message: MessageView<'_>, code: Code, reason: &str) {
        let (topic, number) = (message.topic(), message.partition());
        let id = (message.topic_id(), number);
        if let Some(index) = self.batches.iter().position(|(partition, _)| *partition == id) {
            let (_, before) = self.batches.swap_remove(index);
            self.hand_over(context, before);
        }
        // Also fetched before a revocation, when it is the next owner's to tell.
        if context.change_assignment(|ours| ours.stop(topic, number)) {
            self.has_to_pause = true;
            let place = trouble::Place { topic, partition: number, offset: message.offset() };
            context.tell(ConsumerEvent::Trouble(trouble::of_damage(Some(place), code, reason)));
        }
    }

    fn hand_over_all(&mut self, context: &GroupContext) {
        while let Some((_, batch)) = self.batches.pop() {
            self.hand_over(context, batch);
        }
    }

    fn hand_over(&mut self, context: &GroupContext, batch: OpenBatch) {
        let (partition, epoch) = (batch.partition(), batch.epoch());
        // A revocation came while the batch was filled: the records are the next owner's.
        if context.with_assignment(|ours| ours.is_current(partition, epoch)) {
            self.expected = batch.expect_alike();
            let in_flight = batch.in_flight();
            let batch = batch.finish(&context.budget);
            self.has_to_pause |= context.budget.has_to_pause(&in_flight);
            context.tell(ConsumerEvent::Records(batch));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pause_is_looked_at_often_first_and_seldom_when_it_lasts() {
        let wait = |ms| paused_poll(Duration::from_millis(ms)).as_millis();
        assert_eq!([0, 1, 10, 30, 3_600_000].map(wait), [2, 2, 5, 15, 20]);
    }
}

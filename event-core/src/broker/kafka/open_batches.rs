//! The batches that are being filled: messages of several partitions come mixed, and a batch is of
//! one.

use rdkafka::types::RDKafkaErrorCode as Code;

use super::batch::{Expected, OpenBatch};
use super::errors;
use super::raw::{FetchQueue, MessageView};
use super::rebalance::GroupContext;
use crate::broker::{ConsumerEvent, OffsetReset, ResetReason};
use crate::delivery::{NextOffset, TopicPartition};

/// The batches that are being filled, one a partition.
#[derive(Default)]
pub(super) struct OpenBatches {
    batches: Vec<(PartitionId, OpenBatch)>,
    pub(super) expected: Expected,
    /// A partition that was handed over is above its share.
    pub(super) has_to_pause: bool,
    /// Partitions that went back, and are not reported yet.
    pub(super) cut_off: Vec<CutOff>,
    /// Partitions that are stopped because their position is not in the log, and are not reported yet.
    pub(super) lost: Vec<LostPosition>,
    /// Where a partition begins, while the messages of one fetch are looked at.
    log_start: Option<(PartitionId, Option<NextOffset>)>,
}

/// A partition, and an offset before which nothing more is to be read.
pub(super) struct Passed {
    pub(super) partition: TopicPartition,
    pub(super) to: NextOffset,
    pub(super) leader_epoch: Option<i32>,
    /// It is fetched from there on, wherever librdkafka is.
    pub(super) is_sought: bool,
}

/// A partition of which a record came that lies before the one that was expected.
pub(super) struct CutOff {
    pub(super) reset: OffsetReset,
    /// The leader epoch of what was read before.
    pub(super) known: Option<i32>,
    /// That of what is there now; `None` at the end of the log.
    pub(super) found: Option<i32>,
}

/// A partition whose position is not in its log any more.
pub(super) struct LostPosition {
    pub(super) partition: TopicPartition,
    /// Where it was to go on.
    pub(super) from: Option<NextOffset>,
    /// What librdkafka says.
    pub(super) reason: String,
}

/// A partition as librdkafka names it: the address of its topic is the same for all messages of
/// one assignment, and an open batch never outlives its assignment.
type PartitionId = (usize, i32);

impl OpenBatches {
    /// How many bytes of records are collected.
    pub(super) fn size_bytes(&self) -> usize {
        self.batches.iter().map(|(_, batch)| batch.size_bytes()).sum()
    }

    /// Puts a message into the batch of its partition, and hands the batch over when it is full.
    pub(super) fn collect(
        &mut self,
        context: &GroupContext,
        queue: &FetchQueue,
        message: MessageView<'_>,
    ) {
        let Some(mut index) = self.batch_of(context, message) else { return };
        let batch = &self.batches[index].1;
        if let Some(from) = batch.next()
            && from.0 != message.offset()
        {
            let (epoch, known) = (batch.epoch(), batch.leader_epoch());
            let partition = batch.partition().clone();
            let reset_of = partition.clone();
            let to = NextOffset(message.offset());
            let reset =
                OffsetReset { partition, epoch, reason: ResetReason::LogTruncated, from, to };
            if to < from {
                self.hand_over_one(context, message);
                self.cut_off.push(CutOff { reset, known, found: message.leader_epoch() });
                context.change_assignment(|ours| ours.advance(&reset_of, None, None));
                let Some(begun) = self.batch_of(context, message) else { return };
                index = begun;
            } else {
                let log_start = self.log_start(queue, message);
                look_for_removed(context, log_start, reset);
            }
        }
        let (_, batch) = &mut self.batches[index];
        batch.push(message);
        if batch.is_full() {
            let (_, batch) = self.batches.swap_remove(index);
            self.hand_over(context, batch);
        }
    }

    /// The batch of the partition of a message.
    fn batch_of(&mut self, context: &GroupContext, message: MessageView<'_>) -> Option<usize> {
        let id = (message.topic_id(), message.partition());
        // Messages come in runs of one partition: the last batch is usually the right one.
        if let Some(index) = self.batches.iter().rposition(|(partition, _)| *partition == id) {
            return Some(index);
        }
        let (topic, number) = (message.topic(), message.partition());
        // Fetched before a revocation, when it is nobody's: the next owner reads it.
        let owned = context.with_assignment(|ours| ours.open(topic, number))?;
        let batch = OpenBatch::new(owned, &context.budget, self.expected);
        self.batches.push((id, batch));
        Some(self.batches.len() - 1)
    }

    /// Where the partition of a message begins.
    fn log_start(&mut self, queue: &FetchQueue, message: MessageView<'_>) -> Option<NextOffset> {
        let id = (message.topic_id(), message.partition());
        let log_start = match self.log_start {
            Some((known, log_start)) if known == id => log_start,
            _ => queue.log_start(message.topic(), message.partition()),
        };
        self.log_start = Some((id, log_start));
        log_start
    }

    /// The messages of another fetch come.
    pub(super) fn begin_fetch(&mut self) {
        self.log_start = None;
    }

    /// No record lies between what was handed over and `to`, of which the leader epoch may be known.
    pub(super) fn pass(
        &mut self,
        context: &GroupContext,
        queue: &FetchQueue,
        Passed { partition, to, leader_epoch, .. }: Passed,
    ) {
        let TopicPartition { topic, partition: number } = &partition;
        let owned = context.with_assignment(|ours| ours.open(topic.as_str(), *number));
        let Some(owned) = owned.filter(|owned| owned.next != Some(to)) else { return };
        context.change_assignment(|ours| {
            ours.advance(&partition, Some(to), leader_epoch);
            ours.note_leader_epoch(&partition, to.0 - 1, leader_epoch);
        });
        let log_start = queue.log_start(topic.as_str(), *number);
        if owned.next.is_none_or(|from| from < to) && to.0 > 0 {
            context.emit_passed(partition.clone(), owned.epoch, to);
        }
        let Some(from) = owned.next else { return };
        let (epoch, known) = (owned.epoch, owned.leader_epoch);
        let reset = OffsetReset { partition, epoch, reason: ResetReason::LogTruncated, from, to };
        if to < from {
            self.cut_off.push(CutOff { reset, known, found: None });
        } else {
            look_for_removed(context, log_start, reset);
        }
    }

    fn hand_over_one(&mut self, context: &GroupContext, message: MessageView<'_>) {
        let id = (message.topic_id(), message.partition());
        if let Some(index) = self.batches.iter().position(|(partition, _)| *partition == id) {
            let (_, before) = self.batches.swap_remove(index);
            self.hand_over(context, before);
        }
    }

    /// A record that cannot be read: what follows it in its partition is not handed over, because
    /// a commit of it would skip the damaged one.
    pub(super) fn stop(
        &mut self,
        context: &GroupContext,
        message: MessageView<'_>,
        code: Code,
        reason: &str,
    ) {
        let (topic, number) = (message.topic(), message.partition());
        self.hand_over_one(context, message);
        // Also fetched before a revocation, when the next owner reports it.
        if context.change_assignment(|ours| ours.stop(topic, number)) {
            self.has_to_pause = true;
            let place =
                errors::RecordLocation { topic, partition: number, offset: message.offset() };
            context.emit(ConsumerEvent::Error(errors::of_damage(Some(place), code, reason)));
        }
    }

    /// A position that is not in the log, and `out_of_range` is `stop`: nothing more of the partition is
    /// handed over.
    pub(super) fn lose(&mut self, context: &GroupContext, message: MessageView<'_>, reason: &str) {
        self.hand_over_one(context, message);
        let (topic, number) = (message.topic(), message.partition());
        let owned = context.with_assignment(|ours| ours.open(topic, number));
        if let Some(owned) = owned
            && context.change_assignment(|ours| ours.stop(topic, number))
        {
            self.has_to_pause = true;
            let (partition, from) = ((*owned.partition).clone(), owned.next);
            self.lost.push(LostPosition { partition, from, reason: reason.to_owned() });
        }
    }

    pub(super) fn hand_over_all(&mut self, context: &GroupContext) {
        while let Some((_, batch)) = self.batches.pop() {
            self.hand_over(context, batch);
        }
    }

    fn hand_over(&mut self, context: &GroupContext, batch: OpenBatch) {
        let (partition, epoch) = (batch.partition(), batch.epoch());
        let (next, leader_epoch) = (batch.next(), batch.leader_epoch());
        let is_current = context.change_assignment(|ours| {
            let is_current = ours.is_current(partition, epoch);
            if is_current {
                ours.advance(partition, next, leader_epoch);
                for (first, leader_epoch) in batch.leader_epochs() {
                    ours.note_leader_epoch(partition, first, leader_epoch);
                }
            }
            is_current
        });
        // A revocation came while the batch was filled: the records are the next owner's.
        if is_current && batch.len() > 0 {
            self.expected = batch.expect_alike();
            let in_flight = batch.in_flight();
            let batch = batch.finish(&context.budget);
            self.has_to_pause |= context.budget.has_to_pause(&in_flight);
            context.hand_over(batch);
        }
    }
}

/// Offsets were passed over. Mostly they hold no record, because of compaction or of the marks of
/// transactions; but if the log begins behind the first of them, their records were removed.
fn look_for_removed(context: &GroupContext, log_start: Option<NextOffset>, reset: OffsetReset) {
    if log_start.is_some_and(|start| reset.from < start && start <= reset.to) {
        let reset = OffsetReset { reason: ResetReason::OutOfRange, ..reset };
        context.emit(ConsumerEvent::OffsetReset(reset));
    }
}

//! The batches that are being filled: messages of several partitions come mixed, and a batch is of
//! one.

use rdkafka::types::RDKafkaErrorCode as Code;

use super::batch::{Expected, OpenBatch};
use super::raw::MessageView;
use super::rebalance::GroupContext;
use super::trouble;
use crate::broker::ConsumerEvent;

/// The batches that are being filled, one a partition.
#[derive(Default)]
pub(super) struct OpenBatches {
    batches: Vec<(PartitionId, OpenBatch)>,
    pub(super) expected: Expected,
    /// A partition that was handed over is above its share.
    pub(super) has_to_pause: bool,
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
    pub(super) fn collect(&mut self, context: &GroupContext, message: MessageView<'_>) {
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
    pub(super) fn stop(
        &mut self,
        context: &GroupContext,
        message: MessageView<'_>,
        code: Code,
        reason: &str,
    ) {
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

    pub(super) fn hand_over_all(&mut self, context: &GroupContext) {
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

//! What the consumer threads hand over, a queue for each partition.
//!
//! A thread opens the queue when the partition is assigned, and writes to it from then on. Whoever hears of
//! the assignment takes it, and reads what was written meanwhile as well. So nothing is reordered, and a
//! batch goes from one thread to one other.

use std::sync::{Mutex, MutexGuard, PoisonError};

use rustc_hash::FxHashMap;
use tokio::sync::mpsc::{UnboundedSender, unbounded_channel};

use crate::broker::{PartitionEvent, PartitionQueue};
use crate::delivery::{Epoch, TopicPartition};

/// The queues that nobody has taken yet.
#[derive(Default)]
pub(super) struct Queues(Mutex<FxHashMap<TopicPartition, (Epoch, PartitionQueue)>>);

impl Queues {
    fn queues(&self) -> MutexGuard<'_, FxHashMap<TopicPartition, (Epoch, PartitionQueue)>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Begins the queue of a partition in a new epoch. One of an older epoch is of no use any more.
    pub(super) fn open(
        &self,
        partition: &TopicPartition,
        epoch: Epoch,
    ) -> UnboundedSender<PartitionEvent> {
        let (sender, events) = unbounded_channel();
        let queue = PartitionQueue { sender: sender.clone(), events };
        self.queues().insert(partition.clone(), (epoch, queue));
        sender
    }

    /// Gives the queue of a partition away, if it is of this epoch.
    pub(super) fn take(&self, partition: &TopicPartition, epoch: Epoch) -> Option<PartitionQueue> {
        let mut queues = self.queues();
        queues.get(partition).filter(|(of, _)| *of == epoch)?;
        queues.remove(partition).map(|(_, queue)| queue)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::delivery::NextOffset;
    use crate::event::TopicName;

    #[test]
    fn what_was_written_before_a_queue_is_taken_is_read_and_that_of_another_epoch_is_not() {
        let queues = Queues::default();
        let topic = TopicName::from_static("role_events");
        let partition = TopicPartition { topic, partition: 0 };
        let old = queues.open(&partition, Epoch(1));
        let _ = old.send(PartitionEvent::Passed(NextOffset(1)));
        let new = queues.open(&partition, Epoch(2));
        let _ = new.send(PartitionEvent::Passed(NextOffset(2)));
        assert!(queues.take(&partition, Epoch(1)).is_none());
        let mut queue = queues.take(&partition, Epoch(2)).unwrap();
        assert!(matches!(queue.events.try_recv(), Ok(PartitionEvent::Passed(NextOffset(2)))));
        assert!(queues.take(&partition, Epoch(2)).is_none(), "it is taken once");
        // Nobody reads the old one.
        assert!(old.is_closed() && !new.is_closed());
    }
}

//! Commits whose answer comes to a queue of ours.
//!
//! rdkafka's synchronous commit has no time limit and its asynchronous one does not report that it
//! failed; librdkafka's `rd_kafka_commit_queue` has neither fault.

use std::sync::Arc;
use std::time::Duration;

use rdkafka::TopicPartitionList;
use rdkafka::bindings as sys;
use rdkafka::consumer::{BaseConsumer, ConsumerContext};
use rdkafka::types::{RDKafkaErrorCode, RDKafkaRespErr};

use super::queue::Queue;

/// A queue for the answers to the commits of a consumer, which it keeps alive.
pub(in super::super) struct CommitQueue {
    queue: Queue,
}

impl CommitQueue {
    pub(in super::super) fn new<C: ConsumerContext + 'static>(
        consumer: &Arc<BaseConsumer<C>>,
    ) -> Option<CommitQueue> {
        Queue::new(consumer).map(|queue| CommitQueue { queue })
    }

    /// Sends a commit; its answer will come from [`CommitQueue::answer`].
    pub(in super::super) fn commit(
        &self,
        offsets: &TopicPartitionList,
    ) -> Result<(), RDKafkaErrorCode> {
        // SAFETY: client, list and queue are alive; librdkafka copies the list. Without a
        // callback the answer becomes an event on the queue.
        let sent = unsafe {
            sys::rd_kafka_commit_queue(
                self.queue.client(),
                offsets.ptr(),
                self.queue.as_ptr(),
                None,
                std::ptr::null_mut(),
            )
        };
        match sent {
            RDKafkaRespErr::RD_KAFKA_RESP_ERR_NO_ERROR => Ok(()),
            refused => Err(refused.into()),
        }
    }

    /// Waits for the answer to a commit; `None` when there is none in time.
    pub(in super::super) fn answer(
        &self,
        timeout: Duration,
    ) -> Option<Result<(), RDKafkaErrorCode>> {
        let timeout_ms = i32::try_from(timeout.as_millis()).unwrap_or(i32::MAX);
        // SAFETY: the queue is alive; the event is ours until destroyed below.
        let event = unsafe { sys::rd_kafka_queue_poll(self.queue.as_ptr(), timeout_ms) };
        if event.is_null() {
            return None;
        }
        // SAFETY: the event is not null and not yet destroyed.
        let mut error = unsafe { sys::rd_kafka_event_error(event) };
        // SAFETY: the same; the list belongs to the event.
        let partitions = unsafe { sys::rd_kafka_event_topic_partition_list(event) };
        // One partition may be refused while the request as a whole was not.
        if error == RDKafkaRespErr::RD_KAFKA_RESP_ERR_NO_ERROR && !partitions.is_null() {
            // SAFETY: the list is alive with its event, and `elems` points to `cnt` elements.
            let count = usize::try_from(unsafe { (*partitions).cnt }).unwrap_or(0);
            for index in 0..count {
                // SAFETY: `index` is below `cnt`.
                let one = unsafe { (*(*partitions).elems.add(index)).err };
                if one != RDKafkaRespErr::RD_KAFKA_RESP_ERR_NO_ERROR {
                    error = one;
                }
            }
        }
        // SAFETY: nothing read above is used after this.
        unsafe { sys::rd_kafka_event_destroy(event) };
        match error {
            // librdkafka's word for a commit that contains nothing new.
            RDKafkaRespErr::RD_KAFKA_RESP_ERR_NO_ERROR
            | RDKafkaRespErr::RD_KAFKA_RESP_ERR__NO_OFFSET => Some(Ok(())),
            error => Some(Err(error.into())),
        }
    }
}

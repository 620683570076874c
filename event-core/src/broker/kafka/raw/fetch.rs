//! Takes messages in batches.
//!
//! rdkafka's `poll` makes an event of each message. librdkafka can fill an array, but on the
//! consumer's own queue that swallows rebalances, and the group then assigns nothing. So each
//! partition's queue is forwarded to one that only this reads, and `poll` keeps everything else.

use std::ffi::CString;
use std::ptr;
use std::sync::Arc;
use std::time::Duration;

use rdkafka::bindings as sys;
use rdkafka::consumer::{BaseConsumer, ConsumerContext};
use rdkafka::types::RDKafkaRespErr;

use super::MessageView;
use super::queue::Queue;
use crate::delivery::NextOffset;

/// A queue of the messages of all partitions of a consumer, which it keeps alive.
pub(in super::super) struct FetchQueue {
    queue: Queue,
}

impl FetchQueue {
    pub(in super::super) fn new<C: ConsumerContext + 'static>(
        consumer: &Arc<BaseConsumer<C>>,
    ) -> Option<FetchQueue> {
        Queue::new(consumer).map(|queue| FetchQueue { queue })
    }

    /// Sends the messages of a partition here. To be called before it is assigned, so that none
    /// takes the other way; `false` if it cannot be done, and all of them go on arriving through
    /// `poll`.
    pub(in super::super) fn forward(&self, topic: &str, partition: i32) -> bool {
        let Ok(topic) = CString::new(topic) else {
            return false;
        };
        // SAFETY: the client is alive and the name ends with a zero byte.
        let source = unsafe {
            sys::rd_kafka_queue_get_partition(self.queue.client(), topic.as_ptr(), partition)
        };
        if source.is_null() {
            return false;
        }
        // SAFETY: both queues are alive; the reference to the partition's is given back, the queue
        // itself belongs to the partition.
        unsafe {
            sys::rd_kafka_queue_forward(source, self.queue.as_ptr());
            sys::rd_kafka_queue_destroy(source);
        }
        true
    }

    /// The first offset of a partition, as the last answer to a fetch said; `None` before the first.
    pub(in super::super) fn log_start(&self, topic: &str, partition: i32) -> Option<NextOffset> {
        let (low, _) = self.watermarks(topic, partition)?;
        (low >= 0).then_some(NextOffset(low))
    }

    /// Its end: where the next record is written.
    pub(in super::super) fn log_end(&self, topic: &str, partition: i32) -> Option<NextOffset> {
        let (_, high) = self.watermarks(topic, partition)?;
        (high >= 0).then_some(NextOffset(high))
    }

    /// Both of them.
    pub(in super::super) fn log(
        &self,
        topic: &str,
        partition: i32,
    ) -> Option<(NextOffset, NextOffset)> {
        let (low, high) = self.watermarks(topic, partition)?;
        (low >= 0 && high >= 0).then_some((NextOffset(low), NextOffset(high)))
    }

    fn watermarks(&self, topic: &str, partition: i32) -> Option<(i64, i64)> {
        let topic = CString::new(topic).ok()?;
        let (mut low, mut high) = (-1, -1);
        // SAFETY: the client is alive, the name ends with a zero byte, and both offsets are written
        // before it returns. It asks no broker.
        let known = unsafe {
            sys::rd_kafka_get_watermark_offsets(
                self.queue.client(),
                topic.as_ptr(),
                partition,
                &mut low,
                &mut high,
            )
        };
        (known == RDKafkaRespErr::RD_KAFKA_RESP_ERR_NO_ERROR).then_some((low, high))
    }

    /// Takes up to `max` messages and calls `each` with them in order; returns how many. It waits
    /// up to `timeout` until there are `max`: wait for one, or not at all for many.
    pub(in super::super) fn fetch(
        &self,
        timeout: Duration,
        max: usize,
        mut each: impl FnMut(MessageView<'_>),
    ) -> usize {
        let mut messages = Messages { messages: [ptr::null_mut(); MAX], next: 0, count: 0 };
        let max = max.min(MAX);
        let timeout_ms = i32::try_from(timeout.as_millis()).unwrap_or(i32::MAX);
        // SAFETY: the queue is alive, and the array has room for `max` pointers.
        let count = unsafe {
            sys::rd_kafka_consume_batch_queue(
                self.queue.as_ptr(),
                timeout_ms,
                messages.messages.as_mut_ptr(),
                max,
            )
        };
        // Negative for an error, which this call reports for a missing queue only.
        messages.count = usize::try_from(count).unwrap_or(0);
        messages.for_each(&mut each);
        messages.count
    }
}

/// The messages of one call. Those between `next` and `count` are ours to destroy.
struct Messages {
    messages: [*mut sys::rd_kafka_message_t; MAX],
    next: usize,
    count: usize,
}

impl Messages {
    fn for_each(&mut self, each: &mut impl FnMut(MessageView<'_>)) {
        while self.next < self.count {
            // SAFETY: the first `count` pointers are messages, and this one is not destroyed yet.
            each(unsafe { MessageView::from_ptr(self.messages[self.next]) });
            self.destroy_next();
        }
    }

    fn destroy_next(&mut self) {
        let message = self.messages[self.next];
        self.next += 1;
        // SAFETY: destroyed once, because `next` is past it; `each` cannot have kept the view.
        unsafe { sys::rd_kafka_message_destroy(message) };
    }
}

impl Drop for Messages {
    /// What is left when `each` panics; librdkafka could never close otherwise.
    fn drop(&mut self) {
        while self.next < self.count {
            self.destroy_next();
        }
    }
}

/// How many messages one call takes at most.
const MAX: usize = 512;

#[cfg(test)]
mod tests {
    use std::panic::{AssertUnwindSafe, catch_unwind};
    use std::time::Instant;

    use rdkafka::consumer::{Consumer, DefaultConsumerContext};
    use rdkafka::error::KafkaError;
    use rdkafka::{ClientConfig, Offset, TopicPartitionList};

    use super::*;
    use crate::broker::kafka::EmbeddedBroker;
    use crate::broker::{Broker, BrokerError, OutgoingRecord};
    use crate::event::{Headers, TopicName};

    /// A message that is left behind holds the client, so that it never closes.
    #[tokio::test]
    async fn a_panic_leaves_no_message_behind() -> Result<(), BrokerError> {
        let embedded = EmbeddedBroker::start()?;
        embedded.create_topic("role_events", 1)?;
        let producer = embedded.broker().producer()?;
        for _ in 0..10 {
            let record = OutgoingRecord {
                topic: TopicName::from_static("role_events"),
                partition: None,
                key: None,
                value: None,
                headers: Headers::new(),
                timestamp_ms: None,
            };
            producer.send(record).await?;
        }
        let other = |error: KafkaError| BrokerError::Other(error.to_string());
        let consumer: BaseConsumer<DefaultConsumerContext> = ClientConfig::new()
            .set("bootstrap.servers", embedded.address())
            .set("group.id", "panics")
            .create()
            .map_err(other)?;
        let consumer = Arc::new(consumer);
        let queue = FetchQueue::new(&consumer).ok_or(BrokerError::Fatal("no queue".into()))?;
        assert!(queue.forward("role_events", 0));
        let mut list = TopicPartitionList::new();
        list.add_partition_offset("role_events", 0, Offset::Beginning).map_err(other)?;
        consumer.assign(&list).map_err(other)?;
        let until = Instant::now() + Duration::from_secs(10);
        let fetch = || queue.fetch(Duration::from_millis(200), 10, |_| panic!("the first one"));
        while catch_unwind(AssertUnwindSafe(fetch)).is_ok() {
            assert!(Instant::now() < until, "no record came");
            consumer.poll(Duration::ZERO);
        }

        let (closed, closing) = std::sync::mpsc::channel();
        std::thread::spawn(move || {
            drop(queue);
            drop(consumer);
            closed.send(())
        });
        assert!(closing.recv_timeout(Duration::from_secs(10)).is_ok(), "the client never closed");
        Ok(())
    }
}

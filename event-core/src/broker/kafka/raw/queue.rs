//! A queue of librdkafka that keeps its client.

use std::any::Any;
use std::ptr::NonNull;
use std::sync::Arc;

use rdkafka::bindings as sys;
use rdkafka::consumer::{BaseConsumer, Consumer, ConsumerContext};

/// A queue of our own, and the consumer that must not go before it.
pub(super) struct Queue {
    queue: NonNull<sys::rd_kafka_queue_t>,
    /// Alive as long as `consumer` is.
    client: NonNull<sys::rd_kafka_t>,
    _consumer: Arc<dyn Any + Send + Sync>,
}

// SAFETY: librdkafka's clients and queues may be used from any thread, also by several at once.
unsafe impl Send for Queue {}
// SAFETY: the same.
unsafe impl Sync for Queue {}

impl Queue {
    pub(super) fn new<C: ConsumerContext + 'static>(
        consumer: &Arc<BaseConsumer<C>>,
    ) -> Option<Queue> {
        let client = NonNull::new(consumer.client().native_ptr())?;
        // SAFETY: the client is alive.
        let queue = NonNull::new(unsafe { sys::rd_kafka_queue_new(client.as_ptr()) })?;
        let consumer: Arc<BaseConsumer<C>> = Arc::clone(consumer);
        Some(Queue { queue, client, _consumer: consumer })
    }

    /// The queue, alive as long as `self`.
    pub(super) fn as_ptr(&self) -> *mut sys::rd_kafka_queue_t {
        self.queue.as_ptr()
    }

    /// The client, alive as long as `self`.
    pub(super) fn client(&self) -> *mut sys::rd_kafka_t {
        self.client.as_ptr()
    }
}

impl Drop for Queue {
    fn drop(&mut self) {
        // SAFETY: made by rd_kafka_queue_new and destroyed once, while the client is still kept.
        // Partitions that forward here hold a reference of their own; an answer that is still
        // under way finds the queue disabled and is freed.
        unsafe { sys::rd_kafka_queue_destroy(self.queue.as_ptr()) };
    }
}

//! Queues of librdkafka that keep their client.

use std::any::Any;
use std::ptr::NonNull;
use std::sync::Arc;

use rdkafka::bindings as sys;
use rdkafka::consumer::{BaseConsumer, Consumer, ConsumerContext};

/// A queue, and the consumer that must not go before it.
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

    /// The queue from which a consumer's `poll` takes.
    fn of_events<C: ConsumerContext + 'static>(consumer: &Arc<BaseConsumer<C>>) -> Option<Queue> {
        let client = NonNull::new(consumer.client().native_ptr())?;
        // SAFETY: the client is alive. Without a group there is only the main queue.
        let queue = unsafe { sys::rd_kafka_queue_get_consumer(client.as_ptr()) };
        let queue = NonNull::new(queue)
            // SAFETY: the same.
            .or_else(|| NonNull::new(unsafe { sys::rd_kafka_queue_get_main(client.as_ptr()) }))?;
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
        // SAFETY: got from librdkafka and destroyed once, while the client is still kept; of one that
        // is the client's own, that ends our reference only.
        // Partitions that forward here hold a reference of their own; an answer that is still
        // under way finds the queue disabled and is freed.
        unsafe { sys::rd_kafka_queue_destroy(self.queue.as_ptr()) };
    }
}

/// What a consumer's `poll` takes from: it serves one event and says that there was no message,
/// whether more events wait or not.
pub(in super::super) struct EventQueue(Queue);

impl EventQueue {
    pub(in super::super) fn new<C: ConsumerContext + 'static>(
        consumer: &Arc<BaseConsumer<C>>,
    ) -> Option<EventQueue> {
        Queue::of_events(consumer).map(EventQueue)
    }

    /// How many events wait.
    pub(in super::super) fn len(&self) -> usize {
        // SAFETY: the queue is alive.
        unsafe { sys::rd_kafka_queue_length(self.0.as_ptr()) }
    }
}

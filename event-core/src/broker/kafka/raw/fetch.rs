//! Takes messages in batches.
//!
//! rdkafka's `poll` makes an event of each message. librdkafka can fill an array, but on the
//! consumer's own queue that swallows rebalances, and the group then assigns nothing. So each
//! partition's queue is forwarded to one that only this reads, and `poll` keeps everything else.

use std::ffi::CString;
use std::ptr::{self, NonNull};
use std::time::Duration;

use rdkafka::bindings as sys;
use rdkafka::client::NativeClient;

use super::MessageView;

/// A queue of the messages of all partitions. It must be dropped before the client.
pub(in super::super) struct FetchQueue {
    queue: NonNull<sys::rd_kafka_queue_t>,
}

// SAFETY: librdkafka's queues may be used from any thread, also by several at once.
unsafe impl Send for FetchQueue {}
// SAFETY: the same.
unsafe impl Sync for FetchQueue {}

impl FetchQueue {
    pub(in super::super) fn new(client: &NativeClient) -> Option<FetchQueue> {
        // SAFETY: the client is alive.
        let queue = unsafe { sys::rd_kafka_queue_new(client.ptr()) };
        NonNull::new(queue).map(|queue| FetchQueue { queue })
    }

    /// Sends the messages of a partition here. To be called before it is assigned, so that none
    /// takes the other way; `false` if it cannot be done, and all of them go on arriving through
    /// `poll`.
    pub(in super::super) fn forward(
        &self,
        client: &NativeClient,
        topic: &str,
        partition: i32,
    ) -> bool {
        let Ok(topic) = CString::new(topic) else {
            return false;
        };
        // SAFETY: the client is alive and the name ends with a zero byte.
        let source =
            unsafe { sys::rd_kafka_queue_get_partition(client.ptr(), topic.as_ptr(), partition) };
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

    /// Takes up to `max` messages and calls `each` with them in order; returns how many. It waits
    /// up to `timeout` until there are `max`: wait for one, or not at all for many.
    pub(in super::super) fn fetch(
        &self,
        timeout: Duration,
        max: usize,
        mut each: impl FnMut(MessageView<'_>),
    ) -> usize {
        let mut messages = [ptr::null_mut(); MAX];
        let max = max.min(MAX);
        let timeout_ms = i32::try_from(timeout.as_millis()).unwrap_or(i32::MAX);
        // SAFETY: the queue is alive, and the array has room for `max` pointers.
        let count = unsafe {
            sys::rd_kafka_consume_batch_queue(
                self.queue.as_ptr(),
                timeout_ms,
                messages.as_mut_ptr(),
                max,
            )
        };
        // Negative for an error, which this call reports for a missing queue only.
        let count = usize::try_from(count).unwrap_or(0);
        for &message in messages.iter().take(count) {
            // SAFETY: the first `count` pointers are messages that are ours until destroyed.
            each(unsafe { MessageView::from_ptr(message) });
            // SAFETY: destroyed once; `each` cannot have kept the view.
            unsafe { sys::rd_kafka_message_destroy(message) };
        }
        count
    }
}

/// How many messages one call takes at most.
const MAX: usize = 512;

impl Drop for FetchQueue {
    fn drop(&mut self) {
        // SAFETY: made by rd_kafka_queue_new and destroyed once; partitions that still forward
        // here hold a reference of their own.
        unsafe { sys::rd_kafka_queue_destroy(self.queue.as_ptr()) };
    }
}

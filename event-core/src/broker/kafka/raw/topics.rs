//! The ids of topics, by which one that was deleted and made again is distinguished from the one before.
//!
//! rdkafka's metadata has the names only; `rd_kafka_DescribeTopics` gives the ids. And rdkafka's
//! `fetch_cluster_id` never frees what it is given (0.39.0).

use std::ffi::{CStr, CString, c_char};
use std::ptr;
use std::sync::Arc;
use std::time::Duration;

use rdkafka::bindings as sys;
use rdkafka::consumer::{BaseConsumer, ConsumerContext};
use rdkafka::types::RDKafkaRespErr;

use super::queue::Queue;
use crate::event::TopicName;

/// The id of a topic: the most and the least significant bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in super::super) struct TopicId(pub(in super::super) i64, pub(in super::super) i64);

/// Topics and their ids; `None` of one that does not exist.
pub(in super::super) type Ids = Vec<(String, Option<TopicId>)>;

/// A queue for the ids of topics, with the client that asks for them.
pub(in super::super) struct TopicQueue {
    queue: Queue,
}

impl TopicQueue {
    pub(in super::super) fn new<C: ConsumerContext + 'static>(
        consumer: &Arc<BaseConsumer<C>>,
    ) -> Option<TopicQueue> {
        Queue::new(consumer).map(|queue| TopicQueue { queue })
    }

    /// Asks for the ids of topics; the answer will come from [`TopicQueue::answer`] with the `number` of the
    /// question, within about `timeout` as one without topics.
    pub(in super::super) fn ask(&self, number: usize, topics: &[TopicName], timeout: Duration) {
        // A name with a zero byte is that of no topic.
        let names = topics.iter().filter_map(|topic| CString::new(topic.as_str()).ok());
        let names: Vec<CString> = names.collect();
        let mut pointers: Vec<*const c_char> = names.iter().map(|name| name.as_ptr()).collect();
        let timeout_ms = i32::try_from(timeout.as_millis()).unwrap_or(i32::MAX);
        let operation = sys::rd_kafka_admin_op_t::RD_KAFKA_ADMIN_OP_DESCRIBETOPICS;
        // SAFETY: the client is alive, and so are the names. The collection and the options are destroyed
        // after the call, which copies both; without a buffer for its text, a refused time-out leaves
        // the default. What is opaque to librdkafka is a number, and points to nothing.
        unsafe {
            let topics =
                sys::rd_kafka_TopicCollection_of_topic_names(pointers.as_mut_ptr(), pointers.len());
            let options = sys::rd_kafka_AdminOptions_new(self.queue.client(), operation);
            sys::rd_kafka_AdminOptions_set_request_timeout(options, timeout_ms, ptr::null_mut(), 0);
            sys::rd_kafka_AdminOptions_set_opaque(options, ptr::without_provenance_mut(number));
            sys::rd_kafka_DescribeTopics(self.queue.client(), topics, options, self.queue.as_ptr());
            sys::rd_kafka_AdminOptions_destroy(options);
            sys::rd_kafka_TopicCollection_destroy(topics);
        }
    }

    /// The id of the cluster that answered the client last; `None` before the first answer.
    pub(in super::super) fn cluster_id(&self) -> Option<String> {
        // SAFETY: the client is alive; without time to wait the id is one that is known by now.
        let id = unsafe { sys::rd_kafka_clusterid(self.queue.client(), 0) };
        if id.is_null() {
            return None;
        }
        // SAFETY: the text is not null, ends with a zero byte, and is ours.
        let text = unsafe { CStr::from_ptr(id) }.to_string_lossy().into_owned();
        // SAFETY: librdkafka made it, and nothing points to it any more.
        unsafe { sys::rd_kafka_mem_free(self.queue.client(), id.cast()) };
        Some(text)
    }

    /// The next answer, when one is there, with the number of its question: the id of each topic, and `None` of
    /// one that does not exist. A broker before Kafka 2.8 gives no ids, and an answer from it has no topic
    /// that exists.
    pub(in super::super) fn answer(&self) -> Option<(usize, Ids)> {
        // SAFETY: the queue is alive; the event is ours until destroyed below.
        let event = unsafe { sys::rd_kafka_queue_poll(self.queue.as_ptr(), 0) };
        if event.is_null() {
            return None;
        }
        // SAFETY: the event is not null and not yet destroyed.
        let (number, topics) =
            unsafe { (sys::rd_kafka_event_opaque(event).addr(), described(event)) };
        // SAFETY: nothing of it is kept.
        unsafe { sys::rd_kafka_event_destroy(event) };
        Some((number, topics))
    }
}

/// # Safety
///
/// `event` must be an event that is not destroyed.
unsafe fn described(event: *mut sys::rd_kafka_event_t) -> Ids {
    // SAFETY: promised by the caller; what is asked of an event of another kind is null.
    let result = unsafe { sys::rd_kafka_event_DescribeTopics_result(event) };
    if result.is_null() {
        return Vec::new();
    }
    let mut count = 0;
    // SAFETY: the result is not null.
    let topics = unsafe { sys::rd_kafka_DescribeTopics_result_topics(result, &mut count) };
    if topics.is_null() {
        return Vec::new();
    }
    // SAFETY: the array has `count` descriptions, which live with the event.
    (0..count).filter_map(|index| unsafe { id_of(*topics.add(index)) }).collect()
}

/// # Safety
///
/// `topic` must be null, or a description that is alive.
unsafe fn id_of(
    topic: *const sys::rd_kafka_TopicDescription_t,
) -> Option<(String, Option<TopicId>)> {
    if topic.is_null() {
        return None;
    }
    // SAFETY: the description is alive, and its parts live with it; each is null or alive.
    unsafe {
        let name = sys::rd_kafka_TopicDescription_name(topic);
        if name.is_null() {
            return None;
        }
        let name = CStr::from_ptr(name).to_string_lossy().into_owned();
        let error = sys::rd_kafka_TopicDescription_error(topic);
        if !error.is_null() {
            match sys::rd_kafka_error_code(error) {
                RDKafkaRespErr::RD_KAFKA_RESP_ERR_NO_ERROR => {}
                RDKafkaRespErr::RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART => {
                    return Some((name, None));
                }
                _ => return None,
            }
        }
        let id = sys::rd_kafka_TopicDescription_topic_id(topic);
        if id.is_null() {
            return None;
        }
        let id = TopicId(
            sys::rd_kafka_Uuid_most_significant_bits(id),
            sys::rd_kafka_Uuid_least_significant_bits(id),
        );
        (id != TopicId(0, 0)).then_some((name, Some(id)))
    }
}

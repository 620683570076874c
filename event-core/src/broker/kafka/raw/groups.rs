//! Who is in a consumer group, and what each member has.
//!
//! rdkafka lists groups of the classic protocol only; `rd_kafka_DescribeConsumerGroups` knows both.

use std::ffi::{CStr, CString, c_char};
use std::ptr;
use std::sync::Arc;
use std::time::Duration;

use rdkafka::bindings as sys;
use rdkafka::consumer::{BaseConsumer, Consumer, ConsumerContext};
use rdkafka::types::{RDKafkaErrorCode, RDKafkaRespErr};

use super::queue::Queue;

/// A member as the coordinator of its group describes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in super::super) struct NativeMember {
    pub(in super::super) client_id: String,
    pub(in super::super) host: String,
    pub(in super::super) partitions: Vec<(String, i32)>,
}

/// A group as its coordinator describes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in super::super) struct NativeGroup {
    /// No rebalance is under way, so that the partitions are those that the members have.
    pub(in super::super) is_stable: bool,
    pub(in super::super) members: Vec<NativeMember>,
}

/// A queue for descriptions of groups, with the client that asks for them.
pub(in super::super) struct GroupQueue {
    queue: Queue,
}

impl GroupQueue {
    pub(in super::super) fn new<C: ConsumerContext + 'static>(
        consumer: &Arc<BaseConsumer<C>>,
    ) -> Option<GroupQueue> {
        Queue::new(consumer).map(|queue| GroupQueue { queue })
    }

    /// Asks for the description of a group; the answer will come from [`GroupQueue::answer`], within
    /// about `timeout` as an error.
    pub(in super::super) fn ask(&self, group: &str, timeout: Duration) {
        // A name with a zero byte is that of no group.
        let Ok(group) = CString::new(group) else { return };
        let timeout_ms = i32::try_from(timeout.as_millis()).unwrap_or(i32::MAX);
        let mut groups: [*const c_char; 1] = [group.as_ptr()];
        let operation = sys::rd_kafka_admin_op_t::RD_KAFKA_ADMIN_OP_DESCRIBECONSUMERGROUPS;
        // SAFETY: the client is alive. The options are destroyed after the call, which copies them and
        // the names; without a buffer for its text, a refused time-out leaves the default.
        unsafe {
            let options = sys::rd_kafka_AdminOptions_new(self.queue.client(), operation);
            sys::rd_kafka_AdminOptions_set_request_timeout(options, timeout_ms, ptr::null_mut(), 0);
            sys::rd_kafka_DescribeConsumerGroups(
                self.queue.client(),
                groups.as_mut_ptr(),
                groups.len(),
                options,
                self.queue.as_ptr(),
            );
            sys::rd_kafka_AdminOptions_destroy(options);
        }
    }

    /// Waits for an answer; `None` when there is none in time.
    pub(in super::super) fn answer(
        &self,
        timeout: Duration,
    ) -> Option<Result<NativeGroup, RDKafkaErrorCode>> {
        let timeout_ms = i32::try_from(timeout.as_millis()).unwrap_or(i32::MAX);
        // SAFETY: the queue is alive; the event is ours until destroyed below.
        let event = unsafe { sys::rd_kafka_queue_poll(self.queue.as_ptr(), timeout_ms) };
        if event.is_null() {
            return None;
        }
        // SAFETY: the event is not null and not yet destroyed.
        let answer = unsafe { described(event) };
        // SAFETY: nothing of it is kept.
        unsafe { sys::rd_kafka_event_destroy(event) };
        Some(answer)
    }
}

/// The generation of its group that the member is in, or its epoch with the new protocol; 0 or less while
/// it is in none.
fn generation<C: ConsumerContext>(consumer: &BaseConsumer<C>) -> i32 {
    // SAFETY: the client is alive; what it gives is null or ours, and destroyed once.
    unsafe {
        let metadata = sys::rd_kafka_consumer_group_metadata(consumer.client().native_ptr());
        if metadata.is_null() {
            return -1;
        }
        let generation = sys::rd_kafka_consumer_group_metadata_generation_id(metadata);
        sys::rd_kafka_consumer_group_metadata_destroy(metadata);
        generation
    }
}

/// Whether the client is a member of its group: from its first generation on until it has asked the
/// coordinator to let it go.
pub(in super::super) fn is_member<C: ConsumerContext>(consumer: &BaseConsumer<C>) -> bool {
    // With the new protocol a member keeps its id and loses its epoch, with the classic one it loses the id.
    if generation(consumer) <= 0 {
        return false;
    }
    let client = consumer.client().native_ptr();
    // SAFETY: the client is alive; the text is null or ours, ends with a zero byte, and is freed once.
    unsafe {
        let id = sys::rd_kafka_memberid(client);
        let has_id = !text(id).is_empty();
        if !id.is_null() {
            sys::rd_kafka_mem_free(client, id.cast());
        }
        has_id
    }
}

/// # Safety
///
/// `event` must be an event that is not destroyed.
unsafe fn described(event: *mut sys::rd_kafka_event_t) -> Result<NativeGroup, RDKafkaErrorCode> {
    // SAFETY: promised by the caller; what is asked of an event of another kind is null.
    let (error, result) = unsafe {
        (sys::rd_kafka_event_error(event), sys::rd_kafka_event_DescribeConsumerGroups_result(event))
    };
    if error != RDKafkaRespErr::RD_KAFKA_RESP_ERR_NO_ERROR {
        return Err(error.into());
    }
    if result.is_null() {
        return Err(RDKafkaErrorCode::Unknown);
    }
    let mut count = 0;
    // SAFETY: the result is not null; the array has `count` descriptions, which live with the event.
    let group = unsafe {
        let groups = sys::rd_kafka_DescribeConsumerGroups_result_groups(result, &mut count);
        if count == 0 || groups.is_null() {
            return Err(RDKafkaErrorCode::Unknown);
        }
        *groups
    };
    // SAFETY: the description lives with the event; its error is null or lives with it.
    let refused = unsafe {
        let error = sys::rd_kafka_ConsumerGroupDescription_error(group);
        if error.is_null() {
            RDKafkaRespErr::RD_KAFKA_RESP_ERR_NO_ERROR
        } else {
            sys::rd_kafka_error_code(error)
        }
    };
    if refused != RDKafkaRespErr::RD_KAFKA_RESP_ERR_NO_ERROR {
        return Err(refused.into());
    }
    // SAFETY: the description lives with the event.
    let (state, count) = unsafe {
        (
            sys::rd_kafka_ConsumerGroupDescription_state(group),
            sys::rd_kafka_ConsumerGroupDescription_member_count(group),
        )
    };
    let stable = sys::rd_kafka_consumer_group_state_t::RD_KAFKA_CONSUMER_GROUP_STATE_STABLE;
    let members = (0..count).filter_map(|index| {
        // SAFETY: `index` is below the number of members; the member lives with the event.
        unsafe {
            let member = sys::rd_kafka_ConsumerGroupDescription_member(group, index);
            (!member.is_null()).then(|| described_member(member))
        }
    });
    Ok(NativeGroup { is_stable: state == stable, members: members.collect() })
}

/// # Safety
///
/// `member` must be a description that is alive.
unsafe fn described_member(member: *const sys::rd_kafka_MemberDescription_t) -> NativeMember {
    // SAFETY: the member is alive, and so are its texts; the list is null or lives with it.
    unsafe {
        let assignment = sys::rd_kafka_MemberDescription_assignment(member);
        let list = match assignment.is_null() {
            true => ptr::null(),
            false => sys::rd_kafka_MemberAssignment_partitions(assignment),
        };
        let count = if list.is_null() { 0 } else { usize::try_from((*list).cnt).unwrap_or(0) };
        let partition = |index| {
            let entry = &*(*list).elems.add(index);
            (text(entry.topic), entry.partition)
        };
        NativeMember {
            client_id: text(sys::rd_kafka_MemberDescription_client_id(member)),
            host: text(sys::rd_kafka_MemberDescription_host(member)),
            partitions: (0..count).map(partition).collect(),
        }
    }
}

/// # Safety
///
/// `text` must be null, or end with a zero byte and be alive.
unsafe fn text(text: *const c_char) -> String {
    if text.is_null() {
        return String::new();
    }
    // SAFETY: promised by the caller.
    unsafe { CStr::from_ptr(text) }.to_string_lossy().into_owned()
}

//! What a group committed, read as bytes.
//!
//! Metadata is whatever its writer chose; rdkafka panics when that is not UTF-8.

use rdkafka::TopicPartitionList;
use rdkafka::bindings as sys;
use rdkafka::types::{RDKafkaErrorCode, RDKafkaRespErr};

use crate::delivery::NextOffset;

/// The offset, if there is one, and the metadata of each entry of an answer in order; metadata
/// that is not UTF-8 is not ours, and counts as empty.
pub(in super::super) fn committed_in(
    list: &TopicPartitionList,
) -> Vec<Result<(Option<NextOffset>, String), RDKafkaErrorCode>> {
    (0..list.count()).map(|index| entry(list, index)).collect()
}

fn entry(
    list: &TopicPartitionList,
    index: usize,
) -> Result<(Option<NextOffset>, String), RDKafkaErrorCode> {
    // SAFETY: the list is alive, `elems` points to as many entries as it counts, and `index` is
    // below that. Nothing changes the list while it is borrowed.
    let entry = unsafe { &*(*list.ptr()).elems.add(index) };
    if entry.err != RDKafkaRespErr::RD_KAFKA_RESP_ERR_NO_ERROR {
        return Err(entry.err.into());
    }
    let metadata = if entry.metadata.is_null() {
        &[]
    } else {
        // SAFETY: not null, so it points to `metadata_size` bytes that live with the list.
        unsafe { std::slice::from_raw_parts(entry.metadata.cast::<u8>(), entry.metadata_size) }
    };
    let metadata = String::from_utf8(metadata.to_vec()).unwrap_or_default();
    // Negative is librdkafka's word for none.
    Ok(((entry.offset >= 0).then_some(NextOffset(entry.offset)), metadata))
}

/// Sets the leader epoch of the last entry, if there is one.
pub(in super::super) fn set_last_leader_epoch(list: &mut TopicPartitionList, leader_epoch: i32) {
    let Some(index) = list.count().checked_sub(1) else { return };
    // SAFETY: the list is alive and borrowed for this alone, `elems` points to as many entries as it
    // counts, and `index` is below that.
    unsafe {
        let entry = (*list.ptr()).elems.add(index);
        sys::rd_kafka_topic_partition_set_leader_epoch(entry, leader_epoch);
    }
}

/// The leader epoch of each entry, where there is one.
pub(in super::super) fn leader_epochs_in(list: &TopicPartitionList) -> Vec<Option<i32>> {
    let epoch = |index| {
        // SAFETY: the list is alive, `elems` points to as many entries as it counts, and `index` is
        // below that.
        let epoch = unsafe {
            sys::rd_kafka_topic_partition_get_leader_epoch((*list.ptr()).elems.add(index))
        };
        // Negative is librdkafka's word for none.
        (epoch >= 0).then_some(epoch)
    };
    (0..list.count()).map(epoch).collect()
}

#[cfg(test)]
mod tests {
    use std::ptr;

    use rdkafka::Offset;
    use rdkafka::error::KafkaError;

    use super::*;

    #[test]
    fn metadata_of_others_is_no_panic() -> Result<(), KafkaError> {
        const FOREIGN: &[u8] = b"\xff\xfe";
        let mut list = TopicPartitionList::new();
        list.add_partition_offset("role_events", 0, Offset::Offset(7))?;
        list.add_partition("role_events", 1).set_metadata("ec1:AA");
        // SAFETY: the list is alive and has an entry, which frees what librdkafka allocated.
        unsafe {
            let entry = &mut *(*list.ptr()).elems;
            entry.metadata = sys::rd_kafka_mem_malloc(ptr::null_mut(), FOREIGN.len());
            ptr::copy_nonoverlapping(FOREIGN.as_ptr(), entry.metadata.cast(), FOREIGN.len());
            entry.metadata_size = FOREIGN.len();
        }
        let read = committed_in(&list);
        let expected = [(Some(NextOffset(7)), String::new()), (None, "ec1:AA".to_owned())];
        assert_eq!(read, expected.map(Ok));
        Ok(())
    }
}

//! librdkafka's batch call and the same decode: what nobody can do with less and rdkafka's client.
//!
//! It joins no group, commits nothing, and decodes in the thread that fetches.

#![expect(unsafe_code, reason = "rdkafka has no batch call")]

use std::ptr;

use event_benchmark::cost::{Cost, cpu_time};
use rdkafka::bindings as sys;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::{Offset, TopicPartitionList};

use crate::TOPIC;
use crate::meter::Meter;
use crate::rows::Row;
use crate::subjects::{Passes, config};

const AT_ONCE: usize = 512;

pub(crate) fn batch_call(row: &Row, brokers: &str) -> Cost {
    let meter = Meter::new(row.records);
    let consumer: BaseConsumer = config(brokers).set("group.id", "batch-call").create().unwrap();
    let mut partitions = TopicPartitionList::new();
    for partition in 0..row.partitions {
        partitions.add_partition_offset(TOPIC, partition, Offset::Beginning).unwrap();
    }
    consumer.assign(&partitions).unwrap();
    // SAFETY: the client is alive; the queue is given back below.
    let queue = unsafe { sys::rd_kafka_queue_get_consumer(consumer.client().native_ptr()) };
    let mut messages = [ptr::null_mut::<sys::rd_kafka_message_t>(); AT_ONCE];
    while !meter.is_done() {
        // SAFETY: the queue is alive and the array has room. Without a time-out, as it would wait for
        // a full array.
        let count =
            unsafe { sys::rd_kafka_consume_batch_queue(queue, 0, messages.as_mut_ptr(), AT_ONCE) };
        if count == 0 {
            // SAFETY: the same; one message is waited for.
            let one =
                unsafe { sys::rd_kafka_consume_batch_queue(queue, 10, messages.as_mut_ptr(), 1) };
            take(&messages, one, row, &meter);
        } else {
            take(&messages, count, row, &meter);
        }
    }
    let cpu = cpu_time();
    // SAFETY: it was taken above and is not used any more.
    unsafe { sys::rd_kafka_queue_destroy(queue) };
    meter.cost(cpu)
}

fn take(messages: &[*mut sys::rd_kafka_message_t], count: isize, row: &Row, meter: &Meter) {
    let count = usize::try_from(count).unwrap_or(0);
    for &message in &messages[..count] {
        // SAFETY: the first `count` are messages that are ours; each is destroyed once, after its
        // payload was read.
        unsafe {
            let it = &*message;
            assert_eq!(it.err, sys::rd_kafka_resp_err_t::RD_KAFKA_RESP_ERR_NO_ERROR);
            let value = std::slice::from_raw_parts(it.payload.cast::<u8>(), it.len);
            Passes::One.count(row, meter, value);
            sys::rd_kafka_message_destroy(message);
        }
    }
}

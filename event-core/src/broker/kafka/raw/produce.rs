//! Enqueues a record with headers of any bytes.

use std::ffi::{CStr, c_char, c_void};
use std::mem::ManuallyDrop;
use std::ptr;
use std::sync::Arc;

use rdkafka::bindings as sys;
use rdkafka::bindings::rd_kafka_vtype_t as vtype;
use rdkafka::producer::{BaseProducer, Producer, ProducerContext};
use rdkafka::types::{RDKafkaErrorCode, RDKafkaRespErr};
use rdkafka::util::IntoOpaque;

use crate::broker::OutgoingRecord;
use crate::broker::kafka::producer::{Pending, Slot};
use crate::event::Headers;

impl IntoOpaque for Pending {
    fn into_ptr(self) -> *mut c_void {
        let pending = ManuallyDrop::new(self);
        // SAFETY: the slot is moved out of what is never dropped nor used again.
        let slot: Arc<Slot> = unsafe { ptr::read(pending.slot()) };
        slot.into_ptr()
    }

    unsafe fn from_ptr(pointer: *mut c_void) -> Self {
        // SAFETY: made by `into_ptr` of the same type above, and taken once, as the caller promises.
        Pending::of(unsafe { Arc::<Slot>::from_ptr(pointer) })
    }
}

/// Copies `record` into the producer's queue. `opaque` comes back through the delivery report,
/// or with the error when nothing was enqueued.
pub(in super::super) fn produce<C: ProducerContext>(
    producer: &BaseProducer<C>,
    record: &OutgoingRecord,
    opaque: C::DeliveryOpaque,
) -> Result<(), (RDKafkaErrorCode, C::DeliveryOpaque)> {
    // librdkafka wants it to end with a zero byte; names have 249 at most.
    let mut topic = [0; 256];
    let name = record.topic.as_str().as_bytes();
    if let Some(room) = topic.get_mut(..name.len()) {
        room.copy_from_slice(name);
    }
    let Ok(topic) = CStr::from_bytes_until_nul(&topic) else {
        return Err((RDKafkaErrorCode::InvalidTopic, opaque));
    };
    if topic.count_bytes() != name.len() {
        return Err((RDKafkaErrorCode::InvalidTopic, opaque));
    }
    let headers = native_headers(&record.headers);
    let (value, value_len) = parts(record.value.as_deref());
    let (key, key_len) = parts(record.key.as_deref());
    let opaque = opaque.into_ptr();
    // SAFETY: the producer is alive, and its delivery report makes the same type of the opaque
    // that was made into it here; the arguments follow the pairs that rd_kafka_producev
    // documents, ended by VTYPE_END; key and value are copied (MSG_F_COPY) before it returns;
    // a null headers pointer means none.
    let answer = unsafe {
        sys::rd_kafka_producev(
            producer.client().native_ptr(),
            vtype::RD_KAFKA_VTYPE_TOPIC,
            topic.as_ptr(),
            vtype::RD_KAFKA_VTYPE_PARTITION,
            record.partition.unwrap_or(-1),
            vtype::RD_KAFKA_VTYPE_MSGFLAGS,
            sys::RD_KAFKA_MSG_F_COPY,
            vtype::RD_KAFKA_VTYPE_VALUE,
            value,
            value_len,
            vtype::RD_KAFKA_VTYPE_KEY,
            key,
            key_len,
            vtype::RD_KAFKA_VTYPE_OPAQUE,
            opaque,
            vtype::RD_KAFKA_VTYPE_TIMESTAMP,
            record.timestamp_ms.unwrap_or(0),
            vtype::RD_KAFKA_VTYPE_HEADERS,
            headers,
            vtype::RD_KAFKA_VTYPE_END,
        )
    };
    if answer == RDKafkaRespErr::RD_KAFKA_RESP_ERR_NO_ERROR {
        return Ok(());
    }
    if !headers.is_null() {
        // SAFETY: librdkafka takes the headers over only when it returns no error.
        unsafe { sys::rd_kafka_headers_destroy(headers) };
    }
    // SAFETY: made by `into_ptr` above; librdkafka keeps it only when it returns no error.
    Err((answer.into(), unsafe { IntoOpaque::from_ptr(opaque) }))
}

/// The bytes for librdkafka, where a null pointer is Kafka's null and any other is not.
fn parts(bytes: Option<&[u8]>) -> (*mut c_void, usize) {
    match bytes {
        None => (ptr::null_mut(), 0),
        Some(bytes) => (bytes.as_ptr().cast_mut().cast(), bytes.len()),
    }
}

fn native_headers(headers: &Headers) -> *mut sys::rd_kafka_headers_t {
    if headers.is_empty() {
        return ptr::null_mut();
    }
    // SAFETY: has no precondition; the caller destroys it or hands it to librdkafka.
    let native = unsafe { sys::rd_kafka_headers_new(headers.len()) };
    for header in headers.iter() {
        let (value, value_len) = parts(header.value.as_deref());
        // SAFETY: `native` is ours and alive; name and value are copied before it returns. It can
        // refuse only read-only headers, which these are not.
        unsafe {
            sys::rd_kafka_header_add(
                native,
                header.name.as_ptr().cast::<c_char>(),
                header.name.len().cast_signed(),
                value,
                value_len.cast_signed(),
            );
        }
    }
    native
}

/// Makes a producer fail for good, as an error of its sequence of records does.
#[cfg(test)]
pub(in super::super) fn fail_for_good<C: ProducerContext>(producer: &BaseProducer<C>) {
    // SAFETY: the producer is alive, and the text is copied.
    unsafe {
        sys::rd_kafka_test_fatal_error(
            producer.client().native_ptr(),
            RDKafkaRespErr::RD_KAFKA_RESP_ERR_OUT_OF_ORDER_SEQUENCE_NUMBER,
            c"out of order".as_ptr(),
        );
    }
}

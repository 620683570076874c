//! Headers of a received record, as bytes.

use std::ffi::{CStr, c_void};
use std::ptr;

use rdkafka::bindings as sys;
use rdkafka::message::BorrowedMessage;
use rdkafka::types::RDKafkaRespErr;

/// Calls `each` with the name and value of every header in order.
///
/// librdkafka hands names out as C strings: a name with a zero byte arrives cut there.
pub(in super::super) fn for_each_header(
    message: &BorrowedMessage<'_>,
    mut each: impl FnMut(&[u8], Option<&[u8]>),
) {
    let mut headers = ptr::null_mut();
    // SAFETY: the message is alive for the whole call, and owns the headers that are returned.
    let found = unsafe { sys::rd_kafka_message_headers(message.ptr(), &mut headers) };
    if found != RDKafkaRespErr::RD_KAFKA_RESP_ERR_NO_ERROR || headers.is_null() {
        return;
    }
    for index in 0.. {
        let mut name = ptr::null();
        let mut value: *const c_void = ptr::null();
        let mut size = 0;
        // SAFETY: `headers` is alive as long as the message; an index past the end is answered
        // with an error and leaves the out pointers alone.
        let found = unsafe {
            sys::rd_kafka_header_get_all(headers, index, &mut name, &mut value, &mut size)
        };
        if found != RDKafkaRespErr::RD_KAFKA_RESP_ERR_NO_ERROR || name.is_null() {
            return;
        }
        // SAFETY: librdkafka ends every header name with a zero byte, and the name lives as long
        // as the message.
        let name = unsafe { CStr::from_ptr(name) }.to_bytes();
        let value = if value.is_null() {
            None
        } else {
            // SAFETY: `value` is not null and points to `size` bytes that live as long as the
            // message.
            Some(unsafe { std::slice::from_raw_parts(value.cast::<u8>(), size) })
        };
        each(name, value);
    }
}

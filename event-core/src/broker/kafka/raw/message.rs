//! A received message, read as bytes.
//!
//! rdkafka panics on a header name that is not UTF-8; here names are bytes.

use std::ffi::{CStr, c_void};
use std::marker::PhantomData;
use std::ptr;

use rdkafka::bindings as sys;
use rdkafka::message::BorrowedMessage;
use rdkafka::types::{RDKafkaErrorCode, RDKafkaRespErr};

use super::headers;

/// A message of librdkafka, alive for `'a`.
#[derive(Clone, Copy)]
pub(in super::super) struct MessageView<'a> {
    /// Not null, and alive for `'a`.
    message: *mut sys::rd_kafka_message_t,
    lifetime: PhantomData<&'a sys::rd_kafka_message_t>,
}

impl<'a> MessageView<'a> {
    /// A view of a message that rdkafka owns.
    pub(in super::super) fn of(message: &'a BorrowedMessage<'_>) -> Self {
        MessageView { message: message.ptr(), lifetime: PhantomData }
    }

    /// # Safety
    ///
    /// `message` must be a message of librdkafka that stays alive for `'a`.
    pub(super) unsafe fn from_ptr(message: *mut sys::rd_kafka_message_t) -> Self {
        MessageView { message, lifetime: PhantomData }
    }

    fn get(&self) -> &'a sys::rd_kafka_message_t {
        // SAFETY: by the invariant of the field.
        unsafe { &*self.message }
    }

    /// The error and its text, when this is an error in place of a record.
    pub(in super::super) fn error(&self) -> Option<(RDKafkaErrorCode, String)> {
        let code = self.get().err;
        if code == RDKafkaRespErr::RD_KAFKA_RESP_ERR_NO_ERROR {
            return None;
        }
        // SAFETY: the message is alive; the text is its own or librdkafka's, ends with a zero
        // byte, and is copied at once.
        let reason = unsafe { CStr::from_ptr(sys::rd_kafka_message_errstr(self.message)) };
        Some((code.into(), reason.to_string_lossy().into_owned()))
    }

    /// A number for the topic that is the same for all messages of one assignment.
    pub(in super::super) fn topic_id(&self) -> usize {
        self.get().rkt as usize
    }

    /// The topic's name; empty when there is none.
    pub(in super::super) fn topic(&self) -> &'a str {
        let topic = self.get().rkt;
        if topic.is_null() {
            return "";
        }
        // SAFETY: the message holds its topic, whose name ends with a zero byte.
        let name = unsafe { CStr::from_ptr(sys::rd_kafka_topic_name(topic)) };
        name.to_str().unwrap_or("")
    }

    pub(in super::super) fn partition(&self) -> i32 {
        self.get().partition
    }

    pub(in super::super) fn offset(&self) -> i64 {
        self.get().offset
    }

    /// Milliseconds since 1970; -1 when there is none.
    pub(in super::super) fn timestamp_ms(&self) -> i64 {
        // SAFETY: the message is alive; the type of the timestamp is not asked for.
        unsafe { sys::rd_kafka_message_timestamp(self.message, ptr::null_mut()) }
    }

    /// In which leader's epoch it was written; `None` for a batch of the format before version 2.
    pub(in super::super) fn leader_epoch(&self) -> Option<i32> {
        // SAFETY: the message is alive, and is a consumer's.
        let epoch = unsafe { sys::rd_kafka_message_leader_epoch(self.message) };
        (epoch >= 0).then_some(epoch)
    }

    pub(in super::super) fn key(&self) -> Option<&'a [u8]> {
        // SAFETY: the pointer is null, or to bytes of this length that live with the message.
        unsafe { bytes(self.get().key, self.get().key_len) }
    }

    pub(in super::super) fn value(&self) -> Option<&'a [u8]> {
        // SAFETY: the pointer is null, or to bytes of this length that live with the message.
        unsafe { bytes(self.get().payload, self.get().len) }
    }

    /// Calls `each` with the name and value of every header in order.
    pub(in super::super) fn for_each_header(&self, each: impl FnMut(&[u8], Option<&[u8]>)) {
        // SAFETY: the message lives for `'a`, and was received.
        match unsafe { headers::on_the_wire(self.message) } {
            Some(bytes) => headers::for_each(bytes, each),
            None => self.for_each_parsed_header(each),
        }
    }

    /// The same by way of librdkafka, which hands names out as C strings: a name with a zero byte arrives
    /// cut there.
    fn for_each_parsed_header(&self, mut each: impl FnMut(&[u8], Option<&[u8]>)) {
        let mut headers = ptr::null_mut();
        // SAFETY: the message is alive, and owns the headers that are returned.
        let found = unsafe { sys::rd_kafka_message_headers(self.message, &mut headers) };
        if found != RDKafkaRespErr::RD_KAFKA_RESP_ERR_NO_ERROR || headers.is_null() {
            return;
        }
        for index in 0.. {
            let mut name = ptr::null();
            let mut value: *const c_void = ptr::null();
            let mut size = 0;
            // SAFETY: `headers` lives with the message; an index past the end is answered with
            // an error and leaves the out pointers alone.
            let found = unsafe {
                sys::rd_kafka_header_get_all(headers, index, &mut name, &mut value, &mut size)
            };
            if found != RDKafkaRespErr::RD_KAFKA_RESP_ERR_NO_ERROR || name.is_null() {
                return;
            }
            // SAFETY: librdkafka ends every header name with a zero byte; name and value live
            // with the message; `value` is null or points to `size` bytes.
            let (name, value) = unsafe { (CStr::from_ptr(name).to_bytes(), bytes(value, size)) };
            each(name, value);
        }
    }
}

/// # Safety
///
/// `start` must be null, or point to `len` bytes that live for `'a`.
unsafe fn bytes<'a>(start: *const c_void, len: usize) -> Option<&'a [u8]> {
    if start.is_null() {
        return None;
    }
    // SAFETY: promised by the caller.
    Some(unsafe { std::slice::from_raw_parts(start.cast(), len) })
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use bytes::Bytes;
    use rdkafka::consumer::{BaseConsumer, Consumer};
    use rdkafka::{ClientConfig, Offset, TopicPartitionList};

    use super::*;
    use crate::broker::kafka::EmbeddedBroker;
    use crate::broker::{Broker, BrokerError, OutgoingRecord};
    use crate::event::{Header, TopicName};

    type Read = Vec<(Vec<u8>, Option<Vec<u8>>)>;

    fn read(message: MessageView<'_>, is_parsed: bool) -> Read {
        let mut read = Vec::new();
        let each = |name: &[u8], value: Option<&[u8]>| {
            read.push((name.to_vec(), value.map(<[u8]>::to_vec)));
        };
        match is_parsed {
            true => message.for_each_parsed_header(each),
            false => message.for_each_header(each),
        }
        read
    }

    #[tokio::test]
    async fn headers_on_the_wire_are_those_that_librdkafka_reads() -> Result<(), BrokerError> {
        let embedded = EmbeddedBroker::start()?;
        embedded.create_topic("role_events", 1)?;
        let producer = embedded.broker().producer()?;
        let header = |name: &'static [u8], value: Option<&'static [u8]>| Header {
            name: Bytes::from_static(name),
            value: value.map(Bytes::from_static),
        };
        let some = vec![header(b"a", Some(b"x")), header(b"\xff", None), header(b"a", Some(b""))];
        let long = vec![header(b"long", Some(&[7; 5000]))];
        let values = [None, Some(""), Some("value")].map(|value| value.map(Bytes::from));
        for headers in [Vec::new(), some.clone(), long.clone()] {
            for value in values.clone() {
                let (topic, partition) = (TopicName::from_static("role_events"), None);
                let (key, timestamp_ms, headers) = (None, None, headers.iter().cloned().collect());
                let record = OutgoingRecord { topic, partition, key, value, headers, timestamp_ms };
                producer.send(record).await?;
            }
        }
        let other = |error: rdkafka::error::KafkaError| BrokerError::Other(error.to_string());
        let consumer: BaseConsumer = ClientConfig::new()
            .set("bootstrap.servers", embedded.address())
            .set("group.id", "headers")
            .create()
            .map_err(other)?;
        let mut list = TopicPartitionList::new();
        list.add_partition_offset("role_events", 0, Offset::Beginning).map_err(other)?;
        consumer.assign(&list).map_err(other)?;
        let (mut seen, mut on_the_wire) = (Vec::new(), 0);
        let until = Instant::now() + Duration::from_secs(20);
        while seen.len() < 9 {
            assert!(Instant::now() < until, "{} of 9 records came", seen.len());
            let Some(message) = consumer.poll(Duration::from_millis(100)) else { continue };
            let message = message.map_err(other)?;
            let view = MessageView::of(&message);
            // SAFETY: the message is alive.
            on_the_wire += usize::from(unsafe { headers::on_the_wire(view.message) }.is_some());
            assert_eq!(read(view, false), read(view, true));
            seen.push(read(view, false).len());
        }
        // Those without a value librdkafka is asked about.
        assert_eq!((seen, on_the_wire), (vec![0, 0, 0, 3, 3, 3, 1, 1, 1], 3));
        Ok(())
    }
}

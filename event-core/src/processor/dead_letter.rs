//! The record that a dead-letter topic gets: the original, byte for byte, and where it came from.

use bytes::Bytes;
use jiff::Timestamp;

use super::ServiceIdentity;
use super::retry_headers::{Origin, original_headers, redrive_id};
use crate::broker::OutgoingRecord;
use crate::delivery::RecordRef;
use crate::event::{Header, TopicName};

/// The headers that a dead letter gets, all with UTF-8 text as values.
///
/// They follow the original's own headers in one run that begins with `dlq.topic`: what stands before
/// the last of that name is the original's, whatever it is called.
///
/// | header | |
/// |---|---|
/// | `dlq.topic` | the topic it came from |
/// | `dlq.partition` | the partition it came from |
/// | `dlq.offset` | its offset there |
/// | `dlq.timestamp` | its timestamp there, in milliseconds since 1970 |
/// | `dlq.group` | the consumer group that gave it up |
/// | `dlq.id` | `group:topic/partition@offset`: the same record dead-lettered twice has the same |
/// | `dlq.handler` | the handler that failed; absent when none was found |
/// | `dlq.attempts` | how often it was tried; 0 when it could not be decoded |
/// | `dlq.reason` | the code of the reason, such as `malformed_json` or `attempts_exhausted` |
/// | `dlq.error` | the error and its causes, outermost first, joined by `: `; at most 4096 bytes |
/// | `dlq.first_failure` | when the first attempt failed (RFC 3339) |
/// | `dlq.last_failure` | when the last attempt failed (RFC 3339) |
/// | `dlq.service` | the service that gave it up |
/// | `dlq.service_version` | that service's version |
/// | `dlq.trace_id` | the trace id of the original's `traceparent`, if it had one |
/// | `dlq.redrive_id` | of a record that was redriven and failed again: its `retry.redrive_id` |
/// | `dlq.value_bytes_left_out` | the size of the value, where the dead-letter topic did not take so large a record; it still lies at the origin until that topic's retention |
/// | `dlq.headers_left_out` | how many of the original's own headers were left out, where it was still too large |
/// | `dlq.key_bytes_left_out` | the size of the key, where it was still too large |
pub mod header {
    /// The topic it came from; the first of the run.
    pub const TOPIC: &str = "dlq.topic";
    /// The partition it came from.
    pub const PARTITION: &str = "dlq.partition";
    /// Its offset there.
    pub const OFFSET: &str = "dlq.offset";
    /// Its timestamp there.
    pub const TIMESTAMP: &str = "dlq.timestamp";
    /// The consumer group that gave it up.
    pub const GROUP: &str = "dlq.group";
    /// Which record it was, and of which group.
    pub const ID: &str = "dlq.id";
    /// The handler that failed.
    pub const HANDLER: &str = "dlq.handler";
    /// How often it was tried.
    pub const ATTEMPTS: &str = "dlq.attempts";
    /// The code of the reason.
    pub const REASON: &str = "dlq.reason";
    /// The error and its causes.
    pub const ERROR: &str = "dlq.error";
    /// When the first attempt failed.
    pub const FIRST_FAILURE: &str = "dlq.first_failure";
    /// When the last attempt failed.
    pub const LAST_FAILURE: &str = "dlq.last_failure";
    /// The service that gave it up.
    pub const SERVICE: &str = "dlq.service";
    /// That service's version.
    pub const SERVICE_VERSION: &str = "dlq.service_version";
    /// The trace that it belongs to.
    pub const TRACE_ID: &str = "dlq.trace_id";
    /// Which redrive it came from.
    pub const REDRIVE_ID: &str = "dlq.redrive_id";
    /// The size of the value that was left out.
    pub const VALUE_BYTES_LEFT_OUT: &str = "dlq.value_bytes_left_out";
    /// How many of the original's own headers were left out.
    pub const HEADERS_LEFT_OUT: &str = "dlq.headers_left_out";
    /// The size of the key that was left out.
    pub const KEY_BYTES_LEFT_OUT: &str = "dlq.key_bytes_left_out";
}

const MAX_ERROR_BYTES: usize = 4096;

/// When the attempts failed.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Failures {
    first: Option<Timestamp>,
    last: Option<Timestamp>,
}

impl Failures {
    /// Of a record that failed first at another time, when that is known.
    pub(super) fn since(first: Option<Timestamp>) -> Self {
        Failures { first, last: None }
    }

    pub(super) fn first(&self) -> Option<Timestamp> {
        self.first
    }

    pub(super) fn last(&self) -> Option<Timestamp> {
        self.last
    }

    pub(super) fn note(&mut self, now: Timestamp) {
        self.first.get_or_insert(now);
        self.last = Some(now);
    }
}

/// A record that was given up, and why.
pub(super) struct DeadLetter<'a> {
    pub(super) record: RecordRef<'a>,
    /// Whether it comes from a retry or redrive topic.
    pub(super) has_returned: bool,
    pub(super) origin: &'a Origin,
    pub(super) handler: Option<&'a str>,
    pub(super) attempts: u32,
    pub(super) reason: &'static str,
    pub(super) error: String,
    pub(super) failures: Failures,
}

impl DeadLetter<'_> {
    /// The record for `topic`.
    pub(super) fn to_record(&self, topic: TopicName, identity: &ServiceIdentity) -> OutgoingRecord {
        let record = &self.record;
        let origin = self.origin;
        let mut headers = original_headers(self.record, self.has_returned);
        let trace_id = record.trace_parent().map(|trace| trace.trace_id.to_owned());
        let mut put = |name: &'static str, value: String| {
            headers.push(Bytes::from_static(name.as_bytes()), value);
        };
        put(header::TOPIC, origin.partition.topic.to_string());
        put(header::PARTITION, origin.partition.partition.to_string());
        put(header::OFFSET, origin.offset.to_string());
        put(header::TIMESTAMP, origin.timestamp_ms.to_string());
        put(header::GROUP, identity.group.to_string());
        put(header::ID, format!("{}:{}@{}", identity.group, origin.partition, origin.offset));
        if let Some(handler) = self.handler {
            put(header::HANDLER, handler.to_owned());
        }
        put(header::ATTEMPTS, self.attempts.to_string());
        put(header::REASON, self.reason.to_owned());
        put(header::ERROR, crate::event::excerpt(&self.error, MAX_ERROR_BYTES));
        for (name, time) in [
            (header::FIRST_FAILURE, self.failures.first),
            (header::LAST_FAILURE, self.failures.last),
        ] {
            put(name, time.map(|time| time.to_string()).unwrap_or_default());
        }
        put(header::SERVICE, identity.name.clone());
        put(header::SERVICE_VERSION, identity.version.clone());
        if let Some(trace_id) = trace_id {
            put(header::TRACE_ID, trace_id);
        }
        if let Some(id) = redrive_id(self.record, self.has_returned) {
            put(header::REDRIVE_ID, id.to_owned());
        }
        OutgoingRecord {
            topic,
            partition: None,
            key: record.key.map(Bytes::copy_from_slice),
            value: record.value.map(Bytes::copy_from_slice),
            headers,
            timestamp_ms: None,
        }
    }

    /// Leaves something out, for a dead-letter topic that does not take so large a record: first the
    /// value, then the original's own headers, then the key. False when there is nothing left.
    pub(super) fn shrink(&self, letter: &mut OutgoingRecord) -> bool {
        // Ours begin with the last of this name; there are none before it once they were left out.
        let begins = |header: &Header| header.name == header::TOPIC;
        let originals = letter.headers.iter().enumerate().filter(|(_, h)| begins(h)).last();
        let originals = originals.map_or(0, |(index, _)| index);
        if let Some(value) = letter.value.take() {
            letter.headers.push(header::VALUE_BYTES_LEFT_OUT, value.len().to_string());
        } else if originals > 0 {
            letter.headers = letter.headers.iter().skip(originals).cloned().collect();
            letter.headers.push(header::HEADERS_LEFT_OUT, originals.to_string());
        } else if let Some(key) = letter.key.take() {
            letter.headers.push(header::KEY_BYTES_LEFT_OUT, key.len().to_string());
        } else {
            return false;
        }
        true
    }
}

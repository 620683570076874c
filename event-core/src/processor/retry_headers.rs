//! Records that wait in a topic of ours before they are retried.

use bytes::Bytes;
use jiff::Timestamp;

use crate::broker::OutgoingRecord;
pub(super) use crate::delivery::Origin;
use crate::delivery::{Offset, RecordRef, TopicPartition};
use crate::event::{GroupName, Headers, TopicName, excerpt};
use crate::outcome::Rejection;

/// The headers on a record in a retry or redrive topic, all with UTF-8 text as values.
///
/// They follow the original's own headers in one run that begins with `retry.topic`: what stands
/// before the last of that name is the original's, whatever it is called. On any other topic they
/// mean nothing.
///
/// | header | |
/// |---|---|
/// | `retry.topic` | the topic it was first on |
/// | `retry.partition` | the partition it was first in |
/// | `retry.offset` | its offset there |
/// | `retry.timestamp` | its timestamp there, in milliseconds since 1970 |
/// | `retry.group` | the consumer group that is to try it again; every other passes it over |
/// | `retry.handler` | the handler that is to try it again |
/// | `retry.attempts` | how often it was tried so far |
/// | `retry.due` | in a retry topic: when it may be retried, in milliseconds since 1970 |
/// | `retry.error` | in a retry topic: the last error and its causes, outermost first; at most 1024 bytes |
/// | `retry.first_failure` | when the first attempt failed (RFC 3339), if that is known |
/// | `retry.redrive_id` | of a record that a person had redriven: names that act |
pub mod header {
    /// The topic it was first on; the first of the run.
    pub const TOPIC: &str = "retry.topic";
    /// The partition it was first in.
    pub const PARTITION: &str = "retry.partition";
    /// Its offset there.
    pub const OFFSET: &str = "retry.offset";
    /// Its timestamp there.
    pub const TIMESTAMP: &str = "retry.timestamp";
    /// The consumer group that is to try it again.
    pub const GROUP: &str = "retry.group";
    /// The handler that is to try it again.
    pub const HANDLER: &str = "retry.handler";
    /// How often it was tried so far.
    pub const ATTEMPTS: &str = "retry.attempts";
    /// When it may be retried; at once without it.
    pub const DUE: &str = "retry.due";
    /// The last error.
    pub const ERROR: &str = "retry.error";
    /// When the first attempt failed.
    pub const FIRST_FAILURE: &str = "retry.first_failure";
    /// Which redrive it comes from.
    pub const REDRIVE_ID: &str = "retry.redrive_id";
}

const MAX_ERROR_BYTES: usize = 1024;

// What we add to a record each time, and so take away before the next.
const OURS: [&str; 11] = [
    header::TOPIC,
    header::PARTITION,
    header::OFFSET,
    header::TIMESTAMP,
    header::GROUP,
    header::HANDLER,
    header::ATTEMPTS,
    header::DUE,
    header::ERROR,
    header::FIRST_FAILURE,
    header::REDRIVE_ID,
];

/// The headers that a record had on the topic it was first on. What others put behind ours stays.
pub(super) fn original_headers(record: RecordRef<'_>, has_returned: bool) -> Headers {
    let headers = record.to_headers();
    let run = headers.iter().enumerate().filter(|(_, header)| header.name == header::TOPIC).last();
    match run {
        Some((first, _)) if has_returned => {
            let is_ours = |name: &Bytes| OURS.iter().any(|ours| name == ours);
            let kept = headers
                .iter()
                .enumerate()
                .filter(|(index, header)| *index < first || !is_ours(&header.name));
            kept.map(|(_, header)| header.clone()).collect()
        }
        _ => headers,
    }
}

/// Which redrive a record comes from.
pub(super) fn redrive_id(record: RecordRef<'_>, has_returned: bool) -> Option<&str> {
    let id = record.header_behind(header::TOPIC, header::REDRIVE_ID).filter(|_| has_returned)?;
    std::str::from_utf8(id).ok()
}

/// What a record in a retry or redrive topic says of itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Returned {
    pub(super) origin: Origin,
    pub(super) handler: String,
    pub(super) attempts: u32,
    pub(super) due_ms: Option<i64>,
    pub(super) first_failure: Option<Timestamp>,
}

impl Returned {
    /// Reads the headers of a record that was on `topic` before; `None` when it is for another group.
    pub(super) fn read(
        record: RecordRef<'_>,
        topic: &TopicName,
        group: &GroupName,
    ) -> Result<Option<Self>, Rejection> {
        if text(record, header::GROUP)? != group.as_str() {
            return Ok(None);
        }
        let from = text(record, header::TOPIC)?;
        if *topic != from {
            let message = format!("header `{}` says `{}`", header::TOPIC, excerpt(from, 64));
            return Err(refused(format!("{message}, records of `{topic}` come here")));
        }
        let partition =
            TopicPartition { topic: topic.clone(), partition: number(record, header::PARTITION)? };
        let origin = Origin {
            partition,
            offset: Offset(number(record, header::OFFSET)?),
            timestamp_ms: number(record, header::TIMESTAMP)?,
        };
        // What is not always there could be the original's own.
        let due_ms = match record.header_behind(header::TOPIC, header::DUE) {
            Some(_) => Some(number(record, header::DUE)?),
            None => None,
        };
        let first_failure = record.header_behind(header::TOPIC, header::FIRST_FAILURE);
        let first_failure = first_failure.and_then(|time| std::str::from_utf8(time).ok());
        Ok(Some(Returned {
            origin,
            handler: text(record, header::HANDLER)?.to_owned(),
            attempts: number(record, header::ATTEMPTS)?,
            due_ms,
            first_failure: first_failure.and_then(|time| time.parse().ok()),
        }))
    }
}

fn text<'a>(record: RecordRef<'a>, name: &str) -> Result<&'a str, Rejection> {
    let value = record.header(name).ok_or_else(|| refused(format!("there is no header `{name}`")));
    std::str::from_utf8(value?).map_err(|_| refused(format!("header `{name}` is not UTF-8")))
}

fn number<N: std::str::FromStr>(record: RecordRef<'_>, name: &str) -> Result<N, Rejection> {
    let text = text(record, name)?;
    text.parse().map_err(|_| {
        refused(format!("header `{name}` is `{}`, which is not its number", excerpt(text, 64)))
    })
}

fn refused(message: String) -> Rejection {
    Rejection::Refused { code: "malformed_retry_headers", message }
}

/// A record that is to be retried later.
pub(super) struct Postponed<'a> {
    pub(super) record: RecordRef<'a>,
    /// Whether it comes from a retry or redrive topic itself.
    pub(super) has_returned: bool,
    pub(super) origin: &'a Origin,
    pub(super) group: &'a GroupName,
    pub(super) handler: &'a str,
    pub(super) attempts: u32,
    pub(super) due_ms: i64,
    pub(super) error: &'a str,
    pub(super) first_failure: Option<Timestamp>,
}

impl Postponed<'_> {
    /// The record for the retry topic.
    pub(super) fn to_record(&self, topic: TopicName) -> OutgoingRecord {
        let mut headers = original_headers(self.record, self.has_returned);
        let mut put = |name: &'static str, value: String| {
            headers.push(Bytes::from_static(name.as_bytes()), value);
        };
        put(header::TOPIC, self.origin.partition.topic.to_string());
        put(header::PARTITION, self.origin.partition.partition.to_string());
        put(header::OFFSET, self.origin.offset.to_string());
        put(header::TIMESTAMP, self.origin.timestamp_ms.to_string());
        put(header::GROUP, self.group.to_string());
        put(header::HANDLER, self.handler.to_owned());
        put(header::ATTEMPTS, self.attempts.to_string());
        put(header::DUE, self.due_ms.to_string());
        put(header::ERROR, excerpt(self.error, MAX_ERROR_BYTES));
        if let Some(first) = self.first_failure {
            put(header::FIRST_FAILURE, first.to_string());
        }
        if let Some(id) = redrive_id(self.record, self.has_returned) {
            put(header::REDRIVE_ID, id.to_owned());
        }
        OutgoingRecord {
            topic,
            partition: None,
            key: self.record.key.map(Bytes::copy_from_slice),
            value: self.record.value.map(Bytes::copy_from_slice),
            headers,
            timestamp_ms: None,
        }
    }
}

//! Records that wait in a topic of ours before they are tried again.

use bytes::Bytes;
use jiff::Timestamp;

use crate::broker::OutgoingRecord;
use crate::delivery::{Offset, RecordRef, TopicPartition};
use crate::event::{GroupName, Headers, TopicName, excerpt};
use crate::outcome::Rejection;

/// The names of the headers on a record in a retry or redrive topic, all with UTF-8 text as values.
///
/// They follow the original's own headers, and of several of one name the last counts. On any other
/// topic they mean nothing.
pub mod header {
    /// The topic it was first on.
    pub const TOPIC: &str = "retry.topic";
    /// The partition it was first in.
    pub const PARTITION: &str = "retry.partition";
    /// Its offset there.
    pub const OFFSET: &str = "retry.offset";
    /// Its timestamp there, in milliseconds since 1970.
    pub const TIMESTAMP: &str = "retry.timestamp";
    /// The consumer group that is to try it again; every other passes it over.
    pub const GROUP: &str = "retry.group";
    /// The handler that is to try it again.
    pub const HANDLER: &str = "retry.handler";
    /// How often it was tried so far.
    pub const ATTEMPTS: &str = "retry.attempts";
    /// When it may be tried again, in milliseconds since 1970; at once without it.
    pub const DUE: &str = "retry.due";
    /// The last error and its causes, outermost first; at most 1024 bytes.
    pub const ERROR: &str = "retry.error";
    /// When the first attempt failed (RFC 3339).
    pub const FIRST_FAILURE: &str = "retry.first_failure";
    /// On a record that a person had redriven: names that act.
    pub const REDRIVE_ID: &str = "retry.redrive_id";
}

const MAX_ERROR_BYTES: usize = 1024;

// What we add to a record each time, and so take away before the next.
const OURS: [&str; 10] = [
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
];

/// The headers that a record had on the topic it was first on, and who redrove it.
pub(super) fn original_headers(record: RecordRef<'_>, has_returned: bool) -> Headers {
    let headers = record.to_headers();
    if !has_returned {
        return headers;
    }
    let ours: Vec<_> = OURS
        .iter()
        .filter_map(|name| {
            let named = headers.iter().enumerate();
            named.filter(|(_, header)| header.name == name.as_bytes()).last()
        })
        .map(|(index, _)| index)
        .collect();
    let kept = headers.iter().enumerate().filter(|(index, _)| !ours.contains(index));
    kept.map(|(_, header)| header.clone()).collect()
}

/// Where a record was first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Origin {
    pub(super) partition: TopicPartition,
    pub(super) offset: Offset,
    pub(super) timestamp_ms: i64,
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
        let due_ms = match record.header(header::DUE) {
            Some(_) => Some(number(record, header::DUE)?),
            None => None,
        };
        let first_failure = text(record, header::FIRST_FAILURE).ok();
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

/// A record that is to be tried again later.
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

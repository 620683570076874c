//! The record that says that a dead letter was dealt with.

use std::fmt;

use bytes::Bytes;
use jiff::Timestamp;

use super::DeadLetter;
use super::letter::place_of;
use crate::broker::OutgoingRecord;
use crate::delivery::{Offset, Position, RecordRef};
use crate::event::Headers;
use crate::processor::dead_letter_header;

/// The headers of a record of resolution, all with UTF-8 text as values.
///
/// It is appended to the partition of the letter in the dead-letter topic, with neither key nor
/// value.
///
/// | header | |
/// |---|---|
/// | `dlq.resolves` | the letter: `partition@offset` in this topic |
/// | `dlq.id` | the letter's own, copied |
/// | `dlq.resolution` | `redriven` or `dropped` |
/// | `dlq.redrive_id` | of what was redriven: the `retry.redrive_id` of the record that was sent |
/// | `dlq.resolved_at` | when (RFC 3339) |
pub mod header {
    /// The letter: `partition@offset` in the dead-letter topic.
    pub const RESOLVES: &str = "dlq.resolves";
    /// `redriven` or `dropped`.
    pub const RESOLUTION: &str = "dlq.resolution";
    /// Of what was redriven: the `retry.redrive_id` of the record that was sent.
    pub const REDRIVE_ID: &str = "dlq.redrive_id";
    /// When it was resolved (RFC 3339).
    pub const RESOLVED_AT: &str = "dlq.resolved_at";
}

/// What was done about a dead letter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Resolution {
    /// It was sent back to its handler.
    Redriven,
    /// It was given up for good.
    Dropped,
}

impl fmt::Display for Resolution {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Resolution::Redriven => "redriven",
            Resolution::Dropped => "dropped",
        })
    }
}

/// The record that resolves `letter`, or the copy of it, at `place`.
pub(super) fn to_record(
    place: &Position,
    letter: &DeadLetter,
    resolution: Resolution,
    now: Timestamp,
) -> OutgoingRecord {
    let mut headers = Headers::new();
    let mut put = |name: &'static str, value: String| {
        headers.push(Bytes::from_static(name.as_bytes()), value);
    };
    put(header::RESOLVES, place_of(place));
    put(dead_letter_header::ID, letter.id.clone());
    put(header::RESOLUTION, resolution.to_string());
    if resolution == Resolution::Redriven {
        put(header::REDRIVE_ID, letter.next_redrive_id());
    }
    put(header::RESOLVED_AT, now.to_string());
    OutgoingRecord {
        topic: place.topic.clone(),
        partition: Some(place.partition),
        key: None,
        value: None,
        headers,
        timestamp_ms: None,
    }
}

/// Which letter of its topic a record resolves; `None` for any other record.
pub(super) fn resolved_by(record: RecordRef<'_>) -> Option<(i32, Offset)> {
    // A letter of a record that looks like this is a letter.
    if record.value.is_some() || record.header(dead_letter_header::TOPIC).is_some() {
        return None;
    }
    let resolves = std::str::from_utf8(record.header(header::RESOLVES)?).ok()?;
    let (partition, offset) = resolves.split_once('@')?;
    Some((partition.parse().ok()?, Offset(offset.parse().ok()?)))
}

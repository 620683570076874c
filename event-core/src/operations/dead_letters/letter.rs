//! A dead letter as its headers describe it.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::str::FromStr;

use jiff::Timestamp;

use crate::delivery::{Offset, Position, RecordRef, TopicPartition};
use crate::event::{Envelope, TopicName, excerpt};
use crate::processor::dead_letter_header as header;

/// A dead letter, without key, value and the original's own headers.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct DeadLetter {
    /// Where it lies in the dead-letter topic.
    pub place: Position,
    /// Where the same lies again, because the service crashed after writing it. They are shown and
    /// resolved as one.
    pub copies: Vec<Position>,
    /// Where the record came from.
    pub origin: Origin,
    /// `group:topic/partition@offset`: the same record dead-lettered twice has the same.
    pub id: String,
    /// The consumer group that gave it up.
    pub group: String,
    /// The start of the event's name; `None` when it cannot be read.
    pub event: Option<String>,
    /// The handler that failed; `None` when none was found.
    pub handler: Option<String>,
    /// How often it was tried.
    pub attempts: u32,
    /// The code of the reason.
    pub reason: String,
    /// The error and its causes.
    pub error: String,
    /// When the first attempt failed.
    pub first_failure: Option<Timestamp>,
    /// When the last attempt failed.
    pub last_failure: Option<Timestamp>,
    /// The service that gave it up, with its version.
    pub service: Option<String>,
    /// The version of that service.
    pub service_version: Option<String>,
    /// The trace that the record belongs to.
    pub trace_id: Option<String>,
    /// What the dead-letter topic did not take.
    pub left_out: LeftOut,
    /// Of a letter that was redriven before and failed again: which redrive that was.
    pub redrive_id: Option<String>,
    /// Of key and value as far as they are here, so that letters need not keep them.
    content_hash: u64,
}

/// Where the record of a dead letter came from.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Origin {
    /// The partition.
    pub partition: TopicPartition,
    /// Its offset there.
    pub offset: Offset,
    /// Its timestamp there, in milliseconds since 1970; negative when it had none.
    pub timestamp_ms: i64,
}

impl std::fmt::Display for Origin {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}@{}", self.partition, self.offset)
    }
}

/// What of the original a letter has not got, because its topic would not take so large a record.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LeftOut {
    /// The size of the value that is missing.
    pub value_bytes: Option<u64>,
    /// How many headers are missing.
    pub headers: Option<u64>,
    /// The size of the key that is missing.
    pub key_bytes: Option<u64>,
}

impl LeftOut {
    /// Whether anything is missing.
    #[must_use]
    pub fn any(&self) -> bool {
        self.value_bytes.is_some() || self.headers.is_some() || self.key_bytes.is_some()
    }
}

impl DeadLetter {
    /// Reads the headers of a record; `None` when it is no dead letter of this framework.
    pub(super) fn read(partition: &TopicPartition, record: RecordRef<'_>) -> Option<Self> {
        // The original may have headers of these names, ours are behind them.
        let ours = |name: &str| record.header_behind(header::TOPIC, name);
        let text = |name: &str| std::str::from_utf8(ours(name)?).ok();
        let topic = std::str::from_utf8(record.header(header::TOPIC)?).ok()?;
        let owned = |name: &str| text(name).map(str::to_owned);
        let origin = Origin {
            partition: TopicPartition {
                topic: TopicName::foreign(topic).ok()?,
                partition: number(text(header::PARTITION))?,
            },
            offset: Offset(number(text(header::OFFSET))?),
            timestamp_ms: number(text(header::TIMESTAMP)).unwrap_or(-1),
        };
        let event = record.value.and_then(|value| Envelope::read(value).ok());
        Some(DeadLetter {
            place: Position {
                topic: partition.topic.clone(),
                partition: partition.partition,
                offset: record.offset,
                timestamp_ms: record.timestamp_ms,
            },
            copies: Vec::new(),
            origin,
            id: owned(header::ID)?,
            group: owned(header::GROUP).unwrap_or_default(),
            event: event.map(|envelope| excerpt(envelope.event_type(), 64)),
            handler: owned(header::HANDLER),
            attempts: number(text(header::ATTEMPTS)).unwrap_or(0),
            reason: owned(header::REASON).unwrap_or_default(),
            error: owned(header::ERROR).unwrap_or_default(),
            first_failure: number(text(header::FIRST_FAILURE)),
            last_failure: number(text(header::LAST_FAILURE)),
            service: owned(header::SERVICE),
            service_version: owned(header::SERVICE_VERSION),
            trace_id: owned(header::TRACE_ID),
            left_out: LeftOut {
                value_bytes: number(text(header::VALUE_BYTES_LEFT_OUT)),
                headers: number(text(header::HEADERS_LEFT_OUT)),
                key_bytes: number(text(header::KEY_BYTES_LEFT_OUT)),
            },
            redrive_id: owned(header::REDRIVE_ID),
            content_hash: {
                let mut hasher = DefaultHasher::new();
                (record.key, record.value).hash(&mut hasher);
                hasher.finish()
            },
        })
    }

    /// `partition@offset` in the dead-letter topic.
    #[must_use]
    pub fn short_id(&self) -> String {
        place_of(&self.place)
    }

    /// When the last attempt failed; when the letter was written, if it does not say.
    #[must_use]
    pub fn failed_at(&self) -> Option<Timestamp> {
        let written = || Timestamp::from_millisecond(self.place.timestamp_ms).ok();
        self.last_failure.or_else(written)
    }

    /// The id of the redrive of this letter: the same each time it is redriven, so that one that was
    /// redriven twice, because of a crash in between, is recognised.
    #[must_use]
    pub fn next_redrive_id(&self) -> String {
        format!("{}#{}", self.id, self.short_id())
    }

    /// Where it lies, and where its copies do.
    pub(super) fn places(&self) -> impl Iterator<Item = &Position> {
        std::iter::once(&self.place).chain(&self.copies)
    }

    /// Whether `other` is of the same failure, written again. One that failed again after a redrive
    /// is not, nor is that of the record that came to lie at the same offset when the topic was recreated.
    pub(super) fn is_copy_of(&self, other: &Self) -> bool {
        let content = |letter: &Self| (letter.left_out, letter.content_hash);
        self.place.topic == other.place.topic
            && self.id == other.id
            && self.origin == other.origin
            && self.redrive_id == other.redrive_id
            && content(self) == content(other)
    }
}

/// `partition@offset`.
pub(super) fn place_of(position: &Position) -> String {
    format!("{}@{}", position.partition, position.offset)
}

fn number<N: FromStr>(text: Option<&str>) -> Option<N> {
    text?.parse().ok()
}

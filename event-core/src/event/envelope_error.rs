//! Why a record is not an event.
//!
//! Each kind of broken input has a variant and a code of its own, because each has another fix.

use super::KnownShape;

/// The longest `eventType` that is read, in bytes: the limit of an event's name.
pub const MAX_EVENT_TYPE_BYTES: usize = event_names::MAX_BYTES;

/// Why a record is not an event. Reading it again would fail again, so it is never retried.
///
/// Every `byte` is an offset into the record's value, from 0 on.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum EnvelopeError {
    /// No bytes, or white space only.
    #[error("the value is empty; an event is a JSON object")]
    Empty,
    /// A JSON value of another kind.
    #[error("the value is {found}; an event is a JSON object")]
    NotAnObject {
        /// What it is.
        found: &'static str,
        /// Where it begins.
        byte: usize,
    },
    /// The value starts with a byte order mark.
    #[error("the value starts with a {0} byte order mark; write plain UTF-8")]
    ByteOrderMark(&'static str),
    /// Bytes that are not UTF-8.
    #[error("the value is not UTF-8 from byte {byte} on")]
    NotUtf8 {
        /// The first wrong byte.
        byte: usize,
    },
    /// The five-byte prefix of Confluent's schema registry.
    #[error(
        "the value starts with the magic byte 0 of a schema registry; this reader takes plain JSON"
    )]
    SchemaRegistryFraming,
    /// A compressed file as the value.
    #[error(
        "the value is compressed with {0}; compress with the producer's `compression.type` instead"
    )]
    Compressed(&'static str),
    /// JSON that ends too early.
    #[error("the JSON is cut off at byte {byte}: {problem}")]
    Truncated {
        /// What was being read.
        problem: String,
        /// The first byte that is not there.
        byte: usize,
    },
    /// Something follows the object.
    #[error("something follows the JSON object, from byte {byte} on")]
    TrailingData {
        /// Where it begins.
        byte: usize,
    },
    /// Any other breach of the grammar.
    #[error("the value is not JSON at byte {byte}: {problem}")]
    Malformed {
        /// What is wrong.
        problem: String,
        /// The first byte that is wrong.
        byte: usize,
    },
    /// Nesting beyond the limit.
    #[error("the JSON is nested deeper than {limit} levels at byte {byte}")]
    TooDeep {
        /// The limit.
        limit: usize,
        /// The bracket that opens one level too many.
        byte: usize,
    },
    /// Half of a surrogate pair in an escape.
    #[error(
        "`{path}` has an escape at byte {byte} that is half of a surrogate pair and names no character; its producer cut a text inside of one"
    )]
    LoneSurrogate {
        /// The field whose text it is in.
        path: String,
        /// Where the escape begins.
        byte: usize,
    },
    /// A field of the envelope that appears twice.
    #[error("the field `{field}` appears twice, the second time at byte {byte}")]
    DuplicateField {
        /// The field.
        field: &'static str,
        /// Where its second key begins.
        byte: usize,
    },
    /// No `eventType`.
    #[error("the field `eventType` is missing{}{}", .near.as_ref().map(|near| format!("; `{}` is there at byte {}, but the name is `eventType`", near.key, near.byte)).unwrap_or_default(), .shape.as_ref().map(|shape| format!("; the record looks like {shape}: a handler with `event = *` that takes a `RawEvent` gets such records")).unwrap_or_default())]
    MissingEventType {
        /// Whose form the record has, where it is a known one.
        shape: Option<KnownShape>,
        /// A key that differs from `eventType` only in case or separators.
        near: Option<NearKey>,
    },
    /// A field of the envelope that has the wrong type.
    #[error("the field `{field}` is {found} at byte {byte}, it must be {expected}")]
    FieldType {
        /// The field.
        field: &'static str,
        /// What it must be.
        expected: &'static str,
        /// What it is: of a number or a text the value, of a long one the start.
        found: String,
        /// Where its value begins.
        byte: usize,
    },
    /// An `eventType` that cannot be a name.
    #[error(
        "the field `eventType` at byte {byte} is {bytes} bytes long, the limit is {MAX_EVENT_TYPE_BYTES}: `{start}`"
    )]
    EventTypeTooLong {
        /// Its length.
        bytes: usize,
        /// How it starts.
        start: String,
        /// Where its value begins.
        byte: usize,
    },
    /// A version that this build does not know.
    #[error(
        "the version of {event} at byte {byte} is {found}, {type_name} reads up to {supported}: deploy a build whose contract is of version {found}"
    )]
    UnsupportedVersion {
        /// The event's name.
        event: String,
        /// The contract's type.
        type_name: &'static str,
        /// The record's version.
        found: u32,
        /// The contract's version.
        supported: u32,
        /// Where the record says so.
        byte: usize,
    },
    /// Data that does not fit the handler's type.
    #[error("the data of {event}{} does not fit {type_name}{}{}: {problem}", version(.versions.map(|(record, _)| record)), version(.versions.map(|(_, contract)| contract)), .byte.map(|byte| format!(" at byte {byte}")).unwrap_or_default())]
    DataMismatch {
        /// The event's name.
        event: String,
        /// The versions of the record and of the contract; `None` for data without a contract.
        versions: Option<(u32, u32)>,
        /// The type.
        type_name: &'static str,
        /// What does not fit.
        problem: String,
        /// Where reading it stopped; `None` when there is no data.
        byte: Option<usize>,
    },
}

fn version(version: Option<u32>) -> String {
    version.map(|version| format!(" version {version}")).unwrap_or_default()
}

/// A key that was probably meant to be another.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NearKey {
    /// The key; of a long one the start.
    pub key: String,
    /// Where it begins.
    pub byte: usize,
}

impl EnvelopeError {
    /// A stable code for headers, metrics and filters.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            EnvelopeError::Empty => "empty_value",
            EnvelopeError::NotAnObject { .. } => "not_an_object",
            EnvelopeError::ByteOrderMark(_) => "byte_order_mark",
            EnvelopeError::NotUtf8 { .. } => "not_utf8",
            EnvelopeError::SchemaRegistryFraming => "schema_registry_framing",
            EnvelopeError::Compressed(_) => "compressed_value",
            EnvelopeError::Truncated { .. } => "truncated_json",
            EnvelopeError::TrailingData { .. } => "trailing_data",
            EnvelopeError::Malformed { .. } => "malformed_json",
            EnvelopeError::TooDeep { .. } => "too_deep",
            EnvelopeError::LoneSurrogate { .. } => "lone_surrogate",
            EnvelopeError::DuplicateField { .. } => "duplicate_field",
            EnvelopeError::MissingEventType { .. } => "missing_event_type",
            EnvelopeError::FieldType { .. } => "wrong_field_type",
            EnvelopeError::EventTypeTooLong { .. } => "event_type_too_long",
            EnvelopeError::UnsupportedVersion { .. } => "unsupported_version",
            EnvelopeError::DataMismatch { .. } => "data_mismatch",
        }
    }

    /// Where in the record's value it is wrong, as an offset from 0 on; `None` when something is
    /// missing that has no place.
    #[must_use]
    pub fn byte(&self) -> Option<usize> {
        // A copy of an error costs less than a second list of its variants.
        self.clone().byte_mut().copied().or(match self {
            EnvelopeError::ByteOrderMark(_)
            | EnvelopeError::SchemaRegistryFraming
            | EnvelopeError::Compressed(_) => Some(0),
            _ => None,
        })
    }

    /// The same error of a part of the value that begins at `start`, as whoever wrote the part knows it.
    #[cfg(feature = "cli")]
    pub(crate) fn in_part(mut self, start: usize) -> Self {
        if let Some(byte) = self.byte_mut() {
            *byte = byte.saturating_sub(start);
        }
        self
    }

    fn byte_mut(&mut self) -> Option<&mut usize> {
        match self {
            EnvelopeError::Empty
            | EnvelopeError::ByteOrderMark(_)
            | EnvelopeError::SchemaRegistryFraming
            | EnvelopeError::Compressed(_) => None,
            EnvelopeError::NotAnObject { byte, .. }
            | EnvelopeError::NotUtf8 { byte }
            | EnvelopeError::Truncated { byte, .. }
            | EnvelopeError::TrailingData { byte }
            | EnvelopeError::Malformed { byte, .. }
            | EnvelopeError::TooDeep { byte, .. }
            | EnvelopeError::LoneSurrogate { byte, .. }
            | EnvelopeError::DuplicateField { byte, .. }
            | EnvelopeError::FieldType { byte, .. }
            | EnvelopeError::EventTypeTooLong { byte, .. }
            | EnvelopeError::UnsupportedVersion { byte, .. } => Some(byte),
            EnvelopeError::MissingEventType { near, .. } => {
                near.as_mut().map(|near| &mut near.byte)
            }
            EnvelopeError::DataMismatch { byte, .. } => byte.as_mut(),
        }
    }
}

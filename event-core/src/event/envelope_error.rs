//! Why a record is not an event.
//!
//! Each kind of broken input has a variant and a code of its own, because each is mended elsewhere.

/// The longest `eventType` that is read, in bytes: the limit of an event's name.
pub const MAX_EVENT_TYPE_BYTES: usize = event_names::MAX_BYTES;

/// Why a record is not an event. Reading it again would fail again, so it is never retried.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum EnvelopeError {
    /// No bytes, or white space only.
    #[error("the value is empty; an event is a JSON object")]
    Empty,
    /// A JSON value of another kind.
    #[error("the value is {0}; an event is a JSON object")]
    NotAnObject(&'static str),
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
    #[error("the JSON is cut off: {0}")]
    Truncated(String),
    /// Something follows the object.
    #[error("something follows the JSON object: {0}")]
    TrailingData(String),
    /// Any other breach of the grammar.
    #[error("the value is not JSON: {0}")]
    Malformed(String),
    /// Nesting beyond the limit.
    #[error("the JSON is nested deeper than {limit} levels")]
    TooDeep {
        /// The limit.
        limit: usize,
    },
    /// Half of a surrogate pair in an escape.
    #[error("the escape at byte {byte} is half of a surrogate pair and names no character")]
    LoneSurrogate {
        /// Where the escape begins.
        byte: usize,
    },
    /// A field of the envelope that appears twice.
    #[error("the field `{0}` appears twice")]
    DuplicateField(&'static str),
    /// No `eventType`.
    #[error("the field `eventType` is missing{}", .found.as_ref().map(|key| format!("; `{key}` is there, but the name is `eventType`")).unwrap_or_default())]
    MissingEventType {
        /// A key that differs from `eventType` only in case or separators.
        found: Option<String>,
    },
    /// A field of the envelope that has the wrong type.
    #[error("the field `{field}` is {found}, it must be {expected}")]
    FieldType {
        /// The field.
        field: &'static str,
        /// What it must be.
        expected: &'static str,
        /// What it is.
        found: &'static str,
    },
    /// An `eventType` that cannot be a name.
    #[error(
        "the field `eventType` is {bytes} bytes long, the limit is {MAX_EVENT_TYPE_BYTES}: `{start}`"
    )]
    EventTypeTooLong {
        /// Its length.
        bytes: usize,
        /// How it starts.
        start: String,
    },
    /// A version that this build does not know.
    #[error("the version is {found}, this service reads up to {supported}")]
    UnsupportedVersion {
        /// The record's version.
        found: u32,
        /// The contract's version.
        supported: u32,
    },
    /// Data that does not fit the handler's type.
    #[error("the data does not fit {type_name}: {problem}")]
    DataMismatch {
        /// The type.
        type_name: &'static str,
        /// What does not fit.
        problem: String,
    },
}

impl EnvelopeError {
    /// A stable code for headers, metrics and filters.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            EnvelopeError::Empty => "empty_value",
            EnvelopeError::NotAnObject(_) => "not_an_object",
            EnvelopeError::ByteOrderMark(_) => "byte_order_mark",
            EnvelopeError::NotUtf8 { .. } => "not_utf8",
            EnvelopeError::SchemaRegistryFraming => "schema_registry_framing",
            EnvelopeError::Compressed(_) => "compressed_value",
            EnvelopeError::Truncated(_) => "truncated_json",
            EnvelopeError::TrailingData(_) => "trailing_data",
            EnvelopeError::Malformed(_) => "malformed_json",
            EnvelopeError::TooDeep { .. } => "too_deep",
            EnvelopeError::LoneSurrogate { .. } => "lone_surrogate",
            EnvelopeError::DuplicateField(_) => "duplicate_field",
            EnvelopeError::MissingEventType { .. } => "missing_event_type",
            EnvelopeError::FieldType { .. } => "wrong_field_type",
            EnvelopeError::EventTypeTooLong { .. } => "event_type_too_long",
            EnvelopeError::UnsupportedVersion { .. } => "unsupported_version",
            EnvelopeError::DataMismatch { .. } => "data_mismatch",
        }
    }
}

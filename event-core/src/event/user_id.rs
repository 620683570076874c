//! Who caused an event, and which event it is.

use std::fmt;

use serde::{Serialize, Serializer};
use uuid::Uuid;

use super::blank::is_invisible;

/// Whoever caused an event: the `userId` of the envelope, a number or a string.
///
/// Services disagree on the form, so a number and its digits as a string stay different on
/// the wire and print alike.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(untagged)]
pub enum UserId {
    /// `"userId": 42`
    Number(i64),
    /// `"userId": "42"`; also a number that is no 64-bit integer, as it was written.
    Text(String),
}

impl fmt::Display for UserId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            UserId::Number(number) => number.fmt(f),
            UserId::Text(text) => text.fmt(f),
        }
    }
}

impl From<i64> for UserId {
    fn from(number: i64) -> Self {
        UserId::Number(number)
    }
}

impl From<&str> for UserId {
    fn from(text: &str) -> Self {
        UserId::Text(text.to_owned())
    }
}

impl From<String> for UserId {
    fn from(text: String) -> Self {
        UserId::Text(text)
    }
}

/// The identity of an event: the `eventId` of the envelope. We write a UUIDv7
/// ([RFC 9562](https://www.rfc-editor.org/rfc/rfc9562#name-uuid-version-7)) and read any text.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct EventId(Repr);

// A UUID is kept as 16 bytes, so that reading one allocates nothing.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Repr {
    Uuid(Uuid),
    Text(Box<str>),
}

impl EventId {
    /// A new, unique identity, ordered by time.
    #[must_use]
    pub fn generate() -> Self {
        EventId(Repr::Uuid(Uuid::now_v7()))
    }

    /// Takes the identity that another service chose.
    #[must_use]
    pub fn new(text: &str) -> Self {
        // Only the canonical form, so that every identity prints as it was written: no other has this length.
        let is_canonical = text.len() == 36 && !text.bytes().any(|byte| byte.is_ascii_uppercase());
        match Uuid::try_parse(text) {
            Ok(uuid) if is_canonical => EventId(Repr::Uuid(uuid)),
            _ => EventId(Repr::Text(text.into())),
        }
    }

    /// Whether it identifies nothing: it is empty or blank, zero, a nil or max UUID, or what programs write
    /// for a missing value, such as `null`, `None`, `NaN` or `[object Object]`. Two events with such an
    /// identity are two events, so a record that has it counts as one without.
    #[must_use]
    pub fn is_blank(&self) -> bool {
        match &self.0 {
            Repr::Uuid(uuid) => stands_for_none(*uuid),
            Repr::Text(text) => identifies_nothing(text),
        }
    }
}

// What programs write for a missing value, without the signs around it.
const MISSING: [&str; 8] =
    ["null", "undefined", "none", "nil", "nan", "n/a", "infinity", "object object"];

fn identifies_nothing(text: &str) -> bool {
    let text = text.trim_matches(|c: char| is_invisible(c) || c.is_ascii_punctuation());
    // A zero, and nothing at all.
    text.bytes().all(|byte| matches!(byte, b'0' | b'.'))
        || MISSING.iter().any(|word| text.eq_ignore_ascii_case(word))
        || Uuid::try_parse(text).is_ok_and(stands_for_none)
}

fn stands_for_none(uuid: Uuid) -> bool {
    uuid.is_nil() || uuid.is_max()
}

impl fmt::Display for EventId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Repr::Uuid(uuid) => uuid.hyphenated().fmt(f),
            Repr::Text(text) => text.fmt(f),
        }
    }
}

impl Serialize for EventId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_id_prints_as_it_was_written() {
        for text in [
            "018f4e9c-7b2a-7c3d-8e4f-5a6b7c8d9e0f",
            "018F4E9C-7B2A-7C3D-8E4F-5A6B7C8D9E0F",
            "018f4e9c7b2a7c3d8e4f5a6b7c8d9e0f",
            "018f4e9c-7b2a-7c3d-8e4f-5a6b7c8D9e0f",
            "{018f4e9c-7b2a-7c3d-8e4f-5a6b7c8d9e0f}",
            "urn:uuid:018f4e9c-7b2a-7c3d-8e4f-5a6b7c8d9e0f",
            "order-17",
            "order-17-of-the-third-customer-of-may",
            "",
        ] {
            assert_eq!(EventId::new(text).to_string(), text);
        }
    }
}

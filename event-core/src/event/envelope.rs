//! The outer object of a record, read in one pass.
//!
//! Routing needs the name and where the data lies, not the data: [`Envelope::read`] finds both and
//! leaves the data as text that is decoded once, later, into the handler's own type. What is
//! borrowed here points into the record, so a record without extra fields allocates nothing.

use std::borrow::Cow;

use jiff::Timestamp;
use serde_json::value::RawValue;

use super::contract::same_letters;
use super::envelope_error::{EnvelopeError, MAX_EVENT_TYPE_BYTES, NearKey};
use super::excerpt::excerpt;
use super::fields::{Fields, duplicate_of, extra_field, keys};
use super::objects::Objects;
use super::place::{offset_in, reason, refused_byte, refused_value};
use super::{Contract, EventId, ReadOlder, UserId, strict};

// How much of a foreign text an error may repeat.
const EXCERPT_BYTES: usize = 64;

/// A record's outer object: everything but the decoded data.
#[derive(Clone, Debug)]
pub struct Envelope<'a> {
    event_type: Cow<'a, str>,
    data: Option<&'a RawValue>,
    user_id: Option<&'a RawValue>,
    event_id: Option<EventId>,
    occurred_at: Option<Timestamp>,
    version: Option<&'a RawValue>,
    text: &'a str,
    has_extra: bool,
}

impl<'a> Envelope<'a> {
    /// Reads the envelope of a record's value.
    ///
    /// # Errors
    ///
    /// [`EnvelopeError`], each kind of broken input with its own.
    ///
    /// ```
    /// use event_core::event::Envelope;
    /// let value = br#"{"eventType": "CLAIM_ADDED", "userId": 42, "data": {"id": 7, "roleId": 3}}"#;
    /// let envelope = Envelope::read(value)?;
    /// assert_eq!(envelope.event_type(), "CLAIM_ADDED");
    /// assert_eq!(envelope.data_text(), Some(r#"{"id": 7, "roleId": 3}"#));
    /// # Ok::<(), event_core::event::EnvelopeError>(())
    /// ```
    pub fn read(value: &'a [u8]) -> Result<Self, EnvelopeError> {
        let text = strict::check(value)?;
        let start = text.trim_ascii_start();
        match start.as_bytes().first() {
            None => return Err(EnvelopeError::Empty),
            Some(b'{') => {}
            Some(first) => return Err(not_an_object(*first, text, text.len() - start.len())),
        }
        let mut reader = serde_json::Deserializer::from_str(text);
        let fields = Fields::read(&mut reader).map_err(|error| syntax(text, &error))?;
        reader.end().map_err(|error| syntax(text, &error))?;
        Envelope::interpret(fields, text)
    }

    /// The name as it stands in the record, well formed or not.
    #[must_use]
    pub fn event_type(&self) -> &str {
        &self.event_type
    }

    /// Who caused the event; `None` when absent or null.
    ///
    /// # Errors
    ///
    /// [`EnvelopeError::FieldType`]. Judged here and not in [`Envelope::read`], because an event
    /// that nobody handles may have a form of its own.
    pub fn user_id(&self) -> Result<Option<UserId>, EnvelopeError> {
        self.user_id.map_or(Ok(None), |value| user_id_of(self.text, value))
    }

    /// The identity the producer gave it.
    #[must_use]
    pub fn event_id(&self) -> Option<&EventId> {
        self.event_id.as_ref()
    }

    /// When it happened; `None` when absent or not in the form of RFC 3339.
    #[must_use]
    pub fn occurred_at(&self) -> Option<Timestamp> {
        self.occurred_at
    }

    /// The version of the data; 1 when absent or null. Beyond 32 bits it is the highest there is.
    ///
    /// # Errors
    ///
    /// [`EnvelopeError::FieldType`].
    pub fn version(&self) -> Result<u32, EnvelopeError> {
        self.version.map_or(Ok(1), |value| version_of(self.text, value))
    }

    /// The data as it stands in the record; `None` when absent.
    #[must_use]
    pub fn data_text(&self) -> Option<&'a str> {
        self.data.map(RawValue::get)
    }

    /// Whether there are top-level fields that the envelope does not know.
    #[must_use]
    pub fn has_extra(&self) -> bool {
        self.has_extra
    }

    /// A top-level field that the envelope does not know, as JSON. Reads the record again.
    #[must_use]
    pub fn extra(&self, name: &str) -> Option<&'a RawValue> {
        if self.has_extra { extra_field(self.text, name) } else { None }
    }

    /// The whole record as text.
    #[must_use]
    pub fn text(&self) -> &'a str {
        self.text
    }

    /// Decodes the data of a contract.
    ///
    /// # Errors
    ///
    /// [`EnvelopeError::UnsupportedVersion`] or [`EnvelopeError::DataMismatch`].
    pub fn decode_contract<T>(&self) -> Result<T, EnvelopeError>
    where
        T: Contract + serde::Deserialize<'a>,
        T::Older: ReadOlder<'a, T>,
    {
        let (found, supported) = (self.version()?, T::INFO.version);
        if found > supported {
            return Err(self.unsupported_version(found, supported));
        }
        self.decode_version(found)
    }

    /// Decodes data of a version that `T` reads, itself or by the contract before it.
    pub(crate) fn decode_version<T>(&self, version: u32) -> Result<T, EnvelopeError>
    where
        T: Contract + serde::Deserialize<'a>,
        T::Older: ReadOlder<'a, T>,
    {
        if let Some(older) = T::Older::read_older(self, version) {
            return older;
        }
        let info = T::INFO;
        let data = match self.data_text() {
            None | Some("null") if info.empty => "{}",
            Some(data) => data,
            None => return Err(no_data(info.type_name)),
        };
        // serde would refuse it too, in words of its own.
        if info.object && !data.starts_with('{') {
            let problem = format!("it is {}, it must be an object", kind_of(data));
            let byte = offset_in(self.text, data);
            return Err(EnvelopeError::DataMismatch { type_name: info.type_name, problem, byte });
        }
        self.decode(data, info.type_name)
    }

    fn unsupported_version(&self, found: u32, supported: u32) -> EnvelopeError {
        let byte = self.version.map_or(0, |value| place_of(self.text, value));
        EnvelopeError::UnsupportedVersion { found, supported, byte }
    }

    /// Decodes the data into any type.
    ///
    /// # Errors
    ///
    /// [`EnvelopeError::DataMismatch`].
    pub fn decode_data<T>(&self) -> Result<T, EnvelopeError>
    where
        T: serde::Deserialize<'a>,
    {
        let type_name = std::any::type_name::<T>();
        match self.data_text() {
            Some(data) => self.decode(data, type_name),
            // What can be made of nothing, such as an `Option`, is.
            None => self.decode("null", type_name).map_err(|_| no_data(type_name)),
        }
    }

    fn decode<T>(&self, data: &'a str, type_name: &'static str) -> Result<T, EnvelopeError>
    where
        T: serde::Deserialize<'a>,
    {
        let mut reader = serde_json::Deserializer::from_str(data);
        // The data was found by the same reader, so nothing can follow it.
        T::deserialize(Objects(&mut reader)).map_err(|error| {
            let mut problem = excerpt(&reason(&error), 4 * EXCERPT_BYTES);
            if let Some(hint) = renamed_field(&problem, data) {
                problem.push_str(&hint);
            }
            let start = offset_in(self.text, data);
            let byte = start.map(|start| start + refused_value(data, &error));
            EnvelopeError::DataMismatch { type_name, problem, byte }
        })
    }

    fn interpret(fields: Fields<'a>, text: &'a str) -> Result<Self, EnvelopeError> {
        let [event_type, data, user_id, event_id, occurred_at, version] = fields.known;
        let Some(value) = event_type else { return Err(no_event_type(text)) };
        let event_type = text_of("eventType", text, value)?;
        if event_type.len() > MAX_EVENT_TYPE_BYTES {
            return Err(EnvelopeError::EventTypeTooLong {
                bytes: event_type.len(),
                start: excerpt(&event_type, EXCERPT_BYTES),
                byte: place_of(text, value),
            });
        }
        // Not every producer writes these two, and no delivery depends on them: what cannot be
        // read is as good as absent.
        let event_id = event_id.and_then(|value| text_of("eventId", text, value).ok());
        let occurred_at = occurred_at.and_then(|value| text_of("occurredAt", text, value).ok());
        Ok(Envelope {
            event_type,
            data,
            user_id,
            event_id: event_id.map(|text| EventId::new(&text)),
            occurred_at: occurred_at.and_then(|text| text.parse().ok()),
            version,
            text,
            has_extra: fields.has_extra,
        })
    }
}

fn no_data(type_name: &'static str) -> EnvelopeError {
    let problem = "the field `data` is missing".to_owned();
    EnvelopeError::DataMismatch { type_name, problem, byte: None }
}

// The commonest mismatch between services: the same field, spelt in another case.
fn renamed_field(problem: &str, data: &str) -> Option<String> {
    let missing = problem.strip_prefix("missing field `")?.split('`').next()?;
    let fields: std::collections::BTreeMap<Cow<'_, str>, &RawValue> =
        serde_json::from_str(data).ok()?;
    let found = fields.keys().find(|key| same_letters(key, missing))?;
    let found = excerpt(found, EXCERPT_BYTES);
    let remedy = if found.contains('_') { "snake_case" } else { "camelCase" };
    Some(format!("; the data has `{found}`: put `#[serde(rename_all = \"{remedy}\")]` on the type"))
}

fn kind_of(json: &str) -> &'static str {
    match json.as_bytes().first() {
        Some(b'{') => "an object",
        Some(b'[') => "an array",
        Some(b'"') => "a string",
        Some(b't' | b'f') => "a boolean",
        Some(b'n') => "null",
        Some(b'-' | b'0'..=b'9') => "a number",
        _ => "not JSON",
    }
}

fn not_an_object(first: u8, text: &str, byte: usize) -> EnvelopeError {
    // `NaN` and other words are no JSON at all, so only what parses is called by its kind.
    match serde_json::from_str::<&RawValue>(text) {
        Ok(value) => EnvelopeError::NotAnObject { found: kind_of(value.get()), byte },
        Err(error) if matches!(first, b'[' | b'"' | b'0'..=b'9' | b'-' | b't' | b'f' | b'n') => {
            syntax(text, &error)
        }
        Err(error) => malformed(text, &error),
    }
}

fn syntax(text: &str, error: &serde_json::Error) -> EnvelopeError {
    let problem = reason(error);
    if let Some(field) = duplicate_of(&problem) {
        let keys = keys(text);
        let second = keys.iter().filter(|(_, key)| key == field).nth(1);
        let byte = second.and_then(|(key, _)| offset_in(text, key)).unwrap_or(0);
        return EnvelopeError::DuplicateField { field, byte };
    }
    match error.classify() {
        serde_json::error::Category::Eof => {
            EnvelopeError::Truncated { problem, byte: refused_byte(text, error) }
        }
        _ if problem.starts_with("trailing characters") => {
            EnvelopeError::TrailingData { byte: refused_byte(text, error) }
        }
        _ => malformed(text, error),
    }
}

fn malformed(text: &str, error: &serde_json::Error) -> EnvelopeError {
    let problem = excerpt(&reason(error), 4 * EXCERPT_BYTES);
    EnvelopeError::Malformed { problem, byte: refused_byte(text, error) }
}

// A value of `text`, so it has a place there.
fn place_of(text: &str, value: &RawValue) -> usize {
    offset_in(text, value.get()).unwrap_or(0)
}

fn no_event_type(text: &str) -> EnvelopeError {
    let near = keys(text).into_iter().find(|(_, key)| same_letters(key, "eventType"));
    let near = near.map(|(place, key)| NearKey {
        key: excerpt(&key, EXCERPT_BYTES),
        byte: offset_in(text, place).unwrap_or(0),
    });
    EnvelopeError::MissingEventType { near }
}

fn text_of<'a>(
    field: &'static str,
    text: &str,
    value: &'a RawValue,
) -> Result<Cow<'a, str>, EnvelopeError> {
    let json = value.get();
    // Without an escape the text stands between the quotes as it is.
    if let Some(inner) = json.strip_prefix('"').and_then(|rest| rest.strip_suffix('"'))
        && !inner.contains('\\')
    {
        return Ok(Cow::Borrowed(inner));
    }
    let wrong = |_| wrong_type(field, "a string", text, value);
    serde_json::from_str(json).map(Cow::Owned).map_err(wrong)
}

fn wrong_type(
    field: &'static str,
    expected: &'static str,
    text: &str,
    value: &RawValue,
) -> EnvelopeError {
    let (found, byte) = (kind_of(value.get()), place_of(text, value));
    EnvelopeError::FieldType { field, expected, found, byte }
}

fn user_id_of(text: &str, value: &RawValue) -> Result<Option<UserId>, EnvelopeError> {
    let json = value.get();
    match kind_of(json) {
        "null" => Ok(None),
        "a string" => Ok(Some(UserId::Text(text_of("userId", text, value)?.into_owned()))),
        "a number" => Ok(Some(match json.parse() {
            Ok(number) => UserId::Number(number),
            Err(_) => UserId::Text(json.to_owned()),
        })),
        _ => Err(wrong_type("userId", "a number, a string or null", text, value)),
    }
}

fn version_of(text: &str, value: &RawValue) -> Result<u32, EnvelopeError> {
    let json = value.get();
    let digits = json.bytes().all(|byte| byte.is_ascii_digit());
    match json {
        "null" => Ok(1),
        _ if digits && json != "0" => Ok(json.parse().unwrap_or(u32::MAX)),
        _ => Err(wrong_type("version", "an integer from 1 on", text, value)),
    }
}

#[cfg(test)]
mod tests;

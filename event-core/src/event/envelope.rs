//! The outer object of a record, read in one pass.
//!
//! Routing needs the name and where the data lies, not the data: [`Envelope::read`] finds both and
//! leaves the data as text that is decoded once, later, into the handler's own type. What is
//! borrowed here points into the record, so a record without extra fields allocates nothing.

use std::borrow::Cow;
use std::fmt;

use jiff::Timestamp;
use serde::de::{DeserializeSeed, Deserializer as _, Error as _, MapAccess, Visitor};
use serde_json::value::RawValue;

use super::contract::same_letters;
use super::envelope_error::{EnvelopeError, MAX_EVENT_TYPE_BYTES};
use super::excerpt::excerpt;
use super::objects::Objects;
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
            Some(first) => return Err(not_an_object(*first, start)),
        }
        let mut reader = serde_json::Deserializer::from_str(text);
        let fields = reader.deserialize_map(FieldsVisitor).map_err(|error| syntax(&error))?;
        reader.end().map_err(|error| EnvelopeError::TrailingData(error.to_string()))?;
        fields.interpret(text)
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
        self.user_id.map_or(Ok(None), user_id_of)
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
        self.version.map_or(Ok(1), version_of)
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
            return Err(EnvelopeError::UnsupportedVersion { found, supported });
        }
        self.decode_version(found)
    }

    /// Decodes data of a version that `T` reads, itself or by the contract before it.
    pub(super) fn decode_version<T>(&self, version: u32) -> Result<T, EnvelopeError>
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
            None => return Err(mismatch(info.type_name, "the field `data` is missing".into())),
        };
        // serde would refuse it too, in words of its own.
        if info.object && !data.starts_with('{') {
            let problem = format!("it is {}, it must be an object", kind_of(data));
            return Err(mismatch(info.type_name, problem));
        }
        decode(data, info.type_name)
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
            Some(data) => decode(data, type_name),
            // What can be made of nothing, such as an `Option`, is.
            None => decode("null", type_name)
                .map_err(|_| mismatch(type_name, "the field `data` is missing".into())),
        }
    }
}

fn decode<'a, T>(data: &'a str, type_name: &'static str) -> Result<T, EnvelopeError>
where
    T: serde::Deserialize<'a>,
{
    let mut reader = serde_json::Deserializer::from_str(data);
    // The data was found by the same reader, so nothing can follow it.
    T::deserialize(Objects(&mut reader)).map_err(|error| {
        let mut problem = excerpt(&error.to_string(), 4 * EXCERPT_BYTES);
        if let Some(hint) = renamed_field(&problem, data) {
            problem.push_str(&hint);
        }
        mismatch(type_name, problem)
    })
}

fn mismatch(type_name: &'static str, problem: String) -> EnvelopeError {
    EnvelopeError::DataMismatch { type_name, problem }
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

fn not_an_object(first: u8, text: &str) -> EnvelopeError {
    // `NaN` and other words are no JSON at all, so only what parses is called by its kind.
    match serde_json::from_str::<&RawValue>(text) {
        Ok(value) => EnvelopeError::NotAnObject(kind_of(value.get())),
        Err(error) if matches!(first, b'[' | b'"' | b'0'..=b'9' | b'-' | b't' | b'f' | b'n') => {
            syntax(&error)
        }
        Err(error) => EnvelopeError::Malformed(error.to_string()),
    }
}

fn syntax(error: &serde_json::Error) -> EnvelopeError {
    let text = error.to_string();
    if let Some(field) = FIELDS.iter().find(|field| text.starts_with(&duplicate(field))) {
        return EnvelopeError::DuplicateField(field);
    }
    match error.classify() {
        serde_json::error::Category::Eof => EnvelopeError::Truncated(text),
        _ if text.starts_with("trailing characters") => EnvelopeError::TrailingData(text),
        _ => EnvelopeError::Malformed(excerpt(&text, 4 * EXCERPT_BYTES)),
    }
}

const FIELDS: [&str; 6] = ["eventType", "data", "userId", "eventId", "occurredAt", "version"];

fn duplicate(field: &str) -> String {
    format!("duplicate field `{field}`")
}

/// Finds a field of an envelope that was read before and is not one of its own. Of repeated ones the
/// last, as JSON readers do.
pub(crate) fn extra_field<'a>(envelope: &'a str, name: &str) -> Option<&'a RawValue> {
    if FIELDS.contains(&name) {
        return None;
    }
    find_field(envelope, |key| key == name).map(|(_, value)| value)
}

fn find_field<'a>(
    envelope: &'a str,
    wanted: impl Fn(&str) -> bool,
) -> Option<(Cow<'a, str>, &'a RawValue)> {
    serde_json::Deserializer::from_str(envelope).deserialize_map(FieldFinder(wanted)).ok()?
}

struct FieldFinder<F>(F);

impl<'de, F: Fn(&str) -> bool> Visitor<'de> for FieldFinder<F> {
    type Value = Option<(Cow<'de, str>, &'de RawValue)>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an event")
    }

    fn visit_map<M: MapAccess<'de>>(self, mut map: M) -> Result<Self::Value, M::Error> {
        let mut found = None;
        while let Some(key) = map.next_key_seed(KeySeed)? {
            let value = map.next_value()?;
            if (self.0)(&key) {
                found = Some((key, value));
            }
        }
        Ok(found)
    }
}

// The spans of the fields, before anyone looks at what they hold.
#[derive(Default)]
struct Fields<'a> {
    known: [Option<&'a RawValue>; FIELDS.len()],
    has_extra: bool,
}

impl<'a> Fields<'a> {
    fn interpret(self, text: &'a str) -> Result<Envelope<'a>, EnvelopeError> {
        let [event_type, data, user_id, event_id, occurred_at, version] = self.known;
        let Some(event_type) = event_type else {
            let found = find_field(text, |key| same_letters(key, "eventType"));
            let found = found.map(|(key, _)| excerpt(&key, EXCERPT_BYTES));
            return Err(EnvelopeError::MissingEventType { found });
        };
        let event_type = text_of("eventType", event_type)?;
        if event_type.len() > MAX_EVENT_TYPE_BYTES {
            return Err(EnvelopeError::EventTypeTooLong {
                bytes: event_type.len(),
                start: excerpt(&event_type, EXCERPT_BYTES),
            });
        }
        // Not every producer writes these two, and no delivery depends on them: what cannot be
        // read is as good as absent.
        let event_id = event_id.and_then(|value| text_of("eventId", value).ok());
        let occurred_at = occurred_at.and_then(|value| text_of("occurredAt", value).ok());
        Ok(Envelope {
            event_type,
            data,
            user_id,
            event_id: event_id.map(|text| EventId::new(&text)),
            occurred_at: occurred_at.and_then(|text| text.parse().ok()),
            version,
            text,
            has_extra: self.has_extra,
        })
    }
}

fn text_of<'a>(field: &'static str, value: &'a RawValue) -> Result<Cow<'a, str>, EnvelopeError> {
    let wrong =
        || EnvelopeError::FieldType { field, expected: "a string", found: kind_of(value.get()) };
    let json = value.get();
    // Without an escape the text stands between the quotes as it is.
    if let Some(inner) = json.strip_prefix('"').and_then(|rest| rest.strip_suffix('"'))
        && !inner.contains('\\')
    {
        return Ok(Cow::Borrowed(inner));
    }
    serde_json::from_str(json).map(Cow::Owned).map_err(|_| wrong())
}

fn user_id_of(value: &RawValue) -> Result<Option<UserId>, EnvelopeError> {
    let json = value.get();
    match kind_of(json) {
        "null" => Ok(None),
        "a string" => Ok(Some(UserId::Text(text_of("userId", value)?.into_owned()))),
        "a number" => Ok(Some(match json.parse() {
            Ok(number) => UserId::Number(number),
            Err(_) => UserId::Text(json.to_owned()),
        })),
        found => Err(EnvelopeError::FieldType {
            field: "userId",
            expected: "a number, a string or null",
            found,
        }),
    }
}

fn version_of(value: &RawValue) -> Result<u32, EnvelopeError> {
    let json = value.get();
    let digits = json.bytes().all(|byte| byte.is_ascii_digit());
    match json {
        "null" => Ok(1),
        "0" => Err(not_a_version(json)),
        _ if digits => Ok(json.parse().unwrap_or(u32::MAX)),
        _ => Err(not_a_version(json)),
    }
}

fn not_a_version(json: &str) -> EnvelopeError {
    EnvelopeError::FieldType {
        field: "version",
        expected: "an integer from 1 on",
        found: kind_of(json),
    }
}

struct FieldsVisitor;

impl<'de> Visitor<'de> for FieldsVisitor {
    type Value = Fields<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an event")
    }

    fn visit_map<M: MapAccess<'de>>(self, mut map: M) -> Result<Fields<'de>, M::Error> {
        let mut fields = Fields::default();
        while let Some(key) = map.next_key_seed(KeySeed)? {
            let value = map.next_value::<&'de RawValue>()?;
            match FIELDS.iter().position(|field| *field == key) {
                None => fields.has_extra = true,
                Some(known) if fields.known[known].is_none() => fields.known[known] = Some(value),
                Some(known) => return Err(M::Error::custom(duplicate(FIELDS[known]))),
            }
        }
        Ok(fields)
    }
}

// A key that borrows from the record unless it has an escape. (`Cow` would always copy.)
struct KeySeed;

impl<'de> DeserializeSeed<'de> for KeySeed {
    type Value = Cow<'de, str>;

    fn deserialize<D: serde::Deserializer<'de>>(self, reader: D) -> Result<Self::Value, D::Error> {
        reader.deserialize_str(self)
    }
}

impl<'de> Visitor<'de> for KeySeed {
    type Value = Cow<'de, str>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a field name")
    }

    fn visit_borrowed_str<E>(self, key: &'de str) -> Result<Self::Value, E> {
        Ok(Cow::Borrowed(key))
    }

    fn visit_str<E>(self, key: &str) -> Result<Self::Value, E> {
        Ok(Cow::Owned(key.to_owned()))
    }
}

#[cfg(test)]
mod tests;

//! The values of the envelope's fields, each in the forms in which services write it.

use std::borrow::Cow;

use jiff::Timestamp;
use serde_json::value::RawValue;

use super::ignored::IgnoredReason;
use super::place::offset_in;
use super::rules::EnvelopeRules;
use super::syntax::lone_surrogate;
use super::{EnvelopeError, EventId, UserId, time};

pub(super) fn kind_of(json: &str) -> &'static str {
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

// A value of `text`, so it has a place there.
pub(super) fn place_of(text: &str, value: &RawValue) -> usize {
    offset_in(text, value.get()).unwrap_or(0)
}

pub(super) fn text_of<'a>(
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
    serde_json::from_str(json).map(Cow::Owned).map_err(|error| {
        let lone = lone_surrogate(text, json, &error);
        lone.unwrap_or_else(|| wrong_type(field, "a string", text, value))
    })
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

pub(super) fn user_id_of(text: &str, value: &RawValue) -> Result<Option<UserId>, EnvelopeError> {
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

pub(super) fn version_of(text: &str, value: &RawValue) -> Result<u32, EnvelopeError> {
    let json = value.get();
    let digits = json.bytes().all(|byte| byte.is_ascii_digit());
    match json {
        "null" => Ok(1),
        _ if digits && json != "0" => Ok(json.parse().unwrap_or(u32::MAX)),
        _ => Err(wrong_type("version", "an integer from 1 on", text, value)),
    }
}

pub(super) fn or_ignored<'a, T>(
    value: Option<&'a RawValue>,
    read: impl FnOnce(&'a RawValue) -> Result<T, IgnoredReason>,
) -> (Option<T>, Option<IgnoredReason>) {
    match value {
        None => (None, None),
        Some(value) if value.get() == "null" => (None, None),
        Some(value) => match read(value) {
            Ok(read) => (Some(read), None),
            Err(reason) => (None, Some(reason)),
        },
    }
}

pub(super) fn event_id_of(value: &RawValue) -> Result<EventId, IgnoredReason> {
    let event_id = match kind_of(value.get()) {
        "a string" => EventId::new(&plain_text(value)?),
        // As it was written, like a user's.
        "a number" => EventId::new(value.get()),
        _ => return Err(IgnoredReason::WrongType),
    };
    if event_id.is_blank() { Err(IgnoredReason::Blank) } else { Ok(event_id) }
}

pub(super) fn time_of(value: &RawValue, rules: EnvelopeRules) -> Result<Timestamp, IgnoredReason> {
    match kind_of(value.get()) {
        "a string" => time::of_text(&plain_text(value)?, rules.naive_times),
        "a number" => time::of_number(value.get()),
        _ => Err(IgnoredReason::WrongType),
    }
}

// A JSON string that was read before can have no other fault.
fn plain_text(value: &RawValue) -> Result<Cow<'_, str>, IgnoredReason> {
    text_of("", "", value).map_err(|_| IgnoredReason::LoneSurrogate)
}

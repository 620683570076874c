//! The values of the envelope's fields, each in the forms in which services write it.

use std::borrow::Cow;

use jiff::Timestamp;

use super::error_offset::offset_in;
use super::excerpt::excerpt;
use super::ignored::IgnoredReason;
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
pub(super) fn place_of(text: &str, json: &str) -> usize {
    offset_in(text, json).unwrap_or(0)
}

pub(super) fn text_of<'a>(
    field: &'static str,
    text: &str,
    json: &'a str,
) -> Result<Cow<'a, str>, EnvelopeError> {
    // Without an escape the text stands between the quotes as it is.
    if let Some(inner) = json.strip_prefix('"').and_then(|rest| rest.strip_suffix('"'))
        && !inner.contains('\\')
    {
        return Ok(Cow::Borrowed(inner));
    }
    serde_json::from_str(json).map(Cow::Owned).map_err(|error| {
        let lone = lone_surrogate(text, json, &error);
        lone.unwrap_or_else(|| wrong_type(field, "a string", text, json))
    })
}

fn wrong_type(
    field: &'static str,
    expected: &'static str,
    text: &str,
    json: &str,
) -> EnvelopeError {
    let byte = place_of(text, json);
    let found = match kind_of(json) {
        kind @ ("a number" | "a string" | "a boolean") => {
            format!("the {} {}", &kind[2..], excerpt(json, 64))
        }
        kind => kind.to_owned(),
    };
    EnvelopeError::FieldType { field, expected, found, byte }
}

pub(super) fn user_id_of(text: &str, json: &str) -> Result<Option<UserId>, EnvelopeError> {
    match kind_of(json) {
        "null" => Ok(None),
        "a string" => Ok(Some(UserId::Text(text_of("userId", text, json)?.into_owned()))),
        "a number" => Ok(Some(match json.parse() {
            Ok(number) => UserId::Number(number),
            Err(_) => UserId::Text(json.to_owned()),
        })),
        _ => Err(wrong_type("userId", "a number, a string or null", text, json)),
    }
}

pub(super) fn version_of(text: &str, json: &str) -> Result<u32, EnvelopeError> {
    let digits = json.bytes().all(|byte| byte.is_ascii_digit());
    match json {
        "null" => Ok(1),
        _ if digits && json != "0" => Ok(json.parse().unwrap_or(u32::MAX)),
        _ => Err(wrong_type("version", "an integer from 1 on", text, json)),
    }
}

pub(super) fn or_ignored<'a, T>(
    json: Option<&'a str>,
    read: impl FnOnce(&'a str) -> Result<T, IgnoredReason>,
) -> (Option<T>, Option<IgnoredReason>) {
    match json {
        None | Some("null") => (None, None),
        Some(json) => match read(json) {
            Ok(read) => (Some(read), None),
            Err(reason) => (None, Some(reason)),
        },
    }
}

pub(super) fn event_id_of(json: &str) -> Result<EventId, IgnoredReason> {
    let event_id = match kind_of(json) {
        "a string" => EventId::new(&plain_text(json)?),
        // As it was written, like a user's.
        "a number" => EventId::new(json),
        _ => return Err(IgnoredReason::WrongType),
    };
    if event_id.is_blank() { Err(IgnoredReason::Blank) } else { Ok(event_id) }
}

pub(super) fn time_of(json: &str, rules: EnvelopeRules) -> Result<Timestamp, IgnoredReason> {
    match kind_of(json) {
        "a string" => time::of_text(&plain_text(json)?, rules.naive_times),
        "a number" => time::of_number(json),
        _ => Err(IgnoredReason::WrongType),
    }
}

/// Whether a JSON string has half of a surrogate pair.
pub(super) fn is_no_text(json: &str) -> bool {
    json.starts_with('"') && plain_text(json).is_err()
}

// A JSON string that was read before can have no other fault.
fn plain_text(json: &str) -> Result<Cow<'_, str>, IgnoredReason> {
    text_of("", "", json).map_err(|_| IgnoredReason::LoneSurrogate)
}

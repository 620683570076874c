//! Why a value is not the JSON of an event, from what serde_json says of it.

use std::borrow::Cow;
use std::collections::BTreeMap;

use serde_json::value::RawValue;

use super::contract::same_letters;
use super::envelope_error::{EnvelopeError, NearKey};
use super::error_offset::{offset_in, reason, refused_byte};
use super::excerpt::excerpt;
use super::fields::{duplicate_of, keys};
use super::path::path_at;
use super::values::kind_of;
use super::{ContractInfo, KnownShape, strict};

// How much of a foreign text an error may repeat.
const EXCERPT_BYTES: usize = 64;

pub(super) fn not_an_object(first: u8, text: &str, byte: usize) -> EnvelopeError {
    // `NaN` and other words are no JSON at all, so only what parses is called by its kind.
    match serde_json::from_str::<&RawValue>(text) {
        Ok(value) => EnvelopeError::NotAnObject { found: kind_of(value.get()), byte },
        Err(error) if matches!(first, b'[' | b'"' | b'0'..=b'9' | b'-' | b't' | b'f' | b'n') => {
            syntax(text, &error)
        }
        Err(error) => malformed(text, &error),
    }
}

pub(super) fn syntax(text: &str, error: &serde_json::Error) -> EnvelopeError {
    let problem = reason(error);
    if let Some(field) = duplicate_of(&problem) {
        let keys = keys(text);
        let second = keys.iter().filter(|(_, key)| key == field).nth(1);
        let byte = second.and_then(|(key, _)| offset_in(text, key)).unwrap_or(0);
        return EnvelopeError::DuplicateField { field, byte };
    }
    if let Some(error) = lone_surrogate(text, text, error) {
        return error;
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

/// Whether serde_json has read an escape that is half of a surrogate pair.
pub(super) fn is_of_surrogate(error: &serde_json::Error) -> bool {
    let reason = reason(error);
    let of_escape = ["lone leading surrogate in hex escape", "unexpected end of hex escape"];
    of_escape.iter().any(|words| reason.starts_with(words))
}

// What serde_json says of an escape that names no character, where it reads the text. `part` is what it
// was given.
pub(super) fn lone_surrogate(
    text: &str,
    part: &str,
    error: &serde_json::Error,
) -> Option<EnvelopeError> {
    if !is_of_surrogate(error) {
        return None;
    }
    let start = offset_in(text, part)?;
    let byte = strict::lone_surrogate_before(text, start + refused_byte(part, error) + 1)?;
    Some(EnvelopeError::LoneSurrogate { path: path_at(text, byte), byte })
}

pub(super) fn no_event_type(text: &str) -> EnvelopeError {
    let shape = KnownShape::of_value(text);
    let keys = keys(text);
    let spelt = |name: &str| keys.iter().find(|(_, key)| same_letters(key, name));
    let near = spelt("eventType").map(|(place, key)| near_key(text, place, key));
    // Others' forms have such keys as well.
    let other = || ["event", "eventName", "type", "messageType"].into_iter().find_map(spelt);
    let near = near.or_else(|| match shape {
        None => {
            in_an_object(text).or_else(|| other().map(|(place, key)| near_key(text, place, key)))
        }
        Some(_) => None,
    });
    EnvelopeError::MissingEventType { near, shape }
}

fn near_key(text: &str, place: &str, key: &str) -> NearKey {
    NearKey { key: excerpt(key, EXCERPT_BYTES), byte: offset_in(text, place).unwrap_or(0) }
}

// An `eventType` that stands one level too deep.
fn in_an_object(text: &str) -> Option<NearKey> {
    let fields: BTreeMap<Cow<'_, str>, &RawValue> = serde_json::from_str(text).ok()?;
    fields.iter().filter(|(outer, _)| *outer != "data").find_map(|(outer, value)| {
        let inner = if value.get().starts_with('{') { keys(value.get()) } else { Vec::new() };
        let (place, key) = inner.into_iter().find(|(_, key)| same_letters(key, "eventType"))?;
        Some(near_key(text, place, &format!("{outer}.{key}")))
    })
}

/// Where the data may stand when there is none.
pub(super) fn data_elsewhere(text: &str, contract: Option<&ContractInfo>) -> &'static str {
    let keys = keys(text);
    let has = |name: &str| keys.iter().any(|(_, key)| key == name);
    for (other, reported) in [
        ("payload", "; `payload` is there, but the name is `data`"),
        ("body", "; `body` is there, but the name is `data`"),
        ("content", "; `content` is there, but the name is `data`"),
        ("Data", "; `Data` is there, but the name is `data`"),
    ] {
        if has(other) {
            return reported;
        }
    }
    let mut required = contract
        .into_iter()
        .flat_map(|contract| contract.fields)
        .filter(|own| own.required)
        .peekable();
    if required.peek().is_some() && required.all(|own| has(own.wire_name)) {
        return "; its fields stand beside `eventType`, they belong into `data`";
    }
    ""
}

//! The record's key.

use std::borrow::Cow;
use std::future::{Ready, ready};

use bytes::Bytes;
use serde::de::IgnoredAny;

use super::{EnvelopeUse, FromDelivery};
use crate::delivery::Delivery;
use crate::event::excerpt;
use crate::outcome::Rejection;

/// The key of the record, as a number, a text or bytes. A record without a key is rejected as
/// `key_missing`, one whose key is not of the type as `key_mismatch`; `Option<Key<T>>` takes a record
/// without one. Some producers write every key as JSON: as text and as what is parsed from text, `"7"` with
/// its quotes is read as `7`; as bytes it stays as it is.
///
/// ```
/// use event_core::prelude::*;
///
/// #[event_handler(topic = "role_events", event = tombstone)]
/// async fn forget_role(Key(role_id): Key<i64>) {
///     println!("role {role_id} is gone");
/// }
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Key<K>(pub K);

/// What a record's key can be read as.
#[diagnostic::on_unimplemented(
    message = "a record's key cannot be read as `{Self}`",
    label = "not the type of a key",
    note = "a key is read as an integer, a `bool`, a `char`, a `String`, a `&str`, a `Uuid`, `Bytes` or `&[u8]`; write `Key<String>` in place of `Key<{Self}>`, or implement `event_core::extract::FromKey` for a type of your own"
)]
pub trait FromKey<'a>: Sized {
    /// Reads the key.
    ///
    /// # Errors
    ///
    /// What is wrong with it.
    fn from_key(key: &'a [u8]) -> Result<Self, String>;
}

impl<'a, K: FromKey<'a> + Send + 'a> FromDelivery<'a> for Key<K> {
    const ENVELOPE: EnvelopeUse = EnvelopeUse::Never;

    #[expect(
        refining_impl_trait,
        reason = "with a future that has a name, a key that does not fit is reported once"
    )]
    fn from_delivery(delivery: &'a Delivery<'a>) -> Ready<Result<Self, Rejection>> {
        ready(match delivery.record.key {
            Some(key) => read(key),
            None => Err(Rejection::Absent { what: "key" }),
        })
    }
}

fn read<'a, K: FromKey<'a>>(key: &'a [u8]) -> Result<Key<K>, Rejection> {
    K::from_key(key).map(Key).map_err(|problem| Rejection::Refused {
        code: "key_mismatch",
        message: format!("the key `{}` {problem}", shown(key)),
    })
}

fn shown(key: &[u8]) -> String {
    excerpt(&String::from_utf8_lossy(key), 64)
}

impl<'a> FromKey<'a> for &'a [u8] {
    fn from_key(key: &'a [u8]) -> Result<Self, String> {
        Ok(key)
    }
}

impl<'a> FromKey<'a> for Bytes {
    fn from_key(key: &'a [u8]) -> Result<Self, String> {
        Ok(Bytes::copy_from_slice(key))
    }
}

impl<'a> FromKey<'a> for &'a str {
    fn from_key(key: &'a [u8]) -> Result<Self, String> {
        match text(key)? {
            Cow::Borrowed(text) => Ok(text),
            Cow::Owned(_) => {
                Err("is JSON with an escape, which cannot be borrowed: take a `Key<String>`"
                    .to_owned())
            }
        }
    }
}

impl<'a> FromKey<'a> for String {
    fn from_key(key: &'a [u8]) -> Result<Self, String> {
        text(key).map(Cow::into_owned)
    }
}

macro_rules! keys_by_from_str {
    ($($Type:ty),*) => {$(
        impl<'a> FromKey<'a> for $Type {
            fn from_key(key: &'a [u8]) -> Result<Self, String> {
                let text = text(key)?;
                text.parse().map_err(|error| match other_form(key) {
                    Some(other) => format!("{other}, not {}", stringify!($Type)),
                    None => format!("is not {}: {error}", stringify!($Type)),
                })
            }
        }
    )*};
}

/// The key as text, without the quotes of JSON.
pub(crate) fn text(key: &[u8]) -> Result<Cow<'_, str>, String> {
    let text = std::str::from_utf8(key).map_err(|error| {
        let not_utf8 = || format!("is not UTF-8 from byte {} on", error.valid_up_to());
        other_form(key).unwrap_or_else(not_utf8)
    })?;
    let Some(inner) = text.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')) else {
        return Ok(Cow::Borrowed(text));
    };
    if !inner.contains(['"', '\\']) {
        return Ok(Cow::Borrowed(inner));
    }
    // What only looks like JSON is a text that begins and ends with a quote.
    Ok(serde_json::from_str(text).map_or(Cow::Borrowed(text), Cow::Owned))
}

// What a key is that some serializer wrote, and that is no text of a number or the like.
fn other_form(key: &[u8]) -> Option<String> {
    let is_binary = std::str::from_utf8(key).map_or(true, |text| text.contains(char::is_control));
    let is_json = || serde_json::from_slice::<IgnoredAny>(key).is_ok();
    Some(match key {
        [] => "is empty".to_owned(),
        b"null" => "is the null of JSON".to_owned(),
        [b'{', .., b'}'] if is_json() => "is a JSON object".to_owned(),
        [b'[', .., b']'] if is_json() => "is a JSON array".to_owned(),
        _ if is_binary && key.len() == 16 => {
            "is 16 bytes that are not text, as a UUID has (take a `Key<&[u8]>`)".to_owned()
        }
        _ if is_binary && matches!(key.len(), 4 | 8) => format!(
            "is {} bytes that are not text, as Kafka's serializers of numbers write them (take a `Key<&[u8]>`)",
            key.len()
        ),
        [0, _, _, _, _, ..] => {
            "starts with the magic byte 0 of a schema registry (take a `Key<&[u8]>`)".to_owned()
        }
        _ => return None,
    })
}

keys_by_from_str!(
    i8,
    i16,
    i32,
    i64,
    i128,
    isize,
    u8,
    u16,
    u32,
    u64,
    u128,
    usize,
    bool,
    char,
    uuid::Uuid
);

#[cfg(test)]
mod tests {
    use super::*;

    fn as_number(key: &[u8]) -> Result<i64, String> {
        read::<i64>(key).map(|key| key.0).map_err(|rejection| rejection.to_string())
    }

    fn as_text(key: &[u8]) -> Result<String, String> {
        read::<String>(key).map(|key| key.0).map_err(|rejection| rejection.to_string())
    }

    #[test]
    fn a_key_in_the_quotes_of_json_is_read_as_one_without() {
        assert_eq!(as_number(b"7"), Ok(7));
        assert_eq!(as_number(b"\"7\""), Ok(7));
        assert_eq!(as_number(b"\"-7\""), Ok(-7));
        assert_eq!(as_text(b"\"7\""), Ok("7".into()));
        assert_eq!(as_text(b"\"a\\\"b\\u00f1\""), Ok("a\"b\u{f1}".into()));
        for as_it_stands in ["7", "\"", "\"a", "a\"", "\"a\"b\"", "\"a\\\"", "", "{\"id\":7}"] {
            assert_eq!(as_text(as_it_stands.as_bytes()), Ok(as_it_stands.into()));
        }
        assert_eq!(read::<&str>(b"\"7\"").unwrap().0, "7");
        assert_eq!(read::<&[u8]>(b"\"7\"").unwrap().0, b"\"7\"");
        let uuid = "\"018f4e9c-7b2a-7c3d-8e4f-5a6b7c8d9e0f\"";
        assert!(read::<uuid::Uuid>(uuid.as_bytes()).is_ok());
    }

    #[test]
    fn what_a_key_is_instead_is_said() {
        let said = |key: &[u8]| as_number(key).unwrap_err();
        assert_eq!(said(b"five"), "the key `five` is not i64: invalid digit found in string");
        assert_eq!(
            said(b"\"five\""),
            "the key `\"five\"` is not i64: invalid digit found in string"
        );
        let object = said(br#"{"id":7}"#);
        assert!(object.starts_with("the key `{\"id\":7}` is a JSON object, not i64"), "{object}");
        assert_eq!(said(b""), "the key `` is empty, not i64");
        assert_eq!(said(b"null"), "the key `null` is the null of JSON, not i64");
        assert_eq!(said(b"{7}"), "the key `{7}` is not i64: invalid digit found in string");
        // A sign that nobody sees is shown.
        let marked = said("\u{feff}7".as_bytes());
        assert!(marked.starts_with(r"the key `\u{feff}7` is not i64"), "{marked}");
        let uuid = said(b"\x01\x8f\x4e\x9c\x7b\x2a\x7c\x3d\x8e\x4f\x5a\x6b\x7c\x8d\x9e\x0f");
        assert!(uuid.contains("16 bytes that are not text, as a UUID has"), "{uuid}");
        let long = said(&7_i64.to_be_bytes());
        assert!(long.contains("8 bytes that are not text"), "{long}");
        let framed = said(b"\0\0\0\0\x07\x0e");
        assert!(framed.contains("magic byte 0 of a schema registry"), "{framed}");
    }
}

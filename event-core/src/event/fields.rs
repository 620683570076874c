//! Finds the fields of the outer object without looking at what they hold.

use std::borrow::Cow;
use std::fmt;

use serde::de::{DeserializeSeed, Deserializer as _, Error as _, IgnoredAny, MapAccess, Visitor};
use serde_json::value::RawValue;

use super::ignored::IgnoredReason;

/// The fields that the envelope knows.
pub(super) const FIELDS: [&str; 6] =
    ["eventType", "data", "userId", "eventId", "occurredAt", "version"];
pub(super) const USER_ID: usize = 2;
pub(super) const EVENT_ID: usize = 3;
pub(super) const OCCURRED_AT: usize = 4;

/// Where the fields lie.
#[derive(Default)]
pub(super) struct Fields<'a> {
    /// The values of [`FIELDS`].
    pub(super) known: [Option<&'a RawValue>; FIELDS.len()],
    /// Whether there are others.
    pub(super) has_extra: bool,
    /// Which of [`FIELDS`] stand under another key, each as a bit.
    pub(super) other_keys: u8,
}

impl<'a> Fields<'a> {
    /// Reads the outer object. With `any_keys` a key that is no text is one that the envelope does not know.
    pub(super) fn read<R: serde_json::de::Read<'a>>(
        reader: &mut serde_json::Deserializer<R>,
        any_keys: bool,
    ) -> serde_json::Result<Self> {
        reader.deserialize_map(FieldsVisitor { any_keys })
    }

    /// Those of [`FIELDS`] that are absent and stand under another key.
    pub(super) fn under_other_keys(&self) -> [Option<IgnoredReason>; FIELDS.len()] {
        let mut under_other_keys = [None; FIELDS.len()];
        if self.other_keys != 0 {
            for (index, value) in self.known.iter().enumerate() {
                if value.is_none() && self.other_keys & (1 << index) != 0 {
                    under_other_keys[index] = Some(IgnoredReason::OtherKey);
                }
            }
        }
        under_other_keys
    }
}

/// The field of [`FIELDS`] that another key is meant to be, as a bit: its letters are the same, or nearly so
/// where the word is long and often misspelt. 0 for nearly every key.
pub(super) fn meant_by(key: &str) -> u8 {
    match key.as_bytes() {
        [first, second, _, _, ..] if key.len() <= 12 => match (first | 0x20, second | 0x20) {
            (b'o', b'c') => u8::from(is_occurred_at(key)) << OCCURRED_AT,
            (b'd', b'a') => u8::from(same_word(key, FIELDS[1])) << 1,
            (b'u', b's') => u8::from(same_word(key, FIELDS[USER_ID])) << USER_ID,
            (b'e', b'v') => u8::from(same_word(key, FIELDS[EVENT_ID])) << EVENT_ID,
            (b'v', b'e') => u8::from(same_word(key, FIELDS[5])) << 5,
            _ => 0,
        },
        _ => 0,
    }
}

/// The key, as JSON, that is meant to be the field with this index.
pub(super) fn key_meant_as(envelope: &str, index: usize) -> Option<&str> {
    let mut keys = keys(envelope).into_iter();
    keys.find(|(_, key)| meant_by(key) == 1 << index && !FIELDS.contains(&&**key))
        .map(|(json, _)| json)
}

fn same_word(key: &str, field: &str) -> bool {
    letters(key).eq(letters(field))
}

fn letters(text: &str) -> impl Iterator<Item = u8> {
    let letters = text.bytes().filter(|byte| !matches!(byte, b'_' | b'-' | b' '));
    letters.map(|byte| byte.to_ascii_lowercase())
}

#[cold]
fn is_occurred_at(key: &str) -> bool {
    same_word(key, FIELDS[OCCURRED_AT])
        || (9..=11).contains(&key.len())
            && key
                .as_bytes()
                .last_chunk()
                .is_some_and(|end: &[u8; 2]| end.eq_ignore_ascii_case(b"at"))
            && strsim::levenshtein(&key.to_ascii_lowercase(), "occurredat") <= 2
}

/// The field that `error` of [`Fields::read`] calls a duplicate.
pub(super) fn duplicate_of(error: &str) -> Option<&'static str> {
    FIELDS.into_iter().find(|field| error.starts_with(&duplicate(field)))
}

fn duplicate(field: &str) -> String {
    format!("duplicate field `{field}`")
}

/// Finds a field of an envelope that was read before and is not one of its own. Of repeated ones the
/// last, as JSON readers do.
pub(crate) fn extra_field<'a>(envelope: &'a str, name: &str) -> Option<&'a RawValue> {
    if FIELDS.contains(&name) {
        return None;
    }
    let find = |any_keys| {
        let mut reader = serde_json::Deserializer::from_str(envelope);
        reader.deserialize_map(FieldFinder { name, any_keys })
    };
    find(false).or_else(|_| find(true)).ok()?
}

/// The keys as they stand in the record, with what they mean, as far as it can be read.
pub(super) fn keys(envelope: &str) -> Vec<(&str, Cow<'_, str>)> {
    let mut keys = Vec::new();
    // A key that nothing readable follows is one all the same.
    let _ = serde_json::Deserializer::from_str(envelope).deserialize_map(KeysVisitor(&mut keys));
    keys
}

struct FieldsVisitor {
    any_keys: bool,
}

impl<'de> Visitor<'de> for FieldsVisitor {
    type Value = Fields<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an event")
    }

    fn visit_map<M: MapAccess<'de>>(self, mut map: M) -> Result<Fields<'de>, M::Error> {
        let mut fields = Fields::default();
        while let Some(key) = next_key(&mut map, self.any_keys)? {
            let value = map.next_value::<&'de RawValue>()?;
            match FIELDS.iter().position(|field| *field == key) {
                None => {
                    fields.has_extra = true;
                    fields.other_keys |= meant_by(&key);
                }
                Some(known) if fields.known[known].is_none() => fields.known[known] = Some(value),
                Some(known) => return Err(M::Error::custom(duplicate(FIELDS[known]))),
            }
        }
        Ok(fields)
    }
}

struct FieldFinder<'n> {
    name: &'n str,
    any_keys: bool,
}

impl<'de> Visitor<'de> for FieldFinder<'_> {
    type Value = Option<&'de RawValue>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an event")
    }

    fn visit_map<M: MapAccess<'de>>(self, mut map: M) -> Result<Self::Value, M::Error> {
        let mut found = None;
        while let Some(key) = next_key(&mut map, self.any_keys)? {
            let value = map.next_value()?;
            if key == self.name {
                found = Some(value);
            }
        }
        Ok(found)
    }
}

struct KeysVisitor<'k, 'de>(&'k mut Vec<(&'de str, Cow<'de, str>)>);

impl<'de> Visitor<'de> for KeysVisitor<'_, 'de> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an event")
    }

    fn visit_map<M: MapAccess<'de>>(self, mut map: M) -> Result<(), M::Error> {
        // As a raw value the key still shows where in the record it stands.
        while let Some(key) = map.next_key::<&'de RawValue>()? {
            let meaning = serde_json::from_str::<Cow<'de, str>>(key.get());
            self.0.push((key.get(), meaning.unwrap_or_default()));
            map.next_value::<IgnoredAny>()?;
        }
        Ok(())
    }
}

// With `any_keys` a key with half of a surrogate pair is as it stands in the record, which is no name.
fn next_key<'de, M: MapAccess<'de>>(
    map: &mut M,
    any_keys: bool,
) -> Result<Option<Cow<'de, str>>, M::Error> {
    if !any_keys {
        return map.next_key_seed(KeySeed);
    }
    let key = map.next_key::<&'de RawValue>()?.map(RawValue::get);
    Ok(key.map(|json| serde_json::from_str(json).unwrap_or(Cow::Borrowed(json))))
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

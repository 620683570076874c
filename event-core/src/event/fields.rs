//! Finds the fields of the outer object without looking at what they hold.

use std::borrow::Cow;
use std::fmt;

use serde::de::{DeserializeSeed, Deserializer as _, Error as _, IgnoredAny, MapAccess, Visitor};
use serde_json::value::RawValue;

/// The fields that the envelope knows.
pub(super) const FIELDS: [&str; 6] =
    ["eventType", "data", "userId", "eventId", "occurredAt", "version"];

/// Where the fields lie.
#[derive(Default)]
pub(super) struct Fields<'a> {
    /// The values of [`FIELDS`].
    pub(super) known: [Option<&'a RawValue>; FIELDS.len()],
    /// Whether there are others.
    pub(super) has_extra: bool,
}

impl<'a> Fields<'a> {
    pub(super) fn read<R: serde_json::de::Read<'a>>(
        reader: &mut serde_json::Deserializer<R>,
    ) -> serde_json::Result<Self> {
        reader.deserialize_map(FieldsVisitor)
    }
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
    serde_json::Deserializer::from_str(envelope).deserialize_map(FieldFinder(name)).ok()?
}

/// The keys as they stand in the record, with what they mean, as far as it can be read.
pub(super) fn keys(envelope: &str) -> Vec<(&str, Cow<'_, str>)> {
    let mut keys = Vec::new();
    // A key that nothing readable follows is one all the same.
    let _ = serde_json::Deserializer::from_str(envelope).deserialize_map(KeysVisitor(&mut keys));
    keys
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

struct FieldFinder<'n>(&'n str);

impl<'de> Visitor<'de> for FieldFinder<'_> {
    type Value = Option<&'de RawValue>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an event")
    }

    fn visit_map<M: MapAccess<'de>>(self, mut map: M) -> Result<Self::Value, M::Error> {
        let mut found = None;
        while let Some(key) = map.next_key_seed(KeySeed)? {
            let value = map.next_value()?;
            if key == self.0 {
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

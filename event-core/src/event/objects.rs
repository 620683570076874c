//! Reads structs from JSON objects only.
//!
//! A derived struct also accepts an array, by position: `[7, 3]` for `{"id": 7, "roleId": 3}`, at
//! any depth. No producer means that, and the next version of the struct would read it wrongly. This
//! wraps whatever serde hands around while it reads, and refuses a sequence where a struct stands.

use std::cell::Cell;
use std::fmt;

use serde::Deserialize;
use serde::de::value::{BorrowedStrDeserializer, StringDeserializer};
use serde::de::{
    DeserializeSeed, Deserializer, EnumAccess, Error, IgnoredAny, MapAccess, SeqAccess, Unexpected,
    VariantAccess, Visitor,
};
use serde_json::value::RawValue;

/// Reads a value from the start of `json`, and returns it with what follows it; `None` when it does not fit.
///
/// A type may go on where its reader has failed, with a default for instance. Where the reader stands is not
/// known then, so that nothing behind it can be read: this is `None` too.
pub(super) fn read_start<'de, T: Deserialize<'de>>(json: &'de str) -> Option<(T, &'de str)> {
    HAS_FAILED.set(false);
    let mut reader = serde_json::Deserializer::from_str(json);
    let value = T::deserialize(Objects(&mut reader)).ok()?;
    if HAS_FAILED.get() {
        return None;
    }
    Some((value, json.get(bytes_read(reader)..)?))
}

/// How many bytes a reader has read.
pub(super) fn bytes_read<'de>(
    reader: serde_json::Deserializer<impl serde_json::de::Read<'de>>,
) -> usize {
    reader.into_iter::<IgnoredAny>().byte_offset()
}

/// Reads a value where a key of a struct may have half of a surrogate pair: that is the name of no field.
pub(super) fn read_with_any_keys<'de, T: Deserialize<'de>>(
    json: &'de str,
) -> serde_json::Result<T> {
    let _until_read = AnyKeys::begin();
    T::deserialize(Objects(&mut serde_json::Deserializer::from_str(json)))
}

thread_local! {
    // Whether a reader has failed on this thread.
    static HAS_FAILED: Cell<bool> = const { Cell::new(false) };
    // Whether structs are read with any keys on this thread.
    static ANY_KEYS: Cell<bool> = const { Cell::new(false) };
}

// Ends also when what is read panics.
struct AnyKeys;

impl AnyKeys {
    fn begin() -> Self {
        ANY_KEYS.set(true);
        AnyKeys
    }
}

impl Drop for AnyKeys {
    fn drop(&mut self) {
        ANY_KEYS.set(false);
    }
}

// Notes a failure, because the type that is read may not pass it on.
fn noted<T, E>(result: Result<T, E>) -> Result<T, E> {
    if result.is_err() {
        note_failure();
    }
    result
}

#[cold]
fn note_failure() {
    HAS_FAILED.set(true);
}

/// A deserializer, visitor, seed or access that passes the rule on to everything inside it.
pub(super) struct Objects<T>(pub(super) T);

/// The visitor of a struct: as [`Objects`], but without sequences.
struct Struct<V>(V);

/// The fields of a struct: as [`Objects`], and with any keys where these are read so.
struct StructFields<A> {
    map: A,
    any_keys: bool,
}

macro_rules! forward_deserialize {
    ($($method:ident($($argument:ident: $Type:ty),*);)*) => {$(
        fn $method<V: Visitor<'de>>(self $(, $argument: $Type)*, visitor: V) -> Result<V::Value, D::Error> {
            noted(self.0.$method($($argument,)* Objects(visitor)))
        }
    )*};
}

impl<'de, D: Deserializer<'de>> Deserializer<'de> for Objects<D> {
    type Error = D::Error;

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, D::Error> {
        noted(self.0.deserialize_struct(name, fields, Struct(visitor)))
    }

    forward_deserialize! {
        deserialize_any(); deserialize_bool(); deserialize_char(); deserialize_str();
        deserialize_string(); deserialize_bytes(); deserialize_byte_buf(); deserialize_option();
        deserialize_unit(); deserialize_seq(); deserialize_map(); deserialize_identifier();
        deserialize_ignored_any(); deserialize_i8(); deserialize_i16(); deserialize_i32();
        deserialize_i64(); deserialize_i128(); deserialize_u8(); deserialize_u16();
        deserialize_u32(); deserialize_u64(); deserialize_u128(); deserialize_f32();
        deserialize_f64();
        deserialize_unit_struct(name: &'static str);
        deserialize_newtype_struct(name: &'static str);
        deserialize_tuple(len: usize);
        deserialize_tuple_struct(name: &'static str, len: usize);
        deserialize_enum(name: &'static str, variants: &'static [&'static str]);
    }

    fn is_human_readable(&self) -> bool {
        self.0.is_human_readable()
    }
}

macro_rules! forward_visit {
    ($($method:ident($Type:ty);)*) => {$(
        fn $method<E: Error>(self, value: $Type) -> Result<V::Value, E> {
            self.0.$method(value)
        }
    )*};
}

impl<'de, V: Visitor<'de>> Visitor<'de> for Objects<V> {
    type Value = V::Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.expecting(f)
    }

    forward_visit! {
        visit_bool(bool); visit_char(char); visit_str(&str); visit_borrowed_str(&'de str);
        visit_string(String); visit_bytes(&[u8]); visit_borrowed_bytes(&'de [u8]);
        visit_byte_buf(Vec<u8>); visit_i8(i8); visit_i16(i16); visit_i32(i32); visit_i64(i64);
        visit_i128(i128); visit_u8(u8); visit_u16(u16); visit_u32(u32); visit_u64(u64);
        visit_u128(u128); visit_f32(f32); visit_f64(f64);
    }

    fn visit_none<E: Error>(self) -> Result<V::Value, E> {
        self.0.visit_none()
    }

    fn visit_unit<E: Error>(self) -> Result<V::Value, E> {
        self.0.visit_unit()
    }

    fn visit_some<D: Deserializer<'de>>(self, inner: D) -> Result<V::Value, D::Error> {
        self.0.visit_some(Objects(inner))
    }

    fn visit_newtype_struct<D: Deserializer<'de>>(self, inner: D) -> Result<V::Value, D::Error> {
        self.0.visit_newtype_struct(Objects(inner))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, sequence: A) -> Result<V::Value, A::Error> {
        self.0.visit_seq(Objects(sequence))
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<V::Value, A::Error> {
        self.0.visit_map(Objects(map))
    }

    fn visit_enum<A: EnumAccess<'de>>(self, variant: A) -> Result<V::Value, A::Error> {
        self.0.visit_enum(Objects(variant))
    }
}

impl<'de, V: Visitor<'de>> Visitor<'de> for Struct<V> {
    type Value = V::Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.expecting(f)
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<V::Value, A::Error> {
        self.0.visit_map(StructFields { map, any_keys: ANY_KEYS.get() })
    }

    fn visit_seq<A: SeqAccess<'de>>(self, _sequence: A) -> Result<V::Value, A::Error> {
        Err(A::Error::invalid_type(Unexpected::Seq, &self))
    }
}

impl<'de, S: DeserializeSeed<'de>> DeserializeSeed<'de> for Objects<S> {
    type Value = S::Value;

    fn deserialize<D: Deserializer<'de>>(self, inner: D) -> Result<S::Value, D::Error> {
        self.0.deserialize(Objects(inner))
    }
}

impl<'de, A: SeqAccess<'de>> SeqAccess<'de> for Objects<A> {
    type Error = A::Error;

    fn next_element_seed<S: DeserializeSeed<'de>>(
        &mut self,
        seed: S,
    ) -> Result<Option<S::Value>, A::Error> {
        noted(self.0.next_element_seed(Objects(seed)))
    }

    fn size_hint(&self) -> Option<usize> {
        self.0.size_hint()
    }
}

impl<'de, A: MapAccess<'de>> MapAccess<'de> for Objects<A> {
    type Error = A::Error;

    fn next_key_seed<S: DeserializeSeed<'de>>(
        &mut self,
        seed: S,
    ) -> Result<Option<S::Value>, A::Error> {
        noted(self.0.next_key_seed(Objects(seed)))
    }

    fn next_value_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<S::Value, A::Error> {
        noted(self.0.next_value_seed(Objects(seed)))
    }

    fn size_hint(&self) -> Option<usize> {
        self.0.size_hint()
    }
}

impl<'de, A: MapAccess<'de>> MapAccess<'de> for StructFields<A> {
    type Error = A::Error;

    fn next_key_seed<S: DeserializeSeed<'de>>(
        &mut self,
        seed: S,
    ) -> Result<Option<S::Value>, A::Error> {
        if self.any_keys {
            return noted(any_key(&mut self.map, seed));
        }
        noted(self.map.next_key_seed(Objects(seed)))
    }

    fn next_value_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<S::Value, A::Error> {
        noted(self.map.next_value_seed(Objects(seed)))
    }

    fn size_hint(&self) -> Option<usize> {
        self.map.size_hint()
    }
}

// A key that is no text is given as it stands in the JSON.
#[cold]
fn any_key<'de, A: MapAccess<'de>, S: DeserializeSeed<'de>>(
    map: &mut A,
    seed: S,
) -> Result<Option<S::Value>, A::Error> {
    let Some(json) = map.next_key::<&'de RawValue>()?.map(RawValue::get) else { return Ok(None) };
    match serde_json::from_str::<String>(json) {
        Ok(key) => seed.deserialize(StringDeserializer::new(key)).map(Some),
        Err(_) => seed.deserialize(BorrowedStrDeserializer::new(json)).map(Some),
    }
}

impl<'de, A: EnumAccess<'de>> EnumAccess<'de> for Objects<A> {
    type Error = A::Error;
    type Variant = Objects<A::Variant>;

    fn variant_seed<S: DeserializeSeed<'de>>(
        self,
        seed: S,
    ) -> Result<(S::Value, Self::Variant), A::Error> {
        let (value, variant) = noted(self.0.variant_seed(Objects(seed)))?;
        Ok((value, Objects(variant)))
    }
}

impl<'de, A: VariantAccess<'de>> VariantAccess<'de> for Objects<A> {
    type Error = A::Error;

    fn unit_variant(self) -> Result<(), A::Error> {
        noted(self.0.unit_variant())
    }

    fn newtype_variant_seed<S: DeserializeSeed<'de>>(self, seed: S) -> Result<S::Value, A::Error> {
        noted(self.0.newtype_variant_seed(Objects(seed)))
    }

    fn tuple_variant<V: Visitor<'de>>(self, len: usize, visitor: V) -> Result<V::Value, A::Error> {
        noted(self.0.tuple_variant(len, Objects(visitor)))
    }

    fn struct_variant<V: Visitor<'de>>(
        self,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, A::Error> {
        noted(self.0.struct_variant(fields, Struct(visitor)))
    }
}

#[cfg(test)]
mod tests {
    use std::borrow::Cow;
    use std::collections::BTreeMap;

    use serde::Deserialize;

    use super::*;

    #[derive(Debug, PartialEq, Deserialize)]
    struct Inner {
        a: i64,
    }

    #[derive(Debug, PartialEq, Deserialize)]
    enum Choice {
        Unit,
        New(Inner),
        Tuple(i64, i64),
        Named { inner: Inner },
    }

    #[derive(Debug, Deserialize)]
    struct Outer<'a> {
        #[serde(default)]
        inner: Option<Inner>,
        #[serde(default)]
        list: Vec<Inner>,
        #[serde(default)]
        map: BTreeMap<String, Inner>,
        #[serde(default)]
        pair: (i64, bool),
        #[serde(default, borrow)]
        text: Cow<'a, str>,
        #[serde(default, borrow)]
        raw: Option<&'a RawValue>,
        #[serde(default)]
        choice: Vec<Choice>,
        #[serde(default)]
        any: serde_json::Value,
    }

    fn read(json: &str) -> Result<Outer<'_>, String> {
        let mut reader = serde_json::Deserializer::from_str(json);
        Outer::deserialize(Objects(&mut reader)).map_err(|error| error.to_string())
    }

    #[test]
    fn everything_but_a_struct_by_position_is_read_as_ever() {
        let json = r#"{"inner":{"a":1},"list":[{"a":2}],"map":{"k":{"a":3}},"pair":[4,true],
            "text":"plain","raw":[5, {}],"choice":["Unit",{"New":{"a":6}},{"Tuple":[7,8]},
            {"Named":{"inner":{"a":9}}}],"any":[{"b":[]}]}"#;
        let outer = read(json).unwrap();
        assert_eq!(outer.inner, Some(Inner { a: 1 }));
        assert_eq!((outer.list.len(), outer.map["k"].a, outer.pair), (1, 3, (4, true)));
        assert!(matches!(outer.text, Cow::Borrowed("plain")));
        assert_eq!(outer.raw.map(RawValue::get), Some("[5, {}]"));
        let named = Choice::Named { inner: Inner { a: 9 } };
        assert_eq!(
            outer.choice,
            [Choice::Unit, Choice::New(Inner { a: 6 }), Choice::Tuple(7, 8), named]
        );
        assert_eq!(outer.any, serde_json::json!([{"b": []}]));
        assert!(matches!(read(r#"{"text":"\u00f1"}"#).unwrap().text, Cow::Owned(_)));
    }

    #[test]
    fn a_struct_by_position_is_refused_at_any_depth() {
        for json in [
            "[]",
            r#"{"inner":[1]}"#,
            r#"{"list":[[1]]}"#,
            r#"{"map":{"k":[1]}}"#,
            r#"{"choice":[{"New":[1]}]}"#,
            r#"{"choice":[{"Named":[{"a":1}]}]}"#,
        ] {
            let error = read(json).map(|_| ()).unwrap_err();
            assert!(error.contains("invalid type: sequence, expected struct"), "{json}: {error}");
        }
    }
}

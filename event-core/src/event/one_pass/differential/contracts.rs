//! Contracts of every form that has a way of its own through the readers.

use std::borrow::Cow;
use std::collections::BTreeMap;

use event_core::{Event, EventSum};
use serde::de::{Deserializer, IgnoredAny, MapAccess, Visitor};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::{Kind, read_event, read_json};

pub(super) const KINDS: &[Kind] = &[
    Kind { event: "OWNED", read: |value, rules| read_event::<Owned>(value, rules) },
    Kind { event: "BORROWED", read: |value, rules| read_event::<Borrowed<'_>>(value, rules) },
    Kind { event: "EMPTY", read: |value, rules| read_event::<Empty>(value, rules) },
    Kind { event: "NESTED", read: |value, rules| read_event::<Nested>(value, rules) },
    Kind { event: "NUMBERS", read: |value, rules| read_event::<Numbers>(value, rules) },
    Kind { event: "CHOICE", read: |value, rules| read_event::<Choice>(value, rules) },
    Kind { event: "BUFFERED", read: |value, rules| read_event::<Buffered>(value, rules) },
    Kind { event: "LIST", read: |value, rules| read_event::<List>(value, rules) },
    Kind { event: "RAW", read: |value, rules| read_event::<Raw<'_>>(value, rules) },
    Kind { event: "LOSSY", read: |value, rules| read_event::<Lossy>(value, rules) },
    Kind { event: "CARELESS", read: |value, rules| read_event::<Careless>(value, rules) },
    Kind { event: "GROWN", read: |value, rules| read_event::<Grown>(value, rules) },
    Kind { event: "UPCAST", read: |value, rules| read_event::<Third>(value, rules) },
    Kind { event: "SUM", read: |value, rules| read_event::<Sum<'_>>(value, rules) },
    Kind { event: "JSON", read: |value, rules| read_json::<serde_json::Value>(value, rules) },
    Kind { event: "JSON", read: |value, rules| read_json::<Option<Owned>>(value, rules) },
];

#[derive(Debug, Event, Deserialize)]
#[event(topic = "test_events", name = "OWNED")]
#[serde(rename_all = "camelCase")]
struct Owned {
    #[expect(dead_code)]
    id: u64,
    #[expect(dead_code)]
    role_id: u64,
    #[expect(dead_code)]
    note: String,
}

#[derive(Debug, Event, Deserialize)]
#[event(topic = "test_events", name = "BORROWED")]
#[serde(rename_all = "camelCase")]
struct Borrowed<'a> {
    #[expect(dead_code)]
    id: u64,
    #[serde(borrow)]
    #[expect(dead_code)]
    note: Cow<'a, str>,
}

#[derive(Debug, Event, Deserialize)]
#[event(topic = "test_events", name = "EMPTY")]
struct Empty {}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(dead_code)]
struct Part {
    a: i64,
    #[serde(default)]
    next: Option<Box<Part>>,
}

#[derive(Debug, Event, Deserialize)]
#[event(topic = "test_events", name = "NESTED")]
#[serde(deny_unknown_fields)]
#[expect(dead_code)]
struct Nested {
    part: Part,
    #[serde(default)]
    parts: Vec<Part>,
    #[serde(default)]
    by_name: BTreeMap<String, Part>,
    #[serde(default)]
    by_number: BTreeMap<i16, ()>,
    #[serde(default)]
    pair: Option<(i64, bool)>,
}

#[derive(Debug, Event, Deserialize)]
#[event(topic = "test_events", name = "NUMBERS")]
#[expect(dead_code)]
struct Numbers {
    #[serde(default)]
    byte: u8,
    #[serde(default)]
    signed: i64,
    #[serde(default)]
    wide: u128,
    #[serde(default)]
    float: f64,
    #[serde(default)]
    letter: char,
}

#[derive(Debug, Event, Deserialize)]
#[event(topic = "test_events", name = "CHOICE")]
#[expect(dead_code)]
enum Choice {
    Unit,
    New(Part),
    Tuple(i64, i64),
    Named { part: Part },
}

/// What serde keeps in memory before it reads it.
#[derive(Debug, Event, Deserialize)]
#[event(topic = "test_events", name = "BUFFERED")]
#[expect(dead_code)]
struct Buffered {
    #[serde(flatten)]
    part: Part,
    #[serde(default)]
    either: Option<Either>,
    #[serde(default)]
    any: serde_json::Value,
}

#[derive(Debug, Deserialize)]
#[serde(untagged)]
#[expect(dead_code)]
enum Either {
    Part(Part),
    Number(i64),
    Text(String),
}

/// Data that is no object.
#[derive(Debug, Event, Serialize, Deserialize)]
#[event(topic = "test_events", name = "LIST")]
#[serde(from = "Option<Vec<i64>>", into = "Option<Vec<i64>>")]
struct List {
    items: Option<Vec<i64>>,
}

impl Clone for List {
    fn clone(&self) -> Self {
        List { items: self.items.clone() }
    }
}

impl From<Option<Vec<i64>>> for List {
    fn from(items: Option<Vec<i64>>) -> Self {
        List { items }
    }
}

impl From<List> for Option<Vec<i64>> {
    fn from(list: List) -> Self {
        list.items
    }
}

#[derive(Debug, Event, Deserialize)]
#[event(topic = "test_events", name = "RAW")]
#[expect(dead_code)]
struct Raw<'a> {
    #[serde(borrow)]
    raw: &'a RawValue,
    #[serde(default)]
    kept: Option<Box<RawValue>>,
}

/// Takes a default where a value cannot be read, which leaves its reader anywhere.
#[derive(Debug, Event, Deserialize)]
#[event(topic = "test_events", name = "LOSSY")]
#[expect(dead_code)]
struct Lossy {
    #[serde(default, deserialize_with = "or_default")]
    number: i64,
    #[serde(default, deserialize_with = "or_default")]
    text: String,
    #[serde(default, deserialize_with = "or_default")]
    list: Vec<u8>,
    #[serde(default, deserialize_with = "or_default")]
    keys: BTreeMap<LossyKey, bool>,
}

fn or_default<'de, D, T>(reader: D) -> Result<T, D::Error>
where
    D: Deserializer<'de>,
    T: Deserialize<'de> + Default,
{
    Ok(T::deserialize(reader).unwrap_or_default())
}

#[derive(Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
struct LossyKey(u8);

impl<'de> Deserialize<'de> for LossyKey {
    fn deserialize<D: Deserializer<'de>>(reader: D) -> Result<Self, D::Error> {
        or_default(reader).map(LossyKey)
    }
}

/// Reads as many fields as it can, and does without the others.
#[derive(Debug, Event)]
#[event(topic = "test_events", name = "CARELESS")]
struct Careless {
    #[expect(dead_code)]
    fields: usize,
}

impl<'de> Deserialize<'de> for Careless {
    fn deserialize<D: Deserializer<'de>>(reader: D) -> Result<Self, D::Error> {
        struct Fields<'f>(&'f mut usize);

        impl<'de> Visitor<'de> for Fields<'_> {
            type Value = ();

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("fields")
            }

            fn visit_map<M: MapAccess<'de>>(self, mut map: M) -> Result<(), M::Error> {
                loop {
                    match map.next_entry::<Cow<'_, str>, u8>() {
                        Ok(Some(_)) => *self.0 += 1,
                        Ok(None) => return Ok(()),
                        Err(_) => {
                            let _ = map.next_value::<IgnoredAny>();
                            return Ok(());
                        }
                    }
                }
            }
        }

        let mut fields = 0;
        let _ = reader.deserialize_map(Fields(&mut fields));
        Ok(Careless { fields })
    }
}

/// Reads all versions itself.
#[derive(Debug, Event, Deserialize)]
#[event(topic = "test_events", name = "GROWN", version = 3)]
#[expect(dead_code)]
struct Grown {
    id: i64,
    #[serde(default)]
    note: Option<String>,
}

#[derive(Debug, Event, Deserialize)]
#[event(topic = "test_events", name = "UPCAST", version = 1)]
struct First {
    id: i64,
}

#[derive(Debug, Event, Deserialize)]
#[event(topic = "test_events", name = "UPCAST", version = 2, upcasts(First))]
struct Second {
    id: i64,
    note: String,
}

impl From<First> for Second {
    fn from(first: First) -> Self {
        Second { id: first.id, note: "first".to_owned() }
    }
}

#[derive(Debug, Event, Deserialize)]
#[event(topic = "test_events", name = "UPCAST", version = 4, upcasts(Second))]
#[expect(dead_code)]
struct Third {
    #[serde(default)]
    id: i64,
    #[serde(default)]
    note: String,
}

impl From<Second> for Third {
    fn from(second: Second) -> Self {
        Third { id: second.id, note: second.note }
    }
}

#[derive(Debug, EventSum)]
#[expect(dead_code)]
enum Sum<'a> {
    Owned(Owned),
    Borrowed(Borrowed<'a>),
    Empty(Empty),
    Nested(Box<Nested>),
    List(List),
    Grown(Grown),
    Third(Third),
}

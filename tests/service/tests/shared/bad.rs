//! Every kind of bad input, and what must become of it.

use bytes::Bytes;
use event_core::event::Headers;
use event_core::processor::dead_letter_header as header;

use Expected::{Dead, Handled, Skipped};

/// What must become of a record.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Expected {
    Dead(&'static str),
    Handled,
    Skipped,
}

pub(crate) struct Case {
    pub(crate) name: &'static str,
    pub(crate) key: Option<Bytes>,
    pub(crate) value: Option<Bytes>,
    pub(crate) headers: Headers,
    pub(crate) timestamp_ms: Option<i64>,
    pub(crate) expected: Expected,
}

fn value(name: &'static str, value: impl Into<Vec<u8>>, expected: Expected) -> Case {
    let value = Some(Bytes::from(value.into()));
    Case { name, key: None, value, headers: Headers::new(), timestamp_ms: None, expected }
}

pub(crate) fn event(data: &str) -> Vec<u8> {
    format!(r#"{{"eventType":"PROBED","data":{data}}}"#).into_bytes()
}

fn nested(levels: usize) -> String {
    format!("{}{}", "[".repeat(levels), "]".repeat(levels))
}

fn utf16(text: &str) -> Vec<u8> {
    text.encode_utf16().flat_map(u16::to_le_bytes).collect()
}

fn broken_values() -> Vec<Case> {
    let good = event(r#"{"id":1}"#);
    let with = |tail: &[u8]| [good.as_slice(), tail].concat();
    let ignored = |bytes: &[u8]| {
        [br#"{"eventType":"PROBED","data":{"id":1},"x":""#, bytes, br#""}"#].concat()
    };
    let noted = |bytes: &[u8]| {
        [br#"{"eventType":"PROBED","data":{"id":1,"note":""#, bytes, br#""}}"#].concat()
    };
    let digits = "9".repeat(1_000_000);
    vec![
        value("empty", "", Dead("empty_value")),
        value("white space", " \r\n\t ", Dead("empty_value")),
        value("null", "null", Dead("not_an_object")),
        value("a string", "\"PROBED\"", Dead("not_an_object")),
        value("a number", "17", Dead("not_an_object")),
        value("an array", r#"["PROBED",1]"#, Dead("not_an_object")),
        value(
            "a byte order mark",
            [b"\xEF\xBB\xBF", good.as_slice()].concat(),
            Dead("byte_order_mark"),
        ),
        value(
            "UTF-16 with a mark",
            [b"\xFF\xFE".to_vec(), utf16("{}")].concat(),
            Dead("byte_order_mark"),
        ),
        value("UTF-16 without a mark", utf16(r#"{"eventType":"PROBED"}"#), Dead("malformed_json")),
        value(
            "a schema registry's prefix",
            [b"\0\0\0\0\x07", good.as_slice()].concat(),
            Dead("schema_registry_framing"),
        ),
        value("gzip", b"\x1f\x8b\x08\0\0\0\0\0\0\x03", Dead("compressed_value")),
        value("random bytes", b"\x9c\x01\xd3\xfe\x00\x11\x80", Dead("not_utf8")),
        value("truncated", &good[..good.len() - 3], Dead("truncated_json")),
        value("trailing bytes", with(b" x"), Dead("trailing_data")),
        value("two documents", with(&good), Dead("trailing_data")),
        value("a trailing NUL", with(b"\0"), Dead("trailing_data")),
        value("not UTF-8 in the data", noted(b"\xC3"), Dead("not_utf8")),
        value("not UTF-8 in an ignored field", ignored(b"\xC3\x28"), Dead("not_utf8")),
        value("half a surrogate pair", noted(br"\ud83d"), Dead("lone_surrogate")),
        value("half a surrogate pair in an ignored field", ignored(br"\ude00"), Handled),
        value("a raw control byte", noted(b"\x01"), Dead("malformed_json")),
        value(
            "nesting in the data",
            event(&format!(r#"{{"id":1,"x":{}}}"#, nested(126))),
            Dead("too_deep"),
        ),
        value(
            "nesting in an ignored field",
            format!(r#"{{"eventType":"PROBED","data":{{"id":1}},"x":{}}}"#, nested(50_000)),
            Dead("too_deep"),
        ),
        value(
            "eventType twice",
            r#"{"eventType":"PROBED","eventType":"PROBED","data":{"id":1}}"#,
            Dead("duplicate_field"),
        ),
        value(
            "data twice",
            r#"{"eventType":"PROBED","data":{"id":1},"data":{"id":2}}"#,
            Dead("duplicate_field"),
        ),
        value("1e400", event(r#"{"id":1,"amount":1e400}"#), Dead("data_mismatch")),
        value("NaN", event(r#"{"id":1,"amount":NaN}"#), Dead("malformed_json")),
        value("a million digits", event(&format!(r#"{{"id":{digits}}}"#)), Dead("data_mismatch")),
        value("u64::MAX + 1", event(r#"{"id":18446744073709551616}"#), Dead("data_mismatch")),
        value("-1 for a u64", event(r#"{"id":-1}"#), Dead("data_mismatch")),
        value("1.0 for an integer", event(r#"{"id":1.0}"#), Dead("data_mismatch")),
        value("a wrong type", event(r#"{"id":"1"}"#), Dead("data_mismatch")),
        value("a missing field", event(r#"{"ID":1}"#), Dead("data_mismatch")),
        value("data by position", event("[1,2.0,\"x\"]"), Dead("data_mismatch")),
        value("no data", r#"{"eventType":"PROBED"}"#, Dead("data_mismatch")),
        value("no eventType", r#"{"data":{"id":1}}"#, Dead("missing_event_type")),
        value("eventType null", r#"{"eventType":null,"data":{"id":1}}"#, Dead("wrong_field_type")),
        value("eventType a number", r#"{"eventType":1,"data":{"id":1}}"#, Dead("wrong_field_type")),
        value(
            "eventType an object",
            r#"{"eventType":{},"data":{"id":1}}"#,
            Dead("wrong_field_type"),
        ),
        value("EventType", r#"{"EventType":"PROBED","data":{"id":1}}"#, Dead("missing_event_type")),
        value(
            "an eventType of 1 MB",
            format!(r#"{{"eventType":"{}"}}"#, "A".repeat(1_000_000)),
            Dead("event_type_too_long"),
        ),
        value(
            "a higher version",
            r#"{"eventType":"PROBED","version":2,"data":{"id":1}}"#,
            Dead("unsupported_version"),
        ),
        value(
            "a value above the limit",
            event(&format!(r#"{{"id":1,"note":"{}"}}"#, "x".repeat(1 << 20))),
            Dead("value_too_large"),
        ),
    ]
}

fn odd_headers_and_keys() -> Vec<Case> {
    let with_headers = |name, headers: Headers, expected| Case {
        headers,
        ..value(name, event(r#"{"id":1}"#), expected)
    };
    let mut many = Headers::new();
    for number in 0..10_000 {
        many.push(format!("h{number}"), "v");
    }
    let mut huge = Headers::new();
    huge.push("huge", vec![b'x'; 300 << 10]);
    let mut odd = Headers::new();
    odd.push(&b"\xFF\xFE"[..], &b"\x80"[..]);
    odd.push_header(event_core::event::Header { name: "null".into(), value: None });
    odd.push("twice", "1");
    odd.push("twice", "2");
    let mut forged = Headers::new();
    forged.push(header::ATTEMPTS, "99");
    forged.push(header::TOPIC, "elsewhere");
    let with_key = |name, key: &[u8]| Case {
        key: Some(Bytes::copy_from_slice(key)),
        ..value(name, event(r#"{"id":1}"#), Handled)
    };
    let at = |name, timestamp_ms| Case {
        timestamp_ms: Some(timestamp_ms),
        ..value(name, event(r#"{"id":1}"#), Handled)
    };
    vec![
        with_headers("10 000 headers", many, Dead("too_many_headers")),
        with_headers("a huge header", huge, Dead("headers_too_large")),
        with_headers("headers that are not UTF-8, null or repeated", odd, Handled),
        with_headers("forged dead-letter headers", forged, Handled),
        with_key("an empty key", b""),
        with_key("a key of 1 MB", &vec![b'k'; 1_000_000]),
        with_key("a key that is not UTF-8", b"\xFF\x00\x80"),
        at("a timestamp of 0", 0),
        at("a timestamp in the far future", i64::MAX / 2),
    ]
}

fn odd_but_sound() -> Vec<Case> {
    let tombstone = Case { value: None, ..value("a tombstone", "", Skipped) };
    vec![
        tombstone,
        value("\\u0000 in a string", event(r#"{"id":1,"note":"\u0000"}"#), Handled),
        value(
            "unknown fields",
            r#"{"eventType":"PROBED","x":[{}],"data":{"id":1,"y":null}}"#,
            Handled,
        ),
        value("eventType in another case", r#"{"eventType":"probed","data":{"id":1}}"#, Skipped),
        value("an unknown eventType", r#"{"eventType":"PROBE_LOST","data":{"id":1}}"#, Skipped),
        value("the deepest nesting", event(&format!(r#"{{"id":1,"x":{}}}"#, nested(125))), Handled),
    ]
}

pub(crate) fn cases() -> Vec<Case> {
    broken_values().into_iter().chain(odd_headers_and_keys()).chain(odd_but_sound()).collect()
}

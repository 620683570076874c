use std::collections::BTreeMap;

use serde::Deserialize;

use crate::Event;
use crate::event::{Envelope, EnvelopeError, EnvelopeRules, LoneSurrogates};

// In every table `¦` stands before the byte that an error must name, and is not in the record.
fn marked(record: &str) -> (String, Option<usize>) {
    (record.replacen('¦', "", 1), record.find('¦'))
}

#[derive(Debug, Event, Deserialize)]
#[event(topic = "probe_events", name = "PROBED", version = 2)]
#[expect(dead_code, reason = "only read")]
struct Probed {
    id: u64,
    #[serde(default)]
    note: String,
    #[serde(default)]
    amount: f64,
    #[serde(default)]
    list: Vec<Inner>,
    #[serde(default)]
    map: BTreeMap<String, u8>,
    #[serde(default)]
    choice: Option<Choice>,
    #[serde(default)]
    strict: Option<Strict>,
    #[serde(default)]
    even: Option<Even>,
    #[serde(default)]
    pair: (u8, u8),
}

#[derive(Debug, Deserialize)]
#[expect(dead_code, reason = "only read")]
struct Inner {
    a: i64,
}

#[derive(Debug, Deserialize)]
enum Choice {
    One,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(dead_code, reason = "only read")]
struct Strict {
    b: i64,
}

#[derive(Debug, Deserialize)]
#[serde(try_from = "u64")]
struct Even;

impl TryFrom<u64> for Even {
    type Error = String;

    fn try_from(number: u64) -> Result<Self, String> {
        if number.is_multiple_of(2) { Ok(Even) } else { Err(format!("{number} is odd")) }
    }
}

fn error(record: &[u8]) -> EnvelopeError {
    let read = Envelope::read(record).and_then(|envelope| {
        let data = envelope.decode_contract::<Probed>()?;
        envelope.user_id().map(|_| data)
    });
    read.expect_err(&String::from_utf8_lossy(record))
}

// Other bytes around the wrong one must not change which one is named.
fn surrounded(record: &str) -> Vec<String> {
    let mut all = vec![
        record.to_owned(),
        format!(" \r\n\t\n{record}"),
        record.replacen('{', "{\"π\\n\": \"ñ€😀\",\r\n\n\t", 1),
    ];
    all.extend(record.find(r#","data""#).map(|at| {
        let (start, end) = record.split_at(at);
        format!("{start}\n,\"ü\": [\"ß\",\n 1]{end}")
    }));
    all
}

fn assert_places(code: &str, records: &[String]) {
    for record in records {
        for record in surrounded(record) {
            let (value, byte) = marked(&record);
            let error = error(value.as_bytes());
            assert_eq!((error.code(), error.byte()), (code, byte), "{record}\n{error}");
            assert!(!error.to_string().contains(" column "), "{error}");
            if let Some(byte) = byte.filter(|_| code != "not_an_object") {
                assert!(error.to_string().contains(&format!("byte {byte}")), "{error}");
            }
        }
    }
}

#[test]
fn data_that_does_not_fit_is_named_by_its_byte() {
    let data = [
        r#"¦[1,2.0,"x"]"#,
        r#"¦"text""#,
        r#"{"id":¦"1"}"#,
        r#"{"id":  ¦-1  }"#,
        r#"{"id":¦1.0,"note":"x"}"#,
        r#"{"id":¦18446744073709551616}"#,
        r#"{"id":¦null}"#,
        r#"{"id":¦{}}"#,
        r#"{"id": ¦{"x": 1}}"#,
        r#"{"id":¦[[1]]}"#,
        r#"{"id": ¦[1]}"#,
        r#"{"id":¦false}"#,
        r#"{"note":¦17,"id":1}"#,
        r#"{"note":"a \" b\\","id":¦"\"}:"}"#,
        r#"{"id":1,"amount":¦1e400}"#,
        r#"{"ID":1¦}"#,
        r#"{¦}"#,
        r#"{"id":1,"list":[{"a":1},{"a":¦"x"}]}"#,
        r#"{"id":1,"list":[{"a":1},{ ¦}]}"#,
        r#"{"id":1,"list":[{"a":1},¦[1]]}"#,
        r#"{"id":1,"list":[¦[ 1 ]]}"#,
        r#"{"id":1,"list":¦{"a":1}}"#,
        r#"{"id":1,"map":{"k":¦256}}"#,
        r#"{"id":1,"map":¦[]}"#,
        r#"{"id":1,"choice":¦"Two"}"#,
        r#"{"id":1,"choice":¦1}"#,
        r#"{"id":1,"strict":{"b":1,¦"c":2}}"#,
        r#"{"id":1,"strict":{"b":1,¦"c"  :2}}"#,
        r#"{"id":1,¦"id":2}"#,
        r#"{"even":¦3,"id":1}"#,
        // What a type checks by itself fails after the value, which here ends the object too.
        r#"{"id":1,"even":¦3}"#,
        r#"{"id":1,"pair":[1¦]}"#,
    ];
    let records = data.map(|data| format!(r#"{{"eventType":"PROBED","data":{data},"z":[{{}}]}}"#));
    assert_places("data_mismatch", &records);
    assert_places("data_mismatch", &[r#"{"eventType":"PROBED"}"#.to_owned()]);
}

#[test]
fn fields_of_the_envelope_are_named_by_their_byte() {
    let cases = [
        ("wrong_field_type", r#"{"eventType":¦null,"data":{"id":1}}"#),
        ("wrong_field_type", r#"{"eventType": ¦17,"data":{"id":1}}"#),
        ("wrong_field_type", r#"{"data":{"id":1},"eventType":¦{}}"#),
        ("wrong_field_type", r#"{"eventType":"PROBED","data":{"id":1},"userId":¦[1]}"#),
        ("wrong_field_type", r#"{"eventType":"PROBED","version":¦0,"data":{"id":1}}"#),
        ("wrong_field_type", r#"{"eventType":"PROBED","version":¦"1.2","data":{"id":1}}"#),
        ("unsupported_version", r#"{"eventType":"PROBED","version": ¦3,"data":{"id":1}}"#),
        ("missing_event_type", r#"{¦"EventType":"PROBED","data":{"id":1}}"#),
        ("missing_event_type", r#"{"a":1, ¦"event\u005ftype":"PROBED","data":{"id":1}}"#),
        ("missing_event_type", r#"{"a":1,"data":{"eventType":"PROBED"}}"#),
        ("duplicate_field", r#"{"eventType":"A","data":{"data":1}, ¦"data":2,"data":3}"#),
        ("duplicate_field", r#"{"eventType":"A","x":"eventType",¦"event\u0054ype":"B"}"#),
        ("duplicate_field", r#"{"version":1,¦"version":2"#),
    ];
    for (code, record) in cases {
        assert_places(code, &[record.to_owned()]);
    }
    let long = format!(r#"{{"eventType":¦"{}"}}"#, "A".repeat(250));
    assert_places("event_type_too_long", &[long]);
}

const NOT_JSON: [&str; 24] = [
    r#"{"eventType":"PROBED","data":{"id":1,"amount":¦NaN}}"#,
    r#"{"eventType":"PROBED","data":{"id":n¦an}}"#,
    r#"{"eventType":"PROBED","data":{"id":¦+1}}"#,
    r#"{"eventType":"PROBED","data":{"id":-¦x}}"#,
    r#"{"eventType":"PROBED","data":{"id":0¦1}}"#,
    r#"{"eventType":"PROBED","data":{"id":1.¦}}"#,
    r#"{"eventType":"PROBED","data":{"id":1e¦}}"#,
    r#"{"eventType":"PROBED","data":{"id":1e+¦,}}"#,
    r#"{"eventType":"PROBED","data":{"id":1,¦}}"#,
    r#"{"eventType":"PROBED","data":{"id":1 ¦"a":2}}"#,
    r#"{"eventType":"PROBED","data":{"id" ¦1}}"#,
    r#"{"eventType":"PROBED","data":{¦id:1}}"#,
    r#"{"eventType":"PROBED","data":[1,¦]}"#,
    r#"{"eventType":"PROBED","data":[1¦}}"#,
    r#"{"eventType":"PROBED","data":{"id":1¦]}"#,
    r#"{"eventType":"PROBED",¦}"#,
    r#"{"eventType":"PROBED"¦]"#,
    r#"{¦'eventType':"PROBED"}"#,
    r#"{¦,}"#,
    r#"{"eventType":"PROBED","data":{"note":"ñ¦\x41"}}"#,
    r#"{"eventType":"PROBED","data":{"note":"ñ¦\u12G4"}}"#,
    "{\"eventType\":\"PROBED\",\"data\":{\"note\":\"a¦\u{1}b\"}}",
    "{\"eventType\":\"PROBED\",\"data\":{\"note\":\"¦\nb\"}}",
    "{\"eventType\":\"PROBED\",\"a¦\tb\":1}",
];

#[test]
fn what_is_not_json_is_named_by_the_first_wrong_byte() {
    assert_places("malformed_json", &NOT_JSON.map(str::to_owned));
    for (record, code) in [
        ("¦NaN", "malformed_json"),
        (" \n¦\u{c}{}", "malformed_json"),
        ("¦[1]", "not_an_object"),
        (" \r\n ¦\"x\" ", "not_an_object"),
        ("[1¦", "truncated_json"),
        ("null ¦x", "trailing_data"),
        (" tr¦ee", "malformed_json"),
    ] {
        let (value, byte) = marked(record);
        let error = error(value.as_bytes());
        assert_eq!((error.code(), error.byte()), (code, byte), "{record:?}: {error}");
    }
}

#[test]
fn what_follows_and_what_is_cut_off_is_named_by_its_byte() {
    let good = r#"{"eventType":"PROBED","data":{"id":1,"note":"ñ😀 \" \u00f1","amount":-1.5e+10}}"#;
    assert_places("trailing_data", &[format!("{good} ¦x"), format!("{good}\n¦{good}")]);
    assert_places("trailing_data", &[format!("{good}¦\0")]);
    for end in good.char_indices().map(|(at, _)| at).skip(1) {
        let (code, value) = match Envelope::read(&good.as_bytes()[..end]) {
            // A number that ends with its sign or point is wrong to serde_json, not cut off.
            Err(EnvelopeError::Malformed { .. }) => continue,
            _ => ("truncated_json", format!("{}¦", &good[..end])),
        };
        assert_places(code, &[value]);
    }
}

#[test]
fn what_no_json_reader_should_accept_is_named_by_its_byte() {
    let records = [r#"{"eventType":"PROBED","data":{"id":1,"note":"a¦\ud83d"}}"#];
    assert_places("lone_surrogate", &records.map(str::to_owned));
    let rules = EnvelopeRules::default().lone_surrogates(LoneSurrogates::DeadLetter);
    let (unread, byte) = marked(r#"{"eventType":"PROBED","data":{"id":1},"x":["\\¦\ude00"]}"#);
    assert_eq!(Envelope::read(unread.as_bytes()).map(drop), Ok(()));
    let refused = Envelope::read_with(unread.as_bytes(), rules).unwrap_err();
    assert_eq!((refused.code(), refused.byte()), ("lone_surrogate", byte), "{refused}");
    let deep = format!(r#"{{"eventType":"PROBED","x":{}¦{}"#, "[".repeat(126), "[".repeat(9));
    assert_places("too_deep", &[deep]);
    for (value, byte) in [
        (&b"{\"eventType\":\"X\",\"i\":\"\xC3\"}"[..], Some(22)),
        (b"\x9c\xd3\x00\x11", Some(0)),
        (b"\xEF\xBB\xBF{}", Some(0)),
        (b"\xFF\xFE{\0}\0", Some(0)),
        (b"{\0}\0", Some(1)),
        (b"\0\0\0\0\x07{}", Some(0)),
        (b"\x1f\x8b\x08\0\0\0\0\0", Some(0)),
        (b"", None),
        (b" \n", None),
    ] {
        assert_eq!(error(value).byte(), byte, "{value:?}");
    }
}

// Without knowing what serde_json calls wrong: up to the byte a record is only cut off, and with
// it nothing that follows would help.
#[test]
fn nothing_before_the_named_byte_is_wrong() {
    for record in NOT_JSON.iter().flat_map(|record| surrounded(record)) {
        let (value, _) = marked(&record);
        let byte = error(value.as_bytes()).byte().unwrap();
        let cut_off = |end: usize| match Envelope::read(&value.as_bytes()[..end]) {
            Err(EnvelopeError::Truncated { byte, .. }) => byte == end,
            // Half a character, half a number.
            Err(EnvelopeError::NotUtf8 { .. }) => true,
            Err(EnvelopeError::Malformed { byte, .. }) => byte == end || byte + 1 == end,
            _ => false,
        };
        assert!(cut_off(byte), "{record}: {:?}", &value[..byte]);
    }
}

#[test]
fn the_messages_read_well() {
    let message = |record: &str| error(record.as_bytes()).to_string();
    for (record, expected) in [
        (
            r#"{"eventType":"PROBED","data":{"id":"1"}}"#,
            "the data of PROBED version 1 does not fit Probed version 2 at byte 35: `data.id` is the string \"1\", it must be u64; the record is of version 1: `upcasts(..)` on Probed reads older data by the contract of its version, `#[serde(default)]` on a field does without it",
        ),
        (
            r#"{"eventType":"PROBED","version":2,"data":{"id":1,"list":[{"a":1},{"b":2}]}}"#,
            "the data of PROBED version 2 does not fit Probed version 2 at byte 71: `data.list[1]` has no `a`; it has `b`",
        ),
        (
            r#"{"eventType":"PROBED","version":2,"data":{"id":1,"list":[{"a":1},{"a":null}]}}"#,
            "the data of PROBED version 2 does not fit Probed version 2 at byte 70: `data.list[1].a` is null, it must be i64",
        ),
        (
            r#"{"eventType":"PROBED","version":2,"data":{"id":1,"map":{"k":[]}}}"#,
            "the data of PROBED version 2 does not fit Probed version 2 at byte 60: `data.map.k` is an array, it must be u8",
        ),
        (
            r#"{"eventType":"PROBED","version":2,"data":{"id":1,"choice":"Two"}}"#,
            "the data of PROBED version 2 does not fit Probed version 2 at byte 58: `data.choice`: unknown variant `Two`, expected `One`",
        ),
        (
            r#"{"eventType":"PROBED","version":2,"data":{"id":1,"even":7}}"#,
            "the data of PROBED version 2 does not fit Probed version 2 at byte 56: `data.even`: 7 is odd",
        ),
        (
            r#"{"eventType":"PROBED","version":2,"data":{"id":1,"note":"a\ud83d"}}"#,
            "`data.note` has an escape at byte 58 that is half of a surrogate pair and names no character; its producer cut a text inside of one",
        ),
        (
            r#"{"eventType":"PROBED","version":2}"#,
            "the data of PROBED version 2 does not fit Probed version 2: the field `data` is missing",
        ),
        (
            "{\"eventType\":\"PROBED\",\n\"data\":{\"id\":NaN}}",
            "the value is not JSON at byte 36: expected value",
        ),
        (r#"{"eventType":"PRO"#, "the JSON is cut off at byte 17: EOF while parsing a string"),
        (r#"{"eventType":"A"} x"#, "something follows the JSON object, from byte 18 on"),
        (
            r#"{"eventType":"A","eventType":"B"}"#,
            "the field `eventType` appears twice, the second time at byte 17",
        ),
        (r#"{"eventType":null}"#, "the field `eventType` is null at byte 13, it must be a string"),
        (
            r#"{"event_type":"A"}"#,
            "the field `eventType` is missing; `event_type` is there at byte 1, but the name is `eventType`",
        ),
        (
            r#"{"eventType":"A","version":3}"#,
            "the version of A at byte 27 is 3, Probed reads up to 2: deploy a build whose contract is of version 3",
        ),
    ] {
        assert_eq!(message(record), expected);
    }
}

use super::*;
use crate::event::one_pass::differential::check_record;

fn code(value: impl AsRef<[u8]>) -> &'static str {
    match Envelope::read(value.as_ref()) {
        Ok(_) => "ok",
        Err(error) => {
            // One pass accepts nothing of it either, so that this reason stays.
            check_record(value.as_ref());
            error.code()
        }
    }
}

#[test]
fn fields_are_found_in_any_order_and_extra_ones_are_kept() {
    let value = br#"{"trace": {"a": 1}, "data": {"id": 7}, "userId": "42", "eventType": "X",
        "eventId": "e1", "occurredAt": "2024-05-01T10:00:00Z", "version": 3, "z": null}"#;
    let envelope = Envelope::read(value).unwrap();
    assert_eq!(envelope.event_type(), "X");
    assert_eq!(envelope.user_id(), Ok(Some(UserId::Text("42".into()))));
    assert_eq!(envelope.event_id().unwrap().to_string(), "e1");
    assert_eq!(envelope.occurred_at().unwrap().to_string(), "2024-05-01T10:00:00Z");
    assert_eq!(envelope.version(), Ok(3));
    assert_eq!(envelope.data_text(), Some(r#"{"id": 7}"#));
    assert_eq!(envelope.extra("trace").map(RawValue::get), Some(r#"{"a": 1}"#));
    assert_eq!(envelope.extra("z").map(RawValue::get), Some("null"));
    assert!(envelope.extra("data").is_none() && envelope.extra("y").is_none());
}

#[test]
fn user_id_is_a_number_a_string_null_or_absent() {
    let user = |json: &str| {
        let value = format!(r#"{{"eventType":"X"{json}}}"#);
        Envelope::read(value.as_bytes()).and_then(|envelope| envelope.user_id())
    };
    assert_eq!(user(r#","userId":42"#), Ok(Some(UserId::Number(42))));
    assert_eq!(user(r#","userId":"42""#), Ok(Some(UserId::Text("42".into()))));
    assert_eq!(user(r#","userId":"\u00f1""#), Ok(Some(UserId::Text("ñ".into()))));
    assert_eq!(
        user(r#","userId":18446744073709551616"#),
        Ok(Some(UserId::Text("18446744073709551616".into())))
    );
    assert_eq!(user(r#","userId":null"#), Ok(None));
    assert_eq!(user(""), Ok(None));
    assert_eq!(user(r#","userId":[1]"#).unwrap_err().code(), "wrong_field_type");
}

#[test]
fn every_kind_of_broken_input_has_its_own_code() {
    let deep = format!(r#"{{"eventType":"X","i":{}{}}}"#, "[".repeat(200), "]".repeat(200));
    let long = format!(r#"{{"eventType":"{}"}}"#, "A".repeat(1 << 20));
    let cases: &[(&[u8], &str)] = &[
        (b"", "empty_value"),
        (b" \n\t", "empty_value"),
        (b"null", "not_an_object"),
        (b"\"text\"", "not_an_object"),
        (b"17", "not_an_object"),
        (b"[1]", "not_an_object"),
        (b"true", "not_an_object"),
        (b"\xEF\xBB\xBF{}", "byte_order_mark"),
        (b"\xFF\xFE{\0}\0", "byte_order_mark"),
        (b"{\0}\0", "malformed_json"),
        (b"\0\0\0\0\x07{}", "schema_registry_framing"),
        (b"\x1f\x8b\x08\0\0\0\0\0", "compressed_value"),
        (b"\x28\xB5\x2F\xFD\x04\x58", "compressed_value"),
        (b"\x9c\xd3\x00\x11", "not_utf8"),
        (b"{\"eventType\":\"X\"", "truncated_json"),
        (b"{\"eventType\":\"X\"} x", "trailing_data"),
        (b"{\"eventType\":\"X\"}{\"eventType\":\"X\"}", "trailing_data"),
        (b"{\"eventType\":\"X\"}\0", "trailing_data"),
        (b"{\"eventType\":\"X\",\"i\":\"\xC3\"}", "not_utf8"),
        (br#"{"eventType":"X","i":"\ud800"}"#, "ok"),
        (br#"{"eventType":"\ud800"}"#, "lone_surrogate"),
        (br#"{"eventType":"X","\ud800":1}"#, "ok"),
        (br#"{"\ud800":1,"eventType":"\ud800"}"#, "lone_surrogate"),
        (b"{\"eventType\":\"X\",\"i\":\"\x01\"}", "malformed_json"),
        (br#"{"eventType":"X","i":"\u0000"}"#, "ok"),
        (deep.as_bytes(), "too_deep"),
        (br#"{"eventType":"X","eventType":"Y"}"#, "duplicate_field"),
        (br#"{"eventType":"X","data":1,"data":2}"#, "duplicate_field"),
        (br#"{"eventType":"X","i":NaN}"#, "malformed_json"),
        (b"NaN", "malformed_json"),
        (b"nan", "malformed_json"),
        (br#"{"data":{}}"#, "missing_event_type"),
        (br#"{"eventType":null}"#, "wrong_field_type"),
        (br#"{"eventType":""}"#, "wrong_field_type"),
        (br#"{"eventType":" "}"#, "wrong_field_type"),
        (br#"{"eventType":"\t"}"#, "wrong_field_type"),
        ("{\"eventType\":\"\u{a0}\u{200b}\"}".as_bytes(), "wrong_field_type"),
        (br#"{"eventType":1}"#, "wrong_field_type"),
        (br#"{"eventType":{}}"#, "wrong_field_type"),
        (br#"{"EventType":"X"}"#, "missing_event_type"),
        (long.as_bytes(), "event_type_too_long"),
        (br#"{"eventType":"X","unknown":[{}]}"#, "ok"),
        (br#"{"eventType":"claim_added"}"#, "ok"),
    ];
    for (value, expected) in cases {
        assert_eq!(
            code(value),
            *expected,
            "{}",
            String::from_utf8_lossy(&value[..value.len().min(60)])
        );
    }
}

#[test]
fn messages_are_capped() {
    let long = format!(r#"{{"eventType":"{}"}}"#, "A".repeat(1 << 20));
    let message = Envelope::read(long.as_bytes()).unwrap_err().to_string();
    assert!(message.len() < 200, "{} bytes", message.len());
    assert!(message.contains("1048576 bytes long, the limit is 249"), "{message}");
}

#[test]
fn a_key_in_another_case_is_named() {
    let message = Envelope::read(br#"{"event_type":"X"}"#).unwrap_err().to_string();
    assert!(
        message.contains("`event_type` is there at byte 1, but the name is `eventType`"),
        "{message}"
    );
}

#[test]
fn a_field_in_another_case_is_named_with_the_remedy() {
    #[derive(Debug, serde::Deserialize)]
    struct Claim {
        #[expect(dead_code)]
        role_id: i64,
    }
    let envelope = Envelope::read(br#"{"eventType":"X","data":{"roleId":3}}"#).unwrap();
    let message = envelope.decode_data::<Claim>().unwrap_err().to_string();
    let expected = "`data` has no `role_id`; `roleId` is there in its place; `#[serde(alias = \"roleId\")]` on the field reads both";
    assert!(message.ends_with(expected), "{message}");
}

#[test]
fn a_version_is_an_integer_from_1_on() {
    let version = |json: &str| {
        let value = format!(r#"{{"eventType":"X","version":{json}}}"#);
        Envelope::read(value.as_bytes()).and_then(|envelope| envelope.version())
    };
    assert_eq!(version("null"), Ok(1));
    assert_eq!(version("2"), Ok(2));
    assert_eq!(version("4294967296"), Ok(u32::MAX));
    for wrong in ["0", "1.0", "-1", "\"1\"", "{}"] {
        assert_eq!(
            version(wrong).map_err(|error| error.code()),
            Err("wrong_field_type"),
            "{wrong}"
        );
    }
}

#[test]
fn a_field_of_the_wrong_type_is_told_with_its_value() {
    for (version, reported) in [
        ("0", "the number 0"),
        ("1.5", "the number 1.5"),
        ("\"1\"", "the string \"1\""),
        ("{}", "an object"),
    ] {
        let value = format!(r#"{{"eventType":"X","version":{version}}}"#);
        let error = Envelope::read(value.as_bytes()).unwrap().version().unwrap_err().to_string();
        let expected = format!(
            "the field `version` is {reported} at byte 27, it must be an integer from 1 on"
        );
        assert_eq!(error, expected);
    }
}

#[test]
fn where_the_name_or_the_data_stands_elsewhere_is_reported() {
    for (value, reported) in [
        (r#"{"type":"X","data":{}}"#, "`type` is there at byte 1, but"),
        (r#"{"event":"X","data":{}}"#, "`event` is there at byte 1, but"),
        (r#"{"eventName":"X"}"#, "`eventName` is there at byte 1, but"),
        (r#"{"event_name":"X"}"#, "`event_name` is there at byte 1, but"),
        (r#"{"meta":{"a":1,"eventType":"X"}}"#, "`meta.eventType` is there at byte 15, but"),
        (r#"{"headers":{"event_type":"X"}}"#, "`headers.event_type` is there at byte 12, but"),
    ] {
        let error = Envelope::read(value.as_bytes()).unwrap_err().to_string();
        assert!(error.contains(reported), "{value}: {error}");
    }
    #[derive(Debug, event_core::Event, serde::Deserialize)]
    #[event(topic = "place_events", name = "MOVED")]
    #[expect(dead_code, reason = "only read")]
    struct Moved {
        id: u64,
    }
    for (value, reported) in [
        (
            r#"{"eventType":"MOVED","payload":{"id":1}}"#,
            "the field `data` is missing; `payload` is there, but the name is `data`",
        ),
        (
            r#"{"eventType":"MOVED","id":1}"#,
            "the field `data` is missing; its fields stand beside `eventType`, they belong into `data`",
        ),
        (r#"{"eventType":"MOVED","x":1}"#, "the field `data` is missing"),
    ] {
        let envelope = Envelope::read(value.as_bytes()).unwrap();
        let error = envelope.decode_contract::<Moved>().unwrap_err().to_string();
        assert!(error.ends_with(reported), "{value}: {error}");
    }
}

#[test]
fn an_event_of_another_make_can_still_be_routed() {
    let value = br#"{"eventType":"OTHER","version":"1.2.0","userId":{"name":"ann"}}"#;
    assert_eq!(Envelope::read(value).map(|envelope| envelope.event_type() == "OTHER"), Ok(true));
}

fn identity(json: &str) -> Option<String> {
    let value = format!(r#"{{"eventType":"X","eventId":{json}}}"#);
    let envelope = Envelope::read(value.as_bytes()).unwrap();
    envelope.event_id().map(ToString::to_string)
}

#[test]
fn an_identity_that_identifies_nothing_is_absent() {
    for none in [
        r#""""#,
        r#"" ""#,
        r#""\t\u00a0\u200b""#,
        "null",
        r#""null""#,
        r#""undefined""#,
        r#""00000000-0000-0000-0000-000000000000""#,
        r#""00000000000000000000000000000000""#,
        r#""None""#,
        r#""nil""#,
        r#""<nil>""#,
        r#""(null)""#,
        r#""NaN""#,
        r#""[object Object]""#,
        r#""-""#,
        r#""\"\"""#,
        r#""\"null\"""#,
        r#""N/A""#,
        "0",
        "-0",
        "0.0",
        r#""0""#,
        r#""00000000000000000000000000""#,
        r#""ffffffff-ffff-ffff-ffff-ffffffffffff""#,
        r#""FFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFF""#,
        r#""\u00ad""#,
        r#""\u180e""#,
        r#""\u2800""#,
        r#""\u3164""#,
        "\"\u{3164}\u{2060}\"",
    ] {
        assert_eq!(identity(none), None, "{none}");
    }
    for some in [" 7 ", "0-0", "10", "-1", "none-1", "NULLA", "0a", "x"] {
        assert_eq!(identity(&format!("\"{some}\"")).as_deref(), Some(some));
    }
}

#[test]
fn a_number_is_an_identity() {
    for number in ["12345", "1", "18446744073709551616", "-1", "1.5"] {
        assert_eq!(identity(number).as_deref(), Some(number));
    }
}

fn time(json: &str) -> Option<String> {
    let value = format!(r#"{{"eventType":"X","occurredAt":{json}}}"#);
    let envelope = Envelope::read(value.as_bytes()).unwrap();
    envelope.occurred_at().map(|time| time.to_string())
}

#[test]
fn a_time_since_1970_is_read_by_its_magnitude() {
    for (written, read) in [
        ("1764307000", "2025-11-28T05:16:40Z"),
        ("1764307000412", "2025-11-28T05:16:40.412Z"),
        ("1764307000412345", "2025-11-28T05:16:40.412345Z"),
        ("1764307000412345678", "2025-11-28T05:16:40.412345678Z"),
        ("1764307000.412", "2025-11-28T05:16:40.412Z"),
        ("1764307000.412345678", "2025-11-28T05:16:40.412345678Z"),
        ("1764307000412.5", "2025-11-28T05:16:40.4125Z"),
        (r#""1764307000412""#, "2025-11-28T05:16:40.412Z"),
    ] {
        assert_eq!(time(written).as_deref(), Some(read), "{written}");
    }
    // A date without its separators, and what is of no time that a service runs in.
    for unclear in
        ["20260131", "20260131080000", "0", "-1764307000", "9223372036854775807", "1e400"]
    {
        assert_eq!(time(unclear), None, "{unclear}");
    }
}

#[test]
fn a_blank_name_is_told_as_one() {
    let error = Envelope::read(br#"{"eventType":" "}"#).unwrap_err().to_string();
    assert_eq!(error, "the field `eventType` is blank at byte 13, it must be the name of an event");
}

#[test]
fn half_a_surrogate_pair_where_nobody_reads_it_costs_nothing_but_the_field() {
    let value = br#"{"\ud83d":1,"eventType":"X","userId":"\ud83d","a\u0062":[2],"data":{}}"#;
    let envelope = Envelope::read(value).unwrap();
    assert_eq!(envelope.user_id(), Ok(None));
    assert_eq!(envelope.extra("ab").map(RawValue::get), Some("[2]"));
    let reported: Vec<_> =
        envelope.ignored().map(|field| (field.name, field.reason.code())).collect();
    assert_eq!(reported, [("userId", "lone_surrogate")]);
    let strict = EnvelopeRules::default().lone_surrogates(LoneSurrogates::DeadLetter);
    assert_eq!(Envelope::read_with(value, strict).unwrap_err().code(), "lone_surrogate");
}

#[test]
fn half_a_surrogate_pair_in_a_key_of_the_data_counts_where_the_type_reads_keys() {
    #[derive(Debug, PartialEq, serde::Deserialize)]
    struct Claim {
        id: i64,
        #[serde(default)]
        inner: Option<Box<Claim>>,
        #[serde(default)]
        by_name: std::collections::BTreeMap<String, i64>,
    }
    let claim = |id, inner| Claim { id, inner, by_name: Default::default() };
    let read = |data: &str| {
        let value = format!(r#"{{"eventType":"X","data":{data}}}"#);
        let envelope = Envelope::read(value.as_bytes()).unwrap();
        envelope.decode_data::<Claim>().map_err(|error| error.code())
    };
    let unread = r#"{"\ud83d":1,"i\u0064":7,"inner":{"\ud83d":{},"id":8}}"#;
    assert_eq!(read(unread), Ok(claim(7, Some(Box::new(claim(8, None))))));
    assert_eq!(read(r#"{"id":7,"by_name":{"\ud83d":1}}"#), Err("lone_surrogate"));
    assert_eq!(read(r#"{"id":7,"by_name":1,"\ud83d":1}"#), Err("data_mismatch"));
    assert_eq!(read(r#"{"\ud83d":1}"#), Err("data_mismatch"));
}

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
        (br#"{"eventType":"X","\ud800":1}"#, "lone_surrogate"),
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
    ] {
        assert_eq!(identity(none), None, "{none}");
    }
    assert_eq!(identity(r#"" 7 ""#).as_deref(), Some(" 7 "));
}

#[test]
fn a_number_is_an_identity() {
    for number in ["12345", "0", "18446744073709551616", "-1", "1.5"] {
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

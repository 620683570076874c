//! Forms in which other makers write records, none of which has an `eventType`.
//!
//! Only the reason of a dead letter names them, so that reading a sound record looks for none.

use std::borrow::Cow;
use std::fmt;

use super::contract::same_letters;
use super::fields::keys;

/// A known form of a record that is no event of ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum KnownShape {
    /// A change event of Debezium, with or without its schema.
    Debezium,
    /// Any other value of Kafka Connect's `JsonConverter` with `schemas.enable`.
    ConnectSchema,
    /// A CloudEvent in structured mode, or in binary mode with headers.
    CloudEvents,
    /// A message of NestJS' Kafka transport.
    NestJs,
    /// A message of MassTransit.
    MassTransit,
    /// A message of Spring for Kafka, which says its type in a header.
    Spring,
    /// An event whose name is in a header.
    NameInHeader,
    /// An object of Java with its class.
    JavaClass,
    /// An event of AWS EventBridge.
    EventBridge,
    /// A notification of AWS SNS.
    Sns,
    /// A notification of AWS S3.
    S3,
}

impl fmt::Display for KnownShape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            KnownShape::Debezium => "a change event of Debezium (`op`, `before`, `after`)",
            KnownShape::ConnectSchema => {
                "a record of Kafka Connect with its schema (`schema`, `payload`)"
            }
            KnownShape::CloudEvents => "a CloudEvent (`specversion`, `type`)",
            KnownShape::NestJs => "a message of NestJS (`pattern`, `data`)",
            KnownShape::MassTransit => "a message of MassTransit (`messageType`, `message`)",
            KnownShape::Spring => "a message of Spring (header `__TypeId__`)",
            KnownShape::NameInHeader => "an event with its name in the header `eventType`",
            KnownShape::JavaClass => "an object of Java with its class (`@class`)",
            KnownShape::EventBridge => "an event of AWS EventBridge (`detail-type`, `detail`)",
            KnownShape::Sns => "a notification of AWS SNS (`TopicArn`, `Message`)",
            KnownShape::S3 => "a notification of AWS S3 (`Records`)",
        })
    }
}

impl KnownShape {
    /// The form of a JSON object.
    pub(super) fn of_value(text: &str) -> Option<Self> {
        let keys = keys(text);
        let has = |names: &[&str]| names.iter().all(|name| keys.iter().any(|(_, key)| key == name));
        // A change event that Connect wrote with its schema has the form inside of `payload`.
        let payload = || {
            let fields: std::collections::BTreeMap<Cow<'_, str>, &serde_json::value::RawValue> =
                serde_json::from_str(text).ok()?;
            Some(fields.get("payload")?.get())
        };
        let is_change = |has: &dyn Fn(&[&str]) -> bool| {
            has(&["op"]) && (has(&["before"]) || has(&["after"]) || has(&["source"]))
        };
        if is_change(&has) {
            Some(KnownShape::Debezium)
        } else if has(&["schema", "payload"]) {
            let inner = payload().map(self::keys_of).unwrap_or_default();
            let has = |names: &[&str]| names.iter().all(|name| inner.iter().any(|key| key == name));
            Some(if is_change(&has) { KnownShape::Debezium } else { KnownShape::ConnectSchema })
        } else if has(&["specversion"]) {
            Some(KnownShape::CloudEvents)
        } else if has(&["messageType"]) && (has(&["message"]) || has(&["messageId"])) {
            Some(KnownShape::MassTransit)
        } else if has(&["pattern", "data"]) {
            Some(KnownShape::NestJs)
        } else if has(&["detail-type", "detail"]) {
            Some(KnownShape::EventBridge)
        } else if has(&["TopicArn", "Message"]) {
            Some(KnownShape::Sns)
        } else if has(&["Records"]) {
            Some(KnownShape::S3)
        } else if has(&["@class"]) {
            Some(KnownShape::JavaClass)
        } else {
            None
        }
    }

    /// The form that a record header shows.
    pub(crate) fn of_headers<'h>(mut names: impl Iterator<Item = &'h [u8]>) -> Option<Self> {
        names.find_map(|name| match name {
            b"__TypeId__" | b"spring_json_header_types" => Some(KnownShape::Spring),
            b"ce_specversion" => Some(KnownShape::CloudEvents),
            _ if name.starts_with(b"kafka_nest-") => Some(KnownShape::NestJs),
            _ if name.starts_with(b"MT-") => Some(KnownShape::MassTransit),
            _ if name.starts_with(b"__debezium") => Some(KnownShape::Debezium),
            _ if std::str::from_utf8(name).is_ok_and(|name| same_letters(name, "eventType")) => {
                Some(KnownShape::NameInHeader)
            }
            _ => None,
        })
    }
}

fn keys_of(object: &str) -> Vec<String> {
    keys(object).into_iter().map(|(_, key)| key.into_owned()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forms_of_other_makers_are_known_by_their_fields() {
        for (value, shape) in [
            (
                r#"{"before":null,"after":{"id":1},"source":{},"op":"c","ts_ms":1}"#,
                KnownShape::Debezium,
            ),
            (
                r#"{"schema":{},"payload":{"before":null,"after":{"id":1},"op":"c"}}"#,
                KnownShape::Debezium,
            ),
            (r#"{"schema":null,"payload":{"id":1}}"#, KnownShape::ConnectSchema),
            (r#"{"specversion":"1.0","id":"1","type":"X","source":"/a"}"#, KnownShape::CloudEvents),
            (r#"{"pattern":"X","data":{}}"#, KnownShape::NestJs),
            (
                r#"{"messageId":"1","messageType":["urn:message:X"],"message":{}}"#,
                KnownShape::MassTransit,
            ),
        ] {
            assert_eq!(KnownShape::of_value(value), Some(shape), "{value}");
        }
        for (value, shape) in [
            (r#"{"version":"0","id":"1","detail-type":"X","detail":{}}"#, KnownShape::EventBridge),
            (r#"{"Type":"Notification","TopicArn":"a","Message":"{}"}"#, KnownShape::Sns),
            (r#"{"Records":[{"eventSource":"aws:s3"}]}"#, KnownShape::S3),
            (r#"{"@class":"com.example.X","id":1}"#, KnownShape::JavaClass),
        ] {
            assert_eq!(KnownShape::of_value(value), Some(shape), "{value}");
        }
        for unknown in ["{}", r#"{"id":7,"roleId":3}"#, r#"{"schema":1}"#, r#"{"data":{}}"#] {
            assert_eq!(KnownShape::of_value(unknown), None, "{unknown}");
        }
    }

    #[test]
    fn forms_of_other_makers_are_known_by_their_headers() {
        let of =
            |name: &'static str| KnownShape::of_headers([&b"x"[..], name.as_bytes()].into_iter());
        assert_eq!(of("__TypeId__"), Some(KnownShape::Spring));
        assert_eq!(of("ce_specversion"), Some(KnownShape::CloudEvents));
        assert_eq!(of("kafka_nest-is-disposed"), Some(KnownShape::NestJs));
        assert_eq!(of("MT-MessageType"), Some(KnownShape::MassTransit));
        assert_eq!(of("eventType"), Some(KnownShape::NameInHeader));
        assert_eq!(of("event-type"), Some(KnownShape::NameInHeader));
        assert_eq!(of("traceparent"), None);
    }
}

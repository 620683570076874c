//! Fields of the envelope that cannot be read and that no delivery depends on.
//!
//! An event with such a field is handled as one without it. That must not go unseen, because a
//! log then shows another time, and a repeat is not recognised.

use std::fmt;

use super::Envelope;
use super::excerpt::excerpt;
use super::time::{is_out_of_range, of_record};

/// A field of the record that is there and cannot be read as it is meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IgnoredField<'a> {
    /// The field, such as `eventId`; `timestamp` for that of the record itself.
    pub name: &'static str,
    /// Why.
    pub reason: IgnoredReason,
    /// The value, as JSON; of one that stands under another key that key.
    pub value: &'a str,
}

/// Why a field counts as absent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum IgnoredReason {
    /// It is empty, blank, or stands for nothing: `null` as text, a nil UUID, zero as an identity.
    Blank,
    /// A time without a zone; see [`NaiveTimes`](super::NaiveTimes).
    NoZone,
    /// A text that is no time.
    NotATime,
    /// A number that is no time between 1973 and 2099, in no unit; a time beyond the last that is read.
    OutOfRange,
    /// A value of another type.
    WrongType,
    /// A text with half of a surrogate pair.
    LoneSurrogate,
    /// The record has it under another key, which differs in case, separators or a letter.
    OtherKey,
}

impl IgnoredReason {
    /// A stable code.
    #[must_use]
    pub fn code(self) -> &'static str {
        match self {
            IgnoredReason::Blank => "blank",
            IgnoredReason::NoZone => "no_zone",
            IgnoredReason::NotATime => "not_a_time",
            IgnoredReason::OutOfRange => "out_of_range",
            IgnoredReason::WrongType => "wrong_type",
            IgnoredReason::LoneSurrogate => "lone_surrogate",
            IgnoredReason::OtherKey => "other_key",
        }
    }
}

impl fmt::Display for IgnoredField<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let IgnoredField { name, reason, value } = self;
        if *name == TIMESTAMP {
            let unit = "is no time in milliseconds since 1970, which is Kafka's unit";
            let written = value.parse().ok();
            let read = written.and_then(of_record).and_then(Result::ok);
            if let Some(time) = read.filter(|time| Some(time.as_millisecond()) == written) {
                let early = "which is before there was Kafka";
                return write!(f, "`{name}` of the record: {value} is {time}, {early}");
            }
            let read =
                read.map_or("counts as absent".to_owned(), |time| format!("is read as {time}"));
            return write!(f, "`{name}` of the record: {value} {unit}; it {read}");
        }
        let what = match reason {
            IgnoredReason::OtherKey => {
                let key = excerpt(value.trim_matches('"'), 64);
                let remedy = format!("let its producer write `{name}`");
                let there = format!("the record has `{key}` in its place");
                return write!(f, "`{name}` counts as absent: {there}; {remedy}");
            }
            IgnoredReason::OutOfRange if value.contains(':') => {
                "is beyond 9999-12-30T22:00:00Z, the last time that is read"
            }
            IgnoredReason::Blank if *name == "occurredAt" => "is empty",
            IgnoredReason::Blank => "identifies nothing",
            IgnoredReason::NoZone => {
                "is a time without a zone; let its producer write `Z` or an offset, or set `naive_times = \"utc\"`"
            }
            IgnoredReason::NotATime => {
                "is no time; let its producer write RFC 3339, such as `2026-01-31T08:00:00Z`"
            }
            IgnoredReason::OutOfRange => {
                "is no time from 1973 to 2099 in seconds, milliseconds, microseconds or nanoseconds since 1970"
            }
            IgnoredReason::WrongType => "is neither a text nor a number",
            IgnoredReason::LoneSurrogate => "has half of a surrogate pair",
        };
        write!(f, "`{name}` counts as absent: {} {what}", excerpt(value, 64))
    }
}

/// Calls `each` with every field of a record, its timestamp among them, that cannot be read as it is meant.
pub(crate) fn for_each_ignored(
    timestamp_ms: i64,
    envelope: Option<&Envelope<'_>>,
    mut each: impl FnMut(IgnoredField<'_>),
) {
    if is_out_of_range(timestamp_ms) {
        let value = timestamp_ms.to_string();
        let reason = IgnoredReason::OutOfRange;
        each(IgnoredField { name: TIMESTAMP, reason, value: &value });
    }
    envelope.into_iter().flat_map(Envelope::ignored).for_each(each);
}

// That of the record itself.
const TIMESTAMP: &str = "timestamp";

#[cfg(test)]
mod tests {
    use super::*;

    fn said(timestamp_ms: i64, value: &str) -> Vec<String> {
        let envelope = Envelope::read(value.as_bytes()).unwrap();
        let mut said = Vec::new();
        for_each_ignored(timestamp_ms, Some(&envelope), |field| said.push(field.to_string()));
        said
    }

    #[test]
    fn a_field_read_as_absent_is_reported_with_value_and_help() {
        let value = r#"{"eventType":"X","eventId":" ","occurredAt":"2026-01-31T08:00:00"}"#;
        let expected = [
            "`eventId` counts as absent: \" \" identifies nothing",
            "`occurredAt` counts as absent: \"2026-01-31T08:00:00\" is a time without a zone; let its producer write `Z` or an offset, or set `naive_times = \"utc\"`",
        ];
        assert_eq!(said(-1, value), expected);
        let value = r#"{"eventType":"X","eventId":{"a":1},"occurredAt":[2026,1,31]}"#;
        let expected = [
            "`eventId` counts as absent: {\"a\":1} is neither a text nor a number",
            "`occurredAt` counts as absent: [2026,1,31] is neither a text nor a number",
        ];
        assert_eq!(said(-1, value), expected);
        let sound = r#"{"eventType":"X","eventId":null,"occurredAt":null}"#;
        assert_eq!(said(1_700_000_000_000, sound), [""; 0]);
        assert_eq!(said(-1, r#"{"eventType":"X","eventId":7,"occurredAt":1764307000}"#), [""; 0]);
    }

    #[test]
    fn a_field_under_another_key_is_told_where_its_own_is_absent() {
        let value = r#"{"eventType":"X","event_id":"a","occuredAt":"2020-01-01T00:00:00Z","USER-ID":1,"Version":2}"#;
        let other = |name, key| {
            format!(
                "`{name}` counts as absent: the record has `{key}` in its place; let its producer write `{name}`"
            )
        };
        let expected = [
            other("userId", "USER-ID"),
            other("eventId", "event_id"),
            other("occurredAt", "occuredAt"),
            other("version", "Version"),
        ];
        assert_eq!(said(-1, value), expected);
        let both = r#"{"eventType":"X","eventId":"a","event_id":"b","version":1,"VERSION":2,"userIds":[],"occurred":1}"#;
        assert_eq!(said(-1, both), [""; 0]);
    }

    #[test]
    fn a_time_beyond_the_last_is_told_as_one() {
        let value = r#"{"eventType":"X","occurredAt":"9999-12-31T23:59:59Z"}"#;
        assert_eq!(
            said(-1, value),
            [
                "`occurredAt` counts as absent: \"9999-12-31T23:59:59Z\" is beyond 9999-12-30T22:00:00Z, the last time that is read"
            ]
        );
    }

    #[test]
    fn a_timestamp_in_another_unit_is_reported_with_its_reading() {
        let sound = r#"{"eventType":"X"}"#;
        let unit = "is no time in milliseconds since 1970, which is Kafka's unit";
        assert_eq!(
            said(1_764_307_000_412_345, sound),
            [format!(
                "`timestamp` of the record: 1764307000412345 {unit}; it is read as 2025-11-28T05:16:40.412345Z"
            )]
        );
        assert_eq!(
            said(1_764_307_000, sound),
            [format!(
                "`timestamp` of the record: 1764307000 {unit}; it is read as 2025-11-28T05:16:40Z"
            )]
        );
        assert_eq!(
            said(i64::MAX, sound),
            [format!("`timestamp` of the record: 9223372036854775807 {unit}; it counts as absent")]
        );
    }
}

//! Times and places in a topic, as a person types them.

use jiff::Timestamp;

use super::known::usage;
use event_names::parse_duration;

use crate::app::ExitStatus;
use crate::event::excerpt;
use crate::event::time::{is_out_of_range, of_record};
use crate::operations::OffsetSpec;

/// Reads `2026-01-31T08:00:00Z`, or how long before `now`: `2h`.
pub(super) fn parse_time(text: &str, now: Timestamp) -> Result<Timestamp, ExitStatus> {
    time(text, now).ok_or_else(|| {
        usage(format!(
            "`{}` is not a time\nhelp: write it like `2026-01-31T08:00:00Z`, or how long ago it was, like `2h`",
            excerpt(text, 64)
        ))
    })
}

/// Reads `beginning`, `end`, an offset or a time.
pub(super) fn parse_offset_spec(text: &str, now: Timestamp) -> Result<OffsetSpec, ExitStatus> {
    match text {
        "beginning" => return Ok(OffsetSpec::Beginning),
        "end" => return Ok(OffsetSpec::End),
        _ => {}
    }
    if let Some(offset) = text.parse().ok().filter(|offset| *offset >= 0) {
        return Ok(OffsetSpec::Offset(offset));
    }
    time(text, now).map(OffsetSpec::Time).ok_or_else(|| {
        usage(format!(
            "`{}` is not a place in a topic\nhelp: write `beginning`, `end`, an offset like `1500`, a time like `2026-01-31T08:00:00Z`, or how long ago it was, like `2h`",
            excerpt(text, 64)
        ))
    })
}

fn time(text: &str, now: Timestamp) -> Option<Timestamp> {
    match parse_duration(text) {
        Ok(ago) => now.checked_sub(ago).ok(),
        Err(_) => text.parse().ok(),
    }
}

/// A time to the second, for a table.
pub(super) fn shown_time(time: Option<Timestamp>) -> String {
    let seconds = time.and_then(|time| Timestamp::from_second(time.as_second()).ok());
    seconds.map(|time| time.to_string()).unwrap_or_default()
}

/// A record's own time to the millisecond.
pub(super) fn shown_ms(timestamp_ms: i64) -> String {
    match of_record(timestamp_ms) {
        None => "without a time".to_owned(),
        Some(Ok(time))
            if is_out_of_range(timestamp_ms) && time.as_millisecond() != timestamp_ms =>
        {
            format!("{time:.3} (wrong unit: {timestamp_ms} ms)")
        }
        Some(Ok(time)) => format!("{time:.3}"),
        Some(Err(_)) => format!("time out of range: {timestamp_ms} ms"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_a_word_an_offset_or_a_time() {
        let now: Timestamp = "2026-01-31T08:00:00Z".parse().unwrap();
        let time = |text: &str| OffsetSpec::Time(text.parse().unwrap());
        for (text, place) in [
            ("beginning", OffsetSpec::Beginning),
            ("end", OffsetSpec::End),
            ("0", OffsetSpec::Offset(0)),
            ("1500", OffsetSpec::Offset(1500)),
            ("2h", time("2026-01-31T06:00:00Z")),
            ("2026-01-30T09:00:00+01:00", time("2026-01-30T08:00:00Z")),
        ] {
            assert_eq!(parse_offset_spec(text, now).unwrap(), place, "{text}");
        }
        for wrong in ["", "start", "-1", "2026-01-30", "2 h", "1.5"] {
            let error = parse_offset_spec(wrong, now).unwrap_err();
            assert_eq!(error.code, 2);
            assert!(error.message.starts_with(&format!("`{wrong}` is not a place")), "{error}");
        }
        assert!(parse_time("1500", now).is_err());
        assert_eq!(shown_ms(1_700_000_000_123), "2023-11-14T22:13:20.123Z");
        assert_eq!(shown_ms(-1), "without a time");
        let microseconds = "2025-11-28T05:16:40.412Z (wrong unit: 1764307000412345 ms)";
        assert_eq!(shown_ms(1_764_307_000_412_345), microseconds);
        assert_eq!(shown_ms(1_764_307_000), "2025-11-28T05:16:40.000Z (wrong unit: 1764307000 ms)");
        assert_eq!(shown_ms(1_000_000_000_000), "2001-09-09T01:46:40.000Z");
        assert_eq!(shown_ms(i64::MAX), "time out of range: 9223372036854775807 ms");
        assert_eq!(shown_ms(-2), "time out of range: -2 ms");
    }
}

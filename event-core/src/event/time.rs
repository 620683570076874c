//! Times as services write them.
//!
//! What can mean one moment only is read; what could mean several is not guessed.

use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::fmt::rfc2822;

use super::ignored::IgnoredReason;
use super::rules::NaiveTimes;

/// The time that a text says.
pub(super) fn of_text(text: &str, naive_times: NaiveTimes) -> Result<Timestamp, IgnoredReason> {
    match text.parse() {
        Ok(time) => Ok(time),
        Err(_) => of_unusual_text(text.trim(), naive_times),
    }
}

fn of_unusual_text(text: &str, naive_times: NaiveTimes) -> Result<Timestamp, IgnoredReason> {
    if text.is_empty() {
        return Err(IgnoredReason::Blank);
    }
    if is_number(text) {
        return of_number(text);
    }
    if let Ok(time) = rfc2822::DateTimeParser::new().parse_timestamp(text) {
        return Ok(time);
    }
    let (civil, zone) = parts(text);
    if let Ok(time) = format!("{civil}{zone}").parse() {
        return Ok(time);
    }
    // The name of a zone without its offset (`[Europe/Berlin]`) is not looked up.
    if text.contains('[') {
        return Err(IgnoredReason::NotATime);
    }
    // A date alone says no time.
    let naive = civil.parse::<DateTime>().ok().filter(|_| civil.contains(':'));
    let naive = naive.ok_or(IgnoredReason::NotATime)?;
    match naive_times {
        _ if is_offset(zone) && naive.year().unsigned_abs() == 9999 => {
            Err(IgnoredReason::OutOfRange)
        }
        _ if !zone.is_empty() => Err(IgnoredReason::NotATime),
        NaiveTimes::Ignore => Err(IgnoredReason::NoZone),
        NaiveTimes::Utc => format!("{naive}Z").parse().map_err(|_| IgnoredReason::OutOfRange),
    }
}

// A time without and with its zone, as RFC 3339 writes both: no blank before the zone, no name of UTC but `Z`,
// and no fraction below a nanosecond.
fn parts(text: &str) -> (&str, &str) {
    let named = text.len().checked_sub(3).and_then(|at| text.split_at_checked(at));
    let named = named
        .filter(|(_, name)| name.eq_ignore_ascii_case("UTC") || name.eq_ignore_ascii_case("GMT"));
    let (civil, zone) = match (named, text.strip_suffix(['Z', 'z'])) {
        (Some((civil, _)), _) | (None, Some(civil)) => (civil, "Z"),
        (None, None) => {
            let time = text.find(':').unwrap_or(text.len());
            let zone = text[time..].find(['+', '-']).map_or(text.len(), |at| time + at);
            text.split_at(zone)
        }
    };
    let civil = civil.trim_end();
    let digits = civil.rsplit_once(['.', ',']).map(|(_, digits)| digits);
    let finer = digits.filter(|digits| digits.bytes().all(|byte| byte.is_ascii_digit()));
    let finer = finer.map_or(0, |digits| digits.len().saturating_sub(9));
    (&civil[..civil.len() - finer], zone)
}

// Whether it is an offset by RFC 3339, with or without its colon.
fn is_offset(zone: &str) -> bool {
    let digits = zone.strip_prefix(['+', '-']).map(|digits| digits.replace(':', ""));
    let is_offset = |digits: String| {
        let are_digits = digits.bytes().all(|byte| byte.is_ascii_digit());
        are_digits && matches!(digits.len(), 2 | 4) && digits.as_str() < "24"
    };
    zone == "Z" || digits.is_some_and(is_offset)
}

/// The time of a JSON number: seconds, milliseconds, microseconds or nanoseconds since 1970, which the
/// magnitude decides. From 1973 to 2099 no two of them meet; whatever is beyond could be anything, such
/// as a date without its separators.
pub(super) fn of_number(number: &str) -> Result<Timestamp, IgnoredReason> {
    if number.contains(['e', 'E']) {
        let plain = number.parse::<f64>().map(|number| format!("{number:.6}"));
        return plain.map_or(Err(IgnoredReason::NotATime), |plain| of_number(&plain));
    }
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    let whole: i128 = whole.parse().map_err(|_| IgnoredReason::OutOfRange)?;
    let fraction: i128 = format!("{:0<9.9}", fraction).parse().unwrap_or(0);
    for units_in_second in [1, 1_000, 1_000_000, 1_000_000_000] {
        if (FIRST * units_in_second..BEYOND * units_in_second).contains(&whole) {
            let nanoseconds = (whole * NANO + fraction) / units_in_second;
            return Timestamp::from_nanosecond(nanoseconds).map_err(|_| IgnoredReason::OutOfRange);
        }
    }
    Err(IgnoredReason::OutOfRange)
}

const NANO: i128 = 1_000_000_000;
// 1973-03-03 and 2100-01-01, in seconds.
const FIRST: i128 = 100_000_000;
const BEYOND: i128 = 4_102_444_800;

fn is_number(text: &str) -> bool {
    text.bytes().any(|byte| byte.is_ascii_digit())
        && text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.')
}

/// The time of a record; `None` when the record has none. Kafka's unit is the millisecond; a value
/// that cannot be one, or is of a time before there was Kafka, is read by its magnitude.
pub(crate) fn of_record(timestamp_ms: i64) -> Option<Result<Timestamp, IgnoredReason>> {
    if timestamp_ms == -1 {
        return None;
    }
    Some(match timestamp_ms {
        // It may be in seconds.
        0..FIRST_OF_KAFKA_MS => of_number(&timestamp_ms.to_string()),
        FIRST_OF_KAFKA_MS..=LAST_MS => {
            Timestamp::from_millisecond(timestamp_ms).map_err(|_| IgnoredReason::OutOfRange)
        }
        // In microseconds it would be of a time before there was Kafka.
        ..1_000_000_000_000_000 => Err(IgnoredReason::OutOfRange),
        _ => of_number(&timestamp_ms.to_string()),
    })
}

// 2011-01-01, the year of Kafka's first release.
const FIRST_OF_KAFKA_MS: i64 = 1_293_840_000_000;
// 9999-12-30T22:00:00Z, the last that [`Timestamp`] holds.
const LAST_MS: i64 = 253_402_207_200_000;

/// Whether a record has a timestamp that is none in milliseconds, or is of a time before there was Kafka.
pub(crate) fn is_out_of_range(timestamp_ms: i64) -> bool {
    timestamp_ms != -1 && !(FIRST_OF_KAFKA_MS..=LAST_MS).contains(&timestamp_ms)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str, naive_times: NaiveTimes) -> Result<String, IgnoredReason> {
        of_text(text, naive_times).map(|time| time.to_string())
    }

    #[test]
    fn what_means_one_moment_is_read() {
        for text in [
            "2026-01-31T07:00:00Z",
            "2026-01-31T08:00:00+01:00",
            "2026-01-31 08:00:00+0100",
            "2026-01-31t07:00:00z",
            " 2026-01-31T07:00:00Z ",
            "2026-01-31T08:00+01:00[Europe/Berlin]",
            "Sat, 31 Jan 2026 07:00:00 GMT",
            "Sat, 31 Jan 2026 08:00:00 +0100",
            "1769842800",
            "1769842800000",
            "2026-01-31 08:00:00 +0100",
            "2026-01-31T08:00:00 +01:00",
            "2026-01-31 07:00:00 UTC",
            "2026-01-31 07:00:00 gmt",
            "2026-01-31T07:00:00 Z",
            "2026-01-31T07:00:00.000000000123Z",
            "2026-01-31 08:00:00.000000000123 +0100",
        ] {
            assert_eq!(
                read(text, NaiveTimes::Ignore).as_deref(),
                Ok("2026-01-31T07:00:00Z"),
                "{text}"
            );
        }
        assert_eq!(of_number("1.7698428e9").unwrap().to_string(), "2026-01-31T07:00:00Z");
    }

    #[test]
    fn a_time_without_a_zone_is_of_utc_only_where_the_settings_say_so() {
        for text in ["2026-01-31T08:00:00.123456", "2026-01-31 08:00:00.123456"] {
            assert_eq!(read(text, NaiveTimes::Ignore), Err(IgnoredReason::NoZone));
            let utc = read(text, NaiveTimes::Utc);
            assert_eq!(utc.as_deref(), Ok("2026-01-31T08:00:00.123456Z"), "{text}");
        }
    }

    #[test]
    fn what_could_mean_several_moments_is_not_guessed() {
        for (text, reason) in [
            ("2026-01-31", IgnoredReason::NotATime),
            ("31.01.2026 08:00", IgnoredReason::NotATime),
            ("2026-01-31T08:00[Europe/Berlin]", IgnoredReason::NotATime),
            ("08:00", IgnoredReason::NotATime),
            ("yesterday", IgnoredReason::NotATime),
            ("20260131", IgnoredReason::OutOfRange),
            ("9999-12-31T23:59:59Z", IgnoredReason::OutOfRange),
            ("9999-12-31 23:59:59.5 +0100", IgnoredReason::OutOfRange),
            ("9999-12-31T23:59:59-25:00", IgnoredReason::NotATime),
            ("2026-01-31 08:00:00 CET", IgnoredReason::NotATime),
            ("2026-01-31 08:00:00 PST+1", IgnoredReason::NotATime),
            ("", IgnoredReason::Blank),
            ("  ", IgnoredReason::Blank),
        ] {
            for naive_times in [NaiveTimes::Ignore, NaiveTimes::Utc] {
                assert_eq!(read(text, naive_times), Err(reason), "{text}");
            }
        }
    }

    #[test]
    fn the_timestamp_of_a_record_that_is_none_in_milliseconds_is_read_by_its_magnitude() {
        let shown = |timestamp_ms| of_record(timestamp_ms).map(|time| time.map(|t| t.to_string()));
        assert_eq!(shown(-1), None);
        let milliseconds = shown(1_764_307_000_412).unwrap().unwrap();
        assert_eq!(milliseconds, "2025-11-28T05:16:40.412Z");
        let microseconds = shown(1_764_307_000_412_345).unwrap().unwrap();
        assert_eq!(microseconds, "2025-11-28T05:16:40.412345Z");
        let seconds = shown(1_764_307_000).unwrap().unwrap();
        assert_eq!(seconds, "2025-11-28T05:16:40Z");
        // Before Kafka, and still a time in milliseconds only.
        assert_eq!(shown(1_000_000_000_000).unwrap().unwrap(), "2001-09-09T01:46:40Z");
        for early in [0, 1, 77, 1_764_307_000, 1_000_000_000_000] {
            assert!(is_out_of_range(early), "{early}");
        }
        for wrong in [0, -2, i64::MIN, i64::MAX, 253_402_300_800_000] {
            assert_eq!(shown(wrong), Some(Err(IgnoredReason::OutOfRange)), "{wrong}");
            assert!(is_out_of_range(wrong));
        }
        assert!(Timestamp::from_millisecond(253_402_207_200_000).is_ok());
        assert!(Timestamp::from_millisecond(253_402_207_201_000).is_err());
        assert!(
            ![-1, FIRST_OF_KAFKA_MS, 1_700_000_000_000, 253_402_207_200_000]
                .into_iter()
                .any(is_out_of_range)
        );
    }
}

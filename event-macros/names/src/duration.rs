//! Durations in attributes and settings: an integer and a unit, `250ms`, `10s`, `5m` or `1h`.

use std::fmt;
use std::time::Duration;

use crate::Text;

/// A text that is no duration, or no range of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DurationError {
    /// It is not an integer and a unit.
    Form(String),
    /// It has no `..`.
    Range(String),
    /// A range whose end is shorter than its beginning.
    Backwards(String),
}

impl fmt::Display for DurationError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (text, what) = match self {
            DurationError::Form(text) => (
                text,
                "is not a duration: it is an integer and `ms`, `s`, `m` or `h`, without a space",
            ),
            DurationError::Range(text) => {
                (text, "is not a range of durations: it is two of them with `..` between")
            }
            DurationError::Backwards(text) => (text, "ends before it begins"),
        };
        write!(f, "`{}` {what}", Text::<128>::new().push_escaped(text, 64).as_str())
    }
}

impl std::error::Error for DurationError {}

/// Reads `250ms`, `10s`, `5m` or `1h`.
///
/// # Errors
///
/// [`DurationError::Form`].
///
/// ```
/// use std::time::Duration;
/// assert_eq!(event_names::parse_duration("5m"), Ok(Duration::from_secs(300)));
/// assert!(event_names::parse_duration("10 secs").is_err());
/// ```
pub fn parse_duration(text: &str) -> Result<Duration, DurationError> {
    let wrong = || DurationError::Form(text.to_owned());
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (number, unit) = text.split_at(digits);
    let number: u64 = number.parse().map_err(|_| wrong())?;
    let unit_ms = unit_ms(unit).ok_or_else(wrong)?;
    Ok(Duration::from_millis(number.saturating_mul(unit_ms)))
}

/// Reads `200ms..30s`.
///
/// # Errors
///
/// [`DurationError`].
pub fn parse_duration_range(text: &str) -> Result<(Duration, Duration), DurationError> {
    let Some((first, last)) = text.split_once("..") else {
        return Err(DurationError::Range(text.to_owned()));
    };
    let (first, last) = (parse_duration(first)?, parse_duration(last)?);
    if first > last { Err(DurationError::Backwards(text.to_owned())) } else { Ok((first, last)) }
}

fn unit_ms(unit: &str) -> Option<u64> {
    UNITS.iter().find(|(name, _)| *name == unit).map(|(_, ms)| *ms)
}

const UNITS: [(&str, u64); 4] = [("h", 3_600_000), ("m", 60_000), ("s", 1000), ("ms", 1)];

/// A duration in its shortest form, as it stands in the name of a topic: `1m`, not `60s`.
///
/// ```
/// assert_eq!(event_names::duration_text(60_000).as_str(), "1m");
/// assert_eq!(event_names::duration_text(1500).as_str(), "1500ms");
/// ```
#[must_use]
pub const fn duration_text(ms: u64) -> Text<24> {
    let mut index = 0;
    while index < UNITS.len() {
        let (unit, unit_ms) = UNITS[index];
        if ms > 0 && ms.is_multiple_of(unit_ms) {
            return number(Text::new(), ms / unit_ms).push(unit);
        }
        index += 1;
    }
    Text::new().push("0s")
}

// Unlike a `usize` it holds every number of milliseconds on every machine.
const fn number(text: Text<24>, number_left: u64) -> Text<24> {
    let text = if number_left >= 10 { number(text, number_left / 10) } else { text };
    text.push_byte(b"0123456789"[(number_left % 10) as usize])
}

/// The duration that was probably meant: `10s` by `10 secs`, `10` or `10S`, and `1500ms` by `1.5s`.
/// `None` when there is none to offer.
#[must_use]
pub fn meant_duration(text: &str) -> Option<String> {
    let text = text.trim().to_ascii_lowercase().replace('_', "");
    let end = text.find(|c: char| !(c.is_ascii_digit() || c == '.')).unwrap_or(text.len());
    let (number, unit) = text.split_at(end);
    let unit_ms = match unit.trim() {
        "" | "sec" | "secs" | "second" | "seconds" => 1000,
        "min" | "mins" | "minute" | "minutes" => 60_000,
        "hr" | "hrs" | "hour" | "hours" => 3_600_000,
        "d" | "day" | "days" => 86_400_000,
        "msec" | "msecs" | "millis" | "millisecond" | "milliseconds" => 1,
        unit => unit_ms(unit)?,
    };
    let (whole, part) = number.split_once('.').unwrap_or((number, ""));
    if part.len() > 3 {
        return None;
    }
    let whole: u64 = whole.parse().ok()?;
    let thousandths: u64 = format!("{part:0<3}").parse().ok()?;
    let ms = whole.checked_mul(unit_ms)?.checked_add(thousandths.checked_mul(unit_ms)? / 1000)?;
    (ms > 0).then(|| duration_text(ms).as_str().to_owned())
}

/// What `text` can mean as a duration, the likelier first: a number without a unit is read as seconds
/// and as milliseconds, in the order of the unit that the `example` begins with. From 1000 on it is
/// more likely milliseconds, unless it is half hours in seconds, and whole thousands from 10 000 on are
/// nothing else. Empty when it can mean none.
///
/// ```
/// assert_eq!(event_names::meant_durations("30", "10s"), ["30s", "30ms"]);
/// assert_eq!(event_names::meant_durations("30", "50ms"), ["30ms", "30s"]);
/// assert_eq!(event_names::meant_durations("30 sec", "50ms"), ["30s"]);
/// assert_eq!(event_names::meant_durations("30000", "10s"), ["30s"]);
/// ```
#[must_use]
pub fn meant_durations(text: &str, example: &str) -> Vec<String> {
    if !is_bare(text) {
        return meant_duration(text).into_iter().collect();
    }
    let first = example.trim_start_matches(|c: char| !c.is_ascii_digit());
    let unit = first.trim_start_matches(|c: char| c.is_ascii_digit());
    let number: u64 = text.trim().parse().unwrap_or(0);
    let is_thousands = number >= 1000 && number.is_multiple_of(1000);
    let is_half_hours = number.is_multiple_of(1800) && !is_thousands;
    let units: &[&str] = match number {
        10_000.. if is_thousands => &["ms"],
        1000.. if !is_half_hours => &["ms", "s"],
        _ if unit.starts_with("ms") => &["ms", "s"],
        _ => &["s", "ms"],
    };
    units.iter().filter_map(|unit| meant_duration(&format!("{}{unit}", text.trim()))).collect()
}

/// What `text` can mean as a range of durations, the likelier first. One duration is the shortest of
/// a range up to the longest of the `example`, or a range of itself where it is longer. Empty when it
/// can mean none.
///
/// ```
/// assert_eq!(
///     event_names::meant_duration_ranges("200", "200ms..30s"),
///     ["200ms..30s", "200s..200s"]
/// );
/// assert_eq!(event_names::meant_duration_ranges("200..30s", "200ms..30s"), ["200ms..30s"]);
/// ```
#[must_use]
pub fn meant_duration_ranges(text: &str, example: &str) -> Vec<String> {
    let rises = |range: &String| parse_duration_range(range).is_ok();
    let Some((first, last)) = ends(text) else {
        let longest = ends(example).map_or("30s", |(_, longest)| longest);
        let to_longest = |one: String| {
            let range = format!("{one}..{longest}");
            if rises(&range) { range } else { format!("{one}..{one}") }
        };
        return meant_durations(text, example).into_iter().map(to_longest).collect();
    };
    if !is_bare(first) && !is_bare(last) {
        return meant_duration_range(text).into_iter().collect();
    }
    let (firsts, lasts) = (meant_durations(first, example), meant_durations(last, example));
    // Two numbers have one unit, if any makes them rise.
    let pairs = firsts.iter().zip(&lasts).map(|(first, last)| format!("{first}..{last}"));
    let same: Vec<_> = pairs.filter(rises).collect();
    if is_bare(first) && is_bare(last) && !same.is_empty() {
        return same;
    }
    let all = firsts.iter().flat_map(|first| lasts.iter().map(move |l| format!("{first}..{l}")));
    all.filter(rises).collect()
}

fn is_bare(text: &str) -> bool {
    let text = text.trim();
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

fn ends(text: &str) -> Option<(&str, &str)> {
    ["..=", "..", " to ", "-"].iter().find_map(|separator| text.split_once(separator))
}

/// The range that was probably meant: each duration by [`meant_duration`], the shorter one first.
#[must_use]
pub fn meant_duration_range(text: &str) -> Option<String> {
    let (first, last) = ends(text)?;
    let (first, last) = (meant_duration(first)?, meant_duration(last)?);
    let longer = parse_duration_range(&format!("{first}..{last}")).is_err();
    Some(if longer { format!("{last}..{first}") } else { format!("{first}..{last}") })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_have_a_unit_and_no_space() {
        assert_eq!(parse_duration("250ms"), Ok(Duration::from_millis(250)));
        assert_eq!(parse_duration("2h"), Ok(Duration::from_secs(7200)));
        assert_eq!(
            parse_duration_range("200ms..30s"),
            Ok((Duration::from_millis(200), Duration::from_secs(30)))
        );
        for wrong in ["", "10", "s", "10 s", "10 secs", "-1s", "1.5s", "99999999999999999999s"] {
            assert!(parse_duration(wrong).is_err(), "{wrong}");
        }
        assert!(parse_duration_range("1s").is_err());
        assert!(parse_duration_range("2s..1s").is_err());
    }

    #[test]
    fn a_duration_has_one_form() {
        for (text, form) in [
            ("60s", "1m"),
            ("90s", "90s"),
            ("3600s", "1h"),
            ("1000ms", "1s"),
            ("1500ms", "1500ms"),
            ("48h", "48h"),
            ("0ms", "0s"),
        ] {
            let duration = parse_duration(text).expect(text);
            let ms = u64::try_from(duration.as_millis()).expect(text);
            assert_eq!(duration_text(ms).as_str(), form);
        }
        assert_eq!(duration_text(u64::MAX).as_str(), "18446744073709551615ms");
    }

    #[test]
    fn what_was_meant_is_a_duration() {
        for (text, meant) in [
            ("10", Some("10s")),
            ("10 s", Some("10s")),
            ("10 secs", Some("10s")),
            ("10S", Some("10s")),
            ("1.5s", Some("1500ms")),
            ("0.5 min", Some("30s")),
            ("1 day", Some("24h")),
            ("1_000ms", Some("1s")),
            ("0", None),
            ("-1s", None),
            ("soon", None),
            ("5 weeks", None),
            ("18446744073709551615h", None),
        ] {
            assert_eq!(meant_duration(text).as_deref(), meant, "{text}");
        }
        for (text, meant) in [
            ("200 ms .. 30 s", Some("200ms..30s")),
            ("30s..200ms", Some("200ms..30s")),
            ("1s-2s", Some("1s..2s")),
            ("1s to 1 min", Some("1s..1m")),
            ("1s", None),
            ("a..b", None),
        ] {
            assert_eq!(meant_duration_range(text).as_deref(), meant, "{text}");
        }
    }

    #[test]
    fn a_number_means_what_its_units_can_make_of_it() {
        for (text, example, meant) in [
            ("30", "10s", &["30s", "30ms"][..]),
            (" 500 ", "50ms", &["500ms", "500s"]),
            ("60", "[\"1m\", \"10m\"]", &["1m", "60ms"]),
            ("10 secs", "10s", &["10s"]),
            ("1500", "10s", &["1500ms", "25m"]),
            ("3600", "10s", &["1h", "3600ms"]),
            ("86400", "10s", &["24h", "86400ms"]),
            ("30000", "10s", &["30s"]),
            ("0", "10s", &[]),
            ("soon", "10s", &[]),
            ("", "10s", &[]),
        ] {
            assert_eq!(meant_durations(text, example), meant, "{text}");
        }
        for (text, meant) in [
            ("200", &["200ms..30s", "200s..200s"][..]),
            ("200ms", &["200ms..30s"]),
            ("1m", &["1m..1m"]),
            ("1..2", &["1ms..2ms", "1s..2s"]),
            ("200..30", &["200ms..30s"]),
            ("200..30s", &["200ms..30s"]),
            ("1s..5000", &["1s..5s", "1s..5000s"]),
            ("30s..200ms", &["200ms..30s"]),
            ("200ms..30000", &["200ms..30s"]),
            ("200..30000", &["200ms..30s"]),
            ("0", &[]),
            ("a..b", &[]),
        ] {
            assert_eq!(meant_duration_ranges(text, "200ms..30s"), meant, "{text}");
        }
    }

    #[test]
    fn an_error_shows_the_text_and_never_more_than_the_start() {
        let said = |text: &str| parse_duration(text).expect_err(text).to_string();
        assert!(said("10 s").starts_with("`10 s` is not a duration: "));
        assert!(said(&"x".repeat(100)).contains(&format!("{}…`", "x".repeat(64))));
        assert_eq!(
            parse_duration_range("2s..1s").map_err(|error| error.to_string()),
            Err("`2s..1s` ends before it begins".to_owned())
        );
    }
}

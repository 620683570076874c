//! Durations in settings: an integer and a unit.

use std::time::Duration;

/// A text that is no duration.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum DurationError {
    #[error("`{0}` is not a duration: it is an integer and `ms`, `s`, `m` or `h`, without a space")]
    Form(String),
    #[error("`{0}` is not a range of durations: it is two of them with `..` between")]
    Range(String),
    #[error("`{0}` ends before it begins")]
    Backwards(String),
}

/// Reads `250ms`, `10s`, `5m` or `1h`.
pub(crate) fn parse_duration(text: &str) -> Result<Duration, DurationError> {
    let wrong = || DurationError::Form(crate::event::excerpt(text, 64));
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (number, unit) = text.split_at(digits);
    let number: u64 = number.parse().map_err(|_| wrong())?;
    match unit {
        "ms" => Ok(Duration::from_millis(number)),
        "s" => Ok(Duration::from_secs(number)),
        "m" => Ok(Duration::from_secs(number.saturating_mul(60))),
        "h" => Ok(Duration::from_secs(number.saturating_mul(3600))),
        _ => Err(wrong()),
    }
}

/// Reads `200ms..30s`.
pub(super) fn parse_range(text: &str) -> Result<(Duration, Duration), DurationError> {
    let Some((first, last)) = text.split_once("..") else {
        return Err(DurationError::Range(crate::event::excerpt(text, 64)));
    };
    let (first, last) = (parse_duration(first)?, parse_duration(last)?);
    if first > last { Err(DurationError::Backwards(text.to_owned())) } else { Ok((first, last)) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_have_a_unit_and_no_space() {
        assert_eq!(parse_duration("250ms"), Ok(Duration::from_millis(250)));
        assert_eq!(parse_duration("2h"), Ok(Duration::from_secs(7200)));
        assert_eq!(
            parse_range("200ms..30s"),
            Ok((Duration::from_millis(200), Duration::from_secs(30)))
        );
        for wrong in ["", "10", "s", "10 s", "10 secs", "-1s", "1.5s", "99999999999999999999s"] {
            assert!(parse_duration(wrong).is_err(), "{wrong}");
        }
        assert!(parse_range("1s").is_err());
        assert!(parse_range("2s..1s").is_err());
    }
}

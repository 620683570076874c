//! How fast records are moved.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use tokio::time::{Instant, sleep_until};

use crate::delivery::Shutdown;

/// So many records in a time, such as `10/s`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    interval: Duration,
    number: u32,
    unit: &'static str,
}

/// A text that is no rate.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{0}` is not a rate\nhelp: write a number from 1 on and `/s`, `/m` or `/h`, such as `10/s`"
)]
pub struct RateError(String);

impl FromStr for Rate {
    type Err = RateError;

    fn from_str(text: &str) -> Result<Self, RateError> {
        let wrong = || RateError(crate::event::excerpt(text, 64));
        let (number, unit) = text.split_once('/').ok_or_else(wrong)?;
        let (unit, time) = match unit {
            "s" => ("s", Duration::from_secs(1)),
            "m" => ("m", Duration::from_secs(60)),
            "h" => ("h", Duration::from_secs(3600)),
            _ => return Err(wrong()),
        };
        let number: u32 = number.parse().ok().filter(|number| *number > 0).ok_or_else(wrong)?;
        Ok(Rate { interval: time / number, number, unit })
    }
}

impl fmt::Display for Rate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.number, self.unit)
    }
}

/// Lets one record after the other go, at a rate if there is one.
pub(super) struct Pace {
    rate: Option<Rate>,
    next: Instant,
}

impl Pace {
    pub(super) fn new(rate: Option<Rate>) -> Self {
        Pace { rate, next: Instant::now() }
    }

    pub(super) fn is_limited(&self) -> bool {
        self.rate.is_some()
    }

    /// Waits for the turn of the next record; false when it is time to end. Cancel safe.
    pub(super) async fn turn(&mut self, stop: &Shutdown) -> bool {
        if let Some(Rate { interval, .. }) = self.rate {
            tokio::select! {
                () = stop.requested() => {}
                () = sleep_until(self.next) => {
                    // What was late is not made up for by a burst.
                    self.next = self.next.max(Instant::now()) + interval;
                }
            }
        }
        !stop.is_requested()
    }
}

// With the clock paused.
#[cfg(all(test, feature = "testing"))]
mod tests {
    use super::*;

    #[test]
    fn a_rate_is_a_number_in_a_unit_of_time() {
        for (text, interval) in [
            ("10/s", Duration::from_millis(100)),
            ("600/m", Duration::from_millis(100)),
            ("1/h", Duration::from_secs(3600)),
        ] {
            let rate: Rate = text.parse().unwrap();
            assert_eq!((rate.interval, rate.to_string().as_str()), (interval, text));
        }
        for wrong in ["", "10", "10/", "/s", "0/s", "-1/s", "1.5/s", "10/d", "10 /s"] {
            let error = wrong.parse::<Rate>().unwrap_err().to_string();
            assert!(error.starts_with(&format!("`{wrong}` is not a rate\nhelp: ")), "{error}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn records_go_at_the_rate_and_not_in_bursts() {
        let began = Instant::now();
        let mut pace = Pace::new("10/s".parse().ok());
        for _ in 0..11 {
            assert!(pace.turn(&Shutdown::never()).await);
        }
        assert_eq!(began.elapsed(), Duration::from_secs(1));
        tokio::time::sleep(Duration::from_secs(60)).await;
        for _ in 0..2 {
            assert!(pace.turn(&Shutdown::never()).await);
        }
        assert_eq!(began.elapsed(), Duration::from_millis(61_100));
    }
}

//! The delays between attempts.

use std::time::Duration;

use crate::event::setting_words;

/// How long to wait before the next attempt.
///
/// The delay doubles from `first` up to `longest`, and a part of each is drawn by chance, so that
/// services that failed together do not come back together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Backoff {
    /// The longest delay after the first failure.
    pub first: Duration,
    /// The longest delay after any failure.
    pub longest: Duration,
    /// How much of a delay is chance.
    pub jitter: Jitter,
}

/// How much of a delay is chance. The names are those of the article ["Exponential Backoff And
/// Jitter"](https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Jitter {
    /// Nothing.
    None,
    /// Half: it is drawn between half and the whole of the delay.
    #[default]
    Equal,
    /// All: it is drawn between nothing and the whole of the delay.
    Full,
}

setting_words!(Jitter: None = "none", Equal = "equal", Full = "full");

impl Default for Backoff {
    /// 200 ms to 30 s.
    fn default() -> Self {
        Backoff {
            first: Duration::from_millis(200),
            longest: Duration::from_secs(30),
            jitter: Jitter::Equal,
        }
    }
}

impl Backoff {
    /// The delay after attempt number `attempt` (from 1 on) has failed.
    #[must_use]
    pub fn delay(&self, attempt: u32) -> Duration {
        let longest = self.longest_delay(attempt);
        match self.jitter {
            Jitter::None => longest,
            Jitter::Equal => longest.mul_f64(rand::random_range(0.5..=1.0)),
            Jitter::Full => longest.mul_f64(rand::random_range(0.0..=1.0)),
        }
    }

    /// The longest that this delay can be.
    #[must_use]
    pub fn longest_delay(&self, attempt: u32) -> Duration {
        let doublings = attempt.saturating_sub(1).min(31);
        self.first.saturating_mul(1 << doublings).min(self.longest)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn delays_double_up_to_the_longest_and_stay_within_half() {
        let backoff = Backoff {
            first: Duration::from_millis(100),
            longest: Duration::from_secs(1),
            jitter: Jitter::Equal,
        };
        for (attempt, whole) in
            [(1, 100), (2, 200), (3, 400), (4, 800), (5, 1000), (u32::MAX, 1000)]
        {
            for _ in 0..100 {
                let delay = backoff.delay(attempt).as_millis();
                assert!((whole / 2..=whole).contains(&delay), "attempt {attempt}: {delay} ms");
            }
        }
    }
}

//! Shows that the thread of a consumer goes on.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// What a thread that always turns writes at each turn, and others read.
#[derive(Debug)]
pub struct Pulse {
    begun: Instant,
    /// When the thread was seen last, or until when it may be silent, in milliseconds.
    seen_ms: AtomicU64,
}

impl Default for Pulse {
    fn default() -> Self {
        Pulse { begun: Instant::now(), seen_ms: AtomicU64::new(0) }
    }
}

impl Pulse {
    #[cfg(test)]
    pub(crate) fn begun_before(time: Duration) -> Self {
        Pulse { begun: Instant::now() - time, ..Pulse::default() }
    }

    /// The thread goes on.
    pub fn beat(&self) {
        self.hold(Duration::ZERO);
    }

    /// The thread may be silent for this long, because it has to wait.
    pub fn hold(&self, wait: Duration) {
        let until = self.begun.elapsed() + wait;
        self.seen_ms.store(ms(until), Ordering::Relaxed);
    }

    /// For how long it was silent beyond what it said.
    #[must_use]
    pub fn silent_for(&self) -> Duration {
        let seen = Duration::from_millis(self.seen_ms.load(Ordering::Relaxed));
        self.begun.elapsed().saturating_sub(seen)
    }
}

fn ms(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wait_that_was_told_is_no_silence() {
        let pulse = Pulse::begun_before(Duration::from_secs(60));
        assert!(pulse.silent_for() >= Duration::from_secs(60));
        pulse.hold(Duration::from_secs(20));
        assert_eq!(pulse.silent_for(), Duration::ZERO);
        pulse.beat();
        assert!(pulse.silent_for() < Duration::from_secs(1));
    }
}

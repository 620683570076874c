//! Leaves a handler alone while what it depends on is down.
//!
//! Without it an outage would use up the attempts of record after record and dead-letter them all.
//! After so many failures in a row the breaker opens; after its pause one record is tried.
//! When that works everything goes on, and otherwise the pause is twice as long.

use std::time::Duration;

use tokio::time::Instant;

use super::gate::Entry;
use super::sync::{AtomicU32, Mutex, MutexGuard, Ordering, PoisonError};
use crate::handler::BreakerOptions;

/// The breaker of one handler in one process.
#[derive(Debug)]
pub(super) struct Breaker {
    options: BreakerOptions,
    /// Failures since the last success. The state follows from it only under the lock.
    failures: AtomicU32,
    state: Mutex<State>,
}

#[derive(Clone, Copy, Debug)]
enum State {
    Closed,
    Open {
        until: Instant,
        pause: Duration,
    },
    /// One record is being tried. It says nothing any more when it was cancelled, so from `until` on
    /// the next may try.
    Probing {
        until: Instant,
        pause: Duration,
    },
}

impl State {
    /// Until when nobody is let in, if that is later than `now`.
    fn waits_until(self, now: Instant) -> Option<Instant> {
        let until = match self {
            State::Closed => return None,
            State::Open { until, .. } | State::Probing { until, .. } => until,
        };
        (now < until).then_some(until)
    }
}

impl Breaker {
    pub(super) fn new(options: BreakerOptions) -> Self {
        Breaker { options, failures: AtomicU32::new(0), state: Mutex::new(State::Closed) }
    }

    /// Whether an attempt could be made now.
    pub(super) fn look(&self, now: Instant) -> Entry {
        self.state().waits_until(now).map_or(Entry::Open, Entry::NotBefore)
    }

    /// Whether an attempt may be made now. When the pause is over, whoever asks first is let in.
    pub(super) fn entry(&self, now: Instant) -> Entry {
        let mut state = self.state();
        if let Some(until) = state.waits_until(now) {
            return Entry::NotBefore(until);
        }
        if let State::Open { pause, .. } | State::Probing { pause, .. } = *state {
            *state = State::Probing { until: now + pause, pause };
        }
        Entry::Open
    }

    /// An attempt did not fail. Whether that closed an open breaker; then
    /// `closed` is called before anyone else can change that.
    pub(super) fn succeeded(&self, closed: impl FnOnce()) -> bool {
        if self.failures.load(Ordering::Relaxed) == 0 {
            return false;
        }
        let mut state = self.state();
        self.failures.store(0, Ordering::Relaxed);
        let was_open = !matches!(std::mem::replace(&mut *state, State::Closed), State::Closed);
        if was_open {
            closed();
        }
        was_open
    }

    /// An attempt ended without having asked what the handler depends on. Whether it may have been the
    /// one that was to decide; then the next may try now.
    pub(super) fn undecided(&self, now: Instant) -> bool {
        let mut state = self.state();
        if let State::Probing { until, .. } = &mut *state {
            *until = now;
            return true;
        }
        false
    }

    /// An attempt failed, or found that a dependency is down. For how long the breaker is open
    /// now, when that begins or goes on with it; then `opened` is called before anyone else can change
    /// that.
    pub(super) fn failed(
        &self,
        now: Instant,
        is_unavailable: bool,
        opened: impl FnOnce(),
    ) -> Option<Duration> {
        let mut state = self.state();
        let failures = self.failures.fetch_add(1, Ordering::Relaxed).saturating_add(1);
        let (first, longest) = self.options.pause;
        let pause = match *state {
            State::Closed => {
                let too_many = self.options.failures > 0 && failures >= self.options.failures;
                (is_unavailable || too_many).then_some(first)?
            }
            // Another record that was under way when it opened.
            State::Open { .. } => return None,
            State::Probing { pause, .. } => pause.saturating_mul(2).min(longest),
        };
        *state = State::Open { until: now + pause, pause };
        opened();
        Some(pause)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Every change is a whole one.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(all(test, not(event_core_loom)))]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn breaker(failures: u32) -> (Breaker, Instant) {
        let pause = (SECOND, 3 * SECOND);
        (Breaker::new(BreakerOptions { failures, pause }), Instant::now())
    }

    #[test]
    fn it_opens_after_failures_in_a_row_only() {
        let (breaker, now) = breaker(3);
        for _ in 0..10 {
            assert_eq!(breaker.failed(now, false, || ()), None);
            assert_eq!(breaker.failed(now, false, || ()), None);
            assert!(!breaker.succeeded(|| ()));
        }
        let opened: Vec<_> = (0..3).map(|_| breaker.failed(now, false, || ())).collect();
        assert_eq!(opened, [None, None, Some(SECOND)]);
        assert_eq!(breaker.entry(now), Entry::NotBefore(now + SECOND));
    }

    #[test]
    fn one_record_is_tried_and_decides() {
        let (breaker, now) = breaker(0);
        assert_eq!(breaker.failed(now, false, || ()), None, "0 failures are never too many");
        assert_eq!(breaker.failed(now, true, || ()), Some(SECOND));
        let later = now + SECOND;
        assert_eq!(breaker.entry(later), Entry::Open);
        assert_eq!(breaker.entry(later), Entry::NotBefore(later + SECOND), "one only");
        assert_eq!(breaker.failed(later, false, || ()), Some(2 * SECOND));
        let later = later + 2 * SECOND;
        assert_eq!(breaker.entry(later), Entry::Open);
        assert_eq!(
            breaker.failed(later, false, || ()),
            Some(3 * SECOND),
            "no longer than the longest"
        );
        let later = later + 3 * SECOND;
        assert_eq!(breaker.entry(later), Entry::Open);
        assert!(breaker.succeeded(|| ()));
        assert_eq!(breaker.entry(later), Entry::Open);
        assert_eq!(breaker.entry(later), Entry::Open);
    }

    #[test]
    fn a_half_open_attempt_without_an_outcome_leaves_it_to_the_next() {
        let (breaker, now) = breaker(1);
        assert!(!breaker.undecided(now));
        breaker.failed(now, false, || ());
        assert!(!breaker.undecided(now), "nobody was let in");
        assert_eq!(breaker.entry(now), Entry::NotBefore(now + SECOND));
        let later = now + SECOND;
        assert_eq!(breaker.entry(later), Entry::Open);
        assert!(breaker.undecided(later));
        assert_eq!(breaker.entry(later), Entry::Open);
        assert_eq!(breaker.entry(later), Entry::NotBefore(later + SECOND), "one only");
        assert_eq!(breaker.failed(later, false, || ()), Some(2 * SECOND));
    }

    #[test]
    fn a_half_open_attempt_that_never_ends_does_not_keep_it_open() {
        let (breaker, now) = breaker(1);
        breaker.failed(now, false, || ());
        assert_eq!(breaker.entry(now + SECOND), Entry::Open);
        assert_eq!(breaker.entry(now + 2 * SECOND), Entry::Open);
    }
}

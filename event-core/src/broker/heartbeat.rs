//! Shows that the thread of a consumer goes on.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use crate::event::TopicName;

/// What the thread of a member writes at each turn, and others read.
#[derive(Debug)]
pub struct Heartbeat {
    begun: Instant,
    /// When the thread was seen last, or until when it may be silent, in milliseconds.
    seen_ms: AtomicU64,
    /// Since when the group does not have the member, in milliseconds; [`MEMBER`] while it has.
    absent_since_ms: AtomicU64,
    topics: Vec<TopicName>,
}

const MEMBER: u64 = u64::MAX;

impl Default for Heartbeat {
    fn default() -> Self {
        Heartbeat::of(&[])
    }
}

impl Heartbeat {
    /// The heartbeat of a member that subscribes to these topics.
    #[must_use]
    pub fn of(topics: &[TopicName]) -> Self {
        Heartbeat {
            begun: Instant::now(),
            seen_ms: AtomicU64::new(0),
            absent_since_ms: AtomicU64::new(0),
            topics: topics.to_vec(),
        }
    }

    /// What the member subscribes to.
    #[must_use]
    pub fn topics(&self) -> &[TopicName] {
        &self.topics
    }

    /// Takes note of whether the group has the member.
    pub fn note_member(&self, is_member: bool) {
        let was_member = self.absent_since_ms.load(Ordering::Relaxed) == MEMBER;
        if is_member != was_member {
            let since = if is_member { MEMBER } else { ms(self.begun.elapsed()) };
            self.absent_since_ms.store(since, Ordering::Relaxed);
        }
    }

    /// For how long the group has not had the member, since the start or since it lost it; `None` while it
    /// has.
    #[must_use]
    pub fn absent_for(&self) -> Option<Duration> {
        let since = self.absent_since_ms.load(Ordering::Relaxed);
        (since != MEMBER).then(|| self.begun.elapsed().saturating_sub(Duration::from_millis(since)))
    }

    #[cfg(test)]
    pub(crate) fn begun_before(time: Duration) -> Self {
        Heartbeat::begun_before_of(time, &[])
    }

    #[cfg(test)]
    pub(crate) fn begun_before_of(time: Duration, topics: &[TopicName]) -> Self {
        Heartbeat { begun: Instant::now() - time, ..Heartbeat::of(topics) }
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
    fn an_announced_wait_is_no_silence() {
        let heartbeat = Heartbeat::begun_before(Duration::from_secs(60));
        assert!(heartbeat.silent_for() >= Duration::from_secs(60));
        heartbeat.hold(Duration::from_secs(20));
        assert_eq!(heartbeat.silent_for(), Duration::ZERO);
        heartbeat.beat();
        assert!(heartbeat.silent_for() < Duration::from_secs(1));
    }

    #[test]
    fn a_member_is_absent_from_the_start_and_from_when_it_is_lost() {
        let heartbeat = Heartbeat::begun_before(Duration::from_secs(60));
        assert!(heartbeat.absent_for() >= Some(Duration::from_secs(60)));
        heartbeat.note_member(true);
        assert_eq!(heartbeat.absent_for(), None);
        heartbeat.note_member(false);
        heartbeat.note_member(false);
        assert!(heartbeat.absent_for() < Some(Duration::from_secs(1)));
    }
}

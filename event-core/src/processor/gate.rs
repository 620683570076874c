//! Whether a handler may be called: not while it is paused, and not while its breaker is open.
//!
//! It is asked before every attempt, so when nothing is in the way it is one load of an atomic. What is
//! in the way are two independent bits: paused, breaker open; the breaker's is changed only under the
//! breaker's lock, so that it always agrees with it.

use std::time::Duration;

use tokio::time::Instant;

use super::breaker::Breaker;
use super::sync::{AtomicU8, Ordering};
use crate::handler::BreakerOptions;

const PAUSED: u8 = 1;
const BROKEN: u8 = 2;

/// The gate of one handler in one process.
#[derive(Debug)]
pub(super) struct Gate {
    in_the_way: AtomicU8,
    breaker: Breaker,
}

/// Whether an attempt may be made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Entry {
    /// Go on.
    Open,
    /// Ask again at this time, or when something changed.
    NotBefore(Instant),
    /// Ask again when something changed.
    Shut,
}

impl Gate {
    pub(super) fn new(breaker: BreakerOptions) -> Self {
        Gate { in_the_way: AtomicU8::new(0), breaker: Breaker::new(breaker) }
    }

    /// Whether an attempt may be made now. Who is let in through a breaker that was open must make
    /// one: it decides for all.
    pub(super) fn entry(&self) -> Entry {
        self.ask(Breaker::entry)
    }

    /// The same without going in: who asks so may still be turned away.
    pub(super) fn look(&self) -> Entry {
        self.ask(Breaker::look)
    }

    fn ask(&self, breaker: fn(&Breaker, Instant) -> Entry) -> Entry {
        let in_the_way = self.in_the_way.load(Ordering::Acquire);
        if in_the_way == 0 {
            Entry::Open
        } else if in_the_way & PAUSED != 0 {
            Entry::Shut
        } else {
            breaker(&self.breaker, Instant::now())
        }
    }

    /// Pauses the handler or takes that back; says whether that changed anything.
    pub(super) fn pause(&self, paused: bool) -> bool {
        let before = match paused {
            true => self.in_the_way.fetch_or(PAUSED, Ordering::AcqRel),
            false => self.in_the_way.fetch_and(!PAUSED, Ordering::AcqRel),
        };
        (before & PAUSED != 0) != paused
    }

    /// An attempt did not fail. Says whether the breaker was open and is closed by that; `closed` is
    /// called in the same moment.
    pub(super) fn succeeded(&self, closed: impl FnOnce()) -> bool {
        self.breaker.succeeded(|| {
            self.in_the_way.fetch_and(!BROKEN, Ordering::AcqRel);
            closed();
        })
    }

    /// An attempt ended without a word on what the handler depends on. Whether the next may be the one
    /// that decides.
    pub(super) fn undecided(&self) -> bool {
        self.in_the_way.load(Ordering::Acquire) & BROKEN != 0
            && self.breaker.undecided(Instant::now())
    }

    /// An attempt failed, or found that a dependency is down. For how long the breaker is open
    /// now, when that begins or goes on with it; `opened` is called in the same moment.
    pub(super) fn failed(
        &self,
        now: Instant,
        is_unavailable: bool,
        opened: impl FnOnce(),
    ) -> Option<Duration> {
        self.breaker.failed(now, is_unavailable, || {
            self.in_the_way.fetch_or(BROKEN, Ordering::AcqRel);
            opened();
        })
    }
}

/// Every order in which two threads can meet here:
/// `RUSTFLAGS='--cfg event_core_loom' cargo test -p event-core --no-default-features --features testing --lib gate`.
#[cfg(all(test, event_core_loom))]
mod interleavings {
    use loom::sync::Arc;
    use loom::thread;

    use super::*;

    fn gate(failures: u32) -> Arc<Gate> {
        let pause = (Duration::from_secs(3600), Duration::from_secs(3600));
        Arc::new(Gate::new(BreakerOptions { failures, pause }))
    }

    #[test]
    fn a_pause_is_not_lost_beside_a_breaker_that_closes() {
        loom::model(|| {
            let gate = gate(1);
            gate.failed(Instant::now(), false, || ());
            let other = Arc::clone(&gate);
            let closes = thread::spawn(move || other.succeeded(|| ()));
            gate.pause(true);
            assert!(closes.join().unwrap_or(false));
            assert_eq!(gate.entry(), Entry::Shut);
            gate.pause(false);
            assert_eq!(gate.entry(), Entry::Open);
        });
    }

    #[test]
    fn the_bit_agrees_with_the_breaker_and_with_what_was_reported() {
        use loom::sync::atomic::AtomicBool;

        loom::model(|| {
            let (gate, reported) = (gate(1), Arc::new(AtomicBool::new(true)));
            gate.failed(Instant::now(), false, || ());
            let (other, also) = (Arc::clone(&gate), Arc::clone(&reported));
            // While one closes it, another may open it again.
            let opens = thread::spawn(move || {
                other.failed(Instant::now(), false, || also.store(true, Ordering::Release))
            });
            gate.succeeded(|| reported.store(false, Ordering::Release));
            let opened = opens.join().ok().flatten().is_some();
            let is_shut = gate.entry() != Entry::Open;
            assert_eq!(is_shut, reported.load(Ordering::Acquire));
            assert_eq!(opened, is_shut);
        });
    }
}

//! What both sides count, and what it cost them.

use std::sync::Arc;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use event_benchmark::allocations;
use event_benchmark::cost::{Cost, peak_kib};
use tokio::sync::Notify;

/// What is decoded of a record.
pub(crate) trait Counted {
    /// A number in which each field has a part.
    fn value(&self) -> u64;
}

impl Counted for u64 {
    fn value(&self) -> u64 {
        *self
    }
}

/// Counts records, and notes when the first and the last came.
#[derive(Clone)]
pub(crate) struct Meter(Arc<State>);

struct State {
    goal: u64,
    started: Instant,
    seen: AtomicU64,
    sum: AtomicU64,
    began: OnceLock<Instant>,
    ended: OnceLock<Instant>,
    allocations_before: AtomicU64,
    allocations: AtomicU64,
    done: Notify,
}

impl Meter {
    pub(crate) fn new(goal: u64) -> Self {
        Meter(Arc::new(State {
            goal,
            started: Instant::now(),
            seen: AtomicU64::new(0),
            sum: AtomicU64::new(0),
            began: OnceLock::new(),
            ended: OnceLock::new(),
            allocations_before: AtomicU64::new(0),
            allocations: AtomicU64::new(0),
            done: Notify::new(),
        }))
    }

    /// Whether it was the last one.
    pub(crate) fn count(&self, event: &impl Counted) -> bool {
        self.0.sum.fetch_add(event.value(), Ordering::Relaxed);
        let seen = self.0.seen.fetch_add(1, Ordering::Relaxed);
        if seen == 0 {
            self.0.began.get_or_init(Instant::now);
            self.0.allocations_before.store(allocations::count(), Ordering::Relaxed);
        }
        let is_last = seen + 1 == self.0.goal;
        if is_last {
            self.0.ended.get_or_init(Instant::now);
            self.0.allocations.store(allocations::count(), Ordering::Relaxed);
            self.0.done.notify_one();
        }
        is_last
    }

    pub(crate) fn is_done(&self) -> bool {
        self.0.seen.load(Ordering::Relaxed) >= self.0.goal
    }

    pub(crate) async fn done(&self) {
        self.0.done.notified().await;
    }

    /// What it took; `cpu` is what the whole process had used when the last record came.
    pub(crate) fn cost(&self, cpu: Duration) -> Cost {
        let seen = self.0.seen.load(Ordering::Relaxed);
        assert_eq!(seen, self.0.goal, "every record exactly once");
        let began = *self.0.began.get().expect("one arrived");
        let ended = *self.0.ended.get().expect("all arrived");
        Cost {
            records: seen,
            wall: ended - began,
            cpu,
            sum: self.0.sum.load(Ordering::Relaxed),
            peak_kib: peak_kib(),
            allocations: self.0.allocations.load(Ordering::Relaxed)
                - self.0.allocations_before.load(Ordering::Relaxed),
            startup: began - self.0.started,
        }
    }
}

//! What both sides count, and what it cost them.

use std::sync::Arc;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use event_benchmark::allocations;
use event_benchmark::cost::{Cost, cpu_time, peak_kib};
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
    counts: [Count; THREADS],
    /// Whether the last record may be the next.
    is_near: AtomicBool,
    began: OnceLock<Begin>,
    ended: OnceLock<Instant>,
    allocations: AtomicU64,
    done: Notify,
}

struct Begin {
    at: Instant,
    cpu: Duration,
    allocations: u64,
}

/// How many threads count without meeting one another.
const THREADS: usize = 64;
/// How many records a thread counts before it looks at what the others have counted.
const EVERY: u64 = 64;

/// What one thread counts, on lines of the cache of its own: counting must not be what is measured.
#[derive(Default)]
#[repr(align(128))]
struct Count {
    seen: AtomicU64,
    sum: AtomicU64,
}

thread_local! {
    static THREAD: usize = {
        static NEXT: AtomicUsize = AtomicUsize::new(0);
        NEXT.fetch_add(1, Ordering::Relaxed) % THREADS
    };
}

impl Meter {
    pub(crate) fn new(goal: u64) -> Self {
        Meter(Arc::new(State {
            goal,
            started: Instant::now(),
            counts: std::array::from_fn(|_| Count::default()),
            is_near: AtomicBool::new(goal <= 2 * EVERY * THREADS as u64),
            began: OnceLock::new(),
            ended: OnceLock::new(),
            allocations: AtomicU64::new(0),
            done: Notify::new(),
        }))
    }

    /// Whether it was the last one.
    pub(crate) fn count(&self, event: &impl Counted) -> bool {
        let state = &*self.0;
        state.began.get_or_init(|| Begin {
            at: Instant::now(),
            cpu: cpu_time(),
            allocations: allocations::count(),
        });
        let count = &state.counts[THREAD.with(|thread| *thread)];
        count.sum.fetch_add(event.value(), Ordering::Relaxed);
        let own = count.seen.fetch_add(1, Ordering::SeqCst) + 1;
        if !own.is_multiple_of(EVERY) && !state.is_near.load(Ordering::SeqCst) {
            return false;
        }
        let seen = self.seen();
        // Each thread counts so many before it looks.
        if seen + 2 * EVERY * THREADS as u64 >= state.goal {
            state.is_near.store(true, Ordering::SeqCst);
        }
        let is_last = self.seen() >= state.goal && state.ended.set(Instant::now()).is_ok();
        if is_last {
            state.allocations.store(allocations::count(), Ordering::Relaxed);
            state.done.notify_one();
        }
        is_last
    }

    fn seen(&self) -> u64 {
        self.0.counts.iter().map(|count| count.seen.load(Ordering::SeqCst)).sum()
    }

    pub(crate) fn is_done(&self) -> bool {
        self.0.ended.get().is_some()
    }

    pub(crate) async fn done(&self) {
        self.0.done.notified().await;
    }

    /// What it took; `cpu` is what the whole process had used when the last record came.
    pub(crate) fn cost(&self, cpu: Duration) -> Cost {
        let seen = self.seen();
        assert_eq!(seen, self.0.goal, "every record exactly once");
        let began = self.0.began.get().expect("one arrived");
        let ended = *self.0.ended.get().expect("all arrived");
        Cost {
            records: seen,
            wall: ended - began.at,
            cpu: cpu - began.cpu,
            sum: self
                .0
                .counts
                .iter()
                .map(|c| c.sum.load(Ordering::Relaxed))
                .fold(0, u64::wrapping_add),
            peak_kib: peak_kib(),
            allocations: self.0.allocations.load(Ordering::Relaxed) - began.allocations,
            startup: began.at - self.0.started,
        }
    }
}

//! What both sides count, and what it cost them.

use std::sync::Arc;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use tokio::sync::Notify;

/// What is decoded of a record.
pub(crate) trait Counted {
    /// A number in which each field has a part.
    fn value(&self) -> u64;
}

/// Counts records, and notes when the first and the last came.
#[derive(Clone)]
pub(crate) struct Meter(Arc<State>);

struct State {
    goal: u64,
    seen: AtomicU64,
    sum: AtomicU64,
    began: OnceLock<Instant>,
    ended: OnceLock<Instant>,
    done: Notify,
}

impl Meter {
    pub(crate) fn new(goal: u64) -> Self {
        Meter(Arc::new(State {
            goal,
            seen: AtomicU64::new(0),
            sum: AtomicU64::new(0),
            began: OnceLock::new(),
            ended: OnceLock::new(),
            done: Notify::new(),
        }))
    }

    /// Whether it was the last one.
    pub(crate) fn count(&self, event: &impl Counted) -> bool {
        self.0.sum.fetch_add(event.value(), Ordering::Relaxed);
        let seen = self.0.seen.fetch_add(1, Ordering::Relaxed);
        if seen == 0 {
            self.0.began.get_or_init(Instant::now);
        }
        let is_last = seen + 1 == self.0.goal;
        if is_last {
            self.0.ended.get_or_init(Instant::now);
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
        }
    }
}

/// What one process printed of a round.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Cost {
    pub(crate) records: u64,
    /// From the first record to the last.
    pub(crate) wall: Duration,
    pub(crate) cpu: Duration,
    /// Equal where the same records were decoded.
    pub(crate) sum: u64,
    pub(crate) peak_kib: u64,
}

impl Cost {
    pub(crate) fn print(&self) {
        let Cost { records, wall, cpu, sum, peak_kib } = self;
        println!("cost {records} {} {} {sum} {peak_kib}", wall.as_micros(), cpu.as_micros());
    }

    pub(crate) fn parse(output: &str) -> Option<Cost> {
        let line = output.lines().find_map(|line| line.strip_prefix("cost "))?;
        let numbers: Vec<u64> = line.split(' ').filter_map(|one| one.parse().ok()).collect();
        let [records, wall, cpu, sum, peak_kib] = numbers[..] else { return None };
        let (wall, cpu) = (Duration::from_micros(wall), Duration::from_micros(cpu));
        Some(Cost { records, wall, cpu, sum, peak_kib })
    }

    #[expect(clippy::cast_precision_loss, reason = "a rate")]
    pub(crate) fn rate(&self) -> f64 {
        self.records as f64 / self.wall.as_secs_f64()
    }

    #[expect(clippy::cast_precision_loss, reason = "a mean")]
    pub(crate) fn cpu_ns(&self) -> f64 {
        self.cpu.as_nanos() as f64 / self.records as f64
    }
}

/// User and system time of this process, in the kernel's ticks of 10 ms.
pub(crate) fn cpu_time() -> Duration {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let after_name = stat.rsplit(')').next().unwrap_or_default();
    let ticks = after_name.split_whitespace().skip(11).take(2);
    // USER_HZ is 100 on every Linux.
    Duration::from_millis(ticks.filter_map(|one| one.parse::<u64>().ok()).sum::<u64>() * 10)
}

/// The most memory that this process has had.
fn peak_kib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    line.and_then(|line| line.trim().trim_end_matches(" kB").parse().ok()).unwrap_or(0)
}

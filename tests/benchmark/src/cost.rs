//! What a side of a row cost.

use std::time::Duration;

/// What one process printed of a round.
#[derive(Clone, Copy, Debug, Default)]
pub struct Cost {
    pub records: u64,
    /// From the first record to the last.
    pub wall: Duration,
    /// User and system time of the process.
    pub cpu: Duration,
    /// Equal where the same records were decoded.
    pub sum: u64,
    /// The most memory that the process has had.
    pub peak_kib: u64,
    /// Allocations from the first record to the last; 0 unless they were counted.
    pub allocations: u64,
    /// From the start of the process to the first record; zero where nobody asks.
    pub startup: Duration,
}

impl Cost {
    pub fn print(&self) {
        let Cost { records, wall, cpu, sum, peak_kib, allocations, startup } = self;
        let (wall, cpu, startup) = (wall.as_nanos(), cpu.as_nanos(), startup.as_nanos());
        println!("cost {records} {wall} {cpu} {sum} {peak_kib} {allocations} {startup}");
    }

    pub fn parse(output: &str) -> Option<Cost> {
        let line = output.lines().find_map(|line| line.strip_prefix("cost "))?;
        let numbers: Vec<u64> = line.split(' ').filter_map(|one| one.parse().ok()).collect();
        let [records, wall, cpu, sum, peak_kib, allocations, startup] = numbers[..] else {
            return None;
        };
        let [wall, cpu, startup] = [wall, cpu, startup].map(Duration::from_nanos);
        Some(Cost { records, wall, cpu, sum, peak_kib, allocations, startup })
    }

    /// Records a second.
    #[expect(clippy::cast_precision_loss, reason = "a rate")]
    pub fn rate(&self) -> f64 {
        self.records as f64 / self.wall.as_secs_f64()
    }

    /// Processor time a record.
    #[expect(clippy::cast_precision_loss, reason = "a mean")]
    pub fn cpu_ns(&self) -> f64 {
        self.cpu.as_nanos() as f64 / self.records as f64
    }

    /// Allocations a record.
    #[expect(clippy::cast_precision_loss, reason = "a mean")]
    pub fn allocations(&self) -> f64 {
        self.allocations as f64 / self.records as f64
    }
}

/// User and system time of this process.
pub fn cpu_time() -> Duration {
    let now = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
    Duration::new(now.tv_sec.unsigned_abs(), now.tv_nsec.try_into().unwrap_or_default())
}

/// The most memory that this process has had.
pub fn peak_kib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    line.and_then(|line| line.trim().trim_end_matches(" kB").parse().ok()).unwrap_or(0)
}

pub fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

/// The lowest and the highest.
pub fn spread(values: &[f64]) -> (f64, f64) {
    values.iter().fold((f64::MAX, 0.0), |(low, high), one| (one.min(low), one.max(high)))
}

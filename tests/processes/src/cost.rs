//! What an instance costs that has nothing to do.

use std::fmt;
use std::fs;
use std::time::{Duration, Instant};

use crate::cluster::{Cluster, Rig, TIMEOUT};
use crate::journal::now;
use crate::member::{Member, Start};
use crate::sharing::{Layout, sockets, threads};

/// For so long the processor time is counted.
const IDLE: Duration = Duration::from_secs(10);
/// What Linux counts processor time in.
const TICKS_A_SECOND: f64 = 100.0;

/// What a process has and takes.
#[derive(Clone, Debug)]
pub struct Cost {
    /// Threads.
    pub threads: usize,
    /// Connections and other sockets.
    pub sockets: usize,
    /// Resident memory in MiB.
    pub memory_mib: u64,
    /// The share of a processor in per cent, while no records come.
    pub idle_percent: f64,
}

impl fmt::Display for Cost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Cost { threads, sockets, memory_mib, idle_percent } = self;
        write!(
            f,
            "{threads:>3} threads, {sockets:>3} sockets, {memory_mib:>3} MiB, {idle_percent:.1} % of a processor idle"
        )
    }
}

/// Starts one instance of `sharing-member`, and measures it once it has all partitions.
///
/// # Panics
///
/// When it does not get them in time.
pub async fn measure(rig: &Rig, cluster: &Cluster, layout: Layout) -> Cost {
    layout.make(cluster).await;
    let run = now().unsigned_abs();
    let group = format!("cost_{}_{run}", layout.name);
    let partitions = layout.all_partitions();
    cluster.ends_of(&partitions).await;
    let variables = vec![("SHARING_LAYOUT", layout.name.to_owned())];
    let start = Start { group, run, takes: (0, 0), drain: "10s", variables };
    let mut member = Member::start(rig, cluster, &start, "instance");
    let began = Instant::now();
    while !partitions.iter().all(|one| member.owned().contains(&one.to_string())) {
        assert!(began.elapsed() < TIMEOUT, "{}", member.end_of_log());
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    // Clients connect, and retry topics are assigned.
    tokio::time::sleep(Duration::from_secs(5)).await;
    let pid = member.pid();
    let before = ticks(pid);
    tokio::time::sleep(IDLE).await;
    let cost = Cost {
        threads: threads(pid),
        sockets: sockets(pid),
        memory_mib: memory_mib(pid),
        idle_percent: 100.0 * (ticks(pid) - before) / TICKS_A_SECOND / IDLE.as_secs_f64(),
    };
    member.terminate();
    let _ = member.end(Duration::from_secs(20)).await;
    cost
}

/// The processor time so far, in ticks.
fn ticks(pid: u32) -> f64 {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    // Behind the name, which may have blanks: utime and stime are the 12th and the 13th.
    let behind = stat.rsplit_once(')').map_or("", |(_, behind)| behind);
    behind.split_whitespace().skip(11).take(2).filter_map(|text| text.parse::<f64>().ok()).sum()
}

fn memory_mib(pid: u32) -> u64 {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kib = line.and_then(|line| line.split_whitespace().next()?.parse::<u64>().ok());
    kib.unwrap_or_default() / 1024
}

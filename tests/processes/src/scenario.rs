//! Three processes of one group under load, and what is done to them.

use std::collections::BTreeMap;
use std::time::Duration;

use event_core::event::GroupName;
use tokio::time::Instant;

use crate::cluster::{Cluster, Rig, TIMEOUT};
use crate::driver::Load;
use crate::events::{HANDLED, PARTITIONS};
use crate::journal::{now, read};
use crate::journal_check::{Cause, Findings, Phase, Process, check};
use crate::member::{Member, Start};
use crate::table::Row;

/// How many events are published a second.
const RATE: u32 = 320;
/// How long the group may take to settle everything once the load has stopped.
const DRAINED_WITHIN: Duration = Duration::from_secs(30);
/// How long a member may take to stop when it is asked to.
const ENDED_WITHIN: Duration = Duration::from_secs(20);

/// What is done to the group, in this order.
#[derive(Clone, Copy, Debug)]
pub struct Faults {
    /// One member is killed and one is frozen past its session.
    pub deaths: bool,
    /// Both at once.
    pub together: bool,
    /// For how long a process joins and another leaves every second.
    pub joins: Duration,
    /// The broker fails once.
    pub broker: bool,
}

impl Faults {
    /// Nothing is done.
    pub const NONE: Faults =
        Faults { deaths: false, together: false, joins: Duration::ZERO, broker: false };
}

/// The seconds of `PROCESSES_JOINS`, or what is usual.
#[must_use]
pub fn joins(usual: u64) -> Duration {
    Duration::from_secs(number("PROCESSES_JOINS").unwrap_or(usual))
}

/// What a variable says, which is a number where it is set.
#[must_use]
pub fn number(name: &str) -> Option<u64> {
    let text = std::env::var(name).ok()?;
    Some(text.parse().unwrap_or_else(|_| panic!("{name} is no number: {text}")))
}

/// The seed of `PROCESSES_SEED`, or another one each time. It is printed, and decides who is
/// killed and when.
#[must_use]
pub fn seed() -> u64 {
    let seed = number("PROCESSES_SEED");
    let seed = seed.unwrap_or_else(|| now().unsigned_abs() % 1_000_000);
    println!("PROCESSES_SEED={seed}");
    seed
}

/// A run under way.
struct Scenario<'r> {
    rig: &'r Rig,
    cluster: Cluster,
    start: Start,
    members: Vec<Member>,
    started: usize,
    phases: Vec<Phase>,
    notes: Vec<String>,
    seed: u64,
}

/// Runs it, and says what came out.
///
/// # Panics
///
/// When a process does not do what the scenario asks, or the group does not settle everything in time.
pub async fn run(rig: &Rig, cluster: Cluster, name: &str, seed: u64, faults: Faults) -> Row {
    let run = now().unsigned_abs();
    let group = format!("processes_{run}");
    let named = GroupName::parse(&group).unwrap();
    cluster.begin_at_the_end(&named).await;
    let start = Start { group, run, takes: (1, 4), drain: "10s", variables: Vec::new() };
    let load = Load::start(&cluster, run, RATE);
    let mut scenario = Scenario {
        rig,
        cluster,
        start,
        members: Vec::new(),
        started: 0,
        phases: Vec::new(),
        notes: Vec::new(),
        seed,
    };
    scenario.begin("start", None);
    for _ in 0..3 {
        scenario.join();
    }
    scenario.settle("started").await;
    scenario.begin("quiet", None);
    scenario.pause(1500).await;
    if faults.deaths {
        scenario.die(faults.together).await;
    }
    if faults.joins > Duration::ZERO {
        scenario.storm(faults.joins).await;
    }
    if faults.broker {
        scenario.lose_broker().await;
    }
    scenario.begin("quiet again", None);
    scenario.pause(1500).await;
    let published = load.stop().await;
    scenario.drain(&named).await;
    scenario.end().await;
    let findings = scenario.check(&published);
    Row {
        scenario: name.to_owned(),
        broker: scenario.cluster.name.clone(),
        seed,
        findings,
        notes: scenario.notes.clone(),
    }
}

impl Scenario<'_> {
    /// A number below `limit`, of the seed.
    fn roll(&mut self, limit: u64) -> u64 {
        // SplitMix64.
        self.seed = self.seed.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.seed;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        (mixed ^ (mixed >> 31)) % limit
    }

    /// Lets the load go on for about `ms` milliseconds.
    async fn pause(&mut self, ms: u64) {
        let more = self.roll(500);
        tokio::time::sleep(Duration::from_millis(ms + more)).await;
    }

    fn begin(&mut self, name: &str, explains: Option<Cause>) {
        let from = now();
        if let Some(before) = self.phases.last_mut() {
            before.to = from;
        }
        self.phases.push(Phase { name: name.to_owned(), from, to: i64::MAX, explains });
    }

    fn join(&mut self) -> usize {
        self.started += 1;
        let name = format!("member-{}", self.started);
        self.members.push(Member::start(self.rig, &self.cluster, &self.start, &name));
        self.members.len() - 1
    }

    /// Waits until every partition has one owner that lives, and every one that lives has some.
    async fn settle(&mut self, what: &str) {
        let begin = Instant::now();
        let mut seen = BTreeMap::new();
        while begin.elapsed() < TIMEOUT {
            seen = self.owned();
            let mut all: Vec<_> = seen.values().flatten().cloned().collect();
            let total = all.len();
            all.sort_unstable();
            all.dedup();
            let partitions = HANDLED.len() * usize::try_from(PARTITIONS).unwrap();
            if total == partitions
                && all.len() == partitions
                && seen.values().all(|p| !p.is_empty())
            {
                self.notes.push(format!("{what} after {:.1} s", begin.elapsed().as_secs_f64()));
                return;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        let logs: Vec<_> =
            self.members.iter().filter(|m| m.is_live()).map(Member::end_of_log).collect();
        panic!("not {what} within {TIMEOUT:?}: {seen:#?}\n{}", logs.join("\n"));
    }

    fn owned(&self) -> BTreeMap<String, Vec<String>> {
        let live = self.members.iter().filter(|member| member.is_live());
        live.map(|member| (member.name.clone(), member.owned().into_iter().collect())).collect()
    }

    async fn die(&mut self, together: bool) {
        let victim = usize::try_from(self.roll(3)).unwrap();
        let frozen = (victim + 1 + usize::try_from(self.roll(2)).unwrap()) % 3;
        self.begin(if together { "killed and frozen" } else { "killed" }, None);
        self.members[victim].kill();
        if !together {
            self.settle("taken over from the killed one").await;
            self.join();
            self.settle("its successor has joined").await;
            self.begin("frozen", None);
        }
        self.members[frozen].freeze();
        self.settle("taken over from the frozen one").await;
        self.pause(500).await;
        if together {
            self.join();
        }
        self.members[frozen].thaw();
        self.settle("thawed").await;
    }

    /// Every second a process joins, and the one before it leaves.
    async fn storm(&mut self, time: Duration) {
        self.begin("joins", Some(Cause::Joins));
        let seconds = time.as_secs();
        let mut ticks = tokio::time::interval(Duration::from_secs(1));
        let mut with_partitions = 0;
        let mut before: Option<usize> = None;
        let first = self.members.len();
        for _ in 0..seconds {
            ticks.tick().await;
            if let Some(before) = before {
                with_partitions += usize::from(!self.members[before].owned().is_empty());
                self.members[before].terminate();
            }
            before = Some(self.join());
        }
        ticks.tick().await;
        if let Some(before) = before {
            self.members[before].terminate();
        }
        for mut member in self.members.split_off(first) {
            let status = member.end(ENDED_WITHIN).await;
            // A signal that comes before a process has started ends it as it does any other.
            let began = !read(&member.journal).notes.is_empty();
            assert!(
                status.code() == Some(0) || !began && status.code().is_none(),
                "{} ended with {status}:\n{}",
                member.name,
                member.log()
            );
            self.members.push(member);
        }
        self.notes
            .push(format!("{seconds} joins, {with_partitions} had partitions when they left"));
        self.settle("calm").await;
    }

    async fn lose_broker(&mut self) {
        let name = format!("broker {}", self.cluster.failure());
        self.begin(&name, Some(Cause::Broker));
        let begin = Instant::now();
        // In the middle of a change: one has just begun to join.
        let joining = self.join();
        self.cluster.fail().await;
        self.notes.push(format!("broker away for {:.1} s", begin.elapsed().as_secs_f64()));
        // One that finds no broker says so and ends; whoever runs services starts it again.
        if let Some(status) = self.members[joining].ended() {
            assert_eq!(status.code(), Some(2), "{}", self.members[joining].log());
            self.notes.push("one could not start meanwhile".to_owned());
            self.join();
        }
        self.settle("settled with the broker").await;
        // What was away is committed again within the interval.
        self.pause(3000).await;
    }

    async fn drain(&mut self, group: &GroupName) {
        self.begin("drain", None);
        let begin = Instant::now();
        let mut lag = i64::MAX;
        while begin.elapsed() < DRAINED_WITHIN {
            lag = self.cluster.lag(group).await;
            if lag == 0 {
                self.notes.push(format!("drained after {:.1} s", begin.elapsed().as_secs_f64()));
                return;
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        panic!("{lag} records were not settled within {DRAINED_WITHIN:?}");
    }

    async fn end(&mut self) {
        for member in self.members.iter().filter(|member| member.is_live()) {
            member.terminate();
        }
        for member in self.members.iter_mut().filter(|member| member.is_live()) {
            let status = member.end(ENDED_WITHIN).await;
            let log = member.log();
            assert_eq!(status.code(), Some(0), "{} ended with {status}:\n{log}", member.name);
        }
    }

    fn check(&self, published: &crate::driver::Published) -> Findings {
        let processes: Vec<_> = self.members.iter().map(process).collect();
        check(published, &processes, &self.phases)
    }
}

/// What a member did, for the checker.
#[must_use]
pub fn process(member: &Member) -> Process {
    Process {
        name: member.name.clone(),
        killed: member.killed,
        frozen: member.frozen.clone(),
        written: read(&member.journal),
    }
}

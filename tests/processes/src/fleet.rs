//! Instances of a service that are replaced one by one under load, as a deployment does it.

use std::collections::BTreeMap;
use std::time::Duration;

use event_core::event::GroupName;
use tokio::time::Instant;

use crate::cluster::{Cluster, Rig};
use crate::driver::Load;
use crate::events::{HANDLED, PARTITIONS};
use crate::gaps::{Stillness, gaps};
use crate::journal::now;
use crate::journal_check::{Phase, check};
use crate::member::{Member, Start};
use crate::scenario::process;
use crate::table::Row;

/// How many events are published a second.
const RATE: u32 = 500;
/// Between two instances that are replaced.
const BETWEEN: Duration = Duration::from_secs(5);
/// How long an instance may take to stop when it is asked to.
const ENDED_WITHIN: Duration = Duration::from_secs(20);
/// How long the group may take to share its partitions out: longer than a session of 45 s.
const SETTLED_WITHIN: Duration = Duration::from_secs(90);
/// Who runs a service starts an instance again that ends by itself, after so long.
const STARTED_AGAIN: Duration = Duration::from_secs(1);

/// What an instance runs.
#[derive(Clone, Debug)]
pub struct Kind {
    /// What the notes call it.
    pub label: &'static str,
    /// Its binary.
    pub rig: Rig,
    /// Its settings.
    pub variables: Vec<(&'static str, String)>,
    /// Whether each instance keeps its `group_instance_id`.
    pub has_ids: bool,
}

/// What came out.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// What was lost and repeated.
    pub row: Row,
    /// How long partitions stood still in each phase.
    pub stillness: Vec<Stillness>,
}

impl Outcome {
    /// Prints all figures.
    pub fn print(&self) {
        println!("{}", self.row.text());
        for one in &self.stillness {
            println!("  {one}");
        }
    }

    /// The longest gap in a phase.
    ///
    /// # Panics
    ///
    /// When there is no such phase.
    #[must_use]
    pub fn longest(&self, phase: &str) -> Duration {
        let found = self.stillness.iter().find(|one| one.phase == phase);
        Duration::from_millis(found.expect(phase).longest.unsigned_abs())
    }
}

/// Instances under load.
pub struct Fleet<'c> {
    cluster: &'c Cluster,
    start: Start,
    load: Load,
    slots: Vec<(Member, Kind)>,
    gone: Vec<Member>,
    started: usize,
    phases: Vec<Phase>,
    notes: Vec<String>,
}

impl<'c> Fleet<'c> {
    /// Starts `count` instances, and waits until they share the partitions.
    pub async fn start(cluster: &'c Cluster, count: usize, kind: &Kind) -> Fleet<'c> {
        let run = now().unsigned_abs();
        let group = format!("fleet_{run}");
        cluster.begin_at_the_end(&GroupName::parse(&group).unwrap()).await;
        if let (Some(kafka), true) = (cluster.ours(), cluster.has_default_timeouts()) {
            // As brokers have it by themselves; the one of the tests is quicker.
            let defaults = [
                ("consumer.session.timeout.ms", Some("45000")),
                ("consumer.heartbeat.interval.ms", Some("5000")),
            ];
            kafka.alter_group(&group, &defaults);
        }
        let mut fleet = Fleet {
            cluster,
            start: Start { group, run, takes: (1, 3), drain: "10s", variables: Vec::new() },
            load: Load::start(cluster, run, RATE),
            slots: Vec::new(),
            gone: Vec::new(),
            started: 0,
            phases: Vec::new(),
            notes: Vec::new(),
        };
        fleet.begin("start");
        for slot in 0..count {
            let member = fleet.launch(slot, kind);
            fleet.slots.push((member, kind.clone()));
        }
        fleet.settle("started").await;
        fleet.begin("nothing happens");
        fleet.wait(BETWEEN).await;
        fleet
    }

    fn launch(&mut self, slot: usize, kind: &Kind) -> Member {
        self.started += 1;
        let mut start = self.start.clone();
        start.variables = kind.variables.clone();
        if kind.has_ids {
            start.variables.push(("EVENT_GROUP_INSTANCE_ID", format!("ledger-{slot}")));
        }
        let name = format!("{}-{}", kind.label, self.started);
        Member::start(&kind.rig, self.cluster, &start, &name)
    }

    /// A new phase begins.
    pub fn begin(&mut self, name: &str) {
        let from = now();
        if let Some(before) = self.phases.last_mut() {
            before.to = from;
        }
        self.phases.push(Phase { name: name.to_owned(), from, to: i64::MAX, explains: None });
    }

    /// Lets the load go on.
    pub async fn wait(&mut self, time: Duration) {
        let begin = Instant::now();
        while begin.elapsed() < time {
            tokio::time::sleep(Duration::from_millis(50)).await;
            self.start_again().await;
        }
    }

    async fn start_again(&mut self) {
        for slot in 0..self.slots.len() {
            let (member, kind) = &mut self.slots[slot];
            let Some(status) = member.ended() else { continue };
            let kind = kind.clone();
            let last = member.log().lines().last().unwrap_or_default().to_owned();
            self.notes.push(format!("{} ended with {status}: {last}", self.slots[slot].0.name));
            tokio::time::sleep(STARTED_AGAIN).await;
            let member = self.launch(slot, &kind);
            self.put(slot, member, &kind);
        }
    }

    fn put(&mut self, slot: usize, member: Member, kind: &Kind) {
        let (before, _) = std::mem::replace(&mut self.slots[slot], (member, kind.clone()));
        self.gone.push(before);
    }

    /// One instance ends at SIGTERM, and its successor starts.
    pub async fn replace(&mut self, slot: usize, kind: &Kind) {
        let begin = Instant::now();
        let member = &mut self.slots[slot].0;
        member.terminate();
        let status = member.end(ENDED_WITHIN).await;
        assert_eq!(
            status.code(),
            Some(0),
            "{} ended with {status}:\n{}",
            member.name,
            member.log()
        );
        let took = begin.elapsed().as_secs_f64();
        self.notes.push(format!("{} ended in {took:.2} s", self.slots[slot].0.name));
        let successor = self.launch(slot, kind);
        self.put(slot, successor, kind);
    }

    /// All instances are replaced, one after the other.
    pub async fn replace_all(&mut self, phase: &str, kind: &Kind) {
        self.begin(phase);
        for slot in 0..self.slots.len() {
            self.replace(slot, kind).await;
            self.wait(BETWEEN).await;
            self.look();
        }
        self.settle(phase).await;
        self.wait(Duration::from_secs(2)).await;
    }

    /// All instances end, and then their successors start.
    pub async fn replace_at_once(&mut self, phase: &str, kind: &Kind) {
        self.begin(phase);
        self.slots.iter().for_each(|(member, _)| member.terminate());
        for slot in 0..self.slots.len() {
            let member = &mut self.slots[slot].0;
            let status = member.end(ENDED_WITHIN).await;
            assert_eq!(status.code(), Some(0), "{} ended with {status}", member.name);
        }
        for slot in 0..self.slots.len() {
            let successor = self.launch(slot, kind);
            self.put(slot, successor, kind);
        }
        self.settle(phase).await;
        self.wait(BETWEEN).await;
        self.look();
    }

    /// One instance is killed, and its successor starts at once.
    pub async fn kill(&mut self, phase: &str, slot: usize) {
        self.begin(phase);
        let kind = self.slots[slot].1.clone();
        self.slots[slot].0.kill();
        let successor = self.launch(slot, &kind);
        self.put(slot, successor, &kind);
        self.settle(phase).await;
        self.wait(Duration::from_secs(2)).await;
    }

    /// Nothing is done for longer than instances wait before they level out what they have.
    pub async fn level(&mut self, phase: &str) {
        self.begin(phase);
        self.wait(Duration::from_secs(16)).await;
        self.settle(phase).await;
        self.look();
    }

    /// Notes who has what.
    pub fn look(&mut self) {
        let shares = self.slots.iter().map(|(member, kind)| {
            let owned = member.owned();
            let of = |topic: &&str| {
                owned.iter().filter(|one| one.starts_with(&format!("{topic}/"))).count().to_string()
            };
            format!("{} {}", kind.label, HANDLED.iter().map(of).collect::<Vec<_>>().join("+"))
        });
        let shares = shares.collect::<Vec<_>>().join(" | ");
        let group = self.cluster.ours().map(|kafka| kafka.describe_group(&self.start.group));
        let group = group.map_or(String::new(), |group| {
            format!(", {} members, {} {}", group.members.len(), group.state, group.assignor)
        });
        self.notes.push(format!("shares: {shares}{group}"));
    }

    /// Waits until every partition has one owner that runs.
    pub async fn settle(&mut self, what: &str) {
        let begin = Instant::now();
        let all = HANDLED.len() * usize::try_from(PARTITIONS).unwrap();
        while begin.elapsed() < SETTLED_WITHIN {
            self.start_again().await;
            let mut owners: BTreeMap<String, usize> = BTreeMap::new();
            for partition in self.slots.iter().flat_map(|(member, _)| member.owned()) {
                *owners.entry(partition).or_default() += 1;
            }
            if owners.len() == all
                && owners.values().all(|count| *count == 1)
                && self.slots.iter().all(|(member, _)| !member.owned().is_empty())
            {
                let took = begin.elapsed().as_secs_f64();
                self.notes.push(format!("{what}: shared out after {took:.1} s"));
                return;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        let logs: Vec<_> = self.slots.iter().map(|(member, _)| member.end_of_log()).collect();
        panic!("{what}: not shared out within {SETTLED_WITHIN:?}:\n{}", logs.join("\n"));
    }

    /// Stops the load, waits until everything is settled, and ends all.
    pub async fn end(mut self, name: &str) -> Outcome {
        self.begin("the load has stopped");
        let published = self.load.stop().await;
        let group = GroupName::parse(&self.start.group).unwrap();
        let begin = Instant::now();
        let mut lag = i64::MAX;
        while lag > 0 && begin.elapsed() < SETTLED_WITHIN {
            tokio::time::sleep(Duration::from_millis(200)).await;
            lag = self.cluster.lag(&group).await;
        }
        self.notes.push(format!("lag {lag} after {:.1} s", begin.elapsed().as_secs_f64()));
        for (member, _) in &self.slots {
            member.terminate();
        }
        for (mut member, _) in self.slots {
            let status = member.end(ENDED_WITHIN).await;
            assert_eq!(status.code(), Some(0), "{} ended with {status}", member.name);
            self.gone.push(member);
        }
        let given_back = |member: &Member| member.log().matches("gives its partitions").count();
        let given_back: usize = self.gone.iter().map(given_back).sum();
        self.notes.push(format!("{given_back} times an instance gave partitions back"));
        let load = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
        let load = load.split(' ').next().unwrap_or_default();
        self.notes.push(format!("load of the machine {load}"));
        let processes: Vec<_> = self.gone.iter().map(process).collect();
        let findings = check(&published, &processes, &self.phases);
        let mut stillness = gaps(&processes, &self.phases);
        stillness.retain(|one| one.phase != "start" && one.phase != "the load has stopped");
        let row = Row {
            scenario: name.to_owned(),
            broker: self.cluster.name.clone(),
            seed: 0,
            findings,
            notes: self.notes,
        };
        Outcome { row, stillness }
    }
}

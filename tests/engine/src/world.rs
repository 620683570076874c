//! Takes down what happens, and checks at once what can be checked at once.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use event_core::Delivery;
use event_core::broker::Progress;
use event_core::broker::memory::{MemoryBroker, StoredRecord};
use event_core::delivery::TopicPartition;
use event_core::event::GroupName;
use event_core::handler::Order;
use event_core::outcome::Backoff;
use event_core::processor::retry_header;
use tokio::time::Instant;

use crate::handlers::TOPICS;
use crate::script::{Act, End, Script, Spoil};
use crate::stats::Stats;

/// The settings of the service.
#[derive(Clone, Debug)]
pub struct Rules {
    /// Whether one record is taken after the other, also those that no handler gets.
    pub sequential: bool,
    /// How many attempts there are in place.
    pub attempts: u32,
    /// How long a record waits in retry topics after these, with one attempt after each.
    pub retry_topics: &'static [Duration],
    /// The delays between them, without chance.
    pub backoff: Backoff,
    /// How long a revocation waits for the records in flight.
    pub drain: Duration,
    /// How often is committed.
    pub commit_interval: Duration,
}

/// The time that a member had a partition.
#[derive(Clone, Debug)]
pub struct Assignment {
    /// Whose it was.
    pub member: usize,
    /// How the broker called that member.
    pub member_id: u64,
    /// The partition.
    pub partition: TopicPartition,
    /// When it began.
    pub from: Duration,
    /// When the member was asked to release it, or was killed, or had stopped.
    pub until: Option<Duration>,
    /// Whether it was over in good order; nothing can go wrong after.
    pub released: bool,
    /// When the partition was taken away without asking.
    pub lost: Option<Duration>,
    /// Whether its member was killed.
    pub crashed: bool,
    /// Whether the last commit was made to fail.
    pub last_commit_failed: bool,
    /// Until when commits were made late or failing.
    pub error_until: Duration,
}

/// One attempt.
#[derive(Clone, Debug)]
pub struct Execution {
    /// Its assignment, by index.
    pub assignment: usize,
    /// Where the record was first.
    pub partition: TopicPartition,
    /// The record.
    pub offset: i64,
    /// Its key.
    pub key: Option<Bytes>,
    /// The order that its handler keeps.
    pub order: Order,
    /// Which attempt it is.
    pub attempt: u32,
    /// The batch that it is part of, by its first offset.
    pub batch: Option<i64>,
    /// How the call fails that it is in together with others.
    pub spoilt: Option<Spoil>,
    /// When it ended and how; `None` for one that was cancelled.
    pub ended: Option<(Duration, Option<Act>)>,
}

/// A record was settled.
#[derive(Clone, Debug)]
pub struct Settle {
    /// When.
    pub at: Duration,
    /// In which assignment, by index.
    pub assignment: usize,
    /// Where the record was first.
    pub partition: TopicPartition,
    /// The record.
    pub offset: i64,
    /// How.
    pub end: End,
}

/// What keeps a handler of a member from being called.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Shut {
    /// Since when it is paused by a person.
    pub(crate) paused: Option<Duration>,
    /// When its breaker opened, and for how long.
    pub(crate) broken: Option<(Duration, Duration)>,
}

/// Everything that was taken down.
pub struct Record {
    /// The settings of the service.
    pub rules: Rules,
    /// What the records do, by id.
    pub scripts: Vec<Arc<Script>>,
    /// All assignments, in order.
    pub assignments: Vec<Assignment>,
    /// All attempts, in order.
    pub executions: Vec<Execution>,
    /// What was settled, in order.
    pub settles: Vec<Settle>,
    /// How often a dead letter (by its `dlq.id`) may have been written without the engine's knowing.
    pub allowed_copies: BTreeMap<String, u64>,
    /// What was wrong.
    pub violations: Vec<String>,
    /// Counts.
    pub stats: Stats,
    /// What happened, as text.
    pub log: Option<Vec<String>>,
    pub(crate) running: BTreeSet<usize>,
    pub(crate) last_execution: BTreeMap<(usize, TopicPartition, i64), usize>,
    /// The same of those that came from a retry topic.
    pub(crate) last_returned: BTreeMap<(usize, TopicPartition, i64), usize>,
    /// When each attempt at a record ended first.
    pub(crate) first_ends: BTreeMap<(TopicPartition, i64, u32), Duration>,
    /// Handlers of members whose circuit breaker is open.
    pub(crate) shut: BTreeMap<(usize, String), Shut>,
    /// Until when what the handlers need is down.
    pub(crate) down_until: Duration,
    pub(crate) settled: BTreeMap<TopicPartition, BTreeSet<i64>>,
    verified: BTreeMap<TopicPartition, i64>,
    pub(crate) dead: BTreeSet<usize>,
    /// The ids of records that were truncated with their log.
    pub(crate) lost: BTreeSet<usize>,
    /// Until when the commits of members fail.
    pub(crate) error: BTreeMap<u64, Duration>,
}

/// The header by which a record names its script.
pub const ID: &str = "sim-id";

/// The id of a record, or of that of which it is the dead letter.
#[must_use]
pub fn id_of(stored: &StoredRecord) -> Option<usize> {
    stored.headers.get_text(ID)?.parse().ok()
}

/// Where copies of a record lie in the retry topic of this delay.
#[must_use]
pub fn copies(
    broker: &MemoryBroker,
    origin: &TopicPartition,
    offset: i64,
    delay: Duration,
) -> Vec<TopicPartition> {
    let Ok(topic) = origin.topic.retry(delay) else { return Vec::new() };
    let (partition, offset) = (origin.partition.to_string(), offset.to_string());
    let stored = broker.records(&topic).into_iter();
    let own = stored.filter(|stored| {
        stored.headers.get_text(retry_header::PARTITION) == Some(&partition)
            && stored.headers.get_text(retry_header::OFFSET) == Some(&offset)
    });
    own.map(|stored| stored.partition).collect()
}

/// Where everything is taken down. Cloning it shares it.
#[derive(Clone)]
pub struct World {
    start: Instant,
    pub(crate) broker: MemoryBroker,
    pub(crate) group: GroupName,
    record: Arc<Mutex<Record>>,
}

impl World {
    /// An empty world.
    #[must_use]
    pub fn new(
        broker: MemoryBroker,
        group: GroupName,
        rules: Rules,
        scripts: Vec<Arc<Script>>,
        keep_log: bool,
    ) -> Self {
        let record = Record {
            rules,
            scripts,
            assignments: Vec::new(),
            executions: Vec::new(),
            settles: Vec::new(),
            allowed_copies: BTreeMap::new(),
            violations: Vec::new(),
            stats: Stats { seeds: 1, ..Stats::default() },
            log: keep_log.then(Vec::new),
            running: BTreeSet::new(),
            last_execution: BTreeMap::new(),
            last_returned: BTreeMap::new(),
            first_ends: BTreeMap::new(),
            shut: BTreeMap::new(),
            down_until: Duration::ZERO,
            settled: BTreeMap::new(),
            verified: BTreeMap::new(),
            dead: BTreeSet::new(),
            lost: BTreeSet::new(),
            error: BTreeMap::new(),
        };
        World { start: Instant::now(), broker, group, record: Arc::new(Mutex::new(record)) }
    }

    /// What was taken down.
    pub fn record(&self) -> MutexGuard<'_, Record> {
        self.record.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What a record is to do.
    #[must_use]
    pub fn script(&self, delivery: &Delivery<'_>) -> Arc<Script> {
        let id = delivery
            .envelope()
            .ok()
            .and_then(|envelope| envelope.data_text()?.parse::<usize>().ok());
        Arc::clone(&self.record().scripts[id.unwrap_or(0)])
    }

    /// The time since the world began.
    #[must_use]
    pub fn now(&self) -> Duration {
        self.start.elapsed()
    }

    /// Where copies of a record lie in the retry topic of this delay.
    #[must_use]
    pub fn copies(
        &self,
        origin: &TopicPartition,
        offset: i64,
        delay: Duration,
    ) -> Vec<TopicPartition> {
        copies(&self.broker, origin, offset, delay)
    }

    /// What the handlers need is down for a while.
    pub fn down_until(&self, until: Duration) {
        self.record().down_until = until;
    }

    /// Adds a line to the log.
    pub fn log(&self, line: impl FnOnce() -> String) {
        let at = self.now();
        if let Some(log) = &mut self.record().log {
            log.push(format!("{:>12.6} {}", at.as_secs_f64(), line()));
        }
    }

    /// Counts a fault.
    pub fn fault(&self, kind: &'static str, detail: impl FnOnce() -> String) {
        *self.record().stats.faults.entry(kind).or_default() += 1;
        self.log(|| format!("FAULT {kind} {}", detail()));
    }

    /// Something is wrong.
    pub fn violation(&self, what: String) {
        self.log(|| format!("VIOLATION {what}"));
        self.record().violations.push(what);
    }

    /// A member was killed.
    pub fn killed(&self, member: usize) {
        let now = self.now();
        let record = &mut *self.record();
        record.dead.insert(member);
        for assignment in record.assignments.iter_mut().filter(|a| a.member == member) {
            // Its last commit is done when the partition has no owner any more.
            assignment.released |= self.broker.owner(&self.group, &assignment.partition).is_none();
            if !assignment.released {
                assignment.crashed = true;
                assignment.until.get_or_insert(now);
            }
        }
    }

    /// Whether a member is dead.
    #[must_use]
    pub fn is_dead(&self, member: usize) -> bool {
        self.record().dead.contains(&member)
    }

    /// A member is about to be started again.
    pub fn revived(&self, member: usize) {
        let record = &mut *self.record();
        record.dead.remove(&member);
        record.shut.retain(|(of, _), _| *of != member);
    }

    /// A member is asked to stop: it takes no new record, and commits when those in flight are done.
    pub fn stopping(&self, member: usize) {
        let now = self.now();
        for assignment in self.record().assignments.iter_mut().filter(|a| a.member == member) {
            assignment.until.get_or_insert(now);
        }
    }

    /// A member has stopped in good order.
    pub fn stopped(&self, member: usize) {
        for assignment in self.record().assignments.iter_mut().filter(|a| a.member == member) {
            assignment.released |= !assignment.crashed;
        }
    }

    /// Partitions are taken from their owners.
    pub fn lost(&self, partitions: &[TopicPartition]) {
        let now = self.now();
        let record = &mut *self.record();
        for partition in partitions {
            if let Some(assignment) = record.current(partition) {
                assignment.lost.get_or_insert(now);
            }
        }
    }

    /// The log of a partition is about to be truncated: what is reported of its records from `end` on is of
    /// others from now on.
    pub fn cut_off(&self, partition: &TopicPartition, end: i64) {
        let lost = self.broker.records(&partition.topic).into_iter();
        let lost = lost.filter(|stored| stored.partition == *partition && stored.offset.0 >= end);
        let lost: Vec<_> = lost.filter_map(|stored| id_of(&stored)).collect();
        let record = &mut *self.record();
        record.lost.extend(lost);
        let is_lost = |of: &TopicPartition, offset: i64| of == partition && offset >= end;
        record.settles.retain(|settle| !is_lost(&settle.partition, settle.offset));
        record.last_execution.retain(|(_, of, offset), _| !is_lost(of, *offset));
        record.first_ends.retain(|(of, offset, _), _| !is_lost(of, *offset));
        if let Some(settled) = record.settled.get_mut(partition) {
            settled.split_off(&end);
        }
        if let Some(verified) = record.verified.get_mut(partition) {
            *verified = end.min(*verified);
        }
    }

    /// A commit was asked for: everything before it must be settled.
    pub fn commit_requested(&self, progress: &[Progress]) {
        let mut wrong = Vec::new();
        let record = &mut *self.record();
        // A copy in a retry topic that is passed over is a record lost, and seen at the end.
        let published = |progress: &&Progress| TOPICS.contains(&progress.partition.topic.as_str());
        for Progress { partition, next, .. } in progress.iter().filter(published) {
            let settled = record.settled.entry(partition.clone()).or_default();
            let verified = record.verified.entry(partition.clone()).or_default();
            while *verified < next.0 {
                if !settled.contains(verified) {
                    wrong
                        .push(format!("{partition}: {next} committed, but {verified} not settled"));
                    break;
                }
                *verified += 1;
            }
        }
        record.violations.extend(wrong);
    }

    /// Commits of a member were made late or failing until `until`. Its commits do not
    /// overtake each other, whatever their partitions.
    pub fn commit_error(&self, member_id: u64, until: Duration) {
        let record = &mut *self.record();
        let error = record.error.entry(member_id).or_default();
        *error = until.max(*error);
        for assignment in record.assignments.iter_mut().filter(|a| a.member_id == member_id) {
            assignment.error_until = *error;
        }
    }

    /// The last commit of partitions was made to fail.
    pub fn last_commit_failed(&self, member_id: u64, progress: &[Progress]) {
        let record = &mut *self.record();
        for Progress { partition, .. } in progress {
            if let Some(assignment) = record.current(partition)
                && assignment.member_id == member_id
            {
                assignment.last_commit_failed = true;
            }
        }
    }
}

impl Record {
    /// An attempt has ended, or was cancelled.
    pub(crate) fn ended(&mut self, index: usize, at: Duration, act: Option<Act>) {
        self.running.remove(&index);
        let execution = &mut self.executions[index];
        execution.ended = Some((at, act));
        let place = (execution.partition.clone(), execution.offset, execution.attempt);
        self.first_ends.entry(place).or_insert(at);
    }

    /// The assignment that a partition is in now.
    fn current(&mut self, partition: &TopicPartition) -> Option<&mut Assignment> {
        let mut backwards = self.assignments.iter_mut().rev();
        backwards.find(|a| a.partition == *partition).filter(|a| !a.released)
    }

    /// Whether what happens `at` this moment may be the work of an assignment before this one: the
    /// member lost the partition and got it back while its records in flight were still there.
    #[must_use]
    pub fn is_regained(&self, assignment: usize, at: Duration) -> bool {
        let Assignment { member, partition, .. } = &self.assignments[assignment];
        self.assignments[..assignment].iter().any(|before| {
            let same = before.member == *member && before.partition == *partition;
            let drained = before.until.max(before.lost).map(|over| over + self.rules.drain);
            same && before.lost.is_some() && drained.is_none_or(|drained| at <= drained)
        })
    }

    pub(crate) fn last_of(&self, member: usize, partition: &TopicPartition) -> Option<usize> {
        self.assignments.iter().rposition(|a| a.member == member && a.partition == *partition)
    }
}

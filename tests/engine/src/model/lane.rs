//! One partition of the model, and its records.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use event_core::delivery::TopicPartition;
use tokio::time::Instant;

use super::facts::BACKOFF;

/// How the records begin that a handler gets.
const STEP: &[u8] = br#"{"eventType":"STEP""#;

/// A record of the model.
#[derive(Clone, Debug)]
pub struct Fact {
    /// The offset: there are gaps.
    pub offset: i64,
    /// The key.
    pub key: Option<Bytes>,
    /// The value.
    pub value: Option<Bytes>,
    /// Whether it was ever settled.
    pub settled: bool,
    /// Whether it cannot be decoded.
    pub poison: bool,
    /// Whether a dead letter is due: it cannot be decoded, or in this epoch it was refused or failed
    /// too often.
    pub condemned: bool,
    /// How many dead letters were acknowledged.
    pub letters: u32,
}

/// One partition.
#[derive(Debug)]
pub struct Lane {
    /// Its name.
    pub partition: TopicPartition,
    /// All its records.
    pub log: Vec<Fact>,
    /// Where the log ends behind its last record: the offsets between hold none.
    pub marks: i64,
    /// Before which offset the engine knows in this epoch that there is no record.
    pub passed: i64,
    /// What is committed, with its metadata.
    pub committed: i64,
    /// The metadata of that.
    pub metadata: String,
    /// The epoch in which it is ours, also while it is being given up.
    pub epoch: Option<u64>,
    /// Whether it is being given up.
    pub leaving: bool,
    /// The index of the record that is delivered next.
    pub position: usize,
    /// The index of the first record that was delivered in this epoch.
    pub first: usize,
    /// What was settled in this epoch.
    pub settled_now: BTreeSet<i64>,
    /// The last attempt at each record of this epoch, and when it ended.
    pub attempts: BTreeMap<i64, Try>,
}

/// An attempt at a record.
#[derive(Clone, Copy, Debug)]
pub struct Try {
    /// Its number.
    pub attempt: u32,
    /// When it ended, and whether the next one waits.
    pub ended: Option<(Instant, bool)>,
    /// Whether it was in a call with others that failed as a whole, and so counts for none.
    pub together: bool,
}

impl Try {
    /// The number of the one after it.
    #[must_use]
    pub fn next_attempt(&self) -> u32 {
        self.attempt + u32::from(!self.together)
    }

    /// When the next one may begin.
    #[must_use]
    pub fn due(&self) -> Option<Instant> {
        let (at, waits) = self.ended?;
        Some(if waits { at + BACKOFF * 2_u32.pow(self.attempt - 1) } else { at })
    }
}

impl Fact {
    /// Whether a handler gets it.
    #[must_use]
    pub fn is_step(&self) -> bool {
        self.value.as_ref().is_some_and(|value| value.starts_with(STEP))
    }
}

impl Lane {
    /// It has no records, and is nobody's.
    #[must_use]
    pub(super) fn new(partition: TopicPartition) -> Self {
        Lane {
            partition,
            log: Vec::new(),
            marks: 0,
            passed: 0,
            committed: 0,
            metadata: String::new(),
            epoch: None,
            leaving: false,
            position: 0,
            first: 0,
            settled_now: BTreeSet::new(),
            attempts: BTreeMap::new(),
        }
    }

    /// What at least can be committed: after the last record of those in a row that were settled in
    /// this epoch.
    #[must_use]
    pub fn due(&self) -> i64 {
        let delivered = self.log.iter().take(self.position).skip(self.first);
        let settled = delivered.take_while(|fact| self.settled_now.contains(&fact.offset));
        settled.last().map_or(0, |fact| fact.offset + 1)
    }

    /// The offset after its last record, and what lies behind it.
    #[must_use]
    pub fn end(&self) -> i64 {
        self.log.last().map_or(0, |fact| fact.offset + 1).max(self.marks)
    }

    /// Whether all of it is settled and committed.
    #[must_use]
    pub fn is_done(&self) -> bool {
        self.committed == self.end() && self.log.iter().all(|fact| fact.settled)
    }

    /// How many records were not delivered in this epoch.
    #[must_use]
    pub fn undelivered(&self) -> usize {
        self.log.len() - self.position
    }

    // Whether the engine knows by metadata that a record is done.
    pub(super) fn skips(&self, offset: i64) -> bool {
        !self.metadata.is_empty() && offset >= self.committed
    }

    /// It is ours from now on.
    pub fn assign(&mut self, epoch: u64) {
        self.epoch = Some(epoch);
        self.leaving = false;
        self.passed = 0;
        let first = self.log.iter().position(|fact| fact.offset >= self.committed);
        self.first = first.unwrap_or(self.log.len());
        self.position = self.first;
        self.settled_now.clear();
        self.attempts.clear();
        self.log.iter_mut().for_each(|fact| fact.condemned = fact.poison);
    }
}

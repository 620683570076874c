//! What was done and found, over many seeds.

use std::collections::BTreeMap;
use std::fmt;

/// Counts by words.
pub type Counts = BTreeMap<&'static str, u64>;

/// What was done and found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Stats {
    /// How many seeds were run.
    pub seeds: u64,
    /// How many records lay on the topics.
    pub records: u64,
    /// How many attempts were begun.
    pub attempts: u64,
    /// What went wrong around the engine, by kind.
    pub faults: Counts,
    /// What handlers did wrong, by kind.
    pub failures: Counts,
    /// Records that were settled again, by the fault that explains it.
    pub duplicates: Counts,
    /// Dead letters that were written again, by the fault that explains it.
    pub second_letters: Counts,
    /// Dead letters.
    pub letters: u64,
    /// How often a record was moved to a retry topic.
    pub postponed: u64,
    /// How often a breaker opened, also again.
    pub broken: u64,
}

impl Stats {
    /// How many faults there were.
    #[must_use]
    pub fn all_faults(&self) -> u64 {
        self.faults.values().sum()
    }

    /// Adds those of another seed.
    pub fn add(&mut self, other: &Stats) {
        self.seeds += other.seeds;
        self.records += other.records;
        self.attempts += other.attempts;
        self.letters += other.letters;
        self.postponed += other.postponed;
        self.broken += other.broken;
        for (into, from) in [
            (&mut self.faults, &other.faults),
            (&mut self.failures, &other.failures),
            (&mut self.duplicates, &other.duplicates),
            (&mut self.second_letters, &other.second_letters),
        ] {
            for (kind, count) in from {
                *into.entry(kind).or_default() += count;
            }
        }
    }
}

impl fmt::Display for Stats {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let total = |counts: &Counts| counts.values().sum::<u64>();
        let mut list = |name: &str, counts: &Counts| {
            writeln!(f, "{name}: {}", total(counts))?;
            counts.iter().try_for_each(|(kind, count)| writeln!(f, "    {count:>8} {kind}"))
        };
        list("faults around the engine", &self.faults)?;
        list("failures of handlers, not counted as faults", &self.failures)?;
        list("records settled again, by cause", &self.duplicates)?;
        list("dead letters written again, by cause", &self.second_letters)?;
        let Stats { seeds, records, attempts, letters, postponed, broken, .. } = self;
        write!(
            f,
            "{seeds} seeds, {records} records, {attempts} attempts, {letters} dead letters, "
        )?;
        write!(f, "{postponed} moves to a retry topic, {broken} times a breaker opened")
    }
}

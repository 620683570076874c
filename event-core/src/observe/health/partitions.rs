//! What waits in the partitions of a group.
//!
//! Where a partition ends is what the broker says, and where the group goes on what it committed or
//! is about to. The distance alone is no proof: the mark that ends a transaction takes an offset and
//! is no record. So before a partition is taken for stuck the record that waits is looked for.

use std::collections::BTreeMap;
use std::time::Duration;

use tokio::time::Instant;

use crate::delivery::{NextOffset, TopicPartition};

/// The partitions that are assigned.
#[derive(Debug, Default)]
pub(super) struct Partitions(BTreeMap<TopicPartition, Waiting>);

#[derive(Debug, Default)]
struct Waiting {
    /// Where the group goes on: not known, never committed, or there.
    next: Option<Option<NextOffset>>,
    /// The first record that the log retains, and where the next one will lie.
    ends: Option<(NextOffset, NextOffset)>,
    /// Since when records have waited with nothing before them settled.
    since: Option<Instant>,
    /// Between which offsets a record was looked for, and whether there was one.
    looked: Option<(NextOffset, NextOffset, bool)>,
}

/// A partition that seems stuck, and where the record lies that it should go on with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Suspect {
    pub(crate) partition: TopicPartition,
    pub(crate) from: NextOffset,
    pub(crate) to: NextOffset,
}

impl Waiting {
    fn from(&self) -> Option<NextOffset> {
        let (low, _) = self.ends?;
        Some(self.next?.unwrap_or(low).max(low))
    }

    fn lag(&self) -> Option<u64> {
        let (from, (_, end)) = (self.from()?, self.ends?);
        Some(u64::try_from(end.0.saturating_sub(from.0)).unwrap_or(0))
    }

    fn update_since(&mut self) {
        if self.lag().is_none_or(|lag| lag == 0) {
            self.since = None;
        } else {
            self.since.get_or_insert_with(Instant::now);
        }
    }
}

impl Partitions {
    pub(super) fn add(&mut self, partitions: &[TopicPartition]) {
        for partition in partitions {
            self.0.insert(partition.clone(), Waiting::default());
        }
    }

    pub(super) fn remove(&mut self, partitions: &[TopicPartition]) {
        for partition in partitions {
            self.0.remove(partition);
        }
    }

    pub(super) fn names(&self) -> impl Iterator<Item = &TopicPartition> {
        self.0.keys()
    }

    pub(super) fn has(&self, partition: &TopicPartition) -> bool {
        self.0.contains_key(partition)
    }

    pub(super) fn lags(&self) -> impl Iterator<Item = (&TopicPartition, Option<u64>)> {
        self.0.iter().map(|(partition, waiting)| (partition, waiting.lag()))
    }

    /// Those of which is not known where the group goes on.
    pub(super) fn unknown(&self) -> Vec<TopicPartition> {
        let unknown = self.0.iter().filter(|(_, waiting)| waiting.next.is_none());
        unknown.map(|(partition, _)| partition.clone()).collect()
    }

    /// Whether the broker was not asked yet for one of them.
    pub(super) fn has_new(&self) -> bool {
        self.0.values().any(|waiting| waiting.ends.is_none())
    }

    /// The group came this far; whether that is news. A commit that failed is reported again.
    pub(super) fn advance(&mut self, partition: &TopicPartition, next: NextOffset) -> bool {
        let Some(waiting) = self.0.get_mut(partition) else { return false };
        if waiting.next.flatten() == Some(next) {
            return false;
        }
        waiting.next = Some(Some(next));
        waiting.since = None;
        waiting.update_since();
        true
    }

    /// What was committed before the partition was ours; what is known better stays.
    pub(super) fn note_committed(&mut self, partition: &TopicPartition, next: Option<NextOffset>) {
        if let Some(waiting) = self.0.get_mut(partition)
            && waiting.next.is_none()
        {
            waiting.next = Some(next);
            waiting.update_since();
        }
    }

    pub(super) fn note_ends(&mut self, ends: &[(TopicPartition, NextOffset, NextOffset)]) {
        for (partition, low, end) in ends {
            if let Some(waiting) = self.0.get_mut(partition) {
                waiting.ends = Some((*low, *end));
                waiting.update_since();
            }
        }
    }

    /// Those that have waited for `time`, the longest first, with how long. When it is known that no
    /// record waits there, they are left out.
    fn overdue(&self, time: Duration) -> Vec<(&TopicPartition, &Waiting, Duration)> {
        let overdue = self.0.iter().filter_map(|(partition, waiting)| {
            let since = waiting.since?.elapsed();
            let is_empty = matches!(
                (waiting.looked, waiting.from(), waiting.ends),
                (Some((from, to, false)), Some(now), Some((_, end))) if from == now && to == end
            );
            (since >= time && !is_empty).then_some((partition, waiting, since))
        });
        let mut overdue: Vec<_> = overdue.collect();
        overdue.sort_by_key(|(_, _, since)| std::cmp::Reverse(*since));
        overdue
    }

    /// Where a record is to be looked for.
    pub(super) fn suspects(&self, time: Duration) -> Vec<Suspect> {
        let overdue = self.overdue(time).into_iter().filter(|(_, waiting, _)| !is_proved(waiting));
        let suspects = overdue.filter_map(|(partition, waiting, _)| {
            let (from, (_, to)) = (waiting.from()?, waiting.ends?);
            Some(Suspect { partition: partition.clone(), from, to })
        });
        suspects.collect()
    }

    pub(super) fn note_looked(&mut self, suspect: &Suspect, found: bool) {
        if let Some(waiting) = self.0.get_mut(&suspect.partition) {
            waiting.looked = Some((suspect.from, suspect.to, found));
        }
    }

    /// The partitions in which a record has waited, the longest first, with how long.
    pub(super) fn stuck(&self, time: Duration) -> Vec<(TopicPartition, Duration)> {
        let proved = self.overdue(time).into_iter().filter(|(_, waiting, _)| is_proved(waiting));
        proved.map(|(partition, _, since)| (partition.clone(), since)).collect()
    }
}

/// Whether the record was seen that waits.
fn is_proved(waiting: &Waiting) -> bool {
    matches!(waiting.looked, Some((from, _, true)) if waiting.from() == Some(from))
}

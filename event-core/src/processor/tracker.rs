//! Decides which offset of one partition is safe to commit.
//!
//! Handlers finish out of order, but a Kafka commit is cumulative, so only the offset below which
//! everything delivered is settled may be committed. Records are numbered as they are delivered,
//! because offsets have gaps (compaction, transaction markers) and numbers have none: a bit for each
//! says whether it is settled, and the offsets are kept as runs of equal steps: a topic in which each
//! record is a transaction of its own has every other offset. Settling costs O(1) amortised; a record
//! that blocks costs a bit for each one above it, and a run wherever the step changes. What binds them
//! to their log, the leader epoch and the time of the latest, is kept for a stretch of records at once.
//!
//! The `tracker` numbers records as they are delivered, because offsets have gaps and numbers have none, and keeps
//! a bit for each from the first open one on, and a run of offsets wherever the step between them changes. Offsets
//! at the end of a log that hold no record (the marks of transactions, aborted records, compaction) are distinguished
//! (`ConsumerEvent::Passed`), behind the records before them: a lane takes the last of them for one that is settled
//! at once, so that the offset behind them is committed when nothing before is open. librdkafka's position passes
//! marks; it is read twice a second, when all that was fetched is handed over. Where a partition stands still
//! before its end for 5 s, another client looks whether a record is left there. The end itself is not reported
//! (`enable.partition.eof`), because librdkafka then loses the record that follows a pause. Above so many bytes its
//! lane takes nothing more in. What is settled above the committed offset goes along with the commit as metadata
//! (`delivery::SettledAbove`): a restart, crash or rebalance does not run it again, nor does a later version of the
//! service whose handlers keep another order: it is asked for at every assignment. The text repeats the offset that
//! it belongs to, so that a tool that moves offsets makes it void. What does not fit into `max_metadata_bytes` is
//! delivered again.

use std::collections::VecDeque;

use crate::delivery::{NextOffset, Offset, Remembered, SettledAbove, Stamp};

/// How many bytes a tracker keeps at most before it wants nothing more: a bit for each of 32 million
/// records, or where no step is like the one before, 24 bytes for each two of 350 000.
const MAX_KEPT_BYTES: usize = 4 << 20;

/// How many records a stretch has at most, so that the time of its latest is not kept for ever: it
/// goes with the stretch, when the first open record lies above it.
const STRETCH: u64 = 1 << 16;

/// A delivered record, by its number in the order of delivery.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Sequence(u64);

impl Sequence {
    pub(super) fn of(number: u64) -> Self {
        Sequence(number)
    }

    pub(super) fn number(self) -> u64 {
        self.0
    }
}

/// What is delivered and what is settled of one partition, in one epoch.
#[derive(Debug, Default)]
pub(super) struct Tracker {
    /// Where the offsets are, from the first open record on.
    runs: VecDeque<Run>,
    /// What log they are of, from the first open record on.
    stretches: VecDeque<Stretch>,
    /// The time of the latest when something was settled last: what is only delivered changes nothing
    /// that would have to be committed.
    latest_ms: i64,
    has_settled: bool,
    /// A bit a record, from number `words_from` on, which is a multiple of 64.
    words: VecDeque<u64>,
    words_from: u64,
    /// The first that is not settled.
    open_from: u64,
    delivered: u64,
    last: Option<Offset>,
    starts_at: Option<NextOffset>,
    next: Option<NextOffset>,
    /// What the metadata of the last commit says is settled already.
    remembered: SettledAbove,
}

/// Records whose offsets lie equally far from each other.
#[derive(Clone, Copy, Debug)]
struct Run {
    first: u64,
    offset: i64,
    /// Of records that are gone 0.
    step: i64,
}

/// Records that follow each other in one log.
#[derive(Clone, Copy, Debug)]
struct Stretch {
    first: u64,
    log: Log,
    latest_ms: i64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Log {
    /// What this leader wrote, where it is known.
    Of(Option<i32>),
    /// It was truncated: other records have these offsets now.
    Gone,
}

impl Tracker {
    /// A tracker of a partition of which `remembered` is settled above `next`, where it goes on.
    pub(super) fn new(next: Option<NextOffset>, remembered: SettledAbove) -> Self {
        Tracker { starts_at: next, remembered, ..Tracker::default() }
    }

    /// What is remembered of the record that is delivered next. From the first on that shows that the log
    /// is another (it was truncated, or the topic emptied or recreated), nothing is.
    pub(super) fn lookup(&mut self, record: Stamp) -> Remembered {
        let goes_back = self.starts_at.is_some_and(|next| record.offset.0 < next.0)
            || self.goes_back(record.offset);
        let remembered = if goes_back && !self.remembered.is_empty() {
            Remembered::OfAnotherLog
        } else {
            self.remembered.lookup(record)
        };
        if remembered == Remembered::OfAnotherLog {
            self.remembered = SettledAbove::default();
        }
        remembered
    }

    /// Whether some of what is delivered next may be settled already.
    pub(super) fn remembers(&self) -> bool {
        let ranges = self.remembered.ranges();
        ranges.last().is_some_and(|range| self.last.is_none_or(|last| last < range.last))
    }

    fn goes_back(&self, offset: Offset) -> bool {
        self.last.is_some_and(|last| offset <= last)
    }

    /// Takes a record in. Offsets only ever rise, but where the log was truncated or begins anew.
    pub(super) fn deliver(&mut self, record: Stamp) -> Sequence {
        let Stamp { offset, leader_epoch, timestamp_ms } = record;
        if self.goes_back(offset) {
            self.cut_off(offset);
        }
        let sequence = self.delivered;
        self.delivered += 1;
        self.last = Some(offset);
        let goes_on = self.runs.back_mut().is_some_and(|run| run.goes_on(sequence, offset));
        if !goes_on {
            self.runs.push_back(Run { first: sequence, offset: offset.0, step: 1 });
        }
        let log = Log::Of(leader_epoch);
        match self.stretches.back_mut() {
            Some(last) if last.log == log && sequence - last.first < STRETCH => {
                last.latest_ms = last.latest_ms.max(timestamp_ms);
            }
            _ => {
                let stretch = Stretch { first: sequence, log, latest_ms: timestamp_ms };
                self.stretches.push_back(stretch);
            }
        }
        if sequence / 64 >= self.words_from / 64 + self.words.len() as u64 {
            self.words.push_back(0);
        }
        Sequence(sequence)
    }

    /// No record lies between what was delivered and `next`: the offset before `next` is as good as
    /// settled, and holds nobody back. Where less was delivered than is so passed, the log was truncated.
    pub(super) fn pass(&mut self, next: NextOffset) {
        let before = (next.0 > 0).then(|| Offset(next.0 - 1));
        if self.last > before {
            self.cut_off(Offset(next.0));
            self.last = before;
        }
        if let Some(offset) = before.filter(|_| self.last < before) {
            let sequence =
                self.deliver(Stamp { offset, leader_epoch: None, timestamp_ms: i64::MIN });
            self.settle(sequence);
        }
    }

    /// Forgets what was delivered from `offset` on: its offsets are those of other records now. What is
    /// open of it would hold the offset, and what is settled would be taken for them. What is open
    /// below does not come again, and goes on holding the offset.
    fn cut_off(&mut self, offset: Offset) {
        let mut first = self.delivered;
        while let Some(run) = self.runs.back().copied()
            && first > self.open_from
        {
            let gone = run.first_at(offset).clamp(run.first, first);
            first = gone;
            if gone > run.first {
                break;
            }
            self.runs.pop_back();
        }
        let first = first.max(self.open_from);
        if first == self.open_from {
            self.next = Some(NextOffset(offset.0));
        }
        if first == self.delivered {
            return;
        }
        while self.stretches.pop_back_if(|stretch| stretch.first >= first).is_some() {}
        self.stretches.push_back(Stretch { first, log: Log::Gone, latest_ms: i64::MIN });
        // Whoever gets past them goes on where the log does.
        self.runs.push_back(Run { first, offset: offset.0 - 1, step: 0 });
        for sequence in first..self.delivered {
            self.settle(Sequence(sequence));
        }
    }

    /// The record needs no more work.
    pub(super) fn settle(&mut self, Sequence(sequence): Sequence) {
        if sequence < self.open_from {
            return;
        }
        let word = (sequence - self.words_from) / 64;
        let Some(word) = usize::try_from(word).ok().and_then(|word| self.words.get_mut(word))
        else {
            return;
        };
        *word |= 1 << (sequence % 64);
        self.has_settled = true;
        if sequence == self.open_from {
            self.advance();
        }
    }

    fn advance(&mut self) {
        while let Some(word) = self.words.front() {
            let settled = (word >> (self.open_from % 64)).trailing_ones();
            self.open_from += u64::from(settled);
            if settled == 0 || !self.open_from.is_multiple_of(64) {
                break;
            }
            self.words.pop_front();
            self.words_from += 64;
        }
        let last = self.open_from - 1;
        while self.runs.get(1).is_some_and(|run| run.first <= last) {
            self.runs.pop_front();
        }
        while self.stretches.get(1).is_some_and(|stretch| stretch.first <= last) {
            self.stretches.pop_front();
        }
        self.next = self.runs.front().map(|run| Offset(run.offset_of(last)).next());
    }

    /// Where to go on: everything delivered before it is settled. `None` before anything is.
    pub(super) fn next(&self) -> Option<NextOffset> {
        self.next
    }

    /// Where the first record that is not settled lies, as a place to go on from.
    pub(super) fn first(&self) -> Option<NextOffset> {
        let first = self.offset_of(self.open_from);
        (self.span() > 0).then_some(NextOffset(first.0))
    }

    /// Whether it keeps as much as it may, and nothing more is to be delivered.
    pub(super) fn is_full(&self) -> bool {
        let words = self.words.len() * size_of::<u64>();
        let runs = self.runs.len() * size_of::<Run>();
        words + runs + self.stretches.len() * size_of::<Stretch>() >= MAX_KEPT_BYTES
    }

    /// How many records there are from the first open one on, settled or not.
    fn span(&self) -> u64 {
        self.delivered - self.open_from
    }

    /// What is settled above the first open record. What is remembered and was not delivered yet is
    /// part of it, or the next owner would not know of it.
    pub(super) fn settled_above(&mut self) -> SettledAbove {
        if std::mem::take(&mut self.has_settled) {
            let times = self.stretches.iter().map(|stretch| stretch.latest_ms);
            self.latest_ms = times.max().unwrap_or(i64::MIN);
        }
        let mut above = SettledAbove::default();
        above.note_time(self.latest_ms);
        let mut from = self.open_from;
        while let Some((first, last)) = self.settled_run(from) {
            let (log, end) = self.log_of(first);
            let last = last.min(end - 1);
            if let Log::Of(leader_epoch) = log {
                above.add(self.offset_of(first), self.offset_of(last), leader_epoch);
            }
            from = last + 1;
        }
        if let Some(last) = self.last {
            for range in self.remembered.ranges() {
                let first = Offset(range.first.0.max(last.0 + 1));
                if first <= range.last {
                    above.add(first, range.last, range.leader_epoch);
                    above.note_time(self.remembered.latest_ms());
                }
            }
        }
        above
    }

    /// The log that a record is of, and the number of the first one above it that is of another.
    fn log_of(&self, sequence: u64) -> (Log, u64) {
        let after = self.stretches.partition_point(|stretch| stretch.first <= sequence);
        let Some(index) = after.checked_sub(1) else { return (Log::Gone, self.delivered) };
        let log = self.stretches[index].log;
        let other = self.stretches.range(after..).find(|stretch| stretch.log != log);
        (log, other.map_or(self.delivered, |stretch| stretch.first))
    }

    /// The first run of settled records from number `from` on.
    fn settled_run(&self, from: u64) -> Option<(u64, u64)> {
        let first = self.first_bit(from, true)?;
        let last = self.first_bit(first, false).unwrap_or(self.delivered) - 1;
        Some((first, last))
    }

    fn first_bit(&self, from: u64, settled: bool) -> Option<u64> {
        let mut number = from;
        while number < self.delivered {
            let word = usize::try_from((number - self.words_from) / 64).ok()?;
            let word = self.words.get(word)? >> (number % 64);
            let word = if settled { word } else { !word };
            // Beyond the bits of this word the shift brought in zeros.
            let left = 64 - number % 64;
            let skipped = u64::from(word.trailing_zeros()).min(left);
            number += skipped;
            if skipped < left {
                return (number < self.delivered).then_some(number);
            }
        }
        None
    }

    fn offset_of(&self, sequence: u64) -> Offset {
        let after = self.runs.partition_point(|run| run.first <= sequence);
        let run = after.checked_sub(1).and_then(|index| self.runs.get(index));
        Offset(run.map_or(-1, |run| run.offset_of(sequence)))
    }
}

impl Run {
    fn offset_of(self, sequence: u64) -> i64 {
        // A count of records that fit into memory.
        self.offset + self.step * i64::try_from(sequence - self.first).unwrap_or(i64::MAX)
    }

    /// The number of the first of its records at `offset` or above, were it to go on so far.
    fn first_at(self, offset: Offset) -> u64 {
        let steps = offset.0.saturating_sub(self.offset).max(0);
        match self.step {
            0 if steps > 0 => u64::MAX,
            0 => self.first,
            step => self.first + steps.unsigned_abs().div_ceil(step.unsigned_abs()),
        }
    }

    /// Whether the next record belongs to it. The second one says what the step is.
    fn goes_on(&mut self, sequence: u64, offset: Offset) -> bool {
        if sequence == self.first + 1 && offset.0 > self.offset {
            self.step = offset.0 - self.offset;
        }
        self.offset_of(sequence) == offset.0
    }
}

#[cfg(test)]
mod tests;

//! Decides which offset of one partition is safe to commit.
//!
//! Handlers finish out of order, but a Kafka commit is cumulative, so only the offset below which
//! everything delivered is settled may be committed. Records are numbered as they are delivered,
//! because offsets have gaps (compaction, transaction markers) and numbers have none: a bit for each
//! says whether it is settled, and the offsets are kept as runs of equal steps: a topic in which each
//! record is a transaction of its own has every other offset. Settling costs O(1) amortised; a record
//! that blocks costs a bit for each one above it, and a run wherever the step changes.

use std::collections::VecDeque;

use crate::delivery::{NextOffset, Offset, SettledAbove};

/// How many bytes a tracker keeps at most before it wants nothing more: a bit for each of 32 million
/// records, or where no step is like the one before, 24 bytes for each two of 350 000.
const MAX_KEPT_BYTES: usize = 4 << 20;

/// A delivered record, by its number in the order of delivery.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Sequence(u64);

impl Sequence {
    /// It and those that were delivered after it, `records` in all.
    pub(super) fn following(self, records: usize) -> impl Iterator<Item = Sequence> {
        (self.0..).take(records).map(Sequence)
    }
}

/// What is delivered and what is settled of one partition, in one epoch.
#[derive(Debug, Default)]
pub(super) struct Tracker {
    /// Where the offsets are, from the first open record on.
    runs: VecDeque<Run>,
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
    step: i64,
}

impl Tracker {
    /// A tracker of a partition of which `remembered` is settled above `next`, where it goes on.
    pub(super) fn new(next: Option<NextOffset>, remembered: SettledAbove) -> Self {
        Tracker { starts_at: next, remembered, ..Tracker::default() }
    }

    /// Whether the record that is delivered next was settled before this epoch. A partition that does
    /// not go on where it should was emptied or made anew: what is remembered of it is of other records.
    pub(super) fn is_remembered(&mut self, offset: Offset) -> bool {
        let goes_back = self.starts_at.is_some_and(|next| offset.0 < next.0)
            || self.last.is_some_and(|last| offset <= last);
        if goes_back {
            self.remembered = SettledAbove::default();
        }
        self.remembered.contains(offset)
    }

    /// Takes a record in. Offsets only ever rise, but where the log begins anew.
    pub(super) fn deliver(&mut self, offset: Offset) -> Sequence {
        let goes_back = self.last.is_some_and(|last| offset <= last);
        // What is open and lies before it does not come again, and so goes on holding the offset.
        if goes_back && offset <= self.offset_of(self.open_from) {
            self.begin_anew();
        }
        let sequence = self.delivered;
        self.delivered += 1;
        self.last = Some(offset);
        let goes_on = self.runs.back_mut().is_some_and(|run| run.goes_on(sequence, offset));
        if !goes_on {
            self.runs.push_back(Run { first: sequence, offset: offset.0, step: 1 });
        }
        if sequence / 64 >= self.words_from / 64 + self.words.len() as u64 {
            self.words.push_back(0);
        }
        Sequence(sequence)
    }

    /// Forgets what was delivered: its offsets are those of other records now, and what is open of it
    /// would keep a place committed that lies above them.
    fn begin_anew(&mut self) {
        self.runs.clear();
        self.words.clear();
        self.words_from = self.delivered / 64 * 64;
        self.open_from = self.delivered;
        self.next = None;
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
        words + self.runs.len() * size_of::<Run>() >= MAX_KEPT_BYTES
    }

    /// How many records there are from the first open one on, settled or not.
    fn span(&self) -> u64 {
        self.delivered - self.open_from
    }

    /// What is settled above the first open record. What is remembered and was not delivered yet is
    /// part of it, or the next owner would not know of it.
    pub(super) fn settled_above(&self) -> SettledAbove {
        let mut above = SettledAbove::default();
        let mut from = self.open_from;
        while let Some((first, last)) = self.settled_run(from) {
            above.add(self.offset_of(first), self.offset_of(last));
            from = last + 1;
        }
        if let Some(last) = self.last {
            for (first, end) in self.remembered.ranges() {
                let first = Offset(first.0.max(last.0 + 1));
                if first <= *end {
                    above.add(first, *end);
                }
            }
        }
        above
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

    /// Whether the next record belongs to it. The second one says what the step is.
    fn goes_on(&mut self, sequence: u64, offset: Offset) -> bool {
        if sequence == self.first + 1 {
            self.step = offset.0 - self.offset;
        }
        self.offset_of(sequence) == offset.0
    }
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use rand::rngs::SmallRng;
    use rand::{RngExt, SeedableRng};

    use super::*;

    #[test]
    fn the_offset_waits_for_the_slowest_record() {
        let mut tracker = Tracker::default();
        let [a, b, c] = [5, 6, 9].map(|offset| tracker.deliver(Offset(offset)));
        assert_eq!(tracker.next(), None);
        tracker.settle(b);
        tracker.settle(c);
        assert_eq!(tracker.next(), None);
        assert_eq!(tracker.settled_above().ranges(), [(Offset(6), Offset(9))]);
        tracker.settle(a);
        assert_eq!(tracker.next(), Some(NextOffset(10)));
        assert_eq!((tracker.span(), tracker.settled_above().is_empty()), (0, true));
    }

    #[test]
    fn what_is_remembered_is_passed_on_before_it_is_delivered() {
        let mut remembered = SettledAbove::default();
        remembered.add(Offset(3), Offset(5));
        remembered.add(Offset(8), Offset(9));
        let mut tracker = Tracker::new(Some(NextOffset(2)), remembered);
        tracker.deliver(Offset(2));
        let settled = tracker.deliver(Offset(3));
        tracker.settle(settled);
        let ranges = tracker.settled_above();
        let all = [(3, 3), (4, 5), (8, 9)].map(|(a, b)| (Offset(a), Offset(b)));
        assert_eq!(ranges.ranges(), all);
        assert!(tracker.is_remembered(Offset(9)) && !tracker.is_remembered(Offset(6)));
    }

    #[test]
    fn what_is_remembered_of_another_log_is_forgotten() {
        let mut remembered = SettledAbove::default();
        remembered.add(Offset(11), Offset(18));
        let mut tracker = Tracker::new(Some(NextOffset(10)), remembered);
        assert!(!tracker.is_remembered(Offset(0)), "the topic was made anew");
        tracker.deliver(Offset(0));
        assert!(!tracker.is_remembered(Offset(12)));
        tracker.deliver(Offset(12));
        assert!(tracker.settled_above().is_empty());
    }

    #[test]
    fn what_is_open_of_another_log_holds_nothing_back() {
        for before in [5, 64, 100] {
            let mut tracker = Tracker::default();
            let old: Vec<_> =
                (0..before).map(|offset| tracker.deliver(Offset(10 + offset))).collect();
            tracker.settle(old[0]);
            tracker.settle(old[2]);
            let new = [0, 1, 2].map(|offset| tracker.deliver(Offset(offset)));
            old.into_iter().for_each(|sequence| tracker.settle(sequence));
            assert_eq!((tracker.next(), tracker.span()), (None, 3));
            tracker.settle(new[1]);
            assert_eq!(tracker.first(), Some(NextOffset(0)));
            assert_eq!(tracker.settled_above().ranges(), [(Offset(1), Offset(1))]);
            tracker.settle(new[0]);
            assert_eq!(tracker.next(), Some(NextOffset(2)));
        }
    }

    #[test]
    fn what_is_open_below_a_place_that_is_read_again_holds_the_offset() {
        let mut tracker = Tracker::default();
        let [blocked, ..] = [5, 6, 7].map(|offset| tracker.deliver(Offset(offset)));
        for offset in [6, 7] {
            let again = tracker.deliver(Offset(offset));
            tracker.settle(again);
        }
        assert_eq!((tracker.next(), tracker.first()), (None, Some(NextOffset(5))));
        tracker.settle(blocked);
        assert_eq!(tracker.next(), Some(NextOffset(6)));
    }

    #[test]
    fn it_agrees_with_a_set_of_offsets() {
        let seed = rand::random();
        println!("seed {seed}");
        let mut rng = SmallRng::seed_from_u64(seed);
        for _ in 0..200 {
            let mut tracker = Tracker::default();
            let (mut open, mut settled) = (BTreeMap::new(), BTreeSet::new());
            let mut offset = rng.random_range(0..1000);
            let step = rng.random_range(1..=2);
            for _ in 0..rng.random_range(0..2000) {
                if rng.random_bool(0.5) {
                    offset += if rng.random_bool(0.1) { rng.random_range(1..50) } else { step };
                    open.insert(offset, tracker.deliver(Offset(offset)));
                } else {
                    // Mostly old ones, so that the front moves.
                    let among = open.len() / rng.random_range(1..=8);
                    let nth = rng.random_range(0..=among);
                    let Some((&offset, &sequence)) = open.iter().nth(nth) else { continue };
                    open.remove(&offset);
                    settled.insert(offset);
                    tracker.settle(sequence);
                }
                let first_open = open.keys().next().copied().unwrap_or(i64::MAX);
                let next = settled.range(..first_open).next_back().map(|last| last + 1);
                assert_eq!(tracker.next(), next.map(NextOffset), "seed {seed}");
            }
            let first_open = open.keys().next().copied().unwrap_or(i64::MAX);
            let above = tracker.settled_above();
            for offset in settled.range(first_open..) {
                assert!(above.contains(Offset(*offset)), "seed {seed}: {offset}");
            }
            assert!(open.keys().all(|offset| !above.contains(Offset(*offset))), "seed {seed}");
        }
    }

    /// How many records above a blocked one are taken, with these steps between their offsets.
    fn taken_with(mut steps: impl FnMut(u64) -> i64) -> (u64, usize) {
        let mut tracker = Tracker::default();
        let (mut offset, mut taken) = (0, 0);
        tracker.deliver(Offset(0));
        while !tracker.is_full() && taken < 2_000_000 {
            offset += steps(taken);
            let sequence = tracker.deliver(Offset(offset));
            tracker.settle(sequence);
            taken += 1;
        }
        (taken, tracker.words.len() * 8 + tracker.runs.len() * size_of::<Run>())
    }

    #[test]
    fn a_blocked_record_holds_no_more_than_so_many_bytes_whatever_the_gaps() {
        // One record a transaction.
        let (taken, kept) = taken_with(|_| 2);
        assert!(taken == 2_000_000 && kept < 300 << 10, "{taken} in {kept}");
        // A compacted topic, in which no step is like the one before.
        let (taken, kept) = taken_with(|number| i64::try_from(1 + number % 3).unwrap());
        assert!((300_000..400_000).contains(&taken), "{taken}");
        assert!(kept <= MAX_KEPT_BYTES + 64, "{kept}");
    }

    #[test]
    fn a_million_above_a_blocked_one_cost_a_bit_each() {
        let mut tracker = Tracker::default();
        let blocked = tracker.deliver(Offset(0));
        for offset in 1..=1_000_000 {
            let sequence = tracker.deliver(Offset(offset));
            tracker.settle(sequence);
        }
        assert_eq!(tracker.words.len(), 1_000_001_usize.div_ceil(64));
        assert_eq!(tracker.runs.len(), 1);
        tracker.settle(blocked);
        assert_eq!(tracker.next(), Some(NextOffset(1_000_001)));
        assert!(tracker.words.len() <= 1);
    }
}

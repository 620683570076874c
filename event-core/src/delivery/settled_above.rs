//! What is settled above the committed offset, as it is remembered in the metadata of a commit.
//!
//! A commit says where to go on; what was already settled beyond that would be delivered again to
//! the next owner. Kafka keeps a short text with each commit, in which we note it. A reader of
//! another make ignores the text, and we ignore what is not ours.
//!
//! An offset alone says nothing of a record: the log may be truncated by an unclean leader election, or its
//! topic recreated, and other records lie there then. So what is remembered is bound to its log. A
//! leader of a partition has an epoch that no other has, and writes each offset once: the same offset
//! with the same leader epoch is the same record
//! ([KIP-101](https://cwiki.apache.org/confluence/display/KAFKA/KIP-101+-+Alter+Replication+Protocol+to+use+Leader+Epoch+rather+than+High+Watermark+for+Truncation)),
//! and above the first that differs nothing is the same. A topic that is recreated counts its epochs
//! from 0 again, which the time shows: a record that is later than all that were settled is none of
//! them. Only where epochs are the same and the clocks of producers go wrong, or old timestamps
//! are written again, it cannot be detected.
//!
//! An offset alone does not say which record it was. An unclean leader election cuts a log off, and others lie
//! there then. So the text has the leader epoch of each range, and the time of the latest record. One leader writes
//! each offset of its epoch once, so the same offset in the same epoch is the same record (KIP-101), and where one
//! differs, all above it do: a record that does not fit makes the rest void, runs, and is emitted as
//! `Observation::LogChanged`. Equal, and not just no higher: a leader that was deposed and wins an unclean election
//! brings back records of an older epoch. A topic that is recreated counts epochs from 0 again; there the time
//! shows, because its records are later than all that were settled. That one time is kept for all ranges makes it
//! later than need be for some, and of records far behind it is forgotten with their stretch of 65 536. What is
//! left: a recreated topic in the same epoch, longer than what was committed, with timestamps that are not later,
//! because a producer's clock is behind or a backup was written back with its own times. Let such a service begin
//! with `seek`, which empties the text. When the log is truncated under a lane that runs, the tracker takes what lay
//! above for gone: it holds no offset, and nobody remembers it.

use std::fmt::Write as _;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64;

use super::{NextOffset, Offset};

// The version of the form. The committed offset is repeated, because tools that move offsets from
// one cluster to another keep the text.
const PREFIX: &str = "ec1:";

/// Earlier than every record; what a record without a timestamp has.
const NO_TIME: i64 = -1;

/// What distinguishes a record of a partition from all others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Stamp {
    pub(crate) offset: Offset,
    pub(crate) leader_epoch: Option<i32>,
    pub(crate) timestamp_ms: i64,
}

/// Offsets that are settled, both ends included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct SettledRange {
    /// The first.
    pub first: Offset,
    /// The last.
    pub last: Offset,
    /// The leader epoch of these records, where it is known.
    pub leader_epoch: Option<i32>,
}

/// What is remembered of a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Remembered {
    /// Nothing.
    No,
    /// It is settled.
    Settled,
    /// The one that was settled at its offset is another.
    OfAnotherLog,
}

/// Offsets that are settled although an earlier one is not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SettledAbove {
    ranges: Vec<SettledRange>,
    /// No record of them is later; of some that were not settled it may be the time.
    latest_ms: i64,
}

impl Default for SettledAbove {
    fn default() -> Self {
        SettledAbove { ranges: Vec::new(), latest_ms: NO_TIME }
    }
}

impl SettledAbove {
    /// Adds offsets that lie above all others.
    pub(crate) fn add(&mut self, first: Offset, last: Offset, leader_epoch: Option<i32>) {
        self.ranges.push(SettledRange { first, last, leader_epoch });
    }

    /// Some of the records have this timestamp, and perhaps earlier ones.
    pub(crate) fn note_time(&mut self, timestamp_ms: i64) {
        self.latest_ms = self.latest_ms.max(timestamp_ms);
    }

    pub(crate) fn latest_ms(&self) -> i64 {
        self.latest_ms
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.ranges.is_empty()
    }

    /// The ranges, rising.
    #[must_use]
    pub fn ranges(&self) -> &[SettledRange] {
        &self.ranges
    }

    /// Whether the record at `offset` is settled, if it is still the same.
    #[must_use]
    pub fn contains(&self, offset: Offset) -> bool {
        self.range_of(offset).is_some()
    }

    /// Whether a record is settled. When in doubt it is another, and runs.
    pub(crate) fn lookup(&self, record: Stamp) -> Remembered {
        match self.range_of(record.offset) {
            None => Remembered::No,
            Some(range)
                if range.leader_epoch == record.leader_epoch
                    && record.timestamp_ms <= self.latest_ms =>
            {
                Remembered::Settled
            }
            Some(_) => Remembered::OfAnotherLog,
        }
    }

    fn range_of(&self, offset: Offset) -> Option<&SettledRange> {
        let after = self.ranges.partition_point(|range| range.first <= offset);
        let range = self.ranges.get(after.checked_sub(1)?)?;
        (offset <= range.last).then_some(range)
    }

    /// The text for a commit of `next`, of at most `limit` bytes: what does not fit is left out from
    /// the end, and so is delivered again. Empty when there is nothing to say.
    #[must_use]
    pub fn encode(&self, next: NextOffset, limit: usize) -> String {
        let mut text = format!("{PREFIX}{next}:");
        // Four letters hold three bytes.
        let room = limit.saturating_sub(text.len()) / 4 * 3;
        let mut bytes = Vec::new();
        push_varint(&mut bytes, self.latest_ms.max(NO_TIME).saturating_add(1));
        let time_bytes = bytes.len();
        let (mut at, mut epoch) = (next.0, None);
        for range in &self.ranges {
            let before = bytes.len();
            push_varint(&mut bytes, range.first.0 - at);
            // Mostly the epoch is that of the range before, and a bit says so.
            let is_other = range.leader_epoch != epoch;
            push_varint(&mut bytes, (range.last.0 - range.first.0) << 1 | i64::from(is_other));
            if is_other {
                push_varint(&mut bytes, range.leader_epoch.map_or(0, |epoch| i64::from(epoch) + 1));
            }
            if bytes.len() > room {
                bytes.truncate(before);
                break;
            }
            (at, epoch) = (range.last.0, range.leader_epoch);
        }
        if bytes.len() == time_bytes {
            return String::new();
        }
        // Writing to a string cannot fail.
        let _ = write!(text, "{}", BASE64.encode(&bytes));
        text
    }

    /// Reads the text of a commit of `next`. What is not ours, or belongs to another offset, says
    /// nothing.
    #[must_use]
    pub fn decode(metadata: &str, next: NextOffset) -> Self {
        decode(metadata, next).unwrap_or_default()
    }
}

fn decode(metadata: &str, next: NextOffset) -> Option<SettledAbove> {
    let (of, encoded) = metadata.strip_prefix(PREFIX)?.split_once(':')?;
    if of.parse() != Ok(next.0) {
        return None;
    }
    let bytes = BASE64.decode(encoded).ok()?;
    let mut rest = bytes.as_slice();
    let mut above = SettledAbove::default();
    above.note_time(read_varint(&mut rest)? - 1);
    let (mut at, mut epoch) = (next.0, None);
    while !rest.is_empty() {
        let first = at.checked_add(read_varint(&mut rest)?)?;
        let length = read_varint(&mut rest)?;
        let last = first.checked_add(length >> 1)?;
        if length & 1 == 1 {
            let number = i32::try_from(read_varint(&mut rest)? - 1).ok()?;
            epoch = (number >= 0).then_some(number);
        }
        above.add(Offset(first), Offset(last), epoch);
        at = last;
    }
    Some(above)
}

// LEB128, as in protocol buffers: seven bits a byte, the lowest first.
fn push_varint(bytes: &mut Vec<u8>, number: i64) {
    let mut number = number.cast_unsigned();
    while number >= 0x80 {
        bytes.push(number.to_le_bytes()[0] | 0x80);
        number >>= 7;
    }
    bytes.push(number.to_le_bytes()[0]);
}

fn read_varint(bytes: &mut &[u8]) -> Option<i64> {
    let mut number = 0_u64;
    for shift in (0..63).step_by(7) {
        let (byte, rest) = bytes.split_first()?;
        *bytes = rest;
        number |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return Some(number.cast_signed());
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    const TIME: i64 = 1_700_000_000_000;
    // 10 000 from 11 on, all of leader epoch 7.
    const WRITTEN: &str = "ec1:10:gdCV_7wxAZ-cAQg";

    fn range(first: i64, last: i64, leader_epoch: Option<i32>) -> SettledRange {
        SettledRange { first: Offset(first), last: Offset(last), leader_epoch }
    }

    fn above(ranges: &[(i64, i64)]) -> SettledAbove {
        let ranges = ranges.iter().map(|(first, last)| range(*first, *last, Some(7)));
        SettledAbove { ranges: ranges.collect(), latest_ms: TIME }
    }

    #[test]
    fn what_is_written_is_read_again() {
        for ranges in [&[(11, 10_010)][..], &[(12, 12), (14, 20), (1 << 40, (1 << 40) + 3)]] {
            let (above, next) = (above(ranges), NextOffset(10));
            let text = above.encode(next, 4096);
            assert_eq!(SettledAbove::decode(&text, next), above, "{text}");
        }
        assert_eq!(above(&[]).encode(NextOffset(10), 4096), "");
        assert_eq!(above(&[(11, 10_010)]).encode(NextOffset(10), 4096), WRITTEN);
    }

    #[test]
    fn each_range_keeps_its_leader_epoch() {
        let epochs = [None, Some(0), Some(0), Some(i32::MAX), None];
        for latest_ms in [NO_TIME, 0, TIME, i64::MAX - 1] {
            let ranges = (0..).zip(epochs).map(|(n, epoch)| range(10 * n + 2, 10 * n + 5, epoch));
            let above = SettledAbove { ranges: ranges.collect(), latest_ms };
            let text = above.encode(NextOffset(0), 4096);
            assert_eq!(SettledAbove::decode(&text, NextOffset(0)), above, "{text}");
        }
    }

    #[test]
    fn what_does_not_fit_is_left_out_from_the_end() {
        let many: Vec<_> = (0..5000).map(|n| (10 * n + 2, 10 * n + 5)).collect();
        let (all, next) = (above(&many), NextOffset(0));
        for limit in [0, 8, 16, 100, 4096] {
            let text = all.encode(next, limit);
            assert!(text.len() <= limit, "{} of {limit}", text.len());
            let read = SettledAbove::decode(&text, next);
            assert_eq!(read.ranges(), &all.ranges()[..read.ranges().len()]);
            assert!(limit < 100 || read.ranges().len() > limit / 4, "{}", read.ranges().len());
        }
    }

    #[test]
    fn what_is_not_ours_says_nothing() {
        for text in [
            "",
            "ec1:",
            "ec1:10",
            "ec1:10:",
            WRITTEN.replace(":10:", ":11:").as_str(),
            "ec1:10:!!",
            &WRITTEN[..WRITTEN.len() - 3],
            "ec1:10:_____________w",
            WRITTEN.replace("ec1", "ec2").as_str(),
            "{\"offset\":10}",
        ] {
            assert!(SettledAbove::decode(text, NextOffset(10)).is_empty(), "{text}");
        }
    }

    #[test]
    fn an_offset_is_found_in_its_range() {
        let above = above(&[(5, 7), (9, 9)]);
        let found: Vec<_> = (0..12).filter(|offset| above.contains(Offset(*offset))).collect();
        assert_eq!(found, [5, 6, 7, 9]);
    }

    #[test]
    fn another_record_at_a_remembered_offset_is_not_settled() {
        let stamp = |offset, leader_epoch, timestamp_ms| Stamp {
            offset: Offset(offset),
            leader_epoch,
            timestamp_ms,
        };
        let above = above(&[(5, 7), (9, 9)]);
        for (record, expected) in [
            (stamp(4, Some(7), TIME), Remembered::No),
            (stamp(8, Some(8), TIME + 1), Remembered::No),
            (stamp(5, Some(7), TIME), Remembered::Settled),
            (stamp(9, Some(7), NO_TIME), Remembered::Settled),
            // A new leader; one that was deposed and won an unclean election; another version of the
            // format.
            (stamp(5, Some(8), TIME), Remembered::OfAnotherLog),
            (stamp(5, Some(6), TIME), Remembered::OfAnotherLog),
            (stamp(5, None, TIME), Remembered::OfAnotherLog),
            // A topic that was recreated.
            (stamp(5, Some(7), TIME + 1), Remembered::OfAnotherLog),
        ] {
            assert_eq!(above.lookup(record), expected, "{record:?}");
        }
    }
}

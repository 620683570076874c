//! What is settled above the committed offset, as it is remembered in the metadata of a commit.
//!
//! A commit says where to go on; what was already settled beyond that would be delivered again to
//! the next owner. Kafka keeps a short text with each commit, in which we note it. A reader of
//! another make ignores the text, and we ignore what is not ours.

use std::fmt::Write as _;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64;

use super::{NextOffset, Offset};

// The version of the form. The committed offset is repeated, because tools that move offsets from
// one cluster to another keep the text.
const PREFIX: &str = "ec1:";

/// Offsets that are settled although an earlier one is not: ranges, both ends included.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SettledAbove(Vec<(Offset, Offset)>);

impl SettledAbove {
    /// Adds the offsets from `first` to `last`, which lie above all others.
    pub(crate) fn add(&mut self, first: Offset, last: Offset) {
        self.0.push((first, last));
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The ranges, rising.
    #[must_use]
    pub fn ranges(&self) -> &[(Offset, Offset)] {
        &self.0
    }

    /// Whether `offset` is settled.
    #[must_use]
    pub fn contains(&self, offset: Offset) -> bool {
        let after = self.0.partition_point(|(first, _)| *first <= offset);
        after.checked_sub(1).is_some_and(|index| offset <= self.0[index].1)
    }

    /// The text for a commit of `next`, of at most `limit` bytes: what does not fit is left out from
    /// the end, and so is delivered again. Empty when there is nothing to say.
    #[must_use]
    pub fn encode(&self, next: NextOffset, limit: usize) -> String {
        let mut text = format!("{PREFIX}{next}:");
        // Four letters hold three bytes.
        let room = limit.saturating_sub(text.len()) / 4 * 3;
        let mut bytes = Vec::new();
        let mut at = next.0;
        for (first, last) in &self.0 {
            let before = bytes.len();
            push_varint(&mut bytes, first.0 - at);
            push_varint(&mut bytes, last.0 - first.0);
            if bytes.len() > room {
                bytes.truncate(before);
                break;
            }
            at = last.0;
        }
        if bytes.is_empty() {
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
    let mut at = next.0;
    while !rest.is_empty() {
        let first = at.checked_add(read_varint(&mut rest)?)?;
        let last = first.checked_add(read_varint(&mut rest)?)?;
        above.add(Offset(first), Offset(last));
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

    fn above(ranges: &[(i64, i64)]) -> SettledAbove {
        SettledAbove(ranges.iter().map(|(first, last)| (Offset(*first), Offset(*last))).collect())
    }

    #[test]
    fn what_is_written_is_read_again() {
        for ranges in [&[][..], &[(11, 10_010)], &[(12, 12), (14, 20), (1 << 40, (1 << 40) + 3)]] {
            let (above, next) = (above(ranges), NextOffset(10));
            let text = above.encode(next, 4096);
            assert_eq!(SettledAbove::decode(&text, next), above, "{text}");
        }
        assert_eq!(above(&[]).encode(NextOffset(10), 4096), "");
        assert_eq!(above(&[(11, 10_010)]).encode(NextOffset(10), 4096), "ec1:10:AY9O");
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
            "ec1:11:AY9O",
            "ec1:10:!!",
            "ec1:10:AY",
            "ec1:10:_____________w",
            "ec2:10:AY9O",
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
}

//! What is committed and remembered, with and without a log that is truncated.

use std::collections::{BTreeMap, BTreeSet};

use rand::rngs::SmallRng;
use rand::{RngExt, SeedableRng};

use super::*;

fn of(leader_epoch: i32, offset: i64) -> Stamp {
    Stamp { offset: Offset(offset), leader_epoch: Some(leader_epoch), timestamp_ms: offset }
}

fn at(offset: i64) -> Stamp {
    of(0, offset)
}

fn ranges(above: &SettledAbove) -> Vec<(i64, i64, Option<i32>)> {
    let ranges = above.ranges().iter();
    ranges.map(|range| (range.first.0, range.last.0, range.leader_epoch)).collect()
}

/// What is settled of leader epoch 0.
fn remembered(ranges: &[(i64, i64)]) -> SettledAbove {
    let mut remembered = SettledAbove::default();
    for (first, last) in ranges {
        remembered.add(Offset(*first), Offset(*last), Some(0));
        remembered.note_time(*last);
    }
    remembered
}

#[test]
fn the_offset_waits_for_the_slowest_record() {
    let mut tracker = Tracker::default();
    let [a, b, c] = [5, 6, 9].map(|offset| tracker.deliver(at(offset)));
    assert_eq!(tracker.next(), None);
    tracker.settle(b);
    tracker.settle(c);
    assert_eq!(tracker.next(), None);
    assert_eq!(ranges(&tracker.settled_above()), [(6, 9, Some(0))]);
    tracker.settle(a);
    assert_eq!(tracker.next(), Some(NextOffset(10)));
    assert_eq!((tracker.span(), tracker.settled_above().is_empty()), (0, true));
}

#[test]
fn what_holds_no_record_is_committed_when_nothing_before_it_is_open() {
    let mut tracker = Tracker::new(Some(NextOffset(5)), SettledAbove::default());
    let [a, b] = [5, 6].map(|offset| tracker.deliver(at(offset)));
    tracker.pass(NextOffset(9));
    tracker.pass(NextOffset(9));
    tracker.settle(b);
    assert_eq!(tracker.next(), None, "a record before it is open");
    tracker.settle(a);
    assert_eq!(tracker.next(), Some(NextOffset(9)));
    assert!(tracker.settled_above().is_empty());
    // Nothing but marks, and a log that was truncated where nothing is written yet.
    tracker.pass(NextOffset(12));
    assert_eq!(tracker.next(), Some(NextOffset(12)));
    tracker.pass(NextOffset(6));
    assert_eq!(tracker.next(), Some(NextOffset(6)));
    let again = tracker.deliver(of(1, 6));
    assert_eq!(tracker.next(), Some(NextOffset(6)));
    tracker.settle(again);
    assert_eq!(tracker.next(), Some(NextOffset(7)));
}

#[test]
fn what_is_remembered_is_passed_on_before_it_is_delivered() {
    let mut tracker = Tracker::new(Some(NextOffset(2)), remembered(&[(3, 5), (8, 9)]));
    tracker.deliver(at(2));
    let settled = tracker.deliver(at(3));
    tracker.settle(settled);
    let above = tracker.settled_above();
    assert_eq!(ranges(&above), [(3, 3, Some(0)), (4, 5, Some(0)), (8, 9, Some(0))]);
    assert_eq!(above.latest_ms(), 9);
    assert_eq!(tracker.lookup(at(6)), Remembered::No);
    assert_eq!(tracker.lookup(at(9)), Remembered::Settled);
}

#[test]
fn what_is_remembered_of_another_log_is_forgotten() {
    for (place, other) in [("below", at(0)), ("of a new leader", of(1, 12))] {
        let mut tracker = Tracker::new(Some(NextOffset(10)), remembered(&[(11, 18)]));
        assert_eq!(tracker.lookup(other), Remembered::OfAnotherLog, "{place}");
        tracker.deliver(other);
        // It is said once.
        assert_eq!(tracker.lookup(at(13)), Remembered::No, "{place}");
        assert!(tracker.settled_above().is_empty(), "{place}");
    }
}

#[test]
fn what_is_settled_is_remembered_with_its_leader_epoch_and_the_latest_time() {
    let mut tracker = Tracker::default();
    let blocked = tracker.deliver(Stamp { timestamp_ms: 1000, ..of(0, 0) });
    for record in [of(0, 1), of(0, 2), of(3, 3), of(3, 4)] {
        let sequence = tracker.deliver(record);
        tracker.settle(sequence);
    }
    let above = tracker.settled_above();
    assert_eq!(ranges(&above), [(1, 2, Some(0)), (3, 4, Some(3))]);
    assert_eq!(above.latest_ms(), 1000);
    // The time of what lies behind is forgotten after a while.
    tracker.settle(blocked);
    for offset in 5.. {
        let sequence = tracker.deliver(of(3, offset));
        if tracker.settled_above().latest_ms() < 1000 {
            break;
        }
        assert!(offset < 500, "{offset}");
        tracker.settle(sequence);
    }
}

#[test]
fn a_late_record_is_not_kept_in_mind_for_ever() {
    let mut tracker = Tracker::default();
    for offset in 0..200_000 {
        let timestamp_ms = if offset == 5 { i64::MAX } else { offset };
        let sequence = tracker.deliver(Stamp { timestamp_ms, ..at(offset) });
        tracker.settle(sequence);
    }
    assert_eq!(tracker.settled_above().latest_ms(), 199_999);
    assert!(tracker.stretches.len() <= 2, "{}", tracker.stretches.len());
}

#[test]
fn what_is_cut_off_above_a_blocked_record_is_not_settled_any_more() {
    for cut in 11..=14 {
        let mut tracker = Tracker::default();
        let old: Vec<_> = (10..15).map(|offset| tracker.deliver(at(offset))).collect();
        old[1..4].iter().for_each(|sequence| tracker.settle(*sequence));
        let new: Vec<_> = (cut..20).map(|offset| tracker.deliver(of(1, offset))).collect();
        let kept = (cut > 11).then_some((11, cut.min(14) - 1, Some(0)));
        assert_eq!(ranges(&tracker.settled_above()), Vec::from_iter(kept));
        assert_eq!((tracker.next(), tracker.first()), (None, Some(NextOffset(10))));
        tracker.settle(new[1]);
        let settled = (cut + 1, cut + 1, Some(1));
        assert_eq!(ranges(&tracker.settled_above()).last(), Some(&settled));
        // Whatever becomes of the old ones, nothing is committed above the first new one.
        old.iter().for_each(|sequence| tracker.settle(*sequence));
        assert_eq!(tracker.next(), Some(NextOffset(cut)));
        tracker.settle(new[0]);
        assert_eq!(tracker.next(), Some(NextOffset(cut + 2)));
    }
}

#[test]
fn what_is_open_of_another_log_holds_nothing_back() {
    for before in [5, 64, 100] {
        let mut tracker = Tracker::default();
        let old: Vec<_> = (0..before).map(|offset| tracker.deliver(at(10 + offset))).collect();
        tracker.settle(old[0]);
        tracker.settle(old[2]);
        let new = [0, 1, 2].map(|offset| tracker.deliver(at(offset)));
        old.into_iter().for_each(|sequence| tracker.settle(sequence));
        assert_eq!((tracker.next(), tracker.span()), (Some(NextOffset(0)), 3));
        tracker.settle(new[1]);
        assert_eq!(tracker.first(), Some(NextOffset(0)));
        assert_eq!(ranges(&tracker.settled_above()), [(1, 1, Some(0))]);
        tracker.settle(new[0]);
        assert_eq!(tracker.next(), Some(NextOffset(2)));
    }
}

#[test]
fn what_is_open_below_a_place_that_is_read_again_holds_the_offset() {
    let mut tracker = Tracker::default();
    let [blocked, ..] = [5, 6, 7].map(|offset| tracker.deliver(at(offset)));
    for offset in [6, 7] {
        let again = tracker.deliver(at(offset));
        tracker.settle(again);
    }
    assert_eq!((tracker.next(), tracker.first()), (None, Some(NextOffset(5))));
    assert_eq!(ranges(&tracker.settled_above()), [(6, 7, Some(0))]);
    tracker.settle(blocked);
    assert_eq!(tracker.next(), Some(NextOffset(8)));
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
            if rng.random_bool(0.05) {
                // The mark of a transaction, say: it holds back nobody, and waits itself.
                offset += rng.random_range(1..4);
                settled.insert(offset);
                tracker.pass(NextOffset(offset + 1));
            } else if rng.random_bool(0.5) {
                offset += if rng.random_bool(0.1) { rng.random_range(1..50) } else { step };
                open.insert(offset, tracker.deliver(at(offset)));
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

#[test]
fn it_agrees_with_a_set_of_offsets_where_the_log_is_cut_off() {
    let seed = rand::random();
    println!("seed {seed}");
    let mut rng = SmallRng::seed_from_u64(seed);
    for _ in 0..500 {
        let mut tracker = Tracker::default();
        // What lies in the log, with its leader epoch and whether it is settled.
        let mut log = BTreeMap::<i64, (Sequence, i32, bool)>::new();
        let (mut end, mut leader_epoch) = (rng.random_range(0..100), 0);
        let (mut gone, mut first) = (Vec::new(), end);
        for _ in 0..rng.random_range(0..500) {
            match rng.random_range(0..100) {
                0..50 => {
                    let record = of(leader_epoch, end);
                    log.insert(end, (tracker.deliver(record), leader_epoch, false));
                    end += if rng.random_bool(0.2) { rng.random_range(1..5) } else { 1 };
                }
                50..98 => {
                    let open = log.iter_mut().filter(|(_, (.., settled))| !settled);
                    let Some((_, record)) = open.take(rng.random_range(1..20)).last() else {
                        continue;
                    };
                    tracker.settle(record.0);
                    record.2 = true;
                }
                98 => {
                    // Forward, or back to where the log was truncated, without a record there.
                    if rng.random_bool(0.5) {
                        end += rng.random_range(0..4);
                    } else {
                        let back = rng.random_range(0..60);
                        end = log.keys().rev().nth(back).map_or(end, |offset| *offset);
                        gone.extend(log.split_off(&end).into_values().map(|record| record.0));
                        leader_epoch += 1;
                        first = first.min(end);
                    }
                    tracker.pass(NextOffset(end));
                    if log.values().all(|(.., settled)| *settled) && end > 0 {
                        assert_eq!(tracker.next(), Some(NextOffset(end)), "seed {seed}");
                    }
                }
                // Those in flight of what is gone end some time.
                _ if rng.random_bool(0.5) => {
                    gone.drain(..).for_each(|sequence| tracker.settle(sequence));
                }
                _ => {
                    let back = rng.random_range(0..60);
                    end = log.keys().rev().nth(back).map_or(end, |offset| *offset);
                    gone.extend(log.split_off(&end).into_values().map(|record| record.0));
                    leader_epoch += 1;
                    first = first.min(end);
                    log.insert(end, (tracker.deliver(of(leader_epoch, end)), leader_epoch, false));
                    end += 1;
                }
            }
            let open = log.iter().find(|(_, (.., settled))| !settled).map(|(offset, _)| *offset);
            let from = open.unwrap_or(i64::MAX);
            let next = tracker.next().map_or(first, |next| next.0);
            assert!(next <= from, "seed {seed}: {next}, and {from} is open");
            let settled = log.range(..from).next_back();
            assert!(settled.is_none_or(|(last, _)| *last < next), "seed {seed}: {next}");
            let above = tracker.settled_above();
            for (offset, (_, leader_epoch, settled)) in log.range(from..) {
                let found = above.lookup(of(*leader_epoch, *offset)) == Remembered::Settled;
                assert_eq!(found, *settled, "seed {seed}: {offset} in {above:?}");
            }
            let text = above.encode(NextOffset(next), 1 << 20);
            assert_eq!(SettledAbove::decode(&text, NextOffset(next)).ranges(), above.ranges());
        }
    }
}

/// How many records above a blocked one are taken, with these steps between their offsets.
fn taken_with(mut steps: impl FnMut(u64) -> i64) -> (u64, usize) {
    let mut tracker = Tracker::default();
    let (mut offset, mut taken) = (0, 0);
    tracker.deliver(at(0));
    while !tracker.is_full() && taken < 2_000_000 {
        offset += steps(taken);
        let sequence = tracker.deliver(at(offset));
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
    let blocked = tracker.deliver(at(0));
    for offset in 1..=1_000_000 {
        let sequence = tracker.deliver(at(offset));
        tracker.settle(sequence);
    }
    assert_eq!(tracker.words.len(), 1_000_001_usize.div_ceil(64));
    assert_eq!(tracker.runs.len(), 1);
    tracker.settle(blocked);
    assert_eq!(tracker.next(), Some(NextOffset(1_000_001)));
    assert!(tracker.words.len() <= 1);
}

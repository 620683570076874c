//! Which partitions stand still before the end of their log, and since when.

use std::time::{Duration, Instant};

use rustc_hash::FxHashMap;

use crate::delivery::{Epoch, NextOffset, TopicPartition};

/// For how long a partition stands still before its end is looked at.
const STILL: Duration = Duration::from_secs(5);
/// The same after that: there is a record, of a transaction that goes on, or there was no answer.
const LOOK_AGAIN: Duration = Duration::from_secs(60);
/// After so long it is looked at although messages were left in the queue meanwhile: those of another
/// partition, perhaps, which has enough again and again.
const LOOK_ANYWAY: Duration = Duration::from_secs(30);

/// The partitions that have not been read to the end of their log, by what is known of it.
#[derive(Default)]
pub(super) struct Standstill(FxHashMap<TopicPartition, Still>);

struct Still {
    epoch: Epoch,
    next: NextOffset,
    end: NextOffset,
    /// When it came there.
    came: Instant,
    /// The same, or when it was looked at last.
    began: Instant,
    /// The same, or when messages were left in the queue last.
    since: Instant,
    is_looked_at: bool,
    /// It is reported that it waits for a transaction.
    is_emitted: bool,
}

impl Standstill {
    /// Takes note of where a partition is, and where its log ends; whether that is the same for so long that
    /// its end is to be looked at.
    pub(super) fn note(
        &mut self,
        partition: &TopicPartition,
        epoch: Epoch,
        (next, end): (NextOffset, NextOffset),
        now: Instant,
    ) -> bool {
        if next == end {
            self.0.remove(partition);
            return false;
        }
        let (since, is_looked_at, is_emitted) = (now, false, false);
        let begins =
            Still { epoch, next, end, came: now, began: now, since, is_looked_at, is_emitted };
        match self.0.get_mut(partition) {
            Some(known) if (known.epoch, known.next) == (epoch, next) => {
                // What is written behind it does not make it go on, but may end what it waits for.
                if known.end != end {
                    (known.end, known.since, known.is_looked_at) = (end, now, false);
                }
                let pause = if known.is_looked_at { LOOK_AGAIN } else { STILL };
                now.duration_since(known.since) >= pause
                    || now.duration_since(known.began) >= pause.max(LOOK_ANYWAY)
            }
            Some(known) => {
                *known = begins;
                false
            }
            None => {
                self.0.insert(partition.clone(), begins);
                false
            }
        }
    }

    /// The end of a partition is looked at.
    pub(super) fn note_look(&mut self, partition: &TopicPartition, now: Instant) {
        if let Some(known) = self.0.get_mut(partition) {
            (known.began, known.since, known.is_looked_at) = (now, now, true);
        }
    }

    /// None stood still by itself until now: what was fetched of it may have been left where it was.
    pub(super) fn begin_anew(&mut self, now: Instant) {
        self.0.values_mut().for_each(|known| known.since = now);
    }

    /// Before `next` a transaction is open: where the partition stands, where its log ends, and for how long it
    /// has waited, when that is to be reported now.
    pub(super) fn take_waiting(
        &mut self,
        partition: &TopicPartition,
        now: Instant,
    ) -> Option<(NextOffset, NextOffset, Duration)> {
        let known = self.0.get_mut(partition)?;
        let waited = now.duration_since(known.came);
        if waited < LOOK_AGAIN || std::mem::replace(&mut known.is_emitted, true) {
            return None;
        }
        Some((known.next, known.end, waited))
    }

    /// Where a partition stands still, and in which epoch.
    pub(super) fn position(&self, partition: &TopicPartition) -> Option<(Epoch, NextOffset)> {
        self.0.get(partition).map(|known| (known.epoch, known.next))
    }

    pub(super) fn remove(&mut self, partition: &TopicPartition) {
        self.0.remove(partition);
    }

    pub(super) fn retain(&mut self, which: impl Fn(&TopicPartition) -> bool) {
        self.0.retain(|partition, _| which(partition));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::TopicName;

    /// Whether the end of a partition that is at 7 is looked at, at each of these seconds.
    fn looks(still: &mut Standstill, began: Instant, seconds: &[(u64, i64)]) -> Vec<bool> {
        let topic = TopicName::from_static("role_events");
        let partition = TopicPartition { topic, partition: 0 };
        let look = |&(second, end): &(u64, i64)| {
            let now = began + Duration::from_secs(second);
            let is_due = still.note(&partition, Epoch(1), (NextOffset(7), NextOffset(end)), now);
            if is_due {
                still.note_look(&partition, now);
            }
            is_due
        };
        seconds.iter().map(look).collect()
    }

    #[test]
    fn the_end_of_what_stands_still_is_looked_at_now_and_then() {
        let (mut still, began) = (Standstill::default(), Instant::now());
        let at = [(0, 9), (4, 9), (5, 9), (10, 9), (64, 9), (65, 9)];
        let looked = looks(&mut still, began, &at);
        assert_eq!(looked, [false, false, true, false, false, true]);
        // Its log goes on, and ends.
        let at = [(66, 10), (70, 10), (71, 10), (72, 7), (80, 9), (84, 9)];
        let looked = looks(&mut still, began, &at);
        assert_eq!(looked, [false, false, true, false, false, false]);
    }

    #[test]
    fn a_transaction_that_is_open_for_long_is_told_once() {
        let topic = TopicName::from_static("role_events");
        let partition = TopicPartition { topic, partition: 0 };
        let (mut still, began) = (Standstill::default(), Instant::now());
        looks(&mut still, began, &[(0, 9), (5, 9)]);
        let mut emitted =
            |second| still.take_waiting(&partition, began + Duration::from_secs(second));
        assert_eq!(emitted(6), None);
        let waited = Duration::from_secs(66);
        assert_eq!(emitted(66), Some((NextOffset(7), NextOffset(9), waited)));
        assert_eq!(emitted(126), None);
    }

    #[test]
    fn a_partition_whose_messages_are_left_in_the_queue_does_not_stand_still() {
        let (mut still, began) = (Standstill::default(), Instant::now());
        let at = |seconds| began + Duration::from_secs(seconds);
        assert_eq!(looks(&mut still, began, &[(0, 9), (4, 9)]), [false, false]);
        still.begin_anew(at(5));
        assert_eq!(looks(&mut still, began, &[(5, 9), (9, 9), (10, 9)]), [false, false, true]);
    }

    #[test]
    fn a_partition_is_looked_at_although_another_is_held_all_the_time() {
        let (mut still, began) = (Standstill::default(), Instant::now());
        let mut looked = Vec::new();
        for second in 0..=100 {
            still.begin_anew(began + Duration::from_secs(second));
            if looks(&mut still, began, &[(second, 9)]) == [true] {
                looked.push(second);
            }
        }
        assert_eq!(looked, [30, 90]);
    }

    #[test]
    fn one_before_an_open_transaction_is_looked_at_although_its_log_grows() {
        let (mut still, began) = (Standstill::default(), Instant::now());
        let at: Vec<_> = (0..60).map(|second| (second, 9 + second as i64)).collect();
        let looked = looks(&mut still, began, &at);
        assert_eq!(looked.iter().filter(|looked| **looked).count(), 1);
        assert!(looked[30]);
        let topic = TopicName::from_static("role_events");
        let partition = TopicPartition { topic, partition: 0 };
        let waiting = still.take_waiting(&partition, began + Duration::from_secs(60));
        assert_eq!(waiting.map(|(next, _, waited)| (next.0, waited.as_secs())), Some((7, 60)));
        assert!(still.take_waiting(&partition, began + Duration::from_secs(90)).is_none());
    }
}

//! How many bytes of records are handed over and not yet dropped.
//!
//! The consumer thread charges every batch, the batch itself pays back when it is dropped,
//! wherever that happens, and so does a copy of one of its records. A partition may have as much as is free
//! beside it, and an equal share always: one that waits, for a dead letter that cannot be written, say, must
//! never stop the others. Pausing has hysteresis, because each pause throws away what librdkafka had fetched
//! ahead.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::batch::Spare;

/// A batch is large enough to be worth its allocation, whatever the limit is.
const MIN_BATCH_BYTES: usize = 4 << 10;
/// The first record of a batch must not wait long, and the records should still be in a cache of the processor
/// when they are handled.
const MAX_BATCH_BYTES: usize = 256 << 10;
/// What keeps a lane busy for much longer than it takes to notice that it needs more.
const MAX_ENOUGH_BYTES: usize = 2 << 20;

/// The bytes in flight of one consumer, and their limit.
#[derive(Debug)]
pub(super) struct Budget {
    in_flight: AtomicUsize,
    limit: usize,
    /// The partitions of all members of the consumer.
    partitions: AtomicUsize,
    pub(super) spare: Spare,
}

/// The bytes in flight of one partition. It lives as long as a batch does, so that a partition
/// that goes and comes back does not begin anew while its old records are still held.
#[derive(Debug, Default)]
pub(super) struct InFlight {
    bytes: AtomicUsize,
}

impl InFlight {
    pub(super) fn get(&self) -> usize {
        self.bytes.load(Ordering::Relaxed)
    }
}

impl Budget {
    pub(super) fn new(limit: usize) -> Arc<Budget> {
        Arc::new(Budget {
            in_flight: AtomicUsize::new(0),
            limit,
            partitions: AtomicUsize::new(0),
            spare: Spare::default(),
        })
    }

    /// The limit is shared by this many partitions more.
    pub(super) fn add_partitions(&self, partitions: usize) {
        self.partitions.fetch_add(partitions, Ordering::Relaxed);
    }

    /// The limit is shared by this many partitions fewer.
    pub(super) fn remove_partitions(&self, partitions: usize) {
        self.partitions.fetch_sub(partitions, Ordering::Relaxed);
    }

    /// Counts `bytes` of a partition until the charge is dropped.
    pub(super) fn charge(self: &Arc<Self>, partition: &Arc<InFlight>, bytes: usize) -> Charge {
        self.in_flight.fetch_add(bytes, Ordering::Relaxed);
        partition.bytes.fetch_add(bytes, Ordering::Relaxed);
        Charge { budget: Arc::clone(self), partition: Arc::clone(partition), bytes }
    }

    /// What one partition may have in flight: at least one batch.
    pub(super) fn share(&self) -> usize {
        (self.limit / self.partitions.load(Ordering::Relaxed).max(1)).max(MIN_BATCH_BYTES)
    }

    /// At how many bytes a batch is full: small against the share, so that the share means
    /// something.
    pub(super) fn batch_bytes(&self) -> usize {
        (self.limit / 8).min(self.share() / 4).clamp(MIN_BATCH_BYTES, MAX_BATCH_BYTES)
    }

    /// How many bytes may be taken before looking again which partitions have to pause. They may
    /// all be of one partition.
    pub(super) fn room(&self) -> usize {
        let free = self.limit.saturating_sub(self.in_flight.load(Ordering::Relaxed));
        free.clamp(self.share() / 4, self.share())
    }

    /// At how many bytes in flight a partition needs no more for now.
    pub(super) fn enough(&self) -> usize {
        (self.share() / 4).clamp(MIN_BATCH_BYTES, MAX_ENOUGH_BYTES)
    }

    /// What one partition may have in flight now: as much as is free, so that one that has nearly all
    /// records is not kept to the share of those that have none, and there is room for others to begin.
    fn allowed(&self) -> usize {
        self.share().max(self.limit.saturating_sub(self.in_flight.load(Ordering::Relaxed)))
    }

    /// Whether a partition has to pause: it has more than it may, or all of them together are above
    /// the limit. One with nothing in flight never pauses, so what others hold cannot stop it.
    pub(super) fn has_to_pause(&self, partition: &InFlight) -> bool {
        let bytes = partition.get();
        bytes > self.allowed() || (bytes > 0 && self.is_spent())
    }

    /// Whether a paused partition may go on.
    pub(super) fn may_go_on(&self, partition: &InFlight) -> bool {
        let bytes = partition.get();
        bytes == 0 || (bytes <= self.allowed() / 2 && !self.is_spent())
    }

    fn is_spent(&self) -> bool {
        self.in_flight.load(Ordering::Relaxed) > self.limit
    }
}

/// Bytes that count until this is dropped.
#[derive(Debug)]
pub(super) struct Charge {
    pub(super) budget: Arc<Budget>,
    partition: Arc<InFlight>,
    bytes: usize,
}

impl Charge {
    /// Counts more bytes of the same partition.
    pub(super) fn another(&self, bytes: usize) -> Charge {
        self.budget.charge(&self.partition, bytes)
    }
}

impl Drop for Charge {
    fn drop(&mut self) {
        self.partition.bytes.fetch_sub(self.bytes, Ordering::Relaxed);
        self.budget.in_flight.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMIT: usize = 100 << 10;
    const SHARE: usize = LIMIT / 4;

    fn budget_of_four() -> (Arc<Budget>, Arc<InFlight>, Arc<InFlight>) {
        let budget = Budget::new(LIMIT);
        budget.add_partitions(4);
        (budget, Arc::default(), Arc::default())
    }

    #[test]
    fn a_partition_pauses_above_its_share_and_goes_on_at_half() {
        let (budget, partition, other) = budget_of_four();
        let third = Arc::default();
        let _others = [&other, &third].map(|one| budget.charge(one, SHARE));
        let first = budget.charge(&partition, SHARE / 2 + 1);
        assert!(!budget.has_to_pause(&partition));
        let second = budget.charge(&partition, SHARE / 2 + 1);
        assert!(budget.has_to_pause(&partition) && !budget.may_go_on(&partition));
        assert!(!budget.has_to_pause(&other));
        drop(second);
        assert!(!budget.has_to_pause(&partition));
        drop(first);
        assert!(budget.may_go_on(&partition));
    }

    #[test]
    fn one_that_has_nearly_all_records_has_half_of_the_limit() {
        let (budget, hot, other) = budget_of_four();
        let half = budget.charge(&hot, LIMIT / 2);
        assert!(!budget.has_to_pause(&hot));
        let more = budget.charge(&hot, 1);
        assert!(budget.has_to_pause(&hot) && !budget.has_to_pause(&other));
        drop(half);
        assert!(budget.may_go_on(&hot));
        drop(more);
        // And what others begin with is taken from it, down to its share.
        let _hot = budget.charge(&hot, LIMIT / 2);
        let _other = budget.charge(&other, SHARE / 2);
        assert!(budget.has_to_pause(&hot) && !budget.has_to_pause(&other));
    }

    #[test]
    fn whoever_holds_nothing_is_not_stopped_by_what_others_hold() {
        let (budget, partition, other) = budget_of_four();
        let _held = budget.charge(&partition, 2 * LIMIT);
        assert!(!budget.has_to_pause(&other) && budget.may_go_on(&other));
        assert!(budget.room() > 0);
        let _one = budget.charge(&other, 1);
        assert!(budget.has_to_pause(&other), "the limit holds for all together");
    }

    #[test]
    fn what_is_copied_out_of_a_batch_counts_when_the_batch_is_gone() {
        let (budget, partition, _) = budget_of_four();
        let batch = budget.charge(&partition, SHARE);
        let kept = batch.another(SHARE * 4 / 3 + 1);
        assert!(budget.has_to_pause(&partition));
        drop(batch);
        assert!(!budget.may_go_on(&partition));
        drop(kept);
        assert!(budget.may_go_on(&partition));
    }

    #[test]
    fn a_share_is_at_least_a_batch() {
        let budget = Budget::new(LIMIT);
        budget.add_partitions(1000);
        assert!(budget.share() >= budget.batch_bytes());
    }
}

//! How many bytes of records are handed over and not yet dropped.
//!
//! The consumer thread charges every batch, the batch itself pays back when it is dropped,
//! wherever that happens, and so does a copy of one of its records. Half of the limit is shared equally, and a
//! partition always has its part of that: one that waits, for a dead letter that cannot be written, say, must
//! never stop the others. The other half is lent to whoever needs more. Pausing has hysteresis, because each
//! pause throws away what librdkafka had fetched ahead.

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
/// that goes and comes back does not begin anew while its old records are still in flight.
#[derive(Debug, Default)]
pub(super) struct InFlight {
    bytes: AtomicUsize,
    /// Of these what is copied out because it waits: no lane is busy with it.
    waiting: AtomicUsize,
}

impl InFlight {
    pub(super) fn get(&self) -> usize {
        self.bytes.load(Ordering::Relaxed)
    }

    /// How many of the bytes a lane can work on now.
    pub(super) fn workable(&self) -> usize {
        self.get().saturating_sub(self.waiting.load(Ordering::Relaxed))
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
        Charge { budget: Arc::clone(self), partition: Arc::clone(partition), bytes, waits: false }
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

    /// At how many bytes in flight a partition needs no more for now: half of what it may have. Of one that has
    /// nearly all records that is much, so that its lane does not run dry between two looks.
    pub(super) fn enough(&self, partition: &InFlight) -> usize {
        (self.allowed(partition) / 2).clamp(MIN_BATCH_BYTES, MAX_ENOUGH_BYTES)
    }

    /// How many bytes are taken before it is looked again what partitions need.
    pub(super) fn turn_bytes(&self) -> usize {
        (self.limit / 4).clamp(MIN_BATCH_BYTES, MAX_ENOUGH_BYTES)
    }

    /// What one partition may have in flight now: its part of the half that is shared, or as much of the other
    /// half as the others leave, so that one that has nearly all records is not kept to the part of those that
    /// have none. All together they have no more than the limit and a batch each.
    fn allowed(&self, partition: &InFlight) -> usize {
        let others = self.in_flight.load(Ordering::Relaxed).saturating_sub(partition.get());
        (self.share() / 2).max((self.limit / 2).saturating_sub(others))
    }

    /// Whether a partition has to pause: it has more than it may.
    pub(super) fn has_to_pause(&self, partition: &InFlight) -> bool {
        partition.get() > self.allowed(partition)
    }

    /// Whether a paused partition may go on.
    pub(super) fn may_go_on(&self, partition: &InFlight) -> bool {
        partition.get() <= self.allowed(partition) / 2
    }

    /// The bytes in flight of all partitions.
    pub(super) fn in_flight(&self) -> usize {
        self.in_flight.load(Ordering::Relaxed)
    }
}

/// Bytes that count until this is dropped.
#[derive(Debug)]
pub(super) struct Charge {
    pub(super) budget: Arc<Budget>,
    partition: Arc<InFlight>,
    bytes: usize,
    waits: bool,
}

impl Charge {
    /// Counts what is copied out of the batch because it waits.
    pub(super) fn another(&self, bytes: usize) -> Charge {
        self.partition.waiting.fetch_add(bytes, Ordering::Relaxed);
        let mut charge = self.budget.charge(&self.partition, bytes);
        charge.waits = true;
        charge
    }
}

impl Drop for Charge {
    fn drop(&mut self) {
        self.partition.bytes.fetch_sub(self.bytes, Ordering::Relaxed);
        if self.waits {
            self.partition.waiting.fetch_sub(self.bytes, Ordering::Relaxed);
        }
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
    fn a_partition_pauses_above_its_part_and_goes_on_at_half() {
        let (budget, partition, other) = budget_of_four();
        let third = Arc::default();
        let _others = [&other, &third].map(|one| budget.charge(one, SHARE / 2));
        let _fourth = budget.charge(&Arc::default(), SHARE / 2);
        let first = budget.charge(&partition, SHARE / 4);
        let second = budget.charge(&partition, SHARE / 4);
        assert!(!budget.has_to_pause(&partition));
        let third = budget.charge(&partition, 1);
        assert!(budget.has_to_pause(&partition) && !budget.may_go_on(&partition));
        drop((second, third));
        assert!(!budget.has_to_pause(&partition) && budget.may_go_on(&partition));
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
        // And what others begin with is taken from it, down to its part.
        let _hot = budget.charge(&hot, LIMIT / 2);
        let _other = budget.charge(&other, SHARE / 2);
        assert!(budget.has_to_pause(&hot) && !budget.has_to_pause(&other));
    }

    #[test]
    fn one_that_has_nearly_all_records_has_enough_when_its_lane_is_busy_for_long() {
        let budget = Budget::new(48 << 20);
        budget.add_partitions(60);
        let (hot, other) = (Arc::default(), Arc::default());
        assert_eq!(budget.enough(&hot), MAX_ENOUGH_BYTES);
        // Where all have records it is a part of the share.
        let _others = budget.charge(&other, 24 << 20);
        assert_eq!(budget.enough(&hot), budget.share() / 4);
        assert!(!budget.has_to_pause(&hot));
    }

    #[test]
    fn whoever_has_less_than_its_part_is_not_stopped_by_what_others_hold() {
        let (budget, partition, other) = budget_of_four();
        let borrowers = [&partition, &Arc::default(), &Arc::default()];
        let _retained = borrowers.map(|one| budget.charge(one, LIMIT));
        assert!(!budget.has_to_pause(&other) && budget.may_go_on(&other));
        assert!(budget.room() > 0);
        // A record that waits for its next attempt, and a batch.
        let _one = budget.charge(&other, 100);
        assert!(!budget.has_to_pause(&other) && budget.may_go_on(&other));
        let _more = budget.charge(&other, SHARE / 2);
        assert!(budget.has_to_pause(&other), "the limit holds for all together");
    }

    #[test]
    fn what_waits_keeps_no_lane_busy() {
        let (budget, partition, _) = budget_of_four();
        let batch = budget.charge(&partition, 1000);
        let kept = batch.another(300);
        assert_eq!((partition.get(), partition.workable()), (1300, 1000));
        drop(batch);
        assert_eq!((partition.get(), partition.workable()), (300, 0));
        drop(kept);
        assert_eq!((partition.get(), partition.workable()), (0, 0));
    }

    #[test]
    fn what_is_copied_out_of_a_batch_counts_when_the_batch_is_gone() {
        let (budget, partition, _) = budget_of_four();
        let batch = budget.charge(&partition, SHARE);
        let kept = batch.another(LIMIT / 2);
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

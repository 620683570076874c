//! How many bytes of records are handed over and not yet dropped.
//!
//! The consumer thread charges every batch, the batch itself pays back when it is dropped,
//! wherever that happens. Pausing has hysteresis, because each pause throws away what librdkafka
//! had fetched ahead.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// The bytes in flight of one consumer, and their limit.
#[derive(Debug)]
pub(super) struct Budget {
    in_flight: AtomicUsize,
    limit: usize,
}

impl Budget {
    pub(super) fn new(limit: usize) -> Arc<Budget> {
        Arc::new(Budget { in_flight: AtomicUsize::new(0), limit })
    }

    /// Counts `bytes` until the charge is dropped.
    pub(super) fn charge(self: &Arc<Self>, bytes: usize) -> Charge {
        self.in_flight.fetch_add(bytes, Ordering::Relaxed);
        Charge { budget: Arc::clone(self), bytes }
    }

    /// At how many bytes a batch is full: small against the limit, so that the limit means
    /// something, and never so large that the first record of a batch waits long.
    pub(super) fn batch_bytes(&self) -> usize {
        (self.limit / 8).clamp(4 << 10, 1 << 20)
    }

    /// How many bytes are still free.
    pub(super) fn room(&self) -> usize {
        self.limit.saturating_sub(self.in_flight.load(Ordering::Relaxed))
    }

    /// Whether fetching has to pause.
    pub(super) fn is_spent(&self) -> bool {
        self.in_flight.load(Ordering::Relaxed) > self.limit
    }

    /// Whether a paused consumer may go on.
    pub(super) fn is_half_free(&self) -> bool {
        self.in_flight.load(Ordering::Relaxed) <= self.limit / 2
    }
}

/// Bytes that count until this is dropped.
#[derive(Debug)]
pub(super) struct Charge {
    budget: Arc<Budget>,
    bytes: usize,
}

impl Drop for Charge {
    fn drop(&mut self) {
        self.budget.in_flight.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_above_the_limit_and_goes_on_at_half() {
        let budget = Budget::new(100);
        let first = budget.charge(60);
        assert!(!budget.is_spent());
        let second = budget.charge(41);
        assert!(budget.is_spent() && !budget.is_half_free());
        drop(second);
        assert!(!budget.is_spent() && !budget.is_half_free());
        drop(first);
        assert!(budget.is_half_free());
    }
}

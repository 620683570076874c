//! What a lane holds of the batches whose records wait.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::{Concurrent, Ticket};
use crate::delivery::RecordBatch;
use crate::processor::lane::call::Shared;
use crate::processor::settle::Job;
use crate::processor::tracker::Sequence;

impl Concurrent {
    /// Lets a settled record go, and with it a batch of which little is left: what waits there is
    /// copied out, or a key that is stuck would hold every batch that it has a record in.
    pub(super) fn forget(&mut self, sequence: Sequence) {
        let Some(ticket) = self.tickets.remove(&sequence) else { return };
        let shared = ticket.shared;
        shared.running.fetch_sub(1, Ordering::Relaxed);
        let open = shared.open.fetch_sub(1, Ordering::Relaxed) - 1;
        // Not at every one, because looking through the batch is not free.
        if open <= (shared.batch.len() / 8).max(1) && open.is_power_of_two() {
            self.keep_waiting(&shared);
        }
        self.note_rest(&shared);
    }

    /// A record that a call had is to be tried again.
    pub(super) fn take_back(&mut self, sequence: Sequence, job: Option<Job>) {
        let Some(ticket) = self.tickets.get_mut(&sequence) else { return };
        (ticket.is_running, ticket.job) = (false, job);
        let shared = Arc::clone(&ticket.shared);
        shared.running.fetch_sub(1, Ordering::Relaxed);
        // Its batch may be held for it alone.
        self.keep(sequence);
        self.note_rest(&shared);
    }

    /// Notes a batch of which something is done and nothing is running.
    pub(super) fn note_rest(&mut self, shared: &Arc<Shared>) {
        let open = shared.open.load(Ordering::Relaxed);
        if (1..shared.batch.len()).contains(&open)
            && shared.running.load(Ordering::Relaxed) == 0
            && !shared.is_resting.swap(true, Ordering::Relaxed)
        {
            self.resting.push(Arc::downgrade(shared));
        }
    }

    /// Copies out what waits in the batches of which nothing is running still. Called when that is not
    /// because others have the places of their handlers: it waits for something that may take long, and
    /// would hold all that came with it.
    pub(super) fn let_resting_go(&mut self) {
        for shared in std::mem::take(&mut self.resting) {
            let Some(shared) = shared.upgrade() else { continue };
            shared.is_resting.store(false, Ordering::Relaxed);
            if shared.running.load(Ordering::Relaxed) == 0 {
                self.keep_waiting(&shared);
            }
        }
    }

    fn keep_waiting(&mut self, shared: &Arc<Shared>) {
        let Some(first) = shared.first else { return };
        for sequence in first.following(shared.batch.len()) {
            if self.agenda.is_waiting(sequence)
                && self.tickets.get(&sequence).is_some_and(|t| Arc::ptr_eq(&t.shared, shared))
            {
                self.keep(sequence);
            }
        }
    }

    /// Copies a record that waits out of its batch. The copy counts against what the partition may have
    /// in flight, as the batch does.
    pub(super) fn keep(&mut self, sequence: Sequence) {
        let Some(ticket) = self.tickets.get_mut(&sequence) else { return };
        if ticket.is_running || ticket.shared.batch.len() == 1 {
            return;
        }
        let Some(record) = ticket.shared.batch.get(ticket.index) else { return };
        let partition = Arc::clone(ticket.shared.batch.partition());
        let epoch = ticket.shared.batch.epoch();
        let overhead_bytes = size_of::<Ticket>() + size_of::<Job>();
        let batch = RecordBatch::of_one(partition, epoch, record, overhead_bytes);
        let open = AtomicUsize::new(1);
        let one = Shared { open, first: Some(sequence), ..Shared::new(batch) };
        let whole = std::mem::replace(&mut ticket.shared, Arc::new(one));
        whole.open.fetch_sub(1, Ordering::Relaxed);
        ticket.index = 0;
    }
}

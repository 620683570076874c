//! What a lane holds of the batches whose records are in flight.

use std::sync::Arc;

use slab::Slab;

use super::Concurrent;
use super::record::InFlight;
use super::scheduler::RecordId;
use crate::delivery::{OpenBatch, RecordBatch};
use crate::processor::settle::Job;

/// The batches of which records are in flight, by number.
#[derive(Default)]
pub(super) struct OpenBatches(Slab<InFlightBatch>);

struct InFlightBatch {
    batch: Arc<OpenBatch>,
    /// Those of its records that are in flight, and some that were.
    records: Vec<RecordId>,
    /// How many are not settled.
    open: usize,
    /// How many calls have.
    running: usize,
    /// Whether it is still being taken in.
    is_current: bool,
    /// Whether the lane has noted that none is running.
    is_resting: bool,
}

impl InFlightBatch {
    fn new(batch: Arc<OpenBatch>, is_current: bool) -> Self {
        InFlightBatch {
            batch,
            records: Vec::new(),
            open: 0,
            running: 0,
            is_current,
            is_resting: false,
        }
    }

    /// Whether something of it is done and nothing is running.
    fn rests(&self) -> bool {
        self.running == 0 && (1..self.batch.records.len()).contains(&self.open)
    }
}

impl OpenBatches {
    /// Begins to take a batch in.
    pub(super) fn begin(&mut self, batch: Arc<OpenBatch>) -> usize {
        self.0.insert(InFlightBatch::new(batch, true))
    }

    /// A record of the batch is in flight.
    pub(super) fn admitted(&mut self, number: usize, id: RecordId) {
        if let Some(batch) = self.0.get_mut(number) {
            batch.records.push(id);
            batch.open += 1;
        }
    }

    pub(super) fn get(&self, number: usize) -> Option<&Arc<OpenBatch>> {
        self.0.get(number).map(|batch| &batch.batch)
    }

    fn drop_if_done(&mut self, number: usize) {
        if self.0.get(number).is_some_and(|batch| batch.open == 0 && !batch.is_current) {
            self.0.remove(number);
        }
    }
}

impl Concurrent {
    /// All records of a batch are taken in.
    pub(super) fn taken_in(&mut self, number: usize) {
        if let Some(batch) = self.batches.0.get_mut(number) {
            batch.is_current = false;
        }
        self.note_rest(number);
        self.batches.drop_if_done(number);
    }

    /// A call has a record.
    pub(super) fn note_running(&mut self, id: RecordId) {
        let Some(record) = self.scheduler.get_mut(id) else { return };
        // One whose outcome is carried out was counted when its attempt went on as a task.
        if !std::mem::replace(&mut record.is_running, true)
            && let Some(batch) = self.batches.0.get_mut(record.batch)
        {
            batch.running += 1;
        }
    }

    /// No call has it any more.
    fn note_returned(&mut self, id: RecordId) {
        if let Some(record) = self.scheduler.get_mut(id)
            && std::mem::replace(&mut record.is_running, false)
            && let Some(batch) = self.batches.0.get_mut(record.batch)
        {
            batch.running -= 1;
        }
    }

    /// Lets a settled record go, and with it a batch of which little is left: what waits there is
    /// copied out, or a key that is stuck would hold every batch that it has a record in.
    pub(super) fn forget(&mut self, InFlight { batch: number, is_running, .. }: &InFlight) {
        let number = *number;
        let Some(batch) = self.batches.0.get_mut(number) else { return };
        batch.running -= usize::from(*is_running);
        batch.open -= 1;
        let open = batch.open;
        if open == 0 {
            self.batches.drop_if_done(number);
            return;
        }
        // Not at every one, because looking through the batch is not free.
        if !batch.is_current
            && open <= (batch.batch.records.len() / 8).max(1)
            && open.is_power_of_two()
        {
            self.keep_waiting(number);
        }
        self.note_rest(number);
    }

    /// A record that a call had is to be retried.
    pub(super) fn take_back(&mut self, id: RecordId, job: Option<Box<Job>>) {
        self.note_returned(id);
        let Some(record) = self.scheduler.get_mut(id) else { return };
        record.job = job;
        let number = record.batch;
        // Its batch may be retained for it alone.
        self.keep(id);
        self.note_rest(number);
    }

    /// Notes a batch of which something is done and nothing is running.
    fn note_rest(&mut self, number: usize) {
        if let Some(batch) = self.batches.0.get_mut(number)
            && batch.rests()
            && !std::mem::replace(&mut batch.is_resting, true)
        {
            self.resting.push(number);
        }
    }

    /// Copies out what waits in the batches of which nothing is running still. Called when that is not
    /// because others have the places of their handlers: it waits for something that may take long, and
    /// would hold all that came with it.
    pub(super) fn let_resting_go(&mut self) {
        for number in std::mem::take(&mut self.resting) {
            let Some(batch) = self.batches.0.get_mut(number) else { continue };
            // The number may be that of another batch by now, which is not noted.
            if std::mem::replace(&mut batch.is_resting, false) && batch.running == 0 {
                self.keep_waiting(number);
            }
        }
    }

    fn keep_waiting(&mut self, number: usize) {
        let Some(batch) = self.batches.0.get_mut(number) else { return };
        // Those that wait leave the batch, and those that do not are copied when they are taken back.
        for id in std::mem::take(&mut batch.records) {
            let is_of_it = self.scheduler.get(id).is_some_and(|record| record.batch == number);
            if is_of_it && self.scheduler.is_waiting(id) {
                self.keep(id);
            }
        }
    }

    /// Copies a record that waits out of its batch. The copy counts against what the partition may have
    /// in flight, as the batch does.
    fn keep(&mut self, id: RecordId) {
        let Some(in_flight) = self.scheduler.get_mut(id) else { return };
        let number = in_flight.batch;
        let Some(whole) = self.batches.get(number) else { return };
        if in_flight.is_running || whole.records.len() == 1 {
            return;
        }
        let Some(record) = whole.records.get(in_flight.index) else { return };
        let (partition, epoch) = (Arc::clone(whole.records.partition()), whole.records.epoch());
        let overhead_bytes = size_of::<InFlight>() + size_of::<Job>();
        let one = RecordBatch::of_one(partition, epoch, record, overhead_bytes);
        let mut one = InFlightBatch::new(self.settler.open_copy(one), false);
        one.open = 1;
        (in_flight.batch, in_flight.index) = (self.batches.0.insert(one), 0);
        if let Some(whole) = self.batches.0.get_mut(number) {
            whole.open -= 1;
        }
        self.batches.drop_if_done(number);
    }
}

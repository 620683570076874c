//! What a lane starts in a turn, and when the next turn is due although nothing happens.

use std::cmp::Reverse;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use tokio::time::Instant;

use super::{Concurrent, NO_HANDLER};
use crate::processor::agenda::{Call, HandlerIndex};
use crate::processor::gate::Entry;
use crate::processor::lane::call::call;

impl Concurrent {
    /// Starts every call that may be made now.
    pub(super) fn start(&mut self) {
        let now = Instant::now();
        // At every turn: while calls end all the time, no timer is heard.
        self.wake(now);
        self.started_at = now;
        self.opens = None;
        let mut starts = false;
        loop {
            let (settler, opens) = (&self.settler, std::cell::Cell::new(self.opens));
            let is_open = |handler: HandlerIndex| {
                if handler == NO_HANDLER {
                    return true;
                }
                match settler.engine.handler_at(handler).gate.look() {
                    Entry::Open => true,
                    Entry::NotBefore(at) => {
                        opens.set(Some(opens.get().map_or(at, |earlier| earlier.min(at))));
                        false
                    }
                    Entry::Shut => false,
                }
            };
            let call = self.agenda.start(now, is_open);
            self.opens = opens.get();
            let Some(call) = call else { break };
            self.spawn(call);
            starts = true;
        }
        // A place that nobody takes, or nobody waits for one: whatever rests now waits for else.
        let has_place = std::mem::take(&mut self.has_place);
        if !starts && !self.resting.is_empty() && (has_place || !self.agenda.lacks_room()) {
            self.let_resting_go();
        }
    }

    fn spawn(&mut self, Call { handler, records }: Call) {
        let mut taken = Vec::with_capacity(records.len());
        for sequence in records {
            if let Some(ticket) = self.tickets.get_mut(&sequence) {
                ticket.is_running = true;
                let shared = Arc::clone(&ticket.shared);
                shared.running.fetch_add(1, Ordering::Relaxed);
                taken.push((sequence, shared, ticket.index, ticket.job.take()));
            }
        }
        self.calls.spawn(call(Arc::clone(&self.settler), handler, taken));
    }

    /// When there is something to do although nothing happens.
    pub(super) fn wakes_at(&self) -> Option<Instant> {
        let delayed = self.delayed.peek().map(|Reverse((at, _))| *at);
        // What was due when the calls were started waits for something else.
        let flush = self.agenda.next_flush(self.started_at);
        let times = [delayed, self.not_before, flush, self.opens];
        times.into_iter().flatten().min()
    }

    /// Lines up the records whose delay is over.
    fn wake(&mut self, now: Instant) {
        while let Some(Reverse((at, sequence))) = self.delayed.peek().copied()
            && at <= now
        {
            self.delayed.pop();
            self.agenda.again(sequence);
        }
    }
}

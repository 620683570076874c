//! The queue of a key, and the line of a handler.

use std::collections::VecDeque;

use tokio::time::Instant;

use super::{HandlerLimits, RecordId};

/// The in-flight records of one key, or of the partition, in their order. The first is being worked on,
/// or stands in the line of its handler.
#[derive(Debug, Default)]
pub(super) struct Queue {
    pub(super) key: u64,
    pub(super) first: Option<RecordId>,
    pub(super) last: Option<RecordId>,
    /// How many records from the first on one call could take, while the first stands in its line.
    pub(super) counted: usize,
    pub(super) counted_last: Option<RecordId>,
    /// Since when a batch that is full has left the next behind.
    pub(super) left: Option<Instant>,
}

impl Queue {
    pub(super) fn of(key: u64) -> Self {
        Queue { key, ..Queue::default() }
    }

    /// The first does not stand in its line any more; gives back how many it stood for.
    pub(super) fn uncount(&mut self) -> usize {
        self.counted_last = None;
        std::mem::take(&mut self.counted)
    }
}

/// What a handler could start.
#[derive(Debug)]
pub(super) struct Line {
    pub(super) limits: HandlerLimits,
    pub(super) running: u32,
    /// Records that are to be retried now, before all others.
    pub(super) again: VecDeque<RecordId>,
    /// Records that nothing is in the way of; one of a queue stands for those counted there.
    pub(super) ready: VecDeque<RecordId>,
    /// How many records they stand for.
    pub(super) available: usize,
    /// Since when the first of them waits for a batch to fill.
    pub(super) since: Option<Instant>,
    pub(super) has_turn: bool,
}

impl Default for Line {
    fn default() -> Self {
        Line {
            limits: HandlerLimits { concurrency: 1, batch: None },
            running: 0,
            again: VecDeque::new(),
            ready: VecDeque::new(),
            available: 0,
            since: None,
            has_turn: false,
        }
    }
}

impl Line {
    pub(super) fn has_room(&self) -> bool {
        self.running < self.limits.concurrency
    }

    pub(super) fn has_more(&self) -> bool {
        !self.ready.is_empty() || !self.again.is_empty()
    }

    /// Whether what is ready need not wait for more.
    pub(super) fn is_due(&self, now: Instant) -> bool {
        match (self.limits.batch, self.since) {
            (None, _) => !self.ready.is_empty(),
            (Some((max, wait)), Some(since)) => {
                self.available >= max || now.duration_since(since) >= wait
            }
            (Some(_), None) => false,
        }
    }
}

//! How far a lane has come.

use std::sync::atomic::{AtomicI64, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::delivery::{NextOffset, Offset, SettledAbove};
use crate::processor::tracker::{Sequence, Tracker};

// No offset is settled yet. Kafka's offsets are never negative.
const NOTHING: i64 = -1;

/// How many settled records are noted at most before the tracker is updated.
const NOTED: usize = 256;

/// How far a lane has come. The lane writes it; the processor's loop reads it for a commit.
#[derive(Debug)]
pub(super) enum Progress {
    /// The next offset, everything before which is settled.
    Sequential(AtomicI64),
    /// What is settled, in whatever order.
    Tracked(Box<Tracked>),
}

/// A tracker, and what was settled since its last update. So a record costs no lock, and what
/// is settled counts although a handler blocks the lane just then.
#[derive(Debug)]
pub(super) struct Tracked {
    folded: Mutex<Folded>,
    noted: [AtomicU64; NOTED],
    /// How many are noted. Only the lane adds to them, and only the lane takes them away, under the lock.
    count: AtomicUsize,
    /// The offset that was passed and that the tracker does not know yet.
    passed: AtomicI64,
}

#[derive(Debug)]
struct Folded {
    tracker: Tracker,
    /// How many of those that are noted the tracker knows.
    noted: usize,
}

impl Tracked {
    fn lock(&self) -> MutexGuard<'_, Folded> {
        // Every change of a tracker is a whole one.
        let mut folded = self.folded.lock().unwrap_or_else(PoisonError::into_inner);
        let count = self.count.load(Ordering::Acquire);
        for noted in self.noted.iter().take(count).skip(folded.noted) {
            folded.tracker.settle(Sequence::of(noted.load(Ordering::Relaxed)));
        }
        folded.noted = count;
        let passed = self.passed.swap(NOTHING, Ordering::AcqRel);
        if passed != NOTHING {
            folded.tracker.pass(NextOffset(passed));
        }
        folded
    }

    /// Passes what is noted to the tracker.
    fn fold(&self) {
        if self.count.load(Ordering::Relaxed) > 0 {
            let mut folded = self.lock();
            folded.noted = 0;
            self.count.store(0, Ordering::Release);
        }
    }

    fn settle(&self, sequence: Sequence) {
        let mut count = self.count.load(Ordering::Relaxed);
        if count == NOTED {
            self.fold();
            count = 0;
        }
        if let Some(noted) = self.noted.get(count) {
            noted.store(sequence.number(), Ordering::Relaxed);
            self.count.store(count + 1, Ordering::Release);
        }
    }
}

impl Progress {
    pub(super) fn sequential() -> Self {
        Progress::Sequential(AtomicI64::new(NOTHING))
    }

    pub(super) fn tracked(tracker: Tracker) -> Self {
        Progress::Tracked(Box::new(Tracked {
            folded: Mutex::new(Folded { tracker, noted: 0 }),
            noted: std::array::from_fn(|_| AtomicU64::new(0)),
            count: AtomicUsize::new(0),
            passed: AtomicI64::new(NOTHING),
        }))
    }

    /// Of a lane that goes record by record: everything up to `offset` is settled.
    pub(super) fn settled(&self, offset: Offset) {
        if let Progress::Sequential(next) = self {
            next.store(offset.next().0, Ordering::Release);
        }
    }

    /// Of a lane with a tracker: a record is settled. Only the lane calls this, and [`fold`](Self::fold).
    pub(super) fn settle(&self, sequence: Sequence) {
        if let Progress::Tracked(tracked) = self {
            tracked.settle(sequence);
        }
    }

    /// Of a lane with a tracker of which nothing is in flight: everything before `next` is settled, and was not
    /// delivered to the tracker. Only the lane calls this.
    pub(super) fn settle_range(&self, next: NextOffset) {
        if let Progress::Tracked(tracked) = self {
            tracked.passed.store(next.0, Ordering::Release);
        }
    }

    /// Passes what was settled to the tracker.
    pub(super) fn fold(&self) {
        if let Progress::Tracked(tracked) = self {
            tracked.fold();
        }
    }

    /// No record comes before `next`, and all that came are known here.
    pub(super) fn passed(&self, passed: NextOffset) {
        if let Progress::Sequential(next) = self {
            next.store(passed.0, Ordering::Release);
        }
        self.track(|tracker| tracker.pass(passed));
    }

    pub(super) fn track<T>(&self, change: impl FnOnce(&mut Tracker) -> T) -> Option<T> {
        match self {
            Progress::Sequential(_) => None,
            Progress::Tracked(tracked) => Some(change(&mut tracked.lock().tracker)),
        }
    }

    /// Where to go on, everything before it being settled, and what to note with it: what is settled
    /// beyond, in at most `max_metadata_bytes`.
    pub(super) fn next(&self, max_metadata_bytes: usize) -> Option<(NextOffset, String)> {
        match self {
            Progress::Sequential(next) => match next.load(Ordering::Acquire) {
                NOTHING => None,
                next => Some((NextOffset(next), String::new())),
            },
            Progress::Tracked(_) => self.track(|tracker| {
                let above: SettledAbove = tracker.settled_above();
                let next = match tracker.next() {
                    Some(next) => next,
                    // Nothing before the first record was delivered to us, so this takes back nothing.
                    None if !above.is_empty() => tracker.first()?,
                    None => return None,
                };
                Some((next, above.encode(next, max_metadata_bytes)))
            })?,
        }
    }
}

//! Sees what is in flight, and handlers that block the thread they run on.
//!
//! A handler that waits is polled now and then; one that computes, or calls what blocks, is inside
//! one poll all the time, and with it everything else on its thread. Nothing can stop it there, but
//! it can be named. A lane writes three numbers for each attempt and two for each poll; a thread looks at
//! them a few times a second, so that no record pays for a clock.
//!
//! A thread looks four times a second at what is in flight, so that records pay for no clock: it names a handler
//! that does not let go of its thread or has had a record for 30 s, and what was in flight when a drain was over can
//! be named: a handler's record, or one that is being written to a topic for dead letters or retries. A thread,
//! because such a handler may hold all others.

mod thread;

use std::collections::BTreeMap;
use std::future::poll_fn;
use std::pin::pin;
use std::sync::atomic::{AtomicI64, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::{Duration, Instant};

use super::engine::Engine;
use crate::delivery::{Offset, TopicPartition};
use crate::event::TopicName;
use crate::observe::{InFlightAttempt, Observation};

/// After how long a poll that does not return is reported.
const BLOCKED: Duration = Duration::from_secs(1);
// Nothing is in the slot.
const NOBODY: usize = usize::MAX;
// A record is being written, which is no handler's business any more.
const WRITE: usize = usize::MAX - 1;

/// What one task has in flight.
#[derive(Debug)]
pub(super) struct Slot {
    partition: TopicPartition,
    handler: AtomicUsize,
    offset: AtomicI64,
    /// When the attempt began, in milliseconds of the watch's own clock.
    since_ms: AtomicU64,
    /// Counts polls begun and ended: odd inside of one.
    polls: AtomicU64,
    /// Where a record goes, and the handler that it comes from.
    write: Mutex<Option<(TopicName, Option<String>)>>,
}

/// The slots of all tasks of an engine, and a clock that costs nothing to read.
#[derive(Debug)]
pub(super) struct Watch {
    slots: Mutex<Vec<Weak<Slot>>>,
    begun: Instant,
    now_ms: AtomicU64,
}

impl Watch {
    pub(super) fn new() -> Self {
        Watch { slots: Mutex::default(), begun: Instant::now(), now_ms: AtomicU64::new(0) }
    }

    /// A slot for a task.
    pub(super) fn slot(&self, partition: &TopicPartition) -> Arc<Slot> {
        let slot = Arc::new(Slot {
            partition: partition.clone(),
            handler: AtomicUsize::new(NOBODY),
            offset: AtomicI64::new(0),
            since_ms: AtomicU64::new(0),
            polls: AtomicU64::new(0),
            write: Mutex::default(),
        });
        let mut slots = self.slots.lock().unwrap_or_else(PoisonError::into_inner);
        if slots.len() == slots.capacity() {
            slots.retain(|slot| slot.strong_count() > 0);
        }
        slots.push(Arc::downgrade(&slot));
        slot
    }

    pub(super) fn begin(&self, slot: &Slot, handler: usize, offset: Offset) {
        slot.offset.store(offset.0, Ordering::Relaxed);
        slot.since_ms.store(self.now_ms.load(Ordering::Relaxed), Ordering::Relaxed);
        slot.handler.store(handler, Ordering::Release);
    }

    /// A record is on its way to a topic.
    pub(super) fn begin_write(
        &self,
        slot: &Slot,
        offset: Offset,
        topic: &TopicName,
        handler: Option<&str>,
    ) {
        *slot.write() = Some((topic.clone(), handler.map(str::to_owned)));
        self.begin(slot, WRITE, offset);
    }

    fn all(&self) -> Vec<Arc<Slot>> {
        let slots = self.slots.lock().unwrap_or_else(PoisonError::into_inner);
        slots.iter().filter_map(Weak::upgrade).collect()
    }

    fn elapsed_ms(&self) -> u64 {
        u64::try_from(self.begun.elapsed().as_millis()).unwrap_or(u64::MAX)
    }
}

impl Slot {
    // Only the task that has the slot writes it, so this needs no more than a store.
    pub(super) fn count_poll(&self) {
        let polls = self.polls.load(Ordering::Relaxed);
        self.polls.store(polls.wrapping_add(1), Ordering::Release);
    }

    pub(super) fn end(&self) {
        self.handler.store(NOBODY, Ordering::Release);
    }

    fn write(&self) -> MutexGuard<'_, Option<(TopicName, Option<String>)>> {
        self.write.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Engine {
    /// What handlers have in flight now and what is being written, the oldest first.
    pub(super) fn in_flight(&self, partition: Option<&TopicPartition>) -> Vec<InFlightAttempt> {
        let slots = self.watch.all();
        let slots = slots.iter().filter(|slot| partition.is_none_or(|p| *p == slot.partition));
        let mut in_flight: Vec<_> = slots.filter_map(|slot| self.look(slot)).collect();
        in_flight.sort_by_key(|hand| std::cmp::Reverse(hand.since));
        in_flight
    }

    /// What handlers have had in flight for longer than `limit`; most looks find nothing, and copy
    /// nothing. A slow write is reported by whoever repeats it.
    fn in_flight_for(&self, limit: Duration) -> Vec<InFlightAttempt> {
        let now_ms = self.watch.elapsed_ms();
        let is_old = |slot: &&Arc<Slot>| {
            let since_ms = slot.since_ms.load(Ordering::Relaxed);
            slot.handler.load(Ordering::Acquire) < WRITE
                && Duration::from_millis(now_ms.saturating_sub(since_ms)) >= limit
        };
        let slots = self.watch.all();
        let old = slots.iter().filter(is_old).filter_map(|slot| self.look(slot));
        // It may have ended, and another begun, between the two looks.
        old.filter(|hand| hand.since >= limit && hand.on_its_way_to.is_none()).collect()
    }

    fn look(&self, slot: &Slot) -> Option<InFlightAttempt> {
        let (on_its_way_to, handler, is_blocking) = match slot.handler.load(Ordering::Acquire) {
            WRITE => slot.write().clone().map(|(topic, handler)| (Some(topic), handler, false))?,
            handler => {
                let (handler, is_blocking) = self.handler_named(handler)?;
                (None, Some(handler.to_owned()), is_blocking)
            }
        };
        let since_ms = slot.since_ms.load(Ordering::Relaxed);
        Some(InFlightAttempt {
            handler,
            is_blocking,
            partition: slot.partition.clone(),
            offset: Offset(slot.offset.load(Ordering::Relaxed)),
            on_its_way_to,
            since: Duration::from_millis(self.watch.elapsed_ms().saturating_sub(since_ms)),
        })
    }

    /// Has this engine looked at from now on.
    pub(super) fn watch_handlers(self: &Arc<Self>) -> std::io::Result<()> {
        thread::watch(self)
    }

    /// Reports each handler whose attempts go on for long, with the oldest of them. `before` says of those
    /// that did the last time when they are reported next.
    fn report_slow(&self, before: &Slow, long: Vec<InFlightAttempt>) -> Slow {
        let mut oldest = BTreeMap::<String, InFlightAttempt>::new();
        for mut hand in long {
            let Some(handler) = hand.handler.take() else { continue };
            let known = oldest.entry(handler).or_insert_with(|| hand.clone());
            if known.since < hand.since {
                *known = hand;
            }
        }
        let slow = oldest.into_iter().map(
            |(handler, InFlightAttempt { partition, offset, since, .. })| {
                let due = before.get(&handler).copied().unwrap_or(since);
                if since < due {
                    return (handler, due);
                }
                let (partition, handler_id) = (&partition, &*handler);
                self.observers.notify(&Observation::HandlerSlow {
                    partition,
                    offset,
                    handler: handler_id,
                    since,
                });
                (handler, since.saturating_mul(2))
            },
        );
        slow.collect()
    }

    /// Reports polls that go on for long. `before` are those that were under way the last time.
    fn find_blocked(&self, before: &[Blocked]) -> Vec<Blocked> {
        let mut blocked = Vec::new();
        for slot in self.watch.all() {
            let polls = slot.polls.load(Ordering::Acquire);
            if polls.is_multiple_of(2) {
                continue;
            }
            let address = Arc::as_ptr(&slot).addr();
            let same = |b: &&Blocked| b.polls == polls && b.slot == address;
            let mut now = before.iter().find(same).copied().unwrap_or(Blocked {
                slot: address,
                polls,
                since: Instant::now(),
                next_report: BLOCKED,
            });
            let gone = now.since.elapsed();
            if gone >= now.next_report
                && let Some(hand) = self.look(&slot)
                && let Some(handler) = &hand.handler
            {
                now.next_report = now.next_report.saturating_mul(2);
                self.observers.notify(&Observation::Blocked {
                    partition: &hand.partition,
                    offset: hand.offset,
                    handler,
                    since: gone,
                });
            }
            blocked.push(now);
        }
        blocked
    }
}

/// The handlers whose attempts go on for long, each with its next report.
type Slow = BTreeMap<String, Duration>;

/// A poll that was under way when the thread looked. The address only distinguishes slots.
#[derive(Clone, Copy)]
struct Blocked {
    slot: usize,
    polls: u64,
    since: Instant,
    next_report: Duration,
}

/// Runs `future` with its polls seen.
pub(super) async fn watched<T>(slot: &Slot, future: impl Future<Output = T>) -> T {
    let mut future = pin!(future);
    poll_fn(|context| {
        slot.count_poll();
        let polled = future.as_mut().poll(context);
        slot.count_poll();
        polled
    })
    .await
}

#[cfg(all(test, feature = "testing"))]
mod tests;

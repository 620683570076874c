//! What becomes of one record: handled, skipped, dead-lettered or retried.
//!
//! # Failure
//!
//! `settle::apply_outcome` turns an outcome into one of: settled, try again after a delay, or write elsewhere and then
//! settled. What an error asks for is said where it passes (`.dead_letter()`), by its type
//! (`#[derive(EventError)]`, found through the chain of causes), or by the handler's `retry(on = ..)`, in this
//! order. A breaker counts failures of a handler in a row; open, it lets nobody in until its pause is over, then
//! one attempt, which decides; one of a record that cannot be decoded says nothing, and leaves it to the next. An
//! error that says `unavailable` opens it at once and uses up no attempt. One failure of a whole batch (an error, a
//! panic, a time-out) says nothing of any of its records: after the delay that it asks for, or else the first of
//! the backoff, each is tried alone, in its order, and the call of the whole was no attempt at any.
//!
//! Retry topics are read by the same group. A record there says in its headers where it was first, who is to handle
//! it and when; its lane does not take it in before that. All records of one such topic wait for the same time, so
//! the first is always due first. The handler sees the record where it was first, and so does a dead letter made of
//! it. A redrive topic is the same without a delay: what a person has redriven comes back to the one handler that
//! failed.

mod direct;
mod apply_outcome;
mod lookup;
mod read;
mod write;

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::watch;

use super::attempt::attempt;
use super::dead_letter::{DeadLetter, Failures};
use super::engine::{Engine, HandlerState, Source};
use super::gate::Entry;
use super::watch::{Slot, watched};
use crate::broker::BrokerError;
use crate::delivery::{
    Delivery, DeliveryContext, LazyEnvelope, Offset, ReadEnvelope, RecordRef, Shutdown,
    TopicPartition,
};
use crate::event::Envelope;
use crate::outcome::Outcome;
use crate::router::Route;

pub(super) use apply_outcome::{AttemptState, Attempted, verdict_on};
pub(super) use lookup::Found;
pub(super) use read::{Job, Read, event_of};

/// Settles the records of one partition.
pub(super) struct Settler {
    pub(super) engine: Arc<Engine>,
    /// Where the records lie.
    pub(super) partition: TopicPartition,
    pub(super) source: Source,
    stopped: watch::Receiver<bool>,
    context: Arc<DeliveryContext>,
    /// Slots of calls that have ended, for the next ones.
    slots: Mutex<Vec<Arc<Slot>>>,
}

/// Why a record was left as it is.
#[derive(Debug)]
pub(super) enum NotSettled {
    /// The lane was asked to stop.
    Stopped,
    /// Its dead letter cannot be written with this producer any more.
    Producer(BrokerError),
    /// Nobody handles it, and the service is asked to stop before such an event.
    UnknownEvent(Offset, String),
}

pub(super) type Settled<T = ()> = Result<T, NotSettled>;

impl Settler {
    pub(super) fn new(
        engine: Arc<Engine>,
        partition: TopicPartition,
        source: Source,
        stopped: watch::Receiver<bool>,
    ) -> Self {
        let context = Arc::new(DeliveryContext {
            state: Arc::clone(&engine.state),
            shutdown: Shutdown::new(stopped.clone()),
            rules: engine.policy.envelope,
            handlers: Arc::clone(engine.handler_ids()),
        });
        Settler { engine, partition, source, stopped, context, slots: Mutex::default() }
    }

    /// A slot for a call, in which it can be seen.
    pub(super) fn slot(&self) -> Arc<Slot> {
        let before = self.slots.lock().unwrap_or_else(PoisonError::into_inner).pop();
        before.unwrap_or_else(|| self.engine.watch.slot(&self.partition))
    }

    /// Gives the slot of a call that has ended to the next one.
    pub(super) fn give_back(&self, slot: Arc<Slot>) {
        self.slots.lock().unwrap_or_else(PoisonError::into_inner).push(slot);
    }

    /// Waits until an attempt of `route` may be made.
    async fn enter(&self, route: &Route) -> Settled {
        let handler = self.engine.handler(route);
        if handler.gate.entry() == Entry::Open {
            return Ok(());
        }
        self.wait_to_enter(handler).await
    }

    async fn wait_to_enter(&self, handler: &HandlerState) -> Settled {
        loop {
            // Before it is asked, so that no change in between is missed.
            let changed = self.engine.gates();
            let until = match handler.gate.entry() {
                Entry::Open => return Ok(()),
                Entry::NotBefore(until) => Some(until),
                Entry::Shut => None,
            };
            let over = async {
                match until {
                    Some(until) => tokio::time::sleep_until(until).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                biased;
                () = self.stop_requested() => return Err(self.left_waiting()),
                () = changed => {}
                () = over => {}
            }
        }
    }

    /// Settles a record here and now, with as many attempts as it takes. Fails when the lane is asked
    /// to stop while the record waits; it is then delivered again.
    pub(super) async fn settle(&self, record: RecordRef<'_>, slot: &Slot) -> Settled {
        let read = match &self.source {
            Source::Origin(routes) => {
                let read = self.engine.policy.read(record);
                match routes.of(&read) {
                    Some(route) => {
                        return self.handle(record, read.ok().flatten(), route, slot).await;
                    }
                    None => match self.unhandled(record, read) {
                        Read::Skip => return Ok(()),
                        other => other,
                    },
                }
            }
            // A lane that goes record by record has only records that are there for the first time.
            Source::Derived { .. } => self.read(record),
        };
        // Boxed, so that what is rare does not make the way of every record longer.
        Box::pin(self.settle_without_handler(record, read)).await
    }

    /// The way of nearly every record: nothing is copied, and the outer object is read once.
    async fn handle(
        &self,
        record: RecordRef<'_>,
        envelope: Option<Envelope<'_>>,
        route: &Arc<Route>,
        slot: &Slot,
    ) -> Settled {
        self.note_ignored(record, envelope.as_ref());
        let envelope = LazyEnvelope::known(record, self.engine.policy.envelope, envelope);
        self.enter(route).await?;
        let outcome = {
            let delivery = self.first_delivery(record, &envelope, route);
            self.watched(slot, route, &delivery).await
        };
        if matches!(outcome, Outcome::Handled) {
            let event = event_of(record, envelope.read());
            self.handled(route, &self.partition, record.offset, event, 1);
            return Ok(());
        }
        let job = self.first_job(record, route);
        Box::pin(self.go_on(record, &envelope, job, outcome, slot)).await
    }

    /// Goes on after the first attempt.
    async fn go_on(
        &self,
        record: RecordRef<'_>,
        envelope: &dyn ReadEnvelope,
        mut job: Job,
        mut outcome: Outcome,
        slot: &Slot,
    ) -> Settled {
        let event = event_of(record, envelope.read());
        loop {
            match self.apply_outcome(record, event, &mut job, outcome).await? {
                Attempted::Settled => return Ok(()),
                Attempted::Again(delay) => self.pause(delay).await?,
            }
            self.enter(&job.route).await?;
            let delivery = self.delivery(record, envelope, &job);
            outcome = self.watched(slot, &job.route, &delivery).await;
        }
    }

    pub(super) async fn watched(
        &self,
        slot: &Slot,
        route: &Route,
        delivery: &Delivery<'_>,
    ) -> Outcome {
        self.engine.watch.begin(slot, route.index, delivery.record.offset);
        let outcome = watched(slot, attempt(&self.engine, route, delivery)).await;
        slot.end();
        outcome
    }

    /// Settles what no handler is to have.
    pub(super) async fn settle_without_handler(
        &self,
        record: RecordRef<'_>,
        read: Read,
    ) -> Settled {
        match read {
            Read::Handle(_) | Read::Skip => Ok(()),
            Read::Stop(name) => Err(NotSettled::UnknownEvent(record.offset, name)),
            Read::Refuse { origin, has_returned, handler, rejection } => {
                let mut failures = Failures::default();
                failures.note(self.engine.clock.now());
                self.dead_letter(DeadLetter {
                    record,
                    has_returned,
                    origin: &origin,
                    handler: handler.as_ref().map(|route| &*route.id),
                    attempts: 0,
                    reason: rejection.code(),
                    error: rejection.to_string(),
                    failures,
                })
                .await
            }
        }
    }

    pub(super) async fn pause(&self, delay: Duration) -> Settled {
        tokio::select! {
            biased;
            () = self.stop_requested() => Err(self.left_waiting()),
            () = tokio::time::sleep(delay) => Ok(()),
        }
    }

    fn left_waiting(&self) -> NotSettled {
        self.engine.count_left(1);
        NotSettled::Stopped
    }

    pub(super) fn is_stop_requested(&self) -> bool {
        // The only change is the one to `true`, and looking for it takes no lock.
        self.stopped.has_changed().unwrap_or(true)
    }

    pub(super) async fn stop_requested(&self) {
        // A sender that is gone means the same.
        let _ = self.stopped.clone().wait_for(|stop| *stop).await;
    }
}

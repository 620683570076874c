//! What becomes of one record: handled, skipped, dead-lettered or tried again.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::watch;

use super::attempt::attempt;
use super::breaker::Entry;
use super::dead_letter::{DeadLetter, Failures};
use super::engine::{Engine, Source};
use super::policy::UnknownEvents;
use super::returning::{Origin, Postponed, Returned};
use super::watch::{Slot, watched};
use crate::broker::{BrokerError, OutgoingRecord};
use crate::delivery::{Delivery, Offset, RecordRef, Shutdown, TopicPartition};
use crate::event::{Envelope, TopicName, excerpt};
use crate::observe::{HealthProblem, Observation, SkipReason};
use crate::outcome::{Error, Outcome, Rejection, Verdict};
use crate::router::Route;

/// Settles the records of one partition.
pub(super) struct Settler {
    pub(super) engine: Arc<Engine>,
    /// Where the records lie.
    pub(super) partition: TopicPartition,
    pub(super) source: Source,
    stopped: watch::Receiver<bool>,
    shutdown: Shutdown,
    /// Slots of calls that have ended, for the next ones.
    slots: Mutex<Vec<Arc<Slot>>>,
}

/// Why a record was left as it is.
#[derive(Debug)]
pub(super) enum NotSettled {
    /// The lane was told to stop.
    Stopped,
    /// Its dead letter cannot be written with this producer any more.
    Producer(BrokerError),
    /// Nobody handles it, and the service is told to stop before such an event.
    UnknownEvent(Offset, String),
}

pub(super) type Settled<T = ()> = Result<T, NotSettled>;

/// What is known of a record before its first attempt here.
pub(super) struct Job {
    pub(super) origin: Origin,
    /// Whether it comes from a retry or redrive topic.
    pub(super) has_returned: bool,
    pub(super) route: Arc<Route>,
    pub(super) trial: Trial,
}

/// How far the attempts at a record have come.
#[derive(Clone, Copy, Debug)]
pub(super) struct Trial {
    /// The number of the next attempt, from 1 on, over all topics that the record was on.
    attempt: u32,
    /// How many attempts there are here, with the next.
    left: u32,
    failures: Failures,
}

/// What to do with a record, once it was looked at.
pub(super) enum Read {
    /// Nothing: it is settled already.
    Skip,
    /// A handler is to have it.
    Handle(Job),
    /// No handler is to have it; it is dead-lettered for this.
    Refuse { origin: Origin, has_returned: bool, handler: Option<Arc<Route>>, rejection: Rejection },
    /// The service is to stop before it.
    Stop(String),
}

/// How an attempt ended.
#[derive(Clone, Copy, Debug)]
pub(super) enum Attempted {
    /// The record needs no more work.
    Settled,
    /// It is to be tried again after this time.
    Again(Duration),
}

impl Settler {
    pub(super) fn new(
        engine: Arc<Engine>,
        partition: TopicPartition,
        source: Source,
        stopped: watch::Receiver<bool>,
    ) -> Self {
        let shutdown = Shutdown::new(stopped.clone());
        Settler { engine, partition, source, stopped, shutdown, slots: Mutex::default() }
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

    /// Looks at a record: whose it is, and what is known of it.
    pub(super) fn read(&self, record: RecordRef<'_>) -> Read {
        let mut origin = Origin {
            partition: self.partition.clone(),
            offset: record.offset,
            timestamp_ms: record.timestamp_ms,
        };
        let (topic, delay) = match &self.source {
            Source::Origin(routes) => {
                let envelope = match self.envelope(record) {
                    Ok(envelope) => envelope,
                    Err(rejection) => {
                        return Read::Refuse {
                            origin,
                            has_returned: false,
                            handler: None,
                            rejection,
                        };
                    }
                };
                let (route, unhandled) = match &envelope {
                    Some(envelope) => {
                        let name = envelope.event_type();
                        (routes.find(name), SkipReason::UnknownEvent(name))
                    }
                    None => (routes.tombstones(), SkipReason::Tombstone),
                };
                return match route {
                    Some(route) => Read::Handle(self.first_job(record, route)),
                    None => self.unhandled(record, origin, unhandled),
                };
            }
            Source::Returning { origin, routes, delay } => ((origin, routes), delay),
        };
        let (topic, routes) = topic;
        let refuse = |origin, handler, rejection| Read::Refuse {
            origin,
            has_returned: true,
            handler,
            rejection,
        };
        let returned = match Returned::read(record, topic, &self.engine.identity.group) {
            Ok(Some(returned)) => returned,
            Ok(None) => {
                self.skip(record.offset, &self.partition, SkipReason::OtherGroup);
                return Read::Skip;
            }
            Err(rejection) => return refuse(origin, None, rejection),
        };
        origin = returned.origin;
        let Some(route) = routes.by_id(&returned.handler) else {
            let message = format!(
                "handler `{}` is not in this service any more",
                excerpt(&returned.handler, 64)
            );
            return refuse(origin, None, Rejection::Refused { code: "unknown_handler", message });
        };
        if let Err(rejection) = self.envelope(record) {
            return refuse(origin, Some(route), rejection);
        }
        // From a retry topic there is one attempt; on the command of a person, all of them.
        let left = if delay.is_some() { 1 } else { route.policy.attempts };
        let trial = Trial {
            attempt: returned.attempts.saturating_add(1),
            left,
            failures: Failures::since(returned.first_failure),
        };
        Read::Handle(Job { origin, has_returned: true, route, trial })
    }

    /// How long a record of a retry topic has to wait still.
    pub(super) fn wait_of(&self, record: RecordRef<'_>) -> Option<Duration> {
        let Source::Returning { origin, delay: Some(delay), .. } = &self.source else {
            return None;
        };
        let returned = Returned::read(record, origin, &self.engine.identity.group).ok()??;
        let now_ms = self.engine.clock.now().as_millisecond();
        let left_ms = u64::try_from(returned.due_ms?.saturating_sub(now_ms)).ok()?;
        // The header is text from outside: it cannot hold the topic up longer than its name says.
        Some(Duration::from_millis(left_ms).min(*delay)).filter(|left| !left.is_zero())
    }

    /// The outer object of a record; `None` for a tombstone.
    pub(super) fn envelope<'a>(
        &self,
        record: RecordRef<'a>,
    ) -> Result<Option<Envelope<'a>>, Rejection> {
        self.engine.policy.admit(record)?;
        Ok(record.value.map(Envelope::read).transpose()?)
    }

    fn unhandled(&self, record: RecordRef<'_>, origin: Origin, reason: SkipReason<'_>) -> Read {
        let policy = match reason {
            SkipReason::UnknownEvent(_) => {
                self.engine.policy.unknown_events(self.partition.topic.as_str())
            }
            _ => UnknownEvents::Skip,
        };
        match (policy, reason) {
            (UnknownEvents::DeadLetter, SkipReason::UnknownEvent(name)) => {
                let message = format!("nobody handles the event `{}`", excerpt(name, 64));
                let rejection = Rejection::Refused { code: "unknown_event", message };
                Read::Refuse { origin, has_returned: false, handler: None, rejection }
            }
            (UnknownEvents::Stop, SkipReason::UnknownEvent(name)) => Read::Stop(excerpt(name, 64)),
            _ => {
                self.skip(record.offset, &self.partition, reason);
                Read::Skip
            }
        }
    }

    /// The record as a handler sees it, which is as it was first.
    pub(super) fn delivery<'a>(
        &'a self,
        record: RecordRef<'a>,
        envelope: Option<&'a Envelope<'a>>,
        job: &'a Job,
    ) -> Delivery<'a> {
        let Origin { partition, offset, timestamp_ms } = &job.origin;
        Delivery {
            partition,
            record: record.as_of(*offset, *timestamp_ms),
            envelope,
            handler: &job.route.id,
            attempt: job.trial.attempt,
            attempts: job.route.policy.all_attempts().max(job.trial.attempt),
            state: &self.engine.state,
            shutdown: &self.shutdown,
        }
    }

    /// Waits until an attempt of `route` may be made.
    pub(super) async fn enter(&self, route: &Route) -> Settled {
        let handler = self.engine.handler(route);
        loop {
            let mut gates = self.engine.gates();
            let until = match handler.entry() {
                Some(Entry::Open) => return Ok(()),
                Some(Entry::NotBefore(until)) => Some(until),
                None => None,
            };
            let over = async {
                match until {
                    Some(until) => tokio::time::sleep_until(until).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                () = self.told_to_stop() => return Err(NotSettled::Stopped),
                _ = gates.changed() => {}
                () = over => {}
            }
        }
    }

    /// Settles a record here and now, with as many attempts as it takes. Fails when the lane is told
    /// to stop while the record waits; it is then delivered again.
    pub(super) async fn settle(&self, record: RecordRef<'_>, slot: &Slot) -> Settled {
        // The way of nearly every record: nothing is copied, and the outer object is read once.
        if let Source::Origin(routes) = &self.source
            && let Ok(envelope) = self.envelope(record)
            && let Some(route) = routes.of(envelope.as_ref())
        {
            self.enter(route).await?;
            let outcome = {
                let delivery = Delivery {
                    partition: &self.partition,
                    record,
                    envelope: envelope.as_ref(),
                    handler: &route.id,
                    attempt: 1,
                    attempts: route.policy.all_attempts(),
                    state: &self.engine.state,
                    shutdown: &self.shutdown,
                };
                self.watched(slot, route, &delivery).await
            };
            if matches!(outcome, Outcome::Handled) {
                let event = envelope.as_ref().map(Envelope::event_type);
                self.handled(route, &self.partition, record.offset, event, 1);
                return Ok(());
            }
            let job = self.first_job(record, route);
            return self.go_on(record, envelope.as_ref(), job, outcome, slot).await;
        }
        match self.read(record) {
            Read::Handle(job) => {
                // What could not be read was refused.
                let envelope = record.value.and_then(|value| Envelope::read(value).ok());
                self.enter(&job.route).await?;
                let outcome = {
                    let delivery = self.delivery(record, envelope.as_ref(), &job);
                    self.watched(slot, &job.route, &delivery).await
                };
                self.go_on(record, envelope.as_ref(), job, outcome, slot).await
            }
            other => self.settle_without_handler(record, other).await,
        }
    }

    /// Goes on after the first attempt.
    async fn go_on(
        &self,
        record: RecordRef<'_>,
        envelope: Option<&Envelope<'_>>,
        mut job: Job,
        mut outcome: Outcome,
        slot: &Slot,
    ) -> Settled {
        let event = envelope.map(Envelope::event_type);
        loop {
            match self.judge(record, event, &mut job, outcome).await? {
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

    fn first_job(&self, record: RecordRef<'_>, route: &Arc<Route>) -> Job {
        let origin = Origin {
            partition: self.partition.clone(),
            offset: record.offset,
            timestamp_ms: record.timestamp_ms,
        };
        Job { origin, has_returned: false, trial: Trial::first(route), route: Arc::clone(route) }
    }

    fn handled(
        &self,
        route: &Route,
        partition: &TopicPartition,
        offset: Offset,
        event: Option<&str>,
        attempt: u32,
    ) {
        self.engine.attempt_succeeded(route);
        self.engine.observers.notify(&Observation::Handled {
            partition,
            offset,
            event: event.unwrap_or("tombstone"),
            handler: &route.id,
            attempt,
        });
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

    /// Does what an attempt's outcome asks for.
    pub(super) async fn judge(
        &self,
        record: RecordRef<'_>,
        event: Option<&str>,
        job: &mut Job,
        outcome: Outcome,
    ) -> Settled<Attempted> {
        let engine = &*self.engine;
        let route = Arc::clone(&job.route);
        let Origin { partition, offset, .. } = &job.origin;
        let error = match outcome {
            Outcome::Handled => {
                self.handled(&route, partition, *offset, event, job.trial.attempt);
                return Ok(Attempted::Settled);
            }
            Outcome::Skipped => {
                engine.attempt_succeeded(&route);
                self.skip(*offset, partition, SkipReason::ByHandler(&route.id));
                return Ok(Attempted::Settled);
            }
            Outcome::Failed(error) => error,
            Outcome::Rejected(rejection) => {
                // The handler itself did not run.
                let (reason, error) = (rejection.code(), rejection.to_string());
                let attempts = job.trial.attempt - 1;
                return self.give_up(record, job, attempts, reason, error).await;
            }
            Outcome::Emits(_) => Error::msg("a layer returned events, which only a handler can"),
        };
        let chain = describe(&error);
        let said = error.said();
        let verdict = match said {
            None if route.policy.retry_on.is_some_and(|worth| !worth(&error)) => {
                Verdict::DeadLetter
            }
            said => said.unwrap_or_default(),
        };
        match verdict {
            Verdict::Skip => {
                engine.attempt_succeeded(&route);
                self.skip(*offset, partition, SkipReason::ByHandler(&route.id));
                Ok(Attempted::Settled)
            }
            Verdict::DeadLetter => {
                // It ran to its end: what it depends on works.
                engine.attempt_succeeded(&route);
                let attempts = job.trial.attempt;
                self.give_up(record, job, attempts, "refused_by_handler", chain).await
            }
            Verdict::Unavailable => {
                job.trial.failures.note(engine.clock.now());
                engine.attempt_failed(&route, true, &chain);
                self.retrying(job, Duration::ZERO, &chain);
                Ok(Attempted::Again(Duration::ZERO))
            }
            Verdict::Retry | Verdict::RetryAfter(_) => {
                engine.attempt_failed(&route, false, &chain);
                let asked = match verdict {
                    Verdict::RetryAfter(delay) => Some(delay),
                    _ => None,
                };
                self.try_again(record, job, asked, chain).await
            }
        }
    }

    /// An attempt failed and another makes sense, if there is one left.
    async fn try_again(
        &self,
        record: RecordRef<'_>,
        job: &mut Job,
        asked: Option<Duration>,
        error: String,
    ) -> Settled<Attempted> {
        let attempt = job.trial.attempt;
        if job.trial.left <= 1 {
            return match self.next_retry_topic(&job.route) {
                Some(delay) => self.postpone(record, job, delay, &error).await,
                None => self.give_up(record, job, attempt, "attempts_exhausted", error).await,
            };
        }
        job.trial.failures.note(self.engine.clock.now());
        let delay = asked.unwrap_or_else(|| job.route.policy.backoff.delay(attempt));
        self.retrying(job, delay, &error);
        job.trial.attempt += 1;
        job.trial.left -= 1;
        Ok(Attempted::Again(delay))
    }

    fn retrying(&self, job: &Job, delay: Duration, error: &str) {
        self.engine.observers.notify(&Observation::Retrying {
            partition: &job.origin.partition,
            offset: job.origin.offset,
            handler: &job.route.id,
            attempt: job.trial.attempt,
            delay,
            error,
        });
    }

    /// The delay of the retry topic that comes after the one that the record was on.
    fn next_retry_topic(&self, route: &Route) -> Option<Duration> {
        let mut delays = route.policy.retry_topics.iter().copied();
        match &self.source {
            Source::Returning { delay: Some(before), .. } => delays.find(|delay| delay > before),
            _ => delays.next(),
        }
    }

    /// Has the record wait in a topic, which frees its place here.
    async fn postpone(
        &self,
        record: RecordRef<'_>,
        job: &mut Job,
        delay: Duration,
        error: &str,
    ) -> Settled<Attempted> {
        let now = self.engine.clock.now();
        job.trial.failures.note(now);
        let (origin, attempt) = (&job.origin, job.trial.attempt);
        let name = origin.partition.topic.retry(delay);
        // Always the same in one topic, so that the records in it fall due in their order.
        let wait_ms = i64::try_from(delay.as_millis()).unwrap_or(i64::MAX);
        let topic = self.named(origin, name).await?;
        let postponed = Postponed {
            record,
            has_returned: job.has_returned,
            origin,
            group: &self.engine.identity.group,
            handler: &job.route.id,
            attempts: attempt,
            due_ms: now.as_millisecond().saturating_add(wait_ms),
            error,
            first_failure: job.trial.failures.first(),
        };
        self.write(postponed.to_record(topic.clone()), origin, |_| false).await?;
        self.engine.observers.notify(&Observation::Postponed {
            partition: &origin.partition,
            offset: origin.offset,
            handler: &job.route.id,
            attempt,
            topic: topic.as_str(),
            delay,
            error,
        });
        Ok(Attempted::Settled)
    }

    pub(super) fn skip(&self, offset: Offset, partition: &TopicPartition, reason: SkipReason<'_>) {
        self.engine.observers.notify(&Observation::Skipped { partition, offset, reason });
    }

    async fn give_up(
        &self,
        record: RecordRef<'_>,
        job: &mut Job,
        attempts: u32,
        reason: &'static str,
        error: String,
    ) -> Settled<Attempted> {
        job.trial.failures.note(self.engine.clock.now());
        self.dead_letter(DeadLetter {
            record,
            has_returned: job.has_returned,
            origin: &job.origin,
            handler: Some(&job.route.id),
            attempts,
            reason,
            error,
            failures: job.trial.failures,
        })
        .await?;
        Ok(Attempted::Settled)
    }

    async fn dead_letter(&self, letter: DeadLetter<'_>) -> Settled {
        // Also when its own headers do not say where it was first.
        let name = match &self.source {
            Source::Origin(routes) => routes.dead_letters(&self.partition.topic),
            Source::Returning { origin, routes, .. } => routes.dead_letters(origin),
        };
        let origin = letter.origin;
        let topic = self.named(origin, name).await?;
        let outgoing = letter.to_record(topic, &self.engine.identity);
        self.write(outgoing, origin, |outgoing| letter.shrink(outgoing)).await?;
        self.engine.observers.notify(&Observation::DeadLettered {
            partition: &origin.partition,
            offset: origin.offset,
            reason: letter.reason,
            error: &letter.error,
        });
        Ok(())
    }

    /// The name of a topic of ours. Start-up refuses a topic whose derived ones cannot be named.
    async fn named<E: std::fmt::Display>(
        &self,
        origin: &Origin,
        name: Result<TopicName, E>,
    ) -> Settled<TopicName> {
        match name {
            Ok(topic) => Ok(topic),
            Err(error) => {
                self.blocked(origin, "", &BrokerError::Settings(error.to_string()));
                self.told_to_stop().await;
                Err(NotSettled::Stopped)
            }
        }
    }

    /// Writes a record and waits for the acknowledgement, however long it takes: what it stands for
    /// is not settled before. One that is too large is made smaller with `shrink`.
    async fn write(
        &self,
        mut outgoing: OutgoingRecord,
        origin: &Origin,
        shrink: impl Fn(&mut OutgoingRecord) -> bool,
    ) -> Settled {
        let engine = &*self.engine;
        let mut tries = 1;
        loop {
            // Not cut short by a stop: what is on its way may arrive, and would be written twice.
            match engine.producer.send(outgoing.clone()).await {
                Ok(_) => break,
                Err(BrokerError::TooLarge { .. }) if shrink(&mut outgoing) => continue,
                Err(error) if error.is_fatal() => return Err(NotSettled::Producer(error)),
                Err(error) => self.blocked(origin, outgoing.topic.as_str(), &error),
            }
            self.pause(engine.policy.backoff.delay(tries)).await?;
            tries += 1;
        }
        if tries > 1 {
            engine.health.clear(&self.partition);
        }
        Ok(())
    }

    fn blocked(&self, origin: &Origin, topic: &str, error: &BrokerError) {
        let partition = &self.partition;
        self.engine.health.raise(
            partition,
            HealthProblem::DeadLetterBlocked {
                partition: partition.clone(),
                dead_letter_topic: topic.to_owned(),
                error: error.to_string(),
            },
        );
        self.engine.observers.notify(&Observation::DeadLetterFailed {
            partition,
            offset: origin.offset,
            dead_letter_topic: topic,
            error,
        });
    }

    pub(super) async fn pause(&self, delay: Duration) -> Settled {
        tokio::select! {
            () = self.told_to_stop() => Err(NotSettled::Stopped),
            () = tokio::time::sleep(delay) => Ok(()),
        }
    }

    pub(super) fn is_told_to_stop(&self) -> bool {
        // The only change is the one to `true`, and looking for it takes no lock.
        self.stopped.has_changed().unwrap_or(true)
    }

    pub(super) async fn told_to_stop(&self) {
        // A sender that is gone means the same.
        let _ = self.stopped.clone().wait_for(|stop| *stop).await;
    }
}

impl Trial {
    fn first(route: &Route) -> Self {
        Trial { attempt: 1, left: route.policy.attempts, failures: Failures::default() }
    }
}

// The messages are the user's code, which may panic like any other.
fn describe(error: &Error) -> String {
    let chain = std::panic::AssertUnwindSafe(|| error.chain().collect::<Vec<_>>().join(": "));
    std::panic::catch_unwind(chain)
        .unwrap_or_else(|_| "an error whose own message panicked".to_owned())
}

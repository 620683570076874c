//! Does what the outcome of an attempt asks for.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;

use super::write::{TooLarge, Write};
use super::{Job, Settled, Settler};
use crate::delivery::{Offset, RecordRef, TopicPartition};
use crate::handler::HandlerPolicy;
use crate::observe::{Observation, SkipReason};
use crate::outcome::{Error, Outcome, Verdict};
use crate::processor::dead_letter::{DeadLetter, Failures};
use crate::processor::engine::Source;
use crate::processor::retry_headers::{Origin, Postponed};
use crate::router::Route;

/// The longest that an error can ask to wait for: a week, as Kafka keeps a record by default.
const MAX_RETRY_AFTER: Duration = Duration::from_secs(7 * 24 * 3600);

/// How far the attempts at a record have come.
#[derive(Clone, Copy, Debug)]
pub(in crate::processor) struct AttemptState {
    /// The number of the next attempt, from 1 on, over all topics that the record was on.
    pub(super) attempt: u32,
    /// How many attempts there are here, with the next.
    pub(super) left: u32,
    pub(super) failures: Failures,
}

/// How an attempt ended.
#[derive(Clone, Copy, Debug)]
pub(in crate::processor) enum Attempted {
    /// The record needs no more work.
    Settled,
    /// It is to be retried after this time.
    Again(Duration),
}

impl Settler {
    pub(in crate::processor) fn handled(
        &self,
        route: &Route,
        partition: &TopicPartition,
        offset: Offset,
        event: &str,
        attempt: u32,
    ) {
        self.engine.attempt_succeeded(route);
        self.engine.observers.notify(&Observation::Handled {
            partition,
            offset,
            event,
            handler: &route.id,
            attempt,
        });
    }

    /// Does what an attempt's outcome asks for.
    pub(in crate::processor) async fn apply_outcome(
        &self,
        record: RecordRef<'_>,
        event: &str,
        job: &mut Job,
        outcome: Outcome,
    ) -> Settled<Attempted> {
        let engine = &*self.engine;
        let route = Arc::clone(&job.route);
        let Origin { partition, offset, .. } = &job.origin;
        let error = match outcome {
            Outcome::Handled => {
                self.handled(&route, partition, *offset, event, job.attempt_state.attempt);
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
                engine.attempt_said_nothing(&route);
                let (reason, error) = (rejection.code(), rejection.to_string());
                let attempts = job.attempt_state.attempt - 1;
                return self.give_up(record, job, attempts, reason, error).await;
            }
            Outcome::Emits(_) => Error::msg("a layer returned events, which only a handler can"),
        };
        let chain = describe(&error);
        match verdict_on(&error, engine.policy_of(&route)) {
            Verdict::Skip => {
                engine.attempt_succeeded(&route);
                self.skip(*offset, partition, SkipReason::ByHandler(&route.id));
                Ok(Attempted::Settled)
            }
            Verdict::DeadLetter => {
                // It ran to its end: what it depends on works.
                engine.attempt_succeeded(&route);
                let attempts = job.attempt_state.attempt;
                self.give_up(record, job, attempts, "refused_by_handler", chain).await
            }
            Verdict::Unavailable => {
                job.attempt_state.failures.note(engine.clock.now());
                engine.attempt_failed(&route, true, &chain);
                self.retrying(job, Duration::ZERO, &chain);
                Ok(Attempted::Again(Duration::ZERO))
            }
            Verdict::Retry => {
                engine.attempt_failed(&route, false, &chain);
                self.try_again(record, job, None, chain).await
            }
            Verdict::RetryAfter(delay) => {
                engine.attempt_failed(&route, false, &chain);
                self.try_again(record, job, Some(delay.min(MAX_RETRY_AFTER)), chain).await
            }
        }
    }

    /// An attempt failed and another makes sense, if there is one left.
    pub(super) async fn try_again(
        &self,
        record: RecordRef<'_>,
        job: &mut Job,
        asked: Option<Duration>,
        error: String,
    ) -> Settled<Attempted> {
        let attempt = job.attempt_state.attempt;
        if job.attempt_state.left <= 1 {
            return match self.next_retry_topic(&job.route) {
                Some(delay) => self.postpone(record, job, delay, &error).await,
                None => self.give_up(record, job, attempt, "attempts_exhausted", error).await,
            };
        }
        job.attempt_state.failures.note(self.engine.clock.now());
        let policy = self.engine.policy_of(&job.route);
        // The delays grow with the attempts here; those before a redrive do not count.
        let here = policy.attempts.saturating_sub(job.attempt_state.left) + 1;
        let delay = asked.unwrap_or_else(|| policy.backoff.delay(here));
        self.retrying(job, delay, &error);
        job.attempt_state.attempt += 1;
        job.attempt_state.left -= 1;
        Ok(Attempted::Again(delay))
    }

    /// A call with several records failed as a whole, `job` being the first of them; gives back after
    /// what time each is tried alone.
    pub(in crate::processor) fn batch_failed(
        &self,
        job: &Job,
        error: &Error,
        verdict: Verdict,
    ) -> Duration {
        let backoff = self.engine.policy_of(&job.route).backoff;
        let delay = match verdict {
            Verdict::RetryAfter(delay) => delay.min(MAX_RETRY_AFTER),
            Verdict::Retry => backoff.delay(job.attempt_state.attempt),
            // Nothing to wait for: alone, each record says so of itself, or something else.
            Verdict::Skip | Verdict::DeadLetter | Verdict::Unavailable => Duration::ZERO,
        };
        let chain = describe(error);
        self.engine.attempt_failed(&job.route, false, &chain);
        self.retrying(job, delay, &chain);
        delay
    }

    /// Reports the failed attempt. The next one is not made while the handler's breaker is open, whatever
    /// its own delay is.
    pub(super) fn retrying(&self, job: &Job, delay: Duration, error: &str) {
        let delay = delay.max(self.engine.shut_for(&job.route));
        self.engine.observers.notify(&Observation::Retrying {
            partition: &job.origin.partition,
            offset: job.origin.offset,
            handler: &job.route.id,
            attempt: job.attempt_state.attempt,
            delay,
            error,
        });
    }

    /// The number of the last attempt, if all fail: those here, and one from each retry topic ahead.
    pub(in crate::processor) fn last_attempt(&self, job: &Job) -> u32 {
        let topics = u32::try_from(self.retry_topics_ahead(&job.route).count()).unwrap_or(u32::MAX);
        let AttemptState { attempt, left, .. } = job.attempt_state;
        attempt.saturating_add(left.saturating_sub(1)).saturating_add(topics)
    }

    /// The delay of the retry topic that comes after the one that the record was on.
    fn next_retry_topic(&self, route: &Route) -> Option<Duration> {
        self.retry_topics_ahead(route).next()
    }

    fn retry_topics_ahead(&self, route: &Route) -> impl Iterator<Item = Duration> {
        let before = match &self.source {
            Source::Derived { delay, .. } => *delay,
            Source::Origin(_) => None,
        };
        let delays = route.handler.retry_topics().iter().copied();
        delays.filter(move |delay| before.is_none_or(|before| *delay > before))
    }

    /// Has the record wait in a topic, which frees its place here.
    pub(super) async fn postpone(
        &self,
        record: RecordRef<'_>,
        job: &mut Job,
        delay: Duration,
        error: &str,
    ) -> Settled<Attempted> {
        let now = self.engine.clock.now();
        job.attempt_state.failures.note(now);
        let (origin, attempt) = (&job.origin, job.attempt_state.attempt);
        let name = origin.partition.topic.retry(delay);
        let topic = self.named(origin, name).await?;
        let postponed = Postponed {
            record,
            has_returned: job.has_returned,
            origin,
            group: &self.engine.identity.group,
            handler: &job.route.id,
            attempts: attempt,
            due_ms: due_ms(now, delay),
            error,
            first_failure: job.attempt_state.failures.first(),
        };
        let outgoing = postponed.to_record(topic.clone());
        let write = Write { record, origin, handler: Some(&job.route.id) };
        if !self.write(outgoing, write, |_| TooLarge::GiveUp).await? {
            // It fitted its topic, and not this one with what we add to it.
            let reason = "too_large_to_postpone";
            return self.give_up(record, job, attempt, reason, error.to_owned()).await;
        }
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

    pub(in crate::processor) fn skip(
        &self,
        offset: Offset,
        partition: &TopicPartition,
        reason: SkipReason<'_>,
    ) {
        self.engine.observers.notify(&Observation::Skipped { partition, offset, reason });
    }

    /// What the last commit remembers is of another log than the record at `offset`.
    pub(in crate::processor) fn log_changed(&self, offset: Offset) {
        let partition = &self.partition;
        self.engine.observers.notify(&Observation::LogChanged { partition, offset });
    }

    pub(super) async fn give_up(
        &self,
        record: RecordRef<'_>,
        job: &mut Job,
        attempts: u32,
        reason: &'static str,
        error: String,
    ) -> Settled<Attempted> {
        job.attempt_state.failures.note(self.engine.clock.now());
        self.dead_letter(DeadLetter {
            record,
            has_returned: job.has_returned,
            origin: &job.origin,
            handler: Some(&job.route.id),
            attempts,
            reason,
            error,
            failures: job.attempt_state.failures,
        })
        .await?;
        Ok(Attempted::Settled)
    }
}

/// When a record may be retried that waits for `delay` from now on. The delay is always the same in
/// one topic, so that the records in it fall due in their order; a millisecond that has begun counts as
/// over, so that none is early.
fn due_ms(now: Timestamp, delay: Duration) -> i64 {
    let begun = now.subsec_nanosecond() % 1_000_000 != 0;
    let wait_ms = i64::try_from(delay.as_millis()).unwrap_or(i64::MAX);
    now.as_millisecond().saturating_add(i64::from(begun)).saturating_add(wait_ms)
}

impl AttemptState {
    /// Whether an attempt in this process failed already.
    pub(in crate::processor) fn has_failed(&self) -> bool {
        self.failures.last().is_some()
    }

    /// The number of the next attempt, from 1 on.
    pub(in crate::processor) fn number(&self) -> u32 {
        self.attempt
    }

    pub(super) fn first(policy: &HandlerPolicy) -> Self {
        AttemptState { attempt: 1, left: policy.attempts, failures: Failures::default() }
    }
}

/// What is to be done about an error: what it says itself, or else what the handler's `retry(on)` says.
/// Both are the user's code, which may panic like any other: that says nothing.
pub(in crate::processor) fn verdict_on(error: &Error, policy: &HandlerPolicy) -> Verdict {
    let verdict = std::panic::AssertUnwindSafe(|| match (error.said(), policy.retry_on) {
        (Some(said), _) => said,
        (None, Some(worth)) if !worth(error) => Verdict::DeadLetter,
        (None, _) => Verdict::Retry,
    });
    std::panic::catch_unwind(verdict).unwrap_or_default()
}

// The messages are the user's code, which may panic like any other.
pub(in crate::processor) fn describe(error: &Error) -> String {
    let chain = std::panic::AssertUnwindSafe(|| error.chain().collect::<Vec<_>>().join(": "));
    std::panic::catch_unwind(chain)
        .unwrap_or_else(|_| "an error whose own message panicked".to_owned())
}

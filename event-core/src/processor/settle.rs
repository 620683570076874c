//! What becomes of one record: handled, skipped or dead-lettered, after as many attempts as it
//! takes.

use std::ops::ControlFlow;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt;
use jiff::Timestamp;
use tokio::sync::watch;

use super::EventProcessor;
use super::dead_letter::{DeadLetter, Failures};
use crate::broker::BrokerError;
use crate::delivery::{Delivery, RecordRef, TopicPartition};
use crate::event::Envelope;
use crate::handler::HandlerRegistration;
use crate::observe::{HealthProblem, Observation, SkipReason};
use crate::outcome::{Error, Outcome, Rejection, Verdict};
use crate::router::{Route, TopicRoutes};

/// Settles the records of one partition.
pub(super) struct Settler {
    engine: Arc<EventProcessor>,
    partition: TopicPartition,
    routes: Arc<TopicRoutes>,
    stopped: watch::Receiver<bool>,
}

/// Why a record was left as it is.
pub(super) enum NotSettled {
    /// The lane was told to stop.
    Stopped,
    /// Its dead letter cannot be written with this producer any more.
    Failed(BrokerError),
}

type Settled = ControlFlow<NotSettled>;

impl Settler {
    pub(super) fn new(
        engine: Arc<EventProcessor>,
        partition: TopicPartition,
        stopped: watch::Receiver<bool>,
    ) -> Self {
        let routes = engine.router.topic(partition.topic.as_str());
        Settler { engine, partition, routes, stopped }
    }

    /// Settles `record`. Breaks when the lane is told to stop while the record waits; it is then
    /// not settled and is delivered again.
    pub(super) async fn settle(&self, record: RecordRef<'_>) -> Settled {
        let Some(value) = record.value else {
            return self.skip(record, SkipReason::Tombstone);
        };
        let envelope = match self.admit(record, value) {
            Ok(envelope) => envelope,
            Err(refusal) => return self.reject(record, None, 0, &refusal).await,
        };
        match self.routes.find(envelope.event_type()) {
            Some(route) => self.handle(record, &envelope, route).await,
            None => self.skip(record, SkipReason::UnknownEvent(envelope.event_type())),
        }
    }

    fn admit<'r>(&self, record: RecordRef<'r>, value: &'r [u8]) -> Result<Envelope<'r>, Rejection> {
        let policy = &self.engine.policy;
        if value.len() > policy.max_value_bytes {
            return Err(Rejection::Refused {
                code: "value_too_large",
                message: format!(
                    "the value has {} bytes, the limit is {} (setting `max_value_bytes`)",
                    value.len(),
                    policy.max_value_bytes
                ),
            });
        }
        let headers = record.header_count();
        if headers > policy.max_headers {
            return Err(Rejection::Refused {
                code: "too_many_headers",
                message: format!(
                    "the record has {headers} headers, the limit is {} (setting `max_headers`)",
                    policy.max_headers
                ),
            });
        }
        let sizes = record.headers().map(|(name, value)| name.len() + value.map_or(0, <[u8]>::len));
        let bytes: usize = if headers == 0 { 0 } else { sizes.sum() };
        if bytes > policy.max_header_bytes {
            return Err(Rejection::Refused {
                code: "headers_too_large",
                message: format!(
                    "the headers have {bytes} bytes, the limit is {} (setting `max_header_bytes`)",
                    policy.max_header_bytes
                ),
            });
        }
        Ok(Envelope::read(value)?)
    }

    async fn handle(
        &self,
        record: RecordRef<'_>,
        envelope: &Envelope<'_>,
        route: &Route,
    ) -> Settled {
        let (engine, partition) = (&*self.engine, &self.partition);
        let mut delivery =
            Delivery { partition, record, envelope, attempt: 1, state: &engine.state };
        let mut failures = Failures::default();
        loop {
            let attempt = delivery.attempt;
            let error = match attempt_once(route.handler, &delivery).await {
                Ok(Outcome::Handled) => {
                    engine.observers.notify(&Observation::Handled {
                        partition,
                        offset: record.offset,
                        event: route.handler.event,
                        handler: &route.id,
                        attempt,
                    });
                    return ControlFlow::Continue(());
                }
                Ok(Outcome::Skipped) => {
                    return self.skip(record, SkipReason::ByHandler(&route.id));
                }
                Ok(Outcome::Failed(error)) => error,
                Err(rejection) => {
                    // The handler itself did not run.
                    return self.reject(record, Some(route), attempt - 1, &rejection).await;
                }
            };
            failures.note(Timestamp::now());
            let chain = describe(&error);
            if error.verdict() == Verdict::DeadLetter || attempt >= engine.policy.attempts {
                let reason = match error.verdict() {
                    Verdict::DeadLetter => "refused_by_handler",
                    Verdict::Retry => "attempts_exhausted",
                };
                let letter = DeadLetter {
                    record,
                    handler: Some(&route.id),
                    attempts: attempt,
                    reason,
                    error: chain,
                    failures,
                };
                return self.dead_letter(letter).await;
            }
            let delay = engine.policy.backoff.delay(attempt);
            engine.observers.notify(&Observation::Retrying {
                partition,
                offset: record.offset,
                handler: &route.id,
                attempt,
                delay,
                error: &chain,
            });
            self.pause(delay).await?;
            delivery.attempt += 1;
        }
    }

    fn skip(&self, record: RecordRef<'_>, reason: SkipReason<'_>) -> Settled {
        let offset = record.offset;
        let partition = &self.partition;
        self.engine.observers.notify(&Observation::Skipped { partition, offset, reason });
        ControlFlow::Continue(())
    }

    async fn reject(
        &self,
        record: RecordRef<'_>,
        route: Option<&Route>,
        attempts: u32,
        rejection: &Rejection,
    ) -> Settled {
        let mut failures = Failures::default();
        failures.note(Timestamp::now());
        let (reason, error) = (rejection.code(), rejection.to_string());
        let handler = route.map(|route| route.id.as_str());
        self.dead_letter(DeadLetter { record, handler, attempts, reason, error, failures }).await
    }

    /// Writes a dead letter and waits for the acknowledgement, however long it takes: the record
    /// is not settled before, and nothing behind it is touched.
    async fn dead_letter(&self, letter: DeadLetter<'_>) -> Settled {
        let engine = &*self.engine;
        let (reason, error) = (letter.reason, letter.error.as_str());
        let offset = letter.record.offset;
        let mut outgoing = match letter.to_record(&self.partition, &engine.identity) {
            Ok(outgoing) => outgoing,
            // Start-up refuses a topic whose dead-letter topic cannot be named.
            Err(error) => {
                let error = BrokerError::Settings(error.to_string());
                self.blocked(offset, "", &error);
                return self.wait_for_stop().await;
            }
        };
        let mut tries = 1;
        loop {
            // Not cut short by a stop: what is on its way may arrive, and would be written twice.
            match engine.producer.send(outgoing.clone()).await {
                Ok(_) => break,
                Err(BrokerError::TooLarge { .. }) if letter.shrink(&mut outgoing) => continue,
                Err(error) if error.is_fatal() => {
                    return ControlFlow::Break(NotSettled::Failed(error));
                }
                Err(error) => self.blocked(offset, outgoing.topic.as_str(), &error),
            }
            self.pause(engine.policy.backoff.delay(tries)).await?;
            tries += 1;
        }
        engine.health.clear(&self.partition);
        let partition = &self.partition;
        engine.observers.notify(&Observation::DeadLettered { partition, offset, reason, error });
        ControlFlow::Continue(())
    }

    fn blocked(
        &self,
        offset: crate::delivery::Offset,
        dead_letter_topic: &str,
        error: &BrokerError,
    ) {
        let partition = &self.partition;
        self.engine.health.raise(
            partition,
            HealthProblem::DeadLetterBlocked {
                partition: partition.clone(),
                dead_letter_topic: dead_letter_topic.to_owned(),
                error: error.to_string(),
            },
        );
        self.engine.observers.notify(&Observation::DeadLetterFailed {
            partition,
            offset,
            dead_letter_topic,
            error,
        });
    }

    async fn pause(&self, delay: Duration) -> Settled {
        tokio::select! {
            () = self.told_to_stop() => ControlFlow::Break(NotSettled::Stopped),
            () = tokio::time::sleep(delay) => ControlFlow::Continue(()),
        }
    }

    async fn wait_for_stop(&self) -> Settled {
        self.told_to_stop().await;
        ControlFlow::Break(NotSettled::Stopped)
    }

    async fn told_to_stop(&self) {
        // A sender that is gone means the same.
        let _ = self.stopped.clone().wait_for(|stop| *stop).await;
    }
}

// The messages are the user's code, which may panic like any other.
fn describe(error: &Error) -> String {
    let chain = AssertUnwindSafe(|| error.chain().collect::<Vec<_>>().join(": "));
    std::panic::catch_unwind(chain)
        .unwrap_or_else(|_| "an error whose own message panicked".to_owned())
}

// A panic is a failure of the attempt like any other: it is retried, then dead-lettered.
async fn attempt_once<'a>(
    handler: &'static HandlerRegistration,
    delivery: &'a Delivery<'a>,
) -> Result<Outcome, Rejection> {
    let attempt = async { handler.handler.handle(delivery).await };
    match AssertUnwindSafe(attempt).catch_unwind().await {
        Ok(result) => result,
        Err(panic) => {
            let message = panic
                .downcast_ref::<&str>()
                .copied()
                .or_else(|| panic.downcast_ref::<String>().map(String::as_str));
            let message = message.unwrap_or("without a message");
            Ok(Outcome::Failed(Error::msg(format!("the handler panicked: {message}"))))
        }
    }
}

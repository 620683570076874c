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
use crate::broker::{BrokerError, OutgoingRecord};
use crate::delivery::{Delivery, RecordRef, Shutdown, TopicPartition};
use crate::event::Envelope;
use crate::handler::HandlerCall;
use crate::middleware::{Innermost, Next, OutcomeFuture};
use crate::observe::{HealthProblem, Observation, SkipReason};
use crate::outcome::{Emissions, Error, Outcome, Rejection, Verdict};
use crate::router::{Route, TopicRoutes};

/// Settles the records of one partition.
pub(super) struct Settler {
    engine: Arc<EventProcessor>,
    partition: TopicPartition,
    routes: Arc<TopicRoutes>,
    stopped: watch::Receiver<bool>,
    shutdown: Shutdown,
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
        let shutdown = Shutdown::new(stopped.clone());
        Settler { engine, partition, routes, stopped, shutdown }
    }

    /// Settles `record`. Breaks when the lane is told to stop while the record waits; it is then
    /// not settled and is delivered again.
    pub(super) async fn settle(&self, record: RecordRef<'_>) -> Settled {
        let read = self
            .engine
            .policy
            .admit(record)
            .and_then(|()| Ok(record.value.map(Envelope::read).transpose()?));
        let envelope = match read {
            Ok(envelope) => envelope,
            Err(refusal) => {
                let failures = Failures::at(Timestamp::now());
                return self.reject(record, None, 0, &refusal, failures).await;
            }
        };
        let (route, unhandled) = match &envelope {
            Some(envelope) => {
                let name = envelope.event_type();
                (self.routes.find(name), SkipReason::UnknownEvent(name))
            }
            None => (self.routes.tombstones(), SkipReason::Tombstone),
        };
        match route {
            Some(route) => self.handle(record, envelope.as_ref(), route).await,
            None => self.skip(record, unhandled),
        }
    }

    async fn handle(
        &self,
        record: RecordRef<'_>,
        envelope: Option<&Envelope<'_>>,
        route: &Route,
    ) -> Settled {
        let (engine, partition) = (&*self.engine, &self.partition);
        let mut delivery = Delivery {
            partition,
            record,
            envelope,
            handler: &route.id,
            attempt: 1,
            attempts: engine.policy.attempts,
            state: &engine.state,
            shutdown: &self.shutdown,
        };
        let mut failures = Failures::default();
        loop {
            let attempt = delivery.attempt;
            let error = match self.attempt(route, &delivery).await {
                Outcome::Handled => {
                    engine.observers.notify(&Observation::Handled {
                        partition,
                        offset: record.offset,
                        event: delivery.event_type().unwrap_or("tombstone"),
                        handler: &route.id,
                        attempt,
                    });
                    return ControlFlow::Continue(());
                }
                Outcome::Skipped => {
                    return self.skip(record, SkipReason::ByHandler(&route.id));
                }
                Outcome::Failed(error) => error,
                Outcome::Rejected(rejection) => {
                    // The handler itself did not run.
                    failures.note(Timestamp::now());
                    return self
                        .reject(record, Some(route), attempt - 1, &rejection, failures)
                        .await;
                }
                Outcome::Emits(_) => {
                    Error::msg("a layer returned events, which only a handler can")
                }
            };
            failures.note(Timestamp::now());
            let chain = describe(&error);
            if error.verdict() == Verdict::DeadLetter || attempt >= engine.policy.attempts {
                let reason = match error.verdict() {
                    Verdict::DeadLetter => "refused_by_handler",
                    _ => "attempts_exhausted",
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

    // The handler, inside the layers if there are any.
    async fn attempt<'a>(&'a self, route: &'a Route, delivery: &'a Delivery<'a>) -> Outcome {
        if route.layers.is_empty() {
            return self.run_handler(route, delivery).await;
        }
        let handler = Handling { settler: self, route };
        let layers = async { Next::new(&route.layers, &handler).run(delivery).await };
        or_failed("a layer", layers).await
    }

    async fn run_handler<'a>(&self, route: &Route, delivery: &'a Delivery<'a>) -> Outcome {
        let attempt = async {
            let HandlerCall::Each(handler) = route.handler.call else {
                return Outcome::Failed(Error::msg("a handler of batches has no lane yet"));
            };
            match handler(delivery).await {
                Ok(Outcome::Emits(emissions)) => self.emit(emissions).await,
                Ok(outcome) => outcome,
                Err(Rejection::Failed(error)) => Outcome::Failed(error),
                Err(rejection) => Outcome::Rejected(rejection),
            }
        };
        or_failed("the handler", attempt).await
    }

    // All are on their way, in order, before the first acknowledgement is waited for.
    async fn emit(&self, emissions: Emissions) -> Outcome {
        let send =
            |record: OutgoingRecord| (record.topic.to_string(), self.engine.producer.send(record));
        let sending: Vec<_> = emissions.into_records().into_iter().map(send).collect();
        let mut outcome = Outcome::Handled;
        for (topic, acknowledged) in sending {
            if let (Err(source), Outcome::Handled) = (acknowledged.await, &outcome) {
                // What the broker will not take next time either is not worth a second run.
                let pointless = !source.is_retriable() && !source.is_fatal();
                let error = Error::from(NotEmitted { topic, source });
                outcome = Outcome::Failed(if pointless { error.dead_letter() } else { error });
            }
        }
        outcome
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
        failures: Failures,
    ) -> Settled {
        let (reason, error) = (rejection.code(), rejection.to_string());
        let handler = route.map(|route| &*route.id);
        self.dead_letter(DeadLetter { record, handler, attempts, reason, error, failures }).await
    }

    /// Writes a dead letter and waits for the acknowledgement, however long it takes: the record
    /// is not settled before, and nothing behind it is touched.
    async fn dead_letter(&self, letter: DeadLetter<'_>) -> Settled {
        let engine = &*self.engine;
        let (reason, error) = (letter.reason, letter.error.as_str());
        let offset = letter.record.offset;
        let mut outgoing = match self.routes.dead_letters(&self.partition.topic) {
            Ok(topic) => letter.to_record(topic, &self.partition, &engine.identity),
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

struct Handling<'a> {
    settler: &'a Settler,
    route: &'a Route,
}

impl Innermost for Handling<'_> {
    fn run<'a>(&'a self, delivery: &'a Delivery<'a>) -> OutcomeFuture<'a> {
        Box::pin(self.settler.run_handler(self.route, delivery))
    }
}

// A panic is a failure of the attempt like any other: it is retried, then dead-lettered.
fn or_failed(who: &str, attempt: impl Future<Output = Outcome>) -> impl Future<Output = Outcome> {
    AssertUnwindSafe(attempt).catch_unwind().map(move |ended| {
        ended.unwrap_or_else(|panic| {
            let message = panic
                .downcast_ref::<&str>()
                .copied()
                .or_else(|| panic.downcast_ref::<String>().map(String::as_str));
            let message = message.unwrap_or("without a message");
            Outcome::Failed(Error::msg(format!("{who} panicked: {message}")))
        })
    })
}

// The messages are the user's code, which may panic like any other.
fn describe(error: &Error) -> String {
    let chain = AssertUnwindSafe(|| error.chain().collect::<Vec<_>>().join(": "));
    std::panic::catch_unwind(chain)
        .unwrap_or_else(|_| "an error whose own message panicked".to_owned())
}

#[derive(Debug, thiserror::Error)]
#[error("an event that the handler returned was not acknowledged on topic `{topic}`")]
struct NotEmitted {
    topic: String,
    #[source]
    source: BrokerError,
}

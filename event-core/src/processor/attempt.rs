//! One attempt: the handler, its layers, its time limit, and the events that it returns.
//!
//! A handler that returns `Emit` returns records that are ready to be sent. The attempt sends them in order and
//! waits for each acknowledgement; only then is its outcome final, and only a final outcome settles a record. A
//! crash in between sends them again.

use std::panic::AssertUnwindSafe;
use std::time::Duration;

use futures_util::FutureExt;
use tokio::time::{Instant, timeout, timeout_at};

use super::engine::Engine;
use crate::broker::{Acknowledged, BrokerError, OutgoingRecord, PortFuture};
use crate::delivery::Delivery;
use crate::handler::{HandlerCall, call_once};
use crate::middleware::{Innermost, Next, OutcomeFuture};
use crate::outcome::{Error, Outcome, Rejection};
use crate::router::Route;

/// Runs the handler of `route` once, inside its layers.
pub(super) async fn attempt<'a>(
    engine: &'a Engine,
    route: &'a Route,
    delivery: &'a Delivery<'a>,
) -> Outcome {
    match engine.policy_of(route).timeout {
        None if route.layers.is_empty() => run_handler(engine, route, delivery).await,
        // Boxed, so that what not every handler has does not make the way of every record longer.
        None => Box::pin(inside_layers(engine, route, delivery)).await,
        Some(limit) => {
            let inside = Box::pin(inside_layers(engine, route, delivery));
            let in_time = timeout(limit, inside).await;
            in_time.unwrap_or_else(|_| timed_out(limit))
        }
    }
}

async fn inside_layers<'a>(
    engine: &'a Engine,
    route: &'a Route,
    delivery: &'a Delivery<'a>,
) -> Outcome {
    if route.layers.is_empty() {
        return run_handler(engine, route, delivery).await;
    }
    let handler = Handling { engine, route };
    let layers = async { Next::new(&route.layers, &handler).run(delivery).await };
    or_failed("a layer", layers).await
}

/// The outcomes of what a handler returned for several records; waits for the acknowledgements of the events
/// that it sends.
pub(super) async fn outcomes_of(
    engine: &Engine,
    results: Vec<Result<Outcome, Rejection>>,
) -> Vec<Outcome> {
    // All are on their way before the first is waited for.
    let finished: Vec<_> = results.into_iter().map(|result| finish(engine, result)).collect();
    let mut outcomes = Vec::with_capacity(finished.len());
    for finished in finished {
        outcomes.push(finished.outcome().await);
    }
    outcomes
}

async fn run_handler<'a>(engine: &Engine, route: &Route, delivery: &'a Delivery<'a>) -> Outcome {
    let attempt = async {
        match route.handler.call {
            HandlerCall::Each(handler) => {
                finish(engine, call_once(handler, delivery).await).outcome().await
            }
            HandlerCall::Call(handler) => finish(engine, handler(delivery).await).outcome().await,
            call @ (HandlerCall::Batch(_) | HandlerCall::BatchCall(_)) => {
                let mut results = call.call_batch(std::slice::from_ref(delivery)).await;
                match results.as_mut().and_then(Vec::pop) {
                    Some(result) => finish(engine, result).outcome().await,
                    None => Outcome::Failed(Error::msg("the handler returned no outcome")),
                }
            }
        }
    };
    or_failed("the handler", attempt).await
}

/// How a handler ended.
enum Finished {
    Outcome(Outcome),
    /// With events, which are on their way to these topics.
    Sending(Vec<(String, Acknowledgement)>),
}

type Acknowledgement = PortFuture<'static, Result<Acknowledged, BrokerError>>;

// All that is returned is on its way, in order, before the first acknowledgement is waited for.
fn finish(engine: &Engine, result: Result<Outcome, Rejection>) -> Finished {
    match result {
        Ok(Outcome::Emits(emissions)) => {
            let send =
                |record: OutgoingRecord| (record.topic.to_string(), engine.producer.send(record));
            Finished::Sending(emissions.into_records().into_iter().map(send).collect())
        }
        result => Finished::Outcome(without_events(result)),
    }
}

/// The outcome of what a handler returned that sends no events.
pub(super) fn without_events(result: Result<Outcome, Rejection>) -> Outcome {
    match result {
        Ok(outcome) => outcome,
        Err(Rejection::Failed(error)) => Outcome::Failed(error),
        Err(rejection) => Outcome::Rejected(rejection),
    }
}

impl Finished {
    async fn outcome(self) -> Outcome {
        match self {
            Finished::Outcome(outcome) => outcome,
            // Boxed, so that what is rare does not make the way of every record longer.
            Finished::Sending(sending) => Box::pin(acknowledged(sending)).await,
        }
    }
}

async fn acknowledged(sending: Vec<(String, Acknowledgement)>) -> Outcome {
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

struct Handling<'a> {
    engine: &'a Engine,
    route: &'a Route,
}

impl Innermost for Handling<'_> {
    fn run<'a>(&'a self, delivery: &'a Delivery<'a>) -> OutcomeFuture<'a> {
        Box::pin(run_handler(self.engine, self.route, delivery))
    }
}

// A panic is a failure of the attempt like any other: it is retried, then dead-lettered.
fn or_failed(who: &str, attempt: impl Future<Output = Outcome>) -> impl Future<Output = Outcome> {
    AssertUnwindSafe(attempt).catch_unwind().map(move |ended| {
        ended.unwrap_or_else(|panic| Outcome::Failed(Error::msg(panicked(who, panic.as_ref()))))
    })
}

/// How an attempt ends whose handler did not end in time.
pub(super) fn timed_out(limit: Duration) -> Outcome {
    Outcome::Failed(time_out_error(limit))
}

/// How an attempt ends whose handler panicked.
pub(super) fn failed_by_panic(panic: &(dyn std::any::Any + Send)) -> Outcome {
    Outcome::Failed(panic_error(panic))
}

/// The same as the error of one attempt at several records.
pub(super) fn panic_error(panic: &(dyn std::any::Any + Send)) -> Error {
    Error::msg(panicked("the handler", panic))
}

/// Why an attempt at several records failed that did not end in time.
pub(super) fn time_out_error(limit: Duration) -> Error {
    Error::from(TimedOut(limit))
}

/// How long an attempt may take, and when that is over.
pub(super) type TimeLimit = Option<(Duration, Instant)>;

/// The outcome of what a handler returned; waits for the acknowledgements of the events that it sends, which
/// is part of the attempt and so of its time.
pub(super) async fn outcome_within(
    limit: TimeLimit,
    engine: &Engine,
    result: Result<Outcome, Rejection>,
) -> Outcome {
    within(limit, finish(engine, result).outcome()).await.unwrap_or_else(timed_out)
}

/// Waits for what an attempt does; the limit when its time is over.
pub(super) async fn within<T>(
    limit: TimeLimit,
    work: impl Future<Output = T>,
) -> Result<T, Duration> {
    match limit {
        None => Ok(work.await),
        Some((limit, at)) => timeout_at(at, work).await.map_err(|_| limit),
    }
}

fn panicked(who: &str, panic: &(dyn std::any::Any + Send)) -> String {
    format!("{who} panicked: {}", panic_message(panic))
}

/// What a panic said.
pub(crate) fn panic_message(panic: &(dyn std::any::Any + Send)) -> &str {
    let message = panic.downcast_ref::<&str>().copied();
    let message = message.or_else(|| panic.downcast_ref::<String>().map(String::as_str));
    message.unwrap_or("without a message")
}

#[derive(Debug, thiserror::Error)]
#[error("the handler did not end within {0:?}")]
struct TimedOut(Duration);

#[derive(Debug, thiserror::Error)]
#[error("an event that the handler returned was not acknowledged on topic `{topic}`")]
struct NotEmitted {
    topic: String,
    #[source]
    source: BrokerError,
}

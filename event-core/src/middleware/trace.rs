//! A layer that opens a `tracing` span.

use ::tracing::{Instrument, field, info_span};

use super::Next;
use crate::delivery::Delivery;
use crate::outcome::Outcome;

/// A layer that runs the handler in a `tracing` span: what is logged inside says which record it is
/// about.
///
/// The span is called `attempt`, at the level `INFO` with the target `event_core`. Its fields are
/// `topic`, `partition`, `offset`, `event`, `handler`, `attempt`; `trace_id` and `parent_id` when the
/// record has a header `traceparent` (W3C Trace Context); and `outcome` once it is known:
/// [`Outcome::code`].
///
/// ```
/// use event_core::middleware;
/// use event_core::prelude::*;
///
/// # fn app() -> Result<EventApp> { Ok(
/// EventApp::from_env("admin")?.layer(middleware::trace)
/// # ) }
/// ```
pub async fn trace(delivery: &Delivery<'_>, next: Next<'_>) -> Outcome {
    let span = info_span!(
        target: "event_core",
        "attempt",
        topic = %delivery.partition.topic,
        partition = delivery.partition.partition,
        offset = delivery.record.offset.0,
        event = delivery.event_type().unwrap_or("tombstone"),
        handler = delivery.handler,
        attempt = delivery.attempt,
        trace_id = field::Empty,
        parent_id = field::Empty,
        outcome = field::Empty,
    );
    // Nobody listens: the headers need not be read.
    if span.is_disabled() {
        return next.run(delivery).await;
    }
    if let Some(trace) = delivery.record.trace_parent() {
        span.record("trace_id", trace.trace_id);
        span.record("parent_id", trace.parent_id);
    }
    let outcome = next.run(delivery).instrument(span.clone()).await;
    span.record("outcome", outcome.code());
    outcome
}

//! Everything that an attribute may say of delivery.

#![deny(warnings)]

use event_core::prelude::*;
use serde::Deserialize;

#[derive(Event, Deserialize)]
#[event(topic = "role_events", name = "CLAIM_ADDED", key = _role_id)]
struct ClaimAdded {
    _role_id: i64,
}

mod errors {
    pub(super) fn is_transient(error: &event_core::Error) -> bool {
        error.to_string().contains("time")
    }
}

#[event_handler(
    group = "audit.v2",
    order = key,
    concurrency = 8,
    timeout = "10s",
    retry(attempts = 5, backoff = "200ms..30s", jitter = none, on = errors::is_transient),
    breaker(failures = 20, pause = "5s..1m")
)]
async fn by_key(_event: Event<ClaimAdded>) {}

#[event_handler(order = none, concurrency = 256, retry(topics = ["1m", "10m", "1h"]), breaker = off)]
async fn through_topics(_event: Event<ClaimAdded>) {}

#[event_handler(order = partition, concurrency = 1, breaker(failures = 0), retry(attempts = 1))]
async fn in_place(_event: Event<ClaimAdded>) {}

#[event_handler(batch(max = 500, wait = "0ms"), order = none, retry(topics = ["1s"]))]
async fn several(_events: Batch<ClaimAdded>) -> Result {
    Ok(())
}

// Without a contract the record's own key serves.
#[event_handler(topic = "role_events", event = *, order = key, concurrency = 2, batch(max = 10))]
async fn the_rest(_records: Vec<RawEvent>) -> Vec<Result<()>> {
    Vec::new()
}

#[event_handler(blocking, batch(wait = "1s"))]
fn blocks(events: Vec<Event<ClaimAdded>>) -> Vec<Outcome> {
    events.iter().map(|_| Outcome::Handled).collect()
}

macro_rules! handler {
    ($name:ident, $order:ident, $attempts:literal, $timeout:literal, $on:path) => {
        #[event_handler(order = $order, timeout = $timeout, retry(attempts = $attempts, on = $on))]
        async fn $name(_event: Event<ClaimAdded>) {}
    };
}

handler!(by_macro, none, 3, "1m", errors::is_transient);

#[event_handler(topic = "role_events", event = "CLAIM_ADDED", order = key)]
#[event_handler(topic = "other_events", event = "CLAIM_ADDED", order = none, id = "other")]
async fn twice(_data: Option<Json<i64>>, _event: Option<Key<String>>) {}

fn main() {}

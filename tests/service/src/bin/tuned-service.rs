//! A service whose handlers say a good deal about their delivery, in three consumer groups.

use std::time::Duration;

use event_core::extract::Batch;
use event_core::middleware;
use event_core::prelude::*;
use service_tests::ClaimAdded;

event_core::link_handlers!(except unlinked_handlers);

#[event_handler(
    id = "book",
    order = key,
    concurrency = 16,
    timeout = "5s",
    retry(attempts = 3, backoff = "1s..4s", jitter = full, on = is_worth_it)
)]
async fn book_claim(_: Event<ClaimAdded>) {}

#[event_handler(
    id = "mail",
    group = "mailer",
    order = none,
    concurrency = 4,
    retry(attempts = 1, topics = ["1m", "10m"]),
    breaker(failures = 3, pause = "10s..5m")
)]
async fn mail_claim(_: Event<ClaimAdded>) {}

#[event_handler(id = "import", group = "warehouse", batch(max = 100, wait = "1s"))]
async fn import_claims(_: Batch<ClaimAdded>) {}

#[event_handler(topic = "role_events", event = *, group = "warehouse", id = "others")]
async fn import_others(_: RawEvent) {}

fn is_worth_it(_: &Error) -> bool {
    true
}

async fn in_time(delivery: &event_core::Delivery<'_>, next: middleware::Next<'_>) -> Outcome {
    let outcome = tokio::time::timeout(Duration::from_secs(60), next.run(delivery)).await;
    outcome.unwrap_or(Outcome::Skipped)
}

#[event_core::main]
async fn main() -> Result {
    EventApp::from_env("tuned")?.layer(middleware::trace).layer(in_time).main().await
}

//! What is kept in memory of records that wait.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use super::*;

/// What `max_in_flight_bytes` is in a test.
const LIMIT: u64 = 1 << 20;
const PARTITIONS: u32 = 8;
const VALUE: usize = 4000;

/// The bytes of the events that wait for their second attempt, and those that were handled.
#[derive(Clone, Default)]
struct Bytes(Arc<(AtomicU64, AtomicU64)>);

#[event_handler(
    topic = "engine_events",
    event = "COUNTED",
    order = none,
    concurrency = 8,
    breaker = off
)]
async fn wait(
    Json(text): Json<String>,
    attempt: Attempt,
    State(Bytes(bytes)): State<Bytes>,
) -> Result {
    let (waiting, handled) = &*bytes;
    let len = text.len() as u64;
    if attempt.number == 1 {
        waiting.fetch_add(len, Relaxed);
        return Err(Error::msg("too many requests").retry_after(60 * SECOND));
    }
    waiting.fetch_sub(len, Relaxed);
    handled.fetch_add(len, Relaxed);
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn records_that_wait_are_held_to_the_limit_and_the_partition_goes_on_after_them() {
    let bytes = Bytes::default();
    let app = service(module_path!()).state(bytes.clone()).partitions(PARTITIONS);
    let app = app.start().unwrap();
    let data = "x".repeat(VALUE);
    let value = format!(r#"{{"eventType":"COUNTED","data":"{data}"}}"#);
    let (rounds, per_round) = (20, 100);
    let mut keys = 0..rounds * per_round;
    for _ in 0..rounds {
        for key in keys.by_ref().take(per_round) {
            app.publish_raw(TOPIC, Some(key.to_string().as_bytes()), Some(value.as_bytes())).await;
        }
        tokio::time::sleep(SECOND / 10).await;
    }
    let waiting = bytes.0.0.load(Relaxed);
    // No batch has more records than were published together.
    let batches = (per_round * VALUE) as u64;
    assert!(waiting > LIMIT / 4 && waiting <= LIMIT + batches, "{waiting}");
    app.settle().await;
    assert_eq!(bytes.0.1.load(Relaxed), (rounds * per_round * VALUE) as u64);
}

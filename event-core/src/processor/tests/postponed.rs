//! Records that wait in a topic before they are retried.

use super::*;
use crate::processor::{Clock, retry_header};

#[derive(Clone, Default)]
struct Failed(Arc<Mutex<Vec<jiff::Timestamp>>>);

#[event_handler(order = none, retry(attempts = 1, topics = ["1m"]))]
async fn count(
    _: Event<Counted>,
    State(clock): State<Clock>,
    State(Failed(failed)): State<Failed>,
) -> Result {
    failed.lock().unwrap().push(clock.now());
    Err(Error::msg("never"))
}

#[tokio::test(start_paused = true)]
async fn a_record_is_due_when_all_of_its_time_is_over() {
    let (failed, clock) = (Failed::default(), Clock::of_tokio());
    let app = service(module_path!()).clock(clock).state(clock).state(failed.clone());
    let app = app.start().unwrap();
    for id in 0..10 {
        publish(&app, [id]).await;
        app.eventually("it waits", || app.records("engine_events_retry_1m").len() > id as usize)
            .await;
        // Less than a millisecond, so that the time of day goes through all parts of one.
        tokio::time::advance(Duration::from_micros(130)).await;
    }
    let failed = failed.0.lock().unwrap().clone();
    for (failed, waits) in failed.iter().zip(app.records("engine_events_retry_1m")) {
        let due = waits.headers.get_text(retry_header::DUE).unwrap().parse().unwrap();
        let due = jiff::Timestamp::from_millisecond(due).unwrap();
        let waited = due.duration_since(*failed);
        assert!(waited >= jiff::SignedDuration::from_secs(60), "{waited}");
        assert!(waited < jiff::SignedDuration::from_millis(60_002), "{waited}");
    }
}

//! A handler whose circuit breaker is open.

use super::*;

const MINUTE: Duration = Duration::from_secs(60);

/// The first fails once.
#[event_handler(
    order = none,
    concurrency = 1,
    breaker(failures = 1, pause = "10m..1h"),
    retry(attempts = 2, backoff = "2h..2h", jitter = none)
)]
async fn count(event: Event<Counted>, State(log): State<Log>) -> Result {
    log.note(event.id);
    if log.ids() == [0] { Err(Error::msg("it is down")) } else { Ok(()) }
}

#[tokio::test(start_paused = true)]
async fn a_record_that_cannot_be_decoded_does_not_keep_a_handler_shut() {
    let log = Log::default();
    let app = service(module_path!()).state(log.clone()).start().unwrap();
    let begun = Instant::now();
    publish(&app, [0]).await;
    for _ in 0..2 {
        let value = br#"{"eventType":"COUNTED","data":{"id":"seven"}}"#;
        app.publish_raw(TOPIC, None, Some(value)).await;
    }
    publish(&app, [1, 2]).await;
    app.settle().await;
    assert_eq!(log.ids(), [0, 1, 2, 0]);
    assert_eq!(app.dead_letters(TOPIC).len(), 2);
    let after: Vec<_> = log.times().iter().map(|at| (*at - begun).as_secs() / 60).collect();
    assert_eq!(after[1..3], [10, 10], "what is tried first when the pause is over decides nothing");
    assert!(log.times()[1] - begun >= 10 * MINUTE);
}

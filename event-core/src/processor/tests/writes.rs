//! Writes that a drain is kept by.

use super::*;

const PUBLISHED: [&str; 2] = [TOPIC, "engine_inputs"];

#[event_handler(id = "refuse")]
async fn refuse(_: Event<Counted>) -> Result {
    Err(Error::msg("no").dead_letter())
}

#[event_handler(
        id = "move_on",
        topic = "engine_inputs",
        event = "COUNTED",
        order = none,
        retry(attempts = 1, topics = ["1m"])
    )]
async fn move_on(_: Json<serde_json::Value>) -> Result {
    Err(Error::msg("not now"))
}

#[tokio::test(start_paused = true)]
async fn a_write_that_keeps_a_drain_is_named() {
    let mut app = service(module_path!()).start().unwrap();
    app.broker().inject(|request| match request {
        Request::Produce(record) if !PUBLISHED.contains(&record.topic.as_str()) => {
            Some(Fault::Slow(3600 * SECOND))
        }
        _ => None,
    });
    app.publish_raw("engine_inputs", None, Some(br#"{"eventType":"COUNTED","data":{}}"#)).await;
    app.publish_raw("engine_inputs", None, Some(b"poison")).await;
    publish(&app, [0]).await;
    tokio::time::sleep(SECOND).await;
    let error = app.stop().await.unwrap_err().to_string();
    let mut lines: Vec<_> = error.lines().collect();
    lines[1..].sort_unstable();
    let expected = [
        "2 partitions still had records in flight after 20s; they will be delivered again",
        "  engine_events/0@0 of `refuse` has been on its way to engine_events_dlq for ",
        "  engine_inputs/0@0 of `move_on` has been on its way to engine_inputs_retry_1m for ",
        "  engine_inputs/0@1 has been on its way to engine_inputs_dlq for ",
    ];
    assert_eq!(lines.len(), expected.len(), "{error}");
    for (line, expected) in lines.iter().zip(expected) {
        assert!(line.starts_with(expected), "{error}");
    }
}

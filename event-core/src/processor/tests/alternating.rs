//! Two handlers of batches whose records alternate on one partition.

use super::*;

#[derive(Event, serde::Serialize, serde::Deserialize)]
#[event(topic = "engine_events", name = "DROPPED", key = id)]
struct Dropped {
    id: u64,
}

#[derive(Clone, Default)]
struct Calls(Arc<Mutex<Vec<String>>>);

impl Calls {
    fn note(&self, what: &str, ids: impl Iterator<Item = u64>) {
        self.0.lock().unwrap().push(format!("{what} {:?}", ids.collect::<Vec<_>>()));
    }
}

#[event_handler(batch(max = 3, wait = "1s"))]
async fn count(counted: Batch<Counted>, State(calls): State<Calls>) -> Result {
    calls.note("counted", counted.iter().map(|one| one.id));
    // What was called with more than one is handled, once each was tried alone.
    match counted.iter().any(|one| one.id == 13) && counted.len() > 1 {
        true => Err(Error::msg("unlucky")),
        false => Ok(()),
    }
}

#[event_handler(batch(max = 3, wait = "1s"))]
async fn drop_all(dropped: Batch<Dropped>, State(calls): State<Calls>) {
    calls.note("dropped", dropped.iter().map(|one| one.id));
}

/// What handlers are called with when this lies on the topic, and what is committed then.
async fn calls(log: &[(&str, u64)]) -> (Vec<String>, NextOffset) {
    let broker = MemoryBroker::new();
    broker.create_topic(&TopicName::from_static(TOPIC), 1);
    let mut before =
        service(module_path!()).state(Calls::default()).broker(&broker).start().unwrap();
    before.crash().await;
    for (name, id) in log {
        let value = format!(r#"{{"eventType":"{name}","data":{{"id":{id}}}}}"#);
        before.publish_raw(TOPIC, None, Some(value.as_bytes())).await;
    }
    let calls = Calls::default();
    let app = service(module_path!()).state(calls.clone()).broker(&broker).start().unwrap();
    app.settle().await;
    let next = committed(&broker).await.0;
    let calls = calls.0.lock().unwrap().clone();
    (calls, next)
}

#[tokio::test(start_paused = true)]
async fn a_batch_ends_where_another_handler_is_next() {
    let log = [("COUNTED", 1), ("COUNTED", 2), ("DROPPED", 3), ("COUNTED", 4), ("DROPPED", 5)];
    let expected = ["counted [1, 2]", "dropped [3]", "counted [4]", "dropped [5]"];
    assert_eq!(calls(&log).await, (expected.map(str::to_owned).to_vec(), NextOffset(5)));
}

#[tokio::test(start_paused = true)]
async fn a_batch_goes_on_behind_what_nobody_handles_and_is_full_in_time() {
    let log = [
        ("OTHER", 0),
        ("COUNTED", 1),
        ("OTHER", 2),
        ("COUNTED", 3),
        ("COUNTED", 4),
        ("COUNTED", 5),
        ("OTHER", 6),
    ];
    let expected = ["counted [1, 3, 4]", "counted [5]"];
    assert_eq!(calls(&log).await, (expected.map(str::to_owned).to_vec(), NextOffset(7)));
}

#[tokio::test(start_paused = true)]
async fn what_follows_waits_for_a_batch_that_failed() {
    let log = [("COUNTED", 12), ("COUNTED", 13), ("DROPPED", 14), ("COUNTED", 15)];
    let expected =
        ["counted [12, 13]", "counted [12]", "counted [13]", "dropped [14]", "counted [15]"];
    assert_eq!(calls(&log).await, (expected.map(str::to_owned).to_vec(), NextOffset(4)));
}

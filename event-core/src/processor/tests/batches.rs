//! Handlers of several records at once.

use super::*;

#[derive(Event, serde::Serialize, serde::Deserialize)]
#[event(topic = "engine_outputs", name = "TOLD", key = id)]
struct Reported {
    id: u64,
}

#[event_handler(batch(max = 50, wait = "1s"))]
async fn report(counted: Batch<Counted>) -> Vec<Emit<Reported>> {
    counted.iter().map(|one| Emit(Reported { id: one.id })).collect()
}

#[tokio::test(start_paused = true)]
async fn the_events_of_a_batch_are_sent_together() {
    let broker = MemoryBroker::new();
    broker.create_topic(&TopicName::from_static("engine_outputs"), 1);
    let app = service(module_path!()).broker(&broker).start().unwrap();
    publish(&app, 0..50).await;
    let begun = Instant::now();
    broker.inject(|request| match request {
        Request::Produce(_) => Some(Fault::Slow(5 * SECOND)),
        _ => None,
    });
    app.settle().await;
    let took = begun.elapsed();
    assert!(took >= 5 * SECOND && took < 12 * SECOND, "{took:?}");
    assert_eq!(app.history().handled("COUNTED").len(), 50);
    let reported = app.records("engine_outputs").into_iter().map(|record| record.key.unwrap());
    let expected: Vec<_> = (0..50).map(|id: u64| id.to_string()).collect();
    assert_eq!(reported.collect::<Vec<_>>(), expected, "in their order");
}

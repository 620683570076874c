//! A service that ends by itself while handlers have records in flight.

use super::*;
use event_core::broker::BrokerError;
use event_core::broker::memory::{Fault, Request};
use event_core::processor::{DeliveryPolicy, ProcessorError, UnknownEvents};

const DRAIN: Duration = Duration::from_secs(20);
/// The claim that is dead-lettered.
const REFUSED: u64 = 7;

/// Claim number `id` takes so many seconds.
#[event_handler(order = none, concurrency = 4)]
async fn slow(event: Event<ClaimAdded>, State(log): State<Log>) -> Result {
    log.note(event.id);
    tokio::time::sleep(event.id as u32 * SECOND).await;
    log.note(1_000_000 + event.id);
    if event.id == REFUSED { Err(Error::msg("refused").dead_letter()) } else { Ok(()) }
}

/// To a partition, as it stands.
async fn publish_to(app: &RunningApp, partition: i32, value: String) {
    let record = OutgoingRecord {
        topic: TopicName::from_static(CLAIMS),
        partition: Some(partition),
        key: None,
        value: Some(value.into()),
        headers: Headers::new(),
        timestamp_ms: None,
    };
    app.publish_record(record).await;
}

/// A service that has claim `id` in flight when an event arrives that nobody handles.
async fn ended(log: &Log, id: u64) -> (RunningApp, ProcessorError, Duration) {
    let policy = DeliveryPolicy {
        unknown_events: UnknownEvents::Stop,
        drain_timeout: DRAIN,
        ..DeliveryPolicy::default()
    };
    let mut app = service(module_path!()).state(log.clone()).policy(policy).start().unwrap();
    publish(&app, id..id + 1, 1).await;
    app.eventually("it is in flight", || log.count(id) == 1).await;
    let arrived = Instant::now();
    app.publish_raw(CLAIMS, None, Some(br#"{"eventType": "ROLE_MOVED"}"#)).await;
    publish(&app, 1..2, 1).await;
    app.eventually("it ends", || !app.is_running()).await;
    let took = arrived.elapsed();
    let error = app.stop().await.unwrap_err();
    assert!(error.to_string().contains("`ROLE_MOVED` at role_events/0@1"), "{error}");
    (app, error, took)
}

#[tokio::test(start_paused = true)]
async fn records_in_flight_finish_when_an_unknown_event_stops_the_service() {
    let log = Log::default();
    let (app, error, took) = ended(&log, 5).await;
    assert!(matches!(&error, ProcessorError::UnknownEvent { offset, .. } if offset.0 == 1));
    assert_eq!(log.ids(), [5, 1_000_005], "nothing behind it begins");
    assert!(took < 7 * SECOND, "{took:?}");
    assert_eq!(app.committed(CLAIMS, 0).map(|next| next.0), Some(1));
}

#[tokio::test(start_paused = true)]
async fn what_is_not_finished_in_time_is_cancelled_and_delivered_again() {
    let log = Log::default();
    let (app, error, took) = ended(&log, 3600).await;
    assert!(matches!(&error, ProcessorError::UnknownEvent { offset, .. } if offset.0 == 1));
    assert!(took >= DRAIN && took < DRAIN + 3 * SECOND, "{took:?}");
    assert_eq!(app.committed(CLAIMS, 0), None);
    let next = service(module_path!()).state(log.clone()).broker(app.broker()).start().unwrap();
    next.settle().await;
    assert_eq!((log.count(1_003_600), log.count(1_000_001)), (1, 1), "with `skip` all is handled");
}

/// All partitions have the same time from the failure on, whatever its own lane waits for.
#[tokio::test(start_paused = true)]
async fn a_dead_letter_that_cannot_be_written_does_not_keep_it_running() {
    let policy = DeliveryPolicy {
        unknown_events: UnknownEvents::Stop,
        drain_timeout: DRAIN,
        ..DeliveryPolicy::default()
    };
    let log = Log::default();
    let app = service(module_path!()).state(log.clone()).policy(policy);
    let mut app = app.partitions(2).start().unwrap();
    app.broker().inject(|request| match request {
        Request::Produce(record) if record.topic.as_str() == "role_events_dlq" => {
            Some(Fault::Refused(BrokerError::UnknownTopic("role_events_dlq".into())))
        }
        _ => None,
    });
    let claim =
        |id: u64| format!(r#"{{"eventType": "CLAIM_ADDED", "data": {{"id": {id}, "roleId": 1}}}}"#);
    publish_to(&app, 0, "not an object".to_owned()).await;
    publish_to(&app, 1, claim(0)).await;
    publish_to(&app, 1, claim(3600)).await;
    let is_in_flight = || !app.health().is_healthy() && log.count(3600) == 1;
    app.eventually("both are in flight", is_in_flight).await;
    let arrived = Instant::now();
    publish_to(&app, 0, r#"{"eventType": "ROLE_MOVED"}"#.to_owned()).await;
    app.eventually("it ends", || !app.is_running()).await;
    let took = arrived.elapsed();
    assert!(took >= DRAIN && took < DRAIN + 3 * SECOND, "{took:?}");
    let error = app.stop().await.unwrap_err();
    assert!(error.to_string().contains("`ROLE_MOVED` at role_events/0@1"), "{error}");
    let all = app.history().all();
    let abandoned = all.iter().filter(|one| one.what == "abandoned");
    let abandoned: Vec<_> =
        abandoned.filter_map(|one| Some(one.partition.as_ref()?.partition)).collect();
    assert_eq!(abandoned, [1], "only this handler needed longer");
    assert_eq!(app.committed(CLAIMS, 0), None);
    assert_eq!(app.committed(CLAIMS, 1).map(|next| next.0), Some(1));
}

/// It is not seen by the loop any more, which has been asked to stop.
#[tokio::test(start_paused = true)]
async fn a_failure_while_it_drains_is_how_it_ends() {
    let log = Log::default();
    let mut app = service(module_path!()).state(log.clone()).start().unwrap();
    app.broker().inject(|request| match request {
        Request::Produce(record) if record.topic.as_str() == "role_events_dlq" => {
            Some(Fault::Refused(BrokerError::Fatal("fenced".into())))
        }
        _ => None,
    });
    publish(&app, REFUSED..REFUSED + 1, 1).await;
    app.eventually("it is in flight", || log.count(REFUSED) == 1).await;
    let error = app.stop().await.unwrap_err();
    assert!(matches!(&error, ProcessorError::Producer(..)), "{error}");
}

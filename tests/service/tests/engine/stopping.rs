//! A service that ends by itself while handlers have records in hand.

use super::*;
use event_core::processor::{DeliveryPolicy, ProcessorError, UnknownEvents};

const DRAIN: Duration = Duration::from_secs(20);

/// Claim number `id` takes so many seconds.
#[event_handler(order = none, concurrency = 4)]
async fn slow(event: Event<ClaimAdded>, State(log): State<Log>) {
    log.note(event.id);
    tokio::time::sleep(event.id as u32 * SECOND).await;
    log.note(1_000_000 + event.id);
}

/// A service that has claim `id` in hand when an event arrives that nobody handles.
async fn ended(log: &Log, id: u64) -> (RunningApp, ProcessorError, Duration) {
    let policy = DeliveryPolicy {
        unknown_events: UnknownEvents::Stop,
        drain_deadline: DRAIN,
        ..DeliveryPolicy::default()
    };
    let mut app = service(module_path!()).state(log.clone()).policy(policy).start().unwrap();
    publish(&app, id..id + 1, 1).await;
    app.eventually("it is in hand", || log.count(id) == 1).await;
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
async fn what_is_in_hand_when_an_unknown_event_ends_it_is_finished() {
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

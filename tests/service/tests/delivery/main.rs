//! Order, commits, retries, dead letters and shutdown, on the memory broker with the clock paused.

#![expect(clippy::unwrap_used, reason = "a test")]

mod failures;
mod payloads;
mod shutdown;
mod tasks;

use std::time::Duration;

use event_core::app::{Settings, SettingsOverrides};
use event_core::broker::memory::MemoryBroker;
use event_core::broker::{Broker, BrokerError};
use event_core::delivery::NextOffset;
use event_core::event::TopicName;
use event_core::handler::HandlerOverrides;
use event_core::prelude::*;
use event_core::processor::{
    DeliveryPolicy, ProcessorError, UnknownEvents, dead_letter_header as header,
};
use event_core::testing::{RunningApp, TestApp};
use service_tests::{ClaimAdded, Seen, claim};

const CLAIMS: &str = "role_events";

fn service(module: &str) -> TestApp {
    TestApp::new("admin").handlers_from(format!("{}::{module}", module_path!()))
}

fn text<'a>(record: &'a event_core::broker::memory::StoredRecord, name: &str) -> &'a str {
    record.headers.get_text(name).unwrap_or_else(|| panic!("no header {name}"))
}

async fn publish(app: &RunningApp, ids: std::ops::Range<u64>) {
    for id in ids {
        app.publish(&claim(id)).await;
    }
}

mod notes {
    use super::*;

    #[event_handler]
    async fn note(event: Event<ClaimAdded>, State(seen): State<Seen>) {
        seen.note(event.id);
    }
}

#[tokio::test(start_paused = true)]
async fn events_are_handled_in_order_and_committed_to_the_end() {
    let seen = Seen::default();
    let app = service("notes").state(seen.clone()).start().unwrap();
    publish(&app, 0..500).await;
    app.settle().await;
    assert_eq!(seen.ids(), (0..500).collect::<Vec<_>>());
    assert_eq!(app.committed(CLAIMS, 0), Some(NextOffset(500)));
    assert!(app.dead_letters(CLAIMS).is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_clean_restart_repeats_nothing() {
    let seen = Seen::default();
    let mut app = service("notes").state(seen.clone()).start().unwrap();
    publish(&app, 0..100).await;
    app.eventually("some are handled", || !seen.ids().is_empty()).await;
    app.stop().await.unwrap();
    app.restart();
    app.settle().await;
    assert_eq!(seen.ids(), (0..100).collect::<Vec<_>>());
}

#[tokio::test(start_paused = true)]
async fn a_crash_between_handling_and_commit_repeats_but_loses_nothing() {
    let seen = Seen::default();
    let policy =
        DeliveryPolicy { commit_interval: Duration::from_secs(3600), ..Default::default() };
    let mut app = service("notes").state(seen.clone()).policy(policy).start().unwrap();
    publish(&app, 0..10).await;
    app.eventually("all are handled", || seen.ids().len() == 10).await;
    assert_eq!(app.committed(CLAIMS, 0), None);
    app.crash().await;
    app.restart();
    app.settle().await;
    assert_eq!(seen.ids(), (0..10).chain(0..10).collect::<Vec<_>>());
}

#[tokio::test(start_paused = true)]
async fn a_failed_commit_is_repeated() {
    let seen = Seen::default();
    let app = service("notes").state(seen.clone()).start().unwrap();
    app.broker().fail_commits(3);
    publish(&app, 0..10).await;
    app.settle().await;
    assert_eq!(app.committed(CLAIMS, 0), Some(NextOffset(10)));
}

#[tokio::test(start_paused = true)]
async fn unknown_events_and_tombstones_are_skipped_and_counted() {
    let app = service("notes").state(Seen::default()).start().unwrap();
    app.publish_raw(CLAIMS, None, Some(br#"{"eventType": "claim_added", "data": 1}"#)).await;
    app.publish_raw(CLAIMS, None, Some(br#"{"eventType": "ROLE_RENAMED"}"#)).await;
    app.publish_raw(CLAIMS, Some(b"3"), None).await;
    publish(&app, 0..1).await;
    app.settle().await;
    assert_eq!(app.history().unknown_events(), ["claim_added", "ROLE_RENAMED"]);
    assert_eq!((app.history().counts().skipped, app.history().counts().handled), (3, 1));
    assert_eq!(app.committed(CLAIMS, 0), Some(NextOffset(4)));
}

#[tokio::test(start_paused = true)]
async fn partitions_go_side_by_side() {
    let seen = Seen::default();
    let app = service("shutdown::slow").partitions(2).state(seen.clone()).start().unwrap();
    let send = async |partition, id| {
        let value = format!(r#"{{"eventType":"CLAIM_ADDED","data":{{"id":{id},"roleId":3}}}}"#);
        app.publish_record(event_core::broker::OutgoingRecord {
            topic: TopicName::from_static(CLAIMS),
            partition: Some(partition),
            key: None,
            value: Some(value.into()),
            headers: Default::default(),
            timestamp_ms: None,
        })
        .await;
    };
    send(0, 100).await;
    for id in 0..5 {
        send(1, id).await;
    }
    app.settle().await;
    assert_eq!(seen.ids(), [0, 1, 2, 3, 4, 100]);
}

#[tokio::test(start_paused = true)]
async fn a_second_member_takes_over_without_loss_or_repetition() {
    let (broker, seen) = (MemoryBroker::new(), Seen::default());
    let start =
        || service("notes").partitions(4).broker(&broker).state(seen.clone()).start().unwrap();
    let first = start();
    publish_over_partitions(&first, 0..200).await;
    let mut second = start();
    publish_over_partitions(&first, 200..400).await;
    first.settle().await;
    second.stop().await.unwrap();
    publish_over_partitions(&first, 400..600).await;
    first.settle().await;
    assert!(second.history().counts().handled > 0, "the second member did something");
    let mut ids = seen.ids();
    ids.sort_unstable();
    assert_eq!(ids, (0..600).collect::<Vec<_>>());
}

async fn publish_over_partitions(app: &RunningApp, ids: std::ops::Range<u64>) {
    for id in ids {
        app.publish(&ClaimAdded { id, role_id: i64::try_from(id % 16).unwrap() }).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_state_that_nobody_provides_is_refused_at_start() {
    let report = service("notes").start().err().unwrap().to_string();
    assert!(report.starts_with("cannot start: 1 problem"), "{report}");
    assert!(report.contains("needs State<Seen>, which was never provided"), "{report}");
}

#[tokio::test(start_paused = true)]
async fn what_the_service_is_told_twice_or_of_nobody_is_refused_at_start() {
    let mut policy = DeliveryPolicy::default();
    policy.handlers.insert("notes::not".into(), HandlerOverrides::default());
    policy.unknown_events_of.insert("role_event".into(), UnknownEvents::Stop);
    let app = service("notes").state(Seen::default()).state(Seen::default()).policy(policy);
    let report = app.start().err().unwrap().to_string();
    for expected in [
        "cannot start: 3 problems",
        "handlers.\"notes::not\"",
        "topic.\"role_event\"",
        "state Seen is provided twice",
    ] {
        assert!(report.contains(expected), "{expected:?} is not in:\n{report}");
    }
}

struct BrokenListener;

impl event_core::observe::Observer for BrokenListener {
    fn observe(&self, observation: &event_core::observe::Observation<'_>) {
        assert!(
            !matches!(observation, event_core::observe::Observation::Handled { .. }),
            "a listener that panics"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn a_partition_whose_engine_panics_ends_the_service_instead_of_standing_still() {
    let broker = MemoryBroker::new();
    for topic in ["role_events", "role_events_dlq"] {
        broker.create_topic(&TopicName::from_static(topic), 1);
    }
    let producer = event_core::EventProducer::new(broker.producer().unwrap());
    producer.send(&claim(1)).await.unwrap();
    let app = EventApp::from_env("admin")
        .unwrap()
        .handlers_from(format!("{}::notes", module_path!()))
        .state(Seen::default())
        .observer(std::sync::Arc::new(BrokenListener));
    let settings = Settings::load("admin", &SettingsOverrides::default(), []).unwrap();
    let error = app.run_on(broker, settings, std::future::pending()).await.unwrap_err();
    assert_eq!(
        error.to_string(),
        "the engine failed on partition role_events/0; see the log for the panic"
    );
}

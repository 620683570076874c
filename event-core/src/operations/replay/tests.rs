//! A service of two groups that both handle the same event.

#![expect(clippy::unwrap_used, reason = "a test")]

use std::sync::Mutex;

use bytes::Bytes;
use event_macros::event_handler;

use super::*;
use crate::app::{Settings, SettingsOverrides};
use crate::broker::OutgoingRecord;
use crate::broker::memory::MemoryBroker;
use crate::event::Headers;
use crate::operations::groups_of;
use crate::{EventApp, Json, State};

const PARCELS: TopicName = TopicName::from_static("parcel_events");

type Seen = Arc<Mutex<Vec<&'static str>>>;

#[event_handler(topic = "parcel_events", event = "PARCEL_SENT", id = "track")]
async fn track(_id: Json<u64>, State(seen): State<Seen>) {
    seen.lock().unwrap().push("track");
}

#[event_handler(
    topic = "parcel_events",
    event = "PARCEL_SENT",
    id = "bill",
    group = "billing",
    order = none,
    retry(topics = ["1m"])
)]
async fn bill(_id: Json<u64>, State(seen): State<Seen>) {
    seen.lock().unwrap().push("bill");
}

async fn replayed(handler: Option<&str>) -> (Vec<&'static str>, u64) {
    let memory = MemoryBroker::new();
    memory.create_topic(&PARCELS, 1);
    for derived in ["parcel_events_dlq", "parcel_events_retry_1m"] {
        memory.create_topic(&TopicName::from_static(derived), 1);
    }
    let record = OutgoingRecord {
        topic: PARCELS,
        partition: None,
        key: None,
        value: Some(Bytes::from_static(br#"{"eventType": "PARCEL_SENT", "data": 7}"#)),
        headers: Headers::new(),
        timestamp_ms: None,
    };
    memory.producer().unwrap().send(record).await.unwrap();
    let seen = Seen::default();
    let app = EventApp::from_env("parcels").unwrap().handlers_from(module_path!());
    let app = app.state(Arc::clone(&seen));
    let settings = Settings::load("parcels_replay_1", &SettingsOverrides::default(), []).unwrap();
    let replayed = Replayed::default();
    let broker = ReplayBroker {
        range: ReplayRange::resolve(
            &memory,
            &PARCELS,
            None,
            OffsetSpec::Beginning,
            OffsetSpec::End,
        )
        .await
        .unwrap(),
        inner: memory,
        groups: groups_of(app.registry().handlers(), &settings.group),
        handler: handler.map(str::to_owned),
        rate: None,
        dead_letters: false,
        replayed: replayed.clone(),
    };
    let done = replayed.clone();
    app.run_on(broker, settings, async move { done.done().await }).await.unwrap();
    let mut seen = seen.lock().unwrap().clone();
    seen.sort_unstable();
    (seen, replayed.passed_over())
}

#[tokio::test(start_paused = true)]
async fn each_group_has_its_own_turn_and_one_handler_is_one_of_a_group() {
    // What the other group has to do with a record does not count.
    assert_eq!(replayed(None).await, (vec!["bill", "track"], 0));
    assert_eq!(replayed(Some("bill")).await, (vec!["bill"], 0));
    assert_eq!(replayed(Some("track")).await, (vec!["track"], 0));
}

#[tokio::test]
async fn a_record_that_would_wait_in_a_retry_topic_is_counted_and_not_sent() {
    let memory = MemoryBroker::new();
    let app = EventApp::from_env("parcels").unwrap().handlers_from(module_path!());
    let settings = Settings::load("parcels_replay_1", &SettingsOverrides::default(), []).unwrap();
    let replayed = Replayed::default();
    let replay = ReplayBroker {
        inner: memory.clone(),
        range: ReplayRange(Vec::new()),
        groups: groups_of(app.registry().handlers(), &settings.group),
        handler: None,
        rate: None,
        dead_letters: true,
        replayed: replayed.clone(),
    };
    let retry = TopicName::from_static("parcel_events_retry_1m");
    let letters = PARCELS.dead_letters().unwrap();
    // The header is the user's own anywhere but in a retry topic.
    for (topic, put_off, sent) in [(retry, 1, 0), (letters, 1, 1), (PARCELS, 1, 1)] {
        memory.create_topic(&topic, 1);
        let mut headers = Headers::new();
        headers.push("retry.due", "1700000000000");
        let record = OutgoingRecord {
            topic: topic.clone(),
            partition: None,
            key: None,
            value: None,
            headers,
            timestamp_ms: None,
        };
        replay.producer().unwrap().send(record).await.unwrap();
        assert_eq!((replayed.put_off(), memory.records(&topic).len()), (put_off, sent), "{topic}");
    }
}

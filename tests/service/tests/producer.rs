//! Sending events by their contracts.

#![expect(clippy::unwrap_used, reason = "a test")]

use std::time::Duration;

use event_core::EventProducer;
use event_core::broker::memory::MemoryBroker;
use event_core::broker::{Broker, BrokerError};
use event_core::event::TopicName;
use service_tests::{ClaimAdded, claim};

const TOPIC: TopicName = TopicName::from_static("role_events");

fn broker() -> (MemoryBroker, EventProducer) {
    let broker = MemoryBroker::new();
    broker.create_topic(&TOPIC, 4);
    let producer = EventProducer::new(broker.producer().unwrap());
    (broker, producer)
}

#[tokio::test]
async fn an_event_is_sent_with_its_key_and_the_whole_envelope() {
    let (broker, producer) = broker();
    let sent = producer.as_user("ann").send(&ClaimAdded { id: 7, role_id: 3 }).await.unwrap();
    let records = broker.records(&TOPIC);
    assert_eq!((&records[0].partition, records[0].offset), (&sent.partition, sent.offset));
    assert_eq!(records[0].key.as_deref(), Some(&b"3"[..]));
    let json: serde_json::Value =
        serde_json::from_slice(records[0].value.as_ref().unwrap()).unwrap();
    assert_eq!(json["eventType"], "CLAIM_ADDED");
    assert_eq!(json["userId"], "ann");
    assert_eq!(json["data"], serde_json::json!({"id": 7, "roleId": 3}));
    assert_eq!(json["version"], 1);
    assert_eq!(json["eventId"].as_str().unwrap().as_bytes()[14], b'7', "a UUIDv7");
    assert!(json["occurredAt"].as_str().unwrap().ends_with('Z'));
}

#[tokio::test]
async fn events_of_one_key_keep_their_order() {
    let (broker, producer) = broker();
    let events: Vec<_> = (0..100).map(claim).collect();
    let sent = producer.send_all(&events).await.unwrap();
    assert_eq!(sent.len(), 100);
    let records = broker.records(&TOPIC);
    let ids = records.iter().map(|record| {
        let json: serde_json::Value =
            serde_json::from_slice(record.value.as_ref().unwrap()).unwrap();
        json["data"]["id"].as_u64().unwrap()
    });
    assert_eq!(ids.collect::<Vec<_>>(), (0..100).collect::<Vec<_>>());
    producer.flush(Duration::from_secs(1)).await.unwrap();
}

#[tokio::test]
async fn a_refusal_names_the_event_the_topic_and_the_reason() {
    let (broker, producer) = broker();
    broker.refuse_writes(&TOPIC, Some(BrokerError::Unauthorised("write to role_events".into())));
    let error = producer.send(&claim(1)).await.unwrap_err();
    let chain = format!("{:?}", event_core::Error::from(error));
    assert_eq!(
        chain,
        "event CLAIM_ADDED was not acknowledged on topic `role_events`: not authorised: write to role_events"
    );
    let error = producer.send_all(&[claim(1), claim(2)]).await.unwrap_err();
    assert_eq!((error.total, error.failed.len()), (2, 2));
    assert_eq!(
        error.to_string(),
        "2 of 2 events were not sent, the first of them number 1: event CLAIM_ADDED was not acknowledged on topic `role_events`"
    );
}

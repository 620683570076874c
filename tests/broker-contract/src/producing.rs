//! What a producer, and one who asks for topics, may rely on.

use std::time::{Duration, Instant};

use bytes::Bytes;
use event_core::broker::{Broker, BrokerError, OutgoingRecord, TopicStatus};
use event_core::delivery::Offset;
use event_core::event::Headers;

use crate::TestCluster;
use crate::member::{Member, TIMEOUT, record, topic};

pub async fn a_record_is_acknowledged_with_its_place(cluster: &impl TestCluster) {
    let topic = topic("acknowledged");
    cluster.create_topic(topic.as_str(), 3).await;
    let producer = cluster.broker().producer().unwrap();
    for offset in 0..3 {
        let to = OutgoingRecord { partition: Some(2), ..record(&topic, "k", "v") };
        let place = producer.send(to).await.unwrap();
        assert_eq!(place.partition.topic, topic);
        assert_eq!(place.partition.partition, 2);
        assert_eq!(place.offset, Offset(offset));
    }
}

pub async fn a_key_has_one_partition(cluster: &impl TestCluster) {
    let topic = topic("keys");
    cluster.create_topic(topic.as_str(), 8).await;
    let broker = cluster.broker();
    let (one, other) = (broker.producer().unwrap(), broker.producer().unwrap());
    let mut partitions = Vec::new();
    for key in 0..32 {
        let first = one.send(record(&topic, &key.to_string(), "v")).await.unwrap();
        let again = other.send(record(&topic, &key.to_string(), "w")).await.unwrap();
        assert_eq!(first.partition, again.partition, "key {key}");
        partitions.push(first.partition.partition);
    }
    partitions.sort_unstable();
    partitions.dedup();
    assert!(partitions.len() > 2, "keys are spread, not all on {partitions:?}");
}

pub async fn the_order_of_sends_is_kept(cluster: &impl TestCluster) {
    // More than any queue bound, so that some have to wait.
    const RECORDS: usize = 50_000;
    let topic = topic("send_order");
    cluster.create_topic(topic.as_str(), 1).await;
    let producer = cluster.broker().producer().unwrap();
    let sends: Vec<_> = (0..RECORDS)
        .map(|number| producer.send(record(&topic, "k", &number.to_string())))
        .collect();
    for (number, send) in sends.into_iter().enumerate() {
        assert_eq!(send.await.unwrap().offset, Offset(number as i64));
    }
}

pub async fn an_unknown_topic_is_an_error(cluster: &impl TestCluster) {
    let topic = topic("nowhere");
    let broker = cluster.broker();
    let producer = broker.producer().unwrap();
    let started = Instant::now();
    let error = producer.send(record(&topic, "k", "v")).await.unwrap_err();
    assert_eq!(error, BrokerError::UnknownTopic(topic.to_string()));
    assert!(started.elapsed() < Duration::from_secs(15), "{:?}", started.elapsed());
    // Asked twice, because the first question could make it.
    for _ in 0..2 {
        let status = broker.topics(std::slice::from_ref(&topic), TIMEOUT).await.unwrap();
        assert_eq!(status[0].partitions, Err(BrokerError::UnknownTopic(topic.to_string())));
    }
}

pub async fn a_record_that_is_too_large_is_an_error(cluster: &impl TestCluster) {
    let Some(too_large) = cluster.too_large_bytes() else {
        return;
    };
    let topic = topic("too_large");
    cluster.create_topic(topic.as_str(), 1).await;
    let producer = cluster.broker().producer().unwrap();
    let value = Bytes::from(vec![b'x'; too_large]);
    // With a header, which is given back too.
    let mut headers = Headers::new();
    headers.push("reason", "x".repeat(64));
    let header_bytes = "reason".len() + 64;
    let large = OutgoingRecord { value: Some(value), headers, ..record(&topic, "k", "") };
    match producer.send(large).await {
        Err(BrokerError::TooLarge { topic: named, bytes, .. }) => {
            assert_eq!(topic, named.as_str());
            assert_eq!(bytes, too_large + 1 + header_bytes);
        }
        other => panic!("{other:?}"),
    }
    // And the next one is fine.
    producer.send(record(&topic, "k", "v")).await.unwrap();
}

pub async fn flush_waits_for_what_was_sent(cluster: &impl TestCluster) {
    const RECORDS: usize = 1_000;
    let topic = topic("flush");
    cluster.create_topic(topic.as_str(), 1).await;
    let broker = cluster.broker();
    let producer = broker.producer().unwrap();
    producer.flush(TIMEOUT).await.unwrap();
    for number in 0..RECORDS {
        // Dropping the future does not take the record back.
        drop(producer.send(record(&topic, "k", &number.to_string())));
    }
    producer.flush(TIMEOUT).await.unwrap();
    drop(producer);
    let mut member = Member::join(&broker, "flush", &topic);
    assert_eq!(member.read(RECORDS).await.len(), RECORDS);
    member.close().await;
}

pub async fn topics_are_found_by_name(cluster: &impl TestCluster) {
    let (one, two, missing) = (topic("found_one"), topic("found_two"), topic("missing"));
    cluster.create_topic(one.as_str(), 1).await;
    cluster.create_topic(two.as_str(), 5).await;
    let names = [two.clone(), missing.clone(), one.clone()];
    let unknown = BrokerError::UnknownTopic(missing.to_string());
    let found = cluster.broker().topics(&names, TIMEOUT).await.unwrap();
    let expected = [(two, Ok(5)), (missing, Err(unknown)), (one, Ok(1))]
        .map(|(topic, partitions)| TopicStatus { topic, partitions, without_leader: Vec::new() });
    assert_eq!(found, expected);
    assert_eq!(cluster.broker().topics(&[], TIMEOUT).await.unwrap(), []);
}

pub async fn nobody_at_the_address_is_an_error_that_names_it(cluster: &impl TestCluster) {
    let Some((broker, nobody)) = cluster.unreachable() else {
        return;
    };
    let started = Instant::now();
    match broker.topics(&[topic("anything")], Duration::from_secs(2)).await {
        Err(BrokerError::Unreachable { address, last_error }) => {
            assert_eq!(address, nobody);
            assert!(last_error.contains("refused"), "{last_error}");
        }
        other => panic!("{other:?}"),
    }
    assert!(started.elapsed() < Duration::from_secs(10), "{:?}", started.elapsed());
}

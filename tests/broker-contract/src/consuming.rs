//! What one consumer may rely on.

use std::time::Duration;

use bytes::Bytes;
use event_core::broker::{Broker, ConsumerEvent, OutgoingRecord, Subscription};
use event_core::delivery::{Epoch, NextOffset, Offset, RecordBatch, TopicPartition};
use event_core::event::{Header, Headers, TopicName};

use crate::TestCluster;
use crate::member::{Member, TIMEOUT, fill, record, subscription, topic};

pub async fn records_arrive_as_they_were_sent(cluster: &impl TestCluster) {
    let topic = topic("as_sent");
    cluster.create_topic(topic.as_str(), 1).await;
    let broker = cluster.broker();
    let producer = broker.producer().unwrap();

    let mut headers = Headers::new();
    headers.push("traceparent", "00-1");
    headers.push("twice", "first");
    headers.push("twice", "second");
    headers.push("empty", "");
    headers.push_header(Header { name: "null".into(), value: None });
    headers.push_header(Header { name: Bytes::from_static(b"\xff\xfe"), value: Some("x".into()) });
    headers.push("bytes", Bytes::from_static(b"\x00\xff"));
    headers.push("", "nameless");
    let base = record(&topic, "key", "value");
    let sent = [
        OutgoingRecord { headers, timestamp_ms: Some(1_700_000_000_123), ..base.clone() },
        OutgoingRecord { key: None, value: Some(Bytes::new()), ..base.clone() },
        OutgoingRecord { key: Some(Bytes::new()), value: None, ..base.clone() },
        OutgoingRecord { value: Some(Bytes::from_static(b"\xff\x00")), ..base },
    ];
    for record in &sent {
        producer.send(record.clone()).await.unwrap();
    }

    let mut member = Member::join(&broker, "as_sent", &topic);
    let seen = member.read(sent.len()).await;
    for (index, (sent, seen)) in sent.iter().zip(&seen).enumerate() {
        assert_eq!(seen.key.as_deref(), sent.key.as_deref(), "key of {index}");
        assert_eq!(seen.value.as_deref(), sent.value.as_deref(), "value of {index}");
        assert_eq!(seen.headers, sent.headers, "headers of {index}");
    }
    // What is remembered of a partition is bound to its log by it.
    assert!(seen[0].leader_epoch.is_some(), "the leader epoch is known");
    assert!(seen.iter().all(|one| one.leader_epoch == seen[0].leader_epoch), "one leader");
    assert_eq!(seen[0].timestamp_ms, 1_700_000_000_123);
    assert!(seen[1].timestamp_ms > 1_700_000_000_123, "the present is the default");
    member.close().await;
}

pub async fn a_topic_that_others_named_is_like_any_other(cluster: &impl TestCluster) {
    let topic = TopicName::foreign(&format!("Orders.v1-{}", topic("eu"))).unwrap();
    cluster.create_topic(topic.as_str(), 1).await;
    let broker = cluster.broker();
    fill(&*broker.producer().unwrap(), &topic, 0, 3).await;

    let mut first = Member::join(&broker, "others_named", &topic);
    let seen = first.read(3).await;
    assert_eq!(seen[2].text(), "2");
    first.close().await;

    // What was committed for it holds, and its revocation arrives.
    fill(&*broker.producer().unwrap(), &topic, 0, 1).await;
    let mut second = Member::join(&broker, "others_named", &topic);
    let seen = second.read(1).await;
    assert_eq!(seen[0].offset, Offset(3));
    second.close().await;
}

pub async fn records_of_a_partition_arrive_in_order(cluster: &impl TestCluster) {
    const EACH: usize = 3_000;
    let topic = topic("in_order");
    cluster.create_topic(topic.as_str(), 3).await;
    let broker = cluster.broker();
    let producer = broker.producer().unwrap();
    tokio::join!(
        fill(&*producer, &topic, 0, EACH),
        fill(&*producer, &topic, 1, EACH),
        fill(&*producer, &topic, 2, EACH),
    );

    let mut member = Member::join(&broker, "in_order", &topic);
    let seen = member.read(3 * EACH).await;
    assert_eq!(seen.len(), 3 * EACH);
    for partition in 0..3 {
        let of_one = seen.iter().filter(|seen| seen.partition == partition);
        for (number, seen) in of_one.enumerate() {
            assert_eq!(seen.offset, Offset(number as i64));
            assert_eq!(seen.text(), number.to_string());
        }
    }
    member.close().await;
}

pub async fn a_new_group_starts_at_the_earliest_record(cluster: &impl TestCluster) {
    let topic = topic("earliest");
    cluster.create_topic(topic.as_str(), 1).await;
    let broker = cluster.broker();
    let producer = broker.producer().unwrap();
    fill(&*producer, &topic, 0, 3).await;

    let mut member = Member::join(&broker, "earliest", &topic);
    assert_eq!(member.read(1).await[0].offset, Offset(0));
    drop(member);
    let mut other = Member::join(&broker, "another_group", &topic);
    assert_eq!(other.read(1).await[0].offset, Offset(0));
}

pub async fn a_group_resumes_where_it_was_closed(cluster: &impl TestCluster) {
    let topic = topic("resume");
    cluster.create_topic(topic.as_str(), 1).await;
    let broker = cluster.broker();
    let producer = broker.producer().unwrap();
    fill(&*producer, &topic, 0, 10).await;

    let mut member = Member::join(&broker, "resume", &topic);
    member.read(10).await;
    member.close().await;
    fill(&*producer, &topic, 0, 1).await;
    let mut member = Member::join(&broker, "resume", &topic);
    assert_eq!(member.read(1).await[0].offset, Offset(10));
    member.close().await;
}

pub async fn asynchronous_commits_count(cluster: &impl TestCluster) {
    let topic = topic("commits");
    cluster.create_topic(topic.as_str(), 1).await;
    let broker = cluster.broker();
    let producer = broker.producer().unwrap();
    fill(&*producer, &topic, 0, 10).await;

    let mut member = Member::join(&broker, "commits", &topic);
    member.read(10).await;
    let mut progress = member.progress();
    progress[0].next = NextOffset(4);
    member.commit(&progress);
    member.close_with(Vec::new()).await;
    let mut member = Member::join(&broker, "commits", &topic);
    assert_eq!(member.read(1).await[0].offset, Offset(4));
    member.close().await;
}

pub async fn commits_are_reported(cluster: &impl TestCluster) {
    let topic = topic("reported");
    cluster.create_topic(topic.as_str(), 1).await;
    let broker = cluster.broker();
    let producer = broker.producer().unwrap();
    fill(&*producer, &topic, 0, 10).await;

    let mut member = Member::join(&broker, "reported", &topic);
    member.read(10).await;
    let last = member.progress();
    let mut progress = last.clone();
    progress[0].next = NextOffset(4);
    // An epoch that is over is not committed, and so not reported.
    let mut over = last.clone();
    over[0].epoch = Epoch(over[0].epoch.0 + 1);
    member.commit(&over);
    member.commit(&progress);
    loop {
        if let ConsumerEvent::Committed(committed) = member.next().await {
            assert_eq!(committed, progress);
            break;
        }
    }
    assert_eq!(member.close_within(last.clone(), TIMEOUT).await, Ok(last));
}

pub async fn a_dropped_consumer_repeats_what_was_not_committed(cluster: &impl TestCluster) {
    let topic = topic("dropped");
    cluster.create_topic(topic.as_str(), 1).await;
    let broker = cluster.broker();
    let producer = broker.producer().unwrap();
    fill(&*producer, &topic, 0, 10).await;

    let mut member = Member::join(&broker, "dropped", &topic);
    member.read(10).await;
    drop(member);
    let mut member = Member::join(&broker, "dropped", &topic);
    assert_eq!(member.read(10).await[0].offset, Offset(0));
    member.close().await;
}

pub async fn fetching_stops_at_the_byte_budget(cluster: &impl TestCluster) {
    const RECORDS: usize = 1_000;
    const BUDGET: usize = 256 << 10;
    let topic = topic("budget");
    cluster.create_topic(topic.as_str(), 2).await;
    let broker = cluster.broker();
    let producer = broker.producer().unwrap();
    let kilobyte = "x".repeat(1024);
    let sends: Vec<_> = (0..RECORDS)
        .map(|number| {
            let partition = Some((number % 2) as i32);
            producer.send(OutgoingRecord { partition, ..record(&topic, "k", &kilobyte) })
        })
        .collect();
    for send in sends {
        send.await.unwrap();
    }

    let bounded = Subscription { max_in_flight_bytes: BUDGET, ..subscription("budget", &topic) };
    let mut member = Member::subscribe(&broker, bounded);
    let mut arrived = 0;
    let mut next = [0; 2];
    while arrived < RECORDS {
        let mut retained = vec![member.batch().await];
        // Whatever comes while nothing is dropped.
        while let Ok(batch) = tokio::time::timeout(Duration::from_millis(300), member.batch()).await
        {
            retained.push(batch);
        }
        let bytes: usize = retained.iter().map(|batch| batch.size_bytes()).sum();
        assert!(bytes <= 2 * BUDGET, "{bytes} bytes are in flight, the limit is {BUDGET}");
        for batch in &retained {
            let partition = &mut next[batch.partition().partition as usize];
            for record in batch.iter() {
                assert_eq!(record.offset, Offset(*partition));
                *partition += 1;
                arrived += 1;
            }
        }
    }
    member.close().await;
}

pub async fn a_paused_fetch_is_reported(cluster: &impl TestCluster) {
    let topic = topic("held_back");
    cluster.create_topic(topic.as_str(), 1).await;
    let broker = cluster.broker();
    let producer = broker.producer().unwrap();
    let value = "x".repeat(8 << 10);
    for _ in 0..100 {
        producer.send(record(&topic, "k", &value)).await.unwrap();
    }

    let bounded =
        Subscription { max_in_flight_bytes: 128 << 10, ..subscription("retained", &topic) };
    let mut member = Member::subscribe(&broker, bounded);
    let mut retained = Vec::new();
    let partition = TopicPartition { topic, partition: 0 };
    loop {
        match member.next().await {
            ConsumerEvent::Records(batch) => retained.push(batch),
            ConsumerEvent::FetchPaused(paused) => {
                assert_eq!(paused, std::slice::from_ref(&partition));
                retained.clear();
            }
            ConsumerEvent::FetchResumed(resumed) => {
                assert_eq!(resumed, std::slice::from_ref(&partition));
                break;
            }
            _ => {}
        }
    }
    member.close().await;
}

pub async fn a_partition_whose_records_are_held_stops_no_other(cluster: &impl TestCluster) {
    const EACH: usize = 1_500;
    const BUDGET: usize = 256 << 10;
    let topic = topic("retained");
    cluster.create_topic(topic.as_str(), 2).await;
    let broker = cluster.broker();
    let producer = broker.producer().unwrap();
    let kilobyte = "x".repeat(1024);
    let sends: Vec<_> = (0..2 * EACH)
        .map(|number| {
            let partition = Some((number % 2) as i32);
            producer.send(OutgoingRecord { partition, ..record(&topic, "k", &kilobyte) })
        })
        .collect();
    for send in sends {
        send.await.unwrap();
    }

    let bounded = Subscription { max_in_flight_bytes: BUDGET, ..subscription("retained", &topic) };
    let mut member = Member::subscribe(&broker, bounded);
    let mut next = [0_usize; 2];
    let mut note = |batch: &RecordBatch| {
        let partition = &mut next[batch.partition().partition as usize];
        for record in batch.iter() {
            assert_eq!(record.offset, Offset(*partition as i64));
            *partition += 1;
        }
        next
    };
    let mut retained = Vec::new();
    loop {
        let batch = member.batch().await;
        let [_, free] = note(&batch);
        if batch.partition().partition == 0 {
            retained.push(batch);
        }
        if free == EACH {
            break;
        }
    }
    let bytes: usize = retained.iter().map(RecordBatch::size_bytes).sum();
    assert!(bytes <= BUDGET, "one partition has {bytes} bytes in flight of {BUDGET}");
    drop(retained);
    while note(&member.batch().await) != [EACH; 2] {}
    member.close().await;
}

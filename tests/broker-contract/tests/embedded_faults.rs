//! What Kafka's adapter does when the broker misbehaves, or the group is delayed.

#![allow(clippy::unwrap_used)]

use std::collections::BTreeSet;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use broker_contract_tests::{
    Member, TIMEOUT, fill, fill_kilobytes, hold_until_paused, record, subscription, topic,
};
use bytes::Bytes;
use event_core::broker::kafka::{EmbeddedBroker, Fault, KafkaBroker, KafkaSettings, Request};
use event_core::broker::{
    Broker, BrokerError, Consumer, ConsumerEvent, OutgoingRecord, Progress, Subscription,
};
use event_core::delivery::{NextOffset, Offset, TopicPartition};
use event_core::event::{GroupName, TopicName};

/// An embedded broker with one topic of one partition and `records` records.
async fn cluster(stem: &str, partitions: i32, records: usize) -> (EmbeddedBroker, TopicName) {
    let embedded = EmbeddedBroker::start().unwrap();
    let topic = topic(stem);
    embedded.create_topic(topic.as_str(), partitions).unwrap();
    let producer = embedded.broker().producer().unwrap();
    for partition in 0..partitions {
        fill(&*producer, &topic, partition, records).await;
    }
    (embedded, topic)
}

async fn until<C: Consumer, T>(
    member: &mut Member<C>,
    mut wanted: impl FnMut(ConsumerEvent) -> Option<T>,
) -> T {
    loop {
        if let Some(found) = wanted(member.next().await) {
            return found;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reset_waits_for_a_coordinator_that_still_reads_the_group() {
    let (embedded, topic) = cluster("loading", 1, 5).await;
    let (broker, group) = (embedded.broker(), GroupName::parse("loading").unwrap());
    embedded.fail_next(Request::OffsetCommit, Fault::CoordinatorLoading, 5).unwrap();
    let partition = TopicPartition { topic, partition: 0 };
    broker.reset(&group, &[(partition.clone(), NextOffset(3))], TIMEOUT).await.unwrap();
    let committed = broker.committed(&group, &[partition], TIMEOUT).await.unwrap();
    assert_eq!(committed[0].next, Some(NextOffset(3)));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refused_commit_is_reported() {
    let (embedded, topic) = cluster("refused", 1, 1).await;
    let mut member = Member::join(&embedded.broker(), "refused", &topic);
    member.read(1).await;
    embedded.fail_next(Request::OffsetCommit, Fault::GroupUnauthorised, 1).unwrap();
    member.commit(&member.progress());
    let error = until(&mut member, |event| match event {
        ConsumerEvent::CommitFailed(error) => Some(error),
        _ => None,
    })
    .await;
    assert!(matches!(error, BrokerError::Unauthorised(_)), "{error:?}");
    // The present progress, again.
    member.close().await;
    let producer = embedded.broker().producer().unwrap();
    fill(&*producer, &topic, 0, 1).await;
    let mut member = Member::join(&embedded.broker(), "refused", &topic);
    assert_eq!(member.read(1).await[0].offset, Offset(1));
}

/// What was done beyond the offset is then done again; that nobody has the partition would be worse.
#[tokio::test(flavor = "multi_thread")]
async fn a_partition_without_metadata_is_assigned_all_the_same() {
    let (embedded, topic) = cluster("untold", 1, 5).await;
    let broker = embedded.broker();
    let mut member = Member::join(&broker, "untold", &topic);
    member.read(5).await;
    let done = member.progress().remove(0);
    let progress = Progress { next: NextOffset(3), metadata: "ec1:AA".to_owned(), ..done };
    member.close_with(vec![progress]).await;

    embedded.fail_next(Request::OffsetFetch, Fault::GroupUnauthorised, 1).unwrap();
    let wanting = Subscription { wants_metadata: true, ..subscription("untold", &topic) };
    let mut member = Member::subscribe(&broker, wanting);
    let assigned = until(&mut member, |event| match event {
        ConsumerEvent::Assigned { mut partitions, .. } => partitions.pop(),
        _ => None,
    })
    .await;
    assert_eq!((assigned.next, assigned.metadata.as_str()), (None, ""));
    let error = until(&mut member, |event| match event {
        ConsumerEvent::Error(error) => Some(error),
        _ => None,
    })
    .await;
    assert!(error.is_retriable(), "{error:?}");
    assert!(error.to_string().contains("1 of the new partitions"), "{error}");
    assert_eq!(member.read(1).await[0].offset, Offset(3));
    member.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_last_commit_that_is_refused_is_an_error_of_close() {
    let (embedded, topic) = cluster("last", 1, 1).await;
    let mut member = Member::join(&embedded.broker(), "last", &topic);
    member.read(1).await;
    embedded.fail_next(Request::OffsetCommit, Fault::GroupUnauthorised, 1).unwrap();
    let progress = member.progress();
    let closed = member.close_within(progress, TIMEOUT).await;
    assert!(matches!(closed, Err(BrokerError::Unauthorised(_))), "{closed:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_last_commit_is_repeated_while_the_group_changes() {
    let (embedded, topic) = cluster("repeated", 1, 1).await;
    let mut member = Member::join(&embedded.broker(), "repeated", &topic);
    member.read(1).await;
    embedded.fail_next(Request::OffsetCommit, Fault::RebalanceInProgress, 3).unwrap();
    member.close().await;
    let producer = embedded.broker().producer().unwrap();
    fill(&*producer, &topic, 0, 1).await;
    let mut member = Member::join(&embedded.broker(), "repeated", &topic);
    assert_eq!(member.read(1).await[0].offset, Offset(1));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_partition_that_goes_during_the_last_commit_is_committed_too() {
    let (embedded, topic) = cluster("goes", 2, 10).await;
    let broker = embedded.broker();
    let mut first = Member::join(&broker, "goes", &topic);
    first.read(20).await;
    // Long enough for the first to hear of the second.
    embedded.fail_next(Request::OffsetCommit, Fault::StaleMember, 80).unwrap();
    let mut second = Member::join(&broker, "goes", &topic);
    let ((), _) = tokio::join!(first.close(), second.assigned());
    let producer = broker.producer().unwrap();
    for partition in 0..2 {
        fill(&*producer, &topic, partition, 1).await;
    }
    for seen in second.read(2).await {
        assert_eq!(seen.offset, Offset(10), "{seen:?}");
    }
    second.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_last_commit_is_given_up_at_the_deadline_with_the_reason() {
    let (embedded, topic) = cluster("given_up", 1, 1).await;
    let mut member = Member::join(&embedded.broker(), "given_up", &topic);
    member.read(1).await;
    embedded.fail_next(Request::OffsetCommit, Fault::RebalanceInProgress, 1_000).unwrap();
    let progress = member.progress();
    let began = Instant::now();
    // Time for one answer on a busy machine, which refuses for far longer.
    let error = member.close_within(progress, Duration::from_secs(3)).await.unwrap_err();
    assert!(error.to_string().contains("RebalanceInProgress"), "{error}");
    assert!(began.elapsed() < TIMEOUT / 3, "{:?}", began.elapsed());
}

/// Its partitions are another's by now.
#[tokio::test(flavor = "multi_thread")]
async fn a_last_commit_of_a_member_that_is_over_is_not_repeated() {
    let (embedded, topic) = cluster("over", 1, 1).await;
    let mut member = Member::join(&embedded.broker(), "over", &topic);
    member.read(1).await;
    embedded.fail_next(Request::OffsetCommit, Fault::UnknownMember, 1).unwrap();
    let progress = member.progress();
    assert!(member.close_within(progress, TIMEOUT).await.is_err());
}

#[tokio::test(flavor = "multi_thread")]
async fn the_commit_of_a_revocation_is_repeated_when_its_epoch_was_stale() {
    let (embedded, topic) = cluster("repeated_release", 2, 10).await;
    let broker = embedded.broker();
    let mut first = Member::join(&broker, "repeated_release", &topic);
    first.read(20).await;
    let mut second = Member::join(&broker, "repeated_release", &topic);
    let revocation = first.revoked().await;
    let moved = revocation.partitions[0].clone();
    embedded.fail_next(Request::OffsetCommit, Fault::StaleMember, 3).unwrap();
    revocation.release(first.progress());
    second.assigned().await;
    let producer = broker.producer().unwrap();
    fill(&*producer, &topic, moved.partition, 1).await;
    let batch = second.batch().await;
    assert_eq!(batch.iter().next().map(|record| record.offset), Some(Offset(10)));
}

async fn a_partition_that_is_lost_while_paused_is_read_when_it_comes_back(strategy: &str) {
    const RECORDS: usize = 400;
    let (embedded, topic) = cluster("lost_paused", 2, 0).await;
    fill_kilobytes(&*embedded.broker().producer().unwrap(), &topic, RECORDS).await;
    // A refused commit ends a member with the classic protocol only. The broker takes it for another
    // one from then on, and waits for the one that it was until its session is over.
    let properties = [("partition.assignment.strategy", strategy), ("session.timeout.ms", "6000")];
    let properties = properties.map(|(name, value)| (name.to_owned(), value.into()));
    let settings = KafkaSettings {
        brokers: embedded.address().to_owned(),
        client_id: "lost".to_owned(),
        properties: properties.to_vec(),
    };
    let broker = KafkaBroker::connect(settings).unwrap();
    let bounded = Subscription { max_in_flight_bytes: 64 << 10, ..subscription("lost", &topic) };
    let mut member = Member::subscribe(&broker, bounded);
    let retained = hold_until_paused(&mut member).await;
    embedded.fail_next(Request::OffsetCommit, Fault::UnknownMember, 1).unwrap();
    member.commit(&member.progress());
    let revocation = member.revoked().await;
    assert!(revocation.lost);
    revocation.release(Vec::new());
    drop(retained);
    let (partitions, _) = member.assigned().await;
    let mut next = 0;
    while next < RECORDS / 2 {
        let batch = member.batch().await;
        if **batch.partition() == partitions[0] {
            assert_eq!(batch.first_offset(), Some(Offset(next as i64)));
            next += batch.len();
        }
    }
    member.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_lost_while_paused_is_read_again_with_the_eager_protocol() {
    a_partition_that_is_lost_while_paused_is_read_when_it_comes_back("range").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_lost_while_paused_is_read_again_with_the_cooperative_protocol() {
    a_partition_that_is_lost_while_paused_is_read_when_it_comes_back("cooperative-sticky").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broker_that_comes_back_is_found_again() {
    let (embedded, topic) = cluster("back", 1, 1).await;
    let producer = embedded.broker().producer().unwrap();
    let mut member = Member::join(&embedded.broker(), "back", &topic);
    member.read(1).await;
    embedded.take_down().unwrap();
    let address = until(&mut member, |event| match event {
        ConsumerEvent::Error(BrokerError::Unreachable { address, .. }) => Some(address),
        _ => None,
    })
    .await;
    assert_eq!(address, embedded.address());
    embedded.bring_up().unwrap();
    producer.send(record(&topic, "k", "after")).await.unwrap();
    assert_eq!(member.read(1).await[0].text(), "after");
    member.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_commit_that_an_outage_holds_back_does_not_turn_the_offset_back() {
    let (embedded, topic) = cluster("held_back", 1, 10).await;
    let mut member = Member::join(&embedded.broker(), "held_back", &topic);
    member.read(10).await;
    embedded.take_down().unwrap();
    until(&mut member, |event| match event {
        ConsumerEvent::Error(BrokerError::Unreachable { .. }) => Some(()),
        _ => None,
    })
    .await;
    let mut early = member.progress();
    early[0].next = NextOffset(3);
    member.commit(&early);
    embedded.bring_up().unwrap();
    member.close().await;
    let producer = embedded.broker().producer().unwrap();
    fill(&*producer, &topic, 0, 1).await;
    let mut member = Member::join(&embedded.broker(), "held_back", &topic);
    assert_eq!(member.read(1).await[0].offset, Offset(10));
}

#[tokio::test(flavor = "multi_thread")]
async fn close_meets_its_deadline_without_a_broker() {
    let (embedded, topic) = cluster("deadline", 1, 1).await;
    let mut member = Member::join(&embedded.broker(), "deadline", &topic);
    member.read(1).await;
    embedded.take_down().unwrap();
    let progress = member.progress();
    let started = Instant::now();
    let closed = member.close_within(progress, Duration::from_secs(1)).await;
    assert!(closed.is_err());
    // Without one it would be that of a socket, ten seconds.
    assert!(started.elapsed() < Duration::from_secs(7), "{:?}", started.elapsed());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_revocation_that_is_not_released_ends_at_the_drain_deadline() {
    let (embedded, topic) = cluster("stuck", 2, 10).await;
    let broker = embedded.broker();
    let short =
        Subscription { drain_timeout: Duration::from_millis(200), ..subscription("stuck", &topic) };
    let mut first = Member::subscribe(&broker, short);
    first.read(20).await;
    let mut second = Member::join(&broker, "stuck", &topic);
    let _retained = first.revoked().await;
    // What was not released is not committed, so the next owner repeats it.
    assert_eq!(second.batch().await.iter().next().map(|record| record.offset), Some(Offset(0)));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_release_at_the_drain_deadline_is_still_committed() {
    let (embedded, topic) = cluster("deadline_release", 2, 10).await;
    let broker = embedded.broker();
    let drain_timeout = Duration::from_millis(200);
    let short = Subscription { drain_timeout, ..subscription("deadline_release", &topic) };
    let mut first = Member::subscribe(&broker, short);
    first.read(20).await;
    let mut second = Member::join(&broker, "deadline_release", &topic);
    let revocation = first.revoked().await;
    let moved = revocation.partitions[0].clone();
    // Whoever drains for the same time ends a little later.
    tokio::time::sleep(drain_timeout + Duration::from_millis(300)).await;
    revocation.release(first.progress());
    second.assigned().await;
    let producer = broker.producer().unwrap();
    fill(&*producer, &topic, moved.partition, 1).await;
    let batch = second.batch().await;
    assert_eq!(batch.iter().next().map(|record| record.offset), Some(Offset(10)));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_revocation_that_is_dropped_holds_nobody_up() {
    let (embedded, topic) = cluster("no_answer", 2, 10).await;
    let broker = embedded.broker();
    let mut first = Member::join(&broker, "no_answer", &topic);
    first.read(20).await;
    let mut second = Member::join(&broker, "no_answer", &topic);
    drop(first.revoked().await);
    let dropped = Instant::now();
    second.batch().await;
    assert!(dropped.elapsed() < TIMEOUT / 2, "{:?}", dropped.elapsed());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_close_during_a_revocation_commits_its_progress() {
    let (embedded, topic) = cluster("closing", 2, 10).await;
    let broker = embedded.broker();
    let mut first = Member::join(&broker, "closing", &topic);
    first.read(20).await;
    let mut second = Member::join(&broker, "closing", &topic);
    let revocation = first.revoked().await;
    let progress: Vec<Progress> =
        first.progress().into_iter().map(|done| Progress { next: NextOffset(7), ..done }).collect();
    first.close_with(progress).await;
    drop(revocation);
    for _ in 0..2 {
        let batch = second.batch().await;
        assert_eq!(batch.iter().next().map(|record| record.offset), Some(Offset(7)));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_topic_that_may_not_be_written_says_so() {
    let (embedded, topic) = cluster("forbidden", 1, 0).await;
    embedded.set_topic_fault(topic.as_str(), Some(Fault::TopicUnauthorised)).unwrap();
    let producer = embedded.broker().producer().unwrap();
    let error = producer.send(record(&topic, "k", "v")).await.unwrap_err();
    assert!(matches!(&error, BrokerError::Unauthorised(_)), "{error:?}");
    assert!(error.to_string().contains(topic.as_str()), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_record_that_the_broker_finds_too_large_says_so() {
    let (embedded, topic) = cluster("large", 1, 1).await;
    embedded.fail_next(Request::Produce, Fault::TooLarge, 1).unwrap();
    let producer = embedded.broker().producer().unwrap();
    let error = producer.send(record(&topic, "k", "v")).await.unwrap_err();
    assert!(matches!(error, BrokerError::TooLarge { bytes: 2, .. }), "{error:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unacknowledged_record_carries_the_last_error() {
    let (embedded, topic) = cluster("silent", 1, 1).await;
    let settings = KafkaSettings {
        brokers: embedded.address().to_owned(),
        client_id: "silent".to_owned(),
        properties: vec![("message.timeout.ms".to_owned(), "1500".into())],
    };
    let producer = KafkaBroker::connect(settings).unwrap().producer().unwrap();
    producer.send(record(&topic, "k", "v")).await.unwrap();
    embedded.take_down().unwrap();
    match producer.send(record(&topic, "k", "w")).await {
        Err(BrokerError::TimedOut { what, last_error }) => {
            assert!(what.contains(topic.as_str()), "{what}");
            assert!(last_error.contains(embedded.address()), "{last_error}");
        }
        other => panic!("{other:?}"),
    }
    let open = producer.send(record(&topic, "k", "x"));
    let flushed = producer.flush(Duration::from_millis(100)).await;
    assert!(matches!(flushed, Err(BrokerError::TimedOut { .. })), "{flushed:?}");
    // A producer that is dropped answers what it gives up.
    drop(producer);
    assert!(open.await.is_err());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_queue_smaller_than_our_bound_keeps_the_order() {
    let (embedded, topic) = cluster("small_queue", 1, 0).await;
    let settings = KafkaSettings {
        brokers: embedded.address().to_owned(),
        client_id: "small".to_owned(),
        properties: vec![("queue.buffering.max.messages".to_owned(), "10".into())],
    };
    let producer = KafkaBroker::connect(settings).unwrap().producer().unwrap();
    let value = Some(Bytes::from_static(b"v"));
    let sends: Vec<_> = (0..500)
        .map(|_| producer.send(OutgoingRecord { value: value.clone(), ..record(&topic, "k", "") }))
        .collect();
    for (number, send) in sends.into_iter().enumerate() {
        assert_eq!(send.await.unwrap().offset, Offset(number as i64));
    }
}

/// Writes one record whose checksum is wrong to partition 0. No client does that, so this speaks
/// [the protocol](https://kafka.apache.org/protocol#The_Messages_Produce) itself.
fn write_damaged(embedded: &EmbeddedBroker, topic: &TopicName) {
    let value = b"damaged";
    let mut record = vec![0, 0, 0, 1, (value.len() as u8) << 1];
    record.extend_from_slice(value);
    record.push(0);
    let mut batch = Vec::new();
    batch.extend_from_slice(&0_i32.to_be_bytes()); // leader epoch
    batch.push(2); // magic
    batch.extend_from_slice(&0xbad_i32.to_be_bytes()); // checksum
    batch.extend_from_slice(&[0; 2 + 4 + 8 + 8]); // attributes, last offset, timestamps
    batch.extend_from_slice(&[0xff; 8 + 2 + 4]); // no producer id, epoch, sequence
    batch.extend_from_slice(&1_i32.to_be_bytes());
    batch.push((record.len() as u8) << 1);
    batch.append(&mut record);
    let mut records = 0_i64.to_be_bytes().to_vec();
    records.extend_from_slice(&(batch.len() as i32).to_be_bytes());
    records.append(&mut batch);

    let mut request = Vec::new();
    request.extend_from_slice(&[0, 0, 0, 7]); // Produce, version 7
    request.extend_from_slice(&1_i32.to_be_bytes()); // correlation
    request.extend_from_slice(&[0xff; 2]); // no client id
    request.extend_from_slice(&[0xff; 2]); // no transactional id
    request.extend_from_slice(&[0xff; 2]); // acks
    request.extend_from_slice(&5_000_i32.to_be_bytes());
    request.extend_from_slice(&1_i32.to_be_bytes());
    request.extend_from_slice(&(topic.as_str().len() as i16).to_be_bytes());
    request.extend_from_slice(topic.as_str().as_bytes());
    request.extend_from_slice(&1_i32.to_be_bytes());
    request.extend_from_slice(&0_i32.to_be_bytes());
    request.extend_from_slice(&(records.len() as i32).to_be_bytes());
    request.append(&mut records);

    let mut socket = TcpStream::connect(embedded.address()).unwrap();
    socket.write_all(&(request.len() as i32).to_be_bytes()).unwrap();
    socket.write_all(&request).unwrap();
    let mut size = [0; 4];
    socket.read_exact(&mut size).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_damaged_record_is_not_skipped() {
    let (embedded, topic) = cluster("damaged", 2, 10).await;
    write_damaged(&embedded, &topic);
    let producer = embedded.broker().producer().unwrap();
    fill(&*producer, &topic, 0, 10).await;

    let mut member = Member::join(&embedded.broker(), "damaged", &topic);
    let mut last = -1;
    let error = until(&mut member, |event| match event {
        ConsumerEvent::Records(batch) if batch.partition().partition == 0 => {
            last = batch.iter().last().unwrap().offset.0;
            None
        }
        ConsumerEvent::Error(error) => Some(error),
        _ => None,
    })
    .await;
    assert_eq!(last, 9);
    assert!(error.is_fatal(), "{error}");
    let text = error.to_string();
    for part in [topic.as_str(), "partition 0", "offset 10"] {
        assert!(text.contains(part), "{text}");
    }
    while let Some(batch) = member.batch_or_nothing().await.pop() {
        assert_eq!(batch.partition().partition, 1, "{batch:?}");
    }
    member.close().await;
    // What was read before it is committed, and it is met again.
    let mut member = Member::join(&embedded.broker(), "damaged", &topic);
    let again = until(&mut member, |event| match event {
        ConsumerEvent::Records(batch) => panic!("{batch:?}"),
        ConsumerEvent::Error(error) => Some(error),
        _ => None,
    })
    .await;
    assert!(again.is_fatal(), "{again}");
}

/// librdkafka says so once and goes on trying; the records come when the right is there.
#[tokio::test(flavor = "multi_thread")]
async fn a_topic_that_may_not_be_read_is_named_with_its_partitions() {
    let (embedded, topic) = cluster("unread", 2, 1).await;
    embedded.fail_next(Request::Fetch, Fault::TopicUnauthorised, 2).unwrap();
    let mut member = Member::join(&embedded.broker(), "unread", &topic);
    let failed = until(&mut member, |event| match event {
        ConsumerEvent::FetchFailed { topic, partitions, error } => Some((topic, partitions, error)),
        _ => None,
    })
    .await;
    assert_eq!(failed.0, topic);
    assert!(failed.1.iter().all(|number| [0, 1].contains(number)), "{failed:?}");
    let error = failed.2.to_string();
    assert!(error.contains(&format!("`{topic}`")) && error.contains("`READ`"), "{error}");
    member.read(2).await;
    member.close().await;
}

/// librdkafka counts the offset of its message as read, and that is the offset of the next record.
#[tokio::test(flavor = "multi_thread")]
async fn a_fetch_that_fails_moves_no_position() {
    let (embedded, topic) = cluster("moves_none", 1, 5).await;
    let mut member = Member::join(&embedded.broker(), "moves_none", &topic);
    member.read(5).await;
    embedded.fail_next(Request::Fetch, Fault::TopicUnauthorised, 2).unwrap();
    fetch_failed(&mut member, 1).await;
    // Positions are looked at twice a second.
    let passed = until(&mut member, |event| match event {
        ConsumerEvent::Passed { next, .. } => Some(next),
        _ => None,
    });
    let passed = tokio::time::timeout(Duration::from_secs(2), passed).await;
    assert!(passed.is_err(), "{passed:?} is passed, and the log ends at 5");
    fill(&*embedded.broker().producer().unwrap(), &topic, 0, 1).await;
    assert_eq!(member.read(1).await[0].offset, Offset(5));
    member.close().await;
}

/// librdkafka pauses the partitions that are kept, and goes on at its position.
#[tokio::test(flavor = "multi_thread")]
async fn a_rebalance_after_a_fetch_that_failed_skips_no_record() {
    let (embedded, topic) = cluster("skips_none", 2, 5).await;
    let broker = embedded.broker();
    let mut first = Member::join(&broker, "skips_none", &topic);
    first.read(10).await;
    embedded.fail_next(Request::Fetch, Fault::TopicUnauthorised, 2).unwrap();
    fetch_failed(&mut first, 2).await;
    let mut second = Member::join(&broker, "skips_none", &topic);
    let arrival = tokio::spawn(async move {
        second.assigned().await;
        second
    });
    let revocation = first.revoked().await;
    let mut kept = first.progress();
    kept.retain(|done| !revocation.partitions.contains(&done.partition));
    revocation.release(first.progress());
    let second = arrival.await.unwrap();
    fill(&*broker.producer().unwrap(), &topic, kept[0].partition.partition, 1).await;
    assert_eq!(first.read(1).await[0].offset, Offset(5));
    drop(second);
}

/// One partition has to pause in the middle of what was fetched, and the other has records that are collected and not
/// handed over yet.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_collected_when_another_partition_pauses_comes_once_after_a_fetch_that_failed() {
    let (embedded, topic) = cluster("collected", 2, 5).await;
    let broker = embedded.broker();
    let bounded =
        Subscription { max_in_flight_bytes: 64 << 10, ..subscription("collected", &topic) };
    let mut member = Member::subscribe(&broker, bounded);
    member.read(10).await;
    let producer = broker.producer().unwrap();
    let large = "x".repeat(80 << 10);
    let mut next = 5;
    // The answer to a fetch is taken in two pieces now and then.
    for _ in 0..4 {
        embedded.fail_next(Request::Fetch, Fault::TopicUnauthorised, 1_000).unwrap();
        fetch_failed(&mut member, 2).await;
        fill(&*producer, &topic, 0, 5).await;
        fill(&*producer, &topic, 1, 5).await;
        let partition = Some(0);
        producer.send(OutgoingRecord { partition, ..record(&topic, "k", &large) }).await.unwrap();
        fill(&*producer, &topic, 1, 1).await;
        embedded.stop_failing(Request::Fetch).unwrap();
        let (mut seen, mut late) = (Vec::new(), Vec::new());
        while seen.len() < 12 || !late.is_empty() {
            late = match seen.len() < 12 {
                true => vec![member.batch().await],
                false => member.batch_or_nothing().await,
            };
            for batch in &late {
                let partition = batch.partition().partition;
                seen.extend(batch.iter().map(|record| (partition, record.offset.0)));
            }
        }
        seen.sort_unstable();
        let each = |partition| (next..next + 6).map(move |offset| (partition, offset));
        assert_eq!(seen, each(0).chain(each(1)).collect::<Vec<_>>());
        next += 6;
    }
    member.close().await;
}

/// Waits until the fetch of so many partitions failed.
async fn fetch_failed<C: Consumer>(member: &mut Member<C>, partitions: usize) {
    let mut failed = BTreeSet::new();
    until(member, |event| {
        if let ConsumerEvent::FetchFailed { partitions, .. } = event {
            failed.extend(partitions);
        }
        (failed.len() == partitions).then_some(())
    })
    .await;
}

/// Nothing is lost when it is not committed again, and an idle service that ends is no failure.
#[tokio::test(flavor = "multi_thread")]
async fn what_the_broker_has_already_is_not_committed_again_while_it_is_away() {
    let (embedded, topic) = cluster("idle", 1, 1).await;
    let mut member = Member::join(&embedded.broker(), "idle", &topic);
    member.read(1).await;
    let progress = member.progress();
    member.commit(&progress);
    until(&mut member, |event| matches!(event, ConsumerEvent::Committed(_)).then_some(())).await;
    embedded.take_down().unwrap();
    let closed = member.close_within(progress, Duration::from_secs(10)).await;
    assert_eq!(closed.unwrap(), []);
}

/// A mirrored cluster has translated the offsets of the group, and the leader epochs of its topics may be lower.
#[tokio::test(flavor = "multi_thread")]
async fn a_member_that_is_led_to_another_cluster_goes_on_at_the_offset_that_is_committed_there() {
    let (before, topic) = cluster("mirrored", 1, 10).await;
    for has_leader in [false, true, false, true, false, true] {
        before.set_leader(topic.as_str(), 0, has_leader).unwrap();
    }
    let now = EmbeddedBroker::start().unwrap();
    now.create_topic(topic.as_str(), 1).unwrap();
    fill(&*now.broker().producer().unwrap(), &topic, 0, 5).await;
    let mut mirror = Member::join(&now.broker(), "mirrored", &topic);
    mirror.read(5).await;
    let translated = Progress { next: NextOffset(3), ..mirror.progress().remove(0) };
    mirror.close_with(vec![translated]).await;
    now.take_down().unwrap();

    let properties = [("group.protocol", "consumer"), ("fetch.wait.max.ms", "10")];
    let properties = properties.map(|(name, value)| (name.to_owned(), value.into()));
    let settings = KafkaSettings {
        brokers: format!("{},{}", before.address(), now.address()),
        client_id: "mirrored".to_owned(),
        properties: properties.to_vec(),
    };
    let mut member = Member::join(&KafkaBroker::connect(settings).unwrap(), "mirrored", &topic);
    member.read(10).await;
    before.take_down().unwrap();
    now.bring_up().unwrap();
    member.assigned().await;
    assert_eq!(member.read(1).await[0].offset, Offset(3));
    member.close().await;
}

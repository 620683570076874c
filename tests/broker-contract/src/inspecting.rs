//! What one who stands outside of a group may rely on.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use event_core::broker::{
    Broker, BrokerError, Committed, NewTopic, OutgoingRecord, ReadRequest, Reader, Watermarks,
};
use event_core::delivery::{NextOffset, Offset, TopicPartition};
use event_core::event::{GroupName, TopicName};

use crate::TestCluster;
use crate::member::{Member, TIMEOUT, fill, record, topic};

fn at(topic: &TopicName, partition: i32) -> TopicPartition {
    TopicPartition { topic: topic.clone(), partition }
}

fn group(name: &TopicName) -> GroupName {
    GroupName::parse(name.as_str()).unwrap()
}

pub async fn a_topic_is_made_once(cluster: &impl TestCluster) {
    let (one, two) = (topic("made_one"), topic("made_two"));
    let broker = cluster.broker();
    let new = |topic: &TopicName, partitions| NewTopic {
        topic: topic.clone(),
        partitions,
        replication: -1,
    };
    let made = broker.create_topics(&[new(&one, 3)], TIMEOUT).await.unwrap();
    assert_eq!(made, [(one.clone(), Ok(true))]);
    let topics = [new(&two, -1), new(&one, 5)];
    let made = broker.create_topics(&topics, TIMEOUT).await.unwrap();
    assert_eq!(made, [(two.clone(), Ok(true)), (one.clone(), Ok(false))]);
    let status = broker.topics(&[one, two.clone()], TIMEOUT).await.unwrap();
    assert_eq!(status[0].partitions, Ok(3), "a topic that is there keeps its partitions");
    assert_eq!(status[1].partitions, Ok(1));
    broker.producer().unwrap().send(record(&two, "k", "v")).await.unwrap();
    assert_eq!(broker.create_topics(&[], TIMEOUT).await.unwrap(), []);
}

pub async fn a_topic_that_cannot_be_created_is_reported_alone(cluster: &impl TestCluster) {
    let (good, bad) = (topic("made_good"), topic("made_bad"));
    let new = [
        NewTopic { topic: bad.clone(), partitions: 0, replication: -1 },
        NewTopic { topic: good.clone(), partitions: 1, replication: -1 },
    ];
    let made = cluster.broker().create_topics(&new, TIMEOUT).await.unwrap();
    let [(first, refused), (second, created)] = &made[..] else { panic!("{made:?}") };
    assert_eq!((first, second, created), (&bad, &good, &Ok(true)));
    let refused = refused.as_ref().unwrap_err().to_string();
    assert!(refused.contains(bad.as_str()), "{refused}");
}

pub async fn watermarks_say_what_a_partition_holds(cluster: &impl TestCluster) {
    let (topic, missing) = (topic("watermarks"), topic("missing"));
    cluster.create_topic(topic.as_str(), 3).await;
    let broker = cluster.broker();
    fill(&*broker.producer().unwrap(), &topic, 1, 7).await;
    let partitions = [at(&topic, 1), at(&topic, 0)];
    let watermarks = broker.watermarks(&partitions, TIMEOUT).await.unwrap();
    let expected = [(1, 7), (0, 0)].map(|(partition, end)| {
        let (low, end) = (NextOffset(0), NextOffset(end));
        Ok(Watermarks { partition: at(&topic, partition), low, end })
    });
    assert_eq!(watermarks, expected);
    // One that is not there takes no other's answer away.
    let partitions = [at(&missing, 0), at(&topic, 1), at(&topic, 3)];
    let watermarks = broker.watermarks(&partitions, TIMEOUT).await.unwrap();
    let [no_topic, there, no_partition] = &watermarks[..] else { panic!("{watermarks:?}") };
    assert_eq!(no_topic, &Err(BrokerError::UnknownTopic(missing.to_string())));
    assert_eq!(there, &expected[0]);
    let refused = format!("topic `{topic}` has no partition 3");
    assert_eq!(no_partition, &Err(BrokerError::Other(refused)));
    assert_eq!(broker.watermarks(&[], TIMEOUT).await.unwrap(), []);
}

pub async fn an_offset_is_found_by_its_time(cluster: &impl TestCluster) {
    // Of this hour: a broker removes what is older than its topic keeps.
    let hour_ago = SystemTime::now() - Duration::from_secs(3600);
    let start = hour_ago.duration_since(UNIX_EPOCH).unwrap().as_millis();
    let start = i64::try_from(start).unwrap();
    let topic = topic("by_time");
    cluster.create_topic(topic.as_str(), 2).await;
    let broker = cluster.broker();
    let producer = broker.producer().unwrap();
    for second in 0..5 {
        let timestamp_ms = Some(start + 1000 * second);
        let to = OutgoingRecord { partition: Some(0), timestamp_ms, ..record(&topic, "k", "v") };
        producer.send(to).await.unwrap();
    }
    let partitions = [at(&topic, 0), at(&topic, 1)];
    let later = start + 5000;
    for (time, expected) in
        [(-1, 0), (0, 0), (start, 0), (start + 1, 1), (start + 4000, 4), (later, 5)]
    {
        let found = broker.offsets_at(&partitions, time, TIMEOUT).await.unwrap();
        let expected = [(at(&topic, 0), NextOffset(expected)), (at(&topic, 1), NextOffset(0))];
        assert_eq!(found, expected, "at {time}");
    }
}

pub async fn committed_offsets_of_a_group_are_read(cluster: &impl TestCluster) {
    let topic = topic("reported");
    let group = group(&topic);
    cluster.create_topic(topic.as_str(), 2).await;
    let broker = cluster.broker();
    fill(&*broker.producer().unwrap(), &topic, 1, 3).await;
    let nothing = |partition| Committed {
        partition: at(&topic, partition),
        next: None,
        metadata: String::new(),
    };
    let partitions = [at(&topic, 1), at(&topic, 0)];
    let committed = broker.committed(&group, &partitions, TIMEOUT).await.unwrap();
    assert_eq!(committed, [nothing(1), nothing(0)]);

    let mut member = Member::join(&broker, group.as_str(), &topic);
    member.read(3).await;
    let mut progress = member.progress();
    progress[0].metadata = "ec1:äöü".to_owned();
    member.close_with(progress).await;
    let committed = broker.committed(&group, &partitions, TIMEOUT).await.unwrap();
    let metadata = "ec1:äöü".to_owned();
    let first = Committed { next: Some(NextOffset(3)), metadata, ..nothing(1) };
    assert_eq!(committed, [first, nothing(0)]);
}

pub async fn an_idle_group_can_be_reset(cluster: &impl TestCluster) {
    let topic = topic("reset");
    let group = group(&topic);
    cluster.create_topic(topic.as_str(), 2).await;
    let broker = cluster.broker();
    let producer = broker.producer().unwrap();
    fill(&*producer, &topic, 0, 10).await;

    // One that was never used,
    broker.reset(&group, &[(at(&topic, 0), NextOffset(6))], TIMEOUT).await.unwrap();
    let mut member = Member::join(&broker, group.as_str(), &topic);
    assert_eq!(member.read(1).await[0].offset, Offset(6));
    let mut progress = member.progress();
    progress[0].metadata = "beyond".to_owned();
    member.close_with(progress).await;
    // and one that was.
    let offsets = [(at(&topic, 0), NextOffset(2)), (at(&topic, 1), NextOffset(0))];
    broker.reset(&group, &offsets, TIMEOUT).await.unwrap();
    let committed = broker.committed(&group, &[at(&topic, 0)], TIMEOUT).await.unwrap();
    assert_eq!(committed[0].next, Some(NextOffset(2)));
    assert_eq!(committed[0].metadata, "", "it belonged to another offset");
    let mut member = Member::join(&broker, group.as_str(), &topic);
    assert_eq!(member.read(1).await[0].offset, Offset(2));
    member.close().await;
    broker.reset(&group, &[], TIMEOUT).await.unwrap();
}

pub async fn a_group_with_members_is_not_reset(cluster: &impl TestCluster) {
    let topic = topic("active");
    let group = group(&topic);
    cluster.create_topic(topic.as_str(), 4).await;
    let broker = cluster.broker();
    let mut member = Member::join(&broker, group.as_str(), &topic);
    member.assigned().await;
    let keep = tokio::spawn(async move {
        loop {
            if let event_core::broker::ConsumerEvent::Revoked(revocation) = member.next_ever().await
            {
                revocation.release(Vec::new());
            }
        }
    });
    let offsets = [(at(&topic, 0), NextOffset(0))];
    let refused = broker.reset(&group, &offsets, TIMEOUT).await;
    assert_eq!(refused, Err(BrokerError::GroupActive(group.to_string())));
    let committed = broker.committed(&group, &[at(&topic, 0)], TIMEOUT).await.unwrap();
    assert_eq!(committed[0].next, None);
    keep.abort();
}

/// The offsets that a reader finds, and the values, by partition.
async fn read_all(broker: &impl Broker, request: ReadRequest) -> Vec<(i32, i64, String)> {
    let mut reader = broker.read(request).unwrap();
    let mut seen = Vec::new();
    while let Some(batch) = next(&mut reader).await {
        let batch = batch.unwrap();
        let partition = batch.partition().partition;
        seen.extend(batch.iter().map(|record| {
            let text = String::from_utf8(record.value.unwrap().to_vec()).unwrap();
            (partition, record.offset.0, text)
        }));
    }
    assert!(next(&mut reader).await.is_none(), "the end is the end");
    seen.sort();
    seen
}

async fn next<R: Reader>(
    reader: &mut R,
) -> Option<Result<event_core::delivery::RecordBatch, BrokerError>> {
    tokio::time::timeout(TIMEOUT, reader.next()).await.expect("the reader stands still")
}

pub async fn a_reader_reads_from_to(cluster: &impl TestCluster) {
    let topic = topic("from_to");
    cluster.create_topic(topic.as_str(), 3).await;
    let broker = cluster.broker();
    let producer = broker.producer().unwrap();
    fill(&*producer, &topic, 0, 500).await;
    fill(&*producer, &topic, 1, 20).await;
    let from_to = |partition, from, to: Option<i64>| {
        (at(&topic, partition), NextOffset(from), to.map(NextOffset))
    };
    let expect = |partition, range: std::ops::Range<i64>| {
        range.map(move |offset| (partition, offset, offset.to_string()))
    };

    let partitions = vec![from_to(0, 100, Some(103)), from_to(1, 15, None), from_to(2, 0, None)];
    let seen = read_all(&broker, ReadRequest { partitions, follow: false }).await;
    assert_eq!(seen, expect(0, 100..103).chain(expect(1, 15..20)).collect::<Vec<_>>());

    let everything = vec![from_to(0, 0, None)];
    let seen = read_all(&broker, ReadRequest { partitions: everything, follow: false }).await;
    assert_eq!(seen, expect(0, 0..500).collect::<Vec<_>>());

    for nothing in [
        vec![],
        vec![from_to(0, 7, Some(7))],
        vec![from_to(0, 7, Some(3))],
        vec![from_to(0, 500, None)],
        // Beyond the end nothing is read, and above all not everything anew.
        vec![from_to(0, 900, None), from_to(1, 900, Some(1000))],
    ] {
        let seen = read_all(&broker, ReadRequest { partitions: nothing, follow: false }).await;
        assert_eq!(seen, []);
    }
    let beyond = vec![from_to(1, 18, Some(1000))];
    let seen = read_all(&broker, ReadRequest { partitions: beyond, follow: false }).await;
    assert_eq!(seen, expect(1, 18..20).collect::<Vec<_>>());
}

pub async fn a_reader_follows(cluster: &impl TestCluster) {
    let topic = topic("follows");
    cluster.create_topic(topic.as_str(), 2).await;
    let broker = cluster.broker();
    let producer = broker.producer().unwrap();
    fill(&*producer, &topic, 0, 3).await;
    let partitions = vec![
        (at(&topic, 0), NextOffset(2), Some(NextOffset(5))),
        (at(&topic, 1), NextOffset(0), Some(NextOffset(1))),
    ];
    let mut reader = broker.read(ReadRequest { partitions, follow: true }).unwrap();
    let first = next(&mut reader).await.unwrap().unwrap();
    assert_eq!(first.iter().map(|record| record.offset.0).collect::<Vec<_>>(), [2]);
    // Cancelled while it waits, it loses nothing.
    let soon = Duration::from_millis(100);
    assert!(tokio::time::timeout(soon, reader.next()).await.is_err());
    fill(&*producer, &topic, 0, 10).await;
    fill(&*producer, &topic, 1, 10).await;
    let mut seen = Vec::new();
    while let Some(batch) = next(&mut reader).await {
        let batch = batch.unwrap();
        let partition = batch.partition().partition;
        seen.extend(batch.iter().map(|record| (partition, record.offset.0)));
    }
    seen.sort_unstable();
    assert_eq!(seen, [(0, 3), (0, 4), (1, 0)]);

    // From beyond the end it waits for what comes next, and reads nothing anew.
    let partitions = vec![(at(&topic, 1), NextOffset(900), None)];
    let mut reader = broker.read(ReadRequest { partitions, follow: true }).unwrap();
    // The end is looked up by the reader itself.
    assert!(tokio::time::timeout(Duration::from_secs(1), reader.next()).await.is_err());
    fill(&*producer, &topic, 1, 1).await;
    let first = next(&mut reader).await.unwrap().unwrap();
    assert_eq!(first.iter().map(|record| record.offset.0).collect::<Vec<_>>(), [10]);
}

pub async fn a_reader_leaves_the_group_alone(cluster: &impl TestCluster) {
    let topic = topic("alone");
    let group = group(&topic);
    cluster.create_topic(topic.as_str(), 1).await;
    let broker = cluster.broker();
    fill(&*broker.producer().unwrap(), &topic, 0, 10).await;
    let mut member = Member::join(&broker, group.as_str(), &topic);
    member.read(10).await;
    let partitions = vec![(at(&topic, 0), NextOffset(0), None)];
    assert_eq!(read_all(&broker, ReadRequest { partitions, follow: false }).await.len(), 10);
    member.close().await;
    let committed = broker.committed(&group, &[at(&topic, 0)], TIMEOUT).await.unwrap();
    assert_eq!(committed[0].next, Some(NextOffset(10)));
}

pub async fn a_reader_of_a_missing_topic_says_so(cluster: &impl TestCluster) {
    let missing = topic("missing");
    let partitions = vec![(at(&missing, 0), NextOffset(0), None)];
    let mut reader = cluster.broker().read(ReadRequest { partitions, follow: true }).unwrap();
    let error = next(&mut reader).await.unwrap().unwrap_err();
    assert_eq!(error, BrokerError::UnknownTopic(missing.to_string()));
    assert!(next(&mut reader).await.is_none());
}

pub async fn an_unanswered_request_times_out(cluster: &impl TestCluster) {
    let Some((broker, nobody)) = cluster.unreachable() else {
        return;
    };
    let soon = Duration::from_millis(500);
    let topic = topic("anything");
    let (group, partition) = (group(&topic), at(&topic, 0));
    let new = NewTopic { topic, partitions: 1, replication: -1 };
    let started = std::time::Instant::now();
    for error in [
        broker.create_topics(&[new], soon).await.unwrap_err(),
        broker.watermarks(std::slice::from_ref(&partition), soon).await.unwrap_err(),
        broker.offsets_at(std::slice::from_ref(&partition), 0, soon).await.unwrap_err(),
        broker.committed(&group, std::slice::from_ref(&partition), soon).await.unwrap_err(),
        broker.reset(&group, &[(partition.clone(), NextOffset(0))], soon).await.unwrap_err(),
    ] {
        match error {
            BrokerError::Unreachable { address, .. } => assert_eq!(address, nobody),
            other => panic!("{other:?}"),
        }
    }
    assert!(started.elapsed() < Duration::from_secs(10), "{:?}", started.elapsed());
}

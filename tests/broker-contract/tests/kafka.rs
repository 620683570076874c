//! The contract on a real Kafka: one that the tests start, or that of `KAFKA_TEST_BROKERS`.
//! `KAFKA_TEST_GROUP_PROTOCOL` is `consumer` for the new group protocol, `eager` for the oldest.

#![allow(clippy::unwrap_used, clippy::expect_used)]

use broker_contract_tests::{
    Member, TIMEOUT, TestCluster, contract, fill, record, subscription, topic,
};
use event_core::broker::kafka::{KafkaBroker, KafkaSettings};
use event_core::broker::{
    Broker, BrokerError, ConsumerEvent, OffsetReset, OutOfRange, ReadRequest, Reader, ResetReason,
    Subscription,
};
use event_core::delivery::{NextOffset, Offset, TopicPartition};
use event_core::event::TopicName;
use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
use rdkafka::client::DefaultClientContext;
use rdkafka::producer::{BaseProducer, BaseRecord, Producer};
use rdkafka::{ClientConfig, Offset as NativeOffset, TopicPartitionList};

struct Kafka {
    brokers: String,
}

impl Kafka {
    fn at_test_brokers() -> Kafka {
        Kafka { brokers: kafka_rig::Kafka::test_brokers() }
    }
}

impl TestCluster for Kafka {
    type Broker = KafkaBroker;

    fn broker(&self) -> KafkaBroker {
        let mut properties = Vec::new();
        let protocol = std::env::var("KAFKA_TEST_GROUP_PROTOCOL").unwrap_or_default();
        if protocol == "consumer" {
            properties.push(("group.protocol".to_owned(), "consumer".into()));
        } else {
            // The heartbeat is the clock of a rebalance.
            properties.push(("heartbeat.interval.ms".to_owned(), "300".into()));
        }
        if protocol == "eager" {
            properties.push(("partition.assignment.strategy".to_owned(), "range".into()));
        }
        let settings = KafkaSettings {
            brokers: self.brokers.clone(),
            client_id: "contract".to_owned(),
            properties,
        };
        KafkaBroker::connect(settings).unwrap()
    }

    async fn create_topic(&self, name: &str, partitions: i32) {
        let admin: AdminClient<DefaultClientContext> =
            ClientConfig::new().set("bootstrap.servers", &self.brokers).create().unwrap();
        let topic = NewTopic::new(name, partitions, TopicReplication::Fixed(1));
        let made = admin.create_topics(&[topic], &AdminOptions::new()).await.unwrap();
        made.into_iter().for_each(|one| drop(one.unwrap()));
    }

    fn unreachable(&self) -> Option<(KafkaBroker, String)> {
        let brokers = "127.0.0.1:1".to_owned();
        let settings = KafkaSettings { brokers: brokers.clone(), ..KafkaSettings::default() };
        Some((KafkaBroker::connect(settings).unwrap(), brokers))
    }

    fn max_metadata_bytes(&self) -> Option<usize> {
        Some(4096)
    }

    fn too_large_bytes(&self) -> Option<usize> {
        // Above a topic's default, below the client's.
        Some(2 << 20)
    }
}

contract!(Kafka::at_test_brokers(), #[cfg_attr(not(kafka_rig), ignore = "needs Java 17 and Maven")]);

impl Kafka {
    /// Writes these values in one transaction, and commits or aborts it.
    async fn transaction(&self, topic: &TopicName, values: &'static [&str], commits: bool) {
        let (brokers, name) = (self.brokers.clone(), topic.to_string());
        let transaction = move || {
            let producer: BaseProducer = ClientConfig::new()
                .set("bootstrap.servers", &brokers)
                .set("transactional.id", &name)
                .create()
                .unwrap();
            producer.init_transactions(TIMEOUT).unwrap();
            producer.begin_transaction().unwrap();
            for value in values {
                let record = BaseRecord::<str, str>::to(&name).payload(value).key("k");
                producer.send(record.partition(0)).unwrap();
            }
            producer.flush(TIMEOUT).unwrap();
            match commits {
                true => producer.commit_transaction(TIMEOUT).unwrap(),
                false => producer.abort_transaction(TIMEOUT).unwrap(),
            }
        };
        tokio::task::spawn_blocking(transaction).await.unwrap();
    }

    async fn delete_topic(&self, name: &str) {
        let admin: AdminClient<DefaultClientContext> =
            ClientConfig::new().set("bootstrap.servers", &self.brokers).create().unwrap();
        let deleted = admin.delete_topics(&[name], &AdminOptions::new()).await.unwrap();
        deleted.into_iter().for_each(|one| drop(one.unwrap()));
    }

    /// A topic with five records, and a group that is to go on at the second although the log begins at
    /// `log_start`.
    async fn with_removed(&self, stem: &str, log_start: i64) -> (KafkaBroker, TopicName) {
        let (broker, topic) = (self.broker(), topic(stem));
        self.create_topic(topic.as_str(), 1).await;
        fill(&*broker.producer().unwrap(), &topic, 0, 5).await;
        let mut member = Member::join(&broker, topic.as_str(), &topic);
        let (partitions, epoch) = member.assigned().await;
        member.settle(&partitions[0], epoch, NextOffset(1));
        member.close().await;
        let admin: AdminClient<DefaultClientContext> =
            ClientConfig::new().set("bootstrap.servers", &self.brokers).create().unwrap();
        let mut offsets = TopicPartitionList::new();
        offsets.add_partition_offset(topic.as_str(), 0, NativeOffset::Offset(log_start)).unwrap();
        admin.delete_records(&offsets, &AdminOptions::new()).await.unwrap();
        (broker, topic)
    }
}

fn knowing(topic: &TopicName, out_of_range: OutOfRange) -> Subscription {
    Subscription { wants_metadata: true, out_of_range, ..subscription(topic.as_str(), topic) }
}

async fn reset<C: event_core::broker::Consumer>(member: &mut Member<C>) -> OffsetReset {
    loop {
        match member.next().await {
            ConsumerEvent::OffsetReset(reset) => return reset,
            ConsumerEvent::Records(batch) => panic!("{batch:?} came first"),
            _ => {}
        }
    }
}

#[ignore = "needs a Kafka: set KAFKA_TEST_BROKERS"]
#[tokio::test(flavor = "multi_thread")]
async fn records_removed_before_they_were_read_are_reported() {
    let cluster = Kafka::at_test_brokers();
    // With a record behind them, and without.
    for log_start in [3, 5] {
        let (broker, topic) = cluster.with_removed("removed", log_start).await;
        let mut member = Member::subscribe(&broker, knowing(&topic, OutOfRange::Earliest));
        let reset = reset(&mut member).await;
        let reported = (reset.reason, reset.from.0, reset.to.0);
        assert_eq!(reported, (ResetReason::OutOfRange, 1, log_start));
        fill(&*broker.producer().unwrap(), &topic, 0, 1).await;
        assert_eq!(member.read(1).await[0].offset, Offset(log_start));
        member.close().await;
    }
}

#[ignore = "needs a Kafka: set KAFKA_TEST_BROKERS"]
#[tokio::test(flavor = "multi_thread")]
async fn a_group_that_is_to_go_on_at_the_latest_record_says_what_it_passed_over() {
    let cluster = Kafka::at_test_brokers();
    let (broker, topic) = cluster.with_removed("latest", 3).await;
    let mut member = Member::subscribe(&broker, knowing(&topic, OutOfRange::Latest));
    let producer = broker.producer().unwrap();
    // When it asks for the end is not known, so something is written until it has.
    let writing = async {
        loop {
            fill(&*producer, &topic, 0, 1).await;
        }
    };
    let reset = tokio::select! {
        reset = reset(&mut member) => reset,
        () = writing => unreachable!(),
    };
    assert_eq!((reset.reason, reset.from.0), (ResetReason::OutOfRange, 1));
    assert!(reset.to.0 >= 5, "{reset:?}");
    assert_eq!(member.read(1).await[0].offset.0, reset.to.0);
    member.close().await;
}

#[ignore = "needs a Kafka: set KAFKA_TEST_BROKERS"]
#[tokio::test(flavor = "multi_thread")]
async fn a_group_that_is_to_stop_before_removed_records_ends_and_says_what_to_do() {
    let cluster = Kafka::at_test_brokers();
    let (broker, topic) = cluster.with_removed("stops", 3).await;
    let mut member = Member::subscribe(&broker, knowing(&topic, OutOfRange::Stop));
    let error = loop {
        match member.next().await {
            ConsumerEvent::Error(error) => break error,
            ConsumerEvent::Records(batch) => panic!("{batch:?}"),
            _ => {}
        }
    };
    assert!(error.is_fatal(), "{error}");
    let text = error.to_string();
    let (begins, seek) = (
        format!("group `{topic}` cannot go on in {topic}/0 at offset 1"),
        format!("`seek --topic {topic} --partition 0"),
    );
    assert!(text.starts_with(&begins), "{text}");
    for part in ["the log holds 3 (earliest) to 5 (end)", "`out_of_range` is `stop`", &seek] {
        assert!(text.contains(part), "{part} is not in: {text}");
    }
}

/// Marks and aborted records take offsets, so that the last record is not the end.
#[ignore = "needs a Kafka: set KAFKA_TEST_BROKERS"]
#[tokio::test(flavor = "multi_thread")]
async fn the_end_behind_transactions_is_reported_also_after_a_rebalance() {
    let cluster = Kafka::at_test_brokers();
    let (broker, topic) = (cluster.broker(), topic("behind"));
    cluster.create_topic(topic.as_str(), 1).await;
    cluster.transaction(&topic, &["0", "1"], true).await;
    cluster.transaction(&topic, &["2", "3", "4"], false).await;
    for rounds in 1..=2 {
        let mut member = Member::subscribe(&broker, knowing(&topic, OutOfRange::Earliest));
        let (_, epoch) = member.assigned().await;
        let mut read = Vec::new();
        let next = loop {
            match member.next().await {
                ConsumerEvent::Records(batch) => read.extend(batch.iter().map(|one| one.offset.0)),
                ConsumerEvent::Passed { epoch: of, next, .. } => {
                    assert_eq!(of, epoch);
                    // One step at a time, perhaps.
                    if next == NextOffset(7) {
                        break next;
                    }
                }
                _ => {}
            }
        };
        assert_eq!(read, [0, 1], "round {rounds}");
        if rounds == 2 {
            let partition = TopicPartition { topic: topic.clone(), partition: 0 };
            member.settle(&partition, epoch, next);
            member.close().await;
        }
    }
    // With the end committed nothing is left to be reported, and the next record comes.
    fill(&*broker.producer().unwrap(), &topic, 0, 1).await;
    let mut member = Member::subscribe(&broker, knowing(&topic, OutOfRange::Earliest));
    assert_eq!(member.read(1).await[0].offset, Offset(7));
    member.close().await;
}

/// Whatever holds for a group whose offset is not in the log any more.
#[ignore = "needs a Kafka: set KAFKA_TEST_BROKERS"]
#[tokio::test(flavor = "multi_thread")]
async fn a_group_without_an_offset_begins_at_the_earliest_record_in_any_case() {
    let cluster = Kafka::at_test_brokers();
    let broker = cluster.broker();
    for out_of_range in [OutOfRange::Earliest, OutOfRange::Latest, OutOfRange::Stop] {
        let topic = topic("begins");
        cluster.create_topic(topic.as_str(), 1).await;
        fill(&*broker.producer().unwrap(), &topic, 0, 2).await;
        let mut member = Member::subscribe(&broker, knowing(&topic, out_of_range));
        loop {
            match member.next().await {
                ConsumerEvent::Records(batch) => {
                    assert_eq!(batch.first_offset(), Some(Offset(0)));
                    break;
                }
                ConsumerEvent::Error(error) => panic!("{out_of_range:?}: {error}"),
                ConsumerEvent::OffsetReset(reset) => panic!("{out_of_range:?}: {reset:?}"),
                _ => {}
            }
        }
        member.close().await;
    }
}

/// The log is shorter than the position: its topic was recreated, say.
#[ignore = "needs a Kafka: set KAFKA_TEST_BROKERS"]
#[tokio::test(flavor = "multi_thread")]
async fn a_position_past_the_end_is_reported_and_reset_to_the_beginning() {
    let cluster = Kafka::at_test_brokers();
    for knows_epoch in [false, true] {
        is_read_from_its_beginning(&cluster, knows_epoch).await;
    }
}

/// With `knows_epoch` the offset was committed with the leader epoch of what was read.
async fn is_read_from_its_beginning(cluster: &Kafka, knows_epoch: bool) {
    let (broker, topic) = (cluster.broker(), topic("shorter"));
    cluster.create_topic(topic.as_str(), 1).await;
    fill(&*broker.producer().unwrap(), &topic, 0, 3).await;
    let mut member = Member::join(&broker, topic.as_str(), &topic);
    let (partitions, epoch) = member.assigned().await;
    if knows_epoch {
        member.read(3).await;
    }
    member.settle(&partitions[0], epoch, NextOffset(7));
    member.close().await;
    let mut member = Member::subscribe(&broker, knowing(&topic, OutOfRange::Earliest));
    let (mut reported, mut read) = (None, Vec::new());
    while reported.is_none() || read.len() < 3 {
        match member.next().await {
            ConsumerEvent::OffsetReset(reset) => {
                assert_eq!(reported.replace((reset.reason, reset.from.0, reset.to.0)), None);
            }
            ConsumerEvent::Records(batch) => {
                read.extend(batch.iter().map(|record| record.offset.0))
            }
            _ => {}
        }
    }
    assert_eq!((reported, read), (Some((ResetReason::LogTruncated, 7, 0)), vec![0, 1, 2]));
    member.close().await;
}

/// How many records a log has, of a kilobyte each.
const LOG: i64 = 200;

/// A member whose topic was recreated, with as many records as the old one had. It was paused meanwhile, goes on in
/// the new log where it was in the old one, and is about to commit that.
async fn gone_on_in_a_new_log(
    cluster: &Kafka,
    topic: &TopicName,
) -> Member<<KafkaBroker as Broker>::Consumer> {
    let broker = cluster.broker();
    cluster.create_topic(topic.as_str(), 1).await;
    fill_log(&broker, topic).await;
    let bounded =
        Subscription { max_in_flight_bytes: 64 << 10, ..subscription(topic.as_str(), topic) };
    let mut member = Member::subscribe(&broker, bounded);
    let (partitions, epoch) = member.assigned().await;
    let mut retained = vec![member.batch().await];
    while let Some(batch) = member.batch_or_nothing().await.pop() {
        retained.push(batch);
    }
    // By now the id of the topic is known.
    member.commit(&member.progress());
    while !matches!(member.next().await, ConsumerEvent::Committed(_)) {}
    cluster.delete_topic(topic.as_str()).await;
    cluster.create_topic(topic.as_str(), 1).await;
    fill_log(&broker, topic).await;
    member.settle(&partitions[0], epoch, NextOffset(LOG));
    member
}

async fn fill_log(broker: &KafkaBroker, topic: &TopicName) {
    let producer = broker.producer().unwrap();
    let kilobyte = "x".repeat(1024);
    for _ in 0..LOG {
        producer.send(record(topic, "k", &kilobyte)).await.unwrap();
    }
}

#[cfg_attr(not(kafka_rig), ignore = "needs Java 17 and Maven")]
#[tokio::test(flavor = "multi_thread")]
async fn a_topic_that_is_made_anew_is_read_from_its_beginning() {
    let (cluster, topic) = (Kafka::at_test_brokers(), topic("anew"));
    let mut member = gone_on_in_a_new_log(&cluster, &topic).await;
    member.commit(&member.progress());
    let mut reported = None;
    loop {
        match member.next().await {
            ConsumerEvent::OffsetReset(reset) => {
                reported = Some((reset.reason, reset.from.0, reset.to.0));
            }
            ConsumerEvent::Records(batch) if batch.first_offset() == Some(Offset(0)) => break,
            ConsumerEvent::Records(_) => member.commit(&member.progress()),
            ConsumerEvent::Revoked(revocation) => revocation.release(member.progress()),
            _ => {}
        }
    }
    let Some((ResetReason::LogTruncated, 1.., 0)) = reported else { panic!("{reported:?}") };
    member.close().await;
}

/// Nobody looks at the ids later.
#[cfg_attr(not(kafka_rig), ignore = "needs Java 17 and Maven")]
#[tokio::test(flavor = "multi_thread")]
async fn a_member_that_ends_as_soon_as_its_topic_is_made_anew_commits_the_beginning() {
    let (cluster, topic) = (Kafka::at_test_brokers(), topic("anew_and_ended"));
    gone_on_in_a_new_log(&cluster, &topic).await.close().await;
    let mut member = Member::join(&cluster.broker(), topic.as_str(), &topic);
    assert_eq!(member.read(1).await[0].offset, Offset(0));
    member.close().await;
}

/// The broker has all that is settled, and so nothing is left to commit.
#[cfg_attr(not(kafka_rig), ignore = "needs Java 17 and Maven")]
#[tokio::test(flavor = "multi_thread")]
async fn a_member_that_has_committed_into_a_recreated_topic_commits_the_beginning_as_it_ends() {
    let (cluster, topic) = (Kafka::at_test_brokers(), topic("anew_and_committed"));
    let mut member = gone_on_in_a_new_log(&cluster, &topic).await;
    member.commit(&member.progress());
    loop {
        match member.next().await {
            ConsumerEvent::Committed(_) => break,
            ConsumerEvent::Revoked(revocation) => revocation.release(member.progress()),
            _ => {}
        }
    }
    member.close().await;
    let mut member = Member::join(&cluster.broker(), topic.as_str(), &topic);
    assert_eq!(member.read(1).await[0].offset, Offset(0));
    member.close().await;
}

/// Nothing is written, and so it is no record that says where it goes on.
#[cfg_attr(not(kafka_rig), ignore = "needs Java 17 and Maven")]
#[tokio::test(flavor = "multi_thread")]
async fn where_a_group_goes_on_at_the_latest_record_is_told_before_there_is_one() {
    let cluster = Kafka::at_test_brokers();
    let (broker, topic) = cluster.with_removed("at_the_end", 3).await;
    let mut member = Member::subscribe(&broker, knowing(&topic, OutOfRange::Latest));
    let (mut reported, mut passed) = (None, None);
    while reported.is_none() || passed.is_none() {
        match member.next().await {
            ConsumerEvent::OffsetReset(reset) => {
                reported = Some((reset.reason, reset.from.0, reset.to.0));
            }
            ConsumerEvent::Passed { partition, epoch, next } => {
                passed = Some((partition, epoch, next));
            }
            ConsumerEvent::Records(batch) => panic!("{batch:?}"),
            _ => {}
        }
    }
    assert_eq!(reported, Some((ResetReason::OutOfRange, 1, 5)));
    let (partition, epoch, next) = passed.unwrap();
    assert_eq!(next, NextOffset(5));
    member.settle(&partition, epoch, next);
    member.close().await;
    // What comes while it is away is read.
    fill(&*broker.producer().unwrap(), &topic, 0, 2).await;
    let mut member = Member::subscribe(&broker, knowing(&topic, OutOfRange::Latest));
    let read: Vec<_> = member.read(2).await.iter().map(|one| one.offset.0).collect();
    assert_eq!(read, [5, 6]);
    member.close().await;
}

/// The new protocol says nothing until the topic is there.
#[cfg_attr(not(kafka_rig), ignore = "needs Java 17 and Maven")]
#[tokio::test(flavor = "multi_thread")]
async fn a_missing_topic_is_reported_and_read_once_created() {
    let cluster = Kafka::at_test_brokers();
    let broker = cluster.broker();
    let topic = topic("missing");
    let mut member = Member::join(&broker, topic.as_str(), &topic);
    if std::env::var("KAFKA_TEST_GROUP_PROTOCOL").as_deref() != Ok("consumer") {
        loop {
            if let ConsumerEvent::JoinFailed(error) = member.next().await {
                assert_eq!(error, BrokerError::UnknownTopic(topic.to_string()));
                break;
            }
        }
    }
    cluster.create_topic(topic.as_str(), 1).await;
    fill(&*broker.producer().unwrap(), &topic, 0, 1).await;
    assert_eq!(member.read(1).await[0].text(), "0");
    member.close().await;
}

/// As a service waits for its redrive topic.
#[cfg_attr(not(kafka_rig), ignore = "needs Java 17 and Maven")]
#[tokio::test(flavor = "multi_thread")]
async fn a_missing_topic_keeps_no_other_from_being_read_and_is_read_once_it_is_made() {
    let cluster = Kafka::at_test_brokers();
    let broker = cluster.broker();
    let (there, missing) = (topic("there"), topic("not_yet"));
    cluster.create_topic(there.as_str(), 1).await;
    let producer = broker.producer().unwrap();
    let mut wanted = subscription(there.as_str(), &there);
    wanted.topics.extend(subscription(there.as_str(), &missing).topics);
    let mut member = Member::subscribe(&broker, wanted);
    fill(&*producer, &there, 0, 1).await;
    assert_eq!(member.read(1).await[0].text(), "0");
    cluster.create_topic(missing.as_str(), 1).await;
    fill(&*producer, &missing, 0, 1).await;
    assert_eq!(member.read(1).await[0].text(), "0");
    member.close().await;
}

/// A transaction ends with an offset that holds no record.
#[cfg_attr(not(kafka_rig), ignore = "needs Java 17 and Maven")]
#[tokio::test(flavor = "multi_thread")]
async fn a_reader_reaches_an_end_that_holds_no_record() {
    let cluster = Kafka::at_test_brokers();
    let broker = cluster.broker();
    let topic = topic("transaction");
    cluster.create_topic(topic.as_str(), 1).await;
    cluster.transaction(&topic, &["0", "1", "2"], true).await;

    let partition = TopicPartition { topic, partition: 0 };
    // The commit returns before its marker is written, and the end is behind the marker.
    let marked = async {
        let partition = std::slice::from_ref(&partition);
        while broker.watermarks(partition, TIMEOUT).await.unwrap().remove(0).unwrap().end
            != NextOffset(4)
        {}
    };
    tokio::time::timeout(TIMEOUT, marked).await.unwrap();
    let partitions = vec![(partition, NextOffset(0), None)];
    let mut reader = broker.read(ReadRequest { partitions, follow: false }).unwrap();
    let reading = async {
        let mut count = 0;
        while let Some(batch) = reader.next().await {
            count += batch.unwrap().len();
        }
        count
    };
    assert_eq!(tokio::time::timeout(TIMEOUT, reading).await, Ok(3));
}

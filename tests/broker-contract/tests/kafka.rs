//! The contract on a real Kafka: `KAFKA_TEST_BROKERS=host:port cargo test -- --ignored`.
//! `KAFKA_TEST_GROUP_PROTOCOL` is `consumer` for the new group protocol, `eager` for the oldest.

#![allow(clippy::unwrap_used, clippy::expect_used)]

use broker_contract_tests::{DEADLINE, Member, TestCluster, contract, fill, subscription, topic};
use event_core::broker::kafka::{KafkaBroker, KafkaSettings};
use event_core::broker::{Broker, BrokerError, ConsumerEvent, ReadRequest, Reader};
use event_core::delivery::{NextOffset, TopicPartition};
use rdkafka::ClientConfig;
use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
use rdkafka::client::DefaultClientContext;
use rdkafka::producer::{BaseProducer, BaseRecord, Producer};

struct Kafka {
    brokers: String,
}

impl Kafka {
    fn at_test_brokers() -> Kafka {
        Kafka { brokers: std::env::var("KAFKA_TEST_BROKERS").expect("KAFKA_TEST_BROKERS") }
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

contract!(Kafka::at_test_brokers(), #[ignore = "needs a Kafka: set KAFKA_TEST_BROKERS"]);

/// The new protocol says nothing until the topic is there.
#[ignore = "needs a Kafka: set KAFKA_TEST_BROKERS"]
#[tokio::test(flavor = "multi_thread")]
async fn a_missing_topic_is_told_and_read_once_it_is_made() {
    let cluster = Kafka::at_test_brokers();
    let broker = cluster.broker();
    let topic = topic("missing");
    let mut member = Member::join(&broker, topic.as_str(), &topic);
    if std::env::var("KAFKA_TEST_GROUP_PROTOCOL").as_deref() != Ok("consumer") {
        loop {
            if let ConsumerEvent::Trouble(error) = member.next().await {
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
#[ignore = "needs a Kafka: set KAFKA_TEST_BROKERS"]
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
#[ignore = "needs a Kafka: set KAFKA_TEST_BROKERS"]
#[tokio::test(flavor = "multi_thread")]
async fn a_reader_reaches_an_end_that_holds_no_record() {
    let cluster = Kafka::at_test_brokers();
    let broker = cluster.broker();
    let topic = topic("transaction");
    cluster.create_topic(topic.as_str(), 1).await;
    let (brokers, name) = (cluster.brokers.clone(), topic.to_string());
    let transaction = move || {
        let producer: BaseProducer = ClientConfig::new()
            .set("bootstrap.servers", &brokers)
            .set("transactional.id", &name)
            .create()
            .unwrap();
        producer.init_transactions(DEADLINE).unwrap();
        producer.begin_transaction().unwrap();
        for value in ["0", "1", "2"] {
            producer.send(BaseRecord::<str, str>::to(&name).payload(value).key("k")).unwrap();
        }
        producer.commit_transaction(DEADLINE).unwrap();
    };
    tokio::task::spawn_blocking(transaction).await.unwrap();

    let partition = TopicPartition { topic, partition: 0 };
    let held = broker.watermarks(std::slice::from_ref(&partition), DEADLINE).await.unwrap();
    assert_eq!(held[0].end, NextOffset(4));
    let partitions = vec![(partition, NextOffset(0), None)];
    let mut reader = broker.read(ReadRequest { partitions, follow: false }).unwrap();
    let reading = async {
        let mut count = 0;
        while let Some(batch) = reader.next().await {
            count += batch.unwrap().len();
        }
        count
    };
    assert_eq!(tokio::time::timeout(DEADLINE, reading).await, Ok(3));
}

//! The rig does what it says: each test looks at it through a client of its own.

#![cfg_attr(not(kafka_rig), allow(dead_code))]
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use kafka_rig::{GroupProtocol, Kafka};
use rdkafka::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::message::Message;
use rdkafka::producer::{BaseProducer, BaseRecord, Producer};

const TIMEOUT: Duration = Duration::from_secs(60);

fn config(brokers: &str) -> ClientConfig {
    let mut config = ClientConfig::new();
    config.set("bootstrap.servers", brokers).set("client.id", "rig-test");
    config
}

fn produce(brokers: &str, topic: &str, value: &str) {
    let producer: BaseProducer = config(brokers).create().unwrap();
    producer.send(BaseRecord::<str, str>::to(topic).payload(value).partition(0)).unwrap();
    producer.flush(TIMEOUT).unwrap();
}

fn member(brokers: &str, group: &str, topic: &str, settings: &[(&str, &str)]) -> BaseConsumer {
    let mut config = config(brokers);
    config.set("group.id", group).set("auto.offset.reset", "earliest");
    for (name, value) in settings {
        config.set(*name, *value);
    }
    let member: BaseConsumer = config.create().unwrap();
    member.subscribe(&[topic]).unwrap();
    member
}

fn read(member: &BaseConsumer) -> String {
    let begin = Instant::now();
    while begin.elapsed() < TIMEOUT {
        if let Some(Ok(message)) = member.poll(Duration::from_millis(100)) {
            return String::from_utf8(message.payload().unwrap().to_vec()).unwrap();
        }
    }
    panic!("no record");
}

#[cfg_attr(not(kafka_rig), ignore = "needs Java 17 and Maven")]
#[test]
fn what_is_produced_is_consumed_and_outlives_a_restart() {
    let kafka = Kafka::start();
    kafka.create_topic("orders", 1);
    produce(&kafka.brokers(), "orders", "first");
    kafka.restart(1);
    assert_eq!(kafka.offsets("orders", 0), (0, 1));
    produce(&kafka.brokers(), "orders", "second");
    let member = member(&kafka.brokers(), "billing", "orders", &[]);
    assert_eq!([read(&member), read(&member)], ["first", "second"]);
    kafka.delete_records("orders", 0, 1);
    assert_eq!(kafka.offsets("orders", 0), (1, 2));
}

#[cfg_attr(not(kafka_rig), ignore = "needs Java 17 and Maven")]
#[test]
fn a_group_is_described_with_both_protocols() {
    let kafka = Kafka::shared();
    let brokers = kafka.brokers();
    kafka.create_topic("shared", 2);
    let protocols = [
        ("classic", GroupProtocol::Classic, "cooperative-sticky"),
        ("consumer", GroupProtocol::Consumer, "uniform"),
    ];
    for (protocol, expected, assignor) in protocols {
        let mut settings = vec![("group.protocol", protocol)];
        if expected == GroupProtocol::Classic {
            settings.push(("partition.assignment.strategy", assignor));
        } else {
            settings.push(("group.remote.assignor", assignor));
        }
        let member = member(&brokers, protocol, "shared", &settings);
        let _ = member.poll(Duration::ZERO);
        produce(&brokers, "shared", "one");
        read(&member);
        let group = kafka.await_group(protocol, |group| group.owned() == 2);
        assert_eq!((group.state.as_str(), group.protocol), ("Stable", expected));
        assert_eq!(group.assignor, assignor);
        assert_eq!(group.members[0].client_id, "rig-test");
        assert_eq!(group.members[0].host, "/127.0.0.1");
        assert_eq!(group.of_topic("shared"), [[0, 1]]);
    }
    assert_eq!(kafka.describe_group("nobody").state, "Dead");
}

#[cfg_attr(not(kafka_rig), ignore = "needs Java 17 and Maven")]
#[test]
fn a_frozen_node_answers_nobody_and_goes_on_when_thawed() {
    let kafka = Kafka::start();
    let client: BaseConsumer = config(&kafka.brokers()).create().unwrap();
    assert!(client.fetch_metadata(None, TIMEOUT).is_ok());
    kafka.freeze(1);
    assert!(client.fetch_metadata(None, Duration::from_secs(1)).is_err());
    kafka.thaw(1);
    assert!(client.fetch_metadata(None, TIMEOUT).is_ok());
}

#[cfg_attr(not(kafka_rig), ignore = "needs Java 17 and Maven")]
#[test]
fn settings_are_altered_while_it_runs() {
    let kafka = Kafka::shared();
    kafka.create_topic_with("small", 1, 1, &[("max.message.bytes", "100")]);
    let send = || {
        let producer: BaseProducer = config(&kafka.brokers()).create().unwrap();
        let value = "x".repeat(1000);
        producer.send(BaseRecord::<str, str>::to("small").payload(&value)).unwrap();
        producer.flush(TIMEOUT).unwrap();
        kafka.end_offset("small", 0)
    };
    assert_eq!(send(), 0);
    kafka.alter_topic("small", &[("max.message.bytes", None)]);
    assert_eq!(send(), 1);
    kafka.add_partitions("small", 3);
    kafka.delete_topic("small");
}

#[ignore = "takes long: cargo test -- --ignored"]
#[test]
fn the_leader_of_a_partition_is_moved_and_follows_a_death() {
    let kafka = Kafka::builder().nodes(3).start();
    kafka.create_topic("orders", 3);
    for node in [1, 2, 3, 1] {
        kafka.move_leader("orders", 0, node);
        assert_eq!(kafka.leader("orders", 0), Some(node));
    }
    kafka.kill(1);
    let begin = Instant::now();
    while kafka.leader("orders", 0).is_none_or(|node| node == 1) {
        assert!(begin.elapsed() < TIMEOUT, "node 1 is dead and leads");
    }
    produce(&kafka.brokers(), "orders", "first");
    kafka.start_node(1);
    assert_eq!(kafka.end_offset("orders", 0), 1);

    kafka.down();
    assert!((1..=3).all(|node| kafka.pid(node).is_none()));
    kafka.up();
    assert_eq!(kafka.end_offset("orders", 0), 1);
}

/// Whatever ends the process that started it, the broker ends too, and its data goes.
#[cfg(target_os = "linux")]
#[cfg_attr(not(kafka_rig), ignore = "needs Java 17 and Maven")]
#[test]
fn a_killed_process_leaves_neither_broker_nor_data() {
    let mut rig = Command::new(env!("CARGO_BIN_EXE_kafka-rig"))
        .arg("up")
        .env_remove("KAFKA_RIG_KEEP")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut answers = BufReader::new(rig.stdout.take().unwrap()).lines();
    assert!(answers.next().unwrap().unwrap().starts_with("127.0.0.1:"));
    let mut orders = rig.stdin.take().unwrap();
    // Not even a broker that cannot hear a signal to end stays.
    orders.write_all(b"pid\nfreeze\n").unwrap();
    let broker = Path::new("/proc").join(answers.next().unwrap().unwrap());
    assert_eq!(answers.next().unwrap().unwrap(), "done");
    let command = std::fs::read_to_string(broker.join("cmdline")).unwrap();
    let (settings, _) = command.rsplit_once("/node1/server.properties").unwrap();
    let data = PathBuf::from(settings.rsplit('\0').next().unwrap());
    assert!(data.is_dir(), "{data:?}");

    rig.kill().unwrap();
    rig.wait().unwrap();
    let begin = Instant::now();
    while data.exists() || std::fs::read(broker.join("cmdline")).is_ok_and(|line| !line.is_empty())
    {
        assert!(begin.elapsed() < TIMEOUT, "{broker:?} runs, or {data:?} is there");
    }
}

fn starts_with_version(version: &str) {
    let kafka = Kafka::builder().version(version).start();
    kafka.create_topic("orders", 1);
    produce(&kafka.brokers(), "orders", "first");
    let member = member(&kafka.brokers(), "billing", "orders", &[]);
    assert_eq!(read(&member), "first");
    kafka.await_group("billing", |group| group.owned() == 1);
    kafka.restart(1);
    assert_eq!(kafka.end_offset("orders", 0), 1);
    kafka.move_leader("orders", 0, 1);
    kafka.alter_topic("orders", &[("max.message.bytes", Some("100"))]);
}

#[ignore = "takes long, and downloads: cargo test -- --ignored"]
#[test]
fn an_older_version_starts() {
    starts_with_version("3.9.2");
}

#[ignore = "takes long, and downloads: cargo test -- --ignored"]
#[test]
fn a_newer_version_starts_and_has_the_new_protocol() {
    starts_with_version("4.4.0");
    let kafka = Kafka::builder().version("4.4.0").start();
    kafka.create_topic("orders", 1);
    let member = member(&kafka.brokers(), "b", "orders", &[("group.protocol", "consumer")]);
    produce(&kafka.brokers(), "orders", "first");
    assert_eq!(read(&member), "first");
    let group = kafka.await_group("b", |group| group.owned() == 1);
    assert_eq!(group.protocol, GroupProtocol::Consumer);
}

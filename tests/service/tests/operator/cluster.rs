//! What happens to brokers.

use std::io::Write;
use std::net::TcpListener;
use std::time::Instant;

use kafka_rig::Kafka;

use crate::service::*;

/// The address of a listener that says this to each connection, and then nothing.
fn listener(answer: &'static [u8]) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    std::thread::spawn(move || {
        let mut open = Vec::new();
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let _ = stream.write_all(answer);
            open.push(stream);
        }
    });
    address
}

#[test]
fn a_listener_that_is_silent_or_not_kafka_is_named() {
    for (fault, answer, words) in [
        ("silent listener", &b""[..], &["does not answer", "overloaded, paused or hanging"][..]),
        ("HTTP", b"HTTP/1.1 400 Bad Request\r\n\r\n", &["not a Kafka listener", "HTTP"]),
        ("SSH", b"SSH-2.0-OpenSSH_9.6\r\n", &["not a Kafka listener", "SSH-"]),
        // An alert and the end of the session: librdkafka looks at eight bytes.
        (
            "alerts of TLS",
            b"\x15\x03\x03\x00\x02\x02\x28\x15\x03\x03\x00\x02\x01\x00",
            &["speaks TLS", "to `ssl`"],
        ),
    ] {
        is_refused(fault, &variables(&listener(answer), "ledger"), words);
    }
}

#[cfg_attr(kafka_rig, ignore = "takes minutes: cargo test -- --ignored")]
#[cfg_attr(not(kafka_rig), ignore = "needs Java 17 and Maven")]
#[test]
fn a_partition_without_a_leader_and_a_quorum_that_is_gone_are_named() {
    let kafka = Kafka::builder().nodes(3).start();
    kafka.create_topic_with(TOPIC, 3, 1, &[]);
    kafka.create_topic(DEAD_LETTERS, 1);
    kafka.create_topic(REDRIVE, 1);
    let service = Service::start(&variables(&kafka.brokers(), "leaderless"));
    service.is_ready(service.began, 200, &[]);
    let leader = kafka.leader(TOPIC, 0).unwrap();
    let killed = Instant::now();
    kafka.kill(leader);
    let words = ["ERROR", "role_events", "leader"];
    row("partition without a leader, log", service.says(killed, &words).within(25), "runs");
    let words = ["fetch_fails", "role_events", "leader"];
    row(
        "partition without a leader, health",
        service.is_ready(killed, 503, &words).within(30),
        "503",
    );
    let back = Instant::now();
    kafka.start_node(leader);
    row("its node starts again", service.is_ready(back, 200, &[]).within(40), "200");

    // While the service runs.
    let frozen = Instant::now();
    kafka.freeze(2);
    kafka.freeze(3);
    let health = service.is_ready(frozen, 503, &[":"]);
    row("2 of 3 nodes frozen, health", health.within(40), "503");
}

#[cfg_attr(kafka_rig, ignore = "takes minutes: cargo test -- --ignored")]
#[cfg_attr(not(kafka_rig), ignore = "needs Java 17 and Maven")]
#[test]
fn an_advertised_address_that_nobody_answers_is_named() {
    let kafka = Kafka::builder().advertise("kafka.invalid:9092").start();
    make_topics(&kafka);
    let variables = variables(&kafka.misadvertised(), "ledger");
    let words = ["kafka.invalid:9092", "advertised.listeners"];
    let after = is_refused("advertised name is unknown", &variables, &words);
    assert!(after.as_secs() <= 20, "{after:?}");
}

#[cfg_attr(kafka_rig, ignore = "takes minutes: cargo test -- --ignored")]
#[cfg_attr(not(kafka_rig), ignore = "needs Java 17 and Maven")]
#[test]
fn a_topic_that_is_deleted_is_named_and_read_again_when_it_is_back() {
    let kafka = Kafka::start();
    make_topics(&kafka);
    for protocol in ["classic", "consumer"] {
        // The leader's epoch rises, and that of a topic made again is 0.
        kafka.restart(1);
        let mut variables = variables(&kafka.brokers(), protocol);
        set(&mut variables, "group.protocol", protocol);
        let service = Service::start(&variables);
        service.is_ready(service.began, 200, &[]);
        let deleted = Instant::now();
        kafka.delete_topic(TOPIC);
        let words = ["fetch_fails", "role_events"];
        let health = service.is_ready(deleted, 503, &words);
        let words = ["ERROR", "role_events"];
        let fault = format!("topic deleted, log ({protocol})");
        row(&fault, service.says(deleted, &words).within(20), "runs");
        let fault = format!("topic deleted, health ({protocol})");
        row(&fault, health.within(30), "503");
        let made = Instant::now();
        kafka.create_topic(TOPIC, 3);
        send(&kafka, 0, 1..2);
        let fault = format!("topic made again ({protocol})");
        row(&fault, service.is_ready(made, 200, &[]).within(40), "200");
        service.commits(&variables, 1);
    }
}

#[cfg_attr(kafka_rig, ignore = "takes minutes: cargo test -- --ignored")]
#[cfg_attr(not(kafka_rig), ignore = "needs Java 17 and Maven")]
#[test]
fn a_recreated_topic_is_read_before_any_metadata_update() {
    let kafka = Kafka::start();
    make_topics(&kafka);
    for protocol in ["classic", "consumer"] {
        kafka.restart(1);
        send(&kafka, 0, 0..1);
        let mut variables = variables(&kafka.brokers(), &format!("soon-{protocol}"));
        set(&mut variables, "group.protocol", protocol);
        let service = Service::start(&variables);
        service.is_ready(service.began, 200, &[]);
        service.commits(&variables, 1);
        let made = Instant::now();
        kafka.delete_topic(TOPIC);
        kafka.create_topic(TOPIC, 3);
        send(&kafka, 0, 0..3);
        service.commits(&variables, 3);
        let words = ["WARN", "recreated", TOPIC];
        let fault = format!("topic made again at once ({protocol})");
        row(&fault, service.says(made, &words).within(60), "runs");
        kafka.delete_topic(TOPIC);
        kafka.create_topic(TOPIC, 3);
    }
}

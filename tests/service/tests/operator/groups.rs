//! Groups that are not joined.

use std::time::Instant;

use kafka_rig::Kafka;
use rdkafka::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer};

use crate::service::*;

/// A member of another maker.
struct Foreign {
    stop: std::sync::mpsc::Sender<()>,
    thread: Option<std::thread::JoinHandle<()>>,
}

impl Foreign {
    fn join(kafka: &Kafka, group: &str, properties: &[(&str, &str)]) -> Foreign {
        let mut config = ClientConfig::new();
        config.set("bootstrap.servers", kafka.brokers()).set("group.id", group);
        for (name, value) in properties {
            config.set(*name, *value);
        }
        let consumer: BaseConsumer = config.create().unwrap();
        consumer.subscribe(&[TOPIC]).unwrap();
        let (stop, stopped) = std::sync::mpsc::channel();
        let thread = std::thread::spawn(move || {
            while stopped.try_recv() == Err(std::sync::mpsc::TryRecvError::Empty) {
                let _ = consumer.poll(std::time::Duration::from_millis(50));
            }
        });
        kafka.await_group(group, |group| group.owned() > 0);
        Foreign { stop, thread: Some(thread) }
    }
}

impl Drop for Foreign {
    fn drop(&mut self) {
        let _ = self.stop.send(());
        let _ = self.thread.take().map(std::thread::JoinHandle::join);
    }
}

#[cfg_attr(kafka_rig, ignore = "takes minutes: cargo test -- --ignored")]
#[cfg_attr(not(kafka_rig), ignore = "needs Java 17 and Maven")]
#[test]
fn a_group_of_another_assignor_or_protocol_is_named() {
    let kafka = Kafka::start();
    make_topics(&kafka);
    let foreign = Foreign::join(&kafka, "ranged", &[("partition.assignment.strategy", "range")]);
    let mut ours = variables(&kafka.brokers(), "ranged");
    let service = Service::start(&ours);
    let words = ["partition.assignment.strategy", "`range,roundrobin`"];
    let said = service.says(service.began, &words);
    row("members with another assignor, log", said.within(5), "runs");
    let words = ["not joined", "partition.assignment.strategy"];
    let said = service.says(service.began, &words);
    let status = service.readiness().unwrap().0;
    row("members with another assignor, after 15 s", said.within(20), &status.to_string());
    assert_eq!(status, 503);
    drop(service);
    set(&mut ours, "partition.assignment.strategy", "range,roundrobin");
    let service = Service::start(&ours);
    kafka.await_group("ranged", |group| group.members.len() > 1);
    row("with `range,roundrobin`", &service.is_ready(service.began, 200, &[]), "200");
    drop((service, foreign));

    let mut ours = variables(&kafka.brokers(), "sticky");
    set(&mut ours, "group.protocol", "consumer");
    set(&mut ours, "group.remote.assignor", "sticky");
    is_refused("assignor that the broker lacks", &ours, &["group.remote.assignor"]);
}

#[cfg_attr(kafka_rig, ignore = "takes minutes: cargo test -- --ignored")]
#[cfg_attr(not(kafka_rig), ignore = "needs Java 17 and Maven")]
#[test]
fn a_broker_without_the_consumer_protocol_is_named() {
    let kafka = Kafka::builder().version("3.9.2").start();
    make_topics(&kafka);
    let mut ours = variables(&kafka.brokers(), "ledger");
    set(&mut ours, "group.protocol", "consumer");
    let service = Service::start(&ours);
    let said = service.says(service.began, &["not joined", "Kafka 4.0", "`classic`"]);
    let status = service.readiness().unwrap().0;
    row("`consumer` on Kafka 3.9.2", said.within(20), &status.to_string());
    assert_eq!(status, 503);
}

#[cfg_attr(kafka_rig, ignore = "takes minutes: cargo test -- --ignored")]
#[cfg_attr(not(kafka_rig), ignore = "needs Java 17 and Maven")]
#[test]
fn an_instance_without_partitions_raises_no_alarm() {
    let kafka = Kafka::start();
    kafka.create_topic(TOPIC, 1);
    kafka.create_topic(DEAD_LETTERS, 1);
    for (protocol, redrive) in
        [("consumer", false), ("classic", false), ("consumer", true), ("classic", true)]
    {
        if redrive && protocol == "consumer" {
            kafka.create_topic(REDRIVE, 1);
        }
        let group = format!("spare-{protocol}-{redrive}");
        let mut ours = variables(&kafka.brokers(), &group);
        set(&mut ours, "group.protocol", protocol);
        let services = [Service::start(&ours), Service::start(&ours)];
        let began = Instant::now();
        let members = if redrive { 4 } else { 2 };
        kafka.await_group(&group, |group| group.members.len() >= members);
        // The first alarm is due after 15 s.
        while began.elapsed().as_secs() < 20 {
            for service in &services {
                assert!(!service.has_said(&["not joined"]), "{protocol}:\n{}", service.log());
            }
            std::thread::sleep(std::time::Duration::from_millis(200));
        }
        for service in &services {
            let (status, text) = service.readiness().unwrap();
            assert_eq!(status, 200, "{text}");
        }
        let fault = format!("more instances than partitions ({group})");
        let text = "nothing".to_owned();
        row(&fault, &Shown { text, after: began.elapsed() }, "200");
    }
}

#[cfg_attr(kafka_rig, ignore = "takes minutes: cargo test -- --ignored")]
#[cfg_attr(not(kafka_rig), ignore = "needs Java 17 and Maven")]
#[test]
fn a_name_whose_session_is_not_over_is_waited_for() {
    let kafka = Kafka::start();
    make_topics(&kafka);
    for protocol in ["consumer", "classic"] {
        let group = format!("named-{protocol}");
        let mut ours = variables(&kafka.brokers(), &group);
        ours.insert("EVENT_GROUP_INSTANCE_ID".to_owned(), "pod-1".to_owned());
        set(&mut ours, "group.protocol", protocol);
        let first = Service::start(&ours);
        first.is_ready(first.began, 200, &[]);
        kafka.await_group(&group, |group| group.owned() == 4);
        first.kill();
        let again = Service::start(&ours);
        let fault = format!("kill -9 and restart with a name ({protocol})");
        if protocol == "consumer" {
            let said = again.says(again.began, &["`group_instance_id`", "session"]);
            row(&fault, said.within(5), "waits");
        }
        send(&kafka, 0, 1..2);
        row(&fault, again.is_ready(again.began, 200, &[]).within(30), "200");
    }
}

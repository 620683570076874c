//! Records that are removed before they are read.

use kafka_rig::Kafka;

use crate::service::*;

#[cfg_attr(kafka_rig, ignore = "takes minutes: cargo test -- --ignored")]
#[cfg_attr(not(kafka_rig), ignore = "needs Java 17 and Maven")]
#[test]
fn records_that_were_removed_are_counted() {
    let kafka = Kafka::start();
    make_topics(&kafka);
    let variables = variables(&kafka.brokers(), "ledger");
    send(&kafka, 0, 0..10);
    let mut first = Service::start(&variables);
    first.is_ready(first.began, 200, &[]);
    first.commits(&variables, 10);
    first.signal("-TERM");
    assert_eq!(first.end().0, Some(0), "{}", first.log());
    send(&kafka, 0, 10..30);
    kafka.delete_records(TOPIC, 0, 25);
    let service = Service::start(&variables);
    let said = service.says(service.began, &["role_events/0", "10", "25", "15"]);
    row("records removed, log", said.within(10), "runs");
    let health = service.is_ready(service.began, 200, &["offset_reset", "role_events"]);
    row("records removed, health", health.within(10), "200");
}

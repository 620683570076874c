//! What the cluster does not allow.

use std::time::Instant;

use kafka_rig::{Kafka, Listener, Operation, Resource};

use crate::service::*;

const USER: &str = "alice";
const GROUP: &str = "ledger";
const READS: &[Operation] = &[Operation::Read, Operation::Describe];

/// A cluster on which the user may do everything that the service needs.
fn cluster() -> Kafka {
    let kafka = Kafka::builder().secured().start();
    make_topics(&kafka);
    kafka.allow(USER, READS, Resource::Topic(TOPIC));
    kafka.allow(USER, READS, Resource::Topic(REDRIVE));
    kafka.allow(USER, &[Operation::Write, Operation::Read], Resource::Topic(DEAD_LETTERS));
    kafka.allow(USER, READS, Resource::Group(GROUP));
    kafka
}

/// By a password without TLS, which every build can do.
fn login(kafka: &Kafka) -> Variables {
    with_login(GROUP, kafka.login(Listener::SaslPlaintext, USER))
}

#[cfg_attr(kafka_rig, ignore = "takes minutes: cargo test -- --ignored")]
#[cfg_attr(not(kafka_rig), ignore = "needs Java 17 and Maven")]
#[test]
fn rights_that_are_missing_are_named() {
    let kafka = cluster();
    kafka.forget_acls(USER, Resource::Topic(TOPIC));
    kafka.allow(USER, &[Operation::Describe], Resource::Topic(TOPIC));
    let service = Service::start(&login(&kafka));
    let words = ["ERROR", "`role_events`", "`READ`"];
    let unready = ["fetch_fails", "role_events", "READ"];
    let began = service.began;
    row("`DESCRIBE` only, log", service.says(began, &words).within(15), "runs");
    row("`DESCRIBE` only, health", service.is_ready(began, 503, &unready).within(25), "503");
    let granted = Instant::now();
    kafka.allow(USER, READS, Resource::Topic(TOPIC));
    row("`READ` granted", service.is_ready(granted, 200, &[]).within(30), "200");

    let taken = Instant::now();
    kafka.forget_acls(USER, Resource::Topic(TOPIC));
    kafka.allow(USER, &[Operation::Describe], Resource::Topic(TOPIC));
    row("`READ` taken away, log", service.says(taken, &words).within(15), "runs");
    row("`READ` taken away, health", service.is_ready(taken, 503, &unready).within(25), "503");
    let granted = Instant::now();
    kafka.allow(USER, READS, Resource::Topic(TOPIC));
    row("`READ` granted again", service.is_ready(granted, 200, &[]).within(30), "200");

    let taken = Instant::now();
    kafka.forget_acls(USER, Resource::Group(GROUP));
    let unready = ["not_assigned", "group `ledger`", "`READ`"];
    row("group without `READ`, health", service.is_ready(taken, 503, &unready).within(60), "503");
    drop(service);
    for command in [&["lag"][..], &["seek", "--topic", TOPIC, "--to", "end"]] {
        prints(command, &login(&kafka), 1, &["not authorised: group `ledger`", "`READ`"]);
    }
    kafka.allow(USER, READS, Resource::Group(GROUP));

    kafka.forget_acls(USER, Resource::Topic(TOPIC));
    is_refused("no right on the topic", &login(&kafka), &["`role_events`", "grant"]);
    kafka.allow(USER, READS, Resource::Topic(TOPIC));

    kafka.forget_acls(USER, Resource::Group(GROUP));
    is_refused("group without `READ`", &login(&kafka), &["group `ledger`", "`READ`"]);
    kafka.allow(USER, READS, Resource::Group(GROUP));

    kafka.forget_acls(USER, Resource::Topic(REDRIVE));
    let service = Service::start(&login(&kafka));
    let words = ["role_events_redrive", "READ"];
    row("redrive topic without rights", service.says(service.began, &words).within(20), "runs");
    let unknown = "role_events_redrive: not authorised";
    prints(&["lag"], &login(&kafka), 0, &["role_events", "behind in all", unknown]);
    prints(&["topics", "ls"], &login(&kafka), 0, &["role_events_dlq", unknown]);
}

//! Processes of one group at a real Kafka: `KAFKA_TEST_BROKERS=host:port cargo test -- --ignored`.
//! `KAFKA_TEST_GROUP_PROTOCOL` is `classic` or `consumer`.
//!
//! The broker is killed only when it is the one that `tests/kafka/start` started.
//! `PROCESSES_JOINS=60` makes the storm of joins as long, `PROCESSES_SEED` repeats a run.

mod shared;

use process_tests::cluster::Cluster;
use process_tests::scenario::{Faults, joins};
use shared::ALONE;

#[ignore = "needs a Kafka: set KAFKA_TEST_BROKERS"]
#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_lost_when_members_die_join_and_leave() {
    let _alone = ALONE.lock().await;
    let joins = joins(10);
    let faults = Faults { deaths: true, together: joins.as_secs() < 30, joins, broker: false };
    shared::nothing_is_lost(Cluster::kafka().await, "members die, join, leave", faults).await;
}

#[ignore = "needs a Kafka: set KAFKA_TEST_BROKERS"]
#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_lost_when_the_broker_is_killed_and_restarted() {
    let _alone = ALONE.lock().await;
    let cluster = Cluster::kafka().await;
    if !cluster.can_restart() {
        println!("left out: {} is not the broker of tests/kafka/start", cluster.address);
        return;
    }
    let faults = Faults { broker: true, ..Faults::NONE };
    shared::nothing_is_lost(cluster, "broker killed and restarted", faults).await;
}

#[ignore = "needs a Kafka: set KAFKA_TEST_BROKERS"]
#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_repeated_when_nothing_happens() {
    let _alone = ALONE.lock().await;
    shared::nothing_is_repeated(Cluster::kafka().await).await;
}

#[ignore = "needs a Kafka: set KAFKA_TEST_BROKERS"]
#[tokio::test(flavor = "multi_thread")]
async fn sigterm_under_load_ends_with_0_and_nothing_is_repeated() {
    let _alone = ALONE.lock().await;
    shared::sigterm_drains(Cluster::kafka().await).await;
}

#[ignore = "needs a Kafka: set KAFKA_TEST_BROKERS"]
#[tokio::test(flavor = "multi_thread")]
async fn a_handler_that_never_ends_is_named_and_ends_the_process_with_1() {
    let _alone = ALONE.lock().await;
    shared::what_never_ends_is_named(Cluster::kafka().await).await;
}

//! Processes of one group at a real Kafka: one that the tests start, or that of
//! `KAFKA_TEST_BROKERS`, which is not killed. `KAFKA_TEST_GROUP_PROTOCOL` is `classic` or `consumer`.
//!
//! `PROCESSES_JOINS=60` makes the storm of joins as long, `PROCESSES_SEED` repeats a run.

mod shared;

use std::time::Duration;

use process_tests::cluster::{Cluster, KAFKA_SESSION};
use process_tests::scenario::{Faults, joins};
use tokio::sync::Mutex;

/// One test at a time: what one does to the broker is done to all.
static ALONE: Mutex<()> = Mutex::const_new(());

#[ignore = "takes minutes: cargo test -- --ignored"]
#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_lost_when_members_die_join_and_leave() {
    let _alone = ALONE.lock().await;
    let joins = joins(10);
    let faults = Faults { deaths: true, together: joins.as_secs() < 30, joins, broker: false };
    let name = "members die, join, leave";
    let row = shared::nothing_is_lost(Cluster::kafka().await, name, faults).await;
    // Who leaves says so, and nobody waits for the end of its session. With the classic protocol
    // librdkafka leaves without a word now and then, when the group has just begun to change.
    if std::env::var("KAFKA_TEST_GROUP_PROTOCOL").as_deref() == Ok("consumer") {
        let longest = row.findings.waits.iter().find(|(phase, _)| phase == "joins");
        let longest = longest.map(|(_, ms)| Duration::from_millis(ms.unsigned_abs()));
        assert!(longest.is_some_and(|longest| longest < KAFKA_SESSION), "{longest:?}");
    }
}

#[ignore = "takes minutes: cargo test -- --ignored"]
#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_lost_when_the_broker_is_killed_and_restarted() {
    let _alone = ALONE.lock().await;
    let cluster = Cluster::kafka().await;
    if !cluster.can_restart() {
        println!("left out: {} is not a broker of the tests", cluster.address);
        return;
    }
    let faults = Faults { broker: true, ..Faults::NONE };
    let _ = shared::nothing_is_lost(cluster, "broker killed and restarted", faults).await;
}

#[ignore = "takes minutes: cargo test -- --ignored"]
#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_repeated_when_nothing_happens() {
    let _alone = ALONE.lock().await;
    shared::nothing_is_repeated(Cluster::kafka().await).await;
}

#[ignore = "takes minutes: cargo test -- --ignored"]
#[tokio::test(flavor = "multi_thread")]
async fn sigterm_under_load_ends_with_0_and_nothing_is_repeated() {
    let _alone = ALONE.lock().await;
    shared::sigterm_drains(Cluster::kafka().await).await;
}

#[ignore = "takes minutes: cargo test -- --ignored"]
#[tokio::test(flavor = "multi_thread")]
async fn a_handler_that_never_ends_is_named_and_ends_the_process_with_1() {
    let _alone = ALONE.lock().await;
    shared::what_never_ends_is_named(Cluster::kafka().await).await;
}

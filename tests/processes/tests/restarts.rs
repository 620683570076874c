//! What a rolling restart and a crash cost on a real Kafka.

use std::time::Duration;

use process_tests::cluster::{Cluster, Rig};
use process_tests::fleet::{Fleet, Kind, Outcome};
use process_tests::journal_check::Cause;
use process_tests::scenario::number;
use tokio::sync::Mutex;

const RIG: Rig = Rig {
    member: env!("CARGO_BIN_EXE_ledger-member"),
    broker: env!("CARGO_BIN_EXE_embedded-broker"),
    folder: env!("CARGO_TARGET_TMPDIR"),
};

/// One test at a time: the figures are those of a machine that does nothing else.
static ALONE: Mutex<()> = Mutex::const_new(());

fn assert_sound(outcome: &Outcome) {
    outcome.print();
    outcome.row.assert_sound();
    assert_eq!(outcome.row.findings.repeats(Cause::Unexplained), 0);
}

/// `PROCESSES_VARIABLES=EVENT_LOG=debug;EVENT_KAFKA_DEBUG=cgrp` sets variables of members.
fn variables() -> Vec<(&'static str, String)> {
    let text: &str = std::env::var("PROCESSES_VARIABLES").unwrap_or_default().leak();
    let pairs = text.split(';').filter_map(|pair| pair.split_once('='));
    pairs.map(|(name, value)| (name, value.to_owned())).collect()
}

/// `PROCESSES_ROUNDS=5` restarts all as often.
fn rounds() -> u64 {
    number("PROCESSES_ROUNDS").unwrap_or(1)
}

/// Four instances are restarted one after the other, then one is killed. No gap is longer than the
/// session and what a change of the group takes.
async fn restart(cluster: Cluster, session: Duration, has_ids: bool) {
    let _alone = ALONE.lock().await;
    let kind = Kind { label: "member", rig: RIG, variables: variables(), has_ids };
    let mut fleet = Fleet::start(&cluster, 4, &kind).await;
    fleet.level("before").await;
    for _ in 1..rounds() {
        fleet.replace_all("an earlier rolling restart", &kind).await;
    }
    fleet.replace_all("rolling restart", &kind).await;
    fleet.level("after it").await;
    fleet.kill("kill -9", 1).await;
    fleet.level("after the kill").await;
    let ids = if has_ids { "with" } else { "without" };
    let name = format!("restarts, session {session:?}, {ids} group_instance_id");
    let outcome = fleet.end(&name).await;
    assert_sound(&outcome);
    let margin = Duration::from_secs(10);
    // Who leaves says so, and nobody waits for the end of its session.
    assert!(outcome.longest("rolling restart") < margin, "{:?}", outcome.stillness);
    assert!(outcome.longest("kill -9") < session + margin, "{:?}", outcome.stillness);
}

#[ignore = "takes minutes: cargo test -- --ignored"]
#[tokio::test(flavor = "multi_thread")]
async fn classic_without_an_id() {
    let cluster = Cluster::kafka_with("classic").await.with_default_timeouts();
    restart(cluster, Duration::from_secs(15), false).await;
}

#[ignore = "takes minutes: cargo test -- --ignored"]
#[tokio::test(flavor = "multi_thread")]
async fn classic_with_an_id() {
    let cluster = Cluster::kafka_with("classic").await.with_default_timeouts();
    restart(cluster, Duration::from_secs(15), true).await;
}

#[ignore = "takes minutes: cargo test -- --ignored"]
#[tokio::test(flavor = "multi_thread")]
async fn consumer_without_an_id() {
    let cluster = Cluster::kafka_with("consumer").await.with_default_timeouts();
    restart(cluster, Duration::from_secs(45), false).await;
}

#[ignore = "takes minutes: cargo test -- --ignored"]
#[tokio::test(flavor = "multi_thread")]
async fn consumer_with_an_id() {
    let cluster = Cluster::kafka_with("consumer").await.with_default_timeouts();
    restart(cluster, Duration::from_secs(45), true).await;
}

#[ignore = "takes minutes: cargo test -- --ignored"]
#[tokio::test(flavor = "multi_thread")]
async fn consumer_with_short_sessions_without_an_id() {
    restart(Cluster::kafka_with("consumer").await, Duration::from_secs(6), false).await;
}

#[ignore = "takes minutes: cargo test -- --ignored"]
#[tokio::test(flavor = "multi_thread")]
async fn consumer_with_short_sessions_with_an_id() {
    restart(Cluster::kafka_with("consumer").await, Duration::from_secs(6), true).await;
}

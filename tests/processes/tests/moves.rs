//! A group moves from one kind of member to another, instance by instance and under load: from a Python
//! service, and from an earlier version.

#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a test")]

use std::path::Path;
use std::time::Duration;

use process_tests::cluster::{Cluster, Rig};
use process_tests::fleet::{Fleet, Kind, Outcome};
use tokio::sync::Mutex;

const RIG: Rig = Rig {
    member: env!("CARGO_BIN_EXE_ledger-member"),
    broker: env!("CARGO_BIN_EXE_embedded-broker"),
    folder: env!("CARGO_TARGET_TMPDIR"),
};

/// One test at a time: the figures are those of a machine that does nothing else.
static ALONE: Mutex<()> = Mutex::const_new(());

fn ours(label: &'static str, variables: &[(&'static str, &str)]) -> Kind {
    let variables = variables.iter().map(|(name, value)| (*name, (*value).to_owned())).collect();
    Kind { label, rig: RIG, variables, has_ids: false }
}

fn with_binary(kind: Kind, member: String) -> Kind {
    Kind { rig: Rig { member: member.leak(), ..kind.rig }, ..kind }
}

/// The Python of `PROCESSES_PYTHON`, which has `confluent-kafka`.
fn python() -> Option<Kind> {
    let python = std::env::var("PROCESSES_PYTHON").ok()?;
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/clients/ledger_member.py");
    let start = Path::new(RIG.folder).join("ledger-member-in-python");
    std::fs::write(&start, format!("#!/bin/sh\nexec '{python}' '{script}'\n")).unwrap();
    let allowed = std::os::unix::fs::PermissionsExt::from_mode(0o755);
    std::fs::set_permissions(&start, allowed).unwrap();
    Some(with_binary(ours("python", &[]), start.to_str()?.to_owned()))
}

/// Nothing is lost, and no partition stands still for longer than the session.
fn assert_moved(outcome: &Outcome, session: Duration) {
    outcome.print();
    assert!(outcome.row.findings.lost.is_empty(), "{:?}", outcome.row.findings.lost);
    for one in &outcome.stillness {
        let longest = Duration::from_millis(one.longest.unsigned_abs());
        assert!(longest < session + Duration::from_secs(10), "{one}");
    }
}

const RANGE: (&str, &str) = ("EVENT_KAFKA_PARTITION_ASSIGNMENT_STRATEGY", "range,roundrobin");

#[ignore = "takes minutes, and needs PROCESSES_PYTHON"]
#[tokio::test(flavor = "multi_thread")]
async fn a_python_group_is_taken_over_and_given_back() {
    let _alone = ALONE.lock().await;
    let python = python().expect("PROCESSES_PYTHON is a Python with confluent-kafka");
    let ours = ours("ours", &[RANGE]);
    let cluster = Cluster::kafka_with("classic").await.with_default_timeouts();
    let mut fleet = Fleet::start(&cluster, 3, &python).await;
    fleet.look();
    fleet.replace_all("to ours", &ours).await;
    fleet.replace_all("ours are restarted", &ours).await;
    fleet.replace_all("to Python", &python).await;
    let outcome = fleet.end("a Python group is taken over and given back").await;
    assert_moved(&outcome, Duration::from_secs(45));
}

/// Two assignors cannot be in one group: who has the new one waits until the last that has the old one is
/// gone, and those that are left do all the work. All at once it is as short. The consumer protocol takes
/// over a group of either one by one; when its last member leaves, the broker gives the group back to the
/// classic protocol at once, and what was not committed yet is repeated.
#[ignore = "takes minutes: cargo test -- --ignored"]
#[tokio::test(flavor = "multi_thread")]
async fn from_range_to_the_default() {
    let _alone = ALONE.lock().await;
    let range = ours("range", &[RANGE]);
    let default = ours("default", &[]);
    let consumer = ours("consumer", &[("EVENT_KAFKA_GROUP_PROTOCOL", "consumer")]);
    let cluster = Cluster::kafka_with("classic").await.with_default_timeouts();
    let mut fleet = Fleet::start(&cluster, 3, &range).await;
    fleet.replace_at_once("range to default, all at once", &default).await;
    fleet.replace_at_once("default to range, all at once", &range).await;
    fleet.replace_all("range to consumer, one by one", &consumer).await;
    fleet.replace_all("consumer to default, one by one", &default).await;
    fleet.replace_at_once("default to range again", &range).await;
    fleet.replace_all("range to default, one by one", &default).await;
    let outcome = fleet.end("from range to the default").await;
    assert_moved(&outcome, Duration::from_secs(45));
}

/// `PROCESSES_BEFORE` is the `ledger-member` of another version.
async fn upgraded(protocol: &str, session: u64) {
    let _alone = ALONE.lock().await;
    let before = std::env::var("PROCESSES_BEFORE").expect("PROCESSES_BEFORE is a binary");
    let new = ours("new", &[]);
    let old = with_binary(ours("old", &[]), before);
    let cluster = Cluster::kafka_with(protocol).await.with_default_timeouts();
    let mut fleet = Fleet::start(&cluster, 4, &old).await;
    fleet.look();
    fleet.replace_all("to the new version", &new).await;
    fleet.level("new").await;
    fleet.replace_all("back to the old version", &old).await;
    fleet.level("old").await;
    let outcome = fleet.end("a version is rolled out and back").await;
    assert_moved(&outcome, Duration::from_secs(session));
}

#[ignore = "takes minutes, and needs PROCESSES_BEFORE"]
#[tokio::test(flavor = "multi_thread")]
async fn a_version_is_rolled_out_and_back() {
    upgraded("classic", 45).await;
}

#[ignore = "takes minutes, and needs PROCESSES_BEFORE"]
#[tokio::test(flavor = "multi_thread")]
async fn a_version_is_rolled_out_and_back_with_the_consumer_protocol() {
    upgraded("consumer", 45).await;
}

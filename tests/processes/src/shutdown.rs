//! Members that are asked to stop while they have slow records in flight.

use std::time::Duration;

use event_core::event::GroupName;
use tokio::time::Instant;

use crate::cluster::{Cluster, Rig, TIMEOUT};
use crate::driver::{Load, publish_endless};
use crate::journal::{now, read};
use crate::journal_check::check;
use crate::member::{Member, Start};
use crate::scenario::process;
use crate::table::Row;

/// How many events are published a second.
const RATE: u32 = 96;

async fn start_of(cluster: &Cluster, takes: (u64, u64), drain: &'static str) -> Start {
    let run = now().unsigned_abs();
    let group = format!("processes_{run}");
    cluster.begin_at_the_end(&GroupName::parse(&group).unwrap()).await;
    Start { group, run, takes, drain, variables: Vec::new() }
}

async fn until(what: &str, mut is_so: impl AsyncFnMut() -> bool) {
    let begin = Instant::now();
    while !is_so().await {
        assert!(begin.elapsed() < TIMEOUT, "{what}: not within {TIMEOUT:?}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// Stops a member by SIGTERM under load, with handlers of 200 to 800 ms, and lets another go on.
///
/// # Panics
///
/// When it does not end with 0 within the time that it has.
pub async fn drain(rig: &Rig, cluster: &Cluster) -> Row {
    let slow = start_of(cluster, (200, 600), "10s").await;
    let load = Load::start(cluster, slow.run, RATE);
    let mut first = Member::start(rig, cluster, &slow, "member-1");
    let done = |member: &Member| {
        read(&member.journal).executions.iter().filter(|one| one.end.is_some()).count()
    };
    until("some events are done", async || done(&first) >= 20).await;
    let asked = now();
    first.terminate();
    let begin = Instant::now();
    let status = first.end(Duration::from_secs(10)).await;
    let took = begin.elapsed();
    assert_eq!(status.code(), Some(0), "{status}:\n{}", first.log());
    let in_flight = read(&first.journal).executions;
    let in_flight = in_flight.iter().filter(|one| one.begin < asked && one.end.unwrap().0 > asked);
    let in_flight = in_flight.count();
    assert!(in_flight > 0, "nothing was in flight");

    let quick = Start { takes: (0, 1), ..slow };
    let mut second = Member::start(rig, cluster, &quick, "member-2");
    until("the next one goes on", async || done(&second) >= 20).await;
    let published = load.stop().await;
    let group = GroupName::parse(&quick.group).unwrap();
    until("all is settled", async || cluster.lag(&group).await == 0).await;
    second.terminate();
    let status = second.end(Duration::from_secs(10)).await;
    assert_eq!(status.code(), Some(0), "{status}:\n{}", second.log());
    Row {
        scenario: "SIGTERM with slow handlers".to_owned(),
        broker: cluster.name.clone(),
        seed: 0,
        findings: check(&published, &[process(&first), process(&second)], &[]),
        notes: vec![format!(
            "{in_flight} in flight, ended with 0 after {:.1} s",
            took.as_secs_f64()
        )],
    }
}

/// Stops a member whose handler never ends; returns its exit code, its log, and where the record
/// lies that it has in flight.
pub async fn endless(rig: &Rig, cluster: &Cluster) -> (Option<i32>, String, String) {
    let start = start_of(cluster, (0, 1), "1s").await;
    let mut member = Member::start(rig, cluster, &start, "member-1");
    let record = publish_endless(cluster, start.run).await;
    until("it is in flight", async || !read(&member.journal).executions.is_empty()).await;
    member.terminate();
    let status = member.end(Duration::from_secs(10)).await;
    (status.code(), member.log(), record)
}

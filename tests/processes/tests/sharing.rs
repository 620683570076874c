//! How instances share topics on a real Kafka.

use std::time::Duration;

use futures_util::StreamExt;
use process_tests::cluster::{Cluster, Rig};
use process_tests::cost::measure;
use process_tests::sharing::{LAYOUTS, Starts, named, share};

const RIG: Rig = Rig {
    member: env!("CARGO_BIN_EXE_sharing-member"),
    broker: env!("CARGO_BIN_EXE_embedded-broker"),
    folder: env!("CARGO_TARGET_TMPDIR"),
};

/// `SHARING_LAYOUTS=two_of_3,one_of_12` takes these only, `SHARING_INSTANCES=2,3` so many instances,
/// `SHARING_AT_ONCE=4` so many rows at the same time.
#[ignore = "takes an hour: prints a table"]
#[tokio::test(flavor = "multi_thread")]
async fn the_table() {
    let text = |name, usual: &str| std::env::var(name).unwrap_or_else(|_| usual.to_owned());
    let numbers = |name, usual| -> Vec<usize> {
        text(name, usual).split(',').map(|number| number.parse().unwrap()).collect()
    };
    let chosen = text("SHARING_LAYOUTS", "");
    let is_chosen = |name| chosen.is_empty() || chosen.split(',').any(|one| one == name);
    let at_once = numbers("SHARING_AT_ONCE", "1")[0];
    let mut rows = Vec::new();
    for layout in LAYOUTS.iter().filter(|layout| is_chosen(layout.name)) {
        for count in numbers("SHARING_INSTANCES", "2,3,4") {
            for starts in [Starts::Together, Starts::Staggered] {
                rows.push(async move {
                    let cluster = Cluster::kafka().await;
                    let takes = Duration::from_secs(5);
                    let shares = share(&RIG, &cluster, *layout, count, starts, takes).await;
                    println!("{} {} x {count} {starts:?}: {shares}", cluster.name, layout.name);
                });
            }
        }
    }
    futures_util::stream::iter(rows).buffer_unordered(at_once).collect::<Vec<()>>().await;
}

async fn is_shared(layout: &str, count: usize, starts: Starts) {
    let cluster = Cluster::kafka().await;
    let takes = Duration::from_millis(5);
    let shares = share(&RIG, &cluster, named(layout), count, starts, takes).await;
    println!("{layout} x {count} {starts:?}: {shares}");
    assert!(shares.largest() <= 1.0, "{shares}");
    let (fewest, most) = shares.totals();
    assert!(most - fewest <= 1, "{shares}");
}

#[ignore = "takes minutes: cargo test -- --ignored"]
#[tokio::test(flavor = "multi_thread")]
async fn two_instances_share_each_of_two_topics() {
    is_shared("two_of_3", 2, Starts::Staggered).await;
}

#[ignore = "takes minutes: cargo test -- --ignored"]
#[tokio::test(flavor = "multi_thread")]
async fn retry_and_redrive_topics_weigh_nothing() {
    is_shared("one_of_3_retried", 2, Starts::Staggered).await;
}

#[ignore = "takes minutes: cargo test -- --ignored"]
#[tokio::test(flavor = "multi_thread")]
async fn three_instances_share_each_of_three_topics() {
    is_shared("three_of_3", 3, Starts::Together).await;
}

/// `PROCESSES_BEFORE` is the `sharing-member` of another version to compare with.
#[ignore = "takes minutes: prints a table"]
#[tokio::test(flavor = "multi_thread")]
async fn what_an_instance_costs() {
    let cluster = Cluster::kafka().await;
    let before = std::env::var("PROCESSES_BEFORE").ok();
    let before = before.map(|member| Rig { member: member.leak(), ..RIG });
    for name in [
        "one_of_3",
        "two_of_3",
        "three_of_3",
        "one_of_3_retried",
        "two_of_3_retried",
        "three_of_3_retried",
    ] {
        for (which, rig) in [("before", before), ("now", Some(RIG))] {
            let Some(rig) = rig else { continue };
            let cost = measure(&rig, &cluster, named(name)).await;
            println!("{} {name:<20} {which:<6} {cost}", cluster.name);
        }
    }
}

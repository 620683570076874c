//! How fast a service reads what lies on a real Kafka, against the loop that one would write by hand.
//!
//! Each row varies one factor: the order, the number of types or partitions, the size, failures. Both
//! sides of a row run in processes of their own, which alternate, in a consumer group of their own each
//! time. They decode the same records into the same types (a checksum says so). Printed are medians, of
//! the rate (higher is better) and of the processor time a record (lower is better), as ratios
//! event-core / by hand, with the lowest and highest rate of a round, and the peak memory of each.
//!
//! ```text
//! cargo bench -p event-benchmark --bench consume                                  # every row
//! cargo bench -p event-benchmark --bench consume -- --quick                       # four of them
//! cargo bench -p event-benchmark --bench consume -- --row 'order = key'           # by name
//! cargo bench -p event-benchmark --bench consume -- --cell --order key --keys 10  # any other
//! ```
//!
//! Without `--brokers` it starts a Kafka, for which it needs Java 17 and Maven. The topic `bench_events`
//! is deleted and made anew.

#![allow(missing_docs)]
#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a benchmark")]

mod fill;
mod handlers;
mod meter;
mod rows;
mod subjects;

use std::process::{Command, Stdio};

use clap::{Parser, ValueEnum};
use kafka_rig::Kafka;
use meter::Cost;
use rows::{QUICK, Row};

const TOPIC: &str = "bench_events";

#[derive(Parser)]
struct Arguments {
    /// A Kafka of your own in place of one that is started
    #[arg(long)]
    brokers: Option<String>,
    /// Rounds of each side
    #[arg(long, default_value_t = 5)]
    rounds: usize,
    /// The first rows only
    #[arg(long)]
    quick: bool,
    /// Rows whose names hold this
    #[arg(long)]
    row: Option<String>,
    /// The row that the other flags describe
    #[arg(long)]
    cell: bool,
    #[command(flatten)]
    factors: Row,
    /// Measures one side in this process
    #[arg(long, hide = true)]
    side: Option<Side>,
    #[arg(long, hide = true, default_value = "")]
    group: String,
    /// Given by cargo
    #[arg(long, hide = true)]
    bench: bool,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Side {
    Hand,
    Core,
}

fn main() {
    let arguments = Arguments::parse();
    let row = &arguments.factors;
    if let (Some(side), Some(brokers)) = (arguments.side, &arguments.brokers) {
        return measure(side, row, brokers, &arguments.group).print();
    }
    let mut rows = match arguments.cell {
        true => vec![("cell", row.clone())],
        false => rows::rows(),
    };
    if arguments.quick {
        rows.truncate(QUICK);
    }
    if let Some(name) = &arguments.row {
        rows.retain(|(one, _)| one.contains(name.as_str()));
    }
    let kafka = arguments.brokers.is_none().then(Kafka::start);
    let brokers = arguments.brokers.unwrap_or_else(|| kafka.as_ref().unwrap().brokers());
    println!(
        "{:<38} {:>5} {:>11} {:>5} {:>9} {:>9} {:>13}",
        "", "rate", "of rounds", "CPU", "by hand/s", "core/s", "peak MiB"
    );
    let mut filled = None;
    for (name, row) in &rows {
        if filled.as_ref() != Some(&row.data()) {
            fill::fill(&brokers, row);
            filled = Some(row.data());
        }
        compare(name, row, &brokers, arguments.rounds);
    }
}

fn measure(side: Side, row: &Row, brokers: &str, group: &str) -> Cost {
    match side {
        Side::Hand => subjects::by_hand(row, brokers, group),
        Side::Core => {
            let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
            runtime.unwrap().block_on(subjects::with_event_core(row, brokers, group))
        }
    }
}

/// Has both sides read the topic in turns.
fn compare(name: &str, row: &Row, brokers: &str, rounds: usize) {
    let (mut hand, mut core) = (Vec::new(), Vec::new());
    for round in 0..rounds {
        // Who comes first alternates as well.
        let sides = [Side::Hand, Side::Core];
        for side in (0..2).map(|turn| sides[(turn + round) % 2]) {
            let cost = in_a_process(side, row, brokers, round);
            match side {
                Side::Hand => hand.push(cost),
                Side::Core => core.push(cost),
            }
        }
        if row.by_hand.is_none() {
            let sums = (hand[round].sum, core[round].sum);
            assert_eq!(sums.0, sums.1, "both decoded the same records");
        }
    }
    let rates: Vec<f64> =
        hand.iter().zip(&core).map(|(hand, core)| core.rate() / hand.rate()).collect();
    let cpu = hand.iter().zip(&core).map(|(hand, core)| core.cpu_ns() / hand.cpu_ns()).collect();
    let (low, high) =
        (rates.iter().copied().fold(f64::MAX, f64::min), rates.iter().copied().fold(0.0, f64::max));
    let peak = |costs: &[Cost]| costs.iter().map(|one| one.peak_kib).max().unwrap_or(0) / 1024;
    println!(
        "{name:<38} {:>5.2} {:>5.2}-{:<5.2} {:>5.2} {:>9.0} {:>9.0} {:>6}/{:<6}",
        median(rates.clone()),
        low,
        high,
        median(cpu),
        median(hand.iter().map(Cost::rate).collect()),
        median(core.iter().map(Cost::rate).collect()),
        peak(&core),
        peak(&hand),
    );
}

fn in_a_process(side: Side, row: &Row, brokers: &str, round: usize) -> Cost {
    let group =
        format!("{side:?}-{}-{round}-{}", std::process::id(), fill::unique()).to_lowercase();
    let child = Command::new(std::env::current_exe().unwrap())
        .args(row.flags())
        .args([
            format!("--side={side:?}").to_lowercase(),
            format!("--brokers={brokers}"),
            format!("--group={group}"),
        ])
        .env("EVENT_LOG", "error")
        .stderr(Stdio::inherit())
        .output()
        .unwrap();
    let output = String::from_utf8_lossy(&child.stdout).into_owned();
    assert!(child.status.success(), "{side:?} of {row:?} ended with {}: {output}", child.status);
    Cost::parse(&output).unwrap_or_else(|| panic!("{side:?} printed no cost: {output}"))
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

//! How long a record takes from the call that sends it to its handler, at a steady rate.
//!
//! A poll loop of rdkafka by hand, a handler, and a batch handler read the same topic at the same time,
//! each in a process and a group of its own. Printed are percentiles in milliseconds, and for p99 the
//! ratio to the loop. A batch waits for 20 ms; its rows are for the first record of each batch, from
//! which these 20 ms are taken off: what is left is the way and how late the wait ended. At rates above
//! 2 000 a second the sender lingers for 1 ms.
//!
//! ```text
//! cargo bench -p event-benchmark --bench latency
//! cargo bench -p event-benchmark --bench latency -- --rate 500 --seconds 30
//! ```
//!
//! Without `--brokers` it starts a Kafka, for which it needs Java 17 and Maven. The topic `bench_latency`
//! is deleted and recreated.

#![allow(missing_docs)]
#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a benchmark")]

mod consumers;
mod sender;

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use clap::{Parser, ValueEnum};
use event_benchmark::broker::{Brokers, make_topics};
use event_benchmark::sides;

const TOPIC: &str = "bench_latency";

#[derive(Parser)]
struct Arguments {
    /// A Kafka of your own in place of one that is started
    #[arg(long)]
    brokers: Option<String>,
    /// Records a second; 100, 1 000 and 10 000 by default
    #[arg(long)]
    rate: Vec<u64>,
    /// How long each rate is measured
    #[arg(long, default_value_t = 15)]
    seconds: u64,
    /// Reads in this process
    #[arg(long, hide = true)]
    side: Option<Side>,
    #[arg(long, hide = true, default_value = "")]
    group: String,
    /// Records before the first that is measured
    #[arg(long, hide = true, default_value_t = 0)]
    skip: u64,
    #[arg(long, hide = true, default_value_t = 0)]
    last: u64,
    /// Passed by cargo
    #[arg(long, hide = true)]
    bench: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Side {
    Hand,
    Core,
    Batch,
}

fn main() {
    let arguments = Arguments::parse();
    if let (Some(side), Some(brokers)) = (arguments.side, &arguments.brokers) {
        let range = arguments.skip + 1..=arguments.last;
        return consumers::read(side, brokers, &arguments.group, range);
    }
    let brokers = Brokers::new(arguments.brokers);
    println!(
        "{:<30} {:>8} {:>8} {:>8} {:>8} {:>10}",
        "", "p50", "p99", "p99.9", "most", "p99 / hand"
    );
    let rates = match arguments.rate.is_empty() {
        true => vec![100, 1_000, 10_000],
        false => arguments.rate,
    };
    for rate in rates {
        measure(brokers.address(), rate, arguments.seconds);
    }
}

fn measure(brokers: &str, rate: u64, seconds: u64) {
    make_topics(brokers, &[(TOPIC, 3), ("bench_latency_dlq", 1)]);
    // What is not warm in the first second is not measured.
    let (skip, last) = (rate, rate * (seconds + 1));
    let mut readers: Vec<Reader> = Side::value_variants()
        .iter()
        .map(|side| Reader::start(*side, brokers, skip, last))
        .collect();
    let sender = sender::Sender::new(brokers, rate);
    sender.warm_up(|| readers.iter_mut().all(|reader| reader.is_ready()));
    sender.send(1..=last, rate);
    let mut by_hand = None;
    for reader in &mut readers {
        let [p50, p99, p999, most] = reader.percentiles();
        let by_hand = *by_hand.get_or_insert(p99);
        let name = format!("{rate}/s, {}", reader.side.name());
        println!(
            "{name:<30} {p50:>8.2} {p99:>8.2} {p999:>8.2} {most:>8.2} {:>10.2}",
            p99 / by_hand
        );
    }
}

impl Side {
    fn name(self) -> &'static str {
        match self {
            Side::Hand => "by hand",
            Side::Core => "event-core",
            Side::Batch => "batch, above its wait",
        }
    }
}

/// A process that reads.
struct Reader {
    side: Side,
    child: Child,
    lines: Receiver<String>,
    is_ready: bool,
}

impl Reader {
    fn start(side: Side, brokers: &str, skip: u64, last: u64) -> Reader {
        let group = format!("{side:?}-{}-{}", std::process::id(), sides::unique()).to_lowercase();
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args([
                format!("--side={side:?}").to_lowercase(),
                format!("--brokers={brokers}"),
                format!("--group={group}"),
                format!("--skip={skip}"),
                format!("--last={last}"),
            ])
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let (line, lines) = channel();
        let output = BufReader::new(child.stdout.take().unwrap());
        std::thread::spawn(move || {
            output.lines().map_while(Result::ok).try_for_each(|one| line.send(one))
        });
        Reader { side, child, lines, is_ready: false }
    }

    /// Whether a record came.
    fn is_ready(&mut self) -> bool {
        self.is_ready = self.is_ready || self.lines.try_recv().is_ok();
        self.is_ready
    }

    /// In milliseconds.
    fn percentiles(&mut self) -> [f64; 4] {
        let line = self.lines.recv_timeout(Duration::from_secs(60)).expect("it read everything");
        assert!(self.child.wait().unwrap().success(), "{:?} failed", self.side);
        let numbers: Vec<f64> = line.split(' ').map(|one| one.parse().unwrap()).collect();
        numbers.try_into().unwrap()
    }
}

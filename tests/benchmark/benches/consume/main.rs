//! How fast a service reads what lies on a real Kafka, against loops that one would write by hand.
//!
//! Each row varies one factor: the order, the number of types or partitions, the size, failures. The
//! sides of a row run in processes of their own, which alternate, in a consumer group of their own each
//! time. They decode the same records into the same types (a checksum says so).
//!
//! | baseline | |
//! |---|---|
//! | `hand` | a `BaseConsumer` loop that decodes in one pass, into an enum whose tag is the name |
//! | `two-pass` | the same loop as most people write it: the name and the raw data, then the data |
//! | `batch-call` | librdkafka's batch call and the decode of `hand`, without group and commit: the floor |
//!
//! Printed are medians, as ratios event-core / baseline: of the rate with the lowest and highest of a
//! round (higher is better), and of the processor time a record (lower is better). `own ns` is the
//! processor time a record above that of `batch-call`, `allocs` what Rust allocates a record above it.
//!
//! ```text
//! cargo bench -p event-benchmark --bench consume                                  # every row
//! cargo bench -p event-benchmark --bench consume -- --quick                       # the first five
//! cargo bench -p event-benchmark --bench consume -- --row 'order = key'           # by name
//! cargo bench -p event-benchmark --bench consume -- --cell --order key --keys 10  # any other
//! cargo bench -p event-benchmark --bench consume -- --baseline hand               # one baseline
//! cargo bench -p event-benchmark --bench consume -- --startup                     # to the first record
//! ```
//!
//! Without `--brokers` it starts a Kafka, for which it needs Java 17 and Maven. The topic `bench_events`
//! is deleted and recreated.

#![allow(missing_docs)]
#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a benchmark")]

mod batch_call;
mod fill;
mod handlers;
mod meter;
mod rows;
mod subjects;

use clap::{Parser, ValueEnum};
use event_benchmark::allocations::{self, CountingAllocator};
use event_benchmark::broker::{Brokers, forget_groups};
use event_benchmark::cost::{Cost, median, spread};
use event_benchmark::sides;
use rows::{QUICK, Row};
use subjects::Passes;

#[global_allocator]
static ALLOCATOR: CountingAllocator = CountingAllocator;

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
    /// The time from the start of a process to its first record, in place of the rows
    #[arg(long)]
    startup: bool,
    /// The row that the other flags describe
    #[arg(long)]
    cell: bool,
    #[command(flatten)]
    factors: Row,
    /// What event-core is compared with; all of them by default
    #[arg(long)]
    baseline: Vec<Side>,
    /// Measures one side in this process
    #[arg(long, hide = true)]
    side: Option<Side>,
    #[arg(long, hide = true, default_value = "")]
    group: String,
    #[arg(long, hide = true)]
    count_allocations: bool,
    /// Passed by cargo
    #[arg(long, hide = true)]
    bench: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Side {
    Hand,
    TwoPass,
    BatchCall,
    /// event-core with handlers that do not fail, for a row of failures
    Clean,
    Core,
}

impl Side {
    fn flag(self) -> String {
        format!("--side={}", self.to_possible_value().unwrap().get_name())
    }
}

fn main() {
    let arguments = Arguments::parse();
    let row = &arguments.factors;
    if let (Some(side), Some(brokers)) = (arguments.side, &arguments.brokers) {
        if arguments.count_allocations {
            allocations::start();
        }
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
    let brokers = Brokers::new(arguments.brokers);
    if arguments.startup {
        return startup(brokers.address(), arguments.rounds);
    }
    println!(
        "{:<36} {:>22} {:>22} {:>10} {:>7} {:>7} {:>9} {:>9} {:>15}",
        "",
        "/ by hand: rate, CPU",
        "/ two passes",
        "/ batch",
        "own ns",
        "allocs",
        "by hand/s",
        "core/s",
        "MiB: core, hand"
    );
    let mut filled = None;
    for (name, row) in &rows {
        if filled.as_ref() != Some(&row.data()) {
            fill::fill(brokers.address(), row);
            filled = Some(row.data());
        }
        let is_measured = |side: &Side| match side {
            Side::Core => true,
            Side::Clean => row.clean().is_some(),
            Side::TwoPass | Side::BatchCall if !row.only_decodes() => false,
            baseline => arguments.baseline.is_empty() || arguments.baseline.contains(baseline),
        };
        let sides: Vec<Side> = Side::value_variants().iter().copied().filter(is_measured).collect();
        Comparison::of(&sides, row, brokers.address(), arguments.rounds).print(name);
    }
}

fn measure(side: Side, row: &Row, brokers: &str, group: &str) -> Cost {
    match side {
        Side::Hand => subjects::by_hand(row, brokers, group, Passes::One),
        Side::TwoPass => subjects::by_hand(row, brokers, group, Passes::Two),
        Side::BatchCall => batch_call::batch_call(row, brokers),
        Side::Clean | Side::Core => {
            let clean = row.clean().filter(|_| side == Side::Clean);
            let row = clean.as_ref().unwrap_or(row);
            let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
            runtime.unwrap().block_on(subjects::with_event_core(row, brokers, group))
        }
    }
}

/// A group that joins for the first time, with one record to read.
fn startup(brokers: &str, rounds: usize) {
    println!("{:<36} {:>9} {:>9} {:>6}", "ms to the first record", "core", "by hand", "/");
    for types in [1, 3, 30] {
        let row = Row { types, records: 30, ..Row::default() };
        fill::fill(brokers, &row);
        let measured = Comparison::of(&[Side::Hand, Side::Core], &row, brokers, rounds);
        let startup = |cost: &Cost| cost.startup.as_secs_f64() * 1e3;
        let [hand, core] = [Side::Hand, Side::Core]
            .map(|side| median(measured.costs(side).iter().map(startup).collect()));
        let ratio = median(measured.ratios(Side::Hand, startup));
        println!("{:<36} {core:>9.0} {hand:>9.0} {ratio:>6.2}", format!("{types} handlers"));
    }
}

/// What each side of a row cost.
struct Comparison {
    sides: Vec<(Side, Vec<Cost>)>,
    /// Allocations a record above those of the same decode.
    allocations: Option<f64>,
}

impl Comparison {
    /// Has all sides read the topic in turns.
    fn of(sides: &[Side], row: &Row, brokers: &str, rounds: usize) -> Comparison {
        let mut measured: Vec<_> = sides.iter().map(|&side| (side, Vec::new())).collect();
        for round in 0..rounds {
            for side in sides::order(sides.len(), round) {
                measured[side].1.push(in_a_process(sides[side], row, brokers, false));
            }
            if row.by_hand.is_none() {
                let sums: Vec<u64> = measured.iter().map(|(_, costs)| costs[round].sum).collect();
                assert!(
                    sums.iter().all(|sum| *sum == sums[0]),
                    "all decoded the same records: {sums:?}"
                );
            }
        }
        let counted = |side| in_a_process(side, row, brokers, true).allocations();
        let floor = sides.contains(&Side::BatchCall).then(|| counted(Side::BatchCall));
        let allocations = floor.map(|floor| counted(Side::Core) - floor);
        Comparison { sides: measured, allocations }
    }

    fn costs(&self, side: Side) -> &[Cost] {
        let found = self.sides.iter().find(|(one, _)| *one == side);
        found.map_or(&[], |(_, costs)| costs)
    }

    /// event-core / `side`: for each round, the ratio of `what`.
    fn ratios(&self, side: Side, what: impl Fn(&Cost) -> f64) -> Vec<f64> {
        let pairs = self.costs(side).iter().zip(self.costs(Side::Core));
        pairs.map(|(baseline, core)| what(core) / what(baseline)).collect()
    }

    fn against(&self, side: Side) -> String {
        if self.costs(side).is_empty() {
            return "-".to_owned();
        }
        let rates = self.ratios(side, Cost::rate);
        let (low, high) = spread(&rates);
        let cpu = median(self.ratios(side, Cost::cpu_ns));
        format!("{:.2} ({low:.2}-{high:.2}) {cpu:.2}", median(rates))
    }

    fn print(&self, name: &str) {
        let number = |value: Option<f64>, digits: usize| {
            value.map_or("-".to_owned(), |value| format!("{value:.digits$}"))
        };
        let of = |side, what: fn(&Cost) -> f64| {
            let costs = self.costs(side);
            (!costs.is_empty()).then(|| median(costs.iter().map(what).collect()))
        };
        let peak = |side| {
            let peak = self.costs(side).iter().map(|one| one.peak_kib).max();
            peak.map_or("-".to_owned(), |peak| (peak / 1024).to_string())
        };
        let batch = self.ratios(Side::BatchCall, Cost::rate);
        let floor = of(Side::BatchCall, Cost::cpu_ns);
        println!(
            "{name:<36} {:>22} {:>22} {:>10} {:>7} {:>7} {:>9} {:>9} {:>8}, {:<5}",
            self.against(Side::Hand),
            self.against(Side::TwoPass),
            number((!batch.is_empty()).then(|| median(batch)), 2),
            number(floor.and_then(|floor| Some(of(Side::Core, Cost::cpu_ns)? - floor)), 0),
            number(self.allocations, 2),
            number(of(Side::Hand, Cost::rate), 0),
            number(of(Side::Core, Cost::rate), 0),
            peak(Side::Core),
            peak(Side::Hand),
        );
        if !self.costs(Side::Clean).is_empty() {
            println!("{:<36} {:>22}", "  of the same without failures", self.against(Side::Clean));
        }
    }
}

fn in_a_process(side: Side, row: &Row, brokers: &str, counts: bool) -> Cost {
    let group = format!("{side:?}-{}-{}", std::process::id(), sides::unique()).to_lowercase();
    // Their names stand in the code, so a run would go on behind the one before.
    if row.groups > 1 && side == Side::Core {
        forget_groups(brokers, handlers::GROUPS);
    }
    let mut flags = row.flags();
    flags.extend([side.flag(), format!("--brokers={brokers}"), format!("--group={group}")]);
    flags.extend(counts.then(|| "--count-allocations".to_owned()));
    let output = sides::in_a_process(&flags);
    Cost::parse(&output).unwrap_or_else(|| panic!("{side:?} printed no cost: {output}"))
}

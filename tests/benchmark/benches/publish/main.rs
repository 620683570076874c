//! How fast events are sent to a real Kafka, against rdkafka's producer by hand.
//!
//! Both write the same JSON (name, user, data, an id and a time) under the same keys, with
//! `acks=all` and the idempotent producer, in processes that alternate. By hand there are three: a loop that
//! counts, with `linger.ms=0`; the same that lingers, for librdkafka's default of 5 ms unless another is given; and
//! rdkafka's `FutureProducer` with `linger.ms=0`, which is awaited as event-core's is. Printed are medians: events a
//! second, their ratio event-core / by hand with the lowest and highest of a round, and processor time an event.
//!
//! ```text
//! cargo bench -p event-benchmark --bench publish
//! cargo bench -p event-benchmark --bench publish -- --row awaited --rounds 9 --partitions 60
//! ```
//!
//! Without `--brokers` it starts a Kafka, for which it needs Java 17 and Maven. The topic `bench_sent` is
//! deleted and recreated.

#![allow(missing_docs)]
#![expect(clippy::unwrap_used, reason = "a benchmark")]

mod by_futures;
mod by_hand;
mod event;
mod with_event_core;

use clap::{Parser, ValueEnum};
use event_benchmark::allocations::{self, CountingAllocator};
use event_benchmark::broker::{Brokers, make_topics};
use event_benchmark::cost::{Cost, median, spread};
use event_benchmark::sides;

#[global_allocator]
static ALLOCATOR: CountingAllocator = CountingAllocator;

const TOPIC: &str = "bench_sent";

#[derive(Clone, Debug, Parser)]
struct Arguments {
    /// A Kafka of your own in place of one that is started
    #[arg(long)]
    brokers: Option<String>,
    /// Rounds of each side
    #[arg(long, default_value_t = 5)]
    rounds: usize,
    /// Rows whose names hold this
    #[arg(long, default_value = "")]
    row: String,
    /// Partitions of the topic
    #[arg(long, default_value_t = 3)]
    partitions: i32,
    /// What the other producer by hand lingers, in milliseconds
    #[arg(long, default_value = "5")]
    linger: String,
    /// Bytes of text in an event
    #[arg(long, default_value_t = 60)]
    note: usize,
    /// Measures one side in this process
    #[arg(long, hide = true)]
    side: Option<Side>,
    #[arg(long, hide = true, default_value = "awaited")]
    way: Way,
    #[arg(long, hide = true, default_value_t = 0)]
    events: u64,
    #[arg(long, hide = true)]
    count_allocations: bool,
    /// Passed by cargo
    #[arg(long, hide = true)]
    bench: bool,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Side {
    /// `linger.ms=0`
    Hand,
    /// `--linger`
    Lingering,
    /// `FutureProducer`
    Futures,
    Core,
}

const SIDES: [Side; 4] = [Side::Hand, Side::Lingering, Side::Futures, Side::Core];

/// How events are sent.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum Way {
    /// Each is acknowledged before the next is sent.
    Awaited,
    /// Eight do so at once.
    By8,
    /// The same with 64.
    By64,
    /// Up to 10 000 are not acknowledged yet: `EventProducer::pipeline`.
    Pipelined,
    /// The same as a stream of sends that is buffered.
    Stream,
    /// A thousand together, all acknowledged before the next thousand.
    SendAll,
}

const ROWS: [(&str, Way, u64); 6] = [
    ("awaited one by one", Way::Awaited, 2_000),
    ("awaited, 8 at once", Way::By8, 10_000),
    ("awaited, 64 at once", Way::By64, 50_000),
    ("pipelined, 10 000 under way", Way::Pipelined, 500_000),
    ("stream, 10 000 under way", Way::Stream, 500_000),
    ("send_all of 1 000", Way::SendAll, 200_000),
];

impl Way {
    fn at_once(self) -> usize {
        match self {
            Way::Awaited => 1,
            Way::By8 => 8,
            Way::By64 => 64,
            Way::Pipelined | Way::Stream => 10_000,
            Way::SendAll => 1_000,
        }
    }
}

fn main() {
    let arguments = Arguments::parse();
    if let (Some(side), Some(brokers)) = (arguments.side, &arguments.brokers) {
        if arguments.count_allocations {
            allocations::start();
        }
        let cost = match side {
            Side::Hand => by_hand::send(&by_hand::config(brokers, "0"), &arguments),
            Side::Lingering => {
                by_hand::send(&by_hand::config(brokers, &arguments.linger), &arguments)
            }
            Side::Futures => by_futures::send(&by_hand::config(brokers, "0"), &arguments),
            Side::Core => with_event_core::send(brokers, &arguments),
        };
        return cost.print();
    }
    let brokers = Brokers::new(arguments.brokers.clone());
    println!(
        "{:<28} {:>8} {:>17} {:>17} {:>17} {:>31} {:>23} {:>6}",
        "",
        "core/s",
        "/ by hand",
        "/ lingering",
        "/ futures",
        "CPU us: core, the others",
        "peak MiB",
        "allocs"
    );
    for (name, way, events) in ROWS {
        if name.contains(&arguments.row) {
            compare(name, &Arguments { way, events, ..arguments.clone() }, brokers.address());
        }
    }
}

fn compare(name: &str, arguments: &Arguments, brokers: &str) {
    let mut costs: [Vec<Cost>; SIDES.len()] = Default::default();
    make_topics(brokers, &[(TOPIC, arguments.partitions)]);
    for round in 0..arguments.rounds {
        for side in sides::order(SIDES.len(), round) {
            costs[side].push(in_a_process(SIDES[side], arguments, brokers, false));
        }
    }
    let [hand, lingering, futures, core] = &costs;
    let counted = in_a_process(Side::Core, arguments, brokers, true).allocations()
        - in_a_process(Side::Hand, arguments, brokers, true).allocations();
    let of = |hand: &[Cost]| {
        let ratios: Vec<f64> =
            hand.iter().zip(core).map(|(hand, core)| core.rate() / hand.rate()).collect();
        let (low, high) = spread(&ratios);
        format!("{:.2} ({low:.2}-{high:.2})", median(ratios))
    };
    let cpu = |costs: &[Cost]| median(costs.iter().map(Cost::cpu_ns).collect()) / 1e3;
    let peak = |costs: &[Cost]| costs.iter().map(|one| one.peak_kib).max().unwrap_or(0) / 1024;
    println!(
        "{name:<28} {:>8.0} {:>17} {:>17} {:>17} {:>7.2} {:>7.2} {:>7.2} {:>7.2} {:>5} {:>5} {:>5} {:>5} {:>6.1}",
        median(core.iter().map(Cost::rate).collect()),
        of(hand),
        of(lingering),
        of(futures),
        cpu(core),
        cpu(hand),
        cpu(lingering),
        cpu(futures),
        peak(core),
        peak(hand),
        peak(lingering),
        peak(futures),
        counted,
    );
}

fn in_a_process(side: Side, arguments: &Arguments, brokers: &str, counts: bool) -> Cost {
    let Arguments { way, events, note, linger, .. } = arguments;
    let name = |value: &dyn ValueName| value.name();
    let mut flags = vec![
        format!("--side={}", name(&side)),
        format!("--way={}", name(way)),
        format!("--events={events}"),
        format!("--note={note}"),
        format!("--linger={linger}"),
        format!("--brokers={brokers}"),
    ];
    flags.extend(counts.then(|| "--count-allocations".to_owned()));
    let output = sides::in_a_process(&flags);
    Cost::parse(&output).unwrap_or_else(|| panic!("{side:?} printed no cost: {output}"))
}

/// What a flag calls a value.
trait ValueName {
    fn name(&self) -> String;
}

impl<T: ValueEnum> ValueName for T {
    fn name(&self) -> String {
        self.to_possible_value().unwrap().get_name().to_owned()
    }
}

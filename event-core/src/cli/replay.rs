//! `replay`: handles a range of a topic once more.

use std::collections::BTreeMap;
use std::sync::Arc;

use clap::Args;
use jiff::Timestamp;

use super::dev::blocks;
use super::explain::left_to;
use super::known::{meant, topic_named, usage};
use super::output;
use super::stop::{on_signal, stopped};
use super::when::parse_offset_spec;
use crate::app::{EventApp, ExitStatus, Settings, kafka_broker};
use crate::broker::Broker;
use crate::delivery::{Offset, TopicPartition};
use crate::event::{GroupName, excerpt};
use crate::observe::{Counters, Observation, Observer};
use crate::operations::{
    DryRun, DryRunOutcome, DryRunner, OffsetSpec, Rate, ReplayBroker, ReplayRange, Replayed,
    dry_replay, groups_of,
};
use crate::outcome::Error;

// What is said at the end goes to standard error where nobody reads the output any more: it says how to go on.
macro_rules! report {
    ($($text:tt)+) => {
        match output::is_read() {
            true => say!($($text)+),
            false => remark!($($text)+),
        }
    };
}

#[derive(Debug, Args)]
pub(super) struct ReplayArgs {
    /// The topic
    #[arg(long)]
    topic: String,
    /// One partition; default: all
    #[arg(long, value_name = "N")]
    partition: Option<i32>,
    /// The first record: beginning, an offset, a time such as 2026-01-31T08:00:00Z, or 2h
    /// for two hours ago
    #[arg(long, value_name = "POSITION")]
    from: String,
    /// The end, exclusive; default: the present end
    #[arg(long, value_name = "POSITION", default_value = "end")]
    to: String,
    /// Only the records of the handler with this id
    #[arg(long, value_name = "ID")]
    handler: Option<String>,
    /// Run no handler; print the outcome of each record: it is decoded, routed and
    /// extracted. Keeps the range in memory
    #[arg(long)]
    dry_run: bool,
    /// Rate limit, such as 10/s or 100/m
    #[arg(long)]
    rate: Option<Rate>,
    /// Write dead letters for records that fail
    #[arg(long)]
    dead_letter: bool,
}

pub(super) async fn run(
    app: EventApp,
    settings: Settings,
    arguments: ReplayArgs,
) -> Result<(), Error> {
    let registry = app.registry();
    let topic = topic_named(&registry, &arguments.topic)?;
    let of_topic = registry.handlers().iter().filter(|handler| topic == handler.topic);
    let ids: Vec<_> = of_topic.map(|handler| handler.id()).collect();
    if ids.is_empty() {
        let known = registry.handlers().iter().map(|handler| handler.topic).collect();
        let nearest = meant(topic.as_str(), &known);
        return Err(usage(format!("no handler listens to the topic {topic}; {nearest}")).into());
    }
    if let Some(handler) = arguments.handler.as_ref().filter(|handler| !ids.contains(handler)) {
        let known = ids.iter().map(String::as_str).collect();
        let message = format!("no handler of {topic} has the id {}", excerpt(handler, 64));
        return Err(usage(format!("{message}; {}", meant(handler, &known))).into());
    }
    let now = Timestamp::now();
    let (from, to) =
        (parse_offset_spec(&arguments.from, now)?, parse_offset_spec(&arguments.to, now)?);
    if from == OffsetSpec::End {
        return Err(usage("there is nothing from the end on; see `--from`".to_owned()).into());
    }
    if ends_before(from, to) {
        let message = format!(
            "the range ends before it begins: `--from {}`, `--to {}`\nhelp: give the earlier place as `--from`",
            excerpt(&arguments.from, 64),
            excerpt(&arguments.to, 64)
        );
        return Err(usage(message).into());
    }
    let broker = kafka_broker(app.service(), &settings)?;
    let range = ReplayRange::resolve(&broker, &topic, arguments.partition, from, to).await?;
    for (partition, from, to) in &range.0 {
        say!("{partition}  {from} up to {to}");
    }
    match arguments.dry_run {
        true => dry_run(app, &settings, &broker, &range, arguments.handler.as_deref()).await,
        false => replay(app, settings, broker, range, arguments).await,
    }
}

// As far as it can be known without the topic.
fn ends_before(from: OffsetSpec, to: OffsetSpec) -> bool {
    match (from, to) {
        (OffsetSpec::Offset(from), OffsetSpec::Offset(to)) => to < from,
        (OffsetSpec::Time(from), OffsetSpec::Time(to)) => to < from,
        (from, to) => to == OffsetSpec::Beginning && from != OffsetSpec::Beginning,
    }
}

async fn replay<B: Broker>(
    app: EventApp,
    mut settings: Settings,
    broker: B,
    range: ReplayRange,
    arguments: ReplayArgs,
) -> Result<(), Error> {
    let service = app.service().to_owned();
    let began = Timestamp::now().strftime("%Y%m%d%H%M%S").to_string();
    settings.group = GroupName::parse(&format!("{}_replay_{began}", settings.group))?;
    // That is the running service's.
    settings.admin = None;
    let (counters, replayed) = (Arc::new(Counters::default()), Replayed::default());
    let mut app = app.observer(Arc::clone(&counters) as _).observer(Arc::new(ReplayPrinter));
    // They are the running service's, too.
    app.without_tasks();
    let broker = ReplayBroker {
        inner: broker,
        range: range.clone(),
        groups: groups_of(app.registry().handlers(), &settings.group),
        handler: arguments.handler.clone(),
        rate: arguments.rate,
        dead_letters: arguments.dead_letter,
        replayed: replayed.clone(),
    };
    say!("in group {}", settings.group);
    let ready = app.prepare(broker, settings).await?;
    let done = replayed.clone();
    let shutdown = async move {
        tokio::select! {
            () = done.done() => {}
            () = stopped() => {}
        }
    };
    let ended = ready.run(shutdown).await;
    let (counts, put_off) = (counters.counts(), replayed.put_off());
    let written = if arguments.dead_letter { "dead-lettered" } else { "failed" };
    report!(
        "{} handled, {} skipped, {} {written}, {} passed over",
        counts.handled,
        counts.skipped,
        counts.dead_lettered,
        replayed.passed_over()
    );
    if put_off > 0 {
        report!("{put_off} would be retried later through a retry topic, and were not");
    }
    if !replayed.is_done() {
        report_rest(&service, &replayed.rest(&range), &arguments);
    }
    ended?;
    let message = match (replayed.is_done(), counts.dead_lettered + put_off) {
        (false, _) => "ended before all of the range was settled".to_owned(),
        (true, 0) => return Ok(()),
        (true, failed) => format!("{} failed", output::counted(failed, "record")),
    };
    Err(ExitStatus { code: 1, message }.into())
}

// How far each partition has come, and how to go on from there.
fn report_rest(service: &str, rest: &ReplayRange, arguments: &ReplayArgs) {
    for (partition, next, to) in &rest.0 {
        report!("{partition}  settled up to {next} of {to}");
    }
    let open: Vec<_> = rest.0.iter().filter(|(_, next, to)| next < to).collect();
    if !open.is_empty() {
        report!("to continue, with the same settings:");
    }
    let mut options = String::new();
    if let Some(handler) = &arguments.handler {
        options += &format!(" --handler {handler}");
    }
    if let Some(rate) = arguments.rate {
        options += &format!(" --rate {rate}");
    }
    if arguments.dead_letter {
        options += " --dead-letter";
    }
    for (TopicPartition { topic, partition }, next, to) in open {
        report!(
            "  {service} replay --topic {topic} --partition {partition} --from {next} --to {to}{options}"
        );
    }
}

/// Prints what fails.
struct ReplayPrinter;

impl Observer for ReplayPrinter {
    fn observe(&self, observation: &Observation<'_>) {
        match observation {
            Observation::Retrying { partition, offset, handler, attempt, delay, error } => {
                let error = excerpt(error, 1000);
                say!(
                    "failed    {partition}@{offset}  attempt {attempt} of {handler}, again in {delay:?}: {error}"
                );
            }
            Observation::Postponed { partition, offset, handler, attempt, error, .. } => {
                let error = excerpt(error, 1000);
                say!("put off   {partition}@{offset}  attempt {attempt} of {handler}: {error}");
            }
            Observation::DeadLettered { partition, offset, reason, error, .. } => {
                say!("given up  {partition}@{offset}  {reason}: {}", excerpt(error, 1000));
            }
            Observation::Blocked { partition, offset, handler, since } => {
                say!("{}", blocks(partition, *offset, handler, *since));
            }
            Observation::HandlerSlow { partition, offset, handler, since } => {
                say!("slow      {partition}@{offset}  {handler} has had it for {since:.0?}");
            }
            Observation::FieldIgnored { partition, offset, event, field, count: 1 } => {
                say!("ignored   {partition}@{offset}  {}  {field}", excerpt(event, 64));
            }
            Observation::BrokerError(error) => remark!("{error}; continuing"),
            _ => {}
        }
    }
}

async fn dry_run<B: Broker>(
    app: EventApp,
    settings: &Settings,
    broker: &B,
    range: &ReplayRange,
    handler: Option<&str>,
) -> Result<(), Error> {
    let groups = groups_of(app.registry().handlers(), &settings.group);
    let dry_runner = DryRunner::new(app.router(), settings.policy.clone(), app.into_state());
    let mut outcome = BTreeMap::<String, u64>::new();
    let mut failed = 0_u64;
    let report = |partition: &TopicPartition, offset: Offset, dry_run: DryRun| {
        let what = match dry_run.outcome {
            DryRunOutcome::Handled => {
                format!("would be handled by {}", dry_run.handler.unwrap_or_default())
            }
            DryRunOutcome::OtherGroup => {
                format!("would be {}", left_to(dry_run.other_group.as_ref()))
            }
            DryRunOutcome::Skipped => "would be skipped: no handler takes them".to_owned(),
            DryRunOutcome::Stops => "would stop the service: no handler takes them".to_owned(),
            DryRunOutcome::Retried | DryRunOutcome::DeadLettered => {
                failed += 1;
                let reason = dry_run.reason.unwrap_or_default();
                let message = dry_run.message.unwrap_or_default();
                say!("would fail  {partition}@{offset}  {reason}: {message}");
                format!("would fail as {reason}")
            }
        };
        *outcome.entry(what).or_default() += 1;
    };
    let all =
        dry_replay(broker, range, &dry_runner, &groups, handler, &on_signal(), report).await?;
    for (what, count) in &outcome {
        say!("{count} {what}");
    }
    if outcome.is_empty() {
        say!("no record is meant");
    }
    let message = match (all, failed) {
        (false, _) => "ended before all of the range had its turn".to_owned(),
        (true, 0) => return Ok(()),
        (true, failed) => format!("{} would fail", output::counted(failed, "record")),
    };
    Err(ExitStatus { code: 1, message }.into())
}

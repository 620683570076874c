//! `dev`: the service on an embedded broker, with sample events.

mod counted;

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use clap::Args;
use serde::Deserialize;
use serde_json::value::RawValue;

use counted::{CountedBroker, Done, Readers, Sent};

use super::known::{contract_of, topic_named, topic_of};
use super::output;
use super::stop::stopped;
use crate::app::{EventApp, ExitStatus, Settings};
use crate::broker::kafka::EmbeddedBroker;
use crate::broker::{Broker, OutgoingRecord};
use crate::delivery::{Offset, TopicPartition};
use crate::event::{Headers, TopicName};
use crate::observe::{Counters, Observation, Observer, SkipReason};
use crate::outcome::Error;
use crate::producer::EventProducer;
use crate::registry::{Registry, StartupProblem, StartupReport};
use crate::router::EventRouter;

#[derive(Debug, Args)]
pub(super) struct DevArgs {
    /// Sample events in place of the app's own: one JSON object a line
    #[arg(long, value_name = "FILE")]
    events: Option<PathBuf>,
    /// Exit when all samples and all events sent by their handlers are settled; with code
    /// 1 if a record was dead-lettered
    #[arg(long)]
    exit_when_idle: bool,
    /// Partitions of each topic
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..))]
    partitions: u16,
}

pub(super) async fn run(
    mut app: EventApp,
    settings: Result<Settings, StartupReport>,
    arguments: DevArgs,
) -> Result<(), Error> {
    let settings = app.settings_or_report(settings)?;
    let registry = app.registry();
    let samples = samples(&app, &registry, arguments.events)?;
    let cluster = EmbeddedBroker::start()?;
    let routers = app.routers(&settings.group);
    let topics = routers.values().flat_map(EventRouter::topics);
    let topics = topics.collect::<Result<BTreeSet<_>, _>>()?;
    let derived = routers.values().flat_map(EventRouter::derived_topics).filter_map(Result::ok);
    let all: BTreeSet<_> =
        topics.iter().cloned().chain(derived.map(|derived| derived.topic)).collect();
    for topic in &all {
        cluster.create_topic(topic.as_str(), i32::from(arguments.partitions))?;
    }
    // What handlers send goes to the topics of linked contracts.
    for contract in registry.contracts().iter().filter(|c| all.iter().all(|t| *t != c.topic)) {
        cluster.create_topic(contract.topic, i32::from(arguments.partitions))?;
    }
    let mut readers = Readers::new();
    for router in routers.values() {
        for topic in router.topics().filter_map(Result::ok) {
            *readers.entry(topic).or_default() += 1;
        }
    }
    let readers = Arc::new(readers);
    let (counters, done) =
        (Arc::new(Counters::default()), Arc::new(Done::new(Arc::clone(&readers))));
    let after_dev = std::mem::take(&mut app.after_dev);
    let service = app.service().to_owned();
    // The one that ends it comes last, so that the others have observed the record by then.
    let app = app.observer(Arc::clone(&counters) as _).observer(Arc::new(DevPrinter));
    let app = app.observer(Arc::clone(&done) as _);
    let sent = Sent::default();
    let broker = CountedBroker { inner: cluster.broker(), readers, sent: sent.clone() };
    let producer = EventProducer::new(broker.producer()?);
    let admin_address = app.admin_address();
    for state in app.states_to_make() {
        say!("state          {state} is made now, as `run` makes it");
    }
    let ready = app.prepare(broker, settings).await?;
    introduce(&service, cluster.address(), &topics);
    if let Some(address) = admin_address.get() {
        say!("  health: http://{address}/health/ready");
    }

    if samples.is_empty() {
        say!(
            "  no sample events: give the app some with `.samples(..)`, or a file with `--events`"
        );
    }
    let state = ready.state();
    for sample in samples {
        producer.send_raw(sample).await?;
    }
    let exit_when_idle = arguments.exit_when_idle;
    let idle = async move {
        if !exit_when_idle {
            std::future::pending::<()>().await;
        }
        done.wait_for_all(&sent).await;
    };
    let shutdown = async {
        tokio::select! {
            () = idle => {}
            () = stopped() => {}
        }
    };
    ready.run(shutdown).await?;

    // What the user's code prints would panic when nobody reads it.
    for show in after_dev.into_iter().filter(|_| output::is_read()) {
        if let Some(shown) = show(&state) {
            shown.await?;
        }
    }
    let counts = counters.counts();
    say!(
        "{} handled, {} skipped, {} dead-lettered",
        counts.handled,
        counts.skipped,
        counts.dead_lettered
    );
    if exit_when_idle && counts.dead_lettered > 0 {
        let was = if counts.dead_lettered == 1 { "was" } else { "were" };
        let events = output::counted(counts.dead_lettered, "event");
        let message = format!("{events} {was} dead-lettered");
        return Err(ExitStatus { code: 1, message }.into());
    }
    Ok(())
}

fn introduce(service: &str, bootstrap: &str, topics: &BTreeSet<TopicName>) {
    let topics: Vec<_> = topics.iter().map(TopicName::as_str).collect();
    say!("{service} runs on an embedded broker at {bootstrap}");
    say!("  topics: {}, each with its dead-letter topic", topics.join(", "));
    say!(
        "  volatile: nothing outlives this process, a partition keeps its last 5 MiB, and there are no admin calls"
    );
    say!(
        "  clients that can use the address: librdkafka (rdkafka, confluent-kafka), aiokafka, kafkajs, kafka-python 2"
    );
    say!(
        "  clients that cannot: Apache's Java client, kafka-python 3 as it comes; for these run a real Kafka"
    );
    say!("  ctrl-c ends it");
}

// What `dev` needs to know of a sample line; the line itself is published as it stands.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Sample<'a> {
    event_type: String,
    topic: Option<String>,
    #[serde(borrow)]
    data: Option<&'a RawValue>,
}

fn samples(
    app: &EventApp,
    registry: &Registry,
    file: Option<PathBuf>,
) -> Result<Vec<OutgoingRecord>, StartupReport> {
    let sources = match file {
        None => app.samples.clone(),
        Some(path) => match std::fs::read_to_string(&path) {
            Ok(text) => vec![text],
            Err(error) => {
                let message =
                    format!("the sample events `{}` cannot be read: {error}", path.display());
                let help = "check `--events`".to_owned();
                return Err(StartupReport::new(vec![StartupProblem::Setting { message, help }]));
            }
        },
    };
    let mut samples = Vec::new();
    let mut problems = Vec::new();
    for text in &sources {
        for (index, line) in text.lines().enumerate() {
            if line.trim().is_empty() || line.starts_with('#') {
                continue;
            }
            match sample(registry, line) {
                Ok(record) => samples.push(record),
                Err(problem) => problems.push(StartupProblem::Setting {
                    message: format!("line {} of the sample events: {problem}", index + 1),
                    help: "a line is an event as it lies on the topic: {\"eventType\": \"..\", \"data\": {..}}".into(),
                }),
            }
        }
    }
    StartupReport::new(problems).into_result().map(|()| samples)
}

fn sample(registry: &Registry, line: &str) -> Result<OutgoingRecord, String> {
    let sample: Sample<'_> = serde_json::from_str(line).map_err(|error| error.to_string())?;
    let topic = match &sample.topic {
        Some(topic) => topic_named(registry, topic).map_err(|error| error.message)?,
        None => topic_of(registry, &sample.event_type)?,
    };
    let contract = contract_of(registry, topic.as_str(), &sample.event_type);
    let key =
        contract.zip(sample.data).and_then(|(contract, data)| contract.key_of_json(data.get()));
    Ok(OutgoingRecord {
        topic,
        partition: None,
        key: key.map(Bytes::from),
        value: Some(Bytes::copy_from_slice(line.as_bytes())),
        headers: Headers::new(),
        timestamp_ms: None,
    })
}

// The message of a handler may hold anything.
fn shown(error: &str) -> String {
    crate::event::excerpt(error, 1000)
}

/// The line of a handler that does not let go of its thread.
pub(super) fn blocks(
    partition: &TopicPartition,
    offset: Offset,
    handler: &str,
    since: Duration,
) -> String {
    format!(
        "blocks         {partition}@{offset}  {handler} has blocked its thread for {since:.0?}: make it `blocking`, or use `.await`"
    )
}

/// Prints one line for everything that becomes of a record.
struct DevPrinter;

impl Observer for DevPrinter {
    fn observe(&self, observation: &Observation<'_>) {
        match observation {
            Observation::Handled { partition, offset, event, handler, attempt } => {
                let again =
                    if *attempt > 1 { format!(" (attempt {attempt})") } else { String::new() };
                say!("handled        {partition}@{offset}  {event}  by {handler}{again}");
            }
            Observation::Skipped { partition, offset, reason } => {
                let why = match reason {
                    SkipReason::UnknownEvent(name) => {
                        format!("no handler takes {}", crate::event::excerpt(name, 64))
                    }
                    SkipReason::Tombstone => "a tombstone".to_owned(),
                    // The group that takes it has a line for it.
                    SkipReason::OtherGroup => return,
                    SkipReason::SettledBefore => "settled before".to_owned(),
                    SkipReason::ByHandler(handler) => format!("by {handler}"),
                };
                say!("skipped        {partition}@{offset}  {why}");
            }
            Observation::FieldIgnored { partition, offset, event, field, count: 1 } => {
                let event = crate::event::excerpt(event, 64);
                say!("ignored        {partition}@{offset}  {event}  {field}");
            }
            Observation::Retrying { partition, offset, handler, attempt, delay, error } => {
                say!(
                    "failed         {partition}@{offset}  attempt {attempt} of {handler}, again in {delay:?}: {error}"
                );
            }
            Observation::Postponed { partition, offset, handler, attempt, topic, delay, error } => {
                say!(
                    "failed         {partition}@{offset}  attempt {attempt} of {handler}, waits {delay:?} in {topic}: {error}"
                );
            }
            Observation::BreakerOpened { handler, pause, error } => {
                say!("breaker open   {handler}  next attempt in {pause:?}: {error}");
            }
            Observation::BreakerClosed { handler } => say!("breaker closed {handler}"),
            Observation::DeadLettered { partition, offset, reason, error, .. } => {
                say!("dead-lettered  {partition}@{offset}  {reason}: {}", shown(error));
            }
            Observation::DeadLetterFailed { partition, offset, error, .. } => {
                say!(
                    "waiting        {partition}@{offset}  its dead letter cannot be written: {error}"
                );
            }
            Observation::LogChanged { partition, offset } => {
                say!("log truncated  {partition}@{offset}  remembered offsets discarded");
            }
            Observation::Blocked { partition, offset, handler, since } => {
                say!("{}", blocks(partition, *offset, handler, *since));
            }
            Observation::HandlerSlow { partition, offset, handler, since } => {
                say!("slow           {partition}@{offset}  {handler} has had it for {since:.0?}");
            }
            Observation::FetchFailed { topic, error, .. } => {
                say!("fetch failed   {topic}  {error}");
            }
            Observation::BrokerError(error) | Observation::CommitFailed(error) => {
                say!("broker error   {error}");
            }
            _ => {}
        }
    }
}

//! A dry run of one record: read, routed and made into the arguments of its handler, which does not
//! run.

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::io::Read;
use std::panic::AssertUnwindSafe;
use std::path::Path;
use std::sync::Arc;

use futures_util::FutureExt;
use serde::Serialize;

use super::ExplainArgs;
use super::spot::Spot;
use crate::app::{EventApp, ExitStatus, Settings};
use crate::cli::known::{meant, topic_of, usage};
use crate::delivery::{
    Delivery, Epoch, Offset, RecordBatch, RecordRef, RecordSource, Shutdown, TopicPartition,
};
use crate::event::{Envelope, TopicName};
use crate::outcome::{Error, Rejection};
use crate::processor::DeliveryPolicy;
use crate::registry::{Registry, short_type};
use crate::router::{EventRouter, Route};
use crate::state::StateMap;

/// What would become of the record.
#[derive(Serialize)]
struct DryRun {
    becomes: Becomes,
    topic: Option<String>,
    event: Option<String>,
    handler: Option<String>,
    place: Option<String>,
    /// The code of a dead letter.
    reason: Option<&'static str>,
    message: Option<String>,
    byte: Option<usize>,
    line: Option<usize>,
    column: Option<usize>,
    dead_letters: Option<String>,
    /// Arguments that need a state which is made only when the service starts.
    not_made: Vec<String>,
    #[serde(skip)]
    spot: Option<Spot>,
}

#[derive(Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
enum Becomes {
    Handled,
    Skipped,
    Retried,
    DeadLettered,
}

/// One record, as its own source.
struct Record {
    key: Option<Vec<u8>>,
    value: Option<Vec<u8>>,
    headers: Vec<(Vec<u8>, Option<Vec<u8>>)>,
}

pub(super) async fn run(
    app: EventApp,
    settings: &Settings,
    arguments: ExplainArgs,
) -> Result<(), Error> {
    let (registry, router) = (app.registry(), app.router());
    let value = arguments.record.as_deref().map(read).transpose().map_err(usage)?;
    let record = Record {
        key: arguments.key.map(|key| key.into_encoded_bytes()),
        value,
        headers: arguments.headers.iter().map(|header| split_header(header)).collect(),
    };
    let topic = arguments.of_topic.as_deref().map(TopicName::foreign).transpose()?;
    if let Some(topic) = &topic {
        let topics: BTreeSet<_> = registry.handlers().iter().map(|h| h.topic).collect();
        if !topics.contains(topic.as_str()) {
            let nearest = meant(topic.as_str(), &topics);
            return Err(usage(format!("no handler listens to the topic {topic}; {nearest}")).into());
        }
    }
    let dry_run = DryRunner { registry, router, policy: &settings.policy, state: app.into_state() };
    let dry_run = dry_run.run(record, topic).await.map_err(usage)?;
    if arguments.json {
        say!("{}", serde_json::to_string_pretty(&dry_run)?);
    } else {
        print(&dry_run);
    }
    match dry_run.becomes {
        Becomes::DeadLettered => {
            let message = "the record would be dead-lettered".to_owned();
            Err(ExitStatus { code: 1, message }.into())
        }
        Becomes::Handled | Becomes::Skipped | Becomes::Retried => Ok(()),
    }
}

fn read(path: &Path) -> Result<Vec<u8>, String> {
    let mut value = Vec::new();
    let read = match path.as_os_str() == "-" {
        true => std::io::stdin().lock().read_to_end(&mut value).map(drop),
        false => std::fs::read(path).map(|bytes| value = bytes),
    };
    read.map_err(|error| format!("the record `{}` cannot be read: {error}", path.display()))?;
    Ok(value)
}

fn split_header(header: &OsStr) -> (Vec<u8>, Option<Vec<u8>>) {
    let bytes = header.as_encoded_bytes();
    match bytes.iter().position(|byte| *byte == b'=') {
        Some(at) => (bytes[..at].to_vec(), Some(bytes[at + 1..].to_vec())),
        None => (bytes.to_vec(), None),
    }
}

struct DryRunner<'a> {
    registry: Registry,
    router: EventRouter,
    policy: &'a DeliveryPolicy,
    state: StateMap,
}

impl DryRunner<'_> {
    // In the order of delivery. The record, its envelope and the rest live as long as the process,
    // which ends after this: what an argument may borrow from is to outlive it.
    async fn run(self, record: Record, topic: Option<TopicName>) -> Result<DryRun, String> {
        let partition = Arc::new(TopicPartition {
            // What was not named is found below; no argument is made before.
            topic: topic.clone().unwrap_or(TopicName::from_static("unknown")),
            partition: 0,
        });
        let batch = RecordBatch::new(partition, Epoch::default(), Box::new(record));
        let batch: &'static RecordBatch = Box::leak(Box::new(batch));
        let Some(record) = batch.iter().next() else { return Err("there is no record".into()) };
        let read = self
            .policy
            .admit(record)
            .and_then(|()| Ok(record.value.map(Envelope::read).transpose()?));
        let envelope = match read {
            Ok(envelope) => envelope,
            Err(rejection) => {
                let topic = topic.or_else(|| self.only_topic());
                let mut dry_run = self.becomes(Becomes::DeadLettered, topic.as_ref());
                dry_run.reject(&rejection, record);
                return Ok(dry_run);
            }
        };
        let envelope: Option<&'static Envelope<'static>> =
            envelope.map(|envelope| &*Box::leak(Box::new(envelope)));
        let topic = match topic.map_or_else(|| self.topic_of(envelope), Ok) {
            Ok(topic) => topic,
            Err(problem) => return Err(problem),
        };
        let routes = self.router.topic(topic.as_str());
        let route = match envelope {
            Some(envelope) => routes.find(envelope.event_type()),
            None => routes.tombstones(),
        };
        let mut dry_run = self.becomes(Becomes::Skipped, Some(&topic));
        dry_run.event = envelope.map(|envelope| crate::event::excerpt(envelope.event_type(), 64));
        if let Some(route) = route {
            dry_run.becomes = Becomes::Handled;
            dry_run.handler = Some(route.id.to_string());
            dry_run.place = Some(route.handler.place());
            let delivery = self.delivery(topic, record, envelope, route);
            probe(route, delivery, record, &mut dry_run).await;
        }
        Ok(dry_run)
    }

    fn becomes(&self, becomes: Becomes, topic: Option<&TopicName>) -> DryRun {
        let dead_letters = topic.and_then(|topic| self.router.dead_letters(topic).ok());
        DryRun {
            becomes,
            topic: topic.map(ToString::to_string),
            event: None,
            handler: None,
            place: None,
            reason: None,
            message: None,
            byte: None,
            line: None,
            column: None,
            dead_letters: dead_letters.map(|topic| topic.to_string()),
            not_made: Vec::new(),
            spot: None,
        }
    }

    fn only_topic(&self) -> Option<TopicName> {
        let topics: BTreeSet<_> = self.registry.handlers().iter().map(|h| h.topic).collect();
        let mut topics = topics.into_iter();
        let only = topics.next().filter(|_| topics.next().is_none())?;
        TopicName::foreign(only).ok()
    }

    fn topic_of(&self, envelope: Option<&Envelope<'_>>) -> Result<TopicName, String> {
        if let Some(only) = self.only_topic() {
            return Ok(only);
        }
        match envelope {
            Some(envelope) => topic_of(&self.registry, envelope.event_type()),
            None => Err("say of which topic the tombstone is: `--topic`".to_owned()),
        }
    }

    fn delivery(
        self,
        topic: TopicName,
        record: RecordRef<'static>,
        envelope: Option<&'static Envelope<'static>>,
        route: &Route,
    ) -> &'static Delivery<'static> {
        let delivery = Delivery {
            partition: Box::leak(Box::new(TopicPartition { topic, partition: 0 })),
            record,
            envelope,
            handler: Box::leak(route.id.to_string().into_boxed_str()),
            attempt: 1,
            attempts: self.policy.attempts,
            state: Box::leak(Box::new(self.state)),
            shutdown: Box::leak(Box::new(Shutdown::never())),
        };
        Box::leak(Box::new(delivery))
    }
}

// The first argument that cannot be made decides, as in delivery. States that are not there yet do
// not count.
async fn probe(
    route: &Route,
    delivery: &'static Delivery<'static>,
    record: RecordRef<'static>,
    dry_run: &mut DryRun,
) {
    for argument in route.handler.arguments {
        let made = async { (argument.probe)(delivery).await };
        match AssertUnwindSafe(made).catch_unwind().await {
            Ok(Ok(())) => {}
            Ok(Err(Rejection::MissingState { .. })) => {
                dry_run.not_made.push(short_type((argument.type_name)()));
            }
            Ok(Err(rejection)) => return dry_run.reject(&rejection, record),
            Err(_) => {
                let argument = short_type((argument.type_name)());
                dry_run.becomes = Becomes::DeadLettered;
                dry_run.reason = Some("attempts_exhausted");
                dry_run.message = Some(format!("making {argument} panicked"));
                return;
            }
        }
    }
}

impl DryRun {
    fn reject(&mut self, rejection: &Rejection, record: RecordRef<'_>) {
        self.becomes = match rejection {
            Rejection::Failed(_) => Becomes::Retried,
            _ => Becomes::DeadLettered,
        };
        self.reason = Some(rejection.code());
        self.message = Some(crate::event::excerpt(&rejection.to_string(), 1000));
        if let Rejection::Undecodable(error) = rejection
            && let (Some(byte), Some(value)) = (error.byte(), record.value)
        {
            let spot = Spot::find(value, byte);
            (self.byte, self.line, self.column) = (Some(byte), Some(spot.line), Some(spot.column));
            self.spot = Some(spot);
        }
    }
}

fn print(dry_run: &DryRun) {
    let name = |name: &Option<String>| name.clone().unwrap_or_else(|| "-".to_owned());
    let handler = match (&dry_run.handler, &dry_run.place) {
        (Some(id), Some(place)) => format!("{id}   {place}"),
        _ => "-".to_owned(),
    };
    match (dry_run.becomes, dry_run.reason) {
        (Becomes::DeadLettered, Some(reason)) => say!("would be dead-lettered as {reason}"),
        (Becomes::DeadLettered, None) => say!("would be dead-lettered"),
        (Becomes::Handled, _) => say!("would be handled by {}", name(&dry_run.handler)),
        (Becomes::Retried, _) => say!("would fail and be tried again, as it did here"),
        (Becomes::Skipped, _) => say!("would be skipped: no handler takes it"),
    }
    if let Some(message) = &dry_run.message {
        say!("  {message}");
    }
    if let (Some(spot), Some(byte)) = (&dry_run.spot, dry_run.byte) {
        say!("  byte {byte}, line {}, column {}:", spot.line, spot.column);
        say!("    {}\n    {}", spot.text, spot.caret);
    }
    say!("  topic         {}", name(&dry_run.topic));
    say!("  event         {}", name(&dry_run.event));
    say!("  handler       {handler}");
    if dry_run.becomes == Becomes::DeadLettered {
        say!("  dead letters  {}", name(&dry_run.dead_letters));
    }
    if !dry_run.not_made.is_empty() {
        say!("  not tried     {}: only a running service has it", dry_run.not_made.join(", "));
    }
}

impl RecordSource for Record {
    fn len(&self) -> usize {
        1
    }

    fn stamp(&self, _: usize) -> (Offset, i64) {
        (Offset(0), -1)
    }

    fn key(&self, _: usize) -> Option<&[u8]> {
        self.key.as_deref()
    }

    fn value(&self, _: usize) -> Option<&[u8]> {
        self.value.as_deref()
    }

    fn header_count(&self, _: usize) -> usize {
        self.headers.len()
    }

    fn header(&self, _: usize, header: usize) -> (&[u8], Option<&[u8]>) {
        let (name, value) = &self.headers[header];
        (name, value.as_deref())
    }

    fn size_bytes(&self) -> usize {
        self.value.as_ref().map_or(0, Vec::len)
    }
}

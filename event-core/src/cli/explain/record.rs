//! `explain --record`: a dry run of one record.

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::io::Read;
use std::path::Path;

use bytes::Bytes;
use serde::Serialize;

use super::ExplainArgs;
use crate::app::{EventApp, ExitStatus, Settings};
use crate::cli::known::{events, meant, topic_of, usage};
use crate::delivery::Offset;
use crate::event::{Envelope, GroupName, Header, TopicName};
use crate::operations::{DryRun, DryRunOutcome, DryRunner, OwnedRecord};
use crate::outcome::Error;
use crate::processor::SiblingGroups;
use crate::registry::Registry;

/// What would become of the record, as JSON.
#[derive(Serialize)]
struct Json<'a> {
    /// The consumer group; none when the record's topic is not known.
    group: Option<&'a str>,
    outcome: &'static str,
    topic: Option<&'a str>,
    event: Option<&'a str>,
    handler: Option<&'a str>,
    source: Option<&'a str>,
    /// The consumer group whose business it is, when it is another's.
    other_group: Option<&'a str>,
    /// The code of a dead letter.
    reason: Option<&'static str>,
    message: Option<&'a str>,
    byte: Option<usize>,
    line: Option<usize>,
    column: Option<usize>,
    dead_letters: Option<&'a str>,
    /// Fields that cannot be read and count as absent, in sentences.
    ignored: &'a [String],
    /// Arguments that need a state which is made only when the service starts.
    not_made: &'a [String],
}

pub(super) async fn run(
    app: EventApp,
    settings: &Settings,
    arguments: ExplainArgs,
) -> Result<(), Error> {
    let registry = app.registry();
    let value = arguments.record.as_deref().map(read).transpose().map_err(usage)?;
    let record = OwnedRecord {
        offset: Offset(0),
        timestamp_ms: arguments.timestamp.unwrap_or(-1),
        key: arguments.key.map(|key| key.into_encoded_bytes().into()),
        value: value.map(Bytes::from),
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
    let topic =
        topic.map_or_else(|| find_topic(&registry, &record, settings.policy.max_value_bytes), Ok);
    let mut dry_runs = in_each_group(app, settings, record, topic).await.map_err(usage)?;
    for (_, dry_run) in &mut dry_runs {
        name_nearest(&registry, dry_run);
    }
    if arguments.json {
        let all = dry_runs.iter().map(|(group, dry_run)| Json::of(group.as_deref(), dry_run));
        say!("{}", serde_json::to_string_pretty(&all.collect::<Vec<_>>())?);
    } else {
        for (group, dry_run) in &dry_runs {
            if let (Some(group), 2..) = (group, dry_runs.len()) {
                say!("in group `{group}`");
            }
            print_dry_run(dry_run);
        }
    }
    match dry_runs.iter().any(|(_, dry_run)| dry_run.outcome == DryRunOutcome::DeadLettered) {
        true => {
            let message = "the record would be dead-lettered".to_owned();
            Err(ExitStatus { code: 1, message }.into())
        }
        false => Ok(()),
    }
}

/// Says which event was probably meant by one that nobody knows.
fn name_nearest(registry: &Registry, dry_run: &mut DryRun) {
    if matches!(
        dry_run.outcome,
        DryRunOutcome::Handled | DryRunOutcome::OtherGroup | DryRunOutcome::Retried
    ) {
        return;
    }
    let (Some(topic), Some(event), None) = (&dry_run.topic, &dry_run.event, &dry_run.handler)
    else {
        return;
    };
    let known = events(registry);
    let of_topic = known.iter().filter(|(of, _)| *of == topic.as_str()).map(|(_, name)| *name);
    let of_topic: BTreeSet<_> = of_topic.collect();
    if of_topic.contains(event.as_str()) {
        return;
    }
    let meant = meant(event, &of_topic);
    dry_run.message = Some(match dry_run.message.take() {
        Some(message) => format!("{message}; {meant}"),
        None => format!("no contract or handler knows it; {meant}"),
    });
}

/// What would become of it in each consumer group that reads the topic, sorted.
async fn in_each_group(
    app: EventApp,
    settings: &Settings,
    record: OwnedRecord,
    topic: Result<TopicName, String>,
) -> Result<Vec<(Option<String>, DryRun)>, String> {
    let routers = app.routers(&settings.group);
    let router = app.router();
    let dry_runner = DryRunner::new(router, settings.policy.clone(), app.into_state());
    let mut dry_runs = Vec::new();
    for (group, router) in &routers {
        let routes = topic.as_ref().map(|topic| router.topic(topic.as_str()));
        if routes.is_ok_and(|routes| !routes.is_empty()) {
            let others = SiblingGroups::of(group, &routers);
            let dry_runner = dry_runner.in_group(group.clone(), router.clone(), others);
            let dry_run = dry_runner.run_on(record.clone(), topic.clone()).await?;
            dry_runs.push((Some(group.to_string()), dry_run));
        }
    }
    if dry_runs.is_empty() {
        dry_runs.push((None, dry_runner.run_on(record, topic).await?));
    }
    Ok(dry_runs)
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

fn split_header(header: &OsStr) -> Header {
    let bytes = header.as_encoded_bytes();
    let (name, value) = match bytes.iter().position(|byte| *byte == b'=') {
        Some(at) => (&bytes[..at], Some(&bytes[at + 1..])),
        None => (bytes, None),
    };
    Header { name: Bytes::copy_from_slice(name), value: value.map(Bytes::copy_from_slice) }
}

// The topic of a record that does not say of which it is. A wrong record is reported as such before a
// topic is missed, and one over the limit is not read.
fn find_topic(
    registry: &Registry,
    record: &OwnedRecord,
    max_value_bytes: usize,
) -> Result<TopicName, String> {
    let topics: BTreeSet<_> = registry.handlers().iter().map(|handler| handler.topic).collect();
    if let [only] = topics.into_iter().collect::<Vec<_>>()[..] {
        return TopicName::foreign(only).map_err(|error| error.to_string());
    }
    let value = record.value.as_deref();
    if value.is_some_and(|value| value.len() > max_value_bytes) {
        return Err("the value is over the limit".to_owned());
    }
    match value.map(Envelope::read) {
        None => Err("say of which topic the tombstone is: `--topic`".to_owned()),
        Some(Ok(envelope)) => topic_of(registry, envelope.event_type()),
        Some(Err(error)) => Err(error.to_string()),
    }
}

impl<'a> Json<'a> {
    fn of(group: Option<&'a str>, dry_run: &'a DryRun) -> Self {
        let snippet = dry_run.snippet.as_ref();
        Json {
            group,
            outcome: match dry_run.outcome {
                DryRunOutcome::Handled => "handled",
                DryRunOutcome::Skipped => "skipped",
                DryRunOutcome::OtherGroup => "other_group",
                DryRunOutcome::Retried => "retried",
                DryRunOutcome::DeadLettered => "dead_lettered",
                DryRunOutcome::Stops => "stops",
            },
            topic: dry_run.topic.as_ref().map(TopicName::as_str),
            event: dry_run.event.as_deref(),
            handler: dry_run.handler.as_deref(),
            source: dry_run.place.as_deref(),
            other_group: dry_run.other_group.as_ref().map(GroupName::as_str),
            reason: dry_run.reason,
            message: dry_run.message.as_deref(),
            byte: dry_run.byte,
            line: snippet.map(|snippet| snippet.line),
            column: snippet.map(|snippet| snippet.column),
            dead_letters: dry_run.dead_letters.as_ref().map(TopicName::as_str),
            ignored: &dry_run.ignored,
            not_made: &dry_run.not_made,
        }
    }
}

/// What a group does with a record that is another's business.
pub(crate) fn left_to(other: Option<&GroupName>) -> String {
    other.map_or_else(
        || "left to another group".to_owned(),
        |group| format!("left to group `{group}`"),
    )
}

pub(crate) fn print_dry_run(dry_run: &DryRun) {
    fn name<T: ToString>(name: &Option<T>) -> String {
        name.as_ref().map_or_else(|| "-".to_owned(), T::to_string)
    }
    let handler = match (&dry_run.handler, &dry_run.place) {
        (Some(id), Some(place)) => format!("{id}   {place}"),
        _ => "-".to_owned(),
    };
    match (dry_run.outcome, dry_run.reason) {
        (DryRunOutcome::DeadLettered, Some(reason)) => say!("would be dead-lettered as {reason}"),
        (DryRunOutcome::DeadLettered, None) => say!("would be dead-lettered"),
        (DryRunOutcome::Handled, _) => say!("would be handled by {}", name(&dry_run.handler)),
        (DryRunOutcome::Retried, _) => say!("would fail and be retried, as it did here"),
        (DryRunOutcome::OtherGroup, _) => {
            say!("would be {}", left_to(dry_run.other_group.as_ref()))
        }
        (DryRunOutcome::Skipped, _) => say!("would be skipped: no handler takes it"),
        (DryRunOutcome::Stops, _) => say!("would stop the service: no handler takes it"),
    }
    if let Some(message) = &dry_run.message {
        say!("  {message}");
    }
    if let (Some(snippet), Some(byte)) = (&dry_run.snippet, dry_run.byte) {
        say!("  byte {byte}, line {}, column {}:", snippet.line, snippet.column);
        say!("    {}\n    {}", snippet.text, snippet.caret);
    }
    say!("  topic         {}", name(&dry_run.topic));
    say!("  event         {}", name(&dry_run.event));
    say!("  handler       {handler}");
    if dry_run.outcome == DryRunOutcome::DeadLettered {
        say!("  dead letters  {}", name(&dry_run.dead_letters));
    }
    for ignored in &dry_run.ignored {
        say!("  ignored       {ignored}");
    }
    if !dry_run.not_made.is_empty() {
        say!("  not tried     {}: only a running service has it", dry_run.not_made.join(", "));
    }
}

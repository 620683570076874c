//! `dlq ls` and `dlq show`.

use std::collections::BTreeSet;
use std::ops::ControlFlow;

use clap::Args;
use serde::Serialize;

use super::{FilterArgs, letters, read_ids, redrive_targets, topics};
use crate::app::{EventApp, Settings, kafka_broker};
use crate::cli::explain::print_dry_run;
use crate::cli::known::{topic_named, usage};
use crate::cli::table::Table;
use crate::cli::value::{JsonOrText, lines};
use crate::cli::when::{shown_ms, shown_time};
use crate::delivery::Shutdown;
use crate::event::excerpt;
use crate::operations::dead_letters::{
    DeadLetter, RedrivePreview, find, list, original_of, preview_redrive, record_of,
};
use crate::operations::{DryRunner, OwnedRecord, printable};
use crate::outcome::Error;

#[derive(Debug, Args)]
pub(super) struct LsArgs {
    #[command(flatten)]
    filter: FilterArgs,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Args)]
pub(super) struct ShowArgs {
    /// The letter's id, such as 0@15
    id: String,
    /// The topic that it came from; needed only when several dead-letter topics have the id
    #[arg(long)]
    topic: Option<String>,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

#[derive(Serialize)]
struct Listed {
    letters: Vec<Row>,
    matching: usize,
    open: usize,
    of_other_groups: usize,
    other_groups: BTreeSet<String>,
    resolved: usize,
    foreign: usize,
}

/// A dead letter as JSON.
#[derive(Serialize)]
struct Row {
    id: String,
    topic: String,
    origin: String,
    origin_timestamp_ms: i64,
    dlq_id: String,
    group: String,
    event: Option<String>,
    handler: Option<String>,
    reason: String,
    error: String,
    attempts: u32,
    first_failure: Option<String>,
    last_failure: Option<String>,
    service: Option<String>,
    service_version: Option<String>,
    trace_id: Option<String>,
    value_bytes_left_out: Option<u64>,
    copies: Vec<String>,
    redrive_id: Option<String>,
}

impl From<&DeadLetter> for Row {
    fn from(letter: &DeadLetter) -> Self {
        Row {
            id: letter.short_id(),
            topic: letter.place.topic.to_string(),
            origin: letter.origin.to_string(),
            origin_timestamp_ms: letter.origin.timestamp_ms,
            dlq_id: letter.id.clone(),
            group: letter.group.clone(),
            event: letter.event.clone(),
            handler: letter.handler.clone(),
            reason: letter.reason.clone(),
            error: letter.error.clone(),
            attempts: letter.attempts,
            first_failure: letter.first_failure.map(|time| time.to_string()),
            last_failure: letter.last_failure.map(|time| time.to_string()),
            service: letter.service.clone(),
            service_version: letter.service_version.clone(),
            trace_id: letter.trace_id.clone(),
            value_bytes_left_out: letter.left_out.value_bytes,
            copies: letter.copies.iter().map(ToString::to_string).collect(),
            redrive_id: letter.redrive_id.clone(),
        }
    }
}

pub(super) async fn ls(
    app: &EventApp,
    settings: &Settings,
    group: Option<String>,
    arguments: &LsArgs,
) -> Result<(), Error> {
    let query = arguments.filter.query(app, settings, group.as_deref(), &[])?;
    let broker = kafka_broker(app.service(), settings)?;
    let found = list(&broker, &query.topics, &query.filter).await?;
    if arguments.json {
        let listed = Listed {
            letters: found.letters.iter().map(Row::from).collect(),
            matching: found.matching,
            open: found.open,
            of_other_groups: found.of_other_groups,
            other_groups: found.other_groups.clone(),
            resolved: found.resolved,
            foreign: found.foreign,
        };
        say!("{}", serde_json::to_string_pretty(&listed)?);
        for remark in query.remarks(&found) {
            remark!("{remark}");
        }
        return Ok(());
    }
    if !found.letters.is_empty() {
        let several = query.topics.len() > 1;
        let mut table = Table::new(&[
            "ID",
            "ORIGIN",
            "EVENT",
            "HANDLER",
            "REASON",
            "ATTEMPTS",
            "LAST_FAILURE",
            "ERROR",
        ]);
        for letter in &found.letters {
            table.row([
                id_of(letter, several),
                letter.origin.to_string(),
                letter.event.clone().unwrap_or_default(),
                excerpt(letter.handler.as_deref().unwrap_or_default(), 64),
                excerpt(&letter.reason, 64),
                letter.attempts.to_string(),
                shown_time(letter.failed_at()),
                excerpt(&letter.error, 72),
            ]);
        }
        say!("{}", table.to_string().trim_end());
    }
    say!("{}, {} resolved before", letters(found.matching), found.resolved);
    for remark in query.remarks(&found) {
        say!("  {remark}");
    }
    Ok(())
}

/// The id with its topic where there are several.
pub(super) fn id_of(letter: &DeadLetter, several: bool) -> String {
    if several { letter.place.to_string() } else { letter.short_id() }
}

pub(super) async fn show(
    app: EventApp,
    settings: &Settings,
    group: Option<String>,
    arguments: &ShowArgs,
) -> Result<(), Error> {
    let registry = app.registry();
    let topic = match &arguments.topic {
        Some(topic) => Some(topic_named(&registry, topic)?),
        None => None,
    };
    let topics = topics(&app, &settings.group, topic.as_ref(), &registry)?;
    let ids = read_ids(std::slice::from_ref(&arguments.id))?;
    let Some(id) = ids.first() else { return Err(usage("no id is given".to_owned()).into()) };
    let broker = kafka_broker(app.service(), settings)?;
    let letter = find(&broker, &topics, id).await?;
    let record = record_of(&broker, &letter).await?;
    let original = original_of(&broker, &letter).await?;
    if arguments.json {
        let shown = Shown::new(&letter, record.as_ref(), original.as_ref());
        say!("{}", serde_json::to_string_pretty(&shown)?);
        return Ok(());
    }
    print_letter(&letter, record.as_ref(), original.as_ref());
    say!("\nwith this build");
    let redrive_targets = redrive_targets(&app, settings, &broker, group.as_deref()).await?;
    let dry_runner = DryRunner::new(app.router(), settings.policy.clone(), app.into_state());
    let letters = [letter];
    let report = |_: &DeadLetter, preview: RedrivePreview| {
        match preview {
            RedrivePreview::DryRun(dry_run) => print_dry_run(&dry_run),
            RedrivePreview::Skipped(left) => say!("cannot be redriven: {left}"),
        }
        ControlFlow::Continue(())
    };
    preview_redrive(&broker, &dry_runner, &redrive_targets, &letters, &Shutdown::never(), report)
        .await?;
    Ok(())
}

#[derive(Serialize)]
struct Shown<'a> {
    #[serde(flatten)]
    row: Row,
    /// As text; bytes that are none are escaped.
    headers: Vec<(String, Option<String>)>,
    key: Option<String>,
    value: Option<JsonOrText<'a>>,
}

impl<'a> Shown<'a> {
    fn new(
        letter: &DeadLetter,
        record: Option<&OwnedRecord>,
        original: Option<&'a OwnedRecord>,
    ) -> Self {
        let text = |bytes: &bytes::Bytes| printable(bytes);
        let headers = record.into_iter().flat_map(|record| record.headers.iter());
        let value = original.and_then(|original| original.value.as_ref());
        Shown {
            row: Row::from(letter),
            headers: headers
                .map(|header| (text(&header.name), header.value.as_ref().map(text)))
                .collect(),
            key: original.and_then(|original| original.key.as_ref()).map(text),
            value: value.map(|value| JsonOrText::from(&value[..])),
        }
    }
}

fn print_letter(letter: &DeadLetter, record: Option<&OwnedRecord>, original: Option<&OwnedRecord>) {
    say!("dead letter {}", letter.place);
    say!("  origin        {}, {}", letter.origin, shown_ms(letter.origin.timestamp_ms));
    for copy in &letter.copies {
        say!("  copy          {copy}");
    }
    say!("\nheaders");
    let headers: Vec<_> = record.into_iter().flat_map(|record| record.headers.iter()).collect();
    let width = headers.iter().map(|header| header.name.len()).max().unwrap_or(0);
    for header in headers {
        let value = header.value.as_ref().map_or_else(|| "null".to_owned(), |v| printable(v));
        say!("  {:width$}  {value}", printable(&header.name));
    }
    let Some(original) = original else {
        say!(
            "\nkey and value are not here: part of the record was left out, and the origin no longer holds it"
        );
        return;
    };
    match &original.key {
        Some(key) => say!("\nkey\n  {}", printable(key)),
        None => say!("\nkey\n  null"),
    }
    match &original.value {
        Some(value) => {
            let from = if letter.left_out.any() { ", read from the origin" } else { "" };
            say!("\nvalue ({} bytes{from})", value.len());
            for line in lines(value) {
                say!("  {line}");
            }
        }
        None => say!("\nvalue\n  null"),
    }
}

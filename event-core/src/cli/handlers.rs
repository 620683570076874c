//! `handlers`: what is linked into the binary.

use std::collections::BTreeMap;

use clap::Args;
use serde::Serialize;

use super::delivery::differences;
use super::table::Table;
use crate::app::{Settings, or_report};
use crate::event::{ContractInfo, TopicName};
use crate::handler::{HandlerPolicy, HandlerRegistration};
use crate::outcome::Error;
use crate::processor::DeliveryPolicy;
use crate::registry::{Registry, StartupReport};
use crate::router::EventRouter;

#[derive(Debug, Args)]
pub(super) struct HandlersArgs {
    /// Show all columns
    #[arg(long)]
    wide: bool,
    /// Print JSON, with all columns
    #[arg(long)]
    json: bool,
}

/// A handler with one of its events.
#[derive(Serialize)]
struct Row {
    topic: &'static str,
    event: &'static str,
    handler: String,
    source: String,
    id: String,
    group: String,
    /// The contract whose data it takes, with its version; none for untyped data.
    payload: Option<Contract>,
    delivery: HandlerPolicy,
    /// What of it differs from a handler that says nothing.
    #[serde(skip)]
    differs: String,
    dead_letters: Option<String>,
    blocking: bool,
    /// None when it could be any event.
    emits: Option<Vec<Sent>>,
}

#[derive(Serialize)]
struct Contract {
    r#type: &'static str,
    version: u32,
}

#[derive(Serialize)]
struct Sent {
    topic: &'static str,
    event: &'static str,
}

pub(super) fn run(
    registry: &Registry,
    settings: Result<Settings, StartupReport>,
    arguments: &HandlersArgs,
) -> Result<(), Error> {
    let pairs = registry
        .handlers()
        .iter()
        .flat_map(|handler| handler.selects.names().into_iter().map(|event| (*handler, event)));
    // What is in the code can be listed whatever the settings are.
    if !arguments.wide && !arguments.json {
        let policy = settings.map(|settings| settings.policy).unwrap_or_default();
        say!("{}", narrow(pairs, &policy).to_string().trim_end());
        return Ok(());
    }
    let settings = or_report(settings)?;
    let groups = registry.groups(&settings.group).into_iter();
    let routers = groups.map(|(group, own)| (group.to_string(), EventRouter::new(&own)));
    let routers: BTreeMap<_, _> = routers.collect();
    let rows: Vec<Row> =
        pairs.map(|(handler, event)| row(handler, event, &settings, &routers)).collect();
    if arguments.json {
        say!("{}", serde_json::to_string_pretty(&rows)?);
    } else {
        say!("{}", wide(rows).to_string().trim_end());
    }
    Ok(())
}

// A column that says nothing of any handler is left out.
fn narrow(
    pairs: impl Iterator<Item = (&'static HandlerRegistration, &'static str)>,
    policy: &DeliveryPolicy,
) -> Table {
    let rows = pairs.map(|(handler, event)| {
        let group = handler.options.group.unwrap_or_default().to_owned();
        let differs = differences(&policy.of(handler), policy);
        [handler.topic.into(), event.into(), handler.id(), handler.source(), group, differs]
    });
    let rows: Vec<[String; 6]> = rows.collect();
    let header = ["TOPIC", "EVENT", "HANDLER", "SOURCE", "GROUP", "DELIVERY"];
    let says_something =
        |column: usize| column < 4 || rows.iter().any(|row| !row[column].is_empty());
    let columns: Vec<_> = (0..header.len()).filter(|column| says_something(*column)).collect();
    let mut table = Table::new(&columns.iter().map(|column| header[*column]).collect::<Vec<_>>());
    for row in &rows {
        table.row(columns.iter().map(|column| row[*column].clone()));
    }
    table
}

fn path(handler: &HandlerRegistration) -> String {
    format!("{}::{}", handler.module, handler.name)
}

fn row(
    handler: &HandlerRegistration,
    event: &'static str,
    settings: &Settings,
    routers: &BTreeMap<String, EventRouter>,
) -> Row {
    let group = handler.options.group.unwrap_or(settings.group.as_str()).to_owned();
    let contract = handler.contracts().iter().find(|contract| contract.name == event);
    let sent = |contract: &&ContractInfo| Sent { topic: contract.topic, event: contract.name };
    let policy = settings.policy.of(handler);
    Row {
        topic: handler.topic,
        event,
        handler: path(handler),
        source: handler.source(),
        id: handler.id(),
        payload: contract.map(|c| Contract { r#type: c.type_name, version: c.version }),
        differs: differences(&policy, &settings.policy),
        delivery: policy,
        dead_letters: routers.get(&group).and_then(|router| dead_letters(handler, router)),
        group,
        blocking: handler.blocking,
        emits: handler.sends().map(|contracts| contracts.iter().map(sent).collect()),
    }
}

fn dead_letters(handler: &HandlerRegistration, router: &EventRouter) -> Option<String> {
    let topic = TopicName::registered(handler.topic, handler.has_foreign_names()).ok()?;
    Some(router.dead_letters(&topic).ok()?.to_string())
}

fn wide(rows: Vec<Row>) -> Table {
    let mut table = Table::new(&[
        "TOPIC",
        "EVENT",
        "HANDLER",
        "SOURCE",
        "FUNCTION",
        "GROUP",
        "PAYLOAD",
        "DELIVERY",
        "DEAD_LETTERS",
        "KIND",
        "EMITS",
    ]);
    for row in rows {
        let payload = row.payload.map(|c| format!("{} v{}", c.r#type, c.version));
        let sends = row.emits.map(|sent| {
            sent.iter().map(|to| format!("{} / {}", to.topic, to.event)).collect::<Vec<_>>()
        });
        table.row([
            row.topic.to_owned(),
            row.event.to_owned(),
            row.id,
            row.source,
            row.handler,
            row.group,
            payload.unwrap_or_default(),
            row.differs,
            row.dead_letters.unwrap_or_default(),
            if row.blocking { "blocking" } else { "async" }.to_owned(),
            sends.map_or_else(|| "any event".to_owned(), |sent| sent.join(", ")),
        ]);
    }
    table
}

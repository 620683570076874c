//! What becomes of an event of this name.

use std::collections::BTreeSet;

use serde::Serialize;

use super::policy::{Setting, on_failure, settings_of};
use crate::app::{EventApp, Settings};
use crate::cli::known::{contract_of, events, meant, usage};
use crate::cli::table::Table;
use crate::event::{ContractInfo, TopicName, excerpt};
use crate::handler::{HandlerRegistration, Selector};
use crate::outcome::Error;
use crate::registry::{Registry, short_type};
use crate::router::{EventRouter, Route};

#[derive(Serialize)]
struct Explained {
    topic: String,
    event: String,
    /// In a sentence.
    becomes: String,
    handler: Option<Handler>,
    /// The topic's, whoever handles the event.
    dead_letters: Option<String>,
    on_failure: Vec<String>,
    settings: Vec<Setting>,
}

#[derive(Serialize)]
struct Handler {
    id: String,
    name: String,
    place: String,
    arguments: Vec<String>,
    /// The contract that the data is read as, then the older ones that it converts.
    payload: Vec<Contract>,
    /// None when it could be any event.
    sends: Option<Vec<String>>,
    layers: usize,
    blocking: bool,
}

#[derive(Serialize)]
struct Contract {
    r#type: &'static str,
    version: u32,
    place: String,
}

pub(super) fn run(
    app: &EventApp,
    settings: &Settings,
    topic: &str,
    event: &str,
    json: bool,
) -> Result<(), Error> {
    let (registry, router) = (app.registry(), app.router());
    let explained = explain(&registry, &router, settings, topic, event).map_err(usage)?;
    if json {
        say!("{}", serde_json::to_string_pretty(&explained)?);
    } else {
        print(&explained);
    }
    Ok(())
}

fn explain(
    registry: &Registry,
    router: &EventRouter,
    settings: &Settings,
    topic: &str,
    event: &str,
) -> Result<Explained, String> {
    let listened: Vec<_> = registry.handlers().iter().filter(|h| h.topic == topic).collect();
    let known = events(registry);
    if listened.is_empty() && !known.iter().any(|(known, _)| *known == topic) {
        let topics: BTreeSet<_> =
            registry.handlers().iter().map(|h| h.topic).chain(known.iter().map(|k| k.0)).collect();
        let topic = excerpt(topic, 64);
        return Err(format!(
            "no contract or handler knows the topic {topic}; {}",
            meant(&topic, &topics)
        ));
    }
    let routes = router.topic(topic);
    let route = match event {
        "tombstone" => routes.tombstones().map(|route| &**route),
        "*" => routes.rest().map(|route| &**route),
        event => routes.find(event).map(|route| &**route),
    };
    let special = matches!(event, "tombstone" | "*");
    if route.is_none() && !special && !known.contains(&(topic, event)) {
        let names = known.iter().filter(|(of, _)| *of == topic).map(|(_, name)| *name);
        let event = excerpt(event, 64);
        return Err(format!(
            "no contract or handler knows the event {event} of topic {topic}; {}",
            meant(&event, &names.collect())
        ));
    }
    let dead_letters = TopicName::foreign(topic).ok().filter(|_| !listened.is_empty());
    let dead_letters = dead_letters.and_then(|topic| router.dead_letters(&topic).ok());
    let dead_letters = dead_letters.map(|topic| topic.to_string());
    let mut settings_of = settings_of(settings);
    if let Some(dead_letters) = &dead_letters {
        let given = listened.iter().find(|handler| handler.dead_letter.is_some());
        settings_of.push(Setting {
            key: "dead letters",
            value: dead_letters.clone(),
            source: given.map_or_else(
                || "default".to_owned(),
                |handler| format!("`dead_letter` of {}, {}", handler.name, handler.place()),
            ),
        });
    }
    let on_failure = match (route, &dead_letters) {
        (Some(_), Some(dead_letters)) => on_failure(&settings.policy, dead_letters),
        _ => Vec::new(),
    };
    Ok(Explained {
        becomes: becomes(route, listened.is_empty(), event),
        handler: route.map(|route| describe(route, registry, topic, event)),
        topic: topic.to_owned(),
        event: event.to_owned(),
        dead_letters,
        on_failure,
        settings: settings_of,
    })
}

fn becomes(route: Option<&Route>, unread: bool, event: &str) -> String {
    match route {
        Some(route) if event != "*" && matches!(route.handler.selects, Selector::Rest) => {
            format!("handled by {}, which takes what no other handler of the topic does", route.id)
        }
        Some(route) => format!("handled by {}", route.id),
        None if unread => "not read: no handler of this service listens to the topic".to_owned(),
        None if event == "tombstone" => {
            "skipped and counted: no handler takes tombstones".to_owned()
        }
        None => "skipped and counted, with a warning in the log: no handler takes it".to_owned(),
    }
}

fn describe(route: &Route, registry: &Registry, topic: &str, event: &str) -> Handler {
    let handler: &HandlerRegistration = route.handler;
    let payload = handler.contracts().iter().copied().find(|contract| contract.name == event);
    let payload = std::iter::successors(payload, |contract| contract.older);
    let contract = |contract: &ContractInfo| Contract {
        r#type: contract.type_name,
        version: contract.version,
        place: format!("{}:{}", contract.file, contract.line),
    };
    let mut payload: Vec<_> = payload.map(contract).collect();
    if payload.is_empty() && handler.contracts().is_empty() {
        // Untyped: the contract that somebody else has for it says what is in there.
        payload.extend(contract_of(registry, topic, event).map(contract));
    }
    let sent = |contract: &&ContractInfo| format!("{} / {}", contract.topic, contract.name);
    Handler {
        id: route.id.to_string(),
        name: format!("{}::{}", handler.module, handler.name),
        place: handler.place(),
        arguments: handler.arguments.iter().map(|a| short_type((a.type_name)())).collect(),
        payload,
        sends: handler.sends().map(|contracts| contracts.iter().map(sent).collect()),
        layers: route.layers.len(),
        blocking: handler.blocking,
    }
}

fn print(explained: &Explained) {
    say!("{} / {}: {}", explained.topic, explained.event, explained.becomes);
    if let Some(handler) = &explained.handler {
        say!();
        let line = |what: &str, text: &str| {
            say!("  {what:<10} {}", if text.is_empty() { "-" } else { text });
        };
        line("handler", &format!("{}   {}", handler.name, handler.place));
        line("arguments", &handler.arguments.join(", "));
        for (age, contract) in handler.payload.iter().enumerate() {
            let Contract { r#type: type_name, version, place } = contract;
            let what = if age == 0 { "contract" } else { "converts" };
            line(what, &format!("{type_name} version {version}   {place}"));
        }
        let sends = handler.sends.as_ref().map(|sends| sends.join(", "));
        line("sends", sends.as_deref().unwrap_or("any event"));
        line("layers", &handler.layers.to_string());
        line("runs", if handler.blocking { "off the async threads" } else { "async" });
    }
    if !explained.on_failure.is_empty() {
        say!("\non failure");
        for sentence in &explained.on_failure {
            say!("  {sentence}");
        }
    }
    say!();
    let mut table = Table::new(&["SETTING", "VALUE", "FROM"]);
    for setting in &explained.settings {
        table.row([setting.key.to_owned(), setting.value.clone(), setting.source.clone()]);
    }
    say!("{}", table.to_string().trim_end());
}

//! What becomes of an event of this name, in each consumer group.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde::Serialize;

use super::left_to;
use super::policy::{delivery, on_failure, unknown};
use super::sources::{Setting, common, of_dead_letters, of_group, of_route, of_unknown_events};
use crate::app::{EventApp, Settings};
use crate::cli::known::{contract_of, events, meant, shown, usage};
use crate::cli::table::Table;
use crate::event::{ContractInfo, GroupName, TopicName};
use crate::handler::{HandlerPolicy, HandlerRegistration, Selector};
use crate::outcome::Error;
use crate::processor::SiblingGroups;
use crate::registry::{Registry, short_type};
use crate::router::{EventRouter, Route, TopicRoutes};

#[derive(Serialize)]
struct Explained {
    topic: String,
    event: String,
    /// In a sentence.
    outcome: String,
    /// The groups that read the topic, sorted.
    groups: Vec<InGroup>,
    /// What is the same in all of them.
    settings: Vec<Setting>,
}

#[derive(Serialize)]
struct InGroup {
    group: String,
    /// In a sentence.
    outcome: String,
    handler: Option<Handler>,
    /// The topic's, whoever handles the event.
    dead_letters: String,
    /// In sentences; empty when nobody handles it.
    delivery: Vec<String>,
    on_failure: Vec<String>,
    /// What becomes of an event of the topic that no handler takes; `None` when one takes all.
    unknown_events: Option<String>,
    settings: Vec<Setting>,
}

#[derive(Serialize)]
struct Handler {
    id: String,
    name: String,
    source: String,
    arguments: Vec<String>,
    /// The contract that the data is read as, then the older ones that it converts.
    payload: Vec<Contract>,
    /// None when it could be any event.
    emits: Option<Vec<String>>,
    /// The outermost first.
    layers: Vec<String>,
    blocking: bool,
    policy: HandlerPolicy,
}

#[derive(Serialize)]
struct Contract {
    r#type: &'static str,
    version: u32,
    source: String,
}

pub(super) fn run(
    app: &EventApp,
    settings: &Settings,
    group: Option<&str>,
    (topic, event): (&str, &str),
    json: bool,
) -> Result<(), Error> {
    let explained = explain(app, settings, group, topic, event).map_err(usage)?;
    if json {
        say!("{}", serde_json::to_string_pretty(&explained)?);
    } else {
        print(&explained);
    }
    Ok(())
}

fn explain(
    app: &EventApp,
    settings: &Settings,
    group: Option<&str>,
    topic: &str,
    event: &str,
) -> Result<Explained, String> {
    let registry = app.registry();
    let known = events(&registry);
    if registry.handlers().iter().all(|handler| handler.topic != topic)
        && !known.iter().any(|(known, _)| *known == topic)
    {
        let topics: BTreeSet<_> =
            registry.handlers().iter().map(|h| h.topic).chain(known.iter().map(|k| k.0)).collect();
        return Err(format!(
            "no contract or handler knows the topic {}; {}",
            shown(topic),
            meant(topic, &topics)
        ));
    }
    let routers = app.routers(&settings.group);
    let groups = routers
        .keys()
        .filter(|own| group.is_none_or(|group| own.as_str() == group))
        .filter_map(|group| in_group(&registry, settings, (group, &routers), topic, event));
    let groups: Vec<_> = groups.collect();
    let is_handled = routers.values().any(|own| route_of(&own.topic(topic), event).is_some());
    if !is_handled && !matches!(event, "tombstone" | "*") && !known.contains(&(topic, event)) {
        let names = known.iter().filter(|(of, _)| *of == topic).map(|(_, name)| *name);
        let unknown =
            format!("no contract or handler knows the event {} of topic {topic}", shown(event));
        let elsewhere: Vec<_> =
            known.iter().filter(|(_, name)| *name == event).map(|(of, _)| *of).collect();
        return Err(match elsewhere.is_empty() {
            true => format!("{unknown}; {}", meant(event, &names.collect())),
            false => format!("{unknown}; it is an event of {}", elsewhere.join(", ")),
        });
    }
    Ok(Explained {
        topic: topic.to_owned(),
        event: event.to_owned(),
        outcome: match &groups[..] {
            [] => "not read: no handler of this service listens to the topic".to_owned(),
            [only] => only.outcome.clone(),
            several => {
                let each =
                    several.iter().map(|one| format!("in group `{}`: {}", one.group, one.outcome));
                each.collect::<Vec<_>>().join("; ")
            }
        },
        groups,
        settings: common(settings),
    })
}

/// `None` when the group does not read the topic.
fn in_group(
    registry: &Registry,
    settings: &Settings,
    (group, routers): (&GroupName, &BTreeMap<GroupName, EventRouter>),
    topic: &str,
    event: &str,
) -> Option<InGroup> {
    let routes = routers.get(group)?.topic(topic);
    let all: Vec<_> = routes.routes().collect();
    if all.is_empty() {
        return None;
    }
    let route = route_of(&routes, event);
    let name = TopicName::foreign(topic).ok()?;
    let dead_letters = routes.dead_letters(&name).ok()?.to_string();
    let others = SiblingGroups::of(group, routers);
    let other = others.take(group, &name, |routes| route_of(routes, event).is_some());
    let unknown_events = unknown(settings.policy.unknown_events(topic), &dead_letters);
    let of_rest = match others.take(group, &name, |routes| routes.rest().is_some()) {
        Some(other) => left_to(Some(other)),
        None => unknown_events.clone(),
    };
    let policy = route.map(|route| settings.policy.of(route.handler));
    let mut of_this = vec![of_group(settings, group.as_str())];
    of_this.extend(route.into_iter().flat_map(|route| of_route(settings, route)));
    let given = all.iter().find(|route| route.handler.dead_letter.is_some());
    of_this.push(of_dead_letters(&dead_letters, given.map(|route| &**route)));
    of_this.push(of_unknown_events(settings, topic));
    Some(InGroup {
        group: group.to_string(),
        outcome: match route {
            Some(route) if event != "*" && matches!(route.handler.selects, Selector::CatchAll) => {
                format!(
                    "handled by {}, which takes what no other handler of the topic does",
                    route.id
                )
            }
            Some(route) => format!("handled by {}", route.id),
            None if other.is_some() => left_to(other),
            None if event == "tombstone" => {
                "skipped and counted: no handler takes tombstones".to_owned()
            }
            None => format!("{unknown_events}: no handler takes it"),
        },
        handler: route
            .zip(policy.as_ref())
            .map(|(route, policy)| describe((route, policy), registry, topic, event)),
        delivery: policy.as_ref().map(delivery).unwrap_or_default(),
        on_failure: policy
            .as_ref()
            .map(|policy| on_failure(policy, topic, &dead_letters))
            .unwrap_or_default(),
        unknown_events: routes.rest().is_none().then_some(of_rest),
        dead_letters,
        settings: of_this,
    })
}

/// The handler of an event, as the command line names it.
fn route_of<'a>(routes: &'a TopicRoutes, event: &str) -> Option<&'a Arc<Route>> {
    match event {
        "tombstone" => routes.tombstones(),
        "*" => routes.rest(),
        event => routes.find(event),
    }
}

fn describe(
    (route, policy): (&Route, &HandlerPolicy),
    registry: &Registry,
    topic: &str,
    event: &str,
) -> Handler {
    let handler: &HandlerRegistration = route.handler;
    let payload = handler.contracts().iter().copied().find(|contract| contract.name == event);
    let payload = std::iter::successors(payload, |contract| contract.older);
    let contract = |contract: &ContractInfo| Contract {
        r#type: contract.type_name,
        version: contract.version,
        source: format!("{}:{}", contract.file, contract.line),
    };
    let mut payload: Vec<_> = payload.map(contract).collect();
    if payload.is_empty() && handler.contracts().is_empty() {
        // Untyped: the contract that somebody else has for it says what is in there.
        payload.extend(contract_of(registry, topic, event).map(contract));
    }
    let sent = |contract: &&ContractInfo| format!("{} / {}", contract.topic, contract.name);
    let layers: Vec<_> = match policy.batch {
        // A layer sees one record.
        Some(_) => Vec::new(),
        None => route.layers.names().map(layer).collect(),
    };
    Handler {
        id: route.id.to_string(),
        name: format!("{}::{}", handler.module, handler.name),
        source: handler.source(),
        arguments: handler.arguments.iter().map(|a| short_type((a.type_name)())).collect(),
        payload,
        emits: handler.sends().map(|contracts| contracts.iter().map(sent).collect()),
        layers,
        blocking: handler.blocking,
        policy: policy.clone(),
    }
}

fn layer(name: &str) -> String {
    match name.contains("{{closure}}") {
        true => "a closure".to_owned(),
        false => short_type(name),
    }
}

fn print(explained: &Explained) {
    let Explained { topic, event, outcome, groups, settings } = explained;
    match groups.len() {
        0 | 1 => say!("{topic} / {event}: {outcome}"),
        several => say!("{topic} / {event}: read by {several} consumer groups"),
    }
    for group in groups {
        if groups.len() > 1 {
            say!("\nin group `{}`: {}", group.group, group.outcome);
        }
        print_group(group);
    }
    say!();
    print_settings(settings);
}

fn print_group(group: &InGroup) {
    if let Some(handler) = &group.handler {
        say!();
        let line = |what: &str, text: &str| {
            say!("  {what:<10} {}", if text.is_empty() { "-" } else { text });
        };
        line("handler", &format!("{}   {}", handler.id, handler.source));
        line("arguments", &handler.arguments.join(", "));
        for (age, contract) in handler.payload.iter().enumerate() {
            let Contract { r#type: type_name, version, source } = contract;
            let what = if age == 0 { "contract" } else { "converts" };
            line(what, &format!("{type_name} version {version}   {source}"));
        }
        let sends = handler.emits.as_ref().map(|sends| sends.join(", "));
        line("emits", sends.as_deref().unwrap_or("any event"));
        line("layers", &handler.layers.join(", "));
        line("kind", if handler.blocking { "off the async threads" } else { "async" });
    }
    let unknown = group.unknown_events.iter();
    let unknown = unknown.map(|unknown| format!("an event that no handler takes: {unknown}"));
    let unknown: Vec<_> = unknown.collect();
    for (title, sentences) in [
        ("delivery", &group.delivery),
        ("on failure", &group.on_failure),
        ("the rest of the topic", &unknown),
    ] {
        if !sentences.is_empty() {
            say!("\n{title}");
            sentences.iter().for_each(|sentence| say!("  {sentence}"));
        }
    }
    say!();
    print_settings(&group.settings);
}

fn print_settings(settings: &[Setting]) {
    let mut table = Table::new(&["SETTING", "VALUE", "FROM"]);
    settings.iter().for_each(|setting| table.row(setting.row()));
    say!("{}", table.to_string().trim_end());
}

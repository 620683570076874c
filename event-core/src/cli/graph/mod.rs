//! `graph`: which event leads to which handler, and which handler to which event.

mod dot;
mod mermaid;
mod text;

use std::collections::{BTreeMap, BTreeSet};

use clap::{Args, ValueEnum};

use crate::handler::Selector;
use crate::registry::Registry;

#[derive(Debug, Args)]
pub(super) struct GraphArgs {
    /// The format: text, Mermaid or Graphviz
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Format {
    Text,
    Mermaid,
    Dot,
}

/// The events that the service knows, and its handlers. The order is that of the names.
struct Graph {
    events: Vec<Event>,
    handlers: Vec<Handler>,
}

struct Event {
    topic: &'static str,
    name: &'static str,
    /// The handlers that take it, by index.
    handlers: Vec<usize>,
}

struct Handler {
    id: String,
    /// The consumer groups of its own.
    groups: BTreeSet<&'static str>,
    /// The events that it can send, by index; `None` when it could be any.
    sends: Option<Vec<usize>>,
}

pub(super) fn run(registry: &Registry, arguments: &GraphArgs) {
    let graph = Graph::new(registry);
    let written = match arguments.format {
        Format::Text => text::write(&graph),
        Format::Mermaid => mermaid::write(&graph),
        Format::Dot => dot::write(&graph),
    };
    say!("{}", written.trim_end());
}

impl Graph {
    fn new(registry: &Registry) -> Self {
        // Several attributes on one function are one handler.
        let mut handlers = BTreeMap::<String, Vec<_>>::new();
        for handler in registry.handlers() {
            handlers.entry(handler.id()).or_default().push(*handler);
        }
        let mut names: BTreeSet<(&str, &str)> =
            registry.taken_contracts().iter().map(|c| (c.topic, c.name)).collect();
        for handler in registry.handlers() {
            names.extend(handler.selects.names().into_iter().map(|name| (handler.topic, name)));
            names.extend(handler.sends().unwrap_or_default().iter().map(|c| (c.topic, c.name)));
        }
        let names: Vec<_> = names.into_iter().collect();
        let takers = |(topic, name): (&str, &str)| -> Vec<usize> {
            let those = |takes: &dyn Fn(Selector) -> bool| -> Vec<usize> {
                let found = handlers.values().enumerate().filter(|(_, registrations)| {
                    registrations.iter().any(|h| h.topic == topic && takes(h.selects))
                });
                found.map(|(index, _)| index).collect()
            };
            let own = those(&|selects| selects.names().contains(&name));
            // What no handler takes by its name is for the one that takes the rest.
            match own.is_empty() && name != "tombstone" {
                true => those(&|selects| matches!(selects, Selector::CatchAll)),
                false => own,
            }
        };
        let events = names.iter().map(|(topic, name)| Event {
            topic,
            name,
            handlers: takers((topic, name)),
        });
        let events = events.collect();
        let handlers = handlers.iter().map(|(id, registrations)| {
            let sends = registrations.iter().map(|h| h.sends()).collect::<Option<Vec<_>>>();
            let sends = sends.map(|contracts| {
                let contracts = contracts.into_iter().flatten();
                let sent: BTreeSet<_> = contracts
                    .filter_map(|c| names.iter().position(|name| *name == (c.topic, c.name)))
                    .collect();
                sent.into_iter().collect()
            });
            let groups = registrations.iter().filter_map(|h| h.options.group).collect();
            Handler { id: id.clone(), groups, sends }
        });
        Graph { events, handlers: handlers.collect() }
    }

    /// Whether a handler may send more than is known.
    fn has_unknown(&self) -> bool {
        self.handlers.iter().any(|handler| handler.sends.is_none())
    }
}

impl Handler {
    fn label(&self) -> String {
        match self.groups.is_empty() {
            true => self.id.clone(),
            false => {
                let groups: Vec<_> = self.groups.iter().copied().collect();
                format!("{} in group {}", self.id, groups.join(", "))
            }
        }
    }
}

impl Event {
    fn label(&self) -> String {
        format!("{} / {}", self.topic, self.name)
    }
}

//! The names that a person may type, and what was meant by one that is not known.

use std::collections::BTreeSet;

use crate::app::ExitStatus;
use crate::event::{ContractInfo, EventName, NameError, TopicName, excerpt};
use crate::registry::Registry;

/// A wrong command line.
pub(super) fn usage(message: String) -> ExitStatus {
    ExitStatus { code: 2, message }
}

/// The events that contracts and handlers know, with their topics.
pub(super) fn events(registry: &Registry) -> BTreeSet<(&'static str, &'static str)> {
    let contracts = registry.contracts().iter().map(|c| (c.topic, c.name));
    let handlers = registry
        .handlers()
        .iter()
        .filter(|h| h.is_for_names())
        .flat_map(|h| h.selects.names().into_iter().map(|name| (h.topic, name)));
    contracts.chain(handlers).collect()
}

/// `did you mean ..?`, or what there is.
pub(super) fn meant(name: &str, known: &BTreeSet<&str>) -> String {
    let near = known
        .iter()
        .map(|known| (strsim::damerau_levenshtein(known, name), known))
        .min()
        .filter(|(distance, known)| *distance <= known.len() / 3);
    match near {
        Some((_, near)) => format!("did you mean {near}?"),
        None if known.is_empty() => "none is known".to_owned(),
        None => format!("known are {}", known.iter().copied().collect::<Vec<_>>().join(", ")),
    }
}

/// The newest contract of an event.
pub(super) fn contract_of<'a>(
    registry: &'a Registry,
    topic: &str,
    event: &str,
) -> Option<&'a ContractInfo> {
    // Sorted by version.
    registry.contracts().iter().copied().rfind(|c| c.topic == topic && c.name == event)
}

/// The topic of this name: by our rule, or as others chose it where that is known.
pub(super) fn topic_named(registry: &Registry, topic: &str) -> Result<TopicName, NameError> {
    let contracts = registry.contracts().iter().map(|contract| contract.topic);
    let known = contracts.chain(registry.handlers().iter().map(|handler| handler.topic));
    match known.into_iter().any(|known| known == topic) {
        true => TopicName::foreign(topic),
        false => TopicName::parse(topic),
    }
}

/// The event of this name: by our rule, or as others chose it where that is known.
pub(super) fn event_named(registry: &Registry, event: &str) -> Result<EventName, NameError> {
    match events(registry).iter().any(|(_, known)| *known == event) {
        true => EventName::foreign(event),
        false => EventName::parse(event),
    }
}

/// The one topic on which an event of this name is known, by a contract or by a handler.
pub(super) fn topic_of(registry: &Registry, event: &str) -> Result<TopicName, String> {
    let known = events(registry);
    let topics: BTreeSet<_> =
        known.iter().filter(|(_, name)| *name == event).map(|(t, _)| *t).collect();
    match topics.iter().collect::<Vec<_>>()[..] {
        [topic] => TopicName::foreign(topic).map_err(|error| error.to_string()),
        [] => {
            let names: BTreeSet<_> = known.iter().map(|(_, name)| *name).collect();
            let unknown = format!("no contract or handler knows the event {}", excerpt(event, 64));
            Err(format!("{unknown}; {}", meant(event, &names)))
        }
        _ => {
            let topics: Vec<_> = topics.into_iter().collect();
            Err(format!(
                "the event {event} is known on several topics: {}; say which (`--topic`, or `\"topic\"` in a sample line)",
                topics.join(", ")
            ))
        }
    }
}

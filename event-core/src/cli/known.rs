//! The names that a person may type, and what was meant by one that is not known.

use std::collections::BTreeSet;

use crate::app::ExitStatus;
use crate::event::{ContractInfo, TopicName, excerpt};
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

pub(super) fn contract_of<'a>(
    registry: &'a Registry,
    topic: &str,
    event: &str,
) -> Option<&'a ContractInfo> {
    registry.contracts().iter().copied().find(|c| c.topic == topic && c.name == event)
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

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
    match nearest(name, known) {
        Some(near) => format!("did you mean {near}?"),
        None if known.is_empty() => "none is known".to_owned(),
        None => format!("known are {}", known.iter().copied().collect::<Vec<_>>().join(", ")),
    }
}

/// The known name that was probably meant. What differs in case or blanks alone is nearest.
fn nearest<'a>(name: &str, known: &BTreeSet<&'a str>) -> Option<&'a str> {
    let name = name.trim().to_lowercase();
    let near = known
        .iter()
        .map(|known| (strsim::damerau_levenshtein(&known.to_lowercase(), &name), *known))
        .min();
    near.filter(|(distance, known)| *distance <= known.len() / 3).map(|(_, near)| near)
}

/// A name that was typed, with quotes where a blank could not be seen without.
pub(super) fn shown(name: &str) -> String {
    let name = excerpt(name, 64);
    if name.is_empty() || name.trim() != name { format!("{name:?}") } else { name }
}

// A name that cannot be one.
fn no_name(name: &str, error: &NameError, known: &BTreeSet<&str>) -> ExitStatus {
    usage(match nearest(name, known) {
        Some(near) => format!("{error}; did you mean {near}?"),
        None => error.to_string(),
    })
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
pub(super) fn topic_named(registry: &Registry, topic: &str) -> Result<TopicName, ExitStatus> {
    let contracts = registry.contracts().iter().map(|contract| contract.topic);
    let known = contracts.chain(registry.handlers().iter().map(|handler| handler.topic));
    let known: BTreeSet<_> = known.collect();
    let named = match known.contains(topic) {
        true => TopicName::foreign(topic),
        false => TopicName::parse(topic),
    };
    named.map_err(|error| no_name(topic, &error, &known))
}

/// The event of this name: by our rule, or as others chose it where that is known.
pub(super) fn event_named(registry: &Registry, event: &str) -> Result<EventName, ExitStatus> {
    let known: BTreeSet<_> = events(registry).into_iter().map(|(_, name)| name).collect();
    let named = match known.contains(event) {
        true => EventName::foreign(event),
        false => EventName::parse(event),
    };
    named.map_err(|error| no_name(event, &error, &known))
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
            let unknown = format!("no contract or handler knows the event {}", shown(event));
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_in_another_case_or_with_a_blank_is_near() {
        let known = BTreeSet::from(["CLAIM_ADDED", "CLAIM_REMOVED"]);
        for near in ["claim_added", "CLAIM-ADDED", "ClaimAdded", " CLAIM_ADDED ", "CLAIM_ADED"] {
            assert_eq!(meant(near, &known), "did you mean CLAIM_ADDED?", "{near}");
        }
        assert_eq!(meant("USER", &known), "known are CLAIM_ADDED, CLAIM_REMOVED");
        assert_eq!(shown("CLAIM_ADDED "), "\"CLAIM_ADDED \"");
        assert_eq!(shown("CLAIM_ADDED"), "CLAIM_ADDED");
    }

    #[test]
    fn a_name_that_can_be_none_is_a_wrong_command_line() {
        let registry = Registry::linked();
        for event in ["", "claim_added", "CLAIM-ADDED", "a b"] {
            assert_eq!(
                event_named(&registry, event).map_err(|error| error.code),
                Err(2),
                "{event}"
            );
        }
        for topic in ["", "RoleEvents", "role events"] {
            assert_eq!(
                topic_named(&registry, topic).map_err(|error| error.code),
                Err(2),
                "{topic}"
            );
        }
    }
}

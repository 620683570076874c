//! Whether the topics of handlers, contracts and dead letters fit together.

use std::collections::{BTreeMap, BTreeSet};

use super::{Registry, SourceLocation, StartupProblem};
use crate::event::{NameError, TopicName};
use crate::handler::{HandlerRegistration, Selector};

// A topic that is this close to a known one was probably meant to be that.
const NEAR: usize = 2;

pub(super) type Handlers = Vec<&'static HandlerRegistration>;

impl Registry {
    /// What does not fit between the handlers and the topics that the settings let the service read:
    /// problems, then warnings. `source` is what names these topics.
    #[must_use]
    pub fn check_topics(
        &self,
        allowed: &[TopicName],
        source: &str,
    ) -> (Vec<StartupProblem>, Vec<StartupProblem>) {
        let topics = self.topics();
        let excluded = topics.iter().filter(|(topic, _)| !allowed.iter().any(|a| a == **topic));
        let excluded = excluded.map(|(topic, handlers)| StartupProblem::ExcludedTopic {
            topic,
            source: source.to_owned(),
            handlers: handlers.clone(),
        });
        let allowed: BTreeSet<_> = allowed.iter().map(TopicName::as_str).collect();
        let unused = allowed.into_iter().filter(|topic| !topics.contains_key(topic));
        let unused = unused.map(|topic| StartupProblem::UnusedTopic {
            topic: topic.to_owned(),
            source: source.to_owned(),
            nearest: nearest(topic, topics.keys().copied()),
        });
        (excluded.collect(), unused.collect())
    }

    pub(super) fn topic_names(&self, group: &str) -> Vec<StartupProblem> {
        let problems = self.topics().into_iter().filter_map(|(topic, handlers)| {
            let foreign = is_foreign(&handlers);
            let name = match TopicName::registered(topic, foreign) {
                Ok(name) => name,
                Err(error) => return Some(StartupProblem::TopicName { error, handlers }),
            };
            // Its dead-letter topic may be named; the one to redrive through has the longer name.
            if let Err(error) = name.redrive() {
                return Some(StartupProblem::RedriveName { topic, error, handlers });
            }
            let error = dead_letters(&name, &handlers, group).find_map(Result::err)?;
            Some(StartupProblem::DeadLetterName { topic, error, handlers })
        });
        problems.collect()
    }

    /// Each group has dead letters of its own, so only the handlers of one have to agree.
    pub(super) fn dead_letter_topics(&self, group: &str) -> Vec<StartupProblem> {
        let problems = self.topics().into_iter().flat_map(|(topic, handlers)| {
            let groups = by_group(&handlers, group).into_iter();
            let problems = groups.filter_map(|(group, mut handlers)| {
                handlers.retain(|handler| handler.dead_letter.is_some());
                let names: BTreeSet<_> = handlers.iter().map(|one| one.dead_letter).collect();
                let group = group.to_owned();
                (names.len() > 1).then_some(StartupProblem::DeadLetterTopics {
                    topic,
                    group,
                    handlers,
                })
            });
            problems.collect::<Vec<_>>()
        });
        problems.collect()
    }

    /// A letter that is read by the handlers that gave it up would go round for ever.
    pub(super) fn dead_letter_loops(&self, group: &str) -> Vec<StartupProblem> {
        let topics = self.topics();
        // What comes back to the handlers of a topic on another one.
        let mut read_back = BTreeMap::new();
        for (topic, handlers) in &topics {
            let Ok(name) = TopicName::registered(topic, is_foreign(handlers)) else { continue };
            let delays = handlers.iter().flat_map(|handler| handler.retry_topics());
            let retries = delays.map(|delay| name.retry(*delay));
            for back in retries.chain([name.redrive()]).filter_map(Result::ok) {
                read_back.insert(back.to_string(), (*topic).to_owned());
            }
        }
        let next = topics.iter().filter_map(|(topic, handlers)| {
            let name = TopicName::registered(topic, is_foreign(handlers)).ok()?;
            let letters = dead_letters(&name, handlers, group).filter_map(Result::ok);
            let letters = letters.map(|letters| letters.to_string());
            let read_as = letters.map(|name| read_back.get(&name).cloned().unwrap_or(name));
            Some((*topic, read_as.collect()))
        });
        let next = next.collect();
        let loops = topics.into_iter().filter_map(|(topic, handlers)| {
            let mut topics = vec![topic.to_owned()];
            comes_back(&next, &mut topics)
                .then_some(StartupProblem::DeadLetterLoop { topics, handlers })
        });
        loops.collect()
    }

    pub(super) fn colliding_topics(&self, group: &str) -> Vec<StartupProblem> {
        // Each name with the first thing that needs it.
        let mut names = BTreeMap::<String, SourceLocation>::new();
        for handler in &self.handlers {
            for name in [Some(handler.topic), handler.dead_letter].into_iter().flatten() {
                names.entry(name.to_owned()).or_insert_with(|| SourceLocation::from(*handler));
            }
        }
        for contract in self.taken_contracts() {
            names
                .entry(contract.topic.to_owned())
                .or_insert_with(|| SourceLocation::from(contract));
        }
        // These collide with each other only when their topics do, which is enough to say.
        let mut derived = BTreeSet::new();
        for (topic, handlers) in self.topics() {
            let Ok(topic) = TopicName::registered(topic, is_foreign(&handlers)) else { continue };
            for name in dead_letters(&topic, &handlers, group).filter_map(Result::ok) {
                if let [first, ..] = handlers[..]
                    && !names.contains_key(name.as_str())
                {
                    names.insert(name.to_string(), SourceLocation::from(first));
                    derived.insert(name.to_string());
                }
            }
        }
        let mut alike = BTreeMap::<String, Vec<(String, SourceLocation)>>::new();
        for (name, place) in names {
            alike.entry(name.replace('.', "_")).or_default().push((name, place));
        }
        let alike = alike.into_values().filter(|names| {
            names.len() > 1 && !names.iter().all(|(name, _)| derived.contains(name))
        });
        let problems = alike.map(|names| {
            let (topics, mut places): (Vec<_>, Vec<_>) = names.into_iter().unzip();
            places.dedup();
            StartupProblem::CollidingTopics { topics, places }
        });
        problems.collect()
    }

    /// The catch-alls of a topic that only they know. It may be misspelt, or foreign.
    pub(super) fn lonely_catch_alls(&self) -> Vec<StartupProblem> {
        let contracts: BTreeSet<_> = self.taken_contracts().iter().map(|c| c.topic).collect();
        let topics = self.topics();
        let lonely = topics.iter().filter_map(|(topic, handlers)| match handlers[..] {
            _ if contracts.contains(topic) || handlers.iter().any(|h| h.is_for_names()) => None,
            [..] => handlers.iter().find(|h| matches!(h.selects, Selector::CatchAll)),
        });
        // That two topics collide is a problem of its own.
        let lonely = lonely.filter(|handler| {
            let mut known = topics.keys().chain(&contracts);
            !known.any(|topic| event_names::collide(topic, handler.topic))
        });
        let problems = lonely.map(|handler| {
            let others = topics.keys().chain(&contracts).copied();
            let others = others.filter(|topic| *topic != handler.topic);
            let nearest = nearest(handler.topic, others);
            StartupProblem::LonelyCatchAll { handler, nearest }
        });
        problems.collect()
    }

    pub(super) fn topics(&self) -> BTreeMap<&'static str, Handlers> {
        let mut topics = BTreeMap::<_, Handlers>::new();
        for handler in &self.handlers {
            topics.entry(handler.topic).or_default().push(*handler);
        }
        topics
    }
}

pub(super) fn is_foreign(handlers: &Handlers) -> bool {
    handlers.iter().any(|handler| handler.has_foreign_names())
}

/// `handlers` by their consumer groups; `default` is the group of those that name none.
fn by_group<'a>(handlers: &Handlers, default: &'a str) -> BTreeMap<&'a str, Handlers> {
    let mut groups = BTreeMap::<_, Handlers>::new();
    for handler in handlers.iter().copied() {
        groups.entry(handler.options.group.unwrap_or(default)).or_default().push(handler);
    }
    groups
}

/// The topics that take the dead letters of `topic`, whose handlers these are: one for each group.
pub(super) fn dead_letters(
    topic: &TopicName,
    handlers: &Handlers,
    default_group: &str,
) -> impl Iterator<Item = Result<TopicName, NameError>> {
    let groups = by_group(handlers, default_group).into_values();
    groups.map(|handlers| match handlers.iter().find_map(|handler| handler.dead_letter) {
        Some(name) => TopicName::registered(name, is_foreign(&handlers)),
        None => topic.dead_letters(),
    })
}

/// Whether the letters of the last of `topics` come back to the first; `topics` is then the way. Each
/// loop is found by the first of its topics only.
fn comes_back(next: &BTreeMap<&str, BTreeSet<String>>, topics: &mut Vec<String>) -> bool {
    let [first, ..] = &topics[..] else { return false };
    let first = first.clone();
    let after = topics.last().and_then(|last| next.get(last.as_str()));
    for after in after.into_iter().flatten() {
        if *after == first {
            return true;
        }
        // A way into a loop is no loop of its own.
        if *after < first || topics.contains(after) {
            continue;
        }
        topics.push(after.clone());
        if comes_back(next, topics) {
            return true;
        }
        topics.pop();
    }
    false
}

fn nearest(topic: &str, known: impl Iterator<Item = &'static str>) -> Option<&'static str> {
    let near = known.map(|known| (strsim::damerau_levenshtein(topic, known), known));
    near.filter(|(distance, _)| *distance <= NEAR).min().map(|(_, known)| known)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::handler::{DeliveryOptions, HandlerCall};

    const MINUTE: Duration = Duration::from_secs(60);

    #[test]
    fn dead_letters_in_a_retry_or_redrive_topic_come_back_too() {
        let handler = |topic: &'static str, letters: &'static str| {
            let call =
                HandlerCall::Call(|_| Box::pin(async { Ok(crate::outcome::Outcome::Handled) }));
            let options = DeliveryOptions::new().retry_topics(&[MINUTE]);
            let registration =
                HandlerRegistration::new(topic, Selector::Event("A"), "on_a", &[], call)
                    .at("roles", "src/roles.rs", 7)
                    .options(options)
                    .dead_letter(letters);
            &*Box::leak(Box::new(registration))
        };
        for (letters, comes_back) in [
            ("role_events_retry_1m", true),
            ("role_events_redrive", true),
            ("role_events", true),
            ("role_events_retry_2m", false),
            ("role_events_dlq", false),
        ] {
            let handlers = vec![handler("role_events", letters)];
            let registry = Registry { handlers, contracts: Vec::new(), modules: Vec::new() };
            let loops = registry.dead_letter_loops("roles");
            assert_eq!(!loops.is_empty(), comes_back, "{letters}: {loops:?}");
        }
    }
}

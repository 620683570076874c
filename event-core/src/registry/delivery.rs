//! Whether what handlers want of delivery fits together, and with the settings.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::topics::{Handlers, dead_letters, is_foreign};
use super::{NamedTables, Registry, StartupProblem, nearest_name};
use crate::event::TopicName;
use crate::handler::{HandlerPolicy, HandlerRegistration, Order};

/// What the settings say of all handlers together.
#[derive(Clone, Copy, Debug)]
pub struct DeliveryBounds {
    /// How long a shutdown waits.
    pub drain: Duration,
    /// How many calls run at once.
    pub max_concurrency: usize,
}

// Whether one may be meant by the other: it has the same last part, is inside it, or spelt nearly so.
fn is_like(name: &str, known: &str) -> bool {
    let last = |name: &str| name.rsplit("::").next().map(str::to_owned);
    last(name) == last(known)
        || (!name.is_empty() && known.contains(name))
        || strsim::damerau_levenshtein(name, known) <= known.len() / 3
}

impl Registry {
    /// Warnings about handlers whose policies do not fit to the settings.
    #[must_use]
    pub fn check_policies(
        &self,
        bounds: DeliveryBounds,
        policy: impl Fn(&HandlerRegistration) -> HandlerPolicy,
    ) -> Vec<StartupProblem> {
        let mut slow = BTreeMap::<Duration, Handlers>::new();
        let mut crowding = BTreeMap::<u32, Handlers>::new();
        for handler in self.handlers.iter().copied() {
            let HandlerPolicy { timeout, concurrency, .. } = policy(handler);
            if let Some(timeout) = timeout.filter(|timeout| *timeout > bounds.drain) {
                slow.entry(timeout).or_default().push(handler);
            }
            if usize::try_from(concurrency).is_ok_and(|calls| calls > bounds.max_concurrency) {
                crowding.entry(concurrency).or_default().push(handler);
            }
        }
        let limit = bounds.max_concurrency;
        let crowding = crowding.into_iter().flat_map(|(concurrency, handlers)| {
            let handlers = once_each(handlers);
            handlers.map(move |handler| StartupProblem::TooConcurrent {
                concurrency,
                limit,
                handler,
            })
        });
        let slow = slow.into_iter().map(|(timeout, handlers)| StartupProblem::LongTimeout {
            timeout,
            drain: bounds.drain,
            handlers: once_each(handlers).collect(),
        });
        slow.chain(crowding).collect()
    }

    /// What the settings say about handlers and topics that are not there; `tables` are those of the
    /// settings, each by its table and name with where it stands.
    #[must_use]
    pub fn check_named(&self, tables: &NamedTables) -> Vec<StartupProblem> {
        // Without handlers no name is there, which is a problem of its own.
        if self.handlers.is_empty() {
            return Vec::new();
        }
        let ids: BTreeSet<_> = self.handlers.iter().map(|handler| handler.id()).collect();
        let listened: BTreeSet<_> = self.handlers.iter().map(|h| h.topic.to_owned()).collect();
        let problems = tables.iter().filter_map(|((table, name), source)| {
            let known = if *table == "handlers" { &ids } else { &listened };
            (!known.contains(name)).then(|| StartupProblem::UnknownSettingTarget {
                table,
                name: name.clone(),
                source: source.clone(),
                nearest: nearest_name(name, known).filter(|near| is_like(name, near)),
                known: known.iter().cloned().collect(),
            })
        });
        problems.collect()
    }

    /// A handler that keeps the order of the partition has no use for the concurrency that the
    /// settings give it; `given` says what gives it to the handler with an id.
    #[must_use]
    pub fn check_concurrency(&self, given: impl Fn(&str) -> Option<String>) -> Vec<StartupProblem> {
        let ordered = self.handlers.iter().filter(|h| h.options.order == Order::Partition);
        let useless = once_each(ordered.copied()).filter_map(|handler| {
            let source = given(&handler.id())?;
            Some(StartupProblem::UselessConcurrency { handler, source })
        });
        useless.collect()
    }

    /// A handler that is `blocking` cannot be cancelled after the time that the settings give it; `given`
    /// says what gives it to the handler with an id.
    #[must_use]
    pub fn check_blocking(&self, given: impl Fn(&str) -> Option<String>) -> Vec<StartupProblem> {
        let blocking = self.handlers.iter().copied().filter(|handler| handler.blocking);
        let limited = once_each(blocking).filter_map(|handler| {
            let source = given(&handler.id())?;
            Some(StartupProblem::BlockingTimeout { handler, source })
        });
        limited.collect()
    }

    /// A record in the order of the partition waits for those by key and holds them up, which is
    /// seldom what `order = key` was written for.
    pub(super) fn mixed_orders(&self, group: &str) -> Vec<StartupProblem> {
        let mut orders = BTreeMap::<_, (Handlers, Handlers)>::new();
        for handler in self.handlers.iter().copied() {
            let group = handler.options.group.unwrap_or(group);
            let (partition, key) = orders.entry((handler.topic, group)).or_default();
            match handler.options.order {
                Order::Partition => partition.push(handler),
                Order::Key => key.push(handler),
                Order::None => {}
            }
        }
        let mixed = orders.into_iter().filter(|(_, (p, k))| !p.is_empty() && !k.is_empty());
        let warnings = mixed.map(|((topic, group), (partition, key))| {
            StartupProblem::MixedOrders { topic, group: group.to_owned(), partition, key }
        });
        warnings.collect()
    }

    /// Retry topics whose names are over the limit. The attribute refuses them where it knows the
    /// topic.
    pub(super) fn retry_names(&self) -> Vec<StartupProblem> {
        let problems = self.topics().into_iter().filter_map(|(topic, handlers)| {
            let name = TopicName::registered(topic, is_foreign(&handlers)).ok()?;
            let fails = |handler: &&HandlerRegistration| {
                handler.retry_topics().iter().find_map(|delay| name.retry(*delay).err())
            };
            let error = handlers.iter().copied().find_map(|handler| fails(&handler))?;
            let failing = handlers.into_iter().filter(|handler| fails(handler).is_some());
            let handlers = once_each(failing).collect();
            Some(StartupProblem::RetryName { topic, error, handlers })
        });
        problems.collect()
    }

    /// Handlers on a topic that the engine keeps for itself: problems, then warnings. What is in a
    /// retry or redrive topic is for one handler of another topic; dead letters may well be looked at.
    pub(super) fn handled_derived_topics(
        &self,
        group: &str,
    ) -> (Vec<StartupProblem>, Vec<StartupProblem>) {
        let topics = self.topics();
        let (mut problems, mut warnings) = (Vec::new(), Vec::new());
        for (origin, handlers) in &topics {
            let Ok(name) = TopicName::registered(origin, is_foreign(handlers)) else { continue };
            let delays: BTreeSet<_> = handlers.iter().flat_map(|h| h.retry_topics()).collect();
            let retries = delays.into_iter().map(|delay| (name.retry(*delay), "retries"));
            let redeliveries = retries.chain([(name.redrive(), "redriven records")]);
            let letters = dead_letters(&name, handlers, group).map(|name| (name, "dead letters"));
            let all =
                redeliveries.chain(letters).filter_map(|(name, what)| Some((name.ok()?, what)));
            for (derived, purpose) in all.collect::<BTreeSet<_>>() {
                let Some((topic, handlers)) = topics.get_key_value(derived.as_str()) else {
                    continue;
                };
                let problem = StartupProblem::HandledDerivedTopic {
                    topic,
                    origin,
                    purpose,
                    handlers: once_each(handlers.iter().copied()).collect(),
                };
                match purpose {
                    "dead letters" => warnings.push(problem),
                    _ => problems.push(problem),
                }
            }
        }
        // Letters that come back are a problem, which says more.
        let loops = self.dead_letter_loops(group);
        let in_loop = |of: &str| {
            loops.iter().any(|one| {
                matches!(one, StartupProblem::DeadLetterLoop { topics, .. } if topics.iter().any(|t| t == of))
            })
        };
        warnings.retain(|warning| {
            !matches!(warning, StartupProblem::HandledDerivedTopic { origin, .. } if in_loop(origin))
        });
        (problems, warnings)
    }
}

/// Several attributes on one function are one handler.
fn once_each(
    handlers: impl IntoIterator<Item = &'static HandlerRegistration>,
) -> impl Iterator<Item = &'static HandlerRegistration> {
    let mut places = BTreeSet::new();
    handlers.into_iter().filter(move |h| places.insert((h.module, h.name, h.file, h.line)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::handler::{DeliveryOptions, HandlerCall, Selector};

    const HOUR: Duration = Duration::from_secs(3600);

    #[test]
    fn a_retry_topic_with_a_name_over_the_limit_is_a_problem() {
        // The attribute refuses it, but not every registration is made by it.
        let topic: &'static str = "a".repeat(242).leak();
        let call = HandlerCall::Call(|_| Box::pin(async { Ok(crate::outcome::Outcome::Handled) }));
        let options = DeliveryOptions::new().retry_topics(&[HOUR]);
        let registration =
            HandlerRegistration::new(topic, Selector::Event("ROLE_ADDED"), "late", &[], call)
                .at("roles", "src/roles.rs", 7)
                .options(options);
        let handlers = vec![&*Box::leak(Box::new(registration))];
        let registry = Registry { handlers, contracts: Vec::new(), modules: Vec::new() };
        let [problem] = &registry.retry_names()[..] else { panic!("no problem") };
        let message = problem.message();
        assert!(
            message.ends_with("aa_retry_1h`: topic name is 251 bytes long, the limit is 249"),
            "{message}"
        );
        assert_eq!(problem.places()[0].line, 7);
    }
}

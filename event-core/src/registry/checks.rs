//! Whether what is linked and what is provided fits together.

use std::collections::{BTreeMap, BTreeSet};

use super::{Registry, StartupProblem, StartupReport, is_inside, linking, loops, state_suggestion};
use crate::event::{ContractInfo, GroupName};
use crate::handler::HandlerRegistration;
use crate::state::StateKey;

impl Registry {
    /// Finds everything that does not fit together, all at once; `provided` are the states that the
    /// app has.
    #[must_use]
    pub fn check(&self, group: &str, provided: &[StateKey]) -> StartupReport {
        let mut report = StartupReport::default();
        report.add_problems(self.no_handlers());
        report.add_problems(self.duplicates(group));
        let (written, derived) = self.colliding_ids();
        report.add_problems(written);
        report.add_warnings(derived);
        report.add_problems(self.topic_names(group));
        report.add_problems(self.colliding_topics(group));
        report.add_problems(self.dead_letter_topics(group));
        report.add_problems(self.dead_letter_loops(group));
        report.add_problems(self.retry_names());
        let (redeliveries, letters) = self.handled_derived_topics(group);
        report.add_problems(redeliveries);
        report.add_warnings(letters);
        report.add_warnings(self.mixed_orders(group));
        report.add_warnings(self.lonely_catch_alls());
        report.add_problems(self.contract_shapes());
        report.add_problems(self.contract_keys());
        report.add_warnings(self.event_loops(group));
        report.add_problems(self.untrue_emits());
        report.add_problems(self.missing_states(provided));
        report.add_problems(linking::unlinked_crates(&self.modules));
        report
    }

    /// What the program is, beyond what is linked into it.
    pub(crate) fn check_program(&self) -> Vec<StartupProblem> {
        let noted = self.handlers.is_empty() || linking::is_noted();
        let unnoted = (!noted).then_some(StartupProblem::UnnotedBinary);
        let aborts = super::panic_aborts().then_some(StartupProblem::PanicAborts);
        unnoted.into_iter().chain(aborts).collect()
    }

    // Contracts that agree in their data, so that what each sends is read as the other.
    fn contract_keys(&self) -> impl Iterator<Item = StartupProblem> {
        let mut versions = BTreeMap::<_, BTreeMap<_, _>>::new();
        for contract in self.taken_contracts() {
            let version = (contract.topic, contract.name, contract.version);
            versions
                .entry(version)
                .or_default()
                .entry(contract.key_on_the_wire())
                .or_insert(contract);
        }
        let differing = versions.into_values().filter(|keys| keys.len() > 1);
        differing.map(|keys| {
            let mut contracts: Vec<&ContractInfo> = keys.into_values().collect();
            contracts.sort_by_key(|contract| (contract.module, contract.line));
            StartupProblem::ContractKeys { contracts }
        })
    }

    // Several attributes on one function make one handler. Ids that come from module paths may be the
    // same in two crates, whose authors know nothing of each other: that is no more than a warning.
    fn colliding_ids(&self) -> (Vec<StartupProblem>, Vec<StartupProblem>) {
        let mut ids = BTreeMap::<_, BTreeMap<_, _>>::new();
        for handler in &self.handlers {
            let place = (handler.module, handler.name, handler.file, handler.line);
            ids.entry(handler.id()).or_default().entry(place).or_insert(*handler);
        }
        let shared = ids.into_iter().filter(|(_, handlers)| handlers.len() > 1);
        let problems = shared.map(|(id, handlers)| StartupProblem::CollidingIds {
            id,
            handlers: handlers.into_values().collect(),
        });
        problems.partition(|problem| {
            let StartupProblem::CollidingIds { handlers, .. } = problem else { return true };
            let crates: BTreeSet<_> = handlers.iter().map(|h| h.crate_name()).collect();
            crates.len() < handlers.len() || handlers.iter().any(|h| h.id.is_some())
        })
    }

    fn contract_shapes(&self) -> impl Iterator<Item = StartupProblem> {
        let mut versions = BTreeMap::<_, BTreeMap<_, _>>::new();
        for contract in self.taken_contracts() {
            let version = (contract.topic, contract.name, contract.version);
            versions.entry(version).or_default().entry(contract.shape).or_insert(contract);
        }
        let differing = versions.into_values().filter(|shapes| shapes.len() > 1);
        differing.map(|shapes| {
            let mut contracts: Vec<&ContractInfo> = shapes.into_values().collect();
            contracts.sort_by_key(|contract| (contract.module, contract.line));
            StartupProblem::ContractShapes { contracts }
        })
    }

    fn event_loops(&self, group: &str) -> Vec<StartupProblem> {
        // A name that is none is the settings' problem.
        let group = GroupName::parse(group);
        group.map(|group| loops::loops(&self.groups(&group))).unwrap_or_default()
    }

    // What such a producer sends is in no list, so the list would not be true.
    fn untrue_emits(&self) -> impl Iterator<Item = StartupProblem> {
        let untrue = self.handlers.iter().copied();
        let untrue = untrue.filter(|h| h.emits.is_some() && h.takes_bare_producer());
        // An attribute for each of several events makes as many registrations of one function.
        let mut places = BTreeSet::new();
        let untrue = untrue.filter(move |h| places.insert((h.file, h.line, h.name)));
        untrue.map(|handler| StartupProblem::UntrueEmits { handler })
    }

    fn no_handlers(&self) -> Option<StartupProblem> {
        let known: BTreeSet<_> =
            inventory::iter::<HandlerRegistration>().map(|h| h.module).collect();
        if known.is_empty() || (self.modules.is_empty() && self.handlers.is_empty()) {
            return Some(StartupProblem::NoHandlers);
        }
        let has_none = |module: &&String| {
            !known.iter().any(|known| is_inside(known, std::slice::from_ref(module)))
        };
        let modules: Vec<_> = self.modules.iter().filter(has_none).cloned().collect();
        let known = known.into_iter().collect();
        (!modules.is_empty()).then_some(StartupProblem::NoHandlersInModules { modules, known })
    }

    fn duplicates(&self, group: &str) -> Vec<StartupProblem> {
        let mut routes = BTreeMap::<_, Vec<_>>::new();
        for handler in &self.handlers {
            let group = handler.options.group.unwrap_or(group);
            for event in handler.selects.names() {
                routes.entry((handler.topic, event, group)).or_default().push(*handler);
            }
        }
        let crowded = routes.into_iter().filter(|(_, handlers)| handlers.len() > 1);
        let problems = crowded.map(|((topic, event, group), handlers)| {
            StartupProblem::DuplicateHandlers { topic, event, group: group.to_owned(), handlers }
        });
        problems.collect::<Vec<_>>()
    }

    fn missing_states(&self, provided: &[StateKey]) -> impl Iterator<Item = StartupProblem> {
        // An attribute for each of several events makes as many registrations of one function.
        let mut reported = BTreeSet::new();
        self.handlers.iter().flat_map(move |handler| {
            let needs = handler.requirements();
            let place = (handler.file, handler.line, handler.name);
            let missing = needs.states().iter().filter(|key| !provided.contains(key));
            let missing = missing.filter(|key| reported.insert((place, key.type_name())));
            let missing = missing.map(|key| StartupProblem::MissingState {
                handler,
                type_name: key.type_name(),
                near: state_suggestion::nearest(key, provided),
            });
            missing.collect::<Vec<_>>()
        })
    }
}

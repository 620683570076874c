//! What is linked into the binary, and whether it fits together.
//!
//! `inventory` gives registrations in an order that differs between builds; it is sorted here and
//! never seen elsewhere.

mod near_state;
mod problem;
mod report;

use std::collections::{BTreeMap, BTreeSet};

pub use problem::{Place, StartupProblem};
pub use report::StartupReport;

use crate::event::{ContractInfo, ContractRegistration};
use crate::handler::HandlerRegistration;
use crate::state::StateKey;

/// A crate that `link_handlers!` names.
#[derive(Debug)]
pub struct LinkedCrate {
    /// The crate's name in code.
    pub name: &'static str,
    /// Whether it is only excepted from the check, because it registers nothing on purpose.
    pub excepted: bool,
}

inventory::collect!(LinkedCrate);

/// What `#[event_core::main]` knows of the binary it stands in.
#[derive(Debug)]
pub struct BinaryRegistration {
    /// The version of the binary's package.
    pub version: &'static str,
    /// The names in code of the direct dependencies that themselves depend on this framework, and of
    /// the package's own library.
    pub crates: &'static [&'static str],
    /// Those whose name in code is not their own, with their own: registrations know only that.
    pub renamed: &'static [(&'static str, &'static str)],
}

inventory::collect!(BinaryRegistration);

/// The version of the package whose `main` carries `#[event_core::main]`; `unknown` without one.
#[must_use]
pub fn binary_version() -> &'static str {
    inventory::iter::<BinaryRegistration>().next().map_or("unknown", |binary| binary.version)
}

/// Everything registered, in a fixed order.
#[derive(Clone, Debug)]
pub struct Registry {
    handlers: Vec<&'static HandlerRegistration>,
    contracts: Vec<&'static ContractInfo>,
    modules: Vec<String>,
}

impl Registry {
    /// What is linked into this binary.
    #[must_use]
    pub fn linked() -> Self {
        let mut handlers: Vec<_> = inventory::iter::<HandlerRegistration>().collect();
        handlers.sort_by_cached_key(|h| (h.topic, h.selects.names(), h.module, h.file, h.line));
        let mut contracts: Vec<_> =
            inventory::iter::<ContractRegistration>().map(|c| c.0).collect();
        contracts.sort_by_key(|c| (c.topic, c.name, c.version, c.module, c.line));
        Registry { handlers, contracts, modules: Vec::new() }
    }

    /// Only the handlers of `modules` and of the modules inside them. Without any, all.
    #[must_use]
    pub fn only_modules(mut self, modules: &[String]) -> Self {
        let inside = |module: &str, outer: &str| {
            module.strip_prefix(outer).is_some_and(|rest| rest.is_empty() || rest.starts_with("::"))
        };
        if !modules.is_empty() {
            self.handlers.retain(|h| modules.iter().any(|module| inside(h.module, module)));
            self.modules = modules.to_vec();
        }
        self
    }

    /// The handlers, sorted by topic, event, module and line.
    #[must_use]
    pub fn handlers(&self) -> &[&'static HandlerRegistration] {
        &self.handlers
    }

    /// The contracts, sorted by topic, name and version.
    #[must_use]
    pub fn contracts(&self) -> &[&'static ContractInfo] {
        &self.contracts
    }

    /// Finds everything that does not fit together, all at once; `provided` are the states that the
    /// app has.
    #[must_use]
    pub fn check(&self, group: &str, provided: &[StateKey]) -> StartupReport {
        let mut report = StartupReport::default();
        if self.handlers.is_empty() {
            report.add_problems([self.no_handlers()]);
        }
        report.add_problems(self.duplicates(group));
        report.add_problems(self.missing_states(provided));
        report.add_problems(unlinked_crates());
        report
    }

    fn no_handlers(&self) -> StartupProblem {
        let known: BTreeSet<_> =
            inventory::iter::<HandlerRegistration>().map(|h| h.module).collect();
        if self.modules.is_empty() || known.is_empty() {
            return StartupProblem::NoHandlers;
        }
        let (modules, known) = (self.modules.clone(), known.into_iter().collect());
        StartupProblem::NoHandlersInModules { modules, known }
    }

    fn duplicates(&self, group: &str) -> impl Iterator<Item = StartupProblem> {
        let mut routes = BTreeMap::<_, Vec<_>>::new();
        for handler in &self.handlers {
            for event in handler.selects.names() {
                routes.entry((handler.topic, event)).or_default().push(*handler);
            }
        }
        let crowded = routes.into_iter().filter(|(_, handlers)| handlers.len() > 1);
        crowded.map(move |((topic, event), handlers)| StartupProblem::DuplicateHandlers {
            topic,
            event,
            group: group.to_owned(),
            handlers,
        })
    }

    fn missing_states(&self, provided: &[StateKey]) -> impl Iterator<Item = StartupProblem> {
        self.handlers.iter().flat_map(move |handler| {
            let needs = handler.requirements();
            let missing = needs.states().iter().filter(|key| !provided.contains(key));
            let missing = missing.map(|key| StartupProblem::MissingState {
                handler,
                type_name: key.type_name(),
                near: near_state::nearest(key, provided),
            });
            missing.collect::<Vec<_>>()
        })
    }
}

fn unlinked_crates() -> impl Iterator<Item = StartupProblem> {
    let crate_of = |module: &'static str| module.split("::").next().unwrap_or(module);
    let registered: BTreeSet<&str> = inventory::iter::<HandlerRegistration>()
        .map(|h| h.crate_name())
        .chain(inventory::iter::<ContractRegistration>().map(|c| crate_of(c.0.module)))
        .collect();
    let linked: Vec<&LinkedCrate> = inventory::iter::<LinkedCrate>().collect();
    let excepted: BTreeSet<&str> = linked.iter().filter(|l| l.excepted).map(|l| l.name).collect();
    let named: BTreeSet<&str> = linked.iter().filter(|l| !l.excepted).map(|l| l.name).collect();
    let expected: BTreeSet<&str> = inventory::iter::<BinaryRegistration>()
        .flat_map(|binary| binary.crates.iter().copied())
        .chain(named.iter().copied())
        .collect();
    let renamed: BTreeMap<&str, &str> = inventory::iter::<BinaryRegistration>()
        .flat_map(|binary| binary.renamed.iter().copied())
        .collect();
    let has_registered = move |name| registered.contains(renamed.get(name).unwrap_or(&name));
    expected
        .into_iter()
        .filter(move |name| !has_registered(*name) && !excepted.contains(name))
        .map(move |name| StartupProblem::UnlinkedCrate { name, named: named.contains(name) })
}

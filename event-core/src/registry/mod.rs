//! What is linked into the binary, and whether it fits together.
//!
//! `inventory` gives registrations in an order that differs between builds; it is sorted here and
//! never seen elsewhere.

mod checks;
mod delivery;
mod linking;
mod near_state;
mod problem;
mod topics;
mod report;

use std::collections::{BTreeMap, BTreeSet};

pub use delivery::DeliveryBounds;
pub(crate) use near_state::short_type;
pub use problem::{Place, StartupProblem};
pub use report::StartupReport;

/// Tables of the settings, by `handlers` or `topic` and the name, with where each stands.
pub type NamedTables = std::collections::BTreeMap<(&'static str, String), String>;

use crate::event::{ContractInfo, ContractRegistration, GroupName};
use crate::handler::HandlerRegistration;

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
        handlers
            .sort_by_cached_key(|h| (h.topic, h.selects.names(), h.module, h.file, h.line, h.name));
        let mut contracts: Vec<_> =
            inventory::iter::<ContractRegistration>().map(|c| c.0).collect();
        contracts.sort_by_key(|c| (c.topic, c.name, c.version, c.module, c.line, c.type_name));
        Registry { handlers, contracts, modules: Vec::new() }
    }

    /// Only the handlers of `modules` and of the modules inside them. Without any, all. The contracts
    /// stay; [`check`](Registry::check) leaves out those of other modules that no handler uses.
    #[must_use]
    pub fn only_modules(mut self, modules: &[String]) -> Self {
        self.handlers.retain(|handler| is_inside(handler.module, modules));
        self.modules = modules.to_vec();
        self
    }

    /// The handlers, sorted by topic, event, module and line.
    #[must_use]
    pub fn handlers(&self) -> &[&'static HandlerRegistration] {
        &self.handlers
    }

    /// The handlers by their consumer groups; `default` is the group of those that name none.
    #[must_use]
    pub fn groups(&self, default: &GroupName) -> Groups {
        groups_of(&self.handlers, default)
    }

    /// The contracts of the whole binary, sorted by topic, name and version.
    #[must_use]
    pub fn contracts(&self) -> &[&'static ContractInfo] {
        &self.contracts
    }

    /// The contracts that are this app's business: those of the modules it takes, and those that its
    /// handlers take or send.
    pub(crate) fn taken_contracts(&self) -> Vec<&'static ContractInfo> {
        let used = self.handlers.iter().flat_map(|handler| {
            handler.contracts().iter().copied().chain(handler.sends().unwrap_or_default())
        });
        // By their place: a constant may have several addresses.
        let place = |contract: &ContractInfo| (contract.module, contract.file, contract.line);
        let used: BTreeSet<_> = used.map(place).collect();
        let taken = self.contracts.iter().copied().filter(|contract| {
            is_inside(contract.module, &self.modules) || used.contains(&place(contract))
        });
        taken.collect()
    }
}

/// Handlers by their consumer groups.
pub type Groups = BTreeMap<GroupName, Vec<&'static HandlerRegistration>>;

/// `handlers` by their consumer groups; `default` is the group of those that name none. What has no
/// good name, which its attribute refuses, is left out.
pub(crate) fn groups_of(handlers: &[&'static HandlerRegistration], default: &GroupName) -> Groups {
    let mut groups = Groups::new();
    for handler in handlers {
        let group = match handler.options.group {
            None => Ok(default.clone()),
            Some(name) => GroupName::parse(name),
        };
        if let Ok(group) = group {
            groups.entry(group).or_default().push(*handler);
        }
    }
    groups
}

/// The known name that was probably meant. An id is a path, and who leaves out its beginning means
/// the handler of that name.
pub(crate) fn nearest_name(name: &str, known: &BTreeSet<String>) -> Option<String> {
    let nearest = known.iter().min_by_key(|id| {
        let last = id.rsplit("::").next() == Some(name);
        (!last, strsim::damerau_levenshtein(name, id))
    });
    nearest.cloned()
}

// Whether `module` is one of `modules` or in one; without any, every module is.
fn is_inside(module: &str, modules: &[String]) -> bool {
    let inside = |outer: &String| {
        module.strip_prefix(&**outer).is_some_and(|rest| rest.is_empty() || rest.starts_with("::"))
    };
    modules.is_empty() || modules.iter().any(inside)
}

//! What is linked into the binary, and whether it fits together.
//!
//! `inventory` gives registrations in an order that differs between builds; it is sorted here and
//! never seen elsewhere.

mod checks;
mod delivery;
mod linking;
mod loops;
mod state_suggestion;
mod problem;
mod topics;
mod report;

use std::collections::{BTreeMap, BTreeSet};

pub use delivery::DeliveryBounds;
pub use problem::{SourceLocation, StartupProblem};
pub use report::StartupReport;
pub(crate) use state_suggestion::short_type;

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
    /// The builds of what registers something when it is linked; `None` when nothing is known of them.
    pub ids: Option<&'static [&'static str]>,
}

inventory::collect!(LinkedCrate);

/// What the build of a crate knew, left by the first macro of ours in the crate.
#[derive(Debug)]
pub struct CrateRegistration {
    /// What the crate calls itself.
    pub name: &'static str,
    /// Distinguishes its build from every other crate.
    pub id: &'static str,
    /// The version of its package.
    pub version: &'static str,
    /// Whether it is the crate of a program: a binary, an example or a test.
    pub executable: bool,
    /// Whether a panic in it ends the process.
    pub panic_aborts: bool,
    /// The crates behind it that register something: those that it may name, then others.
    pub dependencies: &'static [CrateDependency],
}

inventory::collect!(CrateRegistration);

/// A crate that registers handlers or contracts, as one that depends on it knows it.
#[derive(Debug)]
pub struct CrateDependency {
    /// The name in the code of the other, or in that of `dependent`, of what it is linked with: itself,
    /// or a crate that names it.
    pub name: &'static str,
    /// What it calls itself.
    pub own_name: &'static str,
    /// The id of its build.
    pub id: &'static str,
    /// The crate that lists it in its `Cargo.toml`, where the other may not name it.
    pub dependent: Option<&'static str>,
    /// The version of the event-core that it registers with, when that is another one.
    pub other_framework: Option<&'static str>,
}

/// The version of the package whose crate has `main`; `unknown` when no macro of ours stands in that
/// crate.
#[must_use]
pub fn binary_version() -> &'static str {
    let mut crates = inventory::iter::<CrateRegistration>();
    crates.find(|noted| noted.executable).map_or("unknown", |noted| noted.version)
}

/// Whether a panic ends the process. The crate of the program decides; Cargo compiles all crates alike.
fn panic_aborts() -> bool {
    let mut crates = inventory::iter::<CrateRegistration>();
    cfg!(panic = "abort") || crates.any(|noted| noted.executable && noted.panic_aborts)
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

    /// The crates whose log can be named: those that register something, and those that deliver.
    pub(crate) fn crates(&self) -> BTreeSet<String> {
        let handlers = self.handlers.iter().map(|handler| handler.module);
        let contracts = self.contracts.iter().map(|contract| contract.module);
        let noted = inventory::iter::<CrateRegistration>().map(|noted| noted.name);
        let modules = handlers.chain(contracts).chain(noted).chain(["event_core", "librdkafka"]);
        let crates = modules.filter_map(|module| module.split("::").next());
        crates.map(|name| name.replace('-', "_")).collect()
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

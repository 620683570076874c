//! Crates whose handlers the linker has dropped.

use std::collections::{BTreeMap, BTreeSet};

use super::{BinaryRegistration, LinkedCrate, StartupProblem};
use crate::event::ContractRegistration;
use crate::handler::HandlerRegistration;

/// The crates that should have registered something and did not.
pub(super) fn unlinked_crates() -> impl Iterator<Item = StartupProblem> {
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

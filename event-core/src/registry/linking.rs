//! Crates whose handlers the linker has dropped.
//!
//! `#[event_handler]` leaves the function as it is and adds a `HandlerRegistration`: names, place, what its
//! arguments are, and a function pointer. `inventory` collects these of everything that is linked. `app` asks
//! `registry` for them, sorted, and for what does not fit together: two handlers of one event, a state that nobody
//! provides, a crate that the linker dropped with its handlers.
//!
//! What should be linked is noted while compiling (`event-macros/src/record`). The first macro of ours in a crate
//! reads the arguments of the compiler that runs it: they have the crates that this target is given, after
//! features, renames, versions and kinds of dependencies are resolved. A crate that registers something has the id
//! of its build in its metadata, as the name of a constant; the macro looks for it in the file of each crate, and
//! in those behind it: what a crate has loaded, and for a program also what cargo has noted of each build, which
//! has the dependencies that no code names. It leaves a `CrateRegistration`: the crate's own id and those of its
//! dependencies. At start-up every id that a linked crate depends on has to be the id of a linked crate. Ids, not
//! names: a library and a binary share a name, as do two versions. A crate that registers with another event-core is
//! in the registry of that one, linked or not; the constant's name says with which. Where no macro stands in the
//! crate of `main` (`#[tokio::main]`), nothing is known of what is behind it, and a warning says that.

use std::collections::BTreeSet;

use super::{CrateDependency, CrateRegistration, LinkedCrate, StartupProblem};

/// The crates that register something and are not linked. With `modules`, only those that these are
/// of.
pub(super) fn unlinked_crates(modules: &[String]) -> Vec<StartupProblem> {
    let crates: Vec<_> = inventory::iter::<CrateRegistration>().collect();
    let named: Vec<_> = inventory::iter::<LinkedCrate>().collect();
    unlinked(&crates, &named, modules)
}

/// Whether a macro of ours stands in the crate of the program itself, which notes what is behind it. A
/// library knows of itself alone, whoever makes the app.
pub(super) fn is_noted() -> bool {
    inventory::iter::<CrateRegistration>().any(|noted| noted.executable)
}

fn unlinked(
    crates: &[&CrateRegistration],
    named: &[&'static LinkedCrate],
    modules: &[String],
) -> Vec<StartupProblem> {
    let linked: BTreeSet<_> = crates.iter().map(|linked| linked.id).collect();
    let is_excepted = |name: &str, id: &str, dependent: Option<&str>| {
        named.iter().filter(|crate_| crate_.excepted).any(|crate_| match crate_.ids {
            // Beside a crate that has no such dependency it can only mean the name.
            None | Some([]) => crate_.name == name,
            // What only another crate depends on has no id where `except` stands.
            Some(ids) => ids.contains(&id) || dependent.is_some() && crate_.name == name,
        })
    };
    let is_taken = |own_name: &str| {
        let is_of = |module: &String| module.split("::").next() == Some(own_name);
        modules.is_empty() || modules.iter().any(is_of)
    };
    // What the program itself depends on comes first: it can name that.
    let (own, others): (Vec<&CrateRegistration>, _) = crates.iter().partition(|c| c.executable);
    let mut reported = BTreeSet::new();
    let mut problems = Vec::new();
    for by in own.into_iter().chain(others) {
        for dependency in by.dependencies {
            let CrateDependency { name, own_name, id, dependent, other_framework } = *dependency;
            let dependent = dependent.or((!by.executable).then_some(by.name));
            let is_needless = linked.contains(id) || is_excepted(name, id, dependent);
            if is_needless || !is_taken(own_name) || !reported.insert((id, "")) {
                continue;
            }
            // A crate may stand for several that are linked with it; to link it is one thing to do.
            if other_framework.is_none() && !reported.insert((name, dependent.unwrap_or_default()))
            {
                continue;
            }
            problems.push(match other_framework {
                Some(version) => StartupProblem::AnotherEventCore {
                    name: own_name,
                    through: (name != own_name).then_some(name),
                    dependent,
                    version,
                },
                None => StartupProblem::UnlinkedCrate {
                    name,
                    named: false,
                    beside_binary: dependent.is_none() && [name, own_name] == [by.name; 2],
                    dependent,
                },
            });
        }
    }
    let idle = named.iter().filter(|crate_| !crate_.excepted && crate_.ids == Some(&[]));
    let idle: BTreeSet<_> =
        idle.map(|c| c.name).filter(|name| !is_excepted(name, "", None)).collect();
    let idle = idle.into_iter().map(|name| StartupProblem::UnlinkedCrate {
        name,
        named: true,
        beside_binary: false,
        dependent: None,
    });
    problems.extend(idle);
    problems.sort_by_cached_key(StartupProblem::message);
    problems
}

#[cfg(test)]
mod tests {
    use super::*;

    const BILLING: CrateDependency = dependency("bill", "billing", "2");
    const LIBRARY: CrateDependency = dependency("svc", "svc", "1");

    const fn dependency(
        name: &'static str,
        own_name: &'static str,
        id: &'static str,
    ) -> CrateDependency {
        CrateDependency { name, own_name, id, dependent: None, other_framework: None }
    }

    const fn compiled(
        name: &'static str,
        id: &'static str,
        executable: bool,
        dependencies: &'static [CrateDependency],
    ) -> CrateRegistration {
        CrateRegistration {
            name,
            id,
            version: "1.0.0",
            executable,
            panic_aborts: false,
            dependencies,
        }
    }

    const PROGRAM: CrateRegistration = compiled("svc", "0", true, &[LIBRARY, BILLING]);

    fn messages(crates: &[&CrateRegistration], named: &[&'static LinkedCrate]) -> Vec<String> {
        unlinked(crates, named, &[]).iter().map(StartupProblem::message).collect()
    }

    #[test]
    fn a_library_with_the_name_of_its_binary_is_another_crate() {
        let dropped = messages(&[&PROGRAM, &compiled("billing", "2", false, &[])], &[]);
        assert_eq!(dropped.len(), 1, "{dropped:?}");
        assert!(dropped[0].starts_with("library `svc`, beside the binary `svc`,"), "{dropped:?}");
    }

    #[test]
    fn all_that_are_dropped_are_named_whatever_is_linked() {
        let dropped = messages(&[&PROGRAM, &compiled("other", "9", false, &[])], &[]);
        assert_eq!(dropped.len(), 2, "{dropped:?}");
    }

    #[test]
    fn a_linked_crate_names_its_own_dependencies() {
        const THROUGH: CrateRegistration = compiled("through", "5", false, &[BILLING]);
        let dropped = messages(&[&THROUGH], &[]);
        assert!(dropped[0].contains("crate `bill`, which `through` depends on,"), "{dropped:?}");
        // The program can name it, so that is what the help names.
        let dropped = messages(&[&THROUGH, &compiled("p", "0", true, &[BILLING])], &[]);
        assert!(dropped[0].starts_with("crate `bill` has handlers or contracts"), "{dropped:?}");
    }

    #[test]
    fn a_crate_that_only_a_manifest_lists_is_told_with_who_lists_it() {
        const LISTED: CrateDependency =
            CrateDependency { dependent: Some("facade"), ..dependency("bill", "billing", "2") };
        let dropped = messages(&[&compiled("p", "0", true, &[LISTED])], &[]);
        assert!(dropped[0].starts_with("crate `bill`, which `facade` depends on,"), "{dropped:?}");
        static BY_NAME: LinkedCrate = LinkedCrate { name: "bill", excepted: true, ids: None };
        assert_eq!(messages(&[&compiled("p", "0", true, &[LISTED])], &[&BY_NAME]).len(), 0);
    }

    #[test]
    fn what_comes_with_a_dropped_crate_is_not_told_beside_it() {
        const WITH_LIBRARY: CrateDependency = dependency("svc", "audit", "3");
        let program = compiled("svc", "0", true, &[LIBRARY, WITH_LIBRARY]);
        let dropped = messages(&[&program], &[]);
        assert_eq!(dropped.len(), 1, "{dropped:?}");
        assert!(dropped[0].starts_with("library `svc`, beside"), "{dropped:?}");
    }

    #[test]
    fn a_crate_of_another_event_core_is_no_dropped_one() {
        const OTHER: CrateDependency =
            CrateDependency { other_framework: Some("9.9.9"), ..dependency("old", "old", "7") };
        let reported = messages(&[&compiled("p", "0", true, &[OTHER])], &[]);
        assert_eq!(reported.len(), 1, "{reported:?}");
        assert!(
            reported[0].starts_with("crate `old` registers with event-core 9.9.9,"),
            "{reported:?}"
        );
        assert!(!reported[0].contains("linker"), "{reported:?}");
    }

    #[test]
    fn each_crate_of_another_event_core_is_named_by_its_own_name() {
        const fn old(own_name: &'static str, id: &'static str) -> CrateDependency {
            CrateDependency { other_framework: Some("0.0.9"), ..dependency("facade", own_name, id) }
        }
        let program =
            compiled("p", "0", true, &[const { old("billing", "7") }, const { old("audit", "8") }]);
        let reported = messages(&[&program], &[]);
        assert_eq!(reported.len(), 2, "{reported:?}");
        for (message, name) in reported.iter().zip(["audit", "billing"]) {
            let expected =
                format!("crate `{name}`, by way of `facade`, registers with event-core 0.0.9,");
            assert!(message.starts_with(&expected), "{message}");
        }
        const LISTED: CrateDependency =
            CrateDependency { dependent: Some("shop"), ..old("billing", "7") };
        let reported = messages(&[&compiled("p", "0", true, &[LISTED])], &[]);
        let expected =
            "crate `billing`, by way of `facade`, which `shop` depends on, registers with";
        assert!(reported[0].starts_with(expected), "{reported:?}");
    }

    #[test]
    fn an_exception_reaches_the_crate_of_this_name_that_another_depends_on() {
        const OWN: CrateDependency = dependency("billing", "billing", "2");
        const LISTED: CrateDependency =
            CrateDependency { dependent: Some("facade"), ..dependency("billing", "billing", "1") };
        static EXCEPTED: LinkedCrate =
            LinkedCrate { name: "billing", excepted: true, ids: Some(&["2"]) };
        let linked = compiled("billing", "2", false, &[]);
        let program = compiled("p", "0", true, &[OWN, LISTED]);
        assert_eq!(messages(&[&program, &linked], &[]).len(), 1);
        assert_eq!(messages(&[&program, &linked], &[&EXCEPTED]), [""; 0]);
        // A linked crate that lists it says so itself.
        const IN_ITS_OWN: CrateDependency = dependency("billing", "billing", "1");
        let facade = compiled("facade", "5", false, &[IN_ITS_OWN]);
        let program = compiled("p", "0", true, &[OWN]);
        assert_eq!(messages(&[&program, &linked, &facade], &[&EXCEPTED]), [""; 0]);
        // What the program itself may name keeps its id.
        static OTHER: LinkedCrate =
            LinkedCrate { name: "billing", excepted: true, ids: Some(&["3"]) };
        assert_eq!(messages(&[&program], &[&OTHER]).len(), 1);
    }

    #[test]
    fn an_exception_is_for_one_crate() {
        static BY_ID: LinkedCrate = LinkedCrate { name: "x", excepted: true, ids: Some(&["2"]) };
        static BY_NAME: LinkedCrate = LinkedCrate { name: "svc", excepted: true, ids: Some(&[]) };
        assert_eq!(messages(&[&PROGRAM], &[&BY_ID]).len(), 1);
        assert_eq!(messages(&[&PROGRAM], &[&BY_ID, &BY_NAME]).len(), 0);
    }

    #[test]
    fn a_named_crate_that_registers_nothing_is_reported() {
        static IDLE: LinkedCrate = LinkedCrate { name: "serde", excepted: false, ids: Some(&[]) };
        static UNKNOWN: LinkedCrate = LinkedCrate { name: "serde", excepted: false, ids: None };
        assert_eq!(messages(&[], &[&IDLE]).len(), 1);
        assert_eq!(messages(&[], &[&UNKNOWN]).len(), 0);
    }

    #[test]
    fn an_app_of_some_modules_misses_only_their_crates() {
        let dropped = |module: &str| unlinked(&[&PROGRAM], &[], &[module.to_owned()]).len();
        assert_eq!(dropped("billing::invoices"), 1);
        assert_eq!(dropped("elsewhere"), 0);
    }
}

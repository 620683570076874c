#![deny(warnings)]

event_core::link_handlers!(serde, except event_core, crate = event_core);

fn main() {
    use event_core::registry::{LinkedCrate, Registry};
    let mut linked: Vec<_> = event_core::macro_support::inventory::iter::<LinkedCrate>()
        .map(|linked| (linked.name, linked.excepted))
        .collect();
    linked.sort();
    assert_eq!(linked, [("event_core", true), ("serde", false)]);
    let report = Registry::linked().check("admin", &[]);
    assert!(report.problems().iter().any(|problem| problem.to_string().contains("serde")), "{report:?}");
}

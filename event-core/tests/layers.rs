//! The import table of ARCHITECTURE.md: who may use whom.

#![expect(clippy::unwrap_used, reason = "a test")]

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// The modules from the innermost on. A module may use itself and what stands before it.
const ORDER: [&str; 22] = [
    // Domain.
    "event",
    "state",
    "delivery",
    "broker",
    "observe",
    "outcome",
    "extract",
    "producer",
    "handler",
    // Application.
    "registry",
    "middleware",
    "router",
    "processor",
    "operations",
    // Infrastructure.
    "broker::memory",
    "broker::kafka",
    "admin",
    // Composition.
    "app",
    "cli",
    "testing",
    "macro_support",
    // Text.
    "guide",
];

/// What a module may not use although it stands before it.
const NEVER: [(&str, &str); 1] = [
    // What is linked is decided before the processor is made.
    ("processor", "registry"),
];

/// An adapter of a broker sees its port and below, and nothing else.
const SEEN_BY_ADAPTERS: [&str; 3] = ["event", "delivery", "broker"];

/// Libraries and the modules that may name them. An app has commands of the user's own, which are clap's.
const LIBRARIES: [(&str, &[&str]); 4] = [
    ("rdkafka", &["broker::kafka"]),
    ("clap", &["cli", "app"]),
    ("hyper", &["admin"]),
    ("hyper_util", &["admin"]),
];

#[test]
fn imports_go_inwards_only() {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut breaches = BTreeSet::new();
    let mut files = Vec::new();
    collect(&source, &mut files);
    assert!(files.len() > 30, "only {} files found", files.len());
    for file in files {
        let path = file.strip_prefix(&source).unwrap().with_extension("");
        let module = module_of(&path);
        // As in the files of modules, tests may use anything; the comparison of the two readers and what measures
        // them are only built for tests and for the fuzz target.
        let is_test = |part| ["tests", "differential", "measure"].iter().any(|name| part == *name);
        if module == "lib" || path.iter().any(is_test) {
            continue;
        }
        let text = fs::read_to_string(&file).unwrap();
        for (number, line) in code_of(&text) {
            let line = line.trim_start();
            if line.starts_with("//") {
                continue;
            }
            assert!(
                !line.contains("super::super::") && !line.starts_with("use event_core::"),
                "{}: write `crate::..`, so that this test can read it: {line}",
                path.display()
            );
            let place = format!("{}:{number}", path.display());
            for used in used_modules(line) {
                if !may_use(&module, &used) {
                    breaches.insert(format!("{place}: `{module}` uses `{used}`"));
                }
            }
            for (library, owners) in LIBRARIES {
                if line.contains(&format!("{library}::")) && !owners.contains(&module.as_str()) {
                    breaches.insert(format!("{place}: `{module}` names `{library}`"));
                }
            }
        }
    }
    assert!(
        breaches.is_empty(),
        "imports against the layers:\n{}",
        breaches.into_iter().collect::<Vec<_>>().join("\n")
    );
}

#[test]
fn the_table_refuses_what_it_should() {
    assert!(may_use("router", "handler"));
    assert!(!may_use("event", "processor"));
    assert!(!may_use("processor", "registry"));
    assert!(!may_use("broker::kafka", "app"));
    assert!(!may_use("broker::kafka", "handler"));
    assert!(may_use("broker::kafka", "broker"));
    assert!(!may_use("broker", "broker::kafka"));
    assert_eq!(
        used_modules("use crate::broker::kafka::X; crate::event::Y"),
        ["broker::kafka", "event"]
    );
}

#[test]
fn what_stands_below_an_item_for_tests_is_read_too() {
    let text = "\
#[cfg(test)]
mod tests;
use crate::a;
#[cfg(all(test, feature = \"testing\"))]
#[expect(clippy::unwrap_used)]
fn f(
    x: u8,
) {
    crate::b::c();
}
impl X {
    #[cfg(test)]
    field: crate::d::E,
    fn g() {}
}
";
    let read: Vec<_> = code_of(text).map(|(number, _)| number).collect();
    assert_eq!(read, [3, 11, 14, 15]);
}

/// The lines of a formatted file with their numbers, without the items that only tests have.
fn code_of(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let indentation = |line: &str| line.len() - line.trim_start().len();
    let mut skipped = None;
    text.lines().enumerate().filter_map(move |(index, line)| {
        let start = line.trim_start();
        let for_tests =
            ["#[cfg(test)]", "#[cfg(all(test,"].iter().any(|cfg| start.starts_with(cfg));
        if for_tests && skipped.is_none() {
            skipped = Some(indentation(line));
            return None;
        }
        let Some(of_item) = skipped else { return Some((index + 1, line)) };
        // An item ends at the first such line that is indented as it is.
        if indentation(line) == of_item && line.ends_with([';', ',', '}']) {
            skipped = None;
        }
        None
    })
}

fn may_use(module: &str, used: &str) -> bool {
    let rank = |name: &str| {
        ORDER
            .iter()
            .position(|m| *m == name)
            .unwrap_or_else(|| panic!("`{name}` is not in the table"))
    };
    if module.starts_with("broker::") && used != module {
        return SEEN_BY_ADAPTERS.contains(&used);
    }
    !NEVER.contains(&(module, used)) && rank(used) <= rank(module)
}

fn module_of(path: &Path) -> String {
    let parts: Vec<_> = path.iter().map(|part| part.to_str().unwrap()).collect();
    let nested = parts[..parts.len().min(2)].join("::");
    if ORDER.contains(&nested.as_str()) { nested } else { parts[0].to_owned() }
}

fn used_modules(line: &str) -> Vec<String> {
    let mut used = Vec::new();
    for (at, _) in line.match_indices("crate::") {
        if line[..at].ends_with('$') {
            continue;
        }
        let path = &line[at + "crate::".len()..];
        assert!(
            !path.starts_with('{'),
            "write one `use crate::..` a line, so that this test can read it: {line}"
        );
        let mut names =
            path.split(|c: char| !(c.is_alphanumeric() || c == '_')).filter(|n| !n.is_empty());
        let first = names.next().unwrap_or_default();
        // What the root re-exports belongs to the domain.
        if first.chars().next().is_some_and(char::is_uppercase) || first == "main" {
            continue;
        }
        let nested = format!("{first}::{}", names.next().unwrap_or_default());
        used.push(if ORDER.contains(&nested.as_str()) { nested } else { first.to_owned() });
    }
    used
}

fn collect(folder: &Path, files: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            collect(&path, files);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
}

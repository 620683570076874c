//! Which of a package's dependencies should register handlers or contracts.
//!
//! The linker drops a crate that no code names, and its handlers with it, without a word. So the
//! binary notes the crates that depend on this framework, and start-up compares them with those that
//! registered something.

use toml::{Table, Value};

const FRAMEWORK: &str = "event-core";
const OWN_CRATES: [&str; 2] = [FRAMEWORK, "event-macros"];

/// The crates that should register something.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct HandlerCrates {
    /// Their names in code.
    pub(crate) names: Vec<String>,
    /// Those whose name in code is not their own, with their own.
    pub(crate) renamed: Vec<(String, String)>,
}

/// What is known of the package that is being compiled.
pub(crate) struct Package<'p> {
    /// Its `Cargo.toml`.
    pub(crate) manifest: &'p Table,
    /// The `Cargo.toml` of its workspace, for `workspace = true`.
    pub(crate) workspace: Option<&'p Table>,
    /// The lock file.
    pub(crate) lock: &'p Table,
    /// Whether a library of the same package stands beside the binary.
    pub(crate) has_library: bool,
    /// Finds the `Cargo.toml` of a dependency by its `path`; the flag says that the path is the
    /// workspace's.
    pub(crate) manifest_at: &'p dyn Fn(&str, bool) -> Option<Table>,
}

impl Package<'_> {
    /// The direct dependencies that themselves depend on the framework, and the package's own
    /// library when it can.
    pub(crate) fn handler_crates(&self) -> HandlerCrates {
        let mut crates = HandlerCrates::default();
        let dependencies: Vec<_> = self.dependencies().collect();
        let uses_framework = dependencies.iter().any(|dependency| dependency.package == FRAMEWORK);
        if let Some(own) = self.own_library().filter(|_| uses_framework && self.has_library) {
            crates.names.push(own);
        }
        for dependency in dependencies {
            let package = dependency.package.as_str();
            if !OWN_CRATES.contains(&package) && self.depends_on_framework(package) {
                if dependency.in_code != dependency.own {
                    crates.renamed.push((dependency.in_code.clone(), dependency.own));
                }
                crates.names.push(dependency.in_code);
            }
        }
        crates.names.sort();
        crates.names.dedup();
        crates
    }

    fn dependencies(&self) -> impl Iterator<Item = Dependency> {
        let targets = table(self.manifest, "target").into_iter().flat_map(Table::values);
        let tables = std::iter::once(self.manifest).chain(targets.filter_map(Value::as_table));
        let entries = tables.filter_map(|at| table(at, "dependencies")).flatten();
        entries.filter_map(|(key, entry)| self.dependency(key, entry))
    }

    fn dependency(&self, key: &str, entry: &Value) -> Option<Dependency> {
        let flag = |name| entry.get(name).and_then(Value::as_bool).unwrap_or(false);
        if flag("optional") {
            return None;
        }
        let inherited = flag("workspace");
        let entry = if inherited { self.inherited(key).unwrap_or(entry) } else { entry };
        let text = |name| entry.get(name).and_then(Value::as_str);
        let package = text("package").unwrap_or(key).to_owned();
        let manifest = text("path").and_then(|path| (self.manifest_at)(path, inherited));
        let own = manifest.as_ref().and_then(library_name).unwrap_or_else(|| in_code(&package));
        let in_code = if package == key { own.clone() } else { in_code(key) };
        Some(Dependency { package, in_code, own })
    }

    fn inherited(&self, key: &str) -> Option<&Value> {
        table(table(self.workspace?, "workspace")?, "dependencies")?.get(key)
    }

    fn depends_on_framework(&self, package: &str) -> bool {
        let packages = self.lock.get("package").and_then(Value::as_array).into_iter().flatten();
        let same_name = packages.filter(|p| p.get("name").and_then(Value::as_str) == Some(package));
        let dependencies = same_name
            .filter_map(|package| package.get("dependencies").and_then(Value::as_array))
            .flatten();
        // An entry is `name`, or `name version` where there are several.
        dependencies
            .filter_map(Value::as_str)
            .any(|entry| entry.split(' ').next() == Some(FRAMEWORK))
    }

    fn own_library(&self) -> Option<String> {
        let package = table(self.manifest, "package")?.get("name")?.as_str()?;
        if OWN_CRATES.contains(&package) {
            return None;
        }
        Some(library_name(self.manifest).unwrap_or_else(|| in_code(package)))
    }
}

struct Dependency {
    package: String,
    in_code: String,
    own: String,
}

fn table<'t>(of: &'t Table, key: &str) -> Option<&'t Table> {
    of.get(key)?.as_table()
}

fn library_name(manifest: &Table) -> Option<String> {
    table(manifest, "lib")?.get("name")?.as_str().map(in_code)
}

fn in_code(package: &str) -> String {
    package.replace('-', "_")
}

#[cfg(test)]
mod tests {
    use super::*;

    const LOCK: &str = r#"
        [[package]]
        name = "billing-handlers"
        dependencies = ["event-core", "serde"]
        [[package]]
        name = "audit"
        dependencies = ["event-core 0.1.0"]
        [[package]]
        name = "event-macros"
        dependencies = ["event-core"]
        [[package]]
        name = "serde"
        [[package]]
        name = "through-billing"
        dependencies = ["billing-handlers"]
    "#;

    fn crates(manifest: &str, workspace: &str, has_library: bool) -> HandlerCrates {
        let (manifest, workspace, lock) =
            (manifest.parse().unwrap(), workspace.parse().unwrap(), LOCK.parse().unwrap());
        let manifest_at = |path: &str, inherited: bool| match (path, inherited) {
            ("../audit", false) | ("crates/audit", true) => {
                Some("[lib]\nname = \"audit-log\"".parse().unwrap())
            }
            _ => None,
        };
        Package {
            manifest: &manifest,
            workspace: Some(&workspace),
            lock: &lock,
            has_library,
            manifest_at: &manifest_at,
        }
        .handler_crates()
    }

    fn names(manifest: &str) -> Vec<String> {
        crates(manifest, "", false).names
    }

    #[test]
    fn direct_dependencies_that_use_the_framework_are_named() {
        let manifest = r#"
            [dependencies]
            event-core = "0.1"
            event-macros = "0.1"
            serde = "1"
            through-billing = "1"
            billing-handlers = "1"
            [target.'cfg(unix)'.dependencies]
            audit = { version = "1" }
        "#;
        assert_eq!(names(manifest), ["audit", "billing_handlers"]);
    }

    #[test]
    fn what_is_optional_or_for_tests_is_left_out() {
        let manifest = r#"
            [dependencies]
            billing-handlers = { version = "1", optional = true }
            [dev-dependencies]
            audit = "1"
        "#;
        assert!(names(manifest).is_empty());
    }

    #[test]
    fn a_renamed_crate_has_both_names() {
        let manifest = "[dependencies]\nbill-ing = { package = \"billing-handlers\" }";
        let renamed = crates(manifest, "", false);
        assert_eq!(renamed.names, ["bill_ing"]);
        assert_eq!(renamed.renamed, [("bill_ing".to_owned(), "billing_handlers".to_owned())]);
    }

    #[test]
    fn what_the_workspace_says_is_inherited() {
        let workspace = r#"
            [workspace.dependencies]
            bill = { package = "billing-handlers", version = "1" }
            audit = { path = "crates/audit" }
        "#;
        let manifest = r#"
            [dependencies]
            bill = { workspace = true }
            audit.workspace = true
        "#;
        let inherited = crates(manifest, workspace, false);
        assert_eq!(inherited.names, ["audit_log", "bill"]);
        assert_eq!(inherited.renamed, [("bill".to_owned(), "billing_handlers".to_owned())]);
    }

    #[test]
    fn a_library_is_called_what_its_manifest_says() {
        let manifest = "[dependencies]\naudit = { path = \"../audit\" }";
        let named = crates(manifest, "", false);
        assert_eq!(named.names, ["audit_log"]);
        assert!(named.renamed.is_empty());
    }

    #[test]
    fn the_own_library_counts_when_it_can_use_the_framework() {
        let manifest = "[package]\nname = \"my-admin\"\n[dependencies]\nevent-core = \"0.1\"";
        assert_eq!(crates(manifest, "", true).names, ["my_admin"]);
        assert!(crates(manifest, "", false).names.is_empty());
        let without = "[package]\nname = \"my-admin\"";
        assert!(crates(without, "", true).names.is_empty());
        let framework = "[package]\nname = \"event-core\"\n[dependencies]\nevent-core = \"0.1\"";
        assert!(crates(framework, "", true).names.is_empty());
    }
}

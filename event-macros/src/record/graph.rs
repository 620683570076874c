//! The crates behind those that a crate may name, and which of them register something.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use super::artifact::{self, Mark, crate_name, hash};
use super::invocation::Invocation;
use super::units::{Libraries, Units, stem};

const FRAMEWORK: &str = "event_core";

/// A crate that registers something.
#[derive(Debug)]
pub(super) struct Registering {
    /// What code calls the crate that it is linked with: itself, or one that has loaded it.
    pub(super) name: String,
    /// What it calls itself.
    pub(super) own_name: String,
    /// The crate that lists the one called `name` in its `Cargo.toml`, and does not name it in its code;
    /// none for what may be named by the crate that is compiled.
    pub(super) dependent: Option<String>,
    pub(super) mark: Mark,
}

/// All that a crate may be linked with.
pub(super) struct Graph<'a> {
    invocation: &'a Invocation,
    libraries: Libraries,
    units: Units,
}

/// A crate to look at, and behind.
struct Root {
    name: String,
    path: PathBuf,
    dependent: Option<String>,
}

impl<'a> Graph<'a> {
    pub(super) fn read(invocation: &'a Invocation) -> Self {
        let directories = &invocation.directories;
        let libraries = Libraries::read(directories);
        let units = match invocation.executable {
            true => Units::read(directories, &libraries),
            false => Units::default(),
        };
        Graph { invocation, libraries, units }
    }

    /// The crates that register something, those that the crate itself may name first.
    pub(super) fn registering(&self) -> Vec<Registering> {
        let mut registering = Vec::new();
        let mut seen = BTreeSet::new();
        let mut using = BTreeMap::new();
        let externs = self.invocation.externs.iter();
        let mut roots: Vec<_> = externs
            .map(|external| Root {
                name: external.name.clone(),
                path: external.path.clone(),
                dependent: None,
            })
            .collect();
        while !roots.is_empty() {
            let mut reached = Vec::new();
            for root in roots {
                for path in self.linked_with(&root.path) {
                    if let Some(mark) = self::mark(&path) {
                        let Root { name, dependent, .. } = &root;
                        let (name, dependent) = (name.clone(), dependent.clone());
                        let own_name = crate_name(&path);
                        registering.push(Registering { name, own_name, dependent, mark });
                    }
                    seen.insert(stem(&path));
                    reached.push(path);
                }
            }
            roots = self.behind(&reached, &mut seen, &mut using);
        }
        registering
    }

    /// The crate itself, and those that are linked when it is: it has loaded them, and may register
    /// something.
    fn linked_with(&self, path: &Path) -> Vec<PathBuf> {
        let mut linked = vec![path.to_owned()];
        let Some(metadata) = artifact::metadata(path) else { return linked };
        let loaded = artifact::loaded(&metadata);
        let of_hash = |hash: &String| self.libraries.with_hash(hash);
        let frameworks = loaded.iter().filter_map(of_hash).filter(|path| is_framework(path));
        // What the framework itself has loaded knows nothing of the framework.
        let mut foreign = BTreeSet::new();
        for framework in frameworks {
            foreign.extend(hash(framework).map(str::to_owned));
            foreign.extend(artifact::loaded(&artifact::metadata(framework).unwrap_or_default()));
        }
        if !foreign.is_empty() {
            linked.extend(loaded.difference(&foreign).filter_map(of_hash).map(Path::to_owned));
        }
        // A file without a hash is not found by it.
        let args = self.units.dependencies(path).into_iter().map(|(_, args)| args);
        let unhashed = args.filter(|args| hash(args).is_none());
        let named = unhashed.filter(|args| artifact::names(&metadata, &crate_name(args)));
        linked.extend(named.map(Path::to_owned));
        linked
    }

    // What those in `reached` were given and did not load. All behind them is walked through once.
    fn behind(
        &self,
        reached: &[PathBuf],
        seen: &mut BTreeSet<String>,
        using: &mut BTreeMap<String, bool>,
    ) -> Vec<Root> {
        let mut roots = Vec::new();
        for path in reached.iter().filter(|path| !is_framework(path)) {
            for (name, args) in self.units.dependencies(path) {
                if self.uses_framework(args, using) && seen.insert(stem(args)) {
                    let dependent = Some(crate_name(path));
                    roots.push(Root { name, path: args.to_owned(), dependent });
                }
            }
        }
        roots
    }

    fn uses_framework(&self, path: &Path, known: &mut BTreeMap<String, bool>) -> bool {
        if let Some(uses) = known.get(&stem(path)) {
            return *uses;
        }
        let mut args = self.units.dependencies(path).into_iter();
        let uses = args.any(|(_, args)| is_framework(args) || self.uses_framework(args, known));
        known.insert(stem(path), uses);
        uses
    }

    /// The file of the event-core that code means with the first name of a path, as far as the
    /// build shows.
    pub(super) fn framework(&self, name: &str) -> Option<PathBuf> {
        let externs = &self.invocation.externs;
        let meant = externs.iter().filter(|external| external.name == name);
        let meant = meant.chain(externs.iter().filter(|external| is_framework(&external.path)));
        let path = &meant.map(|external| &external.path).next()?;
        if is_framework(path) {
            return Some(path.to_path_buf());
        }
        let loaded = artifact::loaded(&artifact::metadata(path)?);
        let loaded = loaded.iter().filter_map(|hash| self.libraries.with_hash(hash));
        let mut frameworks = loaded.filter(|path| is_framework(path));
        // Of two it may mean each.
        let framework = frameworks.next()?;
        frameworks.next().is_none().then(|| framework.to_owned())
    }

    /// What distinguishes another event-core from this one, when it is another: its version, and where its
    /// sources are when the versions are the same.
    pub(super) fn other(&self, own: Option<&Path>, other: Option<&str>) -> Option<String> {
        let (own, other) = (own?, other?);
        if hash(own)? == other {
            return None;
        }
        let (version, sources) = sources(self.libraries.with_hash(other)?);
        let (own_version, _) = self::sources(own);
        let is_same = version == own_version;
        Some(if is_same { format!("{version} in `{sources}`") } else { version })
    }
}

fn is_framework(path: &Path) -> bool {
    crate_name(path) == FRAMEWORK
}

fn mark(path: &Path) -> Option<Mark> {
    Mark::find(&artifact::metadata(path)?)
}

// The compiler lists beside a library what it read to make it.
fn sources(library: &Path) -> (String, String) {
    let stem = stem(library);
    let list = library.with_file_name(stem.strip_prefix("lib").unwrap_or(&stem));
    let list = fs::read_to_string(list.with_extension("d")).unwrap_or_default();
    let version = list.lines().find_map(|line| line.strip_prefix("# env-dep:CARGO_PKG_VERSION="));
    let first = list.lines().find_map(|line| line.strip_suffix("lib.rs:"));
    let text = |text: Option<&str>| text.unwrap_or("unknown").trim_end_matches('/').to_owned();
    (text(version), text(first))
}

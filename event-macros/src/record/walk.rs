//! The way from the crates that a crate may name to all that are linked with them.
//!
//! Most crates are behind many others, and each has megabytes: what is read of a library is read once.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::rc::Rc;

use super::artifact::{self, Mark, crate_name, hash};
use super::graph::{Registering, is_framework};
use super::invocation::Extern;
use super::units::{Libraries, Units, stem};

/// A crate to look at, and behind.
struct Root {
    name: String,
    path: PathBuf,
    dependent: Option<String>,
}

/// What a library was given, each with the name that its code has for it.
type Args<'a> = Rc<[(String, &'a Path)]>;

/// What is known of the libraries so far, by the beginnings of their files' names.
pub(super) struct Walk<'a> {
    libraries: &'a Libraries,
    units: &'a Units,
    marks: BTreeMap<String, Option<Mark>>,
    loaded: BTreeMap<String, Rc<BTreeSet<String>>>,
    args: BTreeMap<String, Args<'a>>,
    uses_framework: BTreeMap<String, bool>,
    /// Those that have been a root, or are with one.
    seen: BTreeSet<String>,
}

impl<'a> Walk<'a> {
    pub(super) fn new(libraries: &'a Libraries, units: &'a Units) -> Self {
        Walk {
            libraries,
            units,
            marks: BTreeMap::new(),
            loaded: BTreeMap::new(),
            args: BTreeMap::new(),
            uses_framework: BTreeMap::new(),
            seen: BTreeSet::new(),
        }
    }

    /// The crates that register something, those in `externs` and with them first.
    pub(super) fn registering(mut self, externs: &[Extern]) -> Vec<Registering> {
        let mut registering = Vec::new();
        let mut passed = BTreeSet::new();
        let of_extern = |external: &Extern| Root {
            name: external.name.clone(),
            path: external.path.clone(),
            dependent: None,
        };
        let mut roots: Vec<_> = externs.iter().map(of_extern).collect();
        while !roots.is_empty() {
            let mut reached = Vec::new();
            for root in roots {
                for path in self.linked_with(&root.path) {
                    if let Some(mark) = self.mark(&path) {
                        let Root { name, dependent, .. } = &root;
                        let (name, dependent) = (name.clone(), dependent.clone());
                        let own_name = crate_name(&path);
                        registering.push(Registering { name, own_name, dependent, mark });
                    }
                    self.seen.insert(stem(&path));
                    if passed.insert(stem(&path)) {
                        reached.push(path);
                    }
                }
            }
            roots = self.behind(&reached);
        }
        registering
    }

    /// The crate itself, and those that are linked when it is: it has loaded them, and may register
    /// something.
    fn linked_with(&mut self, path: &Path) -> Vec<PathBuf> {
        let mut linked = vec![path.to_owned()];
        let loaded = self.loaded(path);
        let libraries = self.libraries;
        let of_hash = |hash: &String| libraries.with_hash(hash);
        // What the framework itself has loaded knows nothing of the framework.
        let mut foreign = BTreeSet::new();
        for framework in loaded.iter().filter_map(of_hash).filter(|path| is_framework(path)) {
            foreign.extend(hash(framework).map(str::to_owned));
            foreign.extend(self.loaded(framework).iter().cloned());
        }
        if !foreign.is_empty() {
            linked.extend(loaded.difference(&foreign).filter_map(of_hash).map(Path::to_owned));
        }
        // A file without a hash is not found by it.
        let args = self.args(path);
        let unhashed = args.iter().map(|(_, args)| *args).filter(|args| hash(args).is_none());
        let unhashed: Vec<_> = unhashed.collect();
        if !unhashed.is_empty() {
            let metadata = artifact::metadata(path).unwrap_or_default();
            let is_loaded =
                |args: &&Path| artifact::has_loaded_unhashed(&metadata, &crate_name(args));
            linked.extend(unhashed.into_iter().filter(is_loaded).map(Path::to_owned));
        }
        linked
    }

    // What those in `reached` were given and did not load. All behind them is walked through once.
    fn behind(&mut self, reached: &[PathBuf]) -> Vec<Root> {
        let mut roots = Vec::new();
        for path in reached.iter().filter(|path| !is_framework(path)) {
            for (name, args) in self.args(path).iter() {
                if self.uses_framework(args) && self.seen.insert(stem(args)) {
                    let dependent = Some(crate_name(path));
                    roots.push(Root { name: name.clone(), path: args.to_path_buf(), dependent });
                }
            }
        }
        roots
    }

    fn uses_framework(&mut self, path: &Path) -> bool {
        if let Some(uses) = self.uses_framework.get(&stem(path)) {
            return *uses;
        }
        let args = self.args(path);
        let uses = args.iter().any(|(_, args)| is_framework(args) || self.uses_framework(args));
        self.uses_framework.insert(stem(path), uses);
        uses
    }

    fn mark(&mut self, path: &Path) -> Option<Mark> {
        let read = || Mark::find(&artifact::metadata(path)?);
        self.marks.entry(stem(path)).or_insert_with(read).clone()
    }

    fn loaded(&mut self, path: &Path) -> Rc<BTreeSet<String>> {
        let read = || artifact::loaded(&artifact::metadata(path).unwrap_or_default()).into();
        self.loaded.entry(stem(path)).or_insert_with(read).clone()
    }

    fn args(&mut self, path: &Path) -> Args<'a> {
        let units = self.units;
        self.args.entry(stem(path)).or_insert_with(|| units.dependencies(path).into()).clone()
    }
}

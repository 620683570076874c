//! The crates behind those that a crate may name, and which of them register something.

use std::fs;
use std::path::{Path, PathBuf};

use super::artifact::{self, Mark, crate_name, hash};
use super::invocation::Invocation;
use super::units::{Libraries, Units, stem};
use super::walk::Walk;

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
        Walk::new(&self.libraries, &self.units).registering(&self.invocation.externs)
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

pub(super) fn is_framework(path: &Path) -> bool {
    crate_name(path) == FRAMEWORK
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

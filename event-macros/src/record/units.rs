//! What cargo has noted of the crates that it compiled: which crates each was given.
//!
//! The metadata of a crate has only those that its code names. What its `Cargo.toml` lists for this
//! build, after features, renames, versions and platforms are resolved, stands in the fingerprints,
//! which cargo writes beside the compiled crates when each is finished. All that a program consists of
//! is finished before the program is compiled; while a library is compiled, its dependencies may not be.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use super::artifact::{crate_name, hash, is_library};

/// The compiled libraries in some directories.
#[derive(Debug, Default)]
pub(super) struct Libraries {
    hashed: BTreeMap<String, PathBuf>,
    /// By their crates' names.
    unhashed: BTreeMap<String, PathBuf>,
}

impl Libraries {
    pub(super) fn read(directories: &[PathBuf]) -> Self {
        let mut libraries = Self::default();
        for path in directories.iter().flat_map(|directory| entries(directory)) {
            if is_library(&path) {
                match hash(&path).map(str::to_owned) {
                    Some(hash) => libraries.hashed.insert(hash, path),
                    None => libraries.unhashed.insert(crate_name(&path), path),
                };
            }
        }
        libraries
    }

    /// The one whose file's name ends in `hash`.
    pub(super) fn with_hash(&self, hash: &str) -> Option<&Path> {
        self.hashed.get(hash).map(PathBuf::as_path)
    }
}

/// How the libraries depend on each other.
#[derive(Debug, Default)]
pub(super) struct Units {
    by_fingerprint: BTreeMap<u64, Unit>,
    /// By the beginning of the file's name.
    by_stem: BTreeMap<String, u64>,
}

#[derive(Debug)]
struct Unit {
    library: PathBuf,
    /// The file with its fingerprint; its dependencies are in the one beside it.
    noted: PathBuf,
    finished: Option<SystemTime>,
}

impl Units {
    /// What is noted of `libraries`, which are in `directories`; nothing of what cargo did not compile.
    pub(super) fn read(directories: &[PathBuf], libraries: &Libraries) -> Self {
        let mut units = Self::default();
        for (hash, folder) in directories.iter().flat_map(|directory| noted(directory)) {
            match libraries.hashed.get(&hash) {
                Some(library) => units.add(library, &folder),
                None => libraries.unhashed.values().for_each(|library| units.add(library, &folder)),
            }
        }
        units
    }

    // A file without a hash is of the last build of several.
    fn add(&mut self, library: &Path, folder: &Path) {
        let noted = folder.join(format!("lib-{}", crate_name(library)));
        let Some(fingerprint) = fs::read(&noted).ok().and_then(|text| fingerprint(&text)) else {
            return;
        };
        let finished = fs::metadata(&noted).and_then(|metadata| metadata.modified()).ok();
        let known = self.by_stem.get(&stem(library)).and_then(|of| self.by_fingerprint.get(of));
        if known.is_none_or(|known| known.finished <= finished) {
            self.by_stem.insert(stem(library), fingerprint);
        }
        self.by_fingerprint
            .insert(fingerprint, Unit { library: library.to_owned(), noted, finished });
    }

    /// The libraries that the one in the file at `path` was given, each with the name that its code has
    /// for it.
    pub(super) fn dependencies(&self, path: &Path) -> Vec<(String, &Path)> {
        let unit = self.by_stem.get(&stem(path)).and_then(|of| self.by_fingerprint.get(of));
        let text = unit.and_then(|unit| fs::read_to_string(unit.noted.with_extension("json")).ok());
        let args = dependencies(&text.unwrap_or_default());
        let libraries = args.into_iter().filter_map(|(name, fingerprint)| {
            Some((name, self.by_fingerprint.get(&fingerprint)?.library.as_path()))
        });
        libraries.collect()
    }
}

/// Distinguishes a library from all others, whether the file is its metadata or all of it.
pub(super) fn stem(path: &Path) -> String {
    path.file_stem().unwrap_or_default().to_string_lossy().into_owned()
}

fn entries(directory: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(directory).into_iter().flatten();
    entries.filter_map(|entry| Some(entry.ok()?.path())).collect()
}

// The folders of fingerprints for the libraries in a directory: `.fingerprint/package-hash` beside it for
// all, or `package/hash/fingerprint` for those in `package/hash/out`.
fn noted(directory: &Path) -> Vec<(String, PathBuf)> {
    let Some(parent) = directory.parent() else { return Vec::new() };
    let of_one = parent.join("fingerprint");
    if of_one.is_dir() {
        let hash = parent.file_name().unwrap_or_default().to_string_lossy().into_owned();
        return vec![(hash, of_one)];
    }
    let folders = entries(&parent.join(".fingerprint")).into_iter();
    let of_all = folders.filter_map(|folder| {
        let hash = folder.file_name()?.to_str()?.rsplit_once('-')?.1.to_owned();
        Some((hash, folder))
    });
    of_all.collect()
}

// Sixteen digits, the lowest byte first.
fn fingerprint(text: &[u8]) -> Option<u64> {
    let text = std::str::from_utf8(text).ok()?.trim();
    let digits = Some(text).filter(|text| text.len() == 16)?;
    u64::from_str_radix(digits, 16).ok().map(u64::swap_bytes)
}

// `"deps":[[1,"name",false,2],..]`: the package, the name, whether it is public, and its fingerprint.
fn dependencies(text: &str) -> Vec<(String, u64)> {
    let (_, rest) = text.split_once("\"deps\":[").unwrap_or_default();
    let args = rest.strip_prefix('[').and_then(|rest| rest.split_once("]]"));
    let (all, _) = args.unwrap_or_default();
    let each = all.split('[').filter_map(|one| {
        let mut parts = one.trim_end_matches([',', ']']).split(',');
        let (_, name, _) = (parts.next()?, parts.next()?, parts.next()?);
        Some((name.trim_matches('"').to_owned(), parts.next()?.parse().ok()?))
    });
    each.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cargo_noted_is_read() {
        let text = r#"{"rustc":1,"features":"[\"a\"]","deps":[[12,"bill",false,34],[56,"tokio",true,78]],"local":[[1]]}"#;
        assert_eq!(dependencies(text), [("bill".to_owned(), 34), ("tokio".to_owned(), 78)]);
        assert_eq!(dependencies(r#"{"deps":[],"local":[[1,"a",true,2]]}"#), []);
        assert_eq!(dependencies("{}"), []);
        assert_eq!(fingerprint(b"0100000000000000"), Some(1));
        assert_eq!(fingerprint(b""), None);
    }
}

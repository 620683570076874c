//! What the compiled form of a crate says of it.

use std::collections::{BTreeMap, BTreeSet};
use std::io::BufRead;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

/// What the name of the constant begins with that holds a crate's id.
pub(super) const MARK: &str = "__EVENT_CORE_REGISTERS_";

/// How many the end of a file's name has.
const HASH_DIGITS: usize = 16;

const FRAMEWORK: &str = "event_core";

/// How many hexadecimal digits an id has.
pub(super) const ID_DIGITS: usize = 16;

/// The crates that register something and are linked with the crate in the file at `path`: the crate
/// itself, or those that it has loaded. Each with what it calls itself, and its id.
pub(super) fn registering(path: &Path, directories: &[PathBuf]) -> Vec<(String, String)> {
    let Some(metadata) = metadata(path) else { return Vec::new() };
    if let Some(id) = find_id(&metadata) {
        return vec![(crate_name(path), id)];
    }
    let loaded = hashes(&metadata);
    let files = files(directories);
    // What the framework itself has loaded knows nothing of the framework.
    let framework = loaded.iter().filter_map(|hash| files.get(hash));
    let Some(framework) = framework.into_iter().find(|path| crate_name(path) == FRAMEWORK) else {
        return Vec::new();
    };
    let foreign = self::metadata(framework).map(|metadata| hashes(&metadata)).unwrap_or_default();
    let others = loaded.difference(&foreign).filter_map(|hash| files.get(hash));
    let registering =
        others.filter_map(|path| Some((crate_name(path), find_id(&self::metadata(path)?)?)));
    registering.collect()
}

/// What the crate in the file at `path` calls itself, as the file's name has it: `libname-hash.rlib`.
pub(super) fn crate_name(path: &Path) -> String {
    let stem = path.file_stem().unwrap_or_default().to_string_lossy();
    let name = stem.strip_prefix("lib").unwrap_or(&stem);
    name.split('-').next().unwrap_or(name).to_owned()
}

// Beside a library lies its metadata alone, which is shorter. A procedural macro registers nothing in
// the crate that uses it.
fn metadata(path: &Path) -> Option<Vec<u8>> {
    let extension = path.extension()?;
    if extension != "rlib" && extension != "rmeta" {
        return None;
    }
    std::fs::read(path.with_extension("rmeta")).or_else(|_| std::fs::read(path)).ok()
}

// Dependencies have megabytes, and this is compiled without optimization in most builds: the standard
// library's search for a byte is fast there too, so it goes from `V` to `V`.
fn find_id(mut metadata: &[u8]) -> Option<String> {
    let (_, rest_of_mark) = MARK.split_once('V')?;
    while metadata.skip_until(b'V').ok()? > 0 {
        if let Some(rest) = metadata.strip_prefix(rest_of_mark.as_bytes()) {
            let id = rest.get(..ID_DIGITS).filter(|id| id.iter().all(u8::is_ascii_hexdigit));
            if let Some(id) = id {
                return String::from_utf8(id.to_vec()).ok();
            }
        }
    }
    None
}

// The metadata has the ends of the names of the files of all crates that the crate has loaded:
// `-1a2b3c4d5e6f7890`.
fn hashes(mut metadata: &[u8]) -> BTreeSet<String> {
    let mut hashes = BTreeSet::new();
    while metadata.skip_until(b'-').is_ok_and(|skipped| skipped > 0) {
        let hash =
            metadata.get(..HASH_DIGITS).filter(|hash| hash.iter().all(u8::is_ascii_hexdigit));
        hashes.extend(hash.map(|hash| String::from_utf8_lossy(hash).into_owned()));
    }
    hashes
}

// The compiled dependencies by those ends.
fn files(directories: &[PathBuf]) -> &'static BTreeMap<String, PathBuf> {
    static FILES: OnceLock<BTreeMap<String, PathBuf>> = OnceLock::new();
    FILES.get_or_init(|| {
        let entries = directories.iter().filter_map(|directory| std::fs::read_dir(directory).ok());
        let paths = entries.flatten().filter_map(|entry| Some(entry.ok()?.path()));
        let libraries = paths.filter(|path| {
            path.extension().is_some_and(|extension| extension == "rmeta" || extension == "rlib")
        });
        let by_hash = libraries.filter_map(|path| {
            let hash = path.file_stem()?.to_str()?.rsplit_once('-')?.1.to_owned();
            Some((hash, path))
        });
        by_hash.collect()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_files_that_were_loaded_are_known_by_their_ends() {
        let found = hashes(b"\xc1tokio\xc1-1a2b3c4d5e6f7890\xc1-x - -1a2b");
        assert_eq!(found.into_iter().collect::<Vec<_>>(), ["1a2b3c4d5e6f7890"]);
    }

    #[test]
    fn an_id_is_found_among_other_bytes() {
        let found = |bytes: &[u8]| find_id(bytes);
        assert_eq!(
            found(b"\xc1V\0__EVENT_CORE_REGISTERS_0123456789ABCDEF\xc1"),
            Some("0123456789ABCDEF".into())
        );
        assert_eq!(found(b"__EVENT_CORE_REGISTERS_ then __EVENT_CORE_REGISTERS_01"), None);
        assert_eq!(found(b"nothing"), None);
        assert_eq!(found(b""), None);
    }

    #[test]
    fn a_crate_is_called_what_its_file_is() {
        assert_eq!(
            crate_name(Path::new("/deps/libbilling_handlers-1a2b.rlib")),
            "billing_handlers"
        );
        assert_eq!(crate_name(Path::new("libaudit.rmeta")), "audit");
    }
}

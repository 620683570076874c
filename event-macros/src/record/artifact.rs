//! What the compiled form of a crate says of it.

use std::collections::BTreeSet;
use std::io::BufRead;
use std::path::Path;

/// What the name of the constant begins with that holds a crate's id, and the event-core that the crate
/// registers with.
pub(super) const MARK: &str = "__EVENT_CORE_REGISTERS_";

/// How many hexadecimal digits an id has.
pub(super) const ID_DIGITS: usize = 16;

/// How many the end of a file's name has.
pub(super) const HASH_DIGITS: usize = 16;

/// In place of the event-core that is not known.
pub(super) const UNKNOWN: &str = "0000000000000000";

/// What a crate leaves in its metadata that registers something.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Mark {
    /// The id of the crate's build.
    pub(super) id: String,
    /// The end of the file's name of the event-core that it registers with; none when it is not known.
    pub(super) framework: Option<String>,
}

impl Mark {
    /// The name of the constant.
    pub(super) fn constant(&self) -> String {
        let framework = self.framework.as_deref().unwrap_or(UNKNOWN);
        format!("{MARK}{}_{framework}", self.id)
    }

    // Dependencies have megabytes, and this is compiled without optimization in most builds: the
    // standard library's search for a byte is fast there too, so it goes from `V` to `V`.
    /// The mark in the metadata of a crate; none when the crate registers nothing.
    pub(super) fn find(mut metadata: &[u8]) -> Option<Self> {
        let (_, rest_of_mark) = MARK.split_once('V')?;
        while metadata.skip_until(b'V').ok()? > 0 {
            let rest = metadata.strip_prefix(rest_of_mark.as_bytes());
            if let Some((id, rest)) = rest.and_then(|rest| digits(rest, ID_DIGITS)) {
                let framework = rest.strip_prefix(b"_").and_then(|rest| digits(rest, HASH_DIGITS));
                let framework = framework.map(|(framework, _)| framework.to_owned());
                let framework = framework.filter(|framework| framework != UNKNOWN);
                return Some(Mark { id: id.to_owned(), framework });
            }
        }
        None
    }
}

fn digits(bytes: &[u8], count: usize) -> Option<(&str, &[u8])> {
    let (digits, rest) = bytes.split_at_checked(count)?;
    let digits = digits.iter().all(u8::is_ascii_hexdigit).then_some(digits)?;
    Some((std::str::from_utf8(digits).ok()?, rest))
}

/// What the crate in the file at `path` calls itself, as the file's name has it: `libname-hash.rlib`.
pub(super) fn crate_name(path: &Path) -> String {
    let stem = path.file_stem().unwrap_or_default().to_string_lossy();
    let name = stem.strip_prefix("lib").unwrap_or(&stem);
    name.split('-').next().unwrap_or(name).to_owned()
}

/// The end of the file's name, which distinguishes builds of a crate; a library that is made for other
/// languages too has none.
pub(super) fn hash(path: &Path) -> Option<&str> {
    let (_, hash) = path.file_stem()?.to_str()?.rsplit_once('-')?;
    digits(hash.as_bytes(), HASH_DIGITS).filter(|(_, rest)| rest.is_empty()).map(|(hash, _)| hash)
}

// Beside a library lies its metadata alone, which is shorter.
/// The metadata of a library; none of a procedural macro, which registers nothing in the crate that
/// uses it.
pub(super) fn metadata(path: &Path) -> Option<Vec<u8>> {
    is_library(path).then(|| {
        std::fs::read(path.with_extension("rmeta")).or_else(|_| std::fs::read(path)).ok()
    })?
}

/// Whether the file at `path` is what a crate is compiled against.
pub(super) fn is_library(path: &Path) -> bool {
    path.extension().is_some_and(|extension| extension == "rlib" || extension == "rmeta")
}

/// The ends of the names of the files of all crates that a crate has loaded, `-1a2b3c4d5e6f7890`, by
/// its metadata.
pub(super) fn loaded(mut metadata: &[u8]) -> BTreeSet<String> {
    let mut loaded = BTreeSet::new();
    while metadata.skip_until(b'-').is_ok_and(|skipped| skipped > 0) {
        loaded.extend(digits(metadata, HASH_DIGITS).map(|(hash, _)| hash.to_owned()));
    }
    loaded
}

// A text stands in metadata with its length before it and a byte behind it that no UTF-8 has.
const END_OF_TEXT: u8 = 0xc1;

// How far behind the name of a crate the end of its file's name stands at most: two hashes of 16 bytes and their kinds
// are between.
const DEPENDENCY_BYTES: usize = 40;

/// Whether a crate has loaded the one called `name` from a file without a hash, by its metadata: the name of a
/// crate stands there with the end of its file's name, which is empty. One that is not recognized is found as a
/// dependency that no code names.
pub(super) fn has_loaded_unhashed(mut metadata: &[u8], name: &str) -> bool {
    // A longer name has two bytes for its length.
    let Some(length) = u8::try_from(name.len()).ok().filter(u8::is_ascii) else { return false };
    let name = [name.as_bytes(), &[END_OF_TEXT]].concat();
    while metadata.skip_until(length).is_ok_and(|skipped| skipped > 0) {
        if let Some(rest) = metadata.strip_prefix(&*name) {
            let rest = &rest[..rest.len().min(DEPENDENCY_BYTES)];
            if rest.windows(2).any(|text| text == [0, END_OF_TEXT]) {
                return true;
            }
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_files_that_were_loaded_are_known_by_their_ends() {
        let found = loaded(b"\xc1tokio\xc1-1a2b3c4d5e6f7890\xc1-x - -1a2b");
        assert_eq!(found.into_iter().collect::<Vec<_>>(), ["1a2b3c4d5e6f7890"]);
    }

    #[test]
    fn a_file_without_a_hash_is_known_by_the_name_of_its_crate_as_a_dependency() {
        let dependency = |name: &str, end: &str| {
            let text = |text: &str| {
                let length = u8::try_from(text.len()).unwrap();
                [&[length], text.as_bytes(), b"\xc1"].concat()
            };
            [&[b'x'; 40], &*text(name), &[0x77; 16], &[0, 2], &*text(end), &[1; 40]].concat()
        };
        assert!(has_loaded_unhashed(&dependency("api", ""), "api"));
        assert!(!has_loaded_unhashed(&dependency("api", "-1a2b3c4d5e6f7890"), "api"));
        for other in ["rapid_api", "api_client", "ap"] {
            assert!(!has_loaded_unhashed(&dependency(other, ""), "api"), "{other}");
        }
        assert!(!has_loaded_unhashed(b"a word: api\0\xc1, and \x03api\xc1 alone", "api"));
        assert!(!has_loaded_unhashed(b"\x03api\xc1", "api"));
        assert!(!has_loaded_unhashed(b"", ""));
    }

    #[test]
    fn a_mark_is_found_among_other_bytes() {
        let mark = |framework: Option<&str>| {
            Some(Mark { id: "0123456789ABCDEF".into(), framework: framework.map(str::to_owned) })
        };
        for framework in [Some("1a2b3c4d5e6f7890"), None] {
            let constant = mark(framework).map(|mark| mark.constant()).unwrap_or_default();
            let metadata = format!("\u{c1}V\0{constant}\u{c1}");
            assert_eq!(Mark::find(metadata.as_bytes()), mark(framework));
        }
        assert_eq!(Mark::find(b"__EVENT_CORE_REGISTERS_0123456789ABCDEF\xc1"), mark(None));
        assert_eq!(Mark::find(b"__EVENT_CORE_REGISTERS_ then __EVENT_CORE_REGISTERS_01"), None);
        assert_eq!(Mark::find(b"nothing"), None);
        assert_eq!(Mark::find(b""), None);
    }

    #[test]
    fn a_crate_is_called_what_its_file_is() {
        let hashed = Path::new("/deps/libbilling_handlers-1a2b3c4d5e6f7890.rlib");
        assert_eq!(crate_name(hashed), "billing_handlers");
        assert_eq!(hash(hashed), Some("1a2b3c4d5e6f7890"));
        assert_eq!(crate_name(Path::new("libaudit.rmeta")), "audit");
        assert_eq!(hash(Path::new("libaudit.rmeta")), None);
    }
}

//! How the compiler that runs this macro was called.
//!
//! Only its arguments say which crates a target is really given: features, renames, versions, the kind
//! of a dependency and of the target are all decided there. In an editor the macro runs outside the
//! compiler, and nothing is known.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::PathBuf;
use std::sync::OnceLock;

use super::artifact::ID_DIGITS;

/// One call of the compiler.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Invocation {
    /// What the crate calls itself.
    pub(super) crate_name: String,
    /// Distinguishes this build of the crate from every other crate in a program.
    pub(super) id: String,
    /// Whether it makes a program: a binary, an example or a test.
    pub(super) executable: bool,
    /// The crates that it may name.
    pub(super) externs: Vec<Extern>,
    /// Where all crates are that those depend on.
    pub(super) directories: Vec<PathBuf>,
}

/// A crate that may be named.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Extern {
    /// What code calls it.
    pub(super) name: String,
    /// Its compiled form.
    pub(super) path: PathBuf,
}

impl Invocation {
    /// The call in which this macro runs; none outside a compiler.
    pub(super) fn current() -> Option<&'static Self> {
        static CURRENT: OnceLock<Option<Invocation>> = OnceLock::new();
        let read = || {
            let arguments = std::env::args_os().skip(1).map(|a| a.to_string_lossy().into_owned());
            Invocation::read(arguments.flat_map(from_file))
        };
        CURRENT.get_or_init(read).as_ref()
    }

    fn read(mut arguments: impl Iterator<Item = String>) -> Option<Self> {
        let mut invocation = Invocation::default();
        let mut build = DefaultHasher::new();
        let mut has_type = false;
        while let Some(argument) = arguments.next() {
            let (option, joined) = split(&argument);
            let mut value = || joined.map(str::to_owned).or_else(|| arguments.next());
            match option {
                "--crate-name" => invocation.crate_name = value()?,
                "--crate-type" => {
                    has_type = true;
                    invocation.executable |= value()? == "bin";
                }
                "--test" => invocation.executable = true,
                "--extern" => invocation.externs.extend(Extern::read(&value()?)),
                "-L" => {
                    let directory = value()?;
                    let directory = directory.strip_prefix("dependency=").map(PathBuf::from);
                    invocation.directories.extend(directory);
                }
                "--codegen" | "-C" => {
                    let option = value()?;
                    if ["metadata=", "extra-filename="].iter().any(|key| option.starts_with(key)) {
                        option.hash(&mut build);
                    }
                }
                _ => {}
            }
        }
        // A test without a harness is given none, and makes what the compiler makes by itself.
        invocation.executable |= !has_type;
        (&invocation.crate_name, invocation.executable).hash(&mut build);
        invocation.id = format!("{:0ID_DIGITS$X}", build.finish());
        (!invocation.crate_name.is_empty()).then_some(invocation)
    }
}

// The value of an option is joined to it, or the next argument.
fn split(argument: &str) -> (&str, Option<&str>) {
    let (option, value) = match argument.get(..2) {
        Some("--") => argument.split_once('=').unwrap_or((argument, "")),
        Some("-C" | "-L") => argument.split_at(2),
        _ => (argument, ""),
    };
    (option, Some(value).filter(|value| !value.is_empty()))
}

impl Extern {
    // `name=path`, perhaps after options and a colon. One without a path is a part of the toolchain.
    fn read(value: &str) -> Option<Self> {
        let (name, path) = value.split_once('=')?;
        let name = name.rsplit(':').next().unwrap_or(name);
        Some(Extern { name: name.to_owned(), path: PathBuf::from(path) })
    }
}

// A command line that is too long for the system stands in a file, an argument a line.
fn from_file(argument: String) -> Vec<String> {
    let file = argument.strip_prefix('@').and_then(|path| std::fs::read_to_string(path).ok());
    match file {
        Some(text) => text.lines().map(str::to_owned).collect(),
        None => vec![argument],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(arguments: &str) -> Option<Invocation> {
        Invocation::read(arguments.split(' ').map(str::to_owned))
    }

    fn of(arguments: &str) -> Invocation {
        read(arguments).unwrap_or_else(|| panic!("{arguments}"))
    }

    #[test]
    fn what_cargo_says_is_read() {
        let invocation =
            of("rustc --crate-name svc --edition=2024 services/svc/src/main.rs --crate-type bin \
             -C metadata=1a -C extra-filename=-1a --extern svc=/deps/libsvc-22.rlib \
             --extern priv:bill=/deps/libbilling-33.rlib --extern proc_macro \
             -L dependency=/deps -L native=/usr/lib");
        assert_eq!(invocation.crate_name, "svc");
        assert!(invocation.executable);
        let external = |name: &str, path: &str| Extern { name: name.into(), path: path.into() };
        let externs =
            [external("svc", "/deps/libsvc-22.rlib"), external("bill", "/deps/libbilling-33.rlib")];
        assert_eq!(invocation.externs, externs);
        assert_eq!(invocation.directories, [PathBuf::from("/deps")]);
    }

    #[test]
    fn both_forms_of_an_option_are_read() {
        let apart =
            of("--crate-name a --crate-type lib -C metadata=1 --codegen extra-filename=-1 \
                        --extern b=libb.rlib src/lib.rs");
        let joined =
            of("--crate-name=a --crate-type=lib -Cmetadata=1 --codegen=extra-filename=-1 \
                         --extern=b=libb.rlib src/lib.rs");
        let different = of("--crate-name=a --crate-type=lib -Cmetadata=2 -Cextra-filename=-1 \
                            --extern=b=libb.rlib src/lib.rs");
        assert_eq!(apart.externs, joined.externs);
        assert!(!apart.executable);
        assert_ne!(joined.id, different.id);
        assert_eq!(apart.id.len(), ID_DIGITS);
    }

    #[test]
    fn a_test_is_a_program_and_another_build() {
        let library = of("--crate-name a --crate-type lib src/lib.rs");
        let test = of("--crate-name a --test src/lib.rs");
        assert!(test.executable);
        assert_ne!(library.id, test.id);
        assert!(of("--crate-name a --cfg test tests/a.rs").executable);
    }

    #[test]
    fn nothing_is_known_outside_a_compiler() {
        assert_eq!(read("--nocapture"), None);
    }
}

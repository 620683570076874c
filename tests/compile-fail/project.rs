//! A generated package with many programs: cargo looks at all of them at once, at their dependencies
//! never again, and at a program only when it has changed.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::{fs, io};

pub(crate) struct Project {
    folder: PathBuf,
}

impl Project {
    /// Writes the package; `tables` are further tables of its manifest.
    pub(crate) fn write(
        name: &str,
        tables: &str,
        programs: &BTreeMap<String, String>,
    ) -> io::Result<Project> {
        let workspace = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize()?;
        let folder = tests().join(name);
        let sources = folder.join("src/bin");
        fs::create_dir_all(&sources)?;
        for entry in fs::read_dir(&sources)? {
            let path = entry?.path();
            let program = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
            if !programs.contains_key(&program) {
                fs::remove_file(path)?;
            }
        }
        for (program, source) in programs {
            write(&sources.join(format!("{program}.rs")), source)?;
        }
        let root = workspace.display();
        let manifest = format!(
            "[package]\nname = \"{name}\"\nversion = \"0.0.0\"\nedition = \"2024\"\n\n\
             [dependencies]\n\
             event-core = {{ path = \"{root}/event-core\", default-features = false }}\n\
             serde = {{ version = \"1\", features = [\"derive\"] }}\n\n\
             [profile.dev]\ndebug = false\n\n[workspace]\n{tables}"
        );
        write(&folder.join("Cargo.toml"), &manifest)?;
        // The versions that the workspace has, which are there without a network.
        fs::copy(workspace.join("Cargo.lock"), folder.join("Cargo.lock"))?;
        Ok(Project { folder })
    }

    /// Runs `cargo COMMAND --bins` on the package, past programs that fail.
    pub(crate) fn cargo(&self, command: &str) -> io::Result<Output> {
        Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
            .args([command, "--bins", "--keep-going", "--offline", "--color=never"])
            .current_dir(&self.folder)
            .env("CARGO_TARGET_DIR", built())
            .env("CARGO_INCREMENTAL", "0")
            .env_remove("RUSTFLAGS")
            .output()
    }
}

// The target folder is the one that this very test was built into.
fn tests() -> PathBuf {
    let own = Path::new(env!("CARGO_TARGET_TMPDIR"));
    own.parent().unwrap_or(own).join("tests")
}

/// Where trybuild keeps what it builds, so what all of them depend on is built once.
pub(crate) fn built() -> PathBuf {
    tests().join("trybuild")
}

// What has not changed keeps its date, and is not compiled again.
fn write(path: &Path, text: &str) -> io::Result<()> {
    if fs::read_to_string(path).is_ok_and(|old| old == text) {
        return Ok(());
    }
    fs::write(path, text)
}

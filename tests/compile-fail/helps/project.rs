//! One generated package with a binary for each repaired case, so that cargo looks at all of them
//! at once and at the dependencies never again.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::{fs, io};

/// Compiles the programs, by name. Those that do not compile, with what the compiler says.
pub(crate) fn check(programs: &BTreeMap<String, String>) -> io::Result<BTreeMap<String, String>> {
    let workspace = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize()?;
    // Where trybuild keeps its own, so what both depend on is built once.
    let tests = target_dir().join("tests");
    let project = tests.join("helps");
    write_project(&project, &workspace, programs)?;
    let output = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
        .args(["check", "--bins", "--keep-going", "--offline", "--color=never"])
        .current_dir(&project)
        .env("CARGO_TARGET_DIR", tests.join("trybuild"))
        .env("CARGO_INCREMENTAL", "0")
        .env_remove("RUSTFLAGS")
        .output()?;
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    let failed: BTreeMap<_, _> = programs
        .keys()
        .filter(|name| said.contains(&format!("(bin \"{name}\")")))
        .map(|name| (name.clone(), about(name, &said)))
        .collect();
    if !output.status.success() && failed.is_empty() {
        return Err(io::Error::other(said));
    }
    Ok(failed)
}

// The target folder is the one that this very test was built into.
fn target_dir() -> PathBuf {
    let built = Path::new(env!("CARGO_TARGET_TMPDIR"));
    built.parent().unwrap_or(built).to_owned()
}

fn write_project(
    project: &Path,
    workspace: &Path,
    programs: &BTreeMap<String, String>,
) -> io::Result<()> {
    let folder = project.join("src/bin");
    fs::create_dir_all(&folder)?;
    for entry in fs::read_dir(&folder)? {
        let path = entry?.path();
        let name = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        if !programs.contains_key(&name) {
            fs::remove_file(path)?;
        }
    }
    for (name, program) in programs {
        write(&folder.join(format!("{name}.rs")), program)?;
    }
    let root = workspace.display();
    write(
        &project.join("Cargo.toml"),
        &format!(
            "[package]\nname = \"repaired\"\nversion = \"0.0.0\"\nedition = \"2024\"\n\n\
             [dependencies]\n\
             event-core = {{ path = \"{root}/event-core\", default-features = false }}\n\
             serde = {{ version = \"1\", features = [\"derive\"] }}\n\n\
             [lints.rust]\nwarnings = \"allow\"\n\n[profile.dev]\ndebug = \"line-tables-only\"\n\n[workspace]\n"
        ),
    )?;
    // The versions that the workspace has, which are there without a network.
    fs::copy(workspace.join("Cargo.lock"), project.join("Cargo.lock"))?;
    Ok(())
}

// What has not changed keeps its date, and is not compiled again.
fn write(path: &Path, text: &str) -> io::Result<()> {
    if fs::read_to_string(path).is_ok_and(|old| old == text) {
        return Ok(());
    }
    fs::write(path, text)
}

fn about(name: &str, said: &str) -> String {
    let place = format!("src/bin/{name}.rs:");
    let paragraphs = said.split("\n\n").filter(|paragraph| paragraph.contains(&place));
    paragraphs.collect::<Vec<_>>().join("\n\n")
}

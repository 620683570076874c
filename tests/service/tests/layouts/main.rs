//! Packages as they are laid out: a crate whose handlers the linker dropped is named at start-up, and
//! no other is.
//!
//! Each file in `packages` has the files of a package after `---`, and after `===` what cargo is asked
//! and what the program says (`exec` is the program that was built). `HANDLER NAME` and `MAIN` stand for
//! code, and what all manifests have is added. Every program is built with `#[event_core::main]`, and in
//! the long form with `#[tokio::main]`.

#![expect(clippy::unwrap_used, reason = "a test")]

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Mutex, PoisonError};
use std::{fs, io};

const MAIN: &str = r#"
#[MACRO::main]
async fn main() -> event_core::Result {
    let app = event_core::EventApp::from_env("svc")?;
    let report = app.check("svc");
    for warning in report.warnings() {
        println!("warning: {warning}");
    }
    let handlers = app.registry().handlers().len();
    match report.into_result() {
        Ok(()) => println!("ok: {handlers} handler{}", if handlers == 1 { "" } else { "s" }),
        Err(report) => println!("{report}"),
    }
    Ok(())
}
"#;

struct Layout {
    name: String,
    files: Vec<(String, String)>,
    runs: Vec<(String, String)>,
}

impl Layout {
    fn read(path: &Path) -> io::Result<Self> {
        let text = fs::read_to_string(path)?;
        let name = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        let mut layout = Layout { name, files: Vec::new(), runs: Vec::new() };
        let mut parts = None;
        for line in text.lines().filter(|line| !line.starts_with("# ")) {
            if let Some(file) = line.strip_prefix("--- ") {
                layout.files.push((file.to_owned(), String::new()));
                parts = Some(false);
            } else if let Some(run) = line.strip_prefix("=== ") {
                layout.runs.push((run.to_owned(), String::new()));
                parts = Some(true);
            } else {
                let parts = if parts == Some(true) { &mut layout.runs } else { &mut layout.files };
                let (_, text) = parts.last_mut().ok_or_else(|| io::Error::other("no part"))?;
                text.push_str(line);
                text.push('\n');
            }
        }
        Ok(layout)
    }

    fn write(&self, folder: &Path, under: &str) -> io::Result<()> {
        let workspace = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize()?;
        let own_workspace = self.files.iter().any(|(_, text)| text.contains("[workspace]"));
        for (name, text) in &self.files {
            let text = match text.strip_prefix("OTHER-EVENT-CORE ") {
                Some(version) => other_event_core(version.trim(), &workspace)?,
                None if !name.ends_with("Cargo.toml") => code(text, under),
                None => manifest(text, &workspace, name == "Cargo.toml" && !own_workspace),
            };
            let path = folder.join(name);
            fs::create_dir_all(path.parent().unwrap_or(folder))?;
            // What has not changed keeps its date, and is not compiled again.
            if !fs::read_to_string(&path).is_ok_and(|old| old == text) {
                fs::write(path, text)?;
            }
        }
        // The versions that the workspace has, which are there without a network.
        fs::copy(workspace.join("Cargo.lock"), folder.join("Cargo.lock"))?;
        Ok(())
    }
}

fn manifest(text: &str, workspace: &Path, is_root: bool) -> String {
    let (text, without) =
        text.replace("[without]\nevent-core\n", "<>").split_once("<>").map_or_else(
            || (text.to_owned(), false),
            |(before, after)| (format!("{before}{after}"), true),
        );
    if !text.contains("[package]") {
        return text;
    }
    let version = if text.contains("\nversion") { "" } else { "version = \"0.0.0\"\n" };
    let mut text = text.replace(
        "[package]\n",
        &format!("[package]\nedition = \"2024\"\npublish = false\n{version}"),
    );
    let core = format!(
        "event-core = {{ path = \"{}/event-core\", default-features = false, features = [\"testing\"] }}\n\
         tokio = {{ version = \"1\", features = [\"macros\", \"rt-multi-thread\"] }}\n",
        workspace.display()
    );
    if !without {
        match text.contains("\n[dependencies]\n") {
            true => text = text.replace("\n[dependencies]\n", &format!("\n[dependencies]\n{core}")),
            false => text.push_str(&format!("[dependencies]\n{core}")),
        }
    }
    text.push_str(if is_root { "[workspace]\n" } else { "" });
    text
}

// The sources of event-core as a package of another version: with the versions of dependencies that
// the workspace asks for, since a package outside of it inherits none.
fn other_event_core(version: &str, workspace: &Path) -> io::Result<String> {
    let core = workspace.join("event-core");
    let asked = fs::read_to_string(workspace.join("Cargo.toml"))?;
    let asked = |name: &str| {
        let line = asked.lines().find(|line| line.starts_with(&format!("{name} = ")));
        line.unwrap_or_default().replace("path = \"", &format!("path = \"{}/", workspace.display()))
    };
    let text = fs::read_to_string(core.join("Cargo.toml"))?;
    let (_, dependencies) = text.split_once("\n[dependencies]\n").unwrap_or_default();
    let dependencies = dependencies.split("\n\n").next().unwrap_or_default();
    let needed = dependencies.lines().filter_map(|line| line.strip_suffix(".workspace = true"));
    let needed: String = needed.map(|name| asked(name) + "\n").collect();
    Ok(format!(
        "[package]\nname = \"event-core\"\nversion = \"{version}\"\nedition = \"2024\"\n\
         [lib]\npath = \"{}\"\n[features]\nkafka = []\ntls = []\ncli = []\nadmin = []\n\
         testing = []\nanyhow = []\neyre = []\n[dependencies]\n{needed}",
        core.join("src/lib.rs").display()
    ))
}

fn code(text: &str, under: &str) -> String {
    let lines = text.lines().map(|line| match line.strip_prefix("HANDLER ") {
        Some(event) => format!(
            "#[event_core::event_handler(topic = \"x_events\", event = \"{event}\")]\n\
             async fn {}(raw: event_core::prelude::RawEvent) {{ drop(raw); }}\n",
            event.to_lowercase()
        ),
        None if line == "MAIN" => MAIN.replace("MACRO", under),
        None => format!("{}\n", line.replace("MACRO", under)),
    });
    lines.collect()
}

// Where the tests of the macros keep theirs, so what both depend on is built once.
fn target() -> PathBuf {
    let built = Path::new(env!("CARGO_TARGET_TMPDIR"));
    built.parent().unwrap_or(built).join("tests")
}

fn said(folder: &Path, arguments: &str) -> io::Result<String> {
    let built = target().join("trybuild");
    let mut command = match arguments.strip_prefix("exec ") {
        Some(program) => Command::new(built.join("debug").join(program)),
        None => {
            let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
            let mut cargo = Command::new(cargo);
            cargo.args(arguments.split(' ')).args(arguments.starts_with("run").then_some("-q"));
            cargo
        }
    };
    let output = command
        .current_dir(folder)
        .env("CARGO_TARGET_DIR", built)
        .env("CARGO_INCREMENTAL", "0")
        .env("CARGO_NET_OFFLINE", "true")
        .env("CARGO_PROFILE_DEV_DEBUG", "0")
        .env_remove("RUSTFLAGS")
        .output()?;
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{arguments}: {}", String::from_utf8_lossy(&output.stderr));
    // What the test harness says of itself.
    let lines = said.lines().filter(|line| {
        !line.is_empty()
            && !line.starts_with("running ")
            && !line.starts_with("test result")
            && *line != "."
    });
    Ok(lines.map(|line| format!("{line}\n")).collect())
}

#[test]
fn a_crate_that_is_lost_is_named_in_every_layout_of_packages() {
    each_layout_says_what_is_expected("event_core");
}

#[ignore = "links every package once more: .ci/long"]
#[test]
fn a_crate_that_is_lost_is_named_under_the_macro_of_tokio_too() {
    each_layout_says_what_is_expected("tokio");
}

/// One at a time: programs of both have the same names in one target folder.
static ALONE: Mutex<()> = Mutex::new(());

/// The macro that makes `main` is that of `under`.
fn each_layout_says_what_is_expected(under: &str) {
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    let packages = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/layouts/packages");
    let mut paths: Vec<_> =
        fs::read_dir(packages).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    assert_eq!(paths.len(), 23, "{paths:?}");
    let mut wrong = Vec::new();
    for layout in paths.iter().map(|path| Layout::read(path).unwrap()) {
        // Of both macros: cargo distinguishes builds by the place in a workspace, not by the folder.
        let folder = target().join("layouts").join(&layout.name);
        layout.write(&folder, under).unwrap();
        for (run, expected) in &layout.runs {
            let (run, only) = run.split_once(" under ").unwrap_or((run, under));
            if only != under {
                continue;
            }
            let said = said(&folder, run).unwrap();
            if said != *expected {
                wrong.push(format!("{} under {under}, cargo {run}:\n{said}", layout.name));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

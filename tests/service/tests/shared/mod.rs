//! Runs a service's binary as a person at the terminal does.

#![allow(dead_code, reason = "not every test has use for all of it")]

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::LazyLock;

pub(crate) struct Ran {
    pub(crate) code: Option<i32>,
    pub(crate) out: String,
    pub(crate) err: String,
}

/// A program in a folder without settings, and without those of whoever runs the tests.
pub(crate) fn command(program: &str) -> Command {
    let mut command = Command::new(program);
    for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("EVENT_")) {
        command.env_remove(name);
    }
    command.current_dir(empty_folder()).stdin(Stdio::null());
    command
}

/// Sends a signal, `-TERM`, to a program that runs.
pub(crate) fn signal(process: &Child, signal: &str) {
    let id = process.id().to_string();
    assert!(Command::new("kill").args([signal, &id]).status().unwrap().success());
}

pub(crate) fn run(program: &str, arguments: &[&str], variables: &[(&str, &str)]) -> Ran {
    let mut command = command(program);
    command.args(arguments).envs(variables.iter().copied());
    let Output { status, stdout, stderr } = command.output().unwrap();
    Ran {
        code: status.code(),
        out: String::from_utf8(stdout).unwrap(),
        err: String::from_utf8(stderr).unwrap(),
    }
}

/// A folder without an `event.toml`.
pub(crate) fn empty_folder() -> &'static Path {
    static FOLDER: LazyLock<PathBuf> = LazyLock::new(|| {
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("empty");
        std::fs::create_dir_all(&folder).unwrap();
        folder
    });
    &FOLDER
}

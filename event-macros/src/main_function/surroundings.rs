//! Finds the files of the package that is being compiled.

use std::path::{Path, PathBuf};

use toml::Table;

use super::dependencies::{HandlerCrates, Package};

/// The crates that should register something; none where the files are not there, as under a
/// build system that is not Cargo.
pub(crate) fn handler_crates() -> HandlerCrates {
    find().unwrap_or_default()
}

fn find() -> Option<HandlerCrates> {
    let directory = PathBuf::from(std::env::var_os("CARGO_MANIFEST_DIR")?);
    let manifest = read(&directory.join("Cargo.toml"))?;
    let lock_path = directory.ancestors().map(|d| d.join("Cargo.lock")).find(|p| p.is_file())?;
    let lock = read(&lock_path)?;
    let workspace_directory = lock_path.parent()?;
    let workspace = read(&workspace_directory.join("Cargo.toml"));
    // Cargo sets this for binaries alone; a library does not depend on itself.
    let is_binary = std::env::var_os("CARGO_BIN_NAME").is_some();
    let library = manifest.contains_key("lib") || directory.join("src/lib.rs").is_file();
    let manifest_at = |path: &str, inherited: bool| {
        let base = if inherited { workspace_directory } else { &directory };
        read(&base.join(path).join("Cargo.toml"))
    };
    let package = Package {
        manifest: &manifest,
        workspace: workspace.as_ref(),
        lock: &lock,
        has_library: is_binary && library,
        manifest_at: &manifest_at,
    };
    Some(package.handler_crates())
}

fn read(path: &Path) -> Option<Table> {
    std::fs::read_to_string(path).ok()?.parse().ok()
}

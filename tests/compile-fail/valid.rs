//! Each file of `valid` compiles, with all warnings denied, and what it asserts in `main` holds.

mod project;

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;
use std::{fs, io};

use project::{Project, built};

/// They are programs that nobody calls.
const ALLOWED: &str = "\n[lints.rust]\ndead_code = \"allow\"\n";

#[test]
fn what_is_allowed_compiles_and_runs() {
    let programs = programs().unwrap();
    assert!(programs.len() >= 17, "{:?}", programs.keys());
    let project = Project::write("valid", ALLOWED, &programs).unwrap();
    let built_all = project.cargo("build").unwrap();
    let said = String::from_utf8_lossy(&built_all.stderr);
    assert!(built_all.status.success(), "{said}");
    for name in programs.keys() {
        let ran = Command::new(built().join("debug").join(name)).output().unwrap();
        let said = String::from_utf8_lossy(&ran.stderr);
        assert!(ran.status.success(), "{name}: {}\n{said}", ran.status);
    }
}

fn programs() -> io::Result<BTreeMap<String, String>> {
    let mut programs = BTreeMap::new();
    for entry in fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("valid"))? {
        let path = entry?.path();
        let name = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        programs.insert(name, fs::read_to_string(&path)?);
    }
    Ok(programs)
}

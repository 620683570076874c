//! A help that is code makes the program compile: each is typed in where its error points, as a
//! reader would, and all programs that come of it are compiled.
//!
//! Nothing here knows a case. [`help`] has the forms that can be applied; a help in any other words
//! is one for a person, and its case stands in [`IN_WORDS`] with the reason.

mod apply;
mod help;
mod in_words;
mod pinned;
mod marked;
#[path = "../project.rs"]
mod project;
mod source;

use std::collections::BTreeMap;
use std::fs;
use std::io::{self, Write};
use std::path::Path;

use in_words::IN_WORDS;
use project::Project;

/// How many cases must be repaired at the least.
const AT_LEAST: usize = 250;

struct Case {
    source: String,
    repaired: Result<String, String>,
}

#[test]
fn a_help_that_is_code_makes_the_case_compile() {
    let cases = cases().unwrap();
    let repaired = cases.iter().filter_map(|(name, case)| {
        case.repaired.as_ref().ok().map(|program| (name.clone(), program.clone()))
    });
    let broken = check(&repaired.collect()).unwrap();
    let (mut applied, mut in_words, mut wrong) = (0, Vec::new(), Vec::new());
    for (name, case) in &cases {
        let reason = IN_WORDS.iter().find(|(listed, _)| listed == name).map(|(_, why)| *why);
        match (&case.repaired, broken.get(name), reason) {
            (Ok(_), None, None) => applied += 1,
            (Ok(_), None, Some(_)) => {
                wrong.push(format!("{name}: its help compiles, so it is not one in words"));
            }
            (Ok(program), Some(said), None) => wrong.push(format!(
                "{name}: what its help makes of it does not compile\n{}\n{program}\n{said}",
                case.source
            )),
            (Err(why), _, None) => wrong.push(format!("{name}: cannot be applied, {why}")),
            (_, _, Some(reason)) => in_words.push(format!("  {name}: {reason}")),
        }
    }
    let unknown = IN_WORDS.iter().filter(|(name, _)| !cases.contains_key(*name));
    wrong.extend(unknown.map(|(name, _)| format!("{name}: there is no such case")));
    if applied < AT_LEAST {
        wrong.push(format!("{applied} helps were applied, {AT_LEAST} must be"));
    }
    let table = format!(
        "helps of {} cases: {applied} applied, {} in words:\n{}\n",
        cases.len(),
        in_words.len(),
        in_words.join("\n")
    );
    // Shown of a test that passes, too.
    io::stderr().write_all(table.as_bytes()).unwrap();
    assert!(wrong.is_empty(), "{} helps are wrong:\n\n{}", wrong.len(), wrong.join("\n\n"));
}

fn cases() -> io::Result<BTreeMap<String, Case>> {
    let mut cases = BTreeMap::new();
    for entry in fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("cases"))? {
        let path = entry?.path();
        if path.extension().is_none_or(|extension| extension != "rs") {
            continue;
        }
        let name = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        let source = fs::read_to_string(&path)?;
        let repaired = fs::read_to_string(path.with_extension("stderr"))
            .map_err(|error| format!("its .stderr: {error}"))
            .and_then(|stderr| pinned::read(&stderr, &name))
            .and_then(|errors| apply::repair(&source, &errors));
        cases.insert(name, Case { source, repaired });
    }
    Ok(cases)
}

/// Compiles the programs, by name. Those that do not compile, with what the compiler says.
fn check(programs: &BTreeMap<String, String>) -> io::Result<BTreeMap<String, String>> {
    let project = Project::write("repaired", "\n[lints.rust]\nwarnings = \"allow\"\n", programs)?;
    let output = project.cargo("check")?;
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

fn about(name: &str, said: &str) -> String {
    let place = format!("src/bin/{name}.rs:");
    let paragraphs = said.split("\n\n").filter(|paragraph| paragraph.contains(&place));
    paragraphs.collect::<Vec<_>>().join("\n\n")
}

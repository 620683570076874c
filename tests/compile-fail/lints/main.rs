//! A crate that turns lints on hears nothing of an expansion.
//!
//! `forms.rs` has every form of what the macros take. It is compiled once for each set of lints, which
//! is denied, so a new form is put there and is under all of them.

#[path = "../project.rs"]
mod project;

use std::io;
use std::process::Command;

use project::Project;

const FORMS: &str = include_str!("forms.rs");

/// What `forms.rs` has of each kind, at the least.
const AT_LEAST: [(&str, usize); 8] = [
    ("#[event_handler", 30),
    ("#[derive(Event,", 7),
    ("#[derive(EventSum,", 2),
    ("#[derive(Topics,", 1),
    ("#[derive(Events,", 1),
    ("#[derive(Debug, EventError)", 2),
    ("#[derive(StateParts,", 2),
    ("#[event_core::main]", 1),
];

/// Lints of rustc that are off unless turned on, and stay so here.
const NOT_DENIED: [(&str, &str); 2] = [
    ("unused-crate-dependencies", "the package has one dependency for all its programs"),
    ("linker-messages", "nothing is linked"),
];

/// Lints of clippy that forbid something, of which a crate chooses some.
const RESTRICTIONS: &[&str] = &[
    "allow_attributes",
    "allow_attributes_without_reason",
    "arithmetic_side_effects",
    "as_conversions",
    "as_underscore",
    "assertions_on_result_states",
    "clone_on_ref_ptr",
    "dbg_macro",
    "default_numeric_fallback",
    "deref_by_slicing",
    "exit",
    "expect_used",
    "float_arithmetic",
    "fn_to_numeric_cast_any",
    "get_unwrap",
    "if_then_some_else_none",
    "impl_trait_in_params",
    "indexing_slicing",
    "infinite_loop",
    "integer_division",
    "let_underscore_must_use",
    "let_underscore_untyped",
    "map_err_ignore",
    "mem_forget",
    "missing_assert_message",
    "missing_asserts_for_indexing",
    "missing_docs_in_private_items",
    "mixed_read_write_in_expression",
    "modulo_arithmetic",
    "multiple_inherent_impl",
    "mutex_atomic",
    "non_ascii_literal",
    "panic",
    "panic_in_result_fn",
    "partial_pub_fields",
    "print_stderr",
    "print_stdout",
    "question_mark_used",
    "rc_buffer",
    "rc_mutex",
    "redundant_type_annotations",
    "ref_patterns",
    "renamed_function_params",
    "rest_pat_in_fully_bound_structs",
    "same_name_method",
    "semicolon_inside_block",
    "shadow_same",
    "shadow_unrelated",
    "single_call_fn",
    "str_to_string",
    "string_add",
    "string_slice",
    "todo",
    "try_err",
    "undocumented_unsafe_blocks",
    "unimplemented",
    "unneeded_field_pattern",
    "unreachable",
    "unseparated_literal_suffix",
    "unwrap_in_result",
    "unwrap_used",
    "use_debug",
    "verbose_file_reads",
    "wildcard_enum_match_arm",
];

/// The compiler lists lints that it knows only where unstable features may be used.
const NIGHTLY: &str = "#![allow(unknown_lints, reason = \"unstable\")]";

#[test]
fn every_form_is_there() {
    for (form, at_least) in AT_LEAST {
        let found = FORMS.matches(form).count();
        assert!(found >= at_least, "{form}: {found}, there must be {at_least}");
    }
}

#[test]
fn lints_that_a_crate_turns_on_are_silent_in_expansions() {
    let help = help().unwrap();
    let restrictions: Vec<_> = RESTRICTIONS.iter().map(|lint| format!("clippy::{lint}")).collect();
    let sets = [
        ("rustc_groups", groups(&help)),
        ("rustc_off_by_default", off_by_default(&help)),
        ("clippy_pedantic", vec!["clippy::all".into(), "clippy::pedantic".into()]),
        ("clippy_nursery", vec!["clippy::all".into(), "clippy::nursery".into()]),
        ("clippy_restriction", restrictions),
    ];
    let programs = sets.iter().map(|(name, lints)| (String::from(*name), program(lints)));
    let project = Project::write("lints", "", &programs.collect()).unwrap();
    let output = project.cargo("clippy").unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
    assert!(!said.contains("warning:"), "{said}");
}

// The names of the groups that are no part of another, from the compiler that is used.
fn groups(help: &str) -> Vec<String> {
    let groups = help.lines().skip_while(|line| !line.contains("sub-lints")).skip(2);
    let groups = groups.map_while(|line| line.split_whitespace().next());
    let groups = groups.filter(|name| *name != "warnings").map(|name| name.replace('-', "_"));
    let groups: Vec<_> = groups.collect();
    assert!(groups.iter().any(|group| group == "rust_2018_idioms"), "{groups:?}");
    groups
}

fn off_by_default(help: &str) -> Vec<String> {
    let rows = help.lines().filter_map(|line| {
        let mut words = line.split_whitespace();
        Some((words.next()?, words.next()?))
    });
    let off = rows.filter(|(_, level)| *level == "allow").map(|(name, _)| name);
    let off = off.filter(|name| NOT_DENIED.iter().all(|(not_denied, _)| name != not_denied));
    let off: Vec<_> = off.map(|name| name.replace('-', "_")).collect();
    assert!(off.iter().any(|lint| lint == "unused_qualifications"), "{off:?}");
    off
}

fn help() -> io::Result<String> {
    let rustc = std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let output = Command::new(rustc).args(["-W", "help"]).output()?;
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

fn program(lints: &[String]) -> String {
    let denied = lints.join(", ");
    format!("//! Forms.\n\n{NIGHTLY}\n#![deny(warnings, {denied})]\n\n{}", code())
}

// The forms without the comment that the file begins with, which no attribute may follow.
fn code() -> String {
    FORMS
        .lines()
        .skip_while(|line| line.starts_with("//!"))
        .map(|line| format!("{line}\n"))
        .collect()
}

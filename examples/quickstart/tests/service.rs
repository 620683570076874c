//! The binary as it is typed at a prompt, on the embedded broker.

#![allow(clippy::unwrap_used, reason = "a test")]

use std::process::Command;

#[test]
fn dev_greets_whoever_is_in_the_samples() {
    let output = Command::new(env!("CARGO_BIN_EXE_quickstart"))
        .args(["dev", "--exit-when-idle"])
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{text}{}", String::from_utf8_lossy(&output.stderr));
    // The output that the README shows, as it is.
    let (_, shown) = README.split_once("```text\n").unwrap();
    let (shown, _) = shown.split_once("```").unwrap();
    assert!(shown.starts_with("hello, world\n"), "{shown}");
    assert!(text.ends_with(shown), "{text}");
}

const README: &str = include_str!("../../../README.md");

fn service_and_test() -> (&'static str, &'static str) {
    let source = include_str!("../src/main.rs");
    source.split_at(source.find("\n#[cfg(test)]\n").unwrap())
}

#[test]
fn a_whole_service_takes_fifteen_lines() {
    let code = service_and_test()
        .0
        .lines()
        .map(str::trim)
        .filter(|l| !l.is_empty() && !l.starts_with("//"));
    assert!(code.count() <= 15);
}

#[test]
fn the_readme_shows_it_as_it_is() {
    let (service, test) = service_and_test();
    assert!(README.contains(service));
    assert!(README.contains(test));
}

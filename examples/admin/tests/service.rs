//! The binary as it is typed at a prompt, on the embedded broker.

#![allow(clippy::unwrap_used, reason = "a test")]

use std::process::{Command, Output};

fn admin(folder: &tempfile::TempDir, arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_admin"))
        .args(arguments)
        .current_dir(folder)
        .env_remove("DATABASE_URL")
        .env_remove("ADMIN_DATABASE")
        .output()
        .unwrap()
}

fn stdout(output: &Output) -> String {
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{text}{}", String::from_utf8_lossy(&output.stderr));
    text
}

#[test]
fn dev_prints_a_row_for_each_sample() {
    let folder = tempfile::tempdir().unwrap();
    let samples = include_str!("../samples.jsonl").lines().count();
    // The second run finds the rows of the first, and a broker that starts at offset 0 again.
    for _ in 0..2 {
        let text = stdout(&admin(&folder, &["dev", "--exit-when-idle"]));
        let table = text.lines().skip_while(|line| !line.starts_with("TIME"));
        let rows = table.filter(|line| line.contains("_events/")).count();
        assert_eq!(rows, samples, "{text}");
        assert!(text.contains("Claim added with ID: 7 to Role ID: 3"), "{text}");
        // Data that no contract knows, written as Python writes it.
        assert!(text.contains(r#""reason": "a\u00f1o nuevo""#), "{text}");
    }
    assert!(folder.path().join("admin.db").exists());
}

#[test]
fn check_and_handlers_touch_no_database() {
    let folder = tempfile::tempdir().unwrap();
    stdout(&admin(&folder, &["check"]));
    let handlers = stdout(&admin(&folder, &["handlers"]));
    for event in [
        "USER_CREATED",
        "CLAIM_ADDED",
        "CLAIM_REMOVED",
        "ROLE_ADDED_TO_USER",
        "ROLE_REMOVED_FROM_USER",
    ] {
        assert!(handlers.contains(event), "{handlers}");
    }
    assert!(!folder.path().join("admin.db").exists());
}

//! The figures, as a table.

use std::fmt::Write;

use crate::journal_check::{Cause, Findings};

/// One run.
#[derive(Clone, Debug)]
pub struct Row {
    /// What was done.
    pub scenario: String,
    /// Where.
    pub broker: String,
    /// The seed.
    pub seed: u64,
    /// What came out.
    pub findings: Findings,
    /// How long this and that took.
    pub notes: Vec<String>,
}

impl Row {
    /// Prints the figures, then fails if there is a defect.
    ///
    /// # Panics
    ///
    /// When there is one.
    pub fn assert_sound(&self) {
        println!("{}", self.text());
        let defects = self.findings.defects();
        let shown: Vec<_> = defects.iter().take(20).cloned().collect();
        assert!(defects.is_empty(), "{} defects:\n{}", defects.len(), shown.join("\n"));
    }

    /// The figures.
    #[must_use]
    pub fn text(&self) -> String {
        let found = &self.findings;
        let mut text = format!("\n{} ({}, seed {})\n", self.scenario, self.broker, self.seed);
        let mut line = |name: &str, value: String| {
            let _ = writeln!(text, "  {name:<44} {value:>8}");
        };
        line("acknowledged", found.acknowledged.to_string());
        line("not acknowledged", found.failed.to_string());
        line("executions", found.executions.to_string());
        line("lost", found.lost.len().to_string());
        line("first completions out of order", found.disorder.len().to_string());
        line("overlaps of a key, not allowed", found.overlaps.len().to_string());
        line("overlaps after a partition was lost", found.allowed_overlaps.to_string());
        line("failed, then begun anew by the next owner", found.begun_anew.to_string());
        for (cause, name) in [
            (Cause::Killed, "repeated: killed member"),
            (Cause::Frozen, "repeated: frozen member"),
            (Cause::Joins, "repeated: joins"),
            (Cause::Broker, "repeated: broker"),
            (Cause::Unexplained, "repeated: unexplained"),
        ] {
            line(name, found.repeats(cause).to_string());
        }
        for (phase, wait) in &found.waits {
            line(&format!("longest wait, {phase}"), format!("{wait} ms"));
        }
        let _ = write!(text, "  {}", self.notes.join("; "));
        text
    }
}

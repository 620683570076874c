//! Everything that keeps a service from starting, in one report.

use std::fmt;

use super::{NamedTables, StartupProblem};

/// Everything found at start-up. Its `Display` is what the person at the terminal reads.
///
/// The order is always the same: settings, no handlers, topics of the settings, duplicate handlers and
/// ids, names of topics, contracts, states, crates that are not linked and layers, missing topics, the
/// broker; handlers and contracts by topic and event.
#[derive(Clone, Default)]
pub struct StartupReport {
    problems: Vec<StartupProblem>,
    warnings: Vec<StartupProblem>,
    /// The tables of handlers and topics in settings that are wrong otherwise.
    pub(crate) tables: NamedTables,
}

impl StartupReport {
    /// The exit code of a service that does not start: 2.
    pub const EXIT_CODE: u8 = 2;

    /// Collects `problems`.
    #[must_use]
    pub fn new(problems: Vec<StartupProblem>) -> Self {
        let mut report = StartupReport::default();
        report.add_problems(problems);
        report
    }

    /// Adds what keeps the service from starting.
    pub fn add_problems(&mut self, problems: impl IntoIterator<Item = StartupProblem>) {
        self.problems.extend(problems);
        // Stable: of one kind what was found first comes first, and that is sorted.
        self.problems.sort_by_key(StartupProblem::rank);
    }

    /// Adds what deserves a look but keeps nobody from starting.
    pub fn add_warnings(&mut self, warnings: impl IntoIterator<Item = StartupProblem>) {
        self.warnings.extend(warnings);
        self.warnings.sort_by_key(StartupProblem::rank);
    }

    /// Adds the problems and the warnings of `other`.
    pub(crate) fn add(&mut self, other: StartupReport) {
        self.add_problems(other.problems);
        self.add_warnings(other.warnings);
    }

    /// The same report, in which every warning is a problem.
    #[must_use]
    pub fn strict(mut self) -> Self {
        let warnings = std::mem::take(&mut self.warnings);
        self.add_problems(warnings);
        self
    }

    /// What keeps the service from starting, in the order of the report.
    #[must_use]
    pub fn problems(&self) -> &[StartupProblem] {
        &self.problems
    }

    /// What deserves a look, in the same order.
    #[must_use]
    pub fn warnings(&self) -> &[StartupProblem] {
        &self.warnings
    }

    /// Ok when there is no problem.
    ///
    /// # Errors
    ///
    /// The report itself.
    pub fn into_result(self) -> Result<(), StartupReport> {
        if self.problems.is_empty() { Ok(()) } else { Err(self) }
    }
}

impl std::error::Error for StartupReport {}

// A test that unwraps it shows the report and not its parts.
impl fmt::Debug for StartupReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

// Without the warnings: they were printed when they were found.
impl fmt::Display for StartupReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let count = self.problems.len();
        write!(f, "cannot start: {count} problem{}", if count == 1 { "" } else { "s" })?;
        for (index, problem) in self.problems.iter().enumerate() {
            write!(f, "\n  {}. {problem}", index + 1)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_order_of_the_report_does_not_depend_on_who_found_what_first() {
        let setting = |message: &str| StartupProblem::Setting {
            message: message.into(),
            help: "fix it".into(),
        };
        let unlinked = StartupProblem::UnnotedBinary;
        let ignored = StartupProblem::IgnoredVariable { name: "EVENT_HORIZON".into() };
        let mut report = StartupReport::new(vec![unlinked, setting("b")]);
        report.add_warnings([ignored]);
        report.add_problems([StartupProblem::NoHandlers, setting("a")]);
        let kinds = |report: &StartupReport| {
            report.problems().iter().map(StartupProblem::kind).collect::<Vec<_>>()
        };
        assert_eq!(kinds(&report), ["setting", "setting", "no_handlers", "unnoted_binary"]);
        assert!(report.to_string().starts_with("cannot start: 4 problems\n  1. b\n"), "{report}");
        let strict = report.strict();
        assert_eq!(
            kinds(&strict),
            ["setting", "setting", "ignored_variable", "no_handlers", "unnoted_binary"]
        );
        assert!(strict.warnings().is_empty());
    }
}

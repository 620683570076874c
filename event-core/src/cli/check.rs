//! `check`: everything that can be found wrong without a broker, and with `--online` what the broker
//! says about the topics.

use clap::Args;
use serde::Serialize;

use crate::app::{EventApp, Settings, kafka_broker, print_warnings};
use crate::outcome::Error;
use crate::registry::{SourceLocation, StartupProblem, StartupReport};
use crate::router::EventRouter;

#[derive(Debug, Args)]
pub(super) struct CheckArgs {
    /// Print JSON, for a build server
    #[arg(long)]
    json: bool,
    /// Treat warnings as errors
    #[arg(long)]
    strict: bool,
    /// Also ask the broker which topics are missing or unauthorized
    #[arg(long)]
    online: bool,
}

#[derive(Serialize)]
struct Report {
    ok: bool,
    problems: Vec<Problem>,
    warnings: Vec<Problem>,
}

#[derive(Serialize)]
struct Problem {
    kind: &'static str,
    message: String,
    help: String,
    places: Vec<SourceLocation>,
}

pub(super) async fn run(
    app: &EventApp,
    settings: Result<Settings, StartupReport>,
    arguments: &CheckArgs,
) -> Result<(), Error> {
    let (settings, mut report) = app.report(settings);
    if arguments.online
        && let Some(settings) = &settings
    {
        match kafka_broker(app.service(), settings) {
            Ok(broker) => {
                let (problems, warnings) = app.check_on(&broker, settings).await;
                report.add_problems(problems);
                report.add_warnings(warnings);
            }
            Err(wrong) => report.add_problems(wrong.problems().iter().cloned()),
        }
    }
    let report = if arguments.strict { report.strict() } else { report };
    // Standard error is the same for people with and without JSON.
    print_warnings(report.warnings());
    if arguments.json {
        say!("{}", serde_json::to_string_pretty(&Report::from(&report))?);
    }
    report.into_result()?;
    if let (Some(settings), false) = (settings, arguments.json) {
        say!("ok: {}", summary(app, &settings));
    }
    Ok(())
}

fn summary(app: &EventApp, settings: &Settings) -> String {
    let registry = app.registry();
    let router = EventRouter::new(registry.handlers());
    let topics: Vec<_> =
        router.topics().filter_map(|topic| Some(topic.ok()?.to_string())).collect();
    let handlers = registry.handlers().len();
    let s = if handlers == 1 { "" } else { "s" };
    let groups = registry.groups(&settings.group);
    let named: Vec<_> = groups.keys().map(|group| format!("`{group}`")).collect();
    let groups = if named.len() == 1 { "group" } else { "groups" };
    let (topics, named) = (topics.join(", "), named.join(", "));
    format!("{handlers} handler{s} on {topics} in {groups} {named}")
}

impl From<&StartupReport> for Report {
    fn from(report: &StartupReport) -> Self {
        let all = |problems: &[StartupProblem]| problems.iter().map(Problem::from).collect();
        Report {
            ok: report.problems().is_empty(),
            problems: all(report.problems()),
            warnings: all(report.warnings()),
        }
    }
}

impl From<&StartupProblem> for Problem {
    fn from(problem: &StartupProblem) -> Self {
        Problem {
            kind: problem.kind(),
            message: problem.message(),
            help: problem.help(),
            places: problem.places(),
        }
    }
}

//! `dlq redrive` and `dlq drop`.

use std::io::{BufRead, IsTerminal, Write};
use std::ops::ControlFlow;

use clap::Args;

use super::look::id_of;
use super::{DlqQuery, FilterArgs, letters, redrive_targets};
use crate::app::{EventApp, ExitStatus, Settings, kafka_broker};
use crate::broker::kafka::KafkaBroker;
use crate::cli::explain::left_to;
use crate::cli::known::usage;
use crate::cli::stop::on_signal;
use crate::event::{GroupName, TopicName};
use crate::operations::dead_letters::{
    DeadLetter, DeadLetterFilter, DeadLetters, RedrivePreview, RedriveTargets, Resolved, Resolver,
    Step, Unread, check_redrive_topics, list, preview_redrive, unread_redrive_topics,
};
use crate::operations::{DryRun, DryRunOutcome, DryRunner, Rate};
use crate::outcome::Error;

#[derive(Debug, Args)]
pub(super) struct RedriveArgs {
    /// Letters with these ids, such as 0@15; default: all that match the filters
    #[arg(value_name = "LETTER")]
    ids: Vec<String>,
    #[command(flatten)]
    filter: FilterArgs,
    /// Send nothing; print the outcome of each letter in this build: it is decoded,
    /// routed and extracted, and no handler runs
    #[arg(long)]
    dry_run: bool,
    /// Rate limit, such as 10/s or 100/m
    #[arg(long)]
    rate: Option<Rate>,
    /// Do not ask, even if no filter is given
    #[arg(long)]
    yes: bool,
}

#[derive(Debug, Args)]
pub(super) struct DropArgs {
    /// The letters with these ids, such as 0@15
    #[arg(value_name = "LETTER")]
    ids: Vec<String>,
    #[command(flatten)]
    filter: FilterArgs,
    /// All letters, when no filter is given
    #[arg(long)]
    all: bool,
    /// Drop nothing; list the letters that would be dropped
    #[arg(long)]
    dry_run: bool,
}

pub(super) async fn redrive(
    app: EventApp,
    settings: &Settings,
    group: Option<String>,
    arguments: RedriveArgs,
) -> Result<(), Error> {
    let mut query = arguments.filter.query(&app, settings, group.as_deref(), &arguments.ids)?;
    // Those that cannot be redriven do not count.
    let limit = query.filter.limit.take().unwrap_or(usize::MAX);
    let broker = kafka_broker(app.service(), settings)?;
    let found = found(&broker, &query).await?;
    let redrive_targets = redrive_targets(&app, settings, &broker, group.as_deref()).await?;
    if arguments.dry_run {
        return dry_run(app, settings, &broker, &redrive_targets, &query, &found, limit).await;
    }
    let is_narrow = arguments.filter.is_given() || !arguments.ids.is_empty();
    let count = found.letters.len().min(limit);
    if count > 1 && !is_narrow && !arguments.yes {
        confirm(count)?;
    }
    let resolver = Resolver::new(&broker, arguments.rate, on_signal())?.limit(limit);
    let several = query.topics.len() > 1;
    let progress = |step: &Step<'_>| report("redriven", step, several);
    // Before anything is sent: what is sent now may be read, and committed, at once.
    check_redrive_topics(&broker, &found.letters, &redrive_targets).await?;
    let unread = unread_redrive_topics(&broker, &found.letters, &redrive_targets).await?;
    let resolved = resolver.redrive(&found.letters, &redrive_targets, progress).await?;
    let ended = summary("redriven", &resolved, found.letters.len());
    if resolved.done > 0 {
        report_unread(&unread);
    }
    ended
}

pub(super) async fn give_up(
    app: &EventApp,
    settings: &Settings,
    group: Option<String>,
    arguments: DropArgs,
) -> Result<(), Error> {
    if !arguments.filter.is_given() && arguments.ids.is_empty() && !arguments.all {
        let message = "nothing says which letters to drop\nhelp: give their ids, a filter such as `--handler ID`, or `--all`";
        return Err(usage(message.to_owned()).into());
    }
    let query = arguments.filter.query(app, settings, group.as_deref(), &arguments.ids)?;
    let broker = kafka_broker(app.service(), settings)?;
    let found = found(&broker, &query).await?;
    let several = query.topics.len() > 1;
    if arguments.dry_run {
        for letter in &found.letters {
            say!("{}", line(letter, several));
        }
        say!("{} would be dropped", letters(found.letters.len()));
        return Ok(());
    }
    let resolver = Resolver::new(&broker, None, on_signal())?;
    let progress = |step: &Step<'_>| report("dropped", step, several);
    let resolved = resolver.give_up(&found.letters, progress).await?;
    summary("dropped", &resolved, found.letters.len())
}

// What is meant; an id that is not there is a mistake.
async fn found(broker: &KafkaBroker, query: &DlqQuery) -> Result<DeadLetters, Error> {
    let found = list(broker, &query.topics, &query.filter).await?;
    for id in &query.filter.ids {
        let only = DeadLetterFilter { ids: vec![id.clone()], ..DeadLetterFilter::default() };
        if !found.letters.iter().any(|letter| only.matches(letter)) {
            let message = format!(
                "the dead letter {id} is not among those that are meant\nhelp: `dlq ls` lists them; what was resolved is gone"
            );
            return Err(ExitStatus { code: 1, message }.into());
        }
    }
    for remark in query.remarks(&found) {
        remark!("{remark}");
    }
    Ok(found)
}

fn confirm(count: usize) -> Result<(), ExitStatus> {
    if !std::io::stdin().is_terminal() {
        let message = format!(
            "{} would be redriven, and no filter is given\nhelp: add `--yes`, a filter such as `--handler ID`, or see with `--dry-run` what would become of them",
            letters(count)
        );
        return Err(usage(message));
    }
    let _ = write!(std::io::stderr(), "redrive all {}? [y/N] ", letters(count));
    let mut answer = String::new();
    let _ = std::io::stdin().lock().read_line(&mut answer);
    match answer.trim() {
        "y" | "Y" | "yes" => Ok(()),
        _ => Err(ExitStatus { code: 1, message: "nothing was redriven".to_owned() }),
    }
}

async fn dry_run(
    app: EventApp,
    settings: &Settings,
    broker: &KafkaBroker,
    redrive_targets: &RedriveTargets,
    query: &DlqQuery,
    found: &DeadLetters,
    limit: usize,
) -> Result<(), Error> {
    let dry_runner = DryRunner::new(app.router(), settings.policy.clone(), app.into_state());
    let (several, stop) = (query.topics.len() > 1, on_signal());
    let (mut handled, mut not, mut redriven) = (0, 0, 0);
    let report = |letter: &DeadLetter, preview: RedrivePreview| {
        if redriven == limit {
            return ControlFlow::Break(());
        }
        redriven += usize::from(preview.is_redriven());
        *(if preview.is_handled() { &mut handled } else { &mut not }) += 1;
        say!("{}", line(letter, several));
        match preview {
            RedrivePreview::Skipped(left) => say!("  cannot be redriven: {left}"),
            RedrivePreview::DryRun(dry_run) => print_preview(&dry_run),
        }
        ControlFlow::Continue(())
    };
    let ended =
        preview_redrive(broker, &dry_runner, redrive_targets, &found.letters, &stop, report)
            .await?;
    say!("{handled} would be handled, {not} not");
    check_redrive_topics(broker, &found.letters, redrive_targets).await?;
    report_unread(&unread_redrive_topics(broker, &found.letters, redrive_targets).await?);
    match (not, ended) {
        (0, true) => Ok(()),
        (_, true) => {
            let message = format!("{} would not be handled", letters(not));
            Err(ExitStatus { code: 1, message }.into())
        }
        (_, false) => {
            Err(ExitStatus { code: 1, message: "ended before all had their turn".into() }.into())
        }
    }
}

// That nothing was committed yet is normal before the first redrive, and all that is seen of a service
// that may not read the topic.
fn report_unread(unread: &[(TopicName, GroupName, Unread)]) {
    for (topic, group, why) in unread {
        match why {
            Unread::NoInstance => {
                remark!(
                    "no instance of group {group} runs: the next one that starts reads {topic}"
                );
            }
            Unread::NotAssigned => remark!(
                "no instance of group {group} reads {topic}: one that runs reads a topic within seconds after it was made, unless it said at its start that it may not; `lag` shows what waits there"
            ),
            Unread::NotTold(error) => {
                remark!("whether group {group} reads {topic} is not known: {error}");
            }
            // Who runs is not known of an embedded broker, or without the right to describe the group.
            _ => remark!(
                "group {group} has committed nothing in {topic} yet: a running service reads it within seconds, unless it said at its start that it may not; `lag` shows what waits there"
            ),
        }
    }
}

fn print_preview(dry_run: &DryRun) {
    let handler = dry_run.handler.as_deref().unwrap_or("-");
    match dry_run.outcome {
        DryRunOutcome::Handled => say!("  would be handled by {handler}"),
        DryRunOutcome::OtherGroup => say!("  would be {}", left_to(dry_run.other_group.as_ref())),
        DryRunOutcome::Skipped => say!("  would be skipped: no handler takes it"),
        DryRunOutcome::Stops => say!("  would stop the service: no handler takes it"),
        DryRunOutcome::Retried => say!("  would fail and be retried, as it did here"),
        DryRunOutcome::DeadLettered => {
            let reason = dry_run.reason.unwrap_or("-");
            say!("  would be dead-lettered again as {reason}");
        }
    }
    if let Some(message) = &dry_run.message {
        say!("    {message}");
    }
    if let (Some(snippet), Some(byte)) = (&dry_run.snippet, dry_run.byte) {
        say!("    byte {byte}, line {}, column {}:", snippet.line, snippet.column);
        say!("      {}\n      {}", snippet.text, snippet.caret);
    }
    if !dry_run.not_made.is_empty() {
        say!("    not tried: {}, only a running service has it", dry_run.not_made.join(", "));
    }
}

fn line(letter: &DeadLetter, several: bool) -> String {
    let event = letter.event.as_deref().unwrap_or("-");
    format!("{}  {}  {event}", id_of(letter, several), letter.origin)
}

// What is left as it is has a line of its own; the rest one that is written over.
fn report(done: &str, step: &Step<'_>, several: bool) {
    let is_terminal = std::io::stderr().is_terminal();
    if is_terminal {
        let _ = write!(std::io::stderr(), "\r\x1b[K");
    }
    if let Some(left) = step.skipped {
        say!("left as it is  {}: {left}", line(step.letter, several));
    }
    if is_terminal && step.done < step.of {
        let _ = write!(std::io::stderr(), "{} of {} {done}", step.done, step.of);
    }
}

fn summary(done: &str, resolved: &Resolved, of: usize) -> Result<(), Error> {
    let left = resolved.skipped.len();
    let left_text = if left > 0 { format!(", {left} left as they are") } else { String::new() };
    say!("{} {done}{left_text}", letters(resolved.done));
    let message = match (resolved.stopped, left) {
        (true, _) => {
            format!(
                "ended after {} of {}; the same command continues from there",
                resolved.done + left,
                letters(of)
            )
        }
        (false, 0) => return Ok(()),
        (false, _) => format!("{} were left as they are", letters(left)),
    };
    Err(ExitStatus { code: 1, message }.into())
}

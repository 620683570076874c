//! `dlq`: what became dead letters, and what to do about them.

mod look;
mod resolve;

use std::collections::BTreeSet;

use clap::{Args, Subcommand};
use jiff::Timestamp;

use super::known::{meant, topic_named, usage};
use super::when::parse_time;
use crate::app::{EventApp, ExitStatus, Settings};
use crate::broker::kafka::KafkaBroker;
use crate::event::{GroupName, TopicName, excerpt};
use crate::operations::dead_letters::{
    DeadLetterFilter, DeadLetterId, DeadLetters, RedriveTargets, dead_letter_topics,
};
use crate::operations::groups_of;
use crate::outcome::Error;
use crate::registry::Registry;

#[derive(Debug, Args)]
pub(super) struct DlqArgs {
    #[command(subcommand)]
    command: DlqCommand,
}

#[derive(Debug, Subcommand)]
enum DlqCommand {
    /// List the open dead letters
    Ls(look::LsArgs),
    /// Show one dead letter, and dry-run its redrive
    Show(look::ShowArgs),
    /// Send dead letters back to the handler that failed
    Redrive(resolve::RedriveArgs),
    /// Drop dead letters for good
    Drop(resolve::DropArgs),
}

#[derive(Debug, Args)]
struct FilterArgs {
    /// Letters that came from this topic
    #[arg(long)]
    topic: Option<String>,
    /// Letters of the handler with this id
    #[arg(long, value_name = "ID")]
    handler: Option<String>,
    /// Letters with this reason, such as attempts_exhausted
    #[arg(long, value_name = "CODE")]
    reason: Option<String>,
    /// Letters that failed at this time or later: 2026-01-31T08:00:00Z, or 2h for two hours ago
    #[arg(long, value_name = "TIME")]
    since: Option<String>,
    /// Letters that failed before this time
    #[arg(long, value_name = "TIME")]
    until: Option<String>,
    /// At most this many letters
    #[arg(long, value_name = "N")]
    limit: Option<usize>,
}

/// What the flags and the service make of a command.
struct DlqQuery {
    topics: Vec<TopicName>,
    filter: DeadLetterFilter,
    /// The ids of the handlers.
    ids: Vec<String>,
}

impl DlqQuery {
    /// What there is beside the letters that are meant, a sentence each.
    fn remarks(&self, found: &DeadLetters) -> Vec<String> {
        let mut remarks = Vec::new();
        let (shown, matching) = (found.letters.len(), found.matching);
        if shown < matching {
            remarks.push(format!("{} more are meant than the limit allows", matching - shown));
        }
        if matching == 0 {
            remarks.extend(self.mistyped(found));
        }
        if found.of_other_groups > 0 {
            let groups = self.filter.groups.iter().map(GroupName::as_str).collect::<Vec<_>>();
            let others = found.other_groups.iter().take(10);
            let others = others.map(|group| excerpt(group, 64)).collect::<Vec<_>>();
            let rest = found.other_groups.len() - others.len();
            let rest = if rest > 0 { format!(" and {rest} more") } else { String::new() };
            remarks.push(format!(
                "{} were given up by other groups than {}: {}{rest}; `--group` names one",
                found.of_other_groups,
                groups.join(", "),
                others.join(", ")
            ));
        }
        if found.foreign > 0 {
            let are = match found.foreign {
                1 => "1 record is no dead letter".to_owned(),
                foreign => format!("{foreign} records are no dead letters"),
            };
            remarks.push(format!("{are} of event-core"));
        }
        for topic in &found.missing {
            remarks.push(format!("the topic {topic} does not exist: `topics create` makes it"));
        }
        remarks
    }

    // What is written otherwise than any handler or reason that there is.
    fn mistyped(&self, found: &DeadLetters) -> Vec<String> {
        let ids: BTreeSet<_> = self.ids.iter().chain(&found.handlers).map(String::as_str).collect();
        let reasons = found.reasons.iter().map(String::as_str).collect();
        let DeadLetterFilter { handler, reason, .. } = &self.filter;
        let named = [("handler", handler, ids), ("reason", reason, reasons)];
        let mistyped = named.into_iter().filter_map(|(what, wanted, known)| {
            let wanted = wanted.as_deref().filter(|wanted| !known.contains(wanted))?;
            let nearest = meant(wanted, &known);
            Some(format!("no dead letter has the {what} {}; {nearest}", excerpt(wanted, 64)))
        });
        mistyped.collect()
    }
}

/// `group` is the one that the command line names; the settings have the one without that.
pub(super) async fn run(
    app: EventApp,
    settings: &Settings,
    group: Option<String>,
    arguments: DlqArgs,
) -> Result<(), Error> {
    match arguments.command {
        DlqCommand::Ls(arguments) => look::ls(&app, settings, group, &arguments).await,
        DlqCommand::Show(arguments) => look::show(app, settings, group, &arguments).await,
        DlqCommand::Redrive(arguments) => resolve::redrive(app, settings, group, arguments).await,
        DlqCommand::Drop(arguments) => resolve::give_up(&app, settings, group, arguments).await,
    }
}

impl FilterArgs {
    /// Whether anything is left out; a limit leaves out nothing in particular.
    fn is_given(&self) -> bool {
        let texts = [&self.topic, &self.handler, &self.reason, &self.since, &self.until];
        texts.into_iter().any(Option::is_some)
    }

    fn query(
        &self,
        app: &EventApp,
        settings: &Settings,
        group: Option<&str>,
        ids: &[String],
    ) -> Result<DlqQuery, Error> {
        let registry = app.registry();
        let now = Timestamp::now();
        let time = |text: &Option<String>| -> Result<_, ExitStatus> {
            text.as_deref().map(|text| parse_time(text, now)).transpose()
        };
        let topic = match &self.topic {
            Some(topic) => Some(topic_named(&registry, topic)?),
            None => None,
        };
        let groups = match group {
            Some(group) => {
                vec![GroupName::parse(group).map_err(|error| usage(error.to_string()))?]
            }
            None => {
                let groups = groups_of(registry.handlers(), &settings.group).into_iter();
                groups.map(|group| group.group).collect()
            }
        };
        let filter = DeadLetterFilter {
            ids: read_ids(ids)?,
            topic,
            handler: self.handler.clone(),
            reason: self.reason.clone(),
            groups,
            since: time(&self.since)?,
            until: time(&self.until)?,
            limit: self.limit,
        };
        let topics = topics(app, &settings.group, filter.topic.as_ref(), &registry)?;
        let ids = registry.handlers().iter().map(|handler| handler.id()).collect();
        Ok(DlqQuery { topics, filter, ids })
    }
}

/// The handlers that get what is redriven, also where the service runs as `run --group` does.
async fn redrive_targets(
    app: &EventApp,
    settings: &Settings,
    broker: &KafkaBroker,
    group: Option<&str>,
) -> Result<RedriveTargets, Error> {
    let (registry, own) = (app.registry(), &settings.group);
    let Some(group) = group else { return Ok(RedriveTargets::new(registry.handlers(), own)) };
    let group = GroupName::parse(group)?;
    Ok(RedriveTargets::of_group(broker, registry.handlers(), app.service(), own, &group).await?)
}

fn read_ids(ids: &[String]) -> Result<Vec<DeadLetterId>, ExitStatus> {
    let read = |id: &String| id.parse::<DeadLetterId>().map_err(|error| usage(error.to_string()));
    ids.iter().map(read).collect()
}

/// The dead-letter topics of the service, or those of one of its topics.
fn topics(
    app: &EventApp,
    group: &GroupName,
    topic: Option<&TopicName>,
    registry: &Registry,
) -> Result<Vec<TopicName>, Error> {
    let all = dead_letter_topics(app.routers(group).values());
    let Some(topic) = topic else { return Ok(all.into_keys().collect()) };
    let of_topic: Vec<_> = all
        .into_iter()
        .filter(|(_, origins)| origins.contains(topic))
        .map(|(topic, _)| topic)
        .collect();
    if of_topic.is_empty() {
        let known = registry.handlers().iter().map(|handler| handler.topic).collect();
        let nearest = meant(topic.as_str(), &known);
        return Err(usage(format!("no handler listens to the topic {topic}; {nearest}")).into());
    }
    Ok(of_topic)
}

/// `1 dead letter`, `2 dead letters`.
fn letters(count: usize) -> String {
    format!("{count} dead letter{}", if count == 1 { "" } else { "s" })
}

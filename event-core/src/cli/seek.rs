//! `seek`: lets the group go on elsewhere.

use clap::Args;
use jiff::Timestamp;

use super::known::{topic_named, usage};
use super::when::parse_offset_spec;
use crate::app::{EventApp, ExitStatus, Settings, kafka_broker};
use crate::event::GroupName;
use crate::operations::{SeekPlan, groups_of, plan_seek, seek};
use crate::outcome::Error;

#[derive(Debug, Args)]
pub(super) struct SeekArgs {
    /// The topic
    #[arg(long)]
    topic: String,
    /// One partition; default: all
    #[arg(long, value_name = "N")]
    partition: Option<i32>,
    /// The new offset: beginning, end, an offset, a time such as 2026-01-31T08:00:00Z, or 2h
    /// for two hours ago
    #[arg(long, value_name = "POSITION")]
    to: String,
    /// Reset nothing; print what would be reset
    #[arg(long)]
    dry_run: bool,
}

/// `group` is the one that the command line names.
pub(super) async fn run(
    app: &EventApp,
    settings: &Settings,
    group: Option<&str>,
    arguments: &SeekArgs,
) -> Result<(), Error> {
    let registry = app.registry();
    let topic = topic_named(&registry, &arguments.topic)?;
    let place = parse_offset_spec(&arguments.to, Timestamp::now())?;
    let groups = groups_of(registry.handlers(), &settings.group);
    let group = group.map_or_else(|| Ok(settings.group.clone()), GroupName::parse)?;
    // A group that does not read the topic would take no notice.
    let reading: Vec<_> = groups.iter().filter(|own| own.topics.contains(&topic)).collect();
    if !reading.iter().any(|own| own.group == group) {
        let others: Vec<_> = reading.iter().map(|own| own.group.as_str()).collect();
        let help = match others[..] {
            [] => "no handler listens to it; check `--topic`".to_owned(),
            _ => format!("it is read by {}: name the group with `--group`", others.join(", ")),
        };
        let message = format!("group {group} does not read the topic {topic}\nhelp: {help}");
        return Err(usage(message).into());
    }
    let broker = kafka_broker(app.service(), settings)?;
    let plan = plan_seek(&broker, &group, &topic, arguments.partition, place).await?;
    let SeekPlan { moves, unknown } = plan;
    if !unknown.is_empty() {
        for (partition, error) in &unknown {
            say!("{partition}  unknown: {error}");
        }
        let message = format!(
            "nothing was reset: what {} of {} partitions hold is not known\nhelp: do it again when they can be read, or reset the others one by one with `--partition N`",
            unknown.len(),
            moves.len() + unknown.len()
        );
        return Err(ExitStatus { code: 1, message }.into());
    }
    if !arguments.dry_run {
        seek(&broker, &group, &moves).await?;
    }
    for to in &moves {
        let from = to.from.map_or_else(|| "the beginning".to_owned(), |from| from.to_string());
        say!("{}  {from} -> {}", to.partition, to.to);
    }
    let done = if arguments.dry_run { "would be reset" } else { "reset" };
    say!("offsets of group {group} {done}");
    Ok(())
}

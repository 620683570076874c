//! `lag`: how far the service is behind.

use std::fmt;

use clap::Args;
use serde::Serialize;

use super::table::Table;
use crate::app::{EventApp, ExitStatus, Settings, kafka_broker};
use crate::operations::{Lags, PartitionLag, UnknownLag, groups_of, lag_of};
use crate::outcome::Error;

#[derive(Debug, Args)]
pub(super) struct LagArgs {
    /// Print JSON
    #[arg(long)]
    json: bool,
}

#[derive(Serialize)]
struct Lag {
    partitions: Vec<Partition>,
    total: i64,
    /// How many of these are not settled yet.
    open: i64,
    /// The topics and partitions of which it is not known.
    unknown: Vec<Unknown>,
}

#[derive(Serialize)]
struct Unknown {
    group: String,
    topic: String,
    /// None for all of the topic.
    partition: Option<i32>,
    error: String,
}

#[derive(Serialize)]
struct Partition {
    group: String,
    topic: String,
    partition: i32,
    /// None when the group never committed here.
    committed: Option<i64>,
    end: i64,
    lag: i64,
    /// How many records of the lag are settled already.
    settled_above: i64,
    /// How many are not.
    open: i64,
    /// Which instance has it, where that is known.
    owner: Option<String>,
}

/// `group` is the one that the command line names.
pub(super) async fn run(
    app: &EventApp,
    settings: &Settings,
    group: Option<&str>,
    arguments: &LagArgs,
) -> Result<(), Error> {
    let registry = app.registry();
    let mut groups = groups_of(registry.handlers(), &settings.group);
    groups.retain(|own| group.is_none_or(|group| own.group.as_str() == group));
    let broker = kafka_broker(app.service(), settings)?;
    let Lags { partitions, unknown } = lag_of(&broker, &groups).await?;
    let lag = Lag {
        total: partitions.iter().map(PartitionLag::lag).sum(),
        open: partitions.iter().map(PartitionLag::open).sum(),
        partitions: partitions.iter().map(Partition::from).collect(),
        unknown: unknown.iter().map(Unknown::from).collect(),
    };
    if arguments.json {
        say!("{}", serde_json::to_string_pretty(&lag)?);
    } else {
        print(lag);
        for lag in partitions.iter().filter(|lag| lag.is_beyond_end()) {
            say!("{}", beyond_end(lag));
        }
    }
    let missing: Vec<_> = unknown.iter().filter(|unknown| unknown.has_handlers).collect();
    match missing.first() {
        None => Ok(()),
        Some(first) => {
            let help = match first.partition {
                None => {
                    "\nhelp: `check --online` says what the service needs, `topics create` makes topics"
                }
                Some(_) => "",
            };
            let message = format!(
                "the lag of {}{} is not known: {}{help}",
                place(&first.topic, first.partition),
                match missing.len() - 1 {
                    0 => String::new(),
                    others => format!(" and {others} more that handlers listen to"),
                },
                first.error
            );
            Err(ExitStatus { code: 1, message }.into())
        }
    }
}

/// A topic, or a partition of it.
fn place(topic: impl fmt::Display, partition: Option<i32>) -> String {
    match partition {
        Some(partition) => format!("{topic}/{partition}"),
        None => format!("topic {topic}"),
    }
}

/// What is to be known of a partition whose committed offset is not in its log.
fn beyond_end(lag: &PartitionLag) -> String {
    let PartitionLag { group, partition, committed, end, .. } = lag;
    let committed = committed.map_or(0, |next| next.0);
    format!(
        "group {group} has committed {committed} in {partition}, and its log ends at {end}: the log was truncated, or the topic recreated; the service goes on where `out_of_range` says (the first record, unless it is set), and `seek` sets another place"
    )
}

impl From<&UnknownLag> for Unknown {
    fn from(unknown: &UnknownLag) -> Self {
        Unknown {
            group: unknown.group.to_string(),
            topic: unknown.topic.to_string(),
            partition: unknown.partition,
            error: unknown.error.to_string(),
        }
    }
}

impl From<&PartitionLag> for Partition {
    fn from(lag: &PartitionLag) -> Self {
        Partition {
            group: lag.group.to_string(),
            topic: lag.partition.topic.to_string(),
            partition: lag.partition.partition,
            committed: lag.committed.map(|next| next.0),
            end: lag.end.0,
            lag: lag.lag(),
            settled_above: lag.settled_above,
            open: lag.open(),
            owner: lag.owner.clone(),
        }
    }
}

fn print(lag: Lag) {
    let mut table = Table::new(&[
        "GROUP",
        "TOPIC",
        "PARTITION",
        "COMMITTED",
        "END",
        "LAG",
        "SETTLED_ABOVE",
        "OPEN",
        "OWNER",
    ]);
    for row in lag.partitions {
        table.row([
            row.group,
            row.topic,
            row.partition.to_string(),
            row.committed.map(|next| next.to_string()).unwrap_or_default(),
            row.end.to_string(),
            row.lag.to_string(),
            row.settled_above.to_string(),
            row.open.to_string(),
            row.owner.unwrap_or_default(),
        ]);
    }
    let whole = if lag.unknown.is_empty() { "" } else { ", without what is not known" };
    for unknown in &lag.unknown {
        let mut row = [(); 9].map(|()| String::new());
        row[..2].clone_from_slice(&[unknown.group.clone(), unknown.topic.clone()]);
        row[2] = unknown.partition.map(|number| number.to_string()).unwrap_or_default();
        row[5] = "?".to_owned();
        table.row(row);
    }
    say!("{table}");
    for Unknown { topic, partition, error, .. } in &lag.unknown {
        say!("{}: {error}", place(topic, *partition));
    }
    say!("{} behind in all, {} of them open{whole}", lag.total, lag.open);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::delivery::{NextOffset, TopicPartition};
    use crate::event::{GroupName, TopicName};

    #[test]
    fn what_is_committed_beyond_the_end_is_told_with_what_comes_of_it() {
        let mut lag = PartitionLag {
            group: GroupName::parse("billing").unwrap(),
            partition: TopicPartition {
                topic: TopicName::from_static("role_events"),
                partition: 1,
            },
            committed: Some(NextOffset(1000)),
            low: NextOffset(2),
            end: NextOffset(10),
            settled_above: 0,
            owner: None,
        };
        assert_eq!(
            (lag.is_beyond_end(), lag.lag()),
            (true, 8),
            "every record of the log comes again"
        );
        let text = beyond_end(&lag);
        for part in ["billing", "1000", "role_events/1", "ends at 10", "`out_of_range`", "`seek`"] {
            assert!(text.contains(part), "{text}");
        }
        lag.committed = Some(NextOffset(10));
        assert_eq!((lag.is_beyond_end(), lag.lag()), (false, 0));
    }
}

//! `lag`: how far the service is behind.

use clap::Args;
use serde::Serialize;

use super::table::Table;
use crate::app::{EventApp, Settings, kafka_broker};
use crate::operations::{PartitionLag, groups_of, lag_of};
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
    let lags = lag_of(&broker, &groups).await?;
    let lag = Lag {
        total: lags.iter().map(PartitionLag::lag).sum(),
        open: lags.iter().map(PartitionLag::open).sum(),
        partitions: lags.iter().map(Partition::from).collect(),
    };
    if arguments.json {
        say!("{}", serde_json::to_string_pretty(&lag)?);
    } else {
        print(lag);
    }
    Ok(())
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
    say!("{table}");
    say!("{} behind in all, {} of them open", lag.total, lag.open);
}

//! `explain`: which handler takes an event and what failure does; or what would become of a record.

mod event;
mod policy;
mod record;
mod sources;

use std::ffi::OsString;
use std::path::PathBuf;

use clap::Args;

pub(super) use record::{left_to, print_dry_run};

use crate::app::{EventApp, Settings};
use crate::outcome::Error;

#[derive(Debug, Args)]
pub(super) struct ExplainArgs {
    /// The topic, such as role_events
    #[arg(required_unless_present_any = ["record", "tombstone"])]
    topic: Option<String>,
    /// The event's name, such as CLAIM_ADDED; `*` for what no other handler takes, `tombstone` for
    /// records without a value
    #[arg(required_unless_present_any = ["record", "tombstone"])]
    event: Option<String>,
    /// Dry-run the record whose value is in this file (`-` for standard
    /// input): it is decoded, routed and extracted, and no handler runs
    #[arg(long, value_name = "FILE", conflicts_with_all = ["topic", "event"])]
    record: Option<PathBuf>,
    /// Dry-run a record without a value
    #[arg(long, conflicts_with_all = ["topic", "event", "record"])]
    tombstone: bool,
    /// The record's topic; needed only when it does not follow from the event's name
    #[arg(long = "topic", id = "of_topic", value_name = "TOPIC", conflicts_with = "topic")]
    of_topic: Option<String>,
    /// The record's key
    #[arg(long, value_name = "TEXT", conflicts_with = "topic")]
    key: Option<OsString>,
    /// A header of the record; without `=` its value is null. May be given several times
    #[arg(long = "header", value_name = "NAME=VALUE", conflicts_with = "topic")]
    headers: Vec<OsString>,
    /// The record's timestamp in milliseconds since 1970; default: none
    #[arg(long, value_name = "MS", conflicts_with = "topic", allow_negative_numbers = true)]
    timestamp: Option<i64>,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// `group` is the one that the command line names.
pub(super) async fn run(
    app: EventApp,
    settings: &Settings,
    group: Option<&str>,
    arguments: ExplainArgs,
) -> Result<(), Error> {
    match (&arguments.topic, &arguments.event) {
        (Some(topic), Some(event)) => {
            event::run(&app, settings, group, (topic, event), arguments.json)
        }
        _ => record::run(app, settings, arguments).await,
    }
}

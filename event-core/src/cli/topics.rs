//! `topics`: every topic that the service needs.

use clap::{Args, Subcommand};
use serde::Serialize;

use super::table::Table;
use crate::app::{EventApp, ExitStatus, Settings, kafka_broker};
use crate::broker::{BrokerError, NewTopic};
use crate::operations::{
    TopicState, create_topics, missing_topics, needed_topics, topic_states, uneven_topics,
};
use crate::outcome::Error;

#[derive(Debug, Args)]
pub(super) struct TopicsArgs {
    #[command(subcommand)]
    command: TopicsCommand,
}

#[derive(Debug, Subcommand)]
enum TopicsCommand {
    /// List the topics that the service needs, and whether they exist
    Ls {
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Create the missing topics
    Create(CreateArgs),
}

#[derive(Debug, Args)]
struct CreateArgs {
    /// Partitions of each new topic; default: the broker's. A dead-letter,
    /// retry or redrive topic gets as many as its origin
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(i32).range(1..))]
    partitions: Option<i32>,
    /// Replication factor; default: the broker's
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(i32).range(1..))]
    replication: Option<i32>,
    /// Create nothing; print what would be created
    #[arg(long)]
    dry_run: bool,
}

#[derive(Serialize)]
struct Row {
    topic: String,
    /// None when it does not exist.
    partitions: Option<i32>,
    needed_for: Vec<String>,
    /// The partitions that nobody can read or write.
    without_leader: Vec<i32>,
    /// Why it is not known whether it exists.
    error: Option<String>,
}

impl From<&TopicState> for Row {
    fn from(state: &TopicState) -> Self {
        Row {
            topic: state.needed.topic.to_string(),
            partitions: state.partitions,
            needed_for: state.needed.needed_for.clone(),
            without_leader: state.without_leader.clone(),
            error: state.unknown.as_ref().map(ToString::to_string),
        }
    }
}

pub(super) async fn run(
    app: &EventApp,
    settings: &Settings,
    arguments: TopicsArgs,
) -> Result<(), Error> {
    let routers = app.routers(&settings.group);
    let needed = needed_topics(app.registry().handlers(), routers.values())?;
    let broker = kafka_broker(app.service(), settings)?;
    let states = topic_states(&broker, needed).await?;
    let arguments = match arguments.command {
        TopicsCommand::Ls { json } => return ls(&states, json),
        TopicsCommand::Create(arguments) => arguments,
    };
    let there = states.iter().filter(|state| state.partitions.is_some());
    for state in there {
        let topic = &state.needed.topic;
        // Those for dead letters, retries and redriven records follow the topic that they are for.
        let asked = arguments.partitions.filter(|_| state.needed.origins.is_empty());
        match (state.partitions, asked) {
            (Some(has), Some(asked)) if has < asked => say!(
                "exists   {topic} with {}, not {asked}: raise them with `kafka-topics.sh --bootstrap-server .. --alter --topic {topic} --partitions {asked}`; keys then change partitions",
                partitions(has)
            ),
            (Some(has), Some(asked)) if has > asked => say!(
                "exists   {topic} with {}, not {asked}: Kafka removes none of a topic",
                partitions(has)
            ),
            _ => say!("exists   {topic}"),
        }
    }
    let missing = missing_topics(
        &states,
        arguments.partitions.unwrap_or(-1),
        arguments.replication.unwrap_or(-1),
    );
    for uneven in uneven_topics(&planned_states(&states, &missing)) {
        say!("uneven   {uneven}: it is left as it is");
    }
    let mut unknown = 0;
    for state in &states {
        if let Some(error) = &state.unknown {
            unknown += 1;
            say!("unknown  {}: {error}", state.needed.topic);
        }
    }
    if arguments.dry_run {
        for new in &missing {
            say!("missing  {}, to be made with {}", new.topic, partitions(new.partitions));
        }
        say!("{} would be made", missing.len());
        return Ok(());
    }
    let (mut made, mut failed) = (0, unknown);
    for (topic, created) in create_topics(&broker, &missing).await? {
        match created {
            Ok(true) => {
                made += 1;
                let new = missing.iter().find(|new| new.topic == topic);
                say!("made     {topic} with {}", partitions(new.map_or(-1, |new| new.partitions)));
            }
            Ok(false) => say!("exists   {topic}"),
            Err(error) => {
                failed += 1;
                say!("failed   {topic}: {error}");
            }
        }
    }
    match made {
        0 => say!("0 made"),
        made => say!("{made} made; a running service reads those of its own within seconds"),
    }
    if failed > 0 {
        let message = match failed - unknown {
            0 => format!("whether {unknown} of {} topics exist is not known", states.len()),
            failed => format!("{failed} of {} topics could not be made", missing.len()),
        };
        return Err(ExitStatus { code: 1, message }.into());
    }
    Ok(())
}

fn partitions(count: i32) -> String {
    match count {
        -1 => "the broker's default number of partitions".to_owned(),
        1 => "1 partition".to_owned(),
        count => format!("{count} partitions"),
    }
}

/// What there will be when those that are `missing` are made.
fn planned_states(states: &[TopicState], missing: &[NewTopic]) -> Vec<TopicState> {
    let mut states = states.to_vec();
    for state in &mut states {
        let new = missing.iter().find(|new| new.topic == state.needed.topic);
        // What is left to the broker is not known.
        if let Some(new) = new.filter(|new| new.partitions > 0) {
            state.partitions = Some(new.partitions);
        }
    }
    states
}

fn ls(states: &[TopicState], json: bool) -> Result<(), Error> {
    let rows: Vec<_> = states.iter().map(Row::from).collect();
    if json {
        say!("{}", serde_json::to_string_pretty(&rows)?);
        return Ok(());
    }
    let mut table = Table::new(&["TOPIC", "PARTITIONS", "NEEDED_FOR"]);
    for row in &rows {
        let partitions = row.partitions.map(|count| count.to_string());
        table.row([
            row.topic.clone(),
            match (partitions, &row.error) {
                (Some(partitions), _) => partitions,
                (None, None) => "missing".to_owned(),
                (None, Some(_)) => "unknown".to_owned(),
            },
            row.needed_for.join(", "),
        ]);
    }
    say!("{}", table.to_string().trim_end());
    for row in &rows {
        if let Some(error) = &row.error {
            say!("{}: {error}", row.topic);
        }
    }
    for state in states.iter().filter(|state| !state.without_leader.is_empty()) {
        say!("{}", BrokerError::no_leader(&state.needed.topic, &state.without_leader));
    }
    for uneven in uneven_topics(states) {
        say!("{uneven}; that works");
    }
    let missing = states.iter().filter(|state| state.is_missing()).count();
    if missing > 0 {
        say!("{missing} missing: `topics create` makes them");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::TopicName;
    use crate::operations::NeededTopic;

    #[test]
    fn a_topic_that_is_to_be_made_is_compared_with_those_that_are_there() {
        let state = |topic, partitions, origins: &[&'static str]| TopicState {
            needed: NeededTopic {
                topic: TopicName::from_static(topic),
                needed_for: Vec::new(),
                origins: origins.iter().map(|origin| TopicName::from_static(origin)).collect(),
            },
            partitions,
            without_leader: Vec::new(),
            unknown: None,
        };
        let states =
            [state("user_events", None, &[]), state("user_events_dlq", Some(1), &["user_events"])];
        let uneven = |given| {
            let planned = planned_states(&states, &missing_topics(&states, given, -1));
            uneven_topics(&planned).iter().map(ToString::to_string).collect::<Vec<_>>()
        };
        assert_eq!(uneven(7), ["user_events_dlq has 1 partition, user_events has 7"]);
        assert_eq!(uneven(-1), Vec::<String>::new(), "the broker's default is not known");
    }
}

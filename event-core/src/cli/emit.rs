//! `emit`: publishes one event, given as JSON.

use std::collections::BTreeSet;

use bytes::Bytes;
use clap::Args;
use serde_json::Value;

use crate::app::{EventApp, ExitStatus, Settings, kafka_broker, topic_problems};
use crate::broker::{Broker, OutgoingRecord};
use crate::event::{ContractInfo, EventName, EventWriter, Headers, TopicName, UserId};
use crate::outcome::Error;
use crate::producer::EventProducer;
use crate::registry::{Registry, StartupReport};

#[derive(Debug, Args)]
pub(super) struct EmitArgs {
    /// The event's name, such as CLAIM_ADDED
    event: String,
    /// The event's data, such as '{"id": 7, "roleId": 3}'
    data: String,
    /// The topic; needed only when the event's name is known on several topics or on none
    #[arg(long)]
    topic: Option<String>,
    /// Who causes the event: a number or a text
    #[arg(long, value_name = "ID")]
    user_id: Option<String>,
    /// The record key in place of the contract's key field
    #[arg(long)]
    key: Option<String>,
}

pub(super) async fn run(
    app: &EventApp,
    settings: &Settings,
    arguments: EmitArgs,
) -> Result<(), Error> {
    let event = EventName::parse(&arguments.event)?;
    let registry = app.registry();
    let topic = match &arguments.topic {
        Some(topic) => TopicName::parse(topic)?,
        None => topic_of(&registry, event.as_str()).map_err(usage)?,
    };
    let data: Value = serde_json::from_str(&arguments.data)
        .map_err(|error| usage(format!("the data is not JSON: {error}")))?;
    let contract = contract_of(&registry, topic.as_str(), event.as_str());
    let key = arguments.key.or_else(|| contract?.key_of_json(&data));
    let mut writer = EventWriter::new();
    if let Some(user_id) = arguments.user_id {
        writer = writer.user_id(match user_id.parse() {
            Ok(number) => UserId::Number(number),
            Err(_) => UserId::Text(user_id),
        });
    }
    let version = contract.map_or(1, |contract| contract.version);
    let value = writer.write_untyped(event.as_str(), version, &data)?;
    // Says within seconds what a send would find out in half a minute.
    let broker = kafka_broker(app.service(), settings)?;
    let needed = vec![(topic.clone(), format!("the event {event}"))];
    StartupReport::new(topic_problems(&broker, needed).await).into_result()?;
    let record = OutgoingRecord {
        topic,
        partition: None,
        key: key.map(Bytes::from),
        value: Some(Bytes::from(value)),
        headers: Headers::new(),
        timestamp_ms: None,
    };
    let sent = EventProducer::new(broker.producer()?).send_raw(record).await?;
    println!("sent {event} to {}@{}", sent.partition, sent.offset);
    Ok(())
}

fn usage(message: String) -> ExitStatus {
    ExitStatus { code: 2, message }
}

pub(super) fn contract_of<'a>(
    registry: &'a Registry,
    topic: &str,
    event: &str,
) -> Option<&'a ContractInfo> {
    registry.contracts().iter().copied().find(|c| c.topic == topic && c.name == event)
}

/// The one topic on which an event of this name is known, by a contract or by a handler.
pub(super) fn topic_of(registry: &Registry, event: &str) -> Result<TopicName, String> {
    let contracts = registry.contracts().iter().map(|c| (c.topic, c.name));
    let handlers = registry
        .handlers()
        .iter()
        .filter(|h| h.is_for_names())
        .flat_map(|h| h.selects.names().into_iter().map(|name| (h.topic, name)));
    let known: BTreeSet<_> = contracts.chain(handlers).collect();
    let topics: BTreeSet<_> =
        known.iter().filter(|(_, name)| *name == event).map(|(t, _)| *t).collect();
    match topics.iter().collect::<Vec<_>>()[..] {
        [topic] => TopicName::foreign(topic).map_err(|error| error.to_string()),
        [] => {
            let names: BTreeSet<_> = known.iter().map(|(_, name)| *name).collect();
            let near = names
                .iter()
                .map(|name| (strsim::damerau_levenshtein(name, event), name))
                .min()
                .filter(|(distance, name)| *distance <= name.len() / 3);
            Err(match near {
                Some((_, name)) => {
                    format!("no contract or handler knows the event {event}; did you mean {name}?")
                }
                None => format!(
                    "no contract or handler knows the event {event}; known are {}",
                    names.into_iter().collect::<Vec<_>>().join(", ")
                ),
            })
        }
        _ => {
            let topics: Vec<_> = topics.into_iter().collect();
            Err(format!(
                "the event {event} is known on several topics: {}; say which (`--topic`, or `\"topic\"` in a sample line)",
                topics.join(", ")
            ))
        }
    }
}

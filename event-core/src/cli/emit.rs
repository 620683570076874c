//! `emit`: publishes one event, given as JSON.

use bytes::Bytes;
use clap::Args;
use serde_json::Value;

use super::known::{contract_of, event_named, topic_named, topic_of, usage};
use crate::app::{EventApp, Settings, kafka_broker, topic_problems};
use crate::broker::{Broker, OutgoingRecord};
use crate::event::{
    ContractInfo, ContractRegistration, Envelope, EventWriter, Headers, KeySource, UserId,
};
use crate::outcome::Error;
use crate::producer::EventProducer;
use crate::registry::StartupReport;

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
    /// Send the event all the same when its data does not fit the contract
    #[arg(long)]
    force: bool,
}

pub(super) async fn run(
    app: &EventApp,
    settings: &Settings,
    arguments: EmitArgs,
) -> Result<(), Error> {
    let registry = app.registry();
    let event = event_named(&registry, &arguments.event)?;
    let topic = match &arguments.topic {
        Some(topic) => topic_named(&registry, topic)?,
        None => topic_of(&registry, event.as_str()).map_err(usage)?,
    };
    let data: Value = serde_json::from_str(&arguments.data)
        .map_err(|error| usage(format!("the data is not JSON: {error}")))?;
    let contract = contract_of(&registry, topic.as_str(), event.as_str());
    let is_forced = arguments.force;
    if let (None, Some(ContractInfo { type_name, key: KeySource::Function(path), .. })) =
        (&arguments.key, contract)
        && !is_forced
    {
        let what =
            format!("the key of {type_name} is made by `{path}`, which takes a value of the type");
        return Err(usage(format!("{what}; give the key with `--key`")).into());
    }
    let key = arguments.key.or_else(|| contract?.key_of_json(&data));
    if let (None, Some(ContractInfo { key: KeySource::Field(path), fields, .. })) = (&key, contract)
        && let Some(own) = fields.iter().find(|own| path.split('.').next() == Some(own.name))
        && own.required
        && !is_forced
    {
        let what = format!("the data has no `{}`, which is the key of {event}", own.wire_name);
        return Err(usage(format!("{what}; add it, or give the key with `--key`")).into());
    }
    let mut writer = EventWriter::new();
    if let Some(user_id) = arguments.user_id {
        writer = writer.user_id(match user_id.parse() {
            Ok(number) => UserId::Number(number),
            Err(_) => UserId::Text(user_id),
        });
    }
    let version = contract.map_or(1, |contract| contract.version);
    let value = writer.write_untyped(event.as_str(), version, &data)?;
    if let Some(contract) = contract.filter(|_| !is_forced) {
        check(contract, &value)?;
    }
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
    say!("sent {event} to {}@{}", sent.partition, sent.offset);
    Ok(())
}

/// Refuses an event that every service with this contract would dead-letter.
fn check(contract: &ContractInfo, value: &[u8]) -> Result<(), Error> {
    // One command checks one event.
    let value: &'static [u8] = Box::leak(Box::from(value));
    let checked =
        Envelope::read(value).and_then(|read| ContractRegistration::check(contract, read));
    let Err(error) = checked else { return Ok(()) };
    let place = format!("{}:{}", contract.file, contract.line);
    Err(usage(format!(
        "not sent: the event would be dead-lettered as {}\n  {error}\n  contract  {}   {place}\nhelp: correct the data, or send it all the same with `--force`",
        error.code(),
        contract.type_name,
    ))
    .into())
}

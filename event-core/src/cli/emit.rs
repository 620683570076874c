//! `emit`: publishes one event, given as JSON.

use std::borrow::Cow;
use std::collections::BTreeMap;

use bytes::Bytes;
use clap::Args;
use serde_json::value::RawValue;

use super::known::{contract_of, event_named, topic_named, topic_of, usage};
use crate::app::{EventApp, ExitStatus, Settings, kafka_broker, topic_problems};
use crate::broker::{Broker, OutgoingRecord};
use crate::event::{
    ContractInfo, ContractRegistration, Envelope, EventName, EventWriter, Headers, KeySource,
    UserId, excerpt,
};
use crate::operations::Snippet;
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
    /// The user id: a number or a text
    #[arg(long, value_name = "ID")]
    user_id: Option<String>,
    /// The record key; default: the contract's key field
    #[arg(long)]
    key: Option<String>,
    /// Send the event even when its data does not fit the contract
    #[arg(long)]
    force: bool,
}

pub(super) async fn run(
    app: &EventApp,
    settings: &Settings,
    arguments: EmitArgs,
) -> Result<(), Error> {
    let Written { event, record, remark } = written(&app.registry(), arguments)?;
    if let Some(remark) = remark {
        remark!("{remark}");
    }
    // Says within seconds what a send would find out in half a minute.
    let broker = kafka_broker(app.service(), settings)?;
    let needed = vec![(record.topic.clone(), format!("the event {event}"))];
    let problems = topic_problems(&broker, needed).await;
    if !problems.is_empty() {
        let each = problems.iter().map(|one| format!("{}\nhelp: {}", one.message(), one.help()));
        let message = format!("not sent: {}", each.collect::<Vec<_>>().join("\n"));
        return Err(ExitStatus { code: StartupReport::EXIT_CODE, message }.into());
    }
    let sent = EventProducer::new(broker.producer()?).send_raw(record).await?;
    say!("sent {event} to {}@{}", sent.partition, sent.offset);
    Ok(())
}

#[derive(Debug)]
struct Written {
    event: EventName,
    record: OutgoingRecord,
    remark: Option<String>,
}

fn written(registry: &Registry, arguments: EmitArgs) -> Result<Written, ExitStatus> {
    let EmitArgs { event, data, topic, user_id, key, force } = arguments;
    let event = event_named(registry, &event)?;
    let topic = match &topic {
        Some(topic) => topic_named(registry, topic)?,
        None => topic_of(registry, event.as_str()).map_err(usage)?,
    };
    // Read as it is written: as a value it would lose a repeated field, and the digits of a large number.
    let data: &RawValue = serde_json::from_str(&data)
        .map_err(|error| usage(format!("the data is not JSON: {error}")))?;
    let contract = contract_of(registry, topic.as_str(), event.as_str());
    let mut writer = EventWriter::new();
    if let Some(user_id) = user_id {
        writer = writer.user_id(match user_id.parse() {
            Ok(number) => UserId::Number(number),
            Err(_) => UserId::Text(user_id),
        });
    }
    let version = contract.map_or(1, |contract| contract.version);
    let value = writer.write_untyped(event.as_str(), version, data);
    let value = value.map_err(|error| usage(error.to_string()))?;
    let own = contract.and_then(|contract| contract.key_of_json(data.get()));
    if !force {
        is_data_of(&event, contract, data.get())?;
        if let Some(contract) = contract {
            // What is no object has no key, and that is not what is wrong with it.
            let may_have_key = !contract.object || data.get().starts_with('{');
            if may_have_key && key.is_none() && own.is_none() {
                needs_key(&event, contract)?;
            }
            check(contract, &value, data.get())?;
        }
    }
    let remark = match (&key, &own) {
        (Some(key), Some(own)) if key != own => Some(format!(
            "the key is `{}`, and `{}` by the contract: by another key the event is in no order with others of its own",
            excerpt(key, 64),
            excerpt(own, 64)
        )),
        _ => None,
    };
    let record = OutgoingRecord {
        topic,
        partition: None,
        key: key.or(own).map(Bytes::from),
        value: Some(Bytes::from(value)),
        headers: Headers::new(),
        timestamp_ms: None,
    };
    Ok(Written { event, record, remark })
}

// Refuses an event in place of its data.
fn is_data_of(
    event: &EventName,
    contract: Option<&ContractInfo>,
    data: &str,
) -> Result<(), ExitStatus> {
    let fields: BTreeMap<Cow<'_, str>, &RawValue> = serde_json::from_str(data).unwrap_or_default();
    let is_field = |name: &str| {
        contract.is_some_and(|known| known.fields.iter().any(|field| field.wire_name == name))
    };
    if fields.contains_key("eventType") && fields.contains_key("data") && !is_field("eventType") {
        let what = format!("the data is a whole event: give only what is in its `data` to {event}");
        return Err(usage(what));
    }
    Ok(())
}

// Refuses an event whose key is neither given nor in its data.
fn needs_key(event: &EventName, contract: &ContractInfo) -> Result<(), ExitStatus> {
    let ContractInfo { type_name, key, fields, .. } = contract;
    match key {
        KeySource::Function(path) => {
            let what = format!(
                "the key of {type_name} is made by `{path}`, which takes a value of the type"
            );
            Err(usage(format!("{what}; give the key with `--key`")))
        }
        KeySource::Field(path) => {
            let own = fields.iter().find(|own| path.split('.').next() == Some(own.name));
            let Some(own) = own.filter(|own| own.required) else { return Ok(()) };
            let what = format!("the data has no `{}`, which is the key of {event}", own.wire_name);
            Err(usage(format!("{what}; add it, or give the key with `--key`")))
        }
        KeySource::None => Ok(()),
    }
}

/// Refuses an event that every service with this contract would dead-letter.
fn check(contract: &ContractInfo, value: &[u8], data: &str) -> Result<(), ExitStatus> {
    // One command checks one event.
    let value: &'static [u8] = Box::leak(Box::from(value));
    // Nobody has typed the rest of the event, and no name or text before it holds a quotation mark as it is.
    let written = format!("\"data\":{data}");
    let start = value.windows(written.len()).position(|part| part == written.as_bytes());
    let start = start.unwrap_or_default() + "\"data\":".len();
    let checked =
        Envelope::read(value).and_then(|read| ContractRegistration::check(contract, read));
    let Err(error) = checked else { return Ok(()) };
    let error = error.in_part(start);
    let place = format!("{}:{}", contract.file, contract.line);
    let snippet = error.byte().map(|byte| Snippet::find(data.as_bytes(), byte));
    let snippet = snippet
        .map(|snippet| format!("\n  {}\n  {}", snippet.text, snippet.caret))
        .unwrap_or_default();
    Err(usage(format!(
        "not sent: the event would be dead-lettered as {}\n  {error}{snippet}\n  contract  {}   {place}\nhelp: correct the data, or send it all the same with `--force`",
        error.code(),
        contract.type_name,
    )))
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::*;
    use crate::Event;

    #[derive(Debug, Event, Deserialize)]
    #[event(topic = "emit_events", name = "EMITTED", key = role_id)]
    #[serde(rename_all = "camelCase")]
    #[expect(dead_code, reason = "only read")]
    struct Emitted {
        id: u64,
        role_id: u64,
    }

    fn emit(event: &str, data: &str, key: Option<&str>) -> Result<Written, ExitStatus> {
        let arguments = EmitArgs {
            event: event.to_owned(),
            data: data.to_owned(),
            topic: None,
            user_id: None,
            key: key.map(str::to_owned),
            force: false,
        };
        written(&Registry::linked(), arguments)
    }

    fn refused(data: &str) -> String {
        let error = emit("EMITTED", data, None).unwrap_err();
        assert_eq!(error.code, 2, "{error}");
        error.message
    }

    #[test]
    fn the_data_is_sent_as_it_is_written() {
        let data = r#"{"roleId": 3, "id": 1, "large": 123456789012345678901234567890, "a": 1.10}"#;
        let record = emit("EMITTED", data, None).unwrap().record;
        let value = String::from_utf8(record.value.unwrap().to_vec()).unwrap();
        assert!(value.contains(&format!("\"data\":{data},")), "{value}");
        assert_eq!(record.key.as_deref(), Some(&b"3"[..]));
        let twice = refused(r#"{"id":1,"roleId":2,"roleId":3}"#);
        assert!(twice.contains("duplicate field `roleId`"), "{twice}");
    }

    #[test]
    fn a_place_is_one_of_the_data_that_was_typed() {
        let reported = refused(r#"{"roleId": 3, "id": "seven"}"#);
        assert!(reported.contains("does not fit Emitted version 1 at byte 20: "), "{reported}");
        let shown = "\n  {\"roleId\": 3, \"id\": \"seven\"}\n                      ^\n";
        assert!(reported.contains(shown), "{reported}");
        // Also where the data itself looks like what stands before it.
        let reported = refused(r#"{"id":1,"roleId":"data"}"#);
        assert!(reported.contains("at byte 17: "), "{reported}");
    }

    #[test]
    fn what_is_no_data_of_the_event_is_told_as_what_it_is() {
        assert!(refused("[1,2]").contains("`data` is an array, it must be an object"));
        let whole = refused(r#"{"eventType":"EMITTED","data":{"id":1,"roleId":2}}"#);
        assert_eq!(whole, "the data is a whole event: give only what is in its `data` to EMITTED");
        let keyless = refused(r#"{"id":1}"#);
        assert!(keyless.starts_with("the data has no `roleId`, which is the key"), "{keyless}");
    }

    #[test]
    fn a_key_beside_that_of_the_contract_is_reported() {
        let data = r#"{"id":1,"roleId":2}"#;
        let remark = emit("EMITTED", data, Some("77")).unwrap().remark.unwrap();
        assert!(remark.starts_with("the key is `77`, and `2` by the contract"), "{remark}");
        assert_eq!(emit("EMITTED", data, Some("2")).unwrap().remark, None);
    }

    #[test]
    fn a_name_that_can_be_none_is_a_wrong_command_line() {
        for (event, meant) in
            [("emitted", "did you mean EMITTED?"), ("", ""), ("EMIT-TED", "EMITTED?")]
        {
            let error = emit(event, "{}", None).unwrap_err();
            assert!(error.code == 2 && error.message.ends_with(meant), "{event}: {error}");
        }
    }
}

//! `tail`: looks at records as they come.

use std::collections::BTreeSet;
use std::ops::ControlFlow;

use clap::Args;
use jiff::Timestamp;
use serde::Serialize;

use super::known::{events, meant, shown, topic_named};
use super::output;
use super::stop::on_signal;
use super::value::JsonOrText;
use super::when::{parse_offset_spec, shown_ms};
use crate::app::{EventApp, Settings, kafka_broker};
use crate::broker::BrokerError;
use crate::event::{TopicName, excerpt};
use crate::operations::{OffsetSpec, TailFilter, TailedEvent, TailedRecord, printable, tail};
use crate::outcome::Error;
use crate::registry::Registry;

#[derive(Debug, Args)]
pub(super) struct TailArgs {
    /// A topic; may be repeated. Default: all topics with a handler
    #[arg(long = "topic", value_name = "TOPIC")]
    topics: Vec<String>,
    /// Records of this event; `tombstone` for those without a value
    #[arg(long)]
    event: Option<String>,
    /// Records with this key
    #[arg(long)]
    key: Option<String>,
    /// Records with this user id
    #[arg(long, value_name = "ID")]
    user: Option<String>,
    /// The first record: beginning, end, an offset, a time such as 2026-01-31T08:00:00Z, or
    /// 2h for two hours ago; default: beginning, with `--follow` end
    #[arg(long, value_name = "POSITION")]
    from: Option<String>,
    /// Follow new records
    #[arg(long, short)]
    follow: bool,
    /// Stop after this many records
    #[arg(long, value_name = "N")]
    limit: Option<usize>,
    /// Print each record whole, as one line of JSON
    #[arg(long)]
    json: bool,
}

pub(super) async fn run(
    app: &EventApp,
    settings: &Settings,
    arguments: TailArgs,
) -> Result<(), Error> {
    let registry = app.registry();
    let topics = match &arguments.topics[..] {
        [] => app.router().topics().collect::<Result<Vec<_>, _>>()?,
        topics => {
            let named = topics.iter().map(|topic| topic_named(&registry, topic));
            named.collect::<Result<Vec<_>, _>>()?
        }
    };
    tell_unknown(&registry, &arguments);
    let from = match &arguments.from {
        Some(text) => parse_offset_spec(text, Timestamp::now())?,
        None if arguments.follow => OffsetSpec::End,
        None => OffsetSpec::Beginning,
    };
    if arguments.limit == Some(0) {
        return Ok(());
    }
    let TailArgs { event, key, user, follow, limit, json, .. } = arguments;
    let filter = TailFilter { event, key, user_id: user };
    let broker = kafka_broker(app.service(), settings)?;
    let mut shown = 0;
    let show = |record: Result<&TailedRecord<'_>, &BrokerError>| {
        let record = match record {
            Ok(record) => record,
            Err(error) => {
                remark!("{error}; continuing");
                return ControlFlow::Continue(());
            }
        };
        say!("{}", if json { as_json(record) } else { as_line(record) });
        shown += 1;
        if Some(shown) == limit || !output::is_read() {
            ControlFlow::Break(())
        } else {
            ControlFlow::Continue(())
        }
    };
    let looked_at = tail(&broker, &topics, from, follow, &filter, &on_signal(), show).await?;
    if shown == 0 && output::is_read() {
        remark!("{}", nothing_shown(&topics, looked_at));
    }
    Ok(())
}

// What was looked at in vain.
fn nothing_shown(topics: &[TopicName], looked_at: u64) -> String {
    let topics: Vec<_> = topics.iter().map(TopicName::as_str).collect();
    let topics = topics.join(", ");
    match looked_at {
        0 => format!("{topics}: no records from there on"),
        1 => format!("{topics}: looked at 1 record, which does not match"),
        some => format!("{topics}: looked at {some} records, none of which matches"),
    }
}

// Any topic and event can be looked at, so a name that nobody knows is a remark.
fn tell_unknown(registry: &Registry, arguments: &TailArgs) {
    let known = events(registry);
    let topics = registry.handlers().iter().map(|handler| handler.topic);
    let topics: BTreeSet<_> = topics.chain(known.iter().map(|(topic, _)| *topic)).collect();
    for topic in &arguments.topics {
        if !topics.contains(topic.as_str()) {
            let meant = meant(topic, &topics);
            remark!("no contract or handler knows the topic {}; {meant}", shown(topic));
        }
    }
    let names: BTreeSet<_> = known.iter().map(|(_, name)| *name).collect();
    if let Some(event) = arguments.event.as_deref().filter(|event| *event != "tombstone")
        && !names.contains(event)
    {
        let meant = meant(event, &names);
        remark!("no contract or handler knows the event {}; {meant}", shown(event));
    }
}

fn as_line(tailed: &TailedRecord<'_>) -> String {
    let TailedRecord { partition, record, event } = tailed;
    let key = record.key.map_or_else(|| "-".to_owned(), |key| excerpt(&printable(key), 64));
    let place = format!("{}  {partition}@{}  {key}", shown_ms(record.timestamp_ms), record.offset);
    match event {
        TailedEvent::Tombstone => format!("{place}  tombstone"),
        TailedEvent::Unreadable(error) => {
            format!("{place}  unreadable: {}", excerpt(&error.to_string(), 200))
        }
        TailedEvent::Event(envelope) => {
            let user = match envelope.user_id() {
                Ok(user) => user.map_or_else(|| "-".to_owned(), |user| user.to_string()),
                Err(error) => error.to_string(),
            };
            let data = envelope.data_text().unwrap_or("-");
            let name = excerpt(envelope.event_type(), 64);
            format!("{place}  {name}  {}  {}", excerpt(&user, 64), excerpt(data, 120))
        }
    }
}

/// A record as JSON.
#[derive(Serialize)]
struct Line<'a> {
    topic: &'a str,
    partition: i32,
    offset: i64,
    timestamp_ms: i64,
    key: Option<String>,
    headers: Vec<(String, Option<String>)>,
    /// Why it cannot be read.
    unreadable: Option<String>,
    value: Option<JsonOrText<'a>>,
}

fn as_json(tailed: &TailedRecord<'_>) -> String {
    let TailedRecord { partition, record, event } = tailed;
    let line = Line {
        topic: partition.topic.as_str(),
        partition: partition.partition,
        offset: record.offset.0,
        timestamp_ms: record.timestamp_ms,
        key: record.key.map(printable),
        headers: record
            .headers()
            .map(|(name, value)| (printable(name), value.map(printable)))
            .collect(),
        unreadable: match event {
            TailedEvent::Unreadable(error) => Some(error.to_string()),
            _ => None,
        },
        value: record.value.map(|value| JsonOrText::from(value).on_one_line()),
    };
    // Nothing in it can fail to be written.
    serde_json::to_string(&line).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_searched_without_a_match_is_reported() {
        let topics = ["role_events", "user_events"].map(TopicName::from_static);
        for (looked_at, reported) in [
            (0, "role_events, user_events: no records from there on"),
            (1, "role_events, user_events: looked at 1 record, which does not match"),
            (7, "role_events, user_events: looked at 7 records, none of which matches"),
        ] {
            assert_eq!(nothing_shown(&topics, looked_at), reported);
        }
    }
}

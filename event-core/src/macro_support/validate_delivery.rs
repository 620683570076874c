//! What only the compiler can validate of how records are delivered.

use event_names::{Kind, MAX_BYTES, Text, check_foreign, same};

use super::validate::{Arguments, events_of};
use crate::event::KeySource;

/// Refuses `order = key` when a contract of the handler has no key, so that its records have none.
#[track_caller]
pub const fn validate_order(arguments: Arguments<'_>, handler: &str) {
    let contracts = events_of(arguments);
    let mut index = 0;
    while index < contracts.len() {
        let contract = contracts[index];
        if !contract.topic.is_empty() && matches!(contract.key, KeySource::None) {
            let message = Text::<512>::new()
                .push("`")
                .push_capped(handler, 64)
                .push("` has `order = key`, but its contract `")
                .push_capped(contract.type_name, 64)
                .push("` has no key\nhelp: give `")
                .push_capped(contract.type_name, 64)
                .push("` one, `#[event(.., key = ..)]`, or write `order = none`");
            panic!("{}", message.as_str());
        }
        index += 1;
    }
}

/// Refuses retry topics whose names are longer than Kafka takes. `delay` is the longest, as it stands
/// in the name; `topic` is empty when the contracts among the `arguments` say it.
#[track_caller]
pub const fn validate_retry_topics(
    topic: &str,
    arguments: Arguments<'_>,
    delay: &str,
    handler: &str,
) {
    let topic = match events_of(arguments) {
        [contract, ..] if topic.is_empty() => contract.topic,
        _ => topic,
    };
    // A topic that is wrong by itself has been complained about.
    let bytes = topic.len() + "_retry_".len() + delay.len();
    if bytes > MAX_BYTES && check_foreign(Kind::Topic, topic).is_ok() {
        let message = Text::<512>::new()
            .push("`")
            .push_capped(handler, 64)
            .push("` tries again through `")
            .push_capped(topic, 16)
            .push("_retry_")
            .push(delay)
            .push("`, a topic name of ")
            .push_number(bytes)
            .push(" bytes, the limit is ")
            .push_number(MAX_BYTES)
            .push("\nhelp: shorten the topic by ")
            .push_number(bytes - MAX_BYTES)
            .push(" bytes, or remove `topics`");
        panic!("{}", message.as_str());
    }
}

/// Refuses a topic for dead letters that is the handler's own: each of them would come back to it.
#[track_caller]
pub const fn validate_dead_letter(
    dead_letter: &str,
    topic: &str,
    arguments: Arguments<'_>,
    handler: &str,
) {
    let topic = match events_of(arguments) {
        [contract, ..] if topic.is_empty() => contract.topic,
        _ => topic,
    };
    // A topic that is wrong by itself has been complained about.
    if !topic.is_empty() && same(dead_letter, topic) {
        let message = Text::<1024>::new()
            .push("`")
            .push_capped(handler, 64)
            .push("` writes its dead letters to its own source topic `")
            .push_capped(topic, 64)
            .push("`, and each would come back to it\nhelp: write `dead_letter = \"")
            .push(topic)
            .push("_dlq\"`");
        panic!("{}", message.as_str());
    }
}

//! What only the compiler can validate: names in constants, and whether attribute and contract agree.
//!
//! Each function is called in a constant of its own at the tokens it validates, and its panic is the
//! compiler's error there. A mistake that is reported elsewhere stays silent here.

use event_names::{Kind, Text, check, same};

use crate::event::{ContractInfo, assert_foreign_name, assert_name};
use crate::extract::Argument;
use crate::handler::{
    BatchCallFn, BatchHandlerFn, CallFn, HandlerCall, HandlerFn, HandlerRegistration, Selector,
};

pub(super) type Contracts<'a> = &'a [&'static ContractInfo];
pub(super) type Arguments<'a> = &'a [Argument<'static>];

// Refuses a handler that takes no contract when its attribute does not say its `missing` names.
#[track_caller]
const fn require_contract(events: Contracts<'_>, handler: &str, missing: &str) {
    if events.is_empty() {
        let write = if same(missing, "topic") {
            "topic = \"role_events\", .."
        } else if same(missing, "event") {
            "event = \"CLAIM_ADDED\", .."
        } else {
            "topic = \"role_events\", event = \"CLAIM_ADDED\""
        };
        let message = Text::<512>::new()
            .push("`")
            .push_capped(handler, 64)
            .push("` does not say its ")
            .push(missing)
            .push(", and takes no contract that does\nhelp: write `#[event_handler(")
            .push(write)
            .push(")]`, or take an `Event<..>`");
        panic!("{}", message.as_str());
    }
}

/// Where the names of a handler come from.
pub enum Named {
    /// The attribute says topic and event.
    Event(&'static str, &'static str),
    /// The attribute says the topic, and takes the rest of its events.
    CatchAll(&'static str),
    /// The attribute says the topic, and takes its tombstones.
    Tombstones(&'static str),
    /// The contracts among the arguments say what the attribute does not, which this names.
    ByContract(&'static str),
}

/// The registration of a handler; what the attribute sets beyond the names is added to it.
#[must_use]
#[track_caller]
pub const fn handler(
    name: &'static str,
    named: Named,
    arguments: &'static [Argument<'static>],
    handler: HandlerFn,
) -> HandlerRegistration {
    called(name, named, arguments, HandlerCall::Each(handler))
}

/// The same for a handler that is called for each record.
#[must_use]
#[track_caller]
pub const fn called_handler(
    name: &'static str,
    named: Named,
    arguments: &'static [Argument<'static>],
    handler: CallFn,
) -> HandlerRegistration {
    called(name, named, arguments, HandlerCall::Call(handler))
}

/// The same for a handler of several records at once.
#[must_use]
#[track_caller]
pub const fn batch_handler(
    name: &'static str,
    named: Named,
    arguments: &'static [Argument<'static>],
    handler: BatchHandlerFn,
) -> HandlerRegistration {
    called(name, named, arguments, HandlerCall::Batch(handler))
}

/// The same for a handler that is called for each batch.
#[must_use]
#[track_caller]
pub const fn called_batch_handler(
    name: &'static str,
    named: Named,
    arguments: &'static [Argument<'static>],
    handler: BatchCallFn,
) -> HandlerRegistration {
    called(name, named, arguments, HandlerCall::BatchCall(handler))
}

#[track_caller]
const fn called(
    name: &'static str,
    named: Named,
    arguments: &'static [Argument<'static>],
    call: HandlerCall,
) -> HandlerRegistration {
    if !matches!(named, Named::CatchAll(_) | Named::Tombstones(_)) {
        refuse_two_payloads(arguments, name);
    }
    let (topic, selects) = match named {
        Named::Event(topic, event) => (topic, Selector::Event(event)),
        Named::CatchAll(topic) => (topic, Selector::CatchAll),
        Named::Tombstones(topic) => (topic, Selector::Tombstones),
        Named::ByContract(missing) => {
            let (events, _) = payloads(arguments);
            require_contract(events, name, missing);
            (events[0].topic, Selector::Contracts(events))
        }
    };
    HandlerRegistration::new(topic, selects, name, arguments, call)
}

// A type alias hides from the macro that two arguments are payloads; the data of a record of one
// would be read as the other as well.
#[track_caller]
const fn refuse_two_payloads(arguments: Arguments<'_>, handler: &str) {
    let (first, second) = payloads(arguments);
    if let ([one, ..], [other, ..]) = (first, second) {
        if one.topic.is_empty() || other.topic.is_empty() {
            return;
        }
        let message = Text::<512>::new()
            .push("`")
            .push_capped(handler, 64)
            .push("` takes two payloads, of `")
            .push_capped(one.type_name, 64)
            .push("` and `")
            .push_capped(other.type_name, 64)
            .push(
                "`, but a record has one\nhelp: remove one of the two, or write a handler for each \
                 event",
            );
        panic!("{}", message.as_str());
    }
}

/// The events among the arguments of a handler; none where two have events, which [`handler`] refuses.
pub(super) const fn events_of(arguments: Arguments<'_>) -> &'static [&'static ContractInfo] {
    match payloads(arguments) {
        (first, []) => first,
        _ => &[],
    }
}

// The events of the first argument that has some, and of the second.
const fn payloads(
    arguments: Arguments<'_>,
) -> (&'static [&'static ContractInfo], &'static [&'static ContractInfo]) {
    let mut first: &'static [&'static ContractInfo] = &[];
    let mut index = 0;
    while index < arguments.len() {
        let events = arguments[index].events;
        if first.is_empty() {
            first = events;
        } else if !events.is_empty() {
            return (first, events);
        }
        index += 1;
    }
    (first, &[])
}

/// Validates a topic whose value only the compiler knows, or that a contract has to agree with; `event`
/// is empty when the attribute has none.
#[track_caller]
pub const fn validate_topic(topic: &str, event: &str, arguments: Arguments<'_>, handler: &str) {
    if swapped(topic, event) {
        let message = Text::<512>::new()
            .push("topic `")
            .push_capped(topic, 64)
            .push("` and event `")
            .push_capped(event, 64)
            .push("` are swapped\nhelp: write each in the other's place");
        panic!("{}", message.as_str());
    }
    assert_name(Kind::Topic, topic);
    topics_agree(topic, events_of(arguments), handler);
}

/// Validates a topic by Kafka's own rules.
#[track_caller]
pub const fn validate_foreign_topic(
    topic: &str,
    _event: &str,
    arguments: Arguments<'_>,
    handler: &str,
) {
    assert_foreign_name(Kind::Topic, topic);
    topics_agree(topic, events_of(arguments), handler);
}

/// Validates an event like [`validate_topic`], which reports the two swapped.
#[track_caller]
pub const fn validate_event(event: &str, topic: &str, arguments: Arguments<'_>, handler: &str) {
    if !swapped(topic, event) {
        assert_name(Kind::Event, event);
        events_agree(event, events_of(arguments), handler);
    }
}

/// Validates an event by the rules that hold for every name.
#[track_caller]
pub const fn validate_foreign_event(
    event: &str,
    _topic: &str,
    arguments: Arguments<'_>,
    handler: &str,
) {
    assert_foreign_name(Kind::Event, event);
    events_agree(event, events_of(arguments), handler);
}

const fn swapped(topic: &str, event: &str) -> bool {
    check(Kind::Event, topic).is_ok() && check(Kind::Topic, event).is_ok()
}

#[track_caller]
const fn topics_agree(topic: &str, contracts: Contracts<'_>, handler: &str) {
    if let [contract, ..] = contracts {
        let names = (("topic", topic), ("topic", contract.topic));
        agree(contract, names, handler);
    }
}

#[track_caller]
const fn events_agree(event: &str, contracts: Contracts<'_>, handler: &str) {
    match contracts {
        [] => {}
        [contract] => agree(contract, (("event", event), ("name", contract.name)), handler),
        _ => {
            let message = Text::<512>::new()
                .push("`")
                .push_capped(handler, 64)
                .push("` says event `")
                .push_capped(event, 64)
                .push(
                    "`, but its payload is a sum that has events of its own\nhelp: remove `event`",
                );
            panic!("{}", message.as_str());
        }
    }
}

#[track_caller]
const fn agree(
    contract: &ContractInfo,
    ((what, attribute), (key, own)): ((&str, &str), (&str, &str)),
    handler: &str,
) {
    // A contract's own mistake is reported where it is declared, and only there.
    let broken = !contract.foreign_names
        && (check(Kind::Topic, contract.topic).is_err()
            || check(Kind::Event, contract.name).is_err());
    if broken || same(attribute, own) {
        return;
    }
    let message = Text::<1024>::new()
        .push("`")
        .push_capped(handler, 64)
        .push("` says ")
        .push(what)
        .push(" `")
        .push_capped(attribute, 64)
        .push("`, but its contract `")
        .push_capped(contract.type_name, 64)
        .push("` has ")
        .push(key)
        .push(" `")
        .push_capped(own, 64)
        .push("`\nhelp: write `")
        .push(what)
        .push(" = \"")
        .push(own)
        .push("\"` or leave it out");
    panic!("{}", message.as_str());
}

/// Refuses the payload of a contract where records are taken that are not of one event.
#[track_caller]
pub const fn refuse_payload(arguments: Arguments<'_>, handler: &str, event: &str) {
    if let ([contract, ..], _) = payloads(arguments) {
        if contract.topic.is_empty() {
            return;
        }
        let message = Text::<512>::new()
            .push("`")
            .push_capped(handler, 64)
            .push("` says `event = ")
            .push(event)
            .push("`, but takes the data of `")
            .push_capped(contract.type_name, 64)
            .push("`\nhelp: remove `event = ")
            .push(event)
            .push("`, or take a `RawEvent`");
        panic!("{}", message.as_str());
    }
}

/// Refuses to convert from a contract that is not an older version of the same event.
#[track_caller]
pub const fn validate_upcast(older: &'static ContractInfo, contract: &'static ContractInfo) {
    if older.topic.is_empty() || contract.topic.is_empty() {
        return;
    }
    let message = Text::<512>::new()
        .push("contract `")
        .push_capped(contract.type_name, 64)
        .push("` upcasts `")
        .push_capped(older.type_name, 64);
    if !older.is_same_event(contract) {
        let message = message
            .push("`, which is another event: ")
            .push_capped(older.topic, 64)
            .push(" / ")
            .push_capped(older.name, 64)
            .push("\nhelp: give both the same `topic` and `name`");
        panic!("{}", message.as_str());
    }
    if older.version >= contract.version {
        let message = message
            .push("`, which has version ")
            .push_number(older.version as usize)
            .push("\nhelp: write `version = ")
            .push_number(older.version as usize + 1)
            .push("`");
        panic!("{}", message.as_str());
    }
}

/// Refuses the variant number `index` of a sum when what it holds has `events` other than one, lies
/// on another topic than the first, or is an event that a variant before it stands for.
#[track_caller]
pub const fn validate_variant(contracts: Contracts<'_>, index: usize, events: usize, sum: &str) {
    let contract = contracts[index];
    if events != 1 {
        let message = Text::<512>::new()
            .push("a variant of sum `")
            .push_capped(sum, 64)
            .push("` holds another sum\nhelp: write a variant for each contract");
        panic!("{}", message.as_str());
    }
    if contract.topic.is_empty() || contracts[0].topic.is_empty() {
        return;
    }
    let message = Text::<512>::new()
        .push("`")
        .push_capped(contract.type_name, 64)
        .push("` of sum `")
        .push_capped(sum, 64);
    if !same(contract.topic, contracts[0].topic) {
        let message = message
            .push("` has topic `")
            .push_capped(contract.topic, 64)
            .push("`, but `")
            .push_capped(contracts[0].type_name, 64)
            .push("` has `")
            .push_capped(contracts[0].topic, 64)
            .push("`\nhelp: write a sum for each topic");
        panic!("{}", message.as_str());
    }
    let mut before = 0;
    while before < index {
        if same(contract.name, contracts[before].name) {
            let message = message
                .push("` is the event `")
                .push_capped(contract.name, 64)
                .push("` a second time\nhelp: remove the variant");
            panic!("{}", message.as_str());
        }
        before += 1;
    }
}

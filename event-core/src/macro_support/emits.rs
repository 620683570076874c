//! Whether `emits(..)` agrees with what a handler can send.

use event_names::Text;

use super::validate::{Arguments, Contracts};
use crate::event::{ContractInfo, Emits};

/// Refuses `emits(..)` when the handler can send another event, any event, or one of them not at
/// all: the event graph is read from it.
#[track_caller]
pub const fn validate_emits(
    declared: Contracts<'_>,
    arguments: Arguments<'_>,
    returns: &'static Emits,
    handler: &str,
) {
    if mentions_broken(declared, arguments, returns) {
        return;
    }
    if returns.is_anything() {
        let message = Text::<2048>::new()
            .push("`")
            .push_capped(handler, 64)
            .push("` lists what it emits, but an `impl` in its return type hides what it returns\nhelp: ")
            .push("write the type itself in place of the `impl`");
        panic!("{}", message.as_str());
    }
    let mut index = 0;
    let mut possible = returns;
    while index <= arguments.len() {
        if let Some(contract) = possible.outside(declared) {
            let message = Text::<2048>::new()
                .push("`")
                .push_capped(handler, 64)
                .push("` can send `")
                .push_capped(contract.type_name, 64)
                .push("`, which its `emits(..)` does not list\nhelp: write `emits(");
            let message = type_names(declared, message)
                .push(", ")
                .push_capped(contract.type_name, 64)
                .push(")`");
            panic!("{}", message.as_str());
        }
        if possible.is_anything() {
            let message = Text::<2048>::new()
                .push("`")
                .push_capped(handler, 64)
                .push("` lists what it emits, but takes a `Producer` of any event\nhelp: write `Producer<");
            let (open, close) = if declared.len() == 1 { ("", "") } else { ("(", ")") };
            let message = type_names(declared, message.push(open)).push(close);
            let message = message.push(">` in place of `Producer`");
            panic!("{}", message.as_str());
        }
        if index < arguments.len() {
            possible = arguments[index].emits;
        }
        index += 1;
    }
    let mut index = 0;
    while index < declared.len() {
        if !can_send(declared[index], arguments, returns) {
            let message = Text::<2048>::new()
                .push("`")
                .push_capped(handler, 64)
                .push("` emits `")
                .push_capped(declared[index].type_name, 64)
                .push("`, but has nothing to send it with\nhelp: ");
            let message = match produced(arguments) {
                Emits::Nothing => message
                    .push("add `producer: Producer<")
                    .push_capped(declared[index].type_name, 64)
                    .push(">` to its arguments"),
                emits => {
                    let message = listed(emits, message.push("write `Producer<("))
                        .push(", ")
                        .push_capped(declared[index].type_name, 64)
                        .push(")>` in place of `Producer<");
                    let (open, close) =
                        if let Emits::One(_) = emits { ("", "") } else { ("(", ")") };
                    listed(emits, message.push(open)).push(close).push(">`")
                }
            };
            let message = message
                .push(", or return `Emit<")
                .push_capped(declared[index].type_name, 64)
                .push(">`");
            panic!("{}", message.as_str());
        }
        index += 1;
    }
}

// A contract that does not compile is reported where it is declared, and has no names to compare.
const fn mentions_broken(
    declared: Contracts<'_>,
    arguments: Arguments<'_>,
    returns: &'static Emits,
) -> bool {
    let mut index = 0;
    while index < declared.len() {
        if declared[index].topic.is_empty() {
            return true;
        }
        index += 1;
    }
    let mut index = 0;
    while index < arguments.len() {
        if has_broken(arguments[index].emits) {
            return true;
        }
        index += 1;
    }
    has_broken(returns)
}

const fn has_broken(emits: &Emits) -> bool {
    match emits {
        Emits::Nothing | Emits::Anything => false,
        Emits::One(contract) => contract.topic.is_empty(),
        Emits::Both(one, other) => has_broken(one) || has_broken(other),
    }
}

// What the producer among the arguments sends.
const fn produced(arguments: Arguments<'_>) -> &'static Emits {
    let mut index = 0;
    while index < arguments.len() {
        if !matches!(arguments[index].emits, Emits::Nothing) {
            return arguments[index].emits;
        }
        index += 1;
    }
    &Emits::Nothing
}

// The types of the events, in their order.
const fn listed(emits: &Emits, text: Text<2048>) -> Text<2048> {
    match emits {
        Emits::Nothing | Emits::Anything => text,
        Emits::One(contract) => text.push_capped(contract.type_name, 64),
        Emits::Both(first, rest) => listed(rest, listed(first, text).push(", ")),
    }
}

const fn type_names(contracts: Contracts<'_>, mut text: Text<2048>) -> Text<2048> {
    let mut index = 0;
    while index < contracts.len() {
        let comma = if index == 0 { "" } else { ", " };
        text = text.push(comma).push_capped(contracts[index].type_name, 64);
        index += 1;
    }
    text
}

const fn can_send(
    contract: &'static ContractInfo,
    arguments: Arguments<'_>,
    returns: &'static Emits,
) -> bool {
    let mut index = 0;
    while index < arguments.len() {
        if arguments[index].emits.has(contract) {
            return true;
        }
        index += 1;
    }
    returns.has(contract)
}

//! What the attribute says about the delivery of a handler's records.

mod delivery_rules;
mod expand;
mod doc_sentence;

pub(super) use delivery_rules::validate;

use std::sync::LazyLock;

use event_names::delivery::{
    BREAKER_FAILURES, DELIVERY_KEYS, DeliveryKey, GROUP, ORDER, RETRY_TOPICS, Takes,
};
use proc_macro2::Ident;
use quote::ToTokens;
use syn::{Expr, ExprPath, LitStr};

use crate::arguments::{Arguments, AttributeArgs, Keys, Values, Word, lists_nothing};
use crate::diagnostics::Diagnostics;
use crate::tokens::text_of;

/// The lists of the attribute: `retry(..)` and its kin.
pub(super) static LISTS: LazyLock<Vec<Keys>> = LazyLock::new(|| {
    let mut lists: Vec<Keys> = Vec::new();
    for key in DELIVERY_KEYS.iter().filter(|key| !key.list.is_empty()) {
        if lists.iter().all(|list| list.attribute != key.list) {
            let known = examples_in(key.list).leak();
            lists.push(Keys { attribute: key.list, known, flags: &[], lists: &[] });
        }
    }
    lists
});

/// The keys in a list, with an example of each; of the attribute itself without a name.
pub(super) fn examples_in(list: &str) -> Vec<(&'static str, &'static str)> {
    let keys = DELIVERY_KEYS.iter().filter(|key| key.list == list);
    keys.map(|key| (key.key, key.example)).collect()
}

/// How the records are delivered, as far as the attribute says, in the order of the table of keys.
#[derive(Default)]
pub(crate) struct Delivery {
    said: Vec<(&'static DeliveryKey, Said)>,
    /// The list `retry(..)` as written.
    retry: String,
}

/// What the attribute says for one key. Times are in milliseconds.
enum Said {
    Number(u32),
    Duration(u64),
    Range(u64, u64),
    Durations(Vec<u64>, Expr),
    Word(Word),
    Function(ExprPath),
    Label(LitStr),
}

impl Said {
    fn read(key: &DeliveryKey, args: &AttributeArgs, values: &mut Values<'_>) -> Option<Self> {
        Some(match key.takes {
            Takes::Number(least, most) => Said::Number(values.number(key.key, least..=most)?),
            Takes::Duration(least, most) => Said::Duration(values.duration(key.key, least..=most)?),
            Takes::Range(least, most) => {
                let (first, longest) = values.range(key.key, least..=most)?;
                Said::Range(first, longest)
            }
            Takes::Durations(at_most, least, most) => {
                let durations = values.durations(key.key, at_most, least..=most)?;
                Said::Durations(durations, args.value(key.key)?.clone())
            }
            Takes::Word(words) => Said::Word(values.word(key.key, words)?),
            Takes::Function => Said::Function(values.path(key.key)?),
            Takes::Label => Said::Label(values.label(key.key, "")?),
        })
    }
}

impl Delivery {
    /// Reads what `args`, by the `keys` of the attribute, says about delivery.
    pub(super) fn read(args: &AttributeArgs, keys: &Keys, diagnostics: &mut Diagnostics) -> Self {
        let mut delivery = Delivery::default();
        delivery.read_list("", args, keys, diagnostics);
        for keys in LISTS.iter() {
            let list = keys.attribute;
            if list == BREAKER_FAILURES.list && breaker_is_off(args, diagnostics) {
                delivery.said.push((&BREAKER_FAILURES, Said::Number(0)));
            }
            let Some((key, tokens)) = args.list(list) else { continue };
            if tokens.stream().is_empty() {
                lists_nothing(key, tokens, diagnostics);
                continue;
            }
            if list == RETRY_TOPICS.list {
                delivery.retry = format!("{list}({})", text_of(tokens.stream()));
            }
            let inside = AttributeArgs::parse(Arguments::read(tokens.stream()), keys, diagnostics);
            delivery.read_list(list, &inside, keys, diagnostics);
        }
        delivery
    }

    fn read_list(
        &mut self,
        list: &str,
        args: &AttributeArgs,
        keys: &Keys,
        diagnostics: &mut Diagnostics,
    ) {
        let mut values = Values::new(args, keys, diagnostics);
        for key in DELIVERY_KEYS.iter().filter(|key| key.list == list) {
            self.said.extend(Said::read(key, args, &mut values).map(|said| (*key, said)));
        }
    }

    fn get(&self, key: &DeliveryKey) -> Option<&Said> {
        self.said.iter().find(|(said, _)| *said == key).map(|(_, said)| said)
    }

    fn number(&self, key: &DeliveryKey) -> Option<u32> {
        match self.get(key) {
            Some(Said::Number(number)) => Some(*number),
            _ => None,
        }
    }

    fn order(&self) -> Option<&Word> {
        match self.get(&ORDER) {
            Some(Said::Word(order)) => Some(order),
            _ => None,
        }
    }

    // The delays of retry topics, and where they stand.
    fn topics(&self) -> Option<(&[u64], &Expr)> {
        match self.get(&RETRY_TOPICS) {
            Some(Said::Durations(delays_ms, value)) => Some((delays_ms, value)),
            _ => None,
        }
    }

    /// The group.
    pub(super) fn group(&self) -> Option<&LitStr> {
        match self.get(&GROUP) {
            Some(Said::Label(group)) => Some(group),
            _ => None,
        }
    }

    /// Where `order = key` says so.
    pub(super) fn ordered_by_key(&self) -> Option<&Ident> {
        self.order().filter(|order| order.word == "key").map(|order| &order.ident)
    }

    /// The longest delay of retry topics in milliseconds, and where it stands.
    pub(super) fn longest_topic_delay(&self) -> Option<(u64, &Expr)> {
        let (delays_ms, value) = self.topics()?;
        delays_ms.last().map(|last| (*last, value))
    }
}

// Whether it says `breaker = off`.
fn breaker_is_off(args: &AttributeArgs, diagnostics: &mut Diagnostics) -> bool {
    let Some(value) = args.value("breaker") else { return false };
    if matches!(value, Expr::Path(path) if path.path.is_ident("off")) {
        return true;
    }
    let failures = match value {
        Expr::Lit(literal) => Some(text_of(literal.to_token_stream())),
        _ => None,
    };
    let failures = failures.filter(|text| text.parse::<u32>().is_ok());
    let help = match failures {
        Some(failures) => format!("write `breaker(failures = {failures})`"),
        None => "write `breaker = off`, or `breaker(failures = 20, pause = \"5s..1m\")`".into(),
    };
    diagnostics.add(value, "`breaker` is `off` or a list", help);
    false
}

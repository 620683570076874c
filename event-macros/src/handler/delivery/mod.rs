//! What the attribute says about the delivery of a handler's records.

mod check;
mod expand;
mod words;

pub(super) use check::judge;

use proc_macro2::Ident;
use quote::ToTokens;
use syn::{Expr, ExprPath, LitStr};

use crate::arguments::{Arguments, DAY_MS, Given, Keys, Values, Word, lists_nothing};
use crate::complaints::Complaints;
use crate::tokens::text_of;

const RETRY: Keys = Keys {
    attribute: "retry",
    known: &[
        ("attempts", "5"),
        ("backoff", "\"200ms..30s\""),
        ("jitter", "full"),
        ("on", "is_transient"),
        ("topics", "[\"1m\", \"10m\"]"),
    ],
    flags: &[],
    lists: &[],
};

const BATCH: Keys = Keys {
    attribute: "batch",
    known: &[("max", "500"), ("wait", "\"50ms\"")],
    flags: &[],
    lists: &[],
};

const BREAKER: Keys = Keys {
    attribute: "breaker",
    known: &[("failures", "20"), ("pause", "\"5s..1m\"")],
    flags: &[],
    lists: &[],
};

// The defaults of `BatchOptions`, for the part of them that is not given.
const BATCH_MAX: u32 = 500;
const BATCH_WAIT_MS: u64 = 50;

const MAX_ATTEMPTS: u32 = 1_000_000;
const MAX_CONCURRENCY: u32 = 100_000;
const MAX_BATCH: u32 = 100_000;
const MAX_FAILURES: u32 = 1_000_000;
const MAX_TOPICS: usize = 8;
// Kafka keeps a record for a week unless told otherwise, and a longer delay would outlive it.
const MAX_TOPIC_DELAY_MS: u64 = 7 * DAY_MS;

/// What is said of the breaker; the rest is the service's setting.
#[derive(Clone, Copy, Default)]
pub(crate) struct Breaker {
    failures: Option<u32>,
    /// In milliseconds.
    pause: Option<(u64, u64)>,
}

/// How the records are delivered, as far as the attribute says.
#[derive(Default)]
pub(crate) struct Delivery {
    pub(crate) group: Option<LitStr>,
    order: Option<Word>,
    concurrency: Option<u32>,
    timeout_ms: Option<u64>,
    retry: Retry,
    /// The most records, and how long the first waits for more, in milliseconds.
    batch: Option<(u32, u64)>,
    /// After how many failures, and the pauses in milliseconds.
    breaker: Breaker,
}

#[derive(Default)]
struct Retry {
    attempts: Option<u32>,
    backoff_ms: Option<(u64, u64)>,
    jitter: Option<Word>,
    on: Option<ExprPath>,
    topics: Option<Topics>,
}

/// The delays of retry topics.
struct Topics {
    delays_ms: Vec<u64>,
    value: Expr,
    /// The whole list that they stand in, as written.
    retry: String,
}

impl Delivery {
    /// Reads what `given`, by the `keys` of the attribute, says about delivery.
    pub(super) fn read(given: &Given, keys: &Keys, complaints: &mut Complaints) -> Self {
        let mut values = Values::new(given, keys, complaints);
        let group = values.label("group", "");
        let order = values.word("order", &["partition", "key", "none"]);
        let concurrency = values.number("concurrency", 1..=MAX_CONCURRENCY);
        let timeout_ms = values.duration("timeout", 1..=DAY_MS);
        let retry = Retry::read(given, complaints);
        let batch = list(given, "batch", &BATCH, complaints).map(|given| {
            let mut values = Values::new(&given, &BATCH, complaints);
            let max = values.number("max", 1..=MAX_BATCH);
            let wait = values.duration("wait", 0..=DAY_MS);
            (max.unwrap_or(BATCH_MAX), wait.unwrap_or(BATCH_WAIT_MS))
        });
        let breaker = breaker(given, complaints);
        Delivery { group, order, concurrency, timeout_ms, retry, batch, breaker }
    }

    fn order(&self) -> &'static str {
        self.order.as_ref().map_or("partition", |order| order.word)
    }

    /// Where `order = key` says so.
    pub(super) fn ordered_by_key(&self) -> Option<&Ident> {
        self.order.as_ref().filter(|order| order.word == "key").map(|order| &order.ident)
    }

    /// The longest delay of retry topics in milliseconds, and where it stands.
    pub(super) fn longest_topic_delay(&self) -> Option<(u64, &Expr)> {
        let topics = self.retry.topics.as_ref()?;
        topics.delays_ms.last().map(|last| (*last, &topics.value))
    }
}

impl Retry {
    fn read(given: &Given, complaints: &mut Complaints) -> Self {
        let Some((_, list_tokens)) = given.list("retry") else { return Retry::default() };
        let whole = format!("retry({})", text_of(list_tokens.stream()));
        let Some(given) = list(given, "retry", &RETRY, complaints) else {
            return Retry::default();
        };
        let mut values = Values::new(&given, &RETRY, complaints);
        let attempts = values.number("attempts", 1..=MAX_ATTEMPTS);
        let backoff_ms = values.range("backoff", 1..=DAY_MS);
        let jitter = values.word("jitter", &["none", "equal", "full"]);
        let on = values.path("on");
        let delays_ms = values.durations("topics", MAX_TOPICS, 1000..=MAX_TOPIC_DELAY_MS);
        let topics = delays_ms.zip(given.value("topics"));
        let topics = topics.map(|(delays_ms, value)| Topics {
            delays_ms,
            value: value.clone(),
            retry: whole,
        });
        Retry { attempts, backoff_ms, jitter, on, topics }
    }
}

// The arguments in `key(..)`.
fn list(given: &Given, key: &str, keys: &Keys, complaints: &mut Complaints) -> Option<Given> {
    let (key, list) = given.list(key)?;
    if list.stream().is_empty() {
        lists_nothing(key, list, complaints);
        return None;
    }
    Some(Given::judge(Arguments::read(list.stream()), keys, complaints))
}

fn breaker(given: &Given, complaints: &mut Complaints) -> Breaker {
    read_breaker(given, complaints).unwrap_or_default()
}

fn read_breaker(given: &Given, complaints: &mut Complaints) -> Option<Breaker> {
    if let Some(value) = given.value("breaker") {
        if matches!(value, Expr::Path(path) if path.path.is_ident("off")) {
            return Some(Breaker { failures: Some(0), pause: None });
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
        complaints.add(value, "`breaker` is `off` or a list", help);
        return None;
    }
    let given = list(given, "breaker", &BREAKER, complaints)?;
    let mut values = Values::new(&given, &BREAKER, complaints);
    let failures = values.number("failures", 0..=MAX_FAILURES);
    let pause = values.range("pause", 1..=DAY_MS);
    Some(Breaker { failures, pause })
}

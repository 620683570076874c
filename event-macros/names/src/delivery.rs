//! The keys of `#[event_handler(..)]` that say how records are delivered, each declared once.
//!
//! From this table come the parser of the attribute, the code it expands to, its documentation, and what
//! `[handlers."id"]` in `event.toml` takes.

/// A key of the attribute: `timeout`, or `attempts` in `retry(..)`.
#[derive(Debug, PartialEq, Eq)]
pub struct DeliveryKey {
    /// The list that it stands in: `retry`. Empty for a key of the attribute itself.
    pub list: &'static str,
    /// The key as the attribute has it.
    pub key: &'static str,
    /// Its name everywhere else: in `event.toml`, in `DeliveryOptions`, in what commands print.
    pub name: &'static str,
    /// What it takes.
    pub takes: Takes,
    /// A value as the attribute has it.
    pub example: &'static str,
    /// What holds when nobody gives it.
    pub unless_given: Unless,
    /// What it says.
    pub doc: &'static str,
}

/// What a key takes. Times are in milliseconds; limits are included.
#[derive(Debug, PartialEq, Eq)]
pub enum Takes {
    /// An integer within limits.
    Number(u32, u32),
    /// A duration within limits.
    Duration(u64, u64),
    /// A shortest and a longest duration within limits.
    Range(u64, u64),
    /// At most so many durations within limits, each longer than the one before.
    Durations(usize, u64, u64),
    /// One of these words.
    Word(&'static [&'static str]),
    /// The path of a function.
    Function,
    /// A text of 1 to 249 bytes of `[a-zA-Z0-9._-]`.
    Label,
}

/// What holds when nobody gives a key.
#[derive(Debug, PartialEq, Eq)]
pub enum Unless {
    /// The setting of this name. `[handlers."id"]` may say it for one handler.
    Setting,
    /// This, unless `[handlers."id"]` says another.
    Handler(&'static str),
    /// This.
    Is(&'static str),
}

/// The milliseconds of a day.
pub const DAY_MS: u64 = 24 * 3600 * 1000;

macro_rules! delivery_keys {
    ($(
        $(#[doc = $doc:literal])+
        $konst:ident: $list:literal $key:literal as $name:literal, $takes:expr, $example:literal, $unless:expr;
    )+) => {
        $(
            #[doc = concat!("`", $key, "`:")]
            $(#[doc = $doc])+
            pub const $konst: DeliveryKey = DeliveryKey {
                list: $list,
                key: $key,
                name: $name,
                takes: $takes,
                example: $example,
                unless_given: $unless,
                doc: concat!($($doc),+).trim_ascii(),
            };
        )+

        /// All keys, in the order in which they are read and documented.
        pub const DELIVERY_KEYS: &[&DeliveryKey] = &[$(&$konst),+];
    };
}

delivery_keys! {
    /// a consumer group of its own, with its own offsets and retries
    GROUP: "" "group" as "group", Takes::Label, "\"audit\"", Unless::Is("the service's");
    /// `partition`: the records of a partition one after the other; `key`: those of one key, which the
    /// contract must have; `none`: any
    ORDER: "" "order" as "order", Takes::Word(&["partition", "key", "none"]), "key", Unless::Is("`partition`");
    /// how many of its records are in flight at once at most; above 1 only with `order = key` or `none`
    CONCURRENCY: "" "concurrency" as "concurrency", Takes::Number(1, 100_000), "8", Unless::Handler("1");
    /// how long one attempt may take: it is cancelled where it waits, and has failed. A `blocking` function
    /// cannot be cancelled and has none
    TIMEOUT: "" "timeout" as "timeout", Takes::Duration(1, DAY_MS), "\"10s\"", Unless::Setting;
    /// how often a record is tried in place
    ATTEMPTS: "retry" "attempts" as "attempts", Takes::Number(1, 1_000_000), "5", Unless::Setting;
    /// the shortest and the longest delay between attempts
    BACKOFF: "retry" "backoff" as "backoff", Takes::Range(1, DAY_MS), "\"200ms..30s\"", Unless::Setting;
    /// how much of a delay is chance: `none`, `equal` (half of it) or `full`
    JITTER: "retry" "jitter" as "jitter", Takes::Word(&["none", "equal", "full"]), "full", Unless::Setting;
    /// a `fn(&event_core::Error) -> bool` that says whether an error is worth another attempt; it is asked
    /// only when the error itself does not say
    RETRY_ON: "retry" "on" as "retry_on", Takes::Function, "is_transient", Unless::Is("every error is");
    /// then the record waits so long in a topic of its own and is retried, once for each delay. It
    /// leaves its place, so `order = none` must be said
    // Kafka keeps a record for a week by default, and a longer delay would outlive it.
    RETRY_TOPICS: "retry" "topics" as "retry_topics", Takes::Durations(8, 1000, 7 * DAY_MS), "[\"1m\", \"10m\"]",
        Unless::Is("none");
    /// how many records a batch has at most
    BATCH_MAX: "batch" "max" as "batch_max", Takes::Number(1, 100_000), "500", Unless::Is("500");
    /// how long the first record of a batch waits for more
    BATCH_WAIT: "batch" "wait" as "batch_wait", Takes::Duration(0, DAY_MS), "\"50ms\"", Unless::Is("50ms");
    /// after so many failed attempts without a success between, the circuit breaker of the handler opens;
    /// 0 or `breaker = off` is never
    BREAKER_FAILURES: "breaker" "failures" as "breaker_failures", Takes::Number(0, 1_000_000), "20",
        Unless::Setting;
    /// how long the circuit breaker stays open: the first time, and at most
    BREAKER_PAUSE: "breaker" "pause" as "breaker_pause", Takes::Range(1, DAY_MS), "\"5s..1m\"", Unless::Setting;
}

impl DeliveryKey {
    /// Whether `[handlers."id"]` may say it.
    #[must_use]
    pub const fn is_setting(&self) -> bool {
        matches!(self.unless_given, Unless::Setting | Unless::Handler(_))
    }

    /// As the attribute has it: `retry(attempts = 5)`.
    #[must_use]
    pub fn written(&self) -> String {
        let pair = format!("{} = {}", self.key, self.example);
        if self.list.is_empty() { pair } else { format!("{}({pair})", self.list) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_key_is_declared_twice() {
        for (index, key) in DELIVERY_KEYS.iter().enumerate() {
            for other in &DELIVERY_KEYS[index + 1..] {
                assert!(
                    (key.list, key.key) != (other.list, other.key) && key.name != other.name,
                    "{other:?}"
                );
            }
        }
    }
}

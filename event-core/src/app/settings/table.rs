//! Every setting, declared once: key, type, limits, default, meaning, and what it sets.
//!
//! From this table come the reader of `event.toml` and of the variables, what each value is checked for, the origins
//! that `explain` prints, and the page `guide/settings_table.md`, which is the documentation of
//! [`Settings`](super::Settings) too. How to add a setting: ARCHITECTURE.md.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;

use event_names::delivery as attribute;

use super::keys::{Setting, apply};
use super::reader::{Addresses, InstanceId};
use crate::broker::OutOfRange;
use crate::event::{GroupName, LoneSurrogates, NaiveTimes, TopicName};
use crate::outcome::Jitter;
use crate::processor::UnknownEvents;

/// A row: its meaning, `key: type, facts;` and what a value sets, of the whole service (`service`), for one
/// handler (`handler`) and for one topic (`topic`). What is a key of the attribute too is `.of(..)` that key, and
/// has meaning and limits from it.
macro_rules! settings {
    ($(
        $(#[doc = $doc:literal])*
        $key:ident: $ty:ty $(, .$fact:ident($($value:expr),*))*;
            $($place:ident: $set:expr),+;
    )+) => {
        &[$(Setting {
            $($place: Some(|to, value, read| apply::<_, $ty>($set, to, value, read)),)+
            ..Setting::new::<$ty>(stringify!($key), concat!($($doc),*))$(.$fact($($value),*))*
        }),+]
    };
}

const MS: Duration = Duration::from_millis(1);
const SECOND: Duration = Duration::from_secs(1);
const HOUR: Duration = Duration::from_secs(3600);
const DAY: Duration = Duration::from_secs(24 * 3600);

/// Every setting; the variable of each is `EVENT_` and the key in capitals.
pub(super) const SETTINGS: &[Setting] = settings! {
    /// bootstrap addresses, `host:port` or `[IPv6]:port`, with commas; without a port 9092
    brokers: Addresses, .default("localhost:9092");
        service: |to, Addresses(brokers)| to.brokers = brokers;
    /// consumer group
    group: GroupName, .like("admin"), .absent("the service's name");
        service: |to, group| to.group = group;
    /// a name that this process keeps in its groups when it is restarted; no other process may have it
    group_instance_id: InstanceId, .like("admin-1");
        service: |to, InstanceId(id)| to.group_instance_id = Some(id);
    /// how many members of each group this process is at most: by default each topic has one of its own, so that
    /// its partitions are shared evenly; each is a client with threads and connections
    max_members: usize, .default("16"), .from(1);
        service: |to, members| to.max_members = members;
    /// the topics that this deployment may read, with commas or as an array; start-up refuses a handler of another
    topics: Vec<TopicName>, .like("role_events"), .absent("all that have a handler");
        service: |to, topics| to.topics = Some(topics);
    /// whether `run` makes the topics for dead letters, retries and redriven records that are missing
    create_topics: bool, .default("false");
        service: |to, create| to.create_topics = create;
    /// what becomes of an event that no handler takes
    unknown_events: UnknownEvents, .default("skip");
        service: |to, events| to.policy.unknown_events = events,
        topic: |to, events| to.unknown_events = Some(events);
    /// where a group goes on whose next records were removed before it read them: at the `earliest` that is left, at
    /// the `latest`, or `stop`: the service ends until a person sets the offset with `seek`
    out_of_range: OutOfRange, .default("earliest");
        service: |to, position| to.out_of_range = position;
    attempts: u32, .default("5"), .of(&attribute::ATTEMPTS);
        service: |to, attempts| to.policy.attempts = attempts,
        handler: |to, attempts| to.attempts = Some(attempts);
    // A refused dead letter is retried at the pace of the backoff too, so it must not be none at all.
    backoff: (Duration, Duration), .default("200ms..30s"), .of(&attribute::BACKOFF);
        service: |to, range| (to.policy.backoff.first, to.policy.backoff.longest) = range,
        handler: |to, range| to.backoff = Some(range);
    jitter: Jitter, .default("equal"), .of(&attribute::JITTER);
        service: |to, jitter| to.policy.backoff.jitter = jitter,
        handler: |to, jitter| to.jitter = Some(jitter);
    timeout: Duration, .of(&attribute::TIMEOUT);
        service: |to, timeout| to.policy.timeout = Some(timeout),
        handler: |to, timeout| to.timeout = Some(timeout);
    concurrency: u32, .of(&attribute::CONCURRENCY);
        handler: |to, concurrency| to.concurrency = Some(concurrency);
    breaker_failures: u32, .default("20"), .of(&attribute::BREAKER_FAILURES);
        service: |to, failures| to.policy.breaker.failures = failures,
        handler: |to, failures| to.breaker_failures = Some(failures);
    breaker_pause: (Duration, Duration), .default("5s..1m"), .of(&attribute::BREAKER_PAUSE);
        service: |to, pause| to.policy.breaker.pause = pause,
        handler: |to, pause| to.breaker_pause = Some(pause);
    /// how many calls run at once in the service, over all its groups, of the handlers that do not keep the order of
    /// the partition
    max_concurrency: usize, .default("1000"), .from(1);
        service: |to, calls| to.policy.max_concurrency = calls;
    /// what an `occurredAt` without a zone is: `ignore` for none, with a warning in the log, or `utc`
    naive_times: NaiveTimes, .default("ignore");
        service: |to, times| to.policy.envelope.naive_times = times;
    /// what becomes of a record with half of a surrogate pair (`\ud83d` alone) in a text: `handle` dead-letters it
    /// where its handler reads that text, `dead_letter` in any case
    lone_surrogates: LoneSurrogates, .default("handle");
        service: |to, surrogates| to.policy.envelope.lone_surrogates = surrogates;
    /// larger values are dead-lettered unread
    max_value_bytes: usize, .default("1048576"), .from(1);
        service: |to, bytes| to.policy.max_value_bytes = bytes;
    /// records with more are dead-lettered
    max_headers: usize, .default("1000");
        service: |to, headers| to.policy.max_headers = headers;
    /// the same for the size of all headers
    max_header_bytes: usize, .default("262144");
        service: |to, bytes| to.policy.max_header_bytes = bytes;
    /// records of a group in memory: a quarter may be fetched ahead by the client, the rest is shared by the
    /// partitions, records that wait for their next attempt included; one that has more than its share and than is
    /// free is not fetched until half is free
    max_in_flight_bytes: usize, .default("67108864"), .from(1);
        service: |to, bytes| to.max_in_flight_bytes = bytes;
    /// how long a settled record may stay uncommitted
    commit_interval: Duration, .default("1s"), .within(MS, HOUR);
        service: |to, interval| to.policy.commit_interval = interval;
    /// after how many settled records offsets are committed, however short the time
    commit_records: u64, .default("100000"), .from(1);
        service: |to, records| to.policy.commit_records = records;
    /// how much of a commit may say what is settled above its offset; the broker's `offset.metadata.max.bytes`
    max_metadata_bytes: usize, .default("4096");
        service: |to, bytes| to.policy.max_metadata_bytes = bytes;
    /// how long a shutdown waits for the records in flight
    // A revocation waits this long within one poll, and the group evicts a member that does not poll for
    // `max.poll.interval.ms`, five minutes by default.
    drain: Duration, .default("20s"), .within(SECOND, Duration::from_secs(240));
        service: |to, drain| to.policy.drain_timeout = drain;
    /// the port of `/health/live`, `/health/ready` and `/pause`; `0` takes a free one and logs it
    admin_port: u16, .like("9090"), .absent("off");
        service: |to, port| to.admin = Some(SocketAddr::from((Ipv4Addr::LOCALHOST, port)));
    /// where it listens; who reaches it can pause handlers
    // It comes after the port, without which nothing listens.
    admin_address: IpAddr, .default("127.0.0.1");
        service: |to, address| if let Some(admin) = &mut to.admin { admin.set_ip(address) };
    /// for how long nothing may be settled while records wait, and a handler may have a record in flight: longer than
    /// one may take, see `observe::Health`
    liveness_after: Duration, .default("5m"), .within(Duration::from_secs(10), DAY);
        service: |to, after| to.liveness_after = after;
};

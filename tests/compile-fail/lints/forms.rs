//! Every form of what the macros take, in a crate that turns lints on.

use std::borrow::Cow;

use event_core::prelude::*;
use serde::{Deserialize, Serialize};

/// The topics.
#[derive(Topics, Clone, Copy, Debug)]
enum TopicList {
    /// A name made of its variant.
    RoleEvents,
    /// A name that is said.
    #[topic(name = "user_events")]
    Users,
}

/// The events.
#[derive(Events, Clone, Copy, Debug)]
enum EventList {
    /// A name made of its variant.
    RoleGiven,
    /// A name that others chose.
    #[event(name = "role.taken", foreign_names)]
    Taken,
}

/// A topic.
const TOPIC: &str = "claim_events";
/// An event.
const EVENT: &str = "CLAIM_ADDED";

/// A plain contract.
#[derive(Event, Clone, Debug, Serialize, Deserialize)]
#[event(topic = "claim_events", name = "CLAIM_ADDED", key = id)]
struct ClaimAdded {
    /// What is claimed.
    id: i64,
}

/// An event without data.
#[derive(Event, Clone, Debug, Serialize, Deserialize)]
#[event(topic = "claim_events", name = "CLAIM_PINGED")]
struct ClaimPinged {}

/// A contract that borrows, with headers and names by constants.
#[derive(Event, Clone, Debug, Serialize, Deserialize)]
#[event(topic = TOPIC, name = "CLAIM_NAMED", key = id, headers(tenant, name = "x-name"))]
#[serde(rename_all = "camelCase")]
struct ClaimNamed<'a> {
    /// What is claimed.
    id: Option<i64>,
    /// Whose it is.
    tenant: String,
    /// How it is called.
    #[serde(borrow)]
    name: Cow<'a, str>,
}

/// A contract that borrows, and converts an older one.
#[derive(Event, Clone, Debug, Serialize, Deserialize)]
#[event(topic = TOPIC, name = "CLAIM_NAMED", version = 2, upcasts(ClaimNamed<'a>))]
struct ClaimRenamed<'a> {
    /// How it is called.
    #[serde(borrow)]
    name: Cow<'a, str>,
}

impl<'a> From<ClaimNamed<'a>> for ClaimRenamed<'a> {
    fn from(older: ClaimNamed<'a>) -> Self {
        Self { name: older.name }
    }
}

/// What a key may stand in.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Role {
    /// Its number.
    id: i64,
}

/// A contract whose key is a field of a field.
#[derive(Event, Clone, Debug, Serialize, Deserialize)]
#[event(topic = TopicList::RoleEvents, name = EventList::RoleGiven, key = role.id)]
struct RoleGiven {
    /// The role.
    role: Role,
}

/// A contract whose key a function makes.
#[derive(Event, Clone, Debug, Serialize, Deserialize)]
#[event(topic = "role_events", name = "role.changed", key = Self::key_of, foreign_names)]
struct RoleChanged {
    /// The role.
    role: Role,
}

impl RoleChanged {
    /// The key.
    fn key_of(&self) -> String {
        self.role.id.to_string()
    }
}

/// An enum is a contract, too.
#[derive(Event, Clone, Debug, Serialize, Deserialize)]
#[event(topic = "role_events", name = "ROLE_ENDED")]
enum RoleEnded {
    /// With data.
    At {
        /// When.
        hour: u8,
    },
    /// Without.
    Never,
}

/// Contracts of one topic.
#[derive(EventSum, Clone, Debug)]
enum Claims {
    /// As it is.
    Added(ClaimAdded),
    /// In a box.
    Pinged(Box<ClaimPinged>),
}

/// Contracts of one topic that borrow.
#[derive(EventSum, Clone, Debug)]
enum BorrowedClaims<'a> {
    /// As it is.
    Added(ClaimAdded),
    /// It borrows.
    Renamed(ClaimRenamed<'a>),
}

/// An error with a verdict for each variant.
#[derive(Debug, EventError)]
enum ClaimError {
    /// No retry helps.
    #[event_error(dead_letter)]
    Unknown,
    /// It takes a while.
    #[event_error(retry_after = "30s")]
    Busy(i64),
    /// Its source decides.
    Other {
        /// The source.
        source: std::io::Error,
    },
}

impl std::fmt::Display for ClaimError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Unknown => f.write_str("unknown"),
            Self::Busy(id) => write!(f, "busy with {id}"),
            Self::Other { .. } => f.write_str("another"),
        }
    }
}

impl std::error::Error for ClaimError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Other { source } => Some(source),
            Self::Unknown | Self::Busy(_) => None,
        }
    }
}

/// An error with one verdict.
#[derive(Debug, EventError)]
#[event_error(unavailable)]
struct Down;

impl std::fmt::Display for Down {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("down")
    }
}

impl std::error::Error for Down {}

/// A pool.
#[derive(Clone, Debug)]
struct Pool(i64);

/// A log.
#[derive(Clone, Debug)]
struct Log(i64);

/// A state with parts.
#[derive(StateParts, Clone, Debug)]
struct Services {
    /// One part.
    pool: Pool,
    /// No part.
    #[state(skip)]
    name: String,
}

/// A state with parts that have no names.
#[derive(StateParts, Clone, Debug)]
struct Logs(Log, #[state(skip)] i64);

/// Writes something down.
fn note(what: impl std::fmt::Debug) {
    let _what = std::hint::black_box(what);
}

/// Whether an error is worth another attempt.
fn is_transient(error: &Error) -> bool {
    error.as_std().is::<Down>()
}

/// Takes a contract.
#[event_handler]
async fn takes_a_contract(event: Event<ClaimAdded>) {
    note(event.id);
}

/// Waits, and may fail.
#[event_handler]
async fn may_fail(event: Event<ClaimPinged>, position: Position) -> Result {
    let event = std::future::ready(event).await;
    note((event, position));
    Ok(())
}

/// Takes nothing.
#[event_handler(topic = "claim_events", event = "CLAIM_LOST")]
async fn takes_nothing() {}

/// Borrows from the record.
#[event_handler(id = "renames")]
async fn borrows(event: Event<ClaimRenamed<'_>>) -> Result<(), ClaimError> {
    match event.name.len() {
        0 => Err(ClaimError::Unknown),
        1 => Err(ClaimError::Busy(1)),
        2 => Err(ClaimError::Other { source: std::io::Error::other("none") }),
        _ => Ok(()),
    }
}

/// Borrows by a name.
#[event_handler(topic = "claim_events", event = "CLAIM_TOLD")]
async fn borrows_by_name<'a>(data: Json<Cow<'a, str>>, key: Option<Key<&'a str>>) {
    note((data.0.len(), key));
}

/// Takes everything that there is.
#[event_handler(topic = TOPIC, event = "CLAIM_SEEN")]
async fn takes_everything(
    Json(data): Json<i64>,
    raw: RawEvent,
    headers: Headers,
    attempt: Attempt,
    State(log): State<Log>,
    shutdown: Shutdown,
    key: Result<Key<i64>>,
) -> Result<(), Down> {
    note((data, raw, headers, attempt, log.0, key.is_ok()));
    if shutdown.is_requested() { Err(Down) } else { Ok(()) }
}

/// Names by lists, and an event that it returns.
#[event_handler(topic = TopicList::RoleEvents, event = EventList::RoleGiven, emits(ClaimAdded))]
async fn returns_an_event(event: Event<RoleGiven>) -> Emit<ClaimAdded> {
    Emit(ClaimAdded { id: event.role.id })
}

/// Returns several.
#[event_handler(topic = TopicList::Users, event = EventList::Taken)]
async fn returns_several(Json(id): Json<i64>) -> Result<Vec<Emit<ClaimAdded>>> {
    Ok(vec![Emit(ClaimAdded { id })])
}

/// Returns one of no name.
#[event_handler(topic = "user_events", event = "USER_SEEN")]
async fn returns_something(Json(id): Json<i64>) -> impl event_core::outcome::IntoOutcome {
    note(id);
}

/// Sends events.
#[event_handler(emits(ClaimAdded, ClaimPinged))]
async fn sends(
    event: Event<RoleChanged>,
    producer: Producer<(ClaimAdded, ClaimPinged)>,
) -> Result<Outcome> {
    let sent = producer.send(&ClaimAdded { id: event.role.id }).await;
    sent.map(|_| Outcome::Skipped).map_err(Error::from)
}

/// Takes an enum.
#[event_handler]
async fn takes_an_enum(event: Event<RoleEnded>) {
    match event.into_inner() {
        RoleEnded::At { hour } => note(hour),
        RoleEnded::Never => {}
    }
}

/// Takes contracts of one topic.
#[event_handler(group = "sums")]
async fn takes_a_sum(event: Event<Claims>) {
    match &*event {
        Claims::Added(claim) => note(claim),
        Claims::Pinged(claim) => note(claim),
    }
}

/// Takes contracts that borrow.
#[event_handler(group = "borrowed_sums")]
async fn takes_a_sum_that_borrows(event: Event<BorrowedClaims<'_>>) {
    match &*event {
        BorrowedClaims::Added(claim) => note(claim.id),
        BorrowedClaims::Renamed(claim) => note(&claim.name),
    }
}

/// Says everything about delivery.
#[event_handler(
    group = "delivery",
    order = key,
    concurrency = 8,
    timeout = "10s",
    dead_letter = "claim_dead_letters",
    retry(attempts = 5, backoff = "200ms..30s", jitter = none, on = is_transient),
    breaker(failures = 20, pause = "5s..1m")
)]
async fn by_key(event: Event<ClaimAdded>) -> Result {
    note(event);
    Ok(())
}

/// Tries again through topics.
#[event_handler(group = "topics", order = none, retry(topics = ["1m", "10m"]), breaker = off)]
async fn through_topics(
    event: Event<ClaimAdded>,
) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
    note(event);
    Ok(())
}

/// Blocks.
#[event_handler(blocking, group = "blocking")]
fn blocks(event: Event<ClaimAdded>, State(pool): State<Pool>) -> Result {
    note(pool.0);
    if event.id > 0 { Ok(()) } else { Err(Error::msg("no claim")) }
}

/// Blocks for nothing.
#[event_handler(topic = "claim_events", event = "CLAIM_WEIGHED", blocking)]
fn blocks_for_nothing() {}

/// Takes several.
#[event_handler(group = "batches", batch(max = 100, wait = "1s"))]
async fn takes_several(events: Batch<ClaimAdded>, State(pool): State<Pool>) -> Result {
    note((events.len(), pool));
    Ok(())
}

/// Takes several, with a result for each.
#[event_handler(group = "vectors")]
async fn takes_a_vector(events: Vec<Event<ClaimAdded>>) -> Vec<Result<(), ClaimError>> {
    events.iter().map(|_| Ok(())).collect()
}

/// Takes several, and blocks.
#[event_handler(topic = "claim_events", event = "CLAIM_COUNTED", blocking)]
fn blocks_for_several(events: Vec<Json<i64>>) -> Vec<Outcome> {
    events.iter().map(|_| Outcome::Handled).collect()
}

/// Takes the rest.
#[event_handler(topic = "claim_events", event = *, order = key, concurrency = 2)]
async fn takes_the_rest(raw: RawEvent) {
    note(raw);
}

/// Takes what is gone.
#[event_handler(topic = "claim_events", event = tombstone)]
async fn takes_tombstones(key: Key<String>) {
    note(key);
}

/// Takes one of two events.
#[event_handler(topic = "role_events", event = "ROLE_SHOWN")]
#[event_handler(topic = "role_events", event = "ROLE_HIDDEN", id = "hides")]
async fn takes_two(#[cfg(unix)] data: Json<i64>, #[cfg(not(unix))] data: Json<i64>) {
    note(data);
}

/// Is visible.
#[event_handler(topic = "role_events", event = "ROLE_COUNTED")]
pub async fn is_visible(data: Json<i64>) {
    note(data);
}

/// Is about to go.
#[deprecated = "there is another"]
#[event_handler(topic = "role_events", event = "ROLE_DEPRECATED")]
async fn is_deprecated(data: Json<i64>) {
    note(data);
}

/// A value that handles.
#[derive(Debug)]
struct Recorder {
    /// Where to.
    log: Log,
}

#[event_handler(group = "values")]
#[event_handler(group = "other_values")]
impl EventHandler for Recorder {
    async fn handle(&self, event: Event<ClaimAdded>) -> Result {
        note((event.id, self.log.0));
        Ok(())
    }
}

/// A value that looks at nothing of its own.
#[derive(Debug)]
struct Counter;

#[event_handler(topic = EVENT_TOPIC, event = EVENT)]
impl EventHandler for Counter {
    async fn handle(&self, Json(_): Json<i64>) {}
}

/// Another topic.
const EVENT_TOPIC: &str = "count_events";

/// A module of its own.
mod inner {
    use super::note;

    /// Names the framework in full.
    #[event_core::event_handler(topic = "role_events", event = "ROLE_INNER")]
    async fn in_full(raw: event_core::extract::RawEvent) -> event_core::Result {
        note(raw);
        Ok(())
    }
}

/// Passes handlers on.
macro_rules! passed_on {
    ($name:ident, $event:literal, $ty:ty) => {
        /// Is passed on.
        #[event_handler(topic = "role_events", event = $event)]
        async fn $name(data: $ty) {
            note(data);
        }
    };
}

passed_on!(by_macro, "ROLE_MACRO", Json<i64>);

#[event_core::main]
async fn main() -> Result {
    for topic in TopicList::iter() {
        note(topic.as_str());
    }
    note(EventList::ALL.len());
    note(is_transient(&Error::from(Down)));
    let changed = RoleChanged { role: Role { id: 7 } };
    note((RoleChanged::key_of(&changed), RoleChanged::key_of(&changed)));
    let services = Services { pool: Pool(1), name: String::new() };
    let logs = Logs(Log(1), 2);
    note((services.name.len(), logs.1));
    let app = EventApp::from_env("lints").map_err(Error::from);
    let app = app.map(|new| new.state_parts(services).state_parts(logs));
    std::future::ready(()).await;
    app.map(|new| note(new.state(Recorder { log: Log(1) }).state(Counter)))
}

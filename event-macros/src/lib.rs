//! The attributes and derives of event-core.
//!
//! Each macro is a pipeline, one stage a file: arguments are parsed, a model of the item is made,
//! checks validate it, and the expansion only quotes. The user's item is always emitted, so that a
//! mistake in an attribute is one error and an editor keeps working.

mod arguments;
mod diagnostics;
mod event;
#[cfg(test)]
mod expansions;
mod event_error;
mod handler;
mod link;
mod list;
mod main_function;
mod names;
mod state_parts;
mod quiet;
mod record;
mod tokens;

use event_names::Kind;
use proc_macro::TokenStream;

/// Registers a function as the handler of an event. That is all the wiring there is: at start-up
/// the app finds every handler that is linked into the binary.
///
/// ```
/// use event_core::prelude::*;
/// use serde::Deserialize;
///
/// #[derive(Event, Deserialize)]
/// #[event(topic = "role_events", name = "CLAIM_ADDED")]
/// struct ClaimAdded { id: i64 }
///
/// // The names come from the contract. They may be repeated, and must then agree with it.
/// #[event_handler]
/// async fn on_claim_added(event: Event<ClaimAdded>) {
///     println!("claim {}", event.id);
/// }
///
/// // Without a contract the attribute has the names.
/// #[event_handler(topic = "role_events", event = "ROLE_RENAMED")]
/// async fn on_role_renamed(Json(name): Json<String>) -> Result {
///     println!("role {}", name.trim());
///     Ok(())
/// }
///
/// // The function stays what it was, and a test can call it.
/// # tokio::runtime::Builder::new_current_thread().build()?.block_on(async {
/// on_claim_added(Event::new(ClaimAdded { id: 7 })).await;
/// # });
/// # Ok::<(), std::io::Error>(())
/// ```
///
/// # Arguments of the attribute
///
/// | key | value |
/// |---|---|
/// | `topic` | the topic: lower snake case, `"role_events"` |
/// | `event` | the event: upper snake case, `"CLAIM_ADDED"`; `*` for every event of the topic that no other handler takes; `tombstone` for the records without a value |
/// | `id` | the handler's name in dead letters, settings and lists; its module path and name unless given. 1 to 249 bytes of `[a-zA-Z0-9._:-]` |
/// | `emits(A, B)` | the contracts that it sends, checked against what it takes and returns |
/// | `dead_letter` | the topic that takes the dead letters of the topic in the group, in place of `<topic>_dlq` |
/// | `blocking` | it is a plain `fn`, and runs off the async threads. Once begun it cannot be cancelled, so it has no `timeout`; it owns its arguments |
/// | `foreign_names` | names that others chose: only Kafka's own rules hold; the variant of a closed list needs no word for it |
/// | `crate` | the path of `event_core`, when it is not `::event_core` |
///
/// How its records are delivered:
///
#[doc = include_str!("delivery_keys.md")]
///
/// A duration is an integer and `ms`, `s`, `m` or `h`, without a space.
///
/// ```
/// use event_core::prelude::*;
/// use serde::Deserialize;
///
/// #[derive(Event, Deserialize)]
/// #[event(topic = "role_events", name = "CLAIM_ADDED", key = role_id)]
/// struct ClaimAdded { id: i64, role_id: i64 }
///
/// // Roles side by side, the claims of each role in their order.
/// #[event_handler(order = key, concurrency = 8, retry(attempts = 3, backoff = "1s..1m"))]
/// async fn index_claim(event: Event<ClaimAdded>) -> Result {
///     println!("claim {} of role {}", event.id, event.role_id);
///     Ok(())
/// }
///
/// // Many at once, in a group of its own; a result for each, so that only what failed is retried.
/// #[event_handler(group = "audit", batch(max = 1000, wait = "200ms"))]
/// async fn store_claims(claims: Batch<ClaimAdded>) -> Vec<Result> {
///     claims.iter().map(|claim| if claim.id < 0 { Err(Error::msg("negative")) } else { Ok(()) }).collect()
/// }
/// ```
///
/// A name is a text, a `const` of type `&'static str`, or a variant of an enum with
/// [`derive(Topics)`](macro@Topics) or [`derive(Events)`](macro@Events). All are checked while
/// compiling.
///
/// # The function
///
/// It is a free `async fn` without type parameters. Each argument implements
/// [`FromDelivery`](https://docs.rs/event-core/latest/event_core/extract/trait.FromDelivery.html): the
/// module `extract` lists those that there are. At most one is the payload, `Event` or `Json`.
///
/// Several records at once are a `Batch<T>`, which knows their positions, or a `Vec` of what one record
/// gives: `Vec<Event<T>>`, `Vec<Json<T>>`, `Vec<RawEvent>`, `Vec<Key<K>>`. Data that cannot be decoded
/// is dead-lettered alone and is not in the batch. The other arguments are made once, from the first
/// record. Such a function returns `()` or a `Result<(), E>` for all, or a `Vec` with a `Result<(), E>`,
/// an `Outcome` or an `Emit` for each record in order. An `Err` for all, a panic or a time-out is no
/// attempt at any of them: each is tried alone, after what the error asks for or else the first delay.
///
/// It returns `()`, an `Outcome`, an `Emit` or several, or a `Result` of these with any error. Several
/// attributes on one function register it for several events.
///
/// The attribute also stands on `impl EventHandler for` a type whose value is given to the app with
/// `.state(..)`. Its method `handle` takes `&self` and what a function may take.
///
/// What it handles, and what becomes of a record that fails, is added to the function's
/// documentation.
#[proc_macro_attribute]
pub fn event_handler(arguments: TokenStream, item: TokenStream) -> TokenStream {
    handler::event_handler(arguments.into(), item.into()).into()
}

/// Runs an `async fn main` on a multi-threaded tokio runtime.
///
/// `main` returns `()` or a `Result<(), E>` with any error: the error is printed and decides the exit
/// code.
///
/// Like every macro of this crate, it also notes which dependencies register handlers or contracts.
/// Start-up refuses to run when one of them is not linked; see [`link_handlers!`].
///
/// ```
/// #[event_core::main]
/// async fn main() -> event_core::Result {
///     tokio::task::yield_now().await;
///     Ok(())
/// }
/// ```
///
/// `#[event_core::main(crate = path)]` names the crate when it is not `::event_core`.
#[proc_macro_attribute]
pub fn main(arguments: TokenStream, item: TokenStream) -> TokenStream {
    main_function::main(arguments.into(), item.into()).into()
}

/// Keeps crates that only register handlers from being left out by the linker, which drops a crate
/// that no code names.
///
/// It stands beside other items of the binary, usually above `main`. Start-up fails when a crate
/// named here registered no handler and no contract.
///
/// Start-up also names the crates that were left out: the package's own library, dependencies (also
/// optional, renamed, and those that only a dependency's `Cargo.toml` lists), and for tests and
/// examples dev-dependencies. They are known from the build, so it does not matter whether `main` is
/// under `#[event_core::main]` or `#[tokio::main]`, as long as some macro of `event-core` stands in
/// the crate of `main`; without any, a warning says so, and only what linked libraries name is known.
/// `except` silences the check for a crate whose handlers are not wanted.
///
/// A crate that registers with another version of `event-core` than the app's is named too: naming it
/// in code would not help, since each version sees only its own handlers.
///
/// ```
/// # extern crate serde as billing_handlers;
/// event_core::link_handlers!(billing_handlers, except audit_client);
/// # fn main() {}
/// ```
#[proc_macro]
pub fn link_handlers(crates: TokenStream) -> TokenStream {
    link::link_handlers(crates.into()).into()
}

/// Makes a type the contract of an event: implements `Contract`, and registers it.
///
/// ```
/// use event_core::prelude::*;
/// use serde::{Deserialize, Serialize};
/// use std::borrow::Cow;
///
/// /// A claim was attached to a role.
/// #[derive(Event, Serialize, Deserialize)]
/// #[event(topic = "role_events", name = "CLAIM_ADDED", key = role_id)]
/// struct ClaimAdded<'a> {
///     role_id: i64,
///     #[serde(borrow)]
///     claim: Cow<'a, str>,
/// }
///
/// assert_eq!(ClaimAdded::INFO.name, "CLAIM_ADDED");
/// assert_eq!(ClaimAdded::INFO.description, "A claim was attached to a role.");
/// ```
///
/// # Arguments of `#[event(..)]`
///
/// | key | value |
/// |---|---|
/// | `topic` | the topic: lower snake case, `"role_events"` |
/// | `name` | the event: upper snake case, `"CLAIM_ADDED"` |
/// | `key` | what becomes the record key: a field, `role_id`; a field of a field, `role.id`; or a function of the contract, `Self::key_of`. Events of one key keep their order |
/// | `version` | the version that is written, 1 unless given. A record of a higher one is dead-lettered as `unsupported_version` |
/// | `upcasts(V1)` | the contract of an older version: a record up to that version is decoded as it and converted with `From`. It may itself upcast an older one |
/// | `headers(a, b = "x-b")` | fields that are sent as headers too, under their own name or another |
/// | `foreign_names` | names that others chose: only Kafka's own rules hold; the variant of a closed list needs no word for it |
/// | `crate` | the path of `event_core`, when it is not `::event_core` |
///
/// Without `upcasts` the type itself reads every version up to its own, which suits fields that were
/// added with a default.
///
/// ```
/// use event_core::prelude::*;
/// use serde::Deserialize;
///
/// #[derive(Event, Deserialize)]
/// #[event(topic = "user_events", name = "USER_NAMED")]
/// struct UserNamedV1 { name: String }
///
/// #[derive(Event, Deserialize)]
/// #[event(topic = "user_events", name = "USER_NAMED", version = 2, upcasts(UserNamedV1))]
/// struct UserNamed { first: String, last: String }
///
/// impl From<UserNamedV1> for UserNamed {
///     fn from(old: UserNamedV1) -> Self {
///         let (first, last) = old.name.split_once(' ').unwrap_or((&old.name, ""));
///         UserNamed { first: first.to_owned(), last: last.to_owned() }
///     }
/// }
/// ```
///
/// # The type
///
/// A struct with named fields, generic over lifetimes alone, or an enum. An event without data is
/// `struct Ping {}`. Borrowed text is a `Cow` with `#[serde(borrow)]`: a `&str` cannot hold a text
/// that JSON writes with an escape, and most producers escape all that is not ASCII. serde's
/// attributes work as they do everywhere; the doc comment becomes the description.
#[proc_macro_derive(Event, attributes(event))]
pub fn derive_event(item: TokenStream) -> TokenStream {
    event::derive_event(item.into()).into()
}

/// Makes an enum of contracts the payload of one handler for all their events: the `match` in it is
/// exhaustive, so that an event added to the enum does not compile until it is handled.
///
/// Each variant holds one contract, all of one topic, or a large one as `Box<Contract>`. The enum
/// gets `From` each of them. A sum that borrows has one lifetime.
///
/// ```
/// use event_core::prelude::*;
/// use serde::Deserialize;
///
/// #[derive(Event, Deserialize)]
/// #[event(topic = "role_events", name = "CLAIM_ADDED")]
/// struct ClaimAdded { id: i64 }
///
/// #[derive(Event, Deserialize)]
/// #[event(topic = "role_events", name = "CLAIM_REMOVED")]
/// struct ClaimRemoved { id: i64 }
///
/// #[derive(EventSum)]
/// enum ClaimEvent {
///     Added(ClaimAdded),
///     Removed(ClaimRemoved),
/// }
///
/// #[event_handler]
/// async fn count_claims(event: Event<ClaimEvent>) {
///     match &*event {
///         ClaimEvent::Added(claim) => println!("+ {}", claim.id),
///         ClaimEvent::Removed(claim) => println!("- {}", claim.id),
///     }
/// }
/// ```
#[proc_macro_derive(EventSum, attributes(event))]
pub fn derive_event_sum(item: TokenStream) -> TokenStream {
    event::derive_event_sum(item.into()).into()
}

/// Says of an error type, variant by variant, what is to be done about the record whose handler
/// failed with it.
///
/// It is an error type as `thiserror` makes it, and it keeps what it says however it is passed on: by
/// `?` into `event_core::Error`, in a box, or as the source of another error. Of several in one chain
/// the outermost that says something counts, and `.dead_letter()` and its kin on the way count more.
///
/// | in `#[event_error(..)]` | what becomes of the record |
/// |---|---|
/// | `retry` | it is retried until the attempts are used up, and then dead-lettered |
/// | `retry_after = "30s"` | the same, but the next attempt is made after this time, an integer and `ms`, `s`, `m` or `h` |
/// | `dead_letter` | it is dead-lettered at once: no retry can fix it |
/// | `skip` | it needs no work, and is passed over |
/// | `unavailable` | something that the handler depends on is down: its records wait until it works again, and the attempt does not count |
/// | `crate` | above the type only: the path of `event_core`, when it is not `::event_core` |
///
/// The attribute stands above a variant or a struct; above an enum it is for all variants that have
/// none of their own. A variant without any says nothing: then its source decides, which suits
/// `#[from] sqlx::Error`, and then the handler's `retry(..)`.
///
/// ```
/// use event_core::outcome::Verdict;
/// use event_core::prelude::*;
///
/// #[derive(Debug, thiserror::Error, EventError)]
/// enum ClaimError {
///     #[error("role {0} does not exist")]
///     #[event_error(dead_letter)]
///     UnknownRole(i64),
///     #[error("the claim is there already")]
///     #[event_error(skip)]
///     Known,
///     #[error("the directory is down")]
///     #[event_error(unavailable)]
///     DirectoryDown,
///     #[error("cannot write the claim")]
///     Io(#[from] std::io::Error),
/// }
///
/// let error: Error = ClaimError::UnknownRole(7).into();
/// assert_eq!(error.verdict(), Verdict::DeadLetter);
/// let error: Error = ClaimError::Io(std::io::ErrorKind::TimedOut.into()).into();
/// assert_eq!(error.said(), None);
/// ```
#[proc_macro_derive(EventError, attributes(event_error))]
pub fn derive_event_error(item: TokenStream) -> TokenStream {
    event_error::derive_event_error(item.into()).into()
}

/// Makes the fields of a struct states of their own, so that a handler takes the part that it needs.
///
/// The struct is given to the app with `.state_parts(..)`. Each field becomes a state by its type, by
/// cloning it, unless `#[state(skip)]` stands above it; the struct itself is one too.
///
/// ```
/// use event_core::prelude::*;
///
/// #[derive(Clone)]
/// struct Pool;
/// #[derive(Clone)]
/// struct Mailer;
///
/// #[derive(StateParts)]
/// struct Services {
///     pool: Pool,
///     mailer: Mailer,
/// }
///
/// #[event_handler(topic = "mail_events", event = "MAIL_REQUESTED")]
/// async fn send(State(mailer): State<Mailer>) {
///     let Mailer = mailer;
/// }
/// ```
#[proc_macro_derive(StateParts, attributes(state))]
pub fn derive_state_parts(item: TokenStream) -> TokenStream {
    state_parts::derive_state_parts(item.into()).into()
}

/// Makes an enum a closed list of topics, for `topic = Topics::RoleEvents`.
///
/// A variant is named by its words in lower snake case, or by `#[topic(name = "..")]`.
///
/// ```
/// #[derive(event_core::Topics, Debug, PartialEq)]
/// enum Topics {
///     RoleEvents,
///     #[topic(name = "user_events_v2")]
///     UserEvents,
///     #[topic(name = "Orders.v1", foreign_names)]
///     Orders,
/// }
///
/// assert_eq!(Topics::RoleEvents.as_str(), "role_events");
/// assert_eq!("user_events_v2".parse(), Ok(Topics::UserEvents));
/// assert_eq!(Topics::iter().count(), 3);
///
/// let error = Topics::try_from("role_evnts").unwrap_err();
/// assert_eq!(
///     error.to_string(),
///     "`role_evnts` is not one of `Topics`; did you mean `role_events`?"
/// );
/// ```
///
/// # What the enum gets
///
/// | | |
/// |---|---|
/// | the trait `Topics` | for what works with any list |
/// | `ALL`, `iter()` | the variants in their order |
/// | `as_str()`, `Display`, `AsRef<str>` | the name of a variant; `as_str` is `const` |
/// | `FromStr`, `TryFrom<&str>` | the variant of a name; `UnknownName` says what was probably meant |
/// | serde's `Serialize`, `Deserialize` | the name as text; do not derive these too, and serde need not be a dependency |
///
/// # Arguments of `#[topic(..)]`
///
/// | key | on | value |
/// |---|---|---|
/// | `name` | a variant | the topic: lower snake case, `"role_events"` |
/// | `foreign_names` | a variant or the enum | none; a `name` is one that others chose: 1 to 249 letters, digits, `.`, `_` and `-`, as Kafka takes them |
/// | `crate` | the enum | the path of `event_core`, when it is not `::event_core` |
#[proc_macro_derive(Topics, attributes(topic))]
pub fn derive_topics(item: TokenStream) -> TokenStream {
    list::derive_list(Kind::Topic, item.into()).into()
}

/// Makes an enum a closed list of events, for `event = Events::ClaimAdded`.
///
/// A variant is named by its words in upper snake case, or by `#[event(name = "..")]`. The enum gets
/// the trait `Events`, and else the same as from [`derive(Topics)`](macro@Topics). The arguments of
/// `#[event(..)]` are the same as well; with `foreign_names` a `name` is any text of 1 to 249 bytes
/// without control characters.
///
/// ```
/// use event_core::prelude::*;
///
/// #[derive(Events)]
/// enum Events {
///     ClaimAdded,
///     #[event(name = "ROLE_RENAMED")]
///     Renamed,
/// }
///
/// #[event_handler(topic = "role_events", event = Events::Renamed)]
/// async fn on_role_renamed(Json(name): Json<String>) {
///     println!("{name}, not {}", Events::ClaimAdded);
/// }
///
/// assert!(Events::try_from("ROLE_RENAMED").is_ok());
/// ```
#[proc_macro_derive(Events, attributes(event))]
pub fn derive_events(item: TokenStream) -> TokenStream {
    list::derive_list(Kind::Event, item.into()).into()
}

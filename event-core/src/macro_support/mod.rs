//! What the code that our macros generate calls. Not for use by hand: it may change in any release.
//!
//! Everything with logic is here as an ordinary function, so that the expansion is data and calls.

pub use event_names::Kind;
pub use inventory;
// The names of a list are read and written by serde, also where the user does not depend on it.
pub use serde::{Deserialize, Deserializer, Serialize, Serializer};

pub use crate::delivery::Delivery;
pub use crate::event::{
    Contract, ContractField, ContractInfo, ContractRegistration, DataCheck, DataInPlace, Emits,
    Envelope, EnvelopeError, Events, Headers, KeySource, NoOlder, Payload, ReadOlder, RecordKey,
    Topics, UnknownName,
};
// By a short name, so that an argument fits on a line of the expansion.
pub use crate::extract::{Argument, FromDeliveries as ExtractBatch, FromDelivery as Extract};
pub use crate::handler::{
    BatchFeed, DeliveryOptions, EventHandler, Feed, HandlerFuture as Call, HandlerLoop as Work,
    Order,
};
pub use crate::outcome::{Classifier, EventError, IntoOutcome, IntoOutcomes, Jitter, Verdict};
pub use crate::registry::{CrateDependency, CrateRegistration, LinkedCrate};
pub use std::borrow::Cow;
pub use std::boxed::Box;
pub use std::option::Option::Some;

mod blocking;
mod data_check;
mod emits;
mod validate;
mod validate_delivery;
mod list;

pub use blocking::blocking;
pub use data_check::{Checked, OnlySent};
pub use emits::validate_emits;
pub use list::deserialize_name;
pub use validate::{
    Named, batch_handler, called_batch_handler, called_handler, handler, refuse_payload,
    validate_event, validate_foreign_event, validate_foreign_topic, validate_topic,
    validate_upcast, validate_variant,
};
pub use validate_delivery::{validate_dead_letter, validate_order, validate_retry_topics};

use std::marker::PhantomData;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::ExitCode;

use crate::app::{end, exit_code};
use crate::event::excerpt;
use crate::extract::{EnvelopeUse, FromDelivery};
use crate::outcome::{Error, Rejection};
use crate::state::Requirements;

/// Stands for a contract that does not compile, and agrees with everything.
pub const BROKEN_CONTRACT: &ContractInfo = &ContractInfo {
    topic: "",
    name: "",
    version: 1,
    type_name: "",
    key: KeySource::None,
    headers: &[],
    older: None,
    foreign_names: false,
    fields: &[],
    object: false,
    empty: false,
    shape: 0,
    description: "",
    file: "",
    line: 0,
    module: "",
};

/// A record that is no event of a sum; the router gives a handler its own events only.
#[must_use]
pub fn not_of_sum(envelope: &Envelope<'_>, sum: &'static str) -> EnvelopeError {
    let problem = format!("`{}` is no event of it", excerpt(envelope.event_type(), 64));
    envelope.mismatch(sum, None, problem, None)
}

/// The key that a contract's function makes.
pub fn owned_key(key: impl RecordKey) -> Option<Cow<'static, str>> {
    key.record_key().map(|key| Cow::Owned(key.into_owned()))
}

/// Adds the header that a field becomes; a field that is `None` becomes none.
pub fn add_header(headers: &mut Headers, name: &'static str, value: &impl HeaderValue) {
    if let Some(value) = value.record_key() {
        headers.push(name, value.into_owned());
    }
}

/// What a field must be that becomes a header: what could be a key.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be the value of a header",
    label = "not a text",
    note = "a header is an integer, a `bool`, a string, a `Uuid`, or an `Option` of these; for your own type implement `event_core::event::RecordKey`"
)]
pub trait HeaderValue: RecordKey {}

#[diagnostic::do_not_recommend]
impl<V: RecordKey> HeaderValue for V {}

/// What an older version of a contract is converted into.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be made from `{P}`, which it upcasts",
    label = "no conversion",
    note = "write `impl From<{P}> for {Self}`"
)]
pub trait Upcasts<P> {
    /// Converts it.
    fn upcast(older: P) -> Self;
}

#[diagnostic::do_not_recommend]
impl<P, T: From<P>> Upcasts<P> for T {
    fn upcast(older: P) -> Self {
        older.into()
    }
}

/// What an older version of a contract must be to be converted.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be decoded, so nothing can upcast it",
    label = "not decoded",
    note = "put `#[derive(Deserialize)]` on `{Self}`"
)]
pub trait Decoded<'de>: Sized {
    /// Decodes the data of the contract.
    ///
    /// # Errors
    ///
    /// [`EnvelopeError`]: the data does not fit.
    fn decode(envelope: &Envelope<'de>, version: u32) -> Result<Self, EnvelopeError>
    where
        Self: Contract<Older: ReadOlder<'de, Self>>;
}

#[diagnostic::do_not_recommend]
impl<'de, T: Deserialize<'de>> Decoded<'de> for T {
    fn decode(envelope: &Envelope<'de>, version: u32) -> Result<Self, EnvelopeError>
    where
        Self: Contract<Older: ReadOlder<'de, Self>>,
    {
        envelope.decode_version(version)
    }
}

/// How a contract with `upcasts(P)` reads older data. Unlike
/// [`UpcastFrom`](crate::event::UpcastFrom) it has no bounds: what is missing is said where
/// [`upcast`] is called.
pub struct Upcast<P>(PhantomData<P>);

/// The highest version that a contract with `upcasts(P)` reads as `P`.
#[must_use]
pub const fn upcast_up_to(contract: &ContractInfo) -> u32 {
    match contract.older {
        Some(older) => older.version,
        None => u32::MAX,
    }
}

/// Reads the data of a version up to that of `P` as `P`, and converts it.
pub fn upcast<'de, P, T>(envelope: &Envelope<'de>, version: u32) -> Option<Result<T, EnvelopeError>>
where
    T: Upcasts<P>,
    P: Contract<Older: ReadOlder<'de, P>> + Decoded<'de>,
{
    (version <= P::INFO.version).then(|| P::decode(envelope, version).map(T::upcast))
}

/// Runs the handler that is the state of type `T`.
pub fn on_instance<'a, T: EventHandler + 'static>(delivery: &'a Delivery<'a>) -> Call<'a> {
    match delivery.state.get::<T>() {
        Some(instance) => instance.handle(delivery),
        None => {
            let type_name = std::any::type_name::<T>();
            Box::pin(std::future::ready(Err(Rejection::MissingState { type_name })))
        }
    }
}

/// Stands among the arguments of a handler that is a state of the app.
pub struct Instance<T>(PhantomData<fn(T)>);

impl<'a, T: 'static> FromDelivery<'a> for Instance<T> {
    const ENVELOPE: EnvelopeUse = EnvelopeUse::Never;

    async fn from_delivery(_: &'a Delivery<'a>) -> Result<Self, Rejection> {
        Ok(Instance(PhantomData))
    }

    fn requires(requirements: &mut Requirements) {
        requirements.state::<T>();
    }
}

/// What a service's `main` may return.
#[diagnostic::on_unimplemented(
    message = "`main` cannot return `{Self}`",
    label = "not a result of `main`",
    note = "`main` returns `()`, or a `Result<(), E>` with any error; write `-> event_core::Result`"
)]
pub trait IntoMainExit {
    /// Prints an error and picks the exit code.
    fn into_exit(self) -> u8;
}

impl IntoMainExit for () {
    fn into_exit(self) -> u8 {
        0
    }
}

impl<E: Into<Box<dyn std::error::Error + Send + Sync>> + 'static> IntoMainExit for Result<(), E> {
    fn into_exit(self) -> u8 {
        exit_code(self.map_err(Error::from_boxed))
    }
}

/// Runs the body of `#[event_core::main]` on a multi-threaded runtime.
pub fn run_main<T: IntoMainExit>(body: impl Future<Output = T>) -> ExitCode {
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return end(exit_code(Err(error.into()))),
    };
    let body = AssertUnwindSafe(|| runtime.block_on(body).into_exit());
    // The panic's message is printed by now, and the clients must go before the process also then.
    let code = catch_unwind(body).unwrap_or(PANICKED);
    // Dropping the runtime would wait for blocking threads without a limit, and a service that was
    // asked to stop has to stop.
    runtime.shutdown_background();
    end(code)
}

/// The exit code of a Rust program whose `main` panics.
const PANICKED: u8 = 101;

//! Events that a handler sends as its return value.

use std::cell::Cell;

use bytes::Bytes;
use serde::Serialize;

use super::{Error, Outcome};
use crate::broker::OutgoingRecord;
use crate::delivery::{Cause, Delivery};
use crate::event::{Contract, Emits, EventWriter, Headers, NameError};

/// An event to send, returned by a handler. It is acknowledged before the record that was handled
/// counts as settled, says what caused it, and has the key of its contract.
///
/// Several are a tuple, a `Vec` or an array; one that may be missing is an `Option`; with errors it
/// is a `Result` of any of these. When one is not acknowledged the attempt has failed and the handler
/// runs again, so that what was acknowledged before is sent once more for each attempt, and once
/// more when the record is delivered again after a crash. Each time it has an `eventId` of its own
/// and the same `causation_id`.
///
/// ```
/// use event_core::prelude::*;
/// # #[derive(Event, serde::Deserialize)]
/// # #[event(topic = "user_events", name = "USER_CREATED")]
/// # struct UserCreated { id: i64 }
/// # #[derive(Event, serde::Serialize)]
/// # #[event(topic = "role_events", name = "ROLE_GIVEN", key = user_id)]
/// # struct RoleGiven { user_id: i64 }
///
/// #[event_handler]
/// async fn give_first_role(event: Event<UserCreated>) -> Emit<RoleGiven> {
///     Emit(RoleGiven { user_id: event.id })
/// }
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Emit<E>(pub E);

/// Events that are ready to be sent, in order.
#[derive(Debug, Default)]
pub struct Emissions(Vec<OutgoingRecord>);

impl Emissions {
    /// The records, in the order in which they are sent.
    #[must_use]
    pub fn into_records(self) -> Vec<OutgoingRecord> {
        self.0
    }
}

/// What holds events to send: [`Emit`], and `Option`s, `Vec`s, arrays and tuples of it.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is no event to send",
    label = "not an event to send",
    note = "a handler that sends nothing returns `()`, without an `Option` or `Vec` around it; write `Emit<{Self}>` in place of `{Self}` for a contract; a `Result` goes around everything else, `Result<Option<Emit<..>>>`"
)]
pub trait IntoEmissions {
    /// The events.
    const EMITS: &'static Emits;

    /// Adds the records of the events.
    ///
    /// # Errors
    ///
    /// An event that cannot be written.
    fn add_to(self, emissions: &mut Emissions, cause: &Cause) -> Result<(), Error>;
}

/// A contract that serde can write.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a contract that can be sent",
    label = "not an event to send",
    note = "put `#[derive(Event, Serialize)]` and `#[event(topic = \"..\", name = \"..\")]` on `{Self}`"
)]
pub trait Sendable: Contract + Serialize {}

#[diagnostic::do_not_recommend]
impl<E: Contract + Serialize> Sendable for E {}

impl<E: Sendable> IntoEmissions for Emit<E> {
    const EMITS: &'static Emits = &Emits::One(E::INFO);

    fn add_to(self, emissions: &mut Emissions, cause: &Cause) -> Result<(), Error> {
        emissions.0.push(record_of(&self.0, cause)?);
        Ok(())
    }
}

impl<T: IntoEmissions> IntoEmissions for Option<T> {
    const EMITS: &'static Emits = T::EMITS;

    fn add_to(self, emissions: &mut Emissions, cause: &Cause) -> Result<(), Error> {
        self.map_or(Ok(()), |event| event.add_to(emissions, cause))
    }
}

impl<T: IntoEmissions> IntoEmissions for Vec<T> {
    const EMITS: &'static Emits = T::EMITS;

    fn add_to(self, emissions: &mut Emissions, cause: &Cause) -> Result<(), Error> {
        self.into_iter().try_for_each(|event| event.add_to(emissions, cause))
    }
}

impl<T: IntoEmissions, const N: usize> IntoEmissions for [T; N] {
    const EMITS: &'static Emits = T::EMITS;

    fn add_to(self, emissions: &mut Emissions, cause: &Cause) -> Result<(), Error> {
        self.into_iter().try_for_each(|event| event.add_to(emissions, cause))
    }
}

macro_rules! tuples {
    ($(($First:ident $($Tail:ident)+))*) => {$(
        impl<$First: IntoEmissions, $($Tail: IntoEmissions),+> IntoEmissions for ($First, $($Tail),+) {
            const EMITS: &'static Emits =
                &Emits::Both($First::EMITS, <($($Tail,)+) as Listed>::EMITS);

            #[expect(non_snake_case, reason = "a variable is named like its type")]
            fn add_to(self, emissions: &mut Emissions, cause: &Cause) -> Result<(), Error> {
                let ($First, $($Tail),+) = self;
                $First.add_to(emissions, cause)?;
                $($Tail.add_to(emissions, cause)?;)+
                Ok(())
            }
        }

        impl<$First: IntoEmissions, $($Tail: IntoEmissions),+> Listed for ($First, $($Tail),+) {
            const EMITS: &'static Emits = <Self as IntoEmissions>::EMITS;
        }
    )*};
}

// A tuple's events, for a longer tuple of which it is the end.
trait Listed {
    const EMITS: &'static Emits;
}

impl<A: IntoEmissions> Listed for (A,) {
    const EMITS: &'static Emits = A::EMITS;
}

tuples! {
    (A B)
    (A B C)
    (A B C D)
    (A B C D E)
    (A B C D E F)
}

pub(super) fn outcome_of(events: impl IntoEmissions, delivery: &Delivery<'_>) -> Outcome {
    let mut emissions = Emissions::default();
    match events.add_to(&mut emissions, &Cause::of(delivery)) {
        Ok(()) if emissions.0.is_empty() => Outcome::Handled,
        Ok(()) => Outcome::Emits(emissions),
        Err(error) => Outcome::Failed(error),
    }
}

/// Why an event cannot become a record.
#[derive(Debug, thiserror::Error)]
pub(crate) enum RecordError {
    #[error("event {name} cannot be written as JSON")]
    Json {
        name: &'static str,
        #[source]
        source: serde_json::Error,
    },
    #[error(transparent)]
    Topic(#[from] NameError),
}

thread_local! {
    /// Where events are written, so that a record takes no more memory than it needs.
    static SCRATCH: Cell<Vec<u8>> = const { Cell::new(Vec::new()) };
}

/// What an event was written in that is larger is not kept.
const MAX_SCRATCH_BYTES: usize = 64 << 10;

/// The record of `event`, with the headers that say what caused it.
pub(crate) fn record_of<E: Contract + Serialize>(
    event: &E,
    cause: &Cause,
) -> Result<OutgoingRecord, RecordError> {
    let info = E::INFO;
    let mut writer = EventWriter::new();
    if let Some(user_id) = cause.user_id() {
        writer = writer.user_id(user_id.clone());
    }
    let json = |source| RecordError::Json { name: info.name, source };
    let value = SCRATCH.with(|scratch| {
        // Taken, for what is written may itself write an event.
        let mut scratch_json = scratch.take();
        scratch_json.clear();
        let written = writer.write_into(&mut scratch_json, info.name, info.version, event);
        let value = written.map(|()| Bytes::copy_from_slice(&scratch_json));
        if scratch_json.capacity() <= MAX_SCRATCH_BYTES {
            scratch.set(scratch_json);
        }
        value
    });
    let value = value.map_err(json)?;
    let mut headers = Headers::new();
    cause.add_headers(&mut headers);
    event.headers(&mut headers);
    Ok(OutgoingRecord {
        topic: info.topic_name()?,
        partition: None,
        key: event.key().map(|key| Bytes::copy_from_slice(key.as_bytes())),
        value: Some(value),
        headers,
        timestamp_ms: None,
    })
}

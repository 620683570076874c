//! The producer that a handler takes as an argument.

use std::fmt;
use std::future::{Ready, ready};
use std::marker::PhantomData;

use serde::Serialize;

use super::{EventProducer, Sending, SendingAll};
use crate::delivery::{Cause, Delivery};
use crate::event::{Contract, Emits, UserId};
use crate::extract::{EnvelopeUse, FromDelivery};
use crate::outcome::Rejection;
use crate::state::Requirements;

/// Sends events from a handler. They say what caused them: the user and the event that is being
/// handled, and its trace.
///
/// `Producer<ClaimAdded>` and `Producer<(ClaimAdded, ClaimRemoved)>` send only these contracts, and so
/// the event graph of the service is exact. `Producer` alone sends any.
///
/// When the handler fails after a send it runs again, and sends again. What is sent from a task that
/// the handler has spawned is not waited for: the record may count as handled before.
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
/// #[event_handler(emits(RoleGiven))]
/// async fn give_first_role(event: Event<UserCreated>, producer: Producer<RoleGiven>) -> Result {
///     producer.send(&RoleGiven { user_id: event.id }).await?;
///     Ok(())
/// }
/// ```
pub struct Producer<E = AnyEvent> {
    inner: EventProducer,
    events: PhantomData<fn(E)>,
}

/// Stands for all events, in [`Producer`].
#[derive(Debug)]
pub enum AnyEvent {}

/// The events that a [`Producer`] may send: one contract, or a tuple of up to six.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not the contract of an event, nor a tuple of contracts",
    label = "not a contract",
    note = "put `#[derive(Event, Serialize)]` and `#[event(topic = \"..\", name = \"..\")]` on `{Self}`"
)]
pub trait EventList: 'static {
    /// The events.
    const EMITS: &'static Emits;
}

/// Says that a list of events has `E` in it; `I` is where, and is inferred.
#[diagnostic::on_unimplemented(
    message = "this producer does not send `{E}`",
    label = "sends only `{Self}`",
    note = "add `{E}` to the type of the producer: `Producer<(.., {E})>`"
)]
pub trait Lists<E, I> {}

impl<E: EventList> Producer<E> {
    /// Sends `event` and waits for the acknowledgement.
    ///
    /// # Errors
    ///
    /// [`SendError`](super::SendError) with the broker's reason.
    pub fn send<'p, T, I>(&'p self, event: &'p T) -> Sending<'p, T>
    where
        T: Contract + Serialize,
        E: Lists<T::Static, I>,
    {
        Sending::new(&self.inner, event)
    }

    /// Sends `events` in order without waiting in between, then waits for all acknowledgements.
    ///
    /// # Errors
    ///
    /// [`SendAllError`](super::SendAllError) naming each event that failed; the others were acknowledged.
    pub fn send_all<'e, T, I>(
        &self,
        events: impl IntoIterator<Item = &'e T>,
    ) -> SendingAll<'_, 'e, T>
    where
        T: Contract + Serialize + 'e,
        E: Lists<T::Static, I>,
    {
        SendingAll::new(&self.inner, events)
    }

    /// The same producer, but every event says that `user_id` caused it.
    #[must_use]
    pub fn as_user(&self, user_id: impl Into<UserId>) -> Self {
        self.inner.as_user(user_id).into()
    }
}

impl<E> From<EventProducer> for Producer<E> {
    fn from(inner: EventProducer) -> Self {
        Producer { inner, events: PhantomData }
    }
}

impl<E> Clone for Producer<E> {
    fn clone(&self) -> Self {
        self.inner.clone().into()
    }
}

impl<E> fmt::Debug for Producer<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.inner.fmt(f)
    }
}

impl<'a, E: EventList> FromDelivery<'a> for Producer<E> {
    const EMITS: &'static Emits = E::EMITS;
    const ENVELOPE: EnvelopeUse = EnvelopeUse::Never;

    #[expect(
        refining_impl_trait,
        reason = "with a future that has a name, a type that does not fit is reported once"
    )]
    fn from_delivery(delivery: &'a Delivery<'a>) -> Ready<Result<Self, Rejection>> {
        ready(match delivery.state.get::<EventProducer>() {
            Some(producer) => Ok(producer.because_of(Cause::of(delivery)).into()),
            None => {
                let type_name = std::any::type_name::<EventProducer>();
                Err(Rejection::MissingState { type_name })
            }
        })
    }

    fn requires(requirements: &mut Requirements) {
        requirements.state::<EventProducer>();
    }
}

impl EventList for AnyEvent {
    const EMITS: &'static Emits = &Emits::Anything;
}

#[diagnostic::do_not_recommend]
impl<T: Contract> Lists<T, AnyEvent> for AnyEvent {}

#[diagnostic::do_not_recommend]
impl<T: Contract + 'static> EventList for T {
    const EMITS: &'static Emits = &Emits::One(T::INFO);
}

#[diagnostic::do_not_recommend]
impl<T: Contract> Lists<T, Only> for T {}

// No event is `AnyEvent`. With this the compiler does not take a contract for the only event that
// could be meant, and says in the words of the trait that another is not sent.
#[diagnostic::do_not_recommend]
impl<T: Contract> Lists<AnyEvent, Only> for T {}

/// The place of a contract that is the whole list.
#[derive(Debug)]
pub enum Only {}

/// The place of a contract in a tuple.
#[derive(Debug)]
pub enum At<const N: usize> {}

macro_rules! tuples {
    ($(($First:ident, $Tail:ty; $($T:ident $n:literal),+))*) => {$(
        impl<$($T: Contract + 'static),+> EventList for ($($T,)+) {
            const EMITS: &'static Emits =
                &Emits::Both(&Emits::One($First::INFO), <$Tail as EventList>::EMITS);
        }
        listed!([$($T)+] $($T $n)+);
    )*};
}

macro_rules! listed {
    ([$($All:ident)+] $($T:ident $n:literal)+) => {
        listed!(@ [$($All)+] ($($All,)+) $($T $n)+);
    };
    (@ $all:tt $tuple:tt $($T:ident $n:literal)+) => {
        $(listed!(# $all $tuple $T $n);)+
    };
    (# [$($All:ident)+] $tuple:ty, $T:ident $n:literal) => {};
    (# [$($All:ident)+] $tuple:tt $T:ident $n:literal) => {
        #[diagnostic::do_not_recommend]
        impl<$($All: Contract),+> Lists<$T, At<$n>> for $tuple {}
    };
}

tuples! {
    (A, B; A 0, B 1)
    (A, (B, C); A 0, B 1, C 2)
    (A, (B, C, D); A 0, B 1, C 2, D 3)
    (A, (B, C, D, E); A 0, B 1, C 2, D 3, E 4)
    (A, (B, C, D, E, F); A 0, B 1, C 2, D 3, E 4, F 5)
}

//! What the attribute leaves behind for each argument of a handler.
//!
//! Each argument is a type that implements `FromDelivery`. As constants it says which events it is the payload of
//! and which it can send, and it declares the states that it needs; the attribute only lists these (`Argument`).
//! What a handler is for, what it may send and what must be there at start-up is therefore known without running
//! it, and the compiler can compare it with what the attribute says.

use std::marker::PhantomData;
use std::pin::Pin;

use super::FromDelivery;
use crate::delivery::Delivery;
use crate::event::{ContractInfo, Emits};
use crate::outcome::Rejection;
use crate::state::Requirements;

/// The future of a [`Argument::probe`].
pub type Probe<'a> = Pin<Box<dyn Future<Output = Result<(), Rejection>> + Send + 'a>>;

/// The arguments of a handler for a record of any lifetime.
pub type ArgumentsOf = for<'a> fn(PhantomData<&'a ()>) -> &'a [Argument<'a>];

/// Whether an argument is made from the outer object of the record ([`Delivery::envelope`]).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum EnvelopeUse {
    /// Always: a record that is no event rejects it.
    Always,
    /// Nobody says: it may ask for it.
    #[default]
    Unknown,
    /// Never: it can be made of every record, a tombstone among them.
    Never,
}

/// One argument of a handler, as data.
#[derive(Clone, Copy)]
pub struct Argument<'a> {
    /// The full name of its type.
    pub type_name: fn() -> &'static str,
    /// The events whose payload it is.
    pub events: &'static [&'static ContractInfo],
    /// What can be sent with it.
    pub emits: &'static Emits,
    /// Whether it is made from the envelope.
    pub envelope: EnvelopeUse,
    /// Declares what must be there at start-up.
    pub requires: fn(&mut Requirements),
    /// Makes it and throws it away, for a dry run.
    pub probe: fn(&'a Delivery<'a>) -> Probe<'a>,
}

impl std::fmt::Debug for Argument<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str((self.type_name)())
    }
}

pub(super) const fn describe<'a, A: FromDelivery<'a>>() -> Argument<'a> {
    Argument {
        type_name: std::any::type_name::<A>,
        events: A::EVENTS,
        emits: A::EMITS,
        envelope: A::ENVELOPE,
        requires: A::requires,
        probe: probe::<A>,
    }
}

fn probe<'a, A: FromDelivery<'a>>(delivery: &'a Delivery<'a>) -> Probe<'a> {
    Box::pin(async move { A::from_delivery(delivery).await.map(drop) })
}

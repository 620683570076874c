//! The arguments of a handler, each made from the delivery.
//!
//! | argument | |
//! |---|---|
//! | [`Event<T>`](Event) | the payload of a contract, or of a sum of several |
//! | [`Batch<T>`](Batch), `Vec<Event<T>>` | the payloads of several records at once |
//! | [`Json<T>`](Json) | data without a contract |
//! | [`RawEvent`] | the whole record, copied |
//! | [`Envelope`] | the outer object, borrowed, with its data still as text |
//! | [`Headers`](crate::event::Headers) | the headers |
//! | [`Key<K>`](Key) | the key, as a number, a text or bytes |
//! | [`Position`](crate::Position) | topic, partition, offset and timestamp |
//! | [`State<T>`](State) | what the app was given |
//! | [`Producer<E>`](crate::Producer) | sends events that say what caused them |
//! | [`Attempt`] | which attempt this is |
//! | [`Shutdown`](crate::delivery::Shutdown) | whether it is time to end |
//! | `Option<X>` | `None` when what `X` is made from is not there |
//! | `Result<X, E>` | the rejection, for the handler to decide |
//!
//! An argument that cannot be made rejects the record before the handler runs. What it needs
//! beyond the record it declares in [`FromDelivery::requires`], so that start-up can refuse to run
//! without it.

mod argument;
mod batch;
mod event;
mod json;
mod key;
mod raw;
mod record;
mod state;
mod wrapped;

pub use argument::{Argument, ArgumentsOf, EnvelopeUse, Probe};
pub use batch::{Batch, FromDeliveries, Taken};
pub use event::Event;
pub use json::Json;
pub(crate) use key::text as text_of_key;
pub use key::{FromKey, Key};
pub use raw::RawEvent;
pub use record::Attempt;
pub use state::State;

use crate::delivery::Delivery;
use crate::event::{ContractInfo, Emits, Envelope};
use crate::outcome::Rejection;
use crate::state::Requirements;

/// Something a handler can take as an argument.
///
/// ```
/// use event_core::extract::FromDelivery;
/// use event_core::{Delivery, Rejection};
///
/// /// The size of the record's value.
/// struct ValueBytes(usize);
///
/// impl<'a> FromDelivery<'a> for ValueBytes {
///     async fn from_delivery(delivery: &'a Delivery<'a>) -> Result<Self, Rejection> {
///         Ok(ValueBytes(delivery.record.value.map_or(0, <[u8]>::len)))
///     }
/// }
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be an argument of an event handler",
    label = "not an argument of a handler",
    note = "a shared value is `State<{Self}>`, the payload of a contract is `Event<{Self}>`, untyped data is `Json<{Self}>`, events are sent with a `Producer<..>`; the module `event_core::extract` lists the others"
)]
pub trait FromDelivery<'a>: Sized + 'a {
    /// The events whose payload this is.
    const EVENTS: &'static [&'static ContractInfo] = &[];

    /// The events that can be sent with it.
    const EMITS: &'static Emits = &Emits::Nothing;

    /// Whether it is made from the envelope. A handler with `event = *` whose arguments never are gets every
    /// record of its topic that no other handler takes, whatever its value is. One with an argument that does
    /// not say gets those with a value, and an argument that asks for the envelope then rejects the record.
    const ENVELOPE: EnvelopeUse = EnvelopeUse::Unknown;

    /// All of this as data.
    #[doc(hidden)]
    const ARGUMENT: Argument<'a> = argument::describe::<Self>();

    /// Makes the argument.
    ///
    /// # Errors
    ///
    /// [`Rejection`]: the record goes to the dead letters without a retry. What may go better next
    /// time is a [`Rejection::Failed`].
    fn from_delivery(
        delivery: &'a Delivery<'a>,
    ) -> impl Future<Output = Result<Self, Rejection>> + Send;

    /// Declares what must be there at start-up.
    fn requires(_requirements: &mut Requirements) {}
}

impl<'a> Delivery<'a> {
    /// The outer object of the record; it is read when it is asked for the first time.
    ///
    /// # Errors
    ///
    /// [`Rejection::Absent`] for a tombstone, which has no value, [`Rejection::Undecodable`] for a record
    /// that is no event and goes to a handler that takes every record.
    pub fn envelope(&self) -> Result<&'a Envelope<'a>, Rejection> {
        match (self.envelope.read(), self.record.value) {
            (Some(envelope), _) => Ok(envelope),
            // Only the reason was not kept, because nearly nobody asks.
            (None, Some(value)) => Err(match Envelope::read_with(value, self.envelope.rules()) {
                Err(error) => error.into(),
                Ok(_) => Rejection::Absent { what: "event" },
            }),
            (None, None) => Err(Rejection::Absent { what: "value" }),
        }
    }
}

//! The arguments of a handler, each made from the delivery.
//!
//! An argument that cannot be made rejects the record before the handler runs. What it needs
//! beyond the record it declares in [`FromDelivery::requires`], so that start-up can refuse to run
//! without it.

mod event;
mod json;
mod raw;
mod state;

pub use event::Event;
pub use json::Json;
pub use raw::RawEvent;
pub use state::State;

use crate::delivery::{Delivery, Position};
use crate::event::ContractInfo;
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
    note = "a handler takes `Event<T>`, `Json<T>`, `RawEvent`, `Position` and `State<T>`; a shared value is `State<{Self}>`, the payload of a contract is `Event<{Self}>`, untyped data is `Json<{Self}>`"
)]
pub trait FromDelivery<'a>: Sized {
    /// The contract whose payload this is.
    const CONTRACT: Option<&'static ContractInfo> = None;

    /// Makes the argument.
    ///
    /// # Errors
    ///
    /// [`Rejection`]: the record goes to the dead letters without a retry.
    fn from_delivery(
        delivery: &'a Delivery<'a>,
    ) -> impl Future<Output = Result<Self, Rejection>> + Send;

    /// Declares what must be there at start-up.
    fn requires(_requirements: &mut Requirements) {}
}

impl<'a> FromDelivery<'a> for Position {
    async fn from_delivery(delivery: &'a Delivery<'a>) -> Result<Self, Rejection> {
        Ok(delivery.position())
    }
}

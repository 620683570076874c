//! Arguments that may fail to be made.

use futures_util::FutureExt;

use super::{EnvelopeUse, FromDelivery};
use crate::delivery::Delivery;
use crate::event::{ContractInfo, Emits};
use crate::outcome::Rejection;

/// `None` when what the argument is made from is not there, such as a key or a state. What is there
/// and wrong rejects the record as it does without the `Option`; for data that may be missing or
/// null take `Json<Option<T>>`.
impl<'a, X: FromDelivery<'a> + Send> FromDelivery<'a> for Option<X> {
    const EVENTS: &'static [&'static ContractInfo] = X::EVENTS;
    const EMITS: &'static Emits = X::EMITS;
    const ENVELOPE: EnvelopeUse = X::ENVELOPE;

    // No async block: the compiler could not see that it may be sent whatever it borrows
    // (<https://github.com/rust-lang/rust/issues/110338>).
    fn from_delivery(
        delivery: &'a Delivery<'a>,
    ) -> impl Future<Output = Result<Self, Rejection>> + Send {
        X::from_delivery(delivery).map(|made| match made {
            Ok(made) => Ok(Some(made)),
            Err(Rejection::Absent { .. } | Rejection::MissingState { .. }) => Ok(None),
            Err(rejection) => Err(rejection),
        })
    }
}

/// Hands the rejection to the handler, which then decides what becomes of the record.
impl<'a, X, E> FromDelivery<'a> for Result<X, E>
where
    X: FromDelivery<'a> + Send,
    E: From<Rejection> + Send + 'a,
{
    const EVENTS: &'static [&'static ContractInfo] = X::EVENTS;
    const EMITS: &'static Emits = X::EMITS;
    // The rejection of a record that is no event is the handler's too.
    const ENVELOPE: EnvelopeUse = match X::ENVELOPE {
        EnvelopeUse::Always => EnvelopeUse::Unknown,
        other => other,
    };

    fn from_delivery(
        delivery: &'a Delivery<'a>,
    ) -> impl Future<Output = Result<Self, Rejection>> + Send {
        X::from_delivery(delivery).map(|made| Ok(made.map_err(E::from)))
    }
}

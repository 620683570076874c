//! Arguments that may fail to be made.

use super::FromDelivery;
use crate::delivery::Delivery;
use crate::event::{ContractInfo, Emits};
use crate::outcome::Rejection;

/// `None` when what the argument is made from is not there: no key, no state of that type, no
/// payload in a tombstone. What is there and wrong rejects the record as it does without the
/// `Option`.
impl<'a, X: FromDelivery<'a> + Send> FromDelivery<'a> for Option<X> {
    const EVENTS: &'static [&'static ContractInfo] = X::EVENTS;
    const EMITS: &'static Emits = X::EMITS;

    async fn from_delivery(delivery: &'a Delivery<'a>) -> Result<Self, Rejection> {
        match X::from_delivery(delivery).await {
            Ok(made) => Ok(Some(made)),
            Err(Rejection::Absent { .. } | Rejection::MissingState { .. }) => Ok(None),
            Err(rejection) => Err(rejection),
        }
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

    async fn from_delivery(delivery: &'a Delivery<'a>) -> Result<Self, Rejection> {
        Ok(X::from_delivery(delivery).await.map_err(E::from))
    }
}

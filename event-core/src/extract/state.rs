//! What handlers share.

use std::future::{Ready, ready};

use super::{EnvelopeUse, FromDelivery};
use crate::delivery::Delivery;
use crate::outcome::Rejection;
use crate::state::Requirements;

/// A clone of a value that was given to the app with `.state(..)`, usually a handle such as a
/// connection pool. Start-up refuses a handler whose state was not provided.
#[derive(Clone, Copy, Debug)]
pub struct State<T>(pub T);

impl<'a, T: Clone + Send + Sync + 'static> FromDelivery<'a> for State<T> {
    const ENVELOPE: EnvelopeUse = EnvelopeUse::Never;

    #[expect(
        refining_impl_trait,
        reason = "with a future that has a name, a payload that does not fit is reported once"
    )]
    fn from_delivery(delivery: &'a Delivery<'a>) -> Ready<Result<Self, Rejection>> {
        ready(match delivery.state.get::<T>() {
            Some(state) => Ok(State(state.clone())),
            None => Err(Rejection::MissingState { type_name: std::any::type_name::<T>() }),
        })
    }

    fn requires(requirements: &mut Requirements) {
        requirements.state::<T>();
    }
}

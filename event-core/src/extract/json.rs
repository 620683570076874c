//! Data without a contract.

use std::future::{Ready, ready};

use serde::Deserialize;

use super::{EnvelopeUse, FromDelivery};
use crate::delivery::Delivery;
use crate::event::{DataInPlace, EnvelopeRules, Scanned, read_in_one_pass};
use crate::outcome::Rejection;

/// The `data` of an event for which there is no contract, decoded into any type. The attribute
/// must then name topic and event.
///
/// ```
/// use event_core::prelude::*;
///
/// #[event_handler(topic = "role_events", event = "ROLE_RENAMED")]
/// async fn renamed(Json(data): Json<serde_json::Value>) {
///     println!("{data}");
/// }
/// ```
#[derive(Clone, Debug)]
pub struct Json<T>(pub T);

impl<'a, T: Deserialize<'a>> Json<T> {
    /// Reads a scanned record in one pass; `None` where its envelope decides.
    pub(crate) fn read_scanned(scanned: Scanned<'a>, rules: EnvelopeRules) -> Option<Self> {
        read_in_one_pass(scanned, rules, DataInPlace::untyped).map(|read| Json(read.payload))
    }
}

impl<'a, T: Deserialize<'a> + Send + 'a> FromDelivery<'a> for Json<T> {
    const ENVELOPE: EnvelopeUse = EnvelopeUse::Always;

    #[expect(
        refining_impl_trait,
        reason = "with a future that has a name, a payload that does not fit is reported once"
    )]
    fn from_delivery(delivery: &'a Delivery<'a>) -> Ready<Result<Self, Rejection>> {
        let scanned = delivery.envelope.scanned();
        let rules = delivery.envelope.rules();
        ready(match scanned.and_then(|scanned| Json::read_scanned(scanned, rules)) {
            Some(data) => Ok(data),
            None => delivery.envelope().and_then(|envelope| Ok(Json(envelope.decode_data()?))),
        })
    }
}

//! How the records of a handler are delivered, for people.

use crate::handler::{DeliveryOptions, HandlerPolicy};
pub(super) use crate::handler::{duration, durations};
use crate::processor::DeliveryPolicy;

/// What of a policy differs from that of a handler that says nothing, by the names of the keys.
pub(super) fn differences(policy: &HandlerPolicy, service: &DeliveryPolicy) -> String {
    let values = |policy: &HandlerPolicy| policy.values(&DeliveryOptions::default());
    let usual = values(&service.usual());
    let differ = values(policy).into_iter().zip(usual);
    let differ = differ.filter(|(own, usual)| !own.is_idle && own.text != usual.text);
    let words = differ.map(|(own, _)| format!("{}={}", own.key.name, own.text.replace(", ", ",")));
    words.collect::<Vec<_>>().join(" ")
}

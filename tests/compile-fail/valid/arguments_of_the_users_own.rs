#![deny(warnings)]

use event_core::event::{ContractInfo, Payload};
use event_core::extract::FromDelivery;
use event_core::prelude::*;
use event_core::{Delivery, Rejection};

struct ValueBytes(usize);

impl<'a> FromDelivery<'a> for ValueBytes {
    async fn from_delivery(delivery: &'a Delivery<'a>) -> Result<Self, Rejection> {
        Ok(ValueBytes(delivery.record.value.map_or(0, <[u8]>::len)))
    }
}

// A contract may come through any argument.
struct Wrapped<E>(Event<E>);

impl<'a, E: Payload<'a> + Send + 'a> FromDelivery<'a> for Wrapped<E> {
    const EVENTS: &'static [&'static ContractInfo] = E::EVENTS;

    async fn from_delivery(delivery: &'a Delivery<'a>) -> Result<Self, Rejection> {
        Event::from_delivery(delivery).await.map(Wrapped)
    }
}

#[derive(Event, serde::Deserialize)]
#[event(topic = "role_events", name = "CLAIM_ADDED")]
struct ClaimAdded {}

type Claim = Event<ClaimAdded>;

#[event_handler]
async fn wrapped(event: Wrapped<ClaimAdded>, bytes: ValueBytes) -> Result<(), std::io::Error> {
    let _ = (event.0.version(), bytes.0);
    Ok(())
}

#[event_handler]
async fn alias(_event: Claim) -> event_core::Outcome {
    event_core::Outcome::Skipped
}

fn main() {}

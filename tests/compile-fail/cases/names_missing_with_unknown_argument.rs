use event_core::prelude::*;

use event_core::extract::FromDelivery;
use event_core::{Delivery, Rejection};

struct ValueBytes;

impl<'a> FromDelivery<'a> for ValueBytes {
    async fn from_delivery(_: &'a Delivery<'a>) -> Result<Self, Rejection> {
        Ok(ValueBytes)
    }
}

#[event_handler]
async fn on_claim_added(_bytes: ValueBytes) {}

fn main() {}

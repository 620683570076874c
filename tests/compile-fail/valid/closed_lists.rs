#![deny(warnings)]

use std::collections::HashMap;
use std::str::FromStr;

use event_core::event::UnknownName;
use event_core::prelude::*;
use serde::de::value::{Error, MapDeserializer};
use serde::{Deserialize, Serialize};

// Variants whose names the expansion uses itself.
#[derive(Topics, Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Topics {
    RoleEvents,
    Some,
    Err,
    Error,
    Ok,
    /// A topic of others.
    #[topic(name = "Orders.v1", foreign_names)]
    Orders,
    #[cfg(any())]
    Absent(i64),
}

#[derive(Events, Debug)]
#[event(foreign_names)]
enum Events {
    #[event(name = "order created")]
    OrderCreated,
    ClaimAdded,
}

// Of this one little is used, and not all of its variants.
#[derive(Events)]
enum FewEvents {
    ClaimAdded,
    ClaimRemoved,
}

#[derive(Serialize, Deserialize, PartialEq, Debug)]
struct Subscription {
    topic: Topics,
    counts: HashMap<Topics, u32>,
}

#[derive(Event, Deserialize)]
#[event(topic = Topics::Orders, name = Events::OrderCreated, foreign_names)]
struct OrderCreated {}

#[event_handler(topic = Topics::Orders, event = Events::OrderCreated, foreign_names)]
async fn on_order_created(_event: Event<OrderCreated>) {}

#[event_handler(topic = Topics::RoleEvents, event = FewEvents::ClaimAdded)]
async fn on_claim_added(_data: Json<i64>) {}

fn known<L: event_core::event::Topics>() -> String {
    L::NAMES.join(" ")
}

mod elsewhere {
    pub fn count() -> usize {
        super::Topics::ALL.len()
    }
}

fn main() {
    const ORDERS: &str = Topics::Orders.as_str();
    assert_eq!(ORDERS, "Orders.v1");
    assert_eq!(known::<Topics>(), "role_events some err error ok Orders.v1");
    assert_eq!(elsewhere::count(), 6);
    for (index, topic) in Topics::iter().enumerate() {
        assert_eq!(Topics::ALL[index], *topic);
        assert_eq!(Topics::from_str(topic.as_str()), Ok(*topic));
        assert_eq!(Topics::try_from(topic.as_ref()), Ok(*topic));
        assert_eq!(topic.to_string().parse(), Ok(*topic));
    }
    let error: UnknownName = "role_evnts".parse::<Topics>().unwrap_err();
    assert_eq!(
        error.to_string(),
        "`role_evnts` is not one of `Topics`; did you mean `role_events`?"
    );
    let error = Events::try_from("colour").unwrap_err();
    assert_eq!(
        error.to_string(),
        "`colour` is not one of `Events`; its names are `order created`, `CLAIM_ADDED`"
    );
    assert_eq!(Events::ALL.len(), 2);
    assert_eq!(format!("{:>12}|{:?}", Events::ClaimAdded, Events::ClaimAdded), " CLAIM_ADDED|ClaimAdded");
    assert!(<Topics as event_core::event::Topics>::FOREIGN_NAMES);
    assert!(!<FewEvents as event_core::event::Events>::FOREIGN_NAMES);

    let subscription = Subscription { topic: Topics::Orders, counts: HashMap::new() };
    let topic = MapDeserializer::<_, Error>::new([("topic", "Orders.v1")].into_iter());
    let counts = MapDeserializer::<_, Error>::new([("Orders.v1", 3)].into_iter());
    assert_eq!(HashMap::<String, Topics>::deserialize(topic).unwrap()["topic"], subscription.topic);
    assert_eq!(HashMap::<Topics, u32>::deserialize(counts).unwrap()[&Topics::Orders], 3);
    assert!(subscription.counts.is_empty());
}

#![deny(warnings)]

use event_core::prelude::*;
use serde::Deserialize;

mod names {
    pub const TOPIC: &str = "role_events";
    pub const EVENT: &str = "CLAIM_ADDED";
}

// Names that the expansion must not capture.
const TOPIC: &str = names::TOPIC;
const EVENT: &str = "CLAIM_REMOVED";

#[derive(Topics, Clone, Copy)]
enum Topics {
    RoleEvents,
    #[topic(name = "user_events_v2")]
    Users,
}

#[derive(Events)]
enum Events {
    ClaimAdded,
    UserCreated,
}

#[derive(Event, Deserialize)]
#[event(topic = Topics::RoleEvents, name = Events::ClaimAdded)]
struct ClaimAdded {}

#[derive(Event, Deserialize)]
#[event(topic = self::names::TOPIC)]
#[event(name = EVENT)]
struct ClaimRemoved {}

#[event_handler(topic = names::TOPIC, event = names::EVENT)]
async fn handle(_event: Event<ClaimAdded>) {}

#[event_handler(topic = TOPIC, event = EVENT)]
async fn requires(_event: Event<ClaimRemoved>) {}

#[event_handler(topic = Topics::Users, event = Events::UserCreated)]
async fn outcome(_data: Json<i64>) {}

fn main() {
    assert_eq!(Topics::Users.as_str(), "user_events_v2");
    assert_eq!(format!("{:>12}", Topics::RoleEvents), " role_events");
    assert_eq!(Events::ClaimAdded.to_string(), "CLAIM_ADDED");
    assert_eq!(ClaimAdded::INFO.topic, "role_events");
    assert_eq!(ClaimRemoved::INFO.name, "CLAIM_REMOVED");
    let registry = event_core::registry::Registry::linked();
    let routes: Vec<_> = registry.handlers().iter().map(|h| (h.name, h.topic, h.selects.to_string())).collect();
    assert_eq!(
        routes,
        [
            ("handle", "role_events", "CLAIM_ADDED".to_owned()),
            ("requires", "role_events", "CLAIM_REMOVED".to_owned()),
            ("outcome", "user_events_v2", "USER_CREATED".to_owned()),
        ]
    );
}

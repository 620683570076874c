use event_core::prelude::*;
use serde::Deserialize;

#[derive(Topics)]
enum TopicList {
    RoleEvents,
}

#[derive(Event, Deserialize)]
#[event(topic = TopicList::RoleEvents, name = "CLAIM_ADDED")]
struct ClaimAdded {}

#[event_handler(dead_letter = TopicList::RoleEvents)]
async fn on_claim_added(_event: Event<ClaimAdded>) {}

fn main() {}

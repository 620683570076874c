use event_core::prelude::*;
use serde::Deserialize;

#[derive(Topics, Debug)]
enum Topics {
    #[topic(nam = "role_events")]
    Roles,
    UserEvents,
}

#[derive(Event, Deserialize)]
#[event(topic = "role_events", name = "CLAIM_ADDED")]
struct ClaimAdded {}

#[derive(Event, Deserialize)]
#[event(topic = Topics::UserEvents, name = "USER_CREATED")]
struct UserCreated {}

#[event_handler(topic = Topics::Roles)]
async fn on_claim_added(_event: Event<ClaimAdded>) {}

#[event_handler(topic = Topics::UserEvents)]
async fn on_user_created(_event: Event<UserCreated>) {}

fn main() {
    const NAME: &str = Topics::Roles.as_str();
    let topics: Vec<String> = Topics::ALL.iter().map(ToString::to_string).collect();
    println!("{NAME} {topics:?} {:?}", "user_events".parse::<Topics>());
}

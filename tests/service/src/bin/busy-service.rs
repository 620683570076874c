//! A service with a handler of each kind.

use event_core::EventProducer;
use event_core::middleware;
use event_core::prelude::*;
use serde::{Deserialize, Serialize};
use service_tests::ClaimAdded;

event_core::link_handlers!(except unlinked_handlers);

#[derive(Event, Deserialize)]
#[event(topic = "user_events", name = "USER_CREATED", version = 3, upcasts(UserCreatedV2))]
struct UserCreated {
    id: i64,
}

#[derive(Event, Deserialize)]
#[event(topic = "user_events", name = "USER_CREATED", version = 2, upcasts(UserCreatedV1))]
struct UserCreatedV2 {
    number: i64,
}

#[derive(Event, Deserialize)]
#[event(topic = "user_events", name = "USER_CREATED")]
struct UserCreatedV1 {
    text: String,
}

impl From<UserCreatedV1> for UserCreatedV2 {
    fn from(old: UserCreatedV1) -> Self {
        UserCreatedV2 { number: old.text.len() as i64 }
    }
}

impl From<UserCreatedV2> for UserCreated {
    fn from(old: UserCreatedV2) -> Self {
        UserCreated { id: old.number }
    }
}

#[derive(Event, Serialize)]
#[event(topic = "mail_events", name = "MAIL_REQUESTED")]
struct MailRequested {
    to: i64,
}

mod users {
    use super::*;

    #[event_handler(id = "welcome", dead_letter = "lost_users")]
    pub(crate) async fn on_user_created(
        event: Event<UserCreated>,
        producer: Producer<ClaimAdded>,
    ) -> Result<Emit<MailRequested>> {
        producer.send(&ClaimAdded { id: 1, role_id: event.id }).await?;
        Ok(Emit(MailRequested { to: event.id }))
    }

    #[event_handler(topic = "user_events", event = tombstone, blocking)]
    pub(crate) fn forget(Key(_id): Key<String>) {}

    #[event_handler(topic = "user_events", event = *)]
    pub(crate) async fn others(_: RawEvent, State(_): State<EventProducer>) {}
}

#[event_handler(topic = "role_events", event = "CLAIM_ADDED")]
#[event_handler(topic = "role_events", event = "CLAIM_REMOVED")]
async fn claims() {}

#[event_core::main]
async fn main() -> Result {
    EventApp::from_env("busy")?
        .layer(middleware::trace)
        .layer_topic("user_events", middleware::trace)
        .main()
        .await
}

#![no_implicit_prelude]
#![deny(warnings)]

#[derive(::event_core::Event, ::serde::Deserialize)]
#[event(topic = "role_events", name = "CLAIM_ADDED", key = id)]
struct ClaimAdded {
    id: i64,
}

#[derive(::event_core::Topics)]
enum Topics {
    RoleEvents,
}

#[::event_core::event_handler(topic = Topics::RoleEvents)]
async fn on_claim_added(event: ::event_core::extract::Event<ClaimAdded>) -> ::event_core::Result {
    let _ = event.id;
    ::event_core::Result::Ok(())
}

#[::event_core::main]
async fn main() {
    ::std::assert!(<Topics as ::std::str::FromStr>::from_str("role_evnts").is_err());
    ::std::assert_eq!(Topics::ALL[0].as_str(), "role_events");
}

#![deny(warnings)]
#![allow(dead_code)]

struct Result;
struct Option;
struct Event;
struct Contract;
struct String;
struct Vec;
struct Topics;
struct UnknownName;
struct Box;
struct Delivery;
struct Send;
mod core {}
mod std {}
mod event_core {}

const __NOTHING: () = ();

#[derive(::event_core::Event, ::serde::Deserialize)]
#[event(topic = "role_events", name = "CLAIM_ADDED", key = id)]
struct ClaimAdded {
    id: i64,
}

#[derive(::event_core::Events)]
enum Events {
    ClaimAdded,
}

#[::event_core::event_handler(event = Events::ClaimAdded)]
async fn delivery(event: ::event_core::extract::Event<ClaimAdded>) -> ::event_core::Result {
    let _ = event.id;
    ::event_core::Result::Ok(())
}

fn main() {}

use event_core::prelude::*;
use std::borrow::Cow;

use serde::Deserialize;

#[derive(Event, Deserialize)]
#[event(topic = "role_events", name = "NAMED")]
struct Named<'a> {
    #[serde(borrow)]
    name: Cow<'a, str>,
}

#[event_handler(blocking)]
fn on_named(event: Event<Named<'_>>) {
    println!("{}", event.name);
}

fn main() {}

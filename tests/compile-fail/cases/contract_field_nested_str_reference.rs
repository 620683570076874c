use std::collections::HashMap;

use event_core::prelude::*;

#[derive(Event, serde::Deserialize)]
#[event(topic = "role_events", name = "CLAIM_ADDED")]
struct ClaimAdded<'a> {
    #[serde(borrow)]
    note: std::borrow::Cow<'a, str>,
    tags: Option<Vec<&'a str>>,
    labels: HashMap<&'a str, (i64, &'a str)>,
}

fn main() {}

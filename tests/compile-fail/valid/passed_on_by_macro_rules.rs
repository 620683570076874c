//! What a `macro_rules!` macro passes on is read as if it had been written in place, whatever kind
//! of fragment it is, and what belongs to the expansion is found all the same.

#![deny(warnings)]
#![allow(dead_code)]

use event_core::prelude::*;
use event_core::registry::Registry;
use serde::{Deserialize, Serialize};

#[derive(Event, Serialize, Deserialize)]
#[event(topic = "claim_events", name = "CLAIM_ADDED")]
struct Old {}

macro_rules! contract {
    (
        $doc:literal, $ty:ident upcasts $old:ty, $topic:expr, $name:literal, $version:literal,
        $key:ident: $key_type:ty, $tenant:ident: $tenant_type:ty = $header:literal, $wire:literal
    ) => {
        #[doc = $doc]
        #[derive(Event, Serialize, Deserialize)]
        #[event(topic = $topic, name = $name, key = $key, version = $version, upcasts($old))]
        #[event(headers($key, $tenant = $header))]
        struct $ty {
            #[serde(rename = $wire)]
            $key: $key_type,
            $tenant: $tenant_type,
        }

        impl From<$old> for $ty {
            fn from(_: $old) -> Self {
                Self { $key: 1, $tenant: None }
            }
        }
    };
}

contract!(
    "A claim.", ClaimAdded upcasts Old, "claim_events", "CLAIM_ADDED", 2,
    id: i64, tenant: Option<String> = "x-tenant", "claimId"
);

#[derive(Serialize, Deserialize)]
struct Role {
    id: i64,
}

macro_rules! by_key {
    ($ty:ident, $name:literal, $field:ident: $field_type:ty, key = $($key:tt)+) => {
        #[derive(Event, Serialize, Deserialize)]
        #[event(topic = "claim_events", name = $name, key = $($key)+)]
        struct $ty {
            $field: $field_type,
        }
    };
    ($ty:ident, $name:literal, $field:ident: $field_type:ty, expression $key:expr) => {
        by_key!($ty, $name, $field: $field_type, key = $key);
    };
    ($ty:ident, $name:literal, $field:ident: $field_type:ty, path $key:path) => {
        by_key!($ty, $name, $field: $field_type, key = $key);
    };
}

by_key!(ByField, "BY_FIELD", id: i64, key = id);
by_key!(ByInnerField, "BY_INNER_FIELD", role: Role, key = role.id);
by_key!(ByExpression, "BY_EXPRESSION", id: i64, expression id);
by_key!(ByInnerExpression, "BY_INNER_EXPRESSION", role: Role, expression role.id);
by_key!(ByFunction, "BY_FUNCTION", id: i64, path self::key_of);
by_key!(ByMethod, "BY_METHOD", id: i64, expression Self::key_of);

fn key_of(of: &ByFunction) -> String {
    of.id.to_string()
}

impl ByMethod {
    fn key_of(&self) -> String {
        self.id.to_string()
    }
}

macro_rules! sum {
    ($ty:ident, $($variant:ident($contract:ty)),*) => {
        #[derive(EventSum)]
        enum $ty {
            $($variant($contract)),*
        }
    };
}

sum!(Claims, Field(ByField), Function(Box<ByFunction>));

macro_rules! list {
    ($derive:ident, $attribute:ident, $ty:ident, $($variant:ident = $name:literal),*) => {
        #[derive($derive)]
        enum $ty {
            $(#[$attribute(name = $name)] $variant),*
        }
    };
}

list!(Topics, topic, TopicList, Claims = "claim_events", Roles = "role_events");
list!(Events, event, EventList, Added = "ROLE_ADDED", Removed = "ROLE_REMOVED");

macro_rules! parts {
    ($ty:ident, $($field:ident: $field_type:ty),*) => {
        #[derive(StateParts)]
        struct $ty {
            $($field: $field_type),*
        }
    };
}

parts!(Services, pool: i64, log: String);

macro_rules! error {
    ($ty:ident, $variant:ident = $verdict:ident, $after:literal) => {
        #[derive(Debug, EventError)]
        enum $ty {
            #[event_error($verdict)]
            $variant,
            #[event_error(retry_after = $after)]
            Late,
        }

        impl std::fmt::Display for $ty {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("no claim")
            }
        }

        impl std::error::Error for $ty {}
    };
}

error!(ClaimError, Wrong = dead_letter, "30s");

struct Recorder;

macro_rules! value {
    ($ty:ty, $event:ident: $event_type:ty, $returned:ty) => {
        #[event_handler]
        impl EventHandler for $ty {
            async fn handle(&self, $event: $event_type) -> $returned {
                let _ = $event;
                Ok(())
            }
        }
    };
}

value!(Recorder, event: Event<ClaimAdded>, Result);

macro_rules! function {
    ($name:ident, $event:ident: $event_type:ty, $returned:ty) => {
        #[event_handler]
        async fn $name($event: $event_type) -> $returned {
            let _ = $event;
            Ok(())
        }
    };
}

function!(takes_one, event: Event<ByField>, Result<(), ClaimError>);
function!(takes_several, events: Batch<ByExpression>, Result);
function!(takes_a_sum, event: Event<Claims>, Result);

macro_rules! blocking {
    ($name:ident, $event:ident: $event_type:ty, $returned:ty, $body:block) => {
        #[event_handler(blocking)]
        fn $name($event: $event_type) -> $returned $body
    };
}

blocking!(blocks, _event: Event<ByMethod>, Result, { Ok(()) });

macro_rules! named {
    (
        $name:ident, $topic:path, $event:path, $group:literal, $order:ident, $most:literal,
        $backoff:literal, $timeout:expr, $emitted:ty
    ) => {
        #[event_handler(
            topic = $topic,
            event = $event,
            group = $group,
            order = $order,
            concurrency = $most,
            timeout = $timeout,
            retry(backoff = $backoff),
            emits($emitted)
        )]
        async fn $name(_data: Json<i64>) -> Option<Emit<$emitted>> {
            None
        }
    };
}

named!(
    by_lists, TopicList::Roles, EventList::Added, "audit", none, 8, "1s..2s", "10s", ByField
);

#[event_core::main]
async fn main() {
    assert_eq!(ClaimAdded::INFO.description, "A claim.");
    let fields: Vec<_> =
        ClaimAdded::INFO.fields.iter().map(|field| (field.wire_name, field.required)).collect();
    assert_eq!(fields, [("claimId", true), ("tenant", false)]);
    assert_eq!(ByMethod { id: 7 }.key().as_deref(), Some("7"));
    assert_eq!(ByInnerExpression { role: Role { id: 8 } }.key().as_deref(), Some("8"));
    let registry = Registry::linked();
    assert_eq!(registry.handlers().len(), 6);
}

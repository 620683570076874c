//! Event handlers for Kafka: annotate a function, and that is all.
//!
//! ```no_run
//! use event_core::prelude::*;
//!
//! /// A claim was attached to a role.
//! #[derive(Event, serde::Serialize, serde::Deserialize)]
//! #[event(topic = "role_events", name = "CLAIM_ADDED", key = role_id)]
//! #[serde(rename_all = "camelCase")]
//! struct ClaimAdded { id: i64, role_id: i64 }
//!
//! #[event_handler]
//! async fn record_claim(event: Event<ClaimAdded>) -> Result {
//!     println!("claim {} of role {} by {:?}", event.id, event.role_id, event.user_id());
//!     Ok(())
//! }
//!
//! #[event_core::main]
//! async fn main() -> Result {
//!     EventApp::from_env("audit")?.main().await
//! }
//! ```
//!
//! The function is registered where it stands; at start-up [`EventApp`] finds every handler that is
//! linked into the binary, joins a consumer group and hands each record to the right one.
//!
//! | to | see |
//! |---|---|
//! | declare an event | [`macro@Event`], and [`event`] for its form on the wire |
//! | handle it | [`event_handler`], and [`extract`] for what a handler may take |
//! | fail | [`Error`], [`Outcome`] |
//! | run something around handlers | [`middleware`] |
//! | know what failure does | [`processor`], and [`processor::dead_letter_header`] for the headers of a dead letter |
//! | send it | [`EventProducer`]; in a handler, return [`Emit`] or take a [`Producer`] |
//! | configure a service | [`app::Settings`] |
//! | run it | [`EventApp`] |
//! | test it | `testing::TestApp`, with the feature `testing` |
//! | watch it | [`observe::Observer`], [`observe::Health`] |
//! | look after it | [`operations`]: dead letters, lag, replays |

#![deny(unsafe_code)]
// On docs.rs each item shows the feature that it needs.
#![cfg_attr(docsrs, feature(doc_cfg))]

// The macros name this crate as users do, also in its own documentation tests and unit tests.
extern crate self as event_core;

// Domain: what an event is, how it is delivered, what a handler is.
pub mod event;
pub mod state;
pub mod delivery;
pub mod broker;
pub mod observe;
pub mod outcome;
pub mod extract;
pub mod producer;
pub mod handler;

// Application: which handler gets which record, and what becomes of it.
pub mod registry;
pub mod middleware;
pub mod router;
pub mod processor;
pub mod operations;

#[cfg(feature = "admin")]
mod admin;

// Composition.
pub mod app;
#[cfg(feature = "cli")]
mod cli;
#[cfg(feature = "testing")]
pub mod testing;
pub mod guide;

#[doc(hidden)]
pub mod macro_support;
#[cfg(fuzzing)]
#[doc(hidden)]
pub use event::check_one_pass;

// `Event` is both the derive and the argument, and `EventError` derive and trait, as with serde's
// traits and derives.
pub use event_macros::{
    Event, EventError, EventSum, Events, StateParts, Topics, event_handler, link_handlers, main,
};

pub use app::EventApp;
pub use delivery::{Delivery, Position};
pub use event::Contract;
pub use extract::{Attempt, Batch, Event, Json, Key, RawEvent, State};
pub use handler::EventHandler;
pub use outcome::{Classify, Emit, Error, EventError, Outcome, Rejection, Result};
pub use producer::{EventProducer, Producer};

/// What a service usually needs: `use event_core::prelude::*;`.
pub mod prelude {
    pub use crate::app::EventApp;
    pub use crate::delivery::{Position, Shutdown};
    pub use crate::event::{Contract, Headers, UserId};
    pub use crate::extract::{Attempt, Batch, Event, Json, Key, RawEvent, State};
    pub use crate::handler::EventHandler;
    pub use crate::outcome::{Classify, Emit, Error, EventError, Outcome, Result};
    pub use crate::producer::Producer;
    pub use event_macros::{
        Event, EventError, EventSum, Events, StateParts, Topics, event_handler,
    };
}

//! Event handlers for Kafka: annotate a function, and that is all.

#![deny(unsafe_code)]

// The macros name this crate as users do, also in its own documentation tests and unit tests.
extern crate self as event_core;

// Domain: what an event is, how it is delivered, what a handler is.
pub mod broker;
pub mod delivery;
pub mod event;
pub mod extract;
pub mod handler;
pub mod outcome;
pub mod state;

// Application: which handler gets which record, and what becomes of it.
pub mod registry;
pub mod router;

// Composition.
pub mod app;

#[doc(hidden)]
pub mod macro_support;

pub use event_macros::{Event, Events, Topics, event_handler, link_handlers, main};

pub use app::EventApp;
pub use delivery::{Delivery, Position};
pub use event::Contract;
pub use handler::EventHandler;
pub use outcome::{Error, Outcome, Rejection, Result};

/// What a service usually needs: `use event_core::prelude::*;`.
pub mod prelude {
    pub use crate::app::EventApp;
    pub use crate::delivery::Position;
    pub use crate::event::{Contract, UserId};
    pub use crate::extract::{Event, Json, RawEvent, State};
    pub use crate::outcome::{Error, Outcome, Result};
    pub use event_macros::{Event, Events, Topics, event_handler};
}

//! Event handlers for Kafka: annotate a function, and that is all.

#![deny(unsafe_code)]

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
pub mod handler;

// Application: which handler gets which record, and what becomes of it.
pub mod registry;
pub mod router;
pub mod processor;
pub mod producer;

// Composition.
pub mod app;
#[cfg(feature = "cli")]
mod cli;
#[cfg(feature = "testing")]
pub mod testing;

#[doc(hidden)]
pub mod macro_support;

pub use event_macros::{Event, Events, Topics, event_handler, link_handlers, main};

pub use app::EventApp;
pub use delivery::{Delivery, Position};
pub use event::Contract;
pub use handler::EventHandler;
pub use outcome::{Error, Outcome, Rejection, Result};
pub use producer::EventProducer;

/// What a service usually needs: `use event_core::prelude::*;`.
pub mod prelude {
    pub use crate::app::EventApp;
    pub use crate::delivery::Position;
    pub use crate::event::{Contract, UserId};
    pub use crate::extract::{Event, Json, RawEvent, State};
    pub use crate::outcome::{Error, Outcome, Result};
    pub use event_macros::{Event, Events, Topics, event_handler};
}

//! What the attribute turns a function into.

use std::fmt;
use std::pin::Pin;

use crate::delivery::Delivery;
use crate::outcome::{Outcome, Rejection};
use crate::state::Requirements;

/// The work of one attempt.
pub type HandlerFuture<'a> = Pin<Box<dyn Future<Output = Result<Outcome, Rejection>> + Send + 'a>>;

/// Handles the records of one event.
///
/// Functions implement it through `#[event_handler]`; by hand it is only needed for handlers that
/// are made while running.
pub trait EventHandler: Send + Sync {
    /// Makes the arguments from the delivery and runs the handler once.
    fn handle<'a>(&'a self, delivery: &'a Delivery<'a>) -> HandlerFuture<'a>;
}

impl<F> EventHandler for F
where
    F: for<'a> Fn(&'a Delivery<'a>) -> HandlerFuture<'a> + Send + Sync,
{
    fn handle<'a>(&'a self, delivery: &'a Delivery<'a>) -> HandlerFuture<'a> {
        self(delivery)
    }
}

/// The static data that `#[event_handler]` leaves behind for one function.
pub struct HandlerRegistration {
    /// The topic it listens to.
    pub topic: &'static str,
    /// The event it handles.
    pub event: &'static str,
    /// The function's name.
    pub name: &'static str,
    /// The module of the function.
    pub module: &'static str,
    /// The file of the function.
    pub file: &'static str,
    /// The line of the function's name.
    pub line: u32,
    /// Declares what its arguments need.
    pub requires: fn(&mut Requirements),
    /// Runs it.
    pub handler: &'static dyn EventHandler,
}

inventory::collect!(HandlerRegistration);

impl HandlerRegistration {
    /// The crate of the function.
    #[must_use]
    pub fn crate_name(&self) -> &'static str {
        self.module.split("::").next().unwrap_or(self.module)
    }

    /// The stable name of the handler: its module path and name, without the crate.
    #[must_use]
    pub fn id(&self) -> String {
        let path = self.module.split("::").skip(1).chain([self.name]);
        path.collect::<Vec<_>>().join("::")
    }

    /// `src/handlers.rs:12`.
    #[must_use]
    pub fn place(&self) -> String {
        format!("{}:{}", self.file, self.line)
    }
}

impl fmt::Debug for HandlerRegistration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}::{} ({} / {})", self.module, self.name, self.topic, self.event)
    }
}

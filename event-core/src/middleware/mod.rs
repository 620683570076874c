//! Layers: what runs around handlers.
//!
//! A layer is an async function. It gets the delivery and the [`Next`] layer or handler, and
//! returns the outcome: the one it got, or another in its place. A layer that does not call
//! [`Next::run`] keeps the handler from running.
//!
//! ```
//! use event_core::middleware::{self, Next};
//! use event_core::prelude::*;
//! use event_core::Delivery;
//! # use std::sync::{Arc, Mutex};
//!
//! /// Writes down who did what, and how it ended.
//! async fn audit(delivery: &Delivery<'_>, next: Next<'_>) -> Outcome {
//!     let outcome = next.run(delivery).await;
//!     let who = delivery.envelope().ok().and_then(|envelope| envelope.user_id().ok().flatten());
//!     let who = who.map_or("nobody".to_owned(), |user| user.to_string());
//!     let what = delivery.event_type().unwrap_or("tombstone");
//!     if let Some(log) = delivery.state.get::<AuditLog>() {
//!         log.append(format!("{who}: {what} in attempt {}: {}", delivery.attempt, outcome.code()));
//!     }
//!     outcome
//! }
//!
//! # #[derive(Clone, Default)]
//! # struct AuditLog(Arc<Mutex<Vec<String>>>);
//! # impl AuditLog {
//! #     fn append(&self, line: String) { self.0.lock().unwrap().push(line); }
//! # }
//! # #[event_handler(topic = "role_events", event = "CLAIM_ADDED", id = "record_claim")]
//! # async fn record_claim() {}
//! # fn app(log: AuditLog) -> Result<EventApp> { Ok(
//! EventApp::from_env("admin")?
//!     .state(log)
//!     .layer(middleware::trace)
//!     .layer_topic("role_events", audit)
//! # ) }
//! # #[cfg(feature = "testing")] {
//! # let log = AuditLog::default();
//! # let app = event_core::testing::TestApp::new("admin")
//! #     .handlers_from(module_path!())
//! #     .state(log.clone())
//! #     .layer(middleware::trace)
//! #     .layer_topic("role_events", audit);
//! # let runtime =
//! #     tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build()?;
//! # runtime.block_on(async {
//! #     let app = app.start()?;
//! #     let value = br#"{"eventType": "CLAIM_ADDED", "userId": 42}"#;
//! #     app.publish_raw("role_events", None, Some(value)).await;
//! #     app.settle().await;
//! #     assert_eq!(*log.0.lock().unwrap(), ["42: CLAIM_ADDED in attempt 1: handled"]);
//! #     Ok::<(), Box<dyn std::error::Error>>(())
//! # })?;
//! # }
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Where, and in which order
//!
//! | on the app | runs around |
//! |---|---|
//! | `.layer(f)` | every handler |
//! | `.layer_topic("role_events", f)` | the handlers of a topic |
//! | `.layer_handler("record_claim", f)` | the handler with this [id](crate::handler::HandlerRegistration::id) |
//!
//! Those of the app are outside those of the topic, which are outside those of the handler. Among
//! themselves, the first added is the outermost: it is the first to see the delivery and the last to
//! see the outcome. Start-up refuses a layer for a topic or a handler that is not there.
//!
//! # What a layer sees
//!
//! It runs once an attempt, for every record that has a handler. What is passed over because nobody
//! handles it, and what is dead-lettered because its outer object cannot be read, meets no layer.
//!
//! The outcome is [`Handled`](Outcome::Handled), [`Skipped`](Outcome::Skipped),
//! [`Failed`](Outcome::Failed), also when the handler panicked, or [`Rejected`](Outcome::Rejected)
//! when an argument could not be made and the handler did not run. Events that the handler returns
//! are acknowledged before. The outcome that the outermost layer returns is the one that counts. A
//! layer that panics has failed the attempt, as a handler that panics has.
//!
//! A layer with values of its own is a type that implements [`Middleware`].
//!
//! Without layers nothing is allocated and nothing is called: an attempt asks whether there are any.

mod layers;
mod timing;
mod trace;

use std::fmt;
use std::pin::Pin;

pub use layers::{LayerStack, Layers};
pub use timing::timing;
pub use trace::trace;

use crate::delivery::Delivery;
use crate::outcome::Outcome;

/// The work of one attempt, from a layer inwards.
pub type OutcomeFuture<'a> = Pin<Box<dyn Future<Output = Outcome> + Send + 'a>>;

/// A layer: runs around a handler, once an attempt.
///
/// Async functions of a delivery and [`Next`] implement it. A type does to hold what the layer needs:
///
/// ```
/// use event_core::Delivery;
/// use event_core::middleware::{Middleware, Next, OutcomeFuture};
/// use event_core::prelude::*;
///
/// /// Skips what is older than the service cares for.
/// struct NotBefore { timestamp_ms: i64 }
///
/// impl Middleware for NotBefore {
///     fn handle<'a>(&'a self, delivery: &'a Delivery<'a>, next: Next<'a>) -> OutcomeFuture<'a> {
///         Box::pin(async move {
///             if delivery.record.timestamp_ms < self.timestamp_ms {
///                 return Outcome::Skipped;
///             }
///             next.run(delivery).await
///         })
///     }
/// }
///
/// # fn app() -> Result<EventApp> { Ok(
/// EventApp::from_env("admin")?.layer(NotBefore { timestamp_ms: 1_700_000_000_000 })
/// # ) }
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a layer",
    label = "not a layer",
    note = "a layer is `async fn name(delivery: &Delivery<'_>, next: Next<'_>) -> Outcome`, whose future is `Send`; a layer with values of its own is a type that implements `event_core::middleware::Middleware`"
)]
pub trait Middleware: Send + Sync {
    /// Runs the layer; [`Next::run`] is the handler with the layers inside this one.
    fn handle<'a>(&'a self, delivery: &'a Delivery<'a>, next: Next<'a>) -> OutcomeFuture<'a>;
}

#[diagnostic::do_not_recommend]
impl<F> Middleware for F
where
    F: for<'a> MiddlewareFn<'a> + Send + Sync,
{
    fn handle<'a>(&'a self, delivery: &'a Delivery<'a>, next: Next<'a>) -> OutcomeFuture<'a> {
        Box::pin(self.call(delivery, next))
    }
}

/// An async function that is a layer. The future may borrow from the arguments, which a bound on
/// `Fn` alone cannot say: hence a trait with their lifetime.
#[doc(hidden)]
pub trait MiddlewareFn<'a> {
    type Future: Future<Output = Outcome> + Send + 'a;

    fn call(&self, delivery: &'a Delivery<'a>, next: Next<'a>) -> Self::Future;
}

#[diagnostic::do_not_recommend]
impl<'a, F, Fut> MiddlewareFn<'a> for F
where
    F: Fn(&'a Delivery<'a>, Next<'a>) -> Fut,
    Fut: Future<Output = Outcome> + Send + 'a,
{
    type Future = Fut;

    fn call(&self, delivery: &'a Delivery<'a>, next: Next<'a>) -> Fut {
        self(delivery, next)
    }
}

/// What a layer runs around: the layers inside it, and at last the handler.
pub struct Next<'a> {
    layers: &'a LayerStack,
    outside: usize,
    innermost: &'a (dyn Innermost + 'a),
}

/// What is inside all layers: an attempt of the handler itself.
pub(crate) trait Innermost: Send + Sync {
    /// Runs it.
    fn run<'a>(&'a self, delivery: &'a Delivery<'a>) -> OutcomeFuture<'a>;
}

impl<'a> Next<'a> {
    /// All of `layers`, around `innermost`.
    pub(crate) fn new(layers: &'a LayerStack, innermost: &'a (dyn Innermost + 'a)) -> Self {
        Next { layers, outside: 0, innermost }
    }

    /// Runs it, and returns how it ended.
    pub async fn run(self, delivery: &'a Delivery<'a>) -> Outcome {
        let Next { layers, outside, innermost } = self;
        match layers.get(outside) {
            Some(layer) => {
                layer.handle(delivery, Next { layers, outside: outside + 1, innermost }).await
            }
            None => innermost.run(delivery).await,
        }
    }
}

impl fmt::Debug for Next<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Next({} layers and the handler)", self.layers.len() - self.outside)
    }
}

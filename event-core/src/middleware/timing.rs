//! A layer that measures.

use std::time::Duration;

use tokio::time::Instant;

use super::{Middleware, Next, OutcomeFuture};
use crate::delivery::Delivery;
use crate::outcome::Outcome;

/// A layer that passes to `report` how long an attempt took and how it ended. What it measures is the
/// handler with the layers inside this one, not the delays between attempts.
///
/// ```
/// use event_core::middleware;
/// use event_core::prelude::*;
///
/// # fn app() -> Result<EventApp> { Ok(
/// EventApp::from_env("admin")?.layer(middleware::timing(|delivery, elapsed, outcome| {
///     println!("{} took {elapsed:?}: {}", delivery.handler, outcome.code());
/// }))
/// # ) }
/// ```
pub fn timing<F>(report: F) -> impl Middleware + 'static
where
    F: Fn(&Delivery<'_>, Duration, &Outcome) + Send + Sync + 'static,
{
    Timing(report)
}

struct Timing<F>(F);

// Not for the list of what could have been meant.
#[diagnostic::do_not_recommend]
impl<F> Middleware for Timing<F>
where
    F: Fn(&Delivery<'_>, Duration, &Outcome) + Send + Sync,
{
    fn handle<'a>(&'a self, delivery: &'a Delivery<'a>, next: Next<'a>) -> OutcomeFuture<'a> {
        Box::pin(async move {
            let began = Instant::now();
            let outcome = next.run(delivery).await;
            (self.0)(delivery, began.elapsed(), &outcome);
            outcome
        })
    }
}

#![deny(warnings)]

use event_core::middleware::{self, Middleware, Next, OutcomeFuture};
use event_core::prelude::*;
use event_core::Delivery;

async fn elided(delivery: &Delivery<'_>, next: Next<'_>) -> Outcome {
    next.run(delivery).await
}

async fn named<'a>(delivery: &'a Delivery<'a>, next: Next<'a>) -> Outcome {
    next.run(delivery).await
}

async fn all_different<'a, 'b, 'c>(delivery: &'a Delivery<'b>, next: Next<'c>) -> Outcome {
    next.run(delivery).await
}

async fn generic<T: Send + Sync + 'static>(delivery: &Delivery<'_>, next: Next<'_>) -> Outcome {
    if delivery.state.get::<T>().is_none() { Outcome::Skipped } else { next.run(delivery).await }
}

async fn refuses(_: &Delivery<'_>, _: Next<'_>) -> Outcome {
    Outcome::Skipped
}

fn boxed<'a>(delivery: &'a Delivery<'a>, next: Next<'a>) -> OutcomeFuture<'a> {
    Box::pin(elided(delivery, next))
}

fn opaque<'a>(
    delivery: &'a Delivery<'a>,
    next: Next<'a>,
) -> impl Future<Output = Outcome> + Send + 'a {
    elided(delivery, next)
}

struct Holds(u32);

impl Holds {
    async fn associated(delivery: &Delivery<'_>, next: Next<'_>) -> Outcome {
        next.run(delivery).await
    }
}

impl Middleware for Holds {
    fn handle<'a>(&'a self, delivery: &'a Delivery<'a>, next: Next<'a>) -> OutcomeFuture<'a> {
        Box::pin(async move {
            if delivery.attempt > self.0 { Outcome::Skipped } else { next.run(delivery).await }
        })
    }
}

static LIMIT: u32 = 3;

fn app() -> Result<EventApp> {
    let topic = String::from("role_events");
    Ok(EventApp::from_env("admin")?
        .layer(elided)
        .layer(named)
        .layer(all_different)
        .layer(generic::<u32>)
        .layer(refuses)
        .layer(boxed)
        .layer(opaque)
        .layer(Holds(3))
        .layer(Holds::associated)
        .layer(async |delivery: &Delivery<'_>, next: Next<'_>| {
            if delivery.attempt > LIMIT { Outcome::Skipped } else { next.run(delivery).await }
        })
        .layer(middleware::trace)
        .layer_topic(topic, middleware::timing(|_, _, _| ()))
        .layer_handler("record_claim", middleware::timing(|delivery, elapsed, outcome| {
            println!("{} {elapsed:?} {}", delivery.handler, outcome.code());
        })))
}

fn main() {
    assert!(app().is_ok());
}

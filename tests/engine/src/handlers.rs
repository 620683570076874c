//! The handlers of the simulated service: they do what the script of the record says.

use std::sync::Arc;
use std::time::Duration;

use event_core::handler::{BatchFuture, DeliveryOptions, HandlerFuture, Order};
use event_core::macro_support::{Named, batch_handler, handler, inventory};
use event_core::{Delivery, Error, Outcome};

use crate::member::{InHand, Member};
use crate::script::{Act, Script, TIMEOUT};

/// The topics of the service.
pub const TOPICS: [&str; 2] = ["sim_events", "other_sim_events"];

/// In which order the handlers want their records.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mode {
    /// The order.
    pub order: Order,
    /// The module of the handlers.
    pub module: &'static str,
    /// How long records wait in retry topics when all attempts in place have failed.
    pub retry_topics: &'static [Duration],
}

impl Mode {
    const fn new(order: Order, module: &'static str) -> Self {
        Mode { order, module, retry_topics: &[] }
    }
}

/// Every mode that the engine knows.
pub const MODES: &[Mode] = &[
    Mode::new(Order::Partition, by_partition::MODULE),
    Mode::new(Order::Key, by_key::MODULE),
    Mode::new(Order::None, without_order::MODULE),
    Mode::new(Order::Partition, in_batches::MODULE),
    Mode::new(Order::Key, in_batches_by_key::MODULE),
    Mode { order: Order::None, module: with_retry_topics::MODULE, retry_topics: &RETRY_TOPICS },
];

const RETRY_TOPICS: [Duration; 2] = [Duration::from_millis(700), Duration::from_secs(3)];

fn step<'a>(delivery: &'a Delivery<'a>) -> HandlerFuture<'a> {
    Box::pin(async move {
        let Some(member) = delivery.state.get::<Member>() else {
            return Ok(Outcome::Failed(Error::msg("a handler without its world")));
        };
        let (script, execution) = member.begin(delivery, None);
        if !script.takes.is_zero() {
            tokio::time::sleep(script.takes).await;
        }
        if script.takes > TIMEOUT {
            member.world.violation(format!("an attempt went on for {:?}", script.takes));
        }
        let act = member.act(&script, delivery.attempt);
        execution.end(act);
        Ok(outcome(act))
    })
}

fn step_batch<'a>(deliveries: &'a [Delivery<'a>]) -> BatchFuture<'a> {
    Box::pin(async move {
        let first = deliveries.first().map(|delivery| delivery.record.offset.0);
        let begin = |delivery: &'a Delivery<'a>| {
            let member = delivery.state.get::<Member>()?;
            Some((member.begin(delivery, first), (member, delivery.attempt)))
        };
        let begun: Vec<_> = deliveries.iter().filter_map(begin).collect();
        let longest = begun.iter().map(|((script, _), _)| script.takes).max().unwrap_or_default();
        tokio::time::sleep(longest.min(TIMEOUT / 2)).await;
        let end = |((script, execution), (member, attempt)): ((Arc<Script>, _), (&Member, _))| {
            let act = match member.act(&script, attempt) {
                // One panic would fail them all.
                Act::Panic => Act::Fail,
                act => act,
            };
            InHand::end(execution, act);
            Ok(outcome(act))
        };
        begun.into_iter().map(end).collect()
    })
}

fn outcome(act: Act) -> Outcome {
    match act {
        Act::Succeed => Outcome::Handled,
        Act::Fail => Outcome::Failed(Error::msg("told to fail")),
        Act::RetryAfter(delay) => Outcome::Failed(Error::msg("told to wait").retry_after(delay)),
        Act::Unavailable => Outcome::Failed(Error::msg("told to be down").unavailable()),
        Act::Refuse => Outcome::Failed(Error::msg("told to refuse").dead_letter()),
        Act::Skip => Outcome::Skipped,
        Act::SkipByError => Outcome::Failed(Error::msg("told to skip").skip()),
        // A panic without its message on the console.
        Act::Panic => std::panic::resume_unwind(Box::new("told to panic")),
    }
}

const OPTIONS: DeliveryOptions = DeliveryOptions::new()
    .timeout_ms(TIMEOUT.as_secs() * 1000)
    .breaker_failures(8)
    .breaker_pause_ms(50, 400);

macro_rules! handlers {
    ($module:ident, $handler:ident($step:ident), $options:expr) => {
        mod $module {
            use super::*;

            pub(super) const MODULE: &str = module_path!();

            inventory::submit! {
                $handler("step", Named::Event(TOPICS[0], "STEP"), &[], $step)
                    .at(MODULE, file!(), line!())
                    .options($options)
            }

            inventory::submit! {
                $handler("other_step", Named::Event(TOPICS[1], "STEP"), &[], $step)
                    .at(MODULE, file!(), line!())
                    .options($options)
            }
        }
    };
}

handlers!(by_partition, handler(step), OPTIONS);
handlers!(by_key, handler(step), OPTIONS.order(Order::Key).concurrency(4));
handlers!(without_order, handler(step), OPTIONS.order(Order::None).concurrency(4));
handlers!(
    with_retry_topics,
    handler(step),
    OPTIONS.order(Order::None).concurrency(4).retry_topics(&RETRY_TOPICS)
);
handlers!(in_batches, batch_handler(step_batch), OPTIONS.batch(7, 20));
handlers!(
    in_batches_by_key,
    batch_handler(step_batch),
    OPTIONS.batch(7, 20).order(Order::Key).concurrency(4)
);

//! The handlers of the simulated service: they do what the script of the record says.

use std::sync::Arc;
use std::time::Duration;

use event_core::event::Envelope;
use event_core::extract::{Argument, FromDelivery};
use event_core::handler::{BatchFuture, DeliveryOptions, HandlerFuture, Order};
use event_core::macro_support::{Named, called_batch_handler, called_handler, inventory};
use event_core::outcome::{IntoOutcomes, Rejection};
use event_core::{Delivery, Error, Outcome};

use crate::member::{Batch, InFlightRecord, Member};
use crate::script::{Act, Script, Spoil, TIMEOUT};

/// The topics of the service.
pub const TOPICS: [&str; 2] = ["sim_events", "other_sim_events"];

/// Which handlers the service has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mode {
    /// The events that they handle, of each topic, each in the order that it is handled in.
    pub events: &'static [(&'static str, Order)],
    /// The module of the handlers.
    pub module: &'static str,
    /// Whether they take several records at once.
    pub in_batches: bool,
    /// How long records wait in retry topics when all attempts in place have failed.
    pub retry_topics: &'static [Duration],
}

impl Mode {
    const fn new(events: &'static [(&'static str, Order)], module: &'static str) -> Self {
        Mode { events, module, in_batches: false, retry_topics: &[] }
    }

    const fn in_batches(self) -> Self {
        Mode { in_batches: true, ..self }
    }

    /// Whether a lane takes one record after the other, also those that no handler gets.
    #[must_use]
    pub fn is_sequential(&self) -> bool {
        !self.in_batches && self.events.iter().all(|(_, order)| *order == Order::Partition)
    }
}

const BY_PARTITION: (&str, Order) = ("STEP", Order::Partition);
const BY_KEY: (&str, Order) = ("KEYED", Order::Key);
const WITHOUT_ORDER: (&str, Order) = ("FREE", Order::None);
const ALSO_BY_PARTITION: (&str, Order) = ("STRIDE", Order::Partition);
const ALTERNATING: [(&str, Order); 2] = [BY_PARTITION, ALSO_BY_PARTITION];
const MIXED: [(&str, Order); 3] = [BY_PARTITION, BY_KEY, WITHOUT_ORDER];

/// Every mode that the engine knows.
pub const MODES: &[Mode] = &[
    Mode::new(&[BY_PARTITION], by_partition::MODULE),
    Mode::new(&[BY_KEY], by_key::MODULE),
    Mode::new(&[WITHOUT_ORDER], without_order::MODULE),
    Mode::new(&MIXED, mixed::MODULE),
    Mode::new(&[BY_PARTITION], in_batches::MODULE).in_batches(),
    Mode::new(&ALTERNATING, alternating_in_batches::MODULE).in_batches(),
    Mode::new(&[BY_KEY], in_batches_by_key::MODULE).in_batches(),
    Mode::new(&MIXED, mixed_in_batches::MODULE).in_batches(),
    Mode { retry_topics: &RETRY_TOPICS, ..Mode::new(&[WITHOUT_ORDER], with_retry_topics::MODULE) },
];

const RETRY_TOPICS: [Duration; 2] = [Duration::from_millis(700), Duration::from_secs(3)];

fn step<'a>(delivery: &'a Delivery<'a>) -> HandlerFuture<'a> {
    Box::pin(async move {
        delivery.envelope()?;
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
        let several = deliveries.len() > 1;
        let scripts = deliveries
            .iter()
            .filter_map(|delivery| Some(delivery.state.get::<Member>()?.world.script(delivery)));
        let spoilt = scripts.filter(|_| several).find_map(|script| script.spoils);
        let first = deliveries.first().map(|delivery| delivery.record.offset.0);
        let batch = first.map(|first| Batch { first, len: deliveries.len(), spoilt });
        let begin = |delivery: &'a Delivery<'a>| {
            let member = delivery.state.get::<Member>()?;
            Some((member.begin(delivery, batch), (member, delivery.attempt)))
        };
        let begun: Vec<_> = deliveries.iter().filter_map(begin).collect();
        let longest = begun.iter().map(|((script, _), _)| script.takes).max().unwrap_or_default();
        if !longest.is_zero() {
            tokio::time::sleep(longest.min(TIMEOUT / 2)).await;
        }
        if let (Some(spoilt), Some((_, (member, _)))) = (spoilt, begun.first()) {
            member.spoils(spoilt);
            return spoil(spoilt, begun.into_iter().map(|(begun, _)| begun), deliveries).await;
        }
        let end = |((script, execution), (member, attempt)): ((Arc<Script>, _), (&Member, _))| {
            let act = match member.act(&script, attempt) {
                // One panic would fail them all.
                Act::Panic if several => Act::Fail,
                act => act,
            };
            InFlightRecord::end(execution, act);
            Ok(outcome(act))
        };
        begun.into_iter().map(end).collect()
    })
}

async fn spoil(
    spoilt: Spoil,
    begun: impl Iterator<Item = (Arc<Script>, InFlightRecord)>,
    deliveries: &[Delivery<'_>],
) -> Vec<Result<Outcome, Rejection>> {
    let act = match spoilt {
        Spoil::Fail => Act::Fail,
        Spoil::RetryAfter(delay) => Act::RetryAfter(delay),
        Spoil::Panic => Act::Panic,
        Spoil::OverTime => {
            let begun: Vec<_> = begun.collect();
            tokio::time::sleep(2 * TIMEOUT).await;
            for (_, execution) in &begun {
                execution.world.violation("a call of several went on for too long".to_owned());
            }
            return Vec::new();
        }
    };
    begun.for_each(|(_, execution)| execution.end(act));
    let all = match outcome(act) {
        Outcome::Failed(error) => Err(error),
        _ => Ok(()),
    };
    let deliveries: Vec<_> = deliveries.iter().collect();
    IntoOutcomes::into_outcomes(all, &deliveries).into_iter().map(Ok).collect()
}

fn outcome(act: Act) -> Outcome {
    match act {
        Act::Succeed => Outcome::Handled,
        Act::Fail => Outcome::Failed(Error::msg("asked to fail")),
        Act::RetryAfter(delay) => Outcome::Failed(Error::msg("asked to wait").retry_after(delay)),
        Act::Unavailable => Outcome::Failed(Error::msg("asked to be down").unavailable()),
        Act::Refuse => Outcome::Failed(Error::msg("asked to refuse").dead_letter()),
        Act::Skip => Outcome::Skipped,
        Act::SkipByError => Outcome::Failed(Error::msg("asked to skip").skip()),
        // A panic without its message on the console.
        Act::Panic => std::panic::resume_unwind(Box::new("asked to panic")),
    }
}

const OPTIONS: DeliveryOptions = DeliveryOptions::new()
    .timeout_ms(TIMEOUT.as_secs() * 1000)
    .breaker_failures(8)
    .breaker_pause_ms(50, 400);

// With an argument that every record must be an event for, as nearly all handlers have: such records take the
// shortest way through the engine.
const ARGUMENTS: &[Argument<'static>] = &[<Envelope<'static> as FromDelivery>::ARGUMENT];

macro_rules! handlers {
    ($module:ident, $handler:ident($step:ident), $($event:expr => $options:expr),+ $(,)?) => {
        mod $module {
            use super::*;

            pub(super) const MODULE: &str = module_path!();

            $(
                inventory::submit! {
                    $handler(concat!("on_", stringify!($event)), Named::Event(TOPICS[0], $event.0), ARGUMENTS, $step)
                        .at(MODULE, file!(), line!())
                        .options($options.order($event.1))
                }

                inventory::submit! {
                    $handler(concat!("on_other_", stringify!($event)), Named::Event(TOPICS[1], $event.0), ARGUMENTS, $step)
                        .at(MODULE, file!(), line!())
                        .options($options.order($event.1))
                }
            )+
        }
    };
}

const SIDE_BY_SIDE: DeliveryOptions = OPTIONS.concurrency(4);
const SEVERAL: DeliveryOptions = OPTIONS.batch_max(7).batch_wait_ms(20);
const SEVERAL_SIDE_BY_SIDE: DeliveryOptions = SEVERAL.concurrency(4);

handlers!(by_partition, called_handler(step), BY_PARTITION => OPTIONS);
handlers!(by_key, called_handler(step), BY_KEY => SIDE_BY_SIDE);
handlers!(without_order, called_handler(step), WITHOUT_ORDER => SIDE_BY_SIDE);
handlers!(
    mixed,
    called_handler(step),
    BY_PARTITION => OPTIONS,
    BY_KEY => SIDE_BY_SIDE,
    WITHOUT_ORDER => SIDE_BY_SIDE,
);
handlers!(
    with_retry_topics,
    called_handler(step),
    WITHOUT_ORDER => SIDE_BY_SIDE.retry_topics(&RETRY_TOPICS)
);
handlers!(in_batches, called_batch_handler(step_batch), BY_PARTITION => SEVERAL);
handlers!(
    alternating_in_batches,
    called_batch_handler(step_batch),
    BY_PARTITION => SEVERAL,
    ALSO_BY_PARTITION => SEVERAL,
);
handlers!(in_batches_by_key, called_batch_handler(step_batch), BY_KEY => SEVERAL_SIDE_BY_SIDE);
handlers!(
    mixed_in_batches,
    called_batch_handler(step_batch),
    BY_PARTITION => SEVERAL,
    BY_KEY => SEVERAL_SIDE_BY_SIDE,
    WITHOUT_ORDER => SEVERAL_SIDE_BY_SIDE,
);

//! The handlers of the simulated service: they do what the script of the record says.

use event_core::handler::{DeliveryOptions, HandlerFuture, Order};
use event_core::macro_support::{Named, handler, inventory};
use event_core::{Delivery, Error, Outcome};

use crate::script::Act;
use crate::world::Member;

/// The topics of the service.
pub const TOPICS: [&str; 2] = ["sim_events", "other_sim_events"];

/// In which order the handlers want their records.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mode {
    /// The order.
    pub order: Order,
    /// The module of the handlers.
    pub module: &'static str,
}

/// Every mode.
pub const MODES: [Mode; 3] = [
    Mode { order: Order::Partition, module: by_partition::MODULE },
    Mode { order: Order::Key, module: by_key::MODULE },
    Mode { order: Order::None, module: without_order::MODULE },
];

fn step<'a>(delivery: &'a Delivery<'a>) -> HandlerFuture<'a> {
    Box::pin(async move {
        let Some(member) = delivery.state.get::<Member>() else {
            return Ok(Outcome::Failed(Error::msg("a handler without its world")));
        };
        let (script, execution) = member.begin(delivery);
        if !script.takes.is_zero() {
            tokio::time::sleep(script.takes).await;
        }
        let act = script.act(delivery.attempt);
        execution.end(act);
        Ok(match act {
            Act::Succeed => Outcome::Handled,
            Act::Fail => Outcome::Failed(Error::msg("told to fail")),
            Act::Refuse => Outcome::Failed(Error::msg("told to refuse").dead_letter()),
            Act::Skip => Outcome::Skipped,
            // A panic without its message on the console.
            Act::Panic => std::panic::resume_unwind(Box::new("told to panic")),
        })
    })
}

macro_rules! handlers {
    ($module:ident, $options:expr) => {
        mod $module {
            use super::*;

            pub(super) const MODULE: &str = module_path!();

            inventory::submit! {
                handler("step", Named::Event(TOPICS[0], "STEP"), &[], step)
                    .at(MODULE, file!(), line!())
                    .options($options)
            }

            inventory::submit! {
                handler("other_step", Named::Event(TOPICS[1], "STEP"), &[], step)
                    .at(MODULE, file!(), line!())
                    .options($options)
            }
        }
    };
}

handlers!(by_partition, DeliveryOptions::new());
handlers!(by_key, DeliveryOptions::new().order(Order::Key).concurrency(4));
handlers!(without_order, DeliveryOptions::new().order(Order::None).concurrency(4));

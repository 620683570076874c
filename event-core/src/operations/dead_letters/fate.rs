//! What the build at hand would do with dead letters.

use super::original::Originals;
use super::redrive::addressee;
use super::{DeadLetter, Left};
use crate::broker::Broker;
use crate::delivery::Shutdown;
use crate::handler::HandlerRegistration;
use crate::operations::{Becomes, DryRun, DryRunner, OperationError};

/// What would become of a dead letter that is redriven.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Fate {
    /// It cannot be redriven.
    Left(Left),
    /// The event is another handler's by now, or nobody's, and the one that failed gets it again.
    Moved {
        /// The handler that failed.
        handler: String,
        /// The one that takes the event now.
        now: Option<String>,
    },
    /// Read, routed and made into the arguments of its handler, which did not run.
    DryRun(Box<DryRun>),
}

impl Fate {
    /// Whether its handler would run.
    #[must_use]
    pub fn is_handled(&self) -> bool {
        matches!(self, Fate::DryRun(dry_run) if dry_run.becomes == Becomes::Handled)
    }
}

/// Tells what would become of each of `letters`, until `stop` is requested; true when all had their
/// turn.
///
/// # Errors
///
/// [`OperationError::Broker`].
pub async fn fates<B: Broker>(
    broker: &B,
    dry_runner: &DryRunner,
    known: &[&'static HandlerRegistration],
    letters: &[DeadLetter],
    stop: &Shutdown,
    mut tell: impl FnMut(&DeadLetter, Fate),
) -> Result<bool, OperationError> {
    let mut originals = Originals::read(broker, letters)?;
    while let Some((letter, original)) = originals.next().await? {
        if stop.is_requested() {
            return Ok(false);
        }
        let topic = letter.origin.partition.topic.clone();
        let fate =
            match (addressee(dry_runner.router(), known, letter, original.as_ref()), original) {
                (Err(left @ (Left::NoHandler(_) | Left::LeftOut(_))), _) => Fate::Left(left),
                (_, None) => Fate::Left(Left::LeftOut(letter.origin.to_string())),
                // The dry run says where it cannot be read.
                (addressee, Some(original)) => {
                    fate_of(addressee.ok(), dry_runner.run(original, topic).await)
                }
            };
        tell(letter, fate);
    }
    Ok(true)
}

fn fate_of(handler: Option<String>, dry_run: DryRun) -> Fate {
    match handler {
        Some(handler) if is_routed(&dry_run) && dry_run.handler.as_ref() != Some(&handler) => {
            Fate::Moved { handler, now: dry_run.handler }
        }
        _ => Fate::DryRun(Box::new(dry_run)),
    }
}

// Whether it was read, so that it is known who takes it now, or that nobody does.
fn is_routed(dry_run: &DryRun) -> bool {
    match dry_run.becomes {
        Becomes::Handled | Becomes::Skipped | Becomes::Stops => true,
        Becomes::Retried => false,
        Becomes::DeadLettered => dry_run.reason == Some("unknown_event"),
    }
}

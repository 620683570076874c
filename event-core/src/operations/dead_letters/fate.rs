//! What the build at hand would do with dead letters.

use std::ops::ControlFlow;

use super::addressee::Addressees;
use super::original::Originals;
use super::{DeadLetter, Left};
use crate::broker::Broker;
use crate::delivery::Shutdown;
use crate::operations::{Becomes, DryRun, DryRunner, OperationError};

/// What would become of a dead letter that is redriven.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Fate {
    /// It cannot be redriven.
    Left(Left),
    /// Read and made into the arguments of the handler that would get it, which did not run.
    DryRun(Box<DryRun>),
}

impl Fate {
    /// Whether its handler would run.
    #[must_use]
    pub fn is_handled(&self) -> bool {
        matches!(self, Fate::DryRun(dry_run) if dry_run.becomes == Becomes::Handled)
    }

    /// Whether it would be sent back to a handler.
    #[must_use]
    pub fn is_redriven(&self) -> bool {
        matches!(self, Fate::DryRun(dry_run) if dry_run.handler.is_some())
    }
}

/// Tells what would become of each of `letters`, until `tell` breaks or `stop` is requested; false
/// for the latter.
///
/// # Errors
///
/// [`OperationError::Broker`].
pub async fn fates<B: Broker>(
    broker: &B,
    dry_runner: &DryRunner,
    addressees: &Addressees,
    letters: &[DeadLetter],
    stop: &Shutdown,
    mut tell: impl FnMut(&DeadLetter, Fate) -> ControlFlow<()>,
) -> Result<bool, OperationError> {
    let mut originals = Originals::read(broker, letters)?;
    // What was redriven is not held to the limits again.
    let dry_runner = dry_runner.without_limits();
    while let Some((letter, original)) = originals.next().await? {
        if stop.is_requested() {
            return Ok(false);
        }
        let topic = letter.origin.partition.topic.clone();
        let fate = match (addressees.of(letter, original.as_ref()), original) {
            (Ok(addressee), Some(original)) => {
                let dry_run = dry_runner.run_for(original, topic, addressee.handler).await;
                Fate::DryRun(Box::new(dry_run))
            }
            // The dry run says where it cannot be read.
            (Err(Left::Unreadable(_)), Some(original)) => {
                Fate::DryRun(Box::new(dry_runner.run(original, topic).await))
            }
            (Err(left), _) => Fate::Left(left),
            (Ok(_), None) => Fate::Left(Left::LeftOut(letter.origin.to_string())),
        };
        if tell(letter, fate).is_break() {
            break;
        }
    }
    Ok(true)
}

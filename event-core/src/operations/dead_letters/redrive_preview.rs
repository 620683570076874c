//! What the build at hand would do with dead letters.

use std::ops::ControlFlow;

use super::original::Originals;
use super::redrive_target::RedriveTargets;
use super::{DeadLetter, RedriveSkipReason};
use crate::broker::Broker;
use crate::delivery::Shutdown;
use crate::operations::{DryRun, DryRunOutcome, DryRunner, OperationError};

/// What would become of a dead letter that is redriven.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum RedrivePreview {
    /// It cannot be redriven.
    Skipped(RedriveSkipReason),
    /// Read and made into the arguments of the handler that would get it, which did not run.
    DryRun(Box<DryRun>),
}

impl RedrivePreview {
    /// Whether its handler would run.
    #[must_use]
    pub fn is_handled(&self) -> bool {
        matches!(self, RedrivePreview::DryRun(dry_run) if dry_run.outcome == DryRunOutcome::Handled)
    }

    /// Whether it would be sent back to a handler.
    #[must_use]
    pub fn is_redriven(&self) -> bool {
        matches!(self, RedrivePreview::DryRun(dry_run) if dry_run.handler.is_some())
    }
}

/// Reports the outcome of each of `letters`, until `report` breaks or `stop` is requested; false
/// for the latter.
///
/// # Errors
///
/// [`OperationError::Broker`].
pub async fn preview_redrive<B: Broker>(
    broker: &B,
    dry_runner: &DryRunner,
    targets: &RedriveTargets,
    letters: &[DeadLetter],
    stop: &Shutdown,
    mut report: impl FnMut(&DeadLetter, RedrivePreview) -> ControlFlow<()>,
) -> Result<bool, OperationError> {
    let mut originals = Originals::read(broker, letters)?;
    // The limits do not apply to redriven records again.
    let dry_runner = dry_runner.without_limits();
    while let Some((letter, original)) = originals.next().await? {
        if stop.is_requested() {
            return Ok(false);
        }
        let topic = letter.origin.partition.topic.clone();
        let preview = match (targets.of(letter, original.as_ref()), original) {
            (Ok(target), Some(original)) => {
                let dry_run = dry_runner.run_for(original, topic, target.handler).await;
                RedrivePreview::DryRun(Box::new(dry_run))
            }
            // The dry run says where it cannot be read.
            (Err(RedriveSkipReason::Unreadable(_)), Some(original)) => {
                RedrivePreview::DryRun(Box::new(dry_runner.run(original, topic).await))
            }
            (Err(left), _) => RedrivePreview::Skipped(left),
            (Ok(_), None) => {
                RedrivePreview::Skipped(RedriveSkipReason::LeftOut(letter.origin.to_string()))
            }
        };
        if report(letter, preview).is_break() {
            break;
        }
    }
    Ok(true)
}

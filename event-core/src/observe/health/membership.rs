//! Whether the process belongs to its consumer group.
//!
//! That partitions are revoked says nothing: they go to others, and the member stays. It is over when
//! they are lost, and begins with the next assignment, even one without partitions.

use std::time::Duration;

use tokio::time::Instant;

/// When a member that was given nothing is taken for a spare.
const SPARE: Duration = Duration::from_secs(30);

#[derive(Debug)]
pub(super) struct Membership {
    standing: Standing,
    since: Instant,
    /// Whether the coordinator of the group answered when it was asked last.
    coordinator_answers: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Standing {
    Joining,
    Joined,
    Lost,
}

impl Membership {
    pub(super) fn begun(now: Instant) -> Self {
        Membership { standing: Standing::Joining, since: now, coordinator_answers: false }
    }

    pub(super) fn assigned(&mut self) {
        self.standing = Standing::Joined;
    }

    /// Everything that the member had is another's.
    pub(super) fn lost(&mut self) {
        *self = Membership { standing: Standing::Lost, ..Membership::begun(Instant::now()) };
    }

    /// Whether the coordinator is to be asked: not every broker answers a spare member.
    pub(super) fn is_doubtful(&self) -> bool {
        self.standing == Standing::Joining && self.since.elapsed() >= SPARE
    }

    pub(super) fn note_coordinator(&mut self, answers: bool) {
        self.coordinator_answers = answers;
    }

    /// For how long the process has not belonged to the group, and whether it did before.
    pub(super) fn missing(&self) -> Option<(Duration, bool)> {
        let is_spare = self.is_doubtful() && self.coordinator_answers;
        let is_in = self.standing == Standing::Joined || is_spare;
        (!is_in).then(|| (self.since.elapsed(), self.standing == Standing::Lost))
    }
}

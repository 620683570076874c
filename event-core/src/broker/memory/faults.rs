//! What goes wrong on purpose.
//!
//! A test decides for each request what becomes of it, from a script or from seeded chance; the
//! cluster only does what a test asks. What goes wrong in a group (a partition is taken away, a
//! member is thrown out, a process dies) is asked for directly.

use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::MemoryBroker;
use super::cluster::MemberId;
use crate::broker::{BrokerError, OutgoingRecord, Progress};
use crate::delivery::{Epoch, NextOffset, TopicPartition};
use crate::event::GroupName;

/// What a client asks of the broker.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub enum Request<'a> {
    /// To append a record.
    Produce(&'a OutgoingRecord),
    /// To commit.
    Commit {
        /// The group.
        group: &'a GroupName,
        /// The member: a number that no other of the cluster ever has.
        member: u64,
        /// What is to be committed; entries of an epoch that is over will have no effect.
        progress: &'a [Progress],
        /// Whether it is the last commit before the partitions are given up.
        last: bool,
    },
    /// To read the next records of a partition.
    Fetch {
        /// The group.
        group: &'a GroupName,
        /// The partition.
        partition: &'a TopicPartition,
    },
}

/// What becomes of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Fault {
    /// It fails with this error and has no effect.
    Refused(BrokerError),
    /// It takes effect, and yet the client gets this error, as after a time-out. Records that were
    /// to be read are not lost: they are read by the next request.
    Unanswered(BrokerError),
    /// It takes its time. A send is answered late; a commit takes effect late; what was read arrives
    /// late, even when the partition has gone to another member by then.
    Slow(Duration),
}

type Hook = Box<dyn FnMut(&Request<'_>) -> Option<Fault> + Send>;

/// Who decides what goes wrong.
#[derive(Default)]
pub(super) struct Faults(Mutex<Option<Hook>>);

impl Faults {
    pub(super) fn of(&self, request: &Request<'_>) -> Option<Fault> {
        lock(&self.0).as_mut()?(request)
    }
}

/// The connections of one process to the cluster.
#[derive(Default)]
pub(super) struct Link {
    cut: AtomicBool,
    members: Mutex<Vec<(GroupName, MemberId)>>,
}

impl Link {
    pub(super) fn is_cut(&self) -> bool {
        self.cut.load(Ordering::Acquire)
    }

    pub(super) fn joined(&self, group: &GroupName, member: MemberId) {
        lock(&self.members).push((group.clone(), member));
    }
}

impl MemoryBroker {
    /// Asks `hook` about every request from now on; `None` lets it pass. The hook may look at the
    /// broker, but not send or commit.
    pub fn inject(&self, hook: impl FnMut(&Request<'_>) -> Option<Fault> + Send + 'static) {
        *lock(&self.cluster.faults.0) = Some(Box::new(hook));
    }

    /// Lets every request pass again.
    pub fn inject_nothing(&self) {
        *lock(&self.cluster.faults.0) = None;
    }

    /// The same cluster as another process sees it, which can be [cut off](MemoryBroker::cut_off).
    #[must_use]
    pub fn process(&self) -> MemoryBroker {
        MemoryBroker { cluster: Arc::clone(&self.cluster), link: Arc::default() }
    }

    /// Cuts this process off, as if it were killed: its members are gone, nothing that it sends or
    /// commits arrives any more, and what it waits for never comes.
    pub fn cut_off(&self) {
        self.link.cut.store(true, Ordering::Release);
        let members = std::mem::take(&mut *lock(&self.link.members));
        self.cluster.change(|state| {
            for (group, member) in members {
                state.leave(&group, member);
            }
        });
    }

    /// Has the owners of `partitions` give them up in good order, as when another member comes; then
    /// they are assigned anew, perhaps to the same.
    pub fn revoke(&self, group: &GroupName, partitions: &[TopicPartition]) {
        self.cluster.change(|state| state.revoke(group, partitions));
    }

    /// Takes `partitions` from their owners at once, as when a session is over. The owners are notified
    /// after `noticed_after` that they are lost, and get none before.
    pub fn lose(&self, group: &GroupName, partitions: &[TopicPartition], noticed_after: Duration) {
        let noticed = tokio::time::Instant::now() + noticed_after;
        self.cluster.change(|state| state.lose(group, partitions, noticed));
    }

    /// Cuts off the records of `partition` from `end` on, as an unclean leader election does: they are lost
    /// although they were acknowledged. What is appended next takes their offsets, in another leader
    /// epoch. A consumer that was further goes on at `end`
    /// ([KIP-320](https://cwiki.apache.org/confluence/display/KAFKA/KIP-320%3A+Allow+fetchers+to+detect+and+handle+log+truncation)).
    pub fn truncate(&self, partition: &TopicPartition, end: NextOffset) {
        self.cluster.change(|state| state.truncate(partition, end));
    }

    /// The member that has a partition now, and the epoch in which it does.
    #[must_use]
    pub fn owner(&self, group: &GroupName, partition: &TopicPartition) -> Option<(u64, Epoch)> {
        self.cluster.read(|state| state.owner(group, partition))
    }

    /// Everything that the owner of `partition` has in the group: what it loses when it is thrown
    /// out.
    #[must_use]
    pub fn owned_together(
        &self,
        group: &GroupName,
        partition: &TopicPartition,
    ) -> Vec<TopicPartition> {
        self.cluster.read(|state| state.owned_together(group, partition))
    }
}

impl fmt::Display for Request<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Request::Produce(record) => write!(f, "send to {}", record.topic),
            Request::Commit { progress, .. } => {
                f.write_str("commit")?;
                progress.iter().try_for_each(|p| write!(f, " {}:{}", p.partition, p.next))
            }
            Request::Fetch { partition, .. } => write!(f, "fetch {partition}"),
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Fault::Refused(_) => f.write_str("refused"),
            Fault::Unanswered(_) => f.write_str("unanswered"),
            Fault::Slow(delay) => write!(f, "slow by {delay:?}"),
        }
    }
}

// What is behind these locks is whole after any panic.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

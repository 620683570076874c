//! How the member joins its group, leaves it to join again, and leaves it for good.

use std::time::{Duration, Instant};

use rdkafka::consumer::Consumer;
use tokio::sync::oneshot;

use super::{PollLoop, Renewal};
use crate::broker::kafka::assignment::Assignment;
use crate::broker::kafka::commits::Repeat;
use crate::broker::kafka::consumer::Close;
use crate::broker::kafka::join_watch::{JoinWatch, not_joined};
use crate::broker::kafka::raw::is_member;
use crate::broker::{BrokerError, ConsumerEvent};

/// How long a member that gave its partitions back stays away: until the others have them. One that joins
/// before the group knows that it left might get the same ones again.
const REJOIN_AFTER: Duration = Duration::from_secs(3);

/// A member that leaves the group to join it again.
pub(super) enum Rejoining {
    /// Its partitions are being given up.
    Leaves(Vec<String>),
    /// It has none.
    Waits { topics: Vec<String>, at: Instant },
}

impl PollLoop {
    /// Goes on with leaving the group and joining it again.
    pub(super) fn rejoin(&mut self) {
        match &self.rejoining {
            Some(Rejoining::Leaves(topics))
                if self.context().with_assignment(|ours| ours.len() == 0) =>
            {
                let (topics, at) = (topics.clone(), Instant::now() + REJOIN_AFTER);
                self.rejoining = Some(Rejoining::Waits { topics, at });
            }
            Some(Rejoining::Waits { at, .. })
                if *at <= Instant::now() && self.context().needs_client() =>
            {
                self.renewal = Some(Renewal::Outdated);
            }
            Some(Rejoining::Waits { topics, at }) if *at <= Instant::now() => {
                let topics: Vec<&str> = topics.iter().map(String::as_str).collect();
                let subscribed = self.consumer.subscribe(&topics);
                self.rejoining = subscribed.is_err().then(|| Rejoining::Waits {
                    topics: topics.iter().map(|topic| (*topic).to_owned()).collect(),
                    at: Instant::now() + REJOIN_AFTER,
                });
                self.context().report(subscribed, "joining the group again");
            }
            _ => {}
        }
    }

    /// Leaves the group when a topic was deleted and recreated, and has the group begin it anew. Also when the client
    /// is led to another cluster.
    ///
    /// The leader epochs of a topic that is recreated begin with 0, and librdkafka 2.12.1 takes no leader
    /// whose epoch is below the last one that it knew of the topic's name: it would fetch nothing, and say
    /// nothing. Otherwise it would go on in the new log where it was in the old one. Another client knows
    /// neither. By now it may have gone on there, and the group have committed that: so the beginning is
    /// committed, before anybody else has the partitions. Of another cluster the same holds for the leader epochs;
    /// there the group may have offsets, and no position in the cluster before is committed.
    pub(super) fn leave_when_outdated(&mut self) {
        self.context().look_at_ids();
        if self.context().needs_client() {
            self.leave_to_rejoin();
        }
    }

    /// Begins to leave the group, to join it again when the others have shared the partitions out.
    pub(super) fn leave_to_rejoin(&mut self) {
        if self.rejoining.is_some() {
            return;
        }
        match self.consumer.subscription() {
            Ok(list) => {
                let topics = list.elements().iter().map(|one| one.topic().to_owned()).collect();
                self.rejoining = Some(Rejoining::Leaves(topics));
                self.consumer.unsubscribe();
            }
            Err(error) => self.context().report(Err(error), "giving partitions back"),
        }
    }

    /// Says so when the group is not joined for long, or not joined again.
    pub(super) fn watch_join(&mut self) {
        if self.rejoining.is_some() {
            self.join_watch = JoinWatch::new();
        }
        if !self.join_watch.is_to_look() {
            return;
        }
        let context = self.consumer.context();
        let is_member = is_member(&self.consumer);
        // A topic that does not exist is reported as that, where it has to exist.
        let is_missing = !is_member
            && (self.missing_topics.look(context.heartbeat.topics())
                || !context.has_joined()
                    && matches!(self.last_error, Some(BrokerError::UnknownTopic(_))));
        context.heartbeat.note_member(is_member || is_missing);
        if is_member {
            self.missing_topics.forget();
        }
        if context.has_joined() && is_member {
            self.join_watch = JoinWatch::new();
            return;
        }
        // With the new protocol a member for which there is no partition gets no assignment.
        if is_member && context.last_error.settings().has_new_protocol() {
            context.join_without_partitions();
            return;
        }
        if is_missing {
            return;
        }
        if let Some(waited) = self.join_watch.due() {
            let group = context.last_error.group();
            let (last, settings) = (self.last_error.as_ref(), context.last_error.settings());
            let error = not_joined(&group, &self.consumer, waited, last, settings);
            // No broker is reached by waiting whose address is wrong.
            context.emit(match context.last_error.is_misadvertised() && !context.has_joined() {
                true => ConsumerEvent::JoinFailed(BrokerError::Fatal(error.to_string())),
                false => ConsumerEvent::Error(error),
            });
        }
    }

    pub(super) fn close(&self, close: Close) -> oneshot::Sender<()> {
        let context = self.context();
        context.look_before_commit(None, &close.progress, close.deadline);
        let repeat = Repeat::Serving(&self.consumer);
        let committed = context.commit_until(None, close.progress, close.deadline, repeat);
        let committed =
            committed.and_then(|committed| context.take_uncommitted().map_or(Ok(committed), Err));
        // The caller stops listening at its deadline.
        let _ = close.committed.send(committed);
        // A member with a name of its own stays one while it is away: by unsubscribing it would leave.
        if context.is_static {
            return close.left;
        }
        // By a close alone a member without partitions goes without a word when its group has begun to
        // change (librdkafka 2.12.1, classic protocol), and all wait for the end of its session.
        self.consumer.unsubscribe();
        // What is assigned is given up in a poll. A client that is dropped before it has asked to leave goes
        // without a word (librdkafka 2.12.1), and its partitions wait for the end of its session.
        let has_left =
            || self.context().with_assignment(Assignment::len) == 0 && !is_member(&self.consumer);
        while !has_left() && Instant::now() < close.deadline {
            self.consumer.poll(Duration::from_millis(5));
        }
        close.left
    }
}

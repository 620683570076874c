//! Creates another client for a member, where one client cannot go on.
//!
//! A topic that was deleted and recreated, and another cluster, need a client that does not know the one before
//! ([`Renewal::Outdated`]).
//!
//! And the group may not have released the name of a member (`group.instance.id`): with
//! `group.protocol=consumer` a member that died keeps its name until its session is over, and a broker
//! refuses who comes with it before. A restart after a crash meets that each time. librdkafka ends its
//! client with it, so each attempt is a client of its own.

use std::sync::PoisonError;
use std::sync::mpsc::RecvTimeoutError;
use std::time::{Duration, Instant};

use rdkafka::types::RDKafkaErrorCode as Code;

use super::consumer::Command;
use super::errors;
use super::poll_loop::{PollLoop, Renewal};
use super::rebalance::GroupContext;
use crate::broker::{BrokerError, ConsumerEvent};

/// How often the name is tried.
const EACH: Duration = Duration::from_secs(1);
/// How long it is tried: no broker has a longer session than a minute unless its
/// `group.consumer.max.session.timeout.ms` is raised.
const LONGEST: Duration = Duration::from_secs(120);

/// Runs a member until it ends; `make` creates its next consumer.
pub(super) fn run(first: PollLoop, make: impl Fn(GroupContext) -> Result<PollLoop, BrokerError>) {
    let began = Instant::now();
    let mut is_emitted = false;
    let mut poll_loop = first;
    while let Some((context, why)) = poll_loop.run() {
        let is_unreleased = why == Renewal::NameUnreleased;
        if is_unreleased && began.elapsed() >= LONGEST {
            let last_error = &context.last_error;
            let error =
                errors::of_fatal(Code::UnreleasedInstanceId, &last_error.reason(), last_error);
            return context.emit_error(error);
        }
        if is_unreleased && !is_emitted {
            is_emitted = true;
            context.emit(ConsumerEvent::Error(waits(&context.last_error.group())));
        }
        if is_unreleased && !is_to_go_on(&context) {
            return;
        }
        // For want of threads or files: the settings were right before.
        let events = context.events.clone();
        match make(context) {
            Ok(next) => poll_loop = next,
            Err(error) => {
                let reason = format!("a consumer could not be recreated: {error}");
                // Nobody listens once the consumer is dropped.
                let _ = events.send(ConsumerEvent::Error(BrokerError::Fatal(reason)));
                return;
            }
        }
    }
}

fn waits(group: &str) -> BrokerError {
    BrokerError::Fixable {
        reason: format!(
            "{group}: the member that had this `group_instance_id` did not leave, and its session is not over (UnreleasedInstanceId): waits for it, up to {} s",
            LONGEST.as_secs()
        ),
        remedy: "nothing after a crash: the session ends by itself (the broker's `group.consumer.session.timeout.ms`, 45 s by default); when another process has the id, give each one of its own (EVENT_GROUP_INSTANCE_ID)".to_owned(),
    }
}

/// Waits for the next attempt; `false` when the consumer is closed or dropped meanwhile.
fn is_to_go_on(context: &GroupContext) -> bool {
    let commands = context.commands.lock().unwrap_or_else(PoisonError::into_inner);
    let until = Instant::now() + EACH;
    context.heartbeat.hold(EACH);
    loop {
        match commands.recv_timeout(until.saturating_duration_since(Instant::now())) {
            Err(RecvTimeoutError::Timeout) => return true,
            Ok(Command::Close(close)) => {
                // It had no partition.
                let _ = close.committed.send(Ok(Vec::new()));
                let _ = close.left.send(());
                return false;
            }
            Ok(Command::Abandon) | Err(RecvTimeoutError::Disconnected) => return false,
            Ok(Command::Commit(_) | Command::Rejoin | Command::Release { .. }) => {}
        }
    }
}

//! A dry run of one record: read, routed and made into the arguments of its handler, which does not
//! run.

use std::convert::Infallible;
use std::marker::PhantomData;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use futures_util::FutureExt;

use super::{OwnedRecord, Snippet};
use crate::delivery::{
    Delivery, Epoch, LazyEnvelope, RecordBatch, RecordRef, Shutdown, TopicPartition,
};
use crate::event::{Envelope, EnvelopeError, GroupName, TopicName, for_each_ignored};
use crate::handler::HandlerRegistration;
use crate::outcome::Rejection;
use crate::processor::{DeliveryPolicy, SiblingGroups, UnknownEvents, unknown_event};
use crate::registry::short_type;
use crate::router::{EventRouter, ReadRecord, TopicRoutes};
use crate::state::StateMap;

/// What would become of a record.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct DryRun {
    /// In a word.
    pub outcome: DryRunOutcome,
    /// Its topic, as far as it is known.
    pub topic: Option<TopicName>,
    /// The start of its event's name; `None` for a tombstone and for what cannot be read.
    pub event: Option<String>,
    /// The id of the handler that it is routed to.
    pub handler: Option<String>,
    /// Where that handler is in the code.
    pub place: Option<String>,
    /// The consumer group whose business it is, when it is another's.
    pub other_group: Option<GroupName>,
    /// The code of a dead letter.
    pub reason: Option<&'static str>,
    /// The reason in words.
    pub message: Option<String>,
    /// The byte of the value that is wrong.
    pub byte: Option<usize>,
    /// The same with what is around it.
    pub snippet: Option<Snippet>,
    /// The topic of its dead letter.
    pub dead_letters: Option<TopicName>,
    /// Fields that cannot be read and count as absent, in sentences.
    pub ignored: Vec<String>,
    /// Arguments that need a state which is made only when the service starts.
    pub not_made: Vec<String>,
}

/// What would become of a record, in a word.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum DryRunOutcome {
    /// Its handler would run.
    Handled,
    /// No handler takes it.
    Skipped,
    /// No handler of this consumer group takes it, and it is the business of another group: of one
    /// that handles it, or of the first, which says for all that nobody does.
    OtherGroup,
    /// An argument cannot be made now, so it would be retried.
    Retried,
    /// It would be dead-lettered before its handler runs.
    DeadLettered,
    /// The service would stop before it, because no handler takes it and the settings say so.
    Stops,
}

/// Runs records dry with the handlers of the build at hand.
#[derive(Clone)]
pub struct DryRunner {
    router: EventRouter,
    /// The consumer group whose handlers these are, if they are those of one.
    member: Option<(GroupName, SiblingGroups)>,
    policy: DeliveryPolicy,
    state: Arc<StateMap>,
    shutdown: Shutdown,
}

impl DryRunner {
    /// Takes the handlers, the limits of records, and the states as far as they are there.
    #[must_use]
    pub fn new(router: EventRouter, policy: DeliveryPolicy, state: StateMap) -> Self {
        let (state, shutdown) = (Arc::new(state), Shutdown::never());
        DryRunner { router, member: None, policy, state, shutdown }
    }

    /// The same for one consumer group of the service: its handlers, and those of the others.
    #[must_use]
    pub fn in_group(&self, group: GroupName, router: EventRouter, others: SiblingGroups) -> Self {
        DryRunner { router, member: Some((group, others)), ..self.clone() }
    }

    /// The same without the limits of records.
    pub(super) fn without_limits(&self) -> Self {
        let policy = DeliveryPolicy {
            max_value_bytes: usize::MAX,
            max_headers: usize::MAX,
            max_header_bytes: usize::MAX,
            ..self.policy.clone()
        };
        DryRunner { policy, ..self.clone() }
    }

    /// The handlers.
    #[must_use]
    pub fn router(&self) -> &EventRouter {
        &self.router
    }

    /// Says what would become of a record of `topic`.
    pub async fn run(&self, record: OwnedRecord, topic: TopicName) -> DryRun {
        let run = self.run_to::<Infallible>(record, Ok(topic), None).await;
        run.unwrap_or_else(|never| match never {})
    }

    /// The same for a record that goes to this handler, whatever its event is.
    pub async fn run_for(
        &self,
        record: OwnedRecord,
        topic: TopicName,
        handler: &'static HandlerRegistration,
    ) -> DryRun {
        let run = self.run_to::<Infallible>(record, Ok(topic), Some(handler)).await;
        run.unwrap_or_else(|never| match never {})
    }

    /// The same as [`DryRunner::run`], where the topic may not be known: that matters only once the record was read.
    ///
    /// # Errors
    ///
    /// That of `topic`.
    pub async fn run_on<E>(
        &self,
        record: OwnedRecord,
        topic: Result<TopicName, E>,
    ) -> Result<DryRun, E> {
        self.run_to(record, topic, None).await
    }

    async fn run_to<E>(
        &self,
        record: OwnedRecord,
        topic: Result<TopicName, E>,
        handler: Option<&'static HandlerRegistration>,
    ) -> Result<DryRun, E> {
        let partition = Arc::new(TopicPartition {
            // Nobody sees it where it is not known.
            topic: topic.as_ref().ok().cloned().unwrap_or(TopicName::from_static("unknown")),
            partition: 0,
        });
        let batch = RecordBatch::new(partition, Epoch::default(), Box::new(record));
        let (handler, mut dry_run) = {
            // A batch of one.
            let Some(record) = batch.iter().next() else {
                return Ok(self.outcome(DryRunOutcome::Skipped, topic.ok()));
            };
            let read = self.policy.read(record);
            let routes = topic.as_ref().map(|topic| self.router.topic(topic.as_str()));
            let routes = routes.unwrap_or_default();
            let takes_any = handler.is_some_and(HandlerRegistration::takes_any_value);
            if let Err(rejection) = &read
                && routes.of(&read).is_none()
                && !takes_any
            {
                let other = topic.as_ref().ok().and_then(|topic| self.other_group(topic, &read));
                let outcome = match other {
                    Some(_) => DryRunOutcome::OtherGroup,
                    None => DryRunOutcome::DeadLettered,
                };
                let mut dry_run = self.outcome(outcome, topic.ok());
                match other {
                    Some(other) => dry_run.other_group = Some(other),
                    None => dry_run.reject(rejection, record),
                }
                return Ok(dry_run);
            }
            let topic = topic?;
            let route = routes.of(&read);
            let other = self.other_group(&topic, &read);
            let envelope = read.ok().flatten();
            let mut dry_run = self.outcome(DryRunOutcome::Skipped, Some(topic));
            dry_run.event =
                envelope.as_ref().map(|read| crate::event::excerpt(read.event_type(), 64));
            let handler = handler.or_else(|| Some(route?.handler));
            if handler.is_some() {
                for_each_ignored(record.timestamp_ms, envelope.as_ref(), |field| {
                    dry_run.ignored.push(field.to_string());
                });
            }
            match (handler, other, &envelope) {
                (None, Some(other), _) => {
                    dry_run.outcome = DryRunOutcome::OtherGroup;
                    dry_run.other_group = Some(other);
                }
                (None, None, Some(envelope)) => {
                    self.unknown(envelope.event_type(), record, &mut dry_run);
                }
                _ => {}
            }
            (handler, dry_run)
        };
        if let Some(handler) = handler {
            dry_run.outcome = DryRunOutcome::Handled;
            dry_run.handler = Some(handler.id());
            dry_run.place = Some(handler.source());
            self.probe(handler, &batch, &mut dry_run).await;
        }
        Ok(dry_run)
    }

    // Whose business a record is that nobody here handles, as the engine decides it.
    fn other_group(&self, topic: &TopicName, read: &ReadRecord<'_>) -> Option<GroupName> {
        let (group, others) = self.member.as_ref()?;
        let handles = |routes: &TopicRoutes| routes.of(read).is_some();
        match read {
            Ok(_) => others.take(group, topic, handles).cloned(),
            Err(_) => others.handling(topic, handles).cloned(),
        }
    }

    fn unknown(&self, event: &str, record: RecordRef<'_>, dry_run: &mut DryRun) {
        let topic = dry_run.topic.as_ref().map_or("", TopicName::as_str);
        match self.policy.unknown_events(topic) {
            UnknownEvents::Skip => {}
            UnknownEvents::DeadLetter => {
                dry_run.reject(&unknown_event(event), record);
            }
            UnknownEvents::Stop => dry_run.outcome = DryRunOutcome::Stops,
        }
    }

    // The first argument that cannot be made decides, as in delivery. States that are not there yet
    // do not count.
    async fn probe(
        &self,
        handler: &'static HandlerRegistration,
        batch: &RecordBatch,
        dry_run: &mut DryRun,
    ) {
        let Some(record) = batch.iter().next() else { return };
        let envelope = LazyEnvelope::new(record.value, self.policy.envelope);
        let delivery = Delivery {
            partition: batch.partition(),
            record,
            envelope: &envelope,
            handler: &handler.id(),
            attempt: 1,
            attempts: self.policy.of(handler).all_attempts(),
            state: &self.state,
            shutdown: &self.shutdown,
        };
        for argument in (handler.arguments_of)(PhantomData) {
            let made = async { (argument.probe)(&delivery).await };
            match AssertUnwindSafe(made).catch_unwind().await {
                Ok(Ok(())) => {}
                Ok(Err(Rejection::MissingState { .. })) => {
                    dry_run.not_made.push(short_type((argument.type_name)()));
                }
                Ok(Err(rejection)) => return dry_run.reject(&rejection, record),
                Err(_) => {
                    let argument = short_type((argument.type_name)());
                    dry_run.outcome = DryRunOutcome::DeadLettered;
                    dry_run.reason = Some("attempts_exhausted");
                    dry_run.message = Some(format!("making {argument} panicked"));
                    return;
                }
            }
        }
    }

    fn outcome(&self, outcome: DryRunOutcome, topic: Option<TopicName>) -> DryRun {
        let dead_letters = topic.as_ref().and_then(|topic| self.router.dead_letters(topic).ok());
        DryRun {
            outcome,
            topic,
            event: None,
            handler: None,
            place: None,
            other_group: None,
            reason: None,
            message: None,
            byte: None,
            snippet: None,
            dead_letters,
            ignored: Vec::new(),
            not_made: Vec::new(),
        }
    }
}

/// The handler that a record of `topic` is routed to, if there is one.
///
/// # Errors
///
/// [`EnvelopeError`] when the record cannot be read.
pub(super) fn route_of(
    router: &EventRouter,
    topic: &TopicName,
    value: Option<&[u8]>,
) -> Result<Option<String>, EnvelopeError> {
    let routes = router.topic(topic.as_str());
    let read: ReadRecord<'_> = value.map(Envelope::read).transpose().map_err(Rejection::from);
    match (routes.of(&read), read) {
        (Some(route), _) => Ok(Some(route.id.to_string())),
        (None, Err(Rejection::Undecodable(error))) => Err(error),
        (None, _) => Ok(None),
    }
}

impl DryRun {
    fn reject(&mut self, rejection: &Rejection, record: RecordRef<'_>) {
        self.outcome = match rejection {
            Rejection::Failed(_) => DryRunOutcome::Retried,
            _ => DryRunOutcome::DeadLettered,
        };
        self.reason = Some(rejection.code());
        self.message = Some(crate::event::excerpt(&rejection.to_string(), 1000));
        if let Rejection::Undecodable(error) = rejection
            && let (Some(byte), Some(value)) = (error.byte(), record.value)
        {
            self.byte = Some(byte);
            self.snippet = Some(Snippet::find(value, byte));
        }
    }
}

#[cfg(test)]
mod tests;

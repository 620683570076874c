//! What the attribute turns a function into.

mod batch_feed;
mod feed;
mod options;
mod policy;

use std::fmt;
use std::pin::Pin;
use std::time::Duration;

pub use batch_feed::BatchFeed;
pub(crate) use batch_feed::{
    BatchEnded, BatchResults, call_batch_once, loop_of_batch_calls, poll_batch_loop,
};
pub(crate) use feed::{Ended, call_once, loop_of_calls, poll_loop};
pub use feed::{Feed, HandlerLoop};
pub use options::{BatchOptions, BreakerOptions, DeliveryOptions, Order, RetryOptions};
#[cfg(feature = "cli")]
pub(crate) use policy::{DeliveryValue, duration, durations};
pub use policy::{HandlerOverrides, HandlerPolicy};

use crate::delivery::Delivery;
use crate::event::{ContractInfo, Emits};
use crate::extract::{Argument, ArgumentsOf, EnvelopeUse};
use crate::outcome::{Outcome, Rejection};
use crate::producer::EventProducer;
use crate::state::{Requirements, StateKey};

/// The work of one attempt.
pub type HandlerFuture<'a> = Pin<Box<dyn Future<Output = Result<Outcome, Rejection>> + Send + 'a>>;

/// Handles the records of one event.
///
/// Functions implement it through `#[event_handler]`. A type whose value is a state of the app does
/// under the same attribute, with a method `handle` that takes what a function may take:
///
/// ```
/// use event_core::prelude::*;
///
/// struct Greeter { greeting: &'static str }
///
/// #[event_handler(topic = "greeting_events", event = "GREETING_REQUESTED")]
/// impl EventHandler for Greeter {
///     async fn handle(&self, Json(name): Json<String>, position: Position) -> Result {
///         println!("{}, {name} ({position})", self.greeting);
///         Ok(())
///     }
/// }
/// ```
pub trait EventHandler: Send + Sync {
    /// Makes the arguments from the delivery and runs the handler once.
    fn handle<'a>(&'a self, delivery: &'a Delivery<'a>) -> HandlerFuture<'a>;
}

/// A handler as the engine runs it: a loop that makes the arguments from a record, runs the function
/// and waits for the next record.
pub type HandlerFn = for<'a> fn(Feed<'a>) -> HandlerLoop<'a>;

/// A handler that is called for each record: makes the arguments from the delivery and runs the function
/// once.
pub type CallFn = for<'a> fn(&'a Delivery<'a>) -> HandlerFuture<'a>;

/// The work of one attempt at several records: an outcome for each, in their order.
pub type BatchFuture<'a> =
    Pin<Box<dyn Future<Output = Vec<Result<Outcome, Rejection>>> + Send + 'a>>;

/// A handler of several records at once as the engine runs it: a loop that makes the batch and the other
/// arguments from records, runs the function and waits for the next records.
pub type BatchHandlerFn = for<'a> fn(BatchFeed<'a>) -> HandlerLoop<'a>;

/// A handler that is called for each batch.
pub type BatchCallFn = for<'a> fn(&'a [Delivery<'a>]) -> BatchFuture<'a>;

/// How the engine calls a handler.
#[derive(Clone, Copy, Debug)]
pub enum HandlerCall {
    /// With one record after the other, in a loop.
    Each(HandlerFn),
    /// With one record, by a call for each.
    Call(CallFn),
    /// With several records at once, in a loop.
    Batch(BatchHandlerFn),
    /// With several records at once, by a call for each batch.
    BatchCall(BatchCallFn),
}

impl HandlerCall {
    /// Whether it takes several records at once.
    #[must_use]
    pub fn takes_batches(&self) -> bool {
        matches!(self, HandlerCall::Batch(_) | HandlerCall::BatchCall(_))
    }

    /// Calls a handler of several records at once with these: an outcome for each, in their order; `None` for
    /// a handler of one record.
    #[doc(hidden)]
    pub async fn call_batch(
        &self,
        deliveries: &[Delivery<'_>],
    ) -> Option<Vec<Result<Outcome, Rejection>>> {
        match self {
            HandlerCall::Batch(handler) => Some(call_batch_once(*handler, deliveries).await),
            HandlerCall::BatchCall(handler) => {
                let results = BatchResults::Each(handler(deliveries).await);
                Some(results.each(deliveries.len()))
            }
            HandlerCall::Each(_) | HandlerCall::Call(_) => None,
        }
    }
}

/// Forgets what a loop that panicked has left behind.
#[cold]
pub(crate) fn clear() {
    feed::clear();
    batch_feed::clear();
}

/// The static data that `#[event_handler]` leaves behind for one handler.
#[derive(Clone, Copy)]
#[non_exhaustive]
pub struct HandlerRegistration {
    /// The topic it listens to.
    pub topic: &'static str,
    /// Which records of the topic it handles.
    pub selects: Selector,
    /// The function's name, or the type's.
    pub name: &'static str,
    /// The id that the attribute gives it.
    pub id: Option<&'static str>,
    /// Its module.
    pub module: &'static str,
    /// Its file.
    pub file: &'static str,
    /// The line of its name.
    pub line: u32,
    /// Whether the attribute lifts the rule of names.
    pub foreign_names: bool,
    /// Whether it runs off the async threads.
    pub blocking: bool,
    /// The topic that takes the dead letters of its topic, when the attribute names one.
    pub dead_letter: Option<&'static str>,
    /// Its arguments, in order.
    pub arguments: &'static [Argument<'static>],
    /// The same for a record of any lifetime, to make them in a dry run.
    pub arguments_of: ArgumentsOf,
    /// The events that the attribute lets it send; `None` when it does not say.
    pub emits: Option<&'static [&'static ContractInfo]>,
    /// The events that it can send as its return value.
    pub returns: &'static Emits,
    /// How it wants its records delivered.
    pub options: DeliveryOptions,
    /// Runs it.
    pub call: HandlerCall,
}

// What the attribute generates: the settings that it does not give keep their defaults.
#[doc(hidden)]
impl HandlerRegistration {
    pub(crate) const fn new(
        topic: &'static str,
        selects: Selector,
        name: &'static str,
        arguments: &'static [Argument<'static>],
        call: HandlerCall,
    ) -> Self {
        HandlerRegistration {
            topic,
            selects,
            name,
            id: None,
            module: "",
            file: "",
            line: 0,
            foreign_names: false,
            blocking: false,
            dead_letter: None,
            arguments,
            arguments_of: |_| &[],
            emits: None,
            returns: &Emits::Nothing,
            options: DeliveryOptions::new(),
            call,
        }
    }

    #[must_use]
    pub const fn at(self, module: &'static str, file: &'static str, line: u32) -> Self {
        HandlerRegistration { module, file, line, ..self }
    }

    #[must_use]
    pub const fn arguments_of(self, arguments_of: ArgumentsOf) -> Self {
        HandlerRegistration { arguments_of, ..self }
    }

    #[must_use]
    pub const fn with_id(self, id: &'static str) -> Self {
        HandlerRegistration { id: Some(id), ..self }
    }

    #[must_use]
    pub const fn foreign_names(self, foreign_names: bool) -> Self {
        HandlerRegistration { foreign_names, ..self }
    }

    #[must_use]
    pub const fn blocking(self) -> Self {
        HandlerRegistration { blocking: true, ..self }
    }

    #[must_use]
    pub const fn dead_letter(self, topic: &'static str) -> Self {
        HandlerRegistration { dead_letter: Some(topic), ..self }
    }

    #[must_use]
    pub const fn options(self, options: DeliveryOptions) -> Self {
        HandlerRegistration { options, ..self }
    }

    #[must_use]
    pub const fn emits(self, contracts: &'static [&'static ContractInfo]) -> Self {
        HandlerRegistration { emits: Some(contracts), ..self }
    }

    #[must_use]
    pub const fn returns(self, emits: &'static Emits) -> Self {
        HandlerRegistration { returns: emits, ..self }
    }
}

/// Which records of a topic a handler gets.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub enum Selector {
    /// The event of this name.
    Event(&'static str),
    /// The events of these contracts.
    Contracts(&'static [&'static ContractInfo]),
    /// Every event that no other handler of the topic takes; where no argument needs the
    /// [envelope](crate::extract::FromDelivery::ENVELOPE), every record.
    CatchAll,
    /// Records without a value.
    Tombstones,
}

impl Selector {
    /// The selected events by their names; `*` for the rest, `tombstone` for the tombstones.
    #[must_use]
    pub fn names(&self) -> Vec<&'static str> {
        match self {
            Selector::Event(name) => vec![name],
            Selector::Contracts(contracts) => contracts.iter().map(|c| c.name).collect(),
            Selector::CatchAll => vec!["*"],
            Selector::Tombstones => vec!["tombstone"],
        }
    }
}

impl fmt::Display for Selector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.names().join(", "))
    }
}

inventory::collect!(HandlerRegistration);

impl HandlerRegistration {
    /// The crate of the function.
    #[must_use]
    pub fn crate_name(&self) -> &'static str {
        self.module.split("::").next().unwrap_or(self.module)
    }

    /// The stable name of the handler: what the attribute says, or its module path and name without
    /// the crate.
    #[must_use]
    pub fn id(&self) -> String {
        if let Some(id) = self.id {
            return id.to_owned();
        }
        let path = self.module.split("::").skip(1).chain([self.name]);
        path.collect::<Vec<_>>().join("::")
    }

    /// Whether an argument is made from the outer object of the record: always, perhaps, or never for none.
    #[must_use]
    pub fn envelope_use(&self) -> EnvelopeUse {
        let uses = |wanted| self.arguments.iter().any(|argument| argument.envelope == wanted);
        if uses(EnvelopeUse::Always) {
            EnvelopeUse::Always
        } else if uses(EnvelopeUse::Unknown) {
            EnvelopeUse::Unknown
        } else {
            EnvelopeUse::Never
        }
    }

    /// Whether it takes records that are no events.
    pub(crate) fn takes_any_value(&self) -> bool {
        matches!(self.selects, Selector::CatchAll) && self.envelope_use() != EnvelopeUse::Always
    }

    /// Whether it keeps the order of the partition and takes one record at a time.
    #[must_use]
    pub fn is_sequential(&self) -> bool {
        self.options.order == Order::Partition && !self.call.takes_batches()
    }

    /// The delays after which its records are retried through a topic.
    #[must_use]
    pub fn retry_topics(&self) -> &'static [Duration] {
        self.options.retry.topics
    }

    /// Whether it is for events of certain names.
    #[must_use]
    pub fn is_for_names(&self) -> bool {
        matches!(self.selects, Selector::Event(_) | Selector::Contracts(_))
    }

    /// Whether Kafka's rules are the only ones for its names.
    #[must_use]
    pub fn has_foreign_names(&self) -> bool {
        self.foreign_names || self.contracts().iter().any(|contract| contract.foreign_names)
    }

    /// The contracts whose data it takes; none when it takes untyped data or none.
    #[must_use]
    pub fn contracts(&self) -> &'static [&'static ContractInfo] {
        let events = self.arguments.iter().map(|argument| argument.events);
        events.into_iter().find(|events| !events.is_empty()).unwrap_or_default()
    }

    /// What its arguments need before the first record arrives.
    #[must_use]
    pub fn requirements(&self) -> Requirements {
        let mut requirements = Requirements::default();
        for argument in self.arguments {
            (argument.requires)(&mut requirements);
        }
        requirements
    }

    /// Whether one of its arguments is the producer that is a state of every app, which can send anything.
    #[must_use]
    pub fn takes_bare_producer(&self) -> bool {
        self.arguments.iter().any(|argument| {
            let mut needs = Requirements::default();
            (argument.requires)(&mut needs);
            matches!(argument.emits, Emits::Nothing)
                && needs.states().contains(&StateKey::of::<EventProducer>())
        })
    }

    /// The events that it can send; `None` when it could be any. A state that has a producer inside
    /// is not seen.
    #[must_use]
    pub fn sends(&self) -> Option<Vec<&'static ContractInfo>> {
        if self.emits.is_none() && self.takes_bare_producer() {
            return None;
        }
        let mut contracts = self.emits.unwrap_or_default().to_vec();
        for emits in self.arguments.iter().map(|a| a.emits).chain([self.returns]) {
            if emits.is_anything() && self.emits.is_none() {
                return None;
            }
            emits.collect(&mut contracts);
        }
        Some(contracts)
    }

    /// `src/handlers.rs:12`.
    #[must_use]
    pub fn source(&self) -> String {
        format!("{}:{}", self.file, self.line)
    }
}

impl fmt::Debug for HandlerRegistration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}::{} ({} / {})", self.module, self.name, self.topic, self.selects)
    }
}

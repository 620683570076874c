//! One reason not to start, or one thing that deserves a look.

mod source_location;
mod messages;

use std::fmt;
use std::time::Duration;

pub use source_location::SourceLocation;

use crate::broker::BrokerError;
use crate::event::{ContractInfo, NameError};
use crate::handler::HandlerRegistration;

/// One reason not to start. As a warning of a [`StartupReport`](super::StartupReport) it keeps
/// nobody from starting.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum StartupProblem {
    /// Several handlers of one event in one consumer group.
    DuplicateHandlers {
        /// The topic.
        topic: &'static str,
        /// The event.
        event: &'static str,
        /// The consumer group.
        group: String,
        /// All who claim it.
        handlers: Vec<&'static HandlerRegistration>,
    },
    /// Several handlers with one id.
    CollidingIds {
        /// The id.
        id: String,
        /// All who have it.
        handlers: Vec<&'static HandlerRegistration>,
    },
    /// Contracts of one event in one version that differ in their data.
    ContractShapes {
        /// The contracts.
        contracts: Vec<&'static ContractInfo>,
    },
    /// Contracts of one event in one version whose record keys differ.
    ContractKeys {
        /// The contracts.
        contracts: Vec<&'static ContractInfo>,
    },
    /// Handlers whose events come back to them.
    EventLoop {
        /// The handlers.
        handlers: Vec<&'static HandlerRegistration>,
    },
    /// Topics that Kafka takes for one, because they differ in `.` and `_` only.
    CollidingTopics {
        /// The topics, sorted.
        topics: Vec<String>,
        /// What needs them.
        places: Vec<SourceLocation>,
    },
    /// Handlers of one topic in one consumer group that name different topics for its dead letters.
    DeadLetterTopics {
        /// The topic.
        topic: &'static str,
        /// The consumer group.
        group: String,
        /// Those that name one.
        handlers: Vec<&'static HandlerRegistration>,
    },
    /// Topics with handlers whose dead letters come back to them.
    DeadLetterLoop {
        /// The topics, each with the next as its dead-letter topic.
        topics: Vec<String>,
        /// The handlers of the first.
        handlers: Vec<&'static HandlerRegistration>,
    },
    /// A topic whose name Kafka does not take.
    TopicName {
        /// What is wrong with it.
        error: NameError,
        /// Who listens to it.
        handlers: Vec<&'static HandlerRegistration>,
    },
    /// A topic whose dead-letter topic would have a name that Kafka does not take.
    DeadLetterName {
        /// The topic.
        topic: &'static str,
        /// What is wrong with the other name.
        error: NameError,
        /// Who listens to the topic.
        handlers: Vec<&'static HandlerRegistration>,
    },
    /// A topic whose redrive topic would have a name that Kafka does not take.
    RedriveName {
        /// The topic.
        topic: &'static str,
        /// What is wrong with the other name.
        error: NameError,
        /// Who listens to the topic.
        handlers: Vec<&'static HandlerRegistration>,
    },
    /// A topic with a retry topic whose name Kafka does not take.
    RetryName {
        /// The topic.
        topic: &'static str,
        /// What is wrong with the other name.
        error: NameError,
        /// Whose records would wait there.
        handlers: Vec<&'static HandlerRegistration>,
    },
    /// Handlers of a topic that is there for the records of another.
    HandledDerivedTopic {
        /// The topic.
        topic: &'static str,
        /// The other one.
        origin: &'static str,
        /// Which records of it: `dead letters`, `retries` or `redriven records`.
        purpose: &'static str,
        /// Who listens to the topic.
        handlers: Vec<&'static HandlerRegistration>,
    },
    /// Handlers of one topic and group, of which some keep the order of the partition and others
    /// that of the key.
    MixedOrders {
        /// The topic.
        topic: &'static str,
        /// The consumer group.
        group: String,
        /// Those in the order of the partition.
        partition: Vec<&'static HandlerRegistration>,
        /// Those in the order of the key.
        key: Vec<&'static HandlerRegistration>,
    },
    /// Handlers that may take longer than a shutdown waits for them.
    LongTimeout {
        /// How long they may take.
        timeout: Duration,
        /// How long a shutdown waits.
        drain: Duration,
        /// The handlers.
        handlers: Vec<&'static HandlerRegistration>,
    },
    /// A handler that asks for more calls at once than the service makes.
    TooConcurrent {
        /// How many it asks for.
        concurrency: u32,
        /// How many there are for all.
        limit: usize,
        /// The handler.
        handler: &'static HandlerRegistration,
    },
    /// The settings give a concurrency to a handler that keeps the order of the partition.
    UselessConcurrency {
        /// The handler.
        handler: &'static HandlerRegistration,
        /// Where they give it.
        source: String,
    },
    /// The settings give a time limit to a handler that nothing can cancel.
    BlockingTimeout {
        /// The handler.
        handler: &'static HandlerRegistration,
        /// Where they give it.
        source: String,
    },
    /// The settings say something about a handler or a topic that is not there.
    UnknownSettingTarget {
        /// The table: `handlers` or `topic`.
        table: &'static str,
        /// The handler's id, or the topic.
        name: String,
        /// Where they say it.
        source: String,
        /// The known one that is most like it, if it is.
        nearest: Option<String>,
        /// All that are known.
        known: Vec<String>,
    },
    /// A catch-all for a topic of which nothing else is known.
    LonelyCatchAll {
        /// The handler.
        handler: &'static HandlerRegistration,
        /// The known topic that was probably meant.
        nearest: Option<&'static str>,
    },
    /// A handler that says what it sends, and takes a producer that sends anything.
    UntrueEmits {
        /// The handler.
        handler: &'static HandlerRegistration,
    },
    /// Handlers of a topic that the settings do not let this service read.
    ExcludedTopic {
        /// The topic.
        topic: &'static str,
        /// What names the topics that it may read.
        source: String,
        /// Who listens to it.
        handlers: Vec<&'static HandlerRegistration>,
    },
    /// A topic that the settings let this service read, and no handler listens to.
    UnusedTopic {
        /// The topic.
        topic: String,
        /// What names it.
        source: String,
        /// The topic with handlers that is most like it.
        nearest: Option<&'static str>,
    },
    /// A handler asks for a state that was not provided.
    MissingState {
        /// The handler.
        handler: &'static HandlerRegistration,
        /// The state's type.
        type_name: &'static str,
        /// A provided type that was probably meant.
        near: Option<&'static str>,
    },
    /// The app is given two values of one type, of which handlers could get only one.
    DuplicateState {
        /// The state's type.
        type_name: &'static str,
        /// Where each is given.
        places: Vec<SourceLocation>,
    },
    /// Two apps in one process have the same handlers.
    SharedHandlers {
        /// The names of the apps.
        services: Vec<String>,
        /// Where the program makes them.
        places: Vec<SourceLocation>,
        /// The handlers' ids.
        handlers: Vec<String>,
    },
    /// No handler is linked into the binary.
    NoHandlers,
    /// Handlers are linked, but none of the modules that the app takes has one.
    NoHandlersInModules {
        /// The modules that the app takes.
        modules: Vec<String>,
        /// The modules that have handlers.
        known: Vec<&'static str>,
    },
    /// A crate that registers something is not linked, or one that `link_handlers!` names registers
    /// nothing.
    UnlinkedCrate {
        /// The crate's name in code.
        name: &'static str,
        /// Whether `link_handlers!` names it, so that linking cannot be the reason.
        named: bool,
        /// Whether it is the library that stands beside the binary and has its name.
        beside_binary: bool,
        /// The crate that depends on it, when that is not the program itself.
        dependent: Option<&'static str>,
    },
    /// A crate that registers something does so with another event-core than the one that runs.
    AnotherEventCore {
        /// What the crate calls itself.
        name: &'static str,
        /// What code calls it, or the crate that it is linked with, when that is another name.
        through: Option<&'static str>,
        /// The crate that depends on it, when that is not the program itself.
        dependent: Option<&'static str>,
        /// The version of the other one, with the folder of its sources when the versions are the same.
        version: &'static str,
    },
    /// No macro of ours stands in the crate of `main`, so it is not known what it depends on.
    UnnotedBinary,
    /// A panic ends the process, so it cannot be a failure of its handler.
    PanicAborts,
    /// A topic that a handler listens to, or its dead-letter topic, is not on the cluster.
    MissingTopic {
        /// The topic.
        topic: String,
        /// What it is needed for.
        needed_for: String,
        /// Whether it is there for the records of another topic, so that the service may make it.
        is_derived: bool,
    },
    /// A topic that was to be made at start-up cannot be made.
    UncreatedTopic {
        /// The topic.
        topic: String,
        /// What it is needed for.
        needed_for: String,
        /// Why not.
        error: BrokerError,
    },
    /// A topic that the service can do without, and may not use: it is not read.
    UnreadTopic {
        /// The topic.
        topic: String,
        /// What it is needed for.
        needed_for: String,
        /// Why not.
        error: BrokerError,
    },
    /// The cluster cannot be used.
    Broker(BrokerError),
    /// A setting is wrong.
    Setting {
        /// What is wrong.
        message: String,
        /// What to do.
        help: String,
    },
    /// A variable looks like a setting and is none.
    IgnoredVariable {
        /// Its name.
        name: String,
    },
    /// A layer is for a topic or a handler that is not there.
    UnknownLayerTarget {
        /// The app's method that added it: `layer_topic` or `layer_handler`.
        method: &'static str,
        /// Where it was added.
        place: SourceLocation,
        /// The topic or the handler's id.
        name: String,
        /// The known one that is most like it.
        nearest: Option<String>,
    },
    /// A layer around one record for a handler of batches.
    LayerOfBatch {
        /// Where it was added.
        place: SourceLocation,
        /// The handler.
        handler: &'static HandlerRegistration,
    },
    /// What the user's code gives to the app at start-up could not be made.
    Provider(String),
}

impl StartupProblem {
    /// A stable code for tools, in lower snake case.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match self {
            StartupProblem::DuplicateHandlers { .. } => "duplicate_handlers",
            StartupProblem::CollidingIds { .. } => "colliding_ids",
            StartupProblem::ContractShapes { .. } => "contract_shapes",
            StartupProblem::CollidingTopics { .. } => "colliding_topics",
            StartupProblem::DeadLetterTopics { .. } => "dead_letter_topics",
            StartupProblem::DeadLetterLoop { .. } => "dead_letter_loop",
            StartupProblem::TopicName { .. } => "topic_name",
            StartupProblem::DeadLetterName { .. } => "dead_letter_name",
            StartupProblem::RedriveName { .. } => "redrive_name",
            StartupProblem::RetryName { .. } => "retry_name",
            StartupProblem::HandledDerivedTopic { .. } => "handled_derived_topic",
            StartupProblem::MixedOrders { .. } => "mixed_orders",
            StartupProblem::LongTimeout { .. } => "long_timeout",
            StartupProblem::TooConcurrent { .. } => "too_concurrent",
            StartupProblem::UselessConcurrency { .. } => "useless_concurrency",
            StartupProblem::BlockingTimeout { .. } => "blocking_timeout",
            StartupProblem::UnknownSettingTarget { .. } => "unknown_setting_target",
            StartupProblem::LonelyCatchAll { .. } => "lonely_catch_all",
            StartupProblem::UntrueEmits { .. } => "untrue_emits",
            StartupProblem::ExcludedTopic { .. } => "excluded_topic",
            StartupProblem::UnusedTopic { .. } => "unused_topic",
            StartupProblem::MissingState { .. } => "missing_state",
            StartupProblem::NoHandlers => "no_handlers",
            StartupProblem::NoHandlersInModules { .. } => "no_handlers_in_modules",
            StartupProblem::UnlinkedCrate { .. } => "unlinked_crate",
            StartupProblem::AnotherEventCore { .. } => "another_event_core",
            StartupProblem::UnnotedBinary => "unnoted_binary",
            StartupProblem::PanicAborts => "panic_aborts",
            StartupProblem::ContractKeys { .. } => "contract_keys",
            StartupProblem::EventLoop { .. } => "event_loop",
            StartupProblem::DuplicateState { .. } => "duplicate_state",
            StartupProblem::SharedHandlers { .. } => "shared_handlers",
            StartupProblem::MissingTopic { .. } => "missing_topic",
            StartupProblem::UncreatedTopic { .. } => "uncreated_topic",
            StartupProblem::UnreadTopic { .. } => "unread_topic",
            StartupProblem::Broker(_) => "broker",
            StartupProblem::Setting { .. } => "setting",
            StartupProblem::IgnoredVariable { .. } => "ignored_variable",
            StartupProblem::UnknownLayerTarget { .. } => "unknown_layer_target",
            StartupProblem::LayerOfBatch { .. } => "layer_of_batch",
            StartupProblem::Provider(_) => "provider",
        }
    }

    // The order of the report.
    pub(super) fn rank(&self) -> u8 {
        match self {
            StartupProblem::Setting { .. }
            | StartupProblem::IgnoredVariable { .. }
            | StartupProblem::UnknownSettingTarget { .. }
            | StartupProblem::UselessConcurrency { .. }
            | StartupProblem::BlockingTimeout { .. } => 0,
            StartupProblem::NoHandlers | StartupProblem::NoHandlersInModules { .. } => 1,
            StartupProblem::ExcludedTopic { .. } | StartupProblem::UnusedTopic { .. } => 2,
            StartupProblem::DuplicateHandlers { .. } | StartupProblem::CollidingIds { .. } => 3,
            StartupProblem::TopicName { .. }
            | StartupProblem::DeadLetterName { .. }
            | StartupProblem::CollidingTopics { .. }
            | StartupProblem::DeadLetterTopics { .. }
            | StartupProblem::DeadLetterLoop { .. }
            | StartupProblem::RedriveName { .. }
            | StartupProblem::RetryName { .. }
            | StartupProblem::HandledDerivedTopic { .. }
            | StartupProblem::MixedOrders { .. }
            | StartupProblem::LongTimeout { .. }
            | StartupProblem::TooConcurrent { .. }
            | StartupProblem::LonelyCatchAll { .. } => 4,
            StartupProblem::ContractShapes { .. }
            | StartupProblem::ContractKeys { .. }
            | StartupProblem::EventLoop { .. }
            | StartupProblem::UntrueEmits { .. } => 5,
            StartupProblem::MissingState { .. }
            | StartupProblem::DuplicateState { .. }
            | StartupProblem::Provider(_) => 6,
            StartupProblem::UnlinkedCrate { .. }
            | StartupProblem::AnotherEventCore { .. }
            | StartupProblem::UnnotedBinary
            | StartupProblem::PanicAborts
            | StartupProblem::SharedHandlers { .. }
            | StartupProblem::UnknownLayerTarget { .. }
            | StartupProblem::LayerOfBatch { .. } => 7,
            StartupProblem::MissingTopic { .. }
            | StartupProblem::UncreatedTopic { .. }
            | StartupProblem::UnreadTopic { .. } => 8,
            StartupProblem::Broker(_) => 9,
        }
    }

    /// What of the user's it is about; empty when it has no place in the code.
    #[must_use]
    pub fn places(&self) -> Vec<SourceLocation> {
        match self {
            StartupProblem::DuplicateHandlers { handlers, .. }
            | StartupProblem::CollidingIds { handlers, .. }
            | StartupProblem::DeadLetterTopics { handlers, .. }
            | StartupProblem::DeadLetterLoop { handlers, .. }
            | StartupProblem::TopicName { handlers, .. }
            | StartupProblem::DeadLetterName { handlers, .. }
            | StartupProblem::RedriveName { handlers, .. }
            | StartupProblem::RetryName { handlers, .. }
            | StartupProblem::HandledDerivedTopic { handlers, .. }
            | StartupProblem::LongTimeout { handlers, .. }
            | StartupProblem::EventLoop { handlers }
            | StartupProblem::ExcludedTopic { handlers, .. } => {
                handlers.iter().map(|handler| SourceLocation::from(*handler)).collect()
            }
            StartupProblem::ContractShapes { contracts }
            | StartupProblem::ContractKeys { contracts } => {
                contracts.iter().map(|contract| SourceLocation::from(*contract)).collect()
            }
            StartupProblem::CollidingTopics { places, .. }
            | StartupProblem::DuplicateState { places, .. }
            | StartupProblem::SharedHandlers { places, .. } => places.clone(),
            StartupProblem::MixedOrders { partition, key, .. } => {
                partition.iter().chain(key).map(|handler| SourceLocation::from(*handler)).collect()
            }
            StartupProblem::LayerOfBatch { place, handler } => {
                vec![place.clone(), SourceLocation::from(*handler)]
            }
            StartupProblem::TooConcurrent { handler, .. }
            | StartupProblem::UselessConcurrency { handler, .. }
            | StartupProblem::BlockingTimeout { handler, .. }
            | StartupProblem::MissingState { handler, .. }
            | StartupProblem::LonelyCatchAll { handler, .. }
            | StartupProblem::UntrueEmits { handler } => vec![SourceLocation::from(*handler)],
            StartupProblem::UnknownLayerTarget { place, .. } => vec![place.clone()],
            StartupProblem::NoHandlers
            | StartupProblem::NoHandlersInModules { .. }
            | StartupProblem::UnusedTopic { .. }
            | StartupProblem::UnlinkedCrate { .. }
            | StartupProblem::AnotherEventCore { .. }
            | StartupProblem::UnnotedBinary
            | StartupProblem::PanicAborts
            | StartupProblem::UnknownSettingTarget { .. }
            | StartupProblem::MissingTopic { .. }
            | StartupProblem::UncreatedTopic { .. }
            | StartupProblem::UnreadTopic { .. }
            | StartupProblem::Broker(_)
            | StartupProblem::Setting { .. }
            | StartupProblem::IgnoredVariable { .. }
            | StartupProblem::Provider(_) => Vec::new(),
        }
    }
}

// The message, then each place, then the help, indented for a numbered list.
impl fmt::Display for StartupProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message())?;
        let places = self.places();
        let width = places.iter().map(|place| place.name.len()).max().unwrap_or(0);
        for place in &places {
            write!(f, "\n       {:width$}   {place}", place.name)?;
        }
        write!(f, "\n     help: {}", self.help())
    }
}

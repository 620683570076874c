//! One reason not to start, or one thing that deserves a look.

use std::fmt;

use super::near_state;
use crate::broker::BrokerError;
use crate::event::ContractInfo;
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
    /// A handler asks for a state that was not provided.
    MissingState {
        /// The handler.
        handler: &'static HandlerRegistration,
        /// The state's type.
        type_name: &'static str,
        /// A provided type that was probably meant.
        near: Option<&'static str>,
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
    /// A crate that should register something did not.
    UnlinkedCrate {
        /// The crate's name in code.
        name: &'static str,
        /// Whether `link_handlers!` names it, so that linking cannot be the reason.
        named: bool,
    },
    /// A topic that a handler listens to, or its dead-letter topic, is not on the cluster.
    MissingTopic {
        /// The topic.
        topic: String,
        /// What it is needed for.
        needed_for: String,
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
        place: Place,
        /// The topic or the handler's id.
        name: String,
        /// The known one that is most like it.
        nearest: Option<String>,
    },
    /// What the user's code gives to the app at start-up could not be made.
    Provider(String),
}

/// Something of the user's that a problem is about, with where it is in the code.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// The function's or the type's name.
    pub name: &'static str,
    /// The file.
    pub file: &'static str,
    /// The line.
    pub line: u32,
}

impl From<&HandlerRegistration> for Place {
    fn from(handler: &HandlerRegistration) -> Self {
        Place { name: handler.name, file: handler.file, line: handler.line }
    }
}

impl From<&ContractInfo> for Place {
    fn from(contract: &ContractInfo) -> Self {
        Place { name: contract.type_name, file: contract.file, line: contract.line }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.file, self.line)
    }
}

impl StartupProblem {
    /// A stable code for tools, in lower snake case.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match self {
            StartupProblem::DuplicateHandlers { .. } => "duplicate_handlers",
            StartupProblem::MissingState { .. } => "missing_state",
            StartupProblem::NoHandlers => "no_handlers",
            StartupProblem::NoHandlersInModules { .. } => "no_handlers_in_modules",
            StartupProblem::UnlinkedCrate { .. } => "unlinked_crate",
            StartupProblem::MissingTopic { .. } => "missing_topic",
            StartupProblem::Broker(_) => "broker",
            StartupProblem::Setting { .. } => "setting",
            StartupProblem::IgnoredVariable { .. } => "ignored_variable",
            StartupProblem::UnknownLayerTarget { .. } => "unknown_layer_target",
            StartupProblem::Provider(_) => "provider",
        }
    }

    // The order of the report.
    pub(super) fn rank(&self) -> u8 {
        match self {
            StartupProblem::Setting { .. } | StartupProblem::IgnoredVariable { .. } => 0,
            StartupProblem::NoHandlers | StartupProblem::NoHandlersInModules { .. } => 1,
            StartupProblem::DuplicateHandlers { .. } => 2,
            StartupProblem::MissingState { .. } | StartupProblem::Provider(_) => 3,
            StartupProblem::UnlinkedCrate { .. } | StartupProblem::UnknownLayerTarget { .. } => 4,
            StartupProblem::MissingTopic { .. } => 5,
            StartupProblem::Broker(_) => 6,
        }
    }

    /// What is wrong, with the values in it.
    #[must_use]
    pub fn message(&self) -> String {
        match self {
            StartupProblem::DuplicateHandlers { topic, event, group, handlers } => {
                let count = match handlers.len() {
                    2 => "two".to_owned(),
                    more => more.to_string(),
                };
                format!("{count} handlers claim {topic} / {event} in group `{group}`")
            }
            StartupProblem::MissingState { handler, type_name, near } => {
                let short = near_state::short_type(type_name);
                let difference = near.map_or_else(
                    || "which was never provided".to_owned(),
                    |near| near_state::difference(type_name, near),
                );
                format!("{} needs State<{short}>, {difference}", handler.name)
            }
            StartupProblem::NoHandlers => "no event handler is linked into this binary".into(),
            StartupProblem::NoHandlersInModules { modules, .. } => {
                format!("no event handler is in the module {}", modules.join(" or "))
            }
            StartupProblem::UnlinkedCrate { name, named: false } => format!(
                "crate `{name}` depends on event-core but registered no handler and no contract; the linker drops a crate that no code names"
            ),
            StartupProblem::UnlinkedCrate { name, named: true } => format!(
                "crate `{name}` is named in `link_handlers!` but registered no handler and no contract"
            ),
            StartupProblem::MissingTopic { topic, needed_for } => {
                format!("topic `{topic}` does not exist; it is needed for {needed_for}")
            }
            StartupProblem::Broker(error) => error.to_string(),
            StartupProblem::Setting { message, .. } | StartupProblem::Provider(message) => {
                message.clone()
            }
            StartupProblem::UnknownLayerTarget { method, name, .. } => {
                let missing = match *method {
                    "layer_topic" => "which no handler listens to",
                    _ => "and no handler has this id",
                };
                format!("`.{method}(\"{name}\", ..)` is for `{name}`, {missing}")
            }
            StartupProblem::IgnoredVariable { name } => {
                format!("the variable {name} is not a setting and was ignored")
            }
        }
    }

    /// What to do about it, with the code to type where there is any.
    #[must_use]
    pub fn help(&self) -> String {
        match self {
            StartupProblem::DuplicateHandlers { .. } => "keep one and remove the others".into(),
            StartupProblem::MissingState { near: None, .. } => {
                "call `.state(..)` on the app with a value of that type".into()
            }
            StartupProblem::MissingState { type_name, near: Some(near), .. } => {
                near_state::remedy(type_name, near)
            }
            StartupProblem::NoHandlers => {
                "annotate a function with `#[event_handler]`; for handlers in another crate write `event_core::link_handlers!(that_crate);`".into()
            }
            StartupProblem::NoHandlersInModules { known, .. } => {
                format!("`handlers_from` takes a module that has handlers: {}", known.join(", "))
            }
            StartupProblem::UnlinkedCrate { name, named: false } => format!(
                "write `event_core::link_handlers!({name});`, or `event_core::link_handlers!(except {name});` if it registers nothing on purpose"
            ),
            StartupProblem::UnlinkedCrate { name, named: true } => format!(
                "annotate a function in `{name}`, or write `event_core::link_handlers!(except {name});`"
            ),
            StartupProblem::MissingTopic { topic, .. } => format!(
                "create it: `kafka-topics.sh --bootstrap-server .. --create --topic {topic}`"
            ),
            StartupProblem::Broker(error) => match error {
                BrokerError::Unreachable { .. } => {
                    "check that the broker runs and that `brokers` (EVENT_BROKERS) is its address"
                }
                BrokerError::Authentication { .. } => {
                    "check `security.protocol`, `sasl.*` and `ssl.*` under `[kafka]`"
                }
                BrokerError::Unauthorised(_) => {
                    "give this user read on the topics and the group, and write on the dead-letter topics"
                }
                _ => "see the message of the broker",
            }
            .into(),
            StartupProblem::Setting { help, .. } => help.clone(),
            StartupProblem::IgnoredVariable { .. } => {
                "unset it, or let a variable of your own begin with something else than EVENT_".into()
            }
            StartupProblem::UnknownLayerTarget { method, nearest, .. } => {
                format!("write `.{method}(\"{}\", ..)`", nearest.as_deref().unwrap_or(".."))
            }
            StartupProblem::Provider(_) => "mend what `.state_with(..)` does".into(),
        }
    }

    /// What of the user's it is about; empty when it has no place in the code.
    #[must_use]
    pub fn places(&self) -> Vec<Place> {
        match self {
            StartupProblem::DuplicateHandlers { handlers, .. } => {
                handlers.iter().map(|handler| Place::from(*handler)).collect()
            }
            StartupProblem::MissingState { handler, .. } => vec![Place::from(*handler)],
            StartupProblem::UnknownLayerTarget { place, .. } => vec![place.clone()],
            _ => Vec::new(),
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

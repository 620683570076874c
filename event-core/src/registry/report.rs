//! Everything that keeps a service from starting, in one report.

use std::fmt;

use crate::broker::BrokerError;
use crate::handler::HandlerRegistration;

/// One reason not to start.
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
    /// A layer is for a topic or a handler that is not there.
    UnknownLayerTarget {
        /// The app's method that added it: `layer_topic` or `layer_handler`.
        method: &'static str,
        /// Where it was added.
        place: String,
        /// The topic or the handler's id.
        name: String,
        /// The known one that is most like it.
        nearest: Option<String>,
    },
    /// What the user's code gives to the app at start-up could not be made.
    Provider(String),
}

/// Everything found at start-up. Its `Display` is what the person at the terminal reads.
#[derive(Clone, Default)]
pub struct StartupReport {
    problems: Vec<StartupProblem>,
}

impl StartupReport {
    /// Collects `problems`.
    #[must_use]
    pub fn new(problems: Vec<StartupProblem>) -> Self {
        StartupReport { problems }
    }

    /// Everything found, in the order of the report.
    #[must_use]
    pub fn problems(&self) -> &[StartupProblem] {
        &self.problems
    }

    /// The exit code of a service that does not start: 2.
    pub const EXIT_CODE: u8 = 2;

    /// Ok when there is nothing to report.
    ///
    /// # Errors
    ///
    /// The report itself.
    pub fn into_result(self) -> Result<(), StartupReport> {
        if self.problems.is_empty() { Ok(()) } else { Err(self) }
    }
}

impl std::error::Error for StartupReport {}

// A test that unwraps it shows the report and not its parts.
impl fmt::Debug for StartupReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl fmt::Display for StartupReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let count = self.problems.len();
        write!(f, "cannot start: {count} problem{}", if count == 1 { "" } else { "s" })?;
        for (index, problem) in self.problems.iter().enumerate() {
            write!(f, "\n  {}. {problem}", index + 1)?;
        }
        Ok(())
    }
}

impl fmt::Display for StartupProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            StartupProblem::DuplicateHandlers { topic, event, group, handlers } => {
                let count = match handlers.len() {
                    2 => "two".to_owned(),
                    more => more.to_string(),
                };
                write!(f, "{count} handlers claim {topic} / {event} in group `{group}`")?;
                let width = handlers.iter().map(|h| h.name.len()).max().unwrap_or(0);
                for handler in handlers {
                    write!(f, "\n       {:width$}   {}", handler.name, handler.place())?;
                }
                help(f, "keep one and remove the others")
            }
            StartupProblem::MissingState { handler, type_name } => {
                let short = short_type(type_name);
                let (name, place) = (handler.name, handler.place());
                write!(f, "{name} ({place}) needs State<{short}>, which was never provided")?;
                help(f, "call `.state(..)` on the app with a value of that type")
            }
            StartupProblem::NoHandlers => {
                write!(f, "no event handler is linked into this binary")?;
                help(
                    f,
                    "annotate a function with `#[event_handler]`; for handlers in another crate write `event_core::link_handlers!(that_crate);`",
                )
            }
            StartupProblem::NoHandlersInModules { modules, known } => {
                write!(f, "no event handler is in the module {}", modules.join(" or "))?;
                help(
                    f,
                    &format!(
                        "`handlers_from` takes a module that has handlers: {}",
                        known.join(", ")
                    ),
                )
            }
            StartupProblem::UnlinkedCrate { name, named: false } => {
                write!(
                    f,
                    "crate `{name}` depends on event-core but registered no handler and no contract; the linker drops a crate that no code names"
                )?;
                help(
                    f,
                    &format!(
                        "write `event_core::link_handlers!({name});`, or `event_core::link_handlers!(except {name});` if it registers nothing on purpose"
                    ),
                )
            }
            StartupProblem::UnlinkedCrate { name, named: true } => {
                write!(
                    f,
                    "crate `{name}` is named in `link_handlers!` but registered no handler and no contract"
                )?;
                help(
                    f,
                    &format!(
                        "annotate a function in `{name}`, or write `event_core::link_handlers!(except {name});`"
                    ),
                )
            }
            StartupProblem::MissingTopic { topic, needed_for } => {
                write!(f, "topic `{topic}` does not exist; it is needed for {needed_for}")?;
                help(
                    f,
                    &format!(
                        "create it: `kafka-topics.sh --bootstrap-server .. --create --topic {topic}`"
                    ),
                )
            }
            StartupProblem::Broker(error) => {
                write!(f, "{error}")?;
                help(
                    f,
                    match error {
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
                    },
                )
            }
            StartupProblem::Setting { message, help: advice } => {
                write!(f, "{message}")?;
                help(f, advice)
            }
            StartupProblem::UnknownLayerTarget { method, place, name, nearest } => {
                let missing = match *method {
                    "layer_topic" => "which no handler listens to",
                    _ => "and no handler has this id",
                };
                write!(f, "`.{method}(\"{name}\", ..)` ({place}) is for `{name}`, {missing}")?;
                let nearest = nearest.as_deref().unwrap_or("..");
                help(f, &format!("write `.{method}(\"{nearest}\", ..)`"))
            }
            StartupProblem::Provider(message) => {
                write!(f, "{message}")?;
                help(f, "mend what `.state_with(..)` does")
            }
        }
    }
}

fn help(f: &mut fmt::Formatter<'_>, advice: &str) -> fmt::Result {
    write!(f, "\n     help: {advice}")
}

/// A type's name without the paths: `Option<Pool>` for `core::option::Option<db::Pool>`.
fn short_type(type_name: &str) -> String {
    let mut short = String::new();
    for part in
        type_name.split_inclusive(|c: char| !(c.is_alphanumeric() || matches!(c, '_' | ':')))
    {
        short.push_str(part.rsplit("::").next().unwrap_or(part));
    }
    short
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn types_are_named_without_their_paths() {
        assert_eq!(short_type("admin::domain::AuditLog"), "AuditLog");
        assert_eq!(
            short_type("alloc::sync::Arc<dyn a::B + core::marker::Send>"),
            "Arc<dyn B + Send>"
        );
        assert_eq!(short_type("(i32, core::option::Option<a::B>)"), "(i32, Option<B>)");
    }
}

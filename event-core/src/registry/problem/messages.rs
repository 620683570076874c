//! What a problem says, and what it says to do.

use std::collections::BTreeSet;
use std::time::Duration;

use event_names::duration_text;

use super::StartupProblem;
use crate::broker::BrokerError;
use crate::event::{NameError, TopicName, excerpt};
use crate::handler::HandlerRegistration;
use crate::registry::state_suggestion;

impl StartupProblem {
    /// What is wrong, with the values in it.
    #[must_use]
    pub fn message(&self) -> String {
        match self {
            StartupProblem::DuplicateHandlers { topic, event, group, handlers } => {
                let count = number(handlers.len());
                format!("{count} handlers claim {topic} / {event} in group `{group}`")
            }
            StartupProblem::CollidingIds { id, handlers } => {
                format!("{} handlers have the id `{id}`", number(handlers.len()))
            }
            StartupProblem::ContractShapes { contracts } => {
                let count = number(contracts.len());
                let event = contracts.first().map_or_else(String::new, |first| {
                    format!("{} / {} version {}", first.topic, first.name, first.version)
                });
                format!("{count} contracts of {event} differ in their data")
            }
            StartupProblem::ContractKeys { contracts } => {
                let event = contracts.first().map_or_else(String::new, |first| {
                    format!("{} / {} version {}", first.topic, first.name, first.version)
                });
                let keys: Vec<_> = contracts.iter().map(|c| c.key_on_the_wire()).collect();
                format!(
                    "{} contracts of {event} differ in their record key ({}), so that its records lose their order by key",
                    number(contracts.len()),
                    keys.join(", ")
                )
            }
            StartupProblem::EventLoop { handlers } => match &handlers[..] {
                [one] => format!("{} sends an event that it handles itself: an endless loop", one.name),
                several => format!(
                    "{} handlers send one another's events in a circle: an endless loop",
                    number(several.len())
                ),
            },
            StartupProblem::CollidingTopics { topics, .. } => format!(
                "topics {} differ only in `.` and `_`, so Kafka keeps no two of them",
                named(topics)
            ),
            StartupProblem::DeadLetterTopics { topic, group, handlers } => {
                let topics: BTreeSet<_> = handlers.iter().filter_map(|h| h.dead_letter).collect();
                format!(
                    "handlers of topic `{topic}` in group `{group}` name different dead-letter topics: {}",
                    named(&topics)
                )
            }
            StartupProblem::DeadLetterLoop { topics, .. } => format!(
                "the dead letters of {} come back to its handlers",
                topics.iter().map(|topic| format!("`{topic}`")).collect::<Vec<_>>().join(", by ")
            ),
            StartupProblem::TopicName { error, .. } => error.diagnostic().to_owned(),
            StartupProblem::DeadLetterName { topic, error, .. } => {
                derived_name("the dead-letter topic", topic, error)
            }
            StartupProblem::RedriveName { topic, error, .. } => {
                derived_name("the redrive topic", topic, error)
            }
            StartupProblem::RetryName { topic, error, .. } => {
                derived_name("a retry topic", topic, error)
            }
            StartupProblem::HandledDerivedTopic { topic, origin, purpose, .. } => {
                format!("topic `{topic}` takes the {purpose} of `{origin}`, and has handlers")
            }
            StartupProblem::MixedOrders { topic, group, partition, .. } => format!(
                "{} of topic `{topic}` in group `{group}` {} the order of the partition, others that of the key: a record in partition order waits for all records before it, and all records behind it wait for it",
                subject(partition),
                if partition.len() == 1 { "keeps" } else { "keep" },
            ),
            StartupProblem::LongTimeout { timeout, drain, handlers } => format!(
                "{} may take {} by {} `timeout`, but a shutdown waits {} (`drain`) and then cancels the attempts in flight",
                subject(handlers),
                shown(*timeout),
                if handlers.len() == 1 { "its" } else { "their" },
                shown(*drain),
            ),
            StartupProblem::TooConcurrent { concurrency, limit, handler } => format!(
                "{} has `concurrency = {concurrency}`, but no more than {limit} calls run at once (`max_concurrency`)",
                handler.name
            ),
            StartupProblem::UselessConcurrency { handler, source } => format!(
                "setting `concurrency` (from {source}) does nothing: {} keeps the order of the partition",
                handler.name
            ),
            StartupProblem::BlockingTimeout { handler, source } => format!(
                "setting `timeout` (from {source}) has no effect: {} is `blocking`, and nothing cancels it",
                handler.name
            ),
            StartupProblem::UnknownSettingTarget { table, name, source, .. } => {
                let missing = match *table {
                    "handlers" => "no handler has this id",
                    _ => "no handler listens to this topic",
                };
                format!(
                    "the settings have `[{table}.\"{}\"]` (in {source}), but {missing}",
                    excerpt(name, 64)
                )
            }
            StartupProblem::LonelyCatchAll { handler, .. } => format!(
                "{} takes every event of topic `{}`, of which no event is known here",
                handler.name, handler.topic
            ),
            StartupProblem::UntrueEmits { handler } => format!(
                "{} says with `emits(..)` what it sends, but takes State<EventProducer>, which sends anything",
                handler.name
            ),
            StartupProblem::ExcludedTopic { topic, source, .. } => {
                format!(
                    "topic `{topic}` has handlers, but is not in the setting `topics` (from {source})"
                )
            }
            StartupProblem::UnusedTopic { topic, source, .. } => {
                format!(
                    "topic `{topic}` is in the setting `topics` (from {source}), but no handler listens to it"
                )
            }
            StartupProblem::MissingState { handler, type_name, near: None }
                if is_own(handler, type_name) =>
            {
                format!("{} handles events by its value, which was never provided", handler.name)
            }
            StartupProblem::MissingState { handler, type_name, near: Some(near) }
                if is_own(handler, type_name) =>
            {
                let difference = state_suggestion::difference(type_name, near);
                format!("{} handles events by its value, {difference}", handler.name)
            }
            StartupProblem::MissingState { handler, type_name, near } => {
                let short = state_suggestion::short_type(type_name);
                let difference = near.map_or_else(
                    || "which was never provided".to_owned(),
                    |near| state_suggestion::difference(type_name, near),
                );
                format!("{} needs State<{short}>, {difference}", handler.name)
            }
            StartupProblem::DuplicateState { type_name, places } => {
                let times = match places.len() {
                    2 => "twice".to_owned(),
                    more => format!("{more} times"),
                };
                format!("state {} is provided {times}, but handlers get one value of a type", state_suggestion::short_type(type_name))
            }
            StartupProblem::SharedHandlers { services, handlers, .. } => {
                let handlers = match &handlers[..] {
                    [handler] => format!("the handler {handler}: its"),
                    several => format!("{} handlers, such as {}: their", several.len(), several.first().map_or("", String::as_str)),
                };
                format!(
                    "apps {} run in one process, and each has {handlers} events are handled by each",
                    services.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(" and ")
                )
            }
            StartupProblem::PanicAborts => {
                "this program is compiled with `panic = \"abort\"`: a panic in a handler ends the process, and its record is delivered again when it starts".into()
            }
            StartupProblem::NoHandlers => "no event handler is linked into this binary".into(),
            StartupProblem::NoHandlersInModules { modules, .. } => {
                format!("no event handler is in the module {}", modules.join(" or "))
            }
            StartupProblem::UnlinkedCrate { name, named: true, .. } => format!(
                "crate `{name}` is named in `link_handlers!` but registered no handler and no contract"
            ),
            StartupProblem::UnlinkedCrate { name, beside_binary, dependent, .. } => {
                let subject = match dependent {
                    Some(dependent) => format!("crate `{name}`, which `{dependent}` depends on,"),
                    None if *beside_binary => format!("library `{name}`, beside the binary `{name}`,"),
                    None => format!("crate `{name}`"),
                };
                format!(
                    "{subject} has handlers or contracts that are not in this binary: the linker drops a crate that no code uses"
                )
            }
            StartupProblem::AnotherEventCore { name, through, dependent, version } => {
                let through = through.map(|through| format!(", by way of `{through}`"));
                let used = dependent.map(|by| format!(", which `{by}` depends on"));
                let mut used: String = [through, used].into_iter().flatten().collect();
                used.push_str(if used.is_empty() { "" } else { "," });
                let own = env!("CARGO_PKG_VERSION");
                format!(
                    "crate `{name}`{used} registers with event-core {version}, and this app is made with event-core {own}: each sees only its own handlers and contracts"
                )
            }
            StartupProblem::UnnotedBinary => {
                "no macro of event-core stands in the crate of `main`, so a crate that the linker dropped with its handlers cannot be named".into()
            }
            StartupProblem::MissingTopic { topic, needed_for, .. } => {
                format!("topic `{topic}` does not exist; it is needed for {needed_for}")
            }
            StartupProblem::UncreatedTopic { topic, needed_for, error } => {
                format!(
                    "topic `{topic}`, needed for {needed_for}, cannot be created: {}",
                    error.reason()
                )
            }
            StartupProblem::UnreadTopic { topic, needed_for, error } => {
                format!("topic `{topic}`, needed for {needed_for}, is not read: {}", error.reason())
            }
            StartupProblem::Broker(error) => error.reason(),
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
            StartupProblem::LayerOfBatch { handler, .. } => format!(
                "`.layer_handler(\"{}\", ..)` is around one record, but {} takes several at once",
                handler.id(),
                handler.name
            ),
            StartupProblem::IgnoredVariable { name } => {
                format!("the variable {name} is not a setting and was ignored")
            }
        }
    }

    /// What to do about it, with the code to type where there is any.
    #[must_use]
    pub fn help(&self) -> String {
        match self {
            StartupProblem::DuplicateHandlers { event, handlers, .. } => {
                let takes_several = |h: &&HandlerRegistration| h.contracts().len() > 1;
                match handlers.iter().copied().find(takes_several) {
                    Some(sum) => format!(
                        "remove the others, or take the variant of {event} out of the sum of {}",
                        sum.name
                    ),
                    None => "keep one and remove the others; one with a `group = \"..\"` of its own gets the event too".into(),
                }
            }
            StartupProblem::CollidingIds { .. } => {
                "give one of them another id: `#[event_handler(.., id = \"..\")]`".into()
            }
            StartupProblem::ContractShapes { contracts } => {
                let next = contracts.first().map_or(2, |first| first.version.saturating_add(1));
                format!("keep one of them, or write `version = {next}` on the newer")
            }
            StartupProblem::ContractKeys { .. } => {
                "keep one of them, or write the same `key = ..` on each".into()
            }
            StartupProblem::EventLoop { .. } => {
                "send another event; if a condition ends the loop, ignore this warning".into()
            }
            StartupProblem::DuplicateState { .. } => {
                "remove one of the calls, or give each value a type of its own".into()
            }
            StartupProblem::SharedHandlers { .. } => {
                "give each app its own handlers with `.handlers_from(..)`".into()
            }
            StartupProblem::PanicAborts => {
                "remove `panic = \"abort\"` from the profile in `Cargo.toml`, so that a panic is a failure of its handler: retried, then dead-lettered".into()
            }
            StartupProblem::CollidingTopics { .. } => {
                "rename all but one; a dead-letter topic is renamed with `dead_letter = \"..\"`".into()
            }
            StartupProblem::DeadLetterLoop { .. } => {
                "name a topic with `dead_letter = \"..\"` that none of them listens to".into()
            }
            StartupProblem::DeadLetterTopics { .. } => {
                "write the same `dead_letter = \"..\"` on each, or on one of them only".into()
            }
            StartupProblem::TopicName { error, .. } => error.advice().to_owned(),
            StartupProblem::DeadLetterName { .. } => "write another `dead_letter = \"..\"`".into(),
            StartupProblem::RedriveName { .. } => format!(
                "shorten the topic to {} bytes or fewer, so that `_redrive` can be appended",
                TopicName::MAX_BYTES_TO_REDRIVE
            ),
            StartupProblem::RetryName { .. } => {
                "shorten the topic, or remove `topics` from `retry(..)`".into()
            }
            StartupProblem::HandledDerivedTopic { purpose: "dead letters", .. } => {
                "the commands under `dlq` show and redrive them; if the handlers are meant for dead letters, ignore this warning".into()
            }
            StartupProblem::HandledDerivedTopic { .. } => {
                "let the handlers listen to another topic; the service reads this one by itself".into()
            }
            StartupProblem::MixedOrders { .. } => {
                "write the same `order` on each, or give those of one order a `group = \"..\"` of their own".into()
            }
            StartupProblem::LongTimeout { timeout, .. } if *timeout <= LONGEST_DRAIN => format!(
                "write `drain = \"{}\"` (EVENT_DRAIN), or shorten the timeout",
                shown(*timeout)
            ),
            StartupProblem::LongTimeout { drain, .. } => {
                format!("shorten the timeout to `\"{}\"`", shown(*drain))
            }
            StartupProblem::TooConcurrent { concurrency, limit, .. } => format!(
                "write `concurrency = {limit}`, or `max_concurrency = {concurrency}` (EVENT_MAX_CONCURRENCY)"
            ),
            StartupProblem::UselessConcurrency { .. } => {
                "write `order = key` or `order = none` in its attribute, or remove the setting".into()
            }
            StartupProblem::BlockingTimeout { .. } => {
                "remove the setting, and limit what the function itself waits for".into()
            }
            StartupProblem::UnknownSettingTarget { table, nearest: Some(nearest), .. } => {
                format!("write `[{table}.\"{nearest}\"]`")
            }
            StartupProblem::UnknownSettingTarget { table, known, .. } => {
                let what = if *table == "handlers" { "ids" } else { "topics" };
                format!("the {what} are {}", known.join(", "))
            }
            StartupProblem::LonelyCatchAll { nearest: Some(nearest), .. } => {
                format!("did you mean `topic = \"{nearest}\"`?")
            }
            StartupProblem::LonelyCatchAll { nearest: None, .. } => {
                "check the spelling of the topic; if other services define its events, ignore this warning".into()
            }
            StartupProblem::UntrueEmits { handler } => {
                let events: Vec<_> =
                    handler.emits.unwrap_or_default().iter().map(|c| c.type_name).collect();
                match &events[..] {
                    [] => "take nothing to send with, or leave `emits(..)` out".to_owned(),
                    [one] => format!("take `Producer<{one}>` in its place"),
                    several => format!("take `Producer<({})>` in its place", several.join(", ")),
                }
            }
            StartupProblem::ExcludedTopic { .. } => {
                "add it to `topics` (EVENT_TOPICS), or leave its handlers out with `.handlers_from(..)` on the app".into()
            }
            StartupProblem::UnusedTopic { nearest: Some(nearest), .. } => {
                format!("did you mean `{nearest}`?")
            }
            StartupProblem::UnusedTopic { nearest: None, .. } => {
                "take it out of `topics` (EVENT_TOPICS)".into()
            }
            StartupProblem::MissingState { near: None, .. } => {
                "call `.state(..)` on the app with a value of that type".into()
            }
            StartupProblem::MissingState { handler, type_name, near: Some(near) }
                if is_own(handler, type_name) =>
            {
                state_suggestion::remedy_of_value(type_name, near)
            }
            StartupProblem::MissingState { type_name, near: Some(near), .. } => {
                state_suggestion::remedy(type_name, near)
            }
            StartupProblem::NoHandlers => {
                "annotate a function with `#[event_handler]`; for handlers in another crate write `event_core::link_handlers!(that_crate);`".into()
            }
            StartupProblem::NoHandlersInModules { modules, known } => {
                let mut known: Vec<_> = known.iter().map(|known| (distance(modules, known), known)).collect();
                known.sort_unstable();
                let such_as = if known.len() > NEAREST { " such as" } else { ":" };
                let nearest: Vec<_> = known.iter().take(NEAREST).map(|(_, known)| **known).collect();
                format!("`handlers_from` takes a module that has handlers{such_as} {}", nearest.join(", "))
            }
            StartupProblem::UnlinkedCrate { name, named: false, dependent: Some(dependent), .. } => format!(
                "write `use {name} as _;` in `{dependent}`, or depend on it in the `Cargo.toml` of this program and write `event_core::link_handlers!({name});`, or `event_core::link_handlers!(except {name});` if its handlers are not wanted"
            ),
            StartupProblem::UnlinkedCrate { name, named: false, .. } => format!(
                "write `event_core::link_handlers!({name});`, or `event_core::link_handlers!(except {name});` if they are not wanted"
            ),
            StartupProblem::UnlinkedCrate { name, named: true, .. } => format!(
                "annotate a function in `{name}`, or write `event_core::link_handlers!(except {name});`"
            ),
            StartupProblem::AnotherEventCore { .. } => {
                "ask for one version of event-core in every `Cargo.toml`; `cargo tree --duplicates` shows which crates ask for each".into()
            }
            StartupProblem::UnnotedBinary => {
                "put `#[event_core::main]` on `main`, or write `event_core::link_handlers!(..);` beside it with the crates that have handlers".into()
            }
            StartupProblem::MissingTopic { is_derived: true, .. } => {
                "run the command `topics create`, or write `create_topics = true` (EVENT_CREATE_TOPICS)".into()
            }
            StartupProblem::MissingTopic { topic, .. } => format!(
                "create it: `kafka-topics.sh --bootstrap-server .. --create --topic {topic}`, or the command `topics create`"
            ),
            StartupProblem::UncreatedTopic { topic, error, .. } => match error {
                BrokerError::Fixable { remedy, .. } => remedy.clone(),
                BrokerError::Unauthorised(_) => format!(
                    "grant this user `CREATE` on the topic, or create it as another user: `kafka-topics.sh --bootstrap-server .. --create --topic {topic}`"
                ),
                _ => format!(
                    "create it: `kafka-topics.sh --bootstrap-server .. --create --topic {topic}`"
                ),
            },
            StartupProblem::UnreadTopic { error: BrokerError::Unauthorised(_), .. } => {
                "grant the service `DESCRIBE` and `READ` on it and restart the service; what `dlq redrive` sends waits there until then".into()
            }
            StartupProblem::UnreadTopic { .. } => {
                "see the message of the broker; what `dlq redrive` sends waits there until it is read".into()
            }
            StartupProblem::Broker(error) => match error {
                BrokerError::Unreachable { .. } => {
                    "check that the broker runs and that `brokers` (EVENT_BROKERS) is its address"
                }
                BrokerError::Authentication { remedy, .. } | BrokerError::Fixable { remedy, .. } => {
                    remedy
                }
                BrokerError::Unauthorised(_) => {
                    "ask the cluster's administrator to grant it: `kafka-acls.sh --bootstrap-server .. --add --allow-principal User:.. --operation ..`"
                }
                BrokerError::Settings(_) => "fix it under `[kafka]`, or in its variable EVENT_KAFKA_..",
                BrokerError::Fatal(_) => "do what the message says, and start the service again",
                _ => "see the message of the broker",
            }
            .into(),
            StartupProblem::Setting { help, .. } => help.clone(),
            StartupProblem::IgnoredVariable { .. } => {
                "unset it, or rename your own variable so that it does not begin with EVENT_".into()
            }
            StartupProblem::UnknownLayerTarget { method, nearest, .. } => {
                format!("write `.{method}(\"{}\", ..)`", nearest.as_deref().unwrap_or(".."))
            }
            StartupProblem::LayerOfBatch { .. } => {
                "remove it, or let the handler take one record: `Event<T>` in place of `Batch<T>`".into()
            }
            StartupProblem::Provider(_) => "fix the future passed to `.state_with(..)`".into(),
        }
    }
}

// A topic of ours whose name, made of the topic's, is over the limit.
fn derived_name(what: &str, topic: &str, error: &NameError) -> String {
    let (topic, name, diagnostic) = (excerpt(topic, 64), error.name(), error.diagnostic());
    // Its end says what it is.
    let name = match name.char_indices().rev().nth(31) {
        Some((end, _)) if end > 32 => format!("{}{}", excerpt(name, 32), &name[end..]),
        _ => name.to_owned(),
    };
    format!("{what} of topic `{topic}` cannot be `{name}`: {diagnostic}")
}

// How many of the known modules a help names.
const NEAREST: usize = 3;

fn distance(modules: &[String], known: &str) -> usize {
    let distances = modules.iter().map(|module| strsim::damerau_levenshtein(module, known));
    distances.min().unwrap_or(0)
}

// Whether this state is the value that handles, which the attribute puts among the arguments.
fn is_own(handler: &HandlerRegistration, type_name: &str) -> bool {
    handler.arguments.iter().any(|argument| {
        let (_, of) =
            (argument.type_name)().split_once("::macro_support::Instance<").unwrap_or_default();
        of.strip_suffix('>') == Some(type_name)
    })
}

// The most that the setting `drain` takes.
const LONGEST_DRAIN: Duration = Duration::from_secs(240);

// One handler by its name, several by their number.
fn subject(handlers: &[&'static HandlerRegistration]) -> String {
    match handlers {
        [one] => one.name.to_owned(),
        several => format!("{} handlers", number(several.len())),
    }
}

fn shown(duration: Duration) -> String {
    let ms = u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
    duration_text(ms).as_str().to_owned()
}

fn number(count: usize) -> String {
    match count {
        2 => "two".to_owned(),
        more => more.to_string(),
    }
}

fn named<T: AsRef<str>>(names: impl IntoIterator<Item = T>) -> String {
    let names: Vec<_> = names.into_iter().map(|name| format!("`{}`", name.as_ref())).collect();
    names.join(", ")
}

//! What the code that our macros generate calls. Not for use by hand: it may change in any release.
//!
//! Everything with logic is here as an ordinary function, so that the expansion is data and calls.

pub use event_names::Kind;
pub use inventory;

pub use crate::event::{ContractField, ContractInfo, ContractRegistration, RecordKey};
pub use crate::extract::FromDelivery;
pub use crate::handler::{HandlerFuture, HandlerRegistration};
pub use crate::outcome::IntoOutcome;
pub use crate::registry::{BinaryRegistration, LinkedCrate};

use std::process::ExitCode;

use event_names::{Text, check};

use crate::app::exit;
use crate::event::assert_name;
use crate::outcome::Error;

/// Stands for a contract that does not compile, and agrees with everything.
pub const BROKEN_CONTRACT: &ContractInfo = &ContractInfo {
    topic: "",
    name: "",
    version: 1,
    type_name: "",
    key: None,
    fields: &[],
    object: false,
    empty: false,
    shape: 0,
    description: "",
    file: "",
    line: 0,
    module: "",
};

/// The one contract among the arguments of a handler.
#[must_use]
pub const fn contract_of(
    arguments: &[Option<&'static ContractInfo>],
) -> Option<&'static ContractInfo> {
    let mut index = 0;
    while index < arguments.len() {
        if arguments[index].is_some() {
            return arguments[index];
        }
        index += 1;
    }
    None
}

/// Refuses a handler whose attribute does not say its `missing` names when no contract does.
#[track_caller]
pub const fn require_contract(
    contract: Option<&'static ContractInfo>,
    handler: &str,
    missing: &str,
    write: &str,
) {
    if contract.is_none() {
        let message = Text::<512>::new()
            .push("`")
            .push_capped(handler, 64)
            .push("` does not say its ")
            .push(missing)
            .push(", and takes no contract that does\nhelp: write `")
            .push(write)
            .push("`, or take an `Event<..>`");
        panic!("{}", message.as_str());
    }
}

/// The contract's topic; [`require_contract`] has the complaint when there is none.
#[must_use]
pub const fn contract_topic(contract: Option<&'static ContractInfo>) -> &'static str {
    match contract {
        Some(contract) => contract.topic,
        None => "",
    }
}

/// The contract's event; [`require_contract`] has the complaint when there is none.
#[must_use]
pub const fn contract_event(contract: Option<&'static ContractInfo>) -> &'static str {
    match contract {
        Some(contract) => contract.name,
        None => "",
    }
}

/// Judges a topic whose value only the compiler knows, or that a contract has to agree with.
#[track_caller]
pub const fn judge_topic(
    topic: &str,
    event: Option<&str>,
    contract: Option<&'static ContractInfo>,
    handler: &str,
) {
    if let Some(event) = event
        && swapped(topic, event)
    {
        let message = Text::<512>::new()
            .push("topic `")
            .push_capped(topic, 64)
            .push("` and event `")
            .push_capped(event, 64)
            .push("` are swapped\nhelp: write each in the other's place");
        panic!("{}", message.as_str());
    }
    assert_name(Kind::Topic, topic);
    if let Some(contract) = contract {
        let names = (("topic", topic), ("topic", contract.topic));
        agree(Kind::Topic, names, contract.type_name, handler);
    }
}

/// Judges an event like [`judge_topic`], which reports the two swapped.
#[track_caller]
pub const fn judge_event(
    event: &str,
    topic: Option<&str>,
    contract: Option<&'static ContractInfo>,
    handler: &str,
) {
    if let Some(topic) = topic
        && swapped(topic, event)
    {
        return;
    }
    assert_name(Kind::Event, event);
    if let Some(contract) = contract {
        let names = (("event", event), ("name", contract.name));
        agree(Kind::Event, names, contract.type_name, handler);
    }
}

const fn swapped(topic: &str, event: &str) -> bool {
    check(Kind::Event, topic).is_ok() && check(Kind::Topic, event).is_ok()
}

#[track_caller]
const fn agree(
    kind: Kind,
    ((what, attribute), (key, contract)): ((&str, &str), (&str, &str)),
    type_name: &str,
    handler: &str,
) {
    // A contract's own mistake is reported where it is declared, and only there.
    if check(kind, contract).is_err() || same(attribute, contract) {
        return;
    }
    let message = Text::<1024>::new()
        .push("`")
        .push_capped(handler, 64)
        .push("` says ")
        .push(what)
        .push(" `")
        .push_capped(attribute, 64)
        .push("`, but its contract `")
        .push_capped(type_name, 64)
        .push("` has ")
        .push(key)
        .push(" `")
        .push_capped(contract, 64)
        .push("`\nhelp: write `")
        .push(what)
        .push(" = \"")
        .push(contract)
        .push("\"` or leave it out");
    panic!("{}", message.as_str());
}

const fn same(a: &str, b: &str) -> bool {
    let (a, b) = (a.as_bytes(), b.as_bytes());
    if a.len() != b.len() {
        return false;
    }
    let mut index = 0;
    while index < a.len() {
        if a[index] != b[index] {
            return false;
        }
        index += 1;
    }
    true
}

/// What a service's `main` may return.
#[diagnostic::on_unimplemented(
    message = "`main` cannot return `{Self}`",
    label = "not a result of `main`",
    note = "`main` returns `()`, or a `Result<(), E>` with any error; write `-> event_core::Result`"
)]
pub trait IntoMainExit {
    /// Prints an error and picks the exit code.
    fn into_exit(self) -> ExitCode;
}

impl IntoMainExit for () {
    fn into_exit(self) -> ExitCode {
        ExitCode::SUCCESS
    }
}

impl<E: Into<Box<dyn std::error::Error + Send + Sync>>> IntoMainExit for Result<(), E> {
    fn into_exit(self) -> ExitCode {
        exit(self.map_err(Error::from_boxed))
    }
}

/// Runs the body of `#[event_core::main]` on a multi-threaded runtime.
pub fn run_main<T: IntoMainExit>(body: impl Future<Output = T>) -> ExitCode {
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return exit(Err(error.into())),
    };
    let code = runtime.block_on(body).into_exit();
    // Dropping the runtime would wait for blocking threads without a limit, and a service that was
    // told to stop has to stop.
    runtime.shutdown_background();
    code
}

//! `contracts`: the events that are known, with their data.

use clap::Args;
use serde::Serialize;

use super::table::Table;
use crate::event::{ContractInfo, KeySource};
use crate::outcome::Error;
use crate::registry::Registry;

#[derive(Debug, Args)]
pub(super) struct ContractsArgs {
    /// Print JSON
    #[arg(long)]
    json: bool,
}

#[derive(Serialize)]
struct Contract {
    topic: &'static str,
    event: &'static str,
    version: u32,
    r#type: String,
    key: Option<Key>,
    headers: &'static [&'static str],
    fields: Vec<Field>,
    description: &'static str,
    source: String,
    /// The version that this one converts.
    upcasts: Option<u32>,
}

#[derive(Serialize)]
#[serde(rename_all = "snake_case")]
enum Key {
    Field(&'static str),
    Function(&'static str),
}

/// A field as it stands on the wire.
#[derive(Serialize)]
struct Field {
    name: &'static str,
    r#type: &'static str,
    required: bool,
}

pub(super) fn run(registry: &Registry, arguments: &ContractsArgs) -> Result<(), Error> {
    let contracts: Vec<Contract> = registry.contracts().iter().map(|c| describe(c)).collect();
    if arguments.json {
        say!("{}", serde_json::to_string_pretty(&contracts)?);
        return Ok(());
    }
    let header = ["TOPIC", "EVENT", "VERSION", "KEY", "FIELDS", "TYPE", "SOURCE", "DESCRIPTION"];
    let mut table = Table::new(&header);
    for contract in contracts {
        table.row([
            contract.topic.to_owned(),
            contract.event.to_owned(),
            contract.version.to_string(),
            match contract.key {
                None => String::new(),
                Some(Key::Field(path)) => path.to_owned(),
                Some(Key::Function(path)) => format!("{path}()"),
            },
            contract.fields.iter().map(shown).collect::<Vec<_>>().join(", "),
            contract.r#type,
            contract.source,
            contract.description.lines().next().unwrap_or_default().to_owned(),
        ]);
    }
    say!("{}", table.to_string().trim_end());
    Ok(())
}

fn describe(contract: &ContractInfo) -> Contract {
    let fields = contract.fields.iter().map(|field| Field {
        name: field.wire_name,
        r#type: field.type_name,
        required: field.required,
    });
    Contract {
        topic: contract.topic,
        event: contract.name,
        version: contract.version,
        r#type: format!("{}::{}", contract.module, contract.type_name),
        key: match contract.key {
            KeySource::None => None,
            KeySource::Field(path) => Some(Key::Field(path)),
            KeySource::Function(path) => Some(Key::Function(path)),
        },
        headers: contract.headers,
        fields: fields.collect(),
        description: contract.description,
        source: format!("{}:{}", contract.file, contract.line),
        upcasts: contract.older.map(|older| older.version),
    }
}

// `note?: String` may be absent.
fn shown(field: &Field) -> String {
    let may_be_absent = if field.required { "" } else { "?" };
    format!("{}{may_be_absent}: {}", field.name, field.r#type)
}

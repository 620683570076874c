//! `acls`: what a deployment needs on a secured cluster, as `kafka-acls` takes it.

use std::collections::{BTreeMap, BTreeSet};

use clap::{Args, ValueEnum};
use serde::Serialize;

use crate::app::{EventApp, Settings};
use crate::operations::{AclOperation, AclResource, AclUse, NeededAcl, needed_acls};
use crate::outcome::Error;

#[derive(Debug, Args)]
pub(super) struct AclsArgs {
    /// Who needs the ACLs: the service or commands, separated by commas
    #[arg(long = "for", value_enum, value_delimiter = ',', default_value = "run")]
    uses: Vec<Use>,
    /// The principal; default: `User:` and the service's name
    #[arg(long, value_name = "PRINCIPAL")]
    principal: Option<String>,
    /// The client configuration file of `kafka-acls`
    #[arg(long, value_name = "FILE")]
    command_config: Option<String>,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Use {
    /// The service, and making its topics where `create_topics` is set
    Run,
    /// `dlq ls` and `dlq show`
    DlqLs,
    /// All of `dlq`
    Dlq,
    /// `topics ls` and `topics create`
    Topics,
    /// `check --online`
    Check,
    Lag,
    Seek,
    Tail,
    Replay,
    Emit,
    /// All of these
    All,
}

impl Use {
    fn uses(self, settings: &Settings) -> Vec<AclUse> {
        match self {
            Use::Run if settings.create_topics => vec![AclUse::Run, AclUse::CreateTopics],
            Use::Run => vec![AclUse::Run],
            Use::DlqLs => vec![AclUse::DlqLs],
            Use::Dlq => vec![AclUse::DlqLs, AclUse::Dlq],
            Use::Topics => vec![AclUse::ListAndCreateTopics],
            Use::Check => vec![AclUse::Check],
            Use::Lag => vec![AclUse::Lag],
            Use::Seek => vec![AclUse::Seek],
            Use::Tail => vec![AclUse::Tail],
            Use::Replay => vec![AclUse::Replay],
            Use::Emit => vec![AclUse::EmitEvent],
            Use::All => AclUse::ALL.to_vec(),
        }
    }
}

#[derive(Serialize)]
struct Report {
    principal: String,
    acls: Vec<Acl>,
    /// Handlers of which it is not known what they send.
    sends_anything: Vec<String>,
}

#[derive(Serialize)]
struct Acl {
    resource_type: &'static str,
    name: String,
    pattern_type: &'static str,
    operations: Vec<&'static str>,
    needed_for: Vec<String>,
}

impl From<&NeededAcl> for Acl {
    fn from(acl: &NeededAcl) -> Self {
        let needed_for = acl.needed_for.iter();
        Acl {
            resource_type: match acl.resource {
                AclResource::Topic(_) => "topic",
                AclResource::Group(_) => "group",
            },
            name: acl.resource.to_string(),
            pattern_type: "literal",
            operations: acl.operations.iter().map(|operation| operation.name()).collect(),
            needed_for: needed_for
                .map(|(on, of)| format!("{}: {}", on.name(), of.name()))
                .collect(),
        }
    }
}

pub(super) fn run(app: &EventApp, settings: &Settings, arguments: &AclsArgs) -> Result<(), Error> {
    let registry = app.registry();
    let routers = app.routers(&settings.group);
    let uses: Vec<_> = arguments.uses.iter().flat_map(|one| one.uses(settings)).collect();
    let contracts = registry.contracts().iter().map(|contract| contract.topic_name());
    let contracts: Vec<_> = contracts.collect::<Result<_, _>>()?;
    let acls = needed_acls(registry.handlers(), &routers, &contracts, &uses)?;
    let principal =
        arguments.principal.clone().unwrap_or_else(|| format!("User:{}", app.service()));
    let runs_handlers = uses.iter().any(|one| matches!(one, AclUse::Run | AclUse::Replay));
    let sends_anything = registry.handlers().iter().filter(|one| one.sends().is_none());
    let sends_anything: Vec<_> =
        sends_anything.map(|one| one.id()).filter(|_| runs_handlers).collect();
    if arguments.json {
        let acls = acls.iter().map(Acl::from).collect();
        let report = Report { principal, acls, sends_anything };
        say!("{}", serde_json::to_string_pretty(&report)?);
        return Ok(());
    }
    let command = command(&settings.brokers, arguments.command_config.as_deref(), &principal);
    for line in lines(&acls) {
        say!("{command} {line}");
    }
    if acls.iter().any(|acl| acl.operations.contains(&AclOperation::Write)) {
        say!("# on brokers before 2.8, beside these:");
        say!("# {command} --operation IdempotentWrite --cluster");
    }
    for id in sends_anything {
        say!(
            "# what {id} sends is not known: add Write and Describe on the topics that it sends to, or `emits(..)` to its attribute"
        );
    }
    Ok(())
}

fn command(brokers: &str, config: Option<&str>, principal: &str) -> String {
    let config = config.map(|file| format!(" --command-config {}", quoted(file)));
    format!(
        "kafka-acls.sh --bootstrap-server {}{} --add --allow-principal {}",
        quoted(brokers),
        config.unwrap_or_default(),
        quoted(principal)
    )
}

/// One line for all resources of a kind that need the same.
fn lines(acls: &[NeededAcl]) -> Vec<String> {
    let mut alike = BTreeMap::<(&str, &BTreeSet<AclOperation>), Vec<String>>::new();
    for acl in acls {
        let (kind, name) = match &acl.resource {
            AclResource::Topic(topic) => ("--topic", topic.to_string()),
            AclResource::Group(group) => ("--group", quoted(group.as_str())),
        };
        alike.entry((kind, &acl.operations)).or_default().push(format!("{kind} {name}"));
    }
    let line = |((_, operations), resources): ((_, &BTreeSet<AclOperation>), Vec<String>)| {
        let operations = operations.iter().map(|one| format!("--operation {}", one.name()));
        operations.chain(resources).collect::<Vec<_>>().join(" ")
    };
    // Topics, then groups.
    alike.into_iter().rev().map(line).collect()
}

/// As a shell takes it for one word.
fn quoted(text: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "._-:,/@=+".contains(c);
    if !text.is_empty() && text.chars().all(is_plain) {
        return text.to_owned();
    }
    format!("'{}'", text.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use super::quoted;

    #[test]
    fn what_a_shell_would_take_apart_is_quoted() {
        assert_eq!(quoted("User:admin"), "User:admin");
        assert_eq!(quoted("User:CN=admin,O=it's us"), r"'User:CN=admin,O=it'\''s us'");
        assert_eq!(quoted("*"), "'*'");
        assert_eq!(quoted(""), "''");
    }
}

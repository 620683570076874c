//! Where the value of a setting comes from.

use std::collections::BTreeMap;

use config::{Config, ValueKind};

/// A setting's value as it was given, and by what.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Origin {
    /// The value as text.
    pub value: String,
    /// What gave it: `default`, the settings file with the line, a variable or a flag, as the user
    /// writes it.
    pub source: String,
}

/// Which properties of librdkafka are given, and by what.
pub(super) fn kafka_sources(merged: &Config) -> BTreeMap<String, String> {
    let ValueKind::Table(table) = &merged.cache.kind else { return BTreeMap::new() };
    let Some(ValueKind::Table(kafka)) = table.get("kafka").map(|value| &value.kind) else {
        return BTreeMap::new();
    };
    let sources = kafka
        .iter()
        .map(|(name, value)| (name.clone(), value.origin().unwrap_or("default").to_owned()));
    sources.collect()
}

/// The settings with one value, each with its origin. Those for librdkafka, which may be secrets, are
/// in a table and not among them.
pub(super) fn origins(merged: &Config) -> BTreeMap<&'static str, Origin> {
    let ValueKind::Table(table) = &merged.cache.kind else { return BTreeMap::new() };
    let origins = super::keys::KEYS.iter().filter_map(|key| {
        let value = table.get(key.name)?;
        let source = value.origin().unwrap_or("default").to_owned();
        Some((key.name, Origin { value: value.to_string(), source }))
    });
    origins.collect()
}

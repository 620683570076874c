//! Which arguments an attribute knows.

use proc_macro2::Ident;

/// What an attribute understands.
pub(crate) struct Keys {
    /// Its name, for messages.
    pub(crate) attribute: &'static str,
    /// The keys that take a value, with an example of it.
    pub(crate) known: &'static [(&'static str, &'static str)],
    /// The keys that stand alone.
    pub(crate) flags: &'static [&'static str],
    /// The keys that take a list, with an example of it.
    pub(crate) lists: &'static [(&'static str, &'static str)],
}

impl Keys {
    pub(super) fn all(&self) -> impl Iterator<Item = &'static str> + Clone {
        let named = |(key, _): &(&'static str, _)| *key;
        let lists = self.lists.iter().map(named);
        self.known.iter().map(named).chain(self.flags.iter().copied()).chain(lists)
    }

    // How `key` is written.
    pub(super) fn form(&self, key: &Ident) -> Option<String> {
        let find = |keys: &[(&str, &str)]| {
            keys.iter().find(|(known, _)| key == known).map(|(_, example)| (*example).to_owned())
        };
        find(self.known)
            .map(|example| format!("{key} = {example}"))
            .or_else(|| find(self.lists).map(|example| format!("{key}({example})")))
            .or_else(|| self.flags.iter().any(|flag| key == flag).then(|| key.to_string()))
    }
}

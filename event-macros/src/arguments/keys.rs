//! Which arguments an attribute knows.

use event_names::delivery::DELIVERY_KEYS;
use proc_macro2::Ident;
use quote::ToTokens;
use syn::Expr;

use crate::tokens::text_of;

/// What an attribute understands.
pub(crate) struct Keys {
    /// Its name, for messages: `#[event]`; or `retry`, a list in an attribute.
    pub(crate) attribute: &'static str,
    /// The keys that take a value, with an example of it.
    pub(crate) known: &'static [(&'static str, &'static str)],
    /// The keys that stand alone.
    pub(crate) flags: &'static [&'static str],
    /// The keys that take a list, with an example of it. A key may take either.
    pub(crate) lists: &'static [(&'static str, &'static str)],
}

impl Keys {
    pub(super) fn all(&self) -> impl Iterator<Item = &'static str> + Clone {
        let named = |(key, _): &(&'static str, _)| *key;
        let lists = self.lists.iter().map(named);
        let lists = lists.filter(|list| !self.takes_value(list));
        self.known.iter().map(named).chain(self.flags.iter().copied()).chain(lists)
    }

    // The same and `crate`, which every attribute takes, but no list in one.
    pub(super) fn all_and_crate(&self) -> impl Iterator<Item = &'static str> + Clone {
        self.all().chain(self.takes_crate().then_some("crate"))
    }

    pub(super) fn takes_crate(&self) -> bool {
        self.attribute.starts_with('#')
    }

    pub(super) fn takes_value(&self, key: &str) -> bool {
        self.known.iter().any(|(known, _)| *known == key)
    }

    // The list that `key` belongs in, when it stands outside of it.
    pub(super) fn home(&self, key: &Ident) -> Option<&'static str> {
        let home = list_of(&key.to_string())?;
        self.lists.iter().map(|(list, _)| *list).find(|list| *list == home)
    }

    // Where `key` belongs, when that is another attribute or outside of this list.
    pub(super) fn elsewhere(&self, key: &Ident, value: Option<&Expr>) -> Option<String> {
        let word = key.to_string();
        if self.takes_crate() {
            return match self.attribute {
                "#[event]" if is_of_handler(&word) || is_list(&word) => {
                    Some(format!("`{key}` stands in the `#[event_handler(..)]` of a handler"))
                }
                "#[event_handler]" if OF_CONTRACT.contains(&&*word) => {
                    Some(format!("`{key}` stands in the `#[event(..)]` of the contract"))
                }
                _ => None,
            };
        }
        let written = match value {
            Some(value) => format!("{key} = {}", text_of(value.to_token_stream())),
            None => word.clone(),
        };
        let list = self.attribute;
        if let Some(home) = list_of(&word) {
            return Some(format!("write `{home}({written})` beside `{list}(..)`"));
        }
        is_of_handler(&word).then(|| format!("write `{written}` beside `{list}(..)`"))
    }

    // What stands in the list `key`, when that is arguments again.
    pub(super) fn arguments_in(&self, key: &Ident) -> Option<&'static str> {
        let list = self.lists.iter().find(|(list, _)| key == list);
        list.map(|(_, example)| *example).filter(|example| example.contains('='))
    }

    /// Its first two keys with their examples.
    pub(crate) fn arguments(&self) -> &'static str {
        let pairs = self.known.iter().take(2).map(|(key, example)| format!("{key} = {example}"));
        pairs.collect::<Vec<_>>().join(", ").leak()
    }

    /// How `key` is written with a value.
    pub(super) fn example(&self, key: &str) -> String {
        let example = self.known.iter().find(|(known, _)| *known == key);
        format!("{key} = {}", example.map_or("..", |(_, example)| *example))
    }

    // How `key` is written.
    pub(super) fn form(&self, key: &Ident) -> Option<String> {
        let find = |keys: &[(&str, &str)]| {
            keys.iter().find(|(known, _)| key == known).map(|(_, example)| (*example).to_owned())
        };
        find(self.lists)
            .map(|example| format!("{key}({example})"))
            .or_else(|| find(self.known).map(|example| format!("{key} = {example}")))
            .or_else(|| self.flags.iter().any(|flag| key == flag).then(|| key.to_string()))
    }
}

const OF_CONTRACT: [&str; 4] = ["key", "version", "upcasts", "headers"];

// Whether it is a key of a handler's attribute, and of no other.
fn is_of_handler(key: &str) -> bool {
    let of_delivery = DELIVERY_KEYS.iter().any(|known| known.list.is_empty() && known.key == key);
    of_delivery || ["blocking", "dead_letter", "emits", "id"].contains(&key)
}

fn is_list(key: &str) -> bool {
    !key.is_empty() && DELIVERY_KEYS.iter().any(|known| known.list == key)
}

// The list of a handler's attribute that has this key, which is likely enough to stand for no other.
fn list_of(key: &str) -> Option<&'static str> {
    let known = DELIVERY_KEYS.iter().find(|known| known.key == key && !known.list.is_empty())?;
    (!["on", "topics"].contains(&key)).then_some(known.list)
}

/// The one of `known` that `word` is most likely a misspelling of.
pub(crate) fn nearest<'k>(word: &str, known: impl IntoIterator<Item = &'k str>) -> Option<&'k str> {
    let near = |known: &&str| {
        let distance = strsim::damerau_levenshtein(word, known);
        let begins = known.starts_with(word) || known.len() >= 3 && word.starts_with(known);
        (begins || distance <= known.len().max(word.len()) / 3).then_some(distance)
    };
    known.into_iter().filter_map(|k| near(&k).map(|d| (d, k))).min().map(|(_, known)| known)
}

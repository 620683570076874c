//! The arguments by key, and what is wrong with them.

use proc_macro2::{Group, Ident};
use quote::{ToTokens, quote};
use syn::{Expr, Lit, Path};

use super::{Argument, Arguments, CRATE_HELP, Keys, nearest};
use crate::diagnostics::Diagnostics;
use crate::tokens::text_of;

/// The arguments by key.
#[derive(Default)]
pub(crate) struct AttributeArgs {
    values: Vec<(Ident, Expr)>,
    flags: Vec<Ident>,
    lists: Vec<(Ident, Group)>,
    root: Option<(Ident, Path)>,
    // Keys that a mistake stands for: `topc = ".."` means that `topic` is not missing.
    meant: Vec<&'static str>,
}

impl AttributeArgs {
    /// Sorts `arguments` by key and complains about those that `keys` does not know.
    pub(crate) fn parse(arguments: Arguments, keys: &Keys, diagnostics: &mut Diagnostics) -> Self {
        let mut args = AttributeArgs::default();
        for argument in arguments.0 {
            match argument {
                Argument::Pair { key, value } => args.pair(key, value, keys, diagnostics),
                Argument::Crate { key, path } if !keys.takes_crate() => {
                    args.unknown(&key, Some(&syn::parse_quote!(#path)), keys, diagnostics);
                }
                Argument::Crate { key, path } => {
                    if args.root.is_some() {
                        let path = text_of(path.to_token_stream());
                        let help = format!("remove `crate = {path}`");
                        diagnostics.add(&key, "`crate` is given twice", help);
                    }
                    args.root = Some((key, path));
                }
                Argument::Bare(key) => args.bare(key, keys, diagnostics),
                Argument::List { key, list } => args.list_of(key, list, keys, diagnostics),
                Argument::Malformed { key, value, error } => {
                    args.malformed(&key, value.as_ref(), &error, keys, diagnostics);
                }
                Argument::Literal(literal) => args.literal(&literal, keys, diagnostics),
                Argument::Unreadable { error, help } => {
                    args.means_anything(keys);
                    let example = keys.known.first();
                    let help =
                        help.or(example.map(|(key, value)| format!("write `{key} = {value}`")));
                    diagnostics.add_at(error.span(), &error, help.as_deref().unwrap_or(CRATE_HELP));
                }
            }
        }
        args
    }

    /// The value of `key`.
    pub(crate) fn value(&self, key: &str) -> Option<&Expr> {
        self.values.iter().find(|(name, _)| name == key).map(|(_, value)| value)
    }

    /// Where the key of a value stands.
    pub(crate) fn key(&self, key: &str) -> Option<&Ident> {
        self.values.iter().find(|(name, _)| name == key).map(|(key, _)| key)
    }

    /// The help that takes out what stands under `key`, a flag or a value.
    pub(crate) fn removal(&self, key: &Ident) -> String {
        match self.value(&key.to_string()) {
            Some(value) => format!("remove `{key} = {}`", text_of(value.to_token_stream())),
            None => format!("remove `{key}`"),
        }
    }

    /// Whether there is nothing at all, not even a mistake.
    pub(crate) fn says_nothing(&self) -> bool {
        let nothing = self.values.is_empty() && self.flags.is_empty() && self.lists.is_empty();
        nothing && self.root.is_none() && self.meant.is_empty()
    }

    /// Where `crate` stands.
    pub(crate) fn root_key(&self) -> Option<&Ident> {
        self.root.as_ref().map(|(key, _)| key)
    }

    /// Where the flag `key` stands.
    pub(crate) fn flag(&self, key: &str) -> Option<&Ident> {
        self.flags.iter().find(|flag| *flag == key)
    }

    /// Whether the flag `key` is given, or meant by a mistake that was already complained about.
    pub(crate) fn means(&self, key: &str) -> bool {
        self.flag(key).is_some() || self.meant.contains(&key)
    }

    /// What `key(..)` lists, as it stands.
    pub(crate) fn list(&self, key: &str) -> Option<(&Ident, &Group)> {
        let found = self.lists.iter().find(|(name, _)| name == key);
        found.map(|(key, list)| (key, list))
    }

    /// Whether `key` is neither given nor meant by a mistake that was already complained about.
    pub(crate) fn lacks(&self, key: &str) -> bool {
        self.value(key).is_none() && !self.meant.contains(&key)
    }

    /// The path that stands for this framework.
    pub(crate) fn root(&self) -> Path {
        match &self.root {
            Some((_, path)) => path.clone(),
            None => syn::parse_quote!(::event_core),
        }
    }

    /// Whether that path is certain, and not hidden by a mistake.
    pub(crate) fn root_is_known(&self) -> bool {
        self.root.is_some() || !self.meant.contains(&"crate")
    }

    // Whether `key` is given, as a value or as a list.
    fn has(&self, key: &Ident) -> bool {
        let key = key.to_string();
        self.value(&key).is_some() || self.list(&key).is_some()
    }

    fn pair(&mut self, key: Ident, value: Expr, keys: &Keys, diagnostics: &mut Diagnostics) {
        if !keys.known.iter().any(|(known, _)| key == known) {
            return self.not_a_pair(&key, &value, keys, diagnostics);
        }
        if self.has(&key) {
            let help = format!("remove `{key} = {}`", text_of(value.to_token_stream()));
            diagnostics.add(&key, format!("`{key}` is given twice"), help);
        } else {
            self.values.push((key, value));
        }
    }

    // A flag or a list that is written with a value.
    fn not_a_pair(
        &mut self,
        key: &Ident,
        value: &Expr,
        keys: &Keys,
        diagnostics: &mut Diagnostics,
    ) {
        let (what, help) = if keys.flags.iter().any(|flag| key == flag) {
            // `retry = "30s"` means `retry_after`.
            let longer = keys.known.iter().find(|(k, _)| k.starts_with(&format!("{key}_")));
            let help = match longer {
                Some((longer, _)) => {
                    format!("write `{longer} = {}`", text_of(value.to_token_stream()))
                }
                None => format!("write `{key}`"),
            };
            (format!("`{key}` stands alone, without a value"), help)
        } else if keys.lists.iter().any(|(list, _)| key == list) {
            let inside = match keys.arguments_in(key) {
                Some(example) => example.to_owned(),
                None => text_of(value.to_token_stream()),
            };
            (format!("`{key}` is a list"), format!("write `{key}({inside})`"))
        } else {
            return self.unknown(key, Some(value), keys, diagnostics);
        };
        self.meant.extend(keys.all().filter(|known| key == known));
        diagnostics.add(quote!(#key #value), what, help);
    }

    fn bare(&mut self, key: Ident, keys: &Keys, diagnostics: &mut Diagnostics) {
        if key == "crate" && keys.takes_crate() {
            self.meant.push("crate");
            return diagnostics.add(&key, "`crate` has no value", CRATE_HELP);
        }
        if keys.flags.iter().any(|flag| key == flag) {
            if self.flag(&key.to_string()).is_some() {
                diagnostics.add(&key, format!("`{key}` is given twice"), format!("remove `{key}`"));
            }
            return self.flags.push(key);
        }
        self.no_value(&key, keys, diagnostics);
    }

    fn list_of(&mut self, key: Ident, list: Group, keys: &Keys, diagnostics: &mut Diagnostics) {
        let is_list = keys.lists.iter().any(|(known, _)| key == known);
        if is_list && self.has(&key) {
            let help = format!("remove `{}`", text_of(quote!(#key #list)));
            diagnostics.add(quote!(#key #list), format!("`{key}` is given twice"), help);
        } else if is_list {
            self.lists.push((key, list));
        } else if keys.flags.iter().any(|flag| key == flag) {
            self.meant.extend(keys.all().filter(|known| key == known));
            let what = format!("`{key}` stands alone, without a list");
            diagnostics.add(quote!(#key #list), what, format!("write `{key}`"));
        } else if keys.known.iter().any(|(known, _)| key == known) {
            self.meant.extend(keys.all().filter(|known| key == known));
            let value = text_of(list.stream());
            let what = format!("`{key}` has a value, not a list");
            diagnostics.add(quote!(#key #list), what, format!("write `{key} = {value}`"));
        } else {
            self.no_value(&key, keys, diagnostics);
        }
    }

    fn no_value(&mut self, key: &Ident, keys: &Keys, diagnostics: &mut Diagnostics) {
        match keys.form(key) {
            Some(form) => {
                self.meant.extend(keys.all().filter(|known| key == known));
                let what = if keys.lists.iter().any(|(known, _)| key == known) {
                    format!("`{key}` has no list")
                } else {
                    format!("`{key}` has no value")
                };
                diagnostics.add(key, what, format!("write `{form}`"));
            }
            None => self.unknown(key, None, keys, diagnostics),
        }
    }

    fn malformed(
        &mut self,
        key: &Ident,
        value: Option<&Expr>,
        error: &syn::Error,
        keys: &Keys,
        diagnostics: &mut Diagnostics,
    ) {
        let known = keys.known.iter().find(|(known, _)| key == known);
        let help = match (known, value) {
            _ if key == "crate" && keys.takes_crate() => CRATE_HELP.to_owned(),
            (None, _) => return self.unknown(key, None, keys, diagnostics),
            (Some(_), Some(value)) => {
                format!("write `{key} = {}`", text_of(value.to_token_stream()))
            }
            (Some((_, example)), None) => format!("write `{key} = {example}`"),
        };
        // The rest up to the next comma is skipped, and may hold any other key.
        self.means_anything(keys);
        diagnostics.add_at(error.span(), error, help);
    }

    fn unknown(
        &mut self,
        key: &Ident,
        value: Option<&Expr>,
        keys: &Keys,
        diagnostics: &mut Diagnostics,
    ) {
        let what = format!("`{key}` is not a key of `{}`", keys.attribute);
        if let (Some(list), Some(value)) = (keys.home(key), value) {
            let shown = text_of(value.to_token_stream());
            let help = format!("write `{list}({key} = {shown})`");
            self.meant.push(list);
            return diagnostics.add(quote!(#key #value), what, help);
        }
        if let Some(home) = keys.elsewhere(key, value) {
            self.means_anything(keys);
            return diagnostics.add(key, what, home);
        }
        let known = keys.all_and_crate();
        // A contract has a `name`, a handler an `event`: each is often written for the other.
        let other = match key.to_string().as_str() {
            "event" => known.clone().find(|known| *known == "name"),
            "name" => known.clone().find(|known| *known == "event"),
            _ => None,
        };
        match other.or_else(|| nearest(&key.to_string(), known.clone())) {
            Some(near) => {
                self.meant.push(near);
                diagnostics.add(key, what, format!("write `{near}`"));
            }
            None => {
                self.means_anything(keys);
                let known = known.map(|known| format!("`{known}`")).collect::<Vec<_>>();
                let known = format!("the keys are {}", known.join(", "));
                let help = match value.map(|value| text_of(value.to_token_stream())) {
                    Some(value) => format!("remove `{key} = {value}`; {known}"),
                    None => known,
                };
                diagnostics.add(key, what, help);
            }
        }
    }

    fn literal(&mut self, literal: &Lit, keys: &Keys, diagnostics: &mut Diagnostics) {
        let is_event = matches!(literal, Lit::Str(text)
            if event_names::check(event_names::Kind::Event, &text.value()).is_ok());
        // The keys of names begin with the topic, then the event.
        let is_text = matches!(literal, Lit::Str(_));
        let mut alike = keys.known.iter().filter(|(_, like)| like.starts_with('"') == is_text);
        let second = if is_event { alike.clone().nth(1) } else { None };
        let Some((key, _)) = second.or_else(|| alike.next()).or(keys.known.first()) else {
            let text = literal.to_token_stream();
            let what = format!("`{}` takes no value without a key", keys.attribute);
            return diagnostics.add(literal, what, format!("remove `{text}`"));
        };
        self.meant.push(key);
        let literal_text = literal.to_token_stream();
        let what = format!("{literal_text} stands without a key");
        diagnostics.add(literal, what, format!("write `{key} = {literal_text}`"));
    }

    // A mistake that could have been any argument: nothing is reported as missing after it.
    fn means_anything(&mut self, keys: &Keys) {
        let flags = keys.flags;
        self.meant.extend(keys.all_and_crate().filter(|key| !flags.contains(key)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proc_macro2::TokenStream;

    const KEYS: Keys = Keys {
        attribute: "#[event_handler]",
        known: &[("topic", "\"role_events\""), ("event", "\"CLAIM_ADDED\"")],
        flags: &["blocking"],
        lists: &[("emits", "ClaimAdded")],
    };

    fn parsed(tokens: TokenStream) -> (AttributeArgs, Vec<String>) {
        let mut diagnostics = Diagnostics::default();
        let args = AttributeArgs::parse(Arguments::read(tokens), &KEYS, &mut diagnostics);
        (args, diagnostics.messages())
    }

    #[test]
    fn values_are_found_by_key_in_any_order() {
        let (args, diagnostics) =
            parsed(quote!(event = "CLAIM_ADDED", topic = TOPIC, crate = a::b));
        assert!(diagnostics.is_empty(), "{diagnostics:?}");
        assert!(args.value("topic").is_some() && args.value("event").is_some());
        assert_eq!(crate::tokens::text_of(args.root().to_token_stream()), "a::b");
    }

    #[test]
    fn each_mistake_gets_one_diagnostic_and_the_rest_is_still_read() {
        let (args, diagnostics) =
            parsed(quote!(topc = "role_events", event, topic = "a", topic = "b", 5 5, event = ));
        let first_lines: Vec<_> = diagnostics.iter().map(|c| c.lines().next().unwrap()).collect();
        assert_eq!(
            first_lines,
            [
                "`topc` is not a key of `#[event_handler]`",
                "`event` has no value",
                "`topic` is given twice",
                "5 stands without a key",
                "a `,` is missing",
                "`event` has no value",
            ]
        );
        assert!(!args.lacks("topic") && !args.lacks("event"));
    }

    #[test]
    fn a_misspelt_key_names_the_nearest_and_a_strange_one_lists_all() {
        let help = |tokens| parsed(tokens).1[0].lines().last().unwrap().to_owned();
        assert_eq!(help(quote!(topc = "a")), "help: write `topic`");
        assert_eq!(help(quote!(evnet = "a")), "help: write `event`");
        assert_eq!(help(quote!(name = "a")), "help: write `event`");
        assert_eq!(
            help(quote!(colour = "a")),
            "help: remove `colour = \"a\"`; the keys are `topic`, `event`, `blocking`, `emits`, `crate`"
        );
        assert_eq!(
            help(quote!(colour)),
            "help: the keys are `topic`, `event`, `blocking`, `emits`, `crate`"
        );
    }

    #[test]
    fn a_wrong_sign_or_value_is_one_mistake_of_its_key() {
        for (tokens, what, help) in [
            (quote!(topic: "a"), "`topic` is not followed by `=`", "write `topic = \"a\"`"),
            (quote!(topic "a"), "`topic` is not followed by `=`", "write `topic = \"a\"`"),
            (quote!(topic: T::A), "`topic` is not followed by `=`", "write `topic = T::A`"),
            (
                quote!(topic event = "A"),
                "`topic` is not followed by `=`",
                "write `topic = \"role_events\"`",
            ),
            (quote!(event = = "A"), "expected an expression", "write `event = \"A\"`"),
            (quote!(event => "A"), "expected an expression", "write `event = \"A\"`"),
            (quote!(event = ;), "expected an expression", "write `event = \"CLAIM_ADDED\"`"),
            (quote!(topc: "a"), "`topc` is not a key of `#[event_handler]`", "write `topic`"),
            (quote!(crate: a::b), "`crate` is not followed by `=`", CRATE_HELP),
        ] {
            let (args, diagnostics) = parsed(tokens);
            assert_eq!(diagnostics, [format!("{what}\nhelp: {help}")]);
            assert!(what.contains("topc") || !args.lacks("topic") && !args.lacks("event"));
        }
        let (_, diagnostics) = parsed(quote!(topic: "a", event: "A"));
        assert_eq!(diagnostics.len(), 2, "{diagnostics:?}");
    }

    #[test]
    fn a_flag_with_a_value_or_misspelt_is_meant_all_the_same() {
        for tokens in [quote!(blocking = true), quote!(blocking(true)), quote!(blockin)] {
            let (args, diagnostics) = parsed(tokens);
            assert_eq!(diagnostics.len(), 1, "{diagnostics:?}");
            assert!(args.means("blocking"));
        }
        assert!(!parsed(quote!(topic = "a")).0.means("blocking"));
    }

    #[test]
    fn the_help_of_a_text_without_a_key_names_the_key() {
        let (args, diagnostics) = parsed(quote!("role_events", "CLAIM_ADDED"));
        assert!(diagnostics[0].ends_with("help: write `topic = \"role_events\"`"));
        assert!(diagnostics[1].ends_with("help: write `event = \"CLAIM_ADDED\"`"));
        assert!(!args.lacks("topic") && !args.lacks("event"));
    }
}

//! Closed lists of names: enums whose variants are all the topics or events a team knows.
//!
//! A name that is on no list is a mistake of whoever wrote it, so the error says what was probably
//! meant.

use std::fmt;

use super::contract::same_letters;
use super::excerpt;

/// A closed list of topics, implemented by `#[derive(Topics)]` on an enum.
///
/// The derive gives the enum `ALL`, `iter` and `as_str` of its own, so that this trait is needed
/// only by what works with any list.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a list of topics",
    label = "not a list of topics",
    note = "put `#[derive(Topics)]` on `enum {Self}`; if it is a list of events, it belongs after `event =`"
)]
pub trait Topics: Sized + 'static {
    /// The names, in the order of the variants.
    const NAMES: &'static [&'static str];

    /// The variants, in their order.
    const ALL: &'static [Self];

    /// Whether a name of the list follows Kafka's rules instead of the convention.
    const FOREIGN_NAMES: bool;
}

/// A closed list of event names, implemented by `#[derive(Events)]` on an enum.
///
/// The derive gives the enum `ALL`, `iter` and `as_str` of its own, so that this trait is needed
/// only by what works with any list.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a list of events",
    label = "not a list of events",
    note = "put `#[derive(Events)]` on `enum {Self}`; if it is a list of topics, it belongs after `topic =`"
)]
pub trait Events: Sized + 'static {
    /// The names, in the order of the variants.
    const NAMES: &'static [&'static str];

    /// The variants, in their order.
    const ALL: &'static [Self];

    /// Whether a name of the list follows Kafka's rules instead of the convention.
    const FOREIGN_NAMES: bool;
}

// How much of an unknown name, and how many of the known ones, the error repeats.
const MAX_SHOWN_BYTES: usize = 64;
const MAX_SHOWN_NAMES: usize = 8;

/// A text that is no name of a closed list.
///
/// ```
/// #[derive(event_core::Topics, Debug)]
/// enum Topics {
///     RoleEvents,
///     UserEvents,
/// }
///
/// let error = "role_evnts".parse::<Topics>().unwrap_err();
/// assert_eq!(error.nearest(), Some("role_events"));
/// assert_eq!(
///     error.to_string(),
///     "`role_evnts` is not one of `Topics`; did you mean `role_events`?"
/// );
/// ```
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{shown}` is not one of `{list}`; {}", Advice(self))]
pub struct UnknownName {
    list: &'static str,
    names: &'static [&'static str],
    shown: String,
    nearest: Option<&'static str>,
}

impl UnknownName {
    /// Says that `name` is not among the `names` of the enum `list`.
    #[must_use]
    pub fn new(list: &'static str, names: &'static [&'static str], name: &str) -> Self {
        let shown = excerpt(name, MAX_SHOWN_BYTES);
        UnknownName { list, names, shown, nearest: nearest(names, name) }
    }

    /// The name of the list that was probably meant.
    #[must_use]
    pub fn nearest(&self) -> Option<&'static str> {
        self.nearest
    }

    /// All names of the list, in the order of the variants.
    #[must_use]
    pub fn known(&self) -> &'static [&'static str] {
        self.names
    }
}

struct Advice<'e>(&'e UnknownName);

impl fmt::Display for Advice<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(name) = self.0.nearest {
            return write!(f, "did you mean `{name}`?");
        }
        f.write_str("its names are ")?;
        let (shown, rest) = self.0.names.split_at(self.0.names.len().min(MAX_SHOWN_NAMES));
        for (index, name) in shown.iter().enumerate() {
            let comma = if index == 0 { "" } else { ", " };
            write!(f, "{comma}`{name}`")?;
        }
        match rest.len() {
            0 => Ok(()),
            more => write!(f, " and {more} more"),
        }
    }
}

// The same words in another form, or else the least misspelt, as long as two thirds are right.
fn nearest(names: &'static [&'static str], name: &str) -> Option<&'static str> {
    // Comparing takes time and memory by the length, and no name is longer.
    if name.len() > event_names::MAX_BYTES {
        return None;
    }
    if let Some(same) = names.iter().find(|known| same_letters(known, name)) {
        return Some(same);
    }
    let misspelt = names.iter().map(|known| (strsim::damerau_levenshtein(known, name), *known));
    let near = misspelt.filter(|(distance, known)| *distance <= known.len().max(name.len()) / 3);
    near.min_by_key(|(distance, _)| *distance).map(|(_, known)| known)
}

#[cfg(test)]
mod tests {
    use super::*;

    const NAMES: &[&str] = &["role_events", "user_events", "orders.v1"];

    fn say(name: &str) -> String {
        UnknownName::new("Topics", NAMES, name).to_string()
    }

    #[test]
    fn what_was_probably_meant_is_named() {
        for (name, meant) in [
            ("role_evnts", "role_events"),
            ("RoleEvents", "role_events"),
            ("USER-EVENTS", "user_events"),
            ("usr_events", "user_events"),
            ("orders_v1", "orders.v1"),
        ] {
            let message = format!("`{name}` is not one of `Topics`; did you mean `{meant}`?");
            assert_eq!(say(name), message);
        }
    }

    #[test]
    fn an_unlike_name_lists_all_names() {
        assert_eq!(
            say("colour"),
            "`colour` is not one of `Topics`; \
             its names are `role_events`, `user_events`, `orders.v1`"
        );
        assert!(say("").starts_with("`` is not one of `Topics`; its names are"));
    }

    #[test]
    fn long_lists_and_long_names_are_capped() {
        const MANY: &[&str] = &["a", "b", "c", "d", "e", "f", "g", "h", "i", "j"];
        let message = UnknownName::new("Topics", MANY, &"x\n".repeat(1 << 20)).to_string();
        assert!(message.contains("…` is not one of `Topics`"), "{message}");
        assert!(message.ends_with("`g`, `h` and 2 more"), "{message}");
        assert!(message.len() < 200, "{message}");
    }
}

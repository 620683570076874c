//! The one rule that topic and event names follow.
//!
//! A topic is lower snake case (`role_events`), an event upper snake case (`CLAIM_ADDED`),
//! and neither is longer than Kafka's 249 bytes for a topic. The macros apply the rule to
//! literals, the code they generate applies it to constants while compiling, and the runtime
//! applies it to what comes from settings. Everything here is `const`, so that all three
//! share these very functions and cannot drift apart.
//!
//! Names that others chose have to satisfy Kafka, and nothing else: [`check_foreign`].
//!
//! Durations are read here too, because they stand in attributes and in settings; and so are the keys of the attribute
//! that say how records are delivered: [`delivery`].

#![forbid(unsafe_code)]

pub mod delivery;
mod duration;
mod foreign;
mod text;

pub use duration::{
    DurationError, duration_text, meant_duration, meant_duration_range, meant_duration_ranges,
    meant_durations, parse_duration, parse_duration_range,
};
pub use foreign::{check_foreign, collide};
pub use text::{Text, same};

/// The longest topic or event name, in bytes: Kafka's own limit for a topic
/// (`Topic.MAX_NAME_LENGTH`).
pub const MAX_BYTES: usize = 249;

/// The two families of names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A Kafka topic: lower snake case.
    Topic,
    /// An event type: upper snake case.
    Event,
}

/// What a rejected name does wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Violation {
    /// The name has no bytes at all.
    Empty,
    /// The name has more than [`MAX_BYTES`] bytes.
    TooLong {
        /// Its length in bytes.
        bytes: usize,
    },
    /// A topic has the form of an event, or an event that of a topic.
    OtherKind,
    /// Anything else: wrong case, a foreign character, a stray underscore, a leading digit.
    Form,
    /// A topic is `.` or `..`, which Kafka refuses.
    Reserved,
    /// A character that not even a foreign name may have.
    Character {
        /// Where it begins, in bytes.
        at: usize,
    },
}

impl Kind {
    /// `"topic"` or `"event"`.
    #[must_use]
    pub const fn noun(self) -> &'static str {
        match self {
            Kind::Topic => "topic",
            Kind::Event => "event",
        }
    }

    /// The name of the case: `"lower snake case"` or `"upper snake case"`.
    #[must_use]
    pub const fn case(self) -> &'static str {
        match self {
            Kind::Topic => "lower snake case",
            Kind::Event => "upper snake case",
        }
    }

    /// A well-formed name of this kind, for messages.
    #[must_use]
    pub const fn example(self) -> &'static str {
        match self {
            Kind::Topic => "role_events",
            Kind::Event => "CLAIM_ADDED",
        }
    }

    const fn other(self) -> Kind {
        match self {
            Kind::Topic => Kind::Event,
            Kind::Event => Kind::Topic,
        }
    }

    const fn is_letter(self, byte: u8) -> bool {
        match self {
            Kind::Topic => byte.is_ascii_lowercase(),
            Kind::Event => byte.is_ascii_uppercase(),
        }
    }

    const fn cased(self, byte: u8) -> u8 {
        match self {
            Kind::Topic => byte.to_ascii_lowercase(),
            Kind::Event => byte.to_ascii_uppercase(),
        }
    }
}

/// Checks `name` against the rule: `[a-z][a-z0-9]*(_[a-z0-9]+)*` for a topic, the same in
/// upper case for an event, 1 to [`MAX_BYTES`] bytes.
///
/// # Errors
///
/// The first [`Violation`] found.
///
/// ```
/// use event_names::{check, Kind, Violation};
/// assert_eq!(check(Kind::Topic, "role_events"), Ok(()));
/// assert_eq!(check(Kind::Event, "claimAdded"), Err(Violation::Form));
/// ```
pub const fn check(kind: Kind, name: &str) -> Result<(), Violation> {
    if name.is_empty() {
        return Err(Violation::Empty);
    }
    if name.len() > MAX_BYTES {
        return Err(Violation::TooLong { bytes: name.len() });
    }
    if well_formed(kind, name.as_bytes()) {
        return Ok(());
    }
    if has_case(kind.other(), name.as_bytes()) && well_formed(kind.other(), name.as_bytes()) {
        return Err(Violation::OtherKind);
    }
    Err(Violation::Form)
}

/// The name that was probably meant: the same words in the right case. Empty when there is
/// none to offer.
///
/// ```
/// use event_names::{suggestion, Kind};
/// assert_eq!(suggestion(Kind::Topic, "RoleEvents").as_str(), "role_events");
/// assert_eq!(suggestion(Kind::Event, "claimAdded").as_str(), "CLAIM_ADDED");
/// ```
#[must_use]
pub const fn suggestion(kind: Kind, name: &str) -> Text<MAX_BYTES> {
    let bytes = name.as_bytes();
    let mut words = Text::new();
    let mut index = 0;
    while index < bytes.len() {
        let byte = bytes[index];
        if !byte.is_ascii() {
            return Text::new();
        }
        if byte.is_ascii_alphanumeric() && !(words.is_empty() && byte.is_ascii_digit()) {
            if !words.is_empty() && starts_word(bytes, index) {
                words = words.push_byte(b'_');
            }
            words = words.push_byte(kind.cased(byte));
        }
        index += 1;
    }
    if words.is_cut() || check(kind, words.as_str()).is_err() {
        return Text::new();
    }
    words
}

/// Says in one sentence what is wrong with `name`; long names are capped.
#[must_use]
pub const fn diagnostic(kind: Kind, name: &str, violation: Violation) -> Text<256> {
    let text = Text::new().push(kind.noun());
    match violation {
        Violation::Empty => text.push(" name is empty"),
        Violation::TooLong { bytes } => text
            .push(" name is ")
            .push_number(bytes)
            .push(" bytes long, the limit is ")
            .push_number(MAX_BYTES),
        Violation::OtherKind => text
            .push(" `")
            .push_capped(name, 64)
            .push("` has the form of ")
            .push(match kind {
                Kind::Topic => "an event",
                Kind::Event => "a topic",
            })
            .push(" name"),
        Violation::Form if begins_with_digit(name) => text
            .push(" `")
            .push_capped(name, 64)
            .push("` begins with a digit, and ")
            .push(kind.case())
            .push(" with a letter"),
        Violation::Form => {
            text.push(" `").push_capped(name, 64).push("` is not ").push(kind.case())
        }
        Violation::Reserved => {
            text.push(" name is `").push(name).push("`, but Kafka takes neither `.` nor `..`")
        }
        Violation::Character { at } => {
            let text = text.push(" `").push_escaped(name, 64).push(match kind {
                Kind::Topic => "` has the character `",
                Kind::Event => "` has the control character `",
            });
            text.push_escaped(foreign::character(name, at), 16).push(match kind {
                Kind::Topic => "`, but Kafka takes only letters, digits, `.`, `_` and `-`",
                Kind::Event => "`",
            })
        }
    }
}

/// The name that was probably meant by one with this `violation`. Empty when there is none to offer.
#[must_use]
pub const fn meant(kind: Kind, name: &str, violation: Violation) -> Text<MAX_BYTES> {
    match violation {
        // Without its number it would be another name.
        Violation::Form if begins_with_digit(name) => Text::new(),
        Violation::OtherKind | Violation::Form => suggestion(kind, name),
        Violation::Character { .. } => foreign::replaced(kind, name),
        Violation::Empty | Violation::TooLong { .. } | Violation::Reserved => Text::new(),
    }
}

/// Says what to write instead of `name`.
#[must_use]
pub const fn advice(kind: Kind, name: &str, violation: Violation) -> Text<320> {
    let text = Text::new();
    if let Violation::TooLong { .. } = violation {
        return text.push("shorten it to ").push_number(MAX_BYTES).push(" bytes or fewer");
    }
    if matches!(violation, Violation::Form) && begins_with_digit(name) {
        return text.push("begin it with a letter");
    }
    let meant = meant(kind, name, violation);
    if meant.is_empty() {
        return text
            .push("write words joined by underscores, like `\"")
            .push(kind.example())
            .push("\"`");
    }
    text.push("write `\"").push(meant.as_str()).push("\"`")
}

/// What else can be done than [`advice`] says, in the attribute that has the name: a name with a `.`,
/// a `-` or a digit at its beginning is often one that others chose. Empty for any other.
///
/// ```
/// use event_names::{other_way, Kind, Violation};
/// assert!(other_way(Kind::Topic, "orders.v1", Violation::Form).contains("`foreign_names`"));
/// assert!(other_way(Kind::Topic, "_schemas", Violation::Form).contains("`foreign_names`"));
/// assert_eq!(other_way(Kind::Topic, "RoleEvents", Violation::Form), "");
/// ```
#[must_use]
pub const fn other_way(kind: Kind, name: &str, violation: Violation) -> &'static str {
    let bytes = name.as_bytes();
    let (mut index, mut is_of_others) =
        (0, begins_with_digit(name) || begins_with_underscore(name));
    while index < bytes.len() {
        is_of_others |= matches!(bytes[index], b'.' | b'-');
        index += 1;
    }
    if is_of_others && matches!(violation, Violation::Form) && check_foreign(kind, name).is_ok() {
        ", or add `foreign_names` if others chose the name"
    } else {
        ""
    }
}

// As names of Kafka and of its tools do: `_schemas`.
const fn begins_with_underscore(name: &str) -> bool {
    !name.is_empty() && name.as_bytes()[0] == b'_'
}

const fn begins_with_digit(name: &str) -> bool {
    !name.is_empty() && name.as_bytes()[0].is_ascii_digit()
}

const fn well_formed(kind: Kind, bytes: &[u8]) -> bool {
    if bytes.is_empty() || !kind.is_letter(bytes[0]) || bytes[bytes.len() - 1] == b'_' {
        return false;
    }
    let mut index = 1;
    while index < bytes.len() {
        let byte = bytes[index];
        let joins = byte == b'_' && bytes[index - 1] != b'_';
        if !(kind.is_letter(byte) || byte.is_ascii_digit() || joins) {
            return false;
        }
        index += 1;
    }
    true
}

// One word alone is as likely a mistake of case (`CLAIM`, `claim`) as a swap, so only names
// of several words are taken for the other kind.
const fn has_case(kind: Kind, bytes: &[u8]) -> bool {
    let mut index = 0;
    let mut letter = false;
    let mut underscore = false;
    while index < bytes.len() {
        letter |= kind.is_letter(bytes[index]);
        underscore |= bytes[index] == b'_';
        index += 1;
    }
    letter && underscore
}

// Whether a word of a suggestion begins at `index`: after a separator, at a step from lower
// to upper case, and before the last capital of an acronym (`HTTPServer` is `http_server`).
const fn starts_word(bytes: &[u8], index: usize) -> bool {
    let (before, here) = (bytes[index - 1], bytes[index]);
    if !before.is_ascii_alphanumeric() {
        return true;
    }
    if !here.is_ascii_uppercase() {
        return false;
    }
    let next_is_lower = index + 1 < bytes.len() && bytes[index + 1].is_ascii_lowercase();
    !before.is_ascii_uppercase() || next_is_lower
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn well_formed_names_pass() {
        for name in ["a", "user_events", "a1", "v2_events", "events_2", "role_events_dlq"] {
            assert_eq!(check(Kind::Topic, name), Ok(()), "{name}");
            assert_eq!(check(Kind::Event, &name.to_ascii_uppercase()), Ok(()), "{name}");
        }
        assert_eq!(check(Kind::Topic, &"a".repeat(249)), Ok(()));
    }

    #[test]
    fn each_rule_is_enforced() {
        let long = "a".repeat(250);
        for (name, violation) in [
            ("", Violation::Empty),
            (long.as_str(), Violation::TooLong { bytes: 250 }),
            ("CLAIM_ADDED", Violation::OtherKind),
            ("RoleEvents", Violation::Form),
            ("role-events", Violation::Form),
            ("_role", Violation::Form),
            ("role_", Violation::Form),
            ("role__events", Violation::Form),
            ("1role", Violation::Form),
            ("rôle", Violation::Form),
            ("role events", Violation::Form),
            ("CLAIM", Violation::Form),
        ] {
            assert_eq!(check(Kind::Topic, name), Err(violation), "{name}");
        }
        assert_eq!(check(Kind::Event, "role_events"), Err(Violation::OtherKind));
    }

    #[test]
    fn suggestions_are_the_same_words_in_the_right_case() {
        for (name, topic) in [
            ("RoleEvents", "role_events"),
            ("role-events", "role_events"),
            ("_role", "role"),
            ("role__events", "role_events"),
            ("HTTPServer", "http_server"),
            ("orders.v1", "orders_v1"),
            ("CLAIM_ADDED", "claim_added"),
            ("2fast", "fast"),
            ("userID", "user_id"),
            ("rôle", ""),
            ("___", ""),
        ] {
            assert_eq!(suggestion(Kind::Topic, name).as_str(), topic, "{name}");
            assert_eq!(
                suggestion(Kind::Event, name).as_str(),
                topic.to_ascii_uppercase(),
                "{name}"
            );
        }
    }

    #[test]
    fn diagnostics_name_the_value_and_the_limit() {
        let long = "x".repeat(261);
        let say = |name: &str| {
            let violation = check(Kind::Topic, name).expect_err(name);
            let diagnostic = diagnostic(Kind::Topic, name, violation);
            let advice = advice(Kind::Topic, name, violation);
            format!("{}; {}", diagnostic.as_str(), advice.as_str())
        };
        assert_eq!(
            say(&long),
            "topic name is 261 bytes long, the limit is 249; shorten it to 249 bytes or fewer"
        );
        assert_eq!(
            say("RoleEvents"),
            "topic `RoleEvents` is not lower snake case; write `\"role_events\"`"
        );
        assert_eq!(
            say("rôle"),
            "topic `rôle` is not lower snake case; write words joined by underscores, like `\"role_events\"`"
        );
        assert_eq!(
            say("2fa_events"),
            "topic `2fa_events` begins with a digit, and lower snake case with a letter; begin it with a letter"
        );
    }

    #[test]
    fn a_long_name_is_capped_on_a_character_boundary() {
        let name = "é".repeat(100);
        let text = diagnostic(Kind::Topic, &name, Violation::Form);
        assert!(text.as_str().contains(&format!("{}…", "é".repeat(32))), "{}", text.as_str());
    }
}

//! Names that have rules: topics, events and consumer groups.
//!
//! A value of these types is always well formed, so nothing behind them checks again. A name that
//! others chose follows Kafka's rules instead of the convention; from then on it is a name like any.

use std::borrow::Borrow;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use event_names::{
    Kind, Violation, advice, check, check_foreign, diagnostic, duration_text, other_way,
};

use super::StrayCharacter;

/// Why a text is not a topic or event name.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{diagnostic}; {advice}")]
pub struct NameError {
    name: String,
    diagnostic: String,
    advice: String,
}

impl NameError {
    fn new(kind: Kind, name: &str, violation: Violation) -> Self {
        NameError {
            name: name.to_owned(),
            diagnostic: diagnostic(kind, name, violation).as_str().to_owned(),
            advice: advice(kind, name, violation).as_str().to_owned(),
        }
    }

    /// The text itself.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What is wrong, without what to write instead.
    #[must_use]
    pub fn diagnostic(&self) -> &str {
        &self.diagnostic
    }

    /// What to write instead, as a sentence.
    #[must_use]
    pub fn advice(&self) -> &str {
        &self.advice
    }
}

/// Refuses a name while compiling, in the words of [`NameError`] and the lines of our macros.
#[track_caller]
pub(crate) const fn assert_name(kind: Kind, name: &str) {
    let other = match check(kind, name) {
        Err(violation) => other_way(kind, name, violation),
        Ok(()) => "",
    };
    refuse(kind, name, check(kind, name), other);
}

/// Refuses, like [`assert_name`], a name that Kafka's own rules refuse.
#[track_caller]
pub(crate) const fn assert_foreign_name(kind: Kind, name: &str) {
    refuse(kind, name, check_foreign(kind, name), "");
}

#[track_caller]
const fn refuse(kind: Kind, name: &str, validated: Result<(), Violation>, other_way: &str) {
    if let Err(violation) = validated {
        let message = event_names::Text::<600>::new()
            .push(diagnostic(kind, name, violation).as_str())
            .push("\nhelp: ")
            .push(advice(kind, name, violation).as_str())
            .push(other_way);
        panic!("{}", message.as_str());
    }
}

fn validated(kind: Kind, name: &str, validated: Result<(), Violation>) -> Result<(), NameError> {
    validated.map_err(|violation| NameError::new(kind, name, violation))
}

#[derive(Clone)]
enum Text {
    Static(&'static str),
    Shared(Arc<str>),
}

impl Text {
    fn as_str(&self) -> &str {
        match self {
            Text::Static(text) => text,
            Text::Shared(text) => text,
        }
    }
}

macro_rules! name {
    ($(#[$doc:meta])* $Name:ident, $kind:expr) => {
        $(#[$doc])*
        #[derive(Clone)]
        pub struct $Name(Text);

        impl $Name {
            /// Takes a name known while compiling; a wrong one does not compile in a `const`.
            ///
            /// # Panics
            ///
            /// When `name` breaks the rule.
            #[must_use]
            #[track_caller]
            pub const fn from_static(name: &'static str) -> Self {
                assert_name($kind, name);
                $Name(Text::Static(name))
            }

            /// Takes a name that others chose, known while compiling: only Kafka's rules hold.
            ///
            /// # Panics
            ///
            /// When `name` breaks them.
            #[must_use]
            #[track_caller]
            pub const fn foreign_static(name: &'static str) -> Self {
                assert_foreign_name($kind, name);
                $Name(Text::Static(name))
            }

            /// Reads a name that arrives while running.
            ///
            /// # Errors
            ///
            /// [`NameError`] with the rule that is broken and what to write instead.
            pub fn parse(name: &str) -> Result<Self, NameError> {
                validated($kind, name, check($kind, name))?;
                Ok($Name(Text::Shared(name.into())))
            }

            /// Reads a name that others chose: only Kafka's rules hold.
            ///
            /// # Errors
            ///
            /// [`NameError`] with the rule that is broken and what to write instead.
            pub fn foreign(name: &str) -> Result<Self, NameError> {
                validated($kind, name, check_foreign($kind, name))?;
                Ok($Name(Text::Shared(name.into())))
            }

            /// The name as text.
            #[must_use]
            pub fn as_str(&self) -> &str {
                self.0.as_str()
            }
        }

        impl fmt::Display for $Name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(self.as_str())
            }
        }

        impl fmt::Debug for $Name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{:?}", self.as_str())
            }
        }

        impl PartialEq for $Name {
            fn eq(&self, other: &Self) -> bool {
                self.as_str() == other.as_str()
            }
        }

        impl Eq for $Name {}

        impl PartialOrd for $Name {
            fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
                Some(self.cmp(other))
            }
        }

        impl Ord for $Name {
            fn cmp(&self, other: &Self) -> std::cmp::Ordering {
                self.as_str().cmp(other.as_str())
            }
        }

        impl std::hash::Hash for $Name {
            fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
                self.as_str().hash(state);
            }
        }

        impl Borrow<str> for $Name {
            fn borrow(&self) -> &str {
                self.as_str()
            }
        }

        impl PartialEq<str> for $Name {
            fn eq(&self, other: &str) -> bool {
                self.as_str() == other
            }
        }

        impl PartialEq<&str> for $Name {
            fn eq(&self, other: &&str) -> bool {
                self.as_str() == *other
            }
        }
    };
}

name! {
    /// The name of a Kafka topic: lower snake case, 1 to 249 bytes
    /// ([Kafka's limit](https://kafka.apache.org/documentation/#topicconfigs)); of a foreign one,
    /// whatever Kafka takes.
    ///
    /// ```
    /// use event_core::event::TopicName;
    /// let topic = TopicName::parse("role_events")?;
    /// assert_eq!(topic.dead_letters()?, "role_events_dlq");
    /// let error = TopicName::parse("RoleEvents").unwrap_err();
    /// assert_eq!(error.to_string(), "topic `RoleEvents` is not lower snake case; write `\"role_events\"`");
    ///
    /// // A topic of others has the name that it has.
    /// assert_eq!(TopicName::foreign("orders.v1")?.dead_letters()?, "orders.v1_dlq");
    /// # Ok::<(), event_core::event::NameError>(())
    /// ```
    TopicName, Kind::Topic
}

name! {
    /// The name of an event, the `eventType` on the wire: upper snake case, 1 to 249 bytes; of a
    /// foreign one, any text of that length without control characters.
    EventName, Kind::Event
}

// What the name of a redrive topic ends with.
const REDRIVE_SUFFIX: &str = "_redrive";

impl TopicName {
    /// The longest name, in bytes, that leaves room for the redrive topic's.
    pub(crate) const MAX_BYTES_TO_REDRIVE: usize = event_names::MAX_BYTES - REDRIVE_SUFFIX.len();

    /// The name of a topic that code of ours was generated for.
    ///
    /// # Errors
    ///
    /// [`NameError`]; only a contract that was written by hand can have one.
    pub(crate) fn registered(name: &'static str, foreign_names: bool) -> Result<Self, NameError> {
        let rule = if foreign_names { check_foreign } else { check };
        validated(Kind::Topic, name, rule(Kind::Topic, name))?;
        Ok(TopicName(Text::Static(name)))
    }

    /// The topic that takes this topic's dead letters: the name with `_dlq` appended.
    ///
    /// # Errors
    ///
    /// [`NameError`] when the longer name is over the limit.
    pub fn dead_letters(&self) -> Result<TopicName, NameError> {
        // What the suffix adds keeps either rule, so only the length can be wrong.
        TopicName::foreign(&format!("{self}_dlq"))
    }

    /// The topic whose records are handed to one handler once more, on the command of a person: the
    /// name with `_redrive` appended.
    ///
    /// # Errors
    ///
    /// [`NameError`] when the longer name is over the limit.
    pub fn redrive(&self) -> Result<TopicName, NameError> {
        TopicName::foreign(&format!("{self}{REDRIVE_SUFFIX}"))
    }

    /// The topic in which records wait for `delay` before they are retried: the name with the
    /// delay in its largest whole unit, such as `role_events_retry_10m`.
    ///
    /// # Errors
    ///
    /// [`NameError`] when the longer name is over the limit.
    pub fn retry(&self, delay: Duration) -> Result<TopicName, NameError> {
        let ms = u64::try_from(delay.as_millis()).unwrap_or(u64::MAX);
        TopicName::foreign(&format!("{self}_retry_{}", duration_text(ms).as_str()))
    }
}

/// Why a text is not a consumer group's name. It is reported without the text, which may be a password in the wrong
/// place.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum GroupNameError {
    /// The name is empty or too long.
    #[error("consumer group name is {bytes} bytes long, it must have 1 to 249")]
    Length {
        /// Its length in bytes.
        bytes: usize,
    },
    /// The name has a character outside `[a-zA-Z0-9._-]`.
    #[error("consumer group name has {character}, allowed are letters, digits, `.`, `_` and `-`")]
    Character {
        /// The first character that is not allowed.
        character: StrayCharacter,
    },
}

/// Whether Kafka takes the character in the names of topics, groups and members.
pub(crate) fn is_of_names(character: char) -> bool {
    character.is_ascii_alphanumeric() || matches!(character, '.' | '_' | '-')
}

/// The name of a consumer group: 1 to 249 bytes of `[a-zA-Z0-9._-]`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct GroupName(Arc<str>);

impl GroupName {
    /// Reads a group name.
    ///
    /// # Errors
    ///
    /// [`GroupNameError`] with what is wrong and the limit.
    pub fn parse(name: &str) -> Result<Self, GroupNameError> {
        if name.is_empty() || name.len() > event_names::MAX_BYTES {
            return Err(GroupNameError::Length { bytes: name.len() });
        }
        match StrayCharacter::of(name, is_of_names) {
            Some(character) => Err(GroupNameError::Character { character }),
            None => Ok(GroupName(name.into())),
        }
    }

    /// The name of no group, until one is read.
    pub(crate) fn unset() -> Self {
        GroupName(Arc::default())
    }

    /// The name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for GroupName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn a_retry_topic_has_its_delay_in_the_largest_whole_unit() {
        let topic = TopicName::from_static("role_events");
        for (ms, name) in
            [(60_000, "1m"), (90_000, "90s"), (7_200_000, "2h"), (1500, "1500ms"), (0, "0s")]
        {
            let retry = topic.retry(Duration::from_millis(ms)).unwrap();
            assert_eq!(retry.as_str(), format!("role_events_retry_{name}"));
            assert!(TopicName::parse(retry.as_str()).is_ok(), "{retry}");
        }
    }

    use super::*;

    const ORDERS: TopicName = TopicName::foreign_static("Orders.v1");

    #[test]
    fn a_foreign_name_is_held_to_kafkas_limits_alone() {
        assert_eq!(ORDERS, TopicName::foreign("Orders.v1").unwrap());
        assert_eq!(EventName::foreign("order created").unwrap(), "order created");
        let error = TopicName::foreign("orders/v1").unwrap_err();
        assert_eq!(error.advice(), "write `\"orders_v1\"`");
        assert!(TopicName::parse("Orders.v1").is_err());
        assert!(EventName::foreign("a\nb").is_err());
    }

    #[test]
    #[should_panic(
        expected = "takes only letters, digits, `.`, `_` and `-`\nhelp: write `\"orders_v1\"`"
    )]
    fn a_foreign_name_in_a_const_is_refused_with_its_help() {
        let _ = TopicName::foreign_static("orders v1");
    }

    #[test]
    fn a_registered_topic_follows_the_rule_it_was_declared_with() {
        assert_eq!(TopicName::registered("orders.v1", true).unwrap(), "orders.v1");
        assert!(TopicName::registered("orders.v1", false).is_err());
        assert!(TopicName::registered("orders v1", true).is_err());
    }

    #[test]
    fn dead_letters_of_a_foreign_topic_have_a_foreign_name() {
        assert_eq!(ORDERS.dead_letters().unwrap(), "Orders.v1_dlq");
        let error = TopicName::foreign(&"A".repeat(246)).unwrap().dead_letters().unwrap_err();
        assert_eq!(
            error.to_string(),
            "topic name is 250 bytes long, the limit is 249; shorten it to 249 bytes or fewer"
        );
        assert_eq!(
            TopicName::foreign(&"A".repeat(245)).unwrap().dead_letters().unwrap().as_str().len(),
            249
        );
    }
}

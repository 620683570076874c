//! Names that have rules: topics, events and consumer groups.
//!
//! A value of these types is always well formed, so nothing behind them checks again.

use std::borrow::Borrow;
use std::fmt;
use std::sync::Arc;

use event_names::{Kind, Violation, advice, check, complaint};

/// Why a text is not a topic or event name.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{complaint}; {advice}")]
pub struct NameError {
    complaint: String,
    advice: String,
}

impl NameError {
    fn new(kind: Kind, name: &str, violation: Violation) -> Self {
        NameError {
            complaint: complaint(kind, name, violation).as_str().to_owned(),
            advice: advice(kind, name, violation).as_str().to_owned(),
        }
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
    if let Err(violation) = check(kind, name) {
        let message = event_names::Text::<600>::new()
            .push(complaint(kind, name, violation).as_str())
            .push("\nhelp: ")
            .push(advice(kind, name, violation).as_str());
        panic!("{}", message.as_str());
    }
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

            /// Reads a name that arrives while running.
            ///
            /// # Errors
            ///
            /// [`NameError`] with the rule that is broken and what to write instead.
            pub fn parse(name: &str) -> Result<Self, NameError> {
                match check($kind, name) {
                    Ok(()) => Ok($Name(Text::Shared(name.into()))),
                    Err(violation) => Err(NameError::new($kind, name, violation)),
                }
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
    /// ([Kafka's limit](https://kafka.apache.org/documentation/#topicconfigs)).
    ///
    /// ```
    /// use event_core::event::TopicName;
    /// let topic = TopicName::parse("role_events")?;
    /// assert_eq!(topic.dead_letters()?, "role_events_dlq");
    /// let error = TopicName::parse("RoleEvents").unwrap_err();
    /// assert_eq!(error.to_string(), "topic `RoleEvents` is not lower snake case; write `\"role_events\"`");
    /// # Ok::<(), event_core::event::NameError>(())
    /// ```
    TopicName, Kind::Topic
}

name! {
    /// The name of an event, the `eventType` on the wire: upper snake case, 1 to 249 bytes.
    EventName, Kind::Event
}

impl TopicName {
    /// The name of a topic that code of ours was generated for.
    ///
    /// # Errors
    ///
    /// [`NameError`]; only a contract that was written by hand can have one.
    pub(crate) fn registered(name: &'static str, foreign_names: bool) -> Result<Self, NameError> {
        if foreign_names {
            return TopicName::foreign(name);
        }
        match check(Kind::Topic, name) {
            Ok(()) => Ok(TopicName(Text::Static(name))),
            Err(violation) => Err(NameError::new(Kind::Topic, name, violation)),
        }
    }

    /// Stand-in until merged.
    pub fn foreign(name: &str) -> Result<Self, NameError> {
        TopicName::parse(name)
    }

    /// The topic that takes this topic's dead letters: the name with `_dlq` appended.
    ///
    /// # Errors
    ///
    /// [`NameError`] when the longer name is over the limit.
    pub fn dead_letters(&self) -> Result<TopicName, NameError> {
        TopicName::parse(&format!("{self}_dlq"))
    }
}

/// Why a text is not a consumer group's name.
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
    #[error(
        "consumer group `{name}` has the character {character:?}, allowed are letters, digits, `.`, `_` and `-`"
    )]
    Character {
        /// The name.
        name: String,
        /// The first character that is not allowed.
        character: char,
    },
}

/// The name of a consumer group: 1 to 249 bytes of `[a-zA-Z0-9._-]`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct GroupName(Arc<str>);

impl GroupName {
    /// Reads a group name.
    ///
    /// # Errors
    ///
    /// [`GroupNameError`] with the value and the limit.
    pub fn parse(name: &str) -> Result<Self, GroupNameError> {
        if name.is_empty() || name.len() > event_names::MAX_BYTES {
            return Err(GroupNameError::Length { bytes: name.len() });
        }
        let allowed = |c: &char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
        match name.chars().find(|c| !allowed(c)) {
            Some(character) => Err(GroupNameError::Character { name: name.to_owned(), character }),
            None => Ok(GroupName(name.into())),
        }
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

//! What is wrong with a name, reported without the name: a password may stand in its place.

use std::fmt;

/// The first character of a name that is not allowed there: what kind it is, and where it stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StrayCharacter {
    kind: &'static str,
    position: usize,
    characters: usize,
}

impl StrayCharacter {
    /// The first character of `name` that is not `allowed`.
    pub(crate) fn of(name: &str, allowed: impl Fn(char) -> bool) -> Option<Self> {
        let (index, character) = name.chars().enumerate().find(|(_, c)| !allowed(*c))?;
        let kind = match character {
            _ if character.is_whitespace() => "a blank",
            _ if character.is_control() => "a control character",
            _ if !character.is_ascii() => "a character outside of ASCII",
            _ => "a punctuation mark",
        };
        Some(StrayCharacter { kind, position: index + 1, characters: name.chars().count() })
    }
}

impl fmt::Display for StrayCharacter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} as character {} of {}", self.kind, self.position, self.characters)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stray_character_is_told_by_its_kind_and_place() {
        for (name, reported) in [
            ("a b", "a blank as character 2 of 3"),
            ("é/b", "a character outside of ASCII as character 1 of 3"),
            ("ab\u{7}", "a control character as character 3 of 3"),
            ("Tr0ub4dor&3", "a punctuation mark as character 10 of 11"),
        ] {
            let stray = StrayCharacter::of(name, |c| c.is_ascii_alphanumeric()).unwrap();
            assert_eq!(stray.to_string(), reported);
        }
        assert_eq!(StrayCharacter::of("ab", |c| c.is_ascii_alphanumeric()), None);
    }
}

//! Where the value of a setting comes from.

/// A setting's value as it was given, and by what.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Origin {
    /// The value as text.
    pub value: String,
    /// What gave it: `default`, the settings file with the line, a variable or a flag, as the user
    /// writes it.
    pub source: String,
}

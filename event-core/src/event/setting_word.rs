//! Enums of a few words, which the settings read and commands print.

/// An enum that prints the word of each value.
pub(crate) trait SettingWord: Copy + std::fmt::Display + 'static {
    /// All values.
    const ALL: &'static [Self];
    /// Their words.
    const WORDS: &'static [&'static str];
}

/// Gives each variant of an enum its word.
macro_rules! setting_words {
    ($type:ident: $($variant:ident = $word:literal),+) => {
        impl $crate::event::SettingWord for $type {
            const ALL: &'static [Self] = &[$($type::$variant),+];
            const WORDS: &'static [&'static str] = &[$($word),+];
        }

        /// As in attributes and settings.
        impl std::fmt::Display for $type {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.pad(match self {
                    $($type::$variant => $word),+
                })
            }
        }
    };
}

pub(crate) use setting_words;

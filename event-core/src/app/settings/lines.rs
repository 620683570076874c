//! On which line of the settings file each key stands.

use std::collections::BTreeMap;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

/// The lines of all keys of a file, by their paths.
#[derive(Debug, Default)]
pub(super) struct Lines {
    file: String,
    of: BTreeMap<Vec<String>, usize>,
}

impl Lines {
    /// Of the `text` of the `file`; none for what is not TOML, which is reported elsewhere.
    pub(super) fn of(file: String, text: &str) -> Self {
        let mut lines = Lines { file, of: BTreeMap::new() };
        if let Ok(table) = DeTable::parse(text) {
            lines.add(&[], table.get_ref(), text);
        }
        lines
    }

    fn add(&mut self, under: &[String], table: &DeTable<'_>, text: &str) {
        for (key, value) in table {
            let before = text.get(..key.span().start).unwrap_or_default();
            let path = [under, &[key.get_ref().to_string()]].concat();
            let line = before.matches('\n').count() + 1;
            if let DeValue::Table(inner) = Spanned::get_ref(value) {
                self.add(&path, inner, text);
            }
            self.of.insert(path, line);
        }
    }

    /// The file and the line of a key, as `event.toml:3`.
    pub(super) fn source(&self, path: &[&str]) -> String {
        match self.line(path) {
            Some(line) => format!("{}:{line}", self.file),
            None => self.file.clone(),
        }
    }

    /// The same in a sentence.
    pub(super) fn place(&self, path: &[&str]) -> String {
        match self.line(path) {
            Some(line) => format!("the settings file `{}`, line {line},", self.file),
            None => format!("the settings file `{}`", self.file),
        }
    }

    fn line(&self, path: &[&str]) -> Option<usize> {
        let path: Vec<_> = path.iter().map(|key| (*key).to_owned()).collect();
        self.of.get(&path).copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_key_is_known_with_its_line() {
        let text = "attempts = 3\n\n[handlers.'a.b']\ntimeout = '1s'\n\n[kafka]\n\
                    'fetch.min.bytes' = 1\nsecurity.protocol = 'ssl'\n";
        let lines = Lines::of("event.toml".to_owned(), text);
        for (path, line) in [
            (&["attempts"][..], 1),
            (&["handlers", "a.b"], 3),
            (&["handlers", "a.b", "timeout"], 4),
            (&["kafka", "fetch.min.bytes"], 7),
            (&["kafka", "security", "protocol"], 8),
        ] {
            assert_eq!(lines.source(path), format!("event.toml:{line}"), "{path:?}");
        }
        assert_eq!(lines.source(&["other"]), "event.toml");
    }
}

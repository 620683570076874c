//! Counts the events that nobody handles, by name.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

// Beyond so many names they are counted as one: the names come from outside.
const MAX_NAMES: usize = 1000;

/// How many events of each name nobody handled. It holds 1000 names and counts what comes beyond
/// as `(other names)`. Cloning shares it.
#[derive(Clone, Debug, Default)]
pub struct UnknownNames(Arc<Mutex<BTreeMap<String, u64>>>);

impl UnknownNames {
    /// Counts one; gives back the name under which it was counted, and how many there are by now.
    pub(crate) fn count(&self, name: &str) -> (String, u64) {
        let mut counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let name = crate::event::excerpt(name, 64);
        let known = counts.len() < MAX_NAMES || counts.contains_key(&name);
        let name = if known { name } else { "(other names)".to_owned() };
        let count = counts.entry(name.clone()).or_default();
        *count += 1;
        (name, *count)
    }

    /// The counts so far, by name.
    #[must_use]
    pub fn counts(&self) -> BTreeMap<String, u64> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_from_outside_are_counted_within_bounds() {
        let names = UnknownNames::default();
        assert_eq!(names.count("A").1, 1);
        assert_eq!(names.count("A").1, 2);
        for number in 0..5000 {
            names.count(&format!("N{number}"));
        }
        assert_eq!(names.count("A"), ("A".to_owned(), 3));
        assert_eq!(names.count("new").0, "(other names)");
        assert!(names.counts().len() <= MAX_NAMES + 1);
    }
}

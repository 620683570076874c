//! Reading the names of closed lists.

use std::fmt;
use std::marker::PhantomData;
use std::str::FromStr;

use serde::Deserializer;
use serde::de::{Error, Visitor};

use crate::event::UnknownName;

/// Reads a variant of the enum `list` by its name.
///
/// # Errors
///
/// The deserializer's, and [`UnknownName`] in its words.
pub fn deserialize_name<'de, T, D>(list: &'static str, deserializer: D) -> Result<T, D::Error>
where
    T: FromStr<Err = UnknownName>,
    D: Deserializer<'de>,
{
    deserializer.deserialize_str(NameVisitor { list, variant: PhantomData })
}

struct NameVisitor<T> {
    list: &'static str,
    variant: PhantomData<T>,
}

impl<T: FromStr<Err = UnknownName>> Visitor<'_> for NameVisitor<T> {
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a name of `{}`", self.list)
    }

    fn visit_str<E: Error>(self, name: &str) -> Result<T, E> {
        name.parse().map_err(E::custom)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    #[derive(crate::Topics, Debug, PartialEq, Eq, PartialOrd, Ord)]
    enum Topics {
        RoleEvents,
        #[topic(name = "orders.v1", foreign_names)]
        Orders,
    }

    #[test]
    fn a_name_is_read_in_every_form_that_json_has_for_text() {
        for json in [r#""orders.v1""#, r#""\u006frders.v1""#] {
            assert_eq!(serde_json::from_str::<Topics>(json).unwrap(), Topics::Orders);
        }
        let value = serde_json::json!("orders.v1");
        assert_eq!(serde_json::from_value::<Topics>(value).unwrap(), Topics::Orders);
        let keys: BTreeMap<Topics, i64> = serde_json::from_str(r#"{"role_events": 1}"#).unwrap();
        assert_eq!(keys, BTreeMap::from([(Topics::RoleEvents, 1)]));
        assert_eq!(serde_json::to_string(&keys).unwrap(), r#"{"role_events":1}"#);
    }

    #[test]
    fn what_is_no_name_says_what_was_expected() {
        let error = |json| serde_json::from_str::<Topics>(json).unwrap_err().to_string();
        assert_eq!(
            error(r#""role_evnts""#),
            "`role_evnts` is not one of `Topics`; did you mean `role_events`? at line 1 column 12"
        );
        assert_eq!(
            error("3"),
            "invalid type: integer `3`, expected a name of `Topics` at line 1 column 1"
        );
    }
}

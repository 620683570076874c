//! A state that was provided, but not quite as a handler asks for it.
//!
//! Types are compared by their names: nothing else is known of two types that are not the same.

use crate::state::StateKey;

// What people put around a state, or forget to.
const WRAPPERS: [(&str, &str); 6] = [
    ("Arc", "Arc::new"),
    ("Box", "Box::new"),
    ("Mutex", "Mutex::new"),
    ("Option", "Some"),
    ("Rc", "Rc::new"),
    ("RwLock", "RwLock::new"),
];

// Where these come from; a user's own `Box` is another thing.
const WRAPPER_CRATES: [&str; 5] = ["alloc", "core", "parking_lot", "std", "tokio"];

/// The provided type that was most likely meant by `asked`, which is not provided itself.
pub(super) fn nearest(asked: &StateKey, provided: &[StateKey]) -> Option<&'static str> {
    let asked = asked.type_name();
    let names = || provided.iter().map(StateKey::type_name);
    let (_, inner) = peel(asked);
    names()
        .find(|name| *name == asked)
        .or_else(|| names().find(|name| peel(name).1 == inner))
        .or_else(|| names().find(|name| short_type(peel(name).1) == short_type(inner)))
}

/// What is wrong when `near` is provided in place of `asked`.
pub(super) fn difference(asked: &str, near: &str) -> String {
    let ((_, inner), (_, near_inner)) = (peel(asked), peel(near));
    if asked == near {
        format!("but the {asked} that is provided comes from another version of its crate")
    } else if inner == near_inner {
        format!("but what is provided is {}", short_type(near))
    } else {
        format!("but what is provided is {near}, not {asked}")
    }
}

/// What to do about it.
pub(super) fn remedy(asked: &str, near: &str) -> String {
    let ((wrappers, inner), (_, near_inner)) = (peel(asked), peel(near));
    if asked == near {
        let name = inner.trim_start_matches("dyn ").split("::").next().unwrap_or(inner);
        return format!(
            "`cargo tree --duplicates` shows both versions of `{name}`; bring them to one"
        );
    }
    if inner != near_inner {
        return format!("name the same type in both places: `{near}` or `{asked}`");
    }
    let (short, near) = (short_type(inner), short_type(near));
    if wrappers.is_empty() {
        return format!("ask for `State<{near}>`, or provide the {short} itself");
    }
    let mut value = "..".to_owned();
    for wrapper in wrappers.iter().rev() {
        let make = WRAPPERS.iter().find(|(name, _)| name == wrapper).map_or("", |(_, make)| make);
        value = format!("{make}({value})");
    }
    format!("ask for `State<{near}>`, or provide it as `.state({value})`")
}

/// The same for the value that handles, which no argument asks for.
pub(super) fn remedy_of_value(asked: &str, near: &str) -> String {
    let (inner, near_inner) = (peel(asked).1, peel(near).1);
    if asked == near || inner != near_inner {
        return remedy(asked, near);
    }
    let short = short_type(asked);
    format!("give `.state(..)` the {short} itself: the app shares it among all records as it is")
}

/// A type's name without the paths: `Option<Pool>` for `core::option::Option<db::Pool>`.
pub(crate) fn short_type(type_name: &str) -> String {
    let mut short = String::new();
    for part in
        type_name.split_inclusive(|c: char| !(c.is_alphanumeric() || matches!(c, '_' | ':')))
    {
        short.push_str(part.rsplit("::").next().unwrap_or(part));
    }
    short
}

// The wrappers from the outermost on, and what is in them.
fn peel(mut type_name: &str) -> (Vec<&str>, &str) {
    let mut wrappers = Vec::new();
    while let Some((path, rest)) = type_name.split_once('<')
        && let Some(inner) = rest.strip_suffix('>')
        && let Some((from, _)) = path.split_once("::")
        && let Some((_, name)) = path.rsplit_once("::")
        && WRAPPER_CRATES.contains(&from)
        && WRAPPERS.iter().any(|(wrapper, _)| *wrapper == name)
    {
        wrappers.push(name);
        type_name = inner;
    }
    (wrappers, type_name)
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex, RwLock};

    use super::*;

    struct Pool;
    trait Repository {}

    mod other {
        pub(super) struct Pool;
    }

    #[test]
    fn types_are_named_without_their_paths() {
        assert_eq!(short_type("admin::domain::AuditLog"), "AuditLog");
        assert_eq!(
            short_type("alloc::sync::Arc<dyn a::B + core::marker::Send>"),
            "Arc<dyn B + Send>"
        );
        assert_eq!(short_type("(i32, core::option::Option<a::B>)"), "(i32, Option<B>)");
    }

    fn advice<Asked: 'static, Provided: 'static>() -> Option<String> {
        let asked = StateKey::of::<Asked>();
        let near = nearest(&asked, &[StateKey::of::<u8>(), StateKey::of::<Provided>()])?;
        Some(remedy(asked.type_name(), near))
    }

    #[test]
    fn a_wrapper_too_much_or_too_little_is_named() {
        let expected = |text: &str| Some(text.to_owned());
        assert_eq!(
            advice::<Arc<Pool>, Pool>(),
            expected("ask for `State<Pool>`, or provide it as `.state(Arc::new(..))`")
        );
        assert_eq!(
            advice::<Pool, Arc<Pool>>(),
            expected("ask for `State<Arc<Pool>>`, or provide the Pool itself")
        );
        assert_eq!(
            advice::<Option<Pool>, Box<Pool>>(),
            expected("ask for `State<Box<Pool>>`, or provide it as `.state(Some(..))`")
        );
        assert_eq!(
            advice::<Arc<Mutex<Pool>>, Arc<RwLock<Pool>>>(),
            expected(
                "ask for `State<Arc<RwLock<Pool>>>`, or provide it as `.state(Arc::new(Mutex::new(..)))`"
            )
        );
        assert_eq!(
            advice::<Arc<dyn Repository + Send + Sync>, Box<dyn Repository + Send + Sync>>(),
            expected(
                "ask for `State<Box<dyn Repository + Send + Sync>>`, or provide it as `.state(Arc::new(..))`"
            )
        );
        assert_eq!(advice::<Arc<Pool>, Vec<Pool>>(), None);
        assert_eq!(advice::<Pool, String>(), None);
    }

    #[test]
    fn a_value_that_handles_is_given_as_it_is() {
        let (asked, near) = (StateKey::of::<Pool>(), StateKey::of::<Arc<Pool>>());
        assert_eq!(
            remedy_of_value(asked.type_name(), near.type_name()),
            "give `.state(..)` the Pool itself: the app shares it among all records as it is"
        );
        let elsewhere = std::any::type_name::<other::Pool>();
        let name_one = remedy_of_value(asked.type_name(), elsewhere);
        assert!(name_one.starts_with("name the same type in both places"), "{name_one}");
    }

    #[test]
    fn the_same_name_from_elsewhere_is_named_with_its_path() {
        let here = std::any::type_name::<Pool>();
        let there = std::any::type_name::<other::Pool>();
        assert_eq!(
            advice::<Pool, other::Pool>(),
            Some(format!("name the same type in both places: `{there}` or `{here}`"))
        );
        assert!(difference(here, there).ends_with(&format!("is {there}, not {here}")));
    }

    #[test]
    fn the_same_path_twice_is_two_versions_of_a_crate() {
        let name = "db::pool::Pool";
        assert_eq!(
            difference(name, name),
            "but the db::pool::Pool that is provided comes from another version of its crate"
        );
        assert!(remedy(name, name).contains("versions of `db`"), "{}", remedy(name, name));
    }
}

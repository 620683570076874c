//! Where handlers stand.

mod nested {
    use crate::{ADDED, Seen, noted};

    mod a {
        pub(super) mod b {
            use super::super::Seen;
            use event_core::prelude::*;

            #[event_handler(topic = "role_events", event = "CLAIM_ADDED")]
            pub(in super::super) async fn deep(State(seen): State<Seen>) {
                seen.note("deep");
            }
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_handler_in_nested_modules() {
        a::b::deep(event_core::State(Seen::default())).await;
        assert_eq!(noted(module_path!(), "role_events", &[ADDED]).await, ["deep"]);
    }
}

mod from_macro_rules {
    use crate::{ADDED, REMOVED, Seen, noted};
    use event_core::prelude::*;

    macro_rules! handlers {
        ($($name:ident: $event:literal as $data:ty => $what:expr;)*) => {$(
            #[event_handler(topic = "role_events", event = $event)]
            async fn $name(Json(_data): Json<$data>, State(seen): State<Seen>) {
                seen.note($what);
            }
        )*};
    }

    handlers! {
        added: "CLAIM_ADDED" as serde_json::Value => 1 + 1;
        removed: "CLAIM_REMOVED" as std::collections::BTreeMap<String, i64> => "two";
    }

    #[tokio::test(start_paused = true)]
    async fn handlers_that_a_macro_writes() {
        assert_eq!(noted(module_path!(), "role_events", &[ADDED, REMOVED]).await, ["2", "two"]);
    }
}

mod macro_with_path_names {
    use crate::{ADDED, Seen, noted};
    use event_core::prelude::*;

    const TOPIC: &str = "role_events";

    macro_rules! handler {
        ($topic:path, $argument:ident) => {
            #[event_handler(topic = $topic, event = "CLAIM_ADDED")]
            async fn handler($argument: State<Seen>) {
                $argument.0.note("path");
            }
        };
    }
    handler!(TOPIC, seen);

    #[tokio::test(start_paused = true)]
    async fn a_name_and_an_argument_from_a_macro() {
        assert_eq!(noted(module_path!(), "role_events", &[ADDED]).await, ["path"]);
    }
}

mod conditional {
    use crate::{ADDED, REMOVED, Seen, noted};
    use event_core::prelude::*;

    #[cfg(test)]
    #[event_handler(topic = "role_events", event = "CLAIM_ADDED")]
    async fn present(
        #[cfg(test)] State(seen): State<Seen>,
        #[cfg(not(test))] _there_is_no_such_type: State<NoSuchType>,
    ) {
        seen.note("present");
    }

    #[cfg(not(test))]
    #[event_handler(topic = "role_events", event = "CLAIM_REMOVED")]
    async fn absent(_: NoSuchType) {}

    #[cfg_attr(test, event_handler(topic = "role_events", event = "CLAIM_REMOVED"))]
    async fn attached(State(seen): State<Seen>) {
        seen.note("attached");
    }

    #[tokio::test(start_paused = true)]
    async fn handlers_and_arguments_behind_cfg() {
        let noted = noted(module_path!(), "role_events", &[ADDED, REMOVED]).await;
        assert_eq!(noted, ["present", "attached"]);
    }
}

mod raw_identifiers {
    use crate::{Seen, noted};
    use event_core::prelude::*;
    use serde::Deserialize;

    #[derive(Event, Deserialize)]
    #[event(topic = "role_events", name = "TYPED", key = r#type)]
    struct r#Typed {
        r#type: i64,
    }

    #[event_handler]
    async fn r#match(r#in: Event<r#Typed>, State(r#fn): State<Seen>) {
        r#fn.note(r#in.r#type);
    }

    #[tokio::test(start_paused = true)]
    async fn raw_names_of_everything() {
        let value = r#"{"eventType":"TYPED","data":{"type":5}}"#;
        assert_eq!(noted(module_path!(), "role_events", &[value]).await, ["5"]);
    }
}

mod inside_a_function {
    use crate::{ADDED, Seen, noted};
    use event_core::prelude::*;

    #[tokio::test(start_paused = true)]
    async fn a_handler_in_a_function_body() {
        #[event_handler(topic = "role_events", event = "CLAIM_ADDED")]
        async fn inner(State(seen): State<Seen>) {
            seen.note("inner");
        }
        assert_eq!(noted(module_path!(), "role_events", &[ADDED]).await, ["inner"]);
    }
}

mod several_attributes {
    use crate::{ADDED, REMOVED, Seen, noted};
    use event_core::prelude::*;

    /// Takes both.
    #[event_handler(topic = "role_events", event = "CLAIM_ADDED")]
    #[event_handler(topic = "role_events", event = "CLAIM_REMOVED", id = "second")]
    #[allow(clippy::needless_pass_by_value)]
    async fn both(record: RawEvent, State(seen): State<Seen>) {
        seen.note(record.event_type.unwrap());
    }

    #[tokio::test(start_paused = true)]
    async fn one_function_for_several_events() {
        let noted = noted(module_path!(), "role_events", &[ADDED, REMOVED]).await;
        assert_eq!(noted, ["CLAIM_ADDED", "CLAIM_REMOVED"]);
    }
}

//! Names of the user's that look like ours.

mod without_prelude {
    #![no_implicit_prelude]

    use crate::Seen;
    use ::event_core::{Event, State, event_handler};

    #[derive(::event_core::Event, ::serde::Deserialize)]
    #[event(topic = "role_events", name = "CLAIM_ADDED", key = id, headers(id))]
    struct ClaimAdded {
        id: i64,
    }

    #[derive(::event_core::EventSum)]
    enum Claims {
        Added(ClaimAdded),
    }

    #[event_handler]
    async fn claims(event: Event<Claims>, State(seen): State<Seen>) {
        let Claims::Added(claim) = event.into_inner();
        seen.note(claim.id);
    }

    #[event_handler(topic = "batch_events", event = "CLAIM_ADDED", order = key)]
    async fn batch(claims: ::std::vec::Vec<::event_core::Json<i64>>, State(seen): State<Seen>) {
        seen.note(claims.len());
    }

    #[derive(::std::fmt::Debug, ::thiserror::Error, ::event_core::EventError)]
    #[error("slow")]
    #[event_error(retry_after = "1m")]
    pub(super) struct Slow;

    pub(super) struct Value;

    #[event_handler(topic = "other_events", event = "OTHER")]
    impl ::event_core::EventHandler for Value {
        async fn handle(&self) {}
    }

    #[event_handler(topic = "other_events", event = "BLOCKING", blocking)]
    fn blocking() -> ::event_core::Result {
        ::std::result::Result::Ok(())
    }
}

#[tokio::test(start_paused = true)]
async fn a_module_without_the_prelude() {
    let seen = crate::Seen::default();
    let app = crate::app(&format!("{}::without_prelude", module_path!()), &seen);
    let _ = without_prelude::Slow;
    crate::settled(app.state(without_prelude::Value), "role_events", &[crate::ADDED]).await;
    assert_eq!(seen.all(), ["7"]);
}

mod our_names {
    #![allow(dead_code)]

    use crate::{ADDED, Seen};
    use event_core::event_handler;

    struct Result;
    struct Option;
    struct Vec;
    struct Box;
    struct Event;
    struct HandlerRegistration;
    enum Ok {}
    enum Err {}
    mod core {}
    mod std {}
    mod macro_support {}

    type String = ::std::string::String;

    #[derive(::event_core::Event, serde::Deserialize)]
    #[event(topic = "role_events", name = "CLAIM_ADDED")]
    struct Contract {
        id: i64,
    }

    #[event_handler]
    async fn handle(
        delivery: ::event_core::Event<Contract>,
        ::event_core::State(a0): ::event_core::State<Seen>,
    ) -> ::event_core::Result {
        a0.note(delivery.id);
        ::event_core::Result::Ok(())
    }

    #[tokio::test(start_paused = true)]
    async fn types_that_are_called_like_ours() {
        assert_eq!(crate::noted(module_path!(), "role_events", &[ADDED]).await, ["7"]);
    }
}

mod renamed {
    use crate::{ADDED, Seen};
    extern crate event_core as events;
    use events::prelude::*;

    #[derive(Event, serde::Deserialize)]
    #[event(topic = "role_events", name = "CLAIM_ADDED", crate = events)]
    struct ClaimAdded {
        id: i64,
    }

    #[derive(EventSum)]
    #[event(crate = events)]
    enum Claims {
        Added(ClaimAdded),
    }

    #[derive(StateParts)]
    #[state(crate = self::events)]
    struct Parts {
        number: i64,
    }

    #[event_handler(crate = self::events)]
    async fn claims(event: Event<Claims>, State(number): State<i64>, State(seen): State<Seen>) {
        let Claims::Added(claim) = event.into_inner();
        seen.note(claim.id + number);
    }

    #[tokio::test(start_paused = true)]
    async fn a_dependency_under_another_name() {
        let seen = Seen::default();
        let app = crate::app(module_path!(), &seen).state_parts(Parts { number: 1 });
        crate::settled(app, "role_events", &[ADDED]).await;
        assert_eq!(seen.all(), ["8"]);
    }
}

mod shadowed_locals {
    use crate::{ADDED, Seen, noted};
    use event_core::prelude::*;

    #[allow(non_upper_case_globals, dead_code)]
    const delivery: i64 = 1;
    #[allow(non_upper_case_globals, dead_code)]
    const a0: i64 = 2;

    #[event_handler(topic = "role_events", event = "CLAIM_ADDED")]
    async fn requirements(State(seen): State<Seen>, _: Json<serde_json::Value>) {
        seen.note("here");
    }

    #[tokio::test(start_paused = true)]
    async fn constants_that_are_called_like_our_variables() {
        assert_eq!(noted(module_path!(), "role_events", &[ADDED]).await, ["here"]);
    }
}

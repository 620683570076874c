//! A value that handles, in forms that go beyond the usual one.

mod several_events {
    use crate::{ADDED, REMOVED, Seen, app, settled};
    use event_core::prelude::*;

    struct Recorder(Seen);

    /// Records both.
    #[event_handler(topic = "role_events", event = "CLAIM_ADDED")]
    #[event_core::event_handler(topic = "role_events", event = "CLAIM_REMOVED")]
    impl EventHandler for Recorder {
        async fn handle(&self, Json(claim): Json<serde_json::Value>) {
            self.0.note(&claim["id"]);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_value_handles_two_events() {
        let seen = Seen::default();
        let app = app(module_path!(), &seen).state(Recorder(seen.clone()));
        settled(app, "role_events", &[ADDED, REMOVED]).await;
        assert_eq!(seen.all(), ["7", "8"]);
    }
}

mod itself {
    use crate::{ADDED, Seen, app, settled};
    use event_core::prelude::*;

    #[derive(Clone)]
    struct Recorder(Seen);

    impl event_core::outcome::IntoOutcome for Recorder {
        fn into_outcome(self, _: &event_core::Delivery<'_>) -> Outcome {
            self.0.note("returned");
            Outcome::Handled
        }
    }

    #[event_handler(topic = "role_events", event = "CLAIM_ADDED")]
    impl EventHandler for Recorder {
        async fn handle(&self, own: Option<State<Self>>) -> Self {
            self.0.note(own.is_some());
            Self(self.0.clone())
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_value_names_itself() {
        let seen = Seen::default();
        let app = app(module_path!(), &seen).state(Recorder(seen.clone()));
        settled(app, "role_events", &[ADDED]).await;
        assert_eq!(seen.all(), ["true", "returned"]);
    }
}

mod own_names {
    use crate::{ADDED, Seen, noted};
    use event_core::prelude::*;

    /// Types of the user's own that have our names.
    mod own {
        use event_core::event::{ContractInfo, Payload};
        use event_core::extract::FromDelivery;
        use event_core::{Delivery, Rejection};

        pub(super) struct Event;
        pub(super) struct State<E>(pub(super) event_core::Event<E>);

        impl<'a> FromDelivery<'a> for Event {
            async fn from_delivery(_: &'a Delivery<'a>) -> Result<Self, Rejection> {
                Ok(Event)
            }
        }

        impl<'a, E: Payload<'a> + Send + 'a> FromDelivery<'a> for State<E> {
            const EVENTS: &'static [&'static ContractInfo] = E::EVENTS;

            async fn from_delivery(delivery: &'a Delivery<'a>) -> Result<Self, Rejection> {
                event_core::Event::from_delivery(delivery).await.map(State)
            }
        }
    }

    #[derive(Event, serde::Deserialize)]
    #[event(topic = "role_events", name = "CLAIM_ADDED")]
    struct ClaimAdded {
        id: i64,
    }

    // The names come from the contract in `own::State`, and `own::Event` has no payload.
    #[event_handler]
    async fn takes_own(claim: own::State<ClaimAdded>, _: own::Event, State(seen): State<Seen>) {
        seen.note(claim.0.id);
    }

    #[event_handler(topic = "role_events", event = *)]
    async fn others(_: own::Event, _: Json<serde_json::Value>) {}

    #[tokio::test(start_paused = true)]
    async fn own_types_have_our_names() {
        assert_eq!(noted(module_path!(), "role_events", &[ADDED]).await, ["7"]);
    }
}

mod nameless {
    use crate::{ADDED, Seen, app, settled};
    use event_core::prelude::*;
    use event_core::registry::Registry;

    #[event_handler(topic = "role_events", event = "CLAIM_ADDED")]
    async fn hides_what_it_returns() -> impl event_core::outcome::IntoOutcome {}

    #[tokio::test(start_paused = true)]
    async fn what_is_returned_without_a_name_may_be_any_event() {
        let registry = Registry::linked();
        let mut handlers = registry.handlers().iter();
        let handler = handlers.find(|handler| handler.name == "hides_what_it_returns").unwrap();
        assert!(handler.sends().is_none());
        settled(app(module_path!(), &Seen::default()), "role_events", &[ADDED]).await;
    }
}

mod callbacks {
    use crate::{ADDED, Seen, app, settled};
    use event_core::prelude::*;

    type Notes = fn(&Seen, &str);

    // A reference that a function takes is none to the record.
    #[event_handler(topic = "role_events", event = "CLAIM_ADDED", blocking)]
    fn calls(State(note): State<fn(&Seen, &str)>, State(seen): State<Seen>) {
        note(&seen, "called");
    }

    #[tokio::test]
    async fn a_blocking_handler_takes_a_function() {
        let seen = Seen::default();
        let app = app(module_path!(), &seen).state::<Notes>(|seen, text| seen.note(text));
        settled(app, "role_events", &[ADDED]).await;
        assert_eq!(seen.all(), ["called"]);
    }
}

//! What a handler is: an async function, a blocking one, a value.

mod blocking {
    use crate::{ADDED, Seen, noted};
    use event_core::prelude::*;

    #[event_handler(topic = "role_events", event = "CLAIM_ADDED", blocking)]
    fn slow(Json(data): Json<serde_json::Value>, State(seen): State<Seen>) -> Result {
        // A blocking thread may wait, which an async one must not.
        tokio::runtime::Handle::current().block_on(async { tokio::task::yield_now().await });
        seen.note(&data["id"]);
        Ok(())
    }

    #[tokio::test(start_paused = true)]
    async fn a_plain_function_runs_off_the_async_threads() {
        assert_eq!(noted(module_path!(), "role_events", &[ADDED]).await, ["7"]);
    }
}

mod blocking_that_panics {
    use crate::{ADDED, Seen, app, settled};
    use event_core::prelude::*;

    #[event_handler(topic = "role_events", event = "CLAIM_ADDED", blocking)]
    fn panics() {
        panic!("out of paper");
    }

    #[tokio::test(start_paused = true)]
    async fn a_panic_off_the_async_threads_is_a_failure() {
        let app = settled(app(module_path!(), &Seen::default()), "role_events", &[ADDED]).await;
        let letter = &app.dead_letters("role_events")[0];
        let error = letter.headers.get_text("dlq.error").unwrap();
        assert_eq!(error, "the handler panicked: out of paper");
        assert_eq!(letter.headers.get_text("dlq.attempts"), Some("5"));
    }
}

mod value {
    use crate::{ADDED, Seen, app, settled};
    use event_core::prelude::*;
    use std::sync::atomic::{AtomicU32, Ordering};

    // Not `Clone`: there is one.
    struct Counter {
        count: AtomicU32,
        step: u32,
    }

    #[event_handler(topic = "role_events", event = "CLAIM_ADDED")]
    impl EventHandler for Counter {
        /// Counts.
        async fn handle(
            &self,
            Json(_): Json<serde_json::Value>,
            State(seen): State<Seen>,
            position: Position,
        ) -> Result<(), std::fmt::Error> {
            self.add();
            seen.note(format_args!("{} at {position}", self.count.load(Ordering::Relaxed)));
            Ok(())
        }

        fn add(&self) {
            self.count.fetch_add(self.step, Ordering::Relaxed);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_value_handles_with_what_it_holds() {
        let seen = Seen::default();
        let counter = Counter { count: AtomicU32::new(0), step: 10 };
        let app = app(module_path!(), &seen).state(counter);
        settled(app, "role_events", &[ADDED, ADDED]).await;
        assert_eq!(seen.all(), ["10 at role_events/0@0", "20 at role_events/0@1"]);
    }

    #[test]
    fn a_value_that_is_not_given_keeps_the_service_from_starting() {
        let report = app(module_path!(), &Seen::default()).start().unwrap_err();
        assert!(report.to_string().contains("Counter"), "{report}");
    }
}

mod value_with_contract {
    use crate::{ADDED, Seen, app, settled};
    use event_core::prelude::*;
    use serde::Deserialize;

    #[derive(Event, Deserialize)]
    #[event(topic = "role_events", name = "CLAIM_ADDED")]
    #[serde(rename_all = "camelCase")]
    struct ClaimAdded {
        id: i64,
        role_id: i64,
    }

    pub(super) struct Recorder(pub(super) Seen);

    #[event_handler]
    impl event_core::EventHandler for Recorder {
        async fn handle(&self, claim: Event<ClaimAdded>) {
            self.0.note(claim.id + claim.role_id);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_value_takes_its_names_from_the_contract() {
        let seen = Seen::default();
        Recorder(seen.clone()).handle(Event::new(ClaimAdded { id: 1, role_id: 1 })).await;
        let app = app(module_path!(), &seen).state(Recorder(seen.clone()));
        settled(app, "role_events", &[ADDED]).await;
        assert_eq!(seen.all(), ["2", "10"]);
    }
}

mod nothing_taken {
    use crate::{ADDED, Seen, app, settled};
    use event_core::prelude::*;

    #[event_handler(topic = "role_events", event = "CLAIM_ADDED")]
    async fn nothing() {}

    #[tokio::test(start_paused = true)]
    async fn a_handler_without_arguments() {
        let app = settled(app(module_path!(), &Seen::default()), "role_events", &[ADDED]).await;
        assert_eq!(app.history().handled("CLAIM_ADDED").len(), 1);
    }
}

mod patterns {
    use crate::{ADDED, Seen, noted};
    use event_core::prelude::*;

    #[derive(serde::Deserialize)]
    struct Claim {
        id: i64,
    }

    #[event_handler(topic = "role_events", event = "CLAIM_ADDED")]
    async fn patterns(
        Json(Claim { id, .. }): Json<Claim>,
        mut count: Attempt,
        State(seen): State<Seen>,
        _: Position,
    ) {
        count.number += 7;
        seen.note(format_args!("{id} {}", count.number));
    }

    #[tokio::test(start_paused = true)]
    async fn arguments_are_patterns() {
        assert_eq!(noted(module_path!(), "role_events", &[ADDED]).await, ["7 8"]);
    }
}

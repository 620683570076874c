//! What handlers share.

mod parts {
    use crate::{ADDED, Seen, app, settled};
    use event_core::prelude::*;

    #[derive(Clone)]
    struct Pool(&'static str);
    #[derive(Clone)]
    struct Mailer(&'static str);

    #[derive(StateParts)]
    struct Services {
        pool: Pool,
        mailer: Mailer,
        #[state(skip)]
        name: &'static str,
    }

    impl Services {
        fn name(&self) -> &'static str {
            self.name
        }
    }

    #[event_handler(topic = "role_events", event = "CLAIM_ADDED")]
    async fn uses_parts(
        State(pool): State<Pool>,
        State(mailer): State<Mailer>,
        State(seen): State<Seen>,
    ) {
        seen.note(format_args!("{} {}", pool.0, mailer.0));
    }

    #[tokio::test(start_paused = true)]
    async fn a_handler_takes_a_part_of_a_state() {
        let seen = Seen::default();
        let services = Services { pool: Pool("pool"), mailer: Mailer("mailer"), name: "x" };
        assert_eq!(services.name(), "x");
        let app = app(module_path!(), &seen).state_parts(services);
        settled(app, "role_events", &[ADDED]).await;
        assert_eq!(seen.all(), ["pool mailer"]);
    }
}

mod optional {
    use crate::{ADDED, Seen, noted};
    use event_core::prelude::*;

    #[derive(Clone)]
    struct Metrics;

    #[event_handler(topic = "role_events", event = "CLAIM_ADDED")]
    async fn optional(metrics: Option<State<Metrics>>, State(seen): State<Seen>) {
        seen.note(metrics.is_some());
    }

    #[tokio::test(start_paused = true)]
    async fn a_state_that_may_be_missing() {
        assert_eq!(noted(module_path!(), "role_events", &[ADDED]).await, ["false"]);
    }
}

mod smart_pointers {
    use crate::{ADDED, Seen, app, settled};
    use event_core::prelude::*;
    use std::sync::Arc;

    trait Clock: Send + Sync {
        fn now(&self) -> u64;
    }
    struct Stopped;
    impl Clock for Stopped {
        fn now(&self) -> u64 {
            12
        }
    }

    #[event_handler(topic = "role_events", event = "CLAIM_ADDED")]
    async fn tells_time(State(clock): State<Arc<dyn Clock>>, State(seen): State<Seen>) {
        seen.note(clock.now());
    }

    #[tokio::test(start_paused = true)]
    async fn a_state_behind_a_trait() {
        let seen = Seen::default();
        let app = app(module_path!(), &seen).state::<Arc<dyn Clock>>(Arc::new(Stopped));
        settled(app, "role_events", &[ADDED]).await;
        assert_eq!(seen.all(), ["12"]);
    }
}

mod parts_with_like_names {
    use crate::{ADDED, Seen, app, settled};
    use event_core::prelude::*;

    mod reading {
        #[derive(Clone)]
        pub(super) struct Pool(pub(super) &'static str);
    }
    mod writing {
        #[derive(Clone)]
        pub(super) struct Pool(pub(super) &'static str);
    }

    #[derive(StateParts)]
    struct Services {
        reads: reading::Pool,
        writes: writing::Pool,
    }

    #[event_handler(topic = "role_events", event = "CLAIM_ADDED")]
    async fn uses_both(
        State(reads): State<reading::Pool>,
        State(writes): State<writing::Pool>,
        State(seen): State<Seen>,
    ) {
        seen.note(format_args!("{} {}", reads.0, writes.0));
    }

    #[tokio::test(start_paused = true)]
    async fn types_that_only_look_alike_are_two_parts() {
        let seen = Seen::default();
        let services = Services { reads: reading::Pool("r"), writes: writing::Pool("w") };
        settled(app(module_path!(), &seen).state_parts(services), "role_events", &[ADDED]).await;
        assert_eq!(seen.all(), ["r w"]);
    }
}

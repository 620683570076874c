//! What a handler may take.

mod borrowed {
    use crate::{Seen, noted};
    use event_core::prelude::*;
    use serde::Deserialize;
    use std::borrow::Cow;

    #[derive(Event, Deserialize)]
    #[event(topic = "role_events", name = "NAMED")]
    struct Named<'a> {
        #[serde(borrow)]
        name: Cow<'a, str>,
    }

    #[event_handler]
    async fn named<'a>(event: Event<Named<'a>>, State(seen): State<Seen>) {
        seen.note(matches!(event.name, Cow::Borrowed(_)));
    }

    #[tokio::test(start_paused = true)]
    async fn a_payload_is_not_copied() {
        let plain = r#"{"eventType":"NAMED","data":{"name":"plain"}}"#;
        let escaped = r#"{"eventType":"NAMED","data":{"name":"\u00f1"}}"#;
        assert_eq!(
            noted(module_path!(), "role_events", &[plain, escaped]).await,
            ["true", "false"]
        );
    }
}

mod untyped_borrowed {
    use crate::{Seen, noted};
    use event_core::prelude::*;
    use serde_json::value::RawValue;

    #[event_handler(topic = "role_events", event = "NAMED")]
    async fn raw(Json(data): Json<&RawValue>, State(seen): State<Seen>) {
        seen.note(data.get());
    }

    #[tokio::test(start_paused = true)]
    async fn data_as_it_stands() {
        let value = r#"{"eventType":"NAMED","data":[1, {"a": 2}]}"#;
        assert_eq!(noted(module_path!(), "role_events", &[value]).await, [r#"[1, {"a": 2}]"#]);
    }
}

mod envelope {
    use crate::{Seen, noted};
    use event_core::event::Envelope;
    use event_core::prelude::*;

    #[event_handler(topic = "role_events", event = "CLAIM_ADDED")]
    async fn outer(envelope: Envelope<'_>, State(seen): State<Seen>) -> Result {
        let user = envelope.user_id()?.map(|user| user.to_string());
        seen.note(format_args!("{user:?} {:?}", envelope.extra("source").map(|json| json.get())));
        Ok(())
    }

    #[tokio::test(start_paused = true)]
    async fn the_outer_object() {
        let value = r#"{"eventType":"CLAIM_ADDED","userId":42,"data":{},"source":"web"}"#;
        let noted = noted(module_path!(), "role_events", &[value]).await;
        assert_eq!(noted, [r#"Some("42") Some("\"web\"")"#]);
    }
}

mod key_and_headers {
    use crate::{ADDED, Seen, app};
    use event_core::broker::OutgoingRecord;
    use event_core::event::TopicName;
    use event_core::prelude::*;

    #[event_handler(topic = "role_events", event = "CLAIM_ADDED")]
    async fn keyed(key: Option<Key<i64>>, headers: Headers, State(seen): State<Seen>) {
        seen.note(format_args!("{:?} {:?}", key.map(|key| key.0), headers.get_text("source")));
    }

    #[tokio::test(start_paused = true)]
    async fn a_key_that_may_be_missing_but_not_wrong() {
        let seen = Seen::default();
        let app = app(module_path!(), &seen).start().unwrap();
        let mut headers = Headers::new();
        headers.push("source", "web");
        for key in [Some("5"), None, Some("five")] {
            app.publish_record(OutgoingRecord {
                topic: TopicName::from_static("role_events"),
                partition: None,
                key: key.map(|key| key.as_bytes().into()),
                value: Some(ADDED.into()),
                headers: headers.clone(),
                timestamp_ms: None,
            })
            .await;
        }
        app.settle().await;
        assert_eq!(seen.all(), [r#"Some(5) Some("web")"#, r#"None Some("web")"#]);
        let letter = &app.dead_letters("role_events")[0].headers;
        assert_eq!(letter.get_text("dlq.reason"), Some("key_mismatch"));
        let error = letter.get_text("dlq.error").unwrap();
        assert_eq!(error, "the key `five` is not i64: invalid digit found in string");
    }
}

mod keys_of_all_kinds {
    use crate::{ADDED, Seen, app};
    use event_core::prelude::*;

    #[event_handler(topic = "role_events", event = "CLAIM_ADDED")]
    async fn keys(
        Key(text): Key<&str>,
        Key(bytes): Key<&[u8]>,
        Key(owned): Key<String>,
        id: Key<uuid::Uuid>,
        State(seen): State<Seen>,
    ) {
        seen.note(format_args!("{} {} {}", text == owned, bytes.len(), id.0.get_version_num()));
    }

    #[tokio::test(start_paused = true)]
    async fn one_key_in_several_forms() {
        let seen = Seen::default();
        let app = app(module_path!(), &seen).start().unwrap();
        let key = "f47ac10b-58cc-4372-a567-0e02b2c3d479";
        app.publish_raw("role_events", Some(key.as_bytes()), Some(ADDED.as_bytes())).await;
        app.settle().await;
        assert_eq!(seen.all(), ["true 36 4"]);
    }
}

mod fallible {
    use crate::{Seen, noted};
    use event_core::prelude::*;
    use event_core::{Outcome, Rejection};
    use serde::Deserialize;

    #[derive(Event, Deserialize)]
    #[event(topic = "role_events", name = "CLAIM_ADDED")]
    struct ClaimAdded {
        id: i64,
    }

    #[event_handler]
    async fn either(
        event: Result<Event<ClaimAdded>, Rejection>,
        State(seen): State<Seen>,
    ) -> Outcome {
        match event {
            Ok(event) => seen.note(event.id),
            Err(rejection) => seen.note(rejection.code()),
        }
        Outcome::Handled
    }

    #[tokio::test(start_paused = true)]
    async fn the_handler_sees_why_an_argument_cannot_be_made() {
        let good = r#"{"eventType":"CLAIM_ADDED","data":{"id":7}}"#;
        let bad = r#"{"eventType":"CLAIM_ADDED","data":{"id":"7"}}"#;
        let noted = noted(module_path!(), "role_events", &[good, bad]).await;
        assert_eq!(noted, ["7", "data_mismatch"]);
    }
}

mod attempts {
    use crate::{ADDED, Seen, noted};
    use event_core::prelude::*;

    #[event_handler(topic = "role_events", event = "CLAIM_ADDED")]
    async fn third_time(attempt: Attempt, State(seen): State<Seen>) -> Result {
        seen.note(format_args!("{} of {}", attempt.number, attempt.limit));
        if attempt.number < 3 { Err(Error::msg("not yet")) } else { Ok(()) }
    }

    #[tokio::test(start_paused = true)]
    async fn attempts_are_counted() {
        let noted = noted(module_path!(), "role_events", &[ADDED]).await;
        assert_eq!(noted, ["1 of 5", "2 of 5", "3 of 5"]);
    }
}

mod shutdown {
    use crate::{ADDED, Seen, app};
    use event_core::prelude::*;

    #[event_handler(topic = "role_events", event = "CLAIM_ADDED")]
    async fn long(shutdown: Shutdown, State(seen): State<Seen>) {
        seen.note(shutdown.is_requested());
        shutdown.requested().await;
        seen.note(shutdown.is_requested());
    }

    #[tokio::test(start_paused = true)]
    async fn a_long_handler_learns_that_the_service_stops() {
        let seen = Seen::default();
        let mut app = app(module_path!(), &seen).start().unwrap();
        app.publish_raw("role_events", None, Some(ADDED.as_bytes())).await;
        app.eventually("the handler runs", || seen.all() == ["false"]).await;
        app.stop().await.unwrap();
        assert_eq!(seen.all(), ["false", "true"]);
    }
}

mod of_the_users_own {
    use crate::{ADDED, Seen, app, settled};
    use event_core::event::{ContractInfo, Payload};
    use event_core::extract::FromDelivery;
    use event_core::prelude::*;
    use event_core::state::Requirements;
    use event_core::{Delivery, Rejection};
    use serde::Deserialize;

    #[derive(Event, Deserialize)]
    #[event(topic = "role_events", name = "CLAIM_ADDED")]
    struct ClaimAdded {
        id: i64,
    }

    #[derive(Clone)]
    struct Limit(i64);

    /// An event whose id is below the limit that the app has.
    struct Checked<E>(Event<E>);

    trait HasId {
        fn id(&self) -> i64;
    }
    impl HasId for ClaimAdded {
        fn id(&self) -> i64 {
            self.id
        }
    }

    impl<'a, E: Payload<'a> + HasId + Send + 'a> FromDelivery<'a> for Checked<E> {
        const EVENTS: &'static [&'static ContractInfo] = E::EVENTS;

        async fn from_delivery(delivery: &'a Delivery<'a>) -> Result<Self, Rejection> {
            let State(limit) = State::<Limit>::from_delivery(delivery).await?;
            let event = Event::<E>::from_delivery(delivery).await?;
            if event.id() < limit.0 {
                return Ok(Checked(event));
            }
            let message = format!("the id is {}, the limit is {}", event.id(), limit.0);
            Err(Rejection::Refused { code: "id_too_large", message })
        }

        fn requires(requirements: &mut Requirements) {
            requirements.state::<Limit>();
        }
    }

    #[event_handler]
    async fn checked(Checked(event): Checked<ClaimAdded>, State(seen): State<Seen>) {
        seen.note(event.id);
    }

    #[tokio::test(start_paused = true)]
    async fn an_argument_of_the_users_own_may_refuse() {
        let seen = Seen::default();
        let large = r#"{"eventType":"CLAIM_ADDED","data":{"id":70}}"#;
        let app = app(module_path!(), &seen).state(Limit(10));
        let app = settled(app, "role_events", &[ADDED, large]).await;
        assert_eq!(seen.all(), ["7"]);
        let letter = &app.dead_letters("role_events")[0].headers;
        assert_eq!(letter.get_text("dlq.reason"), Some("id_too_large"));
    }

    #[test]
    fn what_it_needs_is_checked_at_start_up() {
        let report = app(module_path!(), &Seen::default()).start().unwrap_err().to_string();
        assert!(report.contains("needs State<Limit>, which was never provided"), "{report}");
    }
}

mod that_fails_at_first {
    use crate::{ADDED, Seen, app, settled};
    use event_core::extract::FromDelivery;
    use event_core::prelude::*;
    use event_core::{Delivery, Rejection};

    /// Something that is not there at once.
    struct Connection;

    impl<'a> FromDelivery<'a> for Connection {
        async fn from_delivery(delivery: &'a Delivery<'a>) -> Result<Self, Rejection> {
            match delivery.attempt {
                1 | 2 => Err(Rejection::Failed(Error::msg("the database does not answer"))),
                _ => Ok(Connection),
            }
        }
    }

    #[event_handler(topic = "role_events", event = "CLAIM_ADDED")]
    async fn connected(_: Connection, attempt: Attempt, State(seen): State<Seen>) {
        seen.note(attempt.number);
    }

    #[tokio::test(start_paused = true)]
    async fn an_argument_that_fails_is_tried_again() {
        let seen = Seen::default();
        let app = settled(app(module_path!(), &seen), "role_events", &[ADDED]).await;
        assert_eq!(seen.all(), ["3"]);
        assert_eq!(app.dead_letters("role_events").len(), 0);
    }
}

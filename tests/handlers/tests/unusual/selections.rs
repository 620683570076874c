//! Which records a handler gets.

mod catch_all {
    use crate::{ADDED, REMOVED, Seen, noted};
    use event_core::prelude::*;

    #[event_handler(topic = "role_events", event = *)]
    async fn rest(record: RawEvent, State(seen): State<Seen>) {
        seen.note(format_args!("rest: {}", record.event_type.unwrap()));
    }

    #[event_handler(topic = "role_events", event = "CLAIM_ADDED")]
    async fn added(State(seen): State<Seen>) {
        seen.note("added");
    }

    #[tokio::test(start_paused = true)]
    async fn every_event_that_nobody_else_takes() {
        let strange = r#"{"eventType":"any case","data":null}"#;
        let noted = noted(module_path!(), "role_events", &[REMOVED, ADDED, strange]).await;
        assert_eq!(noted, ["rest: CLAIM_REMOVED", "added", "rest: any case"]);
    }
}

/// Records of other makers, and what is no JSON at all.
const NO_EVENTS: [&str; 9] = [
    r#"{"before":null,"after":{"id":1005},"source":{"db":"app"},"op":"c","ts_ms":1764307000412}"#,
    r#"{"schema":{"type":"struct"},"payload":{"eventType":"CLAIM_ADDED"}}"#,
    r#"{"specversion":"1.0","id":"7","type":"CLAIM_ADDED","source":"/roles","data":{}}"#,
    r#"{"pattern":"CLAIM_ADDED","data":{"id":7}}"#,
    r#"{"messageId":"1","messageType":["urn:message:X"],"message":{}}"#,
    r#"{"id":7,"roleId":3}"#,
    "[1,2]",
    "",
    "\0\0\0\0\x07\x0e",
];

mod every_record {
    use super::NO_EVENTS;
    use crate::{ADDED, REMOVED, Seen, app};
    use event_core::prelude::*;

    #[event_handler(topic = "role_events", event = *)]
    async fn all(
        raw: RawEvent,
        _: Headers,
        _: Option<Key<String>>,
        _: Position,
        State(seen): State<Seen>,
    ) {
        let event = raw.event_type.unwrap_or_default();
        seen.note(format_args!("{event} {:?}", raw.value));
    }

    #[event_handler(topic = "role_events", event = "CLAIM_ADDED")]
    async fn added(State(seen): State<Seen>) {
        seen.note("added");
    }

    #[tokio::test(start_paused = true)]
    async fn goes_to_the_handler_that_needs_no_envelope() {
        let seen = Seen::default();
        let app = app(module_path!(), &seen).start().unwrap();
        for value in NO_EVENTS {
            app.publish_raw("role_events", None, Some(value.as_bytes())).await;
        }
        app.publish_raw("role_events", None, Some(b"\xFF\xFE")).await;
        app.publish_raw("role_events", Some(b"7"), None).await;
        app.publish_raw("role_events", None, Some(REMOVED.as_bytes())).await;
        app.publish_raw("role_events", None, Some(ADDED.as_bytes())).await;
        app.settle().await;
        assert!(app.dead_letters("role_events").is_empty());
        let seen = seen.all();
        assert_eq!(seen.len(), NO_EVENTS.len() + 4);
        assert!(seen[0].starts_with(r#" Some(b"{\"before\":null"#), "{}", seen[0]);
        assert_eq!(seen[NO_EVENTS.len() + 1], " None");
        assert!(seen[NO_EVENTS.len() + 2].starts_with("CLAIM_REMOVED "));
        assert_eq!(seen.last().unwrap(), "added");
    }
}

mod every_record_side_by_side {
    use super::NO_EVENTS;
    use crate::{Seen, app};
    use event_core::prelude::*;

    #[event_handler(topic = "role_events", event = *, order = none, concurrency = 4)]
    async fn all(raw: RawEvent, attempt: Attempt, State(seen): State<Seen>) -> Result {
        seen.note(raw.position);
        // Also when it is retried.
        if attempt.number == 1 { Err(Error::msg("once more")) } else { Ok(()) }
    }

    #[tokio::test(start_paused = true)]
    async fn goes_to_the_handler_that_needs_no_envelope() {
        let seen = Seen::default();
        let app = crate::settled(app(module_path!(), &seen), "role_events", &NO_EVENTS).await;
        assert!(app.dead_letters("role_events").is_empty());
        assert_eq!(seen.all().len(), 2 * NO_EVENTS.len());
    }
}

mod every_record_of_a_batch {
    use super::NO_EVENTS;
    use crate::{Seen, app};
    use event_core::prelude::*;

    #[event_handler(topic = "role_events", event = *, batch(max = 4, wait = "10ms"))]
    async fn all(records: Vec<RawEvent>, State(seen): State<Seen>) {
        for record in records {
            seen.note(record.position);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn goes_to_the_handler_that_needs_no_envelope() {
        let seen = Seen::default();
        let app = crate::settled(app(module_path!(), &seen), "role_events", &NO_EVENTS).await;
        assert!(app.dead_letters("role_events").is_empty());
        assert_eq!(seen.all().len(), NO_EVENTS.len());
    }
}

mod argument_of_the_users_own {
    use super::NO_EVENTS;
    use crate::{Seen, app};
    use event_core::extract::FromDelivery;
    use event_core::prelude::*;
    use event_core::{Delivery, Rejection};

    struct Change(usize);

    impl<'a> FromDelivery<'a> for Change {
        async fn from_delivery(delivery: &'a Delivery<'a>) -> Result<Self, Rejection> {
            Ok(Change(delivery.record.value.map_or(0, <[u8]>::len)))
        }
    }

    struct Named(String);

    impl<'a> FromDelivery<'a> for Named {
        async fn from_delivery(delivery: &'a Delivery<'a>) -> Result<Self, Rejection> {
            Ok(Named(delivery.envelope()?.event_type().to_owned()))
        }
    }

    #[event_handler(topic = "role_events", event = *)]
    async fn all(change: Change, State(seen): State<Seen>) {
        seen.note(change.0);
    }

    #[event_handler(topic = "user_events", event = *)]
    async fn named(named: Named, State(seen): State<Seen>) {
        seen.note(named.0);
    }

    #[tokio::test(start_paused = true)]
    async fn decides_by_asking_for_the_envelope() {
        let seen = Seen::default();
        let app = app(module_path!(), &seen).start().unwrap();
        for topic in ["role_events", "user_events"] {
            app.publish_raw(topic, None, Some(NO_EVENTS[0].as_bytes())).await;
            app.publish_raw(topic, None, None).await;
        }
        app.settle().await;
        assert_eq!(seen.all(), [NO_EVENTS[0].len().to_string()]);
        assert!(app.dead_letters("role_events").is_empty());
        let [letter] = &app.dead_letters("user_events")[..] else { panic!("one dead letter") };
        assert_eq!(letter.headers.get_text("dlq.reason"), Some("missing_event_type"));
        let error = letter.headers.get_text("dlq.error").unwrap();
        assert!(error.contains("looks like a change event of Debezium"), "{error}");
    }
}

mod events_only {
    use super::NO_EVENTS;
    use crate::{Seen, app};
    use event_core::prelude::*;

    #[event_handler(topic = "role_events", event = *)]
    async fn all(Json(data): Json<serde_json::Value>, State(seen): State<Seen>) {
        seen.note(data);
    }

    #[tokio::test(start_paused = true)]
    async fn goes_to_the_dead_letters_with_the_form_that_it_has() {
        let seen = Seen::default();
        let app = crate::settled(app(module_path!(), &seen), "role_events", &NO_EVENTS).await;
        app.publish_raw("role_events", None, None).await;
        app.settle().await;
        assert!(seen.all().is_empty());
        let letters = app.dead_letters("role_events");
        assert_eq!(letters.len(), NO_EVENTS.len());
        for (letter, maker) in
            letters.iter().zip(["Debezium", "Connect", "CloudEvent", "NestJS", "MassTransit"])
        {
            let error = letter.headers.get_text("dlq.error").unwrap();
            assert!(error.contains(maker) && error.contains("`RawEvent`"), "{error}");
        }
    }
}

mod tombstone {
    use crate::{ADDED, Seen, app};
    use event_core::prelude::*;

    #[event_handler(topic = "role_events", event = tombstone)]
    async fn gone(Key(id): Key<i64>, record: RawEvent, State(seen): State<Seen>) {
        seen.note(format_args!("{id} {:?}", record.value));
    }

    #[tokio::test(start_paused = true)]
    async fn a_record_without_a_value() {
        let seen = Seen::default();
        let app = app(module_path!(), &seen).start().unwrap();
        app.publish_raw("role_events", Some(b"5"), None).await;
        app.publish_raw("role_events", Some(b"5"), Some(ADDED.as_bytes())).await;
        app.publish_raw("role_events", Some(b"5"), Some(b"")).await;
        app.settle().await;
        assert_eq!(seen.all(), ["5 None"]);
        let reasons: Vec<_> = app.dead_letters("role_events");
        assert_eq!(reasons[0].headers.get_text("dlq.reason"), Some("empty_value"));
    }
}

mod sum {
    use crate::{ADDED, REMOVED, Seen, noted};
    use event_core::prelude::*;
    use serde::Deserialize;

    #[derive(Event, Deserialize)]
    #[event(topic = "role_events", name = "CLAIM_ADDED")]
    struct ClaimAdded {
        id: i64,
    }
    #[derive(Event, Deserialize)]
    #[event(topic = "role_events", name = "CLAIM_REMOVED")]
    struct ClaimRemoved {
        id: i64,
    }

    #[derive(EventSum)]
    enum ClaimEvent {
        Added(ClaimAdded),
        Removed(ClaimRemoved),
    }

    #[event_handler]
    async fn count(event: Event<ClaimEvent>, State(seen): State<Seen>) {
        let user = event.user_id().map(ToString::to_string);
        let change = match event.into_inner() {
            ClaimEvent::Added(claim) => claim.id,
            ClaimEvent::Removed(claim) => -claim.id,
        };
        seen.note(format_args!("{change} {user:?}"));
    }

    #[tokio::test(start_paused = true)]
    async fn one_handler_for_a_sum_of_contracts() {
        let noted = noted(module_path!(), "role_events", &[ADDED, REMOVED]).await;
        assert_eq!(noted, [r#"7 Some("42")"#, r#"-8 Some("x")"#]);
        let ClaimEvent::Added(claim) = ClaimAdded { id: 1 }.into() else { panic!("another") };
        assert_eq!(claim.id, 1);
    }
}

mod sum_that_borrows {
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
    #[derive(Event, Deserialize)]
    #[event(topic = "role_events", name = "FORGOTTEN")]
    struct Forgotten {}

    #[derive(EventSum)]
    enum Naming<'record> {
        Named(Named<'record>),
        Forgotten(Forgotten),
    }

    #[event_handler(topic = "role_events")]
    async fn naming(event: Event<Naming<'_>>, State(seen): State<Seen>) {
        match &*event {
            Naming::Named(Named { name: Cow::Borrowed(name) }) => seen.note(name),
            Naming::Named(_) => seen.note("copied"),
            Naming::Forgotten(Forgotten {}) => seen.note("forgotten"),
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_sum_borrows_from_the_record() {
        let named = r#"{"eventType":"NAMED","data":{"name":"plain"}}"#;
        let forgotten = r#"{"eventType":"FORGOTTEN"}"#;
        let noted = noted(module_path!(), "role_events", &[named, forgotten]).await;
        assert_eq!(noted, ["plain", "forgotten"]);
    }
}

mod boxed {
    use crate::{Seen, noted};
    use event_core::prelude::*;
    use serde::Deserialize;
    use std::borrow::Cow;

    #[derive(Event, Deserialize)]
    #[event(topic = "role_events", name = "CLAIM_ADDED")]
    struct Added {
        id: i64,
    }

    #[derive(Event, Deserialize)]
    #[event(topic = "role_events", name = "ROLE_IMPORTED")]
    struct Imported<'a> {
        #[serde(borrow)]
        name: Cow<'a, str>,
        claims: [i64; 2],
    }

    #[derive(EventSum)]
    enum Change<'a> {
        Added(Added),
        Imported(Box<Imported<'a>>),
    }

    #[event_handler]
    async fn change(event: Event<Change<'_>>, State(seen): State<Seen>) {
        match event.into_inner() {
            Change::Added(added) => seen.note(added.id),
            Change::Imported(imported) => {
                let Imported { name, claims } = *imported;
                seen.note(format_args!("{name} {claims:?}"));
            }
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_large_event_in_a_box() {
        let added = r#"{"eventType":"CLAIM_ADDED","data":{"id":7}}"#;
        let imported = r#"{"eventType":"ROLE_IMPORTED","data":{"name":"a","claims":[1,2]}}"#;
        let noted = noted(module_path!(), "role_events", &[added, imported]).await;
        assert_eq!(noted, ["7", "a [1, 2]"]);
        let imported = Imported { name: "b".into(), claims: [0, 0] };
        assert!(matches!(Change::from(imported), Change::Imported(boxed) if boxed.name == "b"));
    }
}

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

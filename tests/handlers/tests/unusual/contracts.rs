//! What a contract may be.

mod versions {
    use crate::{Seen, app, settled};
    use event_core::event::EventWriter;
    use event_core::prelude::*;
    use serde::{Deserialize, Serialize};

    #[derive(Event, Deserialize)]
    #[event(topic = "user_events", name = "USER_NAMED")]
    struct UserNamedV1 {
        name: String,
    }

    #[derive(Event, Deserialize)]
    #[event(topic = "user_events", name = "USER_NAMED", version = 2, upcasts(UserNamedV1))]
    struct UserNamedV2 {
        first: String,
        last: String,
    }

    #[derive(Event, Serialize, Deserialize)]
    #[event(topic = "user_events", name = "USER_NAMED", version = 3, upcasts(UserNamedV2))]
    struct UserNamed {
        first: String,
        last: String,
        title: Option<String>,
    }

    impl From<UserNamedV1> for UserNamedV2 {
        fn from(old: UserNamedV1) -> Self {
            let (first, last) = old.name.split_once(' ').unwrap_or((&old.name, ""));
            UserNamedV2 { first: first.to_owned(), last: last.to_owned() }
        }
    }

    impl From<UserNamedV2> for UserNamed {
        fn from(old: UserNamedV2) -> Self {
            UserNamed { first: old.first, last: old.last, title: None }
        }
    }

    #[event_handler]
    async fn named(event: Event<UserNamed>, State(seen): State<Seen>) -> Result {
        let again = EventWriter::new().write(&*event)?;
        let again: serde_json::Value = serde_json::from_slice(&again)?;
        seen.note(format_args!("{} -> {} {}", event.version(), again["version"], again["data"]));
        Ok(())
    }

    #[tokio::test(start_paused = true)]
    async fn three_versions_are_read_and_the_newest_is_written() {
        let seen = Seen::default();
        let values = [
            r#"{"eventType":"USER_NAMED","data":{"name":"Ada Lovelace"}}"#,
            r#"{"eventType":"USER_NAMED","version":2,"data":{"first":"Ada","last":"King"}}"#,
            r#"{"eventType":"USER_NAMED","version":3,"data":{"first":"A","last":"K","title":"Dr"}}"#,
            r#"{"eventType":"USER_NAMED","version":4,"data":{"first":"A","last":"K"}}"#,
            r#"{"eventType":"USER_NAMED","version":1,"data":{"first":"A","last":"K"}}"#,
        ];
        let app = settled(app(module_path!(), &seen), "user_events", &values).await;
        assert_eq!(
            seen.all(),
            [
                r#"1 -> 3 {"first":"Ada","last":"Lovelace","title":null}"#,
                r#"2 -> 3 {"first":"Ada","last":"King","title":null}"#,
                r#"3 -> 3 {"first":"A","last":"K","title":"Dr"}"#,
            ]
        );
        let reasons: Vec<_> = app
            .dead_letters("user_events")
            .iter()
            .map(|letter| letter.headers.get_text("dlq.reason").unwrap().to_owned())
            .collect();
        assert_eq!(reasons, ["unsupported_version", "data_mismatch"]);
    }
}

mod defaults_in_place_of_upcasts {
    use crate::{Seen, noted};
    use event_core::prelude::*;
    use serde::Deserialize;

    #[derive(Event, Deserialize)]
    #[event(topic = "user_events", name = "USER_NAMED", version = 2)]
    struct UserNamed {
        name: String,
        #[serde(default)]
        nick: String,
    }

    #[event_handler]
    async fn named(event: Event<UserNamed>, State(seen): State<Seen>) {
        seen.note(format_args!("{} {:?}", event.name, event.nick));
    }

    #[tokio::test(start_paused = true)]
    async fn a_new_field_with_a_default_needs_no_upcast() {
        let old = r#"{"eventType":"USER_NAMED","data":{"name":"A"}}"#;
        let new = r#"{"eventType":"USER_NAMED","version":2,"data":{"name":"A","nick":"B"}}"#;
        let noted = noted(module_path!(), "user_events", &[old, new]).await;
        assert_eq!(noted, [r#"A """#, r#"A "B""#]);
    }
}

mod keys {
    use event_core::prelude::*;
    use serde::Serialize;

    #[derive(Serialize)]
    struct Owner {
        id: u32,
    }

    #[derive(Event, Serialize)]
    #[event(topic = "role_events", name = "OWNED", key = owner.id)]
    struct Owned {
        owner: Owner,
    }

    #[derive(Event, Serialize)]
    #[event(topic = "role_events", name = "NAMED", key = Self::key_of)]
    struct Named {
        realm: String,
        id: u32,
    }

    impl Named {
        fn key_of(&self) -> String {
            format!("{}/{}", self.realm, self.id)
        }
    }

    fn of_either(event: &Either) -> Option<u32> {
        match event {
            Either::First { id } => Some(*id),
            Either::Second => None,
        }
    }

    #[derive(Event, Serialize)]
    #[event(topic = "role_events", name = "CHOSEN", key = self::of_either)]
    enum Either {
        First { id: u32 },
        Second,
    }

    #[test]
    fn a_key_is_a_path_of_fields_or_a_function() {
        assert_eq!(Owned { owner: Owner { id: 5 } }.key().as_deref(), Some("5"));
        assert_eq!(Named { realm: "a".into(), id: 5 }.key().as_deref(), Some("a/5"));
        assert_eq!(Either::First { id: 5 }.key().as_deref(), Some("5"));
        assert_eq!(Either::Second.key(), None);
        let key_of_json = |json: &str| Owned::INFO.key_of_json(json);
        assert_eq!(key_of_json(r#"{"owner": {"ID": 4, "id": 5}}"#).as_deref(), Some("5"));
        assert_eq!(key_of_json(r#"{"Owner": {"Id": "5\u0061"}}"#).as_deref(), Some("5a"));
        // As it is written: as a float it would be another.
        let large = "18446744073709551617";
        let json = format!(r#"{{"owner": {{"id": {large}}}}}"#);
        assert_eq!(key_of_json(&json).as_deref(), Some(large));
        for none in [r#"{"owner": {"id": null}}"#, r#"{"owner": {"id": {}}}"#, "{}", "[1]"] {
            assert_eq!(key_of_json(none), None, "{none}");
        }
    }
}

mod headers {
    use crate::{Seen, app};
    use event_core::prelude::*;
    use serde::{Deserialize, Serialize};

    #[derive(Event, Serialize, Deserialize)]
    #[event(topic = "role_events", name = "TAGGED", headers(tenant, source = "x-source"))]
    struct Tagged {
        tenant: u32,
        source: Option<String>,
    }

    #[event_handler]
    async fn tagged(_event: Event<Tagged>, headers: Headers, State(seen): State<Seen>) {
        seen.note(format_args!(
            "{:?} {:?}",
            headers.get_text("tenant"),
            headers.get_text("x-source")
        ));
    }

    #[tokio::test(start_paused = true)]
    async fn fields_become_headers_too() {
        let seen = Seen::default();
        let app = app(module_path!(), &seen).start().unwrap();
        app.publish(&Tagged { tenant: 5, source: Some("web".into()) }).await;
        app.publish(&Tagged { tenant: 5, source: None }).await;
        app.settle().await;
        assert_eq!(seen.all(), [r#"Some("5") Some("web")"#, r#"Some("5") None"#]);
    }
}

mod serdes_attributes {
    use crate::{Seen, noted};
    use event_core::prelude::*;
    use serde::{Deserialize, Deserializer};
    use std::collections::BTreeMap;

    fn doubled<'de, D: Deserializer<'de>>(reader: D) -> Result<i64, D::Error> {
        i64::deserialize(reader).map(|number| number * 2)
    }

    /// Everything at once.
    #[derive(Event, Deserialize)]
    #[event(topic = "role_events", name = "STRANGE")]
    #[serde(rename_all = "SCREAMING-KEBAB-CASE")]
    struct Strange {
        role_id: i64,
        #[serde(rename = "other", alias = "another")]
        renamed: String,
        #[serde(deserialize_with = "doubled")]
        twice: i64,
        #[serde(skip)]
        skipped: Option<Box<Strange>>,
        #[serde(flatten)]
        rest: BTreeMap<String, serde_json::Value>,
    }

    #[event_handler]
    async fn strange(event: Event<Strange>, State(seen): State<Seen>) {
        let Strange { role_id, renamed, twice, skipped, rest } = event.into_inner();
        seen.note(format_args!("{role_id} {renamed} {twice} {} {rest:?}", skipped.is_none()));
    }

    #[tokio::test(start_paused = true)]
    async fn serdes_attributes_work_as_serdes() {
        let value =
            r#"{"eventType":"STRANGE","data":{"ROLE-ID":1,"another":"x","TWICE":2,"more":3}}"#;
        let noted = noted(module_path!(), "role_events", &[value]).await;
        assert_eq!(noted, [r#"1 x 4 true {"more": Number(3)}"#]);
        let wire: Vec<_> = Strange::INFO.fields.iter().map(|f| (f.wire_name, f.required)).collect();
        assert_eq!(wire, [("ROLE-ID", true), ("other", true), ("TWICE", true), ("REST", false)]);
        assert_eq!(Strange::INFO.description, "Everything at once.");
    }
}

mod enums {
    use crate::{Seen, noted};
    use event_core::prelude::*;
    use serde::Deserialize;

    #[derive(Event, Deserialize)]
    #[event(topic = "pay_events", name = "PAID")]
    #[serde(tag = "by", rename_all = "snake_case")]
    enum Paid {
        Card { number: String },
        Cash,
    }

    #[event_handler]
    async fn paid(event: Event<Paid>, State(seen): State<Seen>) {
        match &*event {
            Paid::Card { number } => seen.note(number),
            Paid::Cash => seen.note("cash"),
        }
    }

    #[tokio::test(start_paused = true)]
    async fn an_enum_as_data() {
        let card = r#"{"eventType":"PAID","data":{"by":"card","number":"5"}}"#;
        let cash = r#"{"eventType":"PAID","data":{"by":"cash"}}"#;
        assert_eq!(noted(module_path!(), "pay_events", &[card, cash]).await, ["5", "cash"]);
    }
}

mod converted {
    use crate::{Seen, noted};
    use event_core::prelude::*;
    use serde::Deserialize;

    #[derive(Event, Deserialize)]
    #[event(topic = "pay_events", name = "AMOUNT_PAID")]
    #[serde(from = "i64")]
    struct AmountPaid {
        cents: i64,
    }

    impl From<i64> for AmountPaid {
        fn from(euros: i64) -> Self {
            AmountPaid { cents: euros * 100 }
        }
    }

    #[event_handler]
    async fn paid(event: Event<AmountPaid>, State(seen): State<Seen>) {
        seen.note(event.cents);
    }

    #[tokio::test(start_paused = true)]
    async fn data_that_is_no_object_where_serde_converts_it() {
        let value = r#"{"eventType":"AMOUNT_PAID","data":7}"#;
        assert_eq!(noted(module_path!(), "pay_events", &[value]).await, ["700"]);
    }
}

mod several_lifetimes {
    use crate::{Seen, noted};
    use event_core::prelude::*;
    use serde::Deserialize;
    use std::borrow::Cow;

    #[derive(Event, Deserialize)]
    #[event(topic = "role_events", name = "PAIRED", key = one)]
    struct Paired<'a, 'b: 'a> {
        #[serde(borrow)]
        one: Cow<'a, str>,
        #[serde(borrow)]
        other: Cow<'b, str>,
    }

    #[event_handler]
    async fn paired<'x>(event: Event<Paired<'x, 'x>>, State(seen): State<Seen>) {
        seen.note(format_args!("{}{}", event.one, event.other));
    }

    #[tokio::test(start_paused = true)]
    async fn a_contract_with_several_lifetimes() {
        let value = r#"{"eventType":"PAIRED","data":{"one":"a","other":"b"}}"#;
        assert_eq!(noted(module_path!(), "role_events", &[value]).await, ["ab"]);
    }
}

mod borrowed_versions {
    use crate::{Seen, noted};
    use event_core::prelude::*;
    use serde::Deserialize;
    use std::borrow::Cow;

    #[derive(Event, Deserialize)]
    #[event(topic = "user_events", name = "USER_NAMED")]
    struct UserNamedV1<'a> {
        #[serde(borrow)]
        name: Cow<'a, str>,
    }

    #[derive(Event, Deserialize)]
    #[event(topic = "user_events", name = "USER_NAMED", version = 2, upcasts(UserNamedV1<'a>))]
    struct UserNamed<'a, 'b: 'a> {
        #[serde(borrow)]
        full: Cow<'a, str>,
        #[serde(borrow)]
        nick: Cow<'b, str>,
    }

    impl<'a> From<UserNamedV1<'a>> for UserNamed<'a, '_> {
        fn from(old: UserNamedV1<'a>) -> Self {
            UserNamed { full: old.name, nick: Cow::Borrowed("none") }
        }
    }

    #[event_handler]
    async fn named<'x>(event: Event<UserNamed<'x, 'x>>, State(seen): State<Seen>) {
        let borrows = matches!(event.full, Cow::Borrowed(_));
        seen.note(format_args!("{} {} {borrows}", event.full, event.nick));
    }

    #[tokio::test(start_paused = true)]
    async fn an_older_version_that_borrows_is_not_copied() {
        let old = r#"{"eventType":"USER_NAMED","data":{"name":"A"}}"#;
        let new = r#"{"eventType":"USER_NAMED","version":2,"data":{"full":"B","nick":"C"}}"#;
        let noted = noted(module_path!(), "user_events", &[old, new]).await;
        assert_eq!(noted, ["A none true", "B C true"]);
    }
}

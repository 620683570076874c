//! Where names come from.

mod constants {
    use crate::{ADDED, Seen, noted};
    use event_core::prelude::*;

    mod names {
        pub(super) const TOPIC: &str = "role_events";
    }
    struct Claims;
    impl Claims {
        const ADDED: &'static str = "CLAIM_ADDED";
    }

    #[event_handler(topic = names::TOPIC, event = Claims::ADDED)]
    async fn handle(State(seen): State<Seen>) {
        seen.note("constants");
    }

    #[tokio::test(start_paused = true)]
    async fn constants_of_modules_and_types() {
        assert_eq!(noted(module_path!(), "role_events", &[ADDED]).await, ["constants"]);
    }
}

mod lists {
    use crate::{ADDED, REMOVED, Seen, noted};
    use event_core::prelude::*;

    #[derive(Topics)]
    enum Topics {
        RoleEvents,
    }

    #[derive(Events)]
    enum Events {
        ClaimAdded,
        #[event(name = "CLAIM_REMOVED")]
        Gone,
    }

    #[event_handler(topic = Topics::RoleEvents, event = Events::ClaimAdded)]
    #[event_handler(topic = Topics::RoleEvents, event = Events::Gone)]
    async fn handle(event: event_core::event::Envelope<'_>, State(seen): State<Seen>) {
        seen.note(event.event_type());
    }

    #[tokio::test(start_paused = true)]
    async fn variants_of_closed_lists() {
        let noted = noted(module_path!(), "role_events", &[ADDED, REMOVED]).await;
        assert_eq!(noted, ["CLAIM_ADDED", "CLAIM_REMOVED"]);
    }
}

mod concatenated {
    use crate::{ADDED, Seen, noted};
    use event_core::prelude::*;

    const TOPIC: &str = concat!("role", "_", "events");

    #[event_handler(event = "CLAIM_ADDED", topic = TOPIC,)]
    async fn handle(State(seen): State<Seen>) {
        seen.note(TOPIC);
    }

    #[tokio::test(start_paused = true)]
    async fn a_constant_made_by_a_macro_and_keys_in_another_order() {
        assert_eq!(noted(module_path!(), "role_events", &[ADDED]).await, ["role_events"]);
    }
}

mod foreign {
    use crate::{Seen, noted};
    use event_core::prelude::*;
    use serde::Deserialize;

    #[derive(Event, Deserialize)]
    #[event(topic = "orders.v1", name = "order.created", foreign_names)]
    struct OrderCreated {
        id: i64,
    }

    #[event_handler]
    async fn of_contract(order: Event<OrderCreated>, State(seen): State<Seen>) {
        seen.note(order.id);
    }

    #[event_handler(topic = "orders.v1", event = "Order Paid", foreign_names)]
    async fn of_attribute(Json(id): Json<i64>, State(seen): State<Seen>) {
        seen.note(id);
    }

    #[tokio::test(start_paused = true)]
    async fn names_of_other_people() {
        let created = r#"{"eventType":"order.created","data":{"id":1}}"#;
        let paid = r#"{"eventType":"Order Paid","data":2}"#;
        assert_eq!(noted(module_path!(), "orders.v1", &[created, paid]).await, ["1", "2"]);
    }
}

mod ids {
    use crate::{ADDED, Seen, app, settled};
    use event_core::prelude::*;

    #[event_handler(topic = "role_events", event = "CLAIM_ADDED", id = "audit.claim-added")]
    async fn fails() -> Result {
        Err(Error::msg("no").dead_letter())
    }

    #[tokio::test(start_paused = true)]
    async fn an_id_of_its_own_is_in_the_dead_letter() {
        let app = settled(app(module_path!(), &Seen::default()), "role_events", &[ADDED]).await;
        let letter = &app.dead_letters("role_events")[0];
        assert_eq!(letter.headers.get_text("dlq.handler"), Some("audit.claim-added"));
    }
}

mod dead_letters {
    use crate::{ADDED, Seen, app, settled};
    use event_core::prelude::*;

    #[event_handler(topic = "role_events", event = "CLAIM_ADDED", dead_letter = "broken_events")]
    async fn fails() -> Result {
        Err(Error::msg("no").dead_letter())
    }

    #[tokio::test(start_paused = true)]
    async fn a_topic_of_its_own_for_dead_letters() {
        let not_json = "{";
        let app = app(module_path!(), &Seen::default());
        let app = settled(app, "role_events", &[ADDED, not_json]).await;
        let reasons: Vec<_> = app
            .records("broken_events")
            .iter()
            .map(|letter| letter.headers.get_text("dlq.reason").unwrap().to_owned())
            .collect();
        assert_eq!(reasons, ["refused_by_handler", "truncated_json"]);
    }
}

mod foreign_lists {
    use crate::{Seen, app, settled};
    use event_core::prelude::*;
    use serde::{Deserialize, Serialize};

    #[derive(Topics)]
    enum Topics {
        #[topic(name = "Orders.v1", foreign_names)]
        Orders,
        RoleEvents,
        #[topic(name = "Orders.v1-dead", foreign_names)]
        DeadOrders,
    }

    #[derive(Events)]
    enum Events {
        #[event(name = "order.created", foreign_names)]
        OrderCreated,
        #[event(name = "Order Paid", foreign_names)]
        OrderPaid,
    }

    #[derive(Event, Serialize, Deserialize)]
    #[event(topic = Topics::Orders, name = Events::OrderCreated)]
    struct OrderCreated {
        id: i64,
    }

    #[event_handler]
    async fn created(event: Event<OrderCreated>, State(seen): State<Seen>) -> Emit<OrderCopied> {
        seen.note(format_args!("created {}", event.id));
        Emit(OrderCopied { id: event.id })
    }

    #[derive(Event, Serialize)]
    #[event(topic = Topics::Orders, name = "ORDER_COPIED")]
    struct OrderCopied {
        id: i64,
    }

    #[event_handler(topic = Topics::Orders, event = Events::OrderPaid, dead_letter = Topics::DeadOrders)]
    async fn paid(Json(data): Json<serde_json::Value>, State(seen): State<Seen>) {
        seen.note(format_args!("paid {data}"));
    }

    #[event_handler(topic = Topics::Orders, event = "ORDER_COPIED")]
    async fn copied(Json(data): Json<serde_json::Value>, State(seen): State<Seen>) {
        seen.note(format_args!("copied {data}"));
    }

    #[event_handler(topic = Topics::RoleEvents, event = *)]
    async fn other(event: event_core::event::Envelope<'_>, State(seen): State<Seen>) {
        seen.note(event.event_type());
    }

    #[tokio::test(start_paused = true)]
    async fn a_variant_needs_no_word_for_what_its_list_says() {
        let created = r#"{"eventType":"order.created","data":{"id":7}}"#;
        let paid = r#"{"eventType":"Order Paid","data":3}"#;
        let seen = Seen::default();
        let app = settled(app(module_path!(), &seen), "Orders.v1", &[created, paid, created]).await;
        app.publish_raw("role_events", None, Some(br#"{"eventType":"A","data":1}"#)).await;
        app.publish_raw("Orders.v1", None, Some(br#"{"eventType":"order.created","data":1}"#))
            .await;
        app.publish(&OrderCreated { id: 8 }).await;
        app.settle().await;
        assert_eq!(app.records("Orders.v1-dead").len(), 1);
        let mut seen = seen.all();
        seen.sort();
        assert_eq!(
            seen,
            [
                "A",
                r#"copied {"id":7}"#,
                r#"copied {"id":7}"#,
                r#"copied {"id":8}"#,
                "created 7",
                "created 7",
                "created 8",
                "paid 3",
            ]
        );
    }
}

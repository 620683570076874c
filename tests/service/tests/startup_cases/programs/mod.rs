//! Programs with something wrong, a module each. The reports say on which line, so what is new goes
//! to the end.

#![expect(dead_code, reason = "nothing here is run")]

pub(crate) mod topics;

pub(crate) mod two_of_one_event {
    use event_core::prelude::*;

    #[event_handler(topic = "role_events", event = "ROLE_ADDED")]
    async fn first() {}

    #[event_handler(topic = "role_events", event = "ROLE_ADDED")]
    async fn second() {}
}

pub(crate) mod three_of_one_event {
    use event_core::prelude::*;

    #[event_handler(topic = "role_events", event = "ROLE_ADDED")]
    async fn one() {}

    #[event_handler(topic = "role_events", event = "ROLE_ADDED")]
    async fn two() {}

    mod inner {
        use event_core::prelude::*;

        #[event_handler(topic = "role_events", event = "ROLE_ADDED")]
        async fn three() {}
    }
}

pub(crate) mod one_event_twice_on_one_function {
    use event_core::prelude::*;

    #[event_handler(topic = "role_events", event = "ROLE_ADDED")]
    #[event_handler(topic = "role_events", event = "ROLE_ADDED")]
    async fn twice() {}
}

pub(crate) mod two_catch_alls {
    use event_core::prelude::*;

    #[event_handler(topic = "role_events", event = *)]
    async fn audit() {}

    #[event_handler(topic = "role_events", event = *)]
    async fn archive() {}
}

pub(crate) mod two_of_tombstones {
    use event_core::prelude::*;

    #[event_handler(topic = "role_events", event = tombstone)]
    async fn forget() {}

    #[event_handler(topic = "role_events", event = tombstone)]
    async fn remove() {}
}

pub(crate) mod a_sum_and_one_of_its_events {
    use event_core::prelude::*;
    use serde::Deserialize;

    #[derive(Event, Deserialize)]
    #[event(topic = "role_events", name = "ROLE_ADDED")]
    struct RoleAdded {}

    #[derive(Event, Deserialize)]
    #[event(topic = "role_events", name = "ROLE_REMOVED")]
    struct RoleRemoved {}

    #[derive(EventSum)]
    enum RoleEvent {
        Added(RoleAdded),
        Removed(RoleRemoved),
    }

    #[event_handler]
    async fn every_change(_: Event<RoleEvent>) {}

    #[event_handler]
    async fn removal(_: Event<RoleRemoved>) {}
}

pub(crate) mod a_state_is_missing {
    use event_core::prelude::*;

    #[derive(Clone)]
    struct Mailer;

    #[event_handler(topic = "role_events", event = "ROLE_ADDED")]
    async fn mail(State(_): State<Mailer>) {}
}

pub(crate) mod states_are_nearly_there {
    use std::sync::{Arc, RwLock};

    use event_core::prelude::*;

    #[derive(Clone, Default)]
    pub(crate) struct Pool;

    #[derive(Clone, Default)]
    pub(crate) struct Cache;

    #[derive(Clone)]
    pub(crate) struct Mailer;

    pub(crate) mod other {
        #[derive(Clone)]
        pub(crate) struct Mailer;
    }

    #[event_handler(topic = "role_events", event = "ROLE_ADDED")]
    async fn too_much(State(_): State<Arc<Pool>>) {}

    #[event_handler(topic = "role_events", event = "ROLE_REMOVED")]
    async fn too_little(State(_): State<Cache>) {}

    #[event_handler(topic = "role_events", event = "ROLE_RENAMED")]
    async fn from_elsewhere(State(_): State<Mailer>) {}

    struct Stats;

    #[event_handler(topic = "role_events", event = "ROLE_COUNTED")]
    impl EventHandler for Stats {
        async fn handle(&self, _: Json<i64>) {}
    }

    pub(crate) fn provided(app: EventApp) -> EventApp {
        let app = app.state(Arc::new(Stats));
        app.state(Pool).state(Arc::new(RwLock::new(Cache))).state(other::Mailer)
    }
}

pub(crate) mod the_value_that_handles_is_missing {
    use event_core::prelude::*;

    struct Greeter;

    #[event_handler(topic = "greeting_events", event = "GREETING_REQUESTED")]
    impl EventHandler for Greeter {
        async fn handle(&self, _: Json<String>) {}
    }
}

pub(crate) mod a_part_is_missing {
    use event_core::prelude::*;

    #[derive(Clone)]
    struct Pool;

    #[derive(Clone, StateParts)]
    pub(crate) struct Services {
        name: &'static str,
    }

    #[event_handler(topic = "role_events", event = "ROLE_ADDED")]
    async fn needs_a_part(State(_): State<Pool>, State(_): State<&'static str>) {}

    pub(crate) fn provided(app: EventApp) -> EventApp {
        app.state_parts(Services { name: "cases" })
    }
}

pub(crate) mod layers_for_nothing {
    use event_core::middleware::Next;
    use event_core::prelude::*;
    use event_core::{Delivery, Outcome};

    #[event_handler(topic = "role_events", event = "ROLE_ADDED")]
    async fn record() {}

    async fn through(delivery: &Delivery<'_>, next: Next<'_>) -> Outcome {
        next.run(delivery).await
    }

    pub(crate) fn of_a_topic(app: EventApp) -> EventApp {
        app.layer_topic("role_event", through)
    }

    pub(crate) fn of_a_handler(app: EventApp) -> EventApp {
        app.layer_handler("record", through)
    }
}

pub(crate) mod one_id_for_two {
    use event_core::prelude::*;

    #[event_handler(topic = "role_events", event = "ROLE_ADDED", id = "audit")]
    async fn audit_added() {}

    #[event_handler(topic = "role_events", event = "ROLE_REMOVED", id = "audit")]
    async fn audit_removed() {}
}

pub(crate) mod the_default_id_of_another {
    use event_core::prelude::*;

    #[event_handler(topic = "role_events", event = "ROLE_ADDED")]
    async fn audit() {}

    #[event_handler(
        topic = "role_events",
        event = "ROLE_REMOVED",
        id = "programs::the_default_id_of_another::audit"
    )]
    async fn audit_removed() {}
}

pub(crate) mod one_id_for_several_events {
    use event_core::prelude::*;

    #[event_handler(topic = "role_events", event = "ROLE_ADDED", id = "audit")]
    #[event_handler(topic = "role_events", event = "ROLE_REMOVED", id = "audit")]
    async fn audit() {}
}

pub(crate) mod contracts_that_differ {
    use event_core::prelude::*;
    use serde::Deserialize;

    #[derive(Event, Deserialize)]
    #[event(topic = "order_events", name = "ORDER_PLACED")]
    struct OrderPlaced {
        id: i64,
    }

    mod copied {
        use event_core::prelude::*;

        #[derive(Event)]
        #[event(topic = "order_events", name = "ORDER_PLACED")]
        struct OrderPlaced {
            id: String,
        }
    }

    #[event_handler]
    async fn ship(_: Event<OrderPlaced>) {}
}

pub(crate) mod contracts_that_agree {
    use event_core::prelude::*;
    use serde::Deserialize;

    #[derive(Event, Deserialize)]
    #[event(topic = "bill_events", name = "BILL_PAID", version = 2, upcasts(BillPaidV1))]
    struct BillPaid {
        id: i64,
    }

    #[derive(Event, Deserialize)]
    #[event(topic = "bill_events", name = "BILL_PAID")]
    struct BillPaidV1 {
        number: i64,
    }

    impl From<BillPaidV1> for BillPaid {
        fn from(old: BillPaidV1) -> Self {
            BillPaid { id: old.number }
        }
    }

    mod copied {
        use event_core::prelude::*;

        #[derive(Event)]
        #[event(topic = "bill_events", name = "BILL_PAID", version = 2)]
        struct BillPaid {
            id: i64,
        }
    }

    #[event_handler]
    async fn book(_: Event<BillPaid>) {}
}

pub(crate) mod emits_that_is_not_true {
    use event_core::EventProducer;
    use event_core::prelude::*;
    use serde::Serialize;

    #[derive(Event, Serialize)]
    #[event(topic = "mail_events", name = "MAIL_REQUESTED")]
    struct MailRequested {}

    #[derive(Event, Serialize)]
    #[event(topic = "mail_events", name = "MAIL_STOPPED")]
    struct MailStopped {}

    #[event_handler(topic = "role_events", event = "ROLE_ADDED", emits(MailRequested))]
    async fn mail(State(_): State<EventProducer>) -> Emit<MailRequested> {
        Emit(MailRequested {})
    }

    #[event_handler(
        topic = "role_events",
        event = "ROLE_REMOVED",
        emits(MailRequested, MailStopped)
    )]
    async fn stop(_: Producer<(MailRequested, MailStopped)>, State(_): State<EventProducer>) {}
}

pub(crate) mod several_at_once {
    use event_core::prelude::*;

    #[event_handler(topic = "role_events", event = "ROLE_ADDED", id = "audit")]
    async fn first(State(_): State<u64>) {}

    #[event_handler(topic = "role_events", event = "ROLE_ADDED", id = "audit")]
    async fn second() {}

    #[event_handler(topic = "role.events", event = *, foreign_names, dead_letter = "role_events_dlq")]
    async fn third() {}
}

pub(crate) mod one_event_in_two_groups {
    use event_core::prelude::*;

    #[event_handler(topic = "role_events", event = "ROLE_ADDED")]
    async fn record() {}

    #[event_handler(topic = "role_events", event = "ROLE_ADDED", group = "mailer")]
    async fn mail() {}
}

pub(crate) mod one_event_twice_in_a_group_of_its_own {
    use event_core::prelude::*;

    #[event_handler(topic = "role_events", event = "ROLE_ADDED")]
    async fn record() {}

    #[event_handler(topic = "role_events", event = "ROLE_ADDED", group = "mailer")]
    async fn mail() {}

    #[event_handler(topic = "role_events", event = "ROLE_ADDED", group = "mailer")]
    async fn mail_again() {}
}

pub(crate) mod two_orders {
    use event_core::prelude::*;

    #[event_handler(topic = "role_events", event = "ROLE_ADDED")]
    async fn added() {}

    #[event_handler(topic = "role_events", event = "ROLE_RENAMED")]
    async fn renamed() {}

    #[event_handler(topic = "role_events", event = "ROLE_REMOVED", order = key, concurrency = 8)]
    async fn removed() {}

    // Neither another group nor what has no order is in anybody's way.
    #[event_handler(topic = "role_events", event = "ROLE_SHOWN", order = none, concurrency = 8)]
    async fn shown() {}

    #[event_handler(topic = "role_events", event = *, group = "audit", order = key)]
    async fn audit() {}
}

pub(crate) mod time_to_spare {
    use event_core::prelude::*;

    #[event_handler(topic = "role_events", event = "ROLE_ADDED", timeout = "1m")]
    async fn slow() {}

    #[event_handler(topic = "role_events", event = "ROLE_REMOVED", timeout = "1h")]
    #[event_handler(topic = "role_events", event = "ROLE_RENAMED", timeout = "1h")]
    async fn slower() {}

    #[event_handler(topic = "role_events", event = "ROLE_SHOWN", timeout = "1h")]
    async fn as_slow() {}

    #[event_handler(topic = "role_events", event = "ROLE_HIDDEN", timeout = "20s")]
    async fn quick() {}

    #[event_handler(topic = "role_events", event = *, order = none, concurrency = 2000)]
    async fn many() {}
}

pub(crate) mod a_layer_around_a_batch {
    use event_core::extract::Batch;
    use event_core::middleware::Next;
    use event_core::prelude::*;
    use event_core::{Delivery, Outcome};
    use serde::Deserialize;

    #[derive(Event, Deserialize)]
    #[event(topic = "role_events", name = "ROLE_ADDED")]
    struct RoleAdded {}

    #[event_handler(id = "import")]
    async fn import(_: Batch<RoleAdded>) {}

    #[event_handler(topic = "role_events", event = "ROLE_REMOVED", id = "remove")]
    async fn remove() {}

    async fn through(delivery: &Delivery<'_>, next: Next<'_>) -> Outcome {
        next.run(delivery).await
    }

    pub(crate) fn layered(app: EventApp) -> EventApp {
        app.layer_handler("import", through).layer_handler("remove", through).layer(through)
    }
}

pub(crate) mod contract_keys_that_differ {
    use event_core::prelude::*;
    use serde::Deserialize;

    #[derive(Event, Deserialize)]
    #[event(topic = "seat_events", name = "SEAT_TAKEN", key = seat_id)]
    struct SeatTaken {
        seat_id: i64,
        row_id: i64,
    }

    mod copied {
        use event_core::prelude::*;

        #[derive(Event)]
        #[event(topic = "seat_events", name = "SEAT_TAKEN", key = row_id)]
        struct SeatTaken {
            seat_id: i64,
            row_id: i64,
        }
    }

    #[event_handler]
    async fn print(_: Event<SeatTaken>) {}
}

pub(crate) mod contract_keys_that_agree {
    use event_core::prelude::*;
    use serde::Deserialize;

    #[derive(Event, Deserialize)]
    #[event(topic = "desk_events", name = "DESK_TAKEN", key = desk_id)]
    #[serde(rename_all = "camelCase")]
    struct DeskTaken {
        desk_id: i64,
    }

    mod copied {
        use event_core::prelude::*;
        use serde::Deserialize;

        #[derive(Event, Deserialize)]
        #[event(topic = "desk_events", name = "DESK_TAKEN", key = desk)]
        struct DeskTaken {
            #[serde(rename = "deskId")]
            desk: i64,
        }
    }

    #[event_handler]
    async fn print(_: Event<DeskTaken>) {}
}

pub(crate) mod a_state_twice {
    use event_core::prelude::*;

    #[derive(Clone)]
    struct Mailer;

    #[event_handler(topic = "role_events", event = "ROLE_ADDED")]
    async fn mail(State(_): State<Mailer>) {}

    pub(crate) fn provided(app: EventApp) -> EventApp {
        app.state(Mailer).state_with(connect)
    }

    async fn connect() -> Result<Mailer> {
        Ok(Mailer)
    }
}

pub(crate) mod a_handler_that_sends_what_it_takes {
    use event_core::prelude::*;
    use serde::{Deserialize, Serialize};

    #[derive(Event, Serialize, Deserialize)]
    #[event(topic = "tick_events", name = "TICKED")]
    struct Ticked {
        count: u64,
    }

    #[event_handler]
    async fn tick(event: Event<Ticked>) -> Emit<Ticked> {
        Emit(Ticked { count: event.count + 1 })
    }
}

pub(crate) mod handlers_in_a_circle {
    use event_core::prelude::*;
    use serde::{Deserialize, Serialize};

    #[derive(Event, Serialize, Deserialize)]
    #[event(topic = "ball_events", name = "PINGED")]
    struct Pinged {}

    #[derive(Event, Serialize, Deserialize)]
    #[event(topic = "ball_events", name = "PONGED")]
    struct Ponged {}

    #[derive(Event, Serialize, Deserialize)]
    #[event(topic = "ball_events", name = "DROPPED")]
    struct Dropped {}

    #[event_handler]
    async fn ping(_: Event<Pinged>, _: Producer<(Ponged, Dropped)>) {}

    // In its group it takes all events.
    #[event_handler(topic = "ball_events", event = *, group = "wall")]
    async fn pong(_: RawEvent, _: Producer<Pinged>) {}

    #[event_handler]
    async fn end(_: Event<Dropped>) {}
}

pub(crate) mod handlers_in_a_row {
    use event_core::prelude::*;
    use serde::{Deserialize, Serialize};

    #[derive(Event, Serialize, Deserialize)]
    #[event(topic = "row_events", name = "FIRST")]
    struct First {}

    #[derive(Event, Serialize, Deserialize)]
    #[event(topic = "row_events", name = "SECOND")]
    struct Second {}

    #[event_handler]
    async fn first(_: Event<First>, _: Producer<Second>) {}

    #[event_handler]
    async fn second(_: Event<Second>) {}

    // In this group the second is taken by another.
    #[event_handler(topic = "row_events", event = *)]
    async fn others(_: RawEvent, _: Producer<First>) {}
}

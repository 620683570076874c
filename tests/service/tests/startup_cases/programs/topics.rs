//! Topics that do not fit together, or not with what is made of them.

pub(crate) mod topics_that_kafka_takes_for_one {
    use event_core::prelude::*;

    #[event_handler(topic = "orders_v1", event = "ORDER_PLACED")]
    async fn ours() {}

    #[event_handler(topic = "orders.v1", event = "ORDER_PAID", foreign_names)]
    async fn theirs() {}
}

pub(crate) mod dead_letters_on_a_topic_like_another {
    use event_core::prelude::*;

    #[event_handler(topic = "mails", event = "MAIL_SENT")]
    async fn count() {}

    #[event_handler(topic = "mails.dlq", event = "MAIL_SENT", foreign_names)]
    async fn look() {}
}

pub(crate) mod dead_letters_on_two_topics {
    use event_core::prelude::*;

    #[event_handler(topic = "role_events", event = "ROLE_ADDED", dead_letter = "broken_roles")]
    async fn added() {}

    #[event_handler(topic = "role_events", event = "ROLE_REMOVED", dead_letter = "lost_roles")]
    async fn removed() {}

    #[event_handler(topic = "role_events", event = "ROLE_RENAMED")]
    async fn renamed() {}
}

pub(crate) mod dead_letters_that_come_back {
    use event_core::prelude::*;

    #[event_handler(topic = "role_events", event = "ROLE_ADDED", dead_letter = "lost_roles")]
    async fn added(_role: Json<i64>) {}

    #[event_handler(topic = "lost_roles", event = "ROLE_ADDED", dead_letter = "role_events")]
    async fn found(_role: Json<i64>) {}

    #[event_handler(topic = "user_events", event = "USER_ADDED")]
    async fn user_added(_user: Json<i64>) {}

    #[event_handler(topic = "user_events_dlq", event = *, dead_letter = "user_events")]
    async fn lost(_record: RawEvent) {}

    #[event_handler(topic = "user_events_dlq", event = "USER_LOST")]
    async fn user_lost(_user: Json<i64>) {}
}

pub(crate) mod a_name_without_room_for_dead_letters {
    use event_core::prelude::*;

    // 246 bytes: legal, but not with `_dlq`.
    #[event_handler(
        topic = "long_events_long_events_long_events_long_events_long_events_long_events_long_events_long_events_long_events_long_events_long_events_long_events_long_events_long_events_long_events_long_events_long_events_long_events_long_events_long_events_long_e",
        event = "LONG_ENDED"
    )]
    async fn end() {}
}

pub(crate) mod a_catch_all_of_a_misspelt_topic {
    use event_core::prelude::*;

    #[event_handler(topic = "role_events", event = "ROLE_ADDED")]
    async fn added() {}

    #[event_handler(topic = "role_evnets", event = *)]
    async fn audit() {}
}

pub(crate) mod a_catch_all_of_a_foreign_topic {
    use event_core::prelude::*;

    #[event_handler(topic = "weather_reports", event = *)]
    async fn audit() {}
}

pub(crate) mod two_topics {
    use event_core::EventProducer;
    use event_core::prelude::*;

    #[event_handler(topic = "role_events", event = "ROLE_ADDED")]
    async fn role(State(_): State<EventProducer>) {}

    #[event_handler(topic = "user_events", event = "USER_ADDED")]
    async fn user(producer: Producer) {
        let _ = producer;
    }
}

pub(crate) mod handlers_of_derived_topics {
    use event_core::prelude::*;

    #[event_handler(
        topic = "role_events",
        event = "ROLE_ADDED",
        order = none,
        retry(topics = ["1m"])
    )]
    async fn added() {}

    #[event_handler(topic = "role_events_retry_1m", event = "ROLE_ADDED")]
    async fn later() {}

    #[event_handler(topic = "role_events_redrive", event = "ROLE_ADDED")]
    async fn once_more() {}

    #[event_handler(topic = "role_events_dlq", event = "ROLE_ADDED")]
    async fn alert() {}
}

pub(crate) mod dead_letters_of_two_groups {
    use event_core::prelude::*;

    #[event_handler(topic = "role_events", event = "ROLE_ADDED", dead_letter = "broken_roles")]
    async fn added() {}

    #[event_handler(
        topic = "role_events",
        event = "ROLE_ADDED",
        group = "audit",
        dead_letter = "lost_roles"
    )]
    async fn audited() {}

    #[event_handler(topic = "role_events", event = "ROLE_ADDED", group = "mailer")]
    async fn mailed() {}
}

pub(crate) mod dead_letters_that_come_back_through_a_group {
    use event_core::prelude::*;

    #[event_handler(topic = "role_events", event = "ROLE_ADDED")]
    async fn added() {}

    #[event_handler(
        topic = "role_events",
        event = "ROLE_ADDED",
        group = "audit",
        dead_letter = "lost_roles"
    )]
    async fn audited() {}

    #[event_handler(topic = "lost_roles", event = "ROLE_ADDED", dead_letter = "role_events")]
    async fn found() {}
}

pub(crate) mod a_name_without_room_for_redriven_records {
    use event_core::prelude::*;

    // 242 bytes: one too many for `_redrive`, and room for the others.
    #[event_handler(
        topic = "long_events_long_events_long_events_long_events_long_events_long_events_long_events_long_events_long_events_long_events_long_events_long_events_long_events_long_events_long_events_long_events_long_events_long_events_long_events_long_events_lo",
        event = "LONG_ENDED"
    )]
    async fn end() {}
}

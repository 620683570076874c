//! What is on the topics when a handler that sends fails.

use event_core::prelude::*;
use serde::{Deserialize, Serialize};

#[derive(Event, Serialize, Deserialize)]
#[event(topic = "mail_events", name = "MAIL_REQUESTED")]
struct MailRequested {
    to: i64,
}

#[derive(Event, Serialize, Deserialize)]
#[event(topic = "count_events", name = "COUNTED")]
struct Counted {
    by: i64,
}

mod fails_between {
    use super::{Counted, MailRequested};
    use crate::{ADDED, Seen, app};
    use event_core::prelude::*;

    #[event_handler(topic = "role_events", event = "CLAIM_ADDED", emits(MailRequested, Counted))]
    async fn sends_and_fails(
        producer: Producer<(MailRequested, Counted)>,
        attempt: Attempt,
        State(seen): State<Seen>,
    ) -> Result {
        producer.send(&MailRequested { to: 1 }).await?;
        // The first is acknowledged here, and the second never sent before the third attempt.
        seen.note(attempt.number);
        if attempt.number < 3 {
            return Err(Error::msg("down"));
        }
        producer.send(&Counted { by: 1 }).await?;
        Ok(())
    }

    #[tokio::test(start_paused = true)]
    async fn the_source_is_not_committed_and_what_was_sent_is_sent_again() {
        let seen = Seen::default();
        let mut app = app(module_path!(), &seen).start().unwrap();
        app.publish_raw("role_events", None, Some(ADDED.as_bytes())).await;
        app.eventually("the first attempt", || seen.all() == ["1"]).await;
        // A crash at this point: the source is delivered again to whoever starts next.
        app.crash().await;
        assert_eq!(app.committed("role_events", 0), None);
        assert_eq!(app.records("mail_events").len(), 1);
        assert_eq!(app.records("count_events").len(), 0);

        app.restart();
        app.settle().await;
        assert_eq!(app.committed("role_events", 0).map(|next| next.0), Some(1));
        // One of the crash, three of the attempts after it.
        assert_eq!(seen.all(), ["1", "1", "2", "3"]);
        assert_eq!(app.records("mail_events").len(), 4);
        assert_eq!(app.records("count_events").len(), 1);
        assert_eq!(app.dead_letters("role_events").len(), 0);
    }
}

mod refused {
    use super::{Counted, MailRequested};
    use crate::{ADDED, Seen, app};
    use event_core::broker::BrokerError;
    use event_core::event::TopicName;
    use event_core::prelude::*;

    fn down() -> BrokerError {
        BrokerError::Other("not enough replicas".into())
    }

    #[event_handler(topic = "role_events", event = "CLAIM_ADDED")]
    async fn returns_two(State(seen): State<Seen>) -> (Emit<MailRequested>, Emit<Counted>) {
        seen.note("ran");
        (Emit(MailRequested { to: 1 }), Emit(Counted { by: 1 }))
    }

    #[tokio::test(start_paused = true)]
    async fn an_event_that_is_not_acknowledged_fails_the_attempt() {
        let seen = Seen::default();
        let app = app(module_path!(), &seen).start().unwrap();
        app.broker().refuse_writes(&TopicName::from_static("count_events"), Some(down()));
        app.publish_raw("role_events", None, Some(ADDED.as_bytes())).await;
        app.eventually("the second attempt", || seen.all().len() == 2).await;
        assert_eq!(app.committed("role_events", 0), None);
        assert_eq!(app.records("count_events").len(), 0);

        app.broker().refuse_writes(&TopicName::from_static("count_events"), None);
        app.settle().await;
        let attempts = seen.all().len();
        assert_eq!(app.records("mail_events").len(), attempts);
        assert_eq!(app.records("count_events").len(), 1);
        assert_eq!(app.committed("role_events", 0).map(|next| next.0), Some(1));
    }

    #[tokio::test(start_paused = true)]
    async fn events_that_are_never_acknowledged_make_the_source_a_dead_letter() {
        let app = app(module_path!(), &Seen::default()).start().unwrap();
        app.broker().refuse_writes(&TopicName::from_static("count_events"), Some(down()));
        app.publish_raw("role_events", None, Some(ADDED.as_bytes())).await;
        app.settle().await;
        let letter = &app.dead_letters("role_events")[0].headers;
        assert_eq!(letter.get_text("dlq.reason"), Some("attempts_exhausted"));
        let error = letter.get_text("dlq.error").unwrap();
        assert!(
            error.starts_with(
                "an event that the handler returned was not acknowledged on topic `count_events`: "
            ),
            "{error}"
        );
    }

    #[tokio::test(start_paused = true)]
    async fn an_event_that_the_broker_will_never_take_is_not_sent_again_and_again() {
        let seen = Seen::default();
        let app = app(module_path!(), &seen).start().unwrap();
        app.broker().limit_record_bytes(&TopicName::from_static("count_events"), 10);
        app.publish_raw("role_events", None, Some(ADDED.as_bytes())).await;
        app.settle().await;
        assert_eq!(seen.all(), ["ran"]);
        assert_eq!(app.records("mail_events").len(), 1);
        let letter = &app.dead_letters("role_events")[0].headers;
        assert_eq!(letter.get_text("dlq.attempts"), Some("1"));
    }
}

mod borrowed {
    use crate::{ADDED, Seen, app, settled};
    use event_core::prelude::*;
    use serde::{Deserialize, Serialize};
    use std::borrow::Cow;

    #[derive(Event, Serialize, Deserialize)]
    #[event(topic = "user_events", name = "USER_NAMED")]
    struct UserNamed<'a> {
        #[serde(borrow)]
        name: Cow<'a, str>,
    }

    #[derive(Event, Serialize)]
    #[event(topic = "user_events", name = "USER_GREETED")]
    struct UserGreeted<'a> {
        words: &'a [String],
    }

    #[event_handler(topic = "role_events", event = "CLAIM_ADDED")]
    async fn sends_one(producer: Producer<UserNamed<'_>>) -> Result {
        let name = String::from("a");
        producer.send(&UserNamed { name: Cow::Borrowed(&name) }).await?;
        Ok(())
    }

    #[event_handler]
    async fn sends_several(
        event: Event<UserNamed<'_>>,
        producer: Producer<(UserNamed<'_>, UserGreeted<'_>)>,
        any: Producer,
        State(seen): State<Seen>,
    ) -> Result {
        seen.note(&event.name);
        let words = [format!("hello {}", event.name)];
        if event.name.len() < 2 {
            producer.send_all(&[UserNamed { name: Cow::Borrowed(&words[0]) }]).await?;
            producer.send(&UserGreeted { words: &words }).await?;
            any.send(&UserGreeted { words: &words }).await?;
        }
        Ok(())
    }

    #[tokio::test(start_paused = true)]
    async fn an_event_that_borrows_is_sent_without_a_copy() {
        let seen = Seen::default();
        let app = settled(app(module_path!(), &seen), "role_events", &[ADDED]).await;
        assert_eq!(seen.all(), ["a", "hello a"]);
        assert_eq!(app.records("user_events").len(), 4);
    }
}

//! What a handler may return.

use event_core::prelude::*;
use serde::{Deserialize, Serialize};

#[derive(Event, Serialize, Deserialize)]
#[event(topic = "mail_events", name = "MAIL_REQUESTED", key = to)]
struct MailRequested {
    to: i64,
}

#[derive(Event, Serialize, Deserialize)]
#[event(topic = "count_events", name = "COUNTED")]
struct Counted {
    by: i64,
}

mod emitted {
    use super::{Counted, MailRequested};
    use crate::{ADDED, REMOVED, Seen, app, settled};
    use event_core::broker::OutgoingRecord;
    use event_core::delivery::CAUSATION_ID;
    use event_core::event::TopicName;
    use event_core::prelude::*;

    #[event_handler(topic = "role_events", event = "CLAIM_ADDED")]
    async fn one() -> Emit<MailRequested> {
        Emit(MailRequested { to: 5 })
    }

    #[event_handler(topic = "role_events", event = "CLAIM_REMOVED")]
    async fn two() -> Result<(Emit<MailRequested>, Emit<Counted>), std::io::Error> {
        Ok((Emit(MailRequested { to: 6 }), Emit(Counted { by: 1 })))
    }

    #[event_handler(topic = "role_events", event = "LISTED")]
    async fn several() -> Vec<Emit<Counted>> {
        (0..3).map(|by| Emit(Counted { by })).collect()
    }

    #[event_handler(topic = "role_events", event = "PERHAPS")]
    async fn perhaps(Json(send): Json<bool>) -> Option<Emit<Counted>> {
        send.then_some(Emit(Counted { by: 9 }))
    }

    #[event_handler(topic = "role_events", event = "NESTED", emits(MailRequested, Counted))]
    async fn nested() -> Result<(Option<Emit<MailRequested>>, [Emit<Counted>; 2])> {
        Ok((None, [Emit(Counted { by: 1 }), Emit(Counted { by: 2 })]))
    }

    async fn counted(values: &[&str]) -> usize {
        let app = settled(app(module_path!(), &Seen::default()), "role_events", values).await;
        app.records("count_events").len()
    }

    #[tokio::test(start_paused = true)]
    async fn an_event_has_its_key_its_cause_and_its_trace() {
        let app = app(module_path!(), &Seen::default()).start().unwrap();
        let mut headers = Headers::new();
        let traceparent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
        headers.push("traceparent", traceparent);
        headers.push("other", "not passed on");
        let with_id = r#"{"eventType":"CLAIM_ADDED","userId":42,"eventId":"abc","data":{}}"#;
        for value in [ADDED, with_id] {
            app.publish_record(OutgoingRecord {
                topic: TopicName::from_static("role_events"),
                partition: None,
                key: None,
                value: Some(value.into()),
                headers: headers.clone(),
                timestamp_ms: None,
            })
            .await;
        }
        app.settle().await;
        let mails = app.records("mail_events");
        assert_eq!(mails.len(), 2);
        assert_eq!(mails[0].key.as_deref(), Some(&b"5"[..]));
        assert_eq!(mails[0].headers.get_text(CAUSATION_ID), Some("role_events/0@0"));
        assert_eq!(mails[1].headers.get_text(CAUSATION_ID), Some("abc"));
        assert_eq!(mails[0].headers.get_text("traceparent"), Some(traceparent));
        assert_eq!(mails[0].headers.get("other"), None);
        let value: serde_json::Value =
            serde_json::from_slice(mails[0].value.as_deref().unwrap()).unwrap();
        assert_eq!((&value["userId"], &value["data"]["to"]), (&42.into(), &5.into()));
    }

    #[tokio::test(start_paused = true)]
    async fn several_and_none() {
        let listed = r#"{"eventType":"LISTED"}"#;
        let yes = r#"{"eventType":"PERHAPS","data":true}"#;
        let no = r#"{"eventType":"PERHAPS","data":false}"#;
        let nested = r#"{"eventType":"NESTED"}"#;
        assert_eq!(counted(&[REMOVED]).await, 1);
        assert_eq!(counted(&[listed]).await, 3);
        assert_eq!(counted(&[yes, no]).await, 1);
        assert_eq!(counted(&[nested]).await, 2);
    }
}

mod sent {
    use super::{Counted, MailRequested};
    use crate::{ADDED, REMOVED, Seen, app, settled};
    use event_core::prelude::*;

    #[event_handler(topic = "role_events", event = "CLAIM_ADDED", emits(MailRequested, Counted))]
    async fn only_these(producer: Producer<(MailRequested, Counted)>) -> Result {
        producer.send(&MailRequested { to: 1 }).await?;
        producer.send_all(&[Counted { by: 1 }, Counted { by: 2 }]).await?;
        Ok(())
    }

    #[event_handler(topic = "role_events", event = "CLAIM_REMOVED")]
    async fn any(producer: Producer) -> Result {
        producer.as_user("system").send(&Counted { by: 3 }).await?;
        Ok(())
    }

    #[tokio::test(start_paused = true)]
    async fn a_producer_of_certain_events_and_of_any() {
        let app = app(module_path!(), &Seen::default());
        let app = settled(app, "role_events", &[ADDED, REMOVED]).await;
        assert_eq!((app.records("mail_events").len(), app.records("count_events").len()), (1, 3));
        let last = &app.records("count_events")[2];
        let value: serde_json::Value =
            serde_json::from_slice(last.value.as_deref().unwrap()).unwrap();
        assert_eq!(value["userId"], "system");
    }
}

mod errors {
    use crate::{Seen, app, settled};
    use event_core::prelude::*;

    #[event_handler(topic = "role_events", event = "ANYHOW")]
    async fn with_anyhow(Json(number): Json<String>) -> anyhow::Result<()> {
        use anyhow::Context;
        let _: i64 = number.parse().context("no number")?;
        Ok(())
    }

    #[event_handler(topic = "role_events", event = "EYRE")]
    async fn with_eyre(Json(number): Json<String>) -> eyre::Result<()> {
        use eyre::WrapErr;
        let _: i64 = number.parse().wrap_err("no number")?;
        Ok(())
    }

    #[event_handler(topic = "role_events", event = "BOXED")]
    async fn boxed(
        Json(number): Json<String>,
    ) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
        let _: i64 = number.parse()?;
        Ok(())
    }

    #[derive(Debug, thiserror::Error)]
    #[error("no number")]
    struct NoNumber(#[from] std::num::ParseIntError);

    #[event_handler(topic = "role_events", event = "OWN")]
    async fn own(Json(number): Json<String>) -> Result<(), NoNumber> {
        let _: i64 = number.parse()?;
        Ok(())
    }

    #[event_handler(topic = "role_events", event = "OURS")]
    async fn ours(Json(number): Json<String>) -> Result {
        let _: i64 = number.parse()?;
        Ok(())
    }

    type Aliased = std::result::Result<Outcome, Error>;

    #[event_handler(topic = "role_events", event = "ALIASED")]
    async fn aliased(Json(number): Json<String>) -> Aliased {
        number.parse::<i64>().map_err(|error| Error::from(error).dead_letter())?;
        Ok(Outcome::Skipped)
    }

    #[event_handler(topic = "role_events", event = "NAMELESS")]
    async fn nameless(Json(number): Json<String>) -> impl event_core::outcome::IntoOutcome {
        number.parse::<i64>().map(drop)
    }

    #[tokio::test(start_paused = true)]
    async fn every_kind_of_error_fails_with_its_causes() {
        for (event, error) in [
            ("ANYHOW", "no number: invalid digit found in string"),
            ("EYRE", "no number: invalid digit found in string"),
            ("BOXED", "invalid digit found in string"),
            ("OWN", "no number: invalid digit found in string"),
            ("OURS", "invalid digit found in string"),
            ("ALIASED", "invalid digit found in string"),
            ("NAMELESS", "invalid digit found in string"),
        ] {
            let good = format!(r#"{{"eventType":"{event}","data":"7"}}"#);
            let bad = format!(r#"{{"eventType":"{event}","data":"x"}}"#);
            let app = app(module_path!(), &Seen::default());
            let app = settled(app, "role_events", &[&good, &bad]).await;
            let letters = app.dead_letters("role_events");
            assert_eq!(letters.len(), 1, "{event}");
            assert_eq!(letters[0].headers.get_text("dlq.error"), Some(error), "{event}");
        }
    }
}

//! What a handler is given of a record.

use super::*;

mod envelope {
    use super::*;
    use event_core::event::EventId;

    #[event_handler]
    async fn look(
        event: Event<ClaimAdded>,
        raw: RawEvent,
        position: Position,
        State(seen): State<Seen>,
    ) -> Result {
        assert_eq!(event.user_id(), Some(&UserId::from("ñ")));
        assert_eq!(event.event_id(), Some(&EventId::new("e1")));
        assert_eq!(event.occurred_at().unwrap().to_string(), "2024-05-01T10:00:00Z");
        assert_eq!(event.extra("trace").unwrap().get(), "[1]");
        assert_eq!(raw.position, position);
        assert_eq!(raw.key.as_deref(), Some(&b""[..]));
        assert!(raw.value.unwrap().starts_with(b"{\"data\""));
        seen.note(event.id);
        Ok(())
    }
}

#[tokio::test(start_paused = true)]
async fn a_handler_sees_the_whole_envelope() {
    let seen = Seen::default();
    let app = service("payloads::envelope").state(seen.clone()).start().unwrap();
    let value = br#"{"data":{"roleId":3,"id":7},"trace":[1],"userId":"\u00f1","eventId":"e1","occurredAt":"2024-05-01T10:00:00Z","eventType":"CLAIM_ADDED"}"#;
    app.publish_raw(CLAIMS, Some(b""), Some(value)).await;
    app.settle().await;
    assert_eq!(seen.ids(), [7], "{:?}", app.dead_letters(CLAIMS));
}

mod borrowing {
    use std::borrow::Cow;

    use super::*;

    #[derive(Event, serde::Deserialize)]
    #[event(topic = "note_events", name = "NOTE_TAKEN")]
    pub(super) struct NoteTaken<'a> {
        #[serde(borrow)]
        text: Cow<'a, str>,
    }

    #[event_handler]
    async fn note(event: Event<NoteTaken<'_>>, State(seen): State<Seen>) {
        // 1 for text that still lies in the record, 2 for text that had to be unescaped.
        let copied = matches!(event.text, Cow::Owned(_));
        seen.note(if copied { 2 } else { 1 });
    }
}

#[tokio::test(start_paused = true)]
async fn a_payload_may_borrow_from_the_record() {
    let seen = Seen::default();
    let app = service("payloads::borrowing").state(seen.clone()).start().unwrap();
    for text in ["plain", r"\u00f1"] {
        let value = format!(r#"{{"eventType":"NOTE_TAKEN","data":{{"text":"{text}"}}}}"#);
        app.publish_raw("note_events", None, Some(value.as_bytes())).await;
    }
    app.settle().await;
    assert_eq!(seen.ids(), [1, 2]);
}

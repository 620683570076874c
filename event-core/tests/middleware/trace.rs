//! The span around an attempt.

use std::fmt::Debug;
use std::sync::atomic::{AtomicU64, Ordering};

use event_core::broker::OutgoingRecord;
use event_core::event::{Headers, TopicName};
use event_core::middleware;
use tracing::field::{Field, Visit};
use tracing::{Event, Metadata, Subscriber, span};

use super::{Notes, TOPIC, service};

/// Notes spans, their fields, and what is logged inside them.
#[derive(Default)]
struct Spans {
    notes: Notes,
    last: AtomicU64,
}

struct Fields(String);

impl Visit for Fields {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        self.0 += &format!(" {field}={value:?}");
    }
}

impl Subscriber for Spans {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.target() == "event_core" && metadata.is_span()
    }

    fn new_span(&self, span: &span::Attributes<'_>) -> span::Id {
        let mut fields = Fields(span.metadata().name().to_owned());
        span.record(&mut fields);
        self.notes.add(fields.0);
        span::Id::from_u64(self.last.fetch_add(1, Ordering::Relaxed) + 1)
    }

    fn record(&self, span: &span::Id, values: &span::Record<'_>) {
        let mut fields = Fields(span.into_u64().to_string());
        values.record(&mut fields);
        self.notes.add(fields.0);
    }

    fn enter(&self, span: &span::Id) {
        self.notes.add(format!("in {}", span.into_u64()));
    }

    fn exit(&self, _: &span::Id) {}
    fn record_follows_from(&self, _: &span::Id, _: &span::Id) {}
    fn event(&self, _: &Event<'_>) {}
}

#[tokio::test(start_paused = true)]
async fn trace_opens_a_span_for_every_attempt() {
    let (app, notes) = service();
    let app = app.layer(middleware::trace).start().unwrap();
    let _guard =
        tracing::subscriber::set_default(Spans { notes: notes.clone(), ..Spans::default() });
    let mut headers = Headers::new();
    headers.push("traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01");
    app.publish_record(OutgoingRecord {
        topic: TopicName::from_static(TOPIC),
        partition: None,
        key: None,
        value: Some(r#"{"eventType": "NUMBERED", "data": 1}"#.into()),
        headers,
        timestamp_ms: None,
    })
    .await;
    app.settle().await;
    let mut notes = notes.take();
    let ran = notes.iter().position(|note| note == "number 1").unwrap();
    assert_eq!(notes[ran - 1], "in 1", "the handler runs inside");
    notes.retain(|note| !note.starts_with("in "));
    let span =
        "attempt topic=layer_events partition=0 offset=0 event=\"NUMBERED\" handler=\"number\"";
    assert_eq!(
        notes,
        [
            &format!("{span} attempt=1"),
            "1 trace_id=\"0af7651916cd43dd8448eb211c80319c\"",
            "1 parent_id=\"b7ad6b7169203331\"",
            "number 1",
            "1 outcome=\"failed\"",
            &format!("{span} attempt=2"),
            "2 trace_id=\"0af7651916cd43dd8448eb211c80319c\"",
            "2 parent_id=\"b7ad6b7169203331\"",
            "number 1",
            "2 outcome=\"handled\"",
        ]
    );
}

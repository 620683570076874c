//! Letters as the engine writes them, on the memory broker.

#![expect(clippy::unwrap_used, reason = "a test")]

mod forged;
mod resolving;

use std::ops::ControlFlow;

use bytes::Bytes;
use jiff::Timestamp;
use tokio::sync::watch;

use super::*;
use crate::broker::memory::{MemoryBroker, StoredRecord};
use crate::broker::{Broker, BrokerError, OutgoingRecord};
use crate::delivery::{Offset, Shutdown};
use crate::event::{Headers, TopicName};
use crate::operations::{DryRunOutcome, DryRunner, OperationError};
use crate::processor::{DeliveryPolicy, dead_letter_header as header, retry_header};
use crate::registry::Registry;
use crate::router::EventRouter;
use crate::state::StateMap;

const CLAIMS: TopicName = TopicName::from_static("claim_events");
const LETTERS: TopicName = TopicName::from_static("claim_events_dlq");
const REDRIVE: TopicName = TopicName::from_static("claim_events_redrive");

const GOOD: &[u8] = br#"{"eventType": "CLAIM_ADDED", "data": {"id": 7}}"#;
const NO_ID: &[u8] = br#"{"eventType": "CLAIM_ADDED", "data": {}}"#;
const RENAMED: &[u8] = br#"{"eventType": "CLAIM_RENAMED", "data": {}}"#;
const ARCHIVED: &[u8] = br#"{"eventType": "CLAIM_ARCHIVED", "data": {"id": 7}}"#;
const BROKEN: &[u8] = b"{oops";

mod handlers {
    use event_macros::event_handler;

    use crate::Json;

    #[derive(serde::Deserialize)]
    pub(super) struct Claim {
        #[expect(dead_code, reason = "only decoded")]
        id: u64,
    }

    #[event_handler(topic = "claim_events", event = "CLAIM_ADDED", id = "claims")]
    async fn claims(_claim: Json<Claim>) {}

    #[event_handler(
        topic = "claim_events",
        event = "CLAIM_ARCHIVED",
        id = "archive",
        group = "archive"
    )]
    async fn archive(_claim: Json<Claim>) {}
}

/// What a dead letter is made of.
struct Letter {
    offset: i64,
    handler: Option<&'static str>,
    group: &'static str,
    reason: &'static str,
    failed: &'static str,
    value: Option<&'static [u8]>,
    own: Headers,
    left_out: bool,
    timestamp_ms: i64,
    redrive_id: Option<&'static str>,
}

const LETTER: Letter = Letter {
    offset: 0,
    handler: Some("claims"),
    group: "admin",
    reason: "attempts_exhausted",
    failed: "2026-01-02T03:04:05Z",
    value: Some(GOOD),
    own: Headers::new(),
    left_out: false,
    timestamp_ms: 1_700_000_000_000,
    redrive_id: None,
};

impl Letter {
    fn to_record(&self) -> OutgoingRecord {
        let mut headers = self.own.clone();
        let mut put = |name: &'static str, value: String| headers.push(name, value);
        put(header::TOPIC, CLAIMS.to_string());
        put(header::PARTITION, "0".to_owned());
        put(header::OFFSET, self.offset.to_string());
        put(header::TIMESTAMP, self.timestamp_ms.to_string());
        put(header::GROUP, self.group.to_owned());
        put(header::ID, format!("{}:claim_events/0@{}", self.group, self.offset));
        if let Some(handler) = self.handler {
            put(header::HANDLER, handler.to_owned());
        }
        put(header::ATTEMPTS, "5".to_owned());
        put(header::REASON, self.reason.to_owned());
        put(header::ERROR, "no database".to_owned());
        put(header::FIRST_FAILURE, "2026-01-02T03:04:00Z".to_owned());
        put(header::LAST_FAILURE, self.failed.to_owned());
        put(header::SERVICE, "admin".to_owned());
        put(header::SERVICE_VERSION, "1.2.3".to_owned());
        if let Some(id) = self.redrive_id {
            put("dlq.redrive_id", id.to_owned());
        }
        if self.left_out {
            put(header::VALUE_BYTES_LEFT_OUT, "47".to_owned());
        }
        OutgoingRecord {
            topic: LETTERS,
            partition: None,
            key: Some(Bytes::from_static(b"3")),
            value: self.value.map(Bytes::from_static),
            headers,
            timestamp_ms: None,
        }
    }
}

struct Fixture {
    broker: MemoryBroker,
    registry: Registry,
}

impl Fixture {
    async fn with(letters: &[Letter]) -> Self {
        let broker = MemoryBroker::new();
        for topic in [CLAIMS, LETTERS, REDRIVE] {
            broker.create_topic(&topic, 1);
        }
        let handlers = format!("{}::handlers", module_path!());
        let fixture = Fixture { broker, registry: Registry::linked().only_modules(&[handlers]) };
        for letter in letters {
            fixture.send(letter.to_record()).await;
        }
        fixture
    }

    async fn send(&self, record: OutgoingRecord) {
        self.broker.producer().unwrap().send(record).await.unwrap();
    }

    fn router(&self) -> EventRouter {
        EventRouter::new(self.registry.handlers())
    }

    fn targets(&self) -> RedriveTargets {
        RedriveTargets::new(self.registry.handlers(), &"admin".parse_group())
    }

    async fn list(&self, filter: DeadLetterFilter) -> DeadLetters {
        list(&self.broker, &[LETTERS], &filter).await.unwrap()
    }

    async fn ids(&self, filter: DeadLetterFilter) -> Vec<String> {
        self.list(filter).await.letters.iter().map(DeadLetter::short_id).collect()
    }

    async fn all(&self) -> Vec<String> {
        self.ids(DeadLetterFilter::default()).await
    }

    async fn redrive(&self) -> Result<Resolved, OperationError> {
        let letters = self.list(DeadLetterFilter::default()).await.letters;
        let resolver = Resolver::new(&self.broker, None, Shutdown::never()).unwrap();
        resolver.redrive(&letters, &self.targets(), |_| {}).await
    }

    async fn previews(&self) -> Vec<String> {
        self.previews_under(DeliveryPolicy::default()).await
    }

    async fn previews_under(&self, policy: DeliveryPolicy) -> Vec<String> {
        let letters = self.list(DeadLetterFilter::default()).await.letters;
        let dry_runner = DryRunner::new(self.router(), policy, StateMap::new());
        let mut reported = Vec::new();
        let (targets, stop) = (self.targets(), Shutdown::never());
        let report = |_: &DeadLetter, preview: RedrivePreview| {
            reported.push(match preview {
                RedrivePreview::Skipped(left) => left.to_string(),
                RedrivePreview::DryRun(run) if run.outcome == DryRunOutcome::Handled => {
                    "handled".to_owned()
                }
                RedrivePreview::DryRun(run) => format!("{:?} at {:?}", run.reason, run.byte),
            });
            ControlFlow::Continue(())
        };
        assert!(
            preview_redrive(&self.broker, &dry_runner, &targets, &letters, &stop, report)
                .await
                .unwrap()
        );
        reported
    }

    fn redriven(&self) -> Vec<StoredRecord> {
        self.broker.records(&REDRIVE)
    }
}

fn text<'a>(record: &'a StoredRecord, name: &str) -> &'a str {
    record.headers.get_text(name).unwrap_or_else(|| panic!("no header {name}"))
}

fn time(text: &str) -> Option<Timestamp> {
    Some(text.parse().unwrap())
}

#[tokio::test]
async fn dead_letters_are_listed_by_their_headers() {
    let fixture = Fixture::with(&[Letter { offset: 15, ..LETTER }]).await;
    let found = fixture.list(DeadLetterFilter::default()).await;
    let letter = &found.letters[0];
    assert_eq!(letter.short_id(), "0@0");
    assert_eq!(letter.origin.to_string(), "claim_events/0@15");
    assert_eq!(letter.origin.timestamp_ms, 1_700_000_000_000);
    assert_eq!(letter.event.as_deref(), Some("CLAIM_ADDED"));
    assert_eq!((letter.handler.as_deref(), letter.attempts), (Some("claims"), 5));
    assert_eq!(
        (letter.reason.as_str(), letter.error.as_str()),
        ("attempts_exhausted", "no database")
    );
    assert_eq!(letter.failed_at(), time("2026-01-02T03:04:05Z"));
    assert_eq!((found.matching, found.open, found.resolved, found.foreign), (1, 1, 0, 0));
}

#[tokio::test]
async fn each_filter_leaves_out_what_it_does_not_mean() {
    let fixture = Fixture::with(&[
        Letter { offset: 0, ..LETTER },
        Letter { offset: 1, handler: None, reason: "malformed_json", ..LETTER },
        Letter { offset: 2, group: "audit", ..LETTER },
        Letter { offset: 3, failed: "2026-02-01T00:00:00Z", ..LETTER },
    ])
    .await;
    let any = DeadLetterFilter::default;
    let groups = vec!["admin".parse_group()];
    for (filter, ids) in [
        (any(), &["0@0", "0@1", "0@2", "0@3"][..]),
        (DeadLetterFilter { topic: Some(CLAIMS), ..any() }, &["0@0", "0@1", "0@2", "0@3"]),
        (DeadLetterFilter { topic: Some(LETTERS), ..any() }, &[]),
        (DeadLetterFilter { handler: Some("claims".into()), ..any() }, &["0@0", "0@2", "0@3"]),
        (DeadLetterFilter { reason: Some("malformed_json".into()), ..any() }, &["0@1"]),
        (DeadLetterFilter { groups, ..any() }, &["0@0", "0@1", "0@3"]),
        (DeadLetterFilter { since: time("2026-02-01T00:00:00Z"), ..any() }, &["0@3"]),
        (DeadLetterFilter { until: time("2026-02-01T00:00:00Z"), ..any() }, &["0@0", "0@1", "0@2"]),
        (DeadLetterFilter { limit: Some(2), ..any() }, &["0@0", "0@1"]),
        (DeadLetterFilter { ids: vec!["0@2".parse().unwrap()], ..any() }, &["0@2"]),
    ] {
        assert_eq!(fixture.ids(filter.clone()).await, ids, "{filter:?}");
    }
    let limited = fixture.list(DeadLetterFilter { limit: Some(1), ..any() }).await;
    assert_eq!((limited.letters.len(), limited.matching, limited.open), (1, 4, 4));
}

trait ParseGroup {
    fn parse_group(&self) -> crate::event::GroupName;
}

impl ParseGroup for str {
    fn parse_group(&self) -> crate::event::GroupName {
        crate::event::GroupName::parse(self).unwrap()
    }
}

#[tokio::test]
async fn a_letter_of_a_record_of_resolution_is_a_letter() {
    let mut own = Headers::new();
    own.push(resolution_header::RESOLVES, "0@0");
    let fixture = Fixture::with(&[LETTER, Letter { offset: 1, value: None, own, ..LETTER }]).await;
    assert_eq!(fixture.all().await, ["0@0", "0@1"]);
}

#[tokio::test]
async fn foreign_records_in_a_dead_letter_topic_are_counted_and_kept() {
    let fixture = Fixture::with(&[LETTER]).await;
    for value in [None, Some(Bytes::from_static(b"foreign"))] {
        let mut record = LETTER.to_record();
        (record.headers, record.value) = (Headers::new(), value);
        fixture.send(record).await;
    }
    let found = fixture.list(DeadLetterFilter::default()).await;
    assert_eq!((found.open, found.foreign), (1, 2));
    assert_eq!(fixture.redrive().await.unwrap().done, 1);
    assert_eq!(fixture.redriven().len(), 1);
}

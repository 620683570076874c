use bytes::Bytes;
use jiff::Timestamp;
use tokio::sync::watch;

use super::*;
use crate::broker::memory::{MemoryBroker, StoredRecord};
use crate::broker::{Broker, BrokerError, OutgoingRecord};
use crate::delivery::{Offset, Shutdown};
use crate::event::{Headers, TopicName};
use crate::operations::{Becomes, DryRunner, OperationError};
use crate::processor::{DeliveryPolicy, dead_letter_header as header};
use crate::registry::Registry;
use crate::router::EventRouter;
use crate::state::StateMap;

const CLAIMS: TopicName = TopicName::from_static("claim_events");
const LETTERS: TopicName = TopicName::from_static("claim_events_dlq");
const REDRIVE: TopicName = TopicName::from_static("claim_events_redrive");

const GOOD: &[u8] = br#"{"eventType": "CLAIM_ADDED", "data": {"id": 7}}"#;
const NO_ID: &[u8] = br#"{"eventType": "CLAIM_ADDED", "data": {}}"#;
const RENAMED: &[u8] = br#"{"eventType": "CLAIM_RENAMED", "data": {}}"#;
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
};

impl Letter {
    fn to_record(&self) -> OutgoingRecord {
        let mut headers = self.own.clone();
        let mut put = |name: &'static str, value: String| headers.push(name, value);
        put(header::TOPIC, CLAIMS.to_string());
        put(header::PARTITION, "0".to_owned());
        put(header::OFFSET, self.offset.to_string());
        put(header::TIMESTAMP, "1700000000000".to_owned());
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

struct Desk {
    broker: MemoryBroker,
    registry: Registry,
}

impl Desk {
    async fn with(letters: &[Letter]) -> Self {
        let broker = MemoryBroker::new();
        for topic in [CLAIMS, LETTERS, REDRIVE] {
            broker.create_topic(&topic, 1);
        }
        let handlers = format!("{}::handlers", module_path!());
        let desk = Desk { broker, registry: Registry::linked().only_modules(&[handlers]) };
        for letter in letters {
            desk.send(letter.to_record()).await;
        }
        desk
    }

    async fn send(&self, record: OutgoingRecord) {
        self.broker.producer().unwrap().send(record).await.unwrap();
    }

    fn router(&self) -> EventRouter {
        EventRouter::new(self.registry.handlers())
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
        resolver.redrive(&letters, &self.router(), self.registry.handlers(), |_| {}).await
    }

    async fn fates(&self) -> Vec<String> {
        let letters = self.list(DeadLetterFilter::default()).await.letters;
        let dry_runner = DryRunner::new(self.router(), DeliveryPolicy::default(), StateMap::new());
        let mut told = Vec::new();
        let (known, stop) = (self.registry.handlers(), Shutdown::never());
        let tell = |_: &DeadLetter, fate: Fate| {
            told.push(match fate {
                Fate::Left(left) => left.to_string(),
                Fate::Moved { handler, now } => format!("{handler} -> {now:?}"),
                Fate::DryRun(run) if run.becomes == Becomes::Handled => "handled".to_owned(),
                Fate::DryRun(run) => format!("{:?} at {:?}", run.reason, run.byte),
            });
        };
        assert!(fates(&self.broker, &dry_runner, known, &letters, &stop, tell).await.unwrap());
        told
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
async fn letters_are_listed_as_their_headers_tell_them() {
    let desk = Desk::with(&[Letter { offset: 15, ..LETTER }]).await;
    let found = desk.list(DeadLetterFilter::default()).await;
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
    let desk = Desk::with(&[
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
        assert_eq!(desk.ids(filter.clone()).await, ids, "{filter:?}");
    }
    let limited = desk.list(DeadLetterFilter { limit: Some(1), ..any() }).await;
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
async fn what_is_no_letter_of_ours_is_counted_and_left_alone() {
    let desk = Desk::with(&[LETTER]).await;
    for value in [None, Some(Bytes::from_static(b"foreign"))] {
        let mut record = LETTER.to_record();
        (record.headers, record.value) = (Headers::new(), value);
        desk.send(record).await;
    }
    let found = desk.list(DeadLetterFilter::default()).await;
    assert_eq!((found.open, found.foreign), (1, 2));
    assert_eq!(desk.redrive().await.unwrap().done, 1);
    assert_eq!(desk.redriven().len(), 1);
}

#[tokio::test]
async fn a_redriven_record_is_the_original_with_where_it_came_from() {
    let mut own = Headers::new();
    own.push("traceparent", "00-x");
    own.push("dlq.topic", "of the producer");
    own.push("dlq.reason", "of the producer too");
    let desk = Desk::with(&[Letter { offset: 15, own: own.clone(), ..LETTER }]).await;
    let before = Timestamp::now();
    let resolved = desk.redrive().await.unwrap();
    assert_eq!((resolved.done, resolved.left.len(), resolved.stopped), (1, 0, false));

    let sent = &desk.redriven()[0];
    assert_eq!(sent.key.as_deref(), Some(&b"3"[..]));
    assert_eq!(sent.value.as_deref(), Some(GOOD));
    let names: Vec<_> = sent.headers.iter().map(|header| header.name.clone()).collect();
    let names: Vec<_> = names.iter().map(|name| std::str::from_utf8(name).unwrap()).collect();
    assert_eq!(
        names,
        [
            "traceparent",
            "dlq.topic",
            "dlq.reason",
            "retry.topic",
            "retry.partition",
            "retry.offset",
            "retry.timestamp",
            "retry.group",
            "retry.handler",
            "retry.attempts",
            "retry.first_failure",
            "retry.redrive_id",
        ]
    );
    assert_eq!(sent.headers.iter().take(3).cloned().collect::<Headers>(), own);
    for (name, value) in [
        (retry_header::TOPIC, "claim_events"),
        (retry_header::PARTITION, "0"),
        (retry_header::OFFSET, "15"),
        (retry_header::TIMESTAMP, "1700000000000"),
        (retry_header::GROUP, "admin"),
        (retry_header::HANDLER, "claims"),
        (retry_header::ATTEMPTS, "5"),
        (retry_header::FIRST_FAILURE, "2026-01-02T03:04:00Z"),
        (retry_header::REDRIVE_ID, "admin:claim_events/0@15#0@0"),
    ] {
        assert_eq!(text(sent, name), value, "{name}");
    }

    let resolution = &desk.broker.records(&LETTERS)[1];
    assert_eq!((&resolution.key, &resolution.value), (&None, &None));
    for (name, value) in [
        (resolution_header::RESOLVES, "0@0"),
        (header::ID, "admin:claim_events/0@15"),
        (resolution_header::RESOLUTION, "redriven"),
        (resolution_header::REDRIVE_ID, "admin:claim_events/0@15#0@0"),
    ] {
        assert_eq!(text(resolution, name), value, "{name}");
    }
    let at: Timestamp = text(resolution, resolution_header::RESOLVED_AT).parse().unwrap();
    assert!((before..=Timestamp::now()).contains(&at), "{at}");

    // It is gone, and a second redrive has nothing to do.
    let found = desk.list(DeadLetterFilter::default()).await;
    assert_eq!((found.open, found.resolved, found.foreign), (0, 1, 0));
    assert_eq!(desk.redrive().await.unwrap().done, 0);
    assert_eq!(desk.redriven().len(), 1);
}

#[tokio::test]
async fn copies_of_one_letter_are_one_and_are_resolved_together() {
    let desk = Desk::with(&[LETTER, Letter { offset: 1, ..LETTER }, LETTER]).await;
    let found = desk.list(DeadLetterFilter::default()).await;
    assert_eq!(desk.all().await, ["0@0", "0@1"]);
    assert_eq!(found.letters[0].copies[0].offset, Offset(2));
    // Also under the id of the copy.
    let by_copy = find(&desk.broker, &[LETTERS], &"0@2".parse().unwrap()).await.unwrap();
    assert_eq!(by_copy.short_id(), "0@0");
    assert_eq!(desk.redrive().await.unwrap().done, 2);
    assert_eq!(desk.redriven().len(), 2);
    assert!(desk.all().await.is_empty());
}

#[tokio::test]
async fn a_letter_that_fails_again_after_its_redrive_is_a_new_one() {
    let desk = Desk::with(&[LETTER]).await;
    desk.redrive().await.unwrap();
    // As the engine writes it: the record's own headers, and who redrove it.
    let mut own = Headers::new();
    own.push(
        retry_header::REDRIVE_ID,
        text(&desk.redriven()[0], retry_header::REDRIVE_ID).to_owned(),
    );
    desk.send(Letter { own, ..LETTER }.to_record()).await;
    assert_eq!(desk.all().await, ["0@2"]);
    desk.redrive().await.unwrap();
    let again = &desk.redriven()[1];
    assert_eq!(text(again, retry_header::REDRIVE_ID), "admin:claim_events/0@0#0@2");
    let ids = again.headers.iter().filter(|header| header.name == retry_header::REDRIVE_ID);
    assert_eq!(ids.count(), 1);
}

#[tokio::test]
async fn a_redrive_that_was_cut_off_before_the_resolution_is_recognised() {
    let desk = Desk::with(&[LETTER]).await;
    let refused = BrokerError::Other("no leader".into());
    desk.broker.refuse_writes(&LETTERS, Some(refused));
    assert!(matches!(desk.redrive().await, Err(OperationError::Broker(BrokerError::Other(_)))));
    desk.broker.refuse_writes(&LETTERS, None);
    assert_eq!(desk.all().await, ["0@0"]);
    desk.redrive().await.unwrap();
    let ids: Vec<_> = desk
        .redriven()
        .iter()
        .map(|sent| text(sent, retry_header::REDRIVE_ID).to_owned())
        .collect();
    assert_eq!(ids, ["admin:claim_events/0@0#0@0"; 2]);
}

#[tokio::test(start_paused = true)]
async fn a_redrive_goes_at_its_rate_and_goes_on_where_it_was_ended() {
    let letters: Vec<_> = (0..10).map(|offset| Letter { offset, ..LETTER }).collect();
    let desk = Desk::with(&letters).await;
    let letters = desk.list(DeadLetterFilter::default()).await.letters;
    let (tell, told) = watch::channel(false);
    let resolver = Resolver::new(&desk.broker, "1/s".parse().ok(), Shutdown::new(told)).unwrap();
    let began = tokio::time::Instant::now();
    let mut seen = Vec::new();
    let progress = |step: &Step<'_>| {
        seen.push((step.done, step.of));
        if step.done == 4 {
            tell.send_replace(true);
        }
    };
    let (router, known) = (desk.router(), desk.registry.handlers());
    let resolved = resolver.redrive(&letters, &router, known, progress).await.unwrap();
    assert_eq!((resolved.done, resolved.stopped), (4, true));
    assert_eq!(began.elapsed().as_secs(), 3);
    assert_eq!(seen, [(1, 10), (2, 10), (3, 10), (4, 10)]);
    assert_eq!(desk.all().await.len(), 6);

    desk.redrive().await.unwrap();
    let offsets: Vec<_> =
        desk.redriven().iter().map(|sent| text(sent, retry_header::OFFSET).to_owned()).collect();
    assert_eq!(offsets, (0..10).map(|offset| offset.to_string()).collect::<Vec<_>>());
}

#[tokio::test]
async fn without_a_redrive_topic_nothing_is_sent() {
    let desk = Desk::with(&[LETTER]).await;
    desk.broker.delete_topic(&REDRIVE);
    let error = desk.redrive().await.unwrap_err().to_string();
    assert_eq!(
        error,
        "topic `claim_events_redrive` does not exist, so nothing was redriven\nhelp: make it with `topics create`, then restart the service, which reads it from its next start on"
    );
    assert_eq!(desk.all().await, ["0@0"]);
}

#[tokio::test]
async fn a_letter_that_nobody_would_handle_stays() {
    let desk = Desk::with(&[
        Letter { offset: 0, handler: Some("retired"), ..LETTER },
        Letter { offset: 1, handler: None, value: Some(BROKEN), ..LETTER },
        Letter { offset: 2, handler: None, value: Some(RENAMED), ..LETTER },
        // It can be read by now.
        Letter { offset: 3, handler: None, ..LETTER },
    ])
    .await;
    let resolved = desk.redrive().await.unwrap();
    assert_eq!(resolved.done, 1);
    let left: Vec<_> = resolved.left.iter().map(|(_, left)| left.to_string()).collect();
    assert_eq!(left[0], "no handler of its topic has the id retired any more");
    assert!(left[1].contains("byte 1"), "{}", left[1]);
    assert_eq!(left[2], "no handler takes it");
    assert_eq!(text(&desk.redriven()[0], retry_header::HANDLER), "claims");
    assert_eq!(desk.all().await, ["0@0", "0@1", "0@2"]);
}

#[tokio::test]
async fn a_value_that_was_left_out_is_read_from_the_origin_while_it_is_there() {
    let pointer = |offset| Letter { offset, value: None, left_out: true, ..LETTER };
    let desk = Desk::with(&[pointer(0), pointer(1), pointer(2)]).await;
    for (timestamp_ms, value) in [(1_700_000_000_000, GOOD), (1, NO_ID)] {
        let record = OutgoingRecord {
            topic: CLAIMS,
            value: Some(Bytes::from_static(value)),
            timestamp_ms: Some(timestamp_ms),
            headers: Headers::new(),
            ..LETTER.to_record()
        };
        desk.send(record).await;
    }
    let gone = |offset| {
        format!(
            "part of the record was left out of the letter, and claim_events/0@{offset} no longer holds it"
        )
    };
    // Of the second another record lies there, of the third none.
    assert_eq!(desk.fates().await, ["handled".to_owned(), gone(1), gone(2)]);
    assert_eq!(desk.redrive().await.unwrap().done, 1);
    assert_eq!(desk.redriven()[0].value.as_deref(), Some(GOOD));
    assert_eq!(desk.all().await, ["0@1", "0@2"]);
}

#[tokio::test]
async fn a_dry_run_tells_what_the_build_at_hand_would_do() {
    let desk = Desk::with(&[
        LETTER,
        Letter { offset: 1, value: Some(NO_ID), ..LETTER },
        Letter { offset: 2, handler: None, value: Some(BROKEN), ..LETTER },
        Letter { offset: 3, handler: Some("retired"), ..LETTER },
        Letter { offset: 4, value: Some(RENAMED), ..LETTER },
    ])
    .await;
    assert_eq!(
        desk.fates().await,
        [
            "handled",
            "Some(\"data_mismatch\") at Some(38)",
            "Some(\"malformed_json\") at Some(1)",
            "no handler of its topic has the id retired any more",
            "claims -> None",
        ]
    );
    assert_eq!((desk.all().await.len(), desk.redriven().len()), (5, 0));
}

#[tokio::test]
async fn what_is_dropped_is_gone_and_sent_nowhere() {
    let desk = Desk::with(&[LETTER, Letter { offset: 1, ..LETTER }]).await;
    let id = "0@0".parse().unwrap();
    let letter = find(&desk.broker, &[LETTERS], &id).await.unwrap();
    let resolver = Resolver::new(&desk.broker, None, Shutdown::never()).unwrap();
    assert_eq!(resolver.give_up(&[letter], |_| {}).await.unwrap().done, 1);
    assert_eq!((desk.all().await, desk.redriven().len()), (vec!["0@1".to_owned()], 0));
    let resolution = &desk.broker.records(&LETTERS)[2];
    assert_eq!(text(resolution, resolution_header::RESOLUTION), "dropped");
    assert_eq!(resolution.headers.get(resolution_header::REDRIVE_ID), None);
    let error = find(&desk.broker, &[LETTERS], &id).await.unwrap_err().to_string();
    assert_eq!(
        error,
        "no dead letter 0@0 in claim_events_dlq\nhelp: `dlq ls` lists the ids; what the topic no longer holds is gone"
    );
}

#[tokio::test]
async fn the_original_is_what_was_on_the_topic() {
    let desk = Desk::with(&[Letter { offset: 15, ..LETTER }]).await;
    let letter = find(&desk.broker, &[LETTERS], &"0@0".parse().unwrap()).await.unwrap();
    let original = original_of(&desk.broker, &letter).await.unwrap().unwrap();
    assert_eq!((original.offset, original.timestamp_ms), (Offset(15), 1_700_000_000_000));
    assert_eq!((original.value.as_deref(), original.headers.len()), (Some(GOOD), 0));
    let missing = TopicName::from_static("other_events_dlq");
    let found = list(&desk.broker, &[LETTERS, missing.clone()], &DeadLetterFilter::default()).await;
    assert_eq!(found.unwrap().missing, [missing]);
}

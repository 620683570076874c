//! Handlers of several records at once, called as the engine calls them.

use std::sync::{Arc, Mutex};

use event_core::Rejection;
use event_core::delivery::Shutdown;
use event_core::handler::HandlerRegistration;
use event_core::outcome::Outcome;
use event_core::state::StateMap;

use crate::Delivered;

/// What handlers note down.
#[derive(Clone, Default)]
struct Seen(Arc<Mutex<Vec<String>>>);

impl Seen {
    fn note(&self, what: impl std::fmt::Display) {
        self.0.lock().unwrap().push(what.to_string());
    }

    fn all(&self) -> Vec<String> {
        self.0.lock().unwrap().clone()
    }
}

fn registered(name: &str) -> &'static HandlerRegistration {
    inventory::iter::<HandlerRegistration>().find(|handler| handler.name == name).unwrap()
}

/// Calls the handler `name` with `records`: what it noted, and how each record ended.
async fn called(
    name: &str,
    records: &[(Option<&str>, Option<&str>)],
) -> (Vec<String>, Vec<String>) {
    let seen = Seen::default();
    let mut state = StateMap::new();
    state.insert(seen.clone());
    let outcomes = called_with(name, records, &state).await;
    (seen.all(), outcomes)
}

async fn called_with(
    name: &str,
    records: &[(Option<&str>, Option<&str>)],
    state: &StateMap,
) -> Vec<String> {
    let delivered = Delivered::new(records);
    let envelopes = delivered.envelopes();
    let deliveries = delivered.deliveries(&envelopes, state);
    let ended = registered(name).call.call_batch(&deliveries).await;
    ended.unwrap().iter().map(shown).collect()
}

fn shown(ended: &Result<Outcome, Rejection>) -> String {
    match ended {
        Ok(Outcome::Failed(error)) => {
            let chain: Vec<_> = error.chain().collect();
            format!("{:?}: {}", error.verdict(), chain.join(": "))
        }
        Ok(outcome) => outcome.code().to_owned(),
        Err(rejection) => format!("rejected {}", rejection.code()),
    }
}

fn added(data: &str) -> String {
    format!(r#"{{"eventType":"CLAIM_ADDED","data":{data}}}"#)
}

/// Calls a handler with `CLAIM_ADDED` of this data.
async fn with_data(name: &str, data: &[&str]) -> (Vec<String>, Vec<String>) {
    let values: Vec<_> = data.iter().map(|data| added(data)).collect();
    let records: Vec<_> = values.iter().map(|value| (None, Some(value.as_str()))).collect();
    called(name, &records).await
}

mod handlers {
    use super::Seen;
    use event_core::prelude::*;
    use serde::{Deserialize, Serialize};
    use std::borrow::Cow;
    use std::time::Duration;

    #[derive(Event, Serialize, Deserialize)]
    #[event(topic = "role_events", name = "CLAIM_ADDED", key = id)]
    pub(crate) struct ClaimAdded {
        pub(crate) id: i64,
    }

    #[derive(Event, Serialize, Deserialize)]
    #[event(topic = "role_events", name = "CLAIM_REMOVED")]
    struct ClaimRemoved {
        id: i64,
    }

    #[derive(EventSum)]
    enum ClaimEvent {
        Added(ClaimAdded),
        Removed(ClaimRemoved),
    }

    #[event_handler]
    pub(crate) async fn whole(
        State(seen): State<Seen>,
        claims: Batch<ClaimAdded>,
        shutdown: Shutdown,
    ) {
        assert!(!shutdown.is_requested());
        let ids: Vec<_> = claims.iter().map(|claim| claim.id).collect();
        let offsets: Vec<_> = claims.positions().iter().map(|at| at.offset.0).collect();
        seen.note(format_args!("{ids:?} at {offsets:?}"));
        for claim in claims {
            let _: Event<ClaimAdded> = claim;
        }
    }

    #[event_handler(batch(max = 2))]
    async fn refuses(claims: Vec<Event<ClaimAdded>>) -> Result {
        let first = claims.first().map_or(0, |claim| claim.id);
        Err(Error::msg(format!("no room for {first}"))).retry_after(Duration::from_secs(3))
    }

    #[event_handler(order = key, concurrency = 4)]
    async fn each(claims: Batch<ClaimAdded>) -> Vec<Result<(), Error>> {
        let one = |claim: Event<ClaimAdded>| match claim.id {
            0 => Err(Error::msg("zero").dead_letter()),
            _ => Ok(()),
        };
        claims.into_iter().map(one).collect()
    }

    #[event_handler]
    async fn outcomes(claims: Batch<ClaimAdded>) -> Vec<Outcome> {
        let one = |claim: &Event<ClaimAdded>| match claim.id {
            0 => Outcome::Skipped,
            _ => Outcome::Handled,
        };
        claims.iter().map(one).collect()
    }

    #[event_handler]
    async fn forgets(claims: Batch<ClaimAdded>) -> Result<Vec<Outcome>> {
        Ok(claims.iter().skip(1).map(|_| Outcome::Handled).collect())
    }

    #[event_handler]
    async fn emits(claims: Batch<ClaimAdded>) -> Vec<Option<Emit<ClaimRemoved>>> {
        claims.iter().map(|claim| (claim.id > 0).then_some(Emit(ClaimRemoved { id: 1 }))).collect()
    }

    #[event_handler]
    async fn sums(State(seen): State<Seen>, claims: Batch<ClaimEvent>) {
        for claim in &claims {
            match &**claim {
                ClaimEvent::Added(claim) => seen.note(format_args!("+{}", claim.id)),
                ClaimEvent::Removed(claim) => seen.note(format_args!("-{}", claim.id)),
            }
        }
    }

    #[derive(Event, Deserialize)]
    #[event(topic = "role_events", name = "CLAIM_ADDED", version = 2)]
    struct Named<'a> {
        #[serde(borrow)]
        name: Cow<'a, str>,
    }

    #[event_handler]
    async fn borrows<'a>(claims: Batch<Named<'a>>, State(seen): State<Seen>) {
        seen.note(claims.iter().all(|claim| matches!(claim.name, Cow::Borrowed(_))));
    }

    #[event_handler(topic = "role_events", event = "CLAIM_ADDED")]
    async fn untyped(data: Vec<Json<i64>>, seen: State<Seen>) {
        seen.0.note(data.iter().map(|json| json.0).sum::<i64>());
    }

    #[event_handler(topic = "role_events", event = "CLAIM_ADDED", blocking)]
    fn blocks(data: Vec<Json<i64>>, seen: State<Seen>) {
        seen.0.note(data.len());
    }

    #[event_handler(topic = "role_events", event = *)]
    async fn raw(records: Vec<RawEvent>, seen: State<Seen>) {
        for record in records {
            seen.0.note(record.position);
        }
    }

    #[event_handler(topic = "role_events", event = tombstone)]
    async fn gone(keys: Vec<Key<i64>>, seen: State<Seen>) {
        seen.0.note(format_args!("{:?}", keys.iter().map(|key| key.0).collect::<Vec<_>>()));
    }

    #[event_handler(topic = "role_events", event = "CLAIM_ADDED")]
    async fn optional(
        keys: Vec<Option<Key<String>>>,
        seen: State<Seen>,
    ) -> std::result::Result<(), std::io::Error> {
        seen.0.note(keys.iter().flatten().count());
        Ok(())
    }
}

#[tokio::test]
async fn a_batch_has_all_records_in_their_order() {
    let (seen, ended) = with_data("whole", &[r#"{"id":7}"#, r#"{"id":5}"#, r#"{"id":6}"#]).await;
    assert_eq!(seen, ["[7, 5, 6] at [0, 1, 2]"]);
    assert_eq!(ended, ["handled"; 3]);
}

#[tokio::test]
async fn what_cannot_be_decoded_is_rejected_alone() {
    let (seen, ended) =
        with_data("whole", &[r#"{"id":"x"}"#, r#"{"id":5}"#, "{}", r#"{"id":6}"#]).await;
    assert_eq!(seen, ["[5, 6] at [1, 3]"]);
    let rejected = "rejected data_mismatch";
    assert_eq!(ended[1], "handled");
    assert_eq!(ended[3], "handled");
    assert_eq!([&ended[0], &ended[2]], [rejected; 2]);
}

#[tokio::test]
async fn a_batch_of_nothing_is_not_handled() {
    let (seen, ended) = with_data("whole", &["{}", "null"]).await;
    assert!(seen.is_empty(), "{seen:?}");
    assert_eq!(ended, ["rejected data_mismatch"; 2]);
}

#[tokio::test]
async fn one_result_is_for_all_with_its_verdict() {
    let (_, ended) = with_data("refuses", &[r#"{"id":7}"#, "{}", r#"{"id":6}"#]).await;
    assert_eq!(ended[0], "RetryAfter(3s): no room for 7");
    assert_eq!(ended[1], "rejected data_mismatch");
    assert_eq!(ended[2], ended[0]);
}

#[tokio::test]
async fn a_result_each_is_that_of_its_record() {
    let data = [r#"{"id":1}"#, "{}", r#"{"id":0}"#, r#"{"id":2}"#];
    let (_, ended) = with_data("each", &data).await;
    assert_eq!(ended, ["handled", "rejected data_mismatch", "DeadLetter: zero", "handled"]);
    let (_, ended) = with_data("outcomes", &data).await;
    assert_eq!(ended, ["handled", "rejected data_mismatch", "skipped", "handled"]);
}

#[tokio::test]
async fn too_few_results_fail_all_and_both_numbers_are_named() {
    let (_, ended) = with_data("forgets", &[r#"{"id":1}"#, "{}", r#"{"id":2}"#]).await;
    let failed = "Retry: the handler returned 1 result for a batch of 2";
    assert_eq!(ended, [failed, "rejected data_mismatch", failed]);
}

#[tokio::test]
async fn each_record_may_send_events() {
    let (_, ended) = with_data("emits", &[r#"{"id":1}"#, r#"{"id":0}"#]).await;
    assert_eq!(ended, ["emits", "handled"]);
    let sends = registered("emits").sends().unwrap();
    assert_eq!(sends.iter().map(|contract| contract.name).collect::<Vec<_>>(), ["CLAIM_REMOVED"]);
}

#[tokio::test]
async fn a_batch_of_a_sum_has_several_events() {
    let removed = r#"{"eventType":"CLAIM_REMOVED","data":{"id":2}}"#;
    let added = added(r#"{"id":1}"#);
    let (seen, ended) = called("sums", &[(None, Some(&added)), (None, Some(removed))]).await;
    assert_eq!(seen, ["+1", "-2"]);
    assert_eq!(ended, ["handled"; 2]);
    assert_eq!(registered("sums").selects.names(), ["CLAIM_ADDED", "CLAIM_REMOVED"]);
}

#[tokio::test]
async fn a_payload_may_borrow() {
    let named = r#"{"eventType":"CLAIM_ADDED","version":2,"data":{"name":"plain"}}"#;
    assert_eq!(called("borrows", &[(None, Some(named))]).await.0, ["true"]);
}

#[tokio::test]
async fn what_one_record_gives_may_come_in_a_vec() {
    assert_eq!(with_data("untyped", &["1", "2", "3"]).await.0, ["6"]);
    assert_eq!(with_data("blocks", &["1", "2"]).await.0, ["2"]);
    assert_eq!(with_data("raw", &["1", "{}"]).await.0, ["role_events/0@0", "role_events/0@1"]);
    let (seen, ended) =
        called("gone", &[(Some("7"), None), (Some("x"), None), (None, None), (Some("8"), None)])
            .await;
    assert_eq!(seen, ["[7, 8]"]);
    assert_eq!(ended, ["handled", "rejected key_mismatch", "rejected key_missing", "handled"]);
    let (seen, ended) = with_data("optional", &["1", "2"]).await;
    assert_eq!((seen, ended), (vec!["0".to_owned()], vec!["handled".to_owned(); 2]));
}

#[tokio::test]
async fn an_argument_that_cannot_be_made_has_each_record_tried_alone() {
    let records = [added(r#"{"id":1}"#), added("{}"), added(r#"{"id":2}"#)];
    let records: Vec<_> = records.iter().map(|value| (None, Some(value.as_str()))).collect();
    let ended = called_with("whole", &records, &StateMap::new()).await;
    // Which of them it speaks of is not known, so it is no rejection of any.
    let missing = "Retry: no state of type handlers::batches::Seen was provided";
    assert_eq!(ended, [missing, "rejected data_mismatch", missing]);
    let alone = called_with("whole", &records[..1], &StateMap::new()).await;
    assert_eq!(alone, ["rejected missing_state"]);
}

#[test]
fn a_batch_has_the_size_that_the_attribute_says() {
    let batch = |name| registered(name).options.batch.unwrap_or_default();
    assert_eq!((batch("whole").max, batch("whole").wait.as_millis()), (500, 50));
    assert_eq!((batch("refuses").max, batch("refuses").wait.as_millis()), (2, 50));
}

#[tokio::test]
async fn a_test_calls_the_function_with_events_of_its_own() {
    use event_core::extract::{Batch, Event, State};
    let seen = Seen::default();
    let claims = Batch::new([Event::new(handlers::ClaimAdded { id: 3 })]);
    handlers::whole(State(seen.clone()), claims, Shutdown::never()).await;
    assert_eq!(seen.all(), ["[3] at []"]);
}

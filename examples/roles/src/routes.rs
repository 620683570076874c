//! What the service answers.

use std::time::Duration;

use axum::extract::{FromRef, Path, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use contracts::ClaimAdded;
use event_core::event::UserId;
use event_core::{Error, EventProducer};
use serde::{Deserialize, Serialize};

use crate::claims::Claims;

// Who waits for an HTTP answer does not wait as long as the producer tries.
const ACKNOWLEDGED_WITHIN: Duration = Duration::from_secs(10);

#[derive(Clone, FromRef)]
struct Shared {
    producer: EventProducer,
    claims: Claims,
}

/// The service's routes; events go to `producer`.
pub(crate) fn router(producer: EventProducer, claims: Claims) -> Router {
    Router::new()
        .route("/roles/{role_id}/claims", get(claims_of).post(attach_claim))
        .with_state(Shared { producer, claims })
}

async fn claims_of(
    State(claims): State<Claims>,
    Path(role_id): Path<i64>,
) -> Result<Json<Vec<i64>>, Refusal> {
    let claims = claims.of(role_id).await;
    claims.map(Json).map_err(|error| Refusal::unavailable(error.chain().collect()))
}

#[derive(Deserialize)]
struct AttachClaim {
    id: i64,
}

async fn attach_claim(
    State(producer): State<EventProducer>,
    Path(role_id): Path<i64>,
    headers: HeaderMap,
    Json(claim): Json<AttachClaim>,
) -> Result<(StatusCode, Json<ClaimAdded>), Refusal> {
    let producer = match user_id(&headers)? {
        Some(user_id) => producer.as_user(user_id),
        None => producer,
    };
    let event = ClaimAdded { id: claim.id, role_id };
    match tokio::time::timeout(ACKNOWLEDGED_WITHIN, producer.send(&event)).await {
        Ok(Ok(_)) => Ok((StatusCode::CREATED, Json(event))),
        Ok(Err(error)) => Err(Refusal::unavailable(Error::from(error).chain().collect())),
        // The event may still arrive: a retrying client must be idempotent.
        Err(_) => Err(Refusal::unavailable(vec![format!(
            "the broker did not acknowledge the event within {ACKNOWLEDGED_WITHIN:?}"
        )])),
    }
}

// A number stays a number on the wire, as the services beside us write it.
fn user_id(headers: &HeaderMap) -> Result<Option<UserId>, Refusal> {
    let Some(value) = headers.get("x-user-id") else { return Ok(None) };
    let text = value.to_str().map_err(|_| Refusal {
        status: StatusCode::BAD_REQUEST,
        error: "the header x-user-id is not plain text".to_owned(),
    })?;
    Ok(Some(text.parse::<i64>().map_or_else(|_| UserId::from(text), UserId::from)))
}

/// An answer that is no success: `{"error": ".."}`.
#[derive(Serialize)]
struct Refusal {
    #[serde(skip)]
    status: StatusCode,
    error: String,
}

impl Refusal {
    fn unavailable(reasons: Vec<String>) -> Self {
        Refusal { status: StatusCode::SERVICE_UNAVAILABLE, error: reasons.join(": ") }
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        (self.status, Json(self)).into_response()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use axum::body::{Body, to_bytes};
    use axum::http::Request;
    use event_core::broker::kafka::EmbeddedBroker;
    use event_core::broker::{
        Acknowledged, Broker, BrokerError, Consumer, ConsumerEvent, OutgoingRecord, PortFuture,
        Producer, Subscription,
    };
    use event_core::delivery::{Offset, TopicPartition};
    use event_core::event::{GroupName, TopicName};
    use serde_json::{Value, json};
    use tower::ServiceExt;

    use super::*;

    /// Acknowledges every record, or refuses every one.
    #[derive(Default)]
    struct StubProducer {
        refusal: Option<BrokerError>,
        sent: Mutex<Vec<OutgoingRecord>>,
    }

    impl Producer for StubProducer {
        fn send(
            &self,
            record: OutgoingRecord,
        ) -> PortFuture<'static, Result<Acknowledged, BrokerError>> {
            let partition = TopicPartition { topic: record.topic.clone(), partition: 0 };
            let answer = match &self.refusal {
                Some(error) => Err(error.clone()),
                None => Ok(Acknowledged { partition, offset: Offset(0) }),
            };
            self.sent.lock().unwrap().push(record);
            Box::pin(async move { answer })
        }

        fn flush(&self, _timeout: Duration) -> PortFuture<'_, Result<(), BrokerError>> {
            Box::pin(async { Ok(()) })
        }
    }

    async fn post_claim(stub: &Arc<StubProducer>, user: Option<&str>) -> (StatusCode, Value) {
        post_to(EventProducer::new(stub.clone()), user).await
    }

    async fn post_to(producer: EventProducer, user: Option<&str>) -> (StatusCode, Value) {
        let mut request =
            Request::post("/roles/3/claims").header("content-type", "application/json");
        if let Some(user) = user {
            request = request.header("x-user-id", user);
        }
        let request = request.body(Body::from(r#"{"id": 7}"#)).unwrap();
        let claims = Claims::in_memory().await.unwrap();
        let response = router(producer, claims).oneshot(request).await.unwrap();
        let status = response.status();
        let body = to_bytes(response.into_body(), 10_000).await.unwrap();
        (status, serde_json::from_slice(&body).unwrap())
    }

    fn sent(stub: &StubProducer) -> (OutgoingRecord, Value) {
        let sent = stub.sent.lock().unwrap();
        let [record] = &sent[..] else { panic!("{} records were sent", sent.len()) };
        (record.clone(), serde_json::from_slice(record.value.as_ref().unwrap()).unwrap())
    }

    #[tokio::test]
    async fn attaching_a_claim_publishes_it() {
        let stub = Arc::new(StubProducer::default());
        let (status, body) = post_claim(&stub, Some("42")).await;
        assert_eq!((status, body), (StatusCode::CREATED, json!({"id": 7, "roleId": 3})));
        let (record, event) = sent(&stub);
        assert_eq!(record.topic.as_str(), "role_events");
        assert_eq!(record.key.as_deref(), Some(&b"3"[..]));
        assert_eq!(event["eventType"], "CLAIM_ADDED");
        assert_eq!(event["userId"], 42);
        assert_eq!(event["data"], json!({"id": 7, "roleId": 3}));
    }

    #[tokio::test]
    async fn a_user_may_be_a_text_or_unknown() {
        for (user, expected) in [(Some("svc-1"), json!("svc-1")), (None, Value::Null)] {
            let stub = Arc::new(StubProducer::default());
            post_claim(&stub, user).await;
            assert_eq!(sent(&stub).1["userId"], expected);
        }
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_claim_that_was_attached_lies_on_the_topic() {
        let embedded = EmbeddedBroker::start().unwrap();
        embedded.create_topic("role_events", 1).unwrap();
        let broker = embedded.broker();
        let producer = EventProducer::new(broker.producer().unwrap());
        let (status, _) = post_to(producer, Some("42")).await;
        assert_eq!(status, StatusCode::CREATED);

        let record = tokio::time::timeout(Duration::from_secs(30), first_record(&broker));
        let (key, value) = record.await.unwrap();
        assert_eq!(key, b"3");
        assert_eq!(value["eventType"], "CLAIM_ADDED");
        assert_eq!(value["userId"], 42);
        assert_eq!(value["data"], json!({"id": 7, "roleId": 3}));
    }

    async fn first_record(broker: &impl Broker) -> (Vec<u8>, Value) {
        let subscription = Subscription {
            group: GroupName::parse("reader").unwrap(),
            topics: vec![vec![TopicName::from_static("role_events")]],
            retry_topics: Vec::new(),
            max_in_flight_bytes: 1 << 20,
            drain_timeout: Duration::from_secs(1),
            group_instance_id: None,
            wants_metadata: false,
            out_of_range: Default::default(),
            by_partition: false,
        };
        let mut consumer = broker.subscribe(subscription).unwrap();
        loop {
            if let ConsumerEvent::Records(batch) = consumer.next().await {
                let record = batch.iter().next().unwrap();
                let value = serde_json::from_slice(record.value.unwrap()).unwrap();
                let key = record.key.unwrap().to_vec();
                consumer.close(Vec::new(), Duration::from_secs(5)).await.unwrap();
                return (key, value);
            }
        }
    }

    #[tokio::test]
    async fn a_broker_that_does_not_take_the_event_is_an_unavailable_service() {
        let refusal = Some(BrokerError::Other("the broker is full".to_owned()));
        let stub = Arc::new(StubProducer { refusal, sent: Mutex::default() });
        let (status, body) = post_claim(&stub, None).await;
        assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE);
        assert!(body["error"].as_str().unwrap().ends_with("the broker is full"), "{body}");
    }
}

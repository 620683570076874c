//! What a supervisor and a person see of a running service: health over HTTP, pauses.

#![expect(clippy::unwrap_used, reason = "a test")]

mod problems;
mod pauses;
#[path = "../shared/mod.rs"]
mod shared;

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use event_core::EventProducer;
use event_core::app::{Settings, SettingsOverrides};
use event_core::broker::memory::MemoryBroker;
use event_core::broker::{Broker, BrokerError};
use event_core::delivery::TopicPartition;
use event_core::event::{GroupName, TopicName};
use event_core::observe::{Health, HealthProblem, Observation, Observer};
use event_core::prelude::*;
use serde_json::Value;
use service_tests::{ClaimAdded, Seen, claim};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

const TIMEOUT: Duration = Duration::from_secs(60);

/// A service that runs on a broker in memory, with an admin port.
struct Service {
    address: SocketAddr,
    broker: MemoryBroker,
    stop: oneshot::Sender<()>,
    ended: JoinHandle<Result>,
}

fn memory() -> MemoryBroker {
    let broker = MemoryBroker::new();
    for topic in ["role_events", "role_events_dlq"] {
        broker.create_topic(&TopicName::from_static(topic), 1);
    }
    broker
}

fn app(module: &str) -> EventApp {
    EventApp::from_env("admin").unwrap().handlers_from(format!("{}::{module}", module_path!()))
}

fn settings(variables: &[(&str, &str)]) -> Settings {
    let variables = variables.iter().map(|(name, value)| (name.into(), value.into()));
    Settings::load("admin", &SettingsOverrides::default(), variables).unwrap()
}

impl Service {
    async fn start(app: EventApp, broker: MemoryBroker) -> Self {
        Service::start_with(app, broker, &[]).await
    }

    async fn start_with(app: EventApp, broker: MemoryBroker, variables: &[(&str, &str)]) -> Self {
        let usual = [
            ("EVENT_ADMIN_PORT", "0"),
            ("EVENT_BACKOFF", "10ms..20ms"),
            ("EVENT_COMMIT_INTERVAL", "10ms"),
        ];
        let settings = settings(&[&usual, variables].concat());
        let address = app.admin_address();
        let (stop, stopped) = oneshot::channel();
        let running = app.run_on(broker.clone(), settings, async {
            let _ = stopped.await;
        });
        let ended = tokio::spawn(running);
        let address = eventually(|| address.get()).await;
        Service { address, broker, stop, ended }
    }

    async fn publish(&self, ids: std::ops::Range<u64>) {
        let producer = EventProducer::new(self.broker.producer().unwrap());
        for id in ids {
            producer.send(&claim(id)).await.unwrap();
        }
    }

    /// Waits until health says what it is to say.
    async fn says(&self, live: u16, ready: u16, codes: &[&str]) -> Value {
        let mut last = Value::Null;
        let until = Instant::now() + TIMEOUT;
        loop {
            let (status, _) = http(self.address, "GET", "/health/live");
            let (ready_status, health) = http(self.address, "GET", "/health/ready");
            if (status, ready_status, &codes_of(&health)[..]) == (live, ready, codes) {
                return health;
            }
            assert!(Instant::now() < until, "{status} {ready_status}, last {last:#}");
            last = health;
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    async fn stop(self) {
        let _ = self.stop.send(());
        self.ended.await.unwrap().unwrap();
    }
}

fn codes_of(health: &Value) -> Vec<&str> {
    let problems = health["problems"].as_array().unwrap().iter();
    problems.map(|problem| problem["code"].as_str().unwrap()).collect()
}

async fn eventually<T>(mut find: impl FnMut() -> Option<T>) -> T {
    let until = Instant::now() + TIMEOUT;
    loop {
        if let Some(found) = find() {
            return found;
        }
        assert!(Instant::now() < until, "not reached");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

/// One request as a probe sends it: the status and the JSON.
fn http(address: SocketAddr, method: &str, path: &str) -> (u16, Value) {
    http_with(address, method, path, "")
}

fn http_with(address: SocketAddr, method: &str, path: &str, headers: &str) -> (u16, Value) {
    http_to(address, &format!("{method} {path} HTTP/1.1\r\nHost: {address}\r\n{headers}"))
}

fn http_to(address: SocketAddr, head: &str) -> (u16, Value) {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(TIMEOUT)).unwrap();
    write!(stream, "{head}\r\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    assert!(head.contains("content-type: application/json"), "{head}");
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    (status, serde_json::from_str(body).unwrap())
}

mod notes {
    use super::*;

    #[event_handler(id = "note")]
    async fn note(event: Event<ClaimAdded>, State(seen): State<Seen>) {
        seen.note(event.id);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_healthy_service_is_live_and_ready_and_reports_its_lag() {
    let seen = Seen::default();
    let service = Service::start(app("notes").state(seen.clone()), memory()).await;
    service.says(200, 200, &[]).await;
    service.publish(0..3).await;
    let unknown = bytes::Bytes::from_static(br#"{"eventType": "CLAIM_RENAMED", "data": 1}"#);
    let producer = EventProducer::new(service.broker.producer().unwrap());
    producer.send_raw(raw(unknown)).await.unwrap();
    eventually(|| (seen.ids().len() == 3).then_some(())).await;
    // The broker is asked a few seconds after the partition came.
    let until = Instant::now() + TIMEOUT;
    loop {
        let health = service.says(200, 200, &[]).await;
        let group = &health["groups"][0];
        if group["lag"] == 0 && group["last_settled_seconds_ago"].is_u64() {
            assert_eq!(health["status"], "UP");
            assert_eq!(group["group"], "admin");
            assert_eq!(group["partitions"][0]["topic"], "role_events");
            assert_eq!(health["unknown_events"]["CLAIM_RENAMED"], 1);
            break;
        }
        assert!(Instant::now() < until, "{health:#}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    service.stop().await;
}

fn raw(value: bytes::Bytes) -> event_core::broker::OutgoingRecord {
    event_core::broker::OutgoingRecord {
        topic: TopicName::from_static("role_events"),
        partition: None,
        key: None,
        value: Some(value),
        headers: Headers::new(),
        timestamp_ms: None,
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_there_is_refused_with_what_is() {
    let service = Service::start(app("notes").state(Seen::default()), memory()).await;
    for (method, path, headers, status) in [
        ("GET", "/", "", 404),
        ("DELETE", "/pause", "", 405),
        ("POST", "/pause", "", 400),
        ("POST", "/pause?handler=nobody", "", 404),
        ("POST", "/pause?handler=note", "Origin: http://evil.example\r\n", 403),
    ] {
        let (answered, refusal) = http_with(service.address, method, path, headers);
        assert_eq!(answered, status, "{method} {path}: {refusal:#}");
        assert!(refusal["error"].is_string());
        assert!(refusal["paths"]["GET /health/ready"].is_string(), "{refusal:#}");
    }
    assert_eq!(http(service.address, "GET", "/pause").1["handlers"], serde_json::json!([]));
    service.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_name_of_others_that_points_to_the_loopback_address_is_refused() {
    let ask = |address: SocketAddr, host: &str| {
        let (status, body) =
            http_to(address, &format!("GET /health/live HTTP/1.1\r\nHost: {host}\r\n"));
        (status, body["error"].as_str().unwrap_or_default().to_owned())
    };
    let service = Service::start(app("notes").state(Seen::default()), memory()).await;
    for host in ["localhost", "localhost:9090", "127.0.0.1", "[::1]:9090"] {
        assert_eq!(ask(service.address, host), (200, String::new()), "{host}");
    }
    for host in ["evil.example", "evil.example:9090"] {
        let (status, why) = ask(service.address, host);
        assert_eq!(status, 403, "{host}");
        assert!(why.contains(&format!("`{host}`")) && why.contains("localhost"), "{why}");
    }
    service.stop().await;

    // Who opens the port to others gives it the names.
    let variables = [("EVENT_ADMIN_ADDRESS", "0.0.0.0")];
    let app = app("notes").state(Seen::default());
    let service = Service::start_with(app, memory(), &variables).await;
    let near = SocketAddr::from(([127, 0, 0, 1], service.address.port()));
    assert_eq!(ask(near, "billing.example").0, 200);
    service.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn clients_that_ask_nothing_keep_no_probe_waiting_and_are_sent_away() {
    let service = Service::start(app("notes").state(Seen::default()), memory()).await;
    let mut idle: Vec<_> = (0..200).map(|_| TcpStream::connect(service.address).unwrap()).collect();
    let asked = Instant::now();
    assert_eq!(http(service.address, "GET", "/health/live").0, 200);
    // Behind them it would wait for three seconds: 64 are served at once, and each may take one.
    assert!(asked.elapsed() < Duration::from_secs(2), "{:?}", asked.elapsed());
    for stream in &mut idle {
        stream.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
        // At the end of the stream or with a reset, never because nothing came.
        if let Err(error) = stream.read_to_end(&mut Vec::new()) {
            assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset, "still connected");
        }
    }
    service.stop().await;
}

#[tokio::test]
async fn a_port_that_is_taken_is_a_start_up_problem() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap();
    let settings = settings(&[("EVENT_ADMIN_PORT", &address.port().to_string())]);
    let app = app("notes").state(Seen::default());
    let report = app.run_on(memory(), settings, async {}).await.unwrap_err().to_string();
    assert!(
        report.contains(&format!(
            "setting `admin_port` (from EVENT_ADMIN_PORT): {address} cannot be used"
        )),
        "{report}"
    );
    assert!(report.contains("EVENT_ADMIN_PORT"), "{report}");
}

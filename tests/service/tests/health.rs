//! What a supervisor and a person see of a running service: health over HTTP, pauses.

#![expect(clippy::unwrap_used, reason = "a test")]

mod shared;

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use event_core::EventProducer;
use event_core::app::{Settings, SettingsOverrides};
use event_core::broker::memory::MemoryBroker;
use event_core::broker::{Broker, BrokerError};
use event_core::event::TopicName;
use event_core::observe::HealthProblem;
use event_core::prelude::*;
use serde_json::Value;
use service_tests::{ClaimAdded, Seen, claim};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

const DEADLINE: Duration = Duration::from_secs(60);

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
        let settings = settings(&[
            ("EVENT_ADMIN_PORT", "0"),
            ("EVENT_BACKOFF", "10ms..20ms"),
            ("EVENT_COMMIT_INTERVAL", "10ms"),
        ]);
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
        let until = Instant::now() + DEADLINE;
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
    let until = Instant::now() + DEADLINE;
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
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(DEADLINE)).unwrap();
    write!(stream, "{method} {path} HTTP/1.1\r\nHost: {address}\r\n{headers}\r\n").unwrap();
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
async fn a_service_that_works_is_live_and_ready_and_tells_its_lag() {
    let seen = Seen::default();
    let service = Service::start(app("notes").state(seen.clone()), memory()).await;
    service.says(200, 200, &[]).await;
    service.publish(0..3).await;
    let unknown = bytes::Bytes::from_static(br#"{"eventType": "CLAIM_RENAMED", "data": 1}"#);
    let producer = EventProducer::new(service.broker.producer().unwrap());
    producer.send_raw(raw(unknown)).await.unwrap();
    eventually(|| (seen.ids().len() == 3).then_some(())).await;
    // The broker is asked a few seconds after the partition came.
    let until = Instant::now() + DEADLINE;
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
async fn clients_that_ask_nothing_keep_no_probe_waiting_and_are_sent_away() {
    let service = Service::start(app("notes").state(Seen::default()), memory()).await;
    let mut idle: Vec<_> = (0..200).map(|_| TcpStream::connect(service.address).unwrap()).collect();
    let asked = Instant::now();
    assert_eq!(http(service.address, "GET", "/health/live").0, 200);
    // A probe of Kubernetes waits for one second.
    assert!(asked.elapsed() < Duration::from_secs(1), "{:?}", asked.elapsed());
    for stream in &mut idle {
        stream.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
        // At the end of the stream or with a reset, never because nothing came.
        if let Err(error) = stream.read_to_end(&mut Vec::new()) {
            assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset, "still connected");
        }
    }
    service.stop().await;
}

mod fragile {
    use super::*;

    #[derive(Clone, Default)]
    pub(super) struct Bank(pub(super) Arc<AtomicBool>);

    #[event_handler(breaker(failures = 2, pause = "20ms..50ms"), retry(attempts = 1000))]
    async fn bill(_: Event<ClaimAdded>, State(bank): State<Bank>) -> Result {
        match bank.0.load(Ordering::Relaxed) {
            true => Ok(()),
            false => Err(Error::msg("the bank is closed")),
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_breaker_is_told_while_it_is_open() {
    let bank = fragile::Bank::default();
    let service = Service::start(app("fragile").state(bank.clone()), memory()).await;
    service.publish(0..1).await;
    let health = service.says(200, 200, &["breaker_open"]).await;
    assert_eq!(health["problems"][0]["group"], "admin");
    let message = health["problems"][0]["message"].as_str().unwrap();
    assert!(message.contains("bill") && message.contains("the bank is closed"), "{message}");
    assert_eq!(health["problems"][0]["ends"], serde_json::json!([]));
    bank.0.store(true, Ordering::Relaxed);
    service.says(200, 200, &[]).await;
    service.stop().await;
}

mod refuses {
    use super::*;

    #[event_handler]
    async fn refuse(_: Event<ClaimAdded>) -> Result {
        Err(Error::msg("never").dead_letter())
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dead_letter_topic_that_refuses_ends_readiness_until_it_is_mended() {
    let broker = memory();
    let dlq = TopicName::from_static("role_events_dlq");
    let service = Service::start(app("refuses"), broker.clone()).await;
    service.says(200, 200, &[]).await;
    broker.refuse_writes(&dlq, Some(BrokerError::Unauthorised("write to role_events_dlq".into())));
    service.publish(0..1).await;
    let health = service.says(200, 503, &["dead_letter_blocked"]).await;
    assert_eq!(health["status"], "DOWN");
    assert_eq!(health["problems"][0]["ends"], serde_json::json!(["ready"]));
    broker.refuse_writes(&dlq, None);
    service.says(200, 200, &[]).await;
    service.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_handler_is_paused_over_http_and_by_command() {
    const PROGRAM: &str = env!("CARGO_BIN_EXE_sound-service");
    let seen = Seen::default();
    let service = Service::start(app("notes").state(seen.clone()), memory()).await;
    let port = service.address.port().to_string();
    let by_command = |arguments: &[&str]| {
        let ran = shared::run(PROGRAM, arguments, &[("EVENT_ADMIN_PORT", &port)]);
        (ran.code, ran.out, ran.err)
    };
    for (next, subject) in (0..).zip(["handler=note", "topic=role_events"]) {
        let (status, paused) = http(service.address, "POST", &format!("/pause?{subject}"));
        assert_eq!(status, 200, "{paused:#}");
        let paused =
            |health: &Value| health["groups"][0]["paused_handlers"] == serde_json::json!(["note"]);
        eventually(|| paused(&http(service.address, "GET", "/health/ready").1).then_some(())).await;
        service.publish(next..next + 1).await;
        service.says(200, 200, &[]).await;
        assert_eq!(seen.ids().len() as u64, next, "the record waits");
        assert_eq!(http(service.address, "POST", &format!("/resume?{subject}")).0, 200);
        eventually(|| (seen.ids().len() as u64 == next + 1).then_some(())).await;
    }

    assert_eq!(by_command(&["paused"]), (Some(0), "nothing is paused\n".into(), String::new()));
    let paused = (Some(0), "paused  handler note\n".to_owned(), String::new());
    assert_eq!(by_command(&["pause", "--handler", "note"]), paused);
    assert_eq!(by_command(&["paused"]), paused);
    let (code, _, err) = by_command(&["pause", "--topic", "user_events"]);
    assert_eq!(code, Some(1), "{err}");
    assert!(err.contains("no topic with handlers `user_events`; there are role_events"), "{err}");
    assert_eq!(by_command(&["resume", "--handler", "note"]).0, Some(0));
    assert_eq!(by_command(&["paused"]).1, "nothing is paused\n");
    service.stop().await;
}

#[test]
fn a_command_that_finds_no_service_says_where_it_looked() {
    const PROGRAM: &str = env!("CARGO_BIN_EXE_sound-service");
    let ran = shared::run(PROGRAM, &["paused"], &[]);
    assert_eq!(ran.code, Some(2));
    assert!(ran.err.contains("the service has no admin port"), "{}", ran.err);
    assert!(ran.err.contains("EVENT_ADMIN_PORT=9090"), "{}", ran.err);

    // Taken and given back, so that nobody listens there.
    let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let port = address.port().to_string();
    let ran =
        shared::run(PROGRAM, &["pause", "--topic", "role_events"], &[("EVENT_ADMIN_PORT", &port)]);
    assert_eq!(ran.code, Some(1));
    assert!(ran.err.contains(&format!("no service answers at {address}")), "{}", ran.err);

    let ran = shared::run(PROGRAM, &["pause"], &[("EVENT_ADMIN_PORT", &port)]);
    assert_eq!(ran.code, Some(2));
    assert!(
        ran.err.contains("--handler <ID>") && ran.err.contains("--topic <TOPIC>"),
        "{}",
        ran.err
    );
}

#[tokio::test]
async fn a_port_that_is_taken_is_a_start_up_problem() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap();
    let settings = settings(&[("EVENT_ADMIN_PORT", &address.port().to_string())]);
    let app = app("notes").state(Seen::default());
    let report = app.run_on(memory(), settings, async {}).await.unwrap_err().to_string();
    assert!(
        report.contains(&format!("setting `admin_port`: {address} cannot be used")),
        "{report}"
    );
    assert!(report.contains("EVENT_ADMIN_PORT"), "{report}");
}

mod hangs {
    use super::*;

    #[event_handler(id = "hang")]
    async fn hang(event: Event<ClaimAdded>, State(seen): State<Seen>) {
        if seen.note(event.id) == 1 {
            std::future::pending::<()>().await;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_service_that_drains_is_live_and_not_ready() {
    let seen = Seen::default();
    let service = Service::start(app("hangs").state(seen.clone()), memory()).await;
    service.publish(0..1).await;
    eventually(|| (!seen.ids().is_empty()).then_some(())).await;
    let Service { address, stop, ended, .. } = service;
    let _ = stop.send(());
    let health = eventually(|| {
        let (status, health) = http(address, "GET", "/health/ready");
        (status == 503).then_some(health)
    })
    .await;
    assert_eq!(codes_of(&health), ["shutting_down"]);
    assert_eq!(http(address, "GET", "/health/live").0, 200);
    ended.abort();
}

/// Looks at health once a second, as a supervisor does, until it is not live; says after how long.
async fn lives(service: &event_core::observe::Health, at_most: Duration) -> Option<Duration> {
    let began = tokio::time::Instant::now();
    while began.elapsed() < at_most {
        if !service.is_live() {
            return Some(began.elapsed());
        }
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
    None
}

#[tokio::test(start_paused = true)]
async fn a_handler_that_hangs_ends_liveness_after_the_time_that_is_set() {
    let (app, broker) = (app("hangs").state(Seen::default()), memory());
    let (health, control) = (app.health(), app.control());
    let settings = settings(&[("EVENT_LIVENESS_AFTER", "10m")]);
    let running = tokio::spawn(app.run_on(broker.clone(), settings, std::future::pending()));
    // While nothing waits it may be idle for ever.
    assert_eq!(lives(&health, Duration::from_secs(3 * 3600)).await, None);
    EventProducer::new(broker.producer().unwrap()).send(&claim(0)).await.unwrap();
    let after = lives(&health, Duration::from_secs(3 * 3600)).await.unwrap();
    let minutes = Duration::from_secs(60);
    assert!((10 * minutes..11 * minutes).contains(&after), "{after:?}");
    match &health.problems()[..] {
        [HealthProblem::Stalled { partition, .. }] => {
            assert_eq!(partition.to_string(), "role_events/0");
        }
        other => panic!("{other:?}"),
    }
    // What a person has paused is left alone.
    control.pause_handler("hang");
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert!(health.is_live());
    running.abort();
}

mod one_key_hangs {
    use super::*;

    #[event_handler(id = "by_key", order = key, concurrency = 8)]
    async fn by_key(event: Event<ClaimAdded>, State(seen): State<Seen>) {
        seen.note(event.id);
        if event.id == 0 {
            std::future::pending::<()>().await;
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_service_that_goes_on_beside_a_stuck_key_is_live() {
    let (app, broker) = (app("one_key_hangs").state(Seen::default()), memory());
    let health = app.health();
    let running = tokio::spawn(app.run_on(broker.clone(), settings(&[]), std::future::pending()));
    let producer = EventProducer::new(broker.producer().unwrap());
    let hour = Duration::from_secs(3600);
    for id in 0..60 {
        // Another key each time.
        producer.send(&ClaimAdded { id, role_id: i64::try_from(id).unwrap() }).await.unwrap();
        assert_eq!(lives(&health, Duration::from_secs(60)).await, None, "claim {id}");
    }
    assert!(health.groups()[0].lag().unwrap() >= 59, "the offset is stuck, and told so");
    assert!(lives(&health, hour).await.is_some(), "nothing is settled any more");
    running.abort();
}

mod two_groups {
    use super::*;

    #[event_handler(id = "works")]
    async fn works(_: Event<ClaimAdded>) {}

    #[event_handler(id = "stuck", group = "audit")]
    async fn stuck(_: Event<ClaimAdded>) {
        std::future::pending::<()>().await;
    }
}

#[tokio::test(start_paused = true)]
async fn groups_are_judged_one_by_one() {
    let (app, broker) = (app("two_groups"), memory());
    let (health, control) = (app.health(), app.control());
    let running = tokio::spawn(app.run_on(broker.clone(), settings(&[]), std::future::pending()));
    let producer = EventProducer::new(broker.producer().unwrap());
    let mut problems = Vec::new();
    // The other group has always something to do, and is paused in the end: neither excuses this one.
    for id in 0..20 {
        producer.send(&claim(id)).await.unwrap();
        if id == 3 {
            control.pause_handler("works");
        }
        lives(&health, Duration::from_secs(60)).await;
        problems = health.problems();
    }
    match &problems[..] {
        [HealthProblem::Stalled { group, .. }] => assert_eq!(group.as_str(), "audit"),
        other => panic!("{other:?}"),
    }
    let groups = health.groups();
    let seen: Vec<_> =
        groups.iter().map(|group| (group.group.as_str(), &group.paused[..])).collect();
    assert_eq!(seen, [("admin", &["works".to_owned()][..]), ("audit", &[][..])]);
    running.abort();
}

//! The commands that look at records and move them, on an embedded Kafka.

#![expect(clippy::unwrap_used, reason = "a test")]

mod dead_letters;
mod groups;
mod positions;
#[path = "../shared/mod.rs"]
mod shared;

use std::io::{BufRead, BufReader, Lines};
use std::process::{Child, ChildStdout, Stdio};

use bytes::Bytes;
use event_core::broker::kafka::EmbeddedBroker;
use event_core::broker::{Broker, OutgoingRecord};
use event_core::delivery::NextOffset;
use event_core::event::{GroupName, Headers, TopicName};
use serde_json::{Value, json};
use shared::{Ran, command, run, signal};

const LEDGER: &str = env!("CARGO_BIN_EXE_ledger-service");
const FIXED: &str = env!("CARGO_BIN_EXE_ledger-service-fixed");

const TUNED: &str = env!("CARGO_BIN_EXE_tuned-service");

const CLAIMS: TopicName = TopicName::from_static("role_events");

const FAILS: &str = r#"{"eventType": "CLAIM_ADDED", "userId": 42, "data": {"id": 7, "roleId": 4}}"#;
const WORKS: &str = r#"{"eventType": "CLAIM_ADDED", "userId": 43, "data": {"id": 8, "roleId": 3}}"#;
const BROKEN: &str = r#"{"eventType": "CLAIM_ADDED", "data": {oops}}"#;

struct Fixture(EmbeddedBroker);

impl Fixture {
    fn new() -> Self {
        let cluster = EmbeddedBroker::start().unwrap();
        for topic in ["role_events", "role_events_dlq", "role_events_redrive"] {
            cluster.create_topic(topic, 1).unwrap();
        }
        Fixture(cluster)
    }

    async fn send(&self, value: &str) {
        let mut headers = Headers::new();
        headers.push("traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01");
        let record = OutgoingRecord {
            topic: CLAIMS,
            partition: None,
            key: Some(Bytes::from_static(b"4")),
            value: Some(Bytes::copy_from_slice(value.as_bytes())),
            headers,
            timestamp_ms: Some(1_700_000_000_000),
        };
        self.0.broker().producer().unwrap().send(record).await.unwrap();
    }

    fn variables(&self) -> [(&str, &str); 4] {
        [
            ("EVENT_BROKERS", self.0.address()),
            ("EVENT_KAFKA_GROUP_PROTOCOL", "consumer"),
            ("EVENT_ATTEMPTS", "2"),
            ("EVENT_BACKOFF", "1ms..1ms"),
        ]
    }

    /// Runs a command to its end.
    fn run(&self, program: &str, arguments: &[&str]) -> Ran {
        run(program, arguments, &self.variables())
    }

    fn json(&self, program: &str, arguments: &[&str]) -> Value {
        let ran = self.run(program, arguments);
        assert_eq!(ran.code, Some(0), "{}{}", ran.out, ran.err);
        serde_json::from_str(&ran.out).unwrap()
    }

    /// Runs the service until it printed `lines` lines with `text`.
    fn serve(&self, program: &str, text: &str, lines: usize) -> Vec<String> {
        self.serve_as(program, &["run"], text, lines)
    }

    fn serve_as(&self, program: &str, arguments: &[&str], text: &str, lines: usize) -> Vec<String> {
        let mut service = command(program)
            .args(arguments)
            .envs(self.variables())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let (send, printed) = std::sync::mpsc::channel();
        let outputs: [Box<dyn std::io::Read + Send>; 2] =
            [Box::new(service.stdout.take().unwrap()), Box::new(service.stderr.take().unwrap())];
        for output in outputs {
            let send = send.clone();
            std::thread::spawn(move || {
                for line in BufReader::new(output).lines().map_while(Result::ok) {
                    let _ = send.send(line);
                }
            });
        }
        let mut found = Vec::new();
        let mut all = Vec::new();
        while found.len() < lines {
            let Ok(line) = printed.recv_timeout(std::time::Duration::from_secs(60)) else {
                let _ = service.kill();
                panic!("{text:?} was not printed {lines} times:\n{}", all.join("\n"));
            };
            all.push(line.clone());
            found.extend(Some(line).filter(|line| line.contains(text)));
        }
        signal(&service, "-TERM");
        let status = service.wait().unwrap();
        assert!(status.success(), "{status}: {}", all.join("\n"));
        found
    }
}

fn header<'a>(headers: &'a Value, name: &str) -> &'a str {
    let named = headers.as_array().unwrap().iter().rev().find(|header| header[0] == name);
    named.unwrap_or_else(|| panic!("no header {name}: {headers}"))[1].as_str().unwrap()
}

#[test]
fn the_topics_of_a_service_are_listed() {
    let cluster = EmbeddedBroker::start().unwrap();
    cluster.create_topic("role_events", 2).unwrap();
    let fixture = Fixture(cluster);
    let ran = fixture.run(LEDGER, &["topics", "ls"]);
    let expected = "\
TOPIC                PARTITIONS  NEEDED_FOR
role_events          2           handlers
role_events_dlq      missing     dead letters of role_events
role_events_redrive  missing     redriven dead letters of role_events
2 missing: `topics create` makes them
";
    assert_eq!(ran.out, expected, "{}", ran.err);
    let expected = "\
exists   role_events
missing  role_events_dlq, to be made with 2 partitions
missing  role_events_redrive, to be made with 2 partitions
2 would be made
";
    // What is for another topic has as many partitions as that one, and what is there keeps its own.
    for (given, exists) in [
        (&[][..], "exists   role_events\n"),
        (&["--partitions", "2"], "exists   role_events\n"),
        (
            &["--partitions", "7"],
            "exists   role_events with 2 partitions, not 7: raise them with `kafka-topics.sh --bootstrap-server .. --alter --topic role_events --partitions 7`; keys then change partitions\n",
        ),
        (
            &["--partitions", "1"],
            "exists   role_events with 2 partitions, not 1: Kafka removes none of a topic\n",
        ),
    ] {
        let create = [&["topics", "create", "--dry-run"], given].concat();
        let ran = fixture.run(LEDGER, &create);
        let expected = expected.replace("exists   role_events\n", exists);
        assert_eq!(ran.out, expected, "{}", ran.err);
    }
    fixture.0.create_topic("role_events_redrive", 1).unwrap();
    let ran = fixture.run(LEDGER, &["topics", "create", "--dry-run"]);
    let expected = "\
exists   role_events
exists   role_events_redrive
uneven   role_events_redrive has 1 partition, role_events has 2: it is left as it is
missing  role_events_dlq, to be made with 2 partitions
1 would be made
";
    assert_eq!((ran.code, ran.out.as_str()), (Some(0), expected), "{}", ran.err);
    let ran = fixture.run(LEDGER, &["topics", "ls"]);
    let reported = "\nrole_events_redrive has 1 partition, role_events has 2; that works\n";
    assert!(ran.out.contains(reported), "{}", ran.out);
    let ran = fixture.run(LEDGER, &["dlq", "ls"]);
    assert_eq!(
        ran.out,
        "0 dead letters, 0 resolved before\n  the topic role_events_dlq does not exist: `topics create` makes it\n",
        "{}",
        ran.err
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_group_that_a_handler_names_has_its_handlers_only() {
    let fixture = Fixture::new();
    for topic in ["role_events_retry_1m", "role_events_retry_10m"] {
        fixture.0.create_topic(topic, 1).unwrap();
    }
    let lag = fixture.json(TUNED, &["lag", "--group", "mailer", "--json"]);
    let groups = lag["partitions"].as_array().unwrap().iter().map(|one| &one["group"]);
    assert!(groups.clone().count() > 0 && groups.clone().all(|group| group == "mailer"), "{lag}");
    let seek = ["seek", "--topic", "role_events", "--to", "0", "--group", "mailer", "--dry-run"];
    let ran = fixture.run(TUNED, &seek);
    assert!(
        ran.out.ends_with("offsets of group mailer would be reset\n"),
        "{}{}",
        ran.out,
        ran.err
    );
}

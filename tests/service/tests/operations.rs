//! The commands that look at records and move them, on an embedded Kafka.

#![expect(clippy::unwrap_used, reason = "a test")]

mod shared;

use std::io::{BufRead, BufReader, Lines};
use std::process::{Child, ChildStdout, Command, Stdio};

use bytes::Bytes;
use event_core::broker::kafka::EmbeddedBroker;
use event_core::broker::{Broker, OutgoingRecord};
use event_core::delivery::NextOffset;
use event_core::event::{GroupName, Headers, TopicName};
use serde_json::{Value, json};
use shared::{Ran, empty_folder, run};

const LEDGER: &str = env!("CARGO_BIN_EXE_ledger-service");
const FIXED: &str = env!("CARGO_BIN_EXE_ledger-service-fixed");

const TUNED: &str = env!("CARGO_BIN_EXE_tuned-service");

const CLAIMS: TopicName = TopicName::from_static("role_events");

const FAILS: &str = r#"{"eventType": "CLAIM_ADDED", "userId": 42, "data": {"id": 7, "roleId": 4}}"#;
const WORKS: &str = r#"{"eventType": "CLAIM_ADDED", "userId": 43, "data": {"id": 8, "roleId": 3}}"#;
const BROKEN: &str = r#"{"eventType": "CLAIM_ADDED", "data": {oops}}"#;

struct Desk(EmbeddedBroker);

impl Desk {
    fn new() -> Self {
        let cluster = EmbeddedBroker::start().unwrap();
        for topic in ["role_events", "role_events_dlq", "role_events_redrive"] {
            cluster.create_topic(topic, 1).unwrap();
        }
        Desk(cluster)
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
        let mut service = Command::new(program)
            .arg("run")
            .current_dir(empty_folder())
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
        let pid = service.id().to_string();
        assert!(Command::new("kill").args(["-TERM", &pid]).status().unwrap().success());
        let status = service.wait().unwrap();
        assert!(status.success(), "{status}: {}", all.join("\n"));
        found
    }
}

fn header<'a>(headers: &'a Value, name: &str) -> &'a str {
    let named = headers.as_array().unwrap().iter().rev().find(|header| header[0] == name);
    named.unwrap_or_else(|| panic!("no header {name}: {headers}"))[1].as_str().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dead_letter_goes_round_until_its_handler_is_mended() {
    let desk = Desk::new();

    // It fails.
    desk.send(WORKS).await;
    desk.send(FAILS).await;
    desk.serve(LEDGER, "dead-lettered", 1);

    // It is listed.
    let ran = desk.run(LEDGER, &["dlq", "ls"]);
    let lines: Vec<_> = ran.out.lines().collect();
    let cells: Vec<_> = lines[1].split("  ").filter(|cell| !cell.is_empty()).collect();
    assert_eq!(
        (cells[..6].to_vec(), cells[7]),
        (
            vec!["0@0", "role_events/0@1", "CLAIM_ADDED", "book_claim", "attempts_exhausted", "2"],
            "no account for role 4"
        ),
        "{}{}",
        ran.out,
        ran.err
    );
    assert_eq!(lines[2], "1 dead letter, 0 resolved before");

    // All of it is shown.
    let shown = desk.json(LEDGER, &["dlq", "show", "0@0", "--json"]);
    let headers = &shown["headers"];
    for (name, value) in [
        ("traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"),
        ("dlq.topic", "role_events"),
        ("dlq.partition", "0"),
        ("dlq.offset", "1"),
        ("dlq.timestamp", "1700000000000"),
        ("dlq.group", "ledger"),
        ("dlq.id", "ledger:role_events/0@1"),
        ("dlq.handler", "book_claim"),
        ("dlq.attempts", "2"),
        ("dlq.reason", "attempts_exhausted"),
        ("dlq.error", "no account for role 4"),
        ("dlq.service", "ledger"),
        ("dlq.service_version", "1.0.0"),
        ("dlq.trace_id", "0af7651916cd43dd8448eb211c80319c"),
    ] {
        assert_eq!(header(headers, name), value, "{name}");
    }
    assert!(header(headers, "dlq.first_failure") < header(headers, "dlq.last_failure"));
    let first_failure = header(headers, "dlq.first_failure").to_owned();
    assert_eq!((&shown["key"], &shown["value"]["data"]["roleId"]), (&json!("4"), &json!(4)));
    let ran = desk.run(LEDGER, &["dlq", "show", "0@0"]);
    assert!(ran.out.contains("\nvalue (74 bytes)\n  {\n"), "{}", ran.out);
    assert!(ran.out.contains("\nwith this build\nwould be handled by book_claim\n"), "{}", ran.out);

    // The handler is mended; the new build says what it would do, and does nothing.
    let ran = desk.run(FIXED, &["dlq", "redrive", "--dry-run"]);
    let expected = "\
0@0  role_events/0@1  CLAIM_ADDED
  would be handled by book_claim
1 would be handled, 0 not
";
    assert_eq!((ran.code, ran.out.as_str()), (Some(0), expected), "{}", ran.err);
    assert_eq!(desk.json(FIXED, &["dlq", "ls", "--json"])["open"], 1);

    // It is redriven.
    let ran = desk.run(FIXED, &["dlq", "redrive"]);
    assert_eq!((ran.code, ran.out.as_str()), (Some(0), "1 dead letter redriven\n"), "{}", ran.err);
    let ran = desk.run(FIXED, &["tail", "--topic", "role_events_redrive", "--json"]);
    let redriven: Value = serde_json::from_str(&ran.out).unwrap();
    assert_eq!((&redriven["key"], &redriven["value"]), (&shown["key"], &shown["value"]));
    let headers = &redriven["headers"];
    for (name, value) in [
        ("traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"),
        ("retry.topic", "role_events"),
        ("retry.partition", "0"),
        ("retry.offset", "1"),
        ("retry.timestamp", "1700000000000"),
        ("retry.group", "ledger"),
        ("retry.handler", "book_claim"),
        ("retry.attempts", "2"),
        ("retry.first_failure", first_failure.as_str()),
        ("retry.redrive_id", "ledger:role_events/0@1#0@0"),
    ] {
        assert_eq!(header(headers, name), value, "{name}");
    }
    assert_eq!(headers.as_array().unwrap().len(), 10);

    // It is handled, by the handler that failed, with the position that it had.
    let booked = desk.serve(FIXED, "booked claim 7", 1);
    assert_eq!(booked, ["booked claim 7 of role_events/0@1, attempt 3"]);

    // It is gone; what was done about it is left.
    let ran = desk.run(FIXED, &["dlq", "ls"]);
    assert_eq!(ran.out, "0 dead letters, 1 resolved before\n", "{}", ran.err);
    let ran =
        desk.run(FIXED, &["tail", "--topic", "role_events_dlq", "--event", "tombstone", "--json"]);
    let resolution: Value = serde_json::from_str(&ran.out).unwrap();
    for (name, value) in [
        ("dlq.resolves", "0@0"),
        ("dlq.id", "ledger:role_events/0@1"),
        ("dlq.resolution", "redriven"),
        ("dlq.redrive_id", "ledger:role_events/0@1#0@0"),
    ] {
        assert_eq!(header(&resolution["headers"], name), value, "{name}");
    }
    assert!(header(&resolution["headers"], "dlq.resolved_at").ends_with('Z'));
    assert_eq!((&resolution["key"], &resolution["value"]), (&Value::Null, &Value::Null));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_decoded_is_shown_to_the_byte_and_can_be_dropped() {
    let desk = Desk::new();
    for value in [BROKEN, FAILS, FAILS] {
        desk.send(value).await;
    }
    desk.serve(LEDGER, "dead-lettered", 3);
    let ran = desk.run(FIXED, &["dlq", "redrive", "--dry-run"]);
    let caret = "
  would be dead-lettered again as malformed_json
    the value is not JSON at byte 38: key must be a string
    byte 38, line 1, column 39:
      {\"eventType\": \"CLAIM_ADDED\", \"data\": {oops}}
                                            ^
";
    assert_eq!(ran.code, Some(1));
    assert!(ran.out.contains(caret), "{}", ran.out);
    assert!(ran.out.ends_with("\n2 would be handled, 1 not\n"), "{}", ran.out);

    let ran = desk.run(FIXED, &["dlq", "ls", "--handler", "bok_claim"]);
    let expected = "  no dead letter has the handler bok_claim; did you mean book_claim?\n";
    assert!(ran.out.ends_with(expected), "{}", ran.out);

    // Nobody is asked here, so several letters are not moved by chance.
    let ran = desk.run(FIXED, &["dlq", "redrive"]);
    assert_eq!((ran.code, ran.out.as_str()), (Some(2), ""));
    assert!(
        ran.err.starts_with("3 dead letters would be redriven, and no filter is given\nhelp: "),
        "{}",
        ran.err
    );
    let ran = desk.run(FIXED, &["dlq", "drop"]);
    assert_eq!(ran.code, Some(2));
    assert!(ran.err.starts_with("nothing says which letters to drop\nhelp: "), "{}", ran.err);

    let by_reason = ["dlq", "drop", "--reason", "malformed_json"];
    let ran = desk.run(FIXED, &[&by_reason[..], &["--dry-run"]].concat());
    assert_eq!(ran.out, "0@0  role_events/0@0  -\n1 dead letter would be dropped\n", "{}", ran.err);
    let ran = desk.run(FIXED, &by_reason);
    assert_eq!((ran.code, ran.out.as_str()), (Some(0), "1 dead letter dropped\n"), "{}", ran.err);
    let ran = desk.run(FIXED, &["dlq", "show", "0@0"]);
    assert_eq!(ran.code, Some(1));
    assert_eq!(
        ran.err,
        "no dead letter 0@0 in role_events_dlq\nhelp: `dlq ls` lists the ids; what the topic no longer holds is gone\n"
    );
    let ran = desk.run(FIXED, &["dlq", "redrive", "--yes", "--limit", "1"]);
    assert_eq!(ran.out, "1 dead letter redriven\n", "{}", ran.err);
    let ran = desk.run(FIXED, &["dlq", "redrive", "--handler", "book_claim", "--rate", "100/s"]);
    assert_eq!(ran.out, "1 dead letter redriven\n", "{}", ran.err);
    assert_eq!(desk.json(FIXED, &["dlq", "ls", "--json"])["resolved"], 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tail_shows_every_record_and_a_replay_handles_them_again() {
    let desk = Desk::new();
    for value in [WORKS, BROKEN, FAILS] {
        desk.send(value).await;
    }
    let ran = desk.run(LEDGER, &["tail"]);
    let expected = "\
2023-11-14T22:13:20.000Z  role_events/0@0  4  CLAIM_ADDED  43  {\"id\": 8, \"roleId\": 3}
2023-11-14T22:13:20.000Z  role_events/0@1  4  unreadable: the value is not JSON at byte 38: key must be a string
2023-11-14T22:13:20.000Z  role_events/0@2  4  CLAIM_ADDED  42  {\"id\": 7, \"roleId\": 4}
";
    assert_eq!(ran.out, expected, "{}", ran.err);
    let ran =
        desk.run(LEDGER, &["tail", "--user", "42", "--from", "1", "--limit", "1", "--follow"]);
    assert_eq!(ran.out, expected.lines().last().unwrap().to_owned() + "\n", "{}", ran.err);

    let ran = desk.run(LEDGER, &["replay", "--topic", "role_events", "--from", "beginning"]);
    assert_eq!(ran.code, Some(1), "{}", ran.err);
    assert!(ran.out.ends_with("\n1 handled, 0 skipped, 2 failed, 0 passed over\n"), "{}", ran.out);
    assert!(
        ran.out.contains("given up  role_events/0@2  attempts_exhausted: no account for role 4\n"),
        "{}",
        ran.out
    );
    let range = ["replay", "--topic", "role_events", "--from", "2", "--handler", "book_claim"];
    let ran = desk.run(FIXED, &range);
    assert_eq!(ran.code, Some(0), "{}", ran.err);
    assert!(ran.out.contains("\nbooked claim 7 of role_events/0@2, attempt 1\n"), "{}", ran.out);
    assert!(
        ran.out.starts_with("role_events/0  2 up to 3\nin group ledger_replay_"),
        "{}",
        ran.out
    );
    let ran =
        desk.run(FIXED, &["replay", "--topic", "role_events", "--from", "beginning", "--dry-run"]);
    assert_eq!(ran.code, Some(1), "{}", ran.err);
    assert!(
        ran.out.ends_with("\n2 would be handled by book_claim\n1 would fail as malformed_json\n"),
        "{}",
        ran.out
    );
    let ran = desk.run(FIXED, &["replay", "--topic", "role_events", "--from", "2", "--to", "1"]);
    assert_eq!(ran.code, Some(2), "{}", ran.err);
    // Nothing of it was written or committed.
    assert_eq!(desk.json(LEDGER, &["dlq", "ls", "--json"])["open"], 0);
    assert_eq!(desk.json(LEDGER, &["lag", "--json"])["partitions"][0]["committed"], Value::Null);
    let ran = desk.run(
        LEDGER,
        &["replay", "--topic", "role_events", "--from", "0", "--handler", "bok_claim"],
    );
    assert_eq!(
        (ran.code, ran.err.as_str()),
        (Some(2), "no handler of role_events has the id bok_claim; did you mean book_claim?\n")
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn lag_is_told_and_a_seek_changes_it() {
    let desk = Desk::new();
    for _ in 0..3 {
        desk.send(WORKS).await;
    }
    let ran = desk.run(LEDGER, &["seek", "--topic", "role_events", "--to", "1", "--dry-run"]);
    let expected = "role_events/0  the beginning -> 1\ngroup ledger would go on there\n";
    assert_eq!(ran.out, expected, "{}", ran.err);
    let ran = desk.run(LEDGER, &["seek", "--topic", "role_events", "--to", "1"]);
    assert_eq!(
        ran.out, "role_events/0  the beginning -> 1\ngroup ledger goes on there\n",
        "{}",
        ran.err
    );
    let ran = desk.run(LEDGER, &["lag"]);
    let expected = "\
GROUP   TOPIC                PARTITION  COMMITTED  END  LAG  SETTLED_ABOVE  OPEN
ledger  role_events          0          1          3    2    0              2
ledger  role_events_redrive  0          -          0    0    0              0

HANDLER     GROUP   TOPIC        LAG  OPEN
book_claim  ledger  role_events  2    2

2 behind in all, 2 of them open
";
    assert_eq!(ran.out, expected, "{}", ran.err);
    let committed = desk.0.broker();
    let partition = event_core::delivery::TopicPartition { topic: CLAIMS, partition: 0 };
    let group = GroupName::parse("ledger").unwrap();
    let deadline = std::time::Duration::from_secs(10);
    let committed = committed.committed(&group, &[partition], deadline).await.unwrap();
    assert_eq!(committed[0].next, Some(NextOffset(1)));
    let ran = desk.run(LEDGER, &["seek", "--topic", "role_events", "--to", "9"]);
    assert_eq!(ran.code, Some(1));
    assert!(ran.err.starts_with("offset 9 is not in role_events/0\nhelp: "), "{}", ran.err);
    let ran = desk.run(LEDGER, &["seek", "--topic", "role_events", "--to", "tomorrow"]);
    assert_eq!(ran.code, Some(2));
    assert!(ran.err.starts_with("`tomorrow` is not a place in a topic\nhelp: "), "{}", ran.err);
}

#[test]
fn the_topics_of_a_service_are_told() {
    let cluster = EmbeddedBroker::start().unwrap();
    cluster.create_topic("role_events", 2).unwrap();
    let desk = Desk(cluster);
    let ran = desk.run(LEDGER, &["topics", "ls"]);
    let expected = "\
TOPIC                PARTITIONS  NEEDED_FOR
role_events          2           handlers
role_events_dlq      missing     dead letters of role_events
role_events_redrive  missing     redriven dead letters of role_events
2 missing: `topics create` makes them
";
    assert_eq!(ran.out, expected, "{}", ran.err);
    let ran = desk.run(LEDGER, &["topics", "create", "--dry-run"]);
    let expected = "\
exists   role_events
missing  role_events_dlq
missing  role_events_redrive
2 would be made
";
    assert_eq!(ran.out, expected, "{}", ran.err);
    let ran = desk.run(LEDGER, &["dlq", "ls"]);
    assert_eq!(
        ran.out,
        "0 dead letters, 0 resolved before\n  the topic role_events_dlq does not exist: `topics create` makes it\n",
        "{}",
        ran.err
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replay_leaves_the_admin_port_to_the_running_service() {
    let desk = Desk::new();
    desk.send(WORKS).await;
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    let variables = [&desk.variables()[..], &[("EVENT_ADMIN_PORT", &port)]].concat();
    let replay = ["replay", "--topic", "role_events", "--from", "beginning"];
    let ran = run(LEDGER, &replay, &variables);
    assert_eq!(ran.code, Some(0), "{}", ran.err);
}

/// A command that goes on, with what it prints.
fn spawn(desk: &Desk, program: &str, arguments: &[&str]) -> (Child, Lines<BufReader<ChildStdout>>) {
    let mut command = Command::new(program);
    command.args(arguments).current_dir(empty_folder()).envs(desk.variables());
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    let lines = BufReader::new(child.stdout.take().unwrap()).lines();
    (child, lines)
}

#[tokio::test(flavor = "multi_thread")]
async fn the_group_of_a_running_service_is_not_moved() {
    let desk = Desk::new();
    desk.send(WORKS).await;
    let (mut service, mut lines) = spawn(&desk, FIXED, &["run"]);
    assert!(lines.any(|line| line.unwrap().starts_with("booked claim 8")));
    let ran = desk.run(FIXED, &["seek", "--topic", "role_events", "--to", "beginning"]);
    service.kill().unwrap();
    service.wait().unwrap();
    assert_eq!((ran.code, ran.out.as_str()), (Some(1), ""), "{}", ran.err);
    assert!(ran.err.contains("\nhelp: "), "{}", ran.err);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tail_that_follows_shows_what_comes_later_a_line_each() {
    let desk = Desk::new();
    desk.send(&WORKS.replace(", ", ",\n  ")).await;
    let arguments = ["tail", "--follow", "--from", "beginning", "--limit", "2", "--json"];
    let (mut tail, mut lines) = spawn(&desk, FIXED, &arguments);
    let mut next = || serde_json::from_str::<Value>(&lines.next().unwrap().unwrap()).unwrap();
    assert_eq!(next()["value"]["data"]["id"], 8);
    desk.send(FAILS).await;
    assert_eq!(next()["value"]["data"]["id"], 7);
    assert!(tail.wait().unwrap().success());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_group_that_a_handler_names_has_its_handlers_only() {
    let desk = Desk::new();
    for topic in ["role_events_retry_1m", "role_events_retry_10m"] {
        desk.0.create_topic(topic, 1).unwrap();
    }
    let lag = desk.json(TUNED, &["lag", "--group", "mailer", "--json"]);
    let handlers = lag["handlers"].as_array().unwrap().iter().map(|one| &one["handler"]);
    assert_eq!(handlers.collect::<Vec<_>>(), ["mail"]);
    let seek = ["seek", "--topic", "role_events", "--to", "0", "--group", "mailer", "--dry-run"];
    let ran = desk.run(TUNED, &seek);
    assert!(ran.out.ends_with("group mailer would go on there\n"), "{}{}", ran.out, ran.err);
}

//! What `explain` says of an event, and of every kind of bad input: pinned whole.
//!
//! `REPORTS=overwrite cargo test -p service-tests --test explain` pins `bad_input.txt` and
//! `explained.txt` anew.

#![expect(clippy::unwrap_used, reason = "a test")]

#[path = "shared/bad.rs"]
mod bad;
mod shared;

use std::ffi::OsString;
use std::fmt::Write as _;
use std::io::Write as _;
use std::path::Path;
use std::process::Stdio;

use bad::{Case, Expected, cases};
use shared::{command, empty_folder, run};

const BUSY: &str = env!("CARGO_BIN_EXE_busy-service");
const PROBE: &str = env!("CARGO_BIN_EXE_probe-service");
const SOUND: &str = env!("CARGO_BIN_EXE_sound-service");
const TUNED: &str = env!("CARGO_BIN_EXE_tuned-service");

/// More does not fit into one argument of a process.
const ARGUMENT_BYTES: usize = 100 << 10;

fn explain(case: &Case) -> (i32, String) {
    let mut arguments: Vec<OsString> = vec!["explain".into()];
    match &case.value {
        Some(_) => arguments.extend(["--record".into(), "-".into()]),
        None => arguments.push("--tombstone".into()),
    }
    if let Some(key) = &case.key {
        arguments.extend(["--key".into(), os_string(&key[..key.len().min(ARGUMENT_BYTES)])]);
    }
    for header in case.headers.iter() {
        let parts = header.value.as_deref().map(|value| value.chunks(ARGUMENT_BYTES));
        let Some(parts) = parts else {
            arguments.extend(["--header".into(), os_string(&header.name)]);
            continue;
        };
        for part in parts {
            let header = [&header.name[..], b"=", part].concat();
            arguments.extend(["--header".into(), os_string(&header)]);
        }
    }
    let mut command = command(PROBE);
    command.args(arguments);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    // A service that does not read its input to the end closes it.
    let _ = child.stdin.take().unwrap().write_all(case.value.as_deref().unwrap_or_default());
    let ended = child.wait_with_output().unwrap();
    let code = ended.status.code().unwrap();
    assert!(code != 2, "{}: {}", case.name, String::from_utf8_lossy(&ended.stderr));
    (code, String::from_utf8(ended.stdout).unwrap())
}

#[cfg(unix)]
fn os_string(bytes: &[u8]) -> OsString {
    use std::os::unix::ffi::OsStringExt;
    // No argument of a process has a NUL.
    OsString::from_vec(bytes.iter().map(|byte| *byte.max(&1)).collect())
}

#[cfg(not(unix))]
fn os_string(bytes: &[u8]) -> OsString {
    String::from_utf8_lossy(bytes).into_owned().into()
}

#[test]
fn the_outcome_of_each_bad_record_is_printed_with_the_byte() {
    let mut said = String::new();
    // No handler of this service looks at the time of a record.
    let cases = cases().into_iter().filter(|case| case.timestamp_ms.is_none());
    let cases: Vec<_> = cases.collect();
    for case in &cases {
        let (code, out) = explain(case);
        let (expected, first) = match case.expected {
            Expected::Dead(reason) => (1, format!("would be dead-lettered as {reason}\n")),
            Expected::Handled => (0, "would be handled by probed\n".to_owned()),
            Expected::Skipped => (0, "would be skipped: no handler takes it\n".to_owned()),
        };
        assert!(out.starts_with(&first) && code == expected, "{}: {code} {out}", case.name);
        assert!(out.len() < 2000 && out.lines().all(|line| line.len() < 600), "{out}");
        assert!(out.chars().all(|c| c == '\n' || !c.is_control()), "{out:?}");
        write!(said, "== {}\n{out}\n", case.name).unwrap();
    }
    assert!(cases.len() >= 50, "{}", cases.len());
    assert_pinned("bad_input.txt", &said);
}

/// Compares what was said, in sections that begin with `== `, to the file.
fn assert_pinned(file: &str, said: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests").join(file);
    if std::env::var_os("REPORTS").is_some_and(|value| value == "overwrite") {
        std::fs::write(&path, said).unwrap();
    }
    let pinned = std::fs::read_to_string(&path).unwrap_or_default();
    for (now, then) in said.split("== ").zip(pinned.split("== ")) {
        assert_eq!(now, then, "{} has another", path.display());
    }
    assert_eq!(said.len(), pinned.len(), "there are more cases in one than in the other");
}

#[test]
fn an_event_is_explained_in_each_group_with_what_the_settings_say_of_its_handlers() {
    let settings = "\
topics = [\"role_events\"]
unknown_events = \"dead_letter\"
jitter = \"none\"

[handlers.\"book\"]
attempts = 9
timeout = \"7s\"

[handlers.\"mail\"]
breaker_failures = 0

[topic.\"role_events\"]
unknown_events = \"stop\"
";
    std::fs::write(empty_folder().join("tuned.toml"), settings).unwrap();
    let tuned = &["--config", "tuned.toml"][..];
    let mut said = String::new();
    for (event, flags) in [
        ("CLAIM_ADDED", &[][..]),
        ("CLAIM_ADDED", tuned),
        ("CLAIM_LOST", tuned),
        ("tombstone", &[]),
    ] {
        let arguments = [&["explain", "role_events", event], flags].concat();
        let ran = run(TUNED, &arguments, &[]);
        assert_eq!((ran.code, ran.err.as_str()), (Some(0), ""));
        write!(said, "== {}\n{}\n", arguments.join(" "), ran.out).unwrap();
    }
    assert_pinned("explained.txt", &said);
}

#[test]
fn a_record_in_a_file_is_explained_as_json() {
    let file = empty_folder().join("record.json");
    std::fs::write(&file, "{\"eventType\": \"CLAIM_ADDED\",\n \"data\": {\"id\": -7}}").unwrap();
    let ran = run(SOUND, &["explain", "--record", file.to_str().unwrap(), "--json"], &[]);
    assert_eq!(ran.code, Some(1), "{}", ran.err);
    assert_eq!(ran.err, "the record would be dead-lettered\n");
    let expected = serde_json::json!([{
        "group": "sound",
        "outcome": "dead_lettered",
        "topic": "role_events",
        "event": "CLAIM_ADDED",
        "handler": "record_claim",
        "source": "tests/service/src/bin/sound-service.rs:9",
        "other_group": null,
        "reason": "data_mismatch",
        "message": "the data of CLAIM_ADDED version 1 does not fit ClaimAdded version 1 at byte 45: `data.id` is the integer `-7`, it must be u64",
        "byte": 45,
        "line": 2,
        "column": 17,
        "dead_letters": "role_events_dlq",
        "ignored": [],
        "not_made": [],
    }]);
    let said: serde_json::Value = serde_json::from_str(&ran.out).unwrap();
    assert_eq!(said, expected);
}

#[test]
fn a_record_is_explained_in_each_group_that_reads_its_topic() {
    let file = empty_folder().join("lost-claim.json");
    std::fs::write(&file, "{\"eventType\": \"CLAIM_LOST\", \"data\": {}}").unwrap();
    let ran = run(TUNED, &["explain", "--record", file.to_str().unwrap()], &[]);
    assert_eq!(ran.code, Some(0), "{}", ran.err);
    let first_lines: Vec<_> = ran.out.lines().filter(|line| !line.starts_with(' ')).collect();
    let expected = [
        "in group `mailer`",
        "would be left to group `warehouse`",
        "in group `tuned`",
        "would be left to group `warehouse`",
        "in group `warehouse`",
        "would be handled by others",
    ];
    assert_eq!(first_lines, expected, "{}", ran.out);
    // What becomes of an unknown event is a setting, and what another group handles is none.
    for (service, unknown_events, code, expected) in [
        (TUNED, "stop", 0, "would be handled by others\n"),
        (TUNED, "dead_letter", 0, "would be handled by others\n"),
        (SOUND, "stop", 0, "would stop the service: no handler takes it\n"),
        (SOUND, "dead_letter", 1, "would be dead-lettered as unknown_event\n"),
    ] {
        let variables = [("EVENT_UNKNOWN_EVENTS", unknown_events)];
        let arguments = ["explain", "--record", file.to_str().unwrap(), "--topic", "role_events"];
        let ran = run(service, &arguments, &variables);
        assert_eq!(ran.code, Some(code), "{}", ran.err);
        assert_eq!(ran.out.matches("would ").count(), if service == TUNED { 3 } else { 1 });
        assert!(ran.out.contains(expected), "{}", ran.out);
    }
}

#[test]
fn a_field_that_counts_as_absent_is_said() {
    let file = empty_folder().join("naive-record.json");
    let record = r#"{"eventType":"CLAIM_ADDED","eventId":"","occurredAt":"2026-01-31T08:00:00.123456","data":{"id":7,"roleId":3}}"#;
    std::fs::write(&file, record).unwrap();
    let arguments = ["explain", "--record", file.to_str().unwrap()];
    let ran = run(SOUND, &arguments, &[]);
    assert_eq!(ran.code, Some(0), "{}", ran.err);
    let no_id = "  ignored       `eventId` counts as absent: \"\" identifies nothing\n";
    let no_zone = "  ignored       `occurredAt` counts as absent: \"2026-01-31T08:00:00.123456\" is a time without a zone; ";
    assert!(ran.out.contains(no_id) && ran.out.contains(no_zone), "{}", ran.out);
    let utc = run(SOUND, &arguments, &[("EVENT_NAIVE_TIMES", "utc")]);
    assert!(utc.out.contains(no_id) && !utc.out.contains("occurredAt"), "{}", utc.out);
}

#[test]
fn half_a_surrogate_pair_is_refused_where_it_is_read_or_the_settings_say_so() {
    let file = empty_folder().join("half-an-emoji.json");
    let record =
        r#"{"eventType":"CLAIM_ADDED","data":{"id":7,"roleId":3,"note":"see you \ud83d"}}"#;
    std::fs::write(&file, record).unwrap();
    let arguments = ["explain", "--record", file.to_str().unwrap()];
    let ran = run(SOUND, &arguments, &[]);
    assert!(ran.out.starts_with("would be handled by record_claim\n"), "{}", ran.out);
    let strict = run(SOUND, &arguments, &[("EVENT_LONE_SURROGATES", "dead_letter")]);
    assert_eq!(strict.code, Some(1), "{}", strict.out);
    let expected =
        "would be dead-lettered as lone_surrogate\n  `data.note` has an escape at byte 69 ";
    assert!(strict.out.starts_with(expected), "{}", strict.out);
}

#[test]
fn a_limit_of_the_settings_counts() {
    let file = empty_folder().join("small-record.json");
    std::fs::write(&file, "{\"eventType\": \"CLAIM_ADDED\"}").unwrap();
    let variables = [("EVENT_MAX_VALUE_BYTES", "10")];
    let ran = run(SOUND, &["explain", "--record", file.to_str().unwrap()], &variables);
    assert_eq!(ran.code, Some(1), "{}", ran.err);
    let expected = "\
would be dead-lettered as value_too_large
  the value has 28 bytes, the limit is 10 (setting `max_value_bytes`)
  topic         -
  event         -
  handler       -
  dead letters  -
";
    assert_eq!(ran.out, expected);
}

#[test]
fn what_cannot_be_explained_is_a_wrong_command_line() {
    let file = empty_folder().join("unknown-record.json");
    std::fs::write(&file, "{\"eventType\": \"CLAIM_ADED\"}").unwrap();
    let file = file.to_str().unwrap();
    for (arguments, expected) in [
        (
            &["--record", file][..],
            "no contract or handler knows the event CLAIM_ADED; did you mean CLAIM_ADDED?\n",
        ),
        (
            &["--record", file, "--topic", "role_event"],
            "no handler listens to the topic role_event; did you mean role_events?\n",
        ),
        (&["--tombstone"], "say of which topic the tombstone is: `--topic`\n"),
    ] {
        let ran = run(SOUND, &[&["explain"], arguments].concat(), &[]);
        assert_eq!((ran.code, ran.err.as_str()), (Some(2), expected), "{arguments:?}");
    }
    let ran = run(SOUND, &["explain", "--record", "nowhere"], &[]);
    assert!(ran.err.starts_with("the record `nowhere` cannot be read: "), "{}", ran.err);
    assert_eq!(ran.code, Some(2));
    let skipped = run(SOUND, &["explain", "--record", file, "--topic", "role_events"], &[]);
    assert_eq!(skipped.code, Some(0), "{}", skipped.err);
    let meant = "would be skipped: no handler takes it\n  no contract or handler knows it; did you mean CLAIM_ADDED?\n";
    assert!(skipped.out.starts_with(meant), "{}", skipped.out);
}

#[test]
fn an_event_is_explained_from_the_code_to_the_dead_letters() {
    let variables = [
        ("EVENT_ATTEMPTS", "9"),
        ("EVENT_BACKOFF", "1s..10s"),
        ("EVENT_ADMIN_PORT", "9090"),
        ("EVENT_KAFKA_CLIENT_RACK", "a secret"),
    ];
    let ran =
        run(BUSY, &["explain", "user_events", "USER_CREATED", "--group", "other"], &variables);
    let expected = "\
user_events / USER_CREATED: handled by welcome

  handler    welcome   tests/service/src/bin/busy-service.rs:51
  arguments  Event<UserCreated>, Producer<ClaimAdded>
  contract   UserCreated version 3   tests/service/src/bin/busy-service.rs:13
  converts   UserCreatedV2 version 2   tests/service/src/bin/busy-service.rs:19
  converts   UserCreatedV1 version 1   tests/service/src/bin/busy-service.rs:25
  emits      role_events / CLAIM_ADDED, mail_events / MAIL_REQUESTED
  layers     trace, trace
  kind       async

delivery
  records are handled one after the other, as they lie in the partition
  an attempt may take as long as it wants

on failure
  a record whose handler fails or panics is tried 9 times in all, then goes to `lost_users`
  between the attempts it waits half to all of 1s, 2s, 4s, 8s, 10s, 10s, and so on up to 10s; the records behind it on the partition wait too
  an error that is `.dead_letter()`, a record that cannot be decoded, and one over a limit go to `lost_users` at once
  after 20 failed attempts in a row its circuit breaker opens for 5s, and after each further failure for longer, up to 1m

SETTING           VALUE       FROM
group             other       --group
order             partition   default
attempts          9           EVENT_ATTEMPTS
backoff           1s..10s     EVENT_BACKOFF
jitter            equal       default
timeout           none        default
breaker_failures  20          default
breaker_pause     5s..1m      default
dead letters      lost_users  `dead_letter` of on_user_created, tests/service/src/bin/busy-service.rs:51
unknown_events    skip        default

SETTING              VALUE                    FROM
brokers              localhost:9092           default
group_instance_id    none                     default
max_members          16                       default
topics               all that have a handler  default
create_topics        false                    default
out_of_range         earliest                 default
max_concurrency      1000                     default
naive_times          ignore                   default
lone_surrogates      handle                   default
max_value_bytes      1048576                  default
max_headers          1000                     default
max_header_bytes     262144                   default
max_in_flight_bytes  67108864                 default
commit_interval      1s                       default
commit_records       100000                   default
max_metadata_bytes   4096                     default
drain                20s                      default
admin_port           9090                     EVENT_ADMIN_PORT
admin_address        127.0.0.1                default
liveness_after       5m                       default
[kafka] client.rack  not shown                EVENT_KAFKA_CLIENT_RACK
";
    assert_eq!(ran.out, expected, "{}", ran.err);
    assert_eq!(ran.code, Some(0));
}

#[test]
fn the_first_line_says_what_happens_to_an_event() {
    for (topic, event, expected) in [
        ("user_events", "USER_CREATED", "handled by welcome"),
        (
            "user_events",
            "USER_LOST",
            "handled by users::others, which takes what no other handler of the topic does",
        ),
        ("user_events", "*", "handled by users::others"),
        ("user_events", "tombstone", "handled by users::forget"),
        ("role_events", "tombstone", "skipped and counted: no handler takes tombstones"),
        ("role_events", "*", "skipped and counted, with a warning in the log: no handler takes it"),
        (
            "mail_events",
            "MAIL_REQUESTED",
            "not read: no handler of this service listens to the topic",
        ),
    ] {
        let ran = run(BUSY, &["explain", topic, event], &[("EVENT_ATTEMPTS", "1")]);
        assert!(ran.out.starts_with(&format!("{topic} / {event}: {expected}\n")), "{}", ran.out);
        assert_eq!(ran.code, Some(0), "{}", ran.err);
        // What failure does is said only where something can fail.
        let handled = expected.starts_with("handled");
        let not_again = "is not retried and goes to `lost_users`";
        assert_eq!(ran.out.contains(not_again), handled, "{}", ran.out);
    }
}

#[test]
fn an_explanation_is_json_for_tools() {
    let ran = run(SOUND, &["explain", "role_events", "CLAIM_ADDED", "--json"], &[]);
    let said: serde_json::Value = serde_json::from_str(&ran.out).unwrap();
    let expected = serde_json::json!({
        "id": "record_claim",
        "name": "sound_service::record_claim",
        "source": "tests/service/src/bin/sound-service.rs:9",
        "arguments": ["Event<ClaimAdded>", "State<Seen>"],
        "payload": [
            { "type": "ClaimAdded", "version": 1, "source": "tests/service/src/lib.rs:12" },
        ],
        "emits": [],
        "layers": [],
        "blocking": false,
        "policy": service_tests::delivery_unless_said(),
    });
    assert_eq!(said["outcome"], "handled by record_claim");
    let [group] = &said["groups"].as_array().unwrap()[..] else { panic!("{said}") };
    assert_eq!((&group["group"], &group["handler"]), (&"sound".into(), &expected));
    assert_eq!(group["dead_letters"], "role_events_dlq");
    assert_eq!(group["unknown_events"], "skipped and counted, with a warning in the log");
    let attempts = serde_json::json!({ "key": "attempts", "value": "5", "source": "default" });
    assert_eq!(group["settings"][2], attempts);
    assert_eq!(group["on_failure"].as_array().unwrap().len(), 4);
    let brokers =
        serde_json::json!({ "key": "brokers", "value": "localhost:9092", "source": "default" });
    assert_eq!(said["settings"][0], brokers);
}

#[test]
fn a_value_in_the_settings_file_is_named_with_the_file() {
    std::fs::write(empty_folder().join("explain.toml"), "attempts = 2\n").unwrap();
    let arguments = ["explain", "role_events", "CLAIM_ADDED", "--config", "explain.toml"];
    let ran = run(SOUND, &arguments, &[]);
    assert!(
        ran.out.contains("\nattempts          2                explain.toml:1\n"),
        "{}",
        ran.out
    );
}

#[test]
fn an_unknown_name_suggests_the_nearest() {
    for (topic, event, expected) in [
        (
            "role_event",
            "CLAIM_ADDED",
            "no contract or handler knows the topic role_event; did you mean role_events?\n",
        ),
        (
            "role_events",
            "CLAIM_ADED",
            "no contract or handler knows the event CLAIM_ADED of topic role_events; did you mean CLAIM_ADDED?\n",
        ),
        (
            "weather",
            "STORM",
            "no contract or handler knows the topic weather; known are role_events, user_events\n",
        ),
    ] {
        let ran = run(SOUND, &["explain", topic, event], &[]);
        assert_eq!((ran.code, ran.err.as_str()), (Some(2), expected), "{}", ran.out);
    }
    assert_eq!(run(SOUND, &["explain"], &[]).code, Some(2));
    assert_eq!(run(SOUND, &["explain", "role_events"], &[]).code, Some(2));
    let wrong = run(SOUND, &["explain", "role_events", "CLAIM_ADDED"], &[("EVENT_DRAIN", "x")]);
    assert!(wrong.code == Some(2) && wrong.err.contains("setting `drain`"), "{}", wrong.err);
}

#[test]
fn a_group_that_is_named_is_explained_without_the_handlers_of_the_services_own() {
    let explain = ["explain", "role_events", "CLAIM_ADDED", "--group", "mailer", "--json"];
    let ran = run(TUNED, &explain, &[]);
    let said: serde_json::Value = serde_json::from_str(&ran.out).unwrap();
    assert_eq!(said["groups"].as_array().unwrap().len(), 1, "{said}");
    assert_eq!(said["outcome"], "handled by mail");
}

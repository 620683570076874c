//! What a person at the terminal sees: start-up reports, commands and exit codes.

#![expect(clippy::unwrap_used, reason = "a test")]

mod shared;

use std::net::TcpListener;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use shared::{Ran, empty_folder, run};

const BROKEN: &str = env!("CARGO_BIN_EXE_broken-service");
const EMPTY: &str = env!("CARGO_BIN_EXE_empty-service");
const SOUND: &str = env!("CARGO_BIN_EXE_sound-service");
const BUSY: &str = env!("CARGO_BIN_EXE_busy-service");

/// An address at which nobody listens.
fn closed_address() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap().to_string()
}

#[test]
fn every_problem_is_in_one_report() {
    let ran = run(BROKEN, &["check"], &[("EVENT_GROUP", "a b")]);
    assert_eq!(ran.code, Some(2), "{}", ran.err);
    let expected = "\
cannot start: 4 problems
  1. setting `group` (from EVENT_GROUP): consumer group name has a blank as character 2 of 3, allowed are letters, digits, `.`, `_` and `-`
     help: name the group with `group` or EVENT_GROUP
  2. two handlers claim role_events / CLAIM_ADDED in group `broken`
       first    tests/service/src/bin/broken-service.rs:7
       second   tests/service/src/bin/broken-service.rs:12
     help: keep one and remove the others; one with a `group = \"..\"` of its own gets the event too
  3. needs_a_state needs State<Seen>, which was never provided
       needs_a_state   tests/service/src/bin/broken-service.rs:15
     help: call `.state(..)` on the app with a value of that type
  4. crate `unlinked_handlers` has handlers or contracts that are not in this binary: the linker drops a crate that no code uses
     help: write `event_core::link_handlers!(unlinked_handlers);`, or `event_core::link_handlers!(except unlinked_handlers);` if they are not wanted
";
    assert_eq!(ran.err, expected);
}

#[test]
fn a_service_without_handlers_does_not_start() {
    let ran = run(EMPTY, &["check"], &[]);
    assert_eq!(ran.code, Some(2), "{}", ran.err);
    assert!(
        ran.err.starts_with(
            "cannot start: 1 problem\n  1. no event handler is linked into this binary"
        ),
        "{}",
        ran.err
    );
}

#[test]
fn a_sound_service_passes_its_check() {
    let ran = run(SOUND, &["check"], &[("EVENT_HORIZON", "x")]);
    assert_eq!(ran.code, Some(0), "{}", ran.err);
    assert_eq!(ran.out, "ok: 2 handlers on role_events, user_events in group `sound`\n");
    let expected = "\
warning: the variable EVENT_HORIZON is not a setting and was ignored
     help: unset it, or rename your own variable so that it does not begin with EVENT_
";
    assert_eq!(ran.err, expected);
}

#[test]
fn handlers_are_listed_in_a_fixed_order_with_their_places() {
    let ran = run(SOUND, &["handlers"], &[]);
    let expected = "\
TOPIC        EVENT         HANDLER       SOURCE
role_events  CLAIM_ADDED   record_claim  tests/service/src/bin/sound-service.rs:9
user_events  USER_DELETED  user_deleted  tests/fixtures/unlinked/src/lib.rs:6
";
    assert_eq!(ran.out, expected);
    let ran = run(SOUND, &["handlers", "--json"], &[]);
    let rows: serde_json::Value = serde_json::from_str(&ran.out).unwrap();
    assert_eq!(rows[0]["event"], "CLAIM_ADDED");
    assert_eq!(rows[1]["source"], "tests/fixtures/unlinked/src/lib.rs:6");
}

#[test]
fn an_unreachable_broker_is_named_within_ten_seconds() {
    let address = closed_address();
    let began = Instant::now();
    let ran = run(SOUND, &["run"], &[("EVENT_BROKERS", &address)]);
    assert!(began.elapsed() < Duration::from_secs(10), "{:?}", began.elapsed());
    assert_eq!(ran.code, Some(2), "{}", ran.err);
    assert!(ran.err.contains(&format!("no broker answered at {address}")), "{}", ran.err);
    assert!(ran.err.contains("help: check that the broker runs"), "{}", ran.err);
}

#[test]
fn an_unreachable_broker_is_reported_together_with_everything_else() {
    let address = closed_address();
    let ran = run(BROKEN, &["run", "--brokers", &address], &[]);
    assert_eq!(ran.code, Some(2), "{}", ran.err);
    assert!(ran.err.contains("cannot start: 4 problems\n"), "{}", ran.err);
    assert!(ran.err.contains(&format!("no broker answered at {address}")), "{}", ran.err);
}

#[test]
fn a_setting_that_asks_for_tls_names_the_feature() {
    let ran = run(SOUND, &["check"], &[("EVENT_KAFKA_SECURITY_PROTOCOL", "sasl_ssl")]);
    assert_eq!(ran.code, Some(2), "{}", ran.err);
    assert!(
        ran.err.contains("`security.protocol` asks for TLS, which this build does not have"),
        "{}",
        ran.err
    );
    assert!(ran.err.contains("feature `tls`"), "{}", ran.err);
}

#[test]
fn a_wrong_command_line_says_what_is_there() {
    let ran = run(SOUND, &[], &[]);
    assert_eq!(ran.code, Some(2));
    for command in ["run", "dev", "check", "handlers", "contracts", "explain", "graph", "emit"] {
        assert!(ran.err.contains(&format!("  {command}")), "{}", ran.err);
    }
    assert_eq!(run(SOUND, &["--help"], &[]).code, Some(0));
}

#[test]
fn a_filter_of_the_log_that_silences_all_is_a_warning() {
    let ran = run(SOUND, &["check"], &[("EVENT_LOG", "x")]);
    assert!(
        ran.err.contains(
            "warning: the variable EVENT_LOG has a text of 1 character, which is no level"
        ),
        "{}",
        ran.err
    );
    assert_eq!(run(SOUND, &["check", "--strict"], &[("EVENT_LOG", "x")]).code, Some(2));
    for filter in ["event_core=debug,warn", "info,sqlx", "event_core=debug,sqlx"] {
        let ran = run(SOUND, &["check", "--strict"], &[("EVENT_LOG", filter)]);
        assert!(!ran.err.contains("EVENT_LOG"), "{}", ran.err);
    }
}

#[test]
fn emit_names_the_event_that_was_meant() {
    let ran = run(SOUND, &["emit", "CLAIM_ADED", "{}"], &[]);
    assert_eq!(ran.code, Some(2), "{}", ran.err);
    assert_eq!(
        ran.err,
        "no contract or handler knows the event CLAIM_ADED; did you mean CLAIM_ADDED?\n"
    );
    let ran = run(SOUND, &["emit", "CLAIM_ADDED", "{"], &[]);
    assert_eq!(ran.code, Some(2));
    assert!(ran.err.starts_with("the data is not JSON: EOF"), "{}", ran.err);
}

#[test]
fn emit_names_a_broker_that_does_not_answer() {
    let address = closed_address();
    let data = r#"{"id": 7, "roleId": 3}"#;
    let ran = run(SOUND, &["emit", "CLAIM_ADDED", data], &[("EVENT_BROKERS", &address)]);
    assert_eq!(ran.code, Some(2), "{}", ran.err);
    let expected = format!("not sent: no broker answered at {address}");
    assert!(ran.err.starts_with(&expected), "{}", ran.err);
}

#[test]
fn emit_writes_no_event_without_its_key() {
    let ran = run(SOUND, &["emit", "CLAIM_ADDED", r#"{"id": 7}"#], &[]);
    assert_eq!(ran.code, Some(2), "{}", ran.err);
    let expected = "the data has no `roleId`, which is the key of CLAIM_ADDED; add it, or give the key with `--key`\n";
    assert!(ran.err.ends_with(expected), "{}", ran.err);
}

#[test]
fn emit_sends_no_event_that_its_contract_cannot_read() {
    let address = closed_address();
    let variables = [("EVENT_BROKERS", &*address)];
    let wrong = r#"{"id": "seven", "roleId": 3}"#;
    let ran = run(SOUND, &["emit", "CLAIM_ADDED", wrong], &variables);
    assert_eq!(ran.code, Some(2), "{}", ran.err);
    let expected = "not sent: the event would be dead-lettered as data_mismatch\n  the data of CLAIM_ADDED version 1 does not fit ClaimAdded version 1 at byte 7: ";
    assert!(ran.err.starts_with(expected), "{}", ran.err);
    assert!(ran.err.contains("`data.id` is the string \"seven\", it must be u64\n"), "{}", ran.err);
    let missing = run(SOUND, &["emit", "CLAIM_ADDED", r#"{"ID": 7, "roleId": 3}"#], &variables);
    assert!(
        missing.err.contains("`data` has no `id`; `ID` is there in its place"),
        "{}",
        missing.err
    );
    // With `--force` it goes on to the broker. Both wait for an answer, so they do it together.
    std::thread::scope(|scope| {
        for data in [wrong, "{}"] {
            scope.spawn(|| {
                let ran = run(SOUND, &["emit", "CLAIM_ADDED", data, "--force"], &variables);
                let expected = format!("no broker answered at {address}");
                assert!(ran.err.contains(&expected), "{}", ran.err);
            });
        }
    });
}

#[test]
fn emit_checks_a_contract_that_is_only_sent_by_its_fields() {
    let address = closed_address();
    let variables = [("EVENT_BROKERS", &*address)];
    let ran = run(BUSY, &["emit", "MAIL_REQUESTED", r#"{"too": 1}"#], &variables);
    assert_eq!(ran.code, Some(2), "{}", ran.err);
    let expected = "does not fit MailRequested version 1: `data` has no `to`; it has `too`\n";
    assert!(ran.err.contains(expected), "{}", ran.err);
    let ran = run(BUSY, &["emit", "MAIL_REQUESTED", "[1]"], &variables);
    assert!(ran.err.contains("`data` is an array, it must be an object\n"), "{}", ran.err);
}

fn dev(lines: &str) -> Ran {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    let file = empty_folder().join(format!("samples-{}-{number}.jsonl", std::process::id()));
    std::fs::write(&file, lines).unwrap();
    let ran = run(SOUND, &["dev", "--exit-when-idle", "--events", file.to_str().unwrap()], &[]);
    std::fs::remove_file(file).unwrap();
    ran
}

#[test]
fn dev_handles_the_samples_and_exits_with_0() {
    let ran = dev(
        "# a comment\n\n{\"eventType\":\"CLAIM_ADDED\",\"data\":{\"id\":7,\"roleId\":3}}\n{\"eventType\":\"USER_DELETED\"}\n",
    );
    assert_eq!(ran.code, Some(0), "{}", ran.err);
    for line in [
        "sound runs on an embedded broker at 127.0.0.1:",
        "handled        role_events/0@0  CLAIM_ADDED  by record_claim",
        "handled        user_events/0@0  USER_DELETED  by user_deleted",
        "2 handled, 0 skipped, 0 dead-lettered",
    ] {
        assert!(ran.out.contains(line), "{line:?} is not in:\n{}", ran.out);
    }
}

#[test]
fn dev_exits_with_1_when_a_sample_was_dead_lettered() {
    let ran = dev("{\"eventType\":\"CLAIM_ADDED\",\"data\":{\"id\":13,\"roleId\":3}}\n");
    assert_eq!(ran.code, Some(1), "{}{}", ran.out, ran.err);
    assert!(ran.out.contains("refused_by_handler: an unlucky number"), "{}", ran.out);
    assert!(ran.err.ends_with("1 event was dead-lettered\n"), "{}", ran.err);
}

#[test]
fn dev_reports_every_wrong_sample_line() {
    let ran = dev("nonsense\n{\"eventType\":\"CLAIM_ADED\"}\n{\"data\":1}\n");
    assert_eq!(ran.code, Some(2), "{}", ran.err);
    assert!(ran.err.starts_with("cannot start: 3 problems"), "{}", ran.err);
    assert!(ran.err.contains("line 2 of the sample events: no contract or handler knows the event CLAIM_ADED; did you mean CLAIM_ADDED?"), "{}", ran.err);
}

//! What the commands that look at a service print.

#![expect(clippy::unwrap_used, reason = "a test")]

mod shared;

use serde_json::{Value, json};
use shared::{Ran, empty_folder, run};

const BROKEN: &str = env!("CARGO_BIN_EXE_broken-service");
const BUSY: &str = env!("CARGO_BIN_EXE_busy-service");
const CHAIN: &str = env!("CARGO_BIN_EXE_chain-service");
const FIVE: &str = env!("CARGO_BIN_EXE_five-mistakes");
const HALVES: &str = env!("CARGO_BIN_EXE_halves-service");
const NEARLY: &str = env!("CARGO_BIN_EXE_nearly-service");
const SOUND: &str = env!("CARGO_BIN_EXE_sound-service");
const TUNED: &str = env!("CARGO_BIN_EXE_tuned-service");

fn json_of(ran: &Ran) -> Value {
    serde_json::from_str(&ran.out).unwrap_or_else(|error| panic!("{error}: {}{}", ran.out, ran.err))
}

#[test]
fn check_prints_everything_as_json_for_a_build_server() {
    let variables = [("EVENT_GROUP", "a b"), ("EVENT_HORIZON", "x")];
    let ran = run(BROKEN, &["check", "--json"], &variables);
    assert_eq!(ran.code, Some(2), "{}", ran.err);
    let warned = "warning: the variable EVENT_HORIZON is not a setting and was ignored\n";
    assert!(ran.err.starts_with(warned), "{}", ran.err);
    assert!(ran.err.contains("\ncannot start: 4 problems\n"), "{}", ran.err);
    let file = "tests/service/src/bin/broken-service.rs";
    let expected = json!({
        "ok": false,
        "problems": [
            {
                "kind": "setting",
                "message": "setting `group` (from EVENT_GROUP): consumer group name has a blank as character 2 of 3, allowed are letters, digits, `.`, `_` and `-`",
                "help": "name the group with `group` or EVENT_GROUP",
                "places": [],
            },
            {
                "kind": "duplicate_handlers",
                "message": "two handlers claim role_events / CLAIM_ADDED in group `broken`",
                "help": "keep one and remove the others; one with a `group = \"..\"` of its own gets the event too",
                "places": [
                    { "name": "first", "file": file, "line": 7 },
                    { "name": "second", "file": file, "line": 12 },
                ],
            },
            {
                "kind": "missing_state",
                "message": "needs_a_state needs State<Seen>, which was never provided",
                "help": "call `.state(..)` on the app with a value of that type",
                "places": [{ "name": "needs_a_state", "file": file, "line": 15 }],
            },
            {
                "kind": "unlinked_crate",
                "message": "crate `unlinked_handlers` has handlers or contracts that are not in this binary: the linker drops a crate that no code uses",
                "help": "write `event_core::link_handlers!(unlinked_handlers);`, or `event_core::link_handlers!(except unlinked_handlers);` if they are not wanted",
                "places": [],
            },
        ],
        "warnings": [
            {
                "kind": "ignored_variable",
                "message": "the variable EVENT_HORIZON is not a setting and was ignored",
                "help": "unset it, or rename your own variable so that it does not begin with EVENT_",
                "places": [],
            },
        ],
    });
    assert_eq!(json_of(&ran), expected);
}

#[test]
fn five_mistakes_are_five_entries() {
    let ran = run(FIVE, &["check", "--json"], &[]);
    assert_eq!(ran.code, Some(2), "{}", ran.err);
    assert!(ran.err.contains("\ncannot start: 5 problems\n"), "{}", ran.err);
    let file = "tests/service/src/bin/five-mistakes.rs";
    let expected = json!({
        "ok": false,
        "problems": [
            {
                "kind": "colliding_ids",
                "message": "two handlers have the id `audit`",
                "help": "give one of them another id: `#[event_handler(.., id = \"..\")]`",
                "places": [
                    { "name": "claim_added", "file": file, "line": 8 },
                    { "name": "claim_removed", "file": file, "line": 13 },
                ],
            },
            {
                "kind": "dead_letter_loop",
                "message": "the dead letters of `lost_mails`, by `mail_events` come back to its handlers",
                "help": "name a topic with `dead_letter = \"..\"` that none of them listens to",
                "places": [{ "name": "lost", "file": file, "line": 19 }],
            },
            {
                "kind": "missing_state",
                "message": "claim_removed needs State<Seen>, which was never provided",
                "help": "call `.state(..)` on the app with a value of that type",
                "places": [{ "name": "claim_removed", "file": file, "line": 13 }],
            },
            {
                "kind": "unlinked_crate",
                "message": "crate `unlinked_handlers` has handlers or contracts that are not in this binary: the linker drops a crate that no code uses",
                "help": "write `event_core::link_handlers!(unlinked_handlers);`, or `event_core::link_handlers!(except unlinked_handlers);` if they are not wanted",
                "places": [],
            },
            {
                "kind": "unknown_layer_target",
                "message": "`.layer_topic(\"user_events\", ..)` is for `user_events`, which no handler listens to",
                "help": "write `.layer_topic(\"mail_events\", ..)`",
                "places": [{ "name": "layer_topic", "file": file, "line": 23 }],
            },
        ],
        "warnings": [{
            "kind": "lonely_catch_all",
            "message": "others takes every event of topic `mail_events`, of which no event is known here",
            "help": "check the spelling of the topic; if other services define its events, ignore this warning",
            "places": [{ "name": "others", "file": file, "line": 16 }],
        }],
    });
    assert_eq!(json_of(&ran), expected);
}

#[test]
fn a_warning_is_a_problem_only_when_check_is_strict() {
    let variables = [("EVENT_HORIZON", "x"), ("EVENT_FAR_AWAY", "x")];
    let ran = run(SOUND, &["check", "--json"], &variables);
    assert_eq!(ran.code, Some(0), "{}", ran.err);
    let report = json_of(&ran);
    assert_eq!((&report["ok"], &report["problems"]), (&json!(true), &json!([])));
    let warning = |name: &str| {
        json!({
            "kind": "ignored_variable",
            "message": format!("the variable {name} is not a setting and was ignored"),
            "help": "unset it, or rename your own variable so that it does not begin with EVENT_",
            "places": [],
        })
    };
    assert_eq!(report["warnings"], json!([warning("EVENT_FAR_AWAY"), warning("EVENT_HORIZON")]));

    let ran = run(SOUND, &["check", "--strict"], &variables[..1]);
    assert_eq!((ran.code, ran.out.as_str()), (Some(2), ""), "{}", ran.err);
    let expected = "\
cannot start: 1 problem
  1. the variable EVENT_HORIZON is not a setting and was ignored
     help: unset it, or rename your own variable so that it does not begin with EVENT_
";
    assert_eq!(ran.err, expected);
    let ran = run(SOUND, &["check", "--strict", "--json"], &variables);
    assert_eq!(ran.code, Some(2), "{}", ran.err);
    let report = json_of(&ran);
    assert_eq!((&report["ok"], &report["warnings"]), (&json!(false), &json!([])));
    assert_eq!(report["problems"].as_array().unwrap().len(), 2);
    let ran = run(SOUND, &["check", "--strict", "--json"], &[]);
    assert_eq!(ran.code, Some(0), "{}", ran.err);
    assert_eq!(json_of(&ran), json!({ "ok": true, "problems": [], "warnings": [] }));
}

#[test]
fn a_state_that_is_nearly_right_is_named() {
    let ran = run(NEARLY, &["check"], &[]);
    assert_eq!(ran.code, Some(2), "{}", ran.err);
    let expected = "\
cannot start: 4 problems
  1. wrapped needs State<Arc<Seen>>, but what is provided is Seen
       wrapped   tests/service/src/bin/nearly-service.rs:22
     help: ask for `State<Seen>`, or provide it as `.state(Arc::new(..))`
  2. bare needs State<Cache>, but what is provided is Arc<RwLock<Cache>>
       bare   tests/service/src/bin/nearly-service.rs:25
     help: ask for `State<Arc<RwLock<Cache>>>`, or provide the Cache itself
  3. of_another_module needs State<Pool>, but what is provided is nearly_service::Pool, not nearly_service::db::Pool
       of_another_module   tests/service/src/bin/nearly-service.rs:28
     help: name the same type in both places: `nearly_service::Pool` or `nearly_service::db::Pool`
  4. of_no_kin needs State<String>, which was never provided
       of_no_kin   tests/service/src/bin/nearly-service.rs:31
     help: call `.state(..)` on the app with a value of that type
";
    assert_eq!(ran.err, expected);
}

#[test]
fn handlers_are_listed_with_everything_that_is_known() {
    let ran = run(SOUND, &["handlers", "--wide"], &[("EVENT_ATTEMPTS", "3")]);
    let expected = "\
TOPIC        EVENT         HANDLER       SOURCE                                    FUNCTION                         GROUP  PAYLOAD        DELIVERY  DEAD_LETTERS     KIND   EMITS
role_events  CLAIM_ADDED   record_claim  tests/service/src/bin/sound-service.rs:9  sound_service::record_claim      sound  ClaimAdded v1  -         role_events_dlq  async  -
user_events  USER_DELETED  user_deleted  tests/fixtures/unlinked/src/lib.rs:6      unlinked_handlers::user_deleted  sound  -              -         user_events_dlq  async  -
";
    assert_eq!(ran.out, expected, "{}", ran.err);
    let ran = run(SOUND, &["handlers", "--json", "--group", "other"], &[]);
    let claim = json!({
        "topic": "role_events",
        "event": "CLAIM_ADDED",
        "handler": "sound_service::record_claim",
        "source": "tests/service/src/bin/sound-service.rs:9",
        "id": "record_claim",
        "group": "other",
        "payload": { "type": "ClaimAdded", "version": 1 },
        "delivery": service_tests::delivery_unless_said(),
        "dead_letters": "role_events_dlq",
        "blocking": false,
        "emits": [],
    });
    let rows = json_of(&ran);
    assert_eq!((rows.as_array().unwrap().len(), &rows[0]), (2, &claim));
    assert_eq!(rows[1]["payload"], Value::Null);
}

#[test]
fn handlers_are_listed_with_their_groups_and_what_differs_in_their_delivery() {
    let narrow = "\
TOPIC        EVENT        HANDLER  SOURCE                                     GROUP      DELIVERY
role_events  *            others   tests/service/src/bin/tuned-service.rs:35  warehouse  -
role_events  CLAIM_ADDED  book     tests/service/src/bin/tuned-service.rs:19  -          order=key concurrency=16 attempts=3 backoff=1s..4s jitter=full timeout=5s
role_events  CLAIM_ADDED  mail     tests/service/src/bin/tuned-service.rs:29  mailer     order=none concurrency=4 attempts=1 retry_topics=1m,10m breaker_failures=3 breaker_pause=10s..5m
role_events  CLAIM_ADDED  import   tests/service/src/bin/tuned-service.rs:32  warehouse  batch_max=100 batch_wait=1s
";
    let ran = run(TUNED, &["handlers"], &[]);
    assert_eq!((ran.code, ran.out.as_str()), (Some(0), narrow), "{}", ran.err);
    let ran = run(TUNED, &["check"], &[]);
    let ok = "ok: 4 handlers on role_events in groups `mailer`, `tuned`, `warehouse`\n";
    assert_eq!((ran.code, ran.out.as_str(), ran.err.as_str()), (Some(0), ok, ""));
    // What is said of all differs in no handler, and what is said of one goes before its attribute.
    let file = "attempts = 3\n[handlers.'book']\nconcurrency = 8\nbreaker_failures = 0\n";
    std::fs::write(empty_folder().join("handlers.toml"), file).unwrap();
    let wide = ["handlers", "--wide", "--config", "handlers.toml"];
    let ran = run(TUNED, &wide, &[("EVENT_TIMEOUT", "5s")]);
    let book = "  tuned_service::book_claim     tuned      ClaimAdded v1  order=key concurrency=8 backoff=1s..4s jitter=full breaker_failures=0  ";
    assert!(ran.out.contains(book), "{}{}", ran.out, ran.err);
    let ran = run(TUNED, &["handlers", "--json"], &[]);
    let rows = json_of(&ran);
    assert_eq!((&rows[2]["group"], &rows[3]["group"]), (&json!("mailer"), &json!("warehouse")));
    assert_eq!(rows[2]["delivery"]["retry_topics"], json!(["1m", "10m"]));
    assert_eq!(rows[3]["delivery"]["batch"], json!({ "max": 100, "wait": "1s" }));
}

#[test]
fn the_graph_names_the_groups_that_handlers_have_of_their_own() {
    let text = "\
role_events / *
  handled by others in group warehouse
role_events / CLAIM_ADDED
  handled by book
  handled by import in group warehouse
  handled by mail in group mailer
";
    assert_eq!(run(TUNED, &["graph"], &[]).out, text);
    let mermaid = run(TUNED, &["graph", "--format", "mermaid"], &[]).out;
    assert!(mermaid.contains("h2[\"mail in group mailer\"]"), "{mermaid}");
}

#[test]
fn handlers_need_settings_only_for_what_comes_from_them() {
    let wrong = [("EVENT_ATTEMPTS", "none")];
    assert_eq!(run(SOUND, &["handlers"], &wrong).code, Some(0));
    let ran = run(SOUND, &["handlers", "--wide"], &wrong);
    assert_eq!((ran.code, ran.out.as_str()), (Some(2), ""));
    assert!(
        ran.err.contains("setting `attempts` (from EVENT_ATTEMPTS) is a text of 4 characters"),
        "{}",
        ran.err
    );
}

#[test]
fn contracts_are_listed_with_their_fields() {
    let ran = run(SOUND, &["contracts"], &[]);
    let expected = "\
TOPIC        EVENT        VERSION  KEY      FIELDS                TYPE                       SOURCE                       DESCRIPTION
role_events  CLAIM_ADDED  1        role_id  id: u64, roleId: i64  service_tests::ClaimAdded  tests/service/src/lib.rs:12  The event that most tests send.
";
    assert_eq!(ran.out, expected, "{}", ran.err);
    let ran = run(SOUND, &["contracts", "--json"], &[]);
    let expected = json!([{
        "topic": "role_events",
        "event": "CLAIM_ADDED",
        "version": 1,
        "type": "service_tests::ClaimAdded",
        "key": { "field": "role_id" },
        "headers": [],
        "fields": [
            { "name": "id", "type": "u64", "required": true },
            { "name": "roleId", "type": "i64", "required": true },
        ],
        "description": "The event that most tests send.",
        "source": "tests/service/src/lib.rs:12",
        "upcasts": null,
    }]);
    assert_eq!(json_of(&ran), expected);
    // Whatever is wrong elsewhere.
    assert_eq!(run(BROKEN, &["contracts"], &[("EVENT_GROUP", "a b")]).code, Some(0));
}

#[test]
fn the_graph_is_for_people_for_mermaid_and_for_graphviz() {
    let text = "\
mail_events / MAIL_REQUESTED
  handled by nobody here
role_events / CLAIM_ADDED
  handled by claims
role_events / CLAIM_REMOVED
  handled by claims
user_events / *
  handled by users::others
    sends any event
user_events / USER_CREATED
  handled by welcome
    sends mail_events / MAIL_REQUESTED
    sends role_events / CLAIM_ADDED
user_events / tombstone
  handled by users::forget
";
    let mermaid = r#"flowchart LR
  e0(["mail_events / MAIL_REQUESTED"]):::unhandled
  e1(["role_events / CLAIM_ADDED"])
  e2(["role_events / CLAIM_REMOVED"])
  e3(["user_events / *"])
  e4(["user_events / USER_CREATED"])
  e5(["user_events / tombstone"])
  h0["claims"]
  h1["users::forget"]
  h2["users::others"]
  h3["welcome"]
  any(["any event"])
  e1 --> h0
  e2 --> h0
  e3 --> h2
  e4 --> h3
  e5 --> h1
  h2 -.-> any
  h3 --> e0
  h3 --> e1
  classDef unhandled stroke-dasharray: 5 5
"#;
    let dot = r#"digraph events {
  rankdir=LR;
  e0 [label="mail_events / MAIL_REQUESTED", shape=oval, style=dashed];
  e1 [label="role_events / CLAIM_ADDED", shape=oval];
  e2 [label="role_events / CLAIM_REMOVED", shape=oval];
  e3 [label="user_events / *", shape=oval];
  e4 [label="user_events / USER_CREATED", shape=oval];
  e5 [label="user_events / tombstone", shape=oval];
  h0 [label="claims", shape=box];
  h1 [label="users::forget", shape=box];
  h2 [label="users::others", shape=box];
  h3 [label="welcome", shape=box];
  any [label="any event", shape=oval];
  e1 -> h0;
  e2 -> h0;
  e3 -> h2;
  e4 -> h3;
  e5 -> h1;
  h2 -> any [style=dashed];
  h3 -> e0;
  h3 -> e1;
}
"#;
    // Whatever the settings are.
    let wrong = [("EVENT_ATTEMPTS", "none")];
    for (arguments, expected) in [
        (&["graph"][..], text),
        (&["graph", "--format", "text"], text),
        (&["graph", "--format", "mermaid"], mermaid),
        (&["graph", "--format", "dot"], dot),
    ] {
        let ran = run(BUSY, arguments, &wrong);
        assert_eq!((ran.code, ran.out.as_str()), (Some(0), expected), "{}", ran.err);
    }
}

#[test]
fn dev_is_idle_when_what_handlers_sent_is_handled_too() {
    let ran = run(CHAIN, &["dev", "--exit-when-idle"], &[]);
    assert_eq!(ran.code, Some(0), "{}", ran.err);
    assert!(ran.out.ends_with("\n4 handled, 0 skipped, 0 dead-lettered\n"), "{}", ran.out);
}

#[test]
fn dev_is_idle_when_each_group_has_handled_what_is_there() {
    let samples = empty_folder().join("tuned.jsonl");
    let lines: Vec<_> = (0..20)
        .map(|id| format!(r#"{{"eventType": "CLAIM_ADDED", "data": {{"id": {id}, "roleId": 3}}}}"#))
        .collect();
    std::fs::write(&samples, lines.join("\n")).unwrap();
    let arguments = ["dev", "--exit-when-idle", "--events", samples.to_str().unwrap()];
    let ran = run(TUNED, &arguments, &[]);
    assert_eq!(ran.code, Some(0), "{}{}", ran.out, ran.err);
    assert!(ran.out.ends_with("\n60 handled, 0 skipped, 0 dead-lettered\n"), "{}", ran.out);
}

#[test]
fn dev_is_idle_when_each_group_has_passed_over_what_another_takes() {
    let ran = run(HALVES, &["dev", "--exit-when-idle"], &[]);
    assert_eq!(ran.code, Some(0), "{}{}", ran.out, ran.err);
    assert!(!ran.out.contains("skipped  "), "what one of the groups took: {}", ran.out);
    assert!(ran.out.ends_with("\n2 handled, 0 skipped, 0 dead-lettered\n"), "{}", ran.out);
}

#[test]
fn help_separates_own_options_from_global_ones() {
    let ran = run(SOUND, &["lag", "--help"], &[]);
    let (own, common) =
        ran.out.split_once("\nSettings:\n").unwrap_or_else(|| panic!("{}", ran.out));
    for option in ["--config", "--brokers", "--group"] {
        assert!(common.contains(option) && !own.contains(option), "{option}: {}", ran.out);
    }
    assert!(own.contains("--json") && !common.contains("--json"), "{}", ran.out);
}

#[test]
fn the_acls_that_a_service_needs_are_printed() {
    let variables = [("EVENT_BROKERS", "kafka:9093")];
    let ran = run(TUNED, &["acls", "--principal", "User:CN=tuned service"], &variables);
    let expected = "\
kafka-acls.sh --bootstrap-server kafka:9093 --add --allow-principal 'User:CN=tuned service' --operation Write --operation Describe --topic role_events_dlq
kafka-acls.sh --bootstrap-server kafka:9093 --add --allow-principal 'User:CN=tuned service' --operation Read --operation Describe --topic role_events --topic role_events_redrive
kafka-acls.sh --bootstrap-server kafka:9093 --add --allow-principal 'User:CN=tuned service' --operation Read --operation Write --operation Describe --topic role_events_retry_10m --topic role_events_retry_1m
kafka-acls.sh --bootstrap-server kafka:9093 --add --allow-principal 'User:CN=tuned service' --operation Read --operation Describe --group mailer --group tuned --group warehouse
# on brokers before 2.8, beside these:
# kafka-acls.sh --bootstrap-server kafka:9093 --add --allow-principal 'User:CN=tuned service' --operation IdempotentWrite --cluster
";
    assert_eq!((ran.code, ran.out.as_str()), (Some(0), expected), "{}", ran.err);

    let names = |arguments: &[&str], variables: &[(&str, &str)]| {
        let ran = run(TUNED, &[&["acls", "--json"], arguments].concat(), variables);
        let report: serde_json::Value = serde_json::from_str(&ran.out).unwrap();
        assert_eq!(report["principal"], "User:tuned");
        let acls = report["acls"].as_array().unwrap().iter();
        let text = |acl: &serde_json::Value| {
            let operations = acl["operations"].as_array().unwrap().iter();
            let operations: Vec<_> = operations.map(|one| one.as_str().unwrap()).collect();
            let name = acl["name"].as_str().unwrap();
            format!("{} {name} {}", acl["resource_type"].as_str().unwrap(), operations.join(" "))
        };
        acls.map(text).collect::<Vec<_>>()
    };
    // A right that two commands need is there once.
    assert_eq!(
        names(&["--for", "dlq-ls,lag", "--group", "blue"], &[]),
        [
            "topic role_events Read Describe",
            "topic role_events_dlq Read Describe",
            "topic role_events_redrive Describe",
            "topic role_events_retry_10m Describe",
            "topic role_events_retry_1m Describe",
            "group blue Describe",
            "group mailer Describe",
            "group warehouse Describe",
        ]
    );
    let made = names(&[], &[("EVENT_CREATE_TOPICS", "true")]);
    assert!(
        made.contains(&"topic role_events_redrive Read Create Describe".to_owned()),
        "{made:?}"
    );
    assert!(made.contains(&"topic role_events Read Describe".to_owned()), "{made:?}");
}

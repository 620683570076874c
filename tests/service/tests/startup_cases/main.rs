//! What start-up says of programs that do not fit together: the whole report of each, pinned.
//!
//! `REPORTS=overwrite cargo test -p service-tests --test startup_cases` pins them anew.

#![expect(clippy::unwrap_used, reason = "a test")]

mod programs;
#[path = "../shared/mod.rs"]
mod shared;

use std::ffi::OsString;
use std::fmt::Write;
use std::path::Path;
use std::sync::LazyLock;

use event_core::app::{EventApp, Settings, SettingsOverrides};
use event_core::registry::StartupReport;
use shared::{empty_folder, run};

const BROKEN: &str = env!("CARGO_BIN_EXE_broken-service");
const EMPTY: &str = env!("CARGO_BIN_EXE_empty-service");
const FIVE: &str = env!("CARGO_BIN_EXE_five-mistakes");
const SOUND: &str = env!("CARGO_BIN_EXE_sound-service");

/// What is checked.
enum Program {
    /// The handlers and contracts of a module of `programs`, with what the function provides.
    Module(&'static str, fn(EventApp) -> EventApp),
    /// The same with an environment.
    With(&'static str, &'static [(&'static str, &'static str)]),
    /// `check` of a binary with an environment.
    Binary(&'static str, &'static [(&'static str, &'static str)]),
    /// `check` of a sound binary with this settings file.
    File(&'static str),
}
use Program::{Binary, File, Module, With};

fn bare(app: EventApp) -> EventApp {
    app
}

const CASES: &[(&str, Program)] = &[
    ("two handlers of one event", Module("two_of_one_event", bare)),
    ("three handlers of one event", Module("three_of_one_event", bare)),
    ("one event twice on one function", Module("one_event_twice_on_one_function", bare)),
    ("two catch-alls", Module("two_catch_alls", bare)),
    ("two handlers of tombstones", Module("two_of_tombstones", bare)),
    ("a sum, and a handler of one of its events", Module("a_sum_and_one_of_its_events", bare)),
    ("dead letters that come back", Module("topics::dead_letters_that_come_back", bare)),
    ("a missing state", Module("a_state_is_missing", bare)),
    (
        "states that are nearly right",
        Module("states_are_nearly_there", programs::states_are_nearly_there::provided),
    ),
    (
        "the value whose method handles is missing",
        Module("the_value_that_handles_is_missing", bare),
    ),
    ("one of two parts", Module("a_part_is_missing", programs::a_part_is_missing::provided)),
    ("a module without handlers", Module("nowhere", bare)),
    ("no handlers at all", Binary(EMPTY, &[])),
    (
        "a layer for an unknown topic",
        Module("layers_for_nothing", programs::layers_for_nothing::of_a_topic),
    ),
    (
        "a layer for an unknown handler",
        Module("layers_for_nothing", programs::layers_for_nothing::of_a_handler),
    ),
    ("one id for two handlers", Module("one_id_for_two", bare)),
    ("the default id of another", Module("the_default_id_of_another", bare)),
    ("one id for several events", Module("one_id_for_several_events", bare)),
    ("two contracts that differ", Module("contracts_that_differ", bare)),
    ("a copy of a contract, and an older version", Module("contracts_that_agree", bare)),
    ("topics that Kafka takes for one", Module("topics::topics_that_kafka_takes_for_one", bare)),
    (
        "a topic like another's dead-letter topic",
        Module("topics::dead_letters_on_a_topic_like_another", bare),
    ),
    ("two dead-letter topics for one topic", Module("topics::dead_letters_on_two_topics", bare)),
    (
        "a name that leaves no room for dead letters",
        Module("topics::a_name_without_room_for_dead_letters", bare),
    ),
    ("a catch-all of a misspelt topic", Module("topics::a_catch_all_of_a_misspelt_topic", bare)),
    ("a catch-all of a foreign topic", Module("topics::a_catch_all_of_a_foreign_topic", bare)),
    ("emits that is not true", Module("emits_that_is_not_true", bare)),
    (
        "a topic that the settings exclude",
        With("topics::two_topics", &[("EVENT_TOPICS", "role_events")]),
    ),
    (
        "topics of the settings without a handler",
        With(
            "topics::two_topics",
            &[("EVENT_TOPICS", "role_events,user_events,user_event,mail_events")],
        ),
    ),
    ("the topics of the settings as they are", {
        With("topics::two_topics", &[("EVENT_TOPICS", "user_events, role_events")])
    }),
    ("a setting that is not well formed", Binary(SOUND, &[("EVENT_TOPICS", "role/events")])),
    (
        "settings out of range",
        Binary(
            SOUND,
            &[
                ("EVENT_ATTEMPTS", "0"),
                ("EVENT_BACKOFF", "1s..1ms"),
                ("EVENT_DRAIN", "1h"),
                ("EVENT_GROUP", "a b"),
                ("EVENT_MAX_HEADERS", "many"),
            ],
        ),
    ),
    ("a misspelt variable", Binary(SOUND, &[("EVENT_BROKRES", "localhost:9092")])),
    (
        "a stranger among the variables, and a mistake",
        Binary(SOUND, &[("EVENT_HORIZON", "x"), ("EVENT_COMMIT_INTERVAL", "soon")]),
    ),
    (
        "a property that would break the promises",
        Binary(SOUND, &[("EVENT_KAFKA_ENABLE_AUTO_COMMIT", "true")]),
    ),
    ("unknown keys", File("atempts = 3\nthreads = 4\n")),
    (
        "an unknown key beside unknown handlers and topics",
        File(
            "threads = 4\n[handlers.\"claims::on_claim_added\"]\nattempts = 3\n[topic.\"orders\"]\nunknown_events = \"stop\"\n",
        ),
    ),
    ("no broker in the variable", Binary(SOUND, &[("EVENT_BROKERS", ",")])),
    (
        "addresses that are none",
        Binary(SOUND, &[("EVENT_BROKERS", "http://x,localhost;9092,a b:9092,localhost:99999")]),
    ),
    ("a level of the log that is none", Binary(SOUND, &[("EVENT_LOG", "warn,debg")])),
    (
        "properties that librdkafka does not have, and values that it does not take",
        Binary(
            SOUND,
            &[
                ("EVENT_KAFKA_FETCH_MIN_BYTE", "1"),
                ("EVENT_KAFKA_FETCH_MIN_BYTES", "none"),
                ("EVENT_KAFKA_LINGER_MS", "-1"),
            ],
        ),
    ),
    (
        "intervals that contradict each other",
        Binary(
            SOUND,
            &[
                ("EVENT_DRAIN", "60s"),
                ("EVENT_KAFKA_MAX_POLL_INTERVAL_MS", "30000"),
                ("EVENT_KAFKA_HEARTBEAT_INTERVAL_MS", "20000"),
            ],
        ),
    ),
    ("an address with a path", Binary(SOUND, &[("EVENT_BROKERS", "localhost:9092/path")])),
    ("a file that is not TOML", File("attempts = 3\ngroup = admin\n")),
    ("a crate that is not linked, and more", Binary(BROKEN, &[])),
    ("several problems in one module", Module("several_at_once", bare)),
    ("five mistakes", Binary(FIVE, &[])),
    ("one event in two groups", Module("one_event_in_two_groups", bare)),
    (
        "one event twice in a group of its own",
        Module("one_event_twice_in_a_group_of_its_own", bare),
    ),
    ("two orders on one topic", Module("two_orders", bare)),
    ("more time and more calls than there are", Module("time_to_spare", bare)),
    (
        "time and calls that the settings give",
        With("time_to_spare", &[("EVENT_DRAIN", "4m"), ("EVENT_MAX_CONCURRENCY", "2000")]),
    ),
    (
        "handlers of topics that are kept for others",
        Module("topics::handlers_of_derived_topics", bare),
    ),
    (
        "a layer around a handler of batches",
        Module("a_layer_around_a_batch", programs::a_layer_around_a_batch::layered),
    ),
    (
        "new settings that are wrong",
        Binary(
            SOUND,
            &[
                ("EVENT_BREAKER_FAILURES", "-1"),
                ("EVENT_BREAKER_PAUSE", "5s"),
                ("EVENT_COMMIT_RECORDS", "0"),
                ("EVENT_CREATE_TOPICS", "yes"),
                ("EVENT_GROUP_INSTANCE_ID", "a b"),
                ("EVENT_JITTER", "half"),
                ("EVENT_MAX_CONCURRENCY", "0"),
                ("EVENT_MAX_METADATA_BYTES", "4k"),
                ("EVENT_TIMEOUT", "10"),
                ("EVENT_UNKNOWN_EVENTS", "dead-letter"),
            ],
        ),
    ),
    (
        "values of another type",
        File(
            "attempts = \"x\"\ntimeout = 10\ncreate_topics = 1\ndrain = {}\n[topics.\"role_events\"]\nunknown_events = \"stop\"\n",
        ),
    ),
    (
        "handlers and topics of the settings that are not there",
        File(
            "[handlers.\"record_clam\"]\nattempts = 3\n[handlers.\"users::user_deleted\"]\n[topic.\"role_event\"]\nunknown_events = \"stop\"\n",
        ),
    ),
    (
        "mistakes in the tables of handlers and topics",
        File(
            "[handlers]\nrecord_claim = 3\n[handlers.\"user_deleted\"]\natempts = true\nattempts = true\nbackoff = \"1s\"\ngroup = \"x\"\n[topic.\"role_events\"]\nunknown_events = \"dlq\"\nattempts = 3\n",
        ),
    ),
    (
        "concurrency for a handler in order",
        File("[handlers.\"record_claim\"]\nconcurrency = 8\n[handlers.\"claim\"]\nattempts = 8\n"),
    ),
    ("dead-letter topics of two groups", Module("topics::dead_letters_of_two_groups", bare)),
    (
        "dead letters that come back through another group",
        Module("topics::dead_letters_that_come_back_through_a_group", bare),
    ),
    (
        "a name that leaves no room for redriven records",
        Module("topics::a_name_without_room_for_redriven_records", bare),
    ),
    ("two contracts whose keys differ", Module("contract_keys_that_differ", bare)),
    ("two contracts whose keys are one on the wire", Module("contract_keys_that_agree", bare)),
    ("a state twice", Module("a_state_twice", programs::a_state_twice::provided)),
    ("a handler that sends what it takes", Module("a_handler_that_sends_what_it_takes", bare)),
    ("handlers that send in a circle", Module("handlers_in_a_circle", bare)),
    ("handlers that send in a row", Module("handlers_in_a_row", bare)),
];

/// The report of each case. Once for all tests: cases with a settings file write it.
static REPORTS: LazyLock<Vec<(&str, String)>> =
    LazyLock::new(|| CASES.iter().map(|(name, program)| (*name, program.report())).collect());

impl Program {
    fn report(&self) -> String {
        match self {
            Module(module, provide) => of_module(module, *provide, &[]),
            With(module, variables) => of_module(module, bare, variables),
            Binary(program, variables) => {
                let ran = run(program, &["check"], variables);
                assert_eq!(ran.code, Some(2), "{}{}", ran.out, ran.err);
                ran.err
            }
            File(text) => {
                // The report names it as it was given: from the folder that the service runs in.
                std::fs::write(empty_folder().join("case.toml"), text).unwrap();
                let ran = run(SOUND, &["check", "--config", "case.toml"], &[]);
                assert_eq!(ran.code, Some(2), "{}{}", ran.out, ran.err);
                ran.err
            }
        }
    }
}

fn of_module(
    module: &str,
    provide: fn(EventApp) -> EventApp,
    variables: &[(&str, &str)],
) -> String {
    let variables = variables.iter().map(|(name, value)| (OsString::from(name), value.into()));
    let settings = Settings::load("cases", &SettingsOverrides::default(), variables).unwrap();
    let app = EventApp::from_env("cases").unwrap();
    let app = app.handlers_from(format!("startup_cases::programs::{module}"));
    let report = provide(app).check_with(&settings);
    let mut text = String::new();
    for warning in report.warnings() {
        writeln!(text, "warning: {warning}").unwrap();
    }
    match report.into_result() {
        Ok(()) => text + "nothing keeps it from starting\n",
        Err(report) => format!("{text}{report}\n"),
    }
}

#[test]
fn the_report_of_each_program_is_the_pinned_one() {
    let mut reports = String::new();
    for (name, report) in REPORTS.iter() {
        writeln!(reports, "== {name}\n{report}").unwrap();
    }
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/startup_cases/reports.txt");
    if std::env::var_os("REPORTS").is_some_and(|value| value == "overwrite") {
        std::fs::write(&path, &reports).unwrap();
    }
    let pinned = std::fs::read_to_string(&path).unwrap_or_default();
    for (now, then) in reports.split("== ").zip(pinned.split("== ")) {
        assert_eq!(now, then, "{} has another", path.display());
    }
    assert_eq!(reports.len(), pinned.len(), "there are more cases in one than in the other");
}

#[test]
fn there_is_a_case_for_each_kind_of_problem() {
    let kinds = [
        "handlers claim",
        "handlers have the id",
        "differ in their data",
        "differ only in `.` and `_`",
        "different dead-letter topics",
        "come back to its handlers",
        "the redrive topic of topic",
        "of which no event is known here",
        "which sends anything",
        "is not in the setting `topics`",
        "but no handler listens to it",
        "which was never provided",
        "but what is provided",
        "no event handler is linked",
        "no event handler is in the module",
        "has handlers or contracts that are not in this binary",
        "which no handler listens to",
        "no handler has this id",
        "setting `attempts`",
        "has an unknown key",
        "is not TOML",
        "is not a setting\n",
        "is not a setting and was ignored",
        "keep the order of the partition, others that of the key",
        "may take 1m by its `timeout`",
        "no more than 1000 calls run at once",
        "takes the retries of `role_events`, and has handlers",
        "is around one record",
        "and no handler has this id",
        "but no handler has this id",
        "but no handler listens to this topic",
        "it must be an integer\n",
        "differ in their record key",
        "is provided twice",
        "sends an event that it handles itself",
        "send one another's events in a circle",
    ];
    let reports: Vec<_> = REPORTS.iter().map(|(_, report)| report).collect();
    for kind in kinds {
        assert!(reports.iter().any(|report| report.contains(kind)), "no case for {kind:?}");
    }
    assert!(reports.len() >= 25, "{}", reports.len());
    // Each problem says what to do, and each report how many there are.
    for report in reports {
        let count = |start: &str| report.lines().filter(|line| line.starts_with(start)).count();
        let problems = (1..20).map(|number| count(&format!("  {number}. "))).sum::<usize>();
        assert_eq!(count("     help: "), problems + count("warning: "), "{report}");
        let title =
            format!("cannot start: {problems} problem{}\n", if problems == 1 { "" } else { "s" });
        assert!(problems == 0 || report.contains(&title), "{report}");
    }
}

#[test]
fn a_report_says_the_same_to_a_test() {
    let app = event_core::testing::TestApp::new("cases");
    let app = app.handlers_from("startup_cases::programs::two_of_one_event");
    let report: StartupReport = app.start().unwrap_err();
    let of_service = Module("two_of_one_event", bare).report();
    assert_eq!(format!("{report}\n"), of_service);
}

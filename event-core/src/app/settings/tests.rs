use std::time::Duration;

use super::*;
use crate::handler::HandlerOverrides;
use crate::outcome::Jitter;
use crate::processor::UnknownEvents;

/// The problems without what gave the values, which a test of its own looks at.
fn load(file: &str, variables: &[(&str, &str)]) -> Result<Settings, String> {
    load_with_sources(file, variables).map_err(|mut report| {
        while let Some(begin) = report.find(" (from ") {
            let end = report[begin..].find(')').unwrap();
            report.replace_range(begin..=begin + end, "");
        }
        report.lines().map(|line| format!("{line}\n")).collect()
    })
}

fn load_with_sources(file: &str, variables: &[(&str, &str)]) -> Result<Settings, String> {
    let path =
        std::env::temp_dir().join(format!("event-core-settings-{}.toml", uuid::Uuid::now_v7()));
    std::fs::write(&path, file).unwrap();
    let overrides = SettingsOverrides { config: Some(path.clone()), ..Default::default() };
    let variables =
        variables.iter().map(|(name, value)| (OsString::from(*name), OsString::from(*value)));
    let loaded = Settings::load("admin", &overrides, variables);
    std::fs::remove_file(&path).unwrap();
    let shown = path.display().to_string();
    loaded.map_err(|report| report.to_string().replace(&shown, "event.toml"))
}

#[test]
fn defaults_are_the_documented_ones() {
    let settings = load("", &[]).unwrap();
    assert_eq!(settings.brokers, "localhost:9092");
    assert_eq!(settings.group.as_str(), "admin");
    assert_eq!(settings.policy, DeliveryPolicy::default());
    assert_eq!(settings.max_in_flight_bytes, 64 << 20);
}

#[test]
fn the_environment_overrides_the_file_and_flags_override_both() {
    let file = "brokers = 'file:1'\ngroup = 'file'\nattempts = 3\nbackoff = '1s..2m'\n";
    let settings = load(file, &[("EVENT_GROUP", "env"), ("EVENT_ATTEMPTS", "7")]).unwrap();
    assert_eq!(settings.brokers, "file:1");
    assert_eq!(settings.group.as_str(), "env");
    assert_eq!(settings.policy.attempts, 7);
    assert_eq!(settings.policy.backoff.longest, Duration::from_secs(120));
    let flags = SettingsOverrides { brokers: Some("flag:1".into()), ..Default::default() };
    let variables = [(OsString::from("EVENT_BROKERS"), OsString::from("env:1"))];
    assert_eq!(Settings::load("admin", &flags, variables).unwrap().brokers, "flag:1");
}

#[test]
fn kafka_properties_come_from_both_and_never_print() {
    let file = "[kafka]\n\"sasl.username\" = 'alice'\n\"sasl.mechanism\" = 'PLAIN'\n\
                \"security.protocol\" = 'sasl_plaintext'\n";
    let settings = load(file, &[("EVENT_KAFKA_SASL_PASSWORD", "hunter2")]).unwrap();
    let names: Vec<_> = settings.kafka.keys().map(String::as_str).collect();
    assert_eq!(names, ["sasl.mechanism", "sasl.password", "sasl.username", "security.protocol"]);
    let printed = format!("{settings:?}");
    assert!(!printed.contains("hunter2") && !printed.contains("alice"), "{printed}");
}

#[cfg(feature = "kafka")]
#[test]
fn an_answer_of_a_broker_is_no_more_than_what_may_be_fetched_ahead() {
    let report = load("[kafka]\nfetch.max.bytes = 16777217\n", &[]).unwrap_err();
    let expected = "`fetch.max.bytes` under `[kafka]` is 16777217: one answer of a broker takes more memory than \
        all that may be fetched ahead, 16777216 bytes (a quarter of `max_in_flight_bytes`, shared by the members)";
    assert!(report.contains(expected), "{report}");
    let help = "lower it to 16777216, or raise `max_in_flight_bytes` to 67108868";
    assert!(report.contains(help), "{report}");
    let file = "max_in_flight_bytes = 67108868\n[kafka]\nfetch.max.bytes = 16777217\n";
    assert!(load(file, &[]).is_ok());
    let file = "max_in_flight_bytes = 8388608\n[kafka]\nfetch.max.bytes = 4194305\n";
    let report = load(file, &[]).unwrap_err();
    assert!(report.contains("4194304 bytes (the least of a member)"), "{report}");
    assert!(report.contains("or raise `max_in_flight_bytes` to 16777220"), "{report}");
    let queued = |kbytes| {
        format!("[kafka]\nfetch.max.bytes = 2097152\nqueued.max.messages.kbytes = {kbytes}\n")
    };
    let report = load(&queued(2047), &[]).unwrap_err();
    assert!(report.contains("or raise `queued.max.messages.kbytes`"), "{report}");
    assert!(load(&queued(2048), &[]).is_ok());
}

#[test]
fn the_name_of_a_kafka_property_needs_no_quotation_marks() {
    let file = "[kafka]\ngroup.protocol = 'classic'\nsession.timeout.ms = 9000\n";
    let settings = load(file, &[]).unwrap();
    let names: Vec<_> = settings.kafka.keys().map(String::as_str).collect();
    assert_eq!(names, ["group.protocol", "session.timeout.ms"]);
}

#[test]
fn every_mistake_is_reported_at_once_with_what_to_write() {
    let file = "max_headers = -1\nbroker = 'x'\nbackoff = '10 secs'\nattempts = 0\ngroup = 'a b'\n";
    let report = load(file, &[("EVENT_BROKRES", "x")]).unwrap_err();
    for expected in [
        "unknown key `broker`",
        "setting `max_headers` is `-1`, it must be an integer from 0 on",
        "did you mean `brokers`?",
        "setting `backoff`: `10 secs`",
        "setting `attempts` is `0`, it must be an integer from 1 on",
        "consumer group name has a blank as character 2 of 3",
        "the variable EVENT_BROKRES is not a setting",
        "did you mean EVENT_BROKERS?",
    ] {
        assert!(report.contains(expected), "{expected:?} is not in:\n{report}");
    }
}

#[test]
fn a_stranger_among_the_variables_is_a_warning() {
    let settings = load("", &[("EVENT_HORIZON", "x")]).unwrap();
    let warnings: Vec<_> = settings.warnings.iter().map(StartupProblem::message).collect();
    assert_eq!(warnings, ["the variable EVENT_HORIZON is not a setting and was ignored"]);
}

#[test]
fn a_broken_file_does_not_show_its_lines() {
    let report = load("[kafka]\n\"sasl.password\" = hunter2\n", &[]).unwrap_err();
    assert!(report.contains("is not TOML, line 2"), "{report}");
    assert!(!report.contains("hunter2"), "{report}");
}

#[cfg(feature = "kafka")]
#[test]
fn properties_that_break_the_promises_are_refused() {
    let report = load("[kafka]\n\"enable.auto.commit\" = true\n", &[]).unwrap_err();
    assert!(report.contains("`enable.auto.commit` cannot be set under `[kafka]`"), "{report}");
}

#[test]
fn properties_may_be_written_without_quotes() {
    let settings = load("[kafka]\nfetch.wait.max.ms = 5\nfetch.min.bytes = 10\n", &[]).unwrap();
    let names: Vec<_> = settings.kafka.keys().map(String::as_str).collect();
    assert_eq!(names, ["fetch.min.bytes", "fetch.wait.max.ms"]);
    let report = load("kafka = 'x'\n", &[]).unwrap_err();
    assert!(report.contains("gives `kafka` a value, it is a table"), "{report}");
}

#[test]
fn values_out_of_bounds_are_named_with_the_bounds() {
    let file = "drain = '0s'\nbackoff = '0ms..1s'\ncommit_interval = '2h'\nmax_value_bytes = 0\n";
    let report = load(file, &[]).unwrap_err();
    for expected in [
        "setting `drain` is 0s, it must be from 1s to 4m",
        "setting `backoff` is 0s, it must be from 1ms to 24h",
        "setting `commit_interval` is 2h, it must be from 1ms to 1h",
        "setting `max_value_bytes` is `0`, it must be an integer from 1 on",
    ] {
        assert!(report.contains(expected), "{expected:?} is not in:\n{report}");
    }
    assert!(load("drain = '99999999999999999999h'", &[]).is_err());
}

#[test]
fn there_is_no_admin_port_unless_one_is_set() {
    let admin = |file: &str| load(file, &[]).unwrap().admin;
    assert_eq!(admin(""), None);
    assert_eq!(admin("admin_address = '0.0.0.0'"), None);
    assert_eq!(admin("admin_port = 9090").unwrap().to_string(), "127.0.0.1:9090");
    let everywhere = "admin_port = 9090\nadmin_address = '::'";
    assert_eq!(admin(everywhere).unwrap().to_string(), "[::]:9090");
    let wrong = "admin_port = 65536\nadmin_address = 'localhost'\nliveness_after = '1s'";
    let report = load(wrong, &[]).unwrap_err();
    for expected in [
        "setting `admin_port` is `65536`, it must be from 0 to 65535",
        "setting `admin_address` is `localhost`, it must be an IP address\n     help: write an IP address like `\"127.0.0.1\"`",
        "setting `liveness_after` is 1s, it must be from 10s to 24h",
    ] {
        assert!(report.contains(expected), "{expected:?} is not in:\n{report}");
    }
}

#[cfg(unix)]
#[test]
fn a_variable_that_is_no_text_is_a_problem_only_when_it_is_ours() {
    use std::os::unix::ffi::OsStringExt;
    let broken = || OsString::from_vec(vec![0xFF]);
    let variables = [(OsString::from("OTHER"), broken()), (broken(), broken())];
    assert!(Settings::load("admin", &SettingsOverrides::default(), variables).is_ok());
    let variables = [(OsString::from("EVENT_GROUP"), broken())];
    let report = Settings::load("admin", &SettingsOverrides::default(), variables).unwrap_err();
    assert_eq!(report.problems().len(), 1);
    assert!(report.to_string().contains("EVENT_GROUP is not UTF-8"), "{report}");
}

#[cfg(any(feature = "tls", feature = "tls-vendored"))]
#[test]
fn a_build_with_tls_takes_the_settings_of_tls() {
    let settings = [
        ("EVENT_KAFKA_SECURITY_PROTOCOL", "sasl_ssl"),
        ("EVENT_KAFKA_SASL_MECHANISM", "SCRAM-SHA-512"),
        ("EVENT_KAFKA_SASL_USERNAME", "alice"),
        ("EVENT_KAFKA_SASL_PASSWORD", "secret"),
    ];
    assert_eq!(load("", &settings).unwrap().kafka.len(), 4);
}

#[test]
fn topics_are_a_text_with_commas_or_an_array() {
    let topics = |file: &str| {
        let topics = load(file, &[]).unwrap().topics?;
        Some(topics.iter().map(ToString::to_string).collect::<Vec<_>>())
    };
    let expected = Some(vec!["role_events".to_owned(), "orders.v1".to_owned()]);
    assert_eq!(topics("topics = 'role_events, orders.v1,'\n"), expected);
    assert_eq!(topics("topics = ['role_events', 'orders.v1']\n"), expected);
    assert_eq!(topics(""), None);
    let report = load("topics = ['role events', 'a/b', 'role_events']\n", &[]).unwrap_err();
    assert!(report.contains("cannot start: 2 problems"), "{report}");
    for (variable, expected) in [
        ("role/events", "topic 1 of 1 has a punctuation mark as character 5 of 11"),
        (" , ", "setting `topics` names no topic"),
    ] {
        let report = load("", &[("EVENT_TOPICS", variable)]).unwrap_err();
        assert!(report.contains(expected), "{report}");
    }
}

#[test]
fn each_value_is_known_with_what_gave_it() {
    let file = "attempts = 3\nbackoff = '1s..2m'\ngroup = 'file'\n[kafka]\nfetch.min.bytes = 10\n";
    let variables = [("EVENT_GROUP", "env"), ("EVENT_DRAIN", "5s")];
    let settings = load(file, &variables).unwrap();
    let origin = |key: &str| {
        let origin = settings.origin(key)?;
        Some((origin.value.as_str(), origin.source.as_str()))
    };
    assert_eq!(origin("brokers"), Some(("localhost:9092", "default")));
    assert_eq!(origin("group"), Some(("env", "EVENT_GROUP")));
    assert_eq!(origin("drain"), Some(("5s", "EVENT_DRAIN")));
    let (attempts, source) = origin("attempts").unwrap();
    assert!(attempts == "3" && source.ends_with(".toml:1"), "{source}");
    assert_eq!((origin("topics"), origin("kafka")), (None, None));
    let flags = SettingsOverrides { group: Some("flag".into()), ..Default::default() };
    let settings = Settings::load("admin", &flags, []).unwrap();
    assert_eq!(settings.origin("group").unwrap().source, "--group");
}

#[test]
fn a_warning_is_kept_when_something_else_is_wrong() {
    let variables = [("EVENT_HORIZON", "x"), ("EVENT_ATTEMPTS", "0")]
        .map(|(name, value)| (OsString::from(name), OsString::from(value)));
    let report = Settings::load("admin", &SettingsOverrides::default(), variables).unwrap_err();
    let kinds =
        |problems: &[StartupProblem]| problems.iter().map(StartupProblem::kind).collect::<Vec<_>>();
    assert_eq!(kinds(report.problems()), ["setting"]);
    assert_eq!(kinds(report.warnings()), ["ignored_variable"]);
}

/// Every setting of the service with a value that is not its default.
const OTHER_VALUES: &[(&str, &str)] = &[
    ("brokers", "kafka:9093"),
    ("group", "billing"),
    ("group_instance_id", "admin-1"),
    ("max_members", "3"),
    ("topics", "role_events"),
    ("create_topics", "true"),
    ("unknown_events", "dead_letter"),
    ("out_of_range", "stop"),
    ("attempts", "7"),
    ("backoff", "1s..2m"),
    ("jitter", "full"),
    ("timeout", "10s"),
    ("breaker_failures", "0"),
    ("breaker_pause", "1s..2m"),
    ("max_concurrency", "8"),
    ("naive_times", "utc"),
    ("lone_surrogates", "dead_letter"),
    ("max_value_bytes", "1024"),
    ("max_headers", "3"),
    ("max_header_bytes", "512"),
    ("max_in_flight_bytes", "4096"),
    ("commit_interval", "3s"),
    ("commit_records", "5"),
    ("max_metadata_bytes", "0"),
    ("drain", "5s"),
    ("admin_port", "9091"),
    ("admin_address", "0.0.0.0"),
    ("liveness_after", "7m"),
];

/// What the settings say, without what gave it.
fn said(file: &str, variables: &[(&str, &str)]) -> String {
    let settings = load(file, variables).unwrap();
    format!("{:?}", Settings { origins: BTreeMap::new(), ..settings })
}

#[test]
fn every_key_is_read_from_the_file_and_from_its_variable() {
    let keys: Vec<_> = keys::of_service().map(|setting| setting.key).collect();
    let tried: Vec<_> = OTHER_VALUES.iter().map(|(key, _)| *key).collect();
    assert_eq!(tried, keys, "each has a value above");
    let mut seen = BTreeMap::new();
    for (setting, &(key, value)) in keys::of_service().zip(OTHER_VALUES) {
        // An address is nothing without a port.
        let port = if key == "admin_port" { "" } else { "admin_port = 9090\n" };
        let file = said(&format!("{port}{}\n", setting.written(value).replace('`', "")), &[]);
        let variable = setting.variable().unwrap();
        assert_eq!(file, said(port, &[(&variable, value)]), "{key}");
        assert_ne!(file, said(port, &[]), "{key} = {value} sets nothing");
        assert_eq!(seen.insert(file, key), None, "{key} sets the same as another");
    }
}

#[test]
fn each_key_of_a_handler_sets_one_field_of_its_own() {
    let mut seen = BTreeMap::new();
    for setting in keys::of_handlers() {
        let (key, written) = (setting.key, setting.written(setting.example()).replace('`', ""));
        let settings = load(&format!("[handlers.mail]\n{written}\n"), &[]).unwrap();
        let overrides = format!("{:?}", settings.policy.handlers["mail"]);
        assert_eq!(overrides.matches("Some(").count(), 1, "{key}: {overrides}");
        let before = overrides.split(": Some(").next().unwrap();
        let field = before.rsplit(' ').next().unwrap().to_owned();
        assert_eq!(seen.insert(field, key), None, "{key} sets the same as another: {overrides}");
    }
}

#[test]
fn a_key_that_is_in_the_attribute_too_has_its_name_and_words() {
    use event_names::delivery::{DELIVERY_KEYS, JITTER, Takes};
    let in_attribute = DELIVERY_KEYS.iter().filter(|key| key.is_setting()).map(|key| key.name);
    let mut in_file: Vec<_> = keys::of_handlers().map(|setting| setting.key).collect();
    let mut in_attribute: Vec<_> = in_attribute.collect();
    in_file.sort_unstable();
    in_attribute.sort_unstable();
    assert_eq!(in_file, in_attribute);
    assert_eq!(JITTER.takes, Takes::Word(<Jitter as crate::event::SettingWord>::WORDS));
}

#[test]
fn a_value_of_another_type_is_refused_with_its_key() {
    let file = "attempts = '3'\nmax_headers = true\nmax_value_bytes = 1.5\ndrain = 20\n\
                create_topics = 'yes'\ngroup = ['a']\nbrokers = [1]\ncommit_records = 2020-02-02\n\
                [topics.role_events]\nunknown_events = 'stop'\n[backoff]\nfirst = '1s'\n\
                [handlers.audit]\nattempts = 'x'\nconcurrency = {}\nbackoff = true\n";
    let report = load(file, &[]).unwrap_err();
    for expected in [
        "setting `attempts` is the text `3`, it must be an integer\n     help: write `attempts = 3`",
        "setting `max_headers` is `true`, it must be an integer",
        "setting `max_value_bytes` is `1.5`, it must be an integer",
        "setting `drain` is `20`, it must be a text\n     help: write `drain = \"20s\"`",
        "setting `create_topics` is the text `yes`, it must be `true` or `false`",
        "setting `group` is an array, it must be a text",
        "setting `brokers` is an array of something else, it must be a text or an array of texts",
        "setting `commit_records` is a date, it must be an integer",
        "setting `topics` is a table, it must be a text or an array of texts",
        "what holds for one topic stands in `[topic.\"role_events\"]`",
        "setting `backoff` is a table, it must be a text",
        "setting `attempts` of `[handlers.\"audit\"]` is a text of 1 character, it must be an integer",
        "setting `concurrency` of `[handlers.\"audit\"]` is a table, it must be an integer",
        "setting `backoff` of `[handlers.\"audit\"]` is `true`, it must be a text",
        "cannot start: 13 problems",
    ] {
        assert!(report.contains(expected), "{expected:?} is not in:\n{report}");
    }
}

#[test]
fn the_help_of_a_misplaced_key_names_its_table() {
    let file = "concurrency = 3\n[kafka]\nattempts = 3\n'session.timeout.ms' = 9000\n\
                [topic.users]\ntimeout = '3s'\n[handlers.mail]\nunknown_events = 'stop'\n\
                order = 'key'\n";
    let report = load(file, &[]).unwrap_err();
    for expected in [
        "unknown key `concurrency`\n     help: `concurrency` stands in `[handlers.\"..\"]`, for one handler",
        "unknown key `attempts` in `[kafka]`\n     help: `attempts` stands above all tables, for the whole service; or in `[handlers.\"..\"]`, for one handler",
        "unknown key `timeout` in `[topic.\"users\"]`\n     help: `timeout` stands above all tables",
        "unknown key `unknown_events` in `[handlers.\"mail\"]`\n     help: `unknown_events` stands above all tables, for the whole service; or in `[topic.\"..\"]`, for one topic",
        "unknown key `order` in `[handlers.\"mail\"]`\n     help: `order` stands in the attribute, for one handler: `#[event_handler(order = key, ..)]`",
        "cannot start: 5 problems",
    ] {
        assert!(report.contains(expected), "{expected:?} is not in:\n{report}");
    }
}

#[test]
fn a_number_without_a_unit_lists_the_units() {
    let file = "timeout = 30\nbackoff = 200\n[handlers.audit]\nattempts = '7'\ntimeout = 90\n";
    let report =
        load(file, &[("EVENT_BREAKER_PAUSE", "5..60"), ("EVENT_DRAIN", "30")]).unwrap_err();
    for expected in [
        "help: write `timeout = \"30s\"` or `timeout = \"30ms\"`",
        "help: write `backoff = \"200ms..30s\"` or `backoff = \"200s..200s\"`",
        "help: write `attempts = 7`",
        "help: write `timeout = \"90s\"` or `timeout = \"90ms\"`",
        "help: write `5s..1m` or `5ms..60ms`",
        "help: write `30s`\n",
    ] {
        assert!(report.contains(expected), "{expected:?} is not in:\n{report}");
    }
    // A drain of milliseconds is not allowed.
    assert!(!report.contains("`30s` or"), "{report}");
}

#[test]
fn an_unknown_word_suggests_the_nearest() {
    let variables = [
        ("EVENT_UNKNOWN_EVENTS", "dead-letter"),
        ("EVENT_OUT_OF_RANGE", "earlyest"),
        ("EVENT_JITTER", "random"),
        ("EVENT_CREATE_TOPICS", "1"),
        ("EVENT_TIMEOUT", "10 secs"),
        ("EVENT_GROUP_INSTANCE_ID", "a b"),
    ];
    let report = load("", &variables).unwrap_err();
    for expected in [
        "setting `unknown_events` is `dead-letter`, it must be one of `skip`, `dead_letter`, `stop`",
        "help: did you mean `dead_letter`?",
        "setting `out_of_range` is `earlyest`, it must be one of `earliest`, `latest`, `stop`",
        "help: did you mean `earliest`?",
        "setting `jitter` is a text of 6 characters, it must be one of `none`, `equal`, `full`",
        "help: write one of these",
        "setting `create_topics` is `1`, it must be one of `true`, `false`",
        "help: write `10s`",
        "setting `group_instance_id` has a blank as character 2 of 3, it must be 1 to 249 letters",
    ] {
        assert!(report.contains(expected), "{expected:?} is not in:\n{report}");
    }
}

#[test]
fn a_key_above_all_tables_is_told_where_it_belongs() {
    let file = "concurency = 3\nlinger.ms = 5\n'queued.min.messages' = 5\norder = 'key'\nlog = 'info'\n[retry]\nattempts = 3\n[kafka]\ngroup = 'a'\n";
    let report = load(file, &[]).unwrap_err();
    for expected in [
        "line 1, has an unknown key `concurency`\n     help: `concurrency` stands in `[handlers.\"..\"]`",
        "line 2, has an unknown key `linger`\n     help: if `linger.ms` is a property of librdkafka, it stands in `[kafka]`",
        "help: `queued.min.messages` of librdkafka stands in `[kafka]`, or in EVENT_KAFKA_QUEUED_MIN_MESSAGES",
        "unknown key `order`\n     help: `order` stands in the attribute",
        "unknown key `log`\n     help: the filter of the log is the variable EVENT_LOG",
        "unknown key `retry`\n     help: `retry` stands in the attribute",
        "line 9, has an unknown key `group` in `[kafka]`",
    ] {
        assert!(report.contains(expected), "{expected:?} is not in:\n{report}");
    }
    let twice = load("attempts = 1\nattempts = 2\n", &[]).unwrap_err();
    assert!(twice.contains("line 2: the key `attempts` is there twice"), "{twice}");
}

#[test]
fn a_word_in_another_case_is_near() {
    let variables = [
        ("EVENT_JITTER", "FULL"),
        ("EVENT_UNKNOWN_EVENTS", "STOP"),
        ("EVENT_CREATE_TOPICS", "TRUE"),
    ];
    let report = load("naive_times = 'UTC'", &variables).unwrap_err();
    for expected in [
        "`naive_times` is `UTC`, it must be one of `ignore`, `utc`\n     help: did you mean `utc`?",
        "`jitter` is `FULL`, it must be one of `none`, `equal`, `full`\n     help: did you mean `full`?",
        "`unknown_events` is `STOP`, it must be one of",
        "`create_topics` is `TRUE`, it must be one of `true`, `false`\n     help: did you mean `true`?",
    ] {
        assert!(report.contains(expected), "{expected:?} is not in:\n{report}");
    }
}

#[test]
fn a_wrong_number_is_told_the_example_of_its_key() {
    let report = load(
        "max_value_bytes = 0\nattempts = 4294967296",
        &[("EVENT_MAX_IN_FLIGHT_BYTES", "1MiB")],
    );
    let report = report.unwrap_err();
    for expected in [
        "`max_value_bytes` is `0`, it must be an integer from 1 on\n     help: write a number like `1048576`",
        "help: write a number like `67108864`",
        "`attempts` is `4294967296`, it must be an integer from 1 to 4294967295",
    ] {
        assert!(report.contains(expected), "{expected:?} is not in:\n{report}");
    }
}

#[test]
fn a_value_is_told_as_it_is_written_where_it_is_like_one() {
    for wrong in ["1m30s", "PT30S", "500us", "-5s"] {
        let report = load(&format!("timeout = '{wrong}'"), &[]).unwrap_err();
        assert!(report.contains(&format!("`timeout` is `{wrong}`, it must be")), "{report}");
    }
    let report = load("", &[("EVENT_TIMEOUT", "\"30s\""), ("EVENT_ADMIN_ADDRESS", "0.0.0.0:9090")]);
    let report = report.unwrap_err();
    for expected in [
        "`timeout` has quotation marks around its value\n     help: write it without them",
        "`admin_address` is `0.0.0.0:9090`, an address with a port\n     help: write `0.0.0.0`, and `admin_port = 9090`",
    ] {
        assert!(report.contains(expected), "{expected:?} is not in:\n{report}");
    }
}

#[test]
fn handlers_and_topics_have_tables_of_their_own() {
    let file = "[handlers.'claims::audit']\nattempts = 2\nbackoff = '1s..2s'\njitter = 'none'\n\
                timeout = '3s'\nconcurrency = 4\nbreaker_failures = 5\nbreaker_pause = '6s..7s'\n\
                [handlers.\"mail\"]\n[topic.role_events]\nunknown_events = 'stop'\n";
    let settings = load(file, &[]).unwrap();
    let second = Duration::from_secs;
    let audit = HandlerOverrides {
        attempts: Some(2),
        backoff: Some((second(1), second(2))),
        jitter: Some(Jitter::None),
        timeout: Some(second(3)),
        concurrency: Some(4),
        breaker_failures: Some(5),
        breaker_pause: Some((second(6), second(7))),
    };
    assert_eq!(settings.policy.handlers["claims::audit"], audit);
    assert_eq!(settings.policy.unknown_events("role_events"), UnknownEvents::Stop);
    assert_eq!(settings.policy.unknown_events("user_events"), UnknownEvents::Skip);
    let origin = settings.origin_for_handler("claims::audit", "timeout").unwrap();
    assert_eq!(origin.value, "3s");
    assert!(origin.source.starts_with("[handlers.\"claims::audit\"] in "), "{origin:?}");
    assert!(settings.origin_for_topic("role_events", "unknown_events").is_some());
    assert_eq!(settings.origin_for_handler("mail", "timeout"), None);
}

#[test]
fn a_mistake_inside_a_table_is_named_with_the_table() {
    let file = "topic = 3\n[handlers]\naudit = 3\n[handlers.mail]\natempts = 3\nattempts = 0\n\
                timeout = '0s'\ngroup = 'x'\n[handlers.users.forget]\nattempts = 1\n";
    let report = load(file, &[]).unwrap_err();
    for expected in [
        "gives `topic` a value, it is a table\n     help: write `[topic.\"..\"]` and below it `unknown_events = \"dead_letter\"`",
        "gives `audit` in `[handlers]` a value, it is a table\n     help: write `[handlers.\"audit\"]` and below it `attempts = 3`",
        "has an unknown key `atempts` in `[handlers.\"mail\"]`\n     help: did you mean `attempts`?",
        "setting `attempts` of `[handlers.\"mail\"]` is `0`, it must be an integer from 1 on",
        "setting `timeout` of `[handlers.\"mail\"]` is 0s, it must be from 1ms to 24h",
        "has an unknown key `group` in `[handlers.\"mail\"]`\n     help: `group` stands above all tables, for the whole service; or in the attribute, for one handler: `#[event_handler(group = \"audit\", ..)]`",
        "has an unknown key `forget` in `[handlers.\"users\"]`",
    ] {
        assert!(report.contains(expected), "{expected:?} is not in:\n{report}");
    }
    let report = load("handler = 3\n", &[]).unwrap_err();
    assert!(report.contains("did you mean `handlers`?"), "{report}");
}

#[test]
fn a_wrong_value_that_may_be_a_secret_is_not_repeated() {
    // These have a form of their own, and say no length.
    let names = ["brokers", "group", "group_instance_id", "topics", "admin_address"];
    for setting in keys::of_service().filter(|setting| !names.contains(&setting.key)) {
        for secret in ["hunter2", "5ecret", "p4ss w0rd!", "Tr0ub4dor&3"] {
            let of_variable = load("", &[(&setting.variable().unwrap(), secret)]).unwrap_err();
            let of_file = load(&format!("{} = '{secret}'\n", setting.key), &[]).unwrap_err();
            for report in [of_variable, of_file] {
                let length = format!("a text of {} characters", secret.chars().count());
                assert!(!report.contains(secret), "{}: {report}", setting.key);
                assert!(report.contains(&length), "{}: {report}", setting.key);
            }
        }
    }
    let report = load("[kafka]\n'fetch.min.bytes' = 'hunter2'\n", &[]).unwrap_err();
    assert!(!report.contains("hunter2"), "{report}");
    for setting in keys::of_service().filter(|setting| names.contains(&setting.key)) {
        for secret in ["Hunter2 pass/word", "p4ss w0rd!", "Tr0ub4dor&3", "=Hunter2/x", "pässword"]
        {
            let of_variable = load("", &[(&setting.variable().unwrap(), secret)]).unwrap_err();
            let of_file = load(&format!("{} = '{secret}'\n", setting.key), &[]).unwrap_err();
            for report in [of_variable, of_file] {
                let (lower, secret) = (report.to_lowercase(), secret.to_lowercase());
                for part in secret.split([' ', '/', '&', '=']).filter(|part| part.len() > 1) {
                    assert!(!lower.contains(part), "{}: {report}", setting.key);
                }
            }
        }
    }
    for variable in ["EVENT_CONFIG", "EVENT_LOG"] {
        for secret in ["Hunter2 pass/word", "p4ss w0rd!", "Tr0ub4dor 3; x", "user=\"Hunter2\""] {
            let variables = [(OsString::from(variable), OsString::from(secret))];
            let report = Settings::load("admin", &SettingsOverrides::default(), variables);
            let report = report.unwrap_err().to_string();
            for part in ["Hunter2", "word", "p4ss", "w0rd", "Tr0ub4dor"] {
                assert!(!report.contains(part), "{variable}: {report}");
            }
            assert!(report.contains(variable), "{report}");
        }
    }
    for secret in ["/Hunter2+pass/word", "/Hunter2pass", "./Hunter2word", "../Hunter2/pass"] {
        let variables = [(OsString::from("EVENT_CONFIG"), OsString::from(secret))];
        let report = Settings::load("admin", &SettingsOverrides::default(), variables);
        let report = report.unwrap_err().to_string();
        assert!(!report.contains("Hunter2"), "{report}");
        assert!(report.contains(&format!("a text of {} characters", secret.len())), "{report}");
    }
    let report = load("brokers = 'alice:hunter2@kafka:9092'\n", &[]).unwrap_err();
    assert!(report.contains("a login") && !report.contains("hunter2"), "{report}");
}

#[test]
fn every_problem_names_what_gave_the_value() {
    let file = "attempts = 0\ndrain = 5\nbrokre = 1\n\n[kafka]\n'fetch.min.bytes' = 'x'\n\
                security.protocol = 'tls'\n[handlers.audit]\ntimeout = '0s'\nconcurency = 1\n";
    let variables = [
        ("EVENT_JITTER", "random"),
        ("EVENT_TOPICS", "a b"),
        ("EVENT_BROKERS", "localhost:99999"),
        ("EVENT_KAFKA_ACKS", "1"),
    ];
    let report = load_with_sources(file, &variables).unwrap_err();
    for expected in [
        "setting `attempts` (from event.toml:1) is `0`",
        "setting `drain` (from event.toml:2) is `5`, it must be a text",
        "the settings file `event.toml`, line 3, has an unknown key `brokre`",
        "its value (from event.toml:6)",
        "its value (from event.toml:7)",
        "setting `timeout` of `[handlers.\"audit\"]` (from event.toml:9) is 0s",
        "the settings file `event.toml`, line 10, has an unknown key `concurency` in",
        "setting `jitter` (from EVENT_JITTER) is",
        "setting `topics` (from EVENT_TOPICS): ",
        "it must be from 1 to 65535 (from EVENT_BROKERS)",
        "`acks` cannot be set under `[kafka]` (from EVENT_KAFKA_ACKS)",
    ] {
        assert!(report.contains(expected), "{expected:?} is not in:\n{report}");
    }
    let flags = SettingsOverrides { group: Some("a b".into()), ..Default::default() };
    let report = Settings::load("admin", &flags, []).unwrap_err().to_string();
    assert!(report.contains("setting `group` (from --group): "), "{report}");
    let variables = [(OsString::from("EVENT_CONFIG"), OsString::from("/no/such.toml"))];
    let report = Settings::load("admin", &SettingsOverrides::default(), variables).unwrap_err();
    let report = report.to_string();
    assert!(
        report.contains("`/no/such.toml`, which EVENT_CONFIG names, cannot be read"),
        "{report}"
    );
}

#[test]
fn a_drain_that_is_longer_than_a_poll_may_take_is_refused() {
    let of = |poll: &str| load("drain = '60s'\n", &[("EVENT_KAFKA_MAX_POLL_INTERVAL_MS", poll)]);
    let report = of("60000").unwrap_err();
    assert!(report.contains("setting `drain` is 60s and `max.poll.interval.ms` 60s"), "{report}");
    assert!(of("60001").is_ok());
}

#[test]
fn an_empty_variable_counts_as_unset() {
    let names = keys::of_service().filter_map(keys::Setting::variable);
    let more = ["EVENT_CONFIG", "EVENT_LOG", "EVENT_KAFKA_SASL_PASSWORD", "EVENT_BROKRES"];
    let names: Vec<_> = names.chain(more.map(str::to_owned)).collect();
    for empty in ["", " "] {
        let variables: Vec<_> = names.iter().map(|name| (name.as_str(), empty)).collect();
        let settings = load("brokers = 'file:1'\n", &variables).unwrap();
        assert_eq!((settings.brokers.as_str(), settings.group.as_str()), ("file:1", "admin"));
        assert!(settings.warnings.is_empty() && settings.kafka.is_empty());
    }
}

#[test]
fn what_kubernetes_sets_for_a_service_is_no_setting() {
    let variables = [
        ("EVENT_KAFKA_PORT", "tcp://10.0.0.3:9092"),
        ("EVENT_KAFKA_PORT_9092_TCP", "tcp://10.0.0.3:9092"),
        ("EVENT_KAFKA_PORT_9092_TCP_ADDR", "10.0.0.3"),
        ("EVENT_KAFKA_SERVICE_HOST", "10.0.0.3"),
        ("EVENT_KAFKA_SERVICE_PORT", "9092"),
        ("EVENT_ADMIN_PORT", "tcp://10.0.0.4:9090"),
        ("EVENT_ADMIN_SERVICE_HOST", "10.0.0.4"),
        ("EVENT_DRAIN", "5s"),
    ];
    let settings = load("", &variables).unwrap();
    assert!(settings.kafka.is_empty() && settings.admin.is_none() && settings.warnings.is_empty());
    assert_eq!(settings.origin("drain").unwrap().source, "EVENT_DRAIN");
}

#[cfg(feature = "kafka")]
#[test]
fn a_property_without_its_dots_is_led_to_its_table() {
    for (key, help) in [
        (
            "retry_backoff = '1s'",
            "did you mean `backoff`? `retry.backoff.ms` of librdkafka stands in `[kafka]`, or in EVENT_KAFKA_RETRY_BACKOFF_MS",
        ),
        (
            "session_timeout = '30s'",
            "did you mean `timeout`? `session.timeout.ms` of librdkafka stands in `[kafka]`, or in EVENT_KAFKA_SESSION_TIMEOUT_MS",
        ),
        ("linger_ms = 5", "`linger.ms` of librdkafka stands in `[kafka]`"),
        ("client_id = 'a'", "`client.id` of librdkafka cannot be set: the service's name is used"),
        ("max_in_flight = 5", "did you mean `max_in_flight_bytes`?"),
    ] {
        let report = load(&format!("{key}\n"), &[]).unwrap_err();
        assert!(report.contains(help), "{key}: {report}");
    }
    let report = load("", &[("EVENT_HEARTBEAT_INTERVAL", "3s")]).unwrap_err();
    let reported = "the variable EVENT_HEARTBEAT_INTERVAL is not a setting\n     help: write EVENT_KAFKA_HEARTBEAT_INTERVAL_MS";
    assert!(report.contains(reported), "{report}");
    // They may be another program's, and it is not certain what they mean.
    for (variable, help) in [
        (
            "EVENT_RETRY_BACKOFF",
            "did you mean EVENT_BACKOFF? Or write EVENT_KAFKA_RETRY_BACKOFF_MS for the property of librdkafka",
        ),
        (
            "EVENT_SESSION_TIMEOUT_MS",
            "did you mean EVENT_TIMEOUT? Or write EVENT_KAFKA_SESSION_TIMEOUT_MS for the property of librdkafka",
        ),
    ] {
        let warnings = load("", &[(variable, "1s")]).unwrap().warnings;
        let [warning] = &*warnings else { panic!("{warnings:?}") };
        let message = format!("the variable {variable} is not a setting and was ignored");
        assert_eq!((warning.message(), warning.help()), (message, help.to_owned()));
    }
    // It may be another program's, and could not be set anyway.
    assert_eq!(load("", &[("EVENT_CLIENT_ID", "a")]).unwrap().warnings.len(), 1);
}

#[cfg(feature = "kafka")]
#[test]
fn every_refused_property_is_told_with_its_place() {
    let file = "[kafka]\nheartbeat.interval.ms = 9000\nsession.timeout.ms = 9000\n";
    let report = load_with_sources(file, &[]).unwrap_err();
    assert!(report.contains(" (from event.toml:2 and event.toml:3)"), "{report}");
    let variables = [("EVENT_KAFKA_SESSION_TIMEOUT_MS", "9000")];
    let report = load_with_sources("[kafka]\nheartbeat.interval.ms = 9000\n", &variables);
    let reported = " (from event.toml:2 and EVENT_KAFKA_SESSION_TIMEOUT_MS)";
    assert!(report.as_ref().is_err_and(|report| report.contains(reported)), "{report:?}");
    let file = "[kafka]\nenable.auto.commit = true\nacks = 1\n";
    let report = load_with_sources(file, &[]).unwrap_err();
    for reported in [
        "`enable.auto.commit` cannot be set under `[kafka]` (from event.toml:2)",
        "(from event.toml:3)",
    ] {
        assert!(report.contains(reported), "{report}");
    }
    let file = "drain = '20s'\n[kafka]\nmax.poll.interval.ms = 15000\n";
    let report = load_with_sources(file, &[]).unwrap_err();
    assert!(report.contains("setting `drain` (from event.toml:1) is 20s"), "{report}");
}

#[test]
fn a_number_without_a_unit_is_offered_as_what_it_can_mean() {
    for (file, offered) in [
        ("timeout = 30000", "write `timeout = \"30s\"`\n"),
        ("backoff = '200ms..30000'", "write `\"200ms..30s\"`\n"),
        ("breaker_pause = '5s..60000'", "write `\"5s..1m\"`\n"),
        ("timeout = 3600", "write `timeout = \"1h\"` or"),
    ] {
        let report = load(&format!("{file}\n"), &[]).unwrap_err();
        assert!(format!("{report}\n").contains(offered), "{file}: {report}");
    }
}

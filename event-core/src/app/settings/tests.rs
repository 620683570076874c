use super::*;

fn load(file: &str, variables: &[(&str, &str)]) -> Result<Settings, String> {
    let path =
        std::env::temp_dir().join(format!("event-core-settings-{}.toml", uuid::Uuid::now_v7()));
    std::fs::write(&path, file).unwrap();
    let overrides = SettingsOverrides { config: Some(path.clone()), ..Default::default() };
    let variables =
        variables.iter().map(|(name, value)| (OsString::from(*name), OsString::from(*value)));
    let loaded = Settings::load("admin", &overrides, variables);
    std::fs::remove_file(path).unwrap();
    loaded.map_err(|report| report.to_string())
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
    let file = "[kafka]\n\"sasl.username\" = 'alice'\n\"fetch.min.bytes\" = 10\n";
    let settings = load(file, &[("EVENT_KAFKA_SASL_PASSWORD", "hunter2")]).unwrap();
    let names: Vec<_> = settings.kafka.keys().map(String::as_str).collect();
    assert_eq!(names, ["fetch.min.bytes", "sasl.password", "sasl.username"]);
    let printed = format!("{settings:?}");
    assert!(!printed.contains("hunter2") && !printed.contains("alice"), "{printed}");
}

#[test]
fn every_mistake_is_reported_at_once_with_what_to_write() {
    let file =
        "max_headers = 'many'\nbroker = 'x'\nbackoff = '10 secs'\nattempts = 0\ngroup = 'a b'\n";
    let report = load(file, &[("EVENT_BROKRES", "x")]).unwrap_err();
    for expected in [
        "unknown key `broker`",
        "setting `max_headers` is `many`, it must be an integer from 0 on",
        "did you mean `brokers`?",
        "setting `backoff`: `10 secs`",
        "setting `attempts` is `0`, it must be an integer from 1 on",
        "consumer group `a b` has the character ' '",
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
    let settings = load("[kafka]\nsasl.username = 'alice'\nfetch.min.bytes = 10\n", &[]).unwrap();
    let names: Vec<_> = settings.kafka.keys().map(String::as_str).collect();
    assert_eq!(names, ["fetch.min.bytes", "sasl.username"]);
    let report = load("kafka = 'x'\n", &[]).unwrap_err();
    assert!(report.contains("gives `kafka` a value, it is a table"), "{report}");
}

#[test]
fn values_out_of_bounds_are_named_with_the_bounds() {
    let file = "drain = '0s'\nbackoff = '0ms..1s'\ncommit_interval = '2h'\nmax_value_bytes = 0\n";
    let report = load(file, &[]).unwrap_err();
    for expected in [
        "setting `drain` is 0ns, it must be from 1s to 240s",
        "setting `backoff` is 0ns, it must be from 1ms to 86400s",
        "setting `commit_interval` is 7200s, it must be from 1ms to 3600s",
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
        "setting `admin_address`: invalid IP address syntax",
        "setting `liveness_after` is 1s, it must be from 10s to 86400s",
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
    for (variable, expected) in
        [("role/events", "takes only letters"), (" , ", "setting `topics` names no topic")]
    {
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
    assert!(attempts == "3" && source.ends_with(".toml"), "{source}");
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

use super::*;

fn load(file: &str, variables: &[(&str, &str)]) -> Result<Settings, String> {
    let path =
        std::env::temp_dir().join(format!("event-core-settings-{}.toml", uuid::Uuid::now_v7()));
    std::fs::write(&path, file).unwrap();
    let overrides = SettingsOverrides { config: Some(path.clone()), ..Default::default() };
    let variables = variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    let loaded = Settings::load("admin", &overrides, variables);
    std::fs::remove_file(path).unwrap();
    loaded
        .map_err(|problems| problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"))
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
    let variables = [("EVENT_BROKERS".to_owned(), "env:1".to_owned())];
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
    let file = "broker = 'x'\nbackoff = '10 secs'\nattempts = 0\ngroup = 'a b'\n";
    let report = load(file, &[("EVENT_BROKRES", "x")]).unwrap_err();
    for expected in [
        "unknown key `broker`",
        "did you mean `brokers`?",
        "setting `backoff`: `10 secs`",
        "setting `attempts` is 0, the least is 1",
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
    assert_eq!(settings.warnings, ["the variable EVENT_HORIZON is not a setting and was ignored"]);
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

use super::*;

fn settings(properties: &[(&str, &str)]) -> KafkaSettings {
    let properties =
        properties.iter().map(|(name, value)| ((*name).to_owned(), (*value).into())).collect();
    KafkaSettings { brokers: "127.0.0.1:9092".into(), client_id: "admin".into(), properties }
}

#[test]
fn every_problem_is_reported_at_once() {
    let problems = settings(&[
        ("enable.auto.commit", "true"),
        ("fetch.wait.max.ms", "5"),
        ("acks", "1"),
        ("sasl.pasword", "hunter2"),
    ])
    .problems();
    assert_eq!(problems.len(), 3, "{problems:#?}");
    assert!(!format!("{problems:?}").contains("hunter2"), "{problems:#?}");
}

#[test]
fn what_would_break_a_promise_or_hang_is_refused() {
    for (name, value) in [
        ("delivery.report.only.error", "true"),
        ("enable.gapless.guarantee", "true"),
        ("queuing.strategy", "lifo"),
        ("offset.store.method", "file"),
        ("check.crcs", "false"),
        ("topic.blacklist", ".*"),
        ("test.mock.num.brokers", "1"),
        ("group.instance.id", "admin-1"),
        ("enabled_events", "0"),
        ("message.timeout.ms", "0"),
        ("delivery.timeout.ms", "0"),
        ("retries", "0"),
        // librdkafka refuses these itself.
        ("dr_cb", "1"),
        ("dr_msg_cb", "1"),
        ("background_event_cb", "1"),
        ("rebalance_cb", "1"),
        ("opaque", "1"),
        ("go.delivery.reports", "false"),
    ] {
        let problems = settings(&[(name, value)]).problems();
        assert_eq!(problems.len(), 1, "{name}: {problems:?}");
        assert!(problems[0].to_string().contains(name), "{problems:?}");
    }
    for (name, value) in [("message.timeout.ms", "5000"), ("retries", "3")] {
        assert_eq!(settings(&[(name, value)]).problems(), [], "{name}");
    }
}

#[test]
fn what_is_fetched_ahead_is_a_part_of_what_is_in_flight() {
    let ahead = |properties: &[(&str, &str)], bytes| {
        let config = settings(properties).consumer("g", "admin-1", None, bytes);
        config.get("queued.max.messages.kbytes").map(str::to_owned)
    };
    let of_bytes = [16 << 20, 5 << 20, 1 << 20, 0].map(|bytes| ahead(&[], bytes).unwrap());
    assert_eq!(of_bytes, ["16384", "5120", "4096", "4096"]);
    let own = [("queued.max.messages.kbytes", "1024")];
    assert_eq!(ahead(&own, 4 << 20).as_deref(), Some("1024"));
}

#[test]
fn an_answer_is_no_more_than_what_is_fetched_ahead() {
    let answer = |properties: &[(&str, &str)], bytes| {
        let config = settings(properties).consumer("g", "admin-1", None, bytes);
        config.get("fetch.max.bytes").map(str::to_owned).unwrap()
    };
    let of_bytes = [16 << 20, 8 << 20, 5 << 20, 0].map(|bytes| answer(&[], bytes));
    assert_eq!(of_bytes, ["8388608", "8388608", "5242880", "4194304"]);
    // Less is refused by librdkafka.
    assert_eq!(answer(&[("queued.max.messages.kbytes", "16")], 0), "1000000");
    assert_eq!(answer(&[("fetch.max.bytes", "3000000")], 0), "3000000");
}

#[test]
fn a_client_takes_messages_that_are_larger_than_its_answers() {
    let large = settings(&[("message.max.bytes", "104857600")]);
    assert_eq!(large.problems(), []);
    assert_eq!(large.consumer("g", "admin-1", None, 0).get("fetch.max.bytes"), None);
    assert!(settings(&[]).consumer("g", "admin-1", None, 0).get("fetch.max.bytes").is_some());
}

#[test]
fn a_build_without_tls_names_the_feature() {
    for (name, value) in [
        ("security.protocol", "SASL_SSL"),
        ("ssl.ca.location", "/ca.pem"),
        ("sasl.mechanisms", "SCRAM-SHA-512"),
    ] {
        assert!(needs_tls(name, value), "{name}");
    }
    assert!(!needs_tls("security.protocol", "sasl_plaintext"));
    assert!(!needs_tls("sasl.mechanisms", "PLAIN"));
    if cfg!(not(any(feature = "tls", feature = "tls-vendored"))) {
        let problems = settings(&[("security.protocol", "ssl")]).problems();
        assert!(problems[0].help.contains("feature `tls`"), "{problems:?}");
    }
}

#[test]
fn debug_shows_names_only() {
    let shown = format!("{:?}", settings(&[("sasl.password", "hunter2")]));
    assert!(shown.contains("sasl.password") && !shown.contains("hunter2"), "{shown}");
}

#[test]
fn an_unknown_property_differs_from_a_refused_value() {
    for (name, value, message, help) in [
        (
            "fetch.min.byte",
            "hunter2",
            "`fetch.min.byte` under `[kafka]`: librdkafka has no property `fetch.min.byte`",
            "did you mean `fetch.min.bytes`?",
        ),
        ("swordfish", "hunter2", "librdkafka has no property `swordfish`", "CONFIGURATION.md"),
        (
            "fetch.min.bytes",
            "hunter2",
            "librdkafka does not accept the property `fetch.min.bytes` with its value",
            "CONFIGURATION.md",
        ),
        ("fetch.min.bytes", "0", "with its value, it must be from 1 to", "CONFIGURATION.md"),
        ("group.protocol", "hunter2", "with its value", "`classic` or `consumer`"),
    ] {
        let problems = settings(&[(name, value)]).problems();
        assert_eq!(problems.len(), 1, "{problems:?}");
        assert!(problems[0].message.contains(message), "{problems:?}");
        assert!(problems[0].help.contains(help), "{problems:?}");
        assert!(!format!("{problems:?}").contains("hunter2"), "{problems:?}");
    }
}

#[test]
fn a_number_is_read_whole_or_refused() {
    for (name, value, read) in [
        ("socket.timeout.ms", "10s", "10"),
        ("session.timeout.ms", "45s", "45"),
        ("max.poll.interval.ms", "5m", "5"),
        ("queued.min.messages", "30_000", "30"),
        ("max.partition.fetch.bytes", "1MB", "1"),
        ("heartbeat.interval.ms", "3,000", "3"),
        ("socket.timeout.ms", "60000.7", "60000"),
        ("session.timeout.ms", "010000", "4096"),
    ] {
        let problems = settings(&[(name, value)]).problems();
        assert_eq!(problems.len(), 1, "{problems:?}");
        let expected =
            format!("`{name}` under `[kafka]` is `{value}`, which librdkafka reads as {read}");
        assert_eq!(
            (problems[0].message.as_str(), problems[0].setting.as_deref()),
            (&*expected, Some(name))
        );
    }
    for (name, value) in [
        ("socket.timeout.ms", " 10000 "),
        ("client.rack", "010"),
        ("linger.ms", "0.5"),
        ("linger.ms", "5.0"),
        ("socket.keepalive.enable", "1"),
        ("retry.backoff.ms", "1000"),
    ] {
        assert_eq!(settings(&[(name, value)]).problems(), [], "{name} {value}");
    }
}

#[test]
fn intervals_that_contradict_each_other_are_a_problem_and_others_are_none() {
    let wrong = settings(&[("heartbeat.interval.ms", "15000")]).problems();
    assert_eq!(wrong.len(), 1, "{wrong:?}");
    let expected = "`heartbeat.interval.ms` is 15000 and `session.timeout.ms` 15000";
    assert!(wrong[0].message.starts_with(expected), "{wrong:?}");
    let too_short = settings(&[("socket.timeout.ms", "50")]).problems();
    let expected = "`fetch.wait.max.ms` is 100 and `socket.timeout.ms` 50: the broker may wait";
    assert!(too_short.len() == 1 && too_short[0].message.starts_with(expected), "{too_short:?}");
    // What is right for a member is right for the clients that are none.
    for fine in [
        &[("max.poll.interval.ms", "20000")][..],
        &[("max.poll.interval.ms", "20000"), ("group.protocol", "consumer")],
        &[("max.poll.interval.ms", "8000"), ("session.timeout.ms", "7000")],
    ] {
        let fine = settings(fine);
        assert_eq!(fine.problems(), []);
        for config in [fine.client(), fine.outside("g"), fine.reader()] {
            let made: KafkaResult<BaseConsumer> = config.create();
            assert!(made.is_ok(), "{:?}", made.err());
        }
    }
}

#[test]
fn what_librdkafka_repeats_of_a_value_is_left_out() {
    let settings =
        settings(&[("ssl.key.location", "hunter2"), ("fetch.max.bytes", "1000"), ("a", "ssl")]);
    let reason = "ssl.key.location: cannot read hunter2 (1000)".to_owned();
    assert_eq!(settings.without_values(reason), "ssl.key.location: cannot read (its value) (1000)");
}

#[test]
fn the_new_protocol_gets_no_assignor() {
    let classic = settings(&[]).consumer("g", "admin-1", None, 1 << 20);
    assert_eq!(classic.get("partition.assignment.strategy"), Some("cooperative-sticky"));
    let new = settings(&[("group.protocol", "consumer")]).consumer("g", "admin-1", None, 1 << 20);
    assert_eq!(new.get("partition.assignment.strategy"), None);
    // What is no member needs the old one, and librdkafka must accept the rest with it.
    let new = settings(&[
        ("group.protocol", "consumer"),
        ("group.remote.assignor", "uniform"),
        ("group.instance.id", "one"),
    ]);
    for config in [new.reader(), new.outside("g")] {
        assert_eq!(config.get("group.protocol"), Some("classic"));
        assert_eq!(config.get("group.instance.id"), None);
        let made: rdkafka::error::KafkaResult<rdkafka::consumer::BaseConsumer> = config.create();
        assert!(made.is_ok(), "{:?}", made.err());
    }
    let both = settings(&[("session.timeout.ms", "9000"), ("group.protocol", "consumer")]);
    assert_eq!(both.problems().len(), 1, "{:?}", both.problems());
}

#[test]
fn a_login_that_cannot_work_is_a_problem_before_anything_is_connected() {
    let user = [("sasl.username", "alice"), ("sasl.password", "hunter2")];
    let with = |more: &[(&'static str, &'static str)]| [&user[..], more].concat();
    for (properties, message, help) in [
        (with(&[]), "`security.protocol` is not", "`sasl_ssl`, or `sasl_plaintext`"),
        (
            with(&[("security.protocol", "sasl_plaintext")]),
            "`sasl.mechanism` is not set",
            "`SCRAM-SHA-512`",
        ),
        (
            with(&[("security.protocol", "sasl_plaintext"), ("sasl.mechanism", "swordfish")]),
            "no mechanism",
            "`PLAIN`",
        ),
        (
            with(&[("security.protocol", "sasl_plaintext"), ("sasl.mechanisms", "GSSAPI")]),
            "this build does not have",
            "`PLAIN`",
        ),
        (
            vec![("security.protocol", "SASL_PLAINTEXT"), ("sasl.mechanism", "PLAIN"), user[0]],
            "`sasl.password` is not set",
            "EVENT_KAFKA_SASL_PASSWORD",
        ),
        (
            vec![("security.protocol", "tls")],
            "does not accept the property `security.protocol`",
            "`sasl_ssl`",
        ),
        (
            vec![("max.poll.interval.ms", "9000"), ("session.timeout.ms", "20000")],
            "`session.timeout.ms` is 20000 and `max.poll.interval.ms` 9000",
            "make `session.timeout.ms` shorter",
        ),
        (
            vec![("session.timeout.ms", "3000000")],
            "`session.timeout.ms` is 3000000 and `max.poll.interval.ms` 300000",
            "make `session.timeout.ms` shorter",
        ),
        (
            vec![("partition.assignment.strategy", "swordfish pass/word")],
            "`partition.assignment.strategy` under `[kafka]` has a value that is no list",
            "`range,roundrobin`",
        ),
        (
            vec![("partition.assignment.strategy", "range,cooperative-sticky")],
            "`cooperative-sticky` beside others",
            "`cooperative-sticky` alone",
        ),
        (
            vec![("group.remote.assignor", "uniform")],
            "`group.protocol` is not `consumer`",
            "`partition.assignment.strategy`",
        ),
        (
            vec![("group.protocol", "consumer"), ("group.remote.assignor", "unifrom")],
            "no name of an assignor",
            "`uniform` or `range`",
        ),
        (
            vec![("group.protocol", "consumer"), ("group.remote.assignor", "swordfish word")],
            "no name of an assignor",
            "`uniform` or `range`",
        ),
        (
            vec![("fetch.max.bytes", "100")],
            "`fetch.max.bytes` under `[kafka]` is 100, less than `message.max.bytes`, which is 1000000, its default",
            "at least 1000000",
        ),
        (
            vec![("fetch.max.bytes", "2000000"), ("receive.message.max.bytes", "2000100")],
            "`receive.message.max.bytes` under `[kafka]` is 2000100",
            "at least 2000512",
        ),
    ] {
        let problems = settings(&properties).problems();
        assert_eq!(problems.len(), 1, "{problems:?}");
        let KafkaSettingsProblem { message: text, help: helped, .. } = &problems[0];
        assert!(text.contains(message) && helped.contains(help), "{problems:?}");
        assert!(!format!("{problems:?}").contains("swordfish"), "{problems:?}");
        assert!(problems[0].setting.is_some(), "what gave the value is not named: {problems:?}");
    }
    for fine in [
        &[("partition.assignment.strategy", "range, roundrobin")][..],
        &[("group.protocol", "consumer"), ("group.remote.assignor", "rack-aware")],
    ] {
        assert_eq!(settings(fine).problems(), []);
    }
    let plain = with(&[("security.protocol", "sasl_plaintext"), ("sasl.mechanism", "PLAIN")]);
    assert_eq!(settings(&plain).problems(), []);
}

#[cfg(any(feature = "tls", feature = "tls-vendored"))]
#[test]
fn tls_that_cannot_work_is_a_problem_before_anything_is_connected() {
    for (properties, message, help) in [
        (vec![("ssl.ca.location", "/ca.pem")], "`security.protocol` is not", "to `ssl`"),
        (
            vec![("security.protocol", "ssl"), ("ssl.ca.location", "/no/such/ca.pem")],
            "ssl.ca.location failed",
            "that the file is there",
        ),
        (
            vec![("security.protocol", "sasl_ssl"), ("sasl.mechanism", "OAUTHBEARER")],
            "nothing here gets a token",
            "`SCRAM-SHA-512`",
        ),
    ] {
        let problems = settings(&properties).problems();
        assert_eq!(problems.len(), 1, "{problems:?}");
        let KafkaSettingsProblem { message: text, help: helped, .. } = &problems[0];
        assert!(text.contains(message) && helped.contains(help), "{problems:?}");
    }
}

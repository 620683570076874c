use super::*;

#[test]
fn the_cause_is_not_hidden_by_all_brokers_down() {
    let last_error = LastError::default();
    last_error.note(Code::BrokerTransportFailure, "Connection refused");
    last_error.note(Code::AllBrokersDown, "1/1 brokers are down");
    assert_eq!(last_error.reason(), "Connection refused");
}

#[test]
fn brokers_that_are_away_are_not_counted() {
    let last_error = LastError::default();
    last_error.note_answer();
    last_error.note(Code::AllBrokersDown, "2/2 brokers are down");
    assert_eq!(last_error.reason(), "none of the brokers can be reached");
}

#[test]
fn a_refusal_is_not_hidden_by_what_says_less() {
    let last_error = LastError::default();
    let reason =
        "sasl_ssl://a:1/bootstrap: SASL authentication error: no (after 1ms in state AUTH_REQ)";
    last_error.note(Code::Authentication, reason);
    last_error.note(Code::AllBrokersDown, "1/1 brokers are down");
    last_error.note(Code::BrokerTransportFailure, "b:1/bootstrap: Connection refused");
    let refusal = last_error.refusal().unwrap();
    assert_eq!(refusal.reason(), "the broker at a:1 refused the login: no");
    assert_eq!(last_error.unreachable("a:1"), refusal);
    assert!(!refusal.is_retriable());
}

#[test]
fn a_connection_that_is_closed_says_something_only_before_the_first_answer() {
    let last_error =
        LastError::of(&KafkaSettings { brokers: "a:1".to_owned(), ..Default::default() });
    last_error.note(Code::AllBrokersDown, "1/1 brokers are down");
    assert_eq!(last_error.refusal(), None);
    let error = last_error.unreachable("a:1");
    assert!(error.is_retriable() && error.to_string().contains("set `security.protocol`"));
    last_error.note(Code::BrokerTransportFailure, "a:1/bootstrap: Connection refused");
    assert!(matches!(last_error.unreachable("a:1"), BrokerError::Unreachable { .. }));

    let last_error = LastError::default();
    last_error.note_answer();
    last_error.note(Code::AllBrokersDown, "1/1 brokers are down");
    assert!(matches!(last_error.unreachable("a:1"), BrokerError::Unreachable { .. }));
}

#[test]
fn a_broker_that_hangs_is_not_told_as_one_that_asks_for_tls() {
    let last_error =
        LastError::of(&KafkaSettings { brokers: "a:1".to_owned(), ..Default::default() });
    last_error.note_log("REQTMOUT", "a:1/1: Timed out 0 in-flight, 0 retry-queued, 1 out-queue");
    last_error.note(Code::AllBrokersDown, "1/1 brokers are down");
    assert!(last_error.unreachable("a:1").to_string().contains("without an answer"));

    let last_error =
        LastError::of(&KafkaSettings { brokers: "a:1".to_owned(), ..Default::default() });
    last_error.note_log(
        "REQTMOUT",
        "a:1/1: Timed out MetadataRequest in flight (after 10118ms, timeout #0)",
    );
    last_error.note(Code::AllBrokersDown, "1/1 brokers are down");
    let error = last_error.unreachable("a:1");
    assert!(error.to_string().contains("does not answer"), "{error}");
    // Also one that has answered before.
    last_error.note_answer();
    let text =
        "a:1/1: ApiVersionRequest failed: Local: Timed out (after 9ms in state APIVERSION_QUERY)";
    last_error.note(Code::BrokerTransportFailure, text);
    let error = last_error.unreachable("a:1");
    assert!(error.to_string().contains("does not answer"), "{error}");
}

#[test]
fn a_connection_that_is_not_made_in_time_is_known_by_the_log_alone() {
    for (state, part) in
        [("APIVERSION_QUERY", "does not answer"), ("CONNECT", "timed out in state")]
    {
        let last_error =
            LastError::of(&KafkaSettings { brokers: "a:1".to_owned(), ..Default::default() });
        let text = format!(
            "[thrd:a:1/bootstrap]: a:1/bootstrap: Connection setup timed out in state {state} (after 4001ms in state {state})"
        );
        last_error.note_log("FAIL", &text);
        last_error.note(Code::AllBrokersDown, "1/1 brokers are down");
        let error = last_error.unreachable("a:1").to_string();
        assert!(error.contains(part) && !error.contains("without an answer"), "{error}");
        assert!(error.contains("a:1") && !error.contains("thrd"), "{error}");
    }
}

#[test]
fn a_group_that_is_not_ours_to_use_is_told_by_a_call_that_took_too_long() {
    let last_error =
        LastError::of(&KafkaSettings { brokers: "a:1".to_owned(), ..Default::default() });
    last_error.set_group(&GroupName::parse("billing").unwrap());
    let text = "FindCoordinator response error: Group authorization failed.";
    last_error.note(Code::GroupAuthorizationFailed, text);
    last_error.note(Code::BrokerTransportFailure, "a:1/1: Disconnected (after 9ms in state UP)");
    let error = last_error.unreachable("a:1");
    assert_eq!(Some(&error), last_error.denied().as_ref());
    let text = error.to_string();
    for part in ["not authorised", "group `billing`", "`READ` and `DESCRIBE`"] {
        assert!(text.contains(part), "{text}");
    }
}

#[test]
fn an_address_that_is_not_reached_stays_the_cause_until_a_broker_answers() {
    let last_error =
        LastError::of(&KafkaSettings { brokers: "a:1".to_owned(), ..Default::default() });
    last_error.note(Code::Resolve, "b.invalid:2/1: Failed to resolve 'b.invalid:2': not known");
    let named = last_error.reason();
    assert!(named.contains("b.invalid:2"), "{named}");
    let closed = "a:1/bootstrap: Disconnected (after 9ms in state UP)";
    for (code, text) in [
        (Code::AllBrokersDown, "1/1 brokers are down"),
        (Code::BrokerTransportFailure, closed),
        (Code::AllBrokersDown, "1/1 brokers are down"),
    ] {
        last_error.note(code, text);
        assert!(last_error.is_misadvertised(), "{text}");
        assert_eq!(last_error.reason(), named);
    }
    last_error.note_answer();
    last_error.note(Code::BrokerTransportFailure, "a:1/bootstrap: Connection refused");
    assert!(!last_error.is_misadvertised());
}

#[test]
fn a_right_that_is_missing_is_named_with_its_resource() {
    let last_error = LastError::default();
    last_error.set_group(&GroupName::parse("billing").unwrap());
    last_error.note(
        Code::TopicAuthorizationFailed,
        "Subscribed topic not available: role_events: Broker: Topic authorization failed",
    );
    let of = |code, topic| of_client(code, topic, "a:1", &last_error).to_string();
    for (text, parts) in [
        (of(Code::GroupAuthorizationFailed, None), ["group `billing`", "`READ`"]),
        (of(Code::TopicAuthorizationFailed, None), ["topic `role_events`", "`READ`"]),
        (of(Code::TopicAuthorizationFailed, Some("a.b")), ["topic `a.b`", "`READ`"]),
        (of(Code::TransactionalIdAuthorizationFailed, None), ["transactional id", "`WRITE`"]),
        (of(Code::ClusterAuthorizationFailed, None), ["cluster", "`IDEMPOTENT_WRITE`"]),
    ] {
        assert!(parts.iter().all(|part| text.contains(part)), "{text}");
    }
}

#[test]
fn what_ends_a_client_says_what_to_set() {
    let last_error = LastError::default();
    last_error.set_group(&GroupName::parse("billing").unwrap());
    let error = of_fatal(Code::FencedInstanceId, "Fatal consumer error", &last_error);
    assert!(error.is_fatal(), "{error}");
    let text = error.to_string();
    assert!(text.contains("`billing`") && text.contains("EVENT_GROUP_INSTANCE_ID"), "{text}");
    let refused = of_fatal(Code::GroupAuthorizationFailed, "no", &last_error);
    assert!(matches!(refused, BrokerError::Unauthorised(_)), "{refused:?}");
    let failed = of_failed_producer(Code::ClusterAuthorizationFailed, "no".to_owned());
    assert!(failed.contains("`IDEMPOTENT_WRITE`"), "{failed}");
}

#[test]
fn damage_ends_the_service_and_says_where_and_what_to_do() {
    for code in [Code::BadMessage, Code::BadCompression, Code::NotImplemented] {
        assert!(is_damage(code), "{code}");
    }
    // librdkafka repeats these itself, from the same offset.
    for code in [Code::BrokerTransportFailure, Code::InvalidMessage, Code::PartitionEOF] {
        assert!(!is_damage(code), "{code}");
    }
    let place = RecordLocation { topic: "role_events", partition: 3, offset: 17 };
    let error = of_damage(Some(place), Code::BadCompression, "");
    assert!(error.is_fatal());
    let text = error.to_string();
    for part in ["`role_events`", "partition 3", "offset 17", "--reset-offsets"] {
        assert!(text.contains(part), "{text}");
    }
    let unknown =
        of_damage(Some(RecordLocation { offset: -1001, ..place }), Code::BadMessage, "CRC");
    assert!(!unknown.to_string().contains("-1001"), "{unknown}");
}

#[test]
fn a_lost_position_names_group_partition_and_offset() {
    let topic = TopicName::from_static("role_events");
    let partition = TopicPartition { topic, partition: 3 };
    let error =
        of_lost_position("group `billing`", &partition, Some(NextOffset(7)), Some((9, 12)), "gone");
    assert!(!error.to_string().contains("failed for good"), "{error}");
    assert!(error.is_fatal());
    let text = error.to_string();
    for part in [
        "group `billing` cannot go on in role_events/3 at offset 7: ",
        "the log holds 9 (earliest) to 12 (end)",
        "`seek --topic role_events --partition 3 --to ..`",
        "`earliest`",
    ] {
        assert!(text.contains(part), "{text}");
    }
}

#[test]
fn a_missing_topic_is_named() {
    let last_error = LastError::default();
    last_error.note(
        Code::UnknownTopicOrPartition,
        "Subscribed topic not available: role_events: Broker: Unknown topic or partition",
    );
    assert_eq!(
        of_client(Code::UnknownTopicOrPartition, None, "a:1", &last_error),
        BrokerError::UnknownTopic("role_events".to_owned())
    );
}

#[test]
fn a_refused_value_is_not_repeated() {
    let mut config = rdkafka::ClientConfig::new();
    config.set("sasl.pasword", "hunter2");
    let error = config.create_native_config().err().map(|error| of_creation(&error));
    let text = error.map(|error| error.to_string()).unwrap_or_default();
    assert!(text.contains("sasl.pasword") && !text.contains("hunter2"), "{text}");
}

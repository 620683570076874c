//! `dlq`: a letter is shown, redriven and dropped.

use super::*;

#[tokio::test(flavor = "multi_thread")]
async fn a_dead_letter_goes_round_until_its_handler_is_mended() {
    let fixture = Fixture::new();

    // It fails.
    fixture.send(WORKS).await;
    fixture.send(FAILS).await;
    fixture.serve(LEDGER, "dead-lettered", 1);

    // It is listed.
    let ran = fixture.run(LEDGER, &["dlq", "ls"]);
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
    let shown = fixture.json(LEDGER, &["dlq", "show", "0@0", "--json"]);
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
    let ran = fixture.run(LEDGER, &["dlq", "show", "0@0"]);
    assert!(ran.out.contains("\nvalue (74 bytes)\n  {\n"), "{}", ran.out);
    assert!(ran.out.contains("\nwith this build\nwould be handled by book_claim\n"), "{}", ran.out);

    // The handler is fixed; the dry run of the new build does nothing.
    let ran = fixture.run(FIXED, &["dlq", "redrive", "--dry-run"]);
    let expected = "\
0@0  role_events/0@1  CLAIM_ADDED
  would be handled by book_claim
1 would be handled, 0 not
";
    assert_eq!((ran.code, ran.out.as_str()), (Some(0), expected), "{}", ran.err);
    assert_eq!(fixture.json(FIXED, &["dlq", "ls", "--json"])["open"], 1);

    // It is redriven.
    let ran = fixture.run(FIXED, &["dlq", "redrive"]);
    assert_eq!((ran.code, ran.out.as_str()), (Some(0), "1 dead letter redriven\n"), "{}", ran.err);
    let ran = fixture.run(FIXED, &["tail", "--topic", "role_events_redrive", "--json"]);
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
    let booked = fixture.serve(FIXED, "booked claim 7", 1);
    assert_eq!(booked, ["booked claim 7 of role_events/0@1, attempt 3"]);

    // It is gone; what was done about it is left.
    let ran = fixture.run(FIXED, &["dlq", "ls"]);
    assert_eq!(ran.out, "0 dead letters, 1 resolved before\n", "{}", ran.err);
    let ran = fixture
        .run(FIXED, &["tail", "--topic", "role_events_dlq", "--event", "tombstone", "--json"]);
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
    let fixture = Fixture::new();
    for value in [BROKEN, FAILS, FAILS] {
        fixture.send(value).await;
    }
    fixture.serve(LEDGER, "dead-lettered", 3);
    let ran = fixture.run(FIXED, &["dlq", "redrive", "--dry-run"]);
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

    let ran = fixture.run(FIXED, &["dlq", "ls", "--handler", "bok_claim"]);
    let expected = "  no dead letter has the handler bok_claim; did you mean book_claim?\n";
    assert!(ran.out.ends_with(expected), "{}", ran.out);

    // Nobody is asked here, so several letters are not moved by chance.
    let ran = fixture.run(FIXED, &["dlq", "redrive"]);
    assert_eq!((ran.code, ran.out.as_str()), (Some(2), ""));
    assert!(
        ran.err.starts_with("3 dead letters would be redriven, and no filter is given\nhelp: "),
        "{}",
        ran.err
    );
    let ran = fixture.run(FIXED, &["dlq", "drop"]);
    assert_eq!(ran.code, Some(2));
    assert!(ran.err.starts_with("nothing says which letters to drop\nhelp: "), "{}", ran.err);

    let by_reason = ["dlq", "drop", "--reason", "malformed_json"];
    let ran = fixture.run(FIXED, &[&by_reason[..], &["--dry-run"]].concat());
    assert_eq!(ran.out, "0@0  role_events/0@0  -\n1 dead letter would be dropped\n", "{}", ran.err);
    let ran = fixture.run(FIXED, &by_reason);
    assert_eq!((ran.code, ran.out.as_str()), (Some(0), "1 dead letter dropped\n"), "{}", ran.err);
    let ran = fixture.run(FIXED, &["dlq", "show", "0@0"]);
    assert_eq!(ran.code, Some(1));
    assert_eq!(
        ran.err,
        "no dead letter 0@0 in role_events_dlq\nhelp: `dlq ls` lists the ids; what the topic no longer holds is gone\n"
    );
    let ran = fixture.run(FIXED, &["dlq", "redrive", "--yes", "--limit", "1"]);
    assert_eq!(ran.out, "1 dead letter redriven\n", "{}", ran.err);
    let ran = fixture.run(FIXED, &["dlq", "redrive", "--handler", "book_claim", "--rate", "100/s"]);
    assert_eq!(ran.out, "1 dead letter redriven\n", "{}", ran.err);
    assert_eq!(fixture.json(FIXED, &["dlq", "ls", "--json"])["resolved"], 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn redrive_says_whether_its_topic_is_there_and_read() {
    let fixture = Fixture(EmbeddedBroker::start().unwrap());
    for topic in ["role_events", "role_events_dlq"] {
        fixture.0.create_topic(topic, 1).unwrap();
    }
    for _ in 0..2 {
        fixture.send(FAILS).await;
    }
    fixture.serve(LEDGER, "dead-lettered", 2);
    let ran = fixture.run(FIXED, &["dlq", "redrive", "0@0"]);
    assert_eq!(ran.code, Some(1));
    let reported = "topic `role_events_redrive` does not exist, so nothing can be redriven\nhelp: make it with `topics create` and redrive again; a running service reads it within seconds\n";
    assert!(ran.err.ends_with(reported), "{}", ran.err);

    fixture.0.create_topic("role_events_redrive", 1).unwrap();
    let reported = "group ledger has committed nothing in role_events_redrive yet: a running service reads it within seconds";
    for dry_run in [true, false] {
        let redrive = [&["dlq", "redrive", "0@0"][..], &["--dry-run"][..usize::from(dry_run)]];
        let ran = fixture.run(FIXED, &redrive.concat());
        assert_eq!(ran.code, Some(0), "{}", ran.err);
        assert!(ran.err.contains(reported), "{}", ran.err);
    }
    fixture.serve(FIXED, "booked claim 7", 1);
    let ran = fixture.run(FIXED, &["dlq", "redrive", "0@1"]);
    assert_eq!((ran.code, ran.out.as_str()), (Some(0), "1 dead letter redriven\n"), "{}", ran.err);
    assert!(!ran.err.contains("role_events_redrive"), "{}", ran.err);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unauthorized_redrive_topic_is_reported_at_start_and_by_check() {
    let fixture = Fixture::new();
    fixture.send(WORKS).await;
    let fault = Some(event_core::broker::kafka::Fault::TopicUnauthorised);
    fixture.0.set_topic_fault("role_events_redrive", fault).unwrap();
    let reported = "topic `role_events_redrive`, needed for the redriven dead letters of `role_events`, is not read: not authorised: topic `role_events_redrive`: grant the service `DESCRIBE` on it";
    let lines = fixture.serve(FIXED, "role_events", 2);
    assert!(lines[0].contains(" WARN ") && lines[0].contains(reported), "{lines:?}");
    assert!(lines[0].contains("`dlq redrive`"), "{lines:?}");

    let ran = fixture.run(FIXED, &["check", "--online"]);
    assert_eq!(ran.code, Some(0), "{}", ran.err);
    assert!(ran.err.starts_with(&format!("warning: {reported}")), "{}", ran.err);
    let report = fixture.run(FIXED, &["check", "--online", "--json", "--strict"]);
    assert_eq!(report.code, Some(2), "{}", report.err);
    let report: Value = serde_json::from_str(&report.out).unwrap();
    assert_eq!(report["problems"][0]["kind"], "unread_topic");
    // Where the service is to make it, it is needed.
    let variables = [&fixture.variables()[..], &[("EVENT_CREATE_TOPICS", "true")]].concat();
    let ran = run(FIXED, &["check", "--online"], &variables);
    assert_eq!(ran.code, Some(2), "{}", ran.err);
    assert_eq!(run(FIXED, &["check"], &variables).code, Some(0));
}

//! What is redriven, dropped or left as it is.

use super::*;

#[tokio::test]
async fn a_redriven_record_is_the_original_with_where_it_came_from() {
    let mut own = Headers::new();
    own.push("traceparent", "00-x");
    own.push("dlq.topic", "of the producer");
    own.push("dlq.reason", "of the producer too");
    let fixture = Fixture::with(&[Letter { offset: 15, own: own.clone(), ..LETTER }]).await;
    let before = Timestamp::now();
    let resolved = fixture.redrive().await.unwrap();
    assert_eq!((resolved.done, resolved.skipped.len(), resolved.stopped), (1, 0, false));

    let sent = &fixture.redriven()[0];
    assert_eq!(sent.key.as_deref(), Some(&b"3"[..]));
    assert_eq!(sent.value.as_deref(), Some(GOOD));
    let names: Vec<_> = sent.headers.iter().map(|header| header.name.clone()).collect();
    let names: Vec<_> = names.iter().map(|name| std::str::from_utf8(name).unwrap()).collect();
    assert_eq!(
        names,
        [
            "traceparent",
            "dlq.topic",
            "dlq.reason",
            "retry.topic",
            "retry.partition",
            "retry.offset",
            "retry.timestamp",
            "retry.group",
            "retry.handler",
            "retry.attempts",
            "retry.first_failure",
            "retry.redrive_id",
        ]
    );
    assert_eq!(sent.headers.iter().take(3).cloned().collect::<Headers>(), own);
    for (name, value) in [
        (retry_header::TOPIC, "claim_events"),
        (retry_header::PARTITION, "0"),
        (retry_header::OFFSET, "15"),
        (retry_header::TIMESTAMP, "1700000000000"),
        (retry_header::GROUP, "admin"),
        (retry_header::HANDLER, "claims"),
        (retry_header::ATTEMPTS, "5"),
        (retry_header::FIRST_FAILURE, "2026-01-02T03:04:00Z"),
        (retry_header::REDRIVE_ID, "admin:claim_events/0@15#0@0"),
    ] {
        assert_eq!(text(sent, name), value, "{name}");
    }

    let resolution = &fixture.broker.records(&LETTERS)[1];
    assert_eq!((&resolution.key, &resolution.value), (&None, &None));
    for (name, value) in [
        (resolution_header::RESOLVES, "0@0"),
        (header::ID, "admin:claim_events/0@15"),
        (resolution_header::RESOLUTION, "redriven"),
        (resolution_header::REDRIVE_ID, "admin:claim_events/0@15#0@0"),
    ] {
        assert_eq!(text(resolution, name), value, "{name}");
    }
    let at: Timestamp = text(resolution, resolution_header::RESOLVED_AT).parse().unwrap();
    assert!((before..=Timestamp::now()).contains(&at), "{at}");

    // It is gone, and a second redrive has nothing to do.
    let found = fixture.list(DeadLetterFilter::default()).await;
    assert_eq!((found.open, found.resolved, found.foreign), (0, 1, 0));
    assert_eq!(fixture.redrive().await.unwrap().done, 0);
    assert_eq!(fixture.redriven().len(), 1);
}

#[tokio::test]
async fn copies_of_one_letter_are_one_and_are_resolved_together() {
    let fixture = Fixture::with(&[LETTER, Letter { offset: 1, ..LETTER }, LETTER]).await;
    let found = fixture.list(DeadLetterFilter::default()).await;
    assert_eq!(fixture.all().await, ["0@0", "0@1"]);
    assert_eq!(found.letters[0].copies[0].offset, Offset(2));
    // Also under the id of the copy.
    let by_copy = find(&fixture.broker, &[LETTERS], &"0@2".parse().unwrap()).await.unwrap();
    assert_eq!(by_copy.short_id(), "0@0");
    assert_eq!(fixture.redrive().await.unwrap().done, 2);
    assert_eq!(fixture.redriven().len(), 2);
    assert!(fixture.all().await.is_empty());
}

#[tokio::test]
async fn a_letter_that_fails_again_after_its_redrive_is_a_new_one() {
    let fixture = Fixture::with(&[LETTER]).await;
    fixture.redrive().await.unwrap();
    let redrive_id = Some("admin:claim_events/0@0#0@0");
    assert_eq!(Some(text(&fixture.redriven()[0], retry_header::REDRIVE_ID)), redrive_id);
    fixture.send(Letter { redrive_id, ..LETTER }.to_record()).await;
    assert_eq!(fixture.all().await, ["0@2"]);
    fixture.redrive().await.unwrap();
    let again = &fixture.redriven()[1];
    assert_eq!(text(again, retry_header::REDRIVE_ID), "admin:claim_events/0@0#0@2");
    let ids = again.headers.iter().filter(|header| header.name == retry_header::REDRIVE_ID);
    assert_eq!(ids.count(), 1);
}

#[tokio::test]
async fn a_redrive_that_was_cut_off_before_the_resolution_is_recognised() {
    let fixture = Fixture::with(&[LETTER]).await;
    let refused = BrokerError::Other("no leader".into());
    fixture.broker.refuse_writes(&LETTERS, Some(refused));
    assert!(matches!(fixture.redrive().await, Err(OperationError::Broker(BrokerError::Other(_)))));
    fixture.broker.refuse_writes(&LETTERS, None);
    assert_eq!(fixture.all().await, ["0@0"]);
    fixture.redrive().await.unwrap();
    let ids: Vec<_> = fixture
        .redriven()
        .iter()
        .map(|sent| text(sent, retry_header::REDRIVE_ID).to_owned())
        .collect();
    assert_eq!(ids, ["admin:claim_events/0@0#0@0"; 2]);
}

#[tokio::test]
async fn a_letter_and_its_failed_redrive_are_no_copies_of_each_other() {
    let redrive_id = Some("admin:claim_events/0@0#0@0");
    let fixture = Fixture::with(&[LETTER, Letter { redrive_id, ..LETTER }]).await;
    assert_eq!(fixture.all().await, ["0@0", "0@1"]);
}

#[tokio::test(start_paused = true)]
async fn a_redrive_goes_at_its_rate_and_goes_on_where_it_was_ended() {
    let letters: Vec<_> = (0..10).map(|offset| Letter { offset, ..LETTER }).collect();
    let fixture = Fixture::with(&letters).await;
    let letters = fixture.list(DeadLetterFilter::default()).await.letters;
    let (stop, stopped) = watch::channel(false);
    let resolver =
        Resolver::new(&fixture.broker, "1/s".parse().ok(), Shutdown::new(stopped)).unwrap();
    let began = tokio::time::Instant::now();
    let mut seen = Vec::new();
    let progress = |step: &Step<'_>| {
        seen.push((step.done, step.of));
        if step.done == 4 {
            stop.send_replace(true);
        }
    };
    let resolved = resolver.redrive(&letters, &fixture.targets(), progress).await.unwrap();
    assert_eq!((resolved.done, resolved.stopped), (4, true));
    assert_eq!(began.elapsed().as_secs(), 3);
    assert_eq!(seen, [(1, 10), (2, 10), (3, 10), (4, 10)]);
    assert_eq!(fixture.all().await.len(), 6);

    fixture.redrive().await.unwrap();
    let offsets: Vec<_> =
        fixture.redriven().iter().map(|sent| text(sent, retry_header::OFFSET).to_owned()).collect();
    assert_eq!(offsets, (0..10).map(|offset| offset.to_string()).collect::<Vec<_>>());
}

#[tokio::test]
async fn without_a_redrive_topic_nothing_is_sent() {
    let fixture = Fixture::with(&[LETTER]).await;
    fixture.broker.delete_topic(&REDRIVE);
    let error = fixture.redrive().await.unwrap_err().to_string();
    assert_eq!(
        error,
        "topic `claim_events_redrive` does not exist, so nothing can be redriven\nhelp: make it with `topics create` and redrive again; a running service reads it within seconds"
    );
    assert_eq!(fixture.all().await, ["0@0"]);
}

#[tokio::test]
async fn a_letter_that_nobody_would_handle_stays() {
    let fixture = Fixture::with(&[
        Letter { offset: 0, handler: Some("retired"), ..LETTER },
        Letter { offset: 1, handler: None, value: Some(BROKEN), ..LETTER },
        Letter { offset: 2, handler: None, value: Some(RENAMED), ..LETTER },
        // It can be read by now.
        Letter { offset: 3, handler: None, ..LETTER },
    ])
    .await;
    let resolved = fixture.redrive().await.unwrap();
    assert_eq!(resolved.done, 1);
    let left: Vec<_> = resolved.skipped.iter().map(|(_, left)| left.to_string()).collect();
    assert_eq!(left[0], "no handler of its topic has the id retired any more");
    assert!(left[1].contains("byte 1"), "{}", left[1]);
    assert_eq!(left[2], "no handler takes it");
    assert_eq!(text(&fixture.redriven()[0], retry_header::HANDLER), "claims");
    assert_eq!(fixture.all().await, ["0@0", "0@1", "0@2"]);
}

#[tokio::test]
async fn a_value_that_was_left_out_is_read_from_the_origin_while_it_is_there() {
    let pointer = |offset| Letter { offset, value: None, left_out: true, ..LETTER };
    let fixture = Fixture::with(&[pointer(0), pointer(1), pointer(2)]).await;
    for (timestamp_ms, value) in [(1_700_000_000_000, GOOD), (1, NO_ID)] {
        let record = OutgoingRecord {
            topic: CLAIMS,
            value: Some(Bytes::from_static(value)),
            timestamp_ms: Some(timestamp_ms),
            headers: Headers::new(),
            ..LETTER.to_record()
        };
        fixture.send(record).await;
    }
    let gone = |offset| {
        format!(
            "part of the record was left out of the letter, and claim_events/0@{offset} no longer holds it"
        )
    };
    // Of the second another record lies there, of the third none.
    assert_eq!(fixture.previews().await, ["handled".to_owned(), gone(1), gone(2)]);
    assert_eq!(fixture.redrive().await.unwrap().done, 1);
    assert_eq!(fixture.redriven()[0].value.as_deref(), Some(GOOD));
    assert_eq!(fixture.all().await, ["0@1", "0@2"]);
}

#[tokio::test]
async fn a_dry_run_reports_what_this_build_would_do() {
    let fixture = Fixture::with(&[
        LETTER,
        Letter { offset: 1, value: Some(NO_ID), ..LETTER },
        Letter { offset: 2, handler: None, value: Some(BROKEN), ..LETTER },
        Letter { offset: 3, handler: Some("retired"), ..LETTER },
        Letter { offset: 4, value: Some(RENAMED), ..LETTER },
    ])
    .await;
    assert_eq!(
        fixture.previews().await,
        [
            "handled",
            "Some(\"data_mismatch\") at Some(38)",
            "Some(\"malformed_json\") at Some(1)",
            "no handler of its topic has the id retired any more",
            // It goes to the handler that failed, whatever takes its event now.
            "Some(\"data_mismatch\") at Some(40)",
        ]
    );
    assert_eq!((fixture.all().await.len(), fixture.redriven().len()), (5, 0));
}

#[tokio::test]
async fn what_is_dropped_is_gone_and_sent_nowhere() {
    let fixture = Fixture::with(&[LETTER, Letter { offset: 1, ..LETTER }]).await;
    let id = "0@0".parse().unwrap();
    let letter = find(&fixture.broker, &[LETTERS], &id).await.unwrap();
    let resolver = Resolver::new(&fixture.broker, None, Shutdown::never()).unwrap();
    assert_eq!(resolver.give_up(&[letter], |_| {}).await.unwrap().done, 1);
    assert_eq!((fixture.all().await, fixture.redriven().len()), (vec!["0@1".to_owned()], 0));
    let resolution = &fixture.broker.records(&LETTERS)[2];
    assert_eq!(text(resolution, resolution_header::RESOLUTION), "dropped");
    assert_eq!(resolution.headers.get(resolution_header::REDRIVE_ID), None);
    let error = find(&fixture.broker, &[LETTERS], &id).await.unwrap_err().to_string();
    assert_eq!(
        error,
        "no dead letter 0@0 in claim_events_dlq\nhelp: `dlq ls` lists the ids; what the topic no longer holds is gone"
    );
}

#[tokio::test]
async fn the_original_is_what_was_on_the_topic() {
    let fixture = Fixture::with(&[Letter { offset: 15, ..LETTER }]).await;
    let letter = find(&fixture.broker, &[LETTERS], &"0@0".parse().unwrap()).await.unwrap();
    let original = original_of(&fixture.broker, &letter).await.unwrap().unwrap();
    assert_eq!((original.offset, original.timestamp_ms), (Offset(15), 1_700_000_000_000));
    assert_eq!((original.value.as_deref(), original.headers.len()), (Some(GOOD), 0));
    let missing = TopicName::from_static("other_events_dlq");
    let found =
        list(&fixture.broker, &[LETTERS, missing.clone()], &DeadLetterFilter::default()).await;
    assert_eq!(found.unwrap().missing, [missing]);
}

#[tokio::test]
async fn a_letter_of_a_replay_goes_to_the_group_in_which_its_handler_runs() {
    let fixture = Fixture::with(&[Letter { group: "admin_replay_1", ..LETTER }]).await;
    assert_eq!(fixture.redrive().await.unwrap().done, 1);
    assert_eq!(text(&fixture.redriven()[0], retry_header::GROUP), "admin");
}

#[tokio::test]
async fn a_letter_of_another_group_is_left_as_it_is() {
    for group in ["blue", "blue_replay_1", "admin_replay_x"] {
        let unread = Letter { offset: 1, handler: None, reason: "malformed_json", ..LETTER };
        let letters = [Letter { group, ..LETTER }, Letter { group, ..unread }];
        let fixture = Fixture::with(&letters).await;
        let resolved = fixture.redrive().await.unwrap();
        assert_eq!((resolved.done, resolved.skipped.len()), (0, 2), "{group}");
        assert!(
            matches!(&resolved.skipped[0].1, RedriveSkipReason::OtherGroup(_)),
            "{:?}",
            resolved.skipped
        );
        assert_eq!(fixture.all().await, ["0@0", "0@1"]);
        assert!(fixture.redriven().is_empty());
    }
}

// What became of a letter of `blue` when these groups have positions.
async fn of_blue(service: &str, with_positions: &[&str]) -> Result<String, String> {
    let fixture = Fixture::with(&[Letter { group: "blue", ..LETTER }]).await;
    let partition = crate::delivery::TopicPartition { topic: CLAIMS, partition: 0 };
    for group in with_positions {
        let at = [(partition.clone(), crate::delivery::NextOffset(0))];
        let timeout = std::time::Duration::from_secs(1);
        fixture.broker.reset(&group.parse_group(), &at, timeout).await.unwrap();
    }
    let (handlers, own) = (fixture.registry.handlers(), "admin".parse_group());
    let blue = "blue".parse_group();
    let targets = RedriveTargets::of_group(&fixture.broker, handlers, service, &own, &blue);
    let targets = targets.await.unwrap();
    let letters = fixture.list(DeadLetterFilter::default()).await.letters;
    let resolver = Resolver::new(&fixture.broker, None, Shutdown::never()).unwrap();
    let resolved = resolver.redrive(&letters, &targets, |_| {}).await.unwrap();
    match resolved.skipped.first() {
        Some((_, left)) => Err(left.to_string()),
        None => Ok(text(&fixture.redriven()[0], retry_header::GROUP).to_owned()),
    }
}

#[tokio::test]
async fn committed_offsets_show_whether_a_group_is_still_served() {
    assert_eq!(of_blue("admin", &["blue"]).await.unwrap(), "blue");
    assert_eq!(of_blue("admin", &["admin"]).await.unwrap(), "admin");
    for doubtful in [&[][..], &["blue", "admin"]] {
        let left = of_blue("admin", doubtful).await.unwrap_err();
        assert!(left.starts_with("it was given up by group blue, which is not known"), "{left}");
    }
    for groups in [["blue"], ["admin"]] {
        let left = of_blue("ledger", &groups).await.unwrap_err();
        assert_eq!(left, "it was given up by the service admin");
    }
}

#[tokio::test]
async fn many_letters_are_redriven_once_each_and_in_order() {
    let letters: Vec<_> = (0..250).map(|offset| Letter { offset, ..LETTER }).collect();
    let fixture = Fixture::with(&letters).await;
    assert_eq!(fixture.redrive().await.unwrap().done, 250);
    let sent = fixture.redriven();
    let offsets: Vec<i64> =
        sent.iter().map(|sent| text(sent, retry_header::OFFSET).parse().unwrap()).collect();
    assert_eq!(offsets, (0..250).collect::<Vec<_>>());
    assert!(fixture.all().await.is_empty());
}

#[tokio::test]
async fn a_record_that_the_redrive_topic_does_not_take_stays_a_letter() {
    let mut own = Headers::new();
    own.push("padding", vec![b'x'; 1000]);
    let fixture = Fixture::with(&[Letter { own, ..LETTER }, Letter { offset: 1, ..LETTER }]).await;
    fixture.broker.limit_record_bytes(&REDRIVE, 1000);
    let resolved = fixture.redrive().await.unwrap();
    assert_eq!((resolved.done, resolved.skipped.len()), (1, 1));
    assert!(matches!(&resolved.skipped[0].1, RedriveSkipReason::TooLarge(_)));
    assert_eq!(fixture.all().await, ["0@0"]);
}

#[tokio::test]
async fn an_event_that_was_unknown_to_all_goes_to_whichever_group_handles_it_now() {
    let unknown =
        Letter { handler: None, reason: "unknown_event", value: Some(ARCHIVED), ..LETTER };
    let fixture = Fixture::with(&[unknown]).await;
    assert_eq!(fixture.previews().await, ["handled"]);
    assert_eq!(fixture.redrive().await.unwrap().done, 1);
    let sent = &fixture.redriven()[0];
    assert_eq!(text(sent, retry_header::GROUP), "archive");
    assert_eq!(text(sent, retry_header::HANDLER), "archive");
    // What could not be read, each group gave up for itself.
    let unread =
        Letter { handler: None, reason: "malformed_json", value: Some(ARCHIVED), ..LETTER };
    let fixture = Fixture::with(&[unread]).await;
    assert_eq!(fixture.previews().await, ["no handler takes it"]);
}

#[tokio::test]
async fn what_was_over_a_limit_is_not_held_to_it_again() {
    let fixture =
        Fixture::with(&[Letter { handler: None, reason: "value_too_large", ..LETTER }]).await;
    let policy = DeliveryPolicy { max_value_bytes: 10, ..DeliveryPolicy::default() };
    assert_eq!(fixture.previews_under(policy).await, ["handled"]);
}

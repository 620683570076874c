//! Records of which a part cannot be read, or all of it.

use super::*;
use event_core::event::{EnvelopeRules, LoneSurrogates};
use event_core::processor::DeliveryPolicy;

const CUT_EMOJI: &str =
    r#"{"eventType":"CLAIM_ADDED","data":{"id":9,"roleId":3,"note":"see you \ud83d"}}"#;

mod claims {
    use super::*;

    #[event_handler(id = "note")]
    async fn note(event: Event<ClaimAdded>, State(log): State<Log>) {
        log.note(event.id);
    }
}

#[tokio::test(start_paused = true)]
async fn half_a_surrogate_pair_that_nobody_reads_costs_no_event_unless_the_settings_say_so() {
    for (lone_surrogates, handled) in
        [(LoneSurrogates::Handle, &[9][..]), (LoneSurrogates::DeadLetter, &[])]
    {
        let log = Log::default();
        let envelope = EnvelopeRules::default().lone_surrogates(lone_surrogates);
        let policy = DeliveryPolicy { envelope, ..Default::default() };
        let app = service(&format!("{}::claims", module_path!()));
        let app = app.state(log.clone()).policy(policy).start().unwrap();
        app.publish_raw(CLAIMS, None, Some(CUT_EMOJI.as_bytes())).await;
        app.settle().await;
        assert_eq!(log.ids(), handled);
        assert_eq!(app.dead_letters(CLAIMS).len(), 1 - handled.len());
    }
}

#[tokio::test(start_paused = true)]
async fn a_redriven_record_with_half_a_surrogate_pair_is_handled() {
    let log = Log::default();
    let app = service(&format!("{}::claims", module_path!()));
    let app = app.state(log.clone()).start().unwrap();
    app.publish_record(redriven("admin", "note", "4", "0", CUT_EMOJI)).await;
    app.settle().await;
    assert_eq!(log.ids(), [9], "{:?}", app.dead_letters(CLAIMS));
}

#[tokio::test(start_paused = true)]
async fn fields_that_count_as_absent_are_counted_by_their_kind() {
    let log = Log::default();
    let app = service(&format!("{}::claims", module_path!()));
    let app = app.state(log.clone()).start().unwrap();
    for (id, more) in [
        (1, r#""occurredAt":"2026-01-31T08:00:00""#),
        (2, r#""occurredAt":"2026-01-31 08:00:00","eventId":"""#),
        (3, r#""occurredAt":"yesterday""#),
        (4, r#""occurredAt":1764307000412,"eventId":12345"#),
    ] {
        let value =
            format!(r#"{{"eventType":"CLAIM_ADDED","data":{{"id":{id},"roleId":3}},{more}}}"#);
        let timestamp_ms = (id == 4).then_some(1_764_307_000_412_345);
        app.publish_record(OutgoingRecord {
            topic: TopicName::from_static(CLAIMS),
            partition: None,
            key: None,
            value: Some(value.into()),
            headers: Headers::new(),
            timestamp_ms,
        })
        .await;
    }
    app.settle().await;
    assert_eq!(log.ids(), [1, 2, 3, 4]);
    let counts = app.health().ignored_fields().counts();
    let counts: Vec<_> = counts.iter().map(|(kind, count)| format!("{kind} {count}")).collect();
    assert_eq!(
        counts,
        [
            "role_events / CLAIM_ADDED eventId: blank 1",
            "role_events / CLAIM_ADDED occurredAt: no_zone 2",
            "role_events / CLAIM_ADDED occurredAt: not_a_time 1",
            "role_events / CLAIM_ADDED timestamp: out_of_range 1",
        ]
    );
}

mod archive {
    use super::*;

    #[event_handler]
    async fn note(event: Event<ClaimAdded>, State(log): State<Log>) {
        log.note(event.id);
    }

    #[event_handler(topic = "role_events", event = *, group = "archive")]
    async fn keep(raw: RawEvent, State(log): State<Log>) {
        log.note(100 + u64::try_from(raw.position.offset.0).unwrap());
    }
}

#[tokio::test(start_paused = true)]
async fn what_another_group_takes_whatever_it_is_is_no_dead_letter_of_this_one() {
    let log = Log::default();
    let app = service(&format!("{}::archive", module_path!()));
    let app = app.state(log.clone()).start().unwrap();
    app.publish_raw(CLAIMS, None, Some(br#"{"op":"c","after":{"id":1}}"#)).await;
    app.publish_raw(CLAIMS, None, Some(b"[1]")).await;
    app.publish_raw(CLAIMS, Some(b"7"), None).await;
    app.settle().await;
    assert!(app.dead_letters(CLAIMS).is_empty());
    // What is damaged may be an event of ours.
    let cut_off = br#"{"eventType":"CLAIM_ADDED","data":{"id":1"#;
    app.publish_raw(CLAIMS, None, Some(cut_off)).await;
    app.settle().await;
    let reasons = app.dead_letters(CLAIMS);
    assert_eq!(reasons.len(), 1, "{reasons:?}");
    let mut ids = log.ids();
    ids.sort_unstable();
    assert_eq!(ids, [100, 101, 102, 103]);
}

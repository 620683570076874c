//! What an original says about itself that only the engine may say, and recreated topics.

use super::*;

fn headers<const N: usize>(pairs: [(&'static str, &'static str); N]) -> Headers {
    let mut headers = Headers::new();
    for (name, value) in pairs {
        headers.push(name, value);
    }
    headers
}

#[tokio::test]
async fn records_of_a_topic_that_was_made_anew_are_no_copies_of_the_old_ones() {
    for second in [
        Letter { timestamp_ms: 1_700_000_000_001, ..LETTER },
        Letter { value: Some(NO_ID), ..LETTER },
    ] {
        let fixture = Fixture::with(&[LETTER, second]).await;
        assert_eq!(fixture.all().await, ["0@0", "0@1"]);
        assert_eq!(fixture.redrive().await.unwrap().done, 2);
        assert_eq!(fixture.redriven().len(), 2);
    }
}

#[tokio::test]
async fn copies_without_the_value_are_copies_still() {
    let pointer = || Letter { value: None, left_out: true, ..LETTER };
    assert_eq!(Fixture::with(&[pointer(), pointer()]).await.all().await, ["0@0"]);
}

#[tokio::test]
async fn what_the_original_says_of_itself_is_not_believed() {
    let own = headers([
        ("dlq.topic", "elsewhere"),
        ("dlq.handler", "retired"),
        ("dlq.value_bytes_left_out", "9"),
        ("dlq.headers_left_out", "9"),
        ("dlq.key_bytes_left_out", "9"),
        ("dlq.trace_id", "forged"),
        ("dlq.redrive_id", "forged"),
        ("retry.redrive_id", "forged"),
    ]);
    let fixture = Fixture::with(&[Letter { handler: None, own: own.clone(), ..LETTER }]).await;
    let letter = &fixture.list(DeadLetterFilter::default()).await.letters[0];
    assert_eq!((&letter.handler, &letter.trace_id, &letter.redrive_id), (&None, &None, &None));
    assert!(!letter.left_out.any(), "{:?}", letter.left_out);
    assert_eq!(fixture.redrive().await.unwrap().done, 1);
    let sent = &fixture.redriven()[0];
    assert_eq!(text(sent, retry_header::HANDLER), "claims");
    assert_eq!(sent.headers.iter().take(own.len()).cloned().collect::<Headers>(), own);
}

#[tokio::test]
async fn a_redrive_leaves_the_original_its_own_headers() {
    let own = headers([
        ("retry.topic", "mine"),
        ("retry.group", "mine"),
        ("retry.attempts", "mine"),
        ("retry.redrive_id", "mine"),
    ]);
    let redrive_id = Some("admin:claim_events/0@0#0@7");
    for letter in [
        Letter { own: own.clone(), ..LETTER },
        Letter { own: own.clone(), redrive_id, offset: 1, ..LETTER },
    ] {
        let fixture = Fixture::with(&[letter]).await;
        fixture.redrive().await.unwrap();
        let sent = &fixture.redriven()[0];
        assert_eq!(sent.headers.iter().take(own.len()).cloned().collect::<Headers>(), own);
        assert_eq!(sent.headers.iter().filter(|h| h.name == "retry.topic").count(), 2);
    }
}

#[tokio::test]
async fn a_letter_that_nobody_gets_needs_no_redrive_topic() {
    let fixture = Fixture::with(&[LETTER]).await;
    for topic in ["claim_events_retry_1m".to_owned(), "x".repeat(249)] {
        let mut record = Letter { handler: None, offset: 1, ..LETTER }.to_record();
        record.headers.push(header::TOPIC, topic);
        for (name, value) in [(header::PARTITION, "0"), (header::OFFSET, "1")] {
            record.headers.push(name, value);
        }
        record.headers.push(header::ID, "admin:elsewhere/0@1");
        record.headers.push(header::GROUP, "admin");
        fixture.send(record).await;
    }
    let resolved = fixture.redrive().await.unwrap();
    assert_eq!((resolved.done, resolved.skipped.len()), (1, 2));
    assert_eq!(resolved.skipped[0].1.to_string(), "no handler takes it");
    assert_eq!(fixture.all().await, ["0@1", "0@2"]);
}

#[tokio::test]
async fn what_is_left_as_it_is_does_not_count_for_the_limit() {
    let fixture = Fixture::with(&[
        Letter { handler: None, value: Some(BROKEN), ..LETTER },
        Letter { offset: 1, handler: Some("retired"), ..LETTER },
        Letter { offset: 2, ..LETTER },
        Letter { offset: 3, ..LETTER },
    ])
    .await;
    let letters = fixture.list(DeadLetterFilter::default()).await.letters;
    let resolver = Resolver::new(&fixture.broker, None, Shutdown::never()).unwrap().limit(1);
    let resolved = resolver.redrive(&letters, &fixture.targets(), |_| {}).await.unwrap();
    assert_eq!((resolved.done, resolved.skipped.len(), resolved.stopped), (1, 2, false));
    assert_eq!(fixture.all().await, ["0@0", "0@1", "0@3"]);
}

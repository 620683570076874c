use super::*;
use crate::broker::kafka::EmbeddedBroker;
use crate::delivery::Offset;
use crate::event::Headers;
use crate::event::TopicName;

fn record() -> OutgoingRecord {
    OutgoingRecord {
        topic: TopicName::from_static("role_events"),
        partition: None,
        key: None,
        value: None,
        headers: Headers::new(),
        timestamp_ms: None,
    }
}

#[tokio::test]
async fn a_client_that_failed_for_good_is_replaced() -> Result<(), BrokerError> {
    let embedded = EmbeddedBroker::start()?;
    embedded.create_topic("role_events", 1)?;
    let producer = KafkaProducer::start(&embedded.broker().settings)?;
    assert_eq!(producer.send(record()).await?.offset, Offset(0));

    embedded.take_down()?;
    let under_way = producer.send(record());
    let old = Arc::clone(&producer.shared.line().client);
    raw::fail_for_good(&old);
    drop(old);
    // Answered now, not after the 30 s that a record has.
    let soon = Duration::from_secs(10);
    let error = match tokio::time::timeout(soon, under_way).await {
        Ok(Err(error)) => error,
        other => panic!("{other:?}"),
    };
    assert!(error.is_retriable() && error.to_string().contains("recreated"), "{error}");
    embedded.bring_up()?;
    let sends: Vec<_> = (0..100).map(|_| producer.send(record())).collect();
    for (number, send) in sends.into_iter().enumerate() {
        assert_eq!(send.await?.offset, Offset(number as i64 + 1));
    }
    producer.flush(soon).await
}

#[tokio::test]
async fn a_send_right_after_the_failure_goes_to_the_new_client() -> Result<(), BrokerError> {
    let embedded = EmbeddedBroker::start()?;
    embedded.create_topic("role_events", 1)?;
    let producer = KafkaProducer::start(&embedded.broker().settings)?;
    producer.send(record()).await?;
    raw::fail_for_good(&producer.shared.line().client);
    assert_eq!(producer.send(record()).await?.offset, Offset(1));
    Ok(())
}

//! A partition that nobody can read or write takes no other's answer away.

use super::*;
use crate::broker::kafka::EmbeddedBroker;

/// The other partitions say what they hold, and a group goes on in them.
#[tokio::test]
async fn a_partition_without_a_leader_is_a_row_with_the_reason() {
    let embedded = EmbeddedBroker::start().unwrap();
    embedded.create_topic("order_events", 3).unwrap();
    let broker = embedded.broker();
    let producer = broker.producer().unwrap();
    for partition in 0..3 {
        let (topic, key, headers) = (ORDERS, None, Headers::new());
        let (value, timestamp_ms) = (Some(Bytes::from_static(b"{}")), None);
        let partition = Some(partition);
        let record = OutgoingRecord { topic, partition, key, value, headers, timestamp_ms };
        producer.send(record).await.unwrap();
    }
    embedded.set_leader("order_events", 1, false).unwrap();
    let orders = group("orders");
    let Lags { partitions, unknown } =
        lag_of(&broker, &groups_of(&handlers(), &orders)).await.unwrap();
    let known: Vec<_> = partitions.iter().map(|one| (one.partition.partition, one.lag())).collect();
    assert_eq!(known, [(0, 1), (2, 1)]);
    assert_eq!(unknown.iter().map(|one| one.partition).collect::<Vec<_>>(), [Some(1)]);
    let reason = unknown[0].error.to_string();
    assert!(reason.contains("no leader for order_events/1"), "{reason}");

    let plan = plan_seek(&broker, &orders, &ORDERS, None, OffsetSpec::End).await.unwrap();
    let moves: Vec<_> = plan.moves.iter().map(|to| (to.partition.partition, to.to.0)).collect();
    assert_eq!(moves, [(0, 1), (2, 1)]);
    assert_eq!(plan.unknown[0].0, partition(1));

    let needed = NeededTopic { topic: ORDERS, needed_for: Vec::new(), origins: Vec::new() };
    let states = topic_states(&broker, vec![needed]).await.unwrap();
    assert_eq!((states[0].partitions, &states[0].without_leader[..]), (Some(3), &[1][..]));
    embedded.set_leader("order_events", 1, true).unwrap();
    let plan = plan_seek(&broker, &orders, &ORDERS, None, OffsetSpec::End).await.unwrap();
    assert_eq!((plan.moves.len(), plan.unknown), (3, Vec::new()));
}

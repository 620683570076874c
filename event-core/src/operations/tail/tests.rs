//! Errors while it reads.

use std::collections::VecDeque;
use std::sync::Arc;

use bytes::Bytes;

use super::*;
use crate::delivery::{Epoch, Offset, RecordBatch};
use crate::event::Headers;
use crate::operations::OwnedRecord;

struct Scripted(VecDeque<Result<RecordBatch, BrokerError>>);

impl Reader for Scripted {
    async fn next(&mut self) -> Option<Result<RecordBatch, BrokerError>> {
        self.0.pop_front()
    }
}

fn record(offset: i64) -> Result<RecordBatch, BrokerError> {
    let partition = TopicPartition { topic: TopicName::from_static("order_events"), partition: 0 };
    let record = OwnedRecord {
        offset: Offset(offset),
        timestamp_ms: 0,
        key: None,
        value: Some(Bytes::from_static(b"{}")),
        headers: Headers::new(),
    };
    Ok(RecordBatch::new(Arc::new(partition), Epoch::default(), Box::new(record)))
}

fn gone() -> Result<RecordBatch, BrokerError> {
    Err(BrokerError::Unreachable { address: "kafka:9092".into(), last_error: "refused".into() })
}

async fn shown<const N: usize>(
    script: [Result<RecordBatch, BrokerError>; N],
) -> (Vec<String>, Result<u64, OperationError>) {
    let mut shown = Vec::new();
    let show = |what: Result<&TailedRecord<'_>, &BrokerError>| {
        shown.push(match what {
            Ok(tailed) => format!("@{}", tailed.record.offset),
            Err(_) => "error".to_owned(),
        });
        ControlFlow::Continue(())
    };
    let (filter, stop) = (TailFilter::default(), Shutdown::never());
    let ended = show_all(Scripted(script.into()), &filter, &stop, show).await;
    (shown, ended)
}

#[tokio::test]
async fn a_transient_error_is_reported_and_the_tail_goes_on() {
    let (reported, ended) = shown([record(0), gone(), gone(), record(1)]).await;
    assert_eq!(reported, ["@0", "error", "error", "@1"]);
    assert!(matches!(ended, Ok(2)), "{ended:?}");
}

#[tokio::test]
async fn what_does_not_pass_ends_it() {
    let (reported, ended) = shown([Err(BrokerError::Fatal("a record is damaged".into()))]).await;
    assert!(reported.is_empty() && ended.is_err(), "{reported:?} {ended:?}");
    // The reader ended with it.
    let (reported, ended) = shown([record(0), gone()]).await;
    assert_eq!(reported, ["@0", "error"]);
    assert!(ended.is_err());
}

#[tokio::test]
async fn a_key_in_the_quotes_of_json_is_found_without_them() {
    let keyed = |key: &'static str| {
        let partition =
            TopicPartition { topic: TopicName::from_static("order_events"), partition: 0 };
        let record = OwnedRecord {
            offset: Offset(0),
            timestamp_ms: -1,
            key: Some(Bytes::from_static(key.as_bytes())),
            value: Some(Bytes::from_static(b"{}")),
            headers: Headers::new(),
        };
        RecordBatch::new(Arc::new(partition), Epoch::default(), Box::new(record))
    };
    for (key, wanted, is_shown) in [
        ("7", "7", true),
        ("\"7\"", "7", true),
        ("\"7\"", "\"7\"", true),
        ("7", "\"7\"", false),
        ("77", "7", false),
    ] {
        let filter = TailFilter { key: Some(wanted.to_owned()), ..TailFilter::default() };
        let mut shown = 0;
        let show = |_: Result<&TailedRecord<'_>, &BrokerError>| {
            shown += 1;
            ControlFlow::Continue(())
        };
        let script = Scripted([Ok(keyed(key))].into());
        show_all(script, &filter, &Shutdown::never(), show).await.unwrap();
        assert_eq!(shown == 1, is_shown, "{key} {wanted}");
    }
}
